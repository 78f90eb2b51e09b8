/* An image's header is its identity: what is predicted of it, what a plan makes of it, and why another
 * image's is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/boot-files.h"
#include "launch/measure-se.h"
#include "tests/launch/make-image-se.h"

#define OWNER "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="

static int build(struct make_image *m, struct se_image *ret) {
        struct cvm_error err = { 0 };
        int fd = make_file(NULL, 0);

        if (se_image_build(&m->build, fd, ret, &err) < 0)
                fail_msg("%s", err.text);
        return fd;
}

static void measure(int fd, struct measurement *ret) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes header = { 0 };
        struct cvm_error err = { 0 };

        if (se_read_header(fd, "image", &header, &err) < 0)
                fail_msg("%s", err.text);
        const struct measure_inputs in = { .header = header.data, .header_size = header.size };

        if (se_measure_header(&in, ret, &err) < 0)
                fail_msg("%s", err.text);
}

static void test_the_header_is_the_identity(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF, alone = -EBADF;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct measurement whole, header;
        struct se_image image;
        uint8_t tags[208], expected[48];

        make_image(&m, 2);
        m.build.pcf |= SE_PCF_DUMP;
        fd = build(&m, &image);
        alone = make_file(image.header.bytes, image.header.size);
        measure(fd, &whole);
        measure(alone, &header);
        memcpy(tags, image.header.bytes + 0xe0, 192);
        memcpy(tags + 192, image.header.bytes + image.header.size - 16, 16);
        cvm_sha384(tags, sizeof tags, expected);
        assert_int_equal(whole.size, 48);
        assert_memory_equal(whole.digest, expected, 48);
        assert_memory_equal(header.digest, expected, 48);
        assert_int_equal(whole.n_parts, 4);
        assert_string_equal(whole.parts[3].name, "tag");
        assert_memory_equal(whole.parts[3].value, tags + 192, 16);
        assert_true(whole.covers_kernel && whole.covers_initrd && whole.covers_cmdline &&
                    !whole.covers_acpi);
        node = measurement_json(&whole, false);
        assert_int_equal(json_object_array_length(json_object_object_get(node, "hosts")), 2);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(
                                            json_object_object_get(node, "flags"), 0)),
                            "dump");
        assert_null(json_object_object_get(node, "inputs"));
}

static void test_what_is_no_image_is_refused(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes kernel = make_kernel(MADE_KERNEL_SIZE, 0), header = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = make_file(kernel.data, kernel.size);
        struct cvm_error err = { 0 };

        assert_true(se_read_header(fd, "vmlinuz", &header, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_IMAGE_FORMAT);
        assert_non_null(strstr(err.text, "'vmlinuz' is no protected image"));
        assert_null(header.data);
}

/* --- plans --- */

static struct definition *read_definition(const char *members) {
        struct definition *d = NULL;
        struct cvm_error err = { 0 };
        char text[1024];

        snprintf(text, sizeof text, "{\"version\":1,\"platform\":\"secure-execution\"%s}", members);
        if (definition_read(text, strlen(text), "x.json", &d, &err) < 0)
                fail_msg("%s", err.text);
        return d;
}

static void refuse(const char *members, const struct host_facts *facts, const struct cvm_code *code,
                   const char *words) {
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition(members);
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        struct cvm_error err = { 0 };
        int r = facts ? plan_make(d, facts, NULL, &plan, &err) : plan_predict(d, &plan, &err);

        assert_true(r < 0);
        assert_ptr_equal(err.code, code);
        if (!strstr(err.text, words))
                fail_msg("no '%s' in: %s", words, err.text);
}

#define IMAGE ",\"boot\":{\"kernel\":\"/i\"}"
static const struct host_facts able = { .offers[CVM_PLATFORM_SECURE_EXECUTION] = true };

static void test_what_is_inside_may_not_stand_beside(void **state) {
        static const struct host_facts unable = { .has_kvm = true };

        refuse("", NULL, &CVM_CODE_IMAGE_FIELD, "'boot.kernel' must name the image");
        refuse(IMAGE ",\"firmware\":\"/f\"", NULL, &CVM_CODE_IMAGE_FIELD, "'firmware' cannot be");
        refuse(",\"boot\":{\"kernel\":\"/i\",\"initrd\":\"/r\"}", NULL, &CVM_CODE_IMAGE_FIELD,
               "'boot.initrd' cannot be");
        refuse(",\"boot\":{\"kernel\":\"/i\",\"cmdline\":\"quiet\"}", NULL, &CVM_CODE_IMAGE_FIELD,
               "'boot.cmdline' cannot be");
        refuse(",\"boot\":{\"disk\":\"a\"},\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a\"}]",
               NULL, &CVM_CODE_IMAGE_FIELD, "'boot.disk' cannot be");
        refuse(IMAGE, &unable, &CVM_CODE_PLATFORM_HARDWARE, "IBM Secure Execution");
        refuse(IMAGE ",\"tuning\":{\"hugepages\":true}", &able, &CVM_CODE_HUGE_PAGES, "huge pages");
        refuse(IMAGE ",\"vcpus\":248", &able, &CVM_CODE_VCPUS, "at most 247");
        refuse(IMAGE ",\"cpu_model\":\"gen15a\"", &able, &CVM_CODE_CPU_MODEL, "own processor");
}

