/*
 * The firmware is OVMF for TDX: the TD HOB, the variable store, the variables of secure boot, fw_cfg items
 * and ACPI tables, then the boot order go into RTMR 0; the kernel and what happens to it into RTMR 1;
 * command line and initrd, which Linux's EFI stub measures, into RTMR 2. Releases differ in what they
 * measure beside these: such events are in the list as ones that may be absent.
 */
#include "launch/rtmr-tdx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/event-log-tdx.h"
#include "launch/authenticode.h"
#include "launch/firmware-tdx.h"
#include "launch/hob-tdx.h"
#include "launch/setup-header.h"
#include "launch/synthetic-tdx.h"
#include "launch/variable-store.h"

#define QEMU_UNCHANGED MEASURE_QEMU(10, 2) /* since when the kernel reaches the guest as it is */
#define INITRD_ARGUMENT " initrd=initrd"   /* what OVMF appends */

enum type {
        SEPARATOR = 0x4,
        EVENT_TAG = 0x6,
        CONFIG_FLAGS = 0xa,
        VARIABLE_DRIVER_CONFIG = 0x80000001,
        VARIABLE_BOOT = 0x80000002,
        APPLICATION = 0x80000003,
        EFI_ACTION = 0x80000007,
        HANDOFF_TABLES = 0x80000009,
        FIRMWARE_BLOB2 = 0x8000000a,
        HANDOFF_TABLES2 = 0x8000000b,
        VARIABLE_AUTHORITY = 0x800000e0,
};

/* --- events of the list --- */

struct predicting {
        const struct measure_inputs *in;
        struct tdvf tdvf;
        struct boot_log log;
        bool failed; /* no memory */
};

static void set_kind(struct boot_event *e, unsigned index, uint32_t type, const char *name) {
        e->index = index;
        tdx_event_type_text(type, e->type, sizeof e->type);
        snprintf(e->name, sizeof e->name, "%s", name);
}

/* digest NULL: it is not known */
static struct boot_event *add(struct predicting *p, unsigned index, uint32_t type, const char *name,
                              const uint8_t *digest, const char *from) {
        struct boot_event *e = boot_log_add(&p->log);

        if (!e) {
                p->failed = true;
                return NULL;
        }
        set_kind(e, index, type, name);
        e->status = digest ? BOOT_COMPUTED : BOOT_UNKNOWN;
        e->from = from;
        if (digest)
                memcpy(e->digest, digest, sizeof e->digest);
        return e;
}

/* The event's text is what is hashed. */
static void add_text(struct predicting *p, unsigned index, uint32_t type, const char *text, size_t size) {
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_sha384(text, size, digest);
        add(p, index, type, type == SEPARATOR ? "" : text, digest, "always the same");
}

/* --- RTMR 0 --- */

static void add_firmware(struct predicting *p) {
        uint8_t digest[CVM_SHA384_SIZE];
        bool is_known = tdx_hob_digest(&p->tdvf, p->in->memory, digest);

        add(p, 0, HANDOFF_TABLES2, "TdxTable", is_known ? digest : NULL,
            "the memory size and the firmware's TDX metadata");
        for (size_t i = 0; i < p->tdvf.n_sections; i++) {
                const struct tdvf_section *s = &p->tdvf.sections[i];

                if (s->type != TDVF_CONFIGURATION)
                        continue;
                cvm_sha384(p->in->firmware + s->offset, s->size, digest);
                add(p, 0, FIRMWARE_BLOB2, "Fv", digest, "the variable store of the firmware image");
        }
}

/* UEFI_VARIABLE_DATA: GUID, letters of the name, size of the data, name in UTF-16, data */
static void add_variable(struct predicting *p, const char *guid, const char *name, const void *data,
                         size_t size) {
        struct cvm_writer w = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_write_copy(&w, guid, 16);
        cvm_write_u64le(&w, strlen(name));
        cvm_write_u64le(&w, size);
        for (const char *c = name; *c; c++)
                cvm_write_u16le(&w, (uint8_t)*c);
        cvm_write_copy(&w, data, size);
        p->failed |= w.failed;
        if (!w.failed) {
                cvm_sha384(w.bytes.data, w.bytes.size, digest);
                add(p, 0, VARIABLE_DRIVER_CONFIG, name, digest, "the variable store of the firmware image");
        }
        cvm_writer_done(&w);
}

