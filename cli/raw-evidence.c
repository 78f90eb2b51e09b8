/*
 * Without a bundle nobody knows the nonce, the keyset and the binding that report_data stands for. So what
 * the report says of itself is judged, and what could not be asked is listed. A policy that demands an owner
 * cannot be met: that is "could not check", never accepted and never refused.
 */
#include "cli/raw-evidence.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "base/time.h"
#include "cli/documents.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/verify.h"

#define REPORT_MAX (64u << 10)
#define CERTIFICATES_MAX (256u << 10)

struct raw {
        struct bundle bundle;
        struct policy *policy; /* NULL: none was given */
        struct appraisal with;
        struct evidence_origin origin;
        struct evidence_claims claims;
        bool authentic; /* origin and claims are filled in */
        struct verdict verdict;
};

static void raw_done(struct raw *raw) {
        bundle_done(&raw->bundle);
        policy_free(raw->policy);
        verdict_done(&raw->verdict);
}

const char *raw_evidence_report(const struct arguments *arguments) {
        const char *report = argument(arguments, "report");

        return report ? report : argument(arguments, "quote");
}

int raw_evidence_platform(const struct arguments *arguments, int *ret, struct cvm_error *err) {
        const char *name = argument(arguments, "platform");

        for (int id = CVM_PLATFORM_NONE + 1; name && cvm_platform_texts[id]; id++)
                if (strcmp(cvm_platform_texts[id], name) == 0) {
                        *ret = id;
                        return 0;
                }
        return cvm_fail(err, name ? &CVM_CODE_PLATFORM : &CVM_CODE_USAGE, EINVAL,
                        name ? "'%s' is no platform" : "a raw report needs --platform%s", name ? name : "");
}

/* A report may come as a text of hex digits; one in bytes has others among them. */
static int unhex_report(struct cvm_bytes *report) {
        CVM_CLEANUP(cvm_freep) char *text = strndup((const char *)report->data, report->size);
        size_t length = text ? strcspn(text, " \t\r\n") : 0,
               at = text && strncmp(text, "0x", 2) == 0 ? 2 : 0;

        if (!text)
                return -ENOMEM;
        if (strlen(text) != report->size || strspn(text + length, " \t\r\n") != report->size - length)
                return 0;
        text[length] = 0;
        for (size_t i = at; i < length; i++)
                text[i] = (char)tolower((unsigned char)text[i]);
        length = (length - at) / 2;
        if (length && cvm_unhex(text + at, report->data, length) == 0)
                report->size = length;
        return 0;
}

int raw_evidence_read(const char *path, struct cvm_bytes *ret, struct cvm_error *err) {
        int r = cvm_read_file(path, REPORT_MAX, ret, err);

        return r < 0 ? r : unhex_report(ret);
}

/* A certificate begins with its SEQUENCE or in PEM; what does not is the platform's table. */
static int add_certificates(struct bundle *bundle, const char *path, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r = cvm_read_file(path, CERTIFICATES_MAX, &bytes, err);
        bool table;

        if (r < 0)
                return r;
        table = bytes.size && bytes.data[0] != 0x30 && !memmem(bytes.data, bytes.size, "-----BEGIN ", 11);
        return table ? evidence_add_table(bundle, bytes.data, bytes.size, err)
                     : evidence_add_certificate(bundle, bytes.data, bytes.size, err);
}

/* What a callee refuses as evidence is a reason; another failure is a failure. */
static int take_reason(struct raw *raw, int r, const struct cvm_error *why, struct cvm_error *err) {
        enum cvm_fault fault = cvm_error_code(why)->fault;

        if (r >= 0)
                return r;
        if (fault != CVM_FAULT_EVIDENCE_NO && fault != CVM_FAULT_EVIDENCE_UNKNOWN) {
                *err = *why;
                return r;
        }
        verdict_add(&raw->verdict, why->code, "%.250s", why->text);
        return 0;
}

static int read_inputs(const struct arguments *arguments, struct raw *raw, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *owner = NULL;
        const char *policy = argument(arguments, "policy"), *key = argument(arguments, "owner-key"), *certs;
        int r = raw_evidence_platform(arguments, &raw->bundle.platform, err);

        if (r >= 0)
                r = argument_time(arguments, "at", &raw->with.now_msec, err);
        if (r >= 0 && key)
                r = key_file_public(key, &owner, err);
        if (r >= 0 && policy)
                r = document_policy(policy, owner, &raw->policy, err);
        if (r >= 0)
                r = raw_evidence_read(raw_evidence_report(arguments), &raw->bundle.report, err);
        for (size_t i = 0; r >= 0 && (certs = argument_at(arguments, "certs", i)); i++) {
                struct cvm_error why = { 0 };

                r = take_reason(raw, add_certificates(&raw->bundle, certs, &why), &why, err);
        }
        if (r >= 0)
                r = verify_complete(arguments, raw->policy, &raw->bundle, &raw->with, err);
        raw->bundle.uuid = strdup("");
        raw->bundle.suite = CVM_SUITE;
        return r < 0 || raw->bundle.uuid ? r : -ENOMEM;
}

