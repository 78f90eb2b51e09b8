/*
 * A quote is believed in this order: its form, the chain of certificates in it, the quoting enclave's report
 * by the PCK certificate, the attestation key by that report, the quote by that key. What the platform and
 * the quoting enclave are worth, Intel's documents say afterwards; without them nothing is accepted.
 *
 * The report of a TD alone (what the module gives to the guest) is looked at too: it can be seen to be
 * malformed, never to be genuine.
 */
#include "attest/evidence-tdx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/collateral-tdx.h"
#include "attest/event-log-tdx.h"
#include "attest/x509.h"

#define ATTRIBUTE(bit) (1ull << (bit))
#define ATTRIBUTE_DEBUG ATTRIBUTE(0)
#define ATTRIBUTES_UNTRUSTED \
        0xfeull /* with debug the byte "TD under debug": any bit lets the host look in */
#define ATTRIBUTE_SEPT_VE_DISABLE ATTRIBUTE(28)
#define ATTRIBUTE_MIGRATABLE ATTRIBUTE(29)

/* A chain that held when it was verified, and what Intel published of its platform, once that held too;
 * shared by evidence and a cache. */
struct verified {
        unsigned refs;
        struct tdx_chain chain;
        uint64_t from_msec, until_msec; /* when its certificates are valid */
        struct tdx_platform platform;
        uint8_t root[CVM_SHA256_SIZE];
        EVP_PKEY *key;            /* of the last quote; NULL: there was none */
        uint8_t point[P256_SIZE]; /* the same */
        struct cvm_bytes *items;  /* of which the collateral was read; NULL: of none yet */
        size_t n_items;
        struct tdx_collateral collateral;
};

struct evidence {
        const struct bundle *bundle; /* borrowed */
        bool is_tdreport;
        struct tdx_quote quote; /* points into the bundle's report; of a TD report only the body is there */
        struct chain_cache *chains; /* borrowed; NULL: none */
        struct verified *verified;  /* owned reference; once authenticated */
        bool is_evaluated;
        enum tdx_status status;
        uint64_t date;
        uint32_t evaluation;
        char advisories[sizeof((struct evidence_status *)NULL)->advisories];
        char differs[sizeof((struct evidence_status *)NULL)->differs];
};

/* Bits of ATTRIBUTES by the names that policies use. */
static const struct {
        const char *name;
        uint8_t bit;
} flags[] = {
        { "debug", 0 },
        { "hgs-plus-prof", 4 },
        { "perf-prof", 5 },
        { "pmt-prof", 6 },
        { "icssd", 16 },
        { "lass", 27 },
        { "sept-ve-disable", 28 },
        { "migratable", 29 },
        { "pks", 30 },
        { "key-locker", 31 },
        { "tpa", 62 },
        { "perfmon", 63 },
};

static const char *const components[] = { "module", "module-major", "seam-loader", "pce",
                                          "quoting-enclave" };

static void drop_collateral(struct verified *v) {
        for (size_t i = 0; i < v->n_items; i++)
                cvm_bytes_done(&v->items[i]);
        free(v->items);
        tdx_collateral_done(&v->collateral);
        v->items = NULL;
        v->n_items = 0;
}

static void verified_unref(void *p) {
        struct verified *v = p;

        if (!v || --v->refs > 0)
                return;
        drop_collateral(v);
        tdx_chain_done(&v->chain);
        EVP_PKEY_free(v->key);
        free(v);
}

static struct evidence *evidence_tdx_free(struct evidence *evidence) {
        verified_unref(evidence->verified);
        free(evidence);
        return NULL;
}

static int parse(const struct bundle *bundle, struct evidence **ret, struct cvm_error *err) {
        const struct cvm_bytes *report = &bundle->report;
        struct evidence *evidence = calloc(1, sizeof *evidence);
        int r;

        if (!evidence)
                return -ENOMEM;
        evidence->bundle = bundle;
        evidence->is_tdreport = report->size == TDX_TDREPORT_SIZE;
        r = evidence->is_tdreport ? tdx_tdreport_read(report->data, report->size, &evidence->quote.body, err)
                                  : tdx_quote_read(report->data, report->size, &evidence->quote, err);
        if (r < 0)
                evidence_tdx_free(evidence);
        else
                *ret = evidence;
        return r;
}

