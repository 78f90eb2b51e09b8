#include "vm/worker-run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "vm/libvirt-link.h"
#include "vm/pidfd.h"
#include "vm/spawn.h"
#include "worker/wire.h"

static const char *program = "/usr/libexec/cvmd/cvmd-worker";

struct worker_run {
        int pidfd, answer;
        char verb[32];
        bool late;
        sd_event_source *end, *deadline;
        worker_done_fn done;
        void *ctx;
};

void worker_run_set_program(const char *path) {
        program = path;
}

/* One verb is that of the only program which links libvirt. */
static const char *program_of(const char *verb) {
        return strcmp(verb, WORKER_VERB_CAPABILITIES) == 0 ? libvirt_link_program() : program;
}

static struct worker_run *run_free(struct worker_run *run) {
        if (!run)
                return NULL;
        run->end = sd_event_source_disable_unref(run->end);
        run->deadline = sd_event_source_disable_unref(run->deadline);
        run->pidfd = cvm_close(run->pidfd);
        run->answer = cvm_close(run->answer);
        free(run);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct worker_run, run_free);

/* {"error":{...}}: the worker's own code and words, both hostile. Always negative. */
static int take_error(json_object *error, const char *verb, struct cvm_error *err) {
        struct cvm_json place = cvm_json_root(error, "the worker's answer");
        const struct cvm_code *code;
        const char *id = "", *text = "";
        char clean[CVM_ERROR_TEXT_MAX];

        if (cvm_json_get_text(&place, "code", &id, err) < 0 ||
            cvm_json_get_text(&place, "text", &text, err) < 0)
                return -EBADMSG;
        code = cvm_code_find(id);
        strncpy(clean, text, sizeof clean - 1);
        clean[sizeof clean - 1] = 0;
        cvm_text_clean(clean, strlen(clean), false);
        return cvm_fail(err, code ? code : &CVM_CODE_WORKER, EINVAL, "%s", clean);
}

static int read_answer(struct worker_run *run, const siginfo_t *info, json_object **ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        json_object *error;
        int r;

        if (run->late)
                return cvm_fail(err, &CVM_CODE_WORKER, ETIMEDOUT, "the worker took too long for '%s'",
                                run->verb);
        if (info->si_code != CLD_EXITED)
                return cvm_fail(err, &CVM_CODE_WORKER, EIO, "the worker was killed by signal %d in '%s'",
                                info->si_status, run->verb);
        if (lseek(run->answer, 0, SEEK_SET) < 0)
                return -errno;
        r = cvm_read_fd(run->answer, WORKER_ANSWER_MAX, "the worker's answer", &text, err);
        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, "the worker's answer", &answer, err);
        if (r < 0 || !json_object_is_type(answer, json_type_object))
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "the worker gave no proper answer to '%s'",
                                run->verb);
        if (json_object_object_get_ex(answer, "error", &error))
                return take_error(error, run->verb, err);
        if (info->si_status != 0)
                return cvm_fail(err, &CVM_CODE_WORKER, EIO, "the worker ended with status %d in '%s'",
                                info->si_status, run->verb);
        *ret = TAKE_PTR(answer);
        return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        CVM_CLEANUP(run_freep) struct worker_run *run = userdata;
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        struct cvm_error err = { 0 };
        siginfo_t info = { 0 };
        int r;

        if (waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED) < 0)
                r = cvm_fail(&err, &CVM_CODE_WORKER, errno, "the worker was lost");
        else
                r = read_answer(run, &info, &answer, &err);
        if (r < 0)
                (void)cvm_error_text(&err, r);
        run->done(run->ctx, r < 0 ? NULL : answer, r < 0 ? &err : NULL);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct worker_run *run = userdata;

        run->late = true;
        pidfd_kill(run->pidfd, SIGKILL);
        return 0;
}

static int start_process(struct worker_run *run, int request, const int *fds, size_t n_fds,
                         struct cvm_error *err) {
        const char *const argv[] = { program_of(run->verb), run->verb, NULL };
        const struct spawn spawn = { .argv = (char *const *)argv,
                                     .fds = fds,
                                     .n_fds = n_fds,
                                     .in_fd = request,
                                     .out_fd = run->answer,
                                     .err_fd = STDERR_FILENO };
        int go, r;
        pid_t pid;

        r = spawn_begin(&spawn, &pid, &go, err);
        if (r < 0)
                return r;
        run->pidfd = pidfd_of(pid);
        spawn_go(go);
        return run->pidfd < 0 ? cvm_fail(err, &CVM_CODE_WORKER, run->pidfd,
                                         "the worker was lost at its start")
                              : 0;
}

int worker_run_start(sd_event *event, const char *verb, json_object *request, const int *fds, size_t n_fds,
                     uint64_t deadline_usec, worker_done_fn done, void *ctx, struct worker_run **ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(run_freep) struct worker_run *run = calloc(1, sizeof *run);
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_text(request);
        CVM_CLEANUP(cvm_closep) int input = -EBADF;
        int r;

        if (!run || !text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "starting the worker");
        *run = (struct worker_run){ .pidfd = -EBADF, .answer = -EBADF, .done = done, .ctx = ctx };
        strncpy(run->verb, verb, sizeof run->verb - 1);
        input = cvm_memfd("request", text, strlen(text));
        run->answer = memfd_create("answer", MFD_CLOEXEC);
        if (input < 0 || run->answer < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, ENFILE, "starting the worker: no memory file");
        r = start_process(run, input, fds, n_fds, err);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &run->end, run->pidfd, EPOLLIN, on_end, run);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &run->deadline, CLOCK_MONOTONIC, deadline_usec, 0,
                                               on_deadline, run);
        if (r < 0) {
                pidfd_kill(run->pidfd, SIGKILL);
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "watching the worker: %s", strerror(-r));
        }
        *ret = TAKE_PTR(run);
        return 0;
}

struct worker_run *worker_run_cancel(struct worker_run *run) {
        siginfo_t info;

        if (!run)
                return NULL;
        pidfd_kill(run->pidfd, SIGKILL);
        (void)waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED); /* killed: it ends at once */
        return run_free(run);
}
