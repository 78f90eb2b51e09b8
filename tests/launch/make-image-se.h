/* Kernels, loaders and images of our own making: filler in the right places, which no processor runs. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "launch/image-build-se.h"

#define MADE_KERNEL_SIZE 74565
#define MADE_STAGE3A_SIZE 11000
#define MADE_STAGE3B_SIZE 5500

static inline struct cvm_bytes make_filler(size_t size, uint32_t seed) {
        struct cvm_bytes bytes = { .data = calloc(1, size + 1), .size = size };

        for (size_t i = 0; i < size; i++) {
                seed = seed * 1103515245 + 12345;
                bytes.data[i] = (uint8_t)(seed >> 16);
        }
        return bytes;
}

static inline struct cvm_bytes make_kernel(size_t size, uint64_t cmdline_max) {
        struct cvm_bytes kernel = make_filler(size, 1);

        memcpy(kernel.data + 0x10008, "S390EP", 6);
        for (size_t i = 0; i < 8; i++)
                kernel.data[0x10430 + i] = (uint8_t)(cmdline_max >> (56 - 8 * i));
        return kernel;
}

/* Everything that one image is made of; tests change it before they build. */
struct make_image {
        struct cvm_bytes kernel, initrd, stage3a, stage3b;
        struct se_source initrd_source;
        struct cvm_secret keys;
        struct se_random random;
        EVP_PKEY *hosts[SE_SLOTS_MAX + 1];
        struct se_build build;
};

static inline void make_image_done(struct make_image *m) {
        cvm_bytes_done(&m->kernel);
        cvm_bytes_done(&m->initrd);
        cvm_bytes_done(&m->stage3a);
        cvm_bytes_done(&m->stage3b);
        cvm_secret_done(&m->keys);
        se_random_done(&m->random);
        for (size_t i = 0; i < ARRAY_SIZE(m->hosts); i++)
                EVP_PKEY_free(m->hosts[i]);
}

static inline void make_image(struct make_image *m, size_t n_hosts) {
        *m = (struct make_image){ .kernel = make_kernel(MADE_KERNEL_SIZE, 0),
                                  .initrd = make_filler(5000, 2),
                                  .stage3a = make_filler(MADE_STAGE3A_SIZE, 3),
                                  .stage3b = make_filler(MADE_STAGE3B_SIZE, 4) };
        se_keys_new(&m->keys, NULL);
        se_keys_fill(se_keys(&m->keys));
        se_random_make(&m->random, NULL);
        for (size_t i = 0; i < n_hosts; i++)
                m->hosts[i] = EVP_EC_gen("P-521");
        m->initrd_source = (struct se_source){ -1, m->initrd.data, m->initrd.size, "the initrd" };
        m->build = (struct se_build){
                .kernel = { -1, m->kernel.data, m->kernel.size, "the kernel" },
                .initrd = &m->initrd_source,
                .cmdline = "root=/dev/ram0 quiet",
                .stage3a = &m->stage3a,
                .stage3b = &m->stage3b,
                .hosts = m->hosts,
                .n_hosts = n_hosts,
                .pcf = SE_PCF_PCKMO,
                .keys = se_keys(&m->keys),
                .random = &m->random,
        };
}

static inline int make_file(const void *data, size_t size) {
        int fd = memfd_create("image", MFD_CLOEXEC);

        if (fd >= 0 && size > 0 && cvm_write_all(fd, data, size) < 0)
                return cvm_close(fd);
        return fd;
}

/* The whole of a file, owned. */
static inline struct cvm_bytes make_bytes_of(int fd) {
        struct cvm_bytes bytes = { 0 };

        lseek(fd, 0, SEEK_SET);
        cvm_read_fd(fd, 64u << 20, "image", &bytes, NULL);
        return bytes;
}
