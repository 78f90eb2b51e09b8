#include "cli/bus.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/time.h"
#include "cli/output.h"

#define CALL_USEC (120ull * 1000000)
#define BAR_AFTER_USEC 1000000ull

int bus_open(sd_bus **ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (!globals.bus)
                r = sd_bus_open_system(&bus);
        else {
                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_address(bus, globals.bus);
                if (r >= 0)
                        r = sd_bus_set_bus_client(bus, 1);
                if (r >= 0)
                        r = sd_bus_start(bus);
        }
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(bus, isatty(STDIN_FILENO));
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_DAEMON, r, "the bus cannot be reached: %s", strerror(-r));
        *ret = TAKE_PTR(bus);
        return 0;
}

/* What the bus itself says. */
static const struct {
        const char *name;
        const struct cvm_code *code;
        const char *words; /* NULL: the bus's own */
} bus_errors[] = {
        { SD_BUS_ERROR_SERVICE_UNKNOWN, &CVM_CODE_NO_DAEMON },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, &CVM_CODE_NO_DAEMON },
        { SD_BUS_ERROR_DISCONNECTED, &CVM_CODE_NO_DAEMON },
        { SD_BUS_ERROR_NO_REPLY, &CVM_CODE_NO_DAEMON }, /* it died meanwhile */
        { SD_BUS_ERROR_UNKNOWN_OBJECT, &CVM_CODE_NO_VM, "it is not there, or not for you to see" },
        /* sd-bus says so of objects that are not there */
        { SD_BUS_ERROR_UNKNOWN_METHOD, &CVM_CODE_NO_VM, "it is not there, or not for you to see" },
        { SD_BUS_ERROR_ACCESS_DENIED, &CVM_CODE_DENIED },
        { SD_BUS_ERROR_TIMEOUT, &CVM_CODE_TIMEOUT },
};

int bus_fail(struct cvm_error *err, const sd_bus_error *error, int r) {
        const struct cvm_code *code = error && error->name ? cvm_code_find(error->name) : NULL;
        const char *words = error && error->message ? error->message : strerror(-r);

        for (size_t i = 0; !code && error && error->name && i < ARRAY_SIZE(bus_errors); i++)
                if (strcmp(error->name, bus_errors[i].name) == 0) {
                        code = bus_errors[i].code;
                        words = bus_errors[i].words ? bus_errors[i].words : words;
                }
        return cvm_fail(err, code ? code : &CVM_CODE_INTERNAL, r, "%s", words);
}

int bus_send(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret_reply, struct cvm_error *err) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, call, CALL_USEC, &error, ret_reply);

        if (r < 0)
                r = bus_fail(err, &error, r);
        sd_bus_error_free(&error);
        return r < 0 ? r : 0;
}

int bus_call(sd_bus *bus, const char *path, const char *interface, const char *member,
             sd_bus_message **ret_reply, struct cvm_error *err, const char *types, ...) {
        sd_bus_message *call = NULL;
        va_list args;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, interface, member);

        va_start(args, types);
        if (r >= 0)
                r = sd_bus_message_appendv(call, types, args);
        va_end(args);
        r = r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "calling '%s': %s", member, strerror(-r))
                  : bus_send(bus, call, ret_reply, err);
        sd_bus_message_unref(call);
        return r;
}

int bus_vm_path(sd_bus *bus, const char *name, char **ret, struct cvm_error *err) {
        sd_bus_message *reply = NULL;
        const char *path;
        int r = bus_call(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, "GetVM", &reply, err, "s", name);

        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0) {
                *ret = strdup(path);
                r = *ret ? 0 : -ENOMEM;
        }
        sd_bus_message_unref(reply);
        return r;
}

/* --- objects as JSON --- */

/* "WaitsFor" -> "waits_for" */
static void snake_case(const char *name, char ret[64]) {
        size_t n = 0;

        for (size_t i = 0; name[i] && n + 2 < 64; i++) {
                bool next_is_lower = islower((unsigned char)name[i + 1]);
                bool starts = i > 0 && isupper((unsigned char)name[i]) &&
                              (islower((unsigned char)name[i - 1]) || next_is_lower);

                if (starts)
                        ret[n++] = '_';
                ret[n++] = (char)tolower((unsigned char)name[i]);
        }
        ret[n] = 0;
}

