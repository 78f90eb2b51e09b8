/*
 * The texts are those of libvirt 9.0 and 12.8, without what varies; a number stands for what has many texts.
 * Where QEMU's own words are inside, they are closer to the cause and go first.
 */
#include "vm/libvirt-words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "launch/failure.h"
#include "vm/stderr-words.h"

#define REFUSES "unable to execute QEMU command"

/* Behind one of these stands what QEMU wrote on its standard error, or answered. */
static const char *const quotes[] = {
        "unexpectedly closed the monitor",
        "process exited while connecting to monitor",
        REFUSES,
};

#define OLD(text) &CVM_CODE_LIBVIRT_OLD, text
#define NO_EMULATOR &CVM_CODE_QEMU, "libvirt does not find the QEMU for this guest"
#define NO_MACHINE &CVM_CODE_QEMU_OPTION, "the QEMU that libvirt found does not know the machine"
#define NO_FILE &CVM_CODE_FILE, "a file of the guest is not where libvirt looks for it"
#define NO_LINK(text) &CVM_CODE_NETWORK, text
#define NO_CONSOLE &CVM_CODE_CONSOLE, "the VM has no interactive console"
#define THERE &CVM_CODE_EXISTS, "libvirt has a domain of that name or uuid already"
#define UNREACHED &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not answer"
#define NO_ROOM &CVM_CODE_LIBVIRT_STORE, "libvirt cannot write what it keeps of the domain"
#define OURS(text) &CVM_CODE_INTERNAL, "cvmd gave libvirt " text