/* Without a policy; with one the appraisal asks the lists. */
static int check_lists(struct raw *raw, const struct evidence_ops *ops, struct evidence *evidence,
                       struct cvm_error *why) {
        struct published found[PUBLISHED_MAX] = { { 0 } };
        int r = ops->check_collateral(evidence, raw->with.now_msec, found, why);

        if (published_are_older(found, raw->with.seen, raw->with.now_msec))
                verdict_add(&raw->verdict, &CVM_CODE_CRL_OLDER,
                            "what the maker published is older than what was seen before");
        if (raw->origin.root_is_built_in)
                memcpy(raw->verdict.published, found, sizeof found);
        return r;
}

static int authenticate(struct raw *raw, struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(raw->bundle.platform);
        struct evidence *evidence = NULL;
        struct cvm_error why = { 0 };
        struct published found[PUBLISHED_MAX] = { { 0 } };
        int r;

        if (!ops) {
                verdict_add(&raw->verdict, &CVM_CODE_EVIDENCE_PLATFORM,
                            "evidence of platform '%s' cannot be checked here",
                            cvm_platform_texts[raw->bundle.platform]);
                return 0;
        }
        r = ops->parse(&raw->bundle, &evidence, &why);
        if (r >= 0)
                r = ops->authenticate(evidence, raw->with.now_msec, &raw->origin, &why);
        raw->authentic = r >= 0;
        if (raw->authentic && raw->bundle.n_revocations && raw->policy)
                ops->check_collateral(evidence, raw->with.now_msec, found, NULL); /* the appraisal tells */
        else if (raw->authentic && raw->bundle.n_revocations)
                r = check_lists(raw, ops, evidence, &why);
        if (raw->authentic)
                ops->claims(evidence, &raw->claims);
        raw->bundle.simulated = raw->origin.class_ == CVM_CLASS_SIMULATED; /* nobody claimed otherwise */
        if (evidence)
                ops->free(evidence);
        return take_reason(raw, r, &why, err);
}

/* Without a policy: hardware, under a root of its maker, asked for by a guest that its host cannot read. */
static void judge_alone(struct raw *raw) {
        raw->verdict.class_ = raw->origin.class_;
        if (raw->origin.class_ == CVM_CLASS_SIMULATED)
                verdict_add(&raw->verdict, &CVM_CODE_CLASS_SIMULATED,
                            "the evidence is simulated; only a policy of class simulated accepts it");
        else if (!raw->origin.root_is_built_in)
                verdict_add(&raw->verdict, &CVM_CODE_REPORT_ROOT,
                            "the certificates end in a root that is not one of the maker's");
        if (raw->claims.by_host)
                verdict_add(&raw->verdict, &CVM_CODE_REPORT_BY_HOST,
                            "the host asked for this report, not the guest");
        if (raw->claims.debug)
                verdict_add(&raw->verdict, &CVM_CODE_DEBUG, "the guest is in debug mode");
        policy_judge_platform(NULL, &raw->claims, raw->bundle.n_revocations, &raw->verdict);
}

static bool has_reason(const struct verdict *verdict, const struct cvm_code *code) {
        for (size_t i = 0; i < verdict->n_reasons; i++)
                if (verdict->reasons[i].code == code)
                        return true;
        return false;
}

void raw_evidence_take(const struct verdict *full, struct verdict *ret) {
        const struct cvm_code *unasked[] = { &CVM_CODE_REPORT_DATA, NULL, NULL, NULL, NULL };

        ret->class_ = full->class_;
        memcpy(ret->published, full->published, sizeof full->published);
        if (has_reason(full, &CVM_CODE_UNOWNED_EVIDENCE)) {
                verdict_add(ret, &CVM_CODE_RAW_REPORT,
                            "the policy demands an owner's binding, which a report alone does not bring");
                unasked[1] = &CVM_CODE_UNOWNED_EVIDENCE;
                unasked[2] = &CVM_CODE_HOST_DATA;
                unasked[3] = &CVM_CODE_COVERAGE;
                unasked[4] = &CVM_CODE_HOST_OWNER;
        }
        for (size_t i = 0; i < full->n_reasons; i++) {
                bool asked = true;

                for (size_t k = 0; k < ARRAY_SIZE(unasked); k++)
                        asked &= full->reasons[i].code != unasked[k];
                if (asked)
                        verdict_add(ret, full->reasons[i].code, "%s", full->reasons[i].text);
        }
}

static int judge(struct raw *raw, struct cvm_error *err) {
        CVM_CLEANUP(verdict_done) struct verdict full = { 0 };
        int r;

        if (raw->authentic && !raw->policy)
                judge_alone(raw);
        if (!raw->authentic || !raw->policy)
                return 0;
        r = policy_appraise(raw->policy, &raw->bundle, &raw->with, &full, err);
        if (r >= 0)
                raw_evidence_take(&full, &raw->verdict);
        return r;
}

