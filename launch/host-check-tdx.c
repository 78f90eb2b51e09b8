/* The prerequisites of TDX on a host, in the order in which they stand on one another. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "launch/firmware-ovmf.h"
#include "launch/firmware-tdx.h"
#include "launch/host-rows.h"
#include "launch/host-tdx.h"
#include "launch/quoting-tdx.h"

#define LEAF_FEATURES 7
#define MSR_MCHECK 0xa0 /* MCHECK's verdict on the platform; 0: good */
#define MSR_PLATFORM_INFO 0xce
#define MSR_TME_ACTIVATE 0x982
#define MSR_SEAMRR_MASK 0x1401
#define QEMU_WORD "tdx-guest"
#define LIBVIRT_WORD "quoteGenerationService"

/* --- the processor and its registers --- */

static HOST_ROW(has_total_encryption) {
        struct host_cpuid leaf;
        int r = host_probe_cpuid(scene->probe, LEAF_FEATURES, &leaf, err);

        return r < 0 ? r : (int)(leaf.ecx >> row->bit & 1);
}

static HOST_ROW(has_enclaves) {
        struct host_cpuid leaf;
        int r = host_probe_cpuid(scene->probe, LEAF_FEATURES, &leaf, err);

        return r < 0 ? r : (int)(leaf.ebx >> row->bit & 1);
}

static HOST_ROW(is_encrypting) {
        uint64_t value;
        int r = host_probe_msr(scene->probe, MSR_TME_ACTIVATE, &value, err);

        return r < 0 ? r : (int)(value >> row->bit & 1);
}

static HOST_ROW(has_seam_memory) {
        uint64_t value;
        int r = host_probe_msr(scene->probe, MSR_SEAMRR_MASK, &value, err);

        return r < 0 ? r : (int)(value >> row->bit & 1);
}

static HOST_ROW(has_private_keys) {
        uint32_t keys;
        int r = tdx_host_keys(scene->probe, &keys, err);

        if (r < 0)
                return r;
        snprintf(detail, HOST_DETAIL_MAX, "%u keys, of which the TDX module takes one", keys);
        return keys > 1;
}

static HOST_ROW(is_checked) {
        uint64_t value;
        int r = host_probe_msr(scene->probe, MSR_MCHECK, &value, err);

        if (r < 0)
                return r;
        if (value)
                snprintf(detail, HOST_DETAIL_MAX, "register a0 is 0x%llx", (unsigned long long)value);
        return value == 0;
}

static HOST_ROW(is_for_production) {
        uint64_t value;
        int r = host_probe_msr(scene->probe, MSR_PLATFORM_INFO, &value, err);

        return r < 0 ? r : !(value >> row->bit & 1);
}

/* --- what is installed --- */

/* Where distributions put it. */
static const char *const firmware_paths[] = { "usr/share/ovmf/OVMF.inteltdx.fd",
                                              "usr/share/ovmf/OVMF.inteltdx.ms.fd",
                                              "usr/share/edk2/ovmf/OVMF.inteltdx.fd",
                                              "usr/share/edk2/ovmf/OVMF.inteltdx.secboot.fd",
                                              "usr/share/ovmf/OVMF.fd",
                                              NULL };

static HOST_ROW(has_firmware) {
        for (size_t i = 0; firmware_paths[i]; i++) {
                CVM_CLEANUP(cvm_closep) int fd = host_open(scene->root_fd, firmware_paths[i], O_RDONLY);
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
                struct cvm_error unfit = { 0 };
                struct tdvf tdvf;

                if (fd < 0 || cvm_read_fd(fd, OVMF_SIZE_MAX, "the firmware", &image, &unfit) < 0 ||
                    tdvf_read(image.data, image.size, &tdvf, &unfit) < 0)
                        continue;
                snprintf(detail, HOST_DETAIL_MAX, "/%s", firmware_paths[i]);
                return 1;
        }
        return 0;
}

static HOST_ROW(is_open_to_guests) {
        return !tdx_quote_service_is_closed(scene->root_fd);
}

static HOST_ROW(quoting_answers) {
        struct quoting_platform platform;
        struct cvm_error why = { 0 };
        struct host_answer answer;
        int r = host_probe_firmware(scene->probe, HOST_FIRMWARE_QUOTING, &answer, &why);

        if (r == -ENOENT || r == -EACCES || r == -EPERM) {
                *err = why;
                return r;
        }
        if (r >= 0)
                r = quoting_read_platform(answer.data, answer.size, &platform, &why);
        if (r < 0)
                snprintf(detail, HOST_DETAIL_MAX, "%s", cvm_error_text(&why, r));
        else
                snprintf(detail, HOST_DETAIL_MAX, "its enclave has version %u, the one that certifies it %u",
                         platform.enclave_svn, platform.pce_svn);
        return r >= 0;
}

