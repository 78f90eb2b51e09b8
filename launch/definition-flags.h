/*
 * A definition by flags: `--vcpus 2 --disk d.raw,format=raw` builds the JSON that a file would have. The
 * values are only put in their places here; what they may be is judged by the one reader, definition_read().
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

/*
 * ROW(name, kind, value, help, object, member, make): the flag without dashes; FLAG (no value), TEXT (the
 * last one counts) or REPEAT (all of them); what stands for the value in a help text; and for the reader of
 * this table: the object of the document it goes to (NULL: the document itself, "*": the section of the
 * platform), the member of it (NULL: the value is KEY=VALUE and names it), and how the value is read.
 */
#define DEFINITION_FLAGS(ROW)                                                                               \
        ROW("name", TEXT, "NAME", "the VM's name", NULL, "name", make_text)                                 \
        ROW("uuid", TEXT, "UUID", "its uuid (made when absent)", NULL, "uuid", make_text)                   \
        ROW("platform", REPEAT, "PLATFORM", "such as sev-snp; the first that the host offers is taken",     \
            NULL, "platform", make_text)                                                                    \
        ROW("simulate", FLAG, NULL, "run without hardware protection, with simulated evidence", NULL,       \
            "simulate", make_true)                                                                          \
        ROW("vcpus", TEXT, "N", "virtual CPUs (2)", NULL, "vcpus", make_number)                             \
        ROW("memory", TEXT, "SIZE", "\"2GiB\", \"512MiB\" or bytes (2GiB)", NULL, "memory", make_number)    \
        ROW("cpu-model", TEXT, "MODEL", "the measured CPU model", NULL, "cpu_model", make_text)             \
        ROW("vcpu-sig", TEXT, "HEX", "the measured CPUID signature, instead of the model's", "*",           \
            "vcpu_signature", make_hex)                                                                     \
        ROW("guest-features", TEXT, "HEX", "the measured feature bits of the guest", "*", "guest_features", \
            make_hex)                                                                                       \
        ROW("page-order", TEXT, "ORDER", "page, or section: how older hosts of TDX add pages", "*",         \
            "page_order", make_text)                                                                        \
        ROW("qemu-version", TEXT, "VERSION", "of the host, where what a guest measures depends on it", "*", \
            "qemu_version", make_text)                                                                      \
        ROW("option", REPEAT, "KEY=VALUE", "of the platform's own section, such as smt=false", "*", NULL,   \
            make_any)                                                                                       \
        ROW("firmware", TEXT, "FILE", "firmware image", NULL, "firmware", make_path)                        \
        ROW("kernel", TEXT, "FILE", "kernel", "boot", "kernel", make_path)                                  \
        ROW("initrd", TEXT, "FILE", "initial RAM disk", "boot", "initrd", make_path)                        \
        ROW("cmdline", TEXT, "TEXT", "kernel command line", "boot", "cmdline", make_text)                   \
        ROW("boot-disk", TEXT, "SERIAL", "boot from this disk instead", "boot", "disk", make_text)          \
        ROW("disk", REPEAT, "KEY=VALUE,...", "path=, format=raw|qcow2, readonly=, serial=, size=", NULL,    \
            "disks", make_disk)                                                                             \
        ROW("nic", REPEAT, "KEY=VALUE,...",                                                                 \
            "type=user|tap|bridge|none, name=, mac=, forward=[tcp:]HOST:GUEST", NULL, "nics", make_nic)     \
        ROW("image", TEXT, "NAME", "image of the store", NULL, "image", make_text)                          \
        ROW("console", TEXT, "KIND", "log, interactive or none", NULL, "console", make_text)                \
        ROW("owner", TEXT, "BASE64", "the owner's public key, as `owner show` prints it", NULL, "owner",    \
            make_text)                                                                                      \
        ROW("service", TEXT, "BASE64", "the public key of the owner's service", NULL, "service", make_text) \
        ROW("root", TEXT, "KIND[:HEX]", "none, luks:HEADER-DIGEST or verity:ROOT-HASH", NULL, "root",       \
            make_root)                                                                                      \
        ROW("require-secret", REPEAT, "NAME", "a secret that the guest must confirm", NULL,                 \
            "required_secrets", make_text)                                                                  \
        ROW("approval", FLAG, NULL, "the guest agent waits for the owner's approval", NULL, "approval",     \
            make_true)                                                                                      \
        ROW("hold", FLAG, NULL, "the daemon waits for a start permit before the first instruction", NULL,   \
            "hold", make_true)                                                                              \
        ROW("on-refused", TEXT, "WHAT", "keep or kill a guest whose evidence is refused", NULL,             \
            "on_refused", make_text)                                                                        \
        ROW("label", REPEAT, "KEY=VALUE", "a label", "labels", NULL, make_text)                             \
        ROW("restart", TEXT, "WHEN", "never, on-failure or always", NULL, "restart", make_text)             \
        ROW("autostart", FLAG, NULL, "start with the daemon", NULL, "autostart", make_true)                 \
        ROW("reserve", FLAG, NULL, "keep a place on the host for it while it does not run", NULL,           \
            "reserve", make_true)                                                                           \
        ROW("user", TEXT, "NAME", "the account that the VM belongs to", NULL, "user", make_text)            \
        ROW("hugepages", FLAG, NULL, "memory from huge pages", "tuning", "hugepages", make_true)            \
        ROW("numa-node", TEXT, "N", "memory from this NUMA node", "tuning", "numa_node", make_number)       \
        ROW("accel", TEXT, "HOW", "auto, kvm or tcg (simulated guests)", NULL, "accel", make_text)

/* Name of flag i of the table; NULL past the last. */
const char *definition_flag_at(size_t i);

/*
 * Put all values of one flag (at least one) into the document. A list begins anew: flags replace the list of
 * a file. Relative paths are meant from `directory`. CVM_CODE_ARGUMENT for what cannot be put anywhere.
 */
int definition_flag_set(json_object *document, const char *flag, const char *const *values, size_t n_values,
                        const char *directory, struct cvm_error *err);
