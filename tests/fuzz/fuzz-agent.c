/*
 * A host that says anything, in any order, to an agent: raw frames, and true ones whose words it may have
 * from earlier sessions or other guests. What must hold then: all that the agent says is well-formed and of
 * the present session; it takes a secret only from the owner, for this boot, and with a sequence number that
 * rises; what it forgot at its BYE stays forgotten.
 *
 * The input is a list of steps: one byte what, two bytes (big-endian) how many more bytes belong to it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/agent.h"
#include "tests/attest/fixed-keys.h"
#include "tests/fuzz/fuzz.h"

#define UUID_TEXT "11111111-2222-3333-4444-555555555555"
#define STEPS_MAX 64

enum step { STEP_FRAME, STEP_HELLO, STEP_BINDING, STEP_SECRET, STEP_AGAIN, STEP_END, STEP_MAX_ };

struct host {
        struct agent agent;
        struct tee tee;
        char directory[64], keys[80];
        struct cvm_bytes binding;
        char *binding_envelope, *last_secret;
        uint64_t session, last_seq;
};

static int no_report(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
                     struct cvm_error *err) {
        return cvm_bytes_copy(question->report_data, CVM_REPORT_DATA_SIZE, &ret->report);
}

static const struct tee_provider provider = { .name = "harness", .simulated = true, .ask = no_report };

static void write_binding(struct host *h, const uint8_t owner_id[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *owner = fixed_key(FIXED_OWNER);
        char *required[] = { (char *)"a", NULL };
        struct binding b = { .version = 1,
                             .serial = 1,
                             .uuid = (char *)UUID_TEXT,
                             .platform = CVM_PLATFORM_SEV_SNP,
                             .class_ = CVM_CLASS_SIMULATED,
                             .required_secrets = required };

        memcpy(b.owner_id, owner_id, sizeof b.owner_id);
        FUZZ_REQUIRE(binding_write(&b, &h->binding, NULL) == 0);
        FUZZ_REQUIRE(cvm_envelope_sign(CVM_ENVELOPE_BINDING, h->binding.data, h->binding.size, owner,
                                       &h->binding_envelope, NULL) == 0);
}

static void begin(struct host *h) {
        struct owner owner = { .state = OWNER_NAMED };
        uint8_t spki[CVM_SPKI_SIZE];

        strcpy(h->directory, "/dev/shm/cvm-fuzz-XXXXXX");
        FUZZ_REQUIRE(mkdtemp(h->directory));
        snprintf(h->keys, sizeof h->keys, "%s/keys", h->directory);
        FUZZ_REQUIRE(mkdir(h->keys, 0700) == 0);
        fixed_spki(FIXED_OWNER, spki);
        cvm_key_id(spki, owner.id);
        write_binding(h, owner.id);
        h->tee = (struct tee){ .provider = &provider,
                               .fd = -EBADF,
                               .knows_self = true,
                               .self = { CVM_PLATFORM_SEV_SNP, .host_data_size = CVM_SHA256_SIZE } };
        cvm_sha256(h->binding.data, h->binding.size, h->tee.self.host_data);
        FUZZ_REQUIRE(agent_init(&h->agent, &owner, &h->tee, h->directory, h->keys, NULL) == 0);
}

static void end(struct host *h) {
        agent_forget_secrets(&h->agent);
        agent_done(&h->agent);
        FUZZ_REQUIRE(rmdir(h->keys) == 0 && rmdir(h->directory) == 0); /* nothing else lies there */
        cvm_bytes_done(&h->binding);
        free(h->binding_envelope);
        free(h->last_secret);
}

/* What the agent has said since the last step. */
static void hear(struct host *h) {
        struct cvm_frame_reader reader = { 0 };
        const struct cvm_bytes *out = &h->agent.out.bytes.bytes;

        for (size_t at = 0, used; at < out->size; at += used) {
                struct cvm_frame frame;
                const struct cvm_message_kind *kind;
                CVM_CLEANUP(cvm_freep) void *message = NULL;

                if (cvm_frame_feed(&reader, out->data + at, out->size - at, &used, &frame) == 0)
                        continue;
                kind = cvm_message_kind(frame.type);
                FUZZ_REQUIRE(kind && frame.type & 0x80 && frame.session == h->agent.session);
                message = calloc(1, kind->size);
                FUZZ_REQUIRE(message && cvm_message_read(kind, &frame, message, NULL) == 0);
                kind->done(message);
        }
        FUZZ_REQUIRE(reader.dropped_bytes == 0);
        cvm_frame_reader_done(&reader);
        outbox_clear(&h->agent.out);
}

static void say(struct host *h, uint8_t type, const char *payload, size_t size) {
        const struct cvm_frame frame = { type, h->session, payload, size };

        agent_take(&h->agent, &frame);
}

