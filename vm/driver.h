/*
 * A driver: one way of running QEMU. The model (vm/) decides, a driver does. Everything is asynchronous:
 * calls return at once, what happens comes as events from the loop, never from inside a call.
 *
 * The two-step start makes orphans impossible: spawn() makes a process that waits, not yet QEMU; its trace
 * is stored durably; go() lets it become QEMU. A process whose go() never comes (the daemon died) ends by
 * itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/digest.h"
#include "launch/plan.h"

struct driver_guest; /* one QEMU: owned by its VM */

/* Enough to find it again after a restart of the daemon, with the VM's uuid. */
struct driver_trace {
        pid_t pid;           /* 0: none yet */
        uint64_t start_time; /* field 22 of /proc/PID/stat: with the pid it names one process for ever */
        uint8_t kept[CVM_SHA256_SIZE]; /* digest of what another program keeps of it; zeros: nothing */
};

enum driver_event {
        DRIVER_SPAWNED, /* go() may be called, once the trace is stored; only where spawn() returned 1 */
        DRIVER_UP, /* QMP answers, the guest is stopped before its first instruction, or as it was found */
        DRIVER_RUNNING,  /* vCPUs run */
        DRIVER_PAUSED,   /* vCPUs are stopped by us */
        DRIVER_RESET,    /* a new boot, by guest or by QMP */
        DRIVER_FOUND,    /* it was out of sight for a while: another boot may have begun */
        DRIVER_CHANGED,  /* somebody else changed it: it may not be what was planned; why has words */
        DRIVER_LISTENS,  /* the guest has opened the agent's channel */
        DRIVER_RELAUNCH, /* it was reset, and QEMU ends instead of building it anew */
        DRIVER_SHUTDOWN, /* the guest ended itself (its own power-off, or a panic: see why) */
        DRIVER_GONE,     /* the process is dead and reaped: always the last event, exactly once */
};

/* why has words for GONE when it was not asked for (from QEMU's stderr), and for SHUTDOWN by panic; else
 * empty. The callback may free the guest. */
typedef void (*driver_event_fn)(void *ctx, enum driver_event event, struct cvm_error *why);

/* Opened files in the order of plan->files, borrowed during spawn(). */
struct driver_start {
        sd_event *event;
        const struct plan *plan; /* outlives the guest */
        const char *name, *uuid; /* of the VM */
        const char *runtime_dir; /* exists, ours: sockets and stderr live here */
        const int *files;        /* plan->n_files descriptors */
        uid_t uid;               /* 0: do not change (not root, or tests) */
        bool use_kvm;
        bool has_begun; /* adopt(): its first instruction was told: if it is stopped, it is paused */
        driver_event_fn on_event;
        void *ctx;
};

enum driver_command {
        DRIVER_CONT,
        DRIVER_PAUSE,
        DRIVER_POWERDOWN, /* asks the guest, by its power button */
        DRIVER_RESET_GUEST,
        DRIVER_QUIT, /* asks QEMU to end */
};

typedef void (*driver_done_fn)(void *ctx, struct cvm_error *err); /* err: NULL when done */
typedef void (*driver_progress_fn)(void *ctx, uint32_t percent);
/* fd: a connected console descriptor, owned by whoever is told, non-blocking; it may be left unread, and
 * ends with the guest or the daemon. Negative where err has words. */
typedef void (*driver_console_fn)(void *ctx, int fd, struct cvm_error *err);

typedef void (*driver_removed_fn)(void *ctx, const char *uuid);

struct driver_probe {
        const char *binary, *machine, *cpu;
        const char *accelerator; /* "kvm"; "tcg" shows that the probe guest itself works */
        uid_t uid;               /* as whom the guest will run: the device may be closed to it */
};

