/*
 * What a certification service of our own serves, under a simulation root of our own, and a quote that takes
 * it. Usage: make-service-tdx DIR. Below DIR: service/ as the real one's addresses are, FILE.headers beside
 * a FILE, variants/ to be served in place of something, and the owner's files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/attest/scene-tdx.h"
#include "tests/collateral/service.h"

#define DOCUMENTS "service/tdx/certification/v4/"
#define CERTIFICATES "service/sgx/certification/v4/"

static const enum tdx_link signing[] = { LINK_SIGNING, LINK_ROOT }, authority[] = { LINK_CA, LINK_ROOT },
                           swapped[] = { LINK_ROOT, LINK_SIGNING };

/* "FILE.headers": that header with these certificates, URL-encoded. */
static void put_header(const char *file, const char *header, const struct make_world *w,
                       const enum tdx_link links[2]) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = make_pem(w, links, 2);
        CVM_CLEANUP(cvm_freep) char *text = NULL, *name = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        fprintf(f, "%s: ", header);
        for (size_t i = 0; i < pem.size; i++)
                if (strchr(" \n+/=", pem.data[i]))
                        fprintf(f, "%%%02X", pem.data[i]);
                else
                        fputc(pem.data[i], f);
        fprintf(f, "\n");
        fclose(f);
        assert_true(asprintf(&name, "%s.headers", file) > 0);
        put(name, text, size);
}

static void put_info(const char *file, const char *header, const struct make_world *w) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = make_tcb_info(w);

        put(file, text.data, text.size);
        if (header)
                put_header(file, header, w, signing);
}

static void put_identity(const char *file, const struct make_world *w) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = make_qe_identity(w);

        put(file, text.data, text.size);
        put_header(file, "SGX-Enclave-Identity-Issuer-Chain", w, signing);
}

static void put_pck_list(const char *file, const struct make_world *w) {
        const struct make_link *ca = &w->links[LINK_CA];
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes der =
                        make_list(w, ca->cn, w->list_signer ? w->list_signer : ca->key, w->revoked_pck);

        put(file, der.data, der.size);
        put_header(file, "SGX-PCK-CRL-Issuer-Chain", w, authority);
}

/* In hex, as caching services have it. */
static void put_root_list(const char *file, const struct make_world *w) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes der = make_list(w, w->links[LINK_ROOT].cn, root_key, w->revoked_root);
        CVM_CLEANUP(cvm_freep) char *hex = malloc(2 * der.size + 1);

        cvm_hex(der.data, der.size, hex);
        put(file, hex, 2 * der.size);
}

static void put_variants(const struct make_world *good) {
        static const char *const header = "TCB-Info-Issuer-Chain";
        struct make_world w = *good;

        put_info("variants/old-header", "SGX-TCB-Info-Issuer-Chain", &w);
        put_info("variants/no-header", NULL, &w);
        put_info("variants/bad-header", NULL, &w);
        put("variants/bad-header.headers", "TCB-Info-Issuer-Chain: a%2\n", 27);
        put("variants/no-json", "[]", 2);
        put_header("variants/no-json", header, &w, signing);
        put_info("variants/swapped", NULL, &w);
        put_header("variants/swapped", header, &w, swapped);
        w.issued = -7200;
        put_info("variants/older", header, &w);
        w.issued = -1800;
        put_info("variants/newer", header, &w);
        w.evaluation = 16; /* issued later, but of an earlier judgement */
        put_info("variants/lower", header, &w);
        w.evaluation = 18;
        put_info("variants/higher", header, &w);
        w = *good;
        w.next = -1;
        put_info("variants/expired", header, &w);
        w = *good;
        w.fmspc[5] = 1;
        put_info("variants/other-fmspc", header, &w);
        w = *good;
        w.info_id = "SGX";
        put_info("variants/sgx", header, &w);
        w = *good;
        w.document_signer = other_key;
        put_info("variants/foreign", header, &w);
        w = *good;
        w.links[LINK_ROOT].key = w.links[LINK_ROOT].signer = w.links[LINK_SIGNING].signer = other_key;
        put_info("variants/other-root", header, &w);
        w = *good;
        w.qe_issued = -7200;
        put_identity("variants/older-identity", &w);
        w = *good;
        w.list_from = -7200;
        put_pck_list("variants/older-list", &w);
        put_root_list("variants/older-root-list", &w);
        w.list_from = -1800;
        w.revoked_pck = w.links[LINK_PCK].serial;
        put_pck_list("variants/revokes", &w);
        w = *good;
        w.list_signer = other_key;
        put_pck_list("variants/foreign-list", &w);
        w = *good;
        w.list_until = -1;
        put_pck_list("variants/expired-list", &w);
}

static void put_service(const struct make_world *w) {
        put_info(DOCUMENTS "tcb", "TCB-Info-Issuer-Chain", w);
        put_identity(DOCUMENTS "qe/identity", w);
        put_pck_list(CERTIFICATES "pckcrl", w);
        put_root_list(CERTIFICATES "rootcacrl", w);
        put_variants(w);
}

/* All but what the service has. */
static void put_evidence(struct scene *s) {
        static const enum tdx_link root[] = { LINK_ROOT };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 }, authorities = make_pem(&s->w, root, 1);
        char nonce[2 * CVM_NONCE_SIZE + 1];

        put("root.pem", authorities.data, authorities.size);
        put("quote", s->bundle.report.data, s->bundle.report.size);
        text = bundle_write(&s->bundle);
        put("bundle.json", text, strlen(text));
        put("policy.json", s->policy, strlen(s->policy));
        assert_int_equal(cvm_key_to_public_pem(owner, &pem, NULL), 0);
        put("owner.pem", pem.data, pem.size);
        cvm_hex(s->bundle.nonce, sizeof s->bundle.nonce, nonce);
        put("nonce", nonce, strlen(nonce));
}

int main(int argc, char **argv) {
        struct scene s;

        (void)set_policy; /* of scene-tdx.h, for others */
        (void)judge;
        if (argc != 2)
                return 2;
        top = argv[1];
        keys_make();
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &owner, NULL), 0);
        assert_int_equal(cvm_key_spki(owner, owner_spki, NULL), 0);
        s = scene();
        s.no_collateral = true;
        s.w.next = DAY / 2; /* expires first */
        seal(&s);
        put_service(&s.w);
        put_evidence(&s);
        scene_done(&s);
        keys_done();
        EVP_PKEY_free(owner);
        return 0;
}
