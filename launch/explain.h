/*
 * Why a measurement is not the one that was predicted: the ways in which launches are known to differ are
 * tried, alone and together, until one gives what was observed. Pure; a digest has one explanation or none.
 */
#pragma once

#include "launch/measure.h"

/* A file that may have been taken in place of the given one. */
struct explain_file {
        const char *name;
        uint8_t sha256[CVM_SHA256_SIZE];
        const uint8_t *bytes; /* of what may be a firmware image; NULL: too large for one */
        size_t size;
        struct cvm_bytes header; /* of an image, where the platform has such (read_header); empty: it is none
                                  */
};

struct explain_request { /* all borrowed */
        const struct measure_inputs *given;
        const uint8_t *observed;          /* a measurement of the platform's size */
        struct cvm_bytes observed_header; /* of the image that was observed, where that was one */
        const struct explain_file *others;
        size_t n_others;
        void (*progress)(void *ctx, uint64_t digests); /* now and then; NULL: nobody wants to know */
        void *ctx;
};

#define EXPLAIN_DIFFERENCES_MAX 8

struct explanation {
        bool found; /* with n_differences 0: they are equal */
        struct {
                const char *input; /* "vcpus", "cmdline", ...; static */
                char given[160], observed[160];
        } differences[EXPLAIN_DIFFERENCES_MAX];
        size_t n_differences;
        uint64_t digests;         /* how many were tried */
        const char *const *tried; /* what was varied, one sentence each, NULL-terminated; static */
};

/* Something else was different: the words for it, cut to their room. */
void explanation_add(struct explanation *e, const char *input, const char *given, const char *observed);

/* {"result":"equal"|"explained"|"unknown","differences":[{"input","given","observed"}],"digests","tried"} */
json_object *explanation_json(const struct explanation *e);
