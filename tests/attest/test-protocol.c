/*
 * doc/protocol.md cannot drift: every block "```vector NAME" in it is computed anew from fixed keys and
 * compared, each check must find its block, and a block without a check is a fault too. Lines of a block are
 * "key = hex" or "key : text".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/audit-chain.h"
#include "attest/bundle.h"
#include "attest/hpke.h"
#include "attest/message.h"
#include "attest/seal.h"
#include "attest/verdict.h"
#include "base/fd.h"
#include "tests/attest/fixed-keys.h"

#define UUID "0c1d2e3f-4051-4263-8475-8697a8b9cadb"
#define TIME UINT64_C(1795521600000) /* 2026-11-24T12:00:00Z */
#define LINES_MAX 24

struct line {
        char *key, *value;
        bool is_text, used;
};

struct block {
        char *name;
        struct line lines[LINES_MAX];
        size_t n;
        bool used;
};

static struct cvm_bytes document;
static struct block blocks[96];
static size_t n_blocks, n_faults;

/* What of a VM's boot the vectors have in common. */
static struct {
        struct cvm_keyset keyset;
        uint8_t keyset_digest[CVM_SHA384_SIZE], owner_id[CVM_SHA384_SIZE], service_id[CVM_SHA384_SIZE];
        uint8_t binding_sha384[CVM_SHA384_SIZE];
        uint8_t nonce[CVM_NONCE_SIZE], secret_digest[CVM_SHA384_SIZE];
        struct cvm_bytes binding;
        EVP_PKEY *owner, *kem, *sig, *ephemeral, *record;
} boot;

/* Cuts the document into its blocks, in place. */
static void read_document(char *text) {
        struct block *b = NULL;

        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                char *space;

                if (strncmp(line, "```vector ", 10) == 0) {
                        assert_true(n_blocks < sizeof blocks / sizeof *blocks);
                        b = &blocks[n_blocks++];
                        b->name = line + 10;
                        continue;
                }
                if (strncmp(line, "```", 3) == 0)
                        b = NULL;
                space = b ? strchr(line, ' ') : NULL;
                if (!space)
                        continue;
                assert_true(b->n < LINES_MAX);
                assert_true(strncmp(space, " = ", 3) == 0 || strncmp(space, " : ", 3) == 0);
                *space = 0;
                b->lines[b->n++] =
                                (struct line){ .key = line, .value = space + 3, .is_text = space[1] == ':' };
        }
}

static struct block *take_block(const char *name) {
        for (size_t i = 0; i < n_blocks; i++)
                if (strcmp(blocks[i].name, name) == 0) {
                        if (blocks[i].used)
                                fail_msg("vector %s stands twice", name);
                        blocks[i].used = true;
                        return &blocks[i];
                }
        fail_msg("vector %s is not in the document", name);
        return NULL;
}

static void expect(struct block *b, const char *key, const char *value, bool is_text) {
        for (size_t i = 0; i < b->n; i++)
                if (strcmp(b->lines[i].key, key) == 0) {
                        b->lines[i].used = true;
                        if (b->lines[i].is_text == is_text && strcmp(b->lines[i].value, value) == 0)
                                return;
                }
        n_faults++;
        printf("FAULT %s %s %c %s\n", b->name, key, is_text ? ':' : '=', value);
}

static void expect_text(struct block *b, const char *key, const char *text) {
        expect(b, key, text, true);
}

static void expect_hex(struct block *b, const char *key, const void *data, size_t size) {
        CVM_CLEANUP(cvm_freep) char *hex = malloc(2 * size + 1);

        cvm_hex(data, size, hex);
        expect(b, key, hex, false);
}

/* --- section 1: keys, signed objects --- */

