/*
 * cvmctl measure learn: a guest that is trusted as it runs now becomes the reference for others. Its log
 * gives its quote's registers, and the quote is genuine: so the events are what its firmware and kernel
 * measured. What its host had written into it, nobody verified: such events are learnt as they are, and
 * marked.
 */
#include <errno.h>
#include <string.h>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/measured-boot.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "cli/raw-evidence.h"

static const struct option_row options[] = {
        { "quote", OPTION_TEXT, "FILE", "the guest's quote: an authentic one" },
        { "event-log", OPTION_TEXT, "FILE", "the guest's own log of the same boot" },
        { "at", OPTION_TEXT, "TIME", "verify as of this time (now)" },
        DEFINITION_OPTIONS,
        { 0 },
};

struct learning {
        const struct platform *platform;
        struct evidence_origin origin;
        struct evidence_claims claims;
        struct boot_log log;
        struct plan *plan; /* owned; what is known of the guest */
        struct definition *definition;
        char *text;
};

static void learning_done(struct learning *l) {
        boot_log_done(&l->log);
        plan_free(l->plan);
        definition_free(l->definition);
        cvm_freep(&l->text);
}

/* Only what the platform's maker, or a simulation root, vouches for is learnt. */
static int read_quote(const struct arguments *arguments, struct learning *l, struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(l->platform->id);
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = l->platform->id };
        struct evidence *evidence = NULL;
        uint64_t now = cvm_time_now();
        int r = argument_time(arguments, "at", &now, err);

        if (r >= 0)
                r = raw_evidence_read(argument(arguments, "quote"), &bundle.report, err);
        if (r >= 0)
                r = ops->parse(&bundle, &evidence, err);
        if (r >= 0)
                r = ops->authenticate(evidence, now, &l->origin, err);
        if (r >= 0)
                ops->claims(evidence, &l->claims);
        if (evidence)
                ops->free(evidence);
        if (r >= 0 && l->origin.class_ == CVM_CLASS_HARDWARE && !l->origin.root_is_built_in)
                r = cvm_fail(err, &CVM_CODE_REPORT_ROOT, EBADMSG,
                             "the certificates end in a root that is not the maker's");
        return r < 0 ? cvm_while(err, r, "the quote") : 0;
}

/* What the definition's files say too is known, not only learnt. */
static int mark_computed(struct learning *l, struct cvm_error *err) {
        CVM_CLEANUP(boot_files_done) struct boot_files files = { .for_registers = true };
        CVM_CLEANUP(boot_log_done) struct boot_log predicted = { 0 };
        int r = measured_files_read(l->plan, &files, err);

        if (r >= 0)
                r = plan_measure(l->plan, &files.contents, err);
        if (r >= 0)
                r = plan_boot(l->plan, &files.contents, &predicted, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        if (!cvm_equal(l->plan->measurement.digest, l->plan->measurement.size, l->claims.measurement,
                       sizeof l->claims.measurement))
                return cvm_fail(err, &CVM_CODE_MEASUREMENT, EBADMSG,
                                "the guest was started from another firmware than the definition's");
        boot_log_mark_computed(&l->log, &predicted);
        return 0;
}

static int read_all(const struct arguments *arguments, struct learning *l, struct cvm_error *err) {
        int r = definition_input(arguments, &l->text, &l->definition, err);

        if (r >= 0)
                r = plan_predict(l->definition, &l->plan, err);
        if (r < 0)
                return r;
        l->platform = l->plan->platform;
        if (!l->platform->registers || !evidence_ops_find(l->platform->id))
                return cvm_fail(err, &CVM_CODE_PLATFORM, EOPNOTSUPP,
                                "guests of '%s' have no event log to learn from: name another --platform",
                                l->platform->name);
        r = read_quote(arguments, l, err);
        if (r >= 0)
                r = measured_boot_log_file(l->platform, argument(arguments, "event-log"), &l->claims,
                                           &l->log, err);
        return r < 0 || !l->definition->firmware ? r : mark_computed(l, err);
}

static json_object *learnt_json(const struct learning *l) {
        json_object *node = json_object_new_object(), *covers = json_object_new_object();
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(l->claims.measurement, sizeof l->claims.measurement, hex);
        json_object_object_add(node, "platform", json_object_new_string(l->platform->name));
        json_object_object_add(node, "measurement", json_object_new_string(hex));
        json_object_object_add(node, "simulated",
                               json_object_new_boolean(l->origin.class_ == CVM_CLASS_SIMULATED));
        json_object_object_add(covers, "firmware", json_object_new_boolean(l->claims.covers.firmware));
        json_object_object_add(covers, "kernel", json_object_new_boolean(false));
        json_object_object_add(covers, "initrd", json_object_new_boolean(false));
        json_object_object_add(covers, "cmdline", json_object_new_boolean(false));
        json_object_object_add(covers, "acpi", json_object_new_boolean(false));
        json_object_object_add(node, "covers", covers);
        json_object_object_add(node, "debug", json_object_new_boolean(l->claims.debug));
        boot_log_add_json(&l->log, l->platform->registers->list, l->platform->registers->word, node);
        return node;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(learning_done) struct learning l = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r;

        if (!argument(arguments, "quote") || !argument(arguments, "event-log"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--quote and --event-log are needed");
        r = read_all(arguments, &l, err);
        if (r < 0)
                return r;
        output_say("The quote is genuine; what its platform's TCB is worth, `cvmctl evidence verify` says.");
        if (l.origin.class_ == CVM_CLASS_SIMULATED)
                output_say("SIMULATED: anybody can make such a quote.");
        if (l.claims.debug)
                output_say("DEBUG: the host can read and change the memory of this guest.");
        for (unsigned i = 0; l.platform->registers->list[i].name; i++)
                if (boot_log_is_unverified(&l.log, i))
                        output_say("'%s' is learnt, not verified: nobody checked what the host wrote into it.",
                                   l.platform->registers->list[i].name);
        node = learnt_json(&l);
        output_object(node, "measurement");
        return 0;
}

const struct command command_measure_learn = {
        .group = "measure",
        .name = "learn",
        .words = "[DEFINITION]",
        .words_max = 1,
        .summary = "take what a genuine guest measured, by its own log, as reference for others",
        .options = options,
        .run = run,
};
