/*
 * A VM on the bus. Each method is a row: what it needs to be allowed, and the one function of the model that
 * it calls; reading, checking, authorising, the audit row and the answer are the same for all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "dbus/objects.h"

#define DEFINITION_MAX (256u << 10)
#define ENVELOPE_MAX (1u << 20)

/* --- properties --- */

struct look {
        struct vm_view v;
        const struct vm *vm;
        char measurement[129], keyset[97], nonce[65], operation[PATH_MAX_BUS];
        struct cvm_error dump;
};

static void look(const struct vm *vm, struct look *ret) {
        vm_look(vm, &ret->v);
        ret->vm = vm;
        cvm_hex(ret->v.measurement, ret->v.measurement_size, ret->measurement);
        cvm_hex(ret->v.keyset, cvm_is_zero(ret->v.keyset, sizeof ret->v.keyset) ? 0 : sizeof ret->v.keyset,
                ret->keyset);
        cvm_hex(ret->v.start_nonce, ret->v.state == VM_AWAITING_APPROVAL ? sizeof ret->v.start_nonce : 0,
                ret->nonce);
        strcpy(ret->operation, "/");
        if (*ret->v.operation)
                operation_path(ret->v.operation, ret->operation);
}

/* Asked for by itself: it reads what was recorded of an image. */
static const char *dump_of(struct look *l) {
        l->dump = (struct cvm_error){ 0 };
        return vm_check_dump(l->vm, &l->dump) < 0 ? l->dump.text : "offered";
}

/* X(name, type, expression over the look l) */
#define PROPERTIES(X)                           \
        X(Id, "s", l.v.id)                      \
        X(Name, "s", l.v.name)                  \
        X(User, "u", l.v.user_uid)              \
        X(State, "s", vm_state_text(l.v.state)) \
        X(StateCode, "s", l.v.state_code)       \
        X(StateReason, "s", l.v.state_reason)   \
        X(Trust, "s", vm_trust_text(l.v.trust)) \
        X(TrustBy, "s", l.v.trust_by)           \
        X(Platform, "s", l.v.platform)          \
        X(Driver, "s", l.v.driver)              \
        X(Simulated, "b", l.v.simulated)        \
        X(Debug, "b", l.v.debug)                \
        X(Measurement, "s", l.measurement)      \
        X(Image, "s", l.v.image)                \
        X(Dump, "s", dump_of(&l))               \
        X(Generation, "t", l.v.generation)      \
        X(BootId, "s", l.v.boot_id)             \
        X(Keyset, "s", l.keyset)                \
        X(WaitsFor, "s", l.v.waits_for)         \
        X(StartNonce, "s", l.nonce)             \
        X(Definition, "s", l.v.definition)      \
        X(Binding, "s", l.v.binding)            \
        X(Operation, "o", l.operation)          \
        X(Created, "t", l.v.created_msec)       \
        X(Started, "t", l.v.started_msec)       \
        X(Pid, "u", l.v.pid)

#define GETTER(name, type, value)                                                                         \
        static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {               \
                struct look l;                                                                            \
                                                                                                          \
                look(userdata, &l);                                                                       \
                return sd_bus_message_append(reply, type, value);                                         \
        }
PROPERTIES(GETTER)
#undef GETTER