static void check_keys(struct block *b) {
        static const struct {
                const char *name;
                enum fixed_key key;
        } keys[] = {
                { "owner", FIXED_OWNER },         { "service", FIXED_SERVICE },
                { "boot-kem", FIXED_BOOT_KEM },   { "boot-sig", FIXED_BOOT_SIG },
                { "ephemeral", FIXED_EPHEMERAL }, { "record", FIXED_RECORD },
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(keys[i].key);
                uint8_t raw[32], spki[CVM_SPKI_SIZE];
                size_t size = sizeof raw;
                char name[32];

                assert_int_equal(EVP_PKEY_get_raw_private_key(key, raw, &size), 1);
                fixed_spki(keys[i].key, spki);
                snprintf(name, sizeof name, "%s-private", keys[i].name);
                expect_hex(b, name, raw, sizeof raw);
                snprintf(name, sizeof name, "%s-spki", keys[i].name);
                expect_hex(b, name, spki, sizeof spki);
        }
        expect_hex(b, "owner_id", boot.owner_id, sizeof boot.owner_id);
        expect_hex(b, "service_id", boot.service_id, sizeof boot.service_id);
}

static void check_keyset(struct block *b) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_write_u16be(&w, CVM_SPKI_SIZE);
        cvm_write_copy(&w, boot.keyset.kem, CVM_SPKI_SIZE);
        cvm_write_u16be(&w, CVM_SPKI_SIZE);
        cvm_write_copy(&w, boot.keyset.sig, CVM_SPKI_SIZE);
        cvm_sha384(w.bytes.data, w.bytes.size, digest);
        assert_memory_equal(digest, boot.keyset_digest, sizeof digest);
        expect_hex(b, "keyset", w.bytes.data, w.bytes.size);
        expect_hex(b, "digest", digest, sizeof digest);
}

/* An envelope over this payload: the parts that the document has of it. */
static void expect_envelope(struct block *b, enum cvm_envelope_type type, const char *payload, EVP_PKEY *key,
                            uint8_t ret_digest[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes opened = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_envelope_sign(type, payload, strlen(payload), key, &envelope, &err), 0);
        assert_int_equal(cvm_envelope_open(envelope, strlen(envelope), type, key, &opened, digest, &err), 0);
        expect_text(b, "payload", payload);
        expect_hex(b, "digest", digest, sizeof digest);
        expect_text(b, "envelope", envelope);
        if (ret_digest)
                memcpy(ret_digest, digest, sizeof digest);
}

static void check_envelope(struct block *b) {
        static const char payload[] = "{\"example\":1}";
        CVM_CLEANUP(cvm_freep) char *pae = NULL;
        const char *type = cvm_envelope_type_text(CVM_ENVELOPE_POLICY);
        uint8_t digest[CVM_SHA384_SIZE], pae_digest[CVM_SHA384_SIZE];

        assert_true(asprintf(&pae, "DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(payload), payload) >
                    0);
        expect_text(b, "type", type);
        expect_text(b, "pae", pae);
        expect_envelope(b, CVM_ENVELOPE_POLICY, payload, boot.owner, digest);
        cvm_sha384(pae, strlen(pae), pae_digest);
        assert_memory_equal(digest, pae_digest, sizeof digest);
}

/* --- section 2: binding --- */

static void check_binding(struct block *b) {
        uint8_t digest[CVM_SHA384_SIZE];

        expect_envelope(b, CVM_ENVELOPE_BINDING, (const char *)boot.binding.data, boot.owner, NULL);
        cvm_sha256(boot.binding.data, boot.binding.size, digest);
        expect_hex(b, "sha256", digest, CVM_SHA256_SIZE);
        expect_hex(b, "sha384", boot.binding_sha384, CVM_SHA384_SIZE);
}

/* --- section 3: evidence --- */

static void expect_report_data(struct block *b, const char *domain, const struct cvm_evidence_inputs *in,
                               const uint8_t report_data[CVM_REPORT_DATA_SIZE]) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t hash[CVM_SHA512_SIZE];

        cvm_write_copy(&w, domain, strlen(domain) + 1);
        cvm_write_u8(&w, in->platform);
        cvm_write_u8(&w, in->suite);
        cvm_write_copy(&w, in->nonce, sizeof in->nonce);
        cvm_write_copy(&w, in->keyset, sizeof in->keyset);
        cvm_write_copy(&w, in->binding, sizeof in->binding);
        cvm_write_u64be(&w, in->generation);
        cvm_sha512(w.bytes.data, w.bytes.size, hash);
        assert_memory_equal(hash, report_data, sizeof hash);
        expect_hex(b, "message", w.bytes.data, w.bytes.size);
        expect_hex(b, "report_data", report_data, CVM_REPORT_DATA_SIZE);
}