struct driver {
        const char *name; /* as in a definition: "qemu" */
        /* before a start: driver_check_plan() and driver_probe(), or what does the same by other ways; both
         * are forgotten by driver_forget_check() and driver_probe_forget() */
        int (*check_plan)(sd_event *event, const struct plan *plan, uid_t uid, driver_done_fn done,
                          void *ctx, struct cvm_error *err);
        int (*probe)(sd_event *event, const struct driver_probe *what, driver_done_fn done, void *ctx,
                     struct cvm_error *err);
        /* 0: trace() tells how to find it again; 1: not before DRIVER_SPAWNED (or DRIVER_GONE) */
        int (*spawn)(const struct driver_start *start, struct driver_guest **ret, struct cvm_error *err);
        void (*trace)(const struct driver_guest *guest, struct driver_trace *ret);
        /* then DRIVER_UP or DRIVER_GONE follows; what trace() tells may be more from DRIVER_UP on */
        int (*go)(struct driver_guest *guest, struct cvm_error *err);
        /* after a restart: find it by its trace. Returns 0 when that process is no more; 1 with a guest
         * whose first event is DRIVER_UP followed by RUNNING or PAUSED, or GONE. plan and files may be NULL.
         */
        int (*adopt)(const struct driver_start *start, const struct driver_trace *trace,
                     struct driver_guest **ret, struct cvm_error *err);
        int (*command)(struct driver_guest *guest, enum driver_command command, driver_done_fn done,
                       void *ctx, struct cvm_error *err);
        /* the guest's memory into a file (borrowed), as an ELF core, one dump at a time. The vCPUs stand
         * still meanwhile, as PAUSED and RUNNING tell, behind done() perhaps. progress() comes first once
         * QEMU has begun; done() always, but for where DRIVER_GONE comes before */
        int (*dump)(struct driver_guest *guest, int fd, driver_progress_fn progress, driver_done_fn done,
                    void *ctx, struct cvm_error *err);
        void (*kill)(struct driver_guest *guest); /* SIGKILL by pidfd; DRIVER_GONE follows */
        /* 0: done() is called once, before it returns or later. CVM_CODE_CONSOLE where the definition has
         * none, CVM_CODE_CONSOLE_BUSY while somebody is at it: from here or to done() */
        int (*console)(struct driver_guest *guest, driver_console_fn done, void *ctx, struct cvm_error *err);
        /* forgets, without touching the process: the daemon ends, the guest lives on */
        struct driver_guest *(*release)(struct driver_guest *guest);
        /* The VM goes, or changes its driver: what is kept of it outside goes too, when it can; done (may be
         * NULL) from the loop, when it has gone. NULL: nothing is kept */
        void (*remove)(sd_event *event, const char *uuid, driver_removed_fn done, void *ctx);
};

extern const struct driver driver_qemu, driver_libvirt;
/* NULL: none of that name. */
const struct driver *driver_by_name(const char *name);

/* Path of a channel's socket under runtime_dir: fixed names, so that they are found again. */
int driver_channel_path(const char *runtime_dir, enum plan_channel channel, char *ret, size_t size);
/* The guest stopped for good. On hardware the cause may be its launch: QEMU says so, or the loader in front
 * of an image on the console, which is the guest's word. plan may be NULL. */
void driver_explain_panic(const struct plan *plan, const char *runtime_dir, struct cvm_error *err);
/* Names of copies of the boot files there, by role, where QEMU must open them by a path. */
extern const char *const driver_boot_files[PLAN_DISK];
/* What libvirt was given at the last start, there. */
#define DRIVER_DOMAIN_FILE "domain.xml"

/*
 * Does the QEMU of this host know all that the plan asks of it? It is asked itself, as uid; the answer is
 * kept for the binary. done gets words with CVM_CODE_QEMU_OPTION where it does not. The plan is borrowed
 * until then.
 */
int driver_check_plan(sd_event *event, const struct plan *plan, uid_t uid, driver_done_fn done, void *ctx,
                      struct cvm_error *err);
/* done() with this ctx is not called any more. */
void driver_forget_check(void *ctx);

/*
 * Is the accelerator usable by this binary, for this CPU model and user? A probe guest must execute an
 * instruction that is seen within a second; the answer is cached, for this kernel. done gets err NULL for
 * yes, words for no.
 */
int driver_probe(sd_event *event, const struct driver_probe *what, driver_done_fn done, void *ctx,
                 struct cvm_error *err);
/* done() with this ctx is not called any more. */
void driver_probe_forget(void *ctx);
