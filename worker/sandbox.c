#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <seccomp.h>

#include "launch/host-probe.h"

#ifdef CVM_SANITIZED
/* The address sanitizer needs calls of its own at exit (LeakSanitizer traces): sanitized builds stay
 * unfiltered. */
#define FILTER false
#else
#define FILTER true
#endif

/* Everything else kills: a worker that wants more has been taken over. */
static const int allowed[] = {
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(pread64),
        SCMP_SYS(pwrite64),
        SCMP_SYS(readv),
        SCMP_SYS(writev),
        SCMP_SYS(lseek),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(fsync),
        SCMP_SYS(ftruncate),
        SCMP_SYS(copy_file_range),
        SCMP_SYS(close),
        SCMP_SYS(brk),
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(mlock),
        SCMP_SYS(munlock),
        SCMP_SYS(mprotect),
        SCMP_SYS(futex),
        SCMP_SYS(getrandom),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(sched_yield),
        SCMP_SYS(rseq),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(fadvise64),
};

static const int allowed_to_look[] = { SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(getdents64) };

static const int allowed_to_threads[] = { SCMP_SYS(rt_sigaction), SCMP_SYS(sched_getaffinity) };

/* Which argument of clone has the flags. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* Threads, and no processes. The flags of clone3 lie in memory, where no filter sees them: the C library
 * takes clone instead. */
static int add_threads(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed_to_threads); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_to_threads[i], 0);
        return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Lookups that libraries make as a matter of course get a no instead of a death. */
static int add_files(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(openat), 0);

        if (r == 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0);
        return r < 0 ? r : add_threads(filter);
}

/* A service of the host is not asked from here: who could connect to one could connect to all. */
static int add_host(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFL));

        if (r == 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed_to_look); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_to_look[i], 0);
        for (size_t i = 0; r == 0 && host_probe_requests[i]; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                     SCMP_A1(SCMP_CMP_EQ, host_probe_requests[i]));
        return r;
}

static int (*const adds[SANDBOX_MAX_])(scmp_filter_ctx filter) = {
        [SANDBOX_FILES] = add_files,
        [SANDBOX_HOST] = add_host,
};

static int load_filter(enum sandbox sandbox) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int r = filter ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        if (r == 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                     SCMP_A1(SCMP_CMP_EQ, F_GETFD));
        if (r == 0)
                r = adds[sandbox](filter);
        if (r == 0)
                r = seccomp_load(filter);
        if (filter)
                seccomp_release(filter);
        return r;
}

int sandbox_enter(enum sandbox sandbox, struct cvm_error *err) {
        const struct rlimit none = { 0, 0 }, cpu = { 300, 300 };
        int r = 0;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
            setrlimit(RLIMIT_CPU, &cpu) < 0)
                r = -errno;
        if (r == 0 && FILTER)
                r = load_filter(sandbox);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_WORKER, r, "the worker's sandbox cannot be put up: %s",
                                strerror(-r));
        return 0;
}
