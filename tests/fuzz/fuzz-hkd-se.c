/* Certificates, revocation lists and host-key documents from any bytes: each file could be any of them. The
 * distribution points of a document are addresses that may be asked. */
#include "base/json.h"
#include "collateral/source-se.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(cvm_texts_freep) char **points = NULL;
        const uint64_t now = 1800000000000;
        bool is_host = se_host_read(data, size, "file", &host, NULL) >= 0, verified;

        for (enum se_trust_kind kind = SE_TRUST_CERTIFICATES; kind <= SE_TRUST_ROOTS; kind++)
                (void)se_trust_add(&trust, kind, data, size, "file", NULL);
        verified = se_trust_verify(&trust, now, NULL) >= 0;
        FUZZ_REQUIRE(verified == (trust.signer != NULL));
        if (is_host)
                FUZZ_REQUIRE(host.x509 && host.key && se_points(host.x509, &points) >= 0);
        for (size_t i = 0; points && points[i]; i++)
                FUZZ_REQUIRE(i < SE_POINTS_MAX && http_uri_is_valid(points[i]));
        if (is_host && verified)
                (void)se_host_check(&host, &trust, now, "file", NULL);
        return 0;
}
