/*
 * Who may do what is polkit's to say, action by action, with the VM's user in the details (the rules that
 * come with cvmd let a VM's user do what concerns it). The call is kept and handled again with the answer,
 * so no handler waits.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/objects.h"

#define ASK_USEC (300ull * 1000000) /* somebody may be typing a password */
#define QUIET_USEC (25ull * 1000000)

static void question_free(struct question *q) {
        struct question **p = &q->face->questions;

        while (*p != q)
                p = &(*p)->next;
        *p = q->next;
        q->face->n_waiting--;
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->call);
        free(q);
}

void questions_free(struct face *face) {
        while (face->questions)
                question_free(face->questions);
}

static struct question *find(struct face *face, sd_bus_message *m, const char *action) {
        struct question *q = face->questions;

        while (q && (q->call != m || strcmp(q->action, action) != 0))
                q = q->next;
        return q;
}

static uint32_t user_of(const struct vm *vm) {
        struct vm_view view;

        vm_look(vm, &view);
        return view.user_uid;
}

static bool polkit_is_absent(const sd_bus_message *reply) {
        const sd_bus_error *error = sd_bus_message_get_error((sd_bus_message *)reply);

        return error && (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                         sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER));
}

/* Without polkit the VM's user may, and nobody else. The VM is looked for anew: it may be gone by now. */
static bool owns_what_it_names(struct question *q) {
        const struct client *client = face_client(q->face, q->call);
        const char *path = sd_bus_message_get_path(q->call);

        for (size_t i = 0; client && q->face->manager; i++) {
                struct vm *vm = manager_vm_at(q->face->manager, i);
                char own[PATH_MAX_BUS];
                struct vm_view view;

                if (!vm)
                        break;
                vm_look(vm, &view);
                vm_path(view.id, own);
                if (path && strcmp(own, path) == 0)
                        return view.user_uid == client->uid;
        }
        return false;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct question *q = userdata;
        int granted = 0, challenge = 0;

        q->answer = QUESTION_NO;
        if (polkit_is_absent(reply))
                q->answer = owns_what_it_names(q) ? QUESTION_YES : QUESTION_NO;
        else if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") >= 0 &&
                 sd_bus_message_read(reply, "bb", &granted, &challenge) >= 0)
                q->answer = granted ? QUESTION_YES : QUESTION_NO;
        q->slot = sd_bus_slot_unref(q->slot);
        if (sd_bus_enqueue_for_read(q->face->bus, q->call) < 0)
                question_free(q);
        return 1;
}

static int append_details(sd_bus_message *ask, const struct vm *vm) {
        const struct passwd *user;
        struct vm_view view;
        char uid[16];
        int r = sd_bus_message_open_container(ask, 'a', "{ss}");

        if (r >= 0 && vm) {
                vm_look(vm, &view);
                user = getpwuid(view.user_uid);
                snprintf(uid, sizeof uid, "%" PRIu32, view.user_uid);
                r = sd_bus_message_append(ask, "{ss}{ss}{ss}", "vm", view.name, "vm_user",
                                          user ? user->pw_name : uid, "vm_uid", uid);
        }
        return r < 0 ? r : sd_bus_message_close_container(ask);
}

static int ask(struct question *q, const char *sender, const struct vm *vm, bool quiet) {
        sd_bus_message *m = NULL;
        uint32_t flags = !quiet && sd_bus_message_get_allow_interactive_authorization(q->call) > 0 ? 1 : 0;
        int r = sd_bus_message_new_method_call(q->face->bus, &m, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");

        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender,
                                          q->action);
        if (r >= 0)
                r = append_details(m, vm);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", flags, "");
        if (r >= 0)
                r = sd_bus_call_async(q->face->bus, &q->slot, m, on_answer, q,
                                      quiet ? QUIET_USEC : ASK_USEC);
        sd_bus_message_unref(m);
        return r;
}

/* Answers that nobody came for: their object went meanwhile. */
static void drop_answered(struct face *face) {
        for (struct question *q = face->questions, *next; q; q = next) {
                next = q->next;
                if (q->answer != QUESTION_ASKED)
                        question_free(q);
        }
}

/* 1: yes, 0: asked, negative: no. */
static int question(struct face *face, sd_bus_message *m, const char *action, const struct vm *vm,
                    bool quiet) {
        struct question *q = find(face, m, action);
        const char *sender = sd_bus_message_get_sender(m);
        int r;

        if (q) {
                r = q->answer == QUESTION_YES ? 1 : q->answer == QUESTION_NO ? -EACCES : 0;
                if (r != 0)
                        question_free(q);
                return r;
        }
        if (face->n_waiting >= WAITING_MAX)
                drop_answered(face);
        if (!sender || face->n_waiting >= WAITING_MAX)
                return -EACCES;
        q = calloc(1, sizeof *q);
        if (!q)
                return -ENOMEM;
        q->face = face;
        q->call = sd_bus_message_ref(m);
        snprintf(q->action, sizeof q->action, "%s", action);
        q->next = face->questions;
        face->questions = q;
        face->n_waiting++;
        r = ask(q, sender, vm, quiet);
        if (r < 0) {
                question_free(q);
                return -EACCES;
        }
        return 0;
}

int authorise(struct face *face, sd_bus_message *m, const char *action, const struct vm *vm,
              struct cvm_error *err) {
        const struct client *client = face_client(face, m);
        int r;

        if (!client)
                return cvm_fail(err, &CVM_CODE_DENIED, EACCES, "the caller cannot be known");
        if (client->uid == 0)
                return 1;
        /* Without a bus there is no polkit: a direct connection is its user's. */
        r = *client->name                      ? question(face, m, action, vm, false)
            : vm && user_of(vm) == client->uid ? 1
                                               : -EACCES;
        return r >= 0 ? r
                      : cvm_fail(err, &CVM_CODE_DENIED, EACCES, "this needs the authorisation '%s'", action);
}

int authorise_operator(struct face *face, sd_bus_message *m, struct client *client) {
        int r;

        if (client->is_operator != OPERATOR_UNKNOWN)
                return 1;
        r = *client->name ? question(face, m, ACTION_OPERATOR, NULL, true) : -EACCES;
        if (r != 0)
                client->is_operator = r > 0 ? OPERATOR_YES : OPERATOR_NO;
        return r != 0;
}
