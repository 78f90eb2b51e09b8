#include "launch/host-check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "launch/host.h"
#include "launch/platform.h"

const char *const host_verdict_texts[] = { "PASS", "WARN", "FAIL" };

/* What each check looks at. */
struct host {
        int root_fd;
        struct host_facts facts;
};

static struct host_check judge(const char *id, enum host_verdict verdict, const char *sentence,
                               const char *remedy) {
        struct host_check check = { .id = id,
                                    .verdict = verdict,
                                    .remedy = verdict == HOST_PASS ? "" : remedy };

        snprintf(check.sentence, sizeof check.sentence, "%s", sentence);
        return check;
}

static struct host_check check_qemu(const struct host *host) {
        const char *binary = platform_at(0)->binary;
        char path[64], sentence[160];
        bool there;

        snprintf(path, sizeof path, "usr/bin/%s", binary);
        there = host_has(host->root_fd, path);
        snprintf(sentence, sizeof sentence, "%s is %sinstalled", binary, there ? "" : "not ");
        return judge("qemu", there ? HOST_PASS : HOST_FAIL, sentence, "Install QEMU for this machine type.");
}

static struct host_check check_kvm(const struct host *host) {
        return host->facts.has_kvm
                               ? judge("kvm", HOST_PASS,
                                       "/dev/kvm is there (whether it works shows when a guest starts)", "")
                               : judge("kvm", HOST_WARN,
                                       "there is no /dev/kvm: only slow, simulated guests can run",
                                       "Turn virtualization on in the firmware and load kvm_amd or kvm_intel.");
}

static struct host_check check_platforms(const struct host *host) {
        char sentence[160] = "this host and this version can run confidential guests of: ";
        bool any = false;

        for (size_t i = 0; platform_at(i); i++) {
                const struct platform *p = platform_at(i);

                if (!host->facts.offers[p->id] || !p->confide)
                        continue;
                strncat(sentence, p->title, sizeof sentence - strlen(sentence) - 1);
                any = true;
        }
        return any ? judge("confidential", HOST_PASS, sentence, "")
                   : judge("confidential", HOST_WARN,
                           "no confidential guest can run here: the hardware is missing, or this version does not start "
                           "it yet",
                           "Use --simulate to try everything without protection; see doc/status.md.");
}

static struct host_check check_cgroup(const struct host *host) {
        return host_has(host->root_fd, "sys/fs/cgroup/cgroup.controllers")
                               ? judge("cgroup", HOST_PASS, "the unified control group tree is mounted", "")
                               : judge("cgroup", HOST_WARN, "there is no unified control group tree",
                                       "Boot with systemd.unified_cgroup_hierarchy=1 to account guests by VM.");
}

static struct host_check (*const checks[])(const struct host *host) = { check_qemu, check_kvm,
                                                                        check_platforms, check_cgroup };

int host_check(const char *root, struct host_check ret[HOST_CHECKS_MAX], struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct host host = { .root_fd = fd };
        int r = fd < 0 ? cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", root,
                                  strerror(errno))
                       : host_read(root, &host.facts, err);

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(checks); i++)
                ret[i] = checks[i](&host);
        return r < 0 ? r : (int)ARRAY_SIZE(checks);
}
