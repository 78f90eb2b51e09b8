/* What QEMU leaves on its standard error, or in libvirt's log, may be anything: it becomes one line of
 * printable text with a code. */
#include <string.h>

#include "base/fd.h"
#include "tests/fuzz/fuzz.h"
#include "vm/libvirt-words.h"
#include "vm/stderr-words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = cvm_memfd("stderr", data, size);
        CVM_CLEANUP(cvm_freep) char *log = libvirt_log_text(data, size);
        struct cvm_error err = { 0 };

        FUZZ_REQUIRE(fd >= 0 && log && strlen(log) <= size);
        stderr_words(fd, &err);
        FUZZ_REQUIRE(err.code && err.text[0]);
        for (const char *c = err.text; *c; c++)
                FUZZ_REQUIRE((unsigned char)*c >= ' ' || *c == '\t');
        return 0;
}
