/*
 * The definition (design section 6, man page cvm-definition(5), doc/definition.schema.json): what the user
 * asks for, as JSON. Only keys that were given are stored; defaults are applied when it is read. Identity
 * (what the measurement and the binding depend on) is kept apart from instance (names, paths, NICs, labels).
 */
#pragma once

#include "attest/binding.h"
#include "base/json.h"
#include "base/platform-id.h"

#define DEFINITION_MEMORY_MIN (256ull << 20)
#define DEFINITION_MEMORY_MAX (16ull << 40)
#define DEFINITION_VCPUS_MAX 512
#define DEFINITION_DISKS_MAX 32
#define DEFINITION_NICS_MAX 16
#define DEFINITION_FORWARDS_MAX 64
#define DEFINITION_TEXT_MAX (256u << 10) /* bytes of a whole definition */
#define DEFINITION_CMDLINE_MAX 2048 /* bytes, cvm.owner included: what the kernels of the platforms take */

enum disk_format { DISK_RAW, DISK_QCOW2 };
enum nic_type { NIC_NONE, NIC_USER, NIC_TAP, NIC_BRIDGE };
enum console_type { CONSOLE_LOG, CONSOLE_INTERACTIVE, CONSOLE_NONE };
enum on_refused { ON_REFUSED_KEEP, ON_REFUSED_KILL };
enum restart_when { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum forward_protocol { FORWARD_TCP, FORWARD_UDP };

struct definition_disk {
        char *path; /* or the name of a passed descriptor */
        int format;
        bool readonly;
        char *serial;
        uint64_t size; /* bytes, 0: the file's own; only for data disks that are made here */
};

struct definition_forward {
        int protocol;
        char *host_address; /* NULL: 127.0.0.1 */
        uint32_t host_port, guest_port;
};

struct definition_nic {
        int type;
        char *name; /* tap device or bridge */
        char *mac;
        struct definition_forward *forwards;
        size_t n_forwards;
};

struct definition {
        uint32_t version;
        /* instance */
        char *name;
        char *uuid; /* NULL: made at create */
        struct definition_disk *disks;
        size_t n_disks;
        struct definition_nic *nics;
        size_t n_nics;
        int console, on_refused, restart;
        bool autostart, hold, reserve;
        char *user;    /* account on the host; NULL: the caller */
        char **labels; /* "key=value", owned list */
        bool hugepages;
        uint32_t numa_node;
        bool has_numa_node;
        int accel;  /* enum definition_accel */
        int driver; /* with has_driver: its name is definition_driver() */
        bool has_driver;
        /* identity */
        uint8_t platforms[CVM_PLATFORM_MAX_]; /* in order of preference, ended by CVM_PLATFORM_NONE */
        bool simulate;
        uint32_t vcpus;
        uint64_t memory; /* bytes */
        char *cpu_model; /* NULL: the platform's default */
        char *firmware;  /* path or name; NULL */
        char *kernel, *initrd, *cmdline;
        char *shim;      /* starts a kernel that the firmware itself would not; NULL */
        char *boot_disk; /* serial of the disk to boot from; excludes kernel */
        char *image;
        struct cvm_bytes owner; /* SPKI of the owner's key, 44 bytes; size 0: unowned */
        int root;               /* enum cvm_root */
        uint8_t root_digest[CVM_SHA384_SIZE];
        bool has_root_digest;
        struct cvm_bytes service; /* SPKI of the owner's service; size 0: none */
        bool approval;
        char **required_secrets;
        json_object *platform_options[CVM_PLATFORM_MAX_]; /* owned; read by that platform's own table */
};

enum definition_accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct definition *definition_free(struct definition *definition);
CVM_DEFINE_CLEANUP(struct definition, definition_free);

/*
 * Read and check a definition; `document` names it in the words. Refusals name the field: CVM_CODE_FIELD, or
 * a code of their own where there is one (CVM_CODE_MEMORY, CVM_CODE_VCPUS, ...).
 */
int definition_read(const void *text, size_t size, const char *document, struct definition **ret,
                    struct cvm_error *err);

/* "qemu" or "libvirt"; NULL: the host's default. */
const char *definition_driver(const struct definition *definition);

/*
 * The binding that follows from the definition and nothing else (trust protocol, section 2). It needs uuid
 * and owner (CVM_CODE_FIELD); platform is the one the caller has chosen, serial the owner's.
 */
int definition_binding(const struct definition *definition, enum cvm_platform_id platform, uint64_t serial,
                       struct binding *ret, struct cvm_error *err);

/* Does this signed binding say what the definition says? CVM_CODE_BINDING_DEFINITION names the field that
 * differs. */
int definition_check_binding(const struct definition *definition, enum cvm_platform_id platform,
                             const struct binding *binding, struct cvm_error *err);

/* The measured command line: cmdline, with " cvm.owner=<96 hex>" appended when there is an owner; owned.
 * A cmdline that already has cvm.owner= is refused. */
int definition_cmdline(const struct definition *definition, char **ret, struct cvm_error *err);
