#include "launch/measure-se.h"

#include <errno.h>
#include <string.h>

#include "launch/header-se.h"

static const struct {
        const char *name;
        size_t size;
} parts[] = {
        { "pld", CVM_SHA512_SIZE },
        { "ald", CVM_SHA512_SIZE },
        { "tld", CVM_SHA512_SIZE },
        { "tag", SE_TAG_SIZE },
};

int se_read_header(int fd, const char *name, struct cvm_bytes *ret, struct cvm_error *err) {
        struct se_header header;
        struct se_place place;
        int r = se_header_find(fd, name, &place, &header, err);

        if (r < 0)
                return r;
        return cvm_bytes_copy(header.bytes, header.size, ret) < 0
                               ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", name)
                               : 0;
}

static void fill(const struct se_header *header, struct measurement *m) {
        uint8_t tags[SE_BOOT_TAGS_SIZE];
        const uint8_t *next = tags;

        _Static_assert(SE_SLOTS_MAX <= MEASUREMENT_HOSTS_MAX, "each slot is a host");
        _Static_assert(SE_FLAGS_MAX <= MEASUREMENT_FLAGS_MAX, "each flag has its place");
        se_header_boot_tags(header, tags);
        se_image_measurement(tags, m->digest);
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                struct measurement_part *part = &m->parts[m->n_parts++];

                part->name = parts[i].name;
                part->size = parts[i].size;
                memcpy(part->value, next, part->size);
                next += part->size;
        }
        (void)se_flag_names(header->pcf, 0, m->flags);
        for (size_t i = 0; i < header->n_slots; i++)
                memcpy(m->hosts[m->n_hosts++], se_header_slot(header, i), CVM_SHA256_SIZE);
}

/* Loader, kernel, initrd and command line are what the digests in the header are of. */
int se_measure_header(const struct measure_inputs *in, struct measurement *ret, struct cvm_error *err) {
        struct measurement m = { .platform = CVM_PLATFORM_SECURE_EXECUTION,
                                 .size = CVM_SHA384_SIZE,
                                 .covers_firmware = true,
                                 .covers_kernel = true,
                                 .covers_initrd = true,
                                 .covers_cmdline = true };
        struct se_header header;
        int r;

        if (!in->header)
                return cvm_fail(err, &CVM_CODE_IMAGE_FIELD, EINVAL,
                                "there is no image, and it alone is measured");
        r = se_header_read(in->header, in->header_size, &header, err);
        if (r < 0)
                return r;
        fill(&header, &m);
        *ret = m;
        return 0;
}
