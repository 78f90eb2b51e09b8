/* A model of its own directory, with the real worker and a real QEMU that runs a guest of one boot sector,
 * under the driver of the test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/json.h"
#include "tests/guest/boot-sector.h"
#include "tests/vm/driver-of-test.h"
#include "vm/model.h"
#include "vm/store.h"
#include "vm/worker-run.h"

#define SCENE_DEADLINE_USEC 60000000

struct scene {
        char dir[64], state[128], runtime[128], disk[128];
        char *image_dirs[2];
        sd_event *event;
        struct manager_config config;
        struct manager *manager;
        struct vm *vm;
        unsigned added, changed, removed, operations, events;
};

static inline void scene_vm_added(void *ctx, struct vm *vm) {
        ((struct scene *)ctx)->added++;
}

static inline void scene_vm_changed(void *ctx, struct vm *vm) {
        ((struct scene *)ctx)->changed++;
}

static inline void scene_vm_removed(void *ctx, const char *id) {
        ((struct scene *)ctx)->removed++;
}

static inline void scene_operation(void *ctx, struct operation *operation) {
        ((struct scene *)ctx)->operations++;
}

static inline void scene_event(void *ctx, uint64_t seq, const char *json) {
        ((struct scene *)ctx)->events++;
}

/* One root for all tests of a build: its keys take seconds. */
static inline void scene_keep_simulation_root(const struct scene *s) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };
        const char *pem;
        char path[256];

        if (cvm_read_file(CVM_BINARY_DIR "/tests/simulation-root.json", 1 << 16, &text, &err) < 0 ||
            cvm_json_parse(text.data, text.size, "simulation root", &node, &err) < 0)
                fail_msg("%s", err.text);
        pem = json_object_get_string(json_object_object_get(node, "pem"));
        assert_int_equal(mkdir(s->state, 0700), 0);
        snprintf(path, sizeof path, "%s/simulation-root.pem", s->state);
        assert_int_equal(cvm_write_file(path, pem, strlen(pem), 0600, &err), 0);
}

/* A daemon begins. */
static inline void scene_open(struct scene *s) {
        const struct manager_observer observer = { .vm_added = scene_vm_added,
                                                   .vm_changed = scene_vm_changed,
                                                   .vm_removed = scene_vm_removed,
                                                   .operation_added = scene_operation,
                                                   .event = scene_event,
                                                   .ctx = s };
        struct cvm_error err = { 0 };

        assert_true(sd_event_new(&s->event) >= 0);
        if (manager_new(s->event, &s->config, &observer, &s->manager, &err) < 0)
                fail_msg("%s", err.text);
        s->vm = manager_vm_at(s->manager, 0);
}

/* A daemon ends; its guests do not. */
static inline void scene_close(struct scene *s) {
        s->manager = manager_free(s->manager);
        s->event = sd_event_unref(s->event);
}

static inline void scene_begin(struct scene *s) {
        *s = (struct scene){ .dir = "/tmp/cvmd-model-XXXXXX" };
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->state, sizeof s->state, "%s/state", s->dir);
        snprintf(s->runtime, sizeof s->runtime, "%s/run", s->dir);
        snprintf(s->disk, sizeof s->disk, "%s/disk", s->dir);
        assert_int_equal(boot_disk_write(s->disk, boot_sector_rests, sizeof boot_sector_rests), 0);
        s->image_dirs[0] = s->dir;
        s->config = (struct manager_config){ .state_dir = s->state,
                                             .runtime_dir = s->runtime,
                                             .image_dirs = s->image_dirs,
                                             .vms_per_user = 2,
                                             .operations_per_user = 4,
                                             .driver = driver_of_test(),
                                             .agent_deadline_usec = SCENE_DEADLINE_USEC };
        worker_run_set_program(CVM_BINARY_DIR "/worker/cvmd-worker");
        scene_keep_simulation_root(s);
        scene_open(s);
}

static inline void scene_turn(struct scene *s) {
        assert_true(sd_event_run(s->event, SCENE_DEADLINE_USEC) > 0);
}

static inline struct vm_view scene_look(const struct scene *s) {
        struct vm_view view;

        vm_look(s->vm, &view);
        return view;
}

static inline struct operation_view scene_wait(struct scene *s, struct operation *operation) {
        struct operation_view view;

        for (;;) {
                operation_look(operation, &view);
                if (view.state != OPERATION_RUNNING)
                        return view;
                scene_turn(s);
        }
}

static inline void scene_expect_done(struct scene *s, struct operation *operation) {
        struct operation_view view = scene_wait(s, operation);

        if (view.state != OPERATION_DONE)
                fail_msg("%s: %s", view.kind, view.text);
}

static inline void scene_expect_state(struct scene *s, enum vm_state state) {
        while (scene_look(s).state != state)
                scene_turn(s);
}

static inline void scene_count(void *ctx, const char *id, const char *driver) {
        (*(unsigned *)ctx)++;
}

/* Until the drivers keep nothing of VMs that are no more. */
static inline void scene_expect_removed(struct scene *s) {
        for (;;) {
                unsigned owed = 0;

                assert_int_equal(store_each_removal(s->manager->store, scene_count, &owed, NULL), 0);
                if (!owed)
                        return;
                scene_turn(s);
        }
}

/* Ends what runs, deletes what is there, and removes the directory. */
static inline void scene_end(struct scene *s) {
        const struct caller root = { 0 };
        char command[128];

        while (s->manager && (s->vm = manager_vm_at(s->manager, 0))) {
                struct operation *operation;
                struct cvm_error err = { 0 };

                if (vm_kill(s->vm, &root, &operation, NULL) >= 0)
                        (void)scene_wait(s, operation);
                if (vm_delete(s->vm, &root, &operation, &err) < 0)
                        fail_msg("%s", err.text);
                scene_expect_done(s, operation);
        }
        if (s->manager)
                scene_expect_removed(s);
        scene_close(s);
        snprintf(command, sizeof command, "rm -rf %s", s->dir);
        assert_int_equal(system(command), 0);
}

#define SCENE_UUID "11111111-2222-3333-4444-555555555555"

/* A definition of the boot-sector guest; members: more JSON members, each with a comma in front. */
static inline void scene_definition(const struct scene *s, const char *name, const char *members, char *ret,
                                    size_t size) {
        snprintf(ret, size,
                 "{\"version\":1,\"name\":\"%s\",\"simulate\":true,\"memory\":\"256MiB\",\"vcpus\":1,"
                 "\"accel\":\"tcg\",\"boot\":{\"disk\":\"boot\"},"
                 "\"disks\":[{\"path\":\"%s\",\"format\":\"raw\",\"readonly\":true,\"serial\":\"boot\"}]%s}",
                 name, s->disk, members);
}

static inline int scene_create(struct scene *s, const char *name, const char *members, bool start,
                               struct operation **ret, struct cvm_error *err) {
        const struct caller root = { .bus_name = ":1.1" };
        char text[4096];

        scene_definition(s, name, members, text, sizeof text);
        const struct create_options options = {
                .definition = text, .definition_size = strlen(text), .start = start, .may_name_paths = true
        };
        return manager_create(s->manager, &options, &root, &s->vm, ret, err);
}

/* A running VM. */
static inline void scene_launch(struct scene *s, const char *members) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        if (scene_create(s, "web1", members, true, &operation, &err) < 0)
                fail_msg("%s", err.text);
        scene_expect_done(s, operation);
        assert_int_equal(scene_look(s).state, VM_RUNNING);
}
