/*
 * /dev/uv as its driver and an ultravisor in software answer it: what the provider makes of that, whether
 * the owner can check the evidence, and what the agent lets through to the store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "attest/exchange-se.h"
#include "attest/evidence.h"
#include "attest/secret-se.h"
#include "base/names.h"
#include "base/time.h"
#include "guest-agent/agent.h"
#include "guest-agent/tee-se.h"
#include "tests/attest/software-uv-se.h"

#define DEVICE "/dev/uv"
#define UUID "11111111-2222-3333-4444-555555555555"

/* What the driver and the ultravisor behind it do. */
static struct driver {
        int open_error, ioctl_error;
        uint16_t rc, rrc; /* 0: success */
        uint64_t driver, ultravisor;
        int opened, closed;
        size_t n_added;
        uint8_t added[4096];
        size_t added_size;
        unsigned n_locked;
} d;

static EVP_PKEY *host_key;
static uint8_t host_hash[32], tags[SE_BOOT_TAGS_SIZE] = { 0x5a };

static int fake_open(const char *path, int flags) {
        assert_string_equal(path, DEVICE);
        assert_int_equal(flags, O_RDWR | O_CLOEXEC);
        if (d.open_error) {
                errno = d.open_error;
                return -1;
        }
        d.opened++;
        return 7;
}

static int fake_close(int fd) {
        assert_int_equal(fd, 7);
        d.closed++;
        return 0;
}

/* From the bytes of the argument alone, as the kernel reads them. */
static void answer(uint8_t *at) {
        uint64_t request, measurement, additional;
        uint32_t sizes[3];
        uint16_t user_size;
        uint8_t more[128];

        memcpy(&request, at, 8);
        memcpy(&measurement, at + 8, 8);
        memcpy(&additional, at + 0x10, 8);
        memcpy(sizes, at + 0x128, sizeof sizes);
        memcpy(&user_size, at + 0x134, 2);
        assert_int_equal(sizes[1], 64);
        assert_int_equal(user_size, 64);
        assert_true(at[0x136] == 0 && at[0x137] == 0);
        memcpy(more, host_hash, 32);
        memcpy(more + 32, host_hash, 32);
        se_secret_store_hash(NULL, 0, false, more + 64);
        memset(at + 0x118, 0xc1, 16);
        assert_true(sizes[2] <= sizeof more);
        memcpy((void *)(uintptr_t)additional, more, sizes[2]);
        assert_true(uv_measure((uint8_t *)(uintptr_t)request, sizes[0], host_key, tags, at + 0x118,
                               at + 0x18, user_size, more, sizes[2], (uint8_t *)(uintptr_t)measurement));
}

static int fake_ioctl(int fd, unsigned long number, void *argument) {
        uint8_t *control = argument;
        uint64_t address;
        uint32_t size;
        const uint16_t rc = d.rc ? d.rc : 1;

        assert_int_equal(fd, 7);
        for (size_t i = 0; i < 0x40; i++)
                assert_true((i >= 8 && i < 0x14) || control[i] == 0);
        memcpy(&address, control + 8, 8);
        memcpy(&size, control + 0x10, 4);
        if (number == 0xc0407500 && d.driver) {
                memcpy((void *)(uintptr_t)address, &d.driver, 8);
                memcpy((void *)(uintptr_t)(address + 8), &d.ultravisor, 8);
                assert_int_equal(size, 16);
                memcpy(control + 4, &(uint16_t){ 1 }, 2);
                return 0;
        }
        if (d.ioctl_error || number == 0xc0407500) {
                errno = d.ioctl_error ? d.ioctl_error : ENOTTY;
                return -1;
        }
        memcpy(control + 4, &rc, 2);
        memcpy(control + 6, &d.rrc, 2);
        if (number == 0xc0407501 && rc == 1) {
                assert_int_equal(size, 0x138);
                answer((uint8_t *)(uintptr_t)address);
        } else if (number == 0xc0407502) {
                d.n_added++;
                d.added_size = size;
                assert_true(size <= sizeof d.added);
                memcpy(d.added, (void *)(uintptr_t)address, size);
        } else if (number == 0xc0407504) {
                d.n_locked++;
                assert_true(address == 0 && size == 0);
        } else
                assert_int_equal(number, 0xc0407501);
        return 0;
}

