/* Any text as an envelope: nobody's signature is on it, and a sealed secret in it has a header of one form.
 */
#include <string.h>

#include "attest/seal.h"
#include "attest/signed.h"
#include "tests/fuzz/fuzz.h"

static void look_inside(const char *text, size_t size) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(bye_done) struct bye bye = { 0 };
        struct cvm_secret_header header, again;
        struct cvm_error err = { 0 };

        (void)cvm_signed_peek(text, size, CVM_ENVELOPE_BYE, bye_fields, &bye, &err);
        if (cvm_secret_peek(text, size, &header, &err) < 0)
                return;
        FUZZ_REQUIRE(cvm_secret_header_write(&header, &bytes) == 0);
        FUZZ_REQUIRE(cvm_secret_header_read(bytes.data, bytes.size, &again, &err) == 0);
        FUZZ_REQUIRE(again.seq == header.seq && strcmp(again.name, header.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static EVP_PKEY *key; /* fresh: nothing in a corpus was signed by it */
        struct cvm_bytes payload = { 0 };
        struct cvm_error err = { 0 };

        if (!key)
                FUZZ_REQUIRE(cvm_key_make(CVM_KEY_SIGN, &key, &err) == 0);
        for (int type = 0; type < CVM_ENVELOPE_MAX_; type++)
                FUZZ_REQUIRE(cvm_envelope_open((const char *)data, size, (enum cvm_envelope_type)type, key,
                                               &payload, NULL, &err) < 0);
        look_inside((const char *)data, size);
        return 0;
}
