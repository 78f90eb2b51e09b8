#include "guest-agent/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "guest-agent/channel.h"
#include "guest-agent/control.h"

#define APART_MSEC 250 /* between looks at a channel whose other end is away */
#define BYE_REPEAT_MSEC 1000
#define BYE_TIME_MSEC 10000 /* then the guest ends without an answer: the owner's service will ask */

extern char **environ;

struct loop {
        struct agent *agent;
        const struct loop_config *config;
        struct control control;
        int channel, signals;
        bool apart; /* the channel hangs up: it is looked at from time to time, not waited for */
        struct cvm_frame_reader in;
        int64_t bye_since, bye_said; /* 0: not asked for */
        bool stopping, ended;
};

static int64_t now_msec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void lose_channel(struct loop *l) {
        l->channel = cvm_close(l->channel);
        l->apart = true;
        cvm_frame_reader_reset(&l->in);
        outbox_clear(&l->agent->out);
}

static void write_some(struct loop *l) {
        struct outbox *out = &l->agent->out;

        while (l->channel >= 0 && out->done < out->bytes.bytes.size) {
                ssize_t n = write(l->channel, out->bytes.bytes.data + out->done,
                                  out->bytes.bytes.size - out->done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        if (n < 0 && errno != EAGAIN)
                                lose_channel(l);
                        return;
                }
                out->done += (size_t)n;
        }
        outbox_clear(out);
}

static void take_bytes(struct loop *l, const uint8_t *data, size_t size) {
        while (size > 0) {
                struct cvm_frame frame;
                size_t used;
                int r = cvm_frame_feed(&l->in, data, size, &used, &frame);

                if (r < 0) {
                        cvm_frame_reader_reset(&l->in);
                        return;
                }
                if (r > 0) {
                        agent_take(l->agent, &frame);
                        write_some(l);
                }
                data += used;
                size -= used;
        }
}

static void read_some(struct loop *l) {
        uint8_t data[16 << 10];
        ssize_t n = read(l->channel, data, sizeof data);

        if (n > 0) {
                l->apart = false;
                take_bytes(l, data, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                lose_channel(l);
}

/* The same port or socket again, once somebody is there. */
static void seek_channel(struct loop *l) {
        if (l->channel < 0 && channel_open(l->config->channel, &l->channel, NULL) < 0)
                return;
        read_some(l);
}

static void begin_bye(struct loop *l) {
        if (l->bye_since == 0)
                l->bye_since = now_msec();
}

/* Say it, and again, until it is acknowledged or the time is over. */
static void pursue_bye(struct loop *l) {
        struct cvm_error err = { 0 };
        int64_t now = now_msec();
        bool over;

        if (l->bye_since == 0 || l->ended)
                return;
        if (!l->agent->bye_acked && (l->bye_said == 0 || now - l->bye_said >= BYE_REPEAT_MSEC)) {
                l->bye_said = now;
                (void)agent_say_bye(l->agent, &err);
                write_some(l);
        }
        over = now - l->bye_since >= BYE_TIME_MSEC;
        if (!l->agent->bye_acked && !over)
                return;
        control_tell_bye(&l->control, l->agent->bye_acked);
        l->ended = true;
}

/* The guest's own way of ending: its shutdown comes back with `cvm-agent bye`. */
static void pursue_stop(struct loop *l) {
        const char *how = l->agent->reboot_asked ? "reboot" : "poweroff";
        char *const argv[] = { (char *)l->config->on_stop, (char *)how, NULL };
        pid_t pid;

        if (!l->agent->stop_asked || l->stopping)
                return;
        l->stopping = true;
        if (!l->config->on_stop || posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
                begin_bye(l);
}

static int wait_msec(const struct loop *l) {
        if (l->apart)
                return APART_MSEC;
        return l->bye_since && !l->ended ? BYE_REPEAT_MSEC : -1;
}

/* 1: go on, 0: the end. */
static int turn(struct loop *l) {
        struct pollfd fds[3 + CONTROL_CLIENTS_MAX] = {
                { .fd = l->signals, .events = POLLIN },
                { .fd = l->control.listener, .events = POLLIN },
                { .fd = l->apart ? -1 : l->channel,
                  .events = (short)(l->agent->out.bytes.bytes.size ? POLLIN | POLLOUT : POLLIN) },
        };

        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                fds[3 + i] = (struct pollfd){ .fd = l->control.clients[i].fd, .events = POLLIN };
        if (poll(fds, ARRAY_SIZE(fds), wait_msec(l)) < 0 && errno != EINTR)
                return -errno;
        if (fds[0].revents)
                return 0;
        if (fds[1].revents)
                control_accept(&l->control);
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                if (fds[3 + i].revents && control_read(&l->control.clients[i], l->agent))
                        begin_bye(l);
        if (fds[2].revents & POLLIN)
                read_some(l);
        else if (fds[2].revents & (POLLHUP | POLLERR))
                l->apart = true; /* a port says so for as long as no host is there */
        if (fds[2].revents & POLLOUT)
                write_some(l);
        if (l->apart)
                seek_channel(l);
        pursue_stop(l);
        pursue_bye(l);
        control_tell(&l->control, l->agent);
        return !(l->ended && l->stopping && !l->config->on_stop);
}

static int open_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_IGN); /* the on-stop program is nobody's to wait for */
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int loop_run(struct agent *agent, const struct loop_config *config, struct cvm_error *err) {
        struct loop l = { .agent = agent, .config = config, .channel = -EBADF, .signals = open_signals() };
        int r = control_open(config->run_dir, &l.control, err);

        if (r >= 0)
                r = channel_open(config->channel, &l.channel, err);
        while (r >= 0 && (r = turn(&l)) > 0)
                ;
        control_done(&l.control);
        cvm_close(l.channel);
        cvm_close(l.signals);
        cvm_frame_reader_done(&l.in);
        return r;
}