static const struct tee_se_calls calls = { fake_open, fake_ioctl, fake_close };

/* The owner's side. */
struct owner_side {
        struct cvm_bytes request;
        uint8_t digest[32], key[32], root[32];
        struct evidence_kept kept;
};

static void ask_for(struct owner_side *o, uint64_t flags) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *customer = EVP_EC_gen("P-521");
        struct se_attestation attestation = { .flags = flags };
        uint8_t iv[SE_IV_SIZE] = { 1 };
        const struct se_recipients to = { customer, &host_key, 1, o->key, iv };

        *o = (struct owner_side){ .root = { 1 } };
        cvm_random(o->key, sizeof o->key);
        cvm_random(attestation.measurement_key, sizeof attestation.measurement_key);
        assert_int_equal(se_attestation_make(&attestation, &to, &o->request, NULL), 0);
        cvm_sha256(o->request.data, o->request.size, o->digest);
        o->kept = (struct evidence_kept){ .request = o->digest,
                                          .key = o->key,
                                          .root = o->root,
                                          .class_ = CVM_CLASS_SIMULATED,
                                          .hosts = host_hash,
                                          .n_hosts = 1,
                                          .image = tags,
                                          .image_size = sizeof tags };
}

static void owner_done(struct owner_side *o) {
        cvm_bytes_done(&o->request);
}

#define BOTH_KEYS (SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY)

static void expect_claims(const struct owner_side *o, const struct cvm_bytes *report,
                          struct evidence_claims *ret) {
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_SECURE_EXECUTION);
        struct bundle bundle = { .report = *report };
        struct evidence *evidence = NULL;
        struct evidence_origin origin;
        struct cvm_error err = { 0 };

        assert_int_equal(ops->parse(&bundle, &evidence, NULL), 0);
        ops->use_kept(evidence, &o->kept);
        if (ops->authenticate(evidence, 0, &origin, &err) < 0)
                fail_msg("%s", err.text);
        ops->claims(evidence, ret);
        ops->free(evidence);
}

static void an_answer_is_one_that_the_owner_can_check(void **state) {
        const uint64_t flags[] = { 0, BOTH_KEYS, BOTH_KEYS | SE_ATTEST_SECRETS };

        for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
                CVM_CLEANUP(owner_done) struct owner_side o;
                CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
                struct tee_question question = { .report_data = { 0x11, [63] = 0x77 } };
                struct evidence_claims claims;
                struct cvm_error err = { 0 };

                ask_for(&o, flags[i]);
                question.request = o.request;
                if (tee_se_ask(&calls, DEVICE, &question, &report, &err) < 0)
                        fail_msg("%s", err.text);
                assert_null(report.certificates.data);
                expect_claims(&o, &report.report, &claims);
                assert_memory_equal(claims.report_data, question.report_data, sizeof claims.report_data);
                assert_int_equal(claims.has_secret_store, i == 2);
                assert_int_equal(claims.host_masked, i == 0);
        }
}

