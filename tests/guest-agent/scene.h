/* A real agent process, and both ends that the host has of it: the agent's channel and the simulated
 * processor. The test plays the host, with the owner's key in its pocket. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "attest/message.h"
#include "attest/seal.h"
#include "attest/signed.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/time.h"
#include "sim/sim.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define TIMEOUT_MSEC 20000

static struct sim_root *root; /* made once at build: its keys take seconds */

static inline int read_root(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *pem;

        if (cvm_read_file(CVM_BINARY_DIR "/tests/simulation-root.json", 1 << 16, &text, NULL) < 0 ||
            cvm_json_parse(text.data, text.size, "root", &node, NULL) < 0)
                return -1;
        pem = json_object_get_string(json_object_object_get(node, "pem"));
        return sim_root_read(pem, strlen(pem), &root, NULL);
}

static inline int drop_root(void **state) {
        root = sim_root_free(root);
        return 0;
}

struct pipe_end { /* one channel, seen from the host */
        int fd;
        struct cvm_frame_reader in;
        uint8_t data[1 << 16];
        size_t from, to;
};

struct host {
        char run[64], cmdline[96], secret_path[160];
        pid_t pid;
        struct pipe_end agent, tee;
        struct sim_guest guest;
        EVP_PKEY *owner, *service, *stranger;
        uint8_t owner_spki[CVM_SPKI_SIZE], service_spki[CVM_SPKI_SIZE];
        struct binding binding;
        char *binding_envelope;
        uint8_t binding_digest[CVM_SHA384_SIZE];
        struct cvm_keyset keyset; /* as the agent announced it */
        uint64_t session, next_id, seq;
        unsigned tee_asked;
        bool tee_silent;
};

static inline int64_t now_msec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline bool pop(struct pipe_end *p, struct cvm_frame *ret) {
        for (;;) {
                size_t used;
                ssize_t n;

                if (p->from < p->to) {
                        int r = cvm_frame_feed(&p->in, p->data + p->from, p->to - p->from, &used, ret);

                        assert_true(r >= 0);
                        p->from += used;
                        if (r > 0)
                                return true;
                        continue;
                }
                n = recv(p->fd, p->data, sizeof p->data, MSG_DONTWAIT);
                if (n <= 0)
                        return false;
                p->from = 0;
                p->to = (size_t)n;
        }
}

static inline void push(struct pipe_end *p, uint8_t type, uint64_t session, const void *message) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        assert_int_equal(cvm_message_make(type, session, message, &frame, NULL), 0);
        assert_int_equal(send(p->fd, frame.data, frame.size, MSG_NOSIGNAL), (ssize_t)frame.size);
}

static inline void push_text(struct pipe_end *p, uint8_t type, uint64_t session, const char *text) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        assert_int_equal(cvm_frame_make(type, session, text, &frame), 0);
        assert_int_equal(send(p->fd, frame.data, frame.size, MSG_NOSIGNAL), (ssize_t)frame.size);
}

/* A processor without a store of its own, as this one, says so. */
static inline bool refuse_store(struct host *h, const struct cvm_frame *frame) {
        const struct msg_refused none = { .code = (char *)CVM_CODE_SIM_PLATFORM.id,
                                          .text = (char *)"no store" };

        if (frame->type != CVM_MSG_STORE_REQUEST)
                return false;
        push(&h->tee, CVM_MSG_REPORT_REFUSED, frame->session, &none);
        return true;
}

/* The simulated processor answers what it was asked meanwhile. */
static inline void serve_tee(struct host *h) {
        struct cvm_frame frame;

        while (!h->tee_silent && pop(&h->tee, &frame)) {
                const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_REPORT_REQUEST);
                struct msg_report_request request = { 0 };
                struct sim_question question = { 0 };
                struct sim_answer said = { 0 };

                if (refuse_store(h, &frame))
                        continue;
                assert_int_equal(cvm_message_read(kind, &frame, &request, NULL), 0);
                h->tee_asked++;
                memcpy(question.report_data, request.report_data, sizeof question.report_data);
                kind->done(&request);
                assert_int_equal(sim_report(root, &h->guest, &question, &said, NULL), 0);
                struct msg_report report = { said.report, said.certificates, said.event_log };
                push(&h->tee, CVM_MSG_REPORT, frame.session, &report);
                sim_answer_done(&said);
        }
}

