/* The simulated host of Secure Execution against the owner's side: its documents verify, images that are
 * built for it open for it alone, as an ultravisor of the tests' own says too, and its answers verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "attest/exchange-se.h"
#include "attest/hkd-se.h"
#include "attest/list-se.h"
#include "base/time.h"
#include "sim/sim.h"
#include "tests/launch/make-image-se.h"
#include "tests/attest/software-uv-se.h"
#include "tests/sim/make-secret-se.h"

static struct cvm_bytes pem;
static struct sim_root *root;
static struct se_host host;   /* its document, as an owner reads it */
static struct se_trust trust; /* and who vouches for it */
static EVP_PKEY *private;     /* for the tests' own ultravisor only */

static int begin(void **state) {
        CVM_CLEANUP(cvm_freep) char *certificates = NULL, *documents = NULL;
        struct cvm_error err = { 0 };
        BIO *bio;
        EVP_PKEY *key;

        if (sim_root_make(0, &pem, &err) < 0 || sim_root_read(pem.data, pem.size, &root, &err) < 0 ||
            sim_root_certificates(root, &certificates, &err) < 0 ||
            sim_root_documents(root, &documents, &err) < 0 ||
            se_trust_add(&trust, SE_TRUST_ROOTS, certificates, strlen(certificates), "roots", &err) < 0 ||
            se_trust_add(&trust, SE_TRUST_CERTIFICATES, documents, strlen(documents), "documents", &err) <
                            0 ||
            se_host_read(documents, strlen(documents), "document", &host, &err) < 0) {
                print_error("%s\n", err.text);
                return -1;
        }
        bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        while (bio && !private) { /* among those of the other technologies */
                char *name = NULL, *header = NULL;
                unsigned char *der = NULL;
                const unsigned char *p;
                long size;

                if (PEM_read_bio(bio, &name, &header, &der, &size) != 1)
                        break;
                p = der;
                key = strcmp(name, PEM_STRING_PKCS8INF) == 0 ? d2i_AutoPrivateKey(NULL, &p, size) : NULL;
                if (key && EVP_PKEY_eq(key, host.key) == 1)
                private = key;
                else EVP_PKEY_free(key);
                OPENSSL_free(name);
                OPENSSL_free(header);
                OPENSSL_free(der);
        }
        BIO_free(bio);
        return private ? 0 : -1;
}

static int drop(void **state) {
        root = sim_root_free(root);
        se_host_done(&host);
        se_trust_done(&trust);
        EVP_PKEY_free(private);
        cvm_bytes_done(&pem);
        return 0;
}

static void test_its_documents_verify_as_simulated(void **state) {
        struct cvm_error err = { 0 };
        uint8_t digest[32];

        if (se_trust_verify(&trust, cvm_time_now(), &err) < 0 ||
            se_host_check(&host, &trust, cvm_time_now(), "document", &err) < 0)
                fail_msg("%s", err.text);
        assert_true(trust.simulated && host.simulated);
        sim_root_digest(root, CVM_PLATFORM_SECURE_EXECUTION, digest);
        assert_memory_equal(digest, trust.root, 32);
        assert_true(sim_root_is_complete(root));
}

/* An image for this host and a stranger. */
static int build(struct make_image *m, struct se_image *ret) {
        struct cvm_error err = { 0 };
        int fd = make_file(NULL, 0);

        EVP_PKEY_free(m->hosts[0]);
        m->hosts[0] = host.key;
        EVP_PKEY_up_ref(host.key);
        if (se_image_build(&m->build, fd, ret, &err) < 0)
                fail_msg("%s", err.text);
        return fd;
}

static int open_image(int fd, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int flat = make_file(NULL, 0);
        struct sim_store store;
        int r = sim_image_open(root, CVM_PLATFORM_SECURE_EXECUTION, fd, flat, &store, err);

        if (r >= 0)
                *ret = make_bytes_of(flat);
        return r;
}

