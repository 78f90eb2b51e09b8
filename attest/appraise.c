/*
 * The appraisal: what authenticated evidence says against what the owner wrote. Nothing the report says is
 * looked at before its chain and signature hold; after that every check runs, so that one verdict names all
 * reasons. A check adds a reason with its own code and never takes one back; whether a code refuses or only
 * could not check is fixed by its row in codes.def.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/policy-fields.h"
#include "base/time.h"

struct appraising {
        const struct policy *policy;
        const struct bundle *bundle;
        const struct appraisal *input;
        const struct evidence_ops *ops;
        struct evidence_origin origin;
        struct evidence_claims claims;
        const struct policy_measurement *measured; /* the entry that matches; NULL: none */
        struct binding binding;                    /* only if `owned`: the owner signed it */
        bool owned;
        struct cvm_bytes payload; /* of the binding; empty: there is none */
        struct published published[PUBLISHED_MAX];
        struct verdict *verdict;
};

#define ADD(a, NAME, ...) verdict_add((a)->verdict, &CVM_CODE_##NAME, __VA_ARGS__)

static bool root_is_accepted(const struct appraising *a) {
        const struct policy *p = a->policy;

        if (a->origin.class_ == CVM_CLASS_SIMULATED)
                return memcmp(a->origin.root, p->simulation_root, sizeof a->origin.root) == 0;
        if (a->origin.root_is_named)
                return p->has_maker_root &&
                       memcmp(a->origin.root, p->maker_root, sizeof a->origin.root) == 0;
        return a->origin.root_is_built_in;
}

static void check_origin(struct appraising *a) {
        bool simulated = a->origin.class_ == CVM_CLASS_SIMULATED;

        a->verdict->class_ = a->origin.class_;
        if (a->bundle->simulated != simulated)
                verdict_add(a->verdict, simulated ? &CVM_CODE_CLASS_SIMULATED : &CVM_CODE_CLASS_HARDWARE,
                            "the bundle calls itself %s, its certificates are of class %s",
                            cvm_class_texts[simulated ? CVM_CLASS_HARDWARE : CVM_CLASS_SIMULATED],
                            cvm_class_texts[a->origin.class_]);
        if (simulated && a->policy->class_ == CVM_CLASS_HARDWARE)
                ADD(a, CLASS_SIMULATED, "the evidence is simulated, the policy demands hardware");
        else if (!simulated && a->policy->class_ == CVM_CLASS_SIMULATED)
                ADD(a, CLASS_HARDWARE, "the evidence is of hardware, the policy is for simulated guests");
        else if (!root_is_accepted(a))
                ADD(a, REPORT_ROOT, "the certificates end in a root that is not %s",
                    simulated                 ? "the policy's simulation_root"
                    : a->origin.root_is_named ? "the policy's maker_root"
                                              : "one of the maker's");
        else
                memcpy(a->verdict->published, a->published, sizeof a->published);
}

/* A report that answers a request has no measurement in its bytes: what of the verdict is carried on must
 * say it. */
static void name_image(struct appraising *a) {
        a->verdict->has_image = a->ops->use_kept;
        if (a->verdict->has_image)
                memcpy(a->verdict->image, a->claims.measurement, sizeof a->verdict->image);
}

static void check_nonce(struct appraising *a) {
        if (!cvm_equal(a->bundle->nonce, CVM_NONCE_SIZE, a->input->nonce, CVM_NONCE_SIZE))
                ADD(a, NONCE, "the evidence answers another nonce than the one that was sent");
}

/* Recomputed from the nonce that was *sent* and the class that the chain proves, never from what the bundle
 * claims of either. */
