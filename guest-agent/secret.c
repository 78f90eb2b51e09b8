/*
 * Secrets. In this order, each failure ending it: who signed, that it opens with this boot's key, that every
 * circumstance in its header is ours, that this signer may sign this kind now, that it is newer than the
 * last one of its name, that its generation is ours. Only then is the plaintext used.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "guest-agent/agent.h"

/* What a sealed secret turned out to be. */
struct opened {
        struct cvm_secret_header header;
        struct cvm_secret plaintext;
        uint8_t digest[CVM_SHA384_SIZE];
        bool by_service;
        char words[TEE_WORDS_MAX]; /* the platform's, where it was handed on; "": none */
};

static void opened_done(struct opened *o) {
        cvm_secret_done(&o->plaintext);
}

static int open_secret(const struct agent *a, const char *envelope, struct opened *ret,
                       struct cvm_error *err) {
        size_t size = strlen(envelope);
        int r = cvm_secret_open(envelope, size, a->owner_key, a->kem, &ret->header, &ret->plaintext,
                                ret->digest, err);

        if (r < 0 && a->service_key && cvm_error_code(err) == &CVM_CODE_SIGNATURE) {
                *err = (struct cvm_error){ 0 };
                ret->by_service = true;
                r = cvm_secret_open(envelope, size, a->service_key, a->kem, &ret->header, &ret->plaintext,
                                    ret->digest, err);
        }
        return r;
}

static int check_circumstances(const struct agent *a, const struct cvm_secret_header *h,
                               struct cvm_error *err) {
        const struct tee_self *self;
        int r = tee_know_self(a->tee, &self, err);

        if (r < 0)
                return r;
        if (h->platform != cvm_platform_byte(self->platform, a->tee->provider->simulated))
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EACCES, "the secret is for another platform");
        if (!cvm_equal(h->uuid, sizeof h->uuid, a->uuid, sizeof a->uuid))
                return cvm_fail(err, &CVM_CODE_SECRET_VM, EACCES, "the secret is for another VM");
        if (!cvm_equal(h->keyset, sizeof h->keyset, a->keyset_digest, sizeof a->keyset_digest))
                return cvm_fail(err, &CVM_CODE_SECRET_BOOT, EACCES, "the secret is for another boot");
        if (!cvm_equal(h->binding, sizeof h->binding, a->binding_digest, sizeof a->binding_digest))
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EACCES, "the secret is for another binding");
        return 0;
}

/* Trust protocol, section 1: which key may sign which kind. */
static const struct {
        bool owner, service, needs_release;
} rights[] = {
        [CVM_SECRET_FILE] = { true, true, true },
        [CVM_SECRET_DISK_KEY] = { true, true, true },
        [CVM_SECRET_RELEASE] = { false, true, false },
        [CVM_SECRET_UV_REQUEST] = { true, false, false },
};

static int check_rights(const struct agent *a, const struct opened *o, struct cvm_error *err) {
        const char *kind = cvm_secret_kind_text(o->header.kind);

        if (!(o->by_service ? rights[o->header.kind].service : rights[o->header.kind].owner))
                return cvm_fail(err, &CVM_CODE_AGENT_SIGNER, EACCES,
                                "the owner%s signs no secret of kind '%s'",
                                o->by_service ? "'s service" : "", kind);
        if (rights[o->header.kind].needs_release && a->service_key && a->generation == 0)
                return cvm_fail(err, &CVM_CODE_AGENT_SIGNER, EACCES,
                                "the owner's service has not released this boot: no secret of kind '%s' is taken",
                                kind);
        return 0;
}

static int check_generation(const struct agent *a, const struct cvm_secret_header *h,
                            struct cvm_error *err) {
        bool is_release = h->kind == CVM_SECRET_RELEASE;

        if (is_release ? h->generation > a->generation : h->generation == a->generation)
                return 0;
        return cvm_fail(err, &CVM_CODE_AGENT_GENERATION, EACCES,
                        "the secret is for generation %llu, this boot has %llu",
                        (unsigned long long)h->generation, (unsigned long long)a->generation);
}