static void refuse(const struct tee_question *question, const char *code, const char *words) {
        struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        assert_true(tee_se_ask(&calls, DEVICE, question, &report, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, code);
        if (!strstr(err.text, words))
                fail_msg("%s", err.text);
        assert_null(report.report.data);
}

static void without_a_request_there_is_no_report(void **state) {
        CVM_CLEANUP(owner_done) struct owner_side o;
        struct tee_question question = { 0 };

        refuse(&question, "CVM-EVIDENCE-REQUEST", "there is none");
        ask_for(&o, BOTH_KEYS);
        question.request = o.request;
        question.request.size--;
        refuse(&question, "CVM-REQUEST-FORMAT", "another version or length");
        assert_int_equal(d.opened, 0); /* nobody was asked */
}

static void a_request_that_asks_for_too_much_is_refused(void **state) {
        CVM_CLEANUP(owner_done) struct owner_side o;
        struct tee_question question = { 0 };

        ask_for(&o, BOTH_KEYS);
        question.request = o.request;
        o.request.data[0x30] |= 0x80; /* a flag that nobody knows: how much would be answered? */
        refuse(&question, "CVM-REQUEST-FORMAT", "flags");
        assert_int_equal(d.opened, 0);
}

static void each_result_has_words(void **state) {
        static const struct {
                uint16_t rc;
                const char *words;
        } rows[] = {
                { 0x102, "less user data (rc 0x102, 0x7)" },
                { 0x106, "version" },
                { 0x107, "length" },
                { 0x108, "slots" },
                { 0x109, "sealed part" },
                { 0x10a, "flags" },
                { 0x10b, "measurement that it does not know" },
                { 0x10c, "for other hosts" },
                { 0x999, "does not know (rc 0x999" },
                { 0xffff, "rc 0xffff" },
        };
        CVM_CLEANUP(owner_done) struct owner_side o;
        struct tee_question question = { 0 };

        ask_for(&o, BOTH_KEYS);
        question.request = o.request;
        d.rrc = 7;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                d.rc = rows[i].rc;
                refuse(&question, "CVM-AGENT-REPORT", rows[i].words);
        }
        d.rc = 0;
        d.ioctl_error = EINVAL;
        refuse(&question, "CVM-AGENT-REPORT", "'" DEVICE "': Invalid argument");
        d.open_error = EACCES;
        refuse(&question, "CVM-AGENT-REPORT", "'" DEVICE "': Permission denied");
}

static void the_store_says_what_it_did(void **state) {
        static const struct {
                uint16_t rc;
                const char *words;
        } rows[] = {
                { 0, "has added it (rc 0x1, 0x0)" },
                { 0x101, "may not add" },
                { 0x102, "is locked" },
                { 0x104, "version" },
                { 0x105, "length" },
                { 0x106, "slots" },
                { 0x107, "flags" },
                { 0x108, "for other hosts" },
                { 0x109, "type" },
                { 0x10a, "another length" },
                { 0x10b, "is full" },
                { 0x10c, "another image" },
                { 0x10d, "dumped" },
                { 0x777, "does not know (rc 0x777, 0x0)" },
        };
        char words[TEE_WORDS_MAX];

        d.driver = d.ultravisor = 7;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                d.rc = rows[i].rc;
                assert_int_equal(tee_se_keep(&calls, DEVICE, "request", 7, words, NULL), rows[i].rc != 0);
                if (!strstr(words, rows[i].words))
                        fail_msg("%s", words);
        }
        assert_int_equal(d.n_added, ARRAY_SIZE(rows));
        assert_int_equal(d.added_size, 7);
        assert_memory_equal(d.added, "request", 7);
}

static void a_store_that_cannot_be_asked_is_no_refusal(void **state) {
        char words[TEE_WORDS_MAX] = "";
        struct cvm_error err = { 0 };

        assert_int_equal(tee_se_keep(&calls, DEVICE, "x", 1, words, &err), -EOPNOTSUPP); /* an old driver */
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-STORE");
        assert_string_equal(err.text, "this guest's kernel takes no requests that add secrets");
        d.driver = 7;
        d.ultravisor = 3; /* the ultravisor does not offer it */
        assert_int_equal(tee_se_keep(&calls, DEVICE, "x", 1, words, NULL), -EOPNOTSUPP);
        assert_int_equal(d.n_added, 0);
        d.ultravisor = 7;
        d.ioctl_error = ENOMEM;
        assert_int_equal(tee_se_keep(&calls, DEVICE, "x", 1, words, NULL), -ENOMEM);
        d.open_error = ENOENT;
        assert_int_equal(tee_se_keep(&calls, DEVICE, "x", 1, words, NULL), -ENOENT);
        assert_string_equal(words, "");
}