static void check_report_data(struct appraising *a) {
        struct cvm_evidence_inputs in = {
                .platform = cvm_platform_byte(a->bundle->platform, a->origin.class_ == CVM_CLASS_SIMULATED),
                .suite = CVM_SUITE,
                .generation = a->bundle->generation,
        };
        uint8_t expected[CVM_REPORT_DATA_SIZE], migration[CVM_REPORT_DATA_SIZE];

        memcpy(in.nonce, a->input->nonce, sizeof in.nonce);
        memcpy(in.keyset, a->verdict->keyset, sizeof in.keyset);
        memcpy(in.binding, a->verdict->binding, sizeof in.binding);
        cvm_report_data(&in, expected);
        cvm_report_data_migration(&in, migration);
        if (cvm_equal(migration, sizeof migration, a->claims.report_data, sizeof a->claims.report_data))
                ADD(a, REPORT_DOMAIN, "the report was made for a migration, not as a guest's evidence");
        else if (a->bundle->suite != CVM_SUITE ||
                 !cvm_equal(expected, sizeof expected, a->claims.report_data, sizeof a->claims.report_data))
                ADD(a, REPORT_DATA,
                    "the report does not vouch for this nonce, keyset, binding and generation");
}

/* The host gave it at launch, once; with an owner it must be the digest of the very binding in the bundle.
 */
static void check_host_data(struct appraising *a) {
        const struct evidence_claims *c = &a->claims;
        uint8_t expected[CVM_SHA384_SIZE] = { 0 };

        if (a->payload.data && c->host_data_size == CVM_SHA256_SIZE)
                cvm_sha256(a->payload.data, a->payload.size, expected);
        else if (a->payload.data)
                cvm_sha384(a->payload.data, a->payload.size, expected);
        if (!cvm_equal(expected, c->host_data_size, c->host_data, c->host_data_size))
                ADD(a, HOST_DATA,
                    a->payload.data ? "the guest was started with another binding"
                                    : "the guest was started with a binding that is not in the "
                                      "bundle");
}

/* Where the technology has a field for it, the host named the owner at launch. */
static void check_host_owner(struct appraising *a) {
        static const uint8_t none[CVM_SHA384_SIZE];
        const uint8_t *expected = a->bundle->binding ? a->binding.owner_id : none;

        if (a->claims.has_owner && (a->owned || !a->bundle->binding) &&
            !cvm_equal(expected, sizeof none, a->claims.owner, sizeof a->claims.owner))
                ADD(a, HOST_OWNER, "the guest was started for another owner than %s",
                    a->bundle->binding ? "the one that signed its binding" : "none");
}

static const struct evidence_register *find_register(const struct evidence_claims *claims,
                                                     const char *name) {
        for (size_t i = 0; i < claims->n_registers; i++)
                if (strcmp(claims->registers[i].name, name) == 0)
                        return &claims->registers[i];
        return NULL;
}

/* The first register that is not as this measurement demands; NULL: all are. */
static const char *find_other(const struct evidence_claims *claims, const struct policy_measurement *m) {
        for (size_t i = 0; i < m->n_registers; i++) {
                const struct evidence_register *r = find_register(claims, m->registers[i].name);

                if (!r || !cvm_equal(m->registers[i].value, CVM_SHA384_SIZE, r->value, CVM_SHA384_SIZE))
                        return m->registers[i].name;
        }
        return NULL;
}

/* One entry as a whole: what another entry accepts does not mix with it. */
static void check_measurement(struct appraising *a) {
        char text[2 * CVM_SHA384_SIZE + 1];
        const char *other = NULL;

        for (size_t i = 0; i < a->policy->n_measurements; i++) {
                const struct policy_measurement *m = &a->policy->measurements[i];

                if (!cvm_equal(m->digest, CVM_SHA384_SIZE, a->claims.measurement, CVM_SHA384_SIZE))
                        continue;
                other = find_other(&a->claims, m);
                if (!other) {
                        a->measured = m;
                        return;
                }
        }
        cvm_hex(a->claims.measurement, CVM_SHA384_SIZE, text);
        if (other)
                ADD(a, MEASUREMENT, "the measurement is one of the policy's, but '%s' is another", other);
        else
                ADD(a, MEASUREMENT, "the measurement is %s, which the policy does not list", text);
}

static void tell_unverified(struct appraising *a) {
        for (size_t i = 0; a->measured && i < a->measured->n_registers; i++)
                if (a->measured->registers[i].is_unverified)
                        ADD(a, POLICY_OPEN,
                            "'%s' is learnt, not verified: nobody checked what the host wrote into it",
                            a->measured->registers[i].name);
}

