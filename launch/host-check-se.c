/* The prerequisites of Secure Execution on a host, in the order in which they stand on one another. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/host-rows.h"
#include "launch/host-se.h"
#include "launch/uv-se.h"

#define TEXT_MAX 8192
#define SYSINFO "proc/sysinfo"
#define CPUINFO "proc/cpuinfo"
#define QEMU "usr/bin/qemu-system-s390x"
#define QEMU_WORD "s390-pv-guest"
#define LIBVIRT_WORD "s390-pv"

/* --- the machine --- */

static int read_text(const struct host_scene *scene, const char *path, char ret[TEXT_MAX],
                     struct cvm_error *err) {
        host_text(scene->root_fd, path, ret, TEXT_MAX);
        return *ret ? 0 : cvm_fail(err, &CVM_CODE_HOST_PROBE, ENOENT, "'/%s' is not there or empty", path);
}

/* A hypervisor stands in the kernel's table of who is below it, and has no ultravisor to give away. */
static HOST_ROW(is_partition) {
        char text[TEXT_MAX];
        int r = read_text(scene, SYSINFO, text, err);

        return r < 0 ? r : !strstr(text, "VM00 ") && !host_is_on(scene->root_fd, UV "prot_virt_guest");
}

static HOST_ROW(has_facility) {
        char text[TEXT_MAX], *at, *end;
        int r = read_text(scene, CPUINFO, text, err);

        if (r < 0)
                return r;
        at = strstr(text, "\nfacilities");
        if (!at)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, ENOENT, "'/" CPUINFO "' lists no facilities");
        at += strcspn(at, ":");
        for (at += *at == ':'; *(at += strspn(at, " \t")) >= '0' && *at <= '9'; at = end)
                if (strtoul(at, &end, 10) == row->bit)
                        return 1;
        return 0;
}

/* --- what KVM and the ultravisor offer --- */

static HOST_ROW(kvm_protects) {
        uint64_t protects;
        int r = host_probe_kvm(scene->probe, HOST_KVM_PROTECTED, &protects, err);

        return r < 0 ? r : protects != 0;
}

static HOST_ROW(tells_key) {
        uint8_t keys[UV_KEYS_MAX][CVM_SHA256_SIZE];
        char hex[2 * CVM_SHA256_SIZE + 1];
        size_t n = 0;
        int r = host_has(scene->root_fd, UV_KEYS) ? uv_keys(scene->root_fd, keys, &n, err) : 0;

        if (r < 0 || n == 0)
                return r;
        cvm_hex(keys[0], sizeof keys[0], hex);
        snprintf(detail, HOST_DETAIL_MAX, "%s", hex);
        return 1;
}

/* The mask row->path has row->bit. */
static HOST_ROW(has_bit) {
        struct uv_mask mask;
        int r = uv_mask(scene->root_fd, row->path, &mask, err);

        return r < 0 ? r : uv_mask_has(&mask, row->bit);
}

/* A length in hexadecimal digits, like the masks; older kernels and ultravisors have none. */
static HOST_ROW(can_dump) {
        struct uv_mask length;

        if (!host_has(scene->root_fd, row->path))
                return 0;
        if (uv_mask(scene->root_fd, row->path, &length, err) < 0)
                return -EBADMSG;
        return length.words[0] != 0;
}

/* --- the table --- */

#define FIRMWARE "Update the firmware of the machine."
#define BOOT \
        "Boot with prot_virt=1; where it is there already, `dmesg` (prot_virt) says why it does not help."