static void a_store_is_locked_by_the_guest_itself(void **state) {
        char words[TEE_WORDS_MAX] = "";
        struct cvm_error err = { 0 };

        d.driver = d.ultravisor = 7; /* secrets, and no locking */
        assert_int_equal(tee_se_lock(&calls, DEVICE, words, &err), -EOPNOTSUPP);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-STORE");
        assert_string_equal(err.text, "this guest's kernel locks no secret store");
        assert_int_equal(d.n_locked, 0);
        d.driver = d.ultravisor = 0x17;
        assert_int_equal(tee_se_lock(&calls, DEVICE, words, NULL), 0);
        assert_string_equal(words, "the ultravisor has locked the secret store (rc 0x1, 0x0)");
        d.rc = 0x102;
        assert_int_equal(tee_se_lock(&calls, DEVICE, words, NULL), 1);
        assert_string_equal(words, "the ultravisor did not lock the secret store: it is locked already "
                                   "(rc 0x102, 0x0)");
        assert_int_equal(d.n_locked, 2);
        assert_int_equal(d.n_added, 0);
}

/* --- the agent on such a guest: frames in, frames out, in this process --- */

static int ask_fake(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
                    struct cvm_error *err) {
        return tee_se_ask(&calls, DEVICE, question, ret, err);
}

static int keep_fake(struct tee *tee, const void *request, size_t size, char ret_words[TEE_WORDS_MAX],
                     struct cvm_error *err) {
        return tee_se_keep(&calls, DEVICE, request, size, ret_words, err);
}

/* Simulated, so that keys need no instruction of the machine that runs the test. */
static const struct tee_provider fake_provider = {
        .name = "fake", .simulated = true, .ask = ask_fake, .keep_secret = keep_fake
};
static const struct tee_provider without_store = { .name = "fake", .simulated = true, .ask = ask_fake };

struct guest {
        struct tee tee;
        struct agent agent;
        EVP_PKEY *owner, *stranger;
        uint8_t spki[CVM_SPKI_SIZE], binding[CVM_SHA384_SIZE];
        char run[64], *envelope;
        uint64_t seq;
};

static void push(struct guest *g, uint8_t type, const void *message) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_frame_reader reader = { 0 };
        struct cvm_frame frame;
        size_t used;

        assert_int_equal(cvm_message_make(type, 5, message, &bytes, NULL), 0);
        assert_int_equal(cvm_frame_feed(&reader, bytes.data, bytes.size, &used, &frame), 1);
        agent_take(&g->agent, &frame);
        cvm_frame_reader_done(&reader);
}

/* The agent's frame of this type among those that wait, as a message the caller frees. */
static void pull(struct guest *g, uint8_t type, void *ret) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_frame_reader reader = { 0 };
        struct cvm_frame frame;
        size_t at = 0, used;
        bool found = false;

        assert_int_equal(cvm_bytes_copy(g->agent.out.bytes.bytes.data, g->agent.out.bytes.bytes.size,
                                        &bytes),
                         0);
        outbox_clear(&g->agent.out);
        while (!found && at < bytes.size) {
                int r = cvm_frame_feed(&reader, bytes.data + at, bytes.size - at, &used, &frame);

                assert_true(r >= 0);
                at += used;
                found = r > 0 && frame.type == type;
        }
        if (!found)
                fail_msg("the agent never sent %02x", type);
        assert_int_equal(cvm_message_read(cvm_message_kind(type), &frame, ret, NULL), 0);
        cvm_frame_reader_done(&reader);
}

static void expect_refused(struct guest *g, const char *code) {
        struct msg_refused refused = { 0 };

        pull(g, CVM_MSG_REFUSED, &refused);
        assert_string_equal(refused.code, code);
        cvm_message_kind(CVM_MSG_REFUSED)->done(&refused);
}

