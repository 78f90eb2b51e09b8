/*
 * A definition on standard input, its domain for libvirt on standard output; `argv` as second word: QEMU's
 * command line instead, one argument a line. The first word is the platform that the host offers, or "none".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/libvirt-xml.h"
#include "vm/qemu-argv.h"

#define FILES_MAX 40

static int print_argv(const struct plan *plan, bool use_kvm, struct cvm_error *err) {
        CVM_CLEANUP(cvm_texts_freep) char **argv = NULL;
        int files[FILES_MAX], taps[FILES_MAX];
        const struct qemu_fds fds = { .qmp = 30,
                                      .channels = { 31, 32 },
                                      .console = 33,
                                      .console_log = 34,
                                      .files = files,
                                      .taps = taps };
        int r;

        for (int i = 0; i < FILES_MAX; i++)
                files[i] = taps[i] = 40 + i;
        r = qemu_argv(plan, &fds, use_kvm, &argv, err);
        for (size_t i = 0; r >= 0 && argv[i]; i++)
                puts(argv[i]);
        return r;
}

static int print_xml(const struct plan *plan, bool use_kvm, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *emulator = NULL;
        CVM_CLEANUP(cvm_freep) char *xml = NULL;
        const char *sources[FILES_MAX] = { 0 };
        struct libvirt_domain domain = { .plan = plan,
                                         .name = plan->definition->name,
                                         .uuid = plan->definition->uuid,
                                         .sources = sources,
                                         .runtime_dir = "/run/cvmd/vm/1",
                                         .uid = 61234,
                                         .use_kvm = use_kvm,
                                         .console_log = "/run/cvmd/vm/1/console.log" };
        int r;

        if (asprintf(&emulator, "/usr/bin/%s", plan->platform->binary) < 0)
                return -ENOMEM;
        domain.emulator = emulator;
        for (size_t i = 0; i < plan->n_files; i++)
                sources[i] = plan->files[i].source;
        r = libvirt_xml(&domain, &xml, err);
        if (r >= 0)
                fputs(xml, stdout);
        return r;
}

int main(int argc, char **argv) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        struct host_facts host = { .encryption_bit = 51, .has_quote_service = true };
        const struct platform *platform = argc > 1 ? platform_by_name(argv[1]) : NULL;
        struct cvm_error err = { 0 };
        int r = cvm_read_fd(STDIN_FILENO, DEFINITION_TEXT_MAX, "definition", &text, &err);

        if (platform)
                host.offers[platform->id] = true;
        if (r >= 0)
                r = definition_read(text.data, text.size, "definition", &definition, &err);
        if (r >= 0)
                r = plan_make(definition, &host, NULL, &plan, &err);
        if (r >= 0)
                r = (argc > 2 ? print_argv : print_xml)(plan, platform != NULL, &err);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", cvm_error_code(&err)->id, cvm_error_text(&err, r));
        return r < 0;
}
