/* The framing: whatever a peer sends, the next whole frame is found, and memory follows what has arrived. */
#include "base/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION 0x0123456789abcdefull

static void reader_done(struct cvm_frame_reader *r) {
        cvm_frame_reader_done(r);
}

static void make(uint8_t type, const char *payload, struct cvm_writer *out) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        assert_int_equal(cvm_frame_make(type, SESSION, payload, &frame), 0);
        cvm_write_copy(out, frame.data, frame.size);
}

/* Feed all of it in pieces of that size; the types of the frames that came out, as a text. */
static void feed(struct cvm_frame_reader *r, const void *data, size_t size, size_t piece, char *ret,
                 size_t room) {
        const uint8_t *p = data;

        *ret = 0;
        while (size > 0) {
                size_t n = piece < size ? piece : size, used = 0;
                struct cvm_frame frame;
                int got;

                /* a copy of that size, so that the sanitizer sees one byte too far */
                CVM_CLEANUP(cvm_freep) uint8_t *copy = malloc(n);
                memcpy(copy, p, n);
                got = cvm_frame_feed(r, copy, n, &used, &frame);
                assert_true(used >= 1 && used <= n);
                if (got > 0) {
                        size_t end = strlen(ret);

                        assert_true(frame.session == SESSION);
                        assert_int_equal(frame.payload[frame.size], 0);
                        snprintf(ret + end, room - end, "%02x:%.8s ", frame.type, frame.payload);
                }
                p += used;
                size -= used;
        }
}

static void test_frames_cut_anywhere(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        make(0x01, "{}", &w);
        make(0xfe, "", &w);
        make(0x83, "{\"a\":1}", &w);
        for (size_t piece = 1; piece <= w.bytes.size; piece++) {
                CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
                char seen[128];

                feed(&r, w.bytes.data, w.bytes.size, piece, seen, sizeof seen);
                assert_string_equal(seen, "01:{} fe: 83:{\"a\":1} ");
                assert_int_equal(r.dropped_bytes, 0);
        }
}

/* A sender that was reset at any byte of a frame: what it sends next is found at once. */
static void test_next_frame_after_any_cut(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer first = { 0 };

        make(0x01, "{\"x\":\"yz\"}", &first);
        for (size_t cut = 0; cut < first.bytes.size; cut++) {
                CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

                cvm_write_copy(&w, first.bytes.data, cut);
                make(0x02, "{}", &w);
                for (size_t piece = 1; piece < 40; piece += 3) {
                        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
                        char seen[64];

                        feed(&r, w.bytes.data, w.bytes.size, piece, seen, sizeof seen);
                        assert_string_equal(seen, "02:{} ");
                        assert_int_equal(r.dropped_bytes, cut);
                }
        }
}

static void test_garbage_between_frames(void **state) {
        static const uint8_t garbage[] = "boot noise \xff\xff"
                                         "CVM2"
                                         "\xff"
                                         "CVM1zz"
                                         "\0\xfe";
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
        char seen[64];

        cvm_write_copy(&w, garbage, sizeof garbage - 1);
        make(0x01, "{}", &w);
        cvm_write_copy(&w, garbage, sizeof garbage - 1);
        make(0x02, "{}", &w);
        feed(&r, w.bytes.data, w.bytes.size, w.bytes.size, seen, sizeof seen);
        assert_string_equal(seen, "01:{} 02:{} ");
        assert_int_equal(r.dropped_bytes, 2 * (sizeof garbage - 1));
}

static void assert_no_frame(const char *header) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
        char seen[64];

        cvm_write_copy(&w, header, strlen(header));
        cvm_write_copy(&w, "{}", 2);
        make(0x02, "{}", &w);
        feed(&r, w.bytes.data, w.bytes.size, 7, seen, sizeof seen);
        if (strcmp(seen, "02:{} ") != 0)
                fail_msg("%s gives %s", header + 1, seen);
}

static void test_headers_that_are_none(void **state) {
        assert_no_frame("\xff"
                        "CVM2010123456789abcdef00000002\n");
        assert_no_frame("\xff"
                        "CVM10G0123456789abcdef00000002\n");
        assert_no_frame("\xff"
                        "CVM1010123456789ABCDEF00000002\n");
        assert_no_frame("\xff"
                        "CVM1010123456789abcdef0000000x\n");
        assert_no_frame("\xff"
                        "CVM1010123456789abcdef 0000002\n");
        assert_no_frame("\xff"
                        "CVM1010123456789abcdef-0000002\n");
        assert_no_frame("\xff"
                        "CVM1010123456789abcdef00000002 ");
        assert_no_frame("\xff"
                        "CVM1010123456789abcdef00200001\n"); /* one byte over the cap */
        assert_no_frame("\xff"
                        "CVM1010123456789abcdefffffffff\n");
}

static void test_memory_follows_what_arrives(void **state) {
        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
        char seen[64];

        feed(&r,
             "\xff"
             "CVM1010123456789abcdef00200000\n{",
             33, 33, seen, sizeof seen);
        assert_string_equal(seen, "");
        assert_true(r.room >= 33 && r.room <= 4096);
}

static void test_largest_frame(void **state) {
        CVM_CLEANUP(cvm_freep) char *payload = malloc(CVM_FRAME_PAYLOAD_MAX + 2);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
        char seen[64];

        memset(payload, 'x', CVM_FRAME_PAYLOAD_MAX + 1);
        payload[CVM_FRAME_PAYLOAD_MAX + 1] = 0;
        assert_int_equal(cvm_frame_make(1, SESSION, payload, &frame), -EMSGSIZE);
        payload[CVM_FRAME_PAYLOAD_MAX] = 0;
        assert_int_equal(cvm_frame_make(1, SESSION, payload, &frame), 0);
        feed(&r, frame.data, frame.size, 65536, seen, sizeof seen);
        assert_string_equal(seen, "01:xxxxxxxx ");
}

static void test_mark_in_a_payload_cannot_be_sent(void **state) {
        struct cvm_bytes frame = { 0 };

        assert_int_equal(cvm_frame_make(1, SESSION, "{\"a\":\"\xff\"}", &frame), -EINVAL);
        assert_null(frame.data);
}

static void test_reset_forgets_the_half_frame(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(reader_done) struct cvm_frame_reader r = { 0 };
        char seen[64];

        make(0x01, "{\"x\":1}", &w);
        feed(&r, w.bytes.data, 35, 35, seen, sizeof seen);
        cvm_frame_reader_reset(&r);
        feed(&r, w.bytes.data + 35, w.bytes.size - 35, 100, seen, sizeof seen);
        assert_string_equal(seen, ""); /* the rest alone is garbage */
        feed(&r, w.bytes.data, w.bytes.size, 100, seen, sizeof seen);
        assert_string_equal(seen, "01:{\"x\":1} ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_cut_anywhere),
                cmocka_unit_test(test_next_frame_after_any_cut),
                cmocka_unit_test(test_garbage_between_frames),
                cmocka_unit_test(test_headers_that_are_none),
                cmocka_unit_test(test_memory_follows_what_arrives),
                cmocka_unit_test(test_largest_frame),
                cmocka_unit_test(test_mark_in_a_payload_cannot_be_sent),
                cmocka_unit_test(test_reset_forgets_the_half_frame),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
