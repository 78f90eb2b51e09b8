/*
 * Files of a VM, one after the other, in workers. Preparing (at create) keeps the boot files by digest,
 * looks at the disks' headers and measures. Loading (at each start) copies the kept boot files into sealed
 * memory files, compares their digests with those that were measured, and opens the disks: what QEMU gets is
 * what was measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/disk-alone.h"
#include "vm/steps.h"
#include "worker/wire.h"

#define WORK_USEC (300ull * 1000000)

static void prepare_next(struct vm *vm);
static void load_next(struct vm *vm);

static void end_work(struct vm *vm, struct cvm_error *err) {
        vm_then_fn then = vm->work.then;

        vm->work.then = NULL;
        vm->work.run = NULL;
        vm->work.memory = cvm_close(vm->work.memory);
        if (then)
                then(vm, err);
}

/* Failures of a step before it has begun: their words get the file's name in front. */
static void fail_work(struct vm *vm, int r, struct cvm_error *err) {
        (void)cvm_while(err, r, "'%s'", vm->row.name);
        end_work(vm, err);
}

static const struct named_fd *find_passed(const struct vm *vm, const char *name) {
        for (size_t i = 0; i < vm->n_passed; i++)
                if (strcmp(vm->passed[i].name, name) == 0)
                        return &vm->passed[i];
        return NULL;
}

/* What the caller passed under this name, or the path where it may be named. */
static int open_source(const struct vm *vm, const struct plan_file *file, int *ret, struct cvm_error *err) {
        const struct named_fd *passed = find_passed(vm, file->source);
        struct stat st;

        if (!passed && !vm->row.may_name_paths)
                return cvm_fail(err, &CVM_CODE_PATH, EACCES,
                                "'%s' must be passed as a descriptor: only operators may name paths",
                                file->source);
        if (!passed)
                return image_open_path(file->source, vm->manager->config.image_dirs, file->writable, ret,
                                       err);
        if (fstat(passed->fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return cvm_fail(err, &CVM_CODE_PATH, EINVAL, "'%s' was passed as what is no file",
                                file->source);
        if (file->writable && (fcntl(passed->fd, F_GETFL) & O_ACCMODE) != O_RDWR)
                return cvm_fail(err, &CVM_CODE_PATH, EACCES, "'%s' was not passed for writing",
                                file->source);
        *ret = fcntl(passed->fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? -errno : 0;
}

static int start_worker(struct vm *vm, const char *verb, json_object *request, const int *fds, size_t n_fds,
                        worker_done_fn done, struct cvm_error *err) {
        return worker_run_start(vm->manager->event, verb, request, fds, n_fds, WORK_USEC, done, vm,
                                &vm->work.run, err);
}

static int take_measurement(struct vm *vm, json_object *answer, struct cvm_error *err) {
        struct cvm_json root = cvm_json_root(answer, "the worker's answer");
        struct cvm_json measurement = cvm_json_at(&root, "measurement");
        const char *hex = "";

        if (cvm_json_get_text(&measurement, "measurement", &hex, err) < 0 ||
            cvm_json_get_u64(&root, "policy", &vm->row.policy, err) < 0)
                return -EBADMSG;
        vm->row.measurement_size = strlen(hex) / 2;
        if (vm->row.measurement_size == 0 || vm->row.measurement_size > sizeof vm->row.measurement ||
            cvm_unhex(hex, vm->row.measurement, vm->row.measurement_size) < 0)
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "the worker's measurement is none");
        free(vm->row.prediction);
        vm->row.prediction = cvm_json_text(measurement.node);
        if (!vm->row.prediction)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        vm_touch(vm);
        return 0;
}

static void on_measured(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };
        int r = answer ? take_measurement(vm, answer, &why) : 0;

        vm->work.run = NULL;
        if (!answer)
                end_work(vm, err);
        else if (r < 0)
                fail_work(vm, r, &why);
        else
                end_work(vm, NULL);
}

static const char *const role_keys[] = {
        [PLAN_FIRMWARE] = "firmware",
        [PLAN_KERNEL] = "kernel",
        [PLAN_INITRD] = "initrd",
        [PLAN_SHIM] = "shim",
};

static int measure(struct vm *vm, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        int fds[PLAN_BOOT_FILES], r = 0;
        size_t n = 0;

        json_object_object_add(request, "definition", json_object_new_string(vm->row.definition));
        for (size_t role = 0; r >= 0 && role < PLAN_BOOT_FILES; role++) {
                if (!vm->row.pinned[role])
                        continue;
                r = image_store_get(vm->manager->images, vm->row.pins[role], &fds[n], err);
                if (r >= 0)
                        json_object_object_add(request, role_keys[role],
                                               json_object_new_int(WORKER_FD_FIRST + (int)n++));
        }
        if (r >= 0)
                r = start_worker(vm, WORKER_VERB_MEASURE, request, fds, n, on_measured, err);
        while (n > 0)
                cvm_close(fds[--n]);
        return r;
}

static void on_pinned(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE], uint64_t size,
                      struct cvm_error *err) {
        struct vm *vm = ctx;
        enum plan_file_role role;

        if (!vm->work.then)
                return; /* the work was called off */
        if (err) {
                fail_work(vm, -EIO, err);
                return;
        }
        if (size == 0) {
                struct cvm_error why = { 0 };

                fail_work(vm,
                          cvm_fail(&why, &CVM_CODE_PATH, EINVAL, "'%s' is empty",
                                   vm->plan->files[vm->work.next].source),
                          &why);
                return;
        }
        role = vm->plan->files[vm->work.next++].role;
        memcpy(vm->row.pins[role], sha256, CVM_SHA256_SIZE);
        vm->row.pinned[role] = true;
        vm_touch(vm);
        prepare_next(vm);
}

