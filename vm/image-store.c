#include "vm/image-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/worker-run.h"
#include "worker/wire.h"

#define PIN_DEADLINE_USEC (300ull * 1000000)
#define TEMPORARY "new-"
#define NAME_SIZE (2 * CVM_SHA256_SIZE + 1)

struct image_store {
        sd_event *event;
        int directory;
        struct pin *pins; /* under way, owned */
        uint64_t last;    /* number of the last temporary file */
};

struct pin {
        struct image_store *store;
        struct pin *next;
        struct worker_run *run;
        char temporary[32];
        image_pinned_fn done;
        void *ctx;
};

static void pin_unlink(struct pin *pin) {
        struct pin **p = &pin->store->pins;

        while (*p != pin)
                p = &(*p)->next;
        *p = pin->next;
}

/* What a crash left half written has no digest for a name: it goes. */
static int sweep_temporaries(int directory) {
        int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
        DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;

        if (!d)
                return -errno;
        rewinddir(d);
        while ((entry = readdir(d)))
                if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0)
                        unlinkat(directory, entry->d_name, 0);
        closedir(d);
        return 0;
}

int image_store_open(sd_event *event, const char *directory, struct image_store **ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(image_store_freep) struct image_store *store = calloc(1, sizeof *store);

        if (!store)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the image store");
        store->event = sd_event_ref(event);
        store->directory = -EBADF;
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", directory,
                                strerror(errno));
        store->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (store->directory < 0 || sweep_temporaries(store->directory) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", directory,
                                strerror(errno));
        *ret = TAKE_PTR(store);
        return 0;
}

struct image_store *image_store_free(struct image_store *store) {
        if (!store)
                return NULL;
        while (store->pins) {
                struct pin *pin = store->pins;

                store->pins = pin->next;
                worker_run_cancel(pin->run);
                unlinkat(store->directory, pin->temporary, 0);
                free(pin);
        }
        store->directory = cvm_close(store->directory);
        sd_event_unref(store->event);
        free(store);
        return NULL;
}

static int take_answer(struct pin *pin, json_object *answer, uint8_t ret_sha256[CVM_SHA256_SIZE],
                       uint64_t *ret_size, struct cvm_error *err) {
        struct cvm_json place = cvm_json_root(answer, "the worker's answer");
        const char *hex = "";
        int directory = pin->store->directory;

        if (cvm_json_get_text(&place, "sha256", &hex, err) < 0 ||
            cvm_json_get_u64(&place, "size", ret_size, err) < 0)
                return -EBADMSG;
        if (cvm_unhex(hex, ret_sha256, CVM_SHA256_SIZE) < 0)
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "the worker's digest is none");
        if (fchmodat(directory, pin->temporary, 0444, 0) < 0 ||
            renameat(directory, pin->temporary, directory, hex) < 0 || fsync(directory) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "a boot file cannot be kept: %s",
                                strerror(errno));
        return 0;
}

static void on_pinned(void *ctx, json_object *answer, struct cvm_error *err) {
        struct pin *pin = ctx;
        image_pinned_fn done = pin->done;
        void *done_ctx = pin->ctx;
        uint8_t sha256[CVM_SHA256_SIZE] = { 0 };
        struct cvm_error why = { 0 };
        uint64_t size = 0;
        int r = answer ? take_answer(pin, answer, sha256, &size, &why) : -EIO;

        if (!answer)
                why = *err;
        if (r < 0)
                unlinkat(pin->store->directory, pin->temporary, 0);
        pin_unlink(pin);
        free(pin);
        done(done_ctx, sha256, size, r < 0 ? &why : NULL);
}

int image_store_pin(struct image_store *store, int fd, const char *what, image_pinned_fn done, void *ctx,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct pin *pin = calloc(1, sizeof *pin);
        CVM_CLEANUP(cvm_closep) int destination = -EBADF;
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        int r;

        if (!pin)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "keeping '%s'", what);
        *pin = (struct pin){ .store = store, .done = done, .ctx = ctx };
        snprintf(pin->temporary, sizeof pin->temporary, TEMPORARY "%d-%llu", (int)getpid(),
                 (unsigned long long)++store->last);
        destination = openat(store->directory, pin->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (destination < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "keeping '%s': %s", what, strerror(errno));
        json_object_object_add(request, "source", json_object_new_int(WORKER_FD_FIRST));
        json_object_object_add(request, "destination", json_object_new_int(WORKER_FD_FIRST + 1));
        r = worker_run_start(store->event, WORKER_VERB_PIN, request, (const int[]){ fd, destination }, 2,
                             PIN_DEADLINE_USEC, on_pinned, pin, &pin->run, err);
        if (r < 0) {
                unlinkat(store->directory, pin->temporary, 0);
                return cvm_while(err, r, "keeping '%s'", what);
        }
        pin->next = store->pins;
        store->pins = TAKE_PTR(pin);
        return 0;
}

int image_store_get(struct image_store *store, const uint8_t sha256[CVM_SHA256_SIZE], int *ret_fd,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char name[NAME_SIZE];
        struct stat st;

        cvm_hex(sha256, CVM_SHA256_SIZE, name);
        fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_IMAGE, errno, "the pinned boot file %.12s... is missing",
                                name);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return cvm_fail(err, &CVM_CODE_IMAGE, EINVAL, "the pinned boot file %.12s... is no file",
                                name);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int image_store_sweep(struct image_store *store,
                      bool (*in_use)(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE]), void *ctx,
                      struct cvm_error *err) {
        int copy = fcntl(store->directory, F_DUPFD_CLOEXEC, 0);
        DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;

        if (!d)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "the image store cannot be read: %s",
                                strerror(errno));
        rewinddir(d);
        while ((entry = readdir(d))) {
                uint8_t sha256[CVM_SHA256_SIZE];

                if (cvm_unhex(entry->d_name, sha256, sizeof sha256) == 0 && !in_use(ctx, sha256))
                        unlinkat(store->directory, entry->d_name, 0);
        }
        closedir(d);
        return 0;
}
