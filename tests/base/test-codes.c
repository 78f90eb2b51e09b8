/* The table of codes: scripts and buses rely on every word of it. */
#include "base/codes.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PREFIX "org.cvmd1.Error."

static bool is_id(const char *id) {
        size_t length = strlen(id);

        return strncmp(id, "CVM-", 4) == 0 && length > 4 && id[length - 1] != '-' && !strstr(id, "--") &&
               strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == length;
}

/* An element of a D-Bus error name: letters and digits, no digit first. */
static bool is_dbus_name(const char *name) {
        const char *element = name + strlen(PREFIX);

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !isupper((unsigned char)*element))
                return false;
        while (isalnum((unsigned char)*element))
                element++;
        return !*element && strlen(name) <= 255;
}

static bool is_sentence(const char *text) {
        size_t length = strlen(text);

        return length > 10 && text[length - 1] == '.' && (isupper((unsigned char)*text) || *text == '`');
}

static void test_rows_are_well_formed(void **state) {
        for (size_t i = 0; cvm_code_at(i); i++) {
                const struct cvm_code *c = cvm_code_at(i);

                if (!is_id(c->id) || !is_dbus_name(c->dbus_name) || !is_sentence(c->sentence) ||
                    !is_sentence(c->remedy))
                        fail_msg("%s is not well-formed", c->id);
        }
}

/* Both ways to find a row lead to the row itself, so no id and no name stands twice, in any case. */
static void test_ids_and_names_are_unique(void **state) {
        for (size_t i = 0; cvm_code_at(i); i++) {
                const struct cvm_code *c = cvm_code_at(i);

                assert_ptr_equal(cvm_code_find(c->id), c);
                assert_ptr_equal(cvm_code_find(c->dbus_name), c);
        }
        assert_ptr_equal(cvm_code_find("cvm-vcpus"), &CVM_CODE_VCPUS);
        assert_null(cvm_code_find("CVM-"));
        assert_null(cvm_code_find(""));
}

static void test_each_fault_has_one_word_and_one_status(void **state) {
        static const int status[CVM_FAULT_MAX_] = {
                [CVM_FAULT_INTERNAL] = 1, [CVM_FAULT_REQUEST] = 2,     [CVM_FAULT_NOT_FOUND] = 3,
                [CVM_FAULT_DENIED] = 4,   [CVM_FAULT_EVIDENCE_NO] = 5, [CVM_FAULT_EVIDENCE_UNKNOWN] = 6,
                [CVM_FAULT_TIMEOUT] = 7,  [CVM_FAULT_STATE] = 8,       [CVM_FAULT_HOST] = 9,
                [CVM_FAULT_CAPACITY] = 9,
        };

        for (size_t i = 0; cvm_code_at(i); i++)
                assert_int_equal(cvm_code_exit_status(cvm_code_at(i)), status[cvm_code_at(i)->fault]);
        for (int i = 0; i < CVM_FAULT_MAX_; i++)
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(cvm_fault_text((enum cvm_fault)i),
                                                cvm_fault_text((enum cvm_fault)k));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows_are_well_formed),
                cmocka_unit_test(test_ids_and_names_are_unique),
                cmocka_unit_test(test_each_fault_has_one_word_and_one_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