/* --- putting it where the guest finds it --- */

static int check_memory_only(int dir, struct cvm_error *err) {
        struct statfs fs;

        if (fstatfs(dir, &fs) < 0 || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC))
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, EACCES,
                                "the directory for secrets is on no memory file system");
        return 0;
}

static int write_file(const char *directory, const char *name, const struct cvm_secret *plaintext,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int dir = open(directory, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        int r;

        if (dir < 0)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, errno, "'%s' cannot be opened: %s", directory,
                                strerror(errno));
        r = check_memory_only(dir, err);
        if (r < 0)
                return r;
        (void)unlinkat(dir, ".new", 0);
        fd = openat(dir, ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
        r = fd < 0 ? -errno : cvm_write_all(fd, plaintext->data, plaintext->size);
        if (r >= 0 && renameat(dir, ".new", dir, name) < 0)
                r = -errno;
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, r, "'%s' cannot be written: %s", name,
                                strerror(-r));
        return 0;
}

static int take_file(struct agent *a, struct opened *o, struct cvm_error *err) {
        return write_file(a->secrets_dir, o->header.name, &o->plaintext, err);
}

static int take_disk_key(struct agent *a, struct opened *o, struct cvm_error *err) {
        return write_file(a->keys_dir, o->header.name, &o->plaintext, err);
}

struct release {
        bool first;
        uint64_t last, next;
};

static const struct cvm_json_field release_fields[] = {
        { "first", CVM_JSON_BOOL, .required = true, .offset = offsetof(struct release, first) },
        { "last", CVM_JSON_U64, .required = true, .offset = offsetof(struct release, last) },
        { "next", CVM_JSON_U64, .required = true, .offset = offsetof(struct release, next) },
        { 0 },
};

/* The generation that it grants becomes ours. What its counter says is compared where a root is opened. */
static int take_release(struct agent *a, struct opened *o, struct cvm_error *err) {
        struct release release = { 0 };
        int r = cvm_json_read_text(o->plaintext.data, o->plaintext.size, "release", release_fields, &release,
                                   err);

        if (r < 0)
                return r;
        a->generation = o->header.generation;
        a->counter = release.next;
        return 0;
}

/* The content goes to the platform's own store as it is, and nowhere else. 1: it was refused there. */
static int take_uv_request(struct agent *a, struct opened *o, struct cvm_error *err) {
        if (!a->tee->provider->keep_secret)
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EOPNOTSUPP,
                                "this platform takes no secret of kind 'uv-request'");
        return a->tee->provider->keep_secret(a->tee, o->plaintext.data, o->plaintext.size, o->words, err);
}

/* 1: the platform refused it, and its words say why. */
static int (*const installers[])(struct agent *a, struct opened *o, struct cvm_error *err) = {
        [CVM_SECRET_FILE] = take_file,
        [CVM_SECRET_DISK_KEY] = take_disk_key,
        [CVM_SECRET_RELEASE] = take_release,
        [CVM_SECRET_UV_REQUEST] = take_uv_request,
};

/* --- what was taken, and receipts --- */

static struct taken *find_taken(struct agent *a, uint8_t kind, const char *name) {
        for (size_t i = 0; i < a->n_taken; i++)
                if (a->taken[i].kind == kind && strcmp(a->taken[i].name, name) == 0)
                        return &a->taken[i];
        return NULL;
}

bool agent_has_secret(const struct agent *a, const char *name) {
        return find_taken((struct agent *)a, CVM_SECRET_FILE, name) ||
               find_taken((struct agent *)a, CVM_SECRET_DISK_KEY, name);
}

static int make_receipt(const struct agent *a, const struct opened *o, enum receipt_result result,
                        uint64_t seq, char **ret, struct cvm_error *err) {
        struct receipt receipt = {
                .uuid = a->binding.uuid,
                .generation = a->generation,
                .name = (char *)o->header.name,
                .kind = (char *)cvm_secret_kind_text(o->header.kind),
                .seq = seq,
                .result = result,
                .counter = a->counter,
                .words = *o->words ? (char *)o->words : NULL,
        };

        memcpy(receipt.keyset, a->keyset_digest, sizeof receipt.keyset);
        memcpy(receipt.secret, o->digest, sizeof receipt.secret);
        return cvm_signed_make(CVM_ENVELOPE_RECEIPT, receipt_fields, &receipt, a->sig, ret, err);
}

