/*
 * An answer is authentic where it is measured with the key that lies in the request: only the owner who made
 * that request and the ultravisor of a host it was made for know it. So there is no chain in the evidence.
 * What the key is worth, the documents of those hosts said when the request was made, and the owner kept it;
 * the bundle, which anybody may have written, is not asked. The bytes that name the image are hers too:
 * nothing but the answer of that image has the measurement.
 */
#include "attest/evidence-se.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/exchange-se.h"
#include "attest/flags-se.h"
#include "attest/list-se.h"

#define TWO_KEYS "two-host-keys"

struct evidence {
        struct se_exchange answer;
        struct se_additional additional;  /* points into the answer; only of what is authentic */
        const struct evidence_kept *kept; /* borrowed; NULL: nothing was kept */
};

static struct evidence *evidence_se_free(struct evidence *evidence) {
        se_exchange_done(&evidence->answer);
        free(evidence);
        return NULL;
}

static int parse(const struct bundle *bundle, struct evidence **ret, struct cvm_error *err) {
        struct evidence *evidence = calloc(1, sizeof *evidence);
        int r;

        if (!evidence)
                return -ENOMEM;
        r = se_exchange_read(bundle->report.data, bundle->report.size, &evidence->answer, err);
        if (r >= 0 && !evidence->answer.is_answer)
                r = cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                             "this is a request, and no guest has answered it");
        if (r < 0)
                evidence_se_free(evidence);
        else
                *ret = evidence;
        return r;
}

static void use_kept(struct evidence *evidence, const struct evidence_kept *kept) {
        evidence->kept = kept;
}

static bool has_host(const struct evidence_kept *kept, const uint8_t *hash) {
        for (size_t i = 0; i < kept->n_hosts; i++)
                if (memcmp(kept->hosts + i * CVM_SHA256_SIZE, hash, CVM_SHA256_SIZE) == 0)
                        return true;
        return false;
}

/* The ultravisor names the keys with which it opened image and request: both must be of the hosts that the
 * request was made for. */
static int check_hosts(const struct evidence *evidence, struct cvm_error *err) {
        const struct {
                const char *what;
                const uint8_t *hash;
        } keys[] = {
                { "image", evidence->additional.image_key },
                { "request", evidence->additional.request_key },
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].hash && !has_host(evidence->kept, keys[i].hash))
                        return cvm_fail(err, &CVM_CODE_HOST_ID, EBADMSG,
                                        "the host that opened the %s is none of those the request was made for",
                                        keys[i].what);
        return 0;
}

static int authenticate(struct evidence *evidence, uint64_t now_msec, struct evidence_origin *ret,
                        struct cvm_error *err) {
        const struct evidence_kept *kept = evidence->kept;
        const struct se_exchange *answer = &evidence->answer;
        uint8_t digest[CVM_SHA256_SIZE];
        uint64_t flags = 0;
        int r;

        if (!kept || !kept->image || kept->image_size != SE_BOOT_TAGS_SIZE)
                return cvm_fail(err, &CVM_CODE_REQUEST_KEPT, ENOKEY,
                                !kept ? "nothing was kept of the request that the evidence answers"
                                      : "which image must have answered is not known: its header was not given");
        cvm_sha256(answer->request.data, answer->request.size, digest);
        if (memcmp(digest, kept->request, sizeof digest) != 0)
                return cvm_fail(err, &CVM_CODE_NONCE, EBADMSG,
                                "the evidence answers another request than the one that was kept");
        r = se_exchange_verify(answer, kept->key, kept->image, &flags, err);
        if (r >= 0)
                r = se_additional_read(flags, answer->additional.data, answer->additional.size,
                                       &evidence->additional, err);
        if (r >= 0)
                r = check_hosts(evidence, err);
        if (r < 0)
                return r;
        *ret = (struct evidence_origin){ .class_ = kept->class_, .root_is_named = true };
        memcpy(ret->root, kept->root, sizeof ret->root);
        return 0;
}

/* All that could be looked at lay with the hosts' documents, before the request was made. */
static int check_collateral(struct evidence *evidence, uint64_t now_msec,
                            struct published ret[PUBLISHED_MAX], struct cvm_error *err) {
        memset(ret, 0, PUBLISHED_MAX * sizeof ret[0]);
        return cvm_fail(err, &CVM_CODE_CRL, ENODATA,
                        "revocation lists for this platform are checked when a request is made");
}

/* Host data there is none: what the guest says itself, through its agent, is in the user data. */
static void own(const struct evidence *evidence, struct evidence_claims *ret) {
        const struct cvm_bytes *said = &evidence->answer.user_data;

        if (said->size == sizeof ret->report_data)
                memcpy(ret->report_data, said->data, said->size);
}

/*
 * Kernel, initrd and command line lie in the image, and so does what would be called firmware: the loader
 * that starts them. Nothing of the host's runs in the guest. Debugging is not offered at all.
 */
static void claims(const struct evidence *evidence, struct evidence_claims *ret) {
        const struct se_additional *a = &evidence->additional;
        const struct evidence_kept *kept = evidence->kept;

        *ret = (struct evidence_claims){
                .covers = { .firmware = true, .kernel = true, .initrd = true, .cmdline = true },
                .host_masked = !a->image_key || !a->request_key,
                .product = "IBM Z",
                .has_secret_store = a->secrets,
        };
        own(evidence, ret);
        se_image_measurement(kept->image, ret->measurement);
        if (a->request_key)
                cvm_hex(a->request_key, CVM_SHA256_SIZE, ret->host_id);
        if (a->secrets)
                memcpy(ret->secret_store, a->secrets, sizeof ret->secret_store);
        if (!ret->host_masked && memcmp(a->image_key, a->request_key, CVM_SHA256_SIZE) != 0)
                ret->unusual[ret->n_unusual++] = TWO_KEYS;
        for (size_t i = 0; i < kept->n_flags && i < EVIDENCE_FLAGS_MAX; i++)
                ret->set[ret->n_set++] = kept->flags[i];
}

static int certificates(const void *table, size_t size, struct bundle *bundle, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                        "evidence of this platform has no certificates, and something came with it");
}

const struct evidence_ops evidence_se = {
        .platform = CVM_PLATFORM_SECURE_EXECUTION,
        .root_name = "Root of simulated host keys",
        .parse = parse,
        .free = evidence_se_free,
        .use_kept = use_kept,
        .authenticate = authenticate,
        .check_collateral = check_collateral,
        .own = own,
        .claims = claims,
        .flag_is_known = se_flag_is_known,
        .certificates = certificates,
        .store_lines = se_list_lines,
};
