/*
 * The world around protected images, as files: `scene DIR [simulated]` makes certificates, lists and two
 * hosts with their keys, a kernel, an initrd and a loader; `start IMAGE KEY STAGE3A-SIZE DIR` is the host,
 * which opens the image with its private key and puts what it found into DIR, and the opened memory as a
 * file that starts without an ultravisor; `answer REQUEST KEY IMAGE USER DIR` is a guest of that image
 * there, which answers a request and says USER; `unseal REQUEST KEY DIR` opens a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/exchange-se.h"
#include "attest/secret-se.h"
#include "tests/attest/make-se.h"
#include "tests/launch/make-image-se.h"
#include "tests/attest/software-uv-se.h"

static const char *directory;

static void put(const char *name, const void *data, size_t size) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (cvm_write_file(path, data, size, 0644, NULL) < 0)
                exit(1);
}

static void put_certificate(const char *name, X509 *x509) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_pem(&x509, 1, NULL, 0);

        put(name, pem.data, pem.size);
}

static void put_lists(X509_CRL *const *lists, size_t n, const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_pem(NULL, 0, lists, n);

        put(name, pem.data, pem.size);
}

static void put_key(const char *name, EVP_PKEY *key) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long size;

        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        size = BIO_get_mem_data(bio, &data);
        put(name, data, (size_t)size);
        BIO_free(bio);
}

static void put_parts(void) {
        struct cvm_bytes kernel = make_kernel(MADE_KERNEL_SIZE, 0), initrd = make_filler(5000, 2),
                         stage3a = make_filler(MADE_STAGE3A_SIZE, 3),
                         stage3b = make_filler(MADE_STAGE3B_SIZE, 4);

        put("kernel", kernel.data, kernel.size);
        put("initrd", initrd.data, initrd.size);
        put("stage3a.bin", stage3a.data, stage3a.size);
        put("stage3b_reloc.bin", stage3b.data, stage3b.size);
        cvm_bytes_done(&kernel);
        cvm_bytes_done(&initrd);
        cvm_bytes_done(&stage3a);
        cvm_bytes_done(&stage3b);
}

static int scene(bool simulated) {
        struct se_scene s;
        EVP_PKEY *second = EVP_EC_gen("P-521");
        X509 *document;

        se_scene_begin(&s, simulated);
        se_scene_make(&s);
        put_certificate("root.pem", s.x509[0]);
        put_certificate("inter.pem", s.x509[1]);
        put_certificate("signer.pem", s.x509[2]);
        put_certificate("host1.pem", s.x509[3]);
        put_key("host1.key", s.host_key);
        s.host.key = second;
        s.host.serial = 5;
        document = se_make_certificate(&s.host);
        put_certificate("host2.pem", document);
        put_key("host2.key", second);
        put_lists(s.lists, 3, "lists.pem");
        put_lists(s.lists, 2, "lists-of-chain.pem");
        put_parts();
        X509_free(document);
        EVP_PKEY_free(second);
        se_scene_done(&s);
        return 0;
}

static int start(const char *image, const char *key_file, size_t stage3a_size) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        FILE *f = fopen(key_file, "r");
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
        struct uv_guest guest;

        if (f)
                fclose(f);
        if (!key || cvm_read_file(image, 64u << 20, &bytes, NULL) < 0 ||
            !uv_start(bytes.data, bytes.size, stage3a_size, key, &guest)) {
                puts("the image does not start here");
                return 1;
        }
        put("kernel", guest.kernel.data, guest.kernel.size);
        put("initrd", guest.initrd.data, guest.initrd.size);
        put("cmdline", guest.cmdline.data, guest.cmdline.size ? guest.cmdline.size - 1 : 0);
        put("cck", guest.cck, sizeof guest.cck);
        uv_flatten(&guest);
        put("flat", guest.memory, guest.size);
        printf("%016llx %016llx\n", (unsigned long long)guest.pcf, (unsigned long long)guest.scf);
        free(guest.memory);
        return 0;
}

static EVP_PKEY *read_private(const char *path) {
        FILE *f = fopen(path, "r");
        EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

        if (f)
                fclose(f);
        if (!key)
                exit(1);
        return key;
}

static int answer(const char *request, const char *key_file, const char *image, const char *user) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes file = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = read_private(key_file);
        CVM_CLEANUP(cvm_closep) int fd = open(image, O_RDONLY | O_CLOEXEC);
        uint8_t coordinates[160], additional[128], tags[SE_BOOT_TAGS_SIZE], measurement[64];
        struct se_header header;
        struct se_place place;

        if (cvm_read_file(request, SE_EXCHANGE_MAX, &bytes, NULL) < 0 ||
            se_exchange_read(bytes.data, bytes.size, &x, NULL) < 0 ||
            se_header_find(fd, image, &place, &header, NULL) < 0)
                return 1;
        uv_coordinates(key, coordinates);
        cvm_sha256(coordinates, sizeof coordinates, additional);
        memcpy(additional + 32, additional, 32);
        se_secret_store_hash(NULL, 0, false, additional + 64);
        se_header_boot_tags(&header, tags);
        memset(x.cuid, 0xc1, sizeof x.cuid);
        if (!uv_measure(x.request.data, x.request.size, key, tags, x.cuid, (const uint8_t *)user,
                        strlen(user), additional, x.expected_additional, measurement))
                return 1;
        x.is_answer = true;
        cvm_bytes_copy(measurement, sizeof measurement, &x.measurement);
        cvm_bytes_copy(additional, x.expected_additional, &x.additional);
        cvm_bytes_copy(user, strlen(user), &x.user_data);
        if (se_exchange_write(&x, &file) < 0)
                return 1;
        put("answer", file.data, file.size);
        return 0;
}

static int unseal(const char *request, const char *key_file) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = read_private(key_file);
        uint8_t plain[SE_SECRET_MAX + 32];
        size_t n;

        if (cvm_read_file(request, SE_REQUEST_MAX, &bytes, NULL) < 0)
                return 1;
        n = uv_open_request(bytes.data, bytes.size, 0x418, key, plain, sizeof plain);
        if (!n) {
                puts("the request does not open here");
                return 1;
        }
        put("secret", plain, n - 32);
        put("extension", plain + n - 32, 32);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 7 && strcmp(argv[1], "answer") == 0) {
                directory = argv[6];
                return answer(argv[2], argv[3], argv[4], argv[5]);
        }
        if (argc == 5 && strcmp(argv[1], "unseal") == 0) {
                directory = argv[4];
                return unseal(argv[2], argv[3]);
        }
        if (argc >= 3 && strcmp(argv[1], "scene") == 0) {
                directory = argv[2];
                return scene(argc > 3);
        }
        if (argc == 6 && strcmp(argv[1], "start") == 0) {
                directory = argv[5];
                return start(argv[2], argv[3], (size_t)atoi(argv[4]));
        }
        return 2;
}
