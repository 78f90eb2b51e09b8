#include "launch/host-record.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "launch/firmware-ovmf.h"
#include "launch/host-rows.h"

#define TEXT_MAX 4096

struct recording {
        const struct host_scene *scene;
        const char *directory;
};

static int failed(const char *path, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", path, strerror(errno));
}

/* The directories above the file are made. */
static int put(const struct recording *r, const char *path, const void *data, size_t size,
               struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char at[4096];

        if (snprintf(at, sizeof at, "%s/%s", r->directory, path) >= (int)sizeof at)
                return cvm_fail(err, &CVM_CODE_FILE, ENAMETOOLONG, "'%.200s' is too long", r->directory);
        for (char *p = at + strlen(r->directory) + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                if (mkdir(at, 0755) < 0 && errno != EEXIST)
                        return failed(at, err);
        }
        fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        return fd < 0 || cvm_write_all(fd, data, size) < 0 ? failed(at, err) : 0;
}

static int record_presence(const struct recording *r, const struct host_recorded *row, const char *path,
                           struct cvm_error *err) {
        return host_has(r->scene->root_fd, path) ? put(r, path, "", 0, err) : 0;
}

static int record_text(const struct recording *r, const struct host_recorded *row, const char *path,
                       struct cvm_error *err) {
        char text[TEXT_MAX];

        host_text(r->scene->root_fd, path, text, sizeof text);
        return host_has(r->scene->root_fd, path) ? put(r, path, text, strlen(text), err) : 0;
}

/* Others may hold what is nobody's business: names of disks, keys. */
static int record_cmdline(const struct recording *r, const struct host_recorded *row, const char *path,
                          struct cvm_error *err) {
        static const char *const parts[] = { "iommu", "mem_encrypt", "kvm_amd.",
                                             "ccp.",  "kvm_intel.",  "prot_virt" };
        char text[TEXT_MAX], kept[TEXT_MAX + 1] = "", *rest = text, *word;

        host_text(r->scene->root_fd, path, text, sizeof text);
        while ((word = strsep(&rest, " \n")))
                for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                        if (strstr(word, parts[i])) {
                                strcat(strcat(kept, word), " ");
                                break;
                        }
        return put(r, path, kept, strlen(kept), err);
}

static int record_word(const struct recording *r, const struct host_recorded *row, const char *path,
                       struct cvm_error *err) {
        size_t size = host_has_word(r->scene->root_fd, path, row->word) ? strlen(row->word) : 0;

        return host_has(r->scene->root_fd, path) ? put(r, path, row->word, size, err) : 0;
}

static int record_names(const struct recording *r, const struct host_recorded *row, const char *path,
                        struct cvm_error *err) {
        int fd = host_open(r->scene->root_fd, path, O_RDONLY | O_DIRECTORY), n = 0;
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!directory) {
                cvm_close(fd);
                return 0;
        }
        while (n >= 0 && (entry = readdir(directory))) {
                char at[TEXT_MAX];

                snprintf(at, sizeof at, "%s/%s", path, entry->d_name);
                if (entry->d_name[0] != '.')
                        n = put(r, at, "", 0, err);
        }
        closedir(directory);
        return n;
}

static int record_firmware(const struct recording *r, const struct host_recorded *row, const char *path,
                           struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(r->scene->root_fd, path, O_RDONLY);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        struct cvm_error unfit = { 0 };

        if (fd < 0 || cvm_read_fd(fd, OVMF_SIZE_MAX, path, &image, &unfit) < 0)
                return 0;
        return put(r, path, image.data, image.size, err);
}

static int (*const kinds[HOST_RECORDED_MAX_])(const struct recording *r, const struct host_recorded *row,
                                              const char *path, struct cvm_error *err) = {
        [HOST_RECORDED_PRESENCE] = record_presence, [HOST_RECORDED_TEXT] = record_text,
        [HOST_RECORDED_CMDLINE] = record_cmdline,   [HOST_RECORDED_WORD] = record_word,
        [HOST_RECORDED_NAMES] = record_names,       [HOST_RECORDED_FIRMWARE] = record_firmware,
};

static int record_rows(const struct recording *r, const struct host_recorded *rows, struct cvm_error *err) {
        int n = 0;

        for (; rows->paths; rows++)
                for (const char *const *path = rows->paths; n >= 0 && *path; path++)
                        n = kinds[rows->kind](r, rows, *path, err);
        return n;
}

#define PATHS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

/* What every host is asked for. */
static const struct host_recorded general[] = {
        { HOST_RECORDED_TEXT, PATHS("proc/cpuinfo", "proc/self/limits", "sys/fs/cgroup/cgroup.controllers",
                                    "sys/fs/cgroup/misc.capacity", "sys/fs/cgroup/misc.current") },
        { HOST_RECORDED_CMDLINE, PATHS("proc/cmdline") },
        { HOST_RECORDED_PRESENCE, PATHS("dev/kvm") },
        { 0 },
};

static int record_qemu(const struct recording *r, struct cvm_error *err) {
        return record_presence(r, NULL, host_qemu(&r->scene->facts), err);
}

static int record_platform(const struct recording *r, const struct host_platform *platform, bool hide_ids,
                           struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int n = record_rows(r, platform->recorded, err);

        if (n < 0)
                return n;
        node = host_probe_record(r->scene->probe, platform->leaves, platform->registers, hide_ids);
        text = cvm_json_text(node);
        return text ? put(r, HOST_RECORDING, text, strlen(text), err)
                    : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "recording the host");
}

int host_record(const char *root, const char *directory, bool hide_ids, struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        const struct recording recording = { &scene, directory };
        const struct host_platform *platform;
        int r = host_scene_open(root, &scene, err);

        if (r < 0)
                return r;
        if (mkdir(directory, 0755) < 0)
                return failed(directory, err);
        r = record_rows(&recording, general, err);
        if (r >= 0)
                r = record_qemu(&recording, err);
        platform = host_platform_of(scene.facts.cpu_vendor);
        return r < 0 || !platform ? r : record_platform(&recording, platform, hide_ids, err);
}