/* The enclave's report says which key signs its quotes. */
static int check_attestation_key(const struct tdx_quote *quote, struct cvm_error *err) {
        uint8_t hashed[P256_SIZE + UINT16_MAX], expected[64] = { 0 };

        memcpy(hashed, quote->attestation_key, P256_SIZE);
        memcpy(hashed + P256_SIZE, quote->auth, quote->auth_size);
        cvm_sha256(hashed, P256_SIZE + quote->auth_size, expected);
        return memcmp(expected, quote->qe.report_data, sizeof expected) == 0
                               ? 0
                               : cvm_fail(err, &CVM_CODE_REPORT_SIGNATURE, EBADMSG,
                                          "the quoting enclave does not vouch for the key of the quote");
}

static int refuse_signature(int r, const char *whose, struct cvm_error *err) {
        return r == -EBADMSG ? cvm_fail(err, &CVM_CODE_REPORT_SIGNATURE, EBADMSG,
                                        "the signature of the %s does not verify", whose)
                             : r;
}

/* Borrowed. An enclave signs many quotes by one key, and to read it takes a third as long as to use it. */
static int attestation_key(struct verified *v, const uint8_t point[P256_SIZE], EVP_PKEY **ret,
                           struct cvm_error *err) {
        EVP_PKEY *key = NULL;
        int r;

        if (!v->key || memcmp(v->point, point, sizeof v->point) != 0) {
                r = p256_key(point, &key);
                if (r == -EINVAL)
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                        "the quote's key is not on P-256");
                if (r < 0)
                        return r;
                EVP_PKEY_free(v->key);
                v->key = key;
                memcpy(v->point, point, sizeof v->point);
        }
        *ret = v->key;
        return 0;
}

static int check_signatures(const struct evidence *evidence, struct cvm_error *err) {
        const struct tdx_quote *quote = &evidence->quote;
        EVP_PKEY *key = NULL;
        int r = p256_verify(X509_get0_pubkey(evidence->verified->chain.links[0].x509), quote->qe_signature,
                            quote->qe_report, TDX_QE_REPORT_SIZE);

        if (r < 0)
                return refuse_signature(r, "quoting enclave's report", err);
        r = check_attestation_key(quote, err);
        if (r < 0)
                return r;
        r = attestation_key(evidence->verified, quote->attestation_key, &key, err);
        if (r < 0)
                return r;
        r = p256_verify(key, quote->signature, quote->signed_bytes, quote->signed_size);
        return refuse_signature(r, "quote", err);
}

/* OpenSSL would read them anew each time it compares them; one that cannot be read held never. */
static void read_dates(struct verified *v) {
        v->until_msec = UINT64_MAX;
        for (size_t i = 0; i < v->chain.n; i++) {
                uint64_t from = UINT64_MAX, until = 0;

                x509_read_time(X509_get0_notBefore(v->chain.links[i].x509), &from);
                x509_read_time(X509_get0_notAfter(v->chain.links[i].x509), &until);
                if (from > v->from_msec)
                        v->from_msec = from;
                if (until < v->until_msec)
                        v->until_msec = until;
        }
}

static int verify_chain(const struct tdx_quote *quote, uint64_t now_msec, struct verified **ret,
                        struct cvm_error *err) {
        struct verified *v = calloc(1, sizeof *v);
        int r;

        if (!v)
                return -ENOMEM;
        v->refs = 1;
        r = tdx_chain_read(quote->chain, quote->chain_size, &v->chain, err);
        if (r >= 0)
                r = tdx_chain_verify(&v->chain, now_msec, v->root, err);
        if (r >= 0)
                r = tdx_platform_of(&v->chain.links[0], &v->platform, err);
        read_dates(v);
        if (r < 0)
                verified_unref(v);
        else
                *ret = v;
        return r;
}