static const struct definition_disk *disk_of(const struct vm *vm, const struct plan_file *file) {
        return &vm->definition->disks[file->disk];
}

/* The worker's answer about a disk: is it fine, and as large as it should be? */
static bool disk_is_fine(struct vm *vm, json_object *answer, struct cvm_error *err) {
        const struct plan_file *file = &vm->plan->files[vm->work.next];
        uint64_t wanted = disk_of(vm, file)->size, size = 0;
        struct cvm_error why = { 0 };

        vm->work.run = NULL;
        if (answer) {
                struct cvm_json place = cvm_json_root(answer, "the worker's answer");

                err = &why;
                if (cvm_json_get_u64(&place, "virtual_size", &size, err) >= 0 && wanted && size != wanted)
                        cvm_fail(err, &CVM_CODE_DISK_SIZE, EINVAL,
                                 "it is there already, with %" PRIu64 " bytes instead of %" PRIu64, size,
                                 wanted);
        }
        if (!err->code)
                return true;
        fail_work(vm, cvm_while(err, -EINVAL, "'%s'", file->source), err);
        return false;
}

static void on_disk(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (!disk_is_fine(vm, answer, err))
                return;
        vm->work.next++;
        prepare_next(vm);
}

static int check_disk(struct vm *vm, const struct plan_file *file, int fd, worker_done_fn done,
                      struct cvm_error *err) {
        static const char *const formats[] = { [DISK_RAW] = "raw", [DISK_QCOW2] = "qcow2" };
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();

        json_object_object_add(request, "disk", json_object_new_int(WORKER_FD_FIRST));
        json_object_object_add(request, "format",
                               json_object_new_string(formats[disk_of(vm, file)->format]));
        return start_worker(vm, WORKER_VERB_DISK, request, &fd, 1, done, err);
}

/* A disk with a size that is not there yet: it is made at the first start. */
static bool is_to_be_made(const struct vm *vm, const struct plan_file *file, int r) {
        return r == -ENOENT && file->role == PLAN_DISK && disk_of(vm, file)->size;
}

static void prepare_next(struct vm *vm) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct cvm_error err = { 0 };
        const struct plan_file *file;
        int r;

        if (vm->work.next == vm->plan->n_files) {
                operation_phase(vm->operation, "measuring", 40);
                r = measure(vm, &err);
        } else {
                file = &vm->plan->files[vm->work.next];
                r = open_source(vm, file, &fd, &err);
                if (is_to_be_made(vm, file, r)) {
                        vm->work.next++;
                        prepare_next(vm);
                        return;
                }
                if (r >= 0 && file->role == PLAN_DISK)
                        r = check_disk(vm, file, fd, on_disk, &err);
                else if (r >= 0)
                        r = image_store_pin(vm->manager->images, fd, file->source, on_pinned, vm, &err);
        }
        if (r < 0)
                fail_work(vm, r, &err);
}

