/*
 * What a technology asks of a host: its prerequisites as one const table, its facts, and what is counted.
 * The one table in host-check.c names them all; only the one of this host's processor is judged.
 */
#pragma once

#include "launch/host-check.h"
#include "launch/host-probe.h"
#include "launch/host.h"

/* A host while it is looked at. */
struct host_scene {
        int root_fd;
        struct host_probe *probe;
        struct host_facts facts;
};

#define HOST_DETAIL_MAX 96

/* One prerequisite. */
struct host_check_row {
        const char *id;     /* NULL ends the table */
        const char *parent; /* id of a row before it: where that one does not hold, this one is not looked at
                             */
        /* 1: it is so, 0: it is not, and a detail for the sentence in both cases; negative with words: it
         * cannot be told, which is a warning */
        int (*holds)(const struct host_scene *scene, const struct host_check_row *row,
                     char detail[HOST_DETAIL_MAX], struct cvm_error *err);
        const char *path; /* what holds() looks at, where one function serves several rows */
        unsigned bit;
        enum host_verdict otherwise; /* where it is not so */
        const char *yes, *no;
        const char *remedy;
};

/* What the control groups' misc controller counts. */
struct host_pool {
        const char *key; /* NULL ends the table */
        const char *what;
        const char *limit; /* file with the number of those that may be `platform`'s, 0 and absent: all; or
                              NULL */
        enum cvm_platform_id platform; /* whose guests take from it; CVM_PLATFORM_MAX_: of none that cvmd
                                          starts */
};

enum host_recorded_kind {
        HOST_RECORDED_PRESENCE, /* an empty file */
        HOST_RECORDED_TEXT,     /* its beginning */
        HOST_RECORDED_CMDLINE,  /* words about IOMMU and memory encryption */
        HOST_RECORDED_WORD,     /* the word, where it stands in the file */
        HOST_RECORDED_NAMES,    /* of a directory, an empty file for each */
        HOST_RECORDED_FIRMWARE, /* a whole image */
        HOST_RECORDED_MAX_
};

/* What its checks and facts look at. */
struct host_recorded {
        enum host_recorded_kind kind;
        const char *const *paths; /* NULL-terminated; NULL ends the table */
        const char *word;
};

struct host_platform {
        const char *cpu_vendor;            /* whose processors have it */
        const char *qemu;                  /* path below the root of the one that runs its guests */
        const struct host_check_row *gate; /* one row: where it fails, nothing else is worth a word */
        const struct host_check_row *checks;
        const struct host_pool *pools;
        /* what an owner and a prediction need to know of the host; owned */
        int (*facts)(const struct host_scene *scene, json_object **ret, struct cvm_error *err);
        const struct host_recorded *recorded;
        const uint32_t *leaves, *registers; /* that they ask for, UINT32_MAX ends each */
        const char *untold;                 /* what an operator may miss among them, and who tells it */
};

/* NULL: this version knows no technology of that processor's vendor. */
const struct host_platform *host_platform_of(const char *cpu_vendor);

/* The host below a root directory; CVM_CODE_FILE, and the codes of a malformed recording. */
int host_scene_open(const char *root, struct host_scene *ret, struct cvm_error *err);
void host_scene_done(struct host_scene *scene);
