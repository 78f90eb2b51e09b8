/*
 * Closed by default: no devices but those written here, no configuration files, a seccomp sandbox,
 * everything that is a file comes as a descriptor. Values from the definition have alphabets in which no
 * comma can end an option (launch/definition-parts.c); the command line is an argument of its own.
 */
#include "vm/qemu-argv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct argv {
        char **words;
        int error;
};

CVM_PRINTF(3, 4)
static void add(struct argv *a, const char *option, const char *format, ...) {
        CVM_CLEANUP(cvm_freep) char *value = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&value, format, args);
        va_end(args);
        if (n < 0)
                value = NULL;
        if (!value || cvm_texts_add(&a->words, option) < 0 || cvm_texts_add(&a->words, value) < 0)
                a->error = -ENOMEM;
}

static void add_machine(struct argv *a, const struct plan *plan, bool use_kvm) {
        const struct definition *d = plan->definition;

        add(a, "-name", "guest=%s,debug-threads=off", d->name);
        add(a, "-uuid", "%s", d->uuid);
        add(a, "-machine", "%s,accel=%s%s", plan->platform->machine, use_kvm ? "kvm" : "tcg",
            plan->guest.type ? ",confidential-guest-support=guest" : "");
        add(a, "-cpu", "%s", plan->cpu);
        add(a, "-smp", "%u", d->vcpus);
        if (d->hugepages || d->has_numa_node) {
                char node[32] = "";

                if (d->has_numa_node)
                        snprintf(node, sizeof node, ",policy=bind,host-nodes=%u", d->numa_node);
                add(a, "-object", "memory-backend-memfd,id=ram,size=%" PRIu64 ",hugetlb=%s%s", d->memory,
                    d->hugepages ? "on" : "off", node);
                add(a, "-machine", "memory-backend=ram");
        }
        add(a, "-m", "%" PRIu64 "M", d->memory >> 20);
}

/* As JSON: other forms have no values within values. */
static void add_guest_object(struct argv *a, const struct plan_object *object) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        json_object_object_add(node, "qom-type", json_object_new_string(object->type));
        json_object_object_add(node, "id", json_object_new_string("guest"));
        json_object_object_foreach(object->properties, name, value)
                        json_object_object_add(node, name, json_object_get(value));
        text = cvm_json_text(node);
        if (text)
                add(a, "-object", "%s", text);
        else
                a->error = -ENOMEM;
}

static void add_boot(struct argv *a, const struct plan *plan, const struct qemu_fds *fds) {
        static const char *const options[] = {
                [PLAN_FIRMWARE] = "-bios",
                [PLAN_KERNEL] = "-kernel",
                [PLAN_INITRD] = "-initrd",
                [PLAN_SHIM] = "-shim",
        };

        for (size_t i = 0; i < plan->n_files; i++) {
                enum plan_file_role role = plan->files[i].role;

                if (role == PLAN_DISK || !plan_boots_with(plan, &plan->files[i]))
                        continue;
                add(a, options[role], "/proc/self/fd/%d", fds->files[i]);
        }
        if (plan->definition->kernel && *plan->cmdline)
                add(a, "-append", "%s", plan->cmdline);
}

static void add_disk(struct argv *a, const struct plan *plan, const struct plan_file *file, int fd) {
        static const char *const formats[] = { [DISK_RAW] = "raw", [DISK_QCOW2] = "qcow2" };
        const struct definition_disk *disk = &plan->definition->disks[file->disk];
        const char *boot = plan->definition->boot_disk;
        bool is_boot = boot && disk->serial && strcmp(boot, disk->serial) == 0;
        size_t n = file->disk;

        add(a, "-add-fd", "fd=%d,set=%zu", fd, n + 10);
        add(a, "-blockdev",
            "driver=%s,node-name=disk%zu,read-only=%s,file.driver=file,file.filename=/dev/fdset/%zu,file.locking=off",
            formats[disk->format], n, file->writable ? "off" : "on", n + 10);
        add(a, "-device", "virtio-blk-%s,drive=disk%zu%s%s%s", plan->platform->bus, n,
            disk->serial ? ",serial=" : "", disk->serial ? disk->serial : "", is_boot ? ",bootindex=1" : "");
}

