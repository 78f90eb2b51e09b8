/* Hosts as trees of files, made by the test: complete ones, from which one piece is taken or changed. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/json.h"
#include "launch/platform.h"

/* A new directory; removed with everything in it. */
static inline int make_root(void **state) {
        char *root = strdup("/tmp/cvm-host-XXXXXX");

        *state = root;
        return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state) {
        char command[256];
        int r;

        snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
        r = system(command);
        free(*state);
        return r;
}

/* Not synced: some tests write many hosts. */
static inline void put_bytes(const char *root, const char *path, const void *data, size_t size) {
        char at[512];
        FILE *file;

        snprintf(at, sizeof at, "%s/%s", root, path);
        for (char *p = at + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                mkdir(at, 0700);
        }
        file = fopen(at, "we");
        if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
                fail_msg("'%s' cannot be written", at);
}

static inline void put(const char *root, const char *path, const char *text) {
        put_bytes(root, path, text, strlen(text));
}

static inline void take(const char *root, const char *path) {
        char command[512];

        snprintf(command, sizeof command, "rm -r '%s/%s'", root, path);
        assert_int_equal(system(command), 0);
}

/* What a processor's generation looks like. */
struct host_kind {
        const char *brand;
        const char *signature;    /* leaf 1 */
        const char *guest_status; /* of the firmware */
        const char *chip_ids;
};

#define ZEROS_56                                                                                             \
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
        "00000000000000"
#define CHIP_MILAN "a1" ZEROS_56 "000000000000b2"

#define STATUS_HEAD "01370103120000000000000002000000"

static const struct host_kind milan = { "AMD EPYC 7763 64-Core Processor", "00a00f11",
                                        STATUS_HEAD "04000000000018db"
                                                    "04000000000018db",
                                        CHIP_MILAN };
static const struct host_kind turin = { "AMD EPYC 9755 128-Core Processor", "00b00f21",
                                        STATUS_HEAD "010203040000004a"
                                                    "010203040000004a",
                                        "c300000000000001" ZEROS_56 "c300000000000002" ZEROS_56 };

static const struct {
        const char *path, *text;
} host_files[] = {
        { "proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n" },
        { "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet\n" },
        { "proc/self/limits", "Limit Soft Hard Units\nMax locked memory         8388608 8388608 bytes\n" },
        { "dev/kvm", "" },
        { "dev/sev", "" },
        { "usr/bin/qemu-system-x86_64", "ELF sev-guest sev-snp-guest tdx" },
        { "usr/lib/x86_64-linux-gnu/libvirt.so.0", "ELF sev-snp" },
        { "sys/fs/cgroup/cgroup.controllers", "cpu memory misc\n" },
        { "sys/fs/cgroup/misc.capacity", "sev 410\nsev_es 99\n" },
        { "sys/fs/cgroup/misc.current", "sev 0\nsev_es 3\n" },
        { "sys/class/iommu/ivhd0", "" },
        { "sys/module/kvm_amd/parameters/sev", "Y\n" },
        { "sys/module/kvm_amd/parameters/sev_es", "Y\n" },
        { "sys/module/kvm_amd/parameters/sev_snp", "Y\n" },
};

static inline void set(json_object *recording, const char *section, const char *key, json_object *value) {
        json_object *members = json_object_object_get(recording, section);

        if (!members) {
                members = json_object_new_object();
                json_object_object_add(recording, section, members);
        }
        json_object_object_add(members, key, value);
}

static inline void set_text(json_object *recording, const char *section, const char *key, const char *text) {
        set(recording, section, key, json_object_new_string(text));
}

static inline void set_leaf(json_object *recording, const char *leaf, const char *registers) {
        set_text(recording, "cpuid", leaf, registers);
}

/* The registers hold the text as little-endian words. */
static inline void set_brand(json_object *recording, const char *brand) {
        char padded[48] = "", leaf[9], text[33];

        memcpy(padded, brand, strlen(brand));
        for (unsigned i = 0; i < 3; i++) {
                uint32_t words[4];

                memcpy(words, padded + i * sizeof words, sizeof words);
                snprintf(leaf, sizeof leaf, "8000000%u", 2 + i);
                snprintf(text, sizeof text, "%08x%08x%08x%08x", words[0], words[1], words[2], words[3]);
                set_leaf(recording, leaf, text);
        }
}

#define NO_REGISTERS "000000000000000000000000"

/* A recording of a host on which everything is as it should be; owned. */
static inline json_object *make_recording(const struct host_kind *kind) {
        json_object *recording = json_object_new_object();
        char registers[64];

        set_leaf(recording, "00000000",
                 "00000010"
                 "68747541"
                 "444d4163"
                 "69746e65");
        snprintf(registers, sizeof registers, "%s" NO_REGISTERS, kind->signature);
        set_leaf(recording, "00000001", registers);
        set_brand(recording, kind->brand);
        set_leaf(recording, "8000001f",
                 "0000013b"
                 "00000173"
                 "000001fd"
                 "00000064");
        set_text(recording, "msr", "c0010010", "0000000003f40000");
        set_text(recording, "msr", "c0010132", "0000001000000000");
        set_text(recording, "msr", "c0010133", "00000010203fffff");
        set(recording, "kvm", "api-version", json_object_new_int(12));
        set(recording, "kvm", "vm-types", json_object_new_int(0x1d));
        set(recording, "kvm", "features", json_object_new_int(0x221));
        set(recording, "kvm", "policy-bits", json_object_new_int64(0x3fbffff));
        set_text(recording, "firmware", "platform-status", "013701000100001200000000");
        set_text(recording, "firmware", "guest-status", kind->guest_status);
        set_text(recording, "firmware", "chip-ids", kind->chip_ids);
        return recording;
}

static inline void put_recording(const char *root, json_object *recording) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_text(recording);

        put(root, "recorded/probe.json", text);
}

static inline void put_host(const char *root, const struct host_kind *kind) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(kind);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(host_files); i++)
                put(root, host_files[i].path, host_files[i].text);
        assert_int_equal(platform_by_id(CVM_PLATFORM_SEV_SNP)->synthetic_firmware(&firmware), 0);
        put_bytes(root, "usr/share/ovmf/OVMF.amdsev.fd", firmware.data, firmware.size);
        put_recording(root, recording);
}
