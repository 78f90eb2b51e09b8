/*
 * The guest's and the host's side for the tests of cvmctl: bundles, receipts, records and audit chains, good
 * and bad, as files. Usage: make-bundle WHAT DIR [ARGUMENT...]; DIR has owner.pem, and keeps the boot's
 * keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/audit-chain.h"
#include "attest/seal.h"
#include "base/fd.h"
#include "base/time.h"
#include "tests/attest/scene-snp.h"

static const char *directory;
static struct cvm_error err;

static void must(int r) {
        if (r >= 0)
                return;
        fprintf(stderr, "make-bundle: %s\n", cvm_error_text(&err, r));
        exit(1);
}

static const char *in_directory(const char *name) {
        static char path[4096];

        snprintf(path, sizeof path, "%s/%s", directory, name);
        return path;
}

static void put_file(const char *name, const void *data, size_t size) {
        must(cvm_write_file(in_directory(name), data, size, 0600, &err));
}

/* A private key that stays in the directory, made at first use, with its public half beside it. */
static EVP_PKEY *keep_key(const char *name, enum cvm_key_kind kind) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 }, public_pem = { 0 };
        char public_name[64];
        EVP_PKEY *key = NULL;

        if (access(in_directory(name), R_OK) == 0) {
                must(cvm_read_file(in_directory(name), 1u << 14, &pem, &err));
                must(cvm_key_from_private_pem(pem.data, pem.size, &key, &err));
                return key;
        }
        must(cvm_key_make(kind, &key, &err));
        must(cvm_key_to_private_pem(key, &pem, &err));
        must(cvm_key_to_public_pem(key, &public_pem, &err));
        put_file(name, pem.data, pem.size);
        snprintf(public_name, sizeof public_name, "public-%s", name);
        put_file(public_name, public_pem.data, public_pem.size);
        return key;
}

static void keyset_of(struct cvm_keyset *ret) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *kem = keep_key("boot-kem.pem", CVM_KEY_SEAL);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = keep_key("boot-sig.pem", CVM_KEY_SIGN);

        must(cvm_key_spki(kem, ret->kem, &err));
        must(cvm_key_spki(sig, ret->sig, &err));
}

/* --- bundles --- */

static void as_hardware(struct scene *s) {
        s->chain = make_chain(&keys, false);
        s->inputs.class_ = s->binding.class_ = CVM_CLASS_HARDWARE;
        s->bundle.simulated = false;
}

static void as_debug(struct scene *s) {
        s->report.policy |= 1u << 19;
}

static void as_migration(struct scene *s) {
        s->domain = MIGRATION;
}

static void as_unowned(struct scene *s) {
        s->unowned = true;
}

static void as_foreign(struct scene *s) { /* signed by somebody else */
        s->binding_signer = stranger;
}

static void as_other_kernel(struct scene *s) {
        memset(s->report.measurement, 0x11, sizeof s->report.measurement);
}

static void with_generation(struct scene *s) {
        s->bundle.generation = 7;
}

/* After the report was signed: */

static void swap_keyset(struct scene *s) {
        memcpy(s->bundle.keyset.kem, stranger_spki, sizeof stranger_spki);
        s->bundle.keyset.kem[8] = 0x6e; /* the OID of X25519 */
}

static void change_binding(struct scene *s) {
        free(s->bundle.binding);
        s->binding.serial--;
        s->bundle.binding = NULL;
        seal_binding(s); /* an older one, rightly signed; the report stays as it is */
}

static void drop_chain(struct scene *s) {
        while (s->bundle.n_certificates > 1)
                cvm_bytes_done(&s->bundle.certificates[--s->bundle.n_certificates]);
}

static void change_report(struct scene *s) {
        s->bundle.report.data[0x90] ^= 1;
}

static void call_it_hardware(struct scene *s) {
        s->bundle.simulated = false;
}

static const struct variation {
        const char *name;
        void (*before)(struct scene *), (*after)(struct scene *);
} variations[] = {
        { "good", NULL, NULL },
        { "hardware", as_hardware, NULL },
        { "debug", as_debug, NULL },
        { "migration", as_migration, NULL },
        { "unowned", as_unowned, NULL },
        { "foreign", as_foreign, NULL },
        { "other-kernel", as_other_kernel, NULL },
        { "generation", with_generation, NULL },
        { "swapped-keyset", NULL, swap_keyset },
        { "changed-binding", NULL, change_binding },
        { "no-chain", NULL, drop_chain },
        { "changed-report", NULL, change_report },
        { "calls-itself-hardware", NULL, call_it_hardware },
};