int vm_object_append_properties(sd_bus_message *m, const void *vm) {
        struct look l;
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        look(vm, &l);
#define APPEND(name, type, value) \
        if (r >= 0)               \
                r = sd_bus_message_append(m, "{sv}", #name, type, value);
        PROPERTIES(APPEND)
#undef APPEND
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int vm_object_append(sd_bus_message *m, const void *vm) {
        struct vm_view view;
        char path[PATH_MAX_BUS];

        vm_look(vm, &view);
        vm_path(view.id, path);
        return object_append(m, path, CVMD_VM_INTERFACE, vm_object_append_properties, vm);
}

/* --- methods --- */

/* What a call brings, and what comes of it. */
struct call {
        struct face *face;
        sd_bus_message *m;
        struct vm *vm;
        struct caller caller;
        bool may_name_paths;
        struct operation *operation; /* NULL: the answer is empty, or was given already */
        bool answered;
};

static int call_start(struct call *c, struct cvm_error *err) {
        return vm_start(c->vm, &c->caller, &c->operation, err);
}

static int read_timeout(struct call *c, uint64_t *ret) {
        return sd_bus_message_read(c->m, "t", ret);
}

static int call_stop(struct call *c, struct cvm_error *err) {
        uint64_t timeout;
        int r = read_timeout(c, &timeout);

        return r < 0 ? r : vm_stop(c->vm, timeout, &c->caller, &c->operation, err);
}

static int call_restart(struct call *c, struct cvm_error *err) {
        uint64_t timeout;
        int r = read_timeout(c, &timeout);

        return r < 0 ? r : vm_restart(c->vm, timeout, &c->caller, &c->operation, err);
}

static int call_kill(struct call *c, struct cvm_error *err) {
        return vm_kill(c->vm, &c->caller, &c->operation, err);
}

static int call_pause(struct call *c, struct cvm_error *err) {
        return vm_pause(c->vm, &c->caller, &c->operation, err);
}

static int call_resume(struct call *c, struct cvm_error *err) {
        return vm_resume(c->vm, &c->caller, &c->operation, err);
}

static int call_reset(struct call *c, struct cvm_error *err) {
        return vm_reset(c->vm, &c->caller, &c->operation, err);
}

static int call_dump(struct call *c, struct cvm_error *err) {
        int fd, r = sd_bus_message_read(c->m, "h", &fd);

        return r < 0 ? r : vm_dump(c->vm, fd, &c->caller, &c->operation, err);
}

/* A text argument within its cap. */
static int read_text(struct call *c, size_t max, const char **ret, struct cvm_error *err) {
        int r = sd_bus_message_read(c->m, "s", ret);

        if (r >= 0 && strlen(*ret) > max)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, E2BIG, "a text of %zu bytes is longer than %zu",
                                strlen(*ret), max);
        return r;
}

static int call_update(struct call *c, struct cvm_error *err) {
        static const char *const allowed[] = { "binding", "dry_run", "files", NULL };
        CVM_CLEANUP(options_done) struct options o = { 0 };
        const char *text;
        int r = read_text(c, DEFINITION_MAX, &text, err);

        if (r >= 0)
                r = options_read(c->m, allowed, &o, err);
        if (r < 0)
                return r;
        const struct create_options create = { .definition = text,
                                               .definition_size = strlen(text),
                                               .binding = o.binding,
                                               .files = o.files,
                                               .n_files = o.n_files,
                                               .may_name_paths = c->may_name_paths };
        return vm_update(c->vm, &create, o.dry_run, &c->caller, &c->operation, err);
}

static int call_delete(struct call *c, struct cvm_error *err) {
        static const char *const none[] = { NULL };
        CVM_CLEANUP(options_done) struct options o = { 0 };
        int r = options_read(c->m, none, &o, err);

        if (r >= 0)
                r = vm_delete(c->vm, &c->caller, &c->operation, err);
        if (r >= 0)
                c->vm = NULL; /* it is gone */
        return r;
}

static int call_get_evidence(struct call *c, struct cvm_error *err) {
        static const char *const allowed[] = { "nonce", "request", NULL };
        CVM_CLEANUP(options_done) struct options o = { 0 };
        int r = options_read(c->m, allowed, &o, err);

        if (r >= 0 && !o.has_nonce)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "evidence needs the verifier's 'nonce'");
        return r < 0 ? r : vm_evidence(c->vm, o.nonce, &o.request, &c->caller, &c->operation, err);
}

static int call_put_secret(struct call *c, struct cvm_error *err) {
        const char *secret, *verdict;
        int r = read_text(c, ENVELOPE_MAX, &secret, err);

        if (r >= 0)
                r = read_text(c, ENVELOPE_MAX, &verdict, err);
        return r < 0 ? r : vm_put_secret(c->vm, secret, verdict, &c->caller, &c->operation, err);
}

static void append_secret(void *ctx, const struct secret_view *secret) {
        sd_bus_message *m = ctx;
        const struct cvm_secret_header *h = &secret->header;
        char keyset[2 * CVM_SHA384_SIZE + 1] = "";

        if (secret->has_header)
                cvm_hex(h->keyset, sizeof h->keyset, keyset);
        /* A failure stays with the message: sending it fails. */
        (void)sd_bus_message_append(m, "a{sv}", 8, "Name", "s", secret->has_header ? h->name : "", "Kind",
                                    "s", secret->has_header ? cvm_secret_kind_text(h->kind) : "", "Seq", "t",
                                    h->seq, "Keyset", "s", keyset, "Digest", "s", secret->digest, "Status",
                                    "s", secret->status, "Released", "t", secret->released_msec, "Receipt",
                                    "s", secret->receipt ? secret->receipt : "");
}

