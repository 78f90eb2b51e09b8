/*
 * Requests from any bytes to the simulated ultravisor, whose host key is the one below: what a guest gets
 * answered, and what its store takes. An answer is to the very request, and a store grows by the tag of one
 * that was taken, once.
 */
#include <openssl/pem.h>

#include "attest/list-se.h"
#include "base/clean-openssl.h"
#include "sim/ultravisor-se.h"
#include "tests/fuzz/fuzz.h"

static const char key_text[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBQ0PnMaZRuvK5+T6P\n"
                               "ozf0x/Wol+x+vD7YTUUO6OQQWEefXf+2wVaCNIQuimohZ5gPBA8E3fkXz9VulI/F\n"
                               "mti3dSChgYkDgYYABADFto0+DM0HYmGrsyMuf3Vea+mAkHP3gqmXrkDV89js2kPv\n"
                               "XZncnCskAp1ljYe7HeO2pQZzF+EY7IzkdPsdeDBWrQA1qBubritKechv9AW8dhdN\n"
                               "Pg+MvZS6LiG4wDmoM1nW0+e4LtHlr3XDKOQZJdf0a6Goey1abjyHGUI0HHTAUajq\n"
                               "4Q==\n"
                               "-----END PRIVATE KEY-----\n";

static EVP_PKEY *host_key(void) {
        static EVP_PKEY *key;
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new_mem_buf(key_text, -1);

        if (!key)
                key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
        FUZZ_REQUIRE(key);
        return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t hash[32] = { 1 }, tags[SE_BOOT_TAGS_SIZE] = { 2 }, cuid[SE_CUID_SIZE] = { 3 },
                             user[64] = { 4 };
        const struct cvm_bytes request = { (uint8_t *)data, size };
        struct sim_store store = { 0 };
        const struct ultravisor_guest guest = { hash, tags, cuid, &store, user, sizeof user };
        CVM_CLEANUP(se_exchange_done) struct se_exchange answer = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };
        CVM_CLEANUP(cvm_freep) char *lines = NULL;
        struct cvm_error err = { 0 };

        if (ultravisor_attest(host_key(), &request, &guest, &answer, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_REQUEST_FORMAT);
        else
                FUZZ_REQUIRE(answer.is_answer && answer.request.size == size &&
                             memcmp(answer.request.data, data, size) == 0);
        for (int i = 0; i < 2; i++)
                if (ultravisor_add(host_key(), &request, &guest, &store).why)
                        FUZZ_REQUIRE(store.n == 0);
                else
                        FUZZ_REQUIRE(store.n == 1 && memcmp(store.tags[0], data + size - 16, 16) == 0);
        FUZZ_REQUIRE(ultravisor_list(&store, &list) == 0 && list.size == SE_LIST_PAGE);
        FUZZ_REQUIRE(se_list_lines(list.data, list.size, &lines, NULL) == 0);
        FUZZ_REQUIRE(!ultravisor_lock(&store).why && ultravisor_lock(&store).rc == 0x102);
        FUZZ_REQUIRE(ultravisor_add(host_key(), &request, &guest, &store).why);
        return 0;
}
