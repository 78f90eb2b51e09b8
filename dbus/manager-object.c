/* The manager on the bus: making and finding VMs, what is known of the host, events, records, the audit
 * chain; and the list of all objects, which shows a caller only what it may see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "dbus/objects.h"
#include "launch/host-libvirt.h"

#define DEFINITION_MAX (256u << 10)
#define EVENTS_MAX 1000

/* The end of every handler: refused in words, or what was answered. */
static int end(struct face *face, sd_bus_message *m, const struct vm *vm, bool audit, struct cvm_error *err,
               int r, sd_bus_error *ret_error) {
        if (r < 0)
                (void)cvm_error_text(err, r);
        if (audit)
                face_audit(face, m, vm, err);
        return r < 0 ? face_refuse(ret_error, err, r) : 1;
}

static int read_definition(sd_bus_message *m, const char **ret, struct cvm_error *err) {
        int r = sd_bus_message_read(m, "s", ret);

        if (r >= 0 && strlen(*ret) > DEFINITION_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, E2BIG, "a definition has at most %u bytes",
                                DEFINITION_MAX);
        return r;
}

static int create(struct face *face, sd_bus_message *m, const struct client *client, bool launch,
                  struct vm **ret_vm, struct operation **ret_operation, struct cvm_error *err) {
        static const char *const allowed[] = { "request_id", "binding", "files", NULL };
        CVM_CLEANUP(options_done) struct options o = { 0 };
        const struct caller caller = client_caller(client);
        const char *text;
        int r = read_definition(m, &text, err);

        if (r >= 0)
                r = options_read(m, allowed, &o, err);
        if (r < 0)
                return r;
        const struct create_options options = { .definition = text,
                                                .definition_size = strlen(text),
                                                .request_id = o.request_id,
                                                .binding = o.binding,
                                                .files = o.files,
                                                .n_files = o.n_files,
                                                .start = launch,
                                                .may_name_paths = client->is_operator == OPERATOR_YES };
        return manager_create(face->manager, &options, &caller, ret_vm, ret_operation, err);
}

/* --- calls that are answered when their operation ends --- */

typedef int (*answer_fn)(sd_bus_message *call, const struct operation_view *done);

static int answer_late(sd_bus_message *call, answer_fn answer, const struct operation_view *view) {
        if (view->state == OPERATION_DONE)
                return answer(call, view);
        return sd_bus_reply_method_errorf(call,
                                          view->code ? view->code->dbus_name : CVM_CODE_INTERNAL.dbus_name,
                                          "%s", view->text);
}

static int add_late(struct face *face, sd_bus_message *m, const struct client *client,
                    const struct operation *operation, answer_fn answer) {
        struct operation_view view;
        struct late *late;

        operation_look(operation, &view);
        if (view.state != OPERATION_RUNNING)
                return answer_late(m, answer, &view);
        late = calloc(1, sizeof *late);
        if (!late)
                return -ENOMEM;
        *late = (struct late){
                .next = face->lates, .call = sd_bus_message_ref(m), .uid = client->uid, .answer = answer
        };
        snprintf(late->operation, sizeof late->operation, "%s", view.id);
        face->lates = late;
        face->n_waiting++;
        return 0;
}

void manager_object_answer_late(struct face *face, const struct operation *operation) {
        struct operation_view view;

        operation_look(operation, &view);
        for (struct late **p = &face->lates; *p;) {
                struct late *late = *p;

                if (strcmp(late->operation, view.id) != 0) {
                        p = &late->next;
                        continue;
                }
                if (answer_late(late->call, late->answer, &view) < 0)
                        (void)sd_bus_reply_method_errorf(late->call, CVM_CODE_INTERNAL.dbus_name,
                                                         "the answer cannot be written");
                *p = late->next;
                sd_bus_message_unref(late->call);
                free(late);
                face->n_waiting--;
        }
}