/* From the loop: whoever asked may lose the VM by the outcome. */
static void prepare_first(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (err)
                end_work(vm, err);
        else
                prepare_next(vm);
}

int vm_prepare(struct vm *vm, vm_then_fn then, struct cvm_error *err) {
        int r = journal_then(vm->manager->journal, prepare_first, vm);

        if (r < 0)
                return cvm_while(err, r, "preparing '%s'", vm->row.name);
        vm->work.then = then;
        vm->work.next = 0;
        memset(vm->row.pinned, 0, sizeof vm->row.pinned);
        operation_phase(vm->operation, "keeping boot files", 10);
        return 0;
}

/* What was loaded is not changed any more. */
static int seal(struct vm *vm, struct cvm_error *err) {
        if (fcntl(vm->work.memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
            0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "sealing a boot file: %s", strerror(errno));
        return 0;
}

/* The copy is what was measured, and stays it. */
static int seal_copy(struct vm *vm, json_object *answer, const struct plan_file *file,
                     struct cvm_error *err) {
        struct cvm_json place = cvm_json_root(answer, "the worker's answer");
        char expected[2 * CVM_SHA256_SIZE + 1];
        const char *hex = "";

        cvm_hex(vm->row.pins[file->role], CVM_SHA256_SIZE, expected);
        if (cvm_json_get_text(&place, "sha256", &hex, err) < 0)
                return -EBADMSG;
        if (strcmp(hex, expected) != 0)
                return cvm_fail(err, &CVM_CODE_IMAGE, EBADMSG,
                                "the pinned %s was changed in the image store since it was measured",
                                role_keys[file->role]);
        if (seal(vm, err) < 0)
                return -EIO;
        vm->work.files[vm->work.n_files++] = TAKE_FD(vm->work.memory);
        vm->work.next++;
        return 0;
}

/* Plain QEMU boots what is in an image: a simulated host opens it first, or refuses to as hardware would. */
static bool is_to_be_opened(const struct vm *vm, const struct plan_file *file) {
        return vm->plan->simulated && !vm->plan->guest.type && vm->plan->platform->read_header &&
               file->role == PLAN_KERNEL;
}

/* What the image demands of requests to the store of its guests. */
static int take_extension(struct vm *vm, json_object *answer, struct cvm_error *err) {
        struct cvm_json place = cvm_json_root(answer, "the worker's answer");
        struct sim_store store = { 0 };
        const char *hex = "";

        if (cvm_json_get_text(&place, "extension", &hex, err) < 0)
                return -EBADMSG;
        store.image_extends = *hex;
        if (*hex && cvm_unhex(hex, store.extension, sizeof store.extension) < 0)
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "the worker's digest is none");
        vm->sim.store = store;
        return vm_keep_sim_store(vm);
}

static void on_opened(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };
        int *image = &vm->work.files[vm->work.n_files - 1];

        vm->work.run = NULL;
        if (err) {
                fail_work(vm, -EIO, err);
                return;
        }
        if (take_extension(vm, answer, &why) < 0 || seal(vm, &why) < 0) {
                fail_work(vm, -EIO, &why);
                return;
        }
        cvm_close(*image);
        *image = TAKE_FD(vm->work.memory);
        load_next(vm);
}

static int open_loaded_image(struct vm *vm, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        CVM_CLEANUP(cvm_closep) int root = manager_sim_file(vm->manager, err);

        if (root < 0)
                return root;
        vm->work.memory = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (vm->work.memory < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "opening an image: %s", strerror(errno));
        json_object_object_add(request, "platform", json_object_new_string(vm->plan->platform->name));
        json_object_object_add(request, "root", json_object_new_int(WORKER_FD_FIRST));
        json_object_object_add(request, "image", json_object_new_int(WORKER_FD_FIRST + 1));
        json_object_object_add(request, "flat", json_object_new_int(WORKER_FD_FIRST + 2));
        return start_worker(vm, WORKER_VERB_SIM_OPEN, request,
                            (const int[]){ root, vm->work.files[vm->work.n_files - 1], vm->work.memory }, 3,
                            on_opened, err);
}