static void add_hex(json_object *node, const char *key, const void *data, size_t size) {
        char hex[2 * CVM_REPORT_DATA_SIZE + 1];

        cvm_hex(data, size, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static json_object *tcbs_json(const struct evidence_claims *claims) {
        json_object *node = json_object_new_object();

        for (size_t i = 0; i < claims->n_tcbs; i++) {
                json_object *tcb = json_object_new_object();

                for (size_t k = 0; k < EVIDENCE_COMPONENTS_MAX; k++)
                        if (claims->components[k])
                                json_object_object_add(tcb, claims->components[k],
                                                       json_object_new_uint64(claims->tcbs[i].values[k]));
                json_object_object_add(node, claims->tcbs[i].name, tcb);
        }
        return node;
}

static json_object *texts_json(const char *const *texts, size_t n) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < n; i++)
                json_object_array_add(list, json_object_new_string(texts[i]));
        return list;
}

static json_object *status_json(const struct evidence_status *status) {
        json_object *node = status->text ? json_object_new_object() : NULL;
        char date[CVM_TIME_TEXT];

        if (!node)
                return NULL;
        cvm_time_format(status->date, date);
        json_object_object_add(node, "status", json_object_new_string(status->text));
        json_object_object_add(node, "date", json_object_new_string(date));
        json_object_object_add(node, "evaluation", json_object_new_uint64(status->evaluation));
        json_object_object_add(node, "advisories", json_object_new_string(status->advisories));
        json_object_object_add(node, "others", json_object_new_string(status->differs));
        return node;
}

/* What only some technologies have. */
static void add_more_claims(json_object *node, const struct evidence_claims *claims) {
        json_object *registers = claims->n_registers ? json_object_new_object() : NULL;

        for (size_t i = 0; i < claims->n_registers; i++)
                add_hex(registers, claims->registers[i].name, claims->registers[i].value,
                        sizeof claims->registers[i].value);
        if (registers)
                json_object_object_add(node, "registers", registers);
        if (claims->has_owner)
                add_hex(node, "owner", claims->owner, sizeof claims->owner);
        if (claims->status.is_judged) {
                json_object_object_add(node, "tcb_status", status_json(&claims->status));
                json_object_object_add(node, "unusual", texts_json(claims->unusual, claims->n_unusual));
        }
}

static json_object *claims_json(const struct evidence_claims *claims) {
        json_object *node = json_object_new_object();

        add_hex(node, "measurement", claims->measurement, sizeof claims->measurement);
        add_hex(node, "report_data", claims->report_data, sizeof claims->report_data);
        add_hex(node, "host_data", claims->host_data, claims->host_data_size);
        json_object_object_add(node, "product", json_object_new_string(claims->product));
        json_object_object_add(node, "host_id",
                               claims->host_masked ? NULL : json_object_new_string(claims->host_id));
        json_object_object_add(node, "by_host", json_object_new_boolean(claims->by_host));
        json_object_object_add(node, "level", json_object_new_uint64(claims->level));
        json_object_object_add(node, "debug", json_object_new_boolean(claims->debug));
        json_object_object_add(node, "migratable", json_object_new_boolean(claims->migratable));
        json_object_object_add(node, "guest_svn", json_object_new_uint64(claims->guest_svn));
        json_object_object_add(node, "tcb", tcbs_json(claims));
        json_object_object_add(node, "bits", texts_json(claims->set, claims->n_set));
        add_more_claims(node, claims);
        return node;
}

static json_object *not_judged_json(const struct raw *raw) {
        static const char *const always[] = { "nonce", "keyset", "binding", "root" };
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
                json_object_array_add(list, json_object_new_string(always[i]));
        if (!raw->bundle.n_revocations)
                json_object_array_add(list, json_object_new_string("revocation"));
        if (!raw->policy)
                json_object_array_add(list, json_object_new_string("policy"));
        return list;
}

static void tell(const struct raw *raw) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();

        json_object_object_add(node, "result",
                               json_object_new_string(verdict_result_texts[raw->verdict.result]));
        json_object_object_add(node, "reasons", verdict_reasons_write(&raw->verdict));
        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[raw->bundle.platform]));
        if (raw->authentic) {
                json_object_object_add(node, "class",
                                       json_object_new_string(cvm_class_texts[raw->origin.class_]));
                add_hex(node, "root_key", raw->origin.root, sizeof raw->origin.root);
                json_object_object_add(node, "root_built_in",
                                       json_object_new_boolean(raw->origin.root_is_built_in));
                json_object_object_add(node, "claims", claims_json(&raw->claims));
        }
        json_object_object_add(node, "not_judged", not_judged_json(raw));
        if (raw->authentic && raw->claims.debug)
                output_say("DEBUG: the host can read this guest's memory.");
        output_say("A report alone says nothing of freshness, boot key and owner: that takes a bundle.");
        output_object(node, "result");
}

int raw_evidence_verify(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(raw_done) struct raw raw = { 0 };
        int r = read_inputs(arguments, &raw, err);

        if (r >= 0)
                r = authenticate(&raw, err);
        if (r >= 0)
                r = judge(&raw, err);
        if (r >= 0)
                r = verify_remember(raw.policy, &raw.bundle, &raw.verdict, err);
        if (r < 0)
                return r;
        verify_say_reasons(&raw.verdict);
        tell(&raw);
        return verify_status(&raw.verdict);
}
