/*
 * The world around protected images, as files: `scene DIR [simulated]` makes certificates, lists and two
 * hosts with their keys, a kernel, an initrd and a loader; `start IMAGE KEY STAGE3A-SIZE DIR` is the host,
 * which opens the image with its private key and puts what it found into DIR, and the opened memory as a
 * file that starts without an ultravisor; `answer DIR REQUEST KEY IMAGE USER [ADDED...]` is a guest of that
 * image there, whose store took what was ADDED, and which answers a request and says USER; `bundle REQUEST
 * KEY IMAGE NONCE BINDING [ADDED...]` is one with our agent, whose boot keys make-bundle keeps; `unseal
 * REQUEST KEY DIR` opens a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/bundle.h"
#include "attest/envelope.h"
#include "attest/exchange-se.h"
#include "attest/keys.h"
#include "attest/secret-se.h"
#include "base/names.h"
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

/* --- a guest that runs --- */

struct run {
        struct se_exchange x; /* what it answers */
        EVP_PKEY *host;
        uint8_t tags[SE_BOOT_TAGS_SIZE];
        struct uv_store store;
};

static void run_done(struct run *run) {
        se_exchange_done(&run->x);
        EVP_PKEY_free(run->host);
}

/* One more request for its store; what the ultravisor says of it is told where it refuses. */
static void add(struct run *run, const char *path) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        uint16_t rc;

        if (cvm_read_file(path, SE_REQUEST_MAX, &request, NULL) < 0)
                exit(1);
        rc = uv_add(&run->store, request.data, request.size, run->host, run->tags, run->x.cuid);
        if (rc == 1)
                return;
        fprintf(stderr, "the request is refused: %x\n", rc);
        exit(1);
}

/* added: files, up to a NULL */
static void begin(struct run *run, const char *request, const char *key_file, const char *image,
                  char **added) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = open(image, O_RDONLY | O_CLOEXEC);
        struct se_header header;
        struct se_place place;

        run->host = read_private(key_file);
        if (cvm_read_file(request, SE_EXCHANGE_MAX, &bytes, NULL) < 0 ||
            se_exchange_read(bytes.data, bytes.size, &run->x, NULL) < 0 ||
            se_header_find(fd, image, &place, &header, NULL) < 0)
                exit(1);
        se_header_boot_tags(&header, run->tags);
        memset(run->x.cuid, 0xc1, sizeof run->x.cuid);
        while (*added)
                add(run, *added++);
}

static void measure(struct run *run, const void *user, size_t user_size, struct cvm_bytes *ret) {
        uint8_t coordinates[160], additional[128], measurement[64];
        struct se_exchange *x = &run->x;

        uv_coordinates(run->host, coordinates);
        cvm_sha256(coordinates, sizeof coordinates, additional);
        memcpy(additional + 32, additional, 32);
        uv_store_hash(&run->store, false, additional + 64);
        if (!uv_measure(x->request.data, x->request.size, run->host, run->tags, x->cuid, user, user_size,
                        additional, x->expected_additional, measurement))
                exit(1);
        x->is_answer = true;
        cvm_bytes_copy(measurement, sizeof measurement, &x->measurement);
        cvm_bytes_copy(additional, x->expected_additional, &x->additional);
        cvm_bytes_copy(user, user_size, &x->user_data);
        if (se_exchange_write(x, ret) < 0)
                exit(1);
}

static int answer(char **arguments) {
        CVM_CLEANUP(run_done) struct run run = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes file = { 0 };

        begin(&run, arguments[0], arguments[1], arguments[2], arguments + 4);
        measure(&run, arguments[3], strlen(arguments[3]), &file);
        put("answer", file.data, file.size);
        return 0;
}

/* The boot's keys are those of make-bundle. */
static void put_key_spki(const char *name, uint8_t ret[CVM_SPKI_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = read_private(name);

        if (cvm_key_spki(key, ret, NULL) < 0)
                exit(1);
}

/* What our agent in it says, as the daemon hands it on. */
static int bundle(char **arguments) {
        CVM_CLEANUP(run_done) struct run run = { 0 };
        CVM_CLEANUP(bundle_done)
        struct bundle bundle = { .version = 1,
                                 .platform = CVM_PLATFORM_SECURE_EXECUTION,
                                 .suite = CVM_SUITE };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes envelope = { 0 }, payload = { 0 };
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_evidence_inputs in = { .suite = CVM_SUITE };
        uint8_t spki[CVM_SPKI_SIZE], user[CVM_REPORT_DATA_SIZE];

        begin(&run, arguments[0], arguments[1], arguments[2], arguments + 5);
        put_key_spki("owner.pem", spki);
        put_key_spki("boot-kem.pem", bundle.keyset.kem);
        put_key_spki("boot-sig.pem", bundle.keyset.sig);
        if (cvm_unhex(arguments[3], in.nonce, sizeof in.nonce) < 0 ||
            cvm_read_file(arguments[4], CVM_ENVELOPE_MAX, &envelope, NULL) < 0 ||
            cvm_envelope_peek((char *)envelope.data, envelope.size, CVM_ENVELOPE_BINDING, &payload, NULL) <
                            0 ||
            binding_read(payload.data, payload.size, &binding, NULL) < 0 ||
            cvm_bytes_copy(spki, sizeof spki, &bundle.owner) < 0)
                return 1;
        bundle.simulated = binding.class_ == CVM_CLASS_SIMULATED;
        bundle.uuid = strdup(binding.uuid);
        bundle.binding = strdup((char *)envelope.data);
        memcpy(bundle.nonce, in.nonce, sizeof bundle.nonce);
        in.platform = cvm_platform_byte(CVM_PLATFORM_SECURE_EXECUTION, bundle.simulated);
        cvm_sha384(payload.data, payload.size, in.binding);
        cvm_keyset_digest(&bundle.keyset, in.keyset);
        cvm_report_data(&in, user);
        measure(&run, user, sizeof user, &bundle.report);
        text = bundle_write(&bundle);
        puts(text);
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
        if (argc >= 7 && strcmp(argv[1], "answer") == 0) {
                directory = argv[2];
                return answer(argv + 3);
        }
        if (argc >= 7 && strcmp(argv[1], "bundle") == 0)
                return bundle(argv + 2);
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
