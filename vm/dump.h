/*
 * A dump under way in one QEMU, by its monitor: QEMU is given the file and begins, and is asked from time to
 * time how far it is. It can neither be stopped nor hurried. Its event only makes the end known sooner and
 * has the words of a failure.
 */
#pragma once

#include "base/json.h"
#include "vm/driver.h"

#define DUMP_POLL_USEC 1000000ull

/* What QEMU answers to query-dump. CVM_CODE_QMP, CVM_CODE_FIELD: it is none. */
enum dump_status { DUMP_ACTIVE, DUMP_COMPLETED, DUMP_FAILED };
struct dump_progress {
        enum dump_status status;
        uint32_t percent; /* 99 at most */
};
int dump_progress_read(json_object *answer, struct dump_progress *ret, struct cvm_error *err);

/* Ask QEMU: arguments are taken (NULL: none), fd is borrowed (negative: none goes with it). Where this
 * succeeds dump_answer() must follow, from the loop. */
typedef int (*dump_ask_fn)(struct driver_guest *guest, const char *command, json_object *arguments, int fd,
                           struct cvm_error *err);

enum dump_step { DUMP_NONE, DUMP_GIVING, DUMP_BEGINNING, DUMP_WRITING, DUMP_TAKING_BACK };

struct dump {
        enum dump_step step;
        struct driver_guest *guest; /* borrowed, as all of these */
        sd_event *event;
        dump_ask_fn ask;
        driver_progress_fn progress;
        driver_done_fn done;
        void *ctx;
        sd_event_source *timer;
        struct cvm_error why;
        bool asked;  /* an answer is awaited */
        bool ended;  /* so its event says */
        bool again;  /* the next question does not wait */
        bool waited; /* for the words of a failure */
};

/* Begin as struct driver has it; guest, event and ask are set. CVM_CODE_WRONG_STATE while there is one. */
int dump_begin(struct dump *dump, int fd, driver_progress_fn progress, driver_done_fn done, void *ctx,
               struct cvm_error *err);
/* One of both. It may end the dump, and done() may free it all. */
void dump_answer(struct dump *dump, json_object *result, struct cvm_error *err);
/* QEMU's event: it has ended, in these words (NULL: well). */
void dump_event(struct dump *dump, const char *words);
/* Nothing is called back any more. */
void dump_forget(struct dump *dump);
