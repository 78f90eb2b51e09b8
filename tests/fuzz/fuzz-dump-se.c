/* A dump from any bytes: taken only with the names of the ultravisor's parts in it, refused with words. */
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "launch/dump-se.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = memfd_create("core", MFD_CLOEXEC);
        struct cvm_error err = { 0 };

        FUZZ_REQUIRE(fd >= 0 && cvm_write_all(fd, data, size) == 0);
        if (se_check_core(fd, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_DUMP_DENIED || err.code == &CVM_CODE_DUMP_FAILED ||
                             err.code == &CVM_CODE_FILE);
        else
                FUZZ_REQUIRE(memmem(data, size, "pv_mem_meta", 11) && memmem(data, size, "pv_compl", 8));
        return 0;
}