static void check_modes(struct appraising *a) {
        if (a->claims.by_host)
                ADD(a, REPORT_BY_HOST, "the host asked for this report, not the guest");
        else if (a->claims.level != 0)
                ADD(a, VMPL, "the report comes from privilege level %u, not 0", a->claims.level);
        if (a->claims.debug && !a->policy->debug)
                ADD(a, DEBUG, "the guest is in debug mode");
        else if (a->claims.debug)
                ADD(a, POLICY_OPEN,
                    "the guest is in debug mode, which the policy accepts: its host can read its memory");
        if (a->claims.migratable)
                ADD(a, MIGRATABLE, "a migration agent is or may be associated with the guest");
        if (a->claims.guest_svn < a->policy->min_guest_svn)
                ADD(a, GUEST_SVN, "the guest's SVN is %u, the policy demands %u", a->claims.guest_svn,
                    a->policy->min_guest_svn);
}

static bool flag_is_set(const struct evidence_claims *claims, const char *name) {
        for (size_t i = 0; i < claims->n_set; i++)
                if (strcmp(claims->set[i], name) == 0)
                        return true;
        return false;
}

/* A name that the platform does not have is refused, or a slip in writing would open what it meant to close.
 */
static void check_flags(struct appraising *a, char *const *names, bool wanted) {
        for (size_t i = 0; names && names[i]; i++)
                if (!a->ops->flag_is_known(names[i]))
                        ADD(a, POLICY_BITS, "the platform has no bit '%.60s'", names[i]);
                else if (flag_is_set(&a->claims, names[i]) != wanted)
                        ADD(a, POLICY_BITS, "'%.60s' is %s", names[i], wanted ? "off" : "on");
}

static void check_bits(struct appraising *a) {
        check_flags(a, a->policy->bits.set, true);
        check_flags(a, a->policy->bits.clear, false);
}

static void check_component(struct appraising *a, const struct policy_minimum *m) {
        size_t i = 0;

        while (i < EVIDENCE_COMPONENTS_MAX &&
               (!a->claims.components[i] || strcmp(a->claims.components[i], m->component) != 0))
                i++;
        if (i == EVIDENCE_COMPONENTS_MAX) {
                ADD(a, TCB, "%.40s has no component '%.60s'", m->product, m->component);
                return;
        }
        for (size_t k = 0; k < a->claims.n_tcbs; k++)
                if (a->claims.tcbs[k].values[i] < m->value)
                        ADD(a, TCB, "the %s TCB has %s %u, the policy demands %u", a->claims.tcbs[k].name,
                            m->component, a->claims.tcbs[k].values[i], m->value);
}

static void check_tcb(struct appraising *a) {
        const struct policy_tcb *tcb = &a->policy->min_tcb;
        bool found = tcb->any;

        for (size_t i = 0; i < tcb->n_minimums; i++)
                if (strcmp(tcb->minimums[i].product, a->claims.product) == 0) {
                        found = true;
                        check_component(a, &tcb->minimums[i]);
                }
        if (!found)
                ADD(a, TCB, "the policy has no minimum for %s", a->claims.product);
}

/* An id may be written with or without the zeros that fill its field. */
static bool same_host(const char *wanted, const char *id) {
        size_t n = strlen(wanted), m = strlen(id), common = n < m ? n : m;

        return strncmp(wanted, id, common) == 0 &&
               strspn((n < m ? id : wanted) + common, "0") == (n < m ? m : n) - common;
}

static void check_host(struct appraising *a) {
        if (a->policy->hosts.any)
                return;
        if (a->claims.host_masked) {
                ADD(a, HOST_MASKED,
                    "the host hides its id, so it cannot be compared with the policy's hosts");
                return;
        }
        for (size_t i = 0; a->policy->hosts.ids && a->policy->hosts.ids[i]; i++)
                if (same_host(a->policy->hosts.ids[i], a->claims.host_id))
                        return;
        ADD(a, HOST_ID, "the host %s is none of the policy's", a->claims.host_id);
}

static bool gap_is_named(const struct policy *policy, const char *part) {
        for (size_t i = 0; policy->gaps && policy->gaps[i]; i++)
                if (strcmp(policy->gaps[i], part) == 0)
                        return true;
        return false;
}

