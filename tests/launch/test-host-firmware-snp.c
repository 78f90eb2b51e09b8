/* The security processor's device, played here: only three commands ever reach it, none that changes a host.
 */
#include "launch/host-firmware-snp.h"

#include <errno.h>
#include <linux/ioctl.h>
#include <linux/psp-sev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

/* What the device heard, and how it answers. */
static struct {
        uint32_t commands[16];
        size_t n;
        int errnum;           /* 0: it answers */
        uint32_t id_length;   /* that it needs */
        uint32_t claims;      /* that it claims to have written; 0: what it needs */
        uint32_t offered[2];  /* of the requests for ids */
        bool answers_no_room; /* as if there were any */
} device;

int ioctl(int fd, unsigned long request, ...);
int ioctl(int fd, unsigned long request, ...) {
        struct sev_issue_cmd *command;
        struct sev_user_data_get_id2 id2;
        uint8_t *to;
        va_list rest;
        bool fits;

        va_start(rest, request);
        command = va_arg(rest, struct sev_issue_cmd *);
        va_end(rest);
        assert_int_equal(fd, 99);
        assert_int_equal(request, SEV_ISSUE_CMD);
        device.commands[device.n++] = command->cmd;
        if (device.errnum) {
                command->error = 0x23;
                errno = device.errnum;
                return -1;
        }
        to = (uint8_t *)(uintptr_t)command->data;
        if (command->cmd != SEV_GET_ID2) {
                to[0] = 1;
                to[1] = 55;
                return 0;
        }
        memcpy(&id2, to, sizeof id2);
        assert_true(id2.length <= HOST_FIRMWARE_ANSWER_MAX);
        device.offered[device.n == 4] = id2.length;
        fits = id2.length >= device.id_length || device.answers_no_room;
        if (id2.length >= device.id_length)
                memset((uint8_t *)(uintptr_t)id2.address, 0xa1, device.id_length);
        id2.length = id2.length && device.claims ? device.claims : device.id_length;
        memcpy(to, &id2, sizeof id2);
        command->error = fits ? 0 : 4; /* INVALID_LEN */
        errno = EIO;
        return fits ? 0 : -1;
}

static int ask(enum host_firmware_question question, uint8_t *ret, size_t *ret_size, struct cvm_error *err) {
        return host_firmware_ask_device(99, question, ret, ret_size, err);
}

static int forget(void **state) {
        (void)state;
        memset(&device, 0, sizeof device);
        device.id_length = 64;
        return 0;
}

static void test_only_three_commands_exist(void **state) {
        static const uint32_t allowed[] = { 1, 9, 8, 8 };

        (void)state;
        for (int i = 0; i <= HOST_FIRMWARE_CHIP_IDS; i++) {
                uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
                struct cvm_error err = { 0 };
                size_t size;

                assert_int_equal(ask(i, answer, &size, &err), 0);
        }
        assert_int_equal(device.n, ARRAY_SIZE(allowed));
        assert_memory_equal(device.commands, allowed, sizeof allowed);
}

static void test_answers_have_their_length(void **state) {
        static const size_t sizes[] = { 12, 32, 64 };

        (void)state;
        for (int i = 0; i <= HOST_FIRMWARE_CHIP_IDS; i++) {
                uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
                struct cvm_error err = { 0 };
                size_t size;

                assert_int_equal(ask(i, answer, &size, &err), 0);
                assert_int_equal(size, sizes[i]);
                assert_int_equal(answer[0], i == HOST_FIRMWARE_CHIP_IDS ? 0xa1 : 1);
        }
}

static void test_an_answer_that_is_too_long(void **state) {
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
        struct cvm_error err = { 0 };
        size_t size;

        (void)state;
        device.id_length = HOST_FIRMWARE_ANSWER_MAX + 1;
        assert_int_equal(ask(HOST_FIRMWARE_CHIP_IDS, answer, &size, &err), -EIO);
        assert_ptr_equal(err.code, &CVM_CODE_HOST_PROBE);
        assert_int_equal(device.n, 1); /* no room of another size is tried */
        device.id_length = 64;
        device.claims = HOST_FIRMWARE_ANSWER_MAX + 1;
        assert_int_equal(ask(HOST_FIRMWARE_CHIP_IDS, answer, &size, &err), -EIO);
        assert_ptr_equal(err.code, &CVM_CODE_HOST_PROBE);
}

/* Two sockets need the double; a firmware that refuses nothing has told the length as well. */
static void test_ids_are_given_the_room_that_they_need(void **state) {
        (void)state;
        for (int i = 0; i < 2; i++) {
                uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
                struct cvm_error err = { 0 };
                size_t size;

                device.n = 2;
                device.id_length = 128;
                device.answers_no_room = i;
                assert_int_equal(ask(HOST_FIRMWARE_CHIP_IDS, answer, &size, &err), 0);
                assert_null(err.code);
                assert_int_equal(size, 128);
                assert_int_equal(device.offered[0], 0);
                assert_int_equal(device.offered[1], 128);
                assert_int_equal(answer[127], 0xa1);
        }
}

/* -ENOENT is kept for a device that is not there. */
static void test_a_firmware_that_refuses(void **state) {
        static const int numbers[][2] = { { EIO, -EIO }, { EPERM, -EPERM }, { ENOENT, -EIO } };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
                struct cvm_error err = { 0 };
                size_t size;

                device.errnum = numbers[i][0];
                assert_int_equal(ask(HOST_FIRMWARE_GUEST_STATUS, answer, &size, &err), numbers[i][1]);
                assert_non_null(strstr(err.text, "SNP_PLATFORM_STATUS"));
                assert_non_null(strstr(err.text, "0x23"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_only_three_commands_exist, forget),
                cmocka_unit_test_setup(test_answers_have_their_length, forget),
                cmocka_unit_test_setup(test_an_answer_that_is_too_long, forget),
                cmocka_unit_test_setup(test_ids_are_given_the_room_that_they_need, forget),
                cmocka_unit_test_setup(test_a_firmware_that_refuses, forget),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
