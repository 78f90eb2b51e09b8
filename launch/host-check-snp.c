/* The prerequisites of SEV-SNP on a host, in the order in which they stand on one another. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/names.h"
#include "launch/firmware-ovmf.h"
#include "launch/host-capacity.h"
#include "launch/host-rows.h"
#include "launch/host-snp.h"

#define LEAF_ENCRYPTION 0x8000001f
#define MSR_SYSCFG 0xc0010010
#define MSR_RMP_BASE 0xc0010132
#define MSR_RMP_END 0xc0010133
#define MSR_RMP_CFG 0xc0010136
#define RMP_CFG_SEGMENTED 1
#define API_MAJOR 1
#define API_MINOR 51 /* the first whose firmware runs SNP guests */
#define QEMU_WORD "sev-snp-guest"
#define LIBVIRT_WORD "sev-snp"

/* --- the processor and its registers --- */

static HOST_ROW(is_server) {
        struct host_cpuid leaves[3];
        char brand[sizeof leaves + 1] = "";
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < ARRAY_SIZE(leaves); i++)
                r = host_probe_cpuid(scene->probe, 0x80000002 + i, &leaves[i], err);
        if (r < 0)
                return r;
        memcpy(brand, leaves, sizeof leaves);
        cvm_text_clean(brand, strlen(brand), false);
        for (size_t n = strlen(brand); n && brand[n - 1] == ' '; n--)
                brand[n - 1] = 0;
        snprintf(detail, HOST_DETAIL_MAX, "%s", brand);
        return strstr(brand, "EPYC") != NULL;
}

static HOST_ROW(has_feature) {
        struct host_cpuid leaf;
        int r = host_probe_cpuid(scene->probe, LEAF_ENCRYPTION, &leaf, err);

        return r < 0 ? r : (int)(leaf.eax >> row->bit & 1);
}

static HOST_ROW(is_enabled) {
        uint64_t syscfg;
        int r = host_probe_msr(scene->probe, MSR_SYSCFG, &syscfg, err);

        return r < 0 ? r : (int)(syscfg >> row->bit & 1);
}

/* A segmented table has no end; older processors know no such register. */
static HOST_ROW(has_rmp_memory) {
        struct cvm_error unknown = { 0 };
        uint64_t base, end, config;
        int r = host_probe_msr(scene->probe, MSR_RMP_BASE, &base, err);

        if (r >= 0)
                r = host_probe_msr(scene->probe, MSR_RMP_END, &end, err);
        if (r < 0)
                return r;
        if (base && end)
                return 1;
        return base && host_probe_msr(scene->probe, MSR_RMP_CFG, &config, &unknown) >= 0 &&
               (config & RMP_CFG_SEGMENTED);
}

/* --- the kernel --- */

static bool is_empty(int root_fd, const char *path) {
        int fd = host_open(root_fd, path, O_RDONLY | O_DIRECTORY);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        bool empty = true;

        if (!directory) {
                cvm_close(fd);
                return true;
        }
        while (empty && (entry = readdir(directory)))
                empty = entry->d_name[0] == '.';
        closedir(directory);
        return empty;
}

enum iommu_sort { IOMMU_OFF, IOMMU_PASSTHROUGH, IOMMU_TABLES, IOMMU_SORT_MAX_ };

/* What the kernel's command line makes of the IOMMU. Off, it takes SNP along. Passing through, or with the
 * guest's format of page tables (v2), it does too, except on those IOMMUs that need no v1 tables for SNP
 * (Linux, iommu_snp_enable). */
static const struct iommu_switch {
        const char *option, *value;
        enum iommu_sort sort;
        bool harms;
} iommu_switches[] = {
        { "iommu=", "off", IOMMU_OFF, true },
        { "amd_iommu=", "off", IOMMU_OFF, true },
        { "iommu=", "pt", IOMMU_PASSTHROUGH, true },
        { "iommu=", "nopt", IOMMU_PASSTHROUGH, false },
        { "iommu.passthrough=", "1", IOMMU_PASSTHROUGH, true },
        { "iommu.passthrough=", "0", IOMMU_PASSTHROUGH, false },
        { "amd_iommu=", "pgtbl_v2", IOMMU_TABLES, true },
        { "amd_iommu=", "pgtbl_v1", IOMMU_TABLES, false },
};