/* What the measurement and those registers reach that the policy demands with it. Where no entry of the
 * policy matches, that alone is the reason. */
static struct verdict_covers measured_parts(const struct appraising *a) {
        struct verdict_covers parts = a->claims.covers;

        for (size_t i = 0; i < a->claims.n_registers; i++) {
                const struct evidence_register *r = &a->claims.registers[i];
                bool demanded = !a->measured;

                for (size_t k = 0; a->measured && k < a->measured->n_registers; k++)
                        demanded |= strcmp(a->measured->registers[k].name, r->name) == 0;
                if (!demanded)
                        continue;
                parts.kernel |= r->covers.kernel;
                parts.initrd |= r->covers.initrd;
                parts.cmdline |= r->covers.cmdline;
                parts.acpi |= r->covers.acpi;
        }
        return parts;
}

/*
 * The policy says what its measurements cover; the binding says how the root is protected. The agent that
 * enforces the binding lies in the initrd: where it is not measured, the binding's word on the root is
 * nobody's.
 */
static void check_coverage(struct appraising *a) {
        const struct verdict_covers measured = measured_parts(a);
        static const int by_root[] = {
                [CVM_ROOT_NONE] = CVM_COVERED_NONE,
                [CVM_ROOT_LUKS] = CVM_COVERED_OWNER_KEYED,
                [CVM_ROOT_VERITY] = CVM_COVERED_VERITY,
        };
        struct verdict_covers covers = {
                .firmware = a->policy->covers.firmware && measured.firmware,
                .kernel = a->policy->covers.kernel && measured.kernel,
                .initrd = a->policy->covers.initrd && measured.initrd,
                .cmdline = a->policy->covers.cmdline && measured.cmdline,
                .acpi = a->policy->covers.acpi && measured.acpi,
        };
        const struct {
                const char *name;
                bool covered;
        } parts[] = { { "firmware", covers.firmware },
                      { "kernel", covers.kernel },
                      { "initrd", covers.initrd },
                      { "cmdline", covers.cmdline } };
        bool agent = covers.firmware && covers.kernel && covers.initrd && covers.cmdline;

        covers.root = agent && a->owned ? by_root[a->binding.root] : CVM_COVERED_NONE;
        a->verdict->covers = covers;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (!parts[i].covered && !gap_is_named(a->policy, parts[i].name))
                        ADD(a, COVERAGE, "%s is not measured, and the policy does not name that gap",
                            parts[i].name);
        if (covers.root != a->policy->covers.root && (a->owned || !a->bundle->binding))
                ADD(a, COVERAGE, "the root is covered as '%s', the policy demands '%s'",
                    cvm_covered_root_texts[covers.root], cvm_covered_root_texts[a->policy->covers.root]);
}

static void check_collateral(struct appraising *a) {
        uint64_t since = published_since(a->published), age = (a->input->now_msec - since) / 1000;

        if (!a->policy->has_collateral_max_age)
                return;
        if (since && age > a->policy->collateral_max_age)
                ADD(a, CRL_STALE, "what the maker published is %llu s old, the policy demands at most %u",
                    (unsigned long long)age, a->policy->collateral_max_age);
        else if (!a->bundle->n_revocations)
                ADD(a, COLLATERAL_MISSING,
                    "the policy demands revocation lists of at most %u s, and there are none",
                    a->policy->collateral_max_age);
}

static bool allows(const struct policy *policy, const char *name) {
        for (size_t i = 0; policy && policy->bits.allow && policy->bits.allow[i]; i++)
                if (strcmp(policy->bits.allow[i], name) == 0)
                        return true;
        return false;
}

/* NULL: the policy does not name that status. */
static const struct policy_status *find_status(const struct policy *policy, const char *text) {
        for (size_t i = 0; policy && i < policy->n_statuses; i++)
                if (strcmp(policy->statuses[i].name, text) == 0)
                        return &policy->statuses[i];
        return NULL;
}

