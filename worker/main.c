#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "worker/error-json.h"
#include "worker/verb.h"
#include "worker/wire.h"

static const struct verb *const verbs[] = { &verb_measure,  &verb_pin,      &verb_disk, &verb_check,
                                            &verb_sim_root, &verb_sim_open, &verb_host };

static const struct verb *find_verb(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i]->name, name) == 0)
                        return verbs[i];
        return NULL;
}

int verb_fd(const struct cvm_json *request, const char *key, int *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(request, key);
        uint64_t fd;
        int r = cvm_json_get_u64(request, key, &fd, err);

        if (r <= 0)
                return r;
        if (fd < WORKER_FD_FIRST || fd >= WORKER_FD_FIRST + WORKER_FDS_MAX || fcntl((int)fd, F_GETFD) < 0)
                return cvm_json_refuse(&at, err, "is no descriptor that the worker was given");
        *ret = (int)fd;
        return 1;
}

static int run(const char *name, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *request = NULL;
        const struct verb *verb = find_verb(name);
        struct cvm_json place;
        int r;

        if (!verb)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "the worker has no verb '%s'", name);
        r = sandbox_enter(verb->sandbox, err);
        if (r >= 0)
                r = cvm_read_fd(STDIN_FILENO, WORKER_REQUEST_MAX, "the request", &text, err);
        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, "the request", &request, err);
        if (r < 0)
                return r;
        place = cvm_json_root(request, "the request");
        return verb->run(&place, ret, err);
}

int main(int argc, char **argv) {
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };
        int r, status = 0;

        if (argc != 2) {
                fprintf(stderr, "usage: cvmd-worker VERB <request.json >answer.json\n");
                return cvm_code_exit_status(&CVM_CODE_USAGE);
        }
        r = run(argv[1], &answer, &err);
        if (r < 0) {
                answer = worker_error_json(&err, r);
                status = cvm_code_exit_status(cvm_error_code(&err));
        }
        text = cvm_json_text(answer);
        if (!text || cvm_write_all(STDOUT_FILENO, text, strlen(text)) < 0)
                return cvm_code_exit_status(&CVM_CODE_INTERNAL);
        return status;
}