/* The last switch of each sort, NULL where it does no harm. A word has several values: iommu=pt,noforce. */
static void read_iommu(const struct host_scene *scene, const struct iommu_switch *ret[IOMMU_SORT_MAX_]) {
        char text[4096], *rest = text, *word, *value;

        host_text(scene->root_fd, "proc/cmdline", text, sizeof text);
        while ((word = strsep(&rest, " \n"))) {
                char *values = strchr(word, '=');

                for (values = values ? values + 1 : NULL; (value = strsep(&values, ","));)
                        for (size_t i = 0; i < ARRAY_SIZE(iommu_switches); i++) {
                                const struct iommu_switch *s = &iommu_switches[i];

                                if (strncmp(word, s->option, strlen(s->option)) == 0 &&
                                    strcmp(value, s->value) == 0)
                                        ret[s->sort] = s->harms ? s : NULL;
                        }
        }
}

static HOST_ROW(has_iommu) {
        const struct iommu_switch *found[IOMMU_SORT_MAX_] = { NULL };

        read_iommu(scene, found);
        if (found[IOMMU_OFF])
                snprintf(detail, HOST_DETAIL_MAX, "the kernel was booted with %s%s",
                         found[IOMMU_OFF]->option, found[IOMMU_OFF]->value);
        return !found[IOMMU_OFF] && !is_empty(scene->root_fd, row->path);
}

/* Whether this IOMMU and kernel put up with the mode shows in what became of kvm_amd's switch. */
static HOST_ROW(is_iommu_mode_fit) {
        const struct iommu_switch *found[IOMMU_SORT_MAX_] = { NULL }, *harm;
        bool is_on = host_is_on(scene->root_fd, row->path);

        read_iommu(scene, found);
        harm = found[IOMMU_PASSTHROUGH] ? found[IOMMU_PASSTHROUGH] : found[IOMMU_TABLES];
        if (harm)
                snprintf(detail, HOST_DETAIL_MAX, "%s%s%s", is_on ? "" : "the kernel was booted with ",
                         harm->option, harm->value);
        return !harm || is_on;
}

static HOST_ROW(has_memlock) {
        static const char name[] = "Max locked memory";
        char text[4096], soft[24];
        const char *line;

        host_text(scene->root_fd, row->path, text, sizeof text);
        line = strstr(text, name);
        if (!line || sscanf(line + strlen(name), "%23s", soft) != 1)
                return 0;
        cvm_text_clean(soft, strlen(soft), false);
        snprintf(detail, HOST_DETAIL_MAX, "the limit is %s", soft);
        return 1;
}

/* Both the processor and KVM must have it. */
static HOST_ROW(has_secure_tsc) {
        struct cvm_error silent = { 0 };
        uint64_t features = 0;
        int r = has_feature(scene, row, detail, err);

        if (r <= 0 || host_probe_kvm(scene->probe, HOST_KVM_FEATURES, &features, &silent) < 0)
                return r < 0 ? r : 0;
        return (int)(features >> 9 & 1);
}

/* The identifiers are then divided: what is not SEV-SNP's is SEV-ES's. */
static HOST_ROW(hides_ciphertext) {
        uint64_t limit;

        if (!host_limit(scene->root_fd, row->path, &limit))
                return 0;
        snprintf(detail, HOST_DETAIL_MAX, "%llu identifiers are for them", (unsigned long long)limit);
        return 1;
}

/* --- the firmware of the security processor --- */

static HOST_ROW(is_api_current) {
        struct sev_host_status status;
        int r = sev_host_status(scene->probe, &status, err);

        if (r < 0)
                return r;
        snprintf(detail, HOST_DETAIL_MAX, "it is %u.%u, build %u", status.api_major, status.api_minor,
                 status.build);
        return status.api_major > API_MAJOR ||
               (status.api_major == API_MAJOR && status.api_minor >= API_MINOR);
}

static HOST_ROW(is_platform_ready) {
        struct sev_host_status status;
        int r = sev_host_status(scene->probe, &status, err);

        return r < 0 ? r : status.state == 1 || status.state == 2;
}

static HOST_ROW(is_es_ready) {
        struct sev_host_status status;
        int r = sev_host_status(scene->probe, &status, err);

        return r < 0 ? r : status.is_es;
}

static HOST_ROW(is_snp_ready) {
        struct snp_host_status status;
        int r = snp_host_status(scene->probe, &status, err);

        return r < 0 ? r : status.is_initialised;
}