static void judge_status(const struct policy *policy, const struct evidence_status *status,
                         struct verdict *verdict) {
        const struct policy_status *found = find_status(policy, status->text);
        bool accepted = found || (status->is_current && !(policy && policy->n_statuses));
        const char *advised = *status->advisories ? "; advisories: " : "";
        char date[CVM_TIME_TEXT], wanted[CVM_TIME_TEXT];

        cvm_time_format(status->date, date);
        cvm_time_format(found ? found->min_date : 0, wanted);
        if (status->never || !accepted)
                verdict_add(verdict, &CVM_CODE_TCB_STATUS, "the maker says '%s' of the platform's TCB%s%s",
                            status->text, advised, status->advisories);
        else if (found && status->date < found->min_date)
                verdict_add(verdict, &CVM_CODE_TCB_STATUS,
                            "the platform's TCB ('%s') is of %s, the policy demands %s or later",
                            status->text, date, wanted);
        else if (!status->is_current)
                verdict_add(verdict, &CVM_CODE_POLICY_OPEN,
                            "the maker says '%s' of the platform's TCB, which the policy accepts%s%s",
                            status->text, advised, status->advisories);
        if (policy && status->evaluation < policy->min_tcb_evaluation)
                verdict_add(verdict, &CVM_CODE_TCB_STATUS,
                            "the maker's judgement has number %u, the policy demands %u", status->evaluation,
                            policy->min_tcb_evaluation);
        if (*status->differs)
                verdict_add(verdict, &CVM_CODE_VERIFIERS_DIFFER, "%s", status->differs);
}

void policy_judge_platform(const struct policy *policy, const struct evidence_claims *claims,
                           bool has_collateral, struct verdict *verdict) {
        const struct evidence_status *status = &claims->status;

        for (size_t i = 0; i < claims->n_unusual; i++)
                verdict_add(verdict,
                            allows(policy, claims->unusual[i]) ? &CVM_CODE_POLICY_OPEN
                                                               : &CVM_CODE_POLICY_BITS,
                            "the guest has '%s'%s", claims->unusual[i],
                            allows(policy, claims->unusual[i]) ? ", which the policy allows" : "");
        if (status->text)
                judge_status(policy, status, verdict);
        else if (status->is_judged &&
                 !has_collateral) /* otherwise it is said already what is wrong with it */
                verdict_add(verdict, &CVM_CODE_COLLATERAL_MISSING,
                            "without what the maker publishes nobody knows what the platform's TCB is worth");
}

/* What the platform itself keeps for the guest, where the verifier knows what that must be. */
static void check_secret_store(struct appraising *a) {
        if (a->input->secret_store && !a->claims.has_secret_store)
                ADD(a, SECRET_STORE, "the evidence does not say which secrets the platform keeps");
        else if (a->input->secret_store && !cvm_equal(a->input->secret_store, sizeof a->claims.secret_store,
                                                      a->claims.secret_store, sizeof a->claims.secret_store))
                ADD(a, SECRET_STORE, "the platform keeps other secrets than those that were added");
}

static void check_platform(struct appraising *a) {
        policy_judge_platform(a->policy, &a->claims, a->bundle->n_revocations, a->verdict);
}

static void (*const checks[])(struct appraising *) = {
        check_origin,    name_image,       check_nonce,       check_report_data,
        check_host_data, check_host_owner, check_measurement, tell_unverified,
        check_modes,     check_bits,       check_tcb,         check_host,
        check_coverage,  check_collateral, check_platform,    check_secret_store,
};

/* binding: whose it is, and whether the policy accepts it */

static void compare_field(struct appraising *a, const char *field, bool any, bool same) {
        if (any)
                ADD(a, POLICY_OPEN, "the policy accepts any %s in the binding", field);
        else if (!same)
                ADD(a, BINDING, "the binding has another %s than the policy accepts", field);
}

