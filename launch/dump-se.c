#include "launch/dump-se.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fd.h"

#define SECTIONS_MAX 64 /* QEMU writes four */
#define NAMES_MAX 4096

struct section {
        uint32_t name;
        uint64_t offset, size;
};

static int refuse(const char *why, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_DUMP_FAILED, EBADMSG,
                        "what QEMU wrote is no dump of a protected guest: %s", why);
}

static int read_part(int fd, uint64_t offset, void *ret, size_t size, struct cvm_error *err) {
        ssize_t n = cvm_read_at(fd, offset, ret, size);

        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, (int)n, "the dump cannot be read: %s",
                                strerror((int)-n));
        return (size_t)n < size ? refuse("it is cut off", err) : 0;
}

/* Where the table of sections stands, how many there are, and which one has their names. */
static int read_head(int fd, uint64_t *ret_table, unsigned *ret_n, unsigned *ret_names,
                     struct cvm_error *err) {
        static const uint8_t kind[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2MSB };
        uint8_t bytes[sizeof(Elf64_Ehdr)] = { 0 };
        struct cvm_reader reader = cvm_reader_of(bytes, sizeof bytes);
        unsigned size;
        int r = read_part(fd, 0, bytes, sizeof bytes, err);

        if (r < 0)
                return r;
        if (memcmp(bytes, kind, sizeof kind) != 0)
                return refuse("it is no ELF core of s390x", err);
        cvm_read_view(&reader, offsetof(Elf64_Ehdr, e_shoff));
        *ret_table = cvm_read_u64be(&reader);
        cvm_read_view(&reader, offsetof(Elf64_Ehdr, e_shentsize) - offsetof(Elf64_Ehdr, e_flags));
        size = cvm_read_u16be(&reader);
        *ret_n = cvm_read_u16be(&reader);
        *ret_names = cvm_read_u16be(&reader);
        if (*ret_n > 0 && (size != sizeof(Elf64_Shdr) || *ret_n > SECTIONS_MAX || *ret_names >= *ret_n))
                return refuse("its sections are in disorder", err);
        return 0;
}

static int read_section(int fd, uint64_t at, struct section *ret, struct cvm_error *err) {
        uint8_t bytes[sizeof(Elf64_Shdr)] = { 0 };
        struct cvm_reader reader = cvm_reader_of(bytes, sizeof bytes);
        int r = read_part(fd, at, bytes, sizeof bytes, err);

        ret->name = cvm_read_u32be(&reader);
        cvm_read_view(&reader, offsetof(Elf64_Shdr, sh_offset) - sizeof ret->name);
        ret->offset = cvm_read_u64be(&reader);
        ret->size = cvm_read_u64be(&reader);
        return r;
}

int se_check_core(int fd, struct cvm_error *err) {
        static const char *const wanted[] = { "pv_mem_meta", "pv_compl" };
        struct section sections[SECTIONS_MAX];
        char names[NAMES_MAX + 1] = "";
        uint64_t table = 0;
        unsigned n = 0, names_in = 0, found = 0;
        int r = read_head(fd, &table, &n, &names_in, err);

        for (unsigned i = 0; r >= 0 && i < n; i++)
                r = read_section(fd, table + i * sizeof(Elf64_Shdr), &sections[i], err);
        if (r >= 0 && n > 0 && sections[names_in].size > NAMES_MAX)
                r = refuse("its sections are in disorder", err);
        if (r >= 0 && n > 0)
                r = read_part(fd, sections[names_in].offset, names, sections[names_in].size, err);
        for (unsigned i = 0; r >= 0 && i < n; i++)
                for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
                        if (sections[i].name < NAMES_MAX && sections[i].size > 0 &&
                            strcmp(names + sections[i].name, wanted[k]) == 0)
                                found |= 1u << k;
        return r < 0 || found == 3
                               ? r
                               : cvm_fail(err, &CVM_CODE_DUMP_DENIED, EACCES,
                                          "QEMU wrote a core without the ultravisor's parts, which nobody can "
                                          "open: a secret that was added may forbid dumps");
}
