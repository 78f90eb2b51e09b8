/*
 * What a QEMU can do is asked of it, never concluded from its version: one is started that has no machine,
 * says over its monitor which kinds of objects it can make and which properties they have, and ends. The
 * answer is kept for that binary.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "qmp/client.h"
#include "vm/driver.h"
#include "vm/pidfd.h"
#include "vm/program.h"
#include "vm/spawn.h"
#include "vm/stderr-words.h"

#define ANSWER_USEC (20ull * 1000000)

/* Of one binary, once it has answered. */
struct abilities {
        struct abilities *next;
        char program[PROGRAM_IDENTITY_MAX];
        json_object *types;   /* of objects that a user can make */
        json_object *schema;  /* of the monitor's commands */
        json_object *options; /* of -machine */
};

/* Somebody who waits for an answer about one plan. */
struct question {
        struct question *next;
        sd_event *event;
        const struct plan *plan; /* borrowed */
        driver_done_fn done;     /* NULL: forgotten */
        void *ctx;
        char program[PROGRAM_IDENTITY_MAX];
        int pidfd, words;
        struct qmp_client *qmp;
        sd_event_source *end; /* of the process; or a deferred answer */
        json_object *types, *schema, *options;
        struct cvm_error why;
};

static struct abilities *known; /* for the process's life: one for each binary */
static struct question *questions;

static const struct abilities *find_known(const char *program) {
        const struct abilities *a = known;

        while (a && strcmp(a->program, program) != 0)
                a = a->next;
        return a;
}

/* --- the answers --- */

static json_object *member(json_object *object, const char *key) {
        json_object *value = NULL;

        (void)json_object_object_get_ex(object, key, &value);
        return value;
}

static bool is_text(json_object *object, const char *key, const char *text) {
        json_object *value = member(object, key);

        return json_object_is_type(value, json_type_string) &&
               strcmp(json_object_get_string(value), text) == 0;
}

