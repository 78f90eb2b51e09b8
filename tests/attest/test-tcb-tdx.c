/* The status of a platform's TCB: one world that is up to date, and what each SVN makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/tcb-tdx.h"
#include "tests/attest/make-tdx.h"

static struct tdx_evaluation evaluate(const struct make_world *w, char *advisories, size_t size) {
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity identity = { 0 };
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes info_text = make_tcb_info(w), identity_text = make_qe_identity(w);
        struct tdx_evaluation e;
        const struct tdx_level *qe = NULL;
        struct cvm_error err = { 0 };

        if (tdx_tcb_info_read(info_text.data, info_text.size, &info, &err) < 0 ||
            tdx_qe_identity_read(identity_text.data, identity_text.size, &identity, &err) < 0 ||
            tdx_qe_check(&identity, &w->qe, &qe, &err) < 0)
                fail_msg("%s", err.text);
        tdx_evaluate(&info, &w->platform, &w->body, qe, &e);
        if (advisories)
                tdx_evaluation_advisories(&e, advisories, size);
        assert_true(!e.level || tdx_evaluation_date(&e) > 0);
        return e;
}

static void expect(const struct make_world *w, enum tdx_status status) {
        enum tdx_status found = evaluate(w, NULL, 0).status;

        if (found != status)
                fail_msg("'%s', not '%s'", tdx_status_texts[found], tdx_status_texts[status]);
}

/* The three parts, each good or not; the platform's level by PCESVN. */
static void test_parts_converge(void **state) {
        static const struct {
                const char *level;
                int module, enclave; /* SVN: 5 and 4 are up to date */
                enum tdx_status status;
        } rows[] = {
                { "UpToDate", 5, 4, TDX_UP_TO_DATE },
                { "UpToDate", 3, 4, TDX_OUT_OF_DATE },
                { "UpToDate", 5, 2, TDX_OUT_OF_DATE },
                { "SWHardeningNeeded", 5, 4, TDX_SW_HARDENING_NEEDED },
                { "SWHardeningNeeded", 3, 4, TDX_OUT_OF_DATE },
                { "SWHardeningNeeded", 5, 2, TDX_OUT_OF_DATE },
                { "ConfigurationNeeded", 5, 4, TDX_CONFIGURATION_NEEDED },
                { "ConfigurationNeeded", 3, 4, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
                { "ConfigurationNeeded", 5, 2, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
                { "ConfigurationAndSWHardeningNeeded", 5, 4, TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED },
                { "ConfigurationAndSWHardeningNeeded", 3, 2, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
                { "OutOfDate", 5, 4, TDX_OUT_OF_DATE },
                { "OutOfDate", 3, 2, TDX_OUT_OF_DATE },
                { "OutOfDateConfigurationNeeded", 5, 4, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
                { "OutOfDateConfigurationNeeded", 3, 2, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
                { "Revoked", 5, 4, TDX_REVOKED },
                { "Revoked", 3, 2, TDX_REVOKED },
                { "UpToDate", 2, 4, TDX_NOT_SUPPORTED }, /* below all levels */
                { "UpToDate", 5, 1, TDX_NOT_SUPPORTED },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct make_world w = make_world();

                w.levels[1].status = rows[i].level;
                w.body.tee_tcb_svn[0] = (uint8_t)rows[i].module;
                w.qe.isv_svn = (uint16_t)rows[i].enclave;
                expect(&w, rows[i].status);
        }
}

static void test_revoked_parts(void **state) {
        struct make_world w = make_world();

        w.modules[1].status = "Revoked";
        expect(&w, TDX_REVOKED);
        w.modules[1].status = "UpToDate";
        w.enclaves[0].status = "Revoked";
        expect(&w, TDX_REVOKED);
}

/* Each SVN of the platform that is lower than the first level's leads to the second, or to none. */
static void test_levels_by_svn(void **state) {
        struct make_world w = make_world();

        w.platform.cpu[7] = 4;
        expect(&w, TDX_OUT_OF_DATE);
        w.platform.cpu[1] = 1; /* below the lowest, too */
        expect(&w, TDX_NOT_SUPPORTED);
        w = make_world();
        w.platform.pce_svn = 12;
        expect(&w, TDX_OUT_OF_DATE);
        w.platform.pce_svn = 4;
        expect(&w, TDX_NOT_SUPPORTED);
        w = make_world();
        w.body.tee_tcb_svn[2] = 5;
        expect(&w, TDX_OUT_OF_DATE);
        w.body.tee_tcb_svn[2] = 2;
        expect(&w, TDX_NOT_SUPPORTED);
        w = make_world();
        w.platform.cpu[7] = 200; /* more than asked is no fault */
        w.platform.pce_svn = 999;
        expect(&w, TDX_UP_TO_DATE);
}

/* Where an identity stands for the module, components 0 and 1 of the level are not compared: a module 1.5
 * has [0] = 5 where the level of 1.0 asks 6. Who compares them finds a lower level. */
static void test_module_components_are_left_to_the_identity(void **state) {
        struct make_world w = make_world();
        struct tdx_evaluation e = evaluate(&w, NULL, 0);

        assert_int_equal(e.status, TDX_UP_TO_DATE);
        assert_int_equal(e.all_components, TDX_OUT_OF_DATE);
        assert_int_equal(e.module_alone, TDX_UP_TO_DATE);
        w.levels[0].tdx[0] = 6;
        e = evaluate(&w, NULL, 0);
        assert_int_equal(e.status, TDX_UP_TO_DATE);
        assert_int_equal(e.all_components, TDX_NOT_SUPPORTED);
        w.body.tee_tcb_svn[1] = 0; /* TDX 1.0: they are compared */
        expect(&w, TDX_NOT_SUPPORTED);
        w.body.tee_tcb_svn[0] = 6;
        e = evaluate(&w, NULL, 0);
        assert_int_equal(e.status, TDX_UP_TO_DATE);
        assert_int_equal(e.all_components, TDX_UP_TO_DATE);
}

/* A good module hides a bad platform from who asks it alone, and a bad one a remedy. */
static void test_module_status_alone(void **state) {
        struct make_world w = make_world();
        struct tdx_evaluation e;

        w.levels[1].status = "ConfigurationNeeded";
        e = evaluate(&w, NULL, 0);
        assert_int_equal(e.status, TDX_CONFIGURATION_NEEDED);
        assert_int_equal(e.module_alone, TDX_UP_TO_DATE);
        w.body.tee_tcb_svn[0] = 3;
        e = evaluate(&w, NULL, 0);
        assert_int_equal(e.status, TDX_OUT_OF_DATE_CONFIGURATION_NEEDED);
        assert_int_equal(e.module_alone, TDX_OUT_OF_DATE);
}

static void test_modules_that_are_none(void **state) {
        struct make_world w = make_world();

        w.body.tee_tcb_svn[1] = 3; /* no TDX_03 */
        expect(&w, TDX_MODULE_MISMATCH);
        w = make_world();
        w.module_id = "tdx_01"; /* either case */
        expect(&w, TDX_UP_TO_DATE);
        w.module_id = "TDX_1F";
        w.body.tee_tcb_svn[1] = 0x1f;
        expect(&w, TDX_UP_TO_DATE);
        w = make_world();
        w.no_module_identities = true;
        expect(&w, TDX_MODULE_MISMATCH);
        w.body.tee_tcb_svn[1] = 0;
        w.body.tee_tcb_svn[0] = 6;
        expect(&w, TDX_UP_TO_DATE);
        w.body.mr_signer_seam[47] = 1;
        expect(&w, TDX_MODULE_MISMATCH);
        w = make_world();
        w.body.mr_signer_seam[0] = 1;
        expect(&w, TDX_MODULE_MISMATCH);
        w = make_world();
        w.body.seam_attributes = 1;
        expect(&w, TDX_MODULE_MISMATCH);
}

/* The TD runs under an old module, and the host has the newest already. */
static void test_relaunch(void **state) {
        struct make_world w = make_world();

        w.version = 5;
        w.body.is_15 = true;
        w.body.tee_tcb_svn[0] = 3;
        memcpy(w.body.tee_tcb_svn_2, (uint8_t[]){ 5, 1, 6 }, 3);
        expect(&w, TDX_RELAUNCH_ADVISED); /* only the module is old */
        w.levels[1].status = "OutOfDate";
        expect(&w, TDX_OUT_OF_DATE); /* the processor too */
        w = make_world();
        w.version = 5;
        w.body.is_15 = true;
        w.body.tee_tcb_svn[0] = 3;
        w.body.tee_tcb_svn[2] =
                        5; /* the SEAM loader too: the TDX level is the lower one, the SGX level not */
        memcpy(w.body.tee_tcb_svn_2, (uint8_t[]){ 5, 1, 6 }, 3);
        expect(&w, TDX_RELAUNCH_ADVISED);
        w.levels[1].status = "ConfigurationNeeded";
        expect(&w, TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
        w.levels[1].status = "UpToDate";
        w.qe.isv_svn = 2;
        expect(&w, TDX_OUT_OF_DATE);
        w.qe.isv_svn = 4;
        w.body.tee_tcb_svn_2[2] = 5;
        expect(&w, TDX_OUT_OF_DATE);
        w.body.tee_tcb_svn_2[2] = 6;
        w.body.tee_tcb_svn_2[0] = 4;
        expect(&w, TDX_OUT_OF_DATE);
        w.body.tee_tcb_svn_2[0] = 6; /* the level's own component 0, for a module of 1.0 */
        w.body.tee_tcb_svn_2[1] = 0;
        expect(&w, TDX_RELAUNCH_ADVISED);
        w.body.tee_tcb_svn_2[1] = 9;
        expect(&w, TDX_MODULE_MISMATCH);
        w.body.tee_tcb_svn_2[1] = 1;
        w.body.is_15 = false;
        expect(&w, TDX_OUT_OF_DATE);
}

static void test_advisories_are_joined(void **state) {
        struct make_world w = make_world();
        char text[64], small[20];

        evaluate(&w, text, sizeof text);
        assert_string_equal(text, "");
        w.platform.pce_svn = 5;
        w.body.tee_tcb_svn[0] = 3;
        w.qe.isv_svn = 2;
        w.modules[0].advisories = "\"INTEL-SA-00002\",\"INTEL-SA-00001\"";
        evaluate(&w, text, sizeof text);
        assert_string_equal(text, "INTEL-SA-00001, INTEL-SA-00002, INTEL-SA-00003");
        evaluate(&w, small, sizeof small);
        assert_string_equal(small, "INTEL-SA-00001");
}

static void test_other_enclaves(void **state) {
        static const struct {
                size_t at;
                const char *word;
        } rows[] = {
                { offsetof(struct tdx_qe_report, misc_select), "MISCSELECT" },
                { offsetof(struct tdx_qe_report, attributes), "attributes" }, /* bit 0 */
                { offsetof(struct tdx_qe_report, mr_signer), "signer" },
                { offsetof(struct tdx_qe_report, isv_prod_id), "product" },
        };
        struct make_world w = make_world();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = make_qe_identity(&w);
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity identity = { 0 };
        const struct tdx_level *level = NULL;

        assert_int_equal(tdx_qe_identity_read(text.data, text.size, &identity, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct tdx_qe_report qe = w.qe;
                struct cvm_error err = { 0 };

                ((uint8_t *)&qe)[rows[i].at] ^= 1;
                assert_int_equal(tdx_qe_check(&identity, &qe, &level, &err), -EBADMSG);
                assert_ptr_equal(err.code, &CVM_CODE_QUOTING_ENCLAVE);
                assert_non_null(strstr(err.text, rows[i].word));
        }
        w.qe.attributes[0] = 4; /* the mask leaves that bit open */
        w.qe.attributes[8] = 0xff;
        assert_int_equal(tdx_qe_check(&identity, &w.qe, &level, NULL), 0);
        w.qe.attributes[0] = 2; /* debug */
        assert_int_equal(tdx_qe_check(&identity, &w.qe, &level, NULL), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts_converge),
                cmocka_unit_test(test_revoked_parts),
                cmocka_unit_test(test_levels_by_svn),
                cmocka_unit_test(test_module_components_are_left_to_the_identity),
                cmocka_unit_test(test_module_status_alone),
                cmocka_unit_test(test_modules_that_are_none),
                cmocka_unit_test(test_relaunch),
                cmocka_unit_test(test_advisories_are_joined),
                cmocka_unit_test(test_other_enclaves),
        };
        int failed;

        keys_make();
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        keys_done();
        return failed;
}
