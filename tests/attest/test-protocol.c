/* doc/protocol.md's vectors are what the code computes: each "name = hex" or "name = {json}" line of the
 * document is compared, and none may be missing. A mismatch prints the line that the code would write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/audit-chain.h"
#include "attest/hpke.h"
#include "attest/message.h"
#include "attest/seal.h"
#include "attest/signed.h"
#include "base/fd.h"
#include "base/names.h"

#define UUID "6f1c5a52-0c7e-4e0a-9d4b-3f0f6f0a1b2c"

static struct cvm_bytes document;
static unsigned wrong;

static int read_document(void **state) {
        return cvm_read_file(CVM_SOURCE_DIR "/doc/protocol.md", 1 << 20, &document, NULL);
}

static int drop_document(void **state) {
        cvm_bytes_done(&document);
        return wrong ? -1 : 0;
}

static void expect_text(const char *name, const char *value) {
        char line[128];
        const char *at;
        size_t size = strlen(value);

        snprintf(line, sizeof line, "\n%s = ", name);
        at = strstr((char *)document.data, line);
        if (at && strncmp(at + strlen(line), value, size) == 0 && at[strlen(line) + size] == '\n')
                return;
        wrong++;
        print_error("%s = %s\n", name, value);
}

static void expect(const char *name, const void *data, size_t size) {
        char *hex = malloc(2 * size + 1);

        cvm_hex(data, size, hex);
        expect_text(name, hex);
        free(hex);
}

/* Keys whose private halves are one byte, thirty-two times: for documents and nothing else. */
static EVP_PKEY *key_of(int type, uint8_t byte) {
        uint8_t raw[32];
        EVP_PKEY *key;

        memset(raw, byte, sizeof raw);
        key = EVP_PKEY_new_raw_private_key(type, NULL, raw, sizeof raw);
        assert_non_null(key);
        return key;
}

struct example {
        EVP_PKEY *owner, *kem, *sig, *ephemeral;
        uint8_t owner_spki[CVM_SPKI_SIZE], keyset_digest[CVM_SHA384_SIZE], binding_digest[CVM_SHA384_SIZE];
        struct cvm_keyset keyset;
        struct binding binding;
        struct cvm_bytes payload;
        char *binding_envelope;
};

static void example_done(struct example *e) {
        EVP_PKEY_free(e->owner);
        EVP_PKEY_free(e->kem);
        EVP_PKEY_free(e->sig);
        EVP_PKEY_free(e->ephemeral);
        binding_done(&e->binding);
        cvm_bytes_done(&e->payload);
        free(e->binding_envelope);
}

static struct example example(void) {
        struct example e = { .owner = key_of(EVP_PKEY_ED25519, 1),
                             .kem = key_of(EVP_PKEY_X25519, 2),
                             .sig = key_of(EVP_PKEY_ED25519, 3),
                             .ephemeral = key_of(EVP_PKEY_X25519, 4),
                             .binding = { .version = 1,
                                          .serial = 1,
                                          .uuid = strdup(UUID),
                                          .platform = CVM_PLATFORM_SEV_SNP,
                                          .class_ = CVM_CLASS_SIMULATED } };

        assert_int_equal(cvm_key_spki(e.owner, e.owner_spki, NULL), 0);
        assert_int_equal(cvm_key_spki(e.kem, e.keyset.kem, NULL), 0);
        assert_int_equal(cvm_key_spki(e.sig, e.keyset.sig, NULL), 0);
        cvm_keyset_digest(&e.keyset, e.keyset_digest);
        cvm_key_id(e.owner_spki, e.binding.owner_id);
        assert_int_equal(cvm_texts_add(&e.binding.required_secrets, "db-password"), 0);
        assert_int_equal(binding_write(&e.binding, &e.payload, NULL), 0);
        cvm_sha384(e.payload.data, e.payload.size, e.binding_digest);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, e.payload.data, e.payload.size, e.owner,
                                           &e.binding_envelope, NULL),
                         0);
        return e;
}

