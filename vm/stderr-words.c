#include "vm/stderr-words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/names.h"

#define TAIL (64u << 10)

/* Texts of QEMU's messages, looked for in this order. */
static const struct {
        const char *part;
        const struct cvm_code *code;
        const char *sentence;
} causes[] = {
        { "Could not access KVM kernel module", &CVM_CODE_KVM, "QEMU cannot open /dev/kvm" },
        { "failed to set MSR", &CVM_CODE_KVM, "KVM on this host cannot run this CPU model" },
        { "failed to initialize kvm", &CVM_CODE_KVM, "KVM does not work on this host" },
        { "invalid accelerator kvm", &CVM_CODE_KVM, "this QEMU has no KVM" },
        { "KVM required", &CVM_CODE_KVM, "this kind of guest needs KVM" },
        { "cannot set up guest memory", &CVM_CODE_MEMORY_HOST,
          "the host has not enough memory for the guest" },
        { "Cannot allocate memory", &CVM_CODE_MEMORY_HOST, "the host has not enough memory for the guest" },
        { "could not load kernel", &CVM_CODE_BOOT_FILE,
          "QEMU cannot load the kernel: it is no bootable image" },
        { "linux kernel too old", &CVM_CODE_BOOT_FILE,
          "QEMU cannot load the kernel: it is no bootable image" },
        { "invalid kernel header", &CVM_CODE_BOOT_FILE,
          "QEMU cannot load the kernel: it is no bootable image" },
        { "initrd is too large", &CVM_CODE_BOOT_FILE, "the initrd does not fit into the guest's memory" },
        { "could not load initrd", &CVM_CODE_BOOT_FILE, "QEMU cannot load the initrd" },
        { "Could not set up host forwarding rule", &CVM_CODE_NETWORK,
          "a forwarded port is in use on the host" },
        { "cannot be executed", &CVM_CODE_QEMU, "QEMU is not installed" },
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

static const char *last_line(char *text) {
        size_t n = strlen(text);
        char *newline;

        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
                text[--n] = 0;
        newline = strrchr(text, '\n');
        return newline ? newline + 1 : text;
}

void stderr_words(int fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = fd_tail(fd, TAIL);
        const char *line;

        for (size_t i = 0; text && i < ARRAY_SIZE(causes); i++)
                if (strstr(text, causes[i].part)) {
                        line = last_line(text);
                        cvm_fail(err, causes[i].code, EIO, "%s (QEMU: %.200s)", causes[i].sentence, line);
                        return;
                }
        line = text ? last_line(text) : "";
        if (*line)
                cvm_fail(err, &CVM_CODE_QEMU, EIO, "QEMU ended: %.300s", line);
        else
                cvm_fail(err, &CVM_CODE_QEMU, EIO, "QEMU ended without a word");
}