/* --- the table --- */

#define SETUP "in the machine's setup (BIOS)"
#define PARAMETER "sys/module/kvm_intel/parameters/"
#define NO_EVIDENCE "guests can give no evidence"

static const struct host_check_row checks[] = {
        { "cpu", NULL, host_row_cpu_says, "GenuineIntel", 0, HOST_FAIL, "the processor says GenuineIntel",
          "the processor does not say GenuineIntel",
          "Run trust domains on a machine with a Xeon of the fourth generation or later." },
        { "production-part", "cpu", is_for_production, NULL, 27, HOST_WARN,
          "the processor is one for production",
          "the processor is a sample: its evidence does not lead to Intel's root",
          "Use a processor that was sold for production." },
        { "tme", "cpu", has_total_encryption, NULL, 13, HOST_FAIL,
          "the processor can encrypt memory with several keys (TME-MK)",
          "the processor cannot encrypt memory with several keys (TME-MK), or that is off",
          "Turn on TME and TME-MT " SETUP "." },
        { "tme-enabled", "tme", is_encrypting, NULL, 1, HOST_FAIL, "memory encryption is enabled",
          "memory encryption is not enabled", "Turn on TME and TME-MT " SETUP "." },
        { "private-keys", "tme-enabled", has_private_keys, NULL, 0, HOST_FAIL,
          "keys are set aside for trust domains (KeyIDs)",
          "no keys are set aside for trust domains (KeyIDs)",
          "Turn on TDX " SETUP " and raise 'TME-MT/TDX key split' there." },
        { "seam-memory", "tme-enabled", has_seam_memory, NULL, 11, HOST_FAIL,
          "memory is set aside for the TDX module (SEAMRR)",
          "no memory is set aside for the TDX module (SEAMRR)",
          "Turn on TDX and the TDX loader (SEAM loader) " SETUP "." },
        { "mcheck", "seam-memory", is_checked, NULL, 0, HOST_WARN,
          "the platform's own check (MCHECK) passed",
          "the platform's own check (MCHECK) did not pass: SGX and TDX stay off",
          "Fill all memory channels alike, update the BIOS and boot again." },
        { "kvm-intel", "cpu", host_row_has_path, "sys/module/kvm_intel", 0, HOST_FAIL,
          "the module kvm_intel is loaded", "the module kvm_intel is not loaded",
          "Turn VMX on " SETUP " and run `modprobe kvm_intel`." },
        { "kernel", "kvm-intel", host_row_has_path, PARAMETER "tdx", 0, HOST_FAIL,
          "the kernel can run trust domains", "the kernel cannot run trust domains",
          "Boot Linux 6.16 or later with CONFIG_KVM_INTEL_TDX." },
        { "kvm-intel-tdx", "kernel", host_row_is_on, PARAMETER "tdx", 0, HOST_FAIL, "kvm_intel has TDX on",
          "kvm_intel has TDX off",
          "Boot with kvm_intel.tdx=1 and nohibernate; `dmesg` (virt/tdx) says why where that does not help." },
        { "kvm-api", "cpu", host_row_kvm_answers, NULL, 0, HOST_FAIL, "/dev/kvm answers",
          "/dev/kvm is not there, or answers with another version of its interface",
          "Turn VMX on " SETUP " and load kvm_intel." },
        { "kvm-vm-type", "kvm-api", host_row_kvm_makes, NULL, 5, HOST_FAIL, "KVM makes VMs of the type TDX",
          "KVM makes no VMs of the type TDX",
          "Boot Linux 6.16 or later; `dmesg` (virt/tdx) says why the TDX module did not start." },
        { "keys", "kvm-intel-tdx", host_row_counts, "tdx", 0, HOST_WARN,
          "the kernel counts the keys for trust domains",
          "the kernel has no keys for trust domains to count", "Raise 'TME-MT/TDX key split' " SETUP "." },
        { "keys-free", "keys", host_row_has_free, "tdx", 0, HOST_WARN, "one more trust domain fits",
          "no more trust domain fits", "Stop a guest; see `cvmctl host capacity`." },
        { "sgx", "cpu", has_enclaves, NULL, 2, HOST_WARN, "the processor has enclaves (SGX) for quoting",
          "the processor has no enclaves (SGX): " NO_EVIDENCE, "Turn on SGX " SETUP "." },
        { "sgx-enclave", "sgx", host_row_has_path, "dev/sgx_enclave", 0, HOST_WARN,
          "/dev/sgx_enclave is there", "there is no /dev/sgx_enclave: " NO_EVIDENCE,
          "Boot a kernel with CONFIG_X86_SGX." },
        { "sgx-provision", "sgx-enclave", host_row_has_path, "dev/sgx_provision", 0, HOST_WARN,
          "/dev/sgx_provision is there", "there is no /dev/sgx_provision: the platform cannot be registered",
          "Boot a kernel with CONFIG_X86_SGX." },
        { "quoting-service", "sgx-enclave", host_row_has_path, TDX_QUOTE_SERVICE, 0, HOST_WARN,
          "the quoting service listens at /" TDX_QUOTE_SERVICE,
          "no quoting service listens at /" TDX_QUOTE_SERVICE ": " NO_EVIDENCE,
          "Install Intel's quoting service (qgsd) and let it listen there: no `port` in /etc/qgs.conf." },
        { "quoting-service-open", "quoting-service", is_open_to_guests, NULL, 0, HOST_WARN,
          "guests may use the quoting service", "guests may not use the quoting service: " NO_EVIDENCE,
          TDX_OPEN_QUOTE_SERVICE },
        { "quoting-service-answers", "quoting-service", quoting_answers, NULL, 0, HOST_WARN,
          "the quoting service answers", "the quoting service gives no proper answer: " NO_EVIDENCE,
          "`journalctl -u qgsd` says why." },
        { "certificate-service", "quoting-service", host_row_has_path, "etc/sgx_default_qcnl.conf", 0,
          HOST_WARN, "it is configured where the quoting service gets the platform's certificates",
          "it is not configured where the quoting service gets the platform's certificates",
          "Write the address of a PCCS into /etc/sgx_default_qcnl.conf, and register the platform "
          "(mpa_registration_tool)." },
        { "qemu-tdx", "qemu", host_row_qemu_knows, QEMU_WORD, 0, HOST_FAIL, "QEMU knows trust domains",
          "QEMU does not know trust domains", "Install QEMU 10.1 or later." },
        { "libvirt-tdx", "cpu", host_row_libvirt_knows, LIBVIRT_WORD, 0, HOST_WARN,
          "libvirt knows trust domains, or is not needed", "libvirt does not know trust domains",
          "Install libvirt 11.6 or later, or use the driver 'qemu'." },
        { "firmware-image", "cpu", has_firmware, NULL, 0, HOST_WARN,
          "there is a guest firmware built for TDX", "no guest firmware built for TDX was found",
          "Install OVMF.inteltdx (package ovmf-inteltdx or ovmf), or name one as 'firmware'." },
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
        "this is a virtual machine: trust domains need the bare host",
        "Run cvmd on the bare host; everything can be tried here with --simulate.",
};