static int check_waiting(const struct face *face, struct cvm_error *err) {
        return face->n_waiting < WAITING_MAX ? 0
                                             : cvm_fail(err, &CVM_CODE_QUOTA, EBUSY,
                                                        "too many calls wait for their answer");
}

/* --- making --- */

static int answer_created(sd_bus_message *call, const struct operation_view *done) {
        char path[PATH_MAX_BUS];

        vm_path(done->vm_id, path);
        return sd_bus_reply_method_return(call, "o", path);
}

static int reply_launched(sd_bus_message *m, const struct vm *vm, const struct operation *operation) {
        struct operation_view o;
        struct vm_view v;
        char vm_at[PATH_MAX_BUS], operation_at[PATH_MAX_BUS];

        vm_look(vm, &v);
        operation_look(operation, &o);
        vm_path(v.id, vm_at);
        operation_path(o.id, operation_at);
        return sd_bus_reply_method_return(m, "oo", vm_at, operation_at);
}

static int make(sd_bus_message *m, struct face *face, bool launch, sd_bus_error *ret_error) {
        struct client *client = face_client(face, m);
        struct operation *operation = NULL;
        struct vm *vm = NULL;
        struct cvm_error err = { 0 };
        int r;

        if (client && !authorise_operator(face, m, client))
                return 1;
        r = authorise(face, m, ACTION_CREATE, NULL, &err);
        if (r == 0)
                return 1;
        if (r > 0)
                r = check_waiting(face, &err);
        if (r >= 0)
                r = create(face, m, client, launch, &vm, &operation, &err);
        if (r >= 0)
                r = launch ? reply_launched(m, vm, operation)
                           : add_late(face, m, client, operation, answer_created);
        return end(face, m, vm, true, &err, r, ret_error);
}

static int method_create(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return make(m, userdata, false, ret_error);
}

static int method_launch(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return make(m, userdata, true, ret_error);
}

/* --- measuring --- */

static int answer_measured(sd_bus_message *call, const struct operation_view *done) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct cvm_json place;
        const char *platform = "", *measurement = "";
        bool simulated = false;
        int r = cvm_json_parse(done->result, strlen(done->result), "measurement", &node, NULL);

        if (r < 0)
                return r;
        place = cvm_json_root(node, "measurement");
        (void)cvm_json_get_text(&place, "platform", &platform, NULL);
        (void)cvm_json_get_text(&place, "measurement", &measurement, NULL);
        (void)cvm_json_get_bool(&place, "simulated", &simulated, NULL);
        r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 4, "platform", "s", platform, "measurement", "s",
                                          measurement, "simulated", "b", simulated, "json", "s",
                                          done->result);
        return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(call), m, NULL);
}

static int measure(struct face *face, sd_bus_message *m, const struct client *client,
                   struct cvm_error *err) {
        const struct caller caller = client_caller(client);
        struct operation *operation;
        const char *text;
        int r = read_definition(m, &text, err);

        if (r >= 0)
                r = check_waiting(face, err);
        if (r < 0)
                return r;
        const struct create_options options = { .definition = text,
                                                .definition_size = strlen(text),
                                                .may_name_paths = client->is_operator == OPERATOR_YES };
        r = manager_measure(face->manager, &options, &caller, &operation, err);
        return r < 0 ? r : add_late(face, m, client, operation, answer_measured);
}

static int method_measure(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client = face_client(face, m);
        struct cvm_error err = { 0 };
        int r;

        if (client && !authorise_operator(face, m, client))
                return 1;
        r = authorise(face, m, ACTION_CREATE, NULL, &err);
        if (r == 0)
                return 1;
        if (r > 0)
                r = measure(face, m, client, &err);
        return end(face, m, NULL, true, &err, r, ret_error);
}

/* --- finding --- */