static struct cvm_evidence_inputs inputs(uint64_t generation) {
        struct cvm_evidence_inputs in = { .platform = 0x81, .suite = CVM_SUITE, .generation = generation };

        memcpy(in.nonce, boot.nonce, sizeof in.nonce);
        memcpy(in.keyset, boot.keyset_digest, sizeof in.keyset);
        memcpy(in.binding, boot.binding_sha384, sizeof in.binding);
        return in;
}

static void check_evidence(struct block *b) {
        struct cvm_evidence_inputs in = inputs(7);
        uint8_t report_data[CVM_REPORT_DATA_SIZE];

        cvm_report_data(&in, report_data);
        expect_hex(b, "nonce", boot.nonce, sizeof boot.nonce);
        expect_report_data(b, "cvmd-evidence-v1", &in, report_data);
}

static void check_evidence_unowned(struct block *b) {
        struct cvm_evidence_inputs in = inputs(0);
        uint8_t report_data[CVM_REPORT_DATA_SIZE];

        in.platform = CVM_PLATFORM_SEV_SNP;
        cvm_sha384("", 0, in.binding);
        cvm_report_data(&in, report_data);
        expect_report_data(b, "cvmd-evidence-v1", &in, report_data);
}

static void check_evidence_migration(struct block *b) {
        struct cvm_evidence_inputs in = inputs(7);
        uint8_t report_data[CVM_REPORT_DATA_SIZE];

        cvm_report_data_migration(&in, report_data);
        expect_report_data(b, "cvmd-mig-evidence-v1", &in, report_data);
}

static void check_host_report(struct block *b) {
        static const char domain[] = "cvmd-host-report-v1";
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t data[64], report_data[CVM_REPORT_DATA_SIZE], hash[CVM_SHA512_SIZE];

        memset(data, 0x5a, sizeof data);
        cvm_report_data_host(data, report_data);
        cvm_write_copy(&w, domain, sizeof domain);
        cvm_write_copy(&w, data, sizeof data);
        cvm_sha512(w.bytes.data, w.bytes.size, hash);
        assert_memory_equal(hash, report_data, sizeof hash);
        expect_hex(b, "message", w.bytes.data, w.bytes.size);
        expect_hex(b, "report_data", report_data, sizeof report_data);
}

static void check_bundle(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_bytes certificate = { (uint8_t *)"\x03\x04\x05", 3 };
        struct bundle bundle = { .version = 1,
                                 .platform = CVM_PLATFORM_SEV_SNP,
                                 .simulated = true,
                                 .uuid = (char *)UUID,
                                 .suite = CVM_SUITE,
                                 .report = { (uint8_t *)"\x00\x01\x02", 3 },
                                 .certificates = &certificate,
                                 .n_certificates = 1,
                                 .keyset = boot.keyset,
                                 .binding = (char *)"{}",
                                 .generation = 7,
                                 .boot_id = (char *)"5f3c",
                                 .agent = (char *)"cvm-agent 0.1.0",
                                 .has_chain_head = true };
        uint8_t spki[CVM_SPKI_SIZE];

        fixed_spki(FIXED_OWNER, spki);
        bundle.owner = (struct cvm_bytes){ spki, sizeof spki };
        memcpy(bundle.nonce, boot.nonce, sizeof bundle.nonce);
        text = bundle_write(&bundle);
        expect_text(b, "bundle", text);
}

static void check_hand_over(struct block *b) {
        struct cvm_hand_over in = { .platform = 2, .suite = CVM_SUITE, .generation = 7, .n_secrets = 1 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];

        assert_int_equal(cvm_uuid_parse(UUID, in.uuid), 0);
        memcpy(in.keyset, boot.keyset_digest, sizeof in.keyset);
        memcpy(in.binding, boot.binding_sha384, sizeof in.binding);
        memset(digest, 0x44, sizeof digest);
        cvm_write_u32le(&w, 0x444d5643);
        cvm_write_u32le(&w, 18 + 2 + 16 + 48 + 48 + 8 + 2 + 2 + 4 + 48);
        cvm_hand_over_write(&in, &w);
        cvm_hand_over_write_secret(CVM_SECRET_DISK_KEY, "root", digest, &w);
        cvm_sha384(w.bytes.data, w.bytes.size, digest);
        expect_hex(b, "event", w.bytes.data, w.bytes.size);
        expect_hex(b, "digest", digest, sizeof digest);
}

