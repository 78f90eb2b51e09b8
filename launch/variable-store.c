#include "launch/variable-store.h"

#include <errno.h>
#include <string.h>

#define VOLUME_SIGNATURE 0x4856465fu /* "_FVH" */
#define START 0x55aa
#define SET 0x3f /* the state of a variable that was written and not replaced */

/* aaf32c78-947b-439a-a180-2e144ec37792, of stores with authenticated variables */
static const uint8_t guid_store[16] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                        0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

/* A reader of what lies in the store: behind the headers of volume and store. */
static int open_store(const uint8_t *bytes, size_t size, struct cvm_reader *ret) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        const uint8_t *guid;
        uint32_t signature, length;
        uint16_t header;

        cvm_read_view(&r, 16 + 16 + 8);
        signature = cvm_read_u32le(&r);
        cvm_read_u32le(&r);
        header = cvm_read_u16le(&r);
        if (r.failed || signature != VOLUME_SIGNATURE || header > size)
                return -EINVAL;
        r = cvm_reader_of(bytes + header, size - header);
        guid = cvm_read_view(&r, sizeof guid_store);
        length = cvm_read_u32le(&r);
        cvm_read_view(&r, 8);
        if (r.failed || memcmp(guid, guid_store, sizeof guid_store) != 0 || length < 28 ||
            length - 28 > r.left)
                return -EINVAL;
        *ret = cvm_reader_of(r.next, length - 28);
        return 0;
}

static bool is_named(const uint8_t *utf16, size_t size, const char *name) {
        size_t n = strlen(name) + 1; /* its NUL too */

        if (size != 2 * n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (utf16[2 * i] != (uint8_t)name[i] || utf16[2 * i + 1])
                        return false;
        return true;
}

int variable_find(const uint8_t *store, size_t size, const char *guid, const char *name,
                  struct cvm_reader *ret) {
        struct cvm_reader r;
        int e = open_store(store, size, &r);

        while (e >= 0 && r.left >= 60 && cvm_read_u16le(&r) == START) {
                uint8_t state = cvm_read_u8(&r);
                const uint8_t *vendor, *letters, *data;
                uint32_t name_size, data_size;

                cvm_read_view(&r, 1 + 4 + 8 + 16 + 4);
                name_size = cvm_read_u32le(&r);
                data_size = cvm_read_u32le(&r);
                vendor = cvm_read_view(&r, 16);
                letters = cvm_read_view(&r, name_size);
                data = cvm_read_view(&r, data_size);
                if (r.failed)
                        return -EINVAL;
                if (state == SET && memcmp(vendor, guid, 16) == 0 && is_named(letters, name_size, name)) {
                        *ret = cvm_reader_of(data, data_size);
                        return 1;
                }
                cvm_read_view(&r, -(size_t)((uintptr_t)(r.next - store)) & 3); /* the next is aligned */
        }
        return e;
}

int variable_secure_boot(const uint8_t *store, size_t size) {
        static const char guid_enable[] = "\xf0\xa3\x0b\xf3\xa8\xaf\x56\x45\x99\xc4\x00\x10\x09\xc9\x3a\x44";
        struct cvm_reader data = { 0 };

        if (variable_find(store, size, VARIABLE_GUID_GLOBAL, "PK", &data) <= 0)
                return -ENOENT;
        return variable_find(store, size, guid_enable, "SecureBootEnable", &data) <= 0 || cvm_read_u8(&data);
}