static int method_get_vm(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct cvm_error err = { 0 };
        char path[PATH_MAX_BUS];
        const struct vm *vm;
        struct vm_view view;
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        vm = manager_vm(face->manager, name);
        if (!vm) {
                r = cvm_fail(&err, &CVM_CODE_NO_VM, ENOENT, "there is no VM '%.80s'", name);
                return face_refuse(ret_error, &err, r);
        }
        vm_look(vm, &view);
        vm_path(view.id, path);
        return sd_bus_reply_method_return(m, "o", path);
}

static bool has_label(char *const *labels, const char *wanted) {
        size_t length = strlen(wanted);
        bool with_value = strchr(wanted, '=');

        for (; labels && *labels; labels++)
                if (strcmp(*labels, wanted) == 0 ||
                    (!with_value && strncmp(*labels, wanted, length) == 0 && (*labels)[length] == '='))
                        return true;
        return false;
}

static bool matches(const struct vm_view *v, const struct options *o) {
        return (!o->state || strcmp(vm_state_text(v->state), o->state) == 0) &&
               (!o->trust || strcmp(vm_trust_text(v->trust), o->trust) == 0) &&
               (!o->platform || strcmp(v->platform, o->platform) == 0) &&
               (!o->has_user || v->user_uid == o->user) && (!o->label || has_label(v->labels, o->label));
}

static bool is_platform(const char *text) {
        const char *const *known = cvm_platform_texts;

        while (*known && strcmp(*known, text) != 0)
                known++;
        return *known;
}

/* A word that no VM can ever have is a mistake, not an empty list. */
static int check_filter(const struct options *o, struct cvm_error *err) {
        if (o->state && vm_state_of(o->state) == VM_STATE_MAX_)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%.64s' is no state of a VM", o->state);
        if (o->trust && vm_trust_of(o->trust) == VM_TRUST_MAX_)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%.64s' is no trust of a VM", o->trust);
        if (o->platform && !is_platform(o->platform))
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%.64s' is no platform", o->platform);
        return 0;
}