static void write_binding(struct guest *g, const uint8_t owner_id[CVM_SHA384_SIZE], EVP_PKEY *signer) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(binding_done)
        struct binding binding = { .version = 1,
                                   .serial = 1,
                                   .uuid = strdup(UUID),
                                   .platform = CVM_PLATFORM_SECURE_EXECUTION,
                                   .class_ = CVM_CLASS_SIMULATED };

        memcpy(binding.owner_id, owner_id, CVM_SHA384_SIZE);
        assert_int_equal(cvm_texts_add(&binding.required_secrets, "key"), 0);
        assert_int_equal(binding_write(&binding, &payload, NULL), 0);
        cvm_sha384(payload.data, payload.size, g->binding);
        free(g->envelope);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, signer,
                                           &g->envelope, NULL),
                         0);
}

static void give_binding(struct guest *g, EVP_PKEY *owner) {
        uint8_t spki[CVM_SPKI_SIZE];
        struct msg_binding m = { .id = 1, .envelope = g->envelope, .owner = { spki, sizeof spki } };

        assert_int_equal(cvm_key_spki(owner, spki, NULL), 0);
        push(g, CVM_MSG_BINDING, &m);
}

static void guest_begin(struct guest *g, const struct tee_provider *provider) {
        const struct msg_hello hello = { 1, 1 };
        struct owner owner = { .state = OWNER_NAMED };
        struct msg_welcome welcome = { 0 };

        *g = (struct guest){ .tee = { .provider = provider, .root = "", .fd = -EBADF },
                             .seq = cvm_time_now() };
        strcpy(g->run, "/dev/shm/cvm-test-se-XXXXXX");
        assert_non_null(mkdtemp(g->run));
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &g->owner, NULL), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &g->stranger, NULL), 0);
        assert_int_equal(cvm_key_spki(g->owner, g->spki, NULL), 0);
        cvm_key_id(g->spki, owner.id);
        assert_int_equal(agent_init(&g->agent, &owner, &g->tee, g->run, g->run, NULL), 0);
        push(g, CVM_MSG_HELLO, &hello);
        pull(g, CVM_MSG_WELCOME, &welcome);
        cvm_message_kind(CVM_MSG_WELCOME)->done(&welcome);
        write_binding(g, owner.id, g->owner);
}

static void guest_done(struct guest *g) {
        char command[96];

        agent_done(&g->agent);
        EVP_PKEY_free(g->owner);
        EVP_PKEY_free(g->stranger);
        free(g->envelope);
        snprintf(command, sizeof command, "rm -r %s", g->run);
        assert_int_equal(system(command), 0);
}

static char *seal(struct guest *g, enum cvm_secret_kind kind, const char *name, const void *data,
                  size_t size, EVP_PKEY *signer) {
        struct cvm_secret_header header = {
                .platform = cvm_platform_byte(CVM_PLATFORM_SECURE_EXECUTION, true),
                .suite = CVM_SUITE,
                .kind = (uint8_t)kind,
                .seq = ++g->seq,
        };
        char *envelope = NULL;

        strcpy(header.name, name);
        assert_int_equal(cvm_uuid_parse(UUID, header.uuid), 0);
        memcpy(header.keyset, g->agent.keyset_digest, sizeof header.keyset);
        memcpy(header.binding, g->binding, sizeof header.binding);
        assert_int_equal(cvm_secret_seal(&header, g->agent.keyset.kem, data, size, signer, &envelope, NULL),
                         0);
        return envelope;
}

static void send(struct guest *g, const char *envelope) {
        struct msg_envelope m = { .id = 9, .envelope = (char *)envelope };

        push(g, CVM_MSG_SECRET, &m);
}

/* The next receipt, which the caller frees. */
static struct receipt take_receipt(struct guest *g) {
        struct msg_envelope m = { 0 };
        struct receipt receipt = { 0 };

