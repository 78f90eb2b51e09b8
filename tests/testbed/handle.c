#include "tests/testbed/handle.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A preloaded library has no object of its own to hang its state on: the only variables of the library are
 * here. */
#define DESCRIPTORS_MAX 8192

static struct {
        const struct handle_kind *kind;
        void *object;
} handles[DESCRIPTORS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void handles_lock(void) {
        pthread_mutex_lock(&lock);
}

void handles_unlock(void) {
        pthread_mutex_unlock(&lock);
}

int handle_new(const struct handle_kind *kind, void *object, size_t size) {
        int fd = memfd_create(kind->name, MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (fd >= DESCRIPTORS_MAX || ftruncate(fd, (off_t)size) < 0) {
                close(fd);
                return -EMFILE;
        }
        handles[fd].object = object;
        __atomic_store_n(&handles[fd].kind, kind, __ATOMIC_RELEASE);
        return fd;
}

static const struct handle_kind *kind_of(int fd) {
        return fd < 0 || fd >= DESCRIPTORS_MAX ? NULL : __atomic_load_n(&handles[fd].kind, __ATOMIC_ACQUIRE);
}

void *handle_object(int fd, const struct handle_kind *kind) {
        return kind && kind_of(fd) == kind ? handles[fd].object : NULL;
}

void handle_closed(int fd) {
        const struct handle_kind *kind = kind_of(fd);

        if (!kind)
                return;
        handles_lock();
        __atomic_store_n(&handles[fd].kind, NULL, __ATOMIC_RELEASE);
        if (kind->release)
                kind->release(handles[fd].object);
        handles_unlock();
}

static const struct call *find(const struct handle_kind *kind, unsigned long request) {
        for (size_t i = 0; i < kind->n_calls; i++)
                if ((uint32_t)kind->calls[i].request == (uint32_t)request)
                        return &kind->calls[i];
        return NULL;
}

bool handle_call(int fd, unsigned long request, void *argument, int *ret) {
        const struct handle_kind *kind = kind_of(fd);
        const struct call *call = kind ? find(kind, request) : NULL;

        if (!kind)
                return false;
        if (!call) {
                testbed_say("%s does not know the request %#lx", kind->name, request);
                *ret = -ENOTTY;
                return true;
        }
        if (call->blocks) {
                *ret = call->run(handles[fd].object, call, argument);
                return true;
        }
        handles_lock();
        *ret = call->run(handles[fd].object, call, argument);
        handles_unlock();
        return true;
}

int call_refuse(void *object, const struct call *call, void *argument) {
        return -ENOTTY;
}

int call_accept(void *object, const struct call *call, void *argument) {
        return 0;
}

int call_get(void *object, const struct call *call, void *argument) {
        memcpy(argument, (uint8_t *)object + call->offset, call->size);
        return 0;
}

int call_set(void *object, const struct call *call, void *argument) {
        memcpy((uint8_t *)object + call->offset, argument, call->size);
        return 0;
}

void testbed_say(const char *format, ...) {
        char text[512];
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof text, format, list);
        va_end(list);
        dprintf(STDERR_FILENO, "testbed: %s\n", text);
}