static const struct failure_row texts[] = {
        /* confidential guests: the host, the QEMU, libvirt itself */
        { "launch security is not supported by this host or kernel", &CVM_CODE_KVM_CONFIDENTIAL,
          "libvirt says that this host, or its kernel, does not have this kind of guest" },
        { "launch security is not supported with this QEMU", /* said too where the hardware is missing */
          OLD("libvirt says that the QEMU it found, or this host, does not have this kind of guest") },
        { "in element 'launchSecurity'", OLD("this libvirt does not know this kind of guest") },
        { "unsupported launch security type", OLD("this libvirt does not know this kind of guest") },
        { "are supported intel TDX launch security policy", &CVM_CODE_GUEST_POLICY,
          "libvirt does not take an attribute that the definition asks for" },
        { "launch security needs split", OURS("KVM's whole interrupt controller") },
        { "launch security is not supported with ", OURS("what this kind of guest does not have") },

        /* QEMU and KVM */
        { "Cannot check QEMU binary", NO_EMULATOR },
        { "Cannot find suitable emulator", NO_EMULATOR },
        { "unable to find any emulator", NO_EMULATOR },
        { "No emulator found for", NO_EMULATOR },
        { " for probing: ", &CVM_CODE_QEMU,
          "libvirt asked the QEMU for this guest what it can do, and it ended" },
        { "does not support virt type 'kvm'", &CVM_CODE_KVM, "libvirt says that QEMU cannot use KVM here" },
        { "does not support machine type", NO_MACHINE },
        { "is not supported by emulator", NO_MACHINE },
        { "' does not support arch '", NO_MACHINE },
        { "No PCI buses available", NO_MACHINE },
        { "supports PCI but no PCI controller", NO_MACHINE },
        { "process exited while connecting to monitor", &CVM_CODE_QEMU, "QEMU ended before it was up" },
        { "Unable to read from monitor", &CVM_CODE_QEMU, "QEMU ended before it was up" },
        { "Unknown CPU model", &CVM_CODE_CPU_MODEL, "libvirt does not know the CPU model" },
        { "unknown CPU model", &CVM_CODE_CPU_MODEL, "libvirt does not know the CPU model" },
        { "greater than specified machine type limit", &CVM_CODE_VCPUS,
          "this machine type takes fewer vCPUs" },

        /* memory */
        { "hugetlbfs", &CVM_CODE_HUGE_PAGES, "libvirt finds no huge pages on this host" },
        { "NUMA node ", &CVM_CODE_NUMA_NODE, "the host has no such NUMA node" },
        { "Cannot allocate memory", &CVM_CODE_MEMORY_HOST, "the host has not enough memory for the guest" },

        /* names */
        { "already exists with uuid", THERE },
        { "is already active", THERE },
        { "is already defined", THERE },

        /* links, before files: /dev/net/tun is one */
        { "managed='no' but specified dev doesn't exist", NO_LINK("the tap device is not there") },
        { "/dev/net/tun", NO_LINK("libvirt cannot make tap devices on this host") },
        { "bridge helper", NO_LINK("libvirt may not hang a guest on that bridge") },
        { "Unable to create tap device", NO_LINK("libvirt cannot make a tap device") },
        { "Unable to add bridge", NO_LINK("libvirt cannot hang the guest on the bridge") },
        { "Cannot get interface", NO_LINK("the host has no such bridge or network interface") },
        { "Cannot set interface", NO_LINK("libvirt cannot set up a network interface") },
        { "network-sock", NO_LINK("libvirt's networks are not there on this host") },
        { "networkd-sock", NO_LINK("libvirt's networks are not there on this host") },
        { "Network not found", NO_LINK("libvirt has no such network") },
        { "' is not active", NO_LINK("libvirt's network is down") },

        /* the connection */
        { "Failed to connect socket", UNREACHED },
        { "End of file while reading data", UNREACHED },
        { "client socket is closed", UNREACHED },
        { "Cannot recv data", UNREACHED },
        { "Cannot write data", UNREACHED },
        { "no connection driver available", UNREACHED },
        { "An error occurred, but the cause is unknown", UNREACHED }, /* it went in the middle of a call */

        /* the console */
        { "Active console session exists", &CVM_CODE_CONSOLE_BUSY,
          "somebody else is at the VM's console: `virsh console`, or another client of libvirt" },
        { "' is locked by lock file", &CVM_CODE_CONSOLE_BUSY,
          "another program holds the terminal of the VM's console" },
        { "is not using a PTY", NO_CONSOLE },
        { "cannot find character device", NO_CONSOLE },
        { "cannot find default console device", NO_CONSOLE },

        /* what libvirt keeps, on a file system that is full or read-only */
        { "Failed to create file '", NO_ROOM },
        { "cannot write data to file '", NO_ROOM },
        { "Cannot create directory '", NO_ROOM },
        { "failed to write master key file", NO_ROOM },
        { "Cannot remove stale PID file", NO_ROOM },
        { "failed to create logfile", NO_ROOM },

        /* files */
        { "Unable to bind to UNIX socket", OURS("a place for a socket that is not there") },
        { "fd group", OURS("a group of descriptors that it does not have") },
        { "Security driver model", &CVM_CODE_LIBVIRT,
          "this libvirt cannot run a guest as a user of its own: cvmd needs the one of the system" },
        { "Permission denied", &CVM_CODE_FILE, "libvirt or its QEMU may not open a file of the guest" },
        { "Cannot access storage file", NO_FILE },
        { "unable to stat", NO_FILE },

        { "Child process (", &CVM_CODE_QEMU, "QEMU, or a helper of libvirt's, ended at once" },
        { 0 },
};