        pull(g, CVM_MSG_RECEIPT, &m);
        assert_int_equal(cvm_signed_open(m.envelope, strlen(m.envelope), CVM_ENVELOPE_RECEIPT,
                                         receipt_fields, g->agent.sig, &receipt, NULL, NULL),
                         0);
        free(m.envelope);
        return receipt;
}

static void evidence_binds_what_the_owner_expects(void **state) {
        CVM_CLEANUP(guest_done) struct guest g;
        CVM_CLEANUP(owner_done) struct owner_side o;
        struct msg_evidence_request request = { .id = 3, .nonce = { 0xab } };
        struct msg_evidence evidence = { 0 };
        struct cvm_evidence_inputs in = {
                .platform = cvm_platform_byte(CVM_PLATFORM_SECURE_EXECUTION, true),
                .suite = CVM_SUITE,
                .nonce = { 0xab },
        };
        struct evidence_claims claims;
        uint8_t expected[CVM_REPORT_DATA_SIZE];

        guest_begin(&g, &fake_provider);
        give_binding(&g, g.owner);
        assert_true(g.agent.bound); /* no report was needed to know which platform this is */
        push(&g, CVM_MSG_EVIDENCE_REQUEST, &request);
        expect_refused(&g, "CVM-EVIDENCE-REQUEST");
        ask_for(&o, BOTH_KEYS);
        request.request = o.request;
        push(&g, CVM_MSG_EVIDENCE_REQUEST, &request);
        pull(&g, CVM_MSG_EVIDENCE, &evidence);
        expect_claims(&o, &evidence.report, &claims);
        memcpy(in.keyset, g.agent.keyset_digest, sizeof in.keyset);
        memcpy(in.binding, g.binding, sizeof in.binding);
        cvm_report_data(&in, expected);
        assert_memory_equal(claims.report_data, expected, sizeof expected);
        cvm_message_kind(CVM_MSG_EVIDENCE)->done(&evidence);
}

/* No host data: the owner in the measured command line alone says whose bindings are taken. */
static void bindings_of_others_are_refused(void **state) {
        CVM_CLEANUP(guest_done) struct guest g;
        uint8_t spki[CVM_SPKI_SIZE], id[CVM_SHA384_SIZE];

        guest_begin(&g, &fake_provider);
        assert_int_equal(cvm_key_spki(g.stranger, spki, NULL), 0);
        cvm_key_id(spki, id);
        write_binding(&g, id, g.stranger); /* consistent, and not this guest's */
        give_binding(&g, g.stranger);
        expect_refused(&g, "CVM-BINDING-OWNER");
        write_binding(&g, id, g.owner); /* ours, but it names another */
        give_binding(&g, g.owner);
        expect_refused(&g, "CVM-BINDING-OWNER");
        cvm_key_id(g.spki, id);
        write_binding(&g, id, g.stranger); /* names ours, and she did not sign it */
        give_binding(&g, g.owner);
        expect_refused(&g, "CVM-SIGNATURE");
        assert_false(g.agent.bound);
}

