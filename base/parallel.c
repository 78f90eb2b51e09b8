#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct parallel {
        atomic_size_t next;
        size_t pieces;
        void (*work)(void *ctx, size_t piece);
        void *ctx;
};

static void *take_pieces(void *arg) {
        struct parallel *p = arg;

        for (size_t i; (i = atomic_fetch_add(&p->next, 1)) < p->pieces;)
                p->work(p->ctx, i);
        return NULL;
}

/* Those that this process may use; one that has more than fit here has enough. */
static size_t processors(void) {
        cpu_set_t set;

        return sched_getaffinity(0, sizeof set, &set) < 0 ? CVM_PARALLEL_MAX : (size_t)CPU_COUNT(&set);
}

void cvm_parallel(size_t pieces, void (*work)(void *ctx, size_t piece), void *ctx) {
        struct parallel p = { .pieces = pieces, .work = work, .ctx = ctx };
        pthread_t helpers[CVM_PARALLEL_MAX - 1];
        size_t n = 0, most = processors() - 1;

        if (most > CVM_PARALLEL_MAX - 1)
                most = CVM_PARALLEL_MAX - 1;
        while (n < most && n + 1 < pieces && pthread_create(&helpers[n], NULL, take_pieces, &p) == 0)
                n++;
        take_pieces(&p);
        while (n > 0)
                pthread_join(helpers[--n], NULL);
}