/* --- section 4: verdict --- */

static void check_verdict(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct verdict verdict = { .class_ = CVM_CLASS_SIMULATED,
                                   .covers = { true, true, true, true, false, CVM_COVERED_OWNER_KEYED },
                                   .uuid = (char *)UUID,
                                   .generation = 7,
                                   .evidence = { 0xee },
                                   .policy = { 0xbb },
                                   .time = TIME };

        memcpy(verdict.keyset, boot.keyset_digest, sizeof verdict.keyset);
        memcpy(verdict.binding, boot.binding_sha384, sizeof verdict.binding);
        memcpy(verdict.nonce, boot.nonce, sizeof verdict.nonce);
        verdict_add(&verdict, &CVM_CODE_POLICY_OPEN,
                    "the policy accepts any serial of the binding, old ones too");
        payload = verdict_write(&verdict);
        expect_envelope(b, CVM_ENVELOPE_VERDICT, payload, boot.owner, NULL);
}

/* --- section 5: secrets --- */

static void check_secret(struct block *b) {
        static const char plaintext[] = "correct horse battery staple";
        struct cvm_secret_header h = { .platform = 0x81,
                                       .suite = CVM_SUITE,
                                       .kind = CVM_SECRET_FILE,
                                       .generation = 7,
                                       .seq = TIME,
                                       .name = "tls.key" };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes header = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes ciphertext = { 0 };
        CVM_CLEANUP(cvm_freep) char *header64 = NULL;
        CVM_CLEANUP(cvm_freep) char *enc64 = NULL;
        CVM_CLEANUP(cvm_freep) char *ciphertext64 = NULL;
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        uint8_t info[15 + CVM_SHA384_SIZE] = "cvmd-secret-v1", enc[HPKE_ENC_SIZE];
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_uuid_parse(UUID, h.uuid), 0);
        memcpy(h.keyset, boot.keyset_digest, sizeof h.keyset);
        memcpy(h.binding, boot.binding_sha384, sizeof h.binding);
        assert_int_equal(cvm_secret_header_write(&h, &header), 0);
        cvm_sha384(header.data, header.size, info + 15);
        assert_int_equal(hpke_seal(HPKE_AES_256_GCM, boot.kem, boot.ephemeral,
                                   (struct hpke_text){ info, sizeof info },
                                   (struct hpke_text){ header.data, header.size },
                                   (struct hpke_text){ plaintext, strlen(plaintext) }, enc, &ciphertext,
                                   &err),
                         0);
        header64 = cvm_base64(header.data, header.size);
        enc64 = cvm_base64(enc, sizeof enc);
        ciphertext64 = cvm_base64(ciphertext.data, ciphertext.size);
        assert_true(asprintf(&payload, "{\"header\":\"%s\",\"enc\":\"%s\",\"ciphertext\":\"%s\"}", header64,
                             enc64, ciphertext64) > 0);
        expect_text(b, "plaintext", plaintext);
        expect_hex(b, "header", header.data, header.size);
        expect_hex(b, "info", info, sizeof info);
        expect_hex(b, "enc", enc, sizeof enc);
        expect_hex(b, "ciphertext", ciphertext.data, ciphertext.size);
        expect_envelope(b, CVM_ENVELOPE_SECRET, payload, boot.owner, boot.secret_digest);
}

/* The document's own envelope opens as the agent opens it. */
static void check_secret_opens(struct block *b) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        struct cvm_secret_header h;
        struct cvm_error err = { 0 };

        for (size_t i = 0; i < b->n; i++)
                if (strcmp(b->lines[i].key, "envelope") == 0 &&
                    cvm_secret_open(b->lines[i].value, strlen(b->lines[i].value), boot.owner, boot.kem, &h,
                                    &plaintext, NULL, &err) < 0)
                        n_faults++;
        if (plaintext.data)
                expect_text(b, "plaintext", (char *)plaintext.data);
}