/* What QEMU boots is what an independent ultravisor has in memory, behind an entry of its own. */
static void test_images_open_to_what_they_hold(void **state) {
        for (int plain = 0; plain < 2; plain++) {
                CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 }, flat = { 0 };
                CVM_CLEANUP(cvm_closep) int fd = -EBADF;
                struct cvm_error err = { 0 };
                struct se_image image;
                struct uv_guest guest = { 0 };
                const uint8_t entry[4] = { 0, 8, 0, 1 };

                make_image(&m, 2);
                if (plain)
                        m.build.pcf |= SE_PCF_PLAIN;
                fd = build(&m, &image);
                bytes = make_bytes_of(fd);
                assert_true(uv_start(bytes.data, bytes.size, m.stage3a.size, private, &guest));
                if (open_image(fd, &flat, &err) < 0)
                        fail_msg("%s", err.text);
                assert_memory_equal(flat.data, entry, sizeof entry);
                assert_int_equal(uv_number(flat.data + 4, 4) & 0x7fffffff, guest.psw_address);
                for (size_t i = 0; i < image.n_components; i++)
                        assert_memory_equal(flat.data + image.components[i].address,
                                            guest.memory + image.components[i].address,
                                            image.components[i].size);
                assert_true(cvm_is_zero(flat.data + 0x10000,
                                        0x1000)); /* the loader's first stage is not in it */
                free(guest.memory);
        }
}

static void refused(const struct cvm_bytes *bytes, size_t at, const struct cvm_code *code,
                    const char *words) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes flat = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct cvm_error err = { 0 };

        if (at)
                bytes->data[at] ^= 1;
        fd = make_file(bytes->data, bytes->size);
        assert_true(open_image(fd, &flat, &err) < 0);
        if (err.code != code || !strstr(err.text, words))
                fail_msg("at %zu: %s", at, err.text);
        if (at)
                bytes->data[at] ^= 1;
}

static void test_what_hardware_would_refuse_is_refused(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 }, n = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 }, others = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF, other = make_file(NULL, 0);
        struct se_image image, foreign;
        struct cvm_error err = { 0 };
        size_t header;

        make_image(&m, 2);
        fd = build(&m, &image);
        bytes = make_bytes_of(fd);
        header = image.place.header;
        refused(&bytes, header + 0x1a0, &CVM_CODE_HOST_KEY_SLOT, "none of its key slots");
        refused(&bytes, header + 0x1a0 + 32, &CVM_CODE_IMAGE_CHANGED, "key slot");
        refused(&bytes, header + 0x40 + 79, &CVM_CODE_IMAGE_CHANGED, "customer key");
        refused(&bytes, header + 0x3f, &CVM_CODE_IMAGE_CHANGED, "does not open"); /* the flags */
        refused(&bytes, header + 0xe0, &CVM_CODE_IMAGE_CHANGED, "does not open");
        refused(&bytes, header + image.header.size - 1, &CVM_CODE_IMAGE_CHANGED, "does not open");
        refused(&bytes, image.components[0].address + 100, &CVM_CODE_IMAGE_CHANGED, "(PLD)");
        refused(&bytes, image.components[2].address, &CVM_CODE_IMAGE_CHANGED, "(PLD)");
        refused(&bytes, image.place.ipib + 0x88 + 7, &CVM_CODE_IMAGE_CHANGED, "(TLD)");
        make_image(&n, 1);
        assert_int_equal(se_image_build(&n.build, other, &foreign, &err), 0);
        others = make_bytes_of(other);
        refused(&others, 0, &CVM_CODE_HOST_KEY_SLOT, "none of its key slots");
}

/* --- attestation --- */

