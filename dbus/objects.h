/* Inside of dbus/: what its files share. */
#pragma once

#include "dbus/face.h"
#include "dbus/names.h"

#define CLIENTS_MAX 1024
#define WAITING_MAX 256 /* calls that wait for polkit or an operation */
#define LOOKS_MAX 16    /* of one user who waits for what others asked for too, which no quota counts */
#define PATH_MAX_BUS 128

/* Somebody who has called. Unique names are never given twice, so what is known of one stays true. */
struct client {
        struct client *next;
        char name[64]; /* "" on a direct connection */
        uint32_t uid, pid;
        enum { OPERATOR_UNKNOWN, OPERATOR_YES, OPERATOR_NO } is_operator;
};

/* A call that is handled again once polkit has answered. */
struct question {
        struct question *next;
        struct face *face;
        sd_bus_message *call;
        sd_bus_slot *slot;
        char action[64];
        enum { QUESTION_ASKED, QUESTION_YES, QUESTION_NO } answer;
};

/* A call that is answered when its operation ends. */
struct late {
        struct late *next;
        sd_bus_message *call;
        uint32_t uid; /* who waits */
        char operation[24];
        int (*answer)(sd_bus_message *call, const struct operation_view *done);
};

struct face {
        sd_bus *bus;             /* borrowed */
        struct manager *manager; /* borrowed; NULL before face_serve() */
        struct client *clients;
        size_t n_clients, n_waiting;
        struct question *questions;
        struct late *lates;
        sd_bus_slot *slots[16];
        size_t n_slots;
};

/* --- clients.c --- */
/* Who sent this; NULL where nobody can be known any more. */
struct client *face_client(struct face *face, sd_bus_message *m);
struct caller client_caller(const struct client *client);
bool client_may_see(const struct client *client, uint32_t user_uid);
/* Forget who has left the bus. */
int clients_watch(struct face *face);
void clients_free(struct face *face);

/* --- authorise.c --- */
#define ACTION_OPERATOR "org.cvmd1.operator"
#define ACTION_CREATE "org.cvmd1.create"
#define ACTION_OPERATE "org.cvmd1.operate"
#define ACTION_DUMP "org.cvmd1.dump"
#define ACTION_UPDATE "org.cvmd1.update"
#define ACTION_DELETE "org.cvmd1.delete"
#define ACTION_SECRET "org.cvmd1.secret"
#define ACTION_CONSOLE "org.cvmd1.console"
#define ACTION_AUDIT "org.cvmd1.audit"

/*
 * May the sender do that, to this VM (NULL: to none in particular)? 1: yes; 0: polkit was asked, the handler
 * returns 1 and is called again with the same message; negative: CVM_CODE_DENIED. Root may everything.
 * Without polkit on the bus, a VM's user may what concerns that VM.
 */
int authorise(struct face *face, sd_bus_message *m, const char *action, const struct vm *vm,
              struct cvm_error *err);
/* Is the sender an operator: one who sees every VM and may name paths? 0: polkit was asked, as above. */
int authorise_operator(struct face *face, sd_bus_message *m, struct client *client);
void questions_free(struct face *face);

/* --- face.c --- */
/* The face whose object is being called. */
struct face *face_of(sd_bus_message *m);
/* Fill a D-Bus error from ours: its code's name, its sentence. Returns the negative errno for a handler. */
int face_refuse(sd_bus_error *ret, struct cvm_error *err, int r);
/* One row of the audit chain for this request. */
void face_audit(struct face *face, sd_bus_message *m, const struct vm *vm, const struct cvm_error *err);
void vm_path(const char *id, char ret[PATH_MAX_BUS]);
void operation_path(const char *id, char ret[PATH_MAX_BUS]);
int reply_operation(sd_bus_message *m, const struct operation *operation);
/* Appends what it says of one object to a message. */
typedef int (*fill_fn)(sd_bus_message *m, const void *object);
/* Path and {interface: {property: value}} of one object. */
int object_append(sd_bus_message *m, const char *path, const char *interface, fill_fn properties,
                  const void *object);

/* --- options.c --- */
/* What an a{sv} may hold, by name; descriptors and texts are borrowed from the message. */
struct options {
        const char *request_id, *state, *trust, *platform, *label;
        char *binding; /* owned text */
        uint8_t nonce[32];
        bool has_nonce, dry_run, has_user;
        struct cvm_bytes request; /* owned */
        uint32_t user;
        struct named_fd files[64];
        size_t n_files;
};
void options_done(struct options *options);
/* allowed: NULL-terminated names. CVM_CODE_FIELD for others, wrong types and sizes. */
int options_read(sd_bus_message *m, const char *const *allowed, struct options *ret, struct cvm_error *err);

/* --- the objects --- */
int manager_object_add(struct face *face);
int vm_object_add(struct face *face);
int operation_object_add(struct face *face);
/* One object for ObjectManager, as object_append() has it; its properties alone. vm, operation: such a
 * struct. */
int vm_object_append(sd_bus_message *m, const void *vm);
int vm_object_append_properties(sd_bus_message *m, const void *vm);
int operation_object_append(sd_bus_message *m, const void *operation);
int operation_object_append_properties(sd_bus_message *m, const void *operation);
/* An operation has ended: whoever waits for it is answered. */
void manager_object_answer_late(struct face *face, const struct operation *operation);
/* Whose VM an event is about; root where that is not known. */
uint32_t manager_object_event_user(struct face *face, const char *json);