static void on_loaded(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;
        const struct plan_file *file = &vm->plan->files[vm->work.next];
        struct cvm_error why = { 0 };
        bool opens = is_to_be_opened(vm, file);
        int r;

        vm->work.run = NULL;
        if (err) {
                fail_work(vm, -EIO, err);
                return;
        }
        r = seal_copy(vm, answer, file, &why);
        if (r >= 0 && opens)
                r = open_loaded_image(vm, &why);
        if (r >= 0 && opens)
                return;
        if (r < 0)
                fail_work(vm, r, &why);
        else
                load_next(vm);
}

static int load_boot_file(struct vm *vm, const struct plan_file *file, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        CVM_CLEANUP(cvm_closep) int source = -EBADF;
        int r = image_store_get(vm->manager->images, vm->row.pins[file->role], &source, err);

        if (r < 0)
                return r;
        vm->work.memory = memfd_create(role_keys[file->role], MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (vm->work.memory < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "loading a boot file: %s", strerror(errno));
        json_object_object_add(request, "source", json_object_new_int(WORKER_FD_FIRST));
        json_object_object_add(request, "destination", json_object_new_int(WORKER_FD_FIRST + 1));
        return start_worker(vm, WORKER_VERB_PIN, request, (const int[]){ source, vm->work.memory }, 2,
                            on_loaded, err);
}

/* Nobody else has this disk open, this VM under another name included, unless all only read. */
static int check_alone(const struct vm *vm, const struct plan_file *file, int fd, struct cvm_error *err) {
        const struct manager *m = vm->manager;

        for (size_t i = 0; i < m->n_vms; i++) {
                const struct vm *other = m->vms[i];
                int r = other->row.pid > 0 ? disk_is_held(fd, file->writable, other->row.pid) : 0;

                for (size_t k = 0; r == 0 && k < other->work.n_files; k++)
                        r = (file->writable || other->plan->files[k].writable) &&
                            disk_is_same(fd, other->work.files[k]);
                if (r < 0)
                        return cvm_fail(err, &CVM_CODE_INTERNAL, r, "what '%s' has open cannot be seen: %s",
                                        other->row.name, strerror(-r));
                if (r > 0)
                        return cvm_fail(err, &CVM_CODE_DISK_IN_USE, EBUSY,
                                        "disk '%s' is in use by '%s' already", file->source,
                                        other->row.name);
        }
        return 0;
}

static void on_disk_loaded(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (!disk_is_fine(vm, answer, err))
                return;
        vm->work.next++;
        load_next(vm);
}

/* What QEMU will read as a format of its own is looked at again: the file may be another one by now. */
static int load_disk(struct vm *vm, const struct plan_file *file, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        int r = open_source(vm, file, &fd, err);

        if (is_to_be_made(vm, file, r)) {
                *err = (struct cvm_error){ 0 };
                r = image_make_path(file->source, vm->manager->config.image_dirs, disk_of(vm, file), err);
                if (r >= 0)
                        r = open_source(vm, file, &fd, err);
        }
        if (r >= 0)
                r = check_alone(vm, file, fd, err);
        if (r < 0)
                return r;
        vm->work.files[vm->work.n_files++] = fd;
        if (disk_of(vm, file)->format != DISK_RAW)
                return check_disk(vm, file, TAKE_FD(fd), on_disk_loaded, err);
        (void)TAKE_FD(fd);
        vm->work.next++;
        load_next(vm);
        return 0;
}

static void load_next(struct vm *vm) {
        const struct plan_file *file = &vm->plan->files[vm->work.next];
        struct cvm_error err = { 0 };
        int r;

        if (vm->work.next == vm->plan->n_files) {
                end_work(vm, NULL);
                return;
        }
        r = file->role == PLAN_DISK ? load_disk(vm, file, &err) : load_boot_file(vm, file, &err);
        if (r < 0)
                fail_work(vm, r, &err);
}

void vm_load(struct vm *vm, vm_then_fn then) {
        vm->work.then = then;
        vm->work.next = 0;
        load_next(vm);
}

void vm_work_cancel(struct vm *vm) {
        vm->work.then = NULL;
        vm->work.run = worker_run_cancel(vm->work.run);
        vm->work.memory = cvm_close(vm->work.memory);
        while (vm->work.n_files > 0)
                cvm_close(vm->work.files[--vm->work.n_files]);
}
