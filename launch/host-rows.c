#include "launch/host-rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "launch/host-capacity.h"

#define KVM_API 12

const char *const host_libvirt_paths[] = { "usr/lib/x86_64-linux-gnu/libvirt.so.0",
                                           "usr/lib/s390x-linux-gnu/libvirt.so.0", "usr/lib64/libvirt.so.0",
                                           "usr/lib/libvirt.so.0", NULL };

#define CPUID_HYPERVISOR 31 /* bit of leaf 1, ECX: this is a hypervisor's machine */

HOST_ROW(host_row_cpu_says) {
        struct host_cpuid leaf;
        uint32_t words[3];
        int r = host_probe_cpuid(scene->probe, 0, &leaf, err);

        if (r < 0)
                return r;
        memcpy(words, (uint32_t[]){ leaf.ebx, leaf.edx, leaf.ecx }, sizeof words);
        return strlen(row->path) == sizeof words && memcmp(words, row->path, sizeof words) == 0;
}

HOST_ROW(host_row_is_bare) {
        struct host_cpuid leaf;
        int r = host_probe_cpuid(scene->probe, 1, &leaf, err);

        for (size_t i = 0; i < CVM_PLATFORM_MAX_; i++)
                if (r >= 0 && scene->facts.offers[i])
                        return 1;
        return r < 0 ? r : !(leaf.ecx >> CPUID_HYPERVISOR & 1);
}

HOST_ROW(host_row_has_path) {
        return host_has(scene->root_fd, row->path);
}

HOST_ROW(host_row_is_on) {
        return host_is_on(scene->root_fd, row->path);
}

HOST_ROW(host_row_opens) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(scene->root_fd, row->path, O_RDWR);

        if (fd >= 0 || fd == -ENOENT || fd == -ENXIO || fd == -ENODEV)
                return fd >= 0;
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, -fd, "'/%s' does not open for reading and writing: %s",
                        row->path, strerror(-fd));
}

HOST_ROW(host_row_kvm_answers) {
        uint64_t version;
        int r;

        if (!scene->facts.has_kvm)
                return 0;
        r = host_probe_kvm(scene->probe, HOST_KVM_API_VERSION, &version, err);
        return r < 0 ? r : version == KVM_API;
}

HOST_ROW(host_row_kvm_makes) {
        uint64_t types;
        int r = host_probe_kvm(scene->probe, HOST_KVM_VM_TYPES, &types, err);

        return r < 0 ? r : (int)(types >> row->bit & 1);
}

HOST_ROW(host_row_counts) {
        struct host_count count;
        int r = host_count(scene->root_fd, row->path, &count, err);

        return r < 0 ? r : count.capacity > 0;
}

HOST_ROW(host_row_has_free) {
        struct host_count count;
        int r = host_count(scene->root_fd, row->path, &count, err);

        if (r < 0)
                return r;
        snprintf(detail, HOST_DETAIL_MAX, "%llu of %llu are taken", (unsigned long long)count.used,
                 (unsigned long long)count.capacity);
        return count.used < count.capacity;
}

const char *host_qemu(const struct host_facts *facts) {
        const struct host_platform *platform = host_platform_of(facts->cpu_vendor);

        return platform ? platform->qemu : HOST_QEMU;
}

HOST_ROW(host_row_qemu_knows) {
        return host_has_word(scene->root_fd, host_qemu(&scene->facts), row->path);
}

HOST_ROW(host_row_libvirt_knows) {
        for (size_t i = 0; host_libvirt_paths[i]; i++)
                if (host_has(scene->root_fd, host_libvirt_paths[i]))
                        return host_has_word(scene->root_fd, host_libvirt_paths[i], row->path);
        snprintf(detail, HOST_DETAIL_MAX, "it is not installed");
        return 1;
}
