/*
 * What stands behind a descriptor that a program was given for a device, a VM or a vCPU: an object and the
 * table of the calls it answers. The descriptor itself is a memory file, so that mapping, closing and
 * passing it need no help.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;

/* Answers 0 or more, or a negative errno. */
typedef int (*call_fn)(void *object, const struct call *call, void *argument);

struct call {
        unsigned long request;
        const char *name;
        call_fn run;
        size_t offset, size; /* of the state in the object, where run is call_get or call_set */
        bool blocks;         /* runs without the lock */
};

struct handle_kind {
        const char *name;
        const struct call *calls;
        size_t n_calls;
        void (*release)(void *object); /* when its descriptor is closed; may be NULL */
};

#define CALL(request_, ...) \
        { .request = request_, .name = #request_, ##__VA_ARGS__ }

/* A descriptor for the object, or a negative errno. size is that of the memory file. */
int handle_new(const struct handle_kind *kind, void *object, size_t size);

/* True when fd is one of ours: ret is what the call answered. */
bool handle_call(int fd, unsigned long request, void *argument, int *ret);

/* To be called before fd is closed. */
void handle_closed(int fd);

/* The object behind fd, when it is of this kind; else NULL. */
void *handle_object(int fd, const struct handle_kind *kind);

/* All objects are guarded by one lock: calls hold it, but those that block. */
void handles_lock(void);
void handles_unlock(void);

/* Calls that are not offered, those without consequence, and those that keep or give back a part of the
 * object. */
int call_refuse(void *object, const struct call *call, void *argument);
int call_accept(void *object, const struct call *call, void *argument);
int call_get(void *object, const struct call *call, void *argument);
int call_set(void *object, const struct call *call, void *argument);

/* One line on the standard error, for what the library does not know. */
void testbed_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