static const struct host_pool pools[] = {
        { "tdx", "TDX", NULL, CVM_PLATFORM_TDX },
        { 0 },
};

#define PATHS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static const struct host_recorded recorded[] = {
        { HOST_RECORDED_TEXT, PATHS(PARAMETER "tdx") },
        { HOST_RECORDED_PRESENCE,
          PATHS("dev/sgx_enclave", "dev/sgx_provision", TDX_QUOTE_SERVICE, "etc/sgx_default_qcnl.conf") },
        { HOST_RECORDED_WORD, PATHS(HOST_QEMU), QEMU_WORD },
        { HOST_RECORDED_WORD, host_libvirt_paths, LIBVIRT_WORD },
        { HOST_RECORDED_FIRMWARE, firmware_paths },
        { 0 },
};

static const uint32_t leaves[] = { 0, 1, LEAF_FEATURES, UINT32_MAX };
static const uint32_t registers[] = { MSR_KEY_PARTITION, MSR_MCHECK,      MSR_PLATFORM_INFO,
                                      MSR_TME_ACTIVATE,  MSR_SEAMRR_MASK, UINT32_MAX };

extern const struct host_platform host_platform_intel;
const struct host_platform host_platform_intel = {
        .cpu_vendor = "GenuineIntel",
        .qemu = HOST_QEMU,
        .gate = &gate,
        .checks = checks,
        .pools = pools,
        .facts = tdx_host_facts,
        .recorded = recorded,
        .leaves = leaves,
        .registers = registers,
        .untold = "platform instance and TCB: the kernel does not tell them, the quote of a guest does",
};
