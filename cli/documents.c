#include "cli/documents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "base/time.h"

#define PEM_MAX (64u << 10)
#define CHALLENGE_MAX (16u << 10)

int document_text(const char *path, size_t max, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        int r = cvm_read_file(path, max, &text, err);

        if (r >= 0 && strlen((char *)text.data) != text.size)
                r = cvm_fail(err, &CVM_CODE_JSON, EINVAL, "'%s' is no text", path);
        if (r >= 0)
                *ret = (char *)TAKE_PTR(text.data);
        return r;
}

/* Known by the member that every envelope has and no policy may have. */
static bool is_signed(const char *text) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;

        return cvm_json_parse(text, strlen(text), "", &node, NULL) >= 0 &&
               json_object_object_get_ex(node, "payloadType", NULL);
}

int document_policy_payload(const char *path, EVP_PKEY *owner, bool unchecked, struct cvm_bytes *ret,
                            struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(path, POLICY_MAX, &text, err);

        if (r < 0)
                return r;
        if (!is_signed(text))
                return cvm_bytes_copy(text, strlen(text), ret);
        if (!owner && !unchecked)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL,
                                "'%s' is signed: give the owner's key that signed it", path);
        r = owner ? cvm_envelope_open(text, strlen(text), CVM_ENVELOPE_POLICY, owner, ret, NULL, err)
                  : cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_POLICY, ret, err);
        return r < 0 ? cvm_while(err, r, "'%s'", path) : 0;
}

int document_policy(const char *path, EVP_PKEY *owner, struct policy **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r = document_policy_payload(path, owner, false, &payload, err);

        return r < 0 ? r : policy_read(payload.data, payload.size, path, ret, err);
}

int document_bundle(const char *path, struct bundle *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(path, BUNDLE_MAX, &text, err);

        return r < 0 ? r : bundle_read(text, strlen(text), path, ret, err);
}

static bool is_root_of(int platform, X509 *x509) {
        const struct evidence_ops *ops = evidence_ops_find(platform);
        char name[64] = "";

        X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
        return ops && ops->root_name && strncmp(name, ops->root_name, strlen(ops->root_name)) == 0;
}

/* The only certificate, or that of the platform; NULL: there is none. */
static X509 *find_root(BIO *bio, int platform, size_t *ret_n) {
        X509 *found = NULL, *x509;

        for (*ret_n = 0; (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL)); (*ret_n)++) {
                bool is_it = !*ret_n || (!is_root_of(platform, found) && is_root_of(platform, x509));

                X509_free(is_it ? found : x509);
                found = is_it ? x509 : found;
        }
        if (*ret_n < 2 || is_root_of(platform, found))
                return found;
        X509_free(found);
        return NULL;
}

int document_root(const char *path, int platform, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *pem = NULL;
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;
        CVM_CLEANUP(X509_freep) X509 *x509 = NULL;
        uint8_t *spki = NULL;
        size_t n = 0;
        int size, r = document_text(path, PEM_MAX, &pem, err);

        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(pem, -1);
        x509 = bio ? find_root(bio, platform, &n) : NULL;
        size = x509 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki) : -1;
        if (n > 1 && !x509)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL,
                                "none of the certificates in '%s' is a root of '%s'", path,
                                cvm_platform_texts[platform]);
        if (size <= 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "'%s' is no certificate in PEM", path);
        cvm_sha256(spki, (size_t)size, ret);
        OPENSSL_free(spki);
        return 0;
}

/* Two members of the struct: these take the whole challenge. */
static int read_hosts(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct challenge *c = member;
        size_t length;
        int r = cvm_json_array(place, CHALLENGE_HOSTS_MAX, &length, err);

        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);
                const char *hex;

                r = cvm_json_text_at(&at, 2 * CVM_SHA256_SIZE, &hex, err);
                if (r >= 0 && cvm_unhex(hex, c->hosts[i], CVM_SHA256_SIZE) < 0)
                        r = cvm_json_refuse(&at, err, "must be 64 lower-case hex digits");
                c->n_hosts += r >= 0;
        }
        return r;
}