static void say_envelope(struct host *h, uint8_t type, const char *envelope) {
        const struct msg_envelope m = { .id = 1, .envelope = (char *)envelope };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        FUZZ_REQUIRE(cvm_message_make(type, h->session, &m, &frame, NULL) == 0);
        say(h, type, (char *)frame.data + CVM_FRAME_HEADER_SIZE, frame.size - CVM_FRAME_HEADER_SIZE);
}

/* The type, then the payload as it is. */
static void step_frame(struct host *h, const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_freep) char *payload = calloc(1, size + 1);

        FUZZ_REQUIRE(payload);
        if (size == 0)
                return;
        memcpy(payload, data + 1, size - 1);
        say(h, data[0], payload, size - 1);
}

static void step_hello(struct host *h, const uint8_t *data, size_t size) {
        static const char hello[] = "{\"protocol_min\":1,\"protocol_max\":1}";

        h->session = size ? data[0] : 1;
        say(h, CVM_MSG_HELLO, hello, strlen(hello));
}

static void step_binding(struct host *h, const uint8_t *data, size_t size) {
        uint8_t spki[CVM_SPKI_SIZE];
        const struct msg_binding m = { .id = 2,
                                       .envelope = h->binding_envelope,
                                       .owner = { spki, sizeof spki } };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        fixed_spki(size ? FIXED_SERVICE : FIXED_OWNER, spki);
        FUZZ_REQUIRE(cvm_message_make(CVM_MSG_BINDING, h->session, &m, &frame, NULL) == 0);
        say(h, CVM_MSG_BINDING, (char *)frame.data + CVM_FRAME_HEADER_SIZE,
            frame.size - CVM_FRAME_HEADER_SIZE);
}

/* Who signs, kind, name's letter, seq, and which byte of the true header to change; nothing: none. */
static void step_secret(struct host *h, const uint8_t *data, size_t size) {
        CVM_CLEANUP(EVP_PKEY_freep)
        EVP_PKEY *key = fixed_key(size > 0 && data[0] ? FIXED_SERVICE : FIXED_OWNER);
        struct cvm_secret_header header = { .platform = cvm_platform_byte(CVM_PLATFORM_SEV_SNP, true),
                                            .suite = CVM_SUITE,
                                            .kind = (uint8_t)(size > 1 ? 1 + data[1] % 4 : 1),
                                            .seq = size > 3 ? data[3] : 1,
                                            .name = "a" };
        uint8_t *const parts[] = { header.uuid, header.keyset, header.binding };
        struct agent *a = &h->agent;
        size_t taken = a->n_taken;
        bool changed = size > 4;
        uint64_t before = 0, after = 0;

        memcpy(header.uuid, a->uuid, sizeof header.uuid);
        memcpy(header.keyset, a->keyset_digest, sizeof header.keyset);
        memcpy(header.binding, a->binding_digest, sizeof header.binding);
        header.name[0] = (char)('a' + (size > 2 ? data[2] % 26 : 0));
        if (changed)
                parts[data[4] % 3][data[4] / 3 % 16] ^= 1;
        free(h->last_secret);
        h->last_secret = NULL;
        FUZZ_REQUIRE(cvm_secret_seal(&header, a->keyset.kem, data, size, key, &h->last_secret, NULL) == 0);
        for (size_t i = 0; i < a->n_taken; i++)
                before += a->taken[i].seq;
        say_envelope(h, CVM_MSG_SECRET, h->last_secret);
        for (size_t i = 0; i < a->n_taken; i++)
                after += a->taken[i].seq;
        FUZZ_REQUIRE(after >= before);
        if (changed || (size > 0 && data[0]) || !a->bound || a->bye)
                FUZZ_REQUIRE(a->n_taken == taken && after == before);
}

/* The very same bytes once more change nothing. */
static void step_again(struct host *h, const uint8_t *data, size_t size) {
        size_t taken = h->agent.n_taken;

        if (!h->last_secret)
                return;
        say_envelope(h, CVM_MSG_SECRET, h->last_secret);
        if (h->agent.n_taken != taken) /* the first came before the binding, or was of another session */
                say_envelope(h, CVM_MSG_SECRET, h->last_secret);
}

static void step_end(struct host *h, const uint8_t *data, size_t size) {
        FUZZ_REQUIRE(agent_say_bye(&h->agent, NULL) == 0);
}

static void (*const steps[STEP_MAX_])(struct host *h, const uint8_t *data, size_t size) = {
        [STEP_FRAME] = step_frame,   [STEP_HELLO] = step_hello, [STEP_BINDING] = step_binding,
        [STEP_SECRET] = step_secret, [STEP_AGAIN] = step_again, [STEP_END] = step_end,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct host h = { 0 };

        begin(&h);
        for (int i = 0; i < STEPS_MAX && size >= 3; i++) {
                size_t length = (size_t)data[1] << 8 | data[2];
                uint8_t what = data[0] % STEP_MAX_;

                data += 3;
                size -= 3;
                length = length < size ? length : size;
                steps[what](&h, data, length);
                hear(&h);
                data += length;
                size -= length;
        }
        end(&h);
        return 0;
}