static int append_vms(sd_bus_message *m, struct face *face, const struct client *client,
                      const struct options *o) {
        int r = sd_bus_message_open_container(m, 'a', "o");
        struct vm *vm;

        for (size_t i = 0; r >= 0 && (vm = manager_vm_at(face->manager, i)); i++) {
                struct vm_view view;
                char path[PATH_MAX_BUS];

                vm_look(vm, &view);
                vm_path(view.id, path);
                if (client_may_see(client, view.user_uid) && matches(&view, o))
                        r = sd_bus_message_append(m, "o", path);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int list(sd_bus_message *m, struct face *face, const struct client *client, struct cvm_error *err) {
        static const char *const allowed[] = { "state", "trust", "platform", "label", "user", NULL };
        CVM_CLEANUP(options_done) struct options o = { 0 };
        sd_bus_message *reply = NULL;
        int r = client ? options_read(m, allowed, &o, err)
                       : cvm_fail(err, &CVM_CODE_DENIED, EACCES, "the caller cannot be known");

        if (r >= 0)
                r = check_filter(&o, err);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_vms(reply, face, client, &o);
        if (r >= 0)
                r = sd_bus_send(face->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int method_list_vms(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client = face_client(face, m);
        struct cvm_error err = { 0 };

        if (client && !authorise_operator(face, m, client))
                return 1;
        return end(face, m, NULL, false, &err, list(m, face, client, &err), ret_error);
}

static int append_entry(sd_bus_message *m, fill_fn append, const void *object) {
        int r = sd_bus_message_open_container(m, 'e', "oa{sa{sv}}");

        if (r >= 0)
                r = append(m, object);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_objects(sd_bus_message *m, struct face *face, const struct client *client) {
        int r = sd_bus_message_open_container(m, 'a', "{oa{sa{sv}}}");
        struct operation *operation;
        struct vm *vm;

        for (size_t i = 0; r >= 0 && (vm = manager_vm_at(face->manager, i)); i++) {
                struct vm_view view;

                vm_look(vm, &view);
                if (client_may_see(client, view.user_uid))
                        r = append_entry(m, vm_object_append, vm);
        }
        for (size_t i = 0; r >= 0 && (operation = manager_operation_at(face->manager, i)); i++) {
                struct operation_view view;

                operation_look(operation, &view);
                if (client_may_see(client, view.owner_uid))
                        r = append_entry(m, operation_object_append, operation);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* sd-bus has an ObjectManager of its own, which shows everything to everybody. */
static int on_root_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client;
        sd_bus_message *reply = NULL;
        int r;

        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") <= 0)
                return 0;
        client = face_client(face, m);
        if (!client)
                return -EACCES;
        if (!authorise_operator(face, m, client))
                return 1;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_objects(reply, face, client);
        if (r >= 0)
                r = sd_bus_send(face->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

/* --- what is known --- */

static int append_check(sd_bus_message *m, const struct cvm_json *check) {
        const char *texts[4] = { "", "", "", "" };
        static const char *const keys[] = { "id", "verdict", "sentence", "remedy" };
        int r = 1;

        for (size_t i = 0; r > 0 && i < ARRAY_SIZE(keys); i++)
                r = cvm_json_get_text(check, keys[i], &texts[i], NULL);
        return r > 0 ? sd_bus_message_append(m, "(ssss)", texts[0], texts[1], texts[2], texts[3]) : -EBADMSG;
}

static int append_checks(sd_bus_message *m, const struct cvm_json *list) {
        size_t n = 0;
        int r = cvm_json_array(list, HOST_ALL_CHECKS_MAX, &n, NULL);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssss)");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct cvm_json check = cvm_json_element(list, i);

                r = append_check(m, &check);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int answer_checked(sd_bus_message *call, const struct operation_view *done) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct cvm_json place, list;
        int r = cvm_json_parse(done->result, strlen(done->result), "checks", &node, NULL);

        if (r < 0)
                return r;
        place = cvm_json_root(node, "checks");
        list = cvm_json_at(&place, "checks");
        r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = append_checks(m, &list);
        return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(call), m, NULL);
}

static int check_looks(const struct face *face, const struct client *client, struct cvm_error *err) {
        size_t n = 0;

        for (const struct late *late = face->lates; late; late = late->next)
                n += late->uid == client->uid && late->answer == answer_checked;
        return n < LOOKS_MAX ? check_waiting(face, err)
                             : cvm_fail(err, &CVM_CODE_QUOTA, EBUSY,
                                        "%zu of your calls wait for this answer", n);
}

static int method_check_host(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client = face_client(face, m);
        struct operation *operation;
        struct cvm_error err = { 0 };
        struct caller caller;
        int r = client ? check_looks(face, client, &err)
                       : cvm_fail(&err, &CVM_CODE_DENIED, EACCES, "the caller cannot be known");

        if (r >= 0) {
                caller = client_caller(client);
                r = manager_check_host(face->manager, &caller, &operation, &err);
        }
        if (r >= 0)
                r = add_late(face, m, client, operation, answer_checked);
        return end(face, m, NULL, false, &err, r, ret_error);
}

static int answer_simulated(sd_bus_message *call, const struct operation_view *done) {
        return sd_bus_reply_method_return(call, NULL);
}

static int method_simulate(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client = face_client(face, m);
        struct operation *operation;
        struct cvm_error err = { 0 };
        struct caller caller;
        int r = client ? check_waiting(face, &err)
                       : cvm_fail(&err, &CVM_CODE_DENIED, EACCES, "the caller cannot be known");

        if (r >= 0)
                r = authorise(face, m, ACTION_CREATE, NULL, &err);
        if (r == 0)
                return 1;
        if (r > 0) {
                caller = client_caller(client);
                r = manager_simulate(face->manager, &caller, &operation, &err);
        }
        if (r >= 0)
                r = add_late(face, m, client, operation, answer_simulated);
        return end(face, m, NULL, true, &err, r, ret_error);
}

static int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct cvm_error err = { 0 };
        const struct cvm_code *code;
        const char *id;
        char text[1024];
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0)
                return r;
        code = cvm_code_find(id);
        if (!code) {
                r = cvm_fail(&err, &CVM_CODE_NO_CODE, ENOENT, "there is no code '%.64s'", id);
                return face_refuse(ret_error, &err, r);
        }
        snprintf(text, sizeof text, "%s %s", code->sentence, code->remedy);
        return sd_bus_reply_method_return(m, "s", text);
}

uint32_t manager_object_event_user(struct face *face, const char *json) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *id = "";
        struct cvm_json place;
        struct vm_view view;
        const struct vm *vm;

        if (cvm_json_parse(json, strlen(json), "event", &node, NULL) < 0)
                return 0;
        place = cvm_json_root(node, "event");
        (void)cvm_json_get_text(&place, "vm", &id, NULL);
        vm = manager_vm(face->manager, id);
        if (!vm)
                return 0;
        vm_look(vm, &view);
        return view.user_uid;
}

struct event_list {
        struct face *face;
        const struct client *client;
        sd_bus_message *reply;
        int r;
};

static void append_event(void *ctx, uint64_t seq, const char *json) {
        struct event_list *l = ctx;

        if (l->r >= 0 && client_may_see(l->client, manager_object_event_user(l->face, json)))
                l->r = sd_bus_message_append(l->reply, "(ts)", seq, json);
}

static int method_get_events(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        struct client *client = face_client(face, m);
        struct event_list l = { .face = face, .client = client };
        struct cvm_error err = { 0 };
        uint64_t since;
        int r;

        if (!client)
                return -EACCES;
        if (!authorise_operator(face, m, client))
                return 1;
        r = sd_bus_message_read(m, "t", &since);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &l.reply);
        if (r >= 0)
                r = sd_bus_message_open_container(l.reply, 'a', "(ts)");
        if (r >= 0)
                r = manager_events(face->manager, since, EVENTS_MAX, append_event, &l, &err);
        if (r >= 0)
                r = l.r < 0 ? l.r : sd_bus_message_close_container(l.reply);
        if (r >= 0)
                r = sd_bus_send(face->bus, l.reply, NULL);
        sd_bus_message_unref(l.reply);
        return end(face, m, NULL, false, &err, r, ret_error);
}

/* Records and the chain show what others did: for those whom polkit allows. */
static int answer_text(sd_bus_message *m, struct face *face, sd_bus_error *ret_error,
                       int (*get)(struct face *face, sd_bus_message *m, char **ret, struct cvm_error *err)) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };
        int r = authorise(face, m, ACTION_AUDIT, NULL, &err);

        if (r == 0)
                return 1;
        if (r > 0)
                r = get(face, m, &text, &err);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "s", text);
        return end(face, m, NULL, true, &err, r, ret_error);
}

