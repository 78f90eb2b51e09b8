/* Certificates, revocation lists and host-key documents from any bytes: each file could be any of them. */
#include "attest/hkd-se.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        const uint64_t now = 1800000000000;
        bool is_host = se_host_read(data, size, "file", &host, NULL) >= 0, verified;

        for (enum se_trust_kind kind = SE_TRUST_CERTIFICATES; kind <= SE_TRUST_ROOTS; kind++)
                (void)se_trust_add(&trust, kind, data, size, "file", NULL);
        verified = se_trust_verify(&trust, now, NULL) >= 0;
        FUZZ_REQUIRE(verified == (trust.signer != NULL));
        if (is_host)
                FUZZ_REQUIRE(host.x509 && host.key);
        if (is_host && verified)
                (void)se_host_check(&host, &trust, now, "file", NULL);
        return 0;
}
