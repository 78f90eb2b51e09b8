/* The SEV-SNP launch digest against published values, and against our own synthetic firmware for ever. */
#include "launch/measure-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/synthetic-snp.h"
#include "tests/shared.h"

static void assert_digest(const struct measure_inputs *in, const char *expected) {
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };
        char hex[97];

        if (snp_measure(in, &m, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(m.size, 48);
        cvm_hex(m.digest, m.size, hex);
        assert_string_equal(hex, expected);
}

static void assert_refused(const struct measure_inputs *in, const struct cvm_code *code) {
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };

        assert_true(snp_measure(in, &m, &err) < 0);
        assert_ptr_equal(err.code, code);
        assert_int_equal(m.size, 0);
}

/* Published by another implementation (virtee/sev-snp-measure); null kernel and initrd are empty files. */
static const struct {
        const char *firmware;
        uint32_t vcpus;
        uint64_t features;
        bool kernel;
        const char *cmdline, *expected;
} published[] = {
        { "ovmf_AmdSev_suffix.bin", 1, 0x21, true, "",
          "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198" },
        { "ovmf_AmdSev_suffix.bin", 1, 0x1, true, "",
          "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5" },
        { "ovmf_AmdSev_suffix.bin", 1, 0x21, true, "console=ttyS0 loglevel=7",
          "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977" },
        { "ovmf_AmdSev_suffix.bin", 1, 0x1, true, "console=ttyS0 loglevel=7",
          "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa" },
        { "ovmf_AmdSev_suffix.bin", 1, 0x21, false, NULL,
          "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b" },
        { "ovmf_AmdSev_suffix.bin", 1, 0x1, false, NULL,
          "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d" },
        { "ovmf_AmdSev_suffix.bin", 4, 0x21, true, "",
          "4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942" },
        { "ovmf_AmdSev_suffix.bin", 4, 0x1, true, "",
          "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5" },
        { "ovmf_OvmfX64_suffix.bin", 1, 0x21, false, NULL,
          "28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385" },
        { "ovmf_OvmfX64_suffix.bin", 1, 0x1, false, NULL,
          "da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005" },
};

static void read_firmware(const char *name, struct cvm_bytes *ret) {
        struct cvm_error err = { 0 };
        char below[256];

        snprintf(below, sizeof below, "vectors/snp/launch/%s", name);
        if (cvm_read_file(shared_path(below), 1 << 20, ret, &err) < 0)
                fail_msg("%s", err.text);
}

static void test_published_digests(void **state) {
        if (shared_is_absent("vectors/snp/launch"))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(published); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };

                read_firmware(published[i].firmware, &firmware);
                struct measure_inputs in = {
                        .firmware = firmware.data,
                        .firmware_size = firmware.size,
                        .vcpus = published[i].vcpus,
                        .cpu_model = "EPYC-v4",
                        .guest_features = published[i].features,
                        .has_kernel = published[i].kernel,
                        .has_initrd = published[i].kernel,
                        .cmdline = published[i].cmdline,
                };
                cvm_sha256("", 0, in.kernel_sha256);
                cvm_sha256("", 0, in.initrd_sha256);
                assert_digest(&in, published[i].expected);
        }
}

static void test_kernel_without_room_is_refused(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };

        if (shared_is_absent("vectors/snp/launch"))
                skip();
        read_firmware("ovmf_OvmfX64_suffix.bin", &firmware);
        struct measure_inputs in = { .firmware = firmware.data,
                                     .firmware_size = firmware.size,
                                     .vcpus = 1,
                                     .cpu_model = "EPYC-v4",
                                     .has_kernel = true };
        assert_refused(&in, &CVM_CODE_FIRMWARE);
}

struct synthetic {
        struct cvm_bytes firmware;
        struct measure_inputs in;
};

static int make_synthetic(void **state) {
        static struct synthetic s;

        if (snp_synthetic_firmware(&s.firmware) < 0)
                return -1;
        s.in = (struct measure_inputs){ .firmware = s.firmware.data,
                                        .firmware_size = s.firmware.size,
                                        .vcpus = 2,
                                        .cpu_model = "EPYC-v4",
                                        .has_kernel = true,
                                        .cmdline = "quiet" };
        cvm_sha256("kernel", 6, s.in.kernel_sha256);
        *state = &s;
        return 0;
}

static int free_synthetic(void **state) {
        struct synthetic *s = *state;

        cvm_bytes_done(&s->firmware);
        return 0;
}

/* The measurements of simulated guests depend on these bytes: they stay. */
static void test_synthetic_firmware_never_changes(void **state) {
        const struct synthetic *s = *state;
        uint8_t sha256[32];
        char hex[65];

        cvm_sha256(s->firmware.data, s->firmware.size, sha256);
        cvm_hex(sha256, 32, hex);
        assert_string_equal(hex, "eb47095e4116f1c5ee4b8667ed2e0e9e57b5684bc6edd5db3567ea707de705e9");
        assert_digest(&s->in,
                      "ab14052c597d66c5ee890479b311392256d0e3af87ed976c48afae5eaf450fa4ebe504a8c167f88407a8e24afd118643");
}

static void digest_of(const struct measure_inputs *in, uint8_t ret[48]) {
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(snp_measure(in, &m, &err), 0);
        memcpy(ret, m.digest, 48);
}