static HOST_ROW(is_rmp_ready) {
        struct snp_host_status status;
        int r = snp_host_status(scene->probe, &status, err);

        return r < 0 ? r : status.has_rmp;
}

static HOST_ROW(has_no_aliases) {
        struct snp_host_status status;
        int r = snp_host_status(scene->probe, &status, err);

        return r < 0 ? r : status.has_no_aliases;
}

static HOST_ROW(tells_chip_id) {
        struct snp_host_status status;
        int r = snp_host_status(scene->probe, &status, err);

        return r < 0 ? r : !(status.flags & SNP_STATUS_MASK_CHIP_ID);
}

static HOST_ROW(is_product_known) {
        struct snp_host_cpu cpu;
        int r = snp_host_cpu(scene->probe, &cpu, err);

        if (r < 0)
                return r;
        snprintf(detail, HOST_DETAIL_MAX, "family 0x%x, model 0x%x", cpu.family, cpu.model);
        if (cpu.is_known)
                snprintf(detail, HOST_DETAIL_MAX, "%s", snp_products[cpu.product].name);
        return cpu.is_known;
}

/* "snp 24 runs, 23 is reported": the components that differ, in either direction. */
static void differences(enum snp_product product, const struct snp_host_status *status,
                        char detail[HOST_DETAIL_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < SNP_TCB_SIZE && n < HOST_DETAIL_MAX; i++)
                if (snp_products[product].components[i] && status->current_tcb[i] != status->reported_tcb[i])
                        n += (size_t)snprintf(detail + n, HOST_DETAIL_MAX - n,
                                              "%s%s %u runs, %u is reported", n ? "; " : "",
                                              snp_products[product].components[i], status->current_tcb[i],
                                              status->reported_tcb[i]);
}

static HOST_ROW(is_tcb_reported) {
        struct snp_host_status status;
        struct snp_host_cpu cpu;
        bool is_same;
        int r = snp_host_status(scene->probe, &status, err);

        if (r >= 0)
                r = snp_host_cpu(scene->probe, &cpu, err);
        if (r < 0)
                return r;
        is_same = memcmp(status.current_tcb, status.reported_tcb, SNP_TCB_SIZE) == 0;
        if (cpu.is_known && is_same)
                snp_tcb_text(cpu.product, status.reported_tcb, detail, HOST_DETAIL_MAX);
        else if (cpu.is_known)
                differences(cpu.product, &status, detail);
        return is_same;
}

/* --- what is installed --- */

enum firmware_fit { FIRMWARE_UNFIT, FIRMWARE_FIT, FIRMWARE_WITH_HASHES };

static enum firmware_fit fit_of(int fd) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        struct cvm_error unfit = { 0 };
        struct ovmf ovmf;
        bool secrets = false, cpuid = false;

        if (cvm_read_fd(fd, OVMF_SIZE_MAX, "the firmware", &image, &unfit) < 0 ||
            ovmf_read(image.data, image.size, &ovmf, &unfit) < 0 || !ovmf.has_metadata)
                return FIRMWARE_UNFIT;
        for (size_t i = 0; i < ovmf.n_sections; i++) {
                secrets |= ovmf.sections[i].type == OVMF_SECTION_SECRETS && ovmf.sections[i].size;
                cpuid |= ovmf.sections[i].type == OVMF_SECTION_CPUID && ovmf.sections[i].size;
        }
        if (!secrets || !cpuid)
                return FIRMWARE_UNFIT;
        return ovmf.has_hashes && ovmf.hashes_size ? FIRMWARE_WITH_HASHES : FIRMWARE_FIT;
}

/* Where distributions put it. */
static const char *const firmware_paths[] = { "usr/share/ovmf/OVMF.amdsev.fd",
                                              "usr/share/OVMF/OVMF.amdsev.fd",
                                              "usr/share/edk2/ovmf/OVMF.amdsev.fd",
                                              "usr/share/qemu/ovmf-x86_64-sev.bin", NULL };

static HOST_ROW(has_firmware) {
        for (size_t i = 0; firmware_paths[i]; i++) {
                CVM_CLEANUP(cvm_closep) int fd = host_open(scene->root_fd, firmware_paths[i], O_RDONLY);

                if (fd < 0 || fit_of(fd) < row->bit)
                        continue;
                snprintf(detail, HOST_DETAIL_MAX, "/%s", firmware_paths[i]);
                return 1;
        }
        return 0;
}

