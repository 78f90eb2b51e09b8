/* Each way in which launches are known to differ is found by its digest, and an unknown one is not. */
#include "launch/explain-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "launch/measure-snp.h"
#include "launch/synthetic-snp.h"

#define OWNER " cvm.owner=00112233"

struct scene {
        struct cvm_bytes firmware, other;
        struct measure_inputs in;
        struct explain_file others[2];
};

static int make_scene(void **state) {
        static struct scene s;

        if (snp_synthetic_firmware(&s.firmware) < 0 || snp_synthetic_firmware(&s.other) < 0)
                return -1;
        s.other.data[0] ^= 1;
        s.in = (struct measure_inputs){ .firmware = s.firmware.data,
                                        .firmware_size = s.firmware.size,
                                        .vcpus = 2,
                                        .cpu_model = "EPYC-v4",
                                        .has_kernel = true,
                                        .has_initrd = true,
                                        .cmdline = "quiet" OWNER };
        cvm_sha256("kernel", 6, s.in.kernel_sha256);
        cvm_sha256("initrd", 6, s.in.initrd_sha256);
        s.others[0] = (struct explain_file){ .name = "other.fd",
                                             .bytes = s.other.data,
                                             .size = s.other.size };
        s.others[1] = (struct explain_file){ .name = "other.img" };
        cvm_sha256("other", 5, s.others[1].sha256);
        *state = &s;
        return 0;
}

static int free_scene(void **state) {
        struct scene *s = *state;

        cvm_bytes_done(&s->firmware);
        cvm_bytes_done(&s->other);
        return 0;
}

static void explain(struct scene *s, const uint8_t observed[CVM_SHA384_SIZE], struct explanation *ret) {
        const struct explain_request request = {
                .given = &s->in, .observed = observed, .others = s->others, .n_others = ARRAY_SIZE(s->others)
        };
        struct cvm_error err = { 0 };

        if (snp_explain(&request, ret, &err) < 0)
                fail_msg("%s", err.text);
}

/* wanted: "input=observed;..." in order; NULL: no explanation is to be found. */
static void assert_explained(struct scene *s, const struct measure_inputs *launched, const char *wanted) {
        struct measurement m = { 0 };
        struct explanation e;
        struct cvm_error err = { 0 };
        char text[1024] = "";

        if (snp_measure(launched, &m, &err) < 0)
                fail_msg("%s", err.text);
        explain(s, m.digest, &e);
        for (size_t i = 0; i < e.n_differences; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s;", e.differences[i].input,
                         e.differences[i].observed);
        assert_int_equal(e.found, wanted != NULL);
        assert_string_equal(text, wanted ? wanted : "");
        assert_true(e.digests > 0);
}

static void test_equal(void **state) {
        struct scene *s = *state;

        assert_explained(s, &s->in, "");
}

static void test_vcpus(void **state) {
        struct scene *s = *state;
        struct measure_inputs in = s->in;

        in.vcpus = 512;
        assert_explained(s, &in, "vcpus=512;");
        in.cpu_model = "EPYC-Milan";
        in.guest_features = 0x221;
        assert_explained(s, &in, "vcpus=512;vcpu_signature=0xa00f11;guest_features=0x221;");
        in = s->in;
        in.vcpu_signature = 0x00b00f21; /* a Turin host's own */
        assert_explained(s, &in, "vcpu_signature=0xb00f21;");
        in.vcpu_signature = 0x00aa0f02; /* Siena */
        assert_explained(s, &in, "vcpu_signature=0xaa0f02;");
}

static void test_files(void **state) {
        struct scene *s = *state;
        struct measure_inputs in = s->in;

        in.has_initrd = false;
        assert_explained(s, &in, "initrd=none;");
        in = s->in;
        cvm_sha256("initrd", 6, in.kernel_sha256);
        cvm_sha256("kernel", 6, in.initrd_sha256);
        assert_explained(s, &in, "kernel=the initrd;initrd=the kernel;");
        in = s->in;
        cvm_sha256("other", 5, in.initrd_sha256);
        assert_explained(s, &in, "initrd=other.img;");
        in.vcpus = 7;
        assert_explained(s, &in, "initrd=other.img;vcpus=7;");
        in = s->in;
        in.firmware = s->other.data;
        assert_explained(s, &in, "firmware=other.fd;");
        in.cmdline = "quiet";
        assert_explained(s, &in, "firmware=other.fd;cmdline=without cvm.owner= and what follows;");
}