static int take_chain(struct evidence *evidence, uint64_t now_msec, struct cvm_error *err) {
        const struct tdx_quote *quote = &evidence->quote;
        struct verified *kept = NULL;
        uint8_t digest[CVM_SHA256_SIZE];
        int r;

        if (evidence->chains) {
                cvm_sha256(quote->chain, quote->chain_size, digest);
                kept = chain_cache_find(evidence->chains, digest, verified_unref);
        }
        if (kept && now_msec >= kept->from_msec && now_msec < kept->until_msec) {
                kept->refs++;
                evidence->verified = kept;
                return 0;
        }
        r = verify_chain(quote, now_msec, &evidence->verified, err);
        if (r >= 0 && evidence->chains) {
                evidence->verified->refs++;
                chain_cache_keep(evidence->chains, digest, evidence->verified, verified_unref);
        }
        return r;
}

static void use_chains(struct evidence *evidence, struct chain_cache *chains) {
        evidence->chains = chains;
}

static int authenticate(struct evidence *evidence, uint64_t now_msec, struct evidence_origin *ret,
                        struct cvm_error *err) {
        const struct verified *v;
        int r;

        if (evidence->is_tdreport)
                return cvm_fail(err, &CVM_CODE_CHAIN_MISSING, ENODATA,
                                "this is a TD report, which only its own processor can check: a quote is needed");
        r = take_chain(evidence, now_msec, err);
        if (r >= 0)
                r = check_signatures(evidence, err);
        if (r < 0)
                return r;
        v = evidence->verified;
        ret->class_ = v->chain.links[0].simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        memcpy(ret->root, v->root, sizeof ret->root);
        ret->root_is_built_in = memcmp(v->root, tdx_root, sizeof tdx_root) == 0;
        return 0;
}

/* Two public verifiers read the same documents in other ways than Intel's library. */
static void tell_difference(const struct tdx_evaluation *e, char *ret, size_t size) {
        int n = 0;

        if (e->all_components != e->status)
                n = snprintf(ret, size, "dcap-qvl, which compares all TDX components, would say '%s'",
                             tdx_status_texts[e->all_components]);
        if (e->module_alone != e->status)
                snprintf(ret + n, size - (size_t)n,
                         "%sgo-tdx-guest, which takes the module's status alone, would say '%s'",
                         n ? "; " : "", tdx_status_texts[e->module_alone]);
}

static void keep_evaluation(struct evidence *evidence, const struct tdx_collateral *collateral,
                            const struct tdx_level *qe) {
        struct tdx_evaluation e;

        tdx_evaluate(&collateral->info, &evidence->verified->platform, &evidence->quote.body, qe, &e);
        evidence->is_evaluated = true;
        evidence->status = e.status;
        evidence->date = e.level ? tdx_evaluation_date(&e) : 0;
        evidence->evaluation = collateral->info.document.evaluation;
        if (e.level)
                tdx_evaluation_advisories(&e, evidence->advisories, sizeof evidence->advisories);
        tell_difference(&e, evidence->differs, sizeof evidence->differs);
}

/* The very bytes that held before, at a time when they would again. */
static bool collateral_holds(const struct verified *v, const struct bundle *bundle, uint64_t now_msec) {
        if (!v->items || v->n_items != bundle->n_revocations || now_msec < v->collateral.from_msec ||
            now_msec >= v->collateral.until_msec)
                return false;
        for (size_t i = 0; i < v->n_items; i++)
                if (v->items[i].size != bundle->revocations[i].size ||
                    memcmp(v->items[i].data, bundle->revocations[i].data, v->items[i].size) != 0)
                        return false;
        return true;
}