static int get_record(struct face *face, sd_bus_message *m, char **ret, struct cvm_error *err) {
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        return r < 0 ? r : manager_record(face->manager, name, ret, err);
}

static int get_audit(struct face *face, sd_bus_message *m, char **ret, struct cvm_error *err) {
        uint64_t since;
        int r = sd_bus_message_read(m, "t", &since);

        return r < 0 ? r : manager_audit(face->manager, since, CVMD_AUDIT_ROWS, ret, err);
}

static int method_get_record(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return answer_text(m, userdata, ret_error, get_record);
}

static int method_get_audit(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return answer_text(m, userdata, ret_error, get_audit);
}

#define GETTER(name, ...)                                                                                 \
        static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {               \
                struct face *face = userdata;                                                             \
                                                                                                          \
                (void)face;                                                                               \
                return __VA_ARGS__;                                                                       \
        }

static int append_platforms(sd_bus_message *reply, struct face *face) {
        int r = sd_bus_message_open_container(reply, 'a', "s");
        const char *name;

        for (size_t i = 0; r >= 0 && (name = manager_platform_at(face->manager, i)); i++)
                r = sd_bus_message_append(reply, "s", name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* {"pool":"sev_es","free":96} as a{sv}: texts and numbers. */
static int append_pool(sd_bus_message *reply, json_object *pool) {
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        json_object_object_foreach(pool, key, value) {
                if (r < 0)
                        break;
                r = json_object_is_type(value, json_type_string)
                                    ? sd_bus_message_append(reply, "{sv}", key, "s",
                                                            json_object_get_string(value))
                                    : sd_bus_message_append(reply, "{sv}", key, "t",
                                                            json_object_get_uint64(value));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_pools(sd_bus_message *reply, json_object *pools) {
        int r = sd_bus_message_open_container(reply, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 's', "pools");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < json_object_array_length(pools); i++)
                r = append_pool(reply, json_object_array_get_idx(pools, i));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_capacity(sd_bus_message *reply, struct face *face) {
        CVM_CLEANUP(cvm_json_putp) json_object *pools = NULL;
        uint32_t vms = 0, processes = 0;
        uint64_t leaked;
        struct vm *vm;
        int r;

        pools = manager_capacity(face->manager, &leaked);

        for (; (vm = manager_vm_at(face->manager, vms)); vms++) {
                struct vm_view view;

                vm_look(vm, &view);
                processes += view.pid != 0;
        }
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "vms", "u", vms, "running", "u", processes,
                                          "leaked", "t", leaked);
        if (r >= 0 && pools)
                r = append_pools(reply, pools);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(version, sd_bus_message_append(reply, "s", CVM_VERSION))
GETTER(driver, sd_bus_message_append(reply, "s", manager_default_driver(face->manager)))
GETTER(platforms, append_platforms(reply, face))
GETTER(capacity, append_capacity(reply, face))
GETTER(simulation_root, sd_bus_message_append(reply, "s", manager_simulation_root(face->manager)))
GETTER(simulation_hosts, sd_bus_message_append(reply, "s", manager_simulation_hosts(face->manager)))
GETTER(record_key, sd_bus_message_append(reply, "s", manager_record_key(face->manager)))

#define METHOD(name, args, result, handler)                                            \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS args, SD_BUS_RESULT result, handler, \
                                SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("Create", ("s", definition, "a{sv}", options), ("o", vm), method_create),
        METHOD("Launch", ("s", definition, "a{sv}", options), ("o", vm, "o", operation), method_launch),
        METHOD("GetVM", ("s", name), ("o", vm), method_get_vm),
        METHOD("ListVMs", ("a{sv}", filter), ("ao", vms), method_list_vms),
        METHOD("Measure", ("s", definition), ("a{sv}", measurement), method_measure),
        SD_BUS_METHOD_WITH_ARGS("CheckHost", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssss)", checks),
                                method_check_host, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Simulate", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_simulate,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("Explain", ("s", code), ("s", text), method_explain),
        METHOD("GetEvents", ("t", since), ("a(ts)", events), method_get_events),
        METHOD("GetRecord", ("s", name), ("s", record), method_get_record),
        METHOD("GetAudit", ("t", since), ("s", chain), method_get_audit),
        SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("t", seq, "s", json), 0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Driver", "s", get_driver, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Platforms", "as", get_platforms, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Capacity", "a{sv}", get_capacity, 0, 0),
        SD_BUS_PROPERTY("SimulationRoot", "s", get_simulation_root, 0, 0),
        SD_BUS_PROPERTY("SimulationHosts", "s", get_simulation_hosts, 0, 0),
        SD_BUS_PROPERTY("RecordKey", "s", get_record_key, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_object_add(struct face *face) {
        int r = sd_bus_add_object(face->bus, &face->slots[face->n_slots++], CVMD_PATH, on_root_message,
                                  face);

        return r < 0 ? r
                     : sd_bus_add_object_vtable(face->bus, &face->slots[face->n_slots++], CVMD_PATH,
                                                CVMD_MANAGER_INTERFACE, vtable, face);
}
