#include "tests/testbed/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* PAGE_INFO in memory; the compiler's layout is the firmware's, which the assertion holds. */
struct page_info {
        uint8_t digest[DIGEST_SIZE], contents[DIGEST_SIZE];
        uint16_t length;
        uint8_t type, imi, vmpl3, vmpl2, vmpl1, reserved;
        uint64_t gpa;
};
_Static_assert(sizeof(struct page_info) == 0x70, "PAGE_INFO has 0x70 bytes");

void sha384(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]) {
        if (EVP_Digest(data, size, ret, NULL, EVP_sha384(), NULL) != 1)
                abort();
}

void digest_extend(struct digest *d, enum digest_page type, uint64_t gpa, const void *contents) {
        struct page_info info = { .length = sizeof info, .type = (uint8_t)type, .gpa = gpa };

        __builtin_memcpy(info.digest, d->value, DIGEST_SIZE);
        if (type == DIGEST_NORMAL || type == DIGEST_VMSA)
                sha384(contents, DIGEST_PAGE, info.contents);
        sha384(&info, sizeof info, d->value);
        d->pages[type]++;
}
