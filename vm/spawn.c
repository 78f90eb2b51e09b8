#include "vm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define FIRST_FD 3
#define GROUPS_MAX 8

static void reset_signals(void) {
        sigset_t none;

        for (int s = 1; s < NSIG; s++)
                signal(s, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Move the descriptors to 3, 4, ... and close all others. First out of each other's way, then to their
 * places. */
static int place_fds(const struct spawn *s, int *go) {
        int high = FIRST_FD + (int)s->n_fds + 1, moved[FIRST_FD + 128];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || s->n_fds > 128)
                return -1;
        *go = fcntl(*go, F_DUPFD_CLOEXEC, high);
        for (size_t i = 0; i < s->n_fds; i++)
                moved[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, high);
        if (dup2(s->in_fd > 0 ? s->in_fd : null, 0) < 0 || dup2(s->out_fd >= 0 ? s->out_fd : null, 1) < 0 ||
            dup2(s->err_fd >= 0 ? s->err_fd : null, 2) < 0 || *go < 0)
                return -1;
        for (size_t i = 0; i < s->n_fds; i++)
                if (moved[i] < 0 || dup2(moved[i], FIRST_FD + (int)i) < 0)
                        return -1;
        /* The gap before `go` and all behind it belong to the daemon, not to the program. */
        if (dup2(*go, high - 1) < 0)
                return -1;
        *go = high - 1;
        fcntl(*go, F_SETFD, FD_CLOEXEC);
        return close_range((unsigned)high, ~0u, 0);
}

/* The daemon may be protected from the kernel's choice when memory runs out; what it starts is not. */
static void be_expendable(void) {
        CVM_CLEANUP(cvm_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        (void)cvm_write_all(fd, "0", 1);
}

/* Open to its group: a device for reading and writing, a socket for connecting. */
static bool is_for_group(const struct stat *st) {
        return (S_ISCHR(st->st_mode) && (st->st_mode & 0060) == 0060) ||
               (S_ISSOCK(st->st_mode) && (st->st_mode & 0020));
}

/* The groups that these devices are open to; never the superuser's. */
static size_t groups_of(const char *const *devices, gid_t ret[GROUPS_MAX]) {
        size_t n = 0;
        struct stat st;

        for (; devices && *devices && n < GROUPS_MAX; devices++)
                if (stat(*devices, &st) == 0 && st.st_gid != 0 && is_for_group(&st))
                        ret[n++] = st.st_gid;
        return n;
}

static int drop_privileges(uid_t uid, const char *const *devices) {
        const struct rlimit no_core = { 0, 0 };
        gid_t groups[GROUPS_MAX];

        be_expendable();
        if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -1;
        if (uid == 0)
                return 0;
        if (setgroups(groups_of(devices, groups), groups) < 0)
                return -1;
        return setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ? -1 : 0;
}

/* In the child; never returns. The daemon has one thread, so nothing of it is locked here. */
static void become(const struct spawn *s, pid_t parent, int go) {
        char byte;

        reset_signals();
        setsid();
        umask(0077);
        if (place_fds(s, &go) < 0 || drop_privileges(s->uid, s->devices) < 0)
                _exit(126);
        /* a change of user would undo it; who died before it was set is seen */
        if (s->ends_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
                _exit(126);
        if (read(go, &byte, 1) != 1)
                _exit(0);
        execvp(s->argv[0], s->argv);
        dprintf(2, "%s cannot be executed: %s\n", s->argv[0], strerror(errno));
        _exit(127);
}

int spawn_begin(const struct spawn *s, pid_t *ret_pid, int *ret_go, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int wait_end = -EBADF;
        CVM_CLEANUP(cvm_closep) int go_end = -EBADF;
        int ends[2];
        pid_t parent = getpid(), pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "starting '%s': %s", s->argv[0],
                                strerror(errno));
        wait_end = ends[0];
        go_end = ends[1];
        pid = fork();
        if (pid < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "starting '%s': %s", s->argv[0],
                                strerror(errno));
        if (pid == 0) {
                close(go_end); /* else our own copy would keep the pipe open when the daemon dies */
                become(s, parent, wait_end);
        }
        *ret_pid = pid;
        *ret_go = TAKE_FD(go_end);
        return 0;
}

void spawn_go(int go) {
        (void)cvm_write_all(go, "g", 1);
        cvm_close(go);
}
