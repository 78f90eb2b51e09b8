#include "vm/libvirt-words.h"
#include <errno.h>
int libvirt_words(int domain, int code, const char *message, struct cvm_error *ret) {
        return cvm_fail(ret, &CVM_CODE_LIBVIRT, EIO, "libvirt: %.300s", message);
}