static int keep_items(struct verified *v, const struct bundle *bundle) {
        int r = 0;

        v->items = calloc(bundle->n_revocations, sizeof *v->items);
        if (!v->items)
                return -ENOMEM;
        for (; r >= 0 && v->n_items < bundle->n_revocations; v->n_items++) {
                const struct cvm_bytes *item = &bundle->revocations[v->n_items];

                r = cvm_bytes_copy(item->data, item->size, &v->items[v->n_items]);
        }
        return r;
}

static int take_collateral(const struct evidence *evidence, uint64_t now_msec, struct cvm_error *err) {
        const struct bundle *bundle = evidence->bundle;
        struct verified *v = evidence->verified;
        int r;

        if (collateral_holds(v, bundle, now_msec))
                return 0;
        drop_collateral(v);
        r = tdx_collateral_read(bundle->revocations, bundle->n_revocations, &v->chain, &v->platform,
                                now_msec, &v->collateral, err);
        if (r >= 0 && evidence->chains)
                r = keep_items(v, bundle);
        if (r < 0)
                drop_collateral(v);
        return r;
}

static int check_collateral(struct evidence *evidence, uint64_t now_msec,
                            struct published ret[PUBLISHED_MAX], struct cvm_error *err) {
        const struct tdx_collateral *collateral = &evidence->verified->collateral;
        const struct tdx_level *qe = NULL;
        int r = take_collateral(evidence, now_msec, err);

        if (r < 0)
                return r;
        memcpy(ret, collateral->published, sizeof collateral->published);
        r = tdx_qe_check(&collateral->qe, &evidence->quote.qe, &qe, err);
        if (r >= 0)
                keep_evaluation(evidence, collateral, qe);
        return r;
}

/* MRTD is the firmware; what it starts, it measures into the registers. The last one is the guest's own. */
static const struct {
        const char *name;
        struct verdict_covers covers;
} registers[TDX_REGISTERS] = {
        { "rtmr0", { .acpi = true } },
        { "rtmr1", { .kernel = true } },
        { "rtmr2", { .initrd = true, .cmdline = true } },
        { "rtmr3", { .firmware = false } },
};

static int check_log(const struct evidence *evidence, struct cvm_error *err) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        const struct cvm_bytes *bytes = &evidence->bundle->event_log;
        uint8_t replayed[TDX_REGISTERS][CVM_SHA384_SIZE];
        int r = tdx_event_log_read(bytes->data, bytes->size, &log, err);

        if (r < 0)
                return r;
        tdx_event_log_replay(&log, replayed);
        for (size_t i = 0; i < TDX_REGISTERS; i++)
                if (memcmp(replayed[i], evidence->quote.body.rtmr[i], CVM_SHA384_SIZE) != 0)
                        return cvm_fail(err, &CVM_CODE_EVENT_LOG, EBADMSG,
                                        "the event log does not give '%s' of the evidence",
                                        registers[i].name);
        return 0;
}

/* claims */

static void claim_registers(const struct tdx_body *body, struct evidence_claims *ret) {
        for (ret->n_registers = 0; ret->n_registers < TDX_REGISTERS; ret->n_registers++) {
                struct evidence_register *r = &ret->registers[ret->n_registers];

                r->name = registers[ret->n_registers].name;
                r->covers = registers[ret->n_registers].covers;
                memcpy(r->value, body->rtmr[ret->n_registers], sizeof r->value);
        }
}

static void own(const struct evidence *evidence, struct evidence_claims *ret) {
        const struct tdx_body *body = &evidence->quote.body;

        memcpy(ret->measurement, body->mr_td, sizeof ret->measurement);
        ret->host_data_size = sizeof body->mr_config_id;
        memcpy(ret->host_data, body->mr_config_id, sizeof body->mr_config_id);
        memcpy(ret->report_data, body->report_data, sizeof ret->report_data);
        claim_registers(body, ret);
}

