/* Which devices of the host a VM may have: the operator's lists, at create and again by the kernel at start.
 */
#include <sys/prctl.h>

#include "tests/vm/scene.h"

#define BRIDGE(name) ",\"nics\":[{\"type\":\"bridge\",\"name\":\"" name "\"}]"
#define TAP(name) ",\"nics\":[{\"type\":\"tap\",\"name\":\"" name "\"}]"

static void expect_refused(struct scene *s, const char *members) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        assert_true(scene_create(s, "web1", members, false, &operation, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_NETWORK);
        assert_non_null(strstr(err.text, "configuration allows"));
}

static void test_only_what_is_listed(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char *bridges[] = { (char *)"cvmtest0", NULL };
        struct operation *operation;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        expect_refused(&s, BRIDGE("cvmtest0"));
        scene_close(&s);
        s.config.bridges = bridges;
        scene_open(&s);
        expect_refused(&s, BRIDGE("cvmtest01"));
        expect_refused(&s, TAP("cvmtest0")); /* a bridge's name is no tap's */
        assert_true(scene_create(&s, "web1", BRIDGE("cvmtest0"), false, &operation, &err) >= 0);
        scene_expect_done(&s, operation);
}

/* Listed, but the host does not have it: the start says so and the VM can be started again later. */
static void test_a_listed_bridge_that_is_not_there(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char *bridges[] = { (char *)"cvmtest0", NULL };
        struct operation_view view;
        struct operation *operation;
        struct cvm_error err = { 0 };
        const char *words;

        scene_begin(&s);
        scene_close(&s);
        s.config.bridges = bridges;
        scene_open(&s);
        assert_true(scene_create(&s, "web1", BRIDGE("cvmtest0"), true, &operation, &err) >= 0);
        view = scene_wait(&s, operation);
        assert_int_equal(view.state, OPERATION_FAILED);
        assert_ptr_equal(view.code, &CVM_CODE_NETWORK);
        words = s.config.driver == &driver_libvirt ? "the host has no such bridge"
                                                   : "there is no bridge 'cvmtest0' on this host";
        if (!strstr(view.text, words) || !strstr(view.text, "'cvmtest0'"))
                fail_msg("%s", view.text);
        assert_int_equal(scene_look(&s).state, VM_FAILED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_what_is_listed),
                cmocka_unit_test(test_a_listed_bridge_that_is_not_there),
        };

        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