static void put_root(const struct scene *s) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        const struct cvm_bytes *der = &s->bundle.certificates[s->bundle.n_certificates - 1];
        const uint8_t *p = der->data;
        CVM_CLEANUP(X509_freep) X509 *x509 = d2i_X509(NULL, &p, (long)der->size);
        char *pem;
        long size;

        PEM_write_bio_X509(bio, x509);
        size = BIO_get_mem_data(bio, &pem);
        put_file("root.pem", pem, (size_t)size);
}

/* What the owner has beforehand: prediction, binding, the simulation's root, a policy that scene-snp.h made.
 */
static void put_owners_files(struct scene *s) {
        char hex[2 * CVM_SHA384_SIZE + 1], text[1024];
        int n;

        cvm_hex(s->report.measurement, sizeof s->report.measurement, hex);
        n = snprintf(text, sizeof text,
                     "{\"platform\":\"sev-snp\",\"measurement\":\"%s\",\"simulated\":%s,\"covers\":{\"firmware\":true,"
                     "\"kernel\":true,\"initrd\":true,\"cmdline\":true,\"acpi\":false},\"inputs\":{},\"debug\":%s}",
                     hex, s->bundle.simulated ? "true" : "false",
                     s->report.policy >> 19 & 1 ? "true" : "false");
        put_file("prediction.json", text, (size_t)n);
        put_file("binding.json", s->bundle.binding, strlen(s->bundle.binding));
        put_root(s);
}

static int make_bundle(int argc, char **argv) {
        struct scene s = scene();
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        const struct variation *v = variations;

        while (v < variations + ARRAY_SIZE(variations) && strcmp(v->name, argv[0]) != 0)
                v++;
        if (v == variations + ARRAY_SIZE(variations) ||
            cvm_unhex(argv[1], s.bundle.nonce, CVM_NONCE_SIZE) < 0)
                return 2;
        keyset_of(&s.bundle.keyset);
        if (v->before)
                v->before(&s);
        seal(&s);
        if (v->after)
                v->after(&s);
        if (argc > 2)
                put_owners_files(&s);
        text = bundle_write(&s.bundle);
        puts(text);
        scene_done(&s);
        return 0;
}

/* --- what the guest says --- */

static struct cvm_bytes read_all(const char *path) {
        struct cvm_bytes bytes = { 0 };

        must(cvm_read_file(path, 1u << 20, &bytes, &err));
        return bytes;
}

/* Open as the agent does; header on the error stream, plaintext on the output. */
static int open_secret(int argc, char **argv) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *kem = keep_key("boot-kem.pem", CVM_KEY_SEAL);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes envelope = read_all(argv[0]);
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        struct cvm_secret_header header;

        must(cvm_secret_open((char *)envelope.data, envelope.size, owner, kem, &header, &plaintext, NULL,
                             &err));
        fprintf(stderr, "platform %u kind %s name %s generation %llu seq %llu\n", header.platform,
                cvm_secret_kind_text(header.kind), header.name, (unsigned long long)header.generation,
                (unsigned long long)header.seq);
        fwrite(plaintext.data, 1, plaintext.size, stdout);
        return 0;
}

/* RESULT SECRET [other]: other is a boot key that is not this boot's. */
static int make_receipt(int argc, char **argv) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = keep_key("boot-sig.pem", CVM_KEY_SIGN);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes envelope = read_all(argv[1]), payload = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_keyset keyset;
        struct cvm_secret_header header;
        struct receipt receipt = { .uuid = (char *)UUID, .name = header.name, .counter = 1 };

        keyset_of(&keyset);
        cvm_keyset_digest(&keyset, receipt.keyset);
        must(cvm_secret_peek((char *)envelope.data, envelope.size, &header, &err));
        must(cvm_envelope_open((char *)envelope.data, envelope.size, CVM_ENVELOPE_SECRET, owner, &payload,
                               receipt.secret, &err));
        receipt.kind = (char *)cvm_secret_kind_text(header.kind);
        receipt.seq = header.seq;
        while (strcmp(receipt_result_texts[receipt.result], argv[0]) != 0)
                receipt.result++;
        must(cvm_signed_make(CVM_ENVELOPE_RECEIPT, receipt_fields, &receipt, argc > 2 ? stranger : sig,
                             &text, &err));
        puts(text);
        return 0;
}