/* The agent's next frame of this type, others let pass; false when none comes within msec. */
static inline bool next_within(struct host *h, uint8_t type, int msec, struct cvm_frame *ret) {
        int64_t until = now_msec() + msec;

        for (;;) {
                struct pollfd fds[2] = { { .fd = h->agent.fd, .events = POLLIN },
                                         { .fd = h->tee.fd, .events = POLLIN } };
                int64_t left = until - now_msec();

                serve_tee(h);
                while (pop(&h->agent, ret))
                        if (ret->type == type)
                                return true;
                if (left <= 0)
                        return false;
                (void)poll(fds, h->tee_silent ? 1 : 2, (int)left);
        }
}

static inline struct cvm_frame next(struct host *h, uint8_t type) {
        struct cvm_frame frame = { 0 };

        if (!next_within(h, type, TIMEOUT_MSEC, &frame))
                fail_msg("the agent never sent %02x", type);
        return frame;
}

/* The next one must be this refusal. */
static inline void expect_refused(struct host *h, const char *code) {
        struct cvm_frame frame = next(h, CVM_MSG_REFUSED);

        if (!strstr(frame.payload, code))
                fail_msg("not %s: %s", code, frame.payload);
}

static inline void say_hello(struct host *h) {
        const struct msg_hello hello = { 1, 1 };

        cvm_random(&h->session, sizeof h->session);
        push(&h->agent, CVM_MSG_HELLO, h->session, &hello);
}

static inline struct msg_welcome meet(struct host *h) {
        struct cvm_frame frame;
        struct msg_welcome welcome = { 0 };

        say_hello(h);
        frame = next(h, CVM_MSG_WELCOME);
        assert_true(frame.session == h->session);
        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_WELCOME), &frame, &welcome, NULL), 0);
        memcpy(h->keyset.kem, welcome.kem.data, CVM_SPKI_SIZE);
        memcpy(h->keyset.sig, welcome.sig.data, CVM_SPKI_SIZE);
        struct msg_welcome plain = welcome;
        cvm_message_kind(CVM_MSG_WELCOME)->done(&welcome);
        return plain; /* without its texts */
}

static inline void expect_status(struct host *h, const char *words) {
        struct cvm_frame frame;

        do
                frame = next(h, CVM_MSG_STATUS);
        while (!strstr(frame.payload, words));
}

static inline void write_binding(struct host *h) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };

        free(h->binding_envelope);
        assert_int_equal(binding_write(&h->binding, &payload, NULL), 0);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, h->owner,
                                           &h->binding_envelope, NULL),
                         0);
        cvm_sha384(payload.data, payload.size, h->binding_digest);
        cvm_sha256(payload.data, payload.size, h->guest.host_data);
}

static inline void send_binding(struct host *h, const char *envelope, EVP_PKEY *owner) {
        uint8_t spki[CVM_SPKI_SIZE];
        struct msg_binding m = { .id = h->next_id++,
                                 .envelope = (char *)envelope,
                                 .owner = { spki, sizeof spki },
                                 .service = { h->service_spki,
                                              h->binding.has_service ? CVM_SPKI_SIZE : 0 } };

        assert_int_equal(cvm_key_spki(owner, spki, NULL), 0);
        push(&h->agent, CVM_MSG_BINDING, h->session, &m);
}

static inline void bind_it(struct host *h) {
        send_binding(h, h->binding_envelope, h->owner);
        expect_status(h, "\"binding\":\"");
}

static inline void host_begin(struct host *h) {
        *h = (struct host){ .next_id = 1, .seq = cvm_time_now() };
        strcpy(h->run, "/dev/shm/cvm-agent-XXXXXX"); /* secrets go to memory only */
        assert_non_null(mkdtemp(h->run));
        snprintf(h->cmdline, sizeof h->cmdline, "%s/cmdline", h->run);
        snprintf(h->secret_path, sizeof h->secret_path, "%s/secrets/db-password", h->run);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &h->owner, NULL), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &h->service, NULL), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &h->stranger, NULL), 0);
        assert_int_equal(cvm_key_spki(h->owner, h->owner_spki, NULL), 0);
        assert_int_equal(cvm_key_spki(h->service, h->service_spki, NULL), 0);
        h->guest = (struct sim_guest){ .platform = CVM_PLATFORM_SEV_SNP };
        h->binding = (struct binding){ .version = 1,
                                       .serial = 1,
                                       .uuid = strdup(UUID),
                                       .platform = CVM_PLATFORM_SEV_SNP,
                                       .class_ = CVM_CLASS_SIMULATED };
        cvm_key_id(h->owner_spki, h->binding.owner_id);
        assert_int_equal(cvm_texts_add(&h->binding.required_secrets, "db-password"), 0);
        write_binding(h);
}

