/* Dumps of protected guests, told from what QEMU writes where the ultravisor gave it nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/dump-se.h"
#include "launch/platform.h"
#include "tests/launch/make-core-se.h"

#define NO_PARTS "a core without the ultravisor's parts"

static const char *const both[] = { "pv_mem_meta", "pv_compl" };

/* NULL: taken. The core is freed. */
static void expect(struct cvm_bytes core, const char *words) {
        CVM_CLEANUP(cvm_closep) int fd = memfd_create("core", MFD_CLOEXEC);
        struct cvm_error err = { 0 };
        int r;

        assert_non_null(core.data);
        assert_int_equal(cvm_write_all(fd, core.data, core.size), 0);
        r = platform_by_id(CVM_PLATFORM_SECURE_EXECUTION)->check_core(fd, &err);
        if (!r != !words || (words && !strstr(err.text, words)))
                fail_msg("%d, %s", r, err.text);
        if (words)
                assert_ptr_equal(cvm_error_code(&err), strcmp(words, NO_PARTS) == 0 ? &CVM_CODE_DUMP_DENIED
                                                                                    : &CVM_CODE_DUMP_FAILED);
        cvm_bytes_done(&core);
}

static void test_a_dump_has_the_ultravisors_part(void **state) {
        static const char *const others[] = { "one", "pv_compl", "two", "pv_mem_meta" };

        expect(make_core(both, 2, 64), NULL);
        expect(make_core(others, 4, 64), NULL);
}

static void test_another_core_is_none(void **state) {
        static const char *const foreign[] = { "pv_mem_met", "pv_compl" };

        expect(make_core(NULL, 0, 0), NO_PARTS);
        expect(make_core(both, 1, 64), NO_PARTS);
        expect(make_core(both + 1, 1, 64), NO_PARTS);
        expect(make_core(foreign, 2, 64), NO_PARTS);
        expect(make_core(both, 2, 0), NO_PARTS);
}

static struct cvm_bytes changed(size_t at, uint8_t byte) {
        struct cvm_bytes core = make_core(both, 2, 64);

        core.data[at] = byte;
        return core;
}

static void test_what_is_no_core_is_refused(void **state) {
        struct cvm_bytes core = make_core(both, 2, 64);
        static const size_t names_section = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr);

        core.size--;
        expect(core, "cut off");
        core = make_core(both, 2, 64);
        core.size = sizeof(Elf64_Ehdr) - 1;
        expect(core, "cut off");
        expect(changed(0, 'x'), "no ELF core of s390x");
        expect(changed(5, ELFDATA2LSB), "no ELF core of s390x");
        expect(changed(offsetof(Elf64_Ehdr, e_shentsize) + 1, 1), "in disorder");
        expect(changed(offsetof(Elf64_Ehdr, e_shnum), 0xff), "in disorder");
        expect(changed(offsetof(Elf64_Ehdr, e_shstrndx) + 1, 4), "in disorder");
        expect(changed(offsetof(Elf64_Ehdr, e_shoff) + 3, 1), "cut off");
        expect(changed(names_section + offsetof(Elf64_Shdr, sh_size), 1), "in disorder");
        expect(changed(names_section + offsetof(Elf64_Shdr, sh_offset) + 3, 1), "cut off");
        expect(changed(sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr), 0xff), NO_PARTS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_dump_has_the_ultravisors_part),
                cmocka_unit_test(test_another_core_is_none),
                cmocka_unit_test(test_what_is_no_core_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