static void test_command_lines(void **state) {
        struct scene *s = *state;
        struct measure_inputs in = s->in;

        in.cmdline = "quiet" OWNER "\n";
        assert_explained(s, &in, "cmdline=with a newline at its end;");
        in.cmdline = "quiet" OWNER " ";
        assert_explained(s, &in, "cmdline=with a space at its end;");
        in.cmdline = NULL;
        assert_explained(s, &in, "cmdline=none;");
        in.cmdline = "quiet";
        in.vcpus = 64;
        assert_explained(s, &in, "cmdline=without cvm.owner= and what follows;vcpus=64;");
}

/* QEMU without kernel-hashes=on: the section is there and nothing of the kernel is measured. */
static void test_hashes_off(void **state) {
        struct scene *s = *state;
        struct measure_inputs in = s->in;

        in.has_kernel = in.has_initrd = false;
        assert_explained(s, &in, "kernel hashes=off: kernel, initrd and command line are not measured;");
}

static void test_order_of_sections(void **state) {
        struct scene *s = *state;
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = snp_digest_context();
        struct snp_digest d = { .md = md };
        struct snp_hashes hashes;
        struct snp_vcpu vcpu;
        struct explanation e;
        struct ovmf_section hashes_section;
        struct ovmf ovmf;

        assert_int_equal(ovmf_read(s->in.firmware, s->in.firmware_size, &ovmf, NULL), 0);
        hashes_section = ovmf.sections[ovmf.n_sections - 1];
        assert_int_equal(hashes_section.type, OVMF_SECTION_KERNEL_HASHES);
        memmove(&ovmf.sections[1], &ovmf.sections[0], (ovmf.n_sections - 1) * sizeof hashes_section);
        ovmf.sections[0] = hashes_section;
        snp_hash_inputs(&s->in, &hashes);
        snp_digest_firmware(&d, s->in.firmware, s->in.firmware_size);
        snp_digest_sections(&d, &ovmf, &hashes);
        snp_digest_vcpu(&d, ovmf.reset_eip, 0x00800f12, 1, &vcpu);
        snp_digest_add_vcpu(&d, &vcpu, 0);
        snp_digest_add_vcpu(&d, &vcpu, 1);
        explain(s, d.ld, &e);
        assert_true(e.found);
        assert_int_equal(e.n_differences, 1);
        assert_string_equal(e.differences[0].input, "section order");
        assert_string_equal(e.differences[0].observed, "kernel hashes first");
}

static void test_unknown(void **state) {
        struct scene *s = *state;
        struct measure_inputs in = s->in;

        cvm_sha256("a kernel that nobody has", 24, in.kernel_sha256);
        assert_explained(s, &in, NULL);
}

static void test_a_wrong_image_is_refused(void **state) {
        struct scene s = *(struct scene *)*state;
        const uint8_t observed[CVM_SHA384_SIZE] = { 0 };
        const struct explain_request request = { .given = &s.in, .observed = observed };
        struct cvm_error err = { 0 };
        struct explanation e;

        s.in.firmware_size -= 1;
        assert_true(snp_explain(&request, &e, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FIRMWARE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equal),      cmocka_unit_test(test_vcpus),
                cmocka_unit_test(test_files),      cmocka_unit_test(test_command_lines),
                cmocka_unit_test(test_hashes_off), cmocka_unit_test(test_order_of_sections),
                cmocka_unit_test(test_unknown),    cmocka_unit_test(test_a_wrong_image_is_refused),
        };

        return cmocka_run_group_tests(tests, make_scene, free_scene);
}
