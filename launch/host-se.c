#include "launch/host-se.h"

#include <stdio.h>
#include <string.h>

#include "launch/uv-se.h"

#define CPUINFO_MAX 8192

void se_machine(int root_fd, char *ret, size_t size) {
        static const char word[] = "machine = ";
        char text[CPUINFO_MAX], *at;
        size_t length;

        host_text(root_fd, "proc/cpuinfo", text, sizeof text);
        at = strstr(text, word);
        at = at ? at + strlen(word) : text + strlen(text);
        length = strspn(at, "0123456789abcdefABCDEF");
        snprintf(ret, size, "%.*s", (int)(length < size ? length : size - 1), at);
}

void se_read_host(int root_fd, struct host_facts *facts) {
        struct cvm_error untold = { 0 };
        struct uv_mask length = { 0 };

        _Static_assert(UV_KEYS_MAX <= HOST_KEYS_MAX, "each key has its place");
        if (!facts->has_kvm || strcmp(facts->cpu_vendor, "IBM/S390") != 0 ||
            !host_is_on(root_fd, UV "prot_virt_host"))
                return;
        facts->offers[CVM_PLATFORM_SECURE_EXECUTION] = true;
        if (uv_keys(root_fd, facts->keys, &facts->n_keys, &untold) < 0)
                facts->n_keys = 0;
        facts->can_dump = uv_mask(root_fd, UV_DUMP_LENGTH, &length, &untold) >= 0 && length.words[0];
}

static void add_number(json_object *node, const char *key, int root_fd, const char *path) {
        struct cvm_error untold = { 0 };
        uint64_t value;

        if (uv_number(root_fd, path, &value, &untold) >= 0)
                json_object_object_add(node, key, json_object_new_uint64(value));
}

int se_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *list = json_object_new_array();
        uint8_t keys[UV_KEYS_MAX][CVM_SHA256_SIZE];
        char machine[16], hex[2 * CVM_SHA256_SIZE + 1];
        size_t n = 0;
        int r;

        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[CVM_PLATFORM_SECURE_EXECUTION]));
        json_object_object_add(node, "host_keys", list);
        se_machine(scene->root_fd, machine, sizeof machine);
        json_object_object_add(node, "machine", json_object_new_string(machine));
        r = host_has(scene->root_fd, UV_KEYS) ? uv_keys(scene->root_fd, keys, &n, err) : 0;
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                cvm_hex(keys[i], sizeof keys[i], hex);
                json_object_array_add(list, json_object_new_string(hex));
        }
        add_number(node, "max_guests", scene->root_fd, UV "query/max_guests");
        add_number(node, "max_cpus", scene->root_fd, UV "query/max_cpus");
        *ret = TAKE_PTR(node);
        return 0;
}
