/*
 * The parts of a protected image from any bytes: 28 of metadata, 1024 where the header is, the rest where
 * the list of components is, with pages of zeros between. What is taken is checked and opened with a key of
 * zeros.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "launch/image-se.h"
#include "tests/fuzz/fuzz.h"

#define HEADER_AT 0x14000
#define HEADER_ROOM 1024
#define IPIB_AT 0x17000

static int make(const uint8_t *data, size_t size) {
        static const uint8_t entry[8] = { 0, 8, 0, 1, 0x80, 1, 0x10, 0 };
        size_t front = size < SE_METADATA_SIZE ? size : SE_METADATA_SIZE, header;
        int fd = memfd_create("image", MFD_CLOEXEC);

        FUZZ_REQUIRE(fd >= 0 && cvm_write_at(fd, 0, entry, sizeof entry) == 0);
        FUZZ_REQUIRE(cvm_write_at(fd, SE_METADATA_AT, data, front) == 0);
        data += front;
        size -= front;
        header = size < HEADER_ROOM ? size : HEADER_ROOM;
        FUZZ_REQUIRE(cvm_write_at(fd, HEADER_AT, data, header) == 0);
        FUZZ_REQUIRE(cvm_write_at(fd, IPIB_AT, data + header, size - header) == 0);
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = make(data, size);
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret keys = { 0 };
        struct se_image image;
        struct se_header header;
        struct se_entry entry;
        struct cvm_error err = { 0 };
        uint64_t pages = 0;

        if (se_header_read(data, size, &header, NULL) >= 0)
                FUZZ_REQUIRE(header.size <= size && header.size == se_header_size(header.n_slots));
        if (se_image_read(fd, "image", &image, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_IMAGE_FORMAT);
                return 0;
        }
        for (size_t i = 0; i < image.n_components; i++)
                pages += image.components[i].size / SE_PAGE;
        FUZZ_REQUIRE(pages == image.header.digests.n_pages && pages <= 3);
        if (se_image_check(fd, "image", &image, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_IMAGE_CHANGED);
        FUZZ_REQUIRE(se_keys_new(&keys, NULL) == 0);
        (void)se_image_open(fd, "image", &image, se_keys(&keys), &entry, &err);
        return 0;
}