static void a_request_reaches_the_store_and_nothing_else_does(void **state) {
        CVM_CLEANUP(guest_done) struct guest g;
        CVM_CLEANUP(cvm_freep) char *request = NULL, *file = NULL, *foreign = NULL, *key = NULL;
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };
        char path[128];

        guest_begin(&g, &fake_provider);
        give_binding(&g, g.owner);
        d.driver = d.ultravisor = 7;
        foreign = seal(&g, CVM_SECRET_UV_REQUEST, "key", "evil", 4, g.stranger);
        send(&g, foreign);
        expect_refused(&g, "CVM-SIGNATURE");
        file = seal(&g, CVM_SECRET_FILE, "other", "not a request", 13, g.owner);
        send(&g, file);
        receipt = take_receipt(&g);
        assert_null(receipt.words);
        receipt_done(&receipt);
        key = seal(&g, CVM_SECRET_DISK_KEY, "disk", "nor this", 8, g.owner);
        send(&g, key);
        receipt = take_receipt(&g);
        receipt_done(&receipt);
        assert_int_equal(d.n_added, 0);
        request = seal(&g, CVM_SECRET_UV_REQUEST, "key", "the request", 11, g.owner);
        send(&g, request);
        receipt = take_receipt(&g);
        assert_int_equal(receipt.result, RECEIPT_INSTALLED);
        assert_string_equal(receipt.kind, "uv-request");
        assert_string_equal(receipt.words, "the ultravisor has added it (rc 0x1, 0x0)");
        assert_int_equal(d.n_added, 1);
        assert_int_equal(d.added_size, 11);
        assert_memory_equal(d.added, "the request", 11);
        /* it is no file, and is not the secret of that name which the binding demands */
        snprintf(path, sizeof path, "%s/key", g.run);
        assert_int_equal(access(path, F_OK), -1);
        assert_false(agent_is_provisioned(&g.agent));
        /* the very same again: the same receipt, and the store is not asked */
        receipt_done(&receipt);
        send(&g, request);
        receipt = take_receipt(&g);
        assert_int_equal(receipt.result, RECEIPT_INSTALLED);
        assert_int_equal(d.n_added, 1);
}

static void a_refusal_of_the_store_is_signed_and_can_be_repeated(void **state) {
        CVM_CLEANUP(guest_done) struct guest g;
        CVM_CLEANUP(cvm_freep) char *request = NULL;
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };

        guest_begin(&g, &fake_provider);
        give_binding(&g, g.owner);
        d.driver = d.ultravisor = 7;
        d.rc = 0x10b;
        request = seal(&g, CVM_SECRET_UV_REQUEST, "key", "the request", 11, g.owner);
        send(&g, request);
        receipt = take_receipt(&g);
        assert_int_equal(receipt.result, RECEIPT_REFUSED);
        assert_string_equal(receipt.words,
                            "the ultravisor did not add it: the secret store is full (rc 0x10b, 0x0)");
        assert_int_equal(g.agent.n_taken, 0);
        receipt_done(&receipt);
        d.rc = 0;
        send(&g, request);
        receipt = take_receipt(&g);
        assert_int_equal(receipt.result, RECEIPT_INSTALLED);
        assert_int_equal(d.n_added, 2);
}

static void a_platform_without_a_store_says_so(void **state) {
        CVM_CLEANUP(guest_done) struct guest g;
        CVM_CLEANUP(cvm_freep) char *request = NULL;

        guest_begin(&g, &without_store);
        give_binding(&g, g.owner);
        request = seal(&g, CVM_SECRET_UV_REQUEST, "key", "the request", 11, g.owner);
        send(&g, request);
        expect_refused(&g, "CVM-SECRET-HEADER");
}

static int set_up(void **state) {
        uint8_t coordinates[160];

        d = (struct driver){ 0 };
        if (!host_key) {
                host_key = EVP_EC_gen("P-521");
                uv_coordinates(host_key, coordinates);
                cvm_sha256(coordinates, sizeof coordinates, host_hash);
        }
        return 0;
}

static int tear_down(void **state) {
        return d.opened == d.closed ? 0 : -1;
}

static int free_key(void **state) {
        EVP_PKEY_free(host_key);
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_answer_is_one_that_the_owner_can_check),
                TEST(without_a_request_there_is_no_report),
                TEST(a_request_that_asks_for_too_much_is_refused),
                TEST(each_result_has_words),
                TEST(the_store_says_what_it_did),
                TEST(a_store_that_cannot_be_asked_is_no_refusal),
                TEST(a_store_is_locked_by_the_guest_itself),
                TEST(evidence_binds_what_the_owner_expects),
                TEST(bindings_of_others_are_refused),
                TEST(a_request_reaches_the_store_and_nothing_else_does),
                TEST(a_refusal_of_the_store_is_signed_and_can_be_repeated),
                TEST(a_platform_without_a_store_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, free_key);
}