static void claim_attributes(const struct tdx_body *body, struct evidence_claims *ret) {
        uint64_t known = ATTRIBUTES_UNTRUSTED;
        struct {
                bool is;
                const char *name;
        } unusual[] = {
                { body->attributes & ATTRIBUTES_UNTRUSTED, "untrusted-attributes" },
                { !(body->attributes & ATTRIBUTE_SEPT_VE_DISABLE), "no-sept-ve-disable" },
                { false, "unknown-attributes" },
                { !cvm_is_zero(body->mr_service_td, sizeof body->mr_service_td), "service-td" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
                known |= ATTRIBUTE(flags[i].bit);
                if (body->attributes & ATTRIBUTE(flags[i].bit))
                        ret->set[ret->n_set++] = flags[i].name;
        }
        unusual[2].is = body->attributes & ~known;
        for (size_t i = 0; i < ARRAY_SIZE(unusual); i++)
                if (unusual[i].is)
                        ret->unusual[ret->n_unusual++] = unusual[i].name;
}

static void claim_tcb(const struct evidence *evidence, struct evidence_claims *ret) {
        const uint8_t *svn = evidence->quote.body.tee_tcb_svn;

        memcpy(ret->components, components, sizeof components);
        ret->tcbs[0] = (struct evidence_tcb){ "quote",
                                              { svn[0], svn[1], svn[2], evidence->verified->platform.pce_svn,
                                                evidence->quote.qe.isv_svn } };
        ret->n_tcbs = 1;
}

static void claim_status(const struct evidence *evidence, struct evidence_status *ret) {
        *ret = (struct evidence_status){ .is_judged = true };
        if (!evidence->is_evaluated)
                return;
        ret->text = tdx_status_texts[evidence->status];
        ret->is_current = evidence->status == TDX_UP_TO_DATE;
        ret->never = evidence->status == TDX_REVOKED || evidence->status == TDX_NOT_SUPPORTED ||
                     evidence->status == TDX_MODULE_MISMATCH;
        ret->date = evidence->date;
        ret->evaluation = evidence->evaluation;
        memcpy(ret->advisories, evidence->advisories, sizeof ret->advisories);
        memcpy(ret->differs, evidence->differs, sizeof ret->differs);
}

/* The platform's instance id is one for all its packages; a platform without has one package, and that an
 * id.
 */
static void claims(const struct evidence *evidence, struct evidence_claims *ret) {
        const struct tdx_body *body = &evidence->quote.body;
        const struct tdx_platform *platform = &evidence->verified->platform;
        const uint8_t *id = platform->has_instance ? platform->instance : platform->ppid;

        *ret = (struct evidence_claims){
                .covers = { .firmware = true },
                .has_owner = true,
                .debug = body->attributes & ATTRIBUTE_DEBUG,
                .migratable = body->attributes & ATTRIBUTE_MIGRATABLE,
                .host_masked = cvm_is_zero(id, sizeof platform->ppid),
                .product = "TDX",
        };
        own(evidence, ret);
        memcpy(ret->owner, body->mr_owner, sizeof ret->owner);
        cvm_hex(id, sizeof platform->ppid, ret->host_id);
        claim_attributes(body, ret);
        claim_tcb(evidence, ret);
        claim_status(evidence, &ret->status);
}

static bool flag_is_known(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (strcmp(name, flags[i].name) == 0)
                        return true;
        return false;
}

/* The chain lies in the quote; what comes with it is collateral, all together in one JSON object. */
static int certificates(const void *table, size_t size, struct bundle *bundle, struct cvm_error *err) {
        if (*(const char *)table == '{')
                return evidence_add_revocation(bundle, table, size, err);
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                        "a quote carries its certificates, and something else came with it");
}

const struct evidence_ops evidence_tdx = {
        .platform = CVM_PLATFORM_TDX,
        .root_name = "Intel SGX Root CA",
        .parse = parse,
        .free = evidence_tdx_free,
        .use_chains = use_chains,
        .authenticate = authenticate,
        .check_collateral = check_collateral,
        .check_log = check_log,
        .own = own,
        .claims = claims,
        .flag_is_known = flag_is_known,
        .certificates = certificates,
};
