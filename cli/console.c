/* cvmctl console: the guest's serial line on this terminal. "~." at the beginning of a line ends it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

#define HANG_UP_MSEC 1000

struct terminal {
        struct termios before;
        bool raw;
};

static void terminal_restore(struct terminal *t) {
        if (t->raw)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
}

static void terminal_raw(struct terminal *t) {
        struct termios raw;

        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->before) < 0)
                return;
        raw = t->before;
        cfmakeraw(&raw);
        t->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

/* Where in "newline ~ ." we are; true at its end. */
static bool ends(const char *data, size_t size, int *state) {
        for (size_t i = 0; i < size; i++) {
                if (*state == 2 && data[i] == '.')
                        return true;
                *state = data[i] == '\r' || data[i] == '\n' ? 1 : *state == 1 && data[i] == '~' ? 2 : 0;
        }
        return false;
}

/* What was typed and the guest has not taken: a terminal is read all the same, as "~." may be next. */
struct typed {
        char data[4096];
        size_t n;
        bool at_terminal;
        int state;
};

/* All return 1: go on, 0: that end is closed. */
static int check(ssize_t n) {
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 1 : -errno;
        return n > 0;
}

static int print(int console) {
        char data[4096];
        ssize_t n = read(console, data, sizeof data);

        for (ssize_t done = 0; done < n;) {
                ssize_t k = write(STDOUT_FILENO, data + done, (size_t)(n - done));
                struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

                if (k < 0 && errno == EAGAIN)
                        (void)poll(&p, 1, -1);
                else if (k < 0 && errno != EINTR)
                        return -errno;
                done += k > 0 ? k : 0;
        }
        return check(n);
}

/* What has no room is lost, as at any line that nobody reads; of a file nothing is read then. */
static int type(struct typed *t) {
        char data[sizeof t->data];
        size_t room = sizeof t->data - t->n;
        ssize_t n = read(STDIN_FILENO, data, t->at_terminal ? sizeof data : room);
        size_t size = n > 0 ? (size_t)n : 0;

        if (t->at_terminal && ends(data, size, &t->state))
                return 0;
        memcpy(t->data + t->n, data, size < room ? size : room);
        t->n += size < room ? size : room;
        return check(n);
}

static int send_typed(int console, struct typed *t) {
        ssize_t n = t->n ? send(console, t->data, t->n, MSG_NOSIGNAL) : 0;

        if (n > 0) {
                t->n -= (size_t)n;
                memmove(t->data, t->data + n, t->n);
        }
        return n < 0 ? check(n) : 1;
}

/* When our input ends the guest's last words are still waited for, for as long as they come. */
static int talk(int console) {
        struct typed typed = { .at_terminal = isatty(STDIN_FILENO), .state = 1 };
        struct pollfd fds[2] = { { .fd = console }, { .fd = STDIN_FILENO, .events = POLLIN } };
        int r;

        for (;;) {
                fds[0].events = POLLIN | (typed.n ? POLLOUT : 0);
                fds[1].revents = 0;
                r = poll(fds, typed.at_terminal || typed.n < sizeof typed.data ? 2 : 1,
                         fds[1].fd < 0 && !typed.n ? 1000 : -1);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0)
                        return 0;
                if (r > 0 && (fds[0].revents & ~POLLOUT) && (r = print(console)) <= 0)
                        return r;
                if (r > 0 && fds[1].revents && (r = type(&typed)) <= 0) {
                        if (r < 0 || typed.at_terminal)
                                return r;
                        fds[1].fd = -1;
                }
                r = send_typed(console, &typed);
                if (r < 0)
                        return r;
        }
}

/* The daemon closes its end too when the console is free for the next one: soon, but where the guest takes
 * nothing. */
static void hang_up(int console) {
        struct pollfd end = { .fd = console, .events = POLLIN };
        uint64_t until = cvm_time_now() + HANG_UP_MSEC;
        char rest[4096];
        ssize_t n = 1;

        (void)shutdown(console, SHUT_WR);
        while (n != 0 && cvm_time_now() < until && poll(&end, 1, HANG_UP_MSEC) == 1)
                n = read(console, rest, sizeof rest);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        CVM_CLEANUP(cvm_closep) int console = -EBADF;
        CVM_CLEANUP(terminal_restore) struct terminal terminal = { 0 };
        sd_bus_message *reply = NULL;
        int fd, r = bus_open(&bus, err);

        if (r >= 0)
                r = bus_vm_path(bus, arguments->words[0], &path, err);
        if (r >= 0)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "OpenConsole", &reply, err, "");
        if (r >= 0)
                r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0)
                console = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        sd_bus_message_unref(reply);
        if (r < 0 || console < 0)
                return cvm_while(err, r < 0 ? r : -errno, "'%s'", arguments->words[0]);
        output_say("Connected to %s; \"~.\" at the beginning of a line ends this, not the guest.",
                   arguments->words[0]);
        terminal_raw(&terminal);
        r = talk(console);
        hang_up(console);
        return r < 0 ? cvm_fail(err, &CVM_CODE_CONSOLE, r, "the console was lost: %s", strerror(-r)) : 0;
}

const struct command command_console = {
        .name = "console",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "talk to the guest's serial console",
        .run = run,
};
