#include "cli/libvirt-ask.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"

#define PROGRAM "/usr/libexec/cvmd/cvmd-libvirt"
#define ANSWER_MAX (8u << 20)

extern char **environ;

static const char *program(void) {
        const char *path = getenv("CVMD_LIBVIRT");

        return path && *path ? path : PROGRAM;
}

/* It reads all of its input before it writes. */
static int start(const char *verb, int in, int out, pid_t *ret, struct cvm_error *err) {
        char *const argv[] = { (char *)program(), (char *)verb, NULL };
        posix_spawn_file_actions_t actions;
        int r = posix_spawn_file_actions_init(&actions);

        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn(ret, program(), &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return r == 0 ? 0
                      : cvm_fail(err, &CVM_CODE_LIBVIRT_CONNECTION, r,
                                 "cvmd's part for libvirt, '%s', cannot be run: %s", program(), strerror(r));
}

static int run(const char *verb, int in, struct cvm_bytes *ret, struct cvm_error *err) {
        int pipe_fds[2], status = 0, r;
        pid_t pid = 0;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "asking libvirt: %s", strerror(errno));
        r = start(verb, in, pipe_fds[1], &pid, err);
        cvm_close(pipe_fds[1]);
        if (r >= 0)
                r = cvm_read_fd(pipe_fds[0], ANSWER_MAX, "the answer", ret, err);
        cvm_close(pipe_fds[0]);
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return r;
}

/* {"error":{"code":...,"text":...}} */
static int take_error(json_object *error, struct cvm_error *err) {
        const struct cvm_json place = cvm_json_root(error, "the answer");
        const char *id = "", *text = "";
        const struct cvm_code *code;
        char clean[400];

        (void)cvm_json_get_text(&place, "code", &id, NULL);
        (void)cvm_json_get_text(&place, "text", &text, NULL);
        code = cvm_code_find(id);
        snprintf(clean, sizeof clean, "%s", text);
        cvm_text_clean(clean, strlen(clean), false);
        return cvm_fail(err, code ? code : &CVM_CODE_LIBVIRT, EIO, "%s", clean);
}

int libvirt_answer(const char *verb, json_object *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_text(request);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        CVM_CLEANUP(cvm_closep) int in = text ? cvm_memfd("request", text, strlen(text)) : -ENOMEM;
        json_object *error;
        int r = in < 0 ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking libvirt")
                       : run(verb, in, &bytes, err);

        if (r >= 0)
                r = cvm_json_parse(bytes.data, bytes.size, "the answer", &answer, err);
        if (r < 0)
                return r;
        if (json_object_object_get_ex(answer, "error", &error))
                return take_error(error, err);
        *ret = TAKE_PTR(answer);
        return 0;
}
