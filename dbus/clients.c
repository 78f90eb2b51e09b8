#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/objects.h"

static int read_credentials(sd_bus_message *m, struct client *ret) {
        sd_bus_creds *creds = NULL;
        pid_t pid = 0;
        uid_t uid;
        int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);

        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        if (r >= 0) {
                ret->uid = uid;
                (void)sd_bus_creds_get_pid(creds, &pid);
                ret->pid = (uint32_t)pid;
        }
        sd_bus_creds_unref(creds);
        return r;
}

struct client *face_client(struct face *face, sd_bus_message *m) {
        const char *name = sd_bus_message_get_sender(m);
        struct client *c = face->clients;

        name = name ? name : "";
        while (c && strcmp(c->name, name) != 0)
                c = c->next;
        if (c)
                return c;
        if (face->n_clients >= CLIENTS_MAX || strlen(name) >= sizeof c->name)
                return NULL;
        c = calloc(1, sizeof *c);
        if (!c || read_credentials(m, c) < 0) {
                free(c);
                return NULL;
        }
        strcpy(c->name, name);
        c->is_operator = c->uid == 0 ? OPERATOR_YES : OPERATOR_UNKNOWN;
        c->next = face->clients;
        face->clients = c;
        face->n_clients++;
        return c;
}

struct caller client_caller(const struct client *client) {
        return (struct caller){ .uid = client->uid, .pid = client->pid, .bus_name = client->name };
}

bool client_may_see(const struct client *client, uint32_t user_uid) {
        return client->is_operator == OPERATOR_YES || client->uid == user_uid;
}

static int on_left(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct face *face = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || *after)
                return 0;
        for (struct client **p = &face->clients; *p; p = &(*p)->next)
                if (strcmp((*p)->name, name) == 0) {
                        struct client *c = *p;

                        *p = c->next;
                        free(c);
                        face->n_clients--;
                        break;
                }
        return 0;
}

int clients_watch(struct face *face) {
        return sd_bus_match_signal_async(face->bus, &face->slots[face->n_slots++], "org.freedesktop.DBus",
                                         "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                         on_left, NULL, face);
}

void clients_free(struct face *face) {
        while (face->clients) {
                struct client *c = face->clients;

                face->clients = c->next;
                free(c);
        }
}
