/* ELF cores as QEMU writes them for s390x: an ELF head, sections, the data of their names. */
#pragma once

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* The last section has the names; it and the one that is always first are added. */
static inline struct cvm_bytes make_core(const char *const *names, size_t n, uint64_t size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        const size_t n_all = n ? n + 2 : 1;
        const uint64_t text = sizeof(Elf64_Ehdr) + n_all * sizeof(Elf64_Shdr);
        struct cvm_bytes core = { 0 };

        cvm_write_copy(&w, "\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\4\0\26\0\0\0\1", 24);
        cvm_write_zeros(&w, 16);                 /* entry, program headers */
        cvm_write_u64be(&w, sizeof(Elf64_Ehdr)); /* where sections are */
        cvm_write_zeros(&w, 10);                 /* flags, sizes of what does not matter here */
        cvm_write_u16be(&w, sizeof(Elf64_Shdr));
        cvm_write_u16be(&w, (uint16_t)n_all);
        cvm_write_u16be(&w, (uint16_t)(n_all - 1));
        cvm_write_zeros(&w, sizeof(Elf64_Shdr));
        for (size_t i = 0; n && i <= n; i++) {
                cvm_write_u32be(&w, (uint32_t)(12 * i));
                cvm_write_zeros(&w, 20);
                cvm_write_u64be(&w, i < n ? 0x10000 : text);
                cvm_write_u64be(&w, i < n ? size : 12 * (n + 1));
                cvm_write_zeros(&w, sizeof(Elf64_Shdr) - 40);
        }
        for (size_t i = 0; n && i <= n; i++) {
                char name[12] = ".shstrtab";

                if (i < n)
                        snprintf(name, sizeof name, "%.11s", names[i]);
                cvm_write_copy(&w, name, sizeof name);
        }
        (void)cvm_writer_take(&w, &core);
        return core;
}
