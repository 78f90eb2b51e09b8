/* An operation on the bus: who asked for it sees it, and may call it off. */
#include <errno.h>
#include <string.h>

#include "dbus/objects.h"

/* X(name, type, expression over the view v) */
#define PROPERTIES(X)                                 \
        X(Id, "s", v.id)                              \
        X(Kind, "s", v.kind)                          \
        X(VM, "o", vm)                                \
        X(Phase, "s", v.phase)                        \
        X(Progress, "u", v.progress)                  \
        X(State, "s", operation_state_texts[v.state]) \
        X(Result, "s", v.result)                      \
        X(ErrorCode, "s", v.code ? v.code->id : "")   \
        X(Error, "s", v.code ? v.text : "")           \
        X(Remedy, "s", v.code ? v.code->remedy : "")

static void look(const struct operation *operation, struct operation_view *ret, char vm[PATH_MAX_BUS]) {
        operation_look(operation, ret);
        strcpy(vm, "/");
        if (*ret->vm_id)
                vm_path(ret->vm_id, vm);
}

#define GETTER(name, type, value)                                                                         \
        static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {               \
                struct operation_view v;                                                                  \
                char vm[PATH_MAX_BUS];                                                                    \
                                                                                                          \
                look(userdata, &v, vm);                                                                   \
                return sd_bus_message_append(reply, type, value);                                         \
        }
PROPERTIES(GETTER)
#undef GETTER

int operation_object_append_properties(sd_bus_message *m, const void *operation) {
        struct operation_view v;
        char vm[PATH_MAX_BUS];
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        look(operation, &v, vm);
#define APPEND(name, type, value) \
        if (r >= 0)               \
                r = sd_bus_message_append(m, "{sv}", #name, type, value);
        PROPERTIES(APPEND)
#undef APPEND
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int operation_object_append(sd_bus_message *m, const void *operation) {
        struct operation_view view;
        char path[PATH_MAX_BUS];

        operation_look(operation, &view);
        operation_path(view.id, path);
        return object_append(m, path, CVMD_OPERATION_INTERFACE, operation_object_append_properties,
                             operation);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct cvm_error err = { 0 };
        int r = operation_cancel(userdata, &err);

        face_audit(face_of(m), m, NULL, &err);
        return r < 0 ? face_refuse(ret_error, &err, r) : sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Cancel", "", "", method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Finished",
                                SD_BUS_ARGS("s", state, "s", result, "s", error_code, "s", error), 0),
#define ROW(name, type, value) \
        SD_BUS_PROPERTY(#name, type, get_##name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        PROPERTIES(ROW)
#undef ROW
                        SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                sd_bus_error *error) {
        struct face *face = userdata;
        sd_bus_message *m = sd_bus_get_current_message(bus);
        const struct client *client = m ? face_client(face, m) : NULL;
        struct operation *operation;
        struct operation_view view;

        if (strncmp(path, CVMD_OPERATION_PATH "/", sizeof CVMD_OPERATION_PATH) != 0)
                return 0;
        operation = manager_operation(face->manager, path + sizeof CVMD_OPERATION_PATH);
        if (!operation)
                return 0;
        operation_look(operation, &view);
        if (client && !client_may_see(client, view.owner_uid))
                return 0;
        *ret_found = operation;
        return 1;
}

int operation_object_add(struct face *face) {
        return sd_bus_add_fallback_vtable(face->bus, &face->slots[face->n_slots++], CVMD_OPERATION_PATH,
                                          CVMD_OPERATION_INTERFACE, vtable, find, face);
}
