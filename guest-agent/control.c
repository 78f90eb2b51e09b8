#include "guest-agent/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

CVM_DEFINE_CLEANUP_VOID(FILE, fclose);

static int address_of(const char *run_dir, struct sockaddr_un *ret, struct cvm_error *err) {
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (snprintf(ret->sun_path, sizeof ret->sun_path, "%s/agent.sock", run_dir) >=
            (int)sizeof ret->sun_path)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, ENAMETOOLONG, "'%s' is too long a path", run_dir);
        return 0;
}

int control_open(const char *run_dir, struct control *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address;
        int r = address_of(run_dir, &address, err);

        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                ret->clients[i] = (struct control_client){ .fd = -EBADF };
        if (r < 0)
                return r;
        (void)unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
            chmod(address.sun_path, 0600) < 0 || listen(fd, CONTROL_CLIENTS_MAX) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", address.sun_path,
                                strerror(errno));
        ret->listener = TAKE_FD(fd);
        return 0;
}

static void drop(struct control_client *client) {
        cvm_close(client->fd);
        *client = (struct control_client){ .fd = -EBADF };
}

void control_done(struct control *control) {
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                drop(&control->clients[i]);
        control->listener = cvm_close(control->listener);
}

static bool is_ours(int fd) {
        struct ucred peer;
        socklen_t size = sizeof peer;

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
               (peer.uid == 0 || peer.uid == geteuid());
}

void control_accept(struct control *control) {
        CVM_CLEANUP(cvm_closep)
        int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        for (size_t i = 0; fd >= 0 && is_ours(fd) && i < CONTROL_CLIENTS_MAX; i++)
                if (control->clients[i].fd < 0)
                        control->clients[i].fd = TAKE_FD(fd);
}

/* Short lines into an empty socket: what does not fit has no reader. */
static void say(const struct control_client *client, const char *text) {
        struct iovec line[] = { { (char *)text, strlen(text) }, { (char *)"\n", 1 } };
        const struct msghdr message = { .msg_iov = line, .msg_iovlen = ARRAY_SIZE(line) };

        (void)!sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_status(const struct control_client *client, const struct agent *a) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        char waits_for[128];

        agent_waits_for(a, waits_for, sizeof waits_for);
        json_object_object_add(node, "waits_for", json_object_new_string(waits_for));
        json_object_object_add(node, "owned", json_object_new_boolean(a->owner.state == OWNER_NAMED));
        json_object_object_add(node, "bound", json_object_new_boolean(a->bound));
        json_object_object_add(node, "approved", json_object_new_boolean(a->approved));
        json_object_object_add(node, "provisioned", json_object_new_boolean(agent_is_provisioned(a)));
        json_object_object_add(node, "simulated", json_object_new_boolean(a->tee->provider->simulated));
        json_object_object_add(node, "generation", json_object_new_uint64(a->generation));
        say(client, json_object_to_json_string_ext(node, JSON_C_TO_STRING_PLAIN));
}

static void tell_one(struct control_client *client, const struct agent *a) {
        char waits_for[128], text[160];

        agent_waits_for(a, waits_for, sizeof waits_for);
        if (*waits_for && strcmp(waits_for, client->told) == 0)
                return;
        snprintf(client->told, sizeof client->told, "%s", waits_for);
        if (*waits_for)
                snprintf(text, sizeof text, "waits for %s", waits_for);
        else
                snprintf(text, sizeof text, "ready root=%s",
                         a->bound ? cvm_root_texts[a->binding.root] : cvm_root_texts[CVM_ROOT_NONE]);
        say(client, text);
        if (!*waits_for)
                drop(client);
}

void control_tell(struct control *control, const struct agent *a) {
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                if (control->clients[i].fd >= 0 && control->clients[i].waits)
                        tell_one(&control->clients[i], a);
}

void control_tell_bye(struct control *control, bool acknowledged) {
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
                struct control_client *client = &control->clients[i];

                if (client->fd < 0 || !client->wants_bye)
                        continue;
                say(client, acknowledged ? "acknowledged" : "unacknowledged");
                drop(client);
        }
}

/* What was done, or why not. Nobody outside the guest can ask for it, and nothing undoes it in this boot. */
static void lock_store(const struct control_client *client, struct agent *a) {
        char words[TEE_WORDS_MAX] = "", text[TEE_WORDS_MAX + 320];
        struct cvm_error err = { 0 };
        int r = tee_lock_store(a->tee, words, &err);

        snprintf(text, sizeof text, "%s%.400s", r == 0 ? "" : "refused: ", r < 0 ? err.text : words);
        say(client, text);
}

static void list_store(const struct control_client *client, struct agent *a) {
        CVM_CLEANUP(cvm_freep) char *lines = NULL;
        struct cvm_error err = { 0 };
        char text[420];

        if (tee_list_store(a->tee, &lines, &err) < 0)
                snprintf(text, sizeof text, "refused: %.400s", err.text);
        say(client, lines ? lines : text);
}

static bool obey(struct control_client *client, struct agent *a) {
        if (strcmp(client->line, "wait") == 0) {
                client->waits = true;
                tell_one(client, a);
                return false;
        }
        if (strcmp(client->line, "bye poweroff") == 0 || strcmp(client->line, "bye reboot") == 0) {
                client->wants_bye = true;
                return true;
        }
        if (strcmp(client->line, "status") == 0)
                tell_status(client, a);
        else if (strcmp(client->line, "store lock") == 0)
                lock_store(client, a);
        else if (strcmp(client->line, "store list") == 0)
                list_store(client, a);
        else
                say(client, "unknown request");
        drop(client);
        return false;
}

bool control_read(struct control_client *client, struct agent *a) {
        size_t room = sizeof client->line - 1 - client->size;
        ssize_t n = read(client->fd, client->line + client->size, room);
        char *newline;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0 || client->waits || client->wants_bye) {
                drop(client); /* gone, or talks on after its one line */
                return false;
        }
        client->size += (size_t)n;
        client->line[client->size] = 0;
        newline = strchr(client->line, '\n');
        if (!newline && (size_t)n < room)
                return false;
        if (newline)
                *newline = 0;
        return obey(client, a);
}

/* What was asked for is done or told; a wait that ends in waiting lost its agent. */
static bool is_good(const char *line) {
        static const char *const bad[] = { "refused: ", "unacknowledged", "unknown request", "waits for " };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (strncmp(line, bad[i], strlen(bad[i])) == 0)
                        return false;
        return true;
}

int control_ask(const char *run_dir, const char *line, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CVM_CLEANUP(fclosep) FILE *answers = NULL;
        CVM_CLEANUP(cvm_freep) char *answer = NULL;
        struct sockaddr_un address;
        bool good = false;
        size_t room = 0;
        ssize_t n;
        int r = address_of(run_dir, &address, err);

        if (r < 0)
                return r;
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return cvm_fail(err, &CVM_CODE_AGENT_CHANNEL, errno, "no agent runs here: '%s': %s",
                                address.sun_path, strerror(errno));
        if (dprintf(fd, "%s\n", line) < 0)
                return -errno;
        answers = fdopen(fd, "r");
        if (!answers)
                return -errno;
        TAKE_FD(fd);
        while ((n = getline(&answer, &room, answers)) > 0) {
                if (cvm_write_all(STDOUT_FILENO, answer, (size_t)n) < 0)
                        return -EIO;
                good = answer[n - 1] == '\n' && is_good(answer);
        }
        return good ? 0 : 1;
}