static int call_list_secrets(struct call *c, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(c->m, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r >= 0)
                r = vm_each_secret(c->vm, append_secret, reply, err);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(c->face->bus, reply, NULL);
        c->answered = r >= 0;
        return r;
}

static int call_record_verdict(struct call *c, struct cvm_error *err) {
        const char *envelope;
        int r = read_text(c, ENVELOPE_MAX, &envelope, err);

        return r < 0 ? r : vm_record_verdict(c->vm, envelope, &c->caller, err);
}

static int call_approve(struct call *c, struct cvm_error *err) {
        const char *envelope;
        int r = read_text(c, ENVELOPE_MAX, &envelope, err);

        return r < 0 ? r : vm_approve(c->vm, envelope, &c->caller, err);
}

static void on_console(void *ctx, int fd, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = ctx;
        CVM_CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (err) {
                (void)face_refuse(&error, err, -EIO);
                (void)sd_bus_reply_method_error(m, &error);
        } else
                (void)sd_bus_reply_method_return(m, "h", fd);
        cvm_close(fd);
}

static int call_open_console(struct call *c, struct cvm_error *err) {
        int r;

        if (sd_bus_can_send(c->face->bus, 'h') <= 0)
                return cvm_fail(err, &CVM_CODE_CONSOLE, EOPNOTSUPP,
                                "this connection cannot pass descriptors: run cvmctl on the host itself");
        r = vm_open_console(c->vm, &c->caller, on_console, sd_bus_message_ref(c->m), err);
        if (r < 0)
                sd_bus_message_unref(c->m);
        c->answered = true;
        return r;
}

static int call_get_logs(struct call *c, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        uint64_t max;
        int r = sd_bus_message_read(c->m, "t", &max);

        if (r >= 0)
                r = vm_logs(c->vm, max, &text, err);
        if (r >= 0)
                r = sd_bus_reply_method_return(c->m, "s", text);
        c->answered = r >= 0;
        return r;
}

static int call_get_xml(struct call *c, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = vm_xml(c->vm, &text, err);

        if (r >= 0)
                r = sd_bus_reply_method_return(c->m, "s", text);
        c->answered = r >= 0;
        return r;
}

static const struct method {
        const char *name, *action;
        int (*call)(struct call *c, struct cvm_error *err);
        enum vm_verb verb; /* what Check() looks at; VERB_MAX_: Check() does not know it */
} methods[] = {
        { "Start", ACTION_OPERATE, call_start, VERB_START },
        { "Stop", ACTION_OPERATE, call_stop, VERB_STOP },
        { "Kill", ACTION_OPERATE, call_kill, VERB_KILL },
        { "Pause", ACTION_OPERATE, call_pause, VERB_PAUSE },
        { "Resume", ACTION_OPERATE, call_resume, VERB_RESUME },
        { "Reset", ACTION_OPERATE, call_reset, VERB_RESET },
        { "Restart", ACTION_OPERATE, call_restart, VERB_RESTART },
        { "Dump", ACTION_DUMP, call_dump, VERB_DUMP },
        { "Update", ACTION_UPDATE, call_update, VERB_MAX_ },
        { "Delete", ACTION_DELETE, call_delete, VERB_DELETE },
        { "GetEvidence", ACTION_SECRET, call_get_evidence, VERB_MAX_ },
        { "PutSecret", ACTION_SECRET, call_put_secret, VERB_MAX_ },
        { "ListSecrets", ACTION_SECRET, call_list_secrets, VERB_MAX_ },
        { "RecordVerdict", ACTION_SECRET, call_record_verdict, VERB_MAX_ },
        { "Approve", ACTION_SECRET, call_approve, VERB_MAX_ },
        { "OpenConsole", ACTION_CONSOLE, call_open_console, VERB_MAX_ },
        { "GetLogs", ACTION_CONSOLE, call_get_logs, VERB_MAX_ },
        { "GetXml", ACTION_CONSOLE, call_get_xml, VERB_MAX_ },
};

static int reply(struct call *c) {
        if (c->answered)
                return 1;
        return c->operation ? reply_operation(c->m, c->operation) : sd_bus_reply_method_return(c->m, "");
}

