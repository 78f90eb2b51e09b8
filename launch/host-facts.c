#include "launch/host-facts.h"

#include <errno.h>
#include <string.h>

#include "launch/host-platform.h"

#define VERSION 1

int host_describe(const char *root, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        const struct host_platform *platform;
        json_object *facts = NULL, *node;
        struct cvm_error silent = { 0 };
        int r = host_scene_open(root, &scene, err);

        if (r < 0)
                return r;
        node = host_json(&scene.facts);
        platform = host_platform_of(scene.facts.cpu_vendor);
        if (platform && platform->facts(&scene, &facts, &silent) >= 0)
                json_object_object_add(node, "facts", facts);
        if (facts && platform->untold)
                json_object_object_add(node, "untold", json_object_new_string(platform->untold));
        *ret = node;
        return 0;
}

int host_document(const char *root, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        CVM_CLEANUP(cvm_json_putp) json_object *facts = NULL;
        const struct host_platform *platform;
        json_object *node;
        int r = host_scene_open(root, &scene, err);

        if (r < 0)
                return r;
        platform = host_platform_of(scene.facts.cpu_vendor);
        if (!platform)
                return cvm_fail(err, &CVM_CODE_PLATFORM_HARDWARE, ENODEV,
                                "no confidential guests are known for processors of '%s'",
                                scene.facts.cpu_vendor);
        r = platform->facts(&scene, &facts, err);
        if (r < 0)
                return r;
        node = json_object_new_object();
        json_object_object_add(node, "version", json_object_new_int(VERSION));
        json_object_object_foreach(facts, key, value) {
                json_object_object_add(node, key, json_object_get(value));
        }
        *ret = node;
        return 0;
}
