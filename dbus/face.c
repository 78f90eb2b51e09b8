#include "dbus/face.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "dbus/objects.h"

void vm_path(const char *id, char ret[PATH_MAX_BUS]) {
        snprintf(ret, PATH_MAX_BUS, CVMD_VM_PATH "/%s", id);
        for (char *p = ret + strlen(CVMD_VM_PATH); *p; p++)
                if (*p == '-')
                        *p = '_';
}

void operation_path(const char *id, char ret[PATH_MAX_BUS]) {
        snprintf(ret, PATH_MAX_BUS, CVMD_OPERATION_PATH "/%s", id);
}

/* A VM's or operation's handler is given that object; the face is what its vtable was added with. */
struct face *face_of(sd_bus_message *m) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}

int reply_operation(sd_bus_message *m, const struct operation *operation) {
        struct operation_view view;
        char path[PATH_MAX_BUS];

        operation_look(operation, &view);
        operation_path(view.id, path);
        return sd_bus_reply_method_return(m, "o", path);
}

int face_refuse(sd_bus_error *ret, struct cvm_error *err, int r) {
        return sd_bus_error_set(ret, cvm_error_code(err)->dbus_name, cvm_error_text(err, r));
}

void face_audit(struct face *face, sd_bus_message *m, const struct vm *vm, const struct cvm_error *err) {
        const struct client *client = face_client(face, m);
        const struct caller nobody = { .uid = UINT32_MAX }, caller = client ? client_caller(client) : nobody;
        struct vm_view view = { .id = "manager" };

        if (vm)
                vm_look(vm, &view);
        manager_audit_request(face->manager, &caller, sd_bus_message_get_member(m), view.id,
                              err && err->code ? err->code->id : "ok");
}

/* --- signals --- */

#define EVERYBODY UINT32_MAX

/* One message to each who may see what belongs to that user. Whoever cannot be told now will ask. */
static void tell(struct face *face, uint32_t user_uid, const char *path, const char *interface,
                 const char *member, fill_fn fill, const void *object) {
        for (const struct client *c = face->clients; c; c = c->next) {
                sd_bus_message *m = NULL;
                int r;

                if (user_uid != EVERYBODY && !client_may_see(c, user_uid))
                        continue;
                r = sd_bus_message_new_signal(face->bus, &m, path, interface, member);
                if (r >= 0 && *c->name)
                        r = sd_bus_message_set_destination(m, c->name);
                if (r >= 0)
                        r = fill(m, object);
                if (r >= 0)
                        (void)sd_bus_send(face->bus, m, NULL);
                sd_bus_message_unref(m);
        }
}

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

