/*
 * Requests under way. Libvirt takes seconds to start or to end a guest with much memory: meanwhile other
 * domains are served by other threads. Those of one domain follow one another, as the daemon asked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"

#define THREADS_MAX \
        16 /* libvirtd serves five at once for a client, unless its max_client_requests says more */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t done;
        struct libvirt_work *first; /* in the order of asking; what runs stays in it */
        unsigned threads;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };

static bool is_first_of_domain(const struct libvirt_work *work) {
        const struct libvirt_work *w = queue.first;

        while (w != work && strcmp(w->request.uuid, work->request.uuid) != 0)
                w = w->next;
        return w == work;
}

/* NULL: there is nothing to do, or what there is waits for what runs. */
static struct libvirt_work *take(void) {
        struct libvirt_work *w = queue.first;

        while (w && (w->runs || !is_first_of_domain(w)))
                w = w->next;
        if (w)
                w->runs = true;
        return w;
}

static void finish(struct libvirt_work *work) {
        struct libvirt_work **place = &queue.first;

        while (*place != work)
                place = &(*place)->next;
        *place = work->next;
        if (work->connection)
                virConnectClose(work->connection);
        libvirt_request_done(&work->request);
        while (work->n_fds > 0)
                cvm_close(work->fds[--work->n_fds]);
        free(work);
        pthread_cond_signal(&queue.done);
}

/* A thread, which ends when there is nothing left for it. */
static void *serve(void *ctx) {
        struct libvirt_work *work;

        pthread_mutex_lock(&queue.lock);
        while ((work = take())) {
                pthread_mutex_unlock(&queue.lock);
                host_serve(ctx, work);
                pthread_mutex_lock(&queue.lock);
                finish(work);
        }
        queue.threads--;
        pthread_mutex_unlock(&queue.lock);
        return NULL;
}

void host_queue(struct libvirt_host *host, struct libvirt_work *work) {
        struct libvirt_work **place = &queue.first;
        pthread_t thread;
        bool more;

        pthread_mutex_lock(&queue.lock);
        while (*place)
                place = &(*place)->next;
        *place = work;
        more = queue.threads < THREADS_MAX;
        queue.threads += more;
        pthread_mutex_unlock(&queue.lock);
        if (!more)
                return;
        if (pthread_create(&thread, NULL, serve, host) == 0)
                pthread_detach(thread);
        else
                serve(host); /* this one then */
}

static bool is_used(void) {
        const struct libvirt_work *w = queue.first;

        while (w && !w->connection)
                w = w->next;
        return w != NULL;
}

void host_wait_unused(void) {
        pthread_mutex_lock(&queue.lock);
        while (is_used())
                pthread_cond_wait(&queue.done, &queue.lock);
        pthread_mutex_unlock(&queue.lock);
}