static void check_constraints(struct appraising *a) {
        const struct policy_binding *p = &a->policy->binding;
        const struct binding *b = &a->binding;

        compare_field(a, "uuid", p->any_uuid, p->uuid && strcmp(p->uuid, b->uuid) == 0);
        compare_field(a, "root", p->any_root,
                      p->root == b->root && p->has_root_digest == b->has_root_digest &&
                                      memcmp(p->root_digest, b->root_digest, sizeof b->root_digest) == 0);
        compare_field(a, "service_id", p->any_service,
                      p->has_service == b->has_service &&
                                      memcmp(p->service_id, b->service_id, sizeof b->service_id) == 0);
        compare_field(a, "approval", p->any_approval, p->approval == b->approval);
        if (p->any_serial)
                ADD(a, POLICY_OPEN, "the policy accepts any serial of the binding, old ones too");
        else if (b->serial < p->min_serial)
                ADD(a, BINDING, "the binding has serial %llu, the policy demands %llu",
                    (unsigned long long)b->serial, (unsigned long long)p->min_serial);
}

/* A digest needs no signature to be another one: this is refused even where the rest cannot be checked. */
static void check_pin(struct appraising *a) {
        const struct policy_binding *p = &a->policy->binding;

        if (p->pinned && !cvm_equal(p->digest, sizeof p->digest, a->verdict->binding, sizeof p->digest))
                ADD(a, BINDING, "the binding is not the one that the policy pins");
}

static void check_binding(struct appraising *a) {
        if (!a->policy->binding.pinned)
                check_constraints(a);
        if (a->binding.platform != a->bundle->platform || a->binding.class_ != a->policy->class_)
                ADD(a, BINDING, "the binding is for platform %s and class %s",
                    cvm_platform_texts[a->binding.platform], cvm_class_texts[a->binding.class_]);
        if (strcmp(a->binding.uuid, a->bundle->uuid) != 0)
                ADD(a, BINDING, "the binding is for %s, the bundle for %s", a->binding.uuid,
                    a->bundle->uuid);
}

/* Words of a callee become a reason, unless the machine failed: then there is no verdict at all. */
static int reason_of(struct appraising *a, int r, const struct cvm_code *instead, struct cvm_error *err,
                     const struct cvm_error *found) {
        enum cvm_fault fault = cvm_error_code(found)->fault;

        if (r == -ENOMEM ||
            (fault != CVM_FAULT_EVIDENCE_NO && fault != CVM_FAULT_EVIDENCE_UNKNOWN && !instead)) {
                if (found->code && err)
                        *err = *found;
                return r;
        }
        verdict_add(a->verdict,
                    fault == CVM_FAULT_EVIDENCE_NO || fault == CVM_FAULT_EVIDENCE_UNKNOWN ? found->code
                                                                                          : instead,
                    "%.250s", found->text);
        return 0;
}

/*
 * The payload enters the formulas whoever signed it; the fields count only when the owner did. So evidence
 * without an owner key at hand is "could not check", and a foreign binding is refused for that alone.
 */
static int open_binding(struct appraising *a, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes opened = { 0 };
        const char *envelope = a->bundle->binding;
        struct cvm_error found = { 0 };
        int r = cvm_envelope_peek(envelope, strlen(envelope), CVM_ENVELOPE_BINDING, &a->payload, &found);

        if (r >= 0) {
                cvm_sha384(a->payload.data, a->payload.size, a->verdict->binding);
                check_pin(a);
        }
        if (r >= 0 && !a->input->owner_spki) {
                ADD(a, OWNER_UNKNOWN, "no owner key was given, so nobody checked who signed the binding");
                return 0;
        }
        if (r >= 0)
                r = binding_open(envelope, strlen(envelope), a->input->owner_spki, &a->binding, &opened,
                                 &found);
        if (r < 0)
                return reason_of(a, r, &CVM_CODE_BINDING, err, &found);
        a->owned = true;
        check_binding(a);
        return 0;
}

static int take_binding(struct appraising *a, struct cvm_error *err) {
        cvm_sha384("", 0, a->verdict->binding);
        if (a->bundle->binding && a->policy->unowned)
                ADD(a, BINDING, "the guest has an owner, the policy is for one without");
        if (!a->bundle->binding && !a->policy->unowned)
                ADD(a, UNOWNED_EVIDENCE, "the guest has no binding, the policy demands one");
        if (!a->bundle->binding && a->policy->unowned)
                ADD(a, POLICY_OPEN, "the guest has no owner: it takes no secrets");
        return a->bundle->binding && !a->policy->unowned ? open_binding(a, err) : 0;
}