static json_object *write_hosts(const void *member) {
        const struct challenge *c = member;
        json_object *list = c->n_hosts ? json_object_new_array() : NULL;

        for (size_t i = 0; list && i < c->n_hosts; i++) {
                char hex[2 * CVM_SHA256_SIZE + 1];

                cvm_hex(c->hosts[i], CVM_SHA256_SIZE, hex);
                json_object_array_add(list, json_object_new_string(hex));
        }
        return list;
}

static const struct cvm_json_field challenge_fields[] = {
        { "nonce", CVM_JSON_HEX, .required = true, .offset = offsetof(struct challenge, nonce),
          .size = CVM_NONCE_SIZE },
        { "made", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct challenge, made),
          .read = cvm_json_read_time, .write = cvm_json_write_time },
        { "used", CVM_JSON_CUSTOM, .offset = offsetof(struct challenge, used),
          .has_offset = offsetof(struct challenge, is_used), .read = cvm_json_read_time,
          .write = cvm_json_write_time },
        { "request", CVM_JSON_HEX, .offset = offsetof(struct challenge, request),
          .has_offset = offsetof(struct challenge, has_request), .size = CVM_SHA256_SIZE },
        { "platform", CVM_JSON_CHOICE, .offset = offsetof(struct challenge, platform),
          .has_offset = offsetof(struct challenge, has_platform), .choices = cvm_platform_texts },
        { "key", CVM_JSON_HEX, .offset = offsetof(struct challenge, key),
          .has_offset = offsetof(struct challenge, has_key), .size = 32 },
        { "class", CVM_JSON_CHOICE, .offset = offsetof(struct challenge, class_),
          .has_offset = offsetof(struct challenge, has_class), .choices = cvm_class_texts },
        { "root", CVM_JSON_HEX, .offset = offsetof(struct challenge, root),
          .has_offset = offsetof(struct challenge, has_root), .size = CVM_SHA256_SIZE },
        { "hosts", CVM_JSON_CUSTOM, .offset = 0, .read = read_hosts, .write = write_hosts },
        { 0 },
};

void challenge_wipe(struct challenge *challenge) {
        OPENSSL_cleanse(challenge->key, sizeof challenge->key);
}

void challenge_make(struct challenge *ret) {
        *ret = (struct challenge){ .made = cvm_time_now() };
        cvm_random(ret->nonce, sizeof ret->nonce);
}

int challenge_write(const char *path, const struct challenge *challenge, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_write_text(challenge_fields, challenge);

        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a challenge");
        return cvm_write_file(path, text, strlen(text), 0600, err);
}

int challenge_read(const char *path, struct challenge *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(path, CHALLENGE_MAX, &text, err);

        *ret = (struct challenge){ 0 };
        return r < 0 ? r : cvm_json_read_text(text, strlen(text), path, challenge_fields, ret, err);
}

/* Written in place, because a lock is on the file and not on its name. A torn write is a challenge that
 * nobody can read any more, which is the safe side. */
static int mark_used(int fd, const char *path, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes before = { 0 };
        CVM_CLEANUP(cvm_freep) char *after = NULL;
        CVM_CLEANUP(challenge_wipe) struct challenge challenge = { 0 };
        int r = cvm_read_fd(fd, CHALLENGE_MAX, path, &before, err);

        if (r >= 0)
                r = cvm_json_read_text(before.data, before.size, path, challenge_fields, &challenge, err);
        if (r >= 0 && challenge.is_used)
                r = cvm_fail(err, &CVM_CODE_NONCE, EALREADY, "the challenge '%s' has served already", path);
        if (r < 0)
                return r;
        challenge.used = cvm_time_now();
        challenge.is_used = true;
        after = cvm_json_write_text(challenge_fields, &challenge);
        /* It only grows, so no reader ever sees an empty file. */
        if (!after || pwrite(fd, after, strlen(after), 0) != (ssize_t)strlen(after) ||
            ftruncate(fd, (off_t)strlen(after)) < 0 || fsync(fd) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, EIO, "'%s' cannot be marked as used", path);
        return 0;
}

int challenge_spend(const char *path, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) >= 0 && !S_ISREG(st.st_mode))
                return cvm_fail(err, &CVM_CODE_FILE, EINVAL,
                                "'%s' is no file, so it cannot remember that the challenge has served",
                                path);
        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be marked as used: %s", path,
                                strerror(errno));
        return mark_used(fd, path, err);
}

