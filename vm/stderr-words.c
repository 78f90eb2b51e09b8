#include "vm/stderr-words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/names.h"
#include "launch/platform.h"

#define TAIL (64u << 10)
#define NOT_BOOTABLE "QEMU cannot load the kernel: it is no bootable image"
#define OLD_QEMU "this QEMU does not know what the guest needs"

/* Texts of any guest's QEMU, looked for in this order: what is closer to the cause comes first. */
static const struct failure_row causes[] = {
        { "cannot be executed", &CVM_CODE_QEMU, "QEMU is not installed" },
        { "Could not access KVM kernel module", &CVM_CODE_KVM, "QEMU cannot open /dev/kvm" },
        { "failed to set MSR", &CVM_CODE_KVM, "KVM on this host cannot run this CPU model" },
        { "ioctl(KVM_CREATE_VM) failed", &CVM_CODE_KVM,
          "KVM cannot make a VM: it may be in use by another "
          "hypervisor" },
        { "exceeds the maximum cpus supported by KVM", &CVM_CODE_VCPUS,
          "KVM on this host takes fewer vCPUs" },
        { "kvm_init_vcpu", &CVM_CODE_KVM, "KVM cannot make a vCPU" },
        { "vm-type ", &CVM_CODE_KVM_CONFIDENTIAL, "KVM on this host does not have this kind of guest" },
        { "KVM does not support guest_memfd", &CVM_CODE_KVM_CONFIDENTIAL,
          "KVM on this host has no private guest memory" },
        { "does not support confidential guest", &CVM_CODE_KVM, "this kind of guest needs KVM" },
        { "failed to initialize kvm", &CVM_CODE_KVM, "KVM does not work on this host" },
        { "invalid accelerator kvm", &CVM_CODE_KVM, "this QEMU has no KVM" },
        { "KVM required", &CVM_CODE_KVM, "this kind of guest needs KVM" },
        { "unable to map backing store for guest RAM", &CVM_CODE_HUGE_PAGES,
          "the host has not enough free huge pages" },
        { "failed to create memfd", &CVM_CODE_HUGE_PAGES, "the host has no huge pages" },
        { "cannot bind memory to host NUMA nodes", &CVM_CODE_NUMA_NODE, "the host has no such NUMA node" },
        { "Invalid host-nodes value", &CVM_CODE_NUMA_NODE, "the host has no such NUMA node" },
        { "cannot set up guest memory", &CVM_CODE_MEMORY_HOST,
          "the host has not enough memory for the guest" },
        { "Cannot allocate memory", &CVM_CODE_MEMORY_HOST, "the host has not enough memory for the guest" },
        { "Error creating KVM guest_memfd", &CVM_CODE_KVM_CONFIDENTIAL,
          "KVM on this host cannot make private guest memory" },
        { "failed to set memory", &CVM_CODE_KVM_CONFIDENTIAL,
          "KVM on this host cannot keep the guest's memory apart" },
        { "invalid kernel header", &CVM_CODE_BOOT_FILE, NOT_BOOTABLE },
        { "linux kernel too old", &CVM_CODE_BOOT_FILE, NOT_BOOTABLE },
        { "could not load kernel", &CVM_CODE_BOOT_FILE, NOT_BOOTABLE },
        { "could not open kernel file", &CVM_CODE_BOOT_FILE, "QEMU cannot open the kernel" },
        { "initrd is too large", &CVM_CODE_BOOT_FILE, "the initrd does not fit into the guest's memory" },
        { "could not load initrd", &CVM_CODE_BOOT_FILE, "QEMU cannot load the initrd" },
        { "error reading initrd", &CVM_CODE_BOOT_FILE, "QEMU cannot load the initrd" },
        { "could not load PC BIOS", &CVM_CODE_BOOT_FILE, "QEMU cannot load the firmware" },
        { "Image is not in qcow2 format", &CVM_CODE_DISK_FORMAT, "a disk is no qcow2 image" },
        { "Could not set up host forwarding rule", &CVM_CODE_NETWORK,
          "a forwarded port is in use on the host" },
        { "unable to find CPU model", &CVM_CODE_CPU_MODEL, "this QEMU does not know the CPU model" },
        { "The max CPUs supported by machine", &CVM_CODE_VCPUS, "this machine type takes fewer vCPUs" },
        { "is not a valid device model name", &CVM_CODE_QEMU_OPTION, OLD_QEMU },
        { "does not accept value", &CVM_CODE_QEMU_OPTION, OLD_QEMU },
        { "invalid object type", &CVM_CODE_QEMU_OPTION, OLD_QEMU },
        { "unsupported machine type", &CVM_CODE_QEMU_OPTION, OLD_QEMU },
        { "invalid option", &CVM_CODE_QEMU_OPTION, OLD_QEMU },
        { "' not found", &CVM_CODE_QEMU_OPTION, OLD_QEMU }, /* Property 'x' */
        { "Device or resource busy", &CVM_CODE_DEVICE_BUSY, "another program uses a device of the host" },
        { 0 },
};

static char *fd_tail(int fd, size_t max_bytes) {
        struct stat st;
        char *text;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return NULL;
        text = malloc(max_bytes + 1);
        n = text ? pread(fd, text, max_bytes,
                         st.st_size > (off_t)max_bytes ? st.st_size - (off_t)max_bytes : 0)
                 : -1;
        if (n < 0) {
                free(text);
                return NULL;
        }
        text[n] = 0;
        for (ssize_t i = 0; i < n; i++)
                if (text[i] == 0)
                        text[i] = '?';
        cvm_text_clean(text, (size_t)n, true);
        return text;
}

char *file_tail(const char *path, size_t max_bytes) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        return fd_tail(fd, max_bytes);
}

/* The line around the byte at `offset`, cut out of the text. */
static const char *line_at(char *text, size_t offset) {
        text[offset + strcspn(text + offset, "\n")] = 0;
        while (offset > 0 && text[offset - 1] != '\n')
                offset--;
        return text + offset;
}

static const char *last_line(char *text) {
        size_t n = strlen(text);

        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
                text[--n] = 0;
        return line_at(text, n);
}

/* A technology's own words are closer to the cause: QEMU adds that KVM could not be initialised. */
static bool find_cause(const char *text, struct failure *ret) {
        const struct platform *platform;

        for (size_t i = 0; (platform = platform_at(i)); i++)
                if (platform->failures && failure_find(platform->failures, text, ret))
                        return true;
        return failure_find(causes, text, ret);
}

static int say(char *text, const struct failure *failure, struct cvm_error *err) {
        const char *line = line_at(text, (size_t)(failure->at - text));

        return cvm_fail(err, failure->code, EIO, "%s (QEMU: %.200s)", failure->sentence, line);
}

int stderr_text_words(char *text, struct cvm_error *err) {
        struct failure failure;
        const char *line;

        if (find_cause(text, &failure))
                return say(text, &failure, err);
        line = last_line(text);
        return *line ? cvm_fail(err, &CVM_CODE_QEMU, EIO, "QEMU ended: %.300s", line)
                     : cvm_fail(err, &CVM_CODE_QEMU, EIO, "QEMU ended without a word");
}

void stderr_words(int fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = fd_tail(fd, TAIL);
        char nothing[] = "";

        stderr_text_words(text ? text : nothing, err);
}

bool stderr_cause(int fd, const struct failure_row *rows, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = fd_tail(fd, TAIL);
        struct failure failure;

        if (!text || !failure_find(rows, text, &failure))
                return false;
        (void)say(text, &failure, err);
        return true;
}
