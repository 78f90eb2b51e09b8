#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int cvm_secret_new(size_t size, struct cvm_secret *ret) {
        void *pages = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED)
                return -ENOMEM;
        (void)mlock(pages, size + 1);
        (void)madvise(pages, size + 1, MADV_DONTDUMP);
        (void)madvise(pages, size + 1, MADV_DONTFORK);
        *ret = (struct cvm_secret){ pages, size };
        return 0;
}

void cvm_secret_done(struct cvm_secret *secret) {
        if (!secret->data)
                return;
        explicit_bzero(secret->data, secret->size);
        munmap(secret->data, secret->size + 1);
        *secret = (struct cvm_secret){ 0 };
}