static struct sim_question ask(const struct se_attestation *attestation, EVP_PKEY *to,
                               uint8_t key[SE_KEY_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *customer = EVP_EC_gen("P-521");
        static const uint8_t iv[SE_IV_SIZE] = { 7 };
        const struct se_recipients recipients = {
                .customer = customer, .hosts = &to, .n_hosts = 1, .key = key, .iv = iv
        };
        struct sim_question question = { .report_data = { 1, 2, 3 } };
        struct cvm_error err = { 0 };

        memset(key, 9, SE_KEY_SIZE);
        if (se_attestation_make(attestation, &recipients, &question.request, &err) < 0)
                fail_msg("%s", err.text);
        return question;
}

static const struct se_attestation everything = {
        .flags = SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY | SE_ATTEST_SECRETS | SE_ATTEST_FIRMWARE,
        .has_nonce = true,
        .measurement_key = { 5 },
        .nonce = { 6 },
};

static struct sim_guest make_guest(void) {
        struct sim_guest guest = { .platform = CVM_PLATFORM_SECURE_EXECUTION,
                                   .report_id = { 0xc0, 0x1d },
                                   .image_size = SE_BOOT_TAGS_SIZE };

        memset(guest.image, 0x77, SE_BOOT_TAGS_SIZE);
        return guest;
}

static void test_answers_verify_for_their_image_alone(void **state) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer answer = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        struct sim_guest guest = make_guest();
        struct se_additional additional;
        struct cvm_error err = { 0 };
        uint8_t key[SE_KEY_SIZE], measurement[64], store[64];
        struct sim_question question = ask(&everything, host.key, key);
        uint64_t flags;

        if (sim_report(root, &guest, &question, &answer, &err) < 0 ||
            se_exchange_read(answer.report.data, answer.report.size, &x, &err) < 0 ||
            se_exchange_verify(&x, key, guest.image, &flags, &err) < 0 ||
            se_additional_read(flags, x.additional.data, x.additional.size, &additional, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(x.user_data.size, 64);
        assert_memory_equal(x.user_data.data, question.report_data, 64);
        assert_memory_equal(x.cuid, guest.report_id, SE_CUID_SIZE);
        assert_memory_equal(additional.image_key, host.hash, 32);
        assert_memory_equal(additional.request_key, host.hash, 32);
        se_secret_store_hash(NULL, 0, false, store);
        assert_memory_equal(additional.secrets, store, 64);
        assert_true(uv_measure(question.request.data, question.request.size, private, guest.image, x.cuid,
                               question.report_data, 64, x.additional.data, x.additional.size, measurement));
        assert_memory_equal(x.measurement.data, measurement, 64);
        guest.image[207] ^= 1;
        assert_true(se_exchange_verify(&x, key, guest.image, &flags, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_MAC);
        cvm_bytes_done(&question.request);
}

static void test_requests_that_are_not_for_it_are_refused(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *stranger = EVP_EC_gen("P-521");
        struct sim_guest guest = make_guest();
        uint8_t key[SE_KEY_SIZE];
        struct sim_question good = ask(&everything, host.key, key),
                            strange = ask(&everything, stranger, key), none = { 0 };
        const struct {
                const struct sim_question *question;
                size_t size, at;
                const struct cvm_code *code;
        } cases[] = {
                { &none, 0, 0, &CVM_CODE_EVIDENCE_REQUEST },
                { &strange, 0, 0, &CVM_CODE_REQUEST_FORMAT },
                { &good, 47, 0, &CVM_CODE_REQUEST_FORMAT },
                { &good, 0x41, 0, &CVM_CODE_REQUEST_FORMAT },
                { &good, 399, 0, &CVM_CODE_REQUEST_FORMAT },
                { &good, 0, 0x27, &CVM_CODE_REQUEST_FORMAT },  /* number of slots */
                { &good, 0, 0x37, &CVM_CODE_REQUEST_FORMAT },  /* flags */
                { &good, 0, 0x3b, &CVM_CODE_REQUEST_FORMAT },  /* algorithm */
                { &good, 0, 0x110, &CVM_CODE_REQUEST_FORMAT }, /* wrapped key */
                { &good, 0, 0x130, &CVM_CODE_REQUEST_FORMAT }, /* what is sealed */
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(sim_answer_done) struct sim_answer answer = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes copy = { 0 };
                struct sim_question question = *cases[i].question;
                struct cvm_error err = { 0 };

                cvm_bytes_copy(question.request.data, question.request.size, &copy);
                if (cases[i].at)
                        copy.data[cases[i].at] ^= 1;
                question.request = copy;
                if (cases[i].size)
                        question.request.size = cases[i].size;
                if (sim_report(root, &guest, &question, &answer, &err) >= 0 || err.code != cases[i].code)
                        fail_msg("%zu: %s", i, err.text);
                assert_null(answer.report.data);
        }
        cvm_bytes_done(&good.request);
        cvm_bytes_done(&strange.request);
}

/* --- secrets --- */

static uint64_t secret_flags;           /* of those that follow */
static const char *secret_type;         /* NULL: association */
static const uint8_t *secret_extension; /* in place of the one that is named by a number */

static struct cvm_bytes make_secret(const char *name, EVP_PKEY *to, const struct sim_guest *guest,
                                    const uint8_t *cuid, uint8_t extension) {
        const uint8_t shared[SE_EXTENSION_SIZE] = { extension };
        const struct make_secret secret = { .name = name,
                                            .to = to,
                                            .boot_tags = guest->image,
                                            .cuid = cuid,
                                            .extension = secret_extension ? secret_extension : shared,
                                            .type = secret_type,
                                            .flags = secret_flags };
        struct cvm_bytes request = make_secret_request(&secret);

        assert_non_null(request.data);
        return request;
}

static void expect_kept(struct sim_guest *guest, struct cvm_bytes *request, const char *words) {
        char said[SIM_WORDS_MAX];
        struct cvm_error err = { 0 };
        int r = sim_keep(root, guest, request, said, &err);

        if (r < 0)
                fail_msg("%s", err.text);
        if (!strstr(said, words) || r != !strstr(words, "has added"))
                fail_msg("%d, %s", r, said);
        cvm_bytes_done(request);
}

/* What an attestation says of the store, against the tests' own ultravisor that was given the same. */
static void expect_store_as(const struct sim_guest *guest, const struct uv_store *same, bool locked) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer answer = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        uint8_t key[SE_KEY_SIZE], hash[64];
        struct sim_question question = ask(&everything, host.key, key);
        struct cvm_error err = { 0 };

        if (sim_report(root, guest, &question, &answer, &err) < 0 ||
            se_exchange_read(answer.report.data, answer.report.size, &x, &err) < 0)
                fail_msg("%s", err.text);
        uv_store_hash(same, locked, hash);
        assert_memory_equal(x.additional.data + 64, hash, sizeof hash);
        cvm_bytes_done(&question.request);
}

static void expect_store(const struct sim_guest *guest, const struct uv_store *same) {
        expect_store_as(guest, same, false);
}

static void test_the_store_is_what_was_added_in_this_boot(void **state) {
        struct sim_guest guest = make_guest();
        struct uv_store same = { 0 };
        struct cvm_bytes request, again = { 0 };

        sim_guest_boot(&guest, "first");
        for (int i = 0; i < 2; i++) {
                request = make_secret(i ? "a" : "b", host.key, &guest, i ? guest.report_id : NULL, 1);
                assert_int_equal(uv_add(&same, request.data, request.size, private, guest.image,
                                        guest.report_id),
                                 1);
                cvm_bytes_copy(request.data, request.size, &again);
                expect_kept(&guest, &request, "has added it");
                expect_kept(&guest, &again, "has added it"); /* once */
                expect_store(&guest, &same);
        }
        sim_guest_boot(&guest, "first"); /* the daemon was restarted */
        expect_store(&guest, &same);
        sim_guest_boot(&guest, "second");
        expect_store(&guest, &(struct uv_store){ 0 });
}

static void test_a_locked_store_takes_nothing_until_the_next_boot(void **state) {
        struct sim_guest guest = make_guest();
        struct uv_store same = { 0 };
        struct cvm_bytes request, again = { 0 };
        char words[SIM_WORDS_MAX];

        sim_guest_boot(&guest, "first");
        request = make_secret("a", host.key, &guest, NULL, 1);
        uv_add(&same, request.data, request.size, private, guest.image, guest.report_id);
        cvm_bytes_copy(request.data, request.size, &again);
        expect_kept(&guest, &request, "has added it");
        assert_int_equal(sim_lock(root, &guest, words, NULL), 0);
        assert_string_equal(words, "the simulated ultravisor has locked the secret store");
        assert_int_equal(sim_lock(root, &guest, words, NULL), 1);
        assert_non_null(strstr(words, "did not lock the secret store: it is locked already (rc 0x102)"));
        expect_kept(&guest, &again, "the secret store is locked (rc 0x102)");
        request = make_secret("b", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "the secret store is locked (rc 0x102)");
        expect_store_as(&guest, &same, true);
        sim_guest_boot(&guest, "second");
        expect_store(&guest, &(struct uv_store){ 0 });
        request = make_secret("c", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has added it");
}

static void expect_list(const struct sim_guest *guest, const char *lines) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };
        CVM_CLEANUP(cvm_freep) char *said = NULL;

        assert_int_equal(sim_list(root, guest, &list, NULL), 0);
        assert_int_equal(list.size, SE_LIST_PAGE);
        assert_int_equal(se_list_lines(list.data, list.size, &said, NULL), 0);
        assert_string_equal(said, lines);
}

/* By the ids of those that were taken in this boot; what has no id is not listed. */
static void test_a_list_names_what_was_added(void **state) {
        struct sim_guest guest = make_guest(), other = { .platform = CVM_PLATFORM_SEV_SNP };
        char a[65], b[65], lines[512];
        uint8_t id[SE_SECRET_ID_SIZE];
        struct cvm_bytes request;
        struct cvm_bytes none = { 0 };
        struct cvm_error err = { 0 };

        se_secret_id("a", false, id);
        cvm_hex(id, sizeof id, a);
        se_secret_id("b", false, id);
        cvm_hex(id, sizeof id, b);
        sim_guest_boot(&guest, "first");
        expect_list(&guest, "0 of 0 secrets");
        request = make_secret("b", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has added it");
        request = make_secret("late", host.key, &guest, NULL, 2);
        expect_kept(&guest, &request, "another extension secret");
        secret_type = "meta";
        request = make_secret("none", host.key, &guest, NULL, 1);
        secret_type = "aes-256";
        expect_kept(&guest, &request, "has added it");
        request = make_secret("a", host.key, &guest, NULL, 1);
        secret_type = NULL;
        expect_kept(&guest, &request, "has added it");
        snprintf(lines, sizeof lines, "0 association %s\n1 aes-256 %s\n2 of 2 secrets", b, a);
        expect_list(&guest, lines);
        sim_guest_boot(&guest, "second");
        expect_list(&guest, "0 of 0 secrets");
        assert_true(sim_list(root, &other, &none, &err) < 0);
        assert_ptr_equal(cvm_error_code(&err), &CVM_CODE_SIM_PLATFORM);
}

static void test_an_owner_forbids_dumps_of_this_boot(void **state) {
        struct sim_guest guest = make_guest();
        struct cvm_bytes request;

        sim_guest_boot(&guest, "first");
        secret_flags = SE_SECRET_DISABLE_DUMP >> 1;
        request = make_secret("a", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has flags that it does not know (rc 0x107)");
        secret_flags = 0;
        request = make_secret("a", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has added it");
        assert_false(sim_guest_forbids_dump(&guest));
        secret_flags = SE_SECRET_DISABLE_DUMP;
        request = make_secret("b", host.key, &guest, NULL, 2);
        expect_kept(&guest, &request, "another extension secret");
        assert_false(sim_guest_forbids_dump(&guest));
        request = make_secret("b", host.key, &guest, NULL, 1);
        secret_flags = 0;
        expect_kept(&guest, &request, "has added it");
        request = make_secret("c", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has added it");
        assert_true(sim_guest_forbids_dump(&guest));
        sim_guest_boot(&guest, "second");
        assert_false(sim_guest_forbids_dump(&guest));
}

/* A guest that the simulated host started from this image. */
static void boot_image(struct make_image *m, struct se_image *ret_image, struct sim_guest *guest) {
        CVM_CLEANUP(cvm_closep) int fd = build(m, ret_image);
        CVM_CLEANUP(cvm_closep) int flat = make_file(NULL, 0);
        struct cvm_error err = { 0 };

        if (sim_image_open(root, CVM_PLATFORM_SECURE_EXECUTION, fd, flat, &guest->store, &err) < 0)
                fail_msg("%s", err.text);
        se_header_boot_tags(&ret_image->header, guest->image);
}

/* With its flag only requests that carry what is derived from the image's key are taken, in each boot. */
static void test_an_image_may_demand_its_own_extension_secret(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
        struct sim_guest guest = make_guest();
        struct se_image image;
        struct cvm_bytes request;
        uint8_t own[SE_EXTENSION_SIZE];

        make_image(&m, 2);
        m.build.scf |= SE_SCF_EXTENSION_SECRET;
        boot_image(&m, &image, &guest);
        assert_int_equal(se_extension_secret(se_keys(&m.keys)->cck, se_header_tag(&image.header), own), 0);
        for (int boot = 0; boot < 2; boot++) {
                sim_guest_boot(&guest, boot ? "second" : "first");
                request = make_secret("a", host.key, &guest, NULL, 0);
                expect_kept(&guest, &request, "another extension secret than the image (rc 0x10c)");
                request = make_secret("a", host.key, &guest, NULL, 1);
                expect_kept(&guest, &request, "another extension secret than the image (rc 0x10c)");
                expect_store(&guest, &(struct uv_store){ 0 });
                for (int i = 0; i < 2; i++) {
                        secret_extension = own;
                        request = make_secret("a", host.key, &guest, NULL, 0);
                        secret_extension = NULL;
                        expect_kept(&guest, &request, "has added it");
                }
        }
}

/* Another customer key is for images whose header lets it in, in each boot. */
static void test_an_image_may_allow_another_customer_key(void **state) {
        for (int allows = 0; allows < 2; allows++) {
                CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
                struct sim_guest guest = make_guest();
                struct se_image image;
                struct cvm_bytes request;

                make_image(&m, 2);
                m.build.scf = allows ? SE_SCF_CCK_UPDATE : 0;
                boot_image(&m, &image, &guest);
                for (int boot = 0; boot < 2; boot++) {
                        sim_guest_boot(&guest, boot ? "second" : "first");
                        secret_type = "cck-update";
                        request = make_secret(NULL, host.key, &guest, NULL, 0);
                        secret_type = NULL;
                        expect_kept(&guest, &request,
                                    allows ? "has added it"
                                           : "does not allow another customer key (rc 0x10c)");
                        expect_list(&guest, "0 of 0 secrets");
                        assert_int_equal(guest.store.n, allows);
                }
        }
}

static void test_requests_that_the_store_refuses(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *stranger = EVP_EC_gen("P-521");
        struct sim_guest guest = make_guest(), other = make_guest();
        struct cvm_bytes request = make_secret("a", host.key, &guest, NULL, 1);

        other.image[0] ^= 1;
        sim_guest_boot(&guest, "first");
        sim_guest_boot(&other, "other");
        request.data[request.size - 20] ^= 1;
        expect_kept(&guest, &request, "was changed (rc 0x108)");
        request = make_secret("a", stranger, &guest, NULL, 1);
        expect_kept(&guest, &request, "not made for this host");
        request = make_secret("a", host.key, &other, NULL, 1);
        expect_kept(&guest, &request, "another image (rc 0x10c)");
        request = make_secret("a", host.key, &guest, other.report_id, 1);
        expect_kept(&guest, &request, "another run of the image (rc 0x10c)");
        request = make_secret("a", host.key, &guest, NULL, 1);
        request.size--;
        expect_kept(&guest, &request, "no request that adds");
        expect_store(&guest, &(struct uv_store){ 0 });
        request = make_secret("a", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "has added it");
        request = make_secret("b", host.key, &guest, NULL, 2);
        expect_kept(&guest, &request, "another extension secret");
        for (int i = 1; i < SIM_STORE_MAX; i++) {
                request = make_secret("b", host.key, &guest, NULL, 1);
                expect_kept(&guest, &request, "has added it");
        }
        request = make_secret("c", host.key, &guest, NULL, 1);
        expect_kept(&guest, &request, "is full (rc 0x10b)");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_its_documents_verify_as_simulated),
                cmocka_unit_test(test_images_open_to_what_they_hold),
                cmocka_unit_test(test_what_hardware_would_refuse_is_refused),
                cmocka_unit_test(test_answers_verify_for_their_image_alone),
                cmocka_unit_test(test_requests_that_are_not_for_it_are_refused),
                cmocka_unit_test(test_the_store_is_what_was_added_in_this_boot),
                cmocka_unit_test(test_an_image_may_demand_its_own_extension_secret),
                cmocka_unit_test(test_a_locked_store_takes_nothing_until_the_next_boot),
                cmocka_unit_test(test_a_list_names_what_was_added),
                cmocka_unit_test(test_an_owner_forbids_dumps_of_this_boot),
                cmocka_unit_test(test_an_image_may_allow_another_customer_key),
                cmocka_unit_test(test_requests_that_the_store_refuses),
        };

        return cmocka_run_group_tests(tests, begin, drop);
}
