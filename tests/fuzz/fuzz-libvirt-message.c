/* Any bytes as what the daemon and cvmd-libvirt say to each other: what is read can be written, and is the
 * same when it is read again. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vm/libvirt-link.h"

static void read_request(const void *data, size_t size) {
        CVM_CLEANUP(libvirt_request_done) struct libvirt_request request = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL, *second = NULL;
        struct cvm_error err = { 0 };

        if (cvm_json_read_text(data, size, "request", libvirt_request_fields, &request, &err) < 0) {
                FUZZ_REQUIRE(err.code && err.text[0]);
                return;
        }
        FUZZ_REQUIRE(request.id > 0 && cvm_uuid_is_valid(request.uuid));
        FUZZ_REQUIRE(libvirt_verbs[request.verb] && request.text.size <= LIBVIRT_TEXT_MAX);
        text = cvm_json_write_text(libvirt_request_fields, &request);
        FUZZ_REQUIRE(text && cvm_json_read_text(text, strlen(text), "again", libvirt_request_fields, &again,
                                                &err) >= 0);
        second = cvm_json_write_text(libvirt_request_fields, &again);
        FUZZ_REQUIRE(second && strcmp(text, second) == 0);
}

static void read_message(const void *data, size_t size) {
        CVM_CLEANUP(libvirt_message_done) struct libvirt_message message = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL, *second = NULL;
        struct cvm_error err = { 0 };

        if (libvirt_message_read(data, size, &message, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_WORKER && err.text[0]);
                return;
        }
        FUZZ_REQUIRE(message.seq > 0 && (message.kind == LIBVIRT_ANSWER) == (message.id != 0));
        FUZZ_REQUIRE(message.uuid || message.kind == LIBVIRT_ANSWER || message.kind == LIBVIRT_CONNECTED ||
                     message.kind == LIBVIRT_DISCONNECTED);
        text = cvm_json_write_text(libvirt_message_fields, &message);
        FUZZ_REQUIRE(text && libvirt_message_read(text, strlen(text), &again, &err) >= 0);
        second = cvm_json_write_text(libvirt_message_fields, &again);
        FUZZ_REQUIRE(second && strcmp(text, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > LIBVIRT_MESSAGE_MAX)
                return 0;
        read_request(data, size);
        read_message(data, size);
        return 0;
}