static void check_receipt(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct receipt receipt = { .uuid = (char *)UUID,
                                   .generation = 7,
                                   .name = (char *)"tls.key",
                                   .kind = (char *)"file",
                                   .seq = TIME,
                                   .counter = 3 };

        memcpy(receipt.keyset, boot.keyset_digest, sizeof receipt.keyset);
        memcpy(receipt.secret, boot.secret_digest, sizeof receipt.secret);
        payload = cvm_json_write_text(receipt_fields, &receipt);
        expect_envelope(b, CVM_ENVELOPE_RECEIPT, payload, boot.sig, NULL);
}

/* --- sections 6 and 7 --- */

static void check_approval(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct approval approval = { .uuid = (char *)UUID, .evidence = { 0xee }, .chain_head = { 0xaa } };

        memcpy(approval.keyset, boot.keyset_digest, sizeof approval.keyset);
        memcpy(approval.binding, boot.binding_sha384, sizeof approval.binding);
        payload = cvm_json_write_text(approval_fields, &approval);
        expect_envelope(b, CVM_ENVELOPE_APPROVAL, payload, boot.owner, NULL);
}

static void check_start_permit(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct start_permit permit = { .uuid = (char *)UUID, .start_nonce = { 0xcc }, .expiry = TIME };

        memcpy(permit.binding, boot.binding_sha384, sizeof permit.binding);
        payload = cvm_json_write_text(start_permit_fields, &permit);
        expect_envelope(b, CVM_ENVELOPE_START_PERMIT, payload, boot.owner, NULL);
}

static void check_bye(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct bye bye = { .uuid = (char *)UUID, .generation = 7, .counter = 3 };

        memcpy(bye.keyset, boot.keyset_digest, sizeof bye.keyset);
        payload = cvm_json_write_text(bye_fields, &bye);
        expect_envelope(b, CVM_ENVELOPE_BYE, payload, boot.sig, NULL);
}

static void check_recall(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct recall recall = { .uuid = (char *)UUID,
                                 .generation = 7,
                                 .fenced_by = (char *)"power cut at the PDU",
                                 .time = TIME };

        memcpy(recall.keyset, boot.keyset_digest, sizeof recall.keyset);
        payload = cvm_json_write_text(recall_fields, &recall);
        expect_envelope(b, CVM_ENVELOPE_RECALL, payload, boot.owner, NULL);
}

static void check_retire(struct block *b) {
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct retire retire = { .uuid = (char *)UUID, .generation = 7, .record = { 0xdd } };

        payload = cvm_json_write_text(retire_fields, &retire);
        expect_envelope(b, CVM_ENVELOPE_RETIRE, payload, boot.owner, NULL);
}

/* --- section 8: the host's word --- */

static void check_audit(struct block *b) {
        struct audit_head head = { .time = TIME, .seq = 2 }, verified;
        uint8_t hash[CVM_SHA256_SIZE] = { 0 };
        CVM_CLEANUP(cvm_freep) char *export = NULL;
        CVM_CLEANUP(cvm_freep) char *rows[2] = { 0 };
        CVM_CLEANUP(cvm_freep) char *last = NULL;
        struct cvm_error err = { 0 };

        for (size_t i = 0; i < 2; i++) {
                struct audit_row row = { .seq = i + 1,
                                         .time = TIME + i,
                                         .kind = (char *)(i ? "transition" : "request"),
                                         .actor = (char *)(i ? "cvmd" : "uid 1000"),
                                         .object = (char *)(i ? UUID : "manager"),
                                         .what = (char *)(i ? "state running" : "Launch"),
                                         .outcome = (char *)"ok" };
                char key[8];

                memcpy(row.prev, hash, sizeof hash);
                last = cvm_json_write_text(audit_row_fields, &row);
                audit_hash(hash, last, strlen(last), hash);
                snprintf(key, sizeof key, "row%zu", i + 1);
                expect_text(b, key, last);
                snprintf(key, sizeof key, "hash%zu", i + 1);
                expect_hex(b, key, hash, sizeof hash);
                rows[i] = TAKE_PTR(last);
        }
        memcpy(head.hash, hash, sizeof head.hash);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_HEAD, audit_head_fields, &head, boot.record, &last,
                                         &err),
                         0);
        expect_text(b, "head", last);
        assert_true(asprintf(&export, "%s\n%s\n%s\n", rows[0], rows[1], last) > 0);
        free(rows[1]);
        assert_int_equal(audit_verify(export, strlen(export), boot.record, NULL, &verified, &err), 0);
}

