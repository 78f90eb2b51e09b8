/* Durable appends: an event in the store against 200 bytes and an fdatasync, one by one and sixty-four at a
 * time. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/bench.h"
#include "vm/store.h"

#define GROUP 64

static char line[201];

static void append_bare(int fd) {
        if (write(fd, line, 200) != 200 || fdatasync(fd) < 0)
                exit(1);
}

static void append_events(struct store *store, uint64_t *seq, unsigned n) {
        struct cvm_error err = { 0 };

        for (unsigned i = 0; i < n; i++)
                if (store_add_event(store, ++*seq, line, &err) < 0)
                        exit(1);
        if (store_commit(store, &err) < 0)
                exit(1);
}

int main(int argc, char **argv) {
        uint64_t bare[BENCH_ROUNDS], one[BENCH_ROUNDS], group[BENCH_ROUNDS], seq = 0;
        struct cvm_error err = { 0 };
        struct store *store;
        char path[4096];
        double b, o, g;
        bool met;
        int fd;

        if (argc != 2)
                return 2;
        memset(line, 'x', 200);
        snprintf(path, sizeof path, "%s/bare", argv[1]);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        snprintf(path, sizeof path, "%s/store.db", argv[1]);
        if (fd < 0 || store_open(path, &store, &err) < 0)
                return 1;
        for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
                uint64_t t0 = bench_nsec(), t1, t2, t3;

                append_bare(fd);
                t1 = bench_nsec();
                append_events(store, &seq, 1);
                t2 = bench_nsec();
                append_events(store, &seq, GROUP);
                t3 = bench_nsec();
                bare[i] = t1 - t0;
                one[i] = t2 - t1;
                group[i] = (t3 - t2) / GROUP;
        }
        b = (double)bench_median(bare, BENCH_ROUNDS);
        o = (double)bench_median(one, BENCH_ROUNDS);
        g = (double)bench_median(group, BENCH_ROUNDS);
        met = bench_report("durable event, rate against append + fdatasync", b / o, BENCH_AT_LEAST, 0.8,
                           o / 1000, b / 1000, "us");
        met &= bench_report("the same, 64 in a commit", b / g, BENCH_AT_LEAST, 2.4, g / 1000, b / 1000,
                            "us");
        store_free(store);
        return !met;
}
