/* Medians of what is timed: both sides of a ratio are taken in turn, in one run. */
#pragma once

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

/* One line of the report: ours against the peer's or the bare loop's. */
static inline void bench_report(const char *what, double ratio, const char *bar, double ours, double theirs,
                                const char *unit) {
        printf("%-58s %6.2f  (%s)  %.1f against %.1f %s\n", what, ratio, bar, ours, theirs, unit);
}
