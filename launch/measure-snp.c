/*
 * QEMU hands over the firmware, then the sections of its metadata in the image's own order; KVM adds one
 * VMSA per vCPU.
 */
#include "launch/measure-snp.h"

#include <errno.h>
#include <string.h>

#include "launch/cpu-model-snp.h"
#include "launch/digest-snp.h"

/* A kernel is measured only through the hashes: without room for them it would run unmeasured. */
static int check_hashes(const struct measure_inputs *in, const struct ovmf *ovmf, struct cvm_error *err) {
        size_t found = 0;

        if (!in->has_kernel)
                return 0;
        for (size_t i = 0; ovmf->has_hashes && i < ovmf->n_sections; i++) {
                const struct ovmf_section *s = &ovmf->sections[i];

                if (s->type != OVMF_SECTION_KERNEL_HASHES)
                        continue;
                found++;
                if (s->size != OVMF_PAGE)
                        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                        "the firmware's section for kernel hashes is not one page");
                if (s->gpa != ovmf->hashes_gpa - ovmf->hashes_gpa % OVMF_PAGE) /* it would look elsewhere */
                        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                        "the firmware looks for kernel hashes outside the section for them");
        }
        if (found != 1 || ovmf->hashes_size < SNP_HASHES_SIZE ||
            ovmf->hashes_gpa % OVMF_PAGE > OVMF_PAGE - SNP_HASHES_SIZE)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                "the firmware has no room for kernel hashes: a kernel given to it would not be measured");
        return 0;
}

void snp_hash_inputs(const struct measure_inputs *in, struct snp_hashes *ret) {
        const char *cmdline = in->cmdline ? in->cmdline : "";

        memcpy(ret->kernel, in->kernel_sha256, sizeof ret->kernel);
        memcpy(ret->initrd, in->initrd_sha256, sizeof ret->initrd);
        if (!in->has_initrd)
                cvm_sha256("", 0, ret->initrd);
        cvm_sha256(cmdline, strlen(cmdline) + 1, ret->cmdline);
}

static int check_image(const struct measure_inputs *in, struct ovmf *ret, struct cvm_error *err) {
        int r = ovmf_read(in->firmware, in->firmware_size, ret, err);

        if (r < 0)
                return r;
        if (!ret->has_metadata)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "the firmware has no SEV metadata");
        if (in->vcpus > 1 && !ret->has_reset)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                "the firmware does not say where further vCPUs start (no reset block)");
        return check_hashes(in, ret, err);
}

/* All application processors start alike: their page is hashed once. */
static void extend_vcpus(struct snp_digest *d, const struct measurement *m, uint32_t ap_reset) {
        struct snp_vcpu vcpu;

        snp_digest_vcpu(d, ap_reset, m->vcpu_signature, m->guest_features, &vcpu);
        for (uint32_t i = 0; i < m->vcpus; i++)
                snp_digest_add_vcpu(d, &vcpu, i);
}

int snp_measure_firmware(const uint8_t *image, size_t size, struct measured_firmware *ret,
                         struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = snp_digest_context();
        struct snp_digest digest = { .md = md };

        if (!md)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        snp_digest_firmware(&digest, image, size);
        memcpy(ret->digest, digest.ld, sizeof digest.ld);
        cvm_sha256(image, size, ret->sha256);
        return 0;
}

int snp_measure(const struct measure_inputs *in, struct measurement *ret, struct cvm_error *err) {
        struct measurement m = {
                .platform = CVM_PLATFORM_SEV_SNP,
                .size = CVM_SHA384_SIZE,
                .covers_firmware = true,
                .covers_kernel = in->has_kernel,
                .covers_initrd = in->has_kernel,
                .covers_cmdline = in->has_kernel,
                .vcpus = in->vcpus,
                .vcpu_signature = in->vcpu_signature,
                .guest_features = in->guest_features ? in->guest_features : SNP_FEATURES_DEFAULT,
        };
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = snp_digest_context();
        struct snp_digest digest = { .md = md };
        struct measured_firmware firmware;
        struct snp_hashes hashes;
        struct ovmf ovmf;
        int r;

        if (in->vcpus < 1 || in->vcpus > 512)
                return cvm_fail(err, &CVM_CODE_VCPUS, EINVAL, "a guest has 1 to 512 vCPUs, not %u",
                                in->vcpus);
        if (!m.vcpu_signature) {
                r = snp_cpu_signature(in->cpu_model ? in->cpu_model : "", &m.vcpu_signature, err);
                if (r < 0)
                        return r;
        }
        r = check_image(in, &ovmf, err);
        if (r < 0)
                return r;
        if (!md)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        if (in->measured_firmware)
                firmware = *in->measured_firmware;
        else
                r = snp_measure_firmware(in->firmware, in->firmware_size, &firmware, err);
        if (r < 0)
                return r;
        memcpy(digest.ld, firmware.digest, sizeof digest.ld);
        snp_hash_inputs(in, &hashes);
        snp_digest_sections(&digest, &ovmf, in->has_kernel ? &hashes : NULL);
        extend_vcpus(&digest, &m, ovmf.reset_eip);
        memcpy(m.digest, digest.ld, sizeof digest.ld);
        memcpy(m.firmware_sha256, firmware.sha256, sizeof m.firmware_sha256);
        *ret = m;
        return 0;
}
