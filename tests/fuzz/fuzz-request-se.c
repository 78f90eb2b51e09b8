/*
 * Requests, answers and exchange files from any bytes, opened with a key of zeros. An exchange file that is
 * taken and written again says the same; as evidence it is never authentic but for the request it answers.
 */
#include "attest/evidence.h"
#include "attest/exchange-se.h"
#include "attest/secret-se.h"
#include "tests/fuzz/fuzz.h"

static void exchange(const uint8_t *data, size_t size) {
        static const uint8_t key[SE_KEY_SIZE], tags[SE_BOOT_TAGS_SIZE];
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange again = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        if (se_exchange_read(data, size, &x, NULL) < 0)
                return;
        FUZZ_REQUIRE(x.request.size <= size && x.user_data.size <= SE_USER_DATA_MAX);
        (void)se_exchange_verify(&x, key, tags, NULL, NULL);
        FUZZ_REQUIRE(se_exchange_write(&x, &bytes) == 0);
        FUZZ_REQUIRE(se_exchange_read(bytes.data, bytes.size, &again, NULL) == 0);
        FUZZ_REQUIRE(again.is_answer == x.is_answer && again.request.size == x.request.size);
}

static void judge(const uint8_t *data, size_t size) {
        static const uint8_t zeros[SE_BOOT_TAGS_SIZE];
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_SECURE_EXECUTION);
        const struct bundle bundle = { .report = { (uint8_t *)data, size } };
        const struct evidence_kept kept = { .request = zeros,
                                            .key = zeros,
                                            .root = zeros,
                                            .hosts = zeros,
                                            .n_hosts = 1,
                                            .image = zeros,
                                            .image_size = sizeof zeros };
        struct evidence *evidence = NULL;
        struct evidence_claims own = { 0 };
        struct evidence_origin origin;

        if (ops->parse(&bundle, &evidence, NULL) < 0)
                return;
        ops->own(evidence, &own);
        FUZZ_REQUIRE(ops->authenticate(evidence, 0, &origin, NULL) < 0);
        ops->use_kept(evidence, &kept);
        FUZZ_REQUIRE(ops->authenticate(evidence, 0, &origin, NULL) < 0);
        ops->free(evidence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t key[SE_KEY_SIZE];
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct se_secret_seen seen;
        struct se_additional additional;
        struct cvm_error err = { 0 };

        uint64_t flags;

        if (se_attestation_open(data, size, key, &opened, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_REQUEST_FORMAT);
        else
                FUZZ_REQUIRE(se_attestation_flags(data, size, &flags, NULL) == 0);
        if (se_attestation_flags(data, size, &flags, NULL) == 0)
                FUZZ_REQUIRE(se_additional_size(flags) <= 32 + 32 + 64 + 320);
        if (se_secret_verify(data, size, NULL, &seen, NULL) >= 0)
                FUZZ_REQUIRE(seen.user <= SE_USER_UNSIGNED && seen.user_data_size <= sizeof seen.user_data);
        (void)se_additional_read(SE_ATTEST_IMAGE_KEY | SE_ATTEST_SECRETS, data, size, &additional, NULL);
        exchange(data, size);
        judge(data, size);
        return 0;
}