static void test_a_plan_has_the_image_and_no_more(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_definition(IMAGE ",\"owner\":\"" OWNER "\"");
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        struct cvm_bytes binding = { (uint8_t *)"a binding", 9 };
        struct cvm_error err = { 0 };
        bool owner = false, fixed = false;

        if (plan_make(d, &able, &binding, &plan, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(plan->guest.type, "s390-pv-guest");
        assert_int_equal(json_object_object_length(plan->guest.properties), 0);
        assert_string_equal(plan->cpu, "host");
        assert_string_equal(plan->cmdline, "");
        assert_int_equal(plan->n_files, 1);
        assert_false(plan->debug);
        for (size_t i = 0; plan->notes[i]; i++) {
                owner |= strstr(plan->notes[i], "owner must stand in the command line inside") != NULL;
                fixed |= strstr(plan->notes[i], "cannot be moved") != NULL;
        }
        assert_true(owner && fixed);
}

/* A host that tells its keys is compared with the slots before anything starts. */
static void test_only_a_host_of_the_image_starts_it(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition(IMAGE);
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct host_facts host = able;
        struct cvm_error err = { 0 };
        struct measurement measurement;
        struct se_image image;

        make_image(&m, 2);
        fd = build(&m, &image);
        measure(fd, &measurement);
        node = measurement_json(&measurement, false);
        const char *text = json_object_to_json_string(node);

        assert_int_equal(plan_make(d, &host, NULL, &plan, &err), 0);
        assert_int_equal(plan_check_host(plan, &host, text, &err), 0); /* it does not tell */
        host.n_keys = 2;
        memcpy(host.keys[1], se_header_slot(&image.header, 1), 32);
        assert_int_equal(plan_check_host(plan, &host, text, &err), 0);
        host.keys[1][31] ^= 1;
        assert_true(plan_check_host(plan, &host, text, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_HOST_KEY_SLOT);
}

static void test_a_plan_is_measured_by_its_image(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 };
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition(IMAGE);
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct boot_file from[BOOT_FILES_MAX] = { { -EBADF, "" }, { -EBADF, "image" }, { -EBADF, "" } };
        struct cvm_error err = { 0 };
        struct measurement expected;
        struct se_image image;

        make_image(&m, 1);
        fd = from[PLAN_KERNEL].fd = build(&m, &image);
        measure(fd, &expected);
        assert_int_equal(plan_predict(d, &plan, &err), 0);
        if (boot_files_read(plan->platform, from, &files, &err) < 0 ||
            plan_measure(plan, &files.contents, &err) < 0)
                fail_msg("%s", err.text);
        assert_memory_equal(plan->measurement.digest, expected.digest, 48);
}

/* --- explanations --- */

static void explain(const struct cvm_bytes *given, const struct measurement *observed,
                    const struct cvm_bytes *header, const struct explain_file *other,
                    struct explanation *ret) {
        const struct measure_inputs in = { .header = given->data, .header_size = given->size };
        struct explain_request request = {
                .given = &in, .observed = observed->digest, .others = other, .n_others = other != NULL
        };
        struct cvm_error err = { 0 };

        if (header)
                request.observed_header = *header;
        if (platform_by_name("secure-execution")->explain(&request, ret, &err) < 0)
                fail_msg("%s", err.text);
}

/* The same files built again for the same hosts: all but the addresses is new. */
static void test_images_are_told_apart_by_their_parts(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m = { 0 }, n = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes a = { 0 }, b = { 0 };
        CVM_CLEANUP(cvm_closep) int first = -EBADF, second = -EBADF;
        struct explain_file other = { .name = "older.img" };
        struct measurement seen;
        struct explanation e;
        struct se_image image;

        make_image(&m, 1);
        make_image(&n, 1);
        first = build(&m, &image);
        second = build(&n, &image);
        measure(second, &seen);
        assert_int_equal(se_read_header(first, "a", &a, NULL), 0);
        assert_int_equal(se_read_header(second, "b", &b, NULL), 0);
        explain(&b, &seen, NULL, NULL, &e);
        assert_true(e.found && e.n_differences == 0);
        explain(&a, &seen, NULL, NULL, &e);
        assert_false(e.found); /* a digest alone tells nothing */
        explain(&a, &seen, &b, NULL, &e);
        assert_true(e.found);
        assert_int_equal(e.n_differences, 3);
        assert_string_equal(e.differences[0].input, "pld");
        assert_string_equal(e.differences[1].input, "tld");
        assert_string_equal(e.differences[2].input, "tag");
        assert_int_equal(strlen(e.differences[0].observed), 128);
        other.header = b;
        explain(&a, &seen, NULL, &other, &e);
        assert_true(e.found);
        assert_string_equal(e.differences[e.n_differences - 1].observed, "older.img");
        other.header = a;
        explain(&a, &seen, NULL, &other, &e);
        assert_false(e.found);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_header_is_the_identity),
                cmocka_unit_test(test_what_is_no_image_is_refused),
                cmocka_unit_test(test_what_is_inside_may_not_stand_beside),
                cmocka_unit_test(test_a_plan_has_the_image_and_no_more),
                cmocka_unit_test(test_only_a_host_of_the_image_starts_it),
                cmocka_unit_test(test_a_plan_is_measured_by_its_image),
                cmocka_unit_test(test_images_are_told_apart_by_their_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
