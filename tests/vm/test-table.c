/* The promises of the product, proven by walking the two tables. */
#include "vm/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool reaches(enum vm_state from, enum vm_state to, unsigned seen) {
        if (from == to)
                return true;
        for (int e = 0; e < VM_EVENT_MAX_; e++) {
                struct vm_edge edge = vm_next(from, (enum vm_event)e);

                if (edge.allowed && !(seen & 1u << edge.next) &&
                    reaches(edge.next, to, seen | 1u << edge.next))
                        return true;
        }
        return false;
}

static void test_one_door_for_secrets(void **state) {
        for (int t = 0; t < VM_TRUST_MAX_; t++)
                for (int e = 0; e < VM_EVENT_MAX_; e++)
                        if (trust_next((enum vm_trust)t, (enum vm_event)e).action == DO_RELAY_SECRETS)
                                assert_int_equal(e, EV_VERDICT_ACCEPTED);
        for (int s = 0; s < VM_STATE_MAX_; s++)
                for (int e = 0; e < VM_EVENT_MAX_; e++)
                        assert_int_not_equal(vm_next((enum vm_state)s, (enum vm_event)e).action,
                                             DO_RELAY_SECRETS);
}

static void test_only_a_verdict_verifies(void **state) {
        for (int t = 0; t < VM_TRUST_MAX_; t++)
                for (int e = 0; e < VM_EVENT_MAX_; e++) {
                        struct trust_edge edge = trust_next((enum vm_trust)t, (enum vm_event)e);

                        if (edge.allowed && edge.next == TRUST_VERIFIED)
                                assert_int_equal(e, EV_VERDICT_ACCEPTED);
                        if (edge.allowed && edge.next == TRUST_PROVISIONED)
                                assert_true(t == TRUST_VERIFIED || t == TRUST_PROVISIONED);
                }
}

static void test_a_new_boot_ends_trust(void **state) {
        for (int t = 0; t < VM_TRUST_MAX_; t++) {
                struct trust_edge edge = trust_next((enum vm_trust)t, EV_NEW_BOOT);

                assert_true(edge.allowed);
                assert_int_equal(edge.next, TRUST_UNVERIFIED);
                assert_int_equal(edge.action, DO_FORGET);
        }
}

static void test_what_was_changed_is_not_verified(void **state) {
        for (int t = 0; t < VM_TRUST_MAX_; t++) {
                struct trust_edge edge = trust_next((enum vm_trust)t, EV_CHANGED);

                assert_int_equal(edge.allowed, t != TRUST_REFUSED);
                if (edge.allowed)
                        assert_int_equal(edge.next, TRUST_UNVERIFIED);
        }
}

static void test_a_refusal_is_not_softened(void **state) {
        for (int e = 0; e < VM_EVENT_MAX_; e++)
                if (trust_next(TRUST_REFUSED, (enum vm_event)e).allowed)
                        assert_true(e == EV_NEW_BOOT || e == EV_VERDICT_ACCEPTED || e == EV_VERDICT_REFUSED);
}

static void test_no_state_is_a_trap(void **state) {
        for (int s = 0; s < VM_STATE_MAX_; s++) {
                assert_true(reaches((enum vm_state)s, VM_STOPPED, 1u << s));
                assert_true(s == VM_DEFINED || reaches(VM_DEFINED, (enum vm_state)s, 1u << VM_DEFINED));
        }
}

static void test_fenced_states_never_run(void **state) {
        for (int s = 0; s < VM_STATE_MAX_; s++) {
                if (!vm_state_is_fenced((enum vm_state)s))
                        continue;
                for (int e = 0; e < VM_EVENT_MAX_; e++) {
                        struct vm_edge edge = vm_next((enum vm_state)s, (enum vm_event)e);

                        assert_true(edge.action != DO_SPAWN && edge.action != DO_CONTINUE);
                        /* Only a move that was called off before its commit goes on here. */
                        if (edge.allowed && edge.next == VM_RUNNING)
                                assert_true(s == VM_MIGRATING && e == EV_STAYED);
                }
                assert_false(vm_next((enum vm_state)s, EV_START).allowed);
        }
}

static void test_one_way_to_start(void **state) {
        for (int s = 0; s < VM_STATE_MAX_; s++)
                for (int e = 0; e < VM_EVENT_MAX_; e++)
                        if (vm_next((enum vm_state)s, (enum vm_event)e).action == DO_SPAWN)
                                assert_int_equal(e, EV_START);
}

static void test_the_hold_ends_by_permit_only(void **state) {
        for (int e = 0; e < VM_EVENT_MAX_; e++) {
                struct vm_edge edge = vm_next(VM_AWAITING_APPROVAL, (enum vm_event)e);

                if (edge.allowed && (edge.next == VM_RUNNING || edge.next == VM_STARTING))
                        assert_int_equal(e, EV_PERMIT);
                if (edge.action == DO_CONTINUE)
                        assert_int_equal(e, EV_PERMIT);
        }
}

static void test_where_a_process_lives_its_end_counts(void **state) {
        for (int s = 0; s < VM_STATE_MAX_; s++) {
                assert_int_equal(vm_next((enum vm_state)s, EV_DIED).allowed,
                                 vm_next((enum vm_state)s, EV_ENDED).allowed);
                if (vm_state_has_process((enum vm_state)s)) {
                        assert_int_equal(vm_next((enum vm_state)s, EV_DIED).next, VM_FAILED);
                        assert_int_equal(vm_next((enum vm_state)s, EV_DIED).action, DO_RELEASE);
                        assert_false(vm_next((enum vm_state)s, EV_START).allowed); /* never two processes */
                }
        }
}

static void test_texts_are_whole_and_come_back(void **state) {
        for (int s = 0; s < VM_STATE_MAX_; s++)
                assert_int_equal(vm_state_of(vm_state_text((enum vm_state)s)), s);
        for (int t = 0; t < VM_TRUST_MAX_; t++)
                assert_int_equal(vm_trust_of(vm_trust_text((enum vm_trust)t)), t);
        for (int e = 0; e < VM_EVENT_MAX_; e++)
                assert_non_null(vm_event_text((enum vm_event)e));
        assert_int_equal(vm_state_of("asleep"), VM_STATE_MAX_);
        assert_int_equal(vm_trust_of(""), VM_TRUST_MAX_);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_door_for_secrets),
                cmocka_unit_test(test_only_a_verdict_verifies),
                cmocka_unit_test(test_a_new_boot_ends_trust),
                cmocka_unit_test(test_what_was_changed_is_not_verified),
                cmocka_unit_test(test_a_refusal_is_not_softened),
                cmocka_unit_test(test_no_state_is_a_trap),
                cmocka_unit_test(test_fenced_states_never_run),
                cmocka_unit_test(test_one_way_to_start),
                cmocka_unit_test(test_the_hold_ends_by_permit_only),
                cmocka_unit_test(test_where_a_process_lives_its_end_counts),
                cmocka_unit_test(test_texts_are_whole_and_come_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