static void keys(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();

        expect("owner_spki", e.owner_spki, sizeof e.owner_spki);
        expect("owner_id", e.binding.owner_id, sizeof e.binding.owner_id);
        expect("kem_spki", e.keyset.kem, sizeof e.keyset.kem);
        expect("sig_spki", e.keyset.sig, sizeof e.keyset.sig);
        expect("keyset_digest", e.keyset_digest, sizeof e.keyset_digest);
}

static void binding(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();
        uint8_t host_data[CVM_SHA256_SIZE];

        expect_text("binding_payload", (char *)e.payload.data);
        expect_text("binding_envelope", e.binding_envelope);
        expect("binding_sha384", e.binding_digest, sizeof e.binding_digest);
        cvm_sha256(e.payload.data, e.payload.size, host_data);
        expect("binding_sha256", host_data, sizeof host_data);
}

static void evidence(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();
        struct cvm_evidence_inputs in = { .platform = 0x81, .suite = CVM_SUITE, .generation = 7 };
        uint8_t report_data[CVM_REPORT_DATA_SIZE], data[64];

        memset(in.nonce, 0xaa, sizeof in.nonce);
        memcpy(in.keyset, e.keyset_digest, sizeof in.keyset);
        memcpy(in.binding, e.binding_digest, sizeof in.binding);
        cvm_report_data(&in, report_data);
        expect("report_data", report_data, sizeof report_data);
        cvm_report_data_migration(&in, report_data);
        expect("report_data_migration", report_data, sizeof report_data);
        memset(data, 0xbb, sizeof data);
        cvm_report_data_host(data, report_data);
        expect("report_data_host", report_data, sizeof report_data);
}

static struct cvm_secret_header header_of(const struct example *e) {
        struct cvm_secret_header h = { .platform = 0x81,
                                       .suite = CVM_SUITE,
                                       .kind = CVM_SECRET_FILE,
                                       .seq = 1795602866612,
                                       .name = "db-password" };

        assert_int_equal(cvm_uuid_parse(UUID, h.uuid), 0);
        memcpy(h.keyset, e->keyset_digest, sizeof h.keyset);
        memcpy(h.binding, e->binding_digest, sizeof h.binding);
        return h;
}

/* Built here step by step, with a fixed ephemeral key; then opened by the code that the agent runs. */
static void secret(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();
        struct cvm_secret_header header = header_of(&e), opened_header;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes h = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes sealed = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        CVM_CLEANUP(cvm_freep) char *h_text = NULL;
        CVM_CLEANUP(cvm_freep) char *enc_text = NULL;
        CVM_CLEANUP(cvm_freep) char *sealed_text = NULL;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        uint8_t info[15 + CVM_SHA384_SIZE] = "cvmd-secret-v1", enc[HPKE_ENC_SIZE], digest[CVM_SHA384_SIZE];
        char payload[2048];

        assert_int_equal(cvm_secret_header_write(&header, &h), 0);
        cvm_sha384(h.data, h.size, info + 15);
        assert_int_equal(hpke_seal(HPKE_AES_256_GCM, e.kem, e.ephemeral,
                                   (struct hpke_text){ info, sizeof info },
                                   (struct hpke_text){ h.data, h.size }, (struct hpke_text){ "hunter2", 7 },
                                   enc, &sealed, NULL),
                         0);
        h_text = cvm_base64(h.data, h.size);
        enc_text = cvm_base64(enc, sizeof enc);
        sealed_text = cvm_base64(sealed.data, sealed.size);
        snprintf(payload, sizeof payload, "{\"header\":\"%s\",\"enc\":\"%s\",\"ciphertext\":\"%s\"}", h_text,
                 enc_text, sealed_text);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_SECRET, payload, strlen(payload), e.owner, &envelope,
                                           NULL),
                         0);
        assert_int_equal(cvm_secret_open(envelope, strlen(envelope), e.owner, e.kem, &opened_header, &opened,
                                         digest, NULL),
                         0);
        assert_int_equal(opened.size, 7);
        assert_memory_equal(opened.data, "hunter2", 7);
        expect("secret_header", h.data, h.size);
        expect("secret_info", info, sizeof info);
        expect("secret_enc", enc, sizeof enc);
        expect("secret_ciphertext", sealed.data, sealed.size);
        expect_text("secret_envelope", envelope);
        expect("secret_digest", digest, sizeof digest);
        {
                struct receipt receipt = { .uuid = (char *)UUID,
                                           .name = (char *)"db-password",
                                           .kind = (char *)"file",
                                           .seq = header.seq };
                CVM_CLEANUP(cvm_freep) char *text = NULL;

                memcpy(receipt.keyset, e.keyset_digest, sizeof receipt.keyset);
                memcpy(receipt.secret, digest, sizeof receipt.secret);
                assert_int_equal(cvm_signed_make(CVM_ENVELOPE_RECEIPT, receipt_fields, &receipt, e.sig,
                                                 &text, NULL),
                                 0);
                expect_text("receipt_envelope", text);
        }
}

