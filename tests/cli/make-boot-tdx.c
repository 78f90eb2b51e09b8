/* The files of a direct boot, and the quote and event log that a trust domain which booted them would have.
 * Usage: make-boot-tdx DIR [WHAT]; the words of WHAT stand in the table below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/measure-tdx.h"
#include "launch/rtmr-tdx.h"
#include "tests/attest/make-event-log.h"
#include "tests/attest/scene-tdx.h"
#include "tests/launch/make-pe.h"
#include "tests/launch/make-tdvf.h"
#include "tests/launch/make-variables.h"

static uint8_t firmware[IMAGE_SIZE], kernel[PE_SIZE];
static const uint8_t initrd[] = "initrd";

static void put(const char *dir, const char *name, const void *data, size_t size) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s", dir, name);
        f = fopen(path, "wb");
        if (!f || fwrite(data, 1, size, f) != size || fclose(f))
                exit(1);
}

static const struct {
        const char *text;
        uint32_t type;
} types[] = {
        { "EV_SEPARATOR", 0x4 },
        { "EV_EVENT_TAG", 0x6 },
        { "EV_PLATFORM_CONFIG_FLAGS", 0xa },
        { "EV_EFI_VARIABLE_DRIVER_CONFIG", 0x80000001 },
        { "EV_EFI_VARIABLE_BOOT", 0x80000002 },
        { "EV_EFI_BOOT_SERVICES_APPLICATION", 0x80000003 },
        { "EV_EFI_ACTION", 0x80000007 },
        { "EV_EFI_PLATFORM_FIRMWARE_BLOB2", 0x8000000a },
        { "EV_EFI_HANDOFF_TABLES2", 0x8000000b },
};

/* The event's data, as far as its name is in it. */
static size_t name_data(uint32_t type, const char *name, uint8_t data[256]) {
        size_t n = strlen(name), at = 0;

        memset(data, 0, 256);
        if (type == 0x80000001 || type == 0x80000002) {
                data[16] = (uint8_t)n;
                for (size_t i = 0; i < n; i++)
                        data[32 + 2 * i] = (uint8_t)name[i];
                return 32 + 2 * n;
        }
        if (type == 0x6)
                at = 8;
        if (type == 0x8000000a || type == 0x8000000b)
                data[at++] = (uint8_t)n;
        memcpy(data + at, name, n);
        return at + n;
}

static void log_boot_event(struct cvm_writer *w, const struct boot_event *e) {
        uint8_t data[256];
        uint32_t type = 0;
        size_t size;

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(types[i].text, e->type) == 0)
                        type = types[i].type;
        size = name_data(type, e->name, data);
        cvm_write_u32le(w, e->index + 1);
        cvm_write_u32le(w, type);
        cvm_write_u32le(w, 1);
        cvm_write_u16le(w, 0xc);
        cvm_write_copy(w, e->digest, sizeof e->digest);
        cvm_write_u32le(w, (uint32_t)size);
        cvm_write_copy(w, data, size);
}

/* What is not known was somehow; what may be absent is. */
static void happen(struct boot_log *log) {
        size_t n = 0;

        for (size_t i = 0; i < log->n_events; i++) {
                struct boot_event *e = &log->events[i];

                if (e->may_be_absent || !*e->type)
                        continue;
                if (e->status == BOOT_UNKNOWN)
                        memset(e->digest, (int)(0x40 + i), sizeof e->digest);
                e->status = BOOT_LEARNT;
                log->events[n++] = *e;
        }
        log->n_events = n;
}

static struct boot_event *find(struct boot_log *log, unsigned index, const char *type) {
        for (size_t i = 0; i < log->n_events; i++)
                if (log->events[i].index == index && strcmp(log->events[i].type, type) == 0)
                        return &log->events[i];
        exit(1);
}

static void acpi(struct boot_log *log) {
        find(log, 0, "EV_PLATFORM_CONFIG_FLAGS")->digest[0] ^= 1;
}

static void initrd_other(struct boot_log *log) {
        find(log, 2, "EV_EVENT_TAG")[1].digest[0] ^= 1;
}

/* As older firmware does. */
static void separator(struct boot_log *log) {
        find(log, 1, "EV_SEPARATOR")->index = 0;
}

static const struct {
        const char *word;
        void (*change)(struct boot_log *log);
} changes[] = {
        { "acpi", acpi },
        { "initrd", initrd_other },
        { "separator", separator },
};

static void boot(struct scene *s, const char *dir, const char *what) {
        uint8_t sha384[CVM_SHA384_SIZE];
        const struct measure_inputs in = { .firmware = firmware,
                                           .firmware_size = IMAGE_SIZE,
                                           .vcpus = 2,
                                           .memory = 2ull << 30,
                                           .has_kernel = true,
                                           .kernel = kernel,
                                           .kernel_size = PE_SIZE,
                                           .has_initrd = true,
                                           .initrd_sha384 = sha384,
                                           .initrd_size = sizeof initrd,
                                           .cmdline = "console=ttyS0" };
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_writer w = { 0 };
        struct measurement m;

        cvm_sha384(initrd, sizeof initrd, sha384);
        if (tdx_measure(&in, &m, NULL) < 0 || tdx_registers.predict(&in, &log, NULL) < 0)
                exit(1);
        happen(&log);
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
                if (strcmp(what, changes[i].word) == 0)
                        changes[i].change(&log);
        log_begin(&w);
        for (size_t i = 0; i < log.n_events; i++)
                log_boot_event(&w, &log.events[i]);
        if (cvm_writer_take(&w, &bytes) < 0)
                exit(1);
        memcpy(s->w.body.mr_td, m.digest, CVM_SHA384_SIZE);
        for (unsigned i = 0; i < TDX_REGISTERS; i++)
                boot_log_register(&log, i, s->w.body.rtmr[i]);
        put(dir, "log", bytes.data, bytes.size);
}

int main(int argc, char **argv) {
        struct scene s;

        if (argc < 2)
                return 2;
        image_make(&image_good, firmware);
        store_make(firmware);
        pe_make(kernel);
        keys_make();
        s = scene();
        s.unowned = true;
        boot(&s, argv[1], argc > 2 ? argv[2] : "");
        seal(&s);
        put(argv[1], "quote", s.bundle.report.data, s.bundle.report.size);
        put(argv[1], "firmware", firmware, sizeof firmware);
        put(argv[1], "kernel", kernel, sizeof kernel);
        put(argv[1], "initrd", initrd, sizeof initrd);
        scene_done(&s);
        keys_done();
        return 0;
}