/* Without a platform key the variable is zero, or absent where the firmware was built without secure boot.
 */
static void add_secure_boot(struct predicting *p, const uint8_t *store, size_t size) {
        int enforced = variable_secure_boot(store, size);
        uint8_t is_on = enforced > 0;

        if (enforced < 0)
                add(p, 0, VARIABLE_DRIVER_CONFIG, "SecureBoot", NULL,
                    "how the firmware was built: without a platform key it is zero or absent");
        else
                add_variable(p, VARIABLE_GUID_GLOBAL, "SecureBoot", &is_on, 1);
}

static void add_variables(struct predicting *p) {
        static const struct {
                const char *guid, *name;
        } keys[] = { { VARIABLE_GUID_GLOBAL, "PK" },
                     { VARIABLE_GUID_GLOBAL, "KEK" },
                     { VARIABLE_GUID_SECURITY, "db" },
                     { VARIABLE_GUID_SECURITY, "dbx" } };
        const uint8_t *store = p->in->firmware;
        size_t size = 0;

        for (size_t i = 0; i < p->tdvf.n_sections; i++)
                if (p->tdvf.sections[i].type == TDVF_CONFIGURATION) {
                        store = p->in->firmware + p->tdvf.sections[i].offset;
                        size = p->tdvf.sections[i].size;
                }
        add_secure_boot(p, store, size);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                struct cvm_reader data = { 0 };

                if (variable_find(store, size, keys[i].guid, keys[i].name, &data) < 0)
                        add(p, 0, VARIABLE_DRIVER_CONFIG, keys[i].name, NULL,
                            "the firmware image, whose variable store is of an unknown form");
                else
                        add_variable(p, keys[i].guid, keys[i].name, data.next, data.left);
        }
}

