/*
 * cvm-agent: the owner's foothold in her measured guest.
 *
 * The host started this guest, wrote most of what it can read, and carries every byte that it sends. What
 * stands against it is little, and all of it is here:
 *
 *   - This program and the kernel command line are measured. The command line names the owner, by the digest
 * of her key; nothing else that the guest can read may (guest-agent/owner.c).
 *   - Each boot makes two keys that exist in this process's memory only (guest-agent/keys.c). Evidence names
 *     them, so whoever verifies it knows whose key a secret is sealed to and who signs the receipts.
 *   - Every secret, approval and binding is signed by the owner, or by the service that her binding names. A
 *     correctly sealed secret of anybody else's is refused: else the host could give the genuine image a
 * disk of its own, and be handed the real data afterwards (guest-agent/secret.c).
 *   - The binding is taken once, compared with the host data in this guest's own report, and frozen
 *     (guest-agent/binding.c).
 *
 * So the process lives as long as the boot: started in the initrd, kept over the change of root, locked in
 * memory, not dumpable, not to be killed for want of memory, and never started again. If it dies the VM is
 * unverifiable until it reboots. It ends the boot by a BYE, which nobody outside can make.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "guest-agent/control.h"
#include "guest-agent/loop.h"

#define CMDLINE_MAX (64u << 10)
#define TEE_WAIT_MSEC 10000

struct options {
        const char *channel, *tee, *root, *cmdline, *run_dir, *on_stop;
};

static const struct option rows[] = {
        { "channel", required_argument, NULL, 'c' },
        { "tee", required_argument, NULL, 't' },
        { "cmdline", required_argument, NULL, 'k' },
        { "run", required_argument, NULL, 'r' },
        { "on-stop", required_argument, NULL, 's' },
        { "version", no_argument, NULL, 'v' },
        { "root", required_argument, NULL, 'R' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int usage(void) {
        fprintf(stderr,
                "usage: cvm-agent [--channel WHERE] [--tee SOURCE] [--cmdline FILE] [--run DIR] [--on-stop PROGRAM] [--root DIR]\n"
                "       cvm-agent [--run DIR] status | wait | bye [poweroff|reboot] | store lock|list\n"
                "WHERE is a virtio port's name, a path, or fd:N; SOURCE is configfs[:DIR], sev-guest[:DEVICE], uv[:DEVICE] or WHERE.\n");
        return 2;
}

static int report(struct cvm_error *err, int r) {
        fprintf(stderr, "cvm-agent: %s (%s)\n", cvm_error_text(err, r), cvm_error_code(err)->id);
        return cvm_code_exit_status(cvm_error_code(err));
}

/* Nothing of this process may leave the guest's memory. What is not permitted (tests, containers) is said.
 */
static void harden(void) {
        const struct rlimit no_core = { 0, 0 };
        CVM_CLEANUP(cvm_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
                fprintf(stderr, "cvm-agent: memory could be dumped: %s\n", strerror(errno));
        if (fd < 0 || write(fd, "-1000", 5) != 5)
                fprintf(stderr, "cvm-agent: not exempt from the OOM killer\n");
#ifndef CVM_SANITIZED
        if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
                fprintf(stderr, "cvm-agent: memory is not locked: %s\n", strerror(errno));
#endif
        umask(0077);
}

static int make_directories(const char *run_dir, char secrets[256], char keys[256], struct cvm_error *err) {
        snprintf(secrets, 256, "%s/secrets", run_dir);
        snprintf(keys, 256, "%s/keys", run_dir);
        if ((mkdir(run_dir, 0755) < 0 && errno != EEXIST) || (mkdir(secrets, 0700) < 0 && errno != EEXIST) ||
            (mkdir(keys, 0700) < 0 && errno != EEXIST))
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, errno, "'%s' cannot be made: %s", run_dir,
                                strerror(errno));
        return 0;
}

static int serve(const struct options *options, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes cmdline = { 0 };
        CVM_CLEANUP(tee_done) struct tee tee = { .fd = -EBADF };
        CVM_CLEANUP(agent_done) struct agent agent = { 0 };
        const struct loop_config config = { options->channel, options->run_dir, options->on_stop };
        char secrets[256], keys[256];
        struct owner owner;
        int r = cvm_read_file(options->cmdline, CMDLINE_MAX, &cmdline, err);

        if (r < 0)
                return r;
        owner_read((char *)cmdline.data, cmdline.size, &owner);
        if (owner.state == OWNER_WRONG)
                fprintf(stderr, "cvm-agent: %s\n", owner.why.text);
        harden();
        r = tee_choose(options->tee, options->root, TEE_WAIT_MSEC, &tee, err);
        if (r < 0)
                return r;
        fprintf(stderr, "cvm-agent: reports come from %s (%s)\n", tee.provider->name, tee.where);
        r = make_directories(options->run_dir, secrets, keys, err);
        if (r >= 0)
                r = agent_init(&agent, &owner, &tee, secrets, keys, err);
        return r < 0 ? r : loop_run(&agent, &config, err);
}

static int ask(const struct options *options, int argc, char **argv, struct cvm_error *err) {
        static const char *const lines[][3] = {
                { "status", NULL, "status" },      { "wait", NULL, "wait" },
                { "store", "lock", "store lock" }, { "store", "list", "store list" },
                { "bye", NULL, "bye poweroff" },   { "bye", "poweroff", "bye poweroff" },
                { "bye", "reboot", "bye reboot" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                if (strcmp(argv[0], lines[i][0]) == 0 &&
                    (argc == 1 ? !lines[i][1]
                               : argc == 2 && lines[i][1] && strcmp(argv[1], lines[i][1]) == 0))
                        return control_ask(options->run_dir, lines[i][2], err);
        return usage();
}

int main(int argc, char **argv) {
        struct options options = { CVM_AGENT_PORT, NULL, "", "/proc/cmdline", "/run/cvm", NULL };
        struct cvm_error err = { 0 };
        int c, r;

        while ((c = getopt_long(argc, argv, "", rows, NULL)) >= 0)
                switch (c) {
                case 'c':
                        options.channel = optarg;
                        break;
                case 't':
                        options.tee = optarg;
                        break;
                case 'R':
                        options.root = optarg;
                        break;
                case 'k':
                        options.cmdline = optarg;
                        break;
                case 'r':
                        options.run_dir = optarg;
                        break;
                case 's':
                        options.on_stop = optarg;
                        break;
                case 'v':
                        printf("cvm-agent %s\n", CVM_VERSION);
                        return 0;
                default:
                        return usage();
                }
        r = optind < argc ? ask(&options, argc - optind, argv + optind, &err) : serve(&options, &err);
        return r < 0 ? report(&err, r) : r;
}