/* Lists that were given are always heeded, also where the policy asks for none. */
static int take_revocations(struct appraising *a, struct evidence *evidence, struct cvm_error *err) {
        const uint64_t now = a->input->now_msec;
        struct cvm_error found = { 0 };
        int r;

        if (!a->bundle->n_revocations)
                return 0;
        r = a->ops->check_collateral(evidence, now, a->published, &found);
        if (published_are_older(a->published, a->input->seen, now))
                ADD(a, CRL_OLDER, "what the maker published is older than what was seen before");
        return r < 0 ? reason_of(a, r, NULL, err, &found) : 0;
}

/* It proves nothing, and nothing depends on it; but one that is there must be that of this boot. */
static int take_log(struct appraising *a, const struct evidence *evidence, struct cvm_error *err) {
        struct cvm_error found = { 0 };
        int r;

        if (!a->bundle->event_log.size)
                return 0;
        r = a->ops->check_log ? a->ops->check_log(evidence, &found)
                              : cvm_fail(&found, &CVM_CODE_EVENT_LOG, EBADMSG,
                                         "an event log came with evidence that has no registers");
        return r < 0 ? reason_of(a, r, NULL, err, &found) : 0;
}

static int take_evidence(struct appraising *a, struct cvm_error *err) {
        struct cvm_error found = { 0 };
        struct evidence *evidence = NULL;
        int r = a->ops->parse(a->bundle, &evidence, &found);

        if (r >= 0 && a->input->chains && a->ops->use_chains)
                a->ops->use_chains(evidence, a->input->chains);
        if (r >= 0 && a->ops->use_kept)
                a->ops->use_kept(evidence, a->input->kept);
        if (r >= 0)
                r = a->ops->authenticate(evidence, a->input->now_msec, &a->origin, &found);
        if (r >= 0) {
                r = take_revocations(a, evidence, err);
                if (r >= 0)
                        r = take_log(a, evidence, err);
                a->ops->claims(evidence, &a->claims);
        }
        if (evidence)
                a->ops->free(evidence);
        if (r >= 0)
                return 1;
        return reason_of(a, r, NULL, err, &found);
}

static int appraise(struct appraising *a, struct cvm_error *err) {
        int r;

        a->ops = evidence_ops_find(a->bundle->platform);
        if (a->bundle->platform >= CVM_PLATFORM_MAX_ || !a->policy->platforms[a->bundle->platform])
                ADD(a, POLICY_PLATFORM, "the policy does not accept platform '%s'",
                    cvm_platform_texts[a->bundle->platform]);
        if (!a->ops) {
                ADD(a, EVIDENCE_PLATFORM, "evidence of platform '%s' cannot be checked here",
                    cvm_platform_texts[a->bundle->platform]);
                return 0;
        }
        r = take_binding(a, err);
        if (r >= 0)
                r = take_evidence(a, err);
        for (size_t i = 0; r > 0 && i < ARRAY_SIZE(checks); i++)
                checks[i](a);
        return r;
}

int policy_appraise(const struct policy *policy, const struct bundle *bundle,
                    const struct appraisal *appraisal, struct verdict *ret, struct cvm_error *err) {
        CVM_CLEANUP(verdict_done)
        struct verdict verdict = {
                .class_ = policy->class_,
                .generation = bundle->generation,
                .time = appraisal->now_msec,
        };
        struct appraising a = {
                .policy = policy, .bundle = bundle, .input = appraisal, .verdict = &verdict
        };
        int r;

        memcpy(verdict.nonce, appraisal->nonce, sizeof verdict.nonce);
        memcpy(verdict.policy, policy->digest, sizeof verdict.policy);
        cvm_keyset_digest(&bundle->keyset, verdict.keyset);
        bundle_evidence_digest(bundle, verdict.evidence);
        verdict.uuid = strdup(bundle->uuid);
        r = verdict.uuid ? appraise(&a, err) : -ENOMEM;
        binding_done(&a.binding);
        cvm_bytes_done(&a.payload);
        if (r < 0)
                return cvm_while(err, r, "appraising evidence");
        *ret = verdict;
        verdict = (struct verdict){ 0 };
        return 0;
}
