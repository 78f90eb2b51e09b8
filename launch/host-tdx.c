#include "launch/host-tdx.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

/* Can a process that has the group but is not the owner do this (a bit for others)? */
static bool may(const struct stat *st, mode_t bit, gid_t group) {
        return st->st_mode & bit || (group && st->st_gid == group && st->st_mode & (bit << 3));
}

bool tdx_quote_service_is_closed(int root_fd) {
        CVM_CLEANUP(cvm_closep) int directory = host_open(root_fd, "run/tdx-qgs", O_PATH);
        CVM_CLEANUP(cvm_closep) int service = host_open(root_fd, TDX_QUOTE_SERVICE, O_PATH);
        struct stat above, st;

        if (fstat(directory, &above) < 0 || fstat(service, &st) < 0 || !S_ISSOCK(st.st_mode))
                return false;
        return !may(&above, S_IXOTH, st.st_gid) || !may(&st, S_IWOTH, st.st_gid);
}

void tdx_read_host(int root_fd, struct host_facts *facts) {
        if (!facts->has_kvm || strcmp(facts->cpu_vendor, "GenuineIntel") != 0 ||
            !host_is_on(root_fd, "sys/module/kvm_intel/parameters/tdx"))
                return;
        facts->offers[CVM_PLATFORM_TDX] = true;
        facts->has_quote_service = host_has(root_fd, TDX_QUOTE_SERVICE);
        facts->quote_service_is_closed = tdx_quote_service_is_closed(root_fd);
}

int tdx_host_keys(struct host_probe *probe, uint32_t *ret, struct cvm_error *err) {
        uint64_t value;
        int r = host_probe_msr(probe, MSR_KEY_PARTITION, &value, err);

        if (r >= 0)
                *ret = (uint32_t)(value >> 32);
        return r;
}

int tdx_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        struct host_cpuid leaf;
        struct cvm_error why = { 0 };
        uint32_t keys;
        char signature[9];
        int r = host_probe_cpuid(scene->probe, 1, &leaf, err);

        if (r < 0)
                return r;
        snprintf(signature, sizeof signature, "%08x", leaf.eax);
        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[CVM_PLATFORM_TDX]));
        json_object_object_add(node, "cpu_signature", json_object_new_string(signature));
        json_object_object_add(node, "quoting_service",
                               json_object_new_boolean(host_has(scene->root_fd, TDX_QUOTE_SERVICE)));
        if (tdx_host_keys(scene->probe, &keys, &why) >= 0)
                json_object_object_add(node, "private_keys", json_object_new_uint64(keys));
        *ret = TAKE_PTR(node);
        return 0;
}