int challenge_find(const struct arguments *arguments, struct challenge *ret, struct cvm_error *err) {
        const char *file = argument(arguments, "challenge"), *hex = argument(arguments, "nonce");

        if (!file == !hex)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "give either --challenge or --nonce");
        if (file)
                return challenge_read(file, ret, err);
        *ret = (struct challenge){ 0 };
        return cvm_unhex(hex, ret->nonce, sizeof ret->nonce) < 0
                               ? cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                          "--nonce must be %d lower-case hex digits", 2 * CVM_NONCE_SIZE)
                               : 0;
}

int bundle_binding_digest(const struct bundle *bundle, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r = 0;

        if (bundle->binding)
                r = cvm_envelope_peek(bundle->binding, strlen(bundle->binding), CVM_ENVELOPE_BINDING,
                                      &payload, err);
        if (r >= 0)
                cvm_sha384(payload.data ? (void *)payload.data : (void *)"", payload.size, ret);
        return r;
}

/* Whether the verdict was reached on this very bundle: by all that names a boot, and by its report. */
static int check_about(const struct verdict *verdict, const struct bundle *bundle, const char *path,
                       struct cvm_error *err) {
        uint8_t keyset[CVM_SHA384_SIZE], binding[CVM_SHA384_SIZE], evidence[CVM_SHA384_SIZE];
        int r = bundle_binding_digest(bundle, binding, err);

        if (r < 0)
                return r;
        cvm_keyset_digest(&bundle->keyset, keyset);
        bundle_evidence_digest(bundle, evidence);
        if (strcmp(verdict->uuid, bundle->uuid) != 0 ||
            memcmp(binding, verdict->binding, sizeof binding) != 0)
                return cvm_fail(err, &CVM_CODE_VERDICT_VM, EACCES,
                                "the verdict '%s' is about another VM or binding than the bundle", path);
        if (memcmp(keyset, verdict->keyset, sizeof keyset) != 0 ||
            memcmp(evidence, verdict->evidence, sizeof evidence) != 0 ||
            verdict->generation != bundle->generation)
                return cvm_fail(err, &CVM_CODE_VERDICT_OTHER_BOOT, EACCES,
                                "the verdict '%s' is about other evidence than the bundle's", path);
        return 0;
}

/* The class that the chain has proven, which the bundle must not call otherwise; and an owner. */
static int check_class(const struct verdict *verdict, const struct bundle *bundle, struct cvm_error *err) {
        bool simulated = verdict->class_ == CVM_CLASS_SIMULATED;

        if (bundle->simulated != simulated)
                return cvm_fail(err, simulated ? &CVM_CODE_CLASS_SIMULATED : &CVM_CODE_CLASS_HARDWARE,
                                EACCES, "the verdict is of class %s, the bundle calls itself %s",
                                cvm_class_texts[verdict->class_],
                                cvm_class_texts[bundle->simulated ? CVM_CLASS_SIMULATED
                                                                  : CVM_CLASS_HARDWARE]);
        if (!bundle->binding)
                return cvm_fail(err, &CVM_CODE_UNOWNED, EINVAL,
                                "the guest has no owner: it takes nothing from anybody");
        return 0;
}

int document_accepted(const char *path, EVP_PKEY *key, const struct bundle *bundle, struct verdict *ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r;

        if (!path)
                return cvm_fail(err, &CVM_CODE_VERDICT_MISSING, EACCES,
                                "--verdict is needed: nothing is released to a boot that was not accepted");
        r = document_text(path, CVM_ENVELOPE_MAX, &text, err);
        if (r >= 0)
                r = cvm_envelope_open(text, strlen(text), CVM_ENVELOPE_VERDICT, key, &payload, NULL, err);
        if (r >= 0)
                r = verdict_read(payload.data, payload.size, ret, err);
        if (r < 0)
                return cvm_while(err, r, "the verdict '%s'", path);
        if (ret->result != VERDICT_ACCEPTED)
                return cvm_fail(err, &CVM_CODE_VERDICT_MISSING, EACCES, "the verdict '%s' says: %s", path,
                                verdict_result_texts[ret->result]);
        r = check_about(ret, bundle, path, err);
        return r < 0 ? r : check_class(ret, bundle, err);
}
