/* Medians of what is timed, or best rounds: both sides of a ratio are taken in turn, in one run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_ROUNDS 201

static inline uint64_t bench_nsec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static inline uint64_t bench_median(uint64_t *values, size_t n) {
        qsort(values, n, sizeof *values, bench_compare);
        return values[n / 2];
}

/* For what uses every processor: other work on the machine only lengthens a round, but not both sides alike.
 */
static inline uint64_t bench_best(const uint64_t *values, size_t n) {
        uint64_t best = UINT64_MAX;

        for (size_t i = 0; i < n; i++)
                best = values[i] < best ? values[i] : best;
        return best;
}

enum bench_side { BENCH_AT_MOST, BENCH_AT_LEAST };

/* One line of the report: ours against the peer's or the bare loop's. false: the bar is missed. */
static inline bool bench_report(const char *what, double ratio, enum bench_side side, double bar,
                                double ours, double theirs, const char *unit) {
        bool met = side == BENCH_AT_MOST ? ratio <= bar : ratio >= bar;

        printf("%-58s %6.2f  (%s %g)  %.1f against %.1f %s%s\n", what, ratio,
               side == BENCH_AT_MOST ? "at most" : "at least", bar, ours, theirs, unit,
               met ? "" : "  MISSED");
        return met;
}
