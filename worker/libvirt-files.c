/*
 * The files of disks. libvirtd keeps what is associated with a domain until the connection ends, and with it
 * QEMU's locks, which belong to the open file: no other guest could have the disk of one that has ended. So
 * something that nobody misses takes its place then, and not before: libvirt may start a confidential guest
 * that is reset as another process, from the same files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "worker/libvirt-host.h"

/* What a run has. */
struct lent {
        struct lent *next;
        char uuid[VIR_UUID_STRING_BUFLEN];
        char **groups; /* owned */
};

static struct {
        pthread_mutex_t lock;
        struct lent *first;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct lent *lent_free(struct lent *lent) {
        if (lent)
                cvm_texts_free(lent->groups);
        free(lent);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct lent, lent_free);

static struct lent *take(const char *uuid) {
        struct lent **place = &all.first, *found;

        pthread_mutex_lock(&all.lock);
        while (*place && strcmp((*place)->uuid, uuid) != 0)
                place = &(*place)->next;
        found = *place;
        if (found)
                *place = found->next;
        pthread_mutex_unlock(&all.lock);
        return found;
}

int host_lend(virDomainPtr domain, char *const *groups, const int *fds, size_t n_fds) {
        int r = cvm_texts_count(groups) == n_fds ? 0 : -EBADMSG;

        for (size_t i = 0; r >= 0 && i < n_fds; i++)
                r = virDomainFDAssociate(domain, groups[i], 1, (int *)&fds[i], 0);
        return r;
}

void host_note_lent(const char *uuid, char **groups) {
        struct lent *lent = calloc(1, sizeof *lent);

        if (!lent) {
                cvm_texts_free(groups);
                return;
        }
        snprintf(lent->uuid, sizeof lent->uuid, "%s", uuid);
        lent->groups = groups;
        lent_free(take(uuid));
        pthread_mutex_lock(&all.lock);
        lent->next = all.first;
        all.first = lent;
        pthread_mutex_unlock(&all.lock);
}

void host_take_back(virDomainPtr domain) {
        CVM_CLEANUP(cvm_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        char uuid[VIR_UUID_STRING_BUFLEN];
        CVM_CLEANUP(lent_freep)
        struct lent *lent = virDomainGetUUIDString(domain, uuid) < 0 ? NULL : take(uuid);

        for (char **group = lent ? lent->groups : NULL; null >= 0 && group && *group; group++)
                (void)virDomainFDAssociate(domain, *group, 1, &null, 0);
}