static void send_receipt(struct agent *a, uint64_t id, char *envelope) {
        struct msg_envelope message = { .id = id, .envelope = envelope };

        agent_send(a, CVM_MSG_RECEIPT, &message);
}

/* What was refused leaves nothing behind: the same may be sent again. */
static int install(struct agent *a, uint64_t id, struct opened *o, struct taken *t, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *receipt = NULL;
        bool refused;
        int r;

        if (!t && a->n_taken == AGENT_SECRETS_MAX)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, ENOSPC,
                                "%d secrets were taken in this boot already", AGENT_SECRETS_MAX);
        r = check_generation(a, &o->header, err);
        if (r >= 0)
                r = installers[o->header.kind](a, o, err);
        refused = r > 0;
        if (r >= 0)
                r = make_receipt(a, o, refused ? RECEIPT_REFUSED : RECEIPT_INSTALLED, o->header.seq,
                                 &receipt, err);
        if (r >= 0 && refused)
                send_receipt(a, id, receipt);
        if (r < 0 || refused)
                return r;
        if (!t)
                t = &a->taken[a->n_taken++];
        free(t->receipt);
        *t = (struct taken){ .kind = o->header.kind, .seq = o->header.seq };
        memcpy(t->name, o->header.name, sizeof t->name);
        memcpy(t->digest, o->digest, sizeof t->digest);
        t->receipt = TAKE_PTR(receipt);
        send_receipt(a, id, t->receipt);
        return 0;
}

static int take(struct agent *a, uint64_t id, struct opened *o, struct cvm_error *err) {
        struct taken *t = find_taken(a, o->header.kind, o->header.name);
        CVM_CLEANUP(cvm_freep) char *stale = NULL;
        int r;

        if (!t || o->header.seq > t->seq)
                return install(a, id, o, t, err);
        if (cvm_equal(o->digest, sizeof o->digest, t->digest, sizeof t->digest)) {
                send_receipt(a, id, t->receipt); /* the very same: the same answer, and nothing is done */
                return 0;
        }
        r = make_receipt(a, o, RECEIPT_STALE, t->seq, &stale, err);
        if (r >= 0)
                send_receipt(a, id, stale);
        return r;
}

void agent_take_secret(struct agent *a, const struct msg_envelope *message) {
        CVM_CLEANUP(opened_done) struct opened o = { 0 };
        struct cvm_error err = { 0 };
        int r;

        if (!a->bound)
                r = a->owner.state == OWNER_NAMED
                                    ? cvm_fail(&err, &CVM_CODE_AGENT_UNBOUND, EAGAIN,
                                               "there is no binding yet")
                                    : cvm_fail(&err, &CVM_CODE_AGENT_UNOWNED, EACCES,
                                               "the command line names no owner: no secret is taken");
        else
                r = open_secret(a, message->envelope, &o, &err);
        if (r >= 0)
                r = check_circumstances(a, &o.header, &err);
        if (r >= 0)
                r = check_rights(a, &o, &err);
        if (r >= 0)
                r = take(a, message->id, &o, &err);
        if (r < 0)
                agent_refuse(a, message->id, &err);
        else
                agent_send_status(a);
}

void agent_forget_secrets(struct agent *a) {
        const char *const directories[] = { [CVM_SECRET_FILE] = a->secrets_dir,
                                            [CVM_SECRET_DISK_KEY] = a->keys_dir,
                                            [CVM_SECRET_RELEASE] = NULL,
                                            [CVM_SECRET_UV_REQUEST] = NULL };

        for (size_t i = 0; i < a->n_taken; i++) {
                char path[512];

                if (!directories[a->taken[i].kind])
                        continue;
                snprintf(path, sizeof path, "%s/%s", directories[a->taken[i].kind], a->taken[i].name);
                (void)unlink(path);
        }
}