static json_object *time_node(uint64_t msec) {
        char text[CVM_TIME_TEXT];

        cvm_time_format(msec, text);
        return msec ? json_object_new_string(text) : NULL;
}

static bool is_time(const char *key) {
        return strcmp(key, "created") == 0 || strcmp(key, "started") == 0 || strcmp(key, "released") == 0;
}

/* Definitions are documents; everything else is what its type says. */
static json_object *text_node(const char *key, const char *text) {
        json_object *node = NULL;

        if (strcmp(key, "definition") == 0 &&
            cvm_json_parse(text, strlen(text), "definition", &node, NULL) >= 0)
                return node;
        return json_object_new_string(text);
}

static int read_value(sd_bus_message *m, const char *key, json_object **ret) { /* recurses: a{sv} in a{sv} */
        const char *type;
        char kind;
        union {
                const char *s;
                int b;
                uint32_t u;
                uint64_t t;
        } v;
        int r = sd_bus_message_peek_type(m, &kind, &type);

        if (r < 0)
                return r;
        if (kind == 'a' && strcmp(type, "{sv}") == 0)
                return bus_read_dictionary(m, ret);
        if (!strchr("sobut", kind)) {
                *ret = NULL;
                return sd_bus_message_skip(m, NULL);
        }
        r = sd_bus_message_read_basic(m, kind, &v);
        if (kind == 's' || kind == 'o')
                *ret = text_node(key, v.s);
        else if (kind == 'b')
                *ret = json_object_new_boolean(v.b);
        else if (kind == 'u')
                *ret = json_object_new_int64(v.u);
        else
                *ret = is_time(key) ? time_node(v.t) : json_object_new_uint64(v.t);
        return r;
}

int bus_read_dictionary(sd_bus_message *m, json_object **ret) {
        CVM_CLEANUP(cvm_json_putp) json_object *object = json_object_new_object();
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                json_object *value = NULL;
                const char *name, *type;
                char key[64];

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r >= 0)
                        r = sd_bus_message_peek_type(m, NULL, &type);
                if (r >= 0)
                        r = sd_bus_message_enter_container(m, 'v', type);
                if (r < 0)
                        return r;
                snake_case(name, key);
                r = read_value(m, key, &value);
                if (r >= 0)
                        json_object_object_add(object, key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}

int bus_properties(sd_bus *bus, const char *path, const char *interface, json_object **ret,
                   struct cvm_error *err) {
        sd_bus_message *reply = NULL;
        int r = bus_call(bus, path, "org.freedesktop.DBus.Properties", "GetAll", &reply, err, "s",
                         interface);

        if (r >= 0) {
                r = bus_read_dictionary(reply, ret);
                if (r < 0)
                        r = cvm_fail(err, &CVM_CODE_INTERNAL, r, "the daemon's answer cannot be read");
        }
        sd_bus_message_unref(reply);
        return r;
}

/* One object's interfaces: the VM's properties into *ret, others are skipped. */
static int read_interfaces(sd_bus_message *m, json_object *list) {
        int r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                json_object *vm = NULL;
                const char *interface;

                r = sd_bus_message_read_basic(m, 's', &interface);
                if (r >= 0 && strcmp(interface, CVMD_VM_INTERFACE) == 0)
                        r = bus_read_dictionary(m, &vm);
                else if (r >= 0)
                        r = sd_bus_message_skip(m, "a{sv}");
                if (vm)
                        json_object_array_add(list, vm);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int by_name(const void *a, const void *b) {
        json_object *const *x = a, *const *y = b;

        return strcmp(json_object_get_string(json_object_object_get(*x, "name")),
                      json_object_get_string(json_object_object_get(*y, "name")));
}

int bus_list_vms(sd_bus *bus, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        sd_bus_message *reply = NULL;
        int r = bus_call(bus, CVMD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &reply,
                         err, "");

        if (r >= 0) {
                r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
                while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                        r = sd_bus_message_skip(reply, "o");
                        if (r >= 0)
                                r = read_interfaces(reply, list);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(reply);
                }
                if (r < 0)
                        r = cvm_fail(err, &CVM_CODE_INTERNAL, r, "the daemon's answer cannot be read");
        }
        sd_bus_message_unref(reply);
        if (r < 0)
                return r;
        json_object_array_sort(list, by_name);
        *ret = TAKE_PTR(list);
        return 0;
}

