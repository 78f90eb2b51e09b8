/* The relay between two socket pairs: one stands for QEMU's console. */
#include "vm/console-relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "vm/console-log.h"

struct fixture {
        sd_event *event;
        int qemu, client;
        struct console_relay *relay;
};

static void begin(struct fixture *f) {
        struct cvm_error err = { 0 };
        int ends[2];

        *f = (struct fixture){ .client = -EBADF };
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        f->qemu = ends[0];
        assert_int_equal(console_relay_new(f->event, ends[1], &f->relay, &f->client, &err), 0);
}

static void end(struct fixture *f) {
        console_relay_free(f->relay);
        cvm_close(f->qemu);
        cvm_close(f->client);
        sd_event_unref(f->event);
}

static void turn(struct fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void test_both_ways(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char text[16] = "";

        begin(&f);
        assert_int_equal(write(f.qemu, "login: ", 7), 7);
        assert_int_equal(write(f.client, "root\r", 5), 5);
        turn(&f);
        assert_int_equal(read(f.client, text, sizeof text), 7);
        assert_memory_equal(text, "login: ", 7);
        assert_int_equal(read(f.qemu, text, sizeof text), 5);
        assert_memory_equal(text, "root\r", 5);
}

/* A guest that takes no input: it waits at the client, is not lost, and holds up nothing. */
static void test_input_waits(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        static char block[4096], back[4096];
        size_t sent = 0, received = 0;
        ssize_t n;

        begin(&f);
        while ((n = write(f.client, block, sizeof block)) > 0) {
                sent += (size_t)n;
                turn(&f);
        }
        assert_int_equal(errno, EAGAIN); /* the client is told by its own socket */
        turn(&f);
        assert_false(console_relay_is_over(f.relay));
        assert_int_equal(write(f.qemu, "x", 1), 1);
        turn(&f);
        assert_int_equal(read(f.client, back, 1), 1); /* output goes on */
        while (received < sent) {
                n = read(f.qemu, back, sizeof back);
                received += n > 0 ? (size_t)n : 0;
                turn(&f);
        }
        assert_int_equal(received, sent);
}

static void test_output_is_never_waited_for(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        static char block[4096];
        size_t received = 0;
        ssize_t n;

        begin(&f);
        for (int i = 0; i < 4096; i++) {
                assert_int_equal(write(f.qemu, block, sizeof block), sizeof block);
                turn(&f);
        }
        assert_false(console_relay_is_over(f.relay));
        while ((n = read(f.client, block, sizeof block)) > 0) {
                received += (size_t)n;
                turn(&f);
        }
        assert_true(received > sizeof block && received < 4096 * sizeof block);
        assert_int_equal(write(f.qemu, "again", 5), 5);
        turn(&f);
        assert_int_equal(read(f.client, block, sizeof block), 5);
}

static void test_each_end_ends_the_other(void **state) {
        CVM_CLEANUP(end) struct fixture client_left;
        CVM_CLEANUP(end) struct fixture qemu_left;
        char byte;

        begin(&client_left);
        assert_int_equal(write(client_left.client, "last", 4), 4);
        client_left.client = cvm_close(client_left.client);
        turn(&client_left);
        assert_true(console_relay_is_over(client_left.relay));
        for (int i = 0; i < 4; i++)
                assert_int_equal(read(client_left.qemu, &byte, 1), 1);
        assert_int_equal(read(client_left.qemu, &byte, 1), 0);
        begin(&qemu_left);
        assert_int_equal(write(qemu_left.qemu, "bye", 3), 3);
        qemu_left.qemu = cvm_close(qemu_left.qemu);
        turn(&qemu_left);
        assert_true(console_relay_is_over(qemu_left.relay));
        for (int i = 0; i < 3; i++)
                assert_int_equal(read(qemu_left.client, &byte, 1), 1);
        assert_int_equal(read(qemu_left.client, &byte, 1), 0);
}

/* Whoever has typed all there is to be gets what is still printed, and hears when the console is free. */
static void test_typing_ends(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char text[16] = "";

        begin(&f);
        assert_int_equal(write(f.client, "exit", 4), 4);
        assert_int_equal(shutdown(f.client, SHUT_WR), 0);
        turn(&f);
        assert_int_equal(read(f.qemu, text, sizeof text), 4);
        assert_int_equal(read(f.qemu, text, sizeof text), 0);
        assert_false(console_relay_is_over(f.relay));
        assert_int_equal(write(f.qemu, "bye", 3), 3);
        turn(&f);
        assert_int_equal(read(f.client, text, sizeof text), 3);
        f.qemu = cvm_close(f.qemu);
        turn(&f);
        assert_true(console_relay_is_over(f.relay));
        assert_int_equal(read(f.client, text, sizeof text), 0);
}

/* A guest that prints at each turn of the loop: its log is looked after, and who leaves has left. */
static void test_a_busy_log_holds_up_nobody(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct console_log *log = NULL;
        CVM_CLEANUP(cvm_closep) int file = -EBADF;
        char dir[] = "/tmp/cvmd-relay-XXXXXX", path[64];
        struct cvm_error err = { 0 };

        begin(&f);
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/console.log", dir);
        file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(console_log_new(f.event, dir, &log, &err), 0);
        f.client = cvm_close(f.client);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(write(file, ".", 1), 1);
                assert_true(sd_event_run(f.event, 0) > 0);
        }
        assert_true(console_relay_is_over(f.relay));
        console_log_free(log);
        unlink(path);
        rmdir(dir);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_input_waits),
                cmocka_unit_test(test_output_is_never_waited_for),
                cmocka_unit_test(test_each_end_ends_the_other),
                cmocka_unit_test(test_typing_ends),
                cmocka_unit_test(test_a_busy_log_holds_up_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