/* libvirt's virErrorNumber (libvirt/virterror.h), where the text tells no more. */
static const struct failure_number numbers[] = {
        { 2, &CVM_CODE_NO_MEMORY, "libvirt has no memory left" },
        { 5, UNREACHED },
        { 28, THERE },
        { 29, &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not let cvmd do that" },
        { 39, UNREACHED },
        { 42, &CVM_CODE_NO_VM, "libvirt has no such domain" },
        { 43, NO_LINK("libvirt has no such network") },
        { 45, &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not let cvmd in" },
        { 55, &CVM_CODE_WRONG_STATE, "libvirt's domain is in no state for that" },
        { 68, &CVM_CODE_TIMEOUT, "libvirt did not finish in time" },
        { 79, &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not let cvmd in" },
        { 87, &CVM_CODE_DEVICE_BUSY, "something on the host that the guest needs is in use" },
        { 88, &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not let cvmd do that" },
        { 91, &CVM_CODE_CPU_FEATURES, "the host's processor does not have what the CPU model asks for" },
        { 94, &CVM_CODE_LIBVIRT_CONNECTION, "libvirt does not let cvmd in" },
        { 0 },
};

static const struct failure_number *number_find(int code) {
        for (const struct failure_number *n = numbers; n->code; n++)
                if (n->number == code)
                        return n;
        return NULL;
}

/* What QEMU said, where it stands in the message; NULL: nothing of it. */
static const char *quote_find(const char *message) {
        for (size_t i = 0; i < ARRAY_SIZE(quotes); i++) {
                const char *at = strstr(message, quotes[i]);

                at = at ? strchr(at, ':') : NULL;
                if (at && at[1])
                        return at + 1 + strspn(at + 1, " ");
        }
        return NULL;
}

static int quote_words(char *quote, bool refuses, struct cvm_error *ret) {
        int r = stderr_text_words(quote, ret);

        if (refuses && ret->code == &CVM_CODE_QEMU) /* it lives, and gave an answer that is not known */
                return cvm_fail(ret, &CVM_CODE_QMP, EIO, "QEMU refused: %.300s", quote);
        return r;
}

int libvirt_words(int domain, int code, const char *message, struct cvm_error *ret) {
        CVM_CLEANUP(cvm_freep) char *text = strdup(message ? message : "");
        const struct failure_number *number = number_find(code);
        struct failure failure;
        const char *quote;

        if (!text)
                return cvm_fail(ret, &CVM_CODE_NO_MEMORY, ENOMEM, "libvirt failed");
        cvm_text_clean(text, strlen(text), true);
        quote = quote_find(text);
        if (quote && *quote)
                return quote_words(text + (quote - text), strstr(text, REFUSES) != NULL, ret);
        text[strcspn(text, "\n")] = 0;
        if (failure_find(texts, text, &failure))
                return cvm_fail(ret, failure.code, EIO, "%s (libvirt: %.240s)", failure.sentence, text);
        if (number)
                return cvm_fail(ret, number->code, EIO, "%s (libvirt: %.240s)", number->sentence, text);
        return cvm_fail(ret, &CVM_CODE_LIBVIRT, EIO, "libvirt: %.300s (error %d of %d)", text, code, domain);
}

/* `2026-11-28 17:52:52.780+0000: `: libvirt's own; QEMU has a T after the date. */
static bool is_libvirts(const char *line, size_t n) {
        return n > 29 && line[4] == '-' && line[10] == ' ' && memcmp(line + 23, "+0000:", 6) == 0;
}

/* Each start begins with a line of its own. */
static char *last_start(char *text) {
        char *start = text, *next = text;

        while ((next = strstr(next, "starting up libvirt version")))
                start = next++;
        return start;
}

char *libvirt_log_text(const void *log, size_t size) {
        char *text = size ? strndup(log, size) : strdup(""), *in, *out = text;
        bool follows = true; /* the command line goes on */
        size_t n;

        if (!text)
                return NULL;
        cvm_text_clean(text, strlen(text), true);
        for (in = last_start(text); *in; in += n) {
                bool is_qemus = !follows;

                n = strcspn(in, "\n");
                follows = n > 0 && in[n - 1] == '\\';
                is_qemus = is_qemus && !follows && !is_libvirts(in, n);
                n += in[n] == '\n';
                if (is_qemus) {
                        memmove(out, in, n);
                        out += n;
                }
        }
        *out = 0;
        return text;
}