/* --- sections 9 to 11: frames and messages --- */

static void check_frame(struct block *b) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        struct msg_hello hello = { 1, 1 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_message_make(CVM_MSG_HELLO, 0x0123456789abcdef, &hello, &frame, &err), 0);
        expect_hex(b, "frame", frame.data, frame.size);
}

/* What the document shows of one message, header and payload, is a frame that the reader takes and that is
 * written again alike. */
static void check_message(const struct cvm_message_kind *kind) {
        CVM_CLEANUP(cvm_freep) void *message = calloc(1, kind->size);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes again = { 0 };
        struct cvm_frame_reader reader = { 0 };
        struct cvm_writer w = { 0 };
        struct cvm_error err = { 0 };
        struct cvm_frame frame = { 0 };
        struct block *b;
        char name[64], header[CVM_FRAME_HEADER_SIZE];
        size_t used;

        snprintf(name, sizeof name, "message %s", kind->name);
        b = take_block(name);
        assert_int_equal(b->n, 2);
        cvm_write_u8(&w, 0xff);
        cvm_write_copy(&w, b->lines[0].value, strlen(b->lines[0].value));
        cvm_write_u8(&w, '\n');
        cvm_write_copy(&w, b->lines[1].value, strlen(b->lines[1].value));
        if (cvm_frame_feed(&reader, w.bytes.data, w.bytes.size, &used, &frame) != 1 ||
            frame.type != kind->type || cvm_message_read(kind, &frame, message, &err) < 0)
                print_message("%s: %s\n", name, err.text);
        else
                assert_int_equal(cvm_message_make(kind->type, frame.session, message, &again, &err), 0);
        snprintf(header, sizeof header, "%.30s", again.data ? (char *)again.data + 1 : "");
        expect_text(b, "header", header);
        expect_text(b, "payload", again.data ? (char *)again.data + CVM_FRAME_HEADER_SIZE : "");
        kind->done(message);
        cvm_frame_reader_done(&reader);
        cvm_writer_done(&w);
}

/* --- section 12: numbers and codes --- */

static void check_caps(struct block *b) {
        static const struct {
                const char *name;
                size_t value;
        } caps[] = {
                { "frame-payload", CVM_FRAME_PAYLOAD_MAX },
                { "signed-payload", CVM_ENVELOPE_MAX },
                { "envelope-text", 2 * CVM_ENVELOPE_MAX },
                { "secret-plaintext", CVM_SECRET_MAX },
                { "json-depth", CVM_JSON_DEPTH_MAX },
                { "spki", CVM_SPKI_SIZE },
                { "nonce", CVM_NONCE_SIZE },
                { "verdict-reasons", VERDICT_REASONS_MAX },
        };

        for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
                char text[32];

                snprintf(text, sizeof text, "%zu", caps[i].value);
                expect_text(b, caps[i].name, text);
        }
}

/* "CVM-... : exit status"; which codes an agent gives, the document says. */
static void check_codes(struct block *b) {
        assert_true(b->n > 0);
        for (size_t i = 0; i < b->n; i++) {
                const struct cvm_code *code = cvm_code_find(b->lines[i].key);
                char text[32];

                snprintf(text, sizeof text, "%d", code ? cvm_code_exit_status(code) : -1);
                expect_text(b, b->lines[i].key, text);
        }
}