int object_append(sd_bus_message *m, const char *path, const char *interface, fill_fn properties,
                  const void *object) {
        int r = sd_bus_message_append(m, "o", path);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", interface);
        if (r >= 0)
                r = properties(m, object);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int fill_vm_removed(sd_bus_message *m, const void *object) {
        return sd_bus_message_append(m, "oas", object, 1, CVMD_VM_INTERFACE);
}

static int fill_operation_removed(sd_bus_message *m, const void *object) {
        return sd_bus_message_append(m, "oas", object, 1, CVMD_OPERATION_INTERFACE);
}

static int fill_changed(sd_bus_message *m, const char *interface, const void *object, fill_fn append) {
        int r = sd_bus_message_append(m, "s", interface);

        if (r >= 0)
                r = append(m, object);
        return r < 0 ? r : sd_bus_message_append(m, "as", 0);
}

static int fill_vm_changed(sd_bus_message *m, const void *object) {
        return fill_changed(m, CVMD_VM_INTERFACE, object, vm_object_append_properties);
}

static int fill_operation_changed(sd_bus_message *m, const void *object) {
        return fill_changed(m, CVMD_OPERATION_INTERFACE, object, operation_object_append_properties);
}

static int fill_finished(sd_bus_message *m, const void *object) {
        struct operation_view view;

        operation_look(object, &view);
        return sd_bus_message_append(m, "ssss", operation_state_texts[view.state], view.result,
                                     view.code ? view.code->id : "", view.code ? view.text : "");
}

static void on_vm_added(void *ctx, struct vm *vm) {
        struct vm_view view;

        vm_look(vm, &view);
        tell(ctx, view.user_uid, CVMD_PATH, OBJECT_MANAGER, "InterfacesAdded", vm_object_append, vm);
}

static void on_vm_changed(void *ctx, struct vm *vm) {
        struct vm_view view;
        char path[PATH_MAX_BUS];

        vm_look(vm, &view);
        vm_path(view.id, path);
        tell(ctx, view.user_uid, path, PROPERTIES, "PropertiesChanged", fill_vm_changed, vm);
}

/* Whose it was is not known any more: everybody is told that a path has gone, which says nothing to those
 * who did not know it. */
static void on_vm_removed(void *ctx, const char *id) {
        char path[PATH_MAX_BUS];

        vm_path(id, path);
        tell(ctx, EVERYBODY, CVMD_PATH, OBJECT_MANAGER, "InterfacesRemoved", fill_vm_removed, path);
}

static void on_operation_added(void *ctx, struct operation *operation) {
        struct operation_view view;

        operation_look(operation, &view);
        tell(ctx, view.owner_uid, CVMD_PATH, OBJECT_MANAGER, "InterfacesAdded", operation_object_append,
             operation);
}

static void on_operation_changed(void *ctx, struct operation *operation) {
        struct operation_view view;
        char path[PATH_MAX_BUS];

        operation_look(operation, &view);
        operation_path(view.id, path);
        tell(ctx, view.owner_uid, path, PROPERTIES, "PropertiesChanged", fill_operation_changed, operation);
        if (view.state == OPERATION_RUNNING)
                return;
        tell(ctx, view.owner_uid, path, CVMD_OPERATION_INTERFACE, "Finished", fill_finished, operation);
        manager_object_answer_late(ctx, operation);
}

static void on_operation_removed(void *ctx, const char *id) {
        char path[PATH_MAX_BUS];

        operation_path(id, path);
        tell(ctx, EVERYBODY, CVMD_PATH, OBJECT_MANAGER, "InterfacesRemoved", fill_operation_removed, path);
}

struct told_event {
        uint64_t seq;
        const char *json;
};

static int fill_event(sd_bus_message *m, const void *object) {
        const struct told_event *event = object;

        return sd_bus_message_append(m, "ts", event->seq, event->json);
}

static void on_event(void *ctx, uint64_t seq, const char *json) {
        const struct told_event event = { seq, json };
        struct face *face = ctx;

        tell(face, manager_object_event_user(face, json), CVMD_PATH, CVMD_MANAGER_INTERFACE, "Event",
             fill_event, &event);
}

struct manager_observer face_observer(struct face *face) {
        return (struct manager_observer){ .vm_added = on_vm_added,
                                          .vm_changed = on_vm_changed,
                                          .vm_removed = on_vm_removed,
                                          .operation_added = on_operation_added,
                                          .operation_changed = on_operation_changed,
                                          .operation_removed = on_operation_removed,
                                          .event = on_event,
                                          .ctx = face };
}

/* --- its life --- */

int face_new(sd_bus *bus, struct face **ret, struct cvm_error *err) {
        struct face *face = calloc(1, sizeof *face);

        if (!face)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the bus");
        face->bus = bus;
        *ret = face;
        return 0;
}

int face_serve(struct face *face, struct manager *manager, struct cvm_error *err) {
        int r;

        face->manager = manager;
        r = sd_bus_is_bus_client(face->bus) > 0 ? clients_watch(face) : 0;
        if (r >= 0)
                r = manager_object_add(face);
        if (r >= 0)
                r = vm_object_add(face);
        if (r >= 0)
                r = operation_object_add(face);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "putting the objects on the bus: %s",
                                strerror(-r))
                     : 0;
}

struct face *face_free(struct face *face) {
        if (!face)
                return NULL;
        while (face->n_slots > 0)
                sd_bus_slot_unref(face->slots[--face->n_slots]);
        questions_free(face);
        while (face->lates) {
                struct late *late = face->lates;

                face->lates = late->next;
                sd_bus_message_unref(late->call);
                free(late);
        }
        clients_free(face);
        free(face);
        return NULL;
}
