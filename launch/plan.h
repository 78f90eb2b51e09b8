/*
 * The plan: the definition, made concrete on this host. It has no descriptor and starts nothing; drivers
 * render it (arguments for QEMU, XML for libvirt). `--dry-run` prints it as JSON.
 */
#pragma once

#include "launch/platform.h"

/* Files that QEMU gets as descriptors, never by path. */
enum plan_file_role { PLAN_FIRMWARE, PLAN_KERNEL, PLAN_INITRD, PLAN_SHIM, PLAN_DISK };
#define PLAN_BOOT_FILES PLAN_DISK /* roles of those that are kept by digest */

struct plan_file {
        enum plan_file_role role;
        const char *source; /* borrowed from the definition: path or name of a passed descriptor */
        size_t disk;        /* index, PLAN_DISK only */
        bool writable;
};

/* Guest channels, each a listening unix socket that survives the daemon. */
enum plan_channel { PLAN_CHANNEL_AGENT, PLAN_CHANNEL_TEE, PLAN_CHANNEL_MAX_ };
extern const char *const plan_channel_ports[]; /* "org.cvmd.agent.0", "org.cvmd.tee.0" */

/* An object of QEMU's by its type. */
struct plan_object {
        const char *type;        /* "sev-snp-guest" */
        json_object *properties; /* owned: each is needed */
};

struct plan {
        const struct platform *platform;
        const struct definition *definition; /* borrowed: outlives the plan */
        bool simulated;
        char *cpu;     /* for -cpu; simulated guests run on one the accelerator has, whatever is measured */
        char *cmdline; /* measured, with cvm.owner */
        struct plan_file *files;
        size_t n_files;
        bool channels[PLAN_CHANNEL_MAX_];
        const char *const *devices; /* NULL-terminated: of the host, which QEMU opens itself under KVM; a
                                       service's socket too */
        struct plan_object guest;   /* makes it confidential; type NULL: plain QEMU */
        char **notes;    /* sentences for people: "the named firmware is measured, the simulated guest boots
                            without it" */
        uint64_t policy; /* the guest policy that evidence will show */
        bool debug;
        struct measurement measurement; /* size 0: not measured yet */
};

struct plan *plan_free(struct plan *plan);
CVM_DEFINE_CLEANUP(struct plan, plan_free);

/*
 * Choose the platform (the definition's first that this host offers; simulated: its first, or sev-snp) and
 * make the plan. binding: its payload, whose digest becomes the guest's host data; NULL or empty: none.
 * CVM_CODE_PLATFORM_HARDWARE where this host offers none.
 */
int plan_make(const struct definition *definition, const struct host_facts *facts,
              const struct cvm_bytes *binding, struct plan **ret, struct cvm_error *err);
/* A plan that only says what would be measured: without a driver, on any host, hardware or simulated. */
int plan_predict(const struct definition *definition, struct plan **ret, struct cvm_error *err);
/* For a platform's `confide`: one more property of the guest's object; takes value, NULL is no memory. */
int plan_add(struct plan *plan, const char *name, json_object *value, struct cvm_error *err);
json_object *plan_json(const struct plan *plan);

/* Is that file given to the guest? A simulated one boots without the firmware that is measured for it, and
 * without the shim, which needs that. */
bool plan_boots_with(const struct plan *plan, const struct plan_file *file);
#define PLAN_MAC_TEXT 18
/* The address of NIC i: the definition's, or one that follows from the uuid, so that it stays at every
 * start. */
void plan_mac(const struct plan *plan, size_t i, char ret[PLAN_MAC_TEXT]);

/* The digests of a plan's files that are measured. firmware may be NULL: the synthetic one (simulated
 * guests). */
struct plan_contents {
        const uint8_t *firmware;
        size_t firmware_size;
        const struct measured_firmware *measured_firmware; /* of the plan's platform; NULL: to be done */
        const uint8_t *kernel_sha256, *initrd_sha256;      /* NULL where the plan has none */
        const uint8_t *header; /* of a kernel that is an image; NULL where the platform has none */
        size_t header_size;
        /* for plan_boot() alone: kernel and shim themselves, and the initrd's SHA-384 and size */
        const uint8_t *kernel, *shim, *initrd_sha384;
        size_t kernel_size, shim_size;
        /* for plan_check() alone: what stands behind these images (authenticode_signatures()) */
        const struct cvm_bytes *kernel_signatures, *shim_signatures;
        uint64_t initrd_size;
};
/* Fill in plan->measurement. */
int plan_measure(struct plan *plan, const struct plan_contents *contents, struct cvm_error *err);
/* What will be extended into the platform's registers, nothing where it has none; ret is owned. */
int plan_boot(struct plan *plan, const struct plan_contents *contents, struct boot_log *ret,
              struct cvm_error *err);
/* Can this host open the image whose measurement (as measurement_json() has it) this is? Where the host does
 * not tell its keys it is left to the launch. CVM_CODE_HOST_KEY_SLOT. */
int plan_check_host(const struct plan *plan, const struct host_facts *facts, const char *measurement,
                    struct cvm_error *err);
/* Is a measured plan what its definition promises of it (a block that the owner signed), and will its
 * firmware start its kernel? */
int plan_check(const struct plan *plan, const struct plan_contents *contents, struct cvm_error *err);
/* Why another measurement was observed; request->given is filled in here. */
int plan_explain(struct plan *plan, const struct plan_contents *contents, struct explain_request *request,
                 struct explanation *ret, struct cvm_error *err);