static size_t length(json_object *list) {
        return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* The element whose member `key` is `text`. */
static json_object *element(json_object *list, const char *key, const char *text) {
        for (size_t i = 0; i < length(list); i++)
                if (is_text(json_object_array_get_idx(list, i), key, text))
                        return json_object_array_get_idx(list, i);
        return NULL;
}

/* The schema's entry that a member of another entry names. */
static json_object *entry(json_object *schema, json_object *from, const char *key) {
        json_object *name = member(from, key);

        return json_object_is_type(name, json_type_string)
                               ? element(schema, "name", json_object_get_string(name))
                               : NULL;
}

/* A union's case in the arguments of object-add has the properties of each type of object. */
static bool has_property(json_object *schema, const char *type, const char *property) {
        json_object *arguments = entry(schema, element(schema, "name", "object-add"), "arg-type");
        json_object *variant = element(member(arguments, "variants"), "case", type);

        return element(member(entry(schema, variant, "type"), "members"), "name", property) != NULL;
}

/* The one option of ours that came late. */
static int compare_options(const struct abilities *a, const struct plan *plan, struct cvm_error *err) {
        json_object *machine = element(a->options, "option", "machine");

        return plan->definition->shim && !element(member(machine, "parameters"), "name", "shim")
                               ? cvm_fail(err, &CVM_CODE_QEMU_OPTION, EOPNOTSUPP,
                                          "the QEMU of this host ('%s') has no option '-shim'",
                                          plan->platform->binary)
                               : 0;
}

static int compare(const struct abilities *a, const struct plan *plan, struct cvm_error *err) {
        const struct plan_object *object = &plan->guest;

        if (!element(a->types, "name", object->type))
                return cvm_fail(err, &CVM_CODE_QEMU_OPTION, EOPNOTSUPP,
                                "the QEMU of this host ('%s') makes no guests of %s: it has no object '%s'",
                                plan->platform->binary, plan->platform->title, object->type);
        json_object_object_foreach(object->properties, name, value) {
                (void)value;
                if (!has_property(a->schema, object->type, name))
                        return cvm_fail(err, &CVM_CODE_QEMU_OPTION, EOPNOTSUPP,
                                        "the QEMU of this host ('%s') has no '%s' for guests of %s",
                                        plan->platform->binary, name, plan->platform->title);
        }
        return compare_options(a, plan, err);
}

/* --- the process --- */

static struct question *question_free(struct question *q) {
        if (!q)
                return NULL;
        q->end = sd_event_source_disable_unref(q->end);
        q->qmp = qmp_client_free(q->qmp);
        q->pidfd = cvm_close(q->pidfd);
        q->words = cvm_close(q->words);
        json_object_put(q->types);
        json_object_put(q->schema);
        json_object_put(q->options);
        free(q);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct question, question_free);

static void leave_list(struct question *q) {
        struct question **p = &questions;

        while (*p && *p != q)
                p = &(*p)->next;
        if (*p)
                *p = q->next;
}

/* Once, from the loop; may lead to further questions. */
static void answer(struct question *taken) {
        CVM_CLEANUP(question_freep) struct question *q = taken;
        const struct abilities *a = find_known(q->program);

        leave_list(q);
        if (!q->done)
                return;
        if (!q->why.code && !a)
                cvm_fail(&q->why, &CVM_CODE_QEMU, EIO, "QEMU did not tell what it can do");
        if (!q->why.code)
                (void)compare(a, q->plan, &q->why);
        q->done(q->ctx, q->why.code ? &q->why : NULL);
}

static void keep(struct question *q) {
        struct abilities *a = calloc(1, sizeof *a);

        if (!a || !q->types || !q->schema || !q->options || find_known(q->program)) {
                free(a);
                return;
        }
        *a = (struct abilities){ known, "", TAKE_PTR(q->types), TAKE_PTR(q->schema), TAKE_PTR(q->options) };
        snprintf(a->program, sizeof a->program, "%s", q->program);
        known = a;
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct question *q = userdata;
        siginfo_t info;

        (void)waitid(P_PIDFD, (id_t)q->pidfd, &info, WEXITED);
        if (!q->options) {
                stderr_words(q->words, &q->why);
                (void)cvm_while(&q->why, -EIO, "QEMU did not tell what it can do");
        }
        keep(q);
        answer(q);
        return 0;
}

static int on_deferred(sd_event_source *source, void *userdata) {
        answer(userdata);
        return 0;
}

/* The end of the process, which follows, has the words. */
static void finish(struct question *q) {
        pidfd_kill(q->pidfd, SIGKILL);
}

static void on_options(void *ctx, json_object *result, struct cvm_error *err) {
        struct question *q = ctx;

        q->options = json_object_get(result);
        finish(q);
}

static void on_schema(void *ctx, json_object *result, struct cvm_error *err) {
        json_object *arguments = json_object_new_object();
        struct question *q = ctx;

        q->schema = json_object_get(result);
        json_object_object_add(arguments, "option", json_object_new_string("machine"));
        if (qmp_client_call(q->qmp, "query-command-line-options", arguments, -EBADF, ANSWER_USEC, on_options,
                            q, NULL, &q->why) < 0)
                finish(q);
}

static void on_types(void *ctx, json_object *result, struct cvm_error *err) {
        struct question *q = ctx;

        q->types = json_object_get(result);
        if (err || qmp_client_call(q->qmp, "query-qmp-schema", NULL, -EBADF, ANSWER_USEC, on_schema, q, NULL,
                                   &q->why) < 0)
                finish(q);
}

static void on_ready(void *ctx) {
        json_object *arguments = json_object_new_object();
        struct question *q = ctx;

        json_object_object_add(arguments, "implements", json_object_new_string("user-creatable"));
        if (qmp_client_call(q->qmp, "qom-list-types", arguments, -EBADF, ANSWER_USEC, on_types, q, NULL,
                            &q->why) < 0)
                finish(q);
}

static void on_event(void *ctx, const char *name, json_object *data) {
        /* a machine that is none has nothing to tell */
}

static void on_gone(void *ctx, struct cvm_error *why) {
        struct question *q = ctx;

        q->qmp = qmp_client_free(q->qmp);
        finish(q);
}

static const struct qmp_handlers handlers = { on_ready, on_event, on_gone };

static int start_process(struct question *q, uid_t uid, struct cvm_error *err) {
        const char *const argv[] = { q->plan->platform->binary,
                                     "-nodefaults",
                                     "-no-user-config",
                                     "-display",
                                     "none",
                                     "-machine",
                                     "none",
                                     "-chardev",
                                     "socket,id=monitor,fd=3",
                                     "-mon",
                                     "chardev=monitor,mode=control",
                                     NULL };
        CVM_CLEANUP(cvm_closep) int ours = -EBADF;
        CVM_CLEANUP(cvm_closep) int theirs = -EBADF;
        struct spawn spawn = {
                .argv = (char *const *)argv, .fds = &theirs, .n_fds = 1, .ends_with_us = true, .uid = uid
        };
        int ends[2], go, r;
        pid_t pid;

        q->words = memfd_create("qemu-words", MFD_CLOEXEC);
        if (q->words < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "asking QEMU: %s", strerror(errno));
        ours = ends[0];
        theirs = ends[1];
        spawn.out_fd = spawn.err_fd = q->words;
        r = spawn_begin(&spawn, &pid, &go, err);
        if (r < 0)
                return r;
        q->pidfd = pidfd_of(pid);
        r = sd_event_add_io(q->event, &q->end, q->pidfd, EPOLLIN, on_end, q);
        if (r >= 0)
                r = qmp_client_new(q->event, TAKE_FD(ours), ANSWER_USEC, &handlers, q, &q->qmp, err);
        if (r < 0) {
                cvm_close(go); /* it ends without having done anything */
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "asking QEMU: %s", strerror(-r));
        }
        spawn_go(go);
        return 0;
}

int driver_check_plan(sd_event *event, const struct plan *plan, uid_t uid, driver_done_fn done, void *ctx,
                      struct cvm_error *err) {
        CVM_CLEANUP(question_freep) struct question *q = calloc(1, sizeof *q);
        int r;

        if (!q)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking QEMU");
        *q = (struct question){
                .event = event, .plan = plan, .done = done, .ctx = ctx, .pidfd = -EBADF, .words = -EBADF
        };
        r = program_identity(plan->platform->binary, q->program, err);
        if (r < 0)
                return r;
        if (!find_known(q->program))
                r = start_process(q, uid, err);
        else if (sd_event_add_defer(event, &q->end, on_deferred, q) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking QEMU");
        if (r < 0)
                return r;
        q->next = questions;
        questions = TAKE_PTR(q);
        return 0;
}

void driver_forget_check(void *ctx) {
        for (struct question *q = questions; q; q = q->next)
                if (q->ctx == ctx)
                        q->done = NULL;
}