/* --- the table --- */

#define SETUP "in the machine's setup (BIOS)"
#define PARAMETER "sys/module/kvm_amd/parameters/"

static const struct host_check_row checks[] = {
        { "cpu", NULL, host_row_cpu_says, "AuthenticAMD", 0, HOST_FAIL, "the processor says AuthenticAMD",
          "the processor does not say AuthenticAMD",
          "Run encrypted guests on a machine with an EPYC processor." },
        { "server-part", "cpu", is_server, NULL, 0, HOST_WARN, "the processor is an EPYC",
          "the processor is no EPYC", "Use a machine with an EPYC processor of the 7003 series or later." },
        { "product", "cpu", is_product_known, NULL, 0, HOST_WARN, "the processor's generation is known",
          "reports of this processor's generation cannot be verified by this version",
          "Use a version of cvmd that knows this generation." },
        { "sme", "cpu", has_feature, NULL, 0, HOST_FAIL, "the processor can encrypt memory (SME)",
          "the processor cannot encrypt memory (SME)", "Use a machine with an EPYC processor." },
        { "sme-enabled", "sme", is_enabled, NULL, 23, HOST_FAIL, "memory encryption is enabled",
          "memory encryption is not enabled", "Turn on SMEE " SETUP "." },
        { "sev", "sme", has_feature, NULL, 1, HOST_FAIL, "the processor can encrypt guests (SEV)",
          "the processor cannot encrypt guests (SEV), or that is off", "Turn on SEV " SETUP "." },
        { "sev-es", "sev", has_feature, NULL, 3, HOST_FAIL, "the processor can encrypt registers (SEV-ES)",
          "the processor cannot encrypt registers (SEV-ES), or that is off",
          "Turn on SEV-ES " SETUP ", and leave it at least one address space identifier." },
        { "snp", "sev-es", has_feature, NULL, 4, HOST_FAIL, "the processor has SEV-SNP",
          "the processor does not have SEV-SNP, or that is off",
          "Turn on SEV-SNP " SETUP "; processors before the 7003 series do not have it." },
        { "vmpl", "snp", has_feature, NULL, 5, HOST_WARN, "guests have privilege levels (VMPL)",
          "guests have no privilege levels (VMPL)", "Update the machine's firmware." },
        { "snp-enabled", "snp", is_enabled, NULL, 24, HOST_FAIL, "SEV-SNP is enabled in the processor",
          "SEV-SNP is not enabled in the processor",
          "Turn on SEV-SNP " SETUP " and boot a kernel that runs such guests (Linux 6.11 or later)." },
        { "vmpl-enabled", "snp-enabled", is_enabled, NULL, 25, HOST_FAIL,
          "privilege levels are enabled in the processor",
          "privilege levels are not enabled in the processor",
          "Boot a kernel that runs SEV-SNP guests (Linux 6.11 or later)." },
        { "rmp", "snp", has_rmp_memory, NULL, 0, HOST_FAIL,
          "memory is set aside for the reverse map table (RMP)",
          "no memory is set aside for the reverse map table (RMP)",
          "Turn on 'SNP memory coverage' " SETUP "." },
        { "iommu", "cpu", has_iommu, "sys/class/iommu", 0, HOST_FAIL, "the IOMMU is on", "the IOMMU is off",
          "Turn the IOMMU on " SETUP ", and boot without iommu=off and amd_iommu=off." },
        { "iommu-mode", "iommu", is_iommu_mode_fit, PARAMETER "sev_snp", 0, HOST_FAIL,
          "the IOMMU works in a mode that SEV-SNP puts up with",
          "the IOMMU does not translate with v1 page tables, which SEV-SNP needs here",
          "Boot without iommu=pt, iommu.passthrough=1 and amd_iommu=pgtbl_v2." },
        { "kvm-amd", "cpu", host_row_has_path, "sys/module/kvm_amd", 0, HOST_FAIL,
          "the module kvm_amd is loaded", "the module kvm_amd is not loaded",
          "Turn SVM on " SETUP " and run `modprobe kvm_amd`." },
        { "kernel", "kvm-amd", host_row_has_path, PARAMETER "sev_snp", 0, HOST_FAIL,
          "the kernel can run SEV-SNP guests", "the kernel cannot run SEV-SNP guests",
          "Boot Linux 6.11 or later with CONFIG_KVM_AMD_SEV." },
        { "kvm-amd-sev", "kernel", host_row_is_on, PARAMETER "sev", 0, HOST_FAIL, "kvm_amd has SEV on",
          "kvm_amd has SEV off", "Load kvm_amd with sev=1; `dmesg` says why where that does not help." },
        { "kvm-amd-sev-es", "kvm-amd-sev", host_row_is_on, PARAMETER "sev_es", 0, HOST_FAIL,
          "kvm_amd has SEV-ES on", "kvm_amd has SEV-ES off",
          "Load kvm_amd with sev_es=1; `dmesg` says why where that does not help." },
        { "kvm-amd-sev-snp", "kvm-amd-sev-es", host_row_is_on, PARAMETER "sev_snp", 0, HOST_FAIL,
          "kvm_amd has SEV-SNP on", "kvm_amd has SEV-SNP off",
          "Load kvm_amd with sev_snp=1; `dmesg` says why where that does not help." },
        { "kvm-api", "cpu", host_row_kvm_answers, NULL, 0, HOST_FAIL, "/dev/kvm answers",
          "/dev/kvm is not there, or answers with another version of its interface",
          "Turn SVM on " SETUP " and load kvm_amd." },
        { "kvm-vm-type", "kvm-api", host_row_kvm_makes, NULL, 4, HOST_FAIL,
          "KVM makes VMs of the type SEV-SNP", "KVM makes no VMs of the type SEV-SNP",
          "Boot Linux 6.11 or later; `dmesg` says why kvm_amd left SEV-SNP off." },
        { "sev-device", "cpu", host_row_opens, "dev/sev", 0, HOST_FAIL,
          "/dev/sev opens for reading and writing", "there is no /dev/sev",
          "Load the module ccp; `dmesg` says why it found no security processor." },
        { "firmware-api", "sev-device", is_api_current, NULL, 0, HOST_FAIL,
          "the security processor's firmware runs SEV-SNP guests",
          "the security processor's firmware is too old for SEV-SNP",
          "Install AMD's newer firmware (amd_sev_*.sbin of linux-firmware), or update the BIOS." },
        { "firmware-state", "firmware-api", is_platform_ready, NULL, 0, HOST_FAIL,
          "the firmware is initialised", "the firmware is not initialised",
          "Load kvm_amd; `dmesg` has the firmware's words where that fails." },
        { "firmware-es", "firmware-state", is_es_ready, NULL, 0, HOST_WARN,
          "the firmware is initialised for SEV-ES", "the firmware is not initialised for SEV-ES",
          "Load ccp without psp_init_on_probe=0, or start a first guest." },
        { "snp-initialised", "sev-device", is_snp_ready, NULL, 0, HOST_FAIL,
          "the firmware is initialised for SEV-SNP", "the firmware is not initialised for SEV-SNP",
          "Load kvm_amd with sev_snp=1; `dmesg` has the firmware's words where that fails." },
        { "rmp-initialised", "snp-initialised", is_rmp_ready, NULL, 0, HOST_FAIL,
          "the reverse map table is initialised", "the reverse map table is not initialised",
          "Update the BIOS and boot again: the firmware sets the table up." },
        { "memory-aliases", "snp-initialised", has_no_aliases, NULL, 0, HOST_WARN,
          "the firmware has looked for memory modules that lie about their size",
          "the firmware has not looked for memory modules that lie about their size (AMD-SB-3015)",
          "Update the BIOS; until then an attacker with access to the modules may read guests." },
        { "tcb", "snp-initialised", is_tcb_reported, NULL, 0, HOST_WARN,
          "reports name the firmware and microcode that run",
          "reports name other firmware or microcode than what runs: an update is not committed, or was hidden",
          "Commit it with the vendor's tool once there is no way back wanted; cvmd never does that." },
        { "chip-id", "snp-initialised", tells_chip_id, NULL, 0, HOST_WARN, "reports name the chip",
          "reports do not name the chip: owners who name their hosts cannot verify them",
          "Configure the firmware without mask_chip_id." },
        { "asids", "kvm-amd", host_row_counts, "sev_es", 0, HOST_FAIL,
          "there are identifiers for encrypted guests",
          "there are no identifiers (ASIDs) for guests of SEV-ES and SEV-SNP",
          "Raise 'minimum SEV non-ES ASID' " SETUP "." },
        { "asids-free", "asids", host_row_has_free, "sev_es", 0, HOST_WARN, "one more encrypted guest fits",
          "no more encrypted guest fits", "Stop a guest; see `cvmctl host capacity`." },
        { "ciphertext-hiding", "kvm-amd-sev-snp", hides_ciphertext, PARAMETER "ciphertext_hiding_asids", 0,
          HOST_PASS, "kvm_amd hides the ciphertext of SEV-SNP guests from the host",
          "kvm_amd does not hide the ciphertext of SEV-SNP guests from the host; no guest needs it", NULL },
        { "qemu-snp", "qemu", host_row_qemu_knows, QEMU_WORD, 0, HOST_FAIL, "QEMU knows SEV-SNP guests",
          "QEMU does not know SEV-SNP guests", "Install QEMU 9.1 or later." },
        { "libvirt-snp", "cpu", host_row_libvirt_knows, LIBVIRT_WORD, 0, HOST_WARN,
          "libvirt knows SEV-SNP guests, or is not needed", "libvirt does not know SEV-SNP guests",
          "Install libvirt 10.5 or later, or use the driver 'qemu'." },
        { "firmware-image", "cpu", has_firmware, NULL, FIRMWARE_FIT, HOST_WARN,
          "there is a guest firmware built for SEV-SNP", "no guest firmware built for SEV-SNP was found",
          "Install OVMF.amdsev.fd (package ovmf), or name one as 'firmware'." },
        { "firmware-hashes", "firmware-image", has_firmware, NULL, FIRMWARE_WITH_HASHES, HOST_WARN,
          "it has room for the hashes of kernel, initrd and command line",
          "it has no room for the hashes of kernel, initrd and command line: guests boot from disks only",
          "Install OVMF.amdsev.fd (package ovmf), which is built with them." },
        { "memory-lock", "cpu", has_memlock, "proc/self/limits", 0, HOST_WARN,
          "memory may be locked; SEV-SNP guests need none of it",
          "the limit on locked memory cannot be read", "Mount /proc." },
        { "secure-tsc", "snp", has_secure_tsc, NULL, 8, HOST_PASS, "a secure clock (Secure TSC) is offered",
          "no secure clock (Secure TSC) is offered; no guest needs it", NULL },
        { 0 },
};