/* The agent, with this command line (NULL: the owner's, as the plan writes it). */
static inline void host_start(struct host *h, const char *cmdline) {
        int agent[2], tee[2], size = 1 << 22;
        char text[256], hex[2 * CVM_SHA384_SIZE + 1], fds[2][16];

        cvm_hex(h->binding.owner_id, CVM_SHA384_SIZE, hex);
        snprintf(text, sizeof text, "console=ttyS0 quiet cvm.owner=%s\n", hex);
        cmdline = cmdline ? cmdline : text;
        assert_int_equal(cvm_write_file(h->cmdline, cmdline, strlen(cmdline), 0600, NULL), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, agent), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, tee), 0);
        setsockopt(agent[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(tee[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        snprintf(fds[0], sizeof fds[0], "fd:%d", agent[1]);
        snprintf(fds[1], sizeof fds[1], "fd:%d", tee[1]);
        h->pid = fork();
        if (h->pid == 0) {
                close(agent[0]);
                close(tee[0]);
                execl(CVM_BINARY_DIR "/guest-agent/cvm-agent", "cvm-agent", "--channel", fds[0], "--tee",
                      fds[1], "--cmdline", h->cmdline, "--run", h->run, NULL);
                _exit(127);
        }
        close(agent[1]);
        close(tee[1]);
        h->agent.fd = agent[0];
        h->tee.fd = tee[0];
}

static inline int host_end(struct host *h) {
        char command[96];
        int status = 0;

        if (h->pid > 0) {
                kill(h->pid, SIGTERM);
                waitpid(h->pid, &status, 0);
        }
        cvm_close(h->agent.fd);
        cvm_close(h->tee.fd);
        cvm_frame_reader_done(&h->agent.in);
        cvm_frame_reader_done(&h->tee.in);
        EVP_PKEY_free(h->owner);
        EVP_PKEY_free(h->service);
        EVP_PKEY_free(h->stranger);
        binding_done(&h->binding);
        free(h->binding_envelope);
        snprintf(command, sizeof command, "rm -rf %s", h->run);
        assert_int_equal(system(command), 0);
        return status;
}

static inline struct cvm_secret_header header_of(struct host *h) {
        struct cvm_secret_header header = { .platform = cvm_platform_byte(CVM_PLATFORM_SEV_SNP, true),
                                            .suite = CVM_SUITE,
                                            .kind = CVM_SECRET_FILE,
                                            .seq = ++h->seq,
                                            .name = "db-password" };

        assert_int_equal(cvm_uuid_parse(UUID, header.uuid), 0);
        cvm_keyset_digest(&h->keyset, header.keyset);
        memcpy(header.binding, h->binding_digest, sizeof header.binding);
        return header;
}

static inline char *seal(const struct host *h, const struct cvm_secret_header *header, const char *text,
                         EVP_PKEY *key) {
        char *envelope = NULL;

        assert_int_equal(cvm_secret_seal(header, h->keyset.kem, text, strlen(text), key, &envelope, NULL),
                         0);
        return envelope;
}

static inline void send_secret(struct host *h, const char *envelope) {
        struct msg_envelope m = { .id = h->next_id++, .envelope = (char *)envelope };

        push(&h->agent, CVM_MSG_SECRET, h->session, &m);
}

/* The next receipt, by the announced boot key. */
static inline struct receipt take_receipt(struct host *h) {
        struct cvm_frame frame = next(h, CVM_MSG_RECEIPT);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *boot = NULL;
        struct msg_envelope m = { 0 };
        struct receipt receipt = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_RECEIPT), &frame, &m, NULL), 0);
        assert_int_equal(cvm_key_from_spki(CVM_KEY_SIGN, h->keyset.sig, CVM_SPKI_SIZE, &boot, NULL), 0);
        if (cvm_signed_open(m.envelope, strlen(m.envelope), CVM_ENVELOPE_RECEIPT, receipt_fields, boot,
                            &receipt, NULL, &err) < 0)
                fail_msg("%s", err.text);
        free(m.envelope);
        assert_string_equal(receipt.uuid, UUID);
        struct receipt plain = receipt;
        receipt_done(&receipt);
        return plain; /* without its texts */
}

static inline bool file_is(const char *path, const char *text) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        return cvm_read_file(path, 4096, &bytes, NULL) >= 0 && strcmp((char *)bytes.data, text) == 0;
}
