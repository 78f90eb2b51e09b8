#include "attest/formula.h"

#include <string.h>

void cvm_keyset_digest(const struct cvm_keyset *keyset, uint8_t ret[CVM_SHA384_SIZE]) {
        uint8_t bytes[2 * (2 + CVM_SPKI_SIZE)] = { 0, CVM_SPKI_SIZE };

        memcpy(bytes + 2, keyset->kem, CVM_SPKI_SIZE);
        bytes[2 + CVM_SPKI_SIZE + 1] = CVM_SPKI_SIZE;
        memcpy(bytes + 4 + CVM_SPKI_SIZE, keyset->sig, CVM_SPKI_SIZE);
        cvm_sha384(bytes, sizeof bytes, ret);
}

void cvm_key_id(const uint8_t spki[CVM_SPKI_SIZE], uint8_t ret[CVM_SHA384_SIZE]) {
        cvm_sha384(spki, CVM_SPKI_SIZE, ret);
}

/* domain with its NUL || u8 platform || u8 suite || nonce || keyset || binding || u64be generation */
static void report_data(const char *domain, const struct cvm_evidence_inputs *in, uint8_t *ret) {
        uint8_t bytes[32 + 2 + CVM_NONCE_SIZE + 2 * CVM_SHA384_SIZE + 8], *p = bytes;

        p = (uint8_t *)mempcpy(p, domain, strlen(domain) + 1);
        *p++ = in->platform;
        *p++ = in->suite;
        p = mempcpy(p, in->nonce, CVM_NONCE_SIZE);
        p = mempcpy(p, in->keyset, CVM_SHA384_SIZE);
        p = mempcpy(p, in->binding, CVM_SHA384_SIZE);
        for (int shift = 56; shift >= 0; shift -= 8)
                *p++ = (uint8_t)(in->generation >> shift);
        cvm_sha512(bytes, (size_t)(p - bytes), ret);
}

void cvm_report_data(const struct cvm_evidence_inputs *in, uint8_t ret[CVM_REPORT_DATA_SIZE]) {
        report_data("cvmd-evidence-v1", in, ret);
}

void cvm_report_data_migration(const struct cvm_evidence_inputs *in, uint8_t ret[CVM_REPORT_DATA_SIZE]) {
        report_data("cvmd-mig-evidence-v1", in, ret);
}

void cvm_report_data_host(const uint8_t data[64], uint8_t ret[CVM_REPORT_DATA_SIZE]) {
        uint8_t bytes[32 + 64], *p = bytes;

        p = mempcpy(p, "cvmd-host-report-v1", sizeof "cvmd-host-report-v1");
        p = mempcpy(p, data, 64);
        cvm_sha512(bytes, (size_t)(p - bytes), ret);
}

void cvm_hand_over_write(const struct cvm_hand_over *in, struct cvm_writer *w) {
        static const char domain[] = "cvmd-hand-over-v1";

        cvm_write_copy(w, domain, sizeof domain);
        cvm_write_u8(w, in->platform);
        cvm_write_u8(w, in->suite);
        cvm_write_copy(w, in->uuid, sizeof in->uuid);
        cvm_write_copy(w, in->keyset, sizeof in->keyset);
        cvm_write_copy(w, in->binding, sizeof in->binding);
        cvm_write_u64be(w, in->generation);
        cvm_write_u16be(w, in->n_secrets);
}

void cvm_hand_over_write_secret(uint8_t kind, const char *name, const uint8_t digest[CVM_SHA384_SIZE],
                                struct cvm_writer *w) {
        size_t length = strlen(name);

        cvm_write_u8(w, kind);
        cvm_write_u8(w, (uint8_t)length);
        cvm_write_copy(w, name, length);
        cvm_write_copy(w, digest, CVM_SHA384_SIZE);
}
