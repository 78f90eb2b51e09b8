/* A guest's end of the agent's channel, played by the test in the same loop: it says what the test tells it
 * to, good or bad. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include <cmocka.h>

#include "attest/keys.h"
#include "attest/message.h"
#include "base/fd.h"
#include "vm/unix-socket.h"

#define SECOND UINT64_C(1000000)

struct scripted_guest {
        sd_event *event; /* borrowed */
        int listener, fd;
        EVP_PKEY *kem, *sig;
        struct cvm_keyset keyset;
        uint64_t session; /* of the last frame that it read */
        struct cvm_frame_reader in;
        uint8_t data[64 << 10]; /* read, not yet fed */
        size_t from, to;
};

static inline uint64_t after(uint64_t usec) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec / 1000 + usec;
}

#define UNTIL(event, condition)                                         \
        do {                                                            \
                uint64_t limit_ = after(30 * SECOND);                   \
                while (!(condition)) {                                  \
                        if (after(0) > limit_)                          \
                                fail_msg("never came: %s", #condition); \
                        assert_true(sd_event_run(event, 20000) >= 0);   \
                }                                                       \
        } while (0)

/* A boot: fresh keys. */
static inline void guest_boot(struct scripted_guest *g) {
        struct cvm_error err = { 0 };

        EVP_PKEY_free(g->kem);
        EVP_PKEY_free(g->sig);
        g->kem = g->sig = NULL;
        assert_int_equal(cvm_key_make(CVM_KEY_SEAL, &g->kem, &err), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &g->sig, &err), 0);
        assert_int_equal(cvm_key_spki(g->kem, g->keyset.kem, &err), 0);
        assert_int_equal(cvm_key_spki(g->sig, g->keyset.sig, &err), 0);
}

static inline void guest_init(struct scripted_guest *g, sd_event *event) {
        *g = (struct scripted_guest){ .event = event, .listener = -EBADF, .fd = -EBADF };
        guest_boot(g);
}

static inline void guest_listen(struct scripted_guest *g, const char *path) {
        struct cvm_error err = { 0 };

        g->listener = cvm_close(g->listener);
        if (unix_listen(path, &g->listener, &err) < 0)
                fail_msg("%s", err.text);
}

/* The channel is closed by the guest's side. */
static inline void guest_hang_up(struct scripted_guest *g) {
        g->fd = cvm_close(g->fd);
        g->from = g->to = 0;
        cvm_frame_reader_reset(&g->in);
}

static inline void guest_done(struct scripted_guest *g) {
        guest_hang_up(g);
        g->listener = cvm_close(g->listener);
        EVP_PKEY_free(g->kem);
        EVP_PKEY_free(g->sig);
        cvm_frame_reader_done(&g->in);
}

static inline bool guest_accepts(struct scripted_guest *g) {
        if (g->fd < 0)
                g->fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return g->fd >= 0;
}

static inline bool guest_has_frame(struct scripted_guest *g, struct cvm_frame *ret) {
        for (;;) {
                size_t used;
                ssize_t n;

                if (g->from < g->to) {
                        int r = cvm_frame_feed(&g->in, g->data + g->from, g->to - g->from, &used, ret);

                        assert_true(r >= 0);
                        g->from += used;
                        if (r > 0)
                                return true;
                }
                n = recv(g->fd, g->data, sizeof g->data, 0);
                if (n <= 0)
                        return false;
                g->from = 0;
                g->to = (size_t)n;
        }
}

/* The host's next frame of this type; others are let pass. */
static inline struct cvm_frame guest_next(struct scripted_guest *g, uint8_t type) {
        struct cvm_frame frame = { 0 };

        UNTIL(g->event, guest_accepts(g));
        do
                UNTIL(g->event, guest_has_frame(g, &frame));
        while (frame.type != type);
        g->session = frame.session;
        return frame;
}

static inline uint64_t guest_next_id(struct scripted_guest *g, uint8_t type) {
        struct cvm_frame frame = guest_next(g, type);
        const char *at = strstr(frame.payload, "\"id\":");

        assert_non_null(at);
        return strtoull(at + 5, NULL, 10);
}

static inline void guest_say_bytes(struct scripted_guest *g, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                ssize_t n = send(g->fd, p, size, MSG_NOSIGNAL);

                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        assert_true(sd_event_run(g->event, 20000) >= 0);
                        continue;
                }
                p += n;
                size -= (size_t)n;
        }
}

static inline void guest_say(struct scripted_guest *g, uint8_t type, uint64_t session, const void *message) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        struct cvm_error err = { 0 };

        if (cvm_message_make(type, session, message, &frame, &err) < 0)
                fail_msg("%s", err.text);
        guest_say_bytes(g, frame.data, frame.size);
}

static inline void guest_say_text(struct scripted_guest *g, uint8_t type, const char *payload) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        assert_int_equal(cvm_frame_make(type, g->session, payload, &frame), 0);
        guest_say_bytes(g, frame.data, frame.size);
}

static inline void guest_welcome(struct scripted_guest *g) {
        struct msg_welcome welcome = { .protocol = 1,
                                       .agent = (char *)"scripted 1",
                                       .kem = { g->keyset.kem, CVM_SPKI_SIZE },
                                       .sig = { g->keyset.sig, CVM_SPKI_SIZE },
                                       .suite = CVM_SUITE,
                                       .simulated = true };

        guest_say(g, CVM_MSG_WELCOME, g->session, &welcome);
}

static inline void guest_evidence(struct scripted_guest *g, uint64_t id, uint64_t session) {
        uint8_t report[64] = { 1 };
        struct msg_evidence evidence = { .id = id, .report = { report, sizeof report } };

        guest_say(g, CVM_MSG_EVIDENCE, session, &evidence);
}