static const struct host_check_row checks[] = {
        { "ultravisor", NULL, has_facility, NULL, 158, HOST_FAIL,
          "the machine has an ultravisor (facility 158)", "the machine has no ultravisor (facility 158)",
          "Use a z15 or LinuxONE III, or a later one, on which Secure Execution is enabled." },
        { "kernel", "ultravisor", host_row_has_path, UV "prot_virt_host", 0, HOST_FAIL,
          "the kernel tells of the ultravisor (/sys/firmware/uv)",
          "the kernel does not tell of the ultravisor (/sys/firmware/uv)",
          "Boot a newer kernel, built with KVM." },
        { "prot-virt", "kernel", host_row_is_on, UV "prot_virt_host", 0, HOST_FAIL,
          "the kernel has protected guests turned on", "the kernel has protected guests turned off", BOOT },
        { "kvm-api", NULL, host_row_kvm_answers, NULL, 0, HOST_FAIL, "/dev/kvm answers",
          "/dev/kvm is not there, or answers with another version of its interface", "Run `modprobe kvm`." },
        { "kvm-protected", "prot-virt", kvm_protects, NULL, 0, HOST_FAIL, "KVM makes protected guests",
          "KVM makes no protected guests", BOOT },
        { "host-key", "prot-virt", tells_key, NULL, 0, HOST_WARN, "the host tells its key",
          "the host does not tell its key: whether it can open an image shows when a guest starts",
          "Boot a newer kernel (/sys/firmware/uv/keys)." },
        { "header-version", "prot-virt", has_bit, UV "query/supp_se_hdr_ver", 0, HOST_FAIL,
          "the ultravisor takes images of version 1", "the ultravisor takes no images of version 1",
          FIRMWARE },
        { "attestation", "prot-virt", has_bit, UV "query/facilities", 28, HOST_WARN,
          "the ultravisor attests guests",
          "the ultravisor does not attest guests: they can give no evidence", FIRMWARE },
        { "add-secret", "prot-virt", has_bit, UV "query/facilities", 29, HOST_WARN,
          "the ultravisor keeps secrets for guests", "the ultravisor keeps no secrets for guests",
          FIRMWARE },
        { "retrieve-secret", "prot-virt", has_bit, UV "query/facilities", 33, HOST_WARN,
          "guests can read what the ultravisor keeps", "guests cannot read what the ultravisor keeps",
          FIRMWARE },
        { "dump", "prot-virt", can_dump, UV_DUMP_LENGTH, 0, HOST_WARN,
          "guests can be dumped, where their owner allows it",
          "guests cannot be dumped, even where their owner allows it",
          "Boot a newer kernel; where that does not help, update the firmware of the machine." },
        { "qemu-se", "qemu", host_row_qemu_knows, QEMU_WORD, 0, HOST_FAIL, "QEMU knows protected guests",
          "QEMU does not know protected guests", "Install a newer QEMU, built with KVM." },
        { "libvirt-se", NULL, host_row_libvirt_knows, LIBVIRT_WORD, 0, HOST_WARN,
          "libvirt knows protected guests, or is not needed", "libvirt does not know protected guests",
          "Install libvirt 7.6 or later, or use the driver 'qemu'." },
        { 0 },
};

static const struct host_check_row gate = {
        "partition",
        NULL,
        is_partition,
        NULL,
        0,
        HOST_FAIL,
        "this is a logical partition (LPAR)",
        "this is a guest itself: protected guests need a logical partition (LPAR)",
        "Run cvmd in an LPAR; everything can be tried here with --simulate.",
};

static const struct host_pool pools[] = { { 0 } };

#define PATHS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static const struct host_recorded recorded[] = {
        { HOST_RECORDED_TEXT,
          PATHS(SYSINFO, UV "prot_virt_host", UV "prot_virt_guest", UV_KEYS, UV "query/facilities",
                UV "query/supp_se_hdr_ver", UV_DUMP_LENGTH, UV "query/max_guests", UV "query/max_cpus") },
        { HOST_RECORDED_WORD, PATHS(QEMU), QEMU_WORD },
        { HOST_RECORDED_WORD, host_libvirt_paths, LIBVIRT_WORD },
        { 0 },
};

static const uint32_t nothing[] = { UINT32_MAX };

extern const struct host_platform host_platform_ibm;
const struct host_platform host_platform_ibm = {
        .cpu_vendor = "IBM/S390",
        .qemu = QEMU,
        .gate = &gate,
        .checks = checks,
        .pools = pools,
        .facts = se_host_facts,
        .recorded = recorded,
        .leaves = nothing,
        .registers = nothing,
        .untold = "the host-key document: IBM gives it to the owner, by the serial number of the machine",
};
