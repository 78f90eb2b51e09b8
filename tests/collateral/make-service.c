/*
 * What a key service of our own serves, under a simulation root of our own, and evidence that takes it.
 * Usage: make-service DIR. Below DIR: service/ as the real one's addresses are, variants/ to be served in
 * place of something, and the owner's files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/attest/make-crl-snp.h"
#include "tests/attest/scene-snp.h"
#include "tests/collateral/service.h"

static void put_certificate(const char *name, const struct make_spec *spec) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(spec);

        put(name, der.data, der.size);
}

/* As the service has it: PEM, the ASK before the ARK. */
static void put_chain(const char *name, const struct make_spec *ca, const struct make_spec *root) {
        const struct make_spec *specs[] = { ca, root };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        long size;

        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(specs[i]);

                PEM_write_bio(bio, PEM_STRING_X509, "", der.data, (long)der.size);
        }
        size = BIO_get_mem_data(bio, &text);
        put(name, text, (size_t)size);
}

static void put_list(const char *name, EVP_PKEY *signer, int from, bool revokes) {
        const struct crl_spec spec = {
                .issuer = "ARK-Milan", .signer = signer, .from = from, .until = DAY, .revokes = revokes
        };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_crl(&spec);

        put(name, der.data, der.size);
}

static void put_root(const struct make_spec *spec) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(spec);
        char *text;
        long size;

        PEM_write_bio(bio, PEM_STRING_X509, "", der.data, (long)der.size);
        size = BIO_get_mem_data(bio, &text);
        put("root.pem", text, (size_t)size);
}

static void put_service(const struct make_chain *c) {
        struct make_chain other = *c;
        struct make_spec asvk = c->ask;
        char name[512], chip[129];

        cvm_hex(c->ek.chip, c->ek.chip_size, chip);
        snprintf(name, sizeof name, "service/vcek/v1/Milan/%s", chip);
        put_certificate(name, &c->ek);
        put_chain("service/vcek/v1/Milan/cert_chain", &c->ask, &c->ark);
        put_list("service/vcek/v1/Milan/crl", keys.ark, -3600, false);
        asvk.cn = "SEV-VLEK-Milan";
        put_chain("service/vlek/v1/Milan/cert_chain", &asvk, &c->ark);
        put_list("service/vlek/v1/Milan/crl", keys.ark, -3600, false);
        put_list("variants/older.crl", keys.ark, -7200, false);
        put_list("variants/newer.crl", keys.ark, -1800, false);
        put_list("variants/revokes.crl", keys.ark, -900, true);
        put_list("variants/foreign.crl", keys.other, -900, false);
        other.ek.chip[0] ^= 1;
        put_certificate("variants/other-chip.der", &other.ek);
        other.ek = c->ek;
        other.ek.spl[3]--;
        put_certificate("variants/other-tcb.der", &other.ek);
        other.ark.key = other.ark.signer = other.ask.signer = keys.other;
        put_chain("variants/other-root.pem", &other.ask, &other.ark);
}

/* Everything of the evidence but what the service has. */
static void put_evidence(struct scene *s) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 }, vlek = { 0 }, masked = { 0 };
        char nonce[2 * CVM_NONCE_SIZE + 1];

        put("report.bin", s->bundle.report.data, s->bundle.report.size);
        while (s->bundle.n_certificates)
                cvm_bytes_done(&s->bundle.certificates[--s->bundle.n_certificates]);
        text = bundle_write(&s->bundle);
        put("bundle.json", text, strlen(text));
        put("policy.json", s->policy, strlen(s->policy));
        assert_int_equal(cvm_key_to_public_pem(owner, &pem, NULL), 0);
        put("owner.pem", pem.data, pem.size);
        cvm_hex(s->bundle.nonce, sizeof s->bundle.nonce, nonce);
        put("nonce", nonce, strlen(nonce));
        s->report.key_info = 1 << 2;
        vlek = make_signed(&s->report, keys.ek);
        put("vlek-report.bin", vlek.data, vlek.size);
        s->report.key_info = 0;
        memset(s->report.chip_id, 0, sizeof s->report.chip_id);
        masked = make_signed(&s->report, keys.ek);
        put("masked-report.bin", masked.data, masked.size);
}

int main(int argc, char **argv) {
        struct scene s;

        (void)set_policy; /* of scene-snp.h, for others */
        (void)judge;
        if (argc != 2)
                return 2;
        top = argv[1];
        keys = make_keys();
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &owner, NULL), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &stranger, NULL), 0);
        assert_int_equal(cvm_key_spki(owner, owner_spki, NULL), 0);
        assert_int_equal(cvm_key_spki(stranger, stranger_spki, NULL), 0);
        s = scene();
        seal(&s);
        put_service(&s.chain);
        put_root(&s.chain.ark);
        put_evidence(&s);
        scene_done(&s);
        make_keys_done(&keys);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return 0;
}
