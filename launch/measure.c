#include "launch/measure.h"

#include <stdio.h>

static void add_hex(json_object *node, const char *key, const void *data, size_t size) {
        char hex[2 * 64 + 1];

        cvm_hex(data, size, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static json_object *inputs_json(const struct measurement *m) {
        json_object *inputs = json_object_new_object();
        char signature[11];

        add_hex(inputs, "firmware_sha256", m->firmware_sha256, sizeof m->firmware_sha256);
        json_object_object_add(inputs, "vcpus", json_object_new_uint64(m->vcpus));
        snprintf(signature, sizeof signature, "0x%08x", m->vcpu_signature);
        json_object_object_add(inputs, "vcpu_signature", json_object_new_string(signature));
        json_object_object_add(inputs, "guest_features", json_object_new_uint64(m->guest_features));
        return inputs;
}

static void add_image(json_object *node, const struct measurement *m) {
        json_object *parts = json_object_new_object(), *flags = json_object_new_array(),
                    *hosts = json_object_new_array();
        char hex[2 * CVM_SHA256_SIZE + 1];

        for (size_t i = 0; i < m->n_parts; i++)
                add_hex(parts, m->parts[i].name, m->parts[i].value, m->parts[i].size);
        for (size_t i = 0; m->flags[i]; i++)
                json_object_array_add(flags, json_object_new_string(m->flags[i]));
        for (size_t i = 0; i < m->n_hosts; i++) {
                cvm_hex(m->hosts[i], sizeof m->hosts[i], hex);
                json_object_array_add(hosts, json_object_new_string(hex));
        }
        json_object_object_add(node, "parts", parts);
        json_object_object_add(node, "flags", flags);
        json_object_object_add(node, "hosts", hosts);
}

json_object *measurement_json(const struct measurement *m, bool simulated) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *covers = json_object_new_object();

        json_object_object_add(node, "platform", json_object_new_string(cvm_platform_texts[m->platform]));
        add_hex(node, "measurement", m->digest, m->size);
        if (m->word)
                add_hex(node, m->word, m->digest, m->size);
        json_object_object_add(node, "simulated", json_object_new_boolean(simulated));
        json_object_object_add(covers, "firmware", json_object_new_boolean(m->covers_firmware));
        json_object_object_add(covers, "kernel", json_object_new_boolean(m->covers_kernel));
        json_object_object_add(covers, "initrd", json_object_new_boolean(m->covers_initrd));
        json_object_object_add(covers, "cmdline", json_object_new_boolean(m->covers_cmdline));
        json_object_object_add(covers, "acpi", json_object_new_boolean(m->covers_acpi));
        json_object_object_add(node, "covers", covers);
        if (m->n_parts)
                add_image(node, m);
        else
                json_object_object_add(node, "inputs", inputs_json(m));
        return TAKE_PTR(node);
}
