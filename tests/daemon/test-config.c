/* cvmd.conf: what is written holds, what is not holds by default, and what is wrong is named with its line.
 */
#include "daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"

static int set_up(void **state) {
        static struct config config;

        *state = &config;
        return config_defaults(&config, NULL);
}

static int tear_down(void **state) {
        config_done(*state);
        return 0;
}

static int read_text(struct config *config, const char *text, struct cvm_error *err) {
        return config_read(config, text, strlen(text), "/etc/cvmd/cvmd.conf", err);
}

static void test_written_over_defaults(void **state) {
        struct config *config = *state;
        struct cvm_error err = { 0 };

        assert_int_equal(read_text(config,
                                   "# a comment\n\n  VmsPerUser = 7  \nImageDirs=/a\t /b\nTaps=t0\nTaps=t1\n"
                                   "UidFirst=4000000000",
                                   &err),
                         0);
        assert_int_equal(config->vms_per_user, 7);
        assert_int_equal(config->operations_per_user, 64);
        assert_int_equal(config->uid_first, 4000000000u);
        assert_string_equal(config->state_dir, "/var/lib/cvmd");
        assert_string_equal(config->image_dirs[0], "/a");
        assert_string_equal(config->image_dirs[1], "/b");
        assert_null(config->image_dirs[2]);
        assert_string_equal(config->taps[0], "t1"); /* a later list replaces an earlier one */
        assert_null(config->taps[1]);
        assert_null(config->bridges);
}

static void test_an_empty_list_allows_nothing(void **state) {
        struct config *config = *state;
        struct cvm_error err = { 0 };

        assert_int_equal(read_text(config, "ImageDirs=\n", &err), 0);
        assert_true(!config->image_dirs || !config->image_dirs[0]);
}

static void test_what_is_wrong_is_named(void **state) {
        static const struct {
                const char *text, *words[2];
        } rows[] = {
                { "VmsPerUsers=1\n", { "VmsPerUsers", "cvmd.conf:1" } },
                { "\n\nVmsPerUser\n", { "KEY=VALUE", "cvmd.conf:3" } },
                { "VmsPerUser=-1", { "VmsPerUser", "number" } },
                { "VmsPerUser=+1", { "VmsPerUser", "number" } },
                { "VmsPerUser=1x", { "VmsPerUser", "number" } },
                { "VmsPerUser=", { "VmsPerUser", "number" } },
                { "VmsPerUser=1048577", { "VmsPerUser", "number" } },
                { "UidFirst=18446744073709551616", { "UidFirst", "number" } },
                { "AgentDeadlineSec=86401", { "AgentDeadlineSec", "number" } },
                { "StateDirectory=var/lib", { "StateDirectory", "absolute" } },
                { "Driver=xen", { "Driver", "libvirt" } },
                { "ImageDirs=/a b", { "ImageDirs", "absolute" } },
                { "=1", { "''", "cvmd.conf:1" } },
        };

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct cvm_error err = { 0 };

                assert_true(read_text(*state, rows[i].text, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-FIELD");
                for (size_t k = 0; k < 2; k++)
                        if (!strstr(err.text, rows[i].words[k]))
                                fail_msg("'%s' gives '%s', without '%s'", rows[i].text, err.text,
                                         rows[i].words[k]);
        }
}

static void test_bytes_that_are_no_text(void **state) {
        struct cvm_error err = { 0 };

        assert_true(config_read(*state, "Taps=a\0b\n", 9, "x", &err) < 0);
}

/* Every key is in the page, and the example that is installed is read. */
static void test_page_and_example(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes page = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes example = { 0 };
        struct cvm_error err = { 0 };
        char entry[80];

        assert_int_equal(cvm_read_file(CVM_SOURCE_DIR "/doc/cvmd.conf.5", 1 << 20, &page, &err), 0);
        assert_int_equal(cvm_read_file(CVM_SOURCE_DIR "/systemd/cvmd.conf", 1 << 20, &example, &err), 0);
        for (size_t i = 0; config_key_at(i); i++) {
                snprintf(entry, sizeof entry, ".BR %s =", config_key_at(i));
                if (!memmem(page.data, page.size, entry, strlen(entry)))
                        fail_msg("cvmd.conf(5) has no %s", config_key_at(i));
        }
        if (config_read(*state, (const char *)example.data, example.size, "example", &err) < 0)
                fail_msg("%s", err.text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_written_over_defaults, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_an_empty_list_allows_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_wrong_is_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_bytes_that_are_no_text, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_page_and_example, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
