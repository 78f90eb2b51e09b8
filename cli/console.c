/* cvmctl console: the guest's serial line on this terminal. "~." at the beginning of a line ends it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

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

/* 1: go on, 0: that end is closed. */
static int copy(int from, int to, int *state) {
        char data[4096];
        ssize_t n = read(from, data, sizeof data);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 1 : -errno;
        if (n == 0 || (state && ends(data, (size_t)n, state)))
                return 0;
        for (ssize_t done = 0; done < n;) {
                ssize_t k = write(to, data + done, (size_t)(n - done));
                struct pollfd p = { .fd = to, .events = POLLOUT };

                if (k < 0 && errno == EAGAIN)
                        (void)poll(&p, 1, -1);
                else if (k < 0 && errno != EINTR)
                        return -errno;
                done += k > 0 ? k : 0;
        }
        return 1;
}

/* When our input ends the guest's last words are still waited for, for as long as they come. */
static int talk(int console) {
        struct pollfd fds[2] = { { .fd = console, .events = POLLIN },
                                 { .fd = STDIN_FILENO, .events = POLLIN } };
        int state = 1, r;

        for (;;) {
                r = poll(fds, 2, fds[1].fd < 0 ? 1000 : -1);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0)
                        return 0;
                if (fds[0].revents && (r = copy(console, STDOUT_FILENO, NULL)) <= 0)
                        return r;
                if (fds[1].revents &&
                    (r = copy(STDIN_FILENO, console, isatty(STDIN_FILENO) ? &state : NULL)) <= 0) {
                        if (r < 0 || isatty(STDIN_FILENO))
                                return r;
                        fds[1].fd = -1;
                }
        }
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
