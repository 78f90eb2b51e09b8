/*
 * The launch measurement, from digests and a firmware image: pure, without files. A kernel and an initrd
 * enter by their SHA-256, so that memory does not depend on their size.
 */
#pragma once

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/platform-id.h"

#define MEASURE_QEMU(major, minor) ((uint32_t)(major) << 8 | (minor))

/* What a platform hashes of the firmware alone: ready while larger files are still being read. */
struct measured_firmware {
        uint8_t sha256[CVM_SHA256_SIZE];
        uint8_t digest[64]; /* the platform's own: the launch digest up to there */
};

struct measure_inputs {          /* all borrowed */
        const uint8_t *firmware; /* whole image */
        size_t firmware_size;
        const struct measured_firmware *measured_firmware; /* of these very bytes; NULL: hashed here */
        uint32_t vcpus;
        const char *cpu_model;   /* or: */
        uint32_t vcpu_signature; /* 0: by cpu_model */
        uint64_t guest_features; /* 0: the platform's default */
        bool has_kernel, has_initrd;
        uint8_t kernel_sha256[CVM_SHA256_SIZE];
        uint8_t initrd_sha256[CVM_SHA256_SIZE];
        /* for registers (struct boot_registers); NULL: only the digests above are known */
        const uint8_t *kernel; /* the file itself */
        size_t kernel_size;
        const uint8_t *shim; /* likewise */
        size_t shim_size;
        bool has_shim;
        const uint8_t *initrd_sha384; /* 48 bytes */
        uint64_t initrd_size;
        /* of a kernel that is an image with all else in it (read_header of the platform) */
        const uint8_t *header;
        size_t header_size;
        uint32_t qemu_version; /* MEASURE_QEMU(10, 1), of the host; 0: the newest that is known here */
        const char *cmdline;   /* "" or NULL: none */
        uint64_t memory;
        bool by_section; /* the host adds all pages of a section before it measures the first: older ones */
};

/* One of several values that a measurement is made of. */
struct measurement_part {
        const char *name; /* static */
        uint8_t value[64];
        size_t size;
};
#define MEASUREMENT_PARTS_MAX 4
#define MEASUREMENT_FLAGS_MAX 16
#define MEASUREMENT_HOSTS_MAX 95

struct measurement {
        enum cvm_platform_id platform;
        uint8_t digest[64];
        size_t size;      /* 48 for SEV-SNP and TDX */
        const char *word; /* the platform's own for it, "mrtd"; NULL: only `measurement` */
        bool covers_firmware, covers_kernel, covers_initrd, covers_cmdline, covers_acpi;
        /* what went in, for `show` and `explain` */
        uint8_t firmware_sha256[CVM_SHA256_SIZE];
        uint32_t vcpus, vcpu_signature;
        uint64_t guest_features;
        /* of an image that its owner built, instead: what its measurement is made of, what its owner allows,
         * and the hosts that can open it, by the hashes of their keys */
        struct measurement_part parts[MEASUREMENT_PARTS_MAX];
        size_t n_parts;
        const char *flags[MEASUREMENT_FLAGS_MAX]; /* static; ended by NULL */
        uint8_t hosts[MEASUREMENT_HOSTS_MAX][CVM_SHA256_SIZE];
        size_t n_hosts;
};

/* {"platform":"sev-snp","measurement":"<hex>","simulated":false,"covers":{...},"inputs":{...}}; of an
 * image "parts":{"pld":"<hex>",...}, "flags":[...] and "hosts":["<hex>",...] instead of its inputs. Owned
 * node.
 */
json_object *measurement_json(const struct measurement *measurement, bool simulated);
