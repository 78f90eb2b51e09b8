/*
 * A technology, as launch needs it: one const row of functions and texts each. The one table in platform.c
 * names them all; a further technology costs its own files and one line there.
 */
#pragma once

#include "launch/boot-log.h"
#include "launch/definition.h"
#include "launch/explain.h"
#include "launch/failure.h"
#include "launch/host.h"
#include "launch/libvirt-security.h"
#include "launch/measure.h"

struct plan;
struct plan_contents;

/* Registers that a guest's firmware and software extend, beside the launch measurement. */
struct boot_registers {
        const char *word;                 /* the platform's own for them, "rtmr" */
        const struct boot_register *list; /* BOOT_REGISTERS_MAX at most, ended by one without name */
        /* what will be extended, as far as it follows from these inputs */
        int (*predict)(const struct measure_inputs *inputs, struct boot_log *ret, struct cvm_error *err);
        /* the log of a simulated guest for which this is predicted; owned. -ENOMEM */
        int (*simulate)(const struct boot_log *predicted, struct cvm_bytes *ret);
        /* what a guest's own log (hostile bytes) says */
        int (*read)(const void *log, size_t size, struct boot_log *ret, struct cvm_error *err);
};

struct platform {
        enum cvm_platform_id id;
        const char *name;                            /* "sev-snp" */
        const char *title;                           /* "AMD SEV-SNP" */
        const char *binary;                          /* "qemu-system-x86_64" */
        const char *machine;                         /* "q35" */
        const char *bus;                             /* suffix of virtio devices: "pci", "ccw" */
        const char *console;                         /* "isa-serial", "sclpconsole" */
        const char *kernel_console;                  /* "ttyS0" */
        const char *default_cpu;                     /* "EPYC-v4" */
        const char *const *devices;                  /* NULL-terminated: "/dev/kvm", ... */
        bool has_shim;                               /* its firmware takes one, and measures it */
        const struct cvm_json_field *options_fields; /* of the platform's own section of the definition */
        /* that section: NULL is fine; refuses what it does not know */
        int (*check_options)(json_object *options, const char *document, struct cvm_error *err);
        /* what that section adds to the measured inputs, and the guest policy that evidence will show */
        int (*add_options)(json_object *options, struct measure_inputs *inputs, uint64_t *ret_policy,
                           struct cvm_error *err);
        /* what that section promises of the measurement and the policy of this launch */
        int (*check_launch)(json_object *options, const struct measurement *measurement, uint64_t policy,
                            struct cvm_error *err);
        /* will its firmware start the plan's kernel? CVM_CODE_SECURE_BOOT; NULL: it starts any */
        int (*check_boot)(const struct plan_contents *contents, struct cvm_error *err);
        bool (*is_debug)(uint64_t policy);
        /* Where guests boot one image that their owner built, with initrd and command line in it: what of
         * the kernel's file is the launch's identity (CVM_CODE_IMAGE_FORMAT); owned. NULL: the parts of a
         * boot are files of their own. */
        int (*read_header)(int fd, const char *name, struct cvm_bytes *ret, struct cvm_error *err);
        /* for measure_inputs: hash an image, whatever it is; measure() judges it. NULL: measure() does it */
        int (*measure_firmware)(const uint8_t *image, size_t size, struct measured_firmware *ret,
                                struct cvm_error *err);
        /* the launch measurement of these inputs */
        int (*measure)(const struct measure_inputs *inputs, struct measurement *ret, struct cvm_error *err);
        const struct boot_registers *registers; /* NULL: all is in the launch measurement */
        /* why a measurement is another one */
        int (*explain)(const struct explain_request *request, struct explanation *ret,
                       struct cvm_error *err);
        /* the measurement that a block signed by the owner names, where these bytes are one */
        int (*read_launch_block)(const void *data, size_t size, uint8_t ret[64], size_t *ret_size,
                                 struct cvm_error *err);
        /* the firmware that is measured for a simulated guest which names none; owned bytes. NULL: its
         * guests are not simulated yet, or have none */
        int (*synthetic_firmware)(struct cvm_bytes *ret);
        /* can the host below root run its guests on hardware? Adds to the facts (vendor and KVM are known)
         */
        void (*read_host)(int root_fd, struct host_facts *facts);
        /* adds what makes the guest confidential to a plan for real hardware; host_data: its digest of the
         * binding, NULL: none. NULL: not offered yet */
        int (*confide)(struct plan *plan, const struct host_facts *facts, const uint8_t *host_data,
                       struct cvm_error *err);
        /* QEMU's command whose answer tells what the guest has become once it runs; NULL: there is none */
        const char *state_query;
        /* is it the guest that was planned? CVM_CODE_LAUNCH_STATE */
        int (*check_state)(json_object *answer, uint64_t policy, struct cvm_error *err);
        /* how QEMU says that a launch failed; NULL: nothing of its own */
        const struct failure_row *failures;
        /* how libvirt says the guest's object; NULL: its guests are not started by libvirt */
        const struct libvirt_security *libvirt;
        /* May a guest be dumped, by what was recorded of its image (a prediction; NULL: nothing) and by what
         * the host can (NULL: the guest is simulated)? CVM_CODE_DUMP_DENIED, CVM_CODE_DUMP_HOST. NULL: no
         * guest can: what the host could read of its memory tells nothing. */
        int (*check_dump)(const char *prediction, const struct host_facts *host, struct cvm_error *err);
        const char *dump_note; /* what is to be known of a dump from hardware */
        /* Is the file one, whatever QEMU says of it? CVM_CODE_DUMP_DENIED, CVM_CODE_DUMP_FAILED. */
        int (*check_core)(int fd, struct cvm_error *err);
        /* digest of a binding as the platform's host data: SNP SHA-256, 32 bytes; TDX SHA-384, 48. NULL:
         * there is no such field */
        size_t host_data_size;
        void (*host_data)(const void *binding, size_t size, uint8_t ret[]);
};

/* NULL: not known by that name or number. */
const struct platform *platform_by_name(const char *name);
const struct platform *platform_by_id(enum cvm_platform_id id);
/* Row i, NULL past the last. */
const struct platform *platform_at(size_t i);