static const struct host_check_row gate = {
        "bare-metal",
        NULL,
        host_row_is_bare,
        NULL,
        0,
        HOST_FAIL,
        "this is no virtual machine",
        "this is a virtual machine: SEV-SNP guests need the bare host",
        "Run cvmd on the bare host; everything can be tried here with --simulate.",
};

static const struct host_pool pools[] = {
        { "sev", "SEV", NULL, CVM_PLATFORM_MAX_ },
        { "sev_es", "SEV-ES and SEV-SNP", PARAMETER "ciphertext_hiding_asids", CVM_PLATFORM_SEV_SNP },
        { 0 },
};

#define PATHS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static const struct host_recorded recorded[] = {
        { HOST_RECORDED_TEXT, PATHS(PARAMETER "sev", PARAMETER "sev_es", PARAMETER "sev_snp",
                                    PARAMETER "ciphertext_hiding_asids") },
        { HOST_RECORDED_PRESENCE, PATHS("dev/sev") },
        { HOST_RECORDED_NAMES, PATHS("sys/class/iommu") },
        { HOST_RECORDED_WORD, PATHS(HOST_QEMU), QEMU_WORD },
        { HOST_RECORDED_WORD, host_libvirt_paths, LIBVIRT_WORD },
        { HOST_RECORDED_FIRMWARE, firmware_paths },
        { 0 },
};

static const uint32_t leaves[] = { 0, 1, 0x80000002, 0x80000003, 0x80000004, LEAF_ENCRYPTION, UINT32_MAX };
static const uint32_t registers[] = { MSR_SYSCFG, MSR_RMP_BASE, MSR_RMP_END, MSR_RMP_CFG, UINT32_MAX };

extern const struct host_platform host_platform_amd;
const struct host_platform host_platform_amd = {
        .cpu_vendor = "AuthenticAMD",
        .qemu = HOST_QEMU,
        .gate = &gate,
        .checks = checks,
        .pools = pools,
        .facts = snp_host_facts,
        .recorded = recorded,
        .leaves = leaves,
        .registers = registers,
        .untold = "committed_tcb: /dev/sev does not tell it, the report of a guest does",
};