static void add_host(struct predicting *p) {
        static const char from_qemu[] = "the host's QEMU",
                          from_newer[] = "the host's QEMU; newer firmware measures it",
                          from_boot[] = "the firmware and the host's boot order";
        static const struct {
                uint32_t type;
                const char *name, *from;
                bool may_be_absent;
        } events[] = {
                { CONFIG_FLAGS, "QEMU FW CFG etc/extra-pci-roots", from_newer, true },
                { CONFIG_FLAGS, "QEMU FW CFG BootMenu", from_newer, true },
                { CONFIG_FLAGS, "QEMU FW CFG etc/boot-menu-wait", from_newer, true },
                { CONFIG_FLAGS, "QEMU FW CFG etc/reserved-memory-end", from_newer, true },
                { CONFIG_FLAGS, "QEMU FW CFG opt/ovmf/X-PciMmio64Mb", from_newer, true },
                { CONFIG_FLAGS, "QEMU FW CFG bootorder", from_newer, true },
                { CONFIG_FLAGS, "ACPI DATA", from_qemu, false },
                { CONFIG_FLAGS, "ACPI DATA", from_qemu, false },
                { CONFIG_FLAGS, "ACPI DATA", from_qemu, false },
                { HANDOFF_TABLES, "", "the host's SMBIOS tables; newer firmware measures them", true },
                { VARIABLE_BOOT, "BootOrder", from_boot, false },
                { VARIABLE_BOOT, "Boot0000", from_boot, false },
                { VARIABLE_BOOT, "Boot0001", from_boot, true },
                { VARIABLE_AUTHORITY, "db", "the key that vouches for kernel or shim, with secure boot",
                  true },
                { VARIABLE_AUTHORITY, "SbatLevel", "a shim", true },
                { VARIABLE_AUTHORITY, "MokListTrusted", "a shim", true },
                { VARIABLE_AUTHORITY, "Shim", "a shim: the key that vouches for the kernel", true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
                struct boot_event *e = add(p, 0, events[i].type, events[i].name, NULL, events[i].from);

                if (e)
                        e->may_be_absent = events[i].may_be_absent;
        }
}

/* --- RTMR 1 and 2 --- */

static int kernel_digest(const struct measure_inputs *in, uint8_t ret[CVM_SHA384_SIZE], bool *ret_is_known,
                         struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes changed = { 0 };
        const uint8_t *image = in->kernel;

        *ret_is_known = in->kernel;
        if (!in->kernel)
                return 0;
        if (in->qemu_version && in->qemu_version < QEMU_UNCHANGED) {
                if (cvm_bytes_copy(in->kernel, in->kernel_size, &changed) < 0)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
                image = changed.data;
                *ret_is_known = !(in->cmdline && strstr(in->cmdline, "vga=")) &&
                                setup_header_rewrite(changed.data, changed.size, in->memory,
                                                     in->has_initrd ? in->initrd_size : 0);
        }
        return authenticode_sha384(image, in->kernel_size, ret, err);
}

static void add_open(struct predicting *p, unsigned index, const char *from) {
        struct boot_event *e = boot_log_add(&p->log);

        if (e)
                *e = (struct boot_event){ .index = index, .status = BOOT_UNKNOWN, .from = from };
        p->failed |= !e;
}

/* By a shim: in which order it and the kernel are measured, and whether the kernel is once or twice, is the
 * firmware's and the shim's. */
static int add_shim(struct predicting *p, struct cvm_error *err) {
        uint8_t digest[CVM_SHA384_SIZE];
        int r = p->in->shim ? authenticode_sha384(p->in->shim, p->in->shim_size, digest, err) : 0;

        if (r < 0)
                return cvm_while(err, r, "the shim");
        add(p, 1, APPLICATION, "", p->in->shim ? digest : NULL, "the shim, as QEMU hands it on");
        add_open(p, 1, "how the shim starts the kernel");
        return 0;
}

static int add_kernel(struct predicting *p, struct cvm_error *err) {
        static const char calling[] = "Calling EFI Application from Boot Option",
                          leaving[] = "Exit Boot Services Invocation",
                          left[] = "Exit Boot Services Returned with Success";
        uint8_t digest[CVM_SHA384_SIZE];
        bool is_known = false;
        int r = kernel_digest(p->in, digest, &is_known, err);

        if (r < 0)
                return cvm_while(err, r, "the kernel");
        add(p, 1, APPLICATION, "", is_known ? digest : NULL, "the kernel, as QEMU hands it on");
        add_text(p, 1, EFI_ACTION, calling, strlen(calling));
        add_text(p, 1, SEPARATOR, "\0\0\0\0", 4);
        add_text(p, 1, EFI_ACTION, leaving, strlen(leaving));
        add_text(p, 1, EFI_ACTION, left, strlen(left));
        return 0;
}

/* An empty file is none, to the firmware and so to the kernel. */
static bool has_initrd(const struct measure_inputs *in) {
        return in->has_initrd && (in->initrd_size || !in->initrd_sha384);
}

/* The kernel sees the command line in UTF-16 with its NUL. An empty one is none. */
static void add_cmdline(struct predicting *p) {
        const char *const parts[] = { p->in->cmdline ? p->in->cmdline : "",
                                      has_initrd(p->in) ? INITRD_ARGUMENT : "" };
        struct cvm_writer w = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                for (const char *c = parts[i]; *c; c++)
                        cvm_write_u16le(&w, (uint8_t)*c);
        if (w.bytes.size) {
                cvm_write_u16le(&w, 0);
                cvm_sha384(w.bytes.data, w.bytes.size, digest);
        }
        add(p, 2, EVENT_TAG, "LOADED_IMAGE::LoadOptions", w.bytes.size ? digest : NULL,
            "the command line, and what the firmware appends");
        p->failed |= w.failed;
        cvm_writer_done(&w);
}

static int add_boot(struct predicting *p, struct cvm_error *err) {
        int r;

        if (!p->in->has_kernel) {
                add_open(p, 1, "what the disk starts");
                add_open(p, 2, "what the disk starts");
                return 0;
        }
        if (p->in->has_shim)
                add_open(p, 2, "the shim's lists of keys (MokList)");
        r = p->in->has_shim ? add_shim(p, err) : 0;
        if (r >= 0)
                r = add_kernel(p, err);
        if (r < 0)
                return r;
        add_cmdline(p);
        if (has_initrd(p->in))
                add(p, 2, EVENT_TAG, "Linux initrd", p->in->initrd_sha384, "the initrd");
        return 0;
}

static int predict(const struct measure_inputs *in, struct boot_log *ret, struct cvm_error *err) {
        struct predicting p = { .in = in };
        int r = tdvf_read(in->firmware, in->firmware_size, &p.tdvf, err);

        if (r < 0)
                return r;
        add_firmware(&p);
        add_variables(&p);
        add_text(&p, 0, SEPARATOR, "\0\0\0\0", 4);
        add_host(&p);
        r = add_boot(&p, err);
        add_open(&p, 3, "what the guest itself extends");
        if (r >= 0 && p.failed)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        if (r < 0)
                boot_log_done(&p.log);
        else
                *ret = p.log;
        return r;
}

/* --- a guest's own log --- */

static bool is_one_of(uint32_t type, const uint32_t *types, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (types[i] == type)
                        return true;
        return false;
}

/* Its digest is that of its own words, so that these say what was measured. */
static bool proves_itself(const struct tdx_event *event) {
        static const uint32_t types[] = { SEPARATOR, VARIABLE_DRIVER_CONFIG, VARIABLE_AUTHORITY };
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_sha384(event->data, event->size, digest);
        return is_one_of(event->type, types, ARRAY_SIZE(types)) &&
               memcmp(digest, event->digest, sizeof digest) == 0;
}

/*
 * What a digest is of stands in the log alone, and nobody signed that: whoever carries it can call an ACPI
 * table something else. So in RTMR 0 all is the host's that does not prove itself, the variable store too,
 * which MRTD does not cover.
 */
static bool is_by_host(const struct tdx_event *event) {
        static const uint32_t types[] = { CONFIG_FLAGS, VARIABLE_BOOT, HANDOFF_TABLES, HANDOFF_TABLES2 };

        return event->index == 1 ? !proves_itself(event) : is_one_of(event->type, types, ARRAY_SIZE(types));
}

static bool learn(const struct tdx_event *event, struct boot_log *log) {
        struct boot_event *e;

        if (event->index == 0) /* MRTD, which no event changes */
                return true;
        e = boot_log_add(log);
        if (!e)
                return false;
        e->index = event->index - 1;
        tdx_event_type_text(event->type, e->type, sizeof e->type);
        tdx_event_name(event, e->name, sizeof e->name);
        if (event->type == FIRMWARE_BLOB2) /* its GUID is in it, or not */
                e->name[strcspn(e->name, "(")] = 0;
        e->status = is_by_host(event) ? BOOT_UNVERIFIED : BOOT_LEARNT;
        e->from = is_by_host(event) ? "the host, as the guest's log has it" : "the guest's log";
        memcpy(e->digest, event->digest, sizeof e->digest);
        return true;
}

static int read_log(const void *bytes, size_t size, struct boot_log *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        struct boot_log learnt = { 0 };
        int r = tdx_event_log_read(bytes, size, &log, err);

        for (size_t i = 0; r >= 0 && i < log.n_events; i++)
                if (!learn(&log.events[i], &learnt))
                        r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading an event log");
        if (r < 0)
                boot_log_done(&learnt);
        else
                *ret = learnt;
        return r;
}

static const struct boot_register registers[] = {
        { .name = "rtmr0", .covers_acpi = true },
        { .name = "rtmr1", .covers_kernel = true },
        { .name = "rtmr2", .covers_initrd = true, .covers_cmdline = true },
        { .name = "rtmr3" },
        { 0 },
};

const struct boot_registers tdx_registers = {
        .word = "rtmr",
        .list = registers,
        .predict = predict,
        .simulate = tdx_synthetic_log,
        .read = read_log,
};