static int run(const struct method *method, bool only_check, sd_bus_message *m, struct vm *vm,
               sd_bus_error *ret_error) {
        struct face *face = face_of(m);
        struct client *client = face_client(face, m);
        struct cvm_error err = { 0 };
        struct call call = { .face = face, .m = m, .vm = vm };
        int r;

        if (client && !authorise_operator(face, m, client))
                return 1;
        r = authorise(face, m, method->action, vm, &err);
        if (r == 0)
                return 1; /* asked: we are called again */
        if (r > 0) {
                call.caller = client_caller(client);
                call.may_name_paths = client->is_operator == OPERATOR_YES;
                r = only_check ? vm_check_verb(vm, method->verb, &err) : method->call(&call, &err);
        }
        if (r < 0)
                (void)cvm_error_text(&err, r);
        face_audit(face, m, call.vm, &err);
        return r < 0 ? face_refuse(ret_error, &err, r) : reply(&call);
}

static const struct method *find_method(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (strcmp(methods[i].name, name) == 0)
                        return &methods[i];
        return NULL;
}

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return run(find_method(sd_bus_message_get_member(m)), false, m, userdata, ret_error);
}

static int on_check(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const struct method *method;
        struct cvm_error err = { 0 };
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        method = find_method(name);
        if (method && method->verb != VERB_MAX_)
                return run(method, true, m, userdata, ret_error);
        r = cvm_fail(&err, &CVM_CODE_ARGUMENT, EINVAL, "'%.64s' is no method that can be checked", name);
        return face_refuse(ret_error, &err, r);
}

#define METHOD(name, args, result)                                                       \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS args, SD_BUS_RESULT result, on_method, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define CHANGES(name) /* without arguments, an operation */                                     \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_NO_ARGS, SD_BUS_RESULT("o", operation), on_method, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
#define TAKES_ENVELOPE(name)                                                                   \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("s", envelope), SD_BUS_NO_RESULT, on_method, \
                                SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        CHANGES("Start"),
        METHOD("Stop", ("t", timeout_usec), ("o", operation)),
        CHANGES("Kill"),
        CHANGES("Pause"),
        CHANGES("Resume"),
        CHANGES("Reset"),
        METHOD("Restart", ("t", timeout_usec), ("o", operation)),
        METHOD("Dump", ("h", file), ("o", operation)),
        METHOD("Update", ("s", definition, "a{sv}", options), ("o", operation)),
        METHOD("Delete", ("a{sv}", options), ("o", operation)),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("s", method), SD_BUS_NO_RESULT, on_check,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("GetEvidence", ("a{sv}", request), ("o", operation)),
        METHOD("PutSecret", ("s", secret, "s", verdict), ("o", operation)),
        SD_BUS_METHOD_WITH_ARGS("ListSecrets", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", secrets), on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        TAKES_ENVELOPE("RecordVerdict"),
        TAKES_ENVELOPE("Approve"),
        SD_BUS_METHOD_WITH_ARGS("OpenConsole", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", console), on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("GetLogs", ("t", max_bytes), ("s", text)),
        SD_BUS_METHOD_WITH_ARGS("GetXml", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", xml), on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
#define ROW(name, type, value) \
        SD_BUS_PROPERTY(#name, type, get_##name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        PROPERTIES(ROW)
#undef ROW
                        SD_BUS_VTABLE_END,
};

/* Methods are there for everybody: whether they may, is decided by authorise(). Reading is for those who may
 * see. */
static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                sd_bus_error *error) {
        struct face *face = userdata;
        sd_bus_message *m = sd_bus_get_current_message(bus);
        const struct client *client = m ? face_client(face, m) : NULL;
        bool calls = m && sd_bus_message_is_method_call(m, CVMD_VM_INTERFACE, NULL) > 0;
        struct vm *vm;

        for (size_t i = 0; (vm = manager_vm_at(face->manager, i)); i++) {
                struct vm_view view;
                char own[PATH_MAX_BUS];

                vm_look(vm, &view);
                vm_path(view.id, own);
                if (strcmp(own, path) != 0)
                        continue;
                if (client && !calls && !client_may_see(client, view.user_uid))
                        return 0;
                *ret_found = vm;
                return 1;
        }
        return 0;
}

int vm_object_add(struct face *face) {
        return sd_bus_add_fallback_vtable(face->bus, &face->slots[face->n_slots++], CVMD_VM_PATH,
                                          CVMD_VM_INTERFACE, vtable, find, face);
}