/* Every input that the hardware measures changes the digest. */
static void test_each_input_counts(void **state) {
        const struct synthetic *s = *state;
        uint8_t base[48], other[48];

        digest_of(&s->in, base);
        for (int i = 0; i < 8; i++) {
                struct measure_inputs in = s->in;

                in.vcpus += i == 0;
                in.cpu_model = i == 1 ? "EPYC-Genoa" : in.cpu_model;
                in.guest_features = i == 2 ? 0x21 : in.guest_features;
                in.kernel_sha256[0] ^= i == 3;
                in.cmdline = i == 4 ? "quiet " : in.cmdline;
                in.has_initrd = i == 5;
                in.has_kernel = i != 6;
                if (i == 7)
                        s->firmware.data[100] ^= 1;
                digest_of(&in, other);
                if (i == 7)
                        s->firmware.data[100] ^= 1;
                assert_memory_not_equal(base, other, 48);
        }
}

static void test_versions_of_a_model_measure_alike(void **state) {
        const struct synthetic *s = *state;
        struct measure_inputs in = s->in;
        uint8_t base[48], other[48];

        digest_of(&in, base);
        in.cpu_model = "EPYC-IBPB";
        digest_of(&in, other);
        assert_memory_equal(base, other, 48);
        in.cpu_model = NULL;
        in.vcpu_signature = 0x00800f12;
        digest_of(&in, other);
        assert_memory_equal(base, other, 48);
}

static void test_refusals(void **state) {
        const struct synthetic *s = *state;
        struct measure_inputs in = s->in;

        in.vcpus = 0;
        assert_refused(&in, &CVM_CODE_VCPUS);
        in.vcpus = 513;
        assert_refused(&in, &CVM_CODE_VCPUS);
        in = s->in;
        for (const char **model = (const char *[]){ "qemu64", "", "EPYC-v6", "EPYC-v4x", "epyc",
                                                    "EPYC-Milan-v0", NULL };
             *model; model++) {
                in.cpu_model = *model;
                assert_refused(&in, &CVM_CODE_CPU_MODEL);
        }
        in = s->in;
        in.firmware_size = 4096; /* no table in the first page */
        assert_refused(&in, &CVM_CODE_FIRMWARE);
}

#define METADATA (16384 - 0x400)
#define SECTION(i) (METADATA + 16 + 12 * (i))
#define HASHES_ENTRY (16384 - 32 - 18 - 22 - 26) /* area's address, size */
#define RESET_ENTRY (16384 - 32 - 18 - 22)       /* address of further vCPUs, length, GUID */

/* Faults of an image that only its use for these inputs shows. */
static const struct {
        const char *what;
        size_t at;
        uint8_t bytes[4];
        const char *words;
} faults[] = {
        { "hashes elsewhere", HASHES_ENTRY, { 0x00, 0x1c, 0x81, 0 }, "outside the section" },
        { "hashes area small", HASHES_ENTRY + 4, { 175, 0, 0, 0 }, "no room" },
        { "hashes area over the page's end", HASHES_ENTRY, { 0x51, 0x0f, 0x81, 0 }, "no room" },
        { "hashes area not there", HASHES_ENTRY, { 0, 0, 0, 0 }, "no room" },
        { "no section for hashes", SECTION(4) + 8, { 1, 0, 0, 0 }, "no room" },
        { "hashes section of two pages", SECTION(4) + 4, { 0, 0x20, 0, 0 }, "not one page" },
        { "two sections for hashes", SECTION(0) + 8, { 0x10, 0, 0, 0 }, "" },
        { "no reset block", RESET_ENTRY + 6, { 1, 2, 3, 4 }, "where further vCPUs start" },
};

static void test_images_that_do_not_fit(void **state) {
        const struct synthetic *s = *state;

        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
                struct measure_inputs in = s->in;
                struct measurement m = { 0 };
                struct cvm_error err = { 0 };

                assert_int_equal(cvm_bytes_copy(s->firmware.data, s->firmware.size, &image), 0);
                memcpy(image.data + faults[i].at, faults[i].bytes, sizeof faults[i].bytes);
                in.firmware = image.data;
                if (snp_measure(&in, &m, &err) >= 0 || err.code != &CVM_CODE_FIRMWARE ||
                    !strstr(err.text, faults[i].words))
                        fail_msg("%s: \"%s\"", faults[i].what, err.text);
        }
}

/* The image's own order of sections is what is measured. */
static void test_order_of_sections_counts(void **state) {
        const struct synthetic *s = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        struct measure_inputs in = s->in;
        uint8_t before[48], after[48], first[12];

        digest_of(&in, before);
        assert_int_equal(cvm_bytes_copy(s->firmware.data, s->firmware.size, &image), 0);
        memcpy(first, image.data + SECTION(0), 12);
        memcpy(image.data + SECTION(0), image.data + SECTION(4), 12);
        memcpy(image.data + SECTION(4), first, 12);
        in.firmware = image.data;
        digest_of(&in, after);
        assert_memory_not_equal(before, after, 48);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published_digests),
                cmocka_unit_test(test_kernel_without_room_is_refused),
                cmocka_unit_test(test_synthetic_firmware_never_changes),
                cmocka_unit_test(test_each_input_counts),
                cmocka_unit_test(test_versions_of_a_model_measure_alike),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_images_that_do_not_fit),
                cmocka_unit_test(test_order_of_sections_counts),
        };

        return cmocka_run_group_tests(tests, make_synthetic, free_synthetic);
}