/* --- what the host says --- */

static char *make_bye(EVP_PKEY *key) {
        struct bye bye = { .uuid = (char *)UUID, .counter = 2 };
        struct cvm_keyset keyset;
        char *text = NULL;

        keyset_of(&keyset);
        cvm_keyset_digest(&keyset, bye.keyset);
        must(cvm_signed_make(CVM_ENVELOPE_BYE, bye_fields, &bye, key, &text, &err));
        return text;
}

/* bye | forged-bye | no-bye | list */
static int make_record(int argc, char **argv) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *record = keep_key("record.pem", CVM_KEY_SIGN);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = keep_key("boot-sig.pem", CVM_KEY_SIGN);
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *bye = NULL, *payload = NULL, *text = NULL;
        json_object *guest = json_object_new_object(), *host = json_object_new_object();

        if (strcmp(argv[0], "no-bye") != 0)
                bye = make_bye(strcmp(argv[0], "bye") == 0 ? sig : stranger);
        json_object_object_add(node, "version", json_object_new_int(1));
        json_object_object_add(node, "uuid", json_object_new_string(UUID));
        json_object_object_add(host, "last_state", json_object_new_string("stopped"));
        json_object_object_add(node, "host_says", host);
        json_object_object_add(guest, "bye", bye ? json_object_new_string(bye) : NULL);
        json_object_object_add(node, "guest_proves", guest);
        payload = strcmp(argv[0], "list") == 0 ? strdup("[]") : cvm_json_text(node);
        must(cvm_envelope_sign(CVM_ENVELOPE_RECORD, payload, strlen(payload), record, &text, &err));
        puts(text);
        return 0;
}

/* N rows and the signed head; the same rows each time, so that longer chains go on from shorter ones. */
static int make_audit(int argc, char **argv) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *record = keep_key("record.pem", CVM_KEY_SIGN);
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct audit_head head = { .time = TEST_NOW };

        for (int i = 0; i < atoi(argv[0]); i++) {
                struct audit_row row = { .seq = (uint64_t)i + 1,
                                         .time = TEST_NOW + (uint64_t)i,
                                         .kind = (char *)"request",
                                         .actor = (char *)"uid 0",
                                         .object = (char *)"manager",
                                         .what = (char *)"Launch",
                                         .outcome = (char *)"ok" };
                CVM_CLEANUP(cvm_freep) char *line = NULL;

                memcpy(row.prev, head.hash, sizeof row.prev);
                line = cvm_json_write_text(audit_row_fields, &row);
                audit_hash(head.hash, line, strlen(line), head.hash);
                puts(line);
                head.seq = row.seq;
        }
        must(cvm_signed_make(CVM_ENVELOPE_HEAD, audit_head_fields, &head, record, &text, &err));
        puts(text);
        return 0;
}

static void make_owner(void) {
        owner = keep_key("owner.pem", CVM_KEY_SIGN);
        must(cvm_key_make(CVM_KEY_SIGN, &stranger, &err));
        must(cvm_key_spki(owner, owner_spki, &err));
        must(cvm_key_spki(stranger, stranger_spki, &err));
}

int main(int argc, char **argv) {
        static const struct {
                const char *what;
                int arguments;
                int (*make)(int argc, char **argv);
        } makers[] = {
                { "bundle", 2, make_bundle }, { "open", 1, open_secret }, { "receipt", 2, make_receipt },
                { "record", 1, make_record }, { "audit", 1, make_audit },
        };
        int r = 2;

        (void)set_policy; /* of scene-snp.h, for others */
        (void)judge;
        if (argc < 3)
                return 2;
        directory = argv[2];
        keys = make_keys();
        make_owner();
        for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
                if (strcmp(makers[i].what, argv[1]) == 0 && argc - 3 >= makers[i].arguments)
                        r = makers[i].make(argc - 3, argv + 3);
        make_keys_done(&keys);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return r;
}