static void add_disks(struct argv *a, const struct plan *plan, const struct qemu_fds *fds) {
        for (size_t i = 0; i < plan->n_files; i++)
                if (plan->files[i].role == PLAN_DISK)
                        add_disk(a, plan, &plan->files[i], fds->files[i]);
}

static char *forwards(const struct definition_nic *nic) {
        char *all = strdup("");

        for (size_t i = 0; all && i < nic->n_forwards; i++) {
                const struct definition_forward *f = &nic->forwards[i];
                char *more;

                if (asprintf(&more, "%s,hostfwd=%s:%s:%u-:%u", all,
                             f->protocol == FORWARD_UDP ? "udp" : "tcp",
                             f->host_address ? f->host_address : "127.0.0.1", f->host_port,
                             f->guest_port) < 0)
                        more = NULL;
                free(all);
                all = more;
        }
        return all;
}

static void add_nics(struct argv *a, const struct plan *plan, const struct qemu_fds *fds) {
        bool has_roms = strcmp(plan->platform->bus, "pci") == 0;

        for (size_t i = 0; i < plan->definition->n_nics; i++) {
                const struct definition_nic *nic = &plan->definition->nics[i];
                CVM_CLEANUP(cvm_freep) char *rules = NULL;
                char mac[PLAN_MAC_TEXT];

                if (nic->type == NIC_NONE)
                        continue;
                plan_mac(plan, i, mac); /* QEMU would give every guest the same */
                if (nic->type == NIC_USER) {
                        rules = forwards(nic);
                        if (!rules)
                                a->error = -ENOMEM;
                        add(a, "-netdev", "user,id=net%zu%s", i, rules ? rules : "");
                } else
                        add(a, "-netdev", "tap,id=net%zu,fd=%d", i, fds->taps[i]);
                add(a, "-device", "virtio-net-%s,netdev=net%zu,mac=%s%s", plan->platform->bus, i, mac,
                    has_roms ? ",romfile=" : "");
        }
}

static void add_channels(struct argv *a, const struct plan *plan, const struct qemu_fds *fds) {
        add(a, "-device", "virtio-serial-%s,id=channels", plan->platform->bus);
        for (int c = 0; c < PLAN_CHANNEL_MAX_; c++) {
                if (!plan->channels[c])
                        continue;
                add(a, "-chardev", "socket,id=channel%d,fd=%d,server=on,wait=off", c, fds->channels[c]);
                add(a, "-device", "virtserialport,id=port%d,chardev=channel%d,name=%s", c, c,
                    plan_channel_ports[c]);
        }
}

static void add_console(struct argv *a, const struct plan *plan, const struct qemu_fds *fds) {
        if (plan->definition->console == CONSOLE_NONE)
                return;
        add(a, "-add-fd", "fd=%d,set=1", fds->console_log);
        if (plan->definition->console == CONSOLE_INTERACTIVE)
                add(a, "-chardev",
                    "socket,id=console,fd=%d,server=on,wait=off,logfile=/dev/fdset/1,logappend=on",
                    fds->console);
        else
                add(a, "-chardev", "file,id=console,path=/dev/fdset/1,append=on");
        add(a, "-device", "%s,chardev=console", plan->platform->console);
}

int qemu_argv(const struct plan *plan, const struct qemu_fds *fds, bool use_kvm, char ***ret,
              struct cvm_error *err) {
        struct argv a = { 0 };

        if (cvm_texts_add(&a.words, plan->platform->binary) < 0 ||
            cvm_texts_add(&a.words, "-nodefaults") < 0 || cvm_texts_add(&a.words, "-no-user-config") < 0 ||
            cvm_texts_add(&a.words, "-S") < 0)
                a.error = -ENOMEM;
        add(&a, "-display", "none");
        add(&a, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        add_machine(&a, plan, use_kvm);
        if (plan->guest.type)
                add_guest_object(&a, &plan->guest);
        add(&a, "-chardev", "socket,id=monitor,fd=%d,server=on,wait=off", fds->qmp);
        add(&a, "-mon", "chardev=monitor,mode=control");
        add_boot(&a, plan, fds);
        add_disks(&a, plan, fds);
        add_nics(&a, plan, fds);
        add_channels(&a, plan, fds);
        add_console(&a, plan, fds);
        if (a.error < 0) {
                cvm_texts_free(a.words);
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making QEMU's command line");
        }
        *ret = a.words;
        return 0;
}