static const struct {
        const char *name;
        void (*check)(struct block *b);
} checks[] = {
        { "keys", check_keys },
        { "keyset", check_keyset },
        { "envelope", check_envelope },
        { "binding", check_binding },
        { "evidence", check_evidence },
        { "evidence unowned", check_evidence_unowned },
        { "evidence migration", check_evidence_migration },
        { "host report", check_host_report },
        { "hand-over", check_hand_over },
        { "bundle", check_bundle },
        { "verdict", check_verdict },
        { "secret", check_secret },
        { "receipt", check_receipt },
        { "approval", check_approval },
        { "start-permit", check_start_permit },
        { "bye", check_bye },
        { "recall", check_recall },
        { "retire", check_retire },
        { "audit", check_audit },
        { "frame", check_frame },
        { "caps", check_caps },
        { "codes agent", check_codes },
        { "codes daemon", check_codes },
};

static void test_formulas_and_objects(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
                struct block *b = take_block(checks[i].name);

                checks[i].check(b);
                if (checks[i].check == check_secret)
                        check_secret_opens(b);
        }
        assert_int_equal(n_faults, 0);
}

static void test_every_message(void **state) {
        for (int type = 0; type < 256; type++)
                if (cvm_message_kind((uint8_t)type))
                        check_message(cvm_message_kind((uint8_t)type));
        assert_int_equal(n_faults, 0);
}

static void test_nothing_in_the_document_is_unchecked(void **state) {
        for (size_t i = 0; i < n_blocks; i++) {
                if (!blocks[i].used)
                        fail_msg("vector %s has no check", blocks[i].name);
                for (size_t k = 0; k < blocks[i].n; k++)
                        if (!blocks[i].lines[k].used)
                                fail_msg("'%s' of vector %s has no check", blocks[i].lines[k].key,
                                         blocks[i].name);
        }
}

static int make_boot(void) {
        struct binding binding = { .version = 1,
                                   .serial = 4,
                                   .uuid = (char *)UUID,
                                   .platform = CVM_PLATFORM_SEV_SNP,
                                   .class_ = CVM_CLASS_SIMULATED,
                                   .root = CVM_ROOT_LUKS,
                                   .has_service = true };
        uint8_t spki[CVM_SPKI_SIZE];
        int r = cvm_texts_add(&binding.required_secrets, "tls.key");

        fixed_spki(FIXED_OWNER, spki);
        cvm_key_id(spki, boot.owner_id);
        fixed_spki(FIXED_SERVICE, spki);
        cvm_key_id(spki, boot.service_id);
        memcpy(binding.owner_id, boot.owner_id, sizeof binding.owner_id);
        memcpy(binding.service_id, boot.service_id, sizeof binding.service_id);
        memset(binding.root_digest, 0x11, sizeof binding.root_digest);
        if (r >= 0)
                r = binding_write(&binding, &boot.binding, NULL);
        cvm_texts_free(binding.required_secrets);
        if (r < 0)
                return r;
        cvm_sha384(boot.binding.data, boot.binding.size, boot.binding_sha384);
        boot.keyset = fixed_keyset();
        cvm_keyset_digest(&boot.keyset, boot.keyset_digest);
        for (size_t i = 0; i < sizeof boot.nonce; i++)
                boot.nonce[i] = (uint8_t)(0xc0 + i);
        boot.owner = fixed_key(FIXED_OWNER);
        boot.kem = fixed_key(FIXED_BOOT_KEM);
        boot.sig = fixed_key(FIXED_BOOT_SIG);
        boot.ephemeral = fixed_key(FIXED_EPHEMERAL);
        boot.record = fixed_key(FIXED_RECORD);
        return 0;
}

static int setup(void **state) {
        struct cvm_error err = { 0 };

        if (make_boot() < 0 ||
            cvm_read_file(CVM_SOURCE_DIR "/doc/protocol.md", 1 << 20, &document, &err) < 0)
                return -1;
        read_document((char *)document.data);
        return 0;
}

static int teardown(void **state) {
        EVP_PKEY *const keys[] = { boot.owner, boot.kem, boot.sig, boot.ephemeral, boot.record };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                EVP_PKEY_free(keys[i]);
        cvm_bytes_done(&boot.binding);
        cvm_bytes_done(&document);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_formulas_and_objects),
                cmocka_unit_test(test_every_message),
                cmocka_unit_test(test_nothing_in_the_document_is_unchecked),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