/* --- operations --- */

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A bar for people: on a terminal, and only once it has taken a second. */
static void show_bar(json_object *operation, uint64_t since, bool *shown) {
        uint64_t percent = json_object_get_uint64(json_object_object_get(operation, "progress"));
        const char *phase = json_object_get_string(json_object_object_get(operation, "phase"));
        char bar[21];

        if (globals.quiet || !isatty(STDERR_FILENO) || now_usec() - since < BAR_AFTER_USEC)
                return;
        memset(bar, '.', 20);
        memset(bar, '#', percent > 100 ? 20 : percent / 5);
        bar[20] = 0;
        fprintf(stderr, "\r[%s] %-40.40s", bar, phase ? phase : "");
        *shown = true;
}

static int end_of(json_object *operation, char **ret_result, struct cvm_error *err) {
        const char *state = json_object_get_string(json_object_object_get(operation, "state"));
        const char *code = json_object_get_string(json_object_object_get(operation, "error_code"));
        const char *text = json_object_get_string(json_object_object_get(operation, "error"));
        const struct cvm_code *known = code ? cvm_code_find(code) : NULL;

        if (state && strcmp(state, "done") == 0) {
                *ret_result = strdup(json_object_get_string(json_object_object_get(operation, "result")));
                return *ret_result ? 0 : -ENOMEM;
        }
        return cvm_fail(err, known ? known : &CVM_CODE_INTERNAL, EIO, "%s",
                        text ? text : "the operation failed");
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(bool *)userdata = true;
        return 0;
}

static uint64_t deadline_of(uint64_t default_usec) {
        uint64_t usec = globals.timeout_usec ? globals.timeout_usec : default_usec;

        return usec ? now_usec() + usec : UINT64_MAX;
}

/* Look, then sleep until something is told of it, then look again. */
static int follow(sd_bus *bus, const char *path, uint64_t deadline, const bool *told, char **ret_result,
                  struct cvm_error *err) {
        uint64_t since = now_usec();
        bool shown = false;

        for (;;) {
                CVM_CLEANUP(cvm_json_putp) json_object *operation = NULL;
                int r = bus_properties(bus, path, CVMD_OPERATION_INTERFACE, &operation, err);
                uint64_t now;

                if (r < 0)
                        return r;
                if (strcmp(json_object_get_string(json_object_object_get(operation, "state")), "running") !=
                    0) {
                        if (shown)
                                fputs("\r\033[K", stderr);
                        return end_of(operation, ret_result, err);
                }
                show_bar(operation, since, &shown);
                while (!*told) {
                        now = now_usec();
                        if (now >= deadline)
                                return cvm_fail(err, &CVM_CODE_TIMEOUT, ETIMEDOUT,
                                                "it takes longer than was waited for, and goes on (%s)",
                                                path);
                        r = sd_bus_process(bus, NULL);
                        if (r == 0)
                                r = sd_bus_wait(bus, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
                        if (r < 0 && r != -EINTR)
                                return cvm_fail(err, &CVM_CODE_NO_DAEMON, r, "the bus was lost: %s",
                                                strerror(-r));
                }
                *(bool *)told = false;
        }
}

int bus_wait(sd_bus *bus, const char *path, uint64_t default_usec, char **ret_result,
             struct cvm_error *err) {
        sd_bus_slot *slot = NULL, *owner = NULL;
        bool told = false;
        int r;

        if (globals.no_wait) {
                output_say("Under way: %s", path);
                *ret_result = strdup("");
                return *ret_result ? 0 : -ENOMEM;
        }
        r = sd_bus_match_signal(bus, &slot, NULL, path, NULL, NULL, on_signal, &told);
        if (r >= 0) /* a daemon that dies tells nothing any more: the bus does */
                r = sd_bus_add_match(bus, &owner,
                                     "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" CVMD_BUS_NAME "'",
                                     on_signal, &told);
        r = r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "watching an operation: %s", strerror(-r))
                  : follow(bus, path, deadline_of(default_usec), &told, ret_result, err);
        sd_bus_slot_unref(slot);
        sd_bus_slot_unref(owner);
        return r;
}

int bus_operate(sd_bus *bus, sd_bus_message *call, uint64_t default_usec, char **ret_result,
                struct cvm_error *err) {
        sd_bus_message *reply = NULL;
        const char *path;
        int r = bus_send(bus, call, &reply, err);

        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = bus_wait(bus, path, default_usec, ret_result, err);
        sd_bus_message_unref(reply);
        return r;
}
