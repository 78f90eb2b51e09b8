#include "launch/host-check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "launch/host-rows.h"
#include "launch/platform.h"

const char *const host_verdict_texts[] = { "PASS", "WARN", "FAIL" };

extern const struct host_platform host_platform_amd, host_platform_intel, host_platform_ibm;

static const struct host_platform *const platforms[] = {
        &host_platform_amd,
        &host_platform_intel,
        &host_platform_ibm,
};

const struct host_platform *host_platform_of(const char *cpu_vendor) {
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                if (strcmp(platforms[i]->cpu_vendor, cpu_vendor) == 0)
                        return platforms[i];
        return NULL;
}

int host_scene_open(const char *root, struct host_scene *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct host_scene scene = { .root_fd = fd };
        int r = fd < 0 ? cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", root,
                                  strerror(errno))
                       : host_read(root, &scene.facts, err);

        if (r >= 0)
                r = host_probe_open(fd, &scene.probe, err);
        if (r < 0)
                return r;
        scene.root_fd = TAKE_FD(fd);
        *ret = scene;
        return 0;
}

void host_scene_done(struct host_scene *scene) {
        scene->probe = host_probe_free(scene->probe);
        scene->root_fd = cvm_close(scene->root_fd);
}

/* --- what every host needs --- */

static HOST_ROW(has_qemu) {
        const char *path = host_qemu(&scene->facts);

        snprintf(detail, HOST_DETAIL_MAX, "%s", strrchr(path, '/') + 1);
        return host_has(scene->root_fd, path);
}

static HOST_ROW(has_kvm) {
        return scene->facts.has_kvm;
}

static HOST_ROW(has_platform) {
        for (size_t i = 0; platform_at(i); i++) {
                const struct platform *p = platform_at(i);

                if (!scene->facts.offers[p->id] || !p->confide)
                        continue;
                snprintf(detail, HOST_DETAIL_MAX, "%s", p->title);
                return 1;
        }
        return 0;
}

static const struct host_check_row general[] = {
        { .id = "qemu",
          .holds = has_qemu,
          .otherwise = HOST_FAIL,
          .yes = "QEMU is installed",
          .no = "QEMU is not installed",
          .remedy = "Install QEMU for this machine type." },
        { .id = "kvm",
          .holds = has_kvm,
          .otherwise = HOST_WARN,
          .yes = "/dev/kvm is there; whether it works shows when a guest starts",
          .no = "there is no /dev/kvm: only slow, simulated guests can run",
          .remedy = "Turn virtualization on in the firmware and load kvm_amd, kvm_intel or, on s390x, kvm." },
        { .id = "confidential",
          .holds = has_platform,
          .otherwise = HOST_WARN,
          .yes = "this host and this version can run confidential guests",
          .no = "no confidential guest can run here: the hardware is missing, or this version does not start it "
                "yet",
          .remedy = "Use --simulate to try everything without protection; see doc/status.md." },
        { .id = "cgroup",
          .holds = host_row_has_path,
          .path = "sys/fs/cgroup/cgroup.controllers",
          .otherwise = HOST_WARN,
          .yes = "the unified control group tree is mounted",
          .no = "there is no unified control group tree",
          .remedy = "Boot with systemd.unified_cgroup_hierarchy=1 to account guests by VM." },
        { 0 },
};

/* --- judging --- */

/* What is said where something cannot be read, by who looked. */
static const struct unread {
        const char *sentence, *remedy;
} unread[] = {
        [HOST_SEEN_BY_CALLER] = { "this cannot be told",
                                  "Run it as root, on x86 with the msr module loaded; a recorded host knows what was "
                                  "recorded." },
        [HOST_SEEN_BY_SERVICE] = { "this could not be read by the service",
                                   "Run `cvmctl host check` as root." },
};

struct judging {
        const struct host_scene *scene;
        const struct unread *unread;
        struct host_check *checks;           /* HOST_CHECKS_MAX of them */
        const char *failed[HOST_CHECKS_MAX]; /* of each check: the one that failed and takes its children
                                                along */
        size_t n;
};

/* The failed check above this one; NULL: none. */
static const char *failed_above(const struct judging *judging, const struct host_check_row *row) {
        for (size_t i = 0; row->parent && i < judging->n; i++)
                if (strcmp(judging->checks[i].id, row->parent) == 0)
                        return judging->failed[i];
        return NULL;
}

static void judge(struct judging *judging, const struct host_check_row *row) {
        const char *above = failed_above(judging, row);
        struct host_check check = { .id = row->id, .remedy = "" };
        char detail[HOST_DETAIL_MAX] = "";
        struct cvm_error err = { 0 };
        int r = above ? 0 : row->holds(judging->scene, row, detail, &err);

        judging->failed[judging->n] = above;
        if (above) {
                check.verdict = HOST_WARN;
                snprintf(check.sentence, sizeof check.sentence, "this was not looked at: '%s' failed",
                         above);
                check.remedy = "First do what that one needs.";
        } else if (r < 0) {
                check.verdict = HOST_WARN;
                snprintf(check.sentence, sizeof check.sentence, "%s: %s", judging->unread->sentence,
                         cvm_error_text(&err, r));
                check.remedy = judging->unread->remedy;
        } else {
                check.verdict = r ? HOST_PASS : row->otherwise;
                snprintf(check.sentence, sizeof check.sentence, *detail ? "%s (%s)" : "%s",
                         r ? row->yes : row->no, detail);
                check.remedy = check.verdict == HOST_PASS ? "" : row->remedy;
                if (check.verdict != HOST_PASS)
                        judging->failed[judging->n] = row->id;
        }
        judging->checks[judging->n++] = check;
}

static void judge_all(struct judging *judging, const struct host_check_row *rows) {
        for (; rows->id && judging->n < HOST_CHECKS_MAX; rows++)
                judge(judging, rows);
}

int host_check(const char *root, enum host_seen_by by, struct host_check ret[HOST_CHECKS_MAX],
               struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        struct judging judging = { .scene = &scene, .unread = &unread[by], .checks = ret };
        const struct host_platform *platform;
        int r = host_scene_open(root, &scene, err);

        if (r < 0)
                return r;
        judge_all(&judging, general);
        platform = host_platform_of(scene.facts.cpu_vendor);
        if (platform)
                judge(&judging, platform->gate);
        if (platform && ret[judging.n - 1].verdict != HOST_FAIL)
                judge_all(&judging, platform->checks);
        return (int)judging.n;
}

json_object *host_checks_json(const struct host_check *checks, size_t n) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < n; i++) {
                json_object *row = json_object_new_object();

                json_object_object_add(row, "id", json_object_new_string(checks[i].id));
                json_object_object_add(row, "verdict",
                                       json_object_new_string(host_verdict_texts[checks[i].verdict]));
                json_object_object_add(row, "sentence", json_object_new_string(checks[i].sentence));
                json_object_object_add(row, "remedy", json_object_new_string(checks[i].remedy));
                json_object_array_add(list, row);
        }
        return list;
}