static void ends(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();
        struct bye bye = { .uuid = (char *)UUID, .generation = 7, .counter = 4 };
        struct approval approval = { .uuid = (char *)UUID };
        CVM_CLEANUP(cvm_freep) char *bye_text = NULL;
        CVM_CLEANUP(cvm_freep) char *approval_text = NULL;

        memcpy(bye.keyset, e.keyset_digest, sizeof bye.keyset);
        memcpy(approval.keyset, e.keyset_digest, sizeof approval.keyset);
        memcpy(approval.binding, e.binding_digest, sizeof approval.binding);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_BYE, bye_fields, &bye, e.sig, &bye_text, NULL), 0);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_APPROVAL, approval_fields, &approval, e.owner,
                                         &approval_text, NULL),
                         0);
        expect_text("bye_envelope", bye_text);
        expect_text("approval_envelope", approval_text);
}

static void frames(void **state) {
        CVM_CLEANUP(example_done) struct example e = example();
        const struct msg_hello hello = { 1, 1 };
        const struct msg_welcome welcome = { .protocol = 1,
                                             .agent = (char *)"cvm-agent 0.1.0",
                                             .kem = { e.keyset.kem, CVM_SPKI_SIZE },
                                             .sig = { e.keyset.sig, CVM_SPKI_SIZE },
                                             .suite = 1,
                                             .simulated = true };
        const struct msg_evidence_request request = { .id = 2 };
        const struct msg_stop stop = { .id = 3 };
        const struct msg_ack ack = { .id = 3 };
        const struct msg_refused refused = { 4, (char *)"CVM-SIGNATURE", (char *)"no" };
        const struct {
                const char *name;
                uint8_t type;
                const void *message;
        } rows[] = {
                { "frame_hello", CVM_MSG_HELLO, &hello },
                { "frame_welcome", CVM_MSG_WELCOME, &welcome },
                { "frame_evidence_request", CVM_MSG_EVIDENCE_REQUEST, &request },
                { "frame_stop", CVM_MSG_STOP, &stop },
                { "frame_bye_ack", CVM_MSG_BYE_ACK, &ack },
                { "frame_refused", CVM_MSG_REFUSED, &refused },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
                char text[2048];

                assert_int_equal(cvm_message_make(rows[i].type, 0x0123456789abcdef, rows[i].message, &frame,
                                                  NULL),
                                 0);
                assert_int_equal(frame.data[0], 0xff);
                snprintf(text, sizeof text, "%.*s|%s", 30, (char *)frame.data + 1, (char *)frame.data + 32);
                expect_text(rows[i].name, text);
        }
}

static void audit(void **state) {
        static const char row[] = "{\"seq\":1}";
        uint8_t zeros[CVM_SHA256_SIZE] = { 0 }, hash[CVM_SHA256_SIZE];

        audit_hash(zeros, row, strlen(row), hash);
        expect("audit_hash", hash, sizeof hash);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys),   cmocka_unit_test(binding), cmocka_unit_test(evidence),
                cmocka_unit_test(secret), cmocka_unit_test(ends),    cmocka_unit_test(frames),
                cmocka_unit_test(audit),
        };
        int r = cmocka_run_group_tests(tests, read_document, drop_document);

        return r ? r : wrong != 0;
}
