/* cvmctl measure compare and measure explain: what was observed beside what a definition predicts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/documents.h"
#include "cli/fetch.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/firmware-ovmf.h"

#define OTHERS_MAX 64
#define OBSERVED_MAX BUNDLE_MAX

static const struct option_row compare_options[] = {
        { "given", OPTION_TEXT, "DEFINITION", "what was to be launched (or its flags)" },
        DEFINITION_OPTIONS,
        { 0 },
};

static const struct option_row explain_options[] = {
        { "given", OPTION_TEXT, "DEFINITION", "what was to be launched (or its flags)" },
        { "other", OPTION_REPEAT, "FILE", "another firmware, kernel or initrd that may have been taken" },
        DEFINITION_OPTIONS,
        { 0 },
};

/* --- what was observed --- */

struct observed {
        uint8_t digest[64];
        size_t size;
        const char *source; /* what it was found to be; static */
};

static int from_report(const void *data, size_t size, enum cvm_platform_id platform, struct observed *ret,
                       struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(platform);
        struct bundle bundle = { .platform = platform, .report = { (uint8_t *)data, size } };
        struct evidence_claims claims = { 0 };
        struct evidence *evidence = NULL;
        int r = ops ? ops->parse(&bundle, &evidence, err)
                    : cvm_fail(err, &CVM_CODE_EVIDENCE_PLATFORM, EOPNOTSUPP,
                               "reports of '%s' cannot be read here", cvm_platform_texts[platform]);

        if (r < 0)
                return r;
        ops->own(evidence, &claims);
        ops->free(evidence);
        memcpy(ret->digest, claims.measurement, sizeof claims.measurement);
        ret->size = sizeof claims.measurement;
        return 0;
}

static int from_bundle(const char *text, size_t size, struct observed *ret, struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        int r = bundle_read(text, size, "bundle", &bundle, err);

        ret->source = "bundle (unchecked)";
        return r < 0 ? r
                     : from_report(bundle.report.data, bundle.report.size,
                                   (enum cvm_platform_id)bundle.platform, ret, err);
}

static int from_file(const char *path, const struct platform *platform, struct observed *ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r = cvm_read_file(path, OBSERVED_MAX, &bytes, err);

        if (r < 0)
                return r;
        if (bytes.size && (bytes.data[0] == '{' || bytes.data[0] == ' ' || bytes.data[0] == '\n'))
                return from_bundle((char *)bytes.data, bytes.size, ret, err);
        ret->source = "block of the owner";
        if (platform->read_launch_block(bytes.data, bytes.size, ret->digest, &ret->size, NULL) >= 0)
                return 0;
        ret->source = "report (unchecked)";
        return from_report(bytes.data, bytes.size, platform->id, ret, err);
}

/* A running guest is asked: the host itself cannot know what was measured. */
static int from_vm(const char *name, struct observed *ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL, *bundle = NULL;
        uint8_t nonce[CVM_NONCE_SIZE];
        int r = fetch_open_vm(name, &bus, &path, err);

        cvm_random(nonce, sizeof nonce);
        if (r >= 0)
                r = fetch_evidence(bus, path, nonce, &bundle, err);
        if (r >= 0)
                r = from_bundle(bundle, strlen(bundle), ret, err);
        ret->source = "guest's evidence (unchecked)";
        return r;
}

static bool is_hex(const char *text) {
        size_t n = strspn(text, "0123456789abcdefABCDEF");

        return text[n] == 0 && (n == 64 || n == 96 || n == 128);
}

static int from_hex(const char *text, struct observed *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *lower = strdup(text);

        if (!lower)
                return -ENOMEM;
        for (char *p = lower; *p; p++)
                *p |= *p >= 'A' && *p <= 'F' ? 0x20 : 0;
        ret->source = "digest";
        ret->size = strlen(lower) / 2;
        return cvm_unhex(lower, ret->digest, ret->size) < 0
                               ? cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%s' is no digest", text)
                               : 0;
}

static int read_observed(const char *word, const struct platform *platform, struct observed *ret,
                         struct cvm_error *err) {
        int r = is_hex(word)                                        ? from_hex(word, ret, err)
                : strcmp(word, "-") == 0 || access(word, F_OK) == 0 ? from_file(word, platform, ret, err)
                                                                    : from_vm(word, ret, err);

        return r < 0 ? cvm_while(err, r, "observed") : 0;
}

/* --- both verbs --- */

struct job {
        struct definition *definition;
        char *text;
        struct plan *plan;
        struct boot_files files;
        struct observed observed;
        struct explain_file others[OTHERS_MAX];
        struct cvm_bytes bytes[OTHERS_MAX];
        size_t n_others;
};

static void job_done(struct job *job) {
        for (size_t i = 0; i < job->n_others; i++)
                cvm_bytes_done(&job->bytes[i]);
        boot_files_done(&job->files);
        plan_free(job->plan);
        definition_free(job->definition);
        free(job->text);
}

static int read_job(const struct arguments *arguments, struct job *job, struct cvm_error *err) {
        struct arguments given = *arguments;
        int r;

        given.n_words = argument(arguments, "given") ? 1 : 0;
        given.words[0] = argument(arguments, "given");
        r = definition_input(&given, &job->text, &job->definition, err);
        if (r >= 0)
                r = plan_predict(job->definition, &job->plan, err);
        if (r >= 0)
                r = measured_files_read(job->plan, &job->files, err);
        if (r >= 0)
                r = plan_measure(job->plan, &job->files.contents, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        r = read_observed(arguments->words[0], job->plan->platform, &job->observed, err);
        if (r >= 0 && job->observed.size != job->plan->measurement.size)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "a measurement of '%s' has %zu bytes, not %zu",
                             job->plan->platform->name, job->plan->measurement.size, job->observed.size);
        return r;
}

static void add_digests(json_object *node, const struct job *job) {
        char hex[2 * sizeof job->observed.digest + 1];

        cvm_hex(job->observed.digest, job->observed.size, hex);
        json_object_object_add(node, "observed", json_object_new_string(hex));
        json_object_object_add(node, "observed_from", json_object_new_string(job->observed.source));
        cvm_hex(job->plan->measurement.digest, job->plan->measurement.size, hex);
        json_object_object_add(node, "predicted", json_object_new_string(hex));
}

static int run_compare(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(job_done) struct job job = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        int r = read_job(arguments, &job, err);
        bool equal;

        if (r < 0)
                return r;
        equal = memcmp(job.observed.digest, job.plan->measurement.digest, job.observed.size) == 0;
        json_object_object_add(node, "result", json_object_new_string(equal ? "equal" : "different"));
        add_digests(node, &job);
        if (!equal)
                output_say("They differ; `cvmctl measure explain` looks for the reason.");
        output_object(node, "result");
        return equal ? 0 : cvm_code_exit_status(&CVM_CODE_MEASUREMENT);
}

/* --- explain --- */

/* One that is too large for a firmware can still be a kernel or an initrd. */
static int add_other(struct job *job, const char *path, struct cvm_error *err) {
        struct explain_file *file = &job->others[job->n_others];
        struct cvm_bytes *bytes = &job->bytes[job->n_others];
        int r;

        if (job->n_others == OTHERS_MAX)
                return cvm_fail(err, &CVM_CODE_USAGE, E2BIG, "at most %d other files are tried", OTHERS_MAX);
        r = measured_file_digest(path, file->sha256, err);
        if (r < 0)
                return r;
        file->name = path;
        if (cvm_read_file(path, OVMF_SIZE_MAX, bytes, NULL) >= 0) {
                file->bytes = bytes->data;
                file->size = bytes->size;
        }
        job->n_others++;
        return 0;
}

/* On a terminal, now and then; the search is silent elsewhere. */
static void show_progress(void *ctx, uint64_t digests) {
        uint64_t *told = ctx;

        if (digests - *told < 200000)
                return;
        *told = digests;
        output_progress("%llu digests tried", (unsigned long long)digests);
}

static void tell(const struct explanation *e) {
        if (!e->found)
                output_say("No known difference gives this digest: what was launched is not known.");
        else if (!e->n_differences)
                output_say("They are equal.");
        for (size_t i = 0; i < e->n_differences; i++)
                output_say("%s: given %s, observed %s", e->differences[i].input, e->differences[i].given,
                           e->differences[i].observed);
}

static int run_explain(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(job_done) struct job job = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct explanation explanation;
        uint64_t told = 0;
        const char *path;
        int r = read_job(arguments, &job, err);

        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, "other", i)); i++)
                r = add_other(&job, path, err);
        if (r < 0)
                return r;
        struct explain_request request = { .observed = job.observed.digest,
                                           .others = job.others,
                                           .n_others = job.n_others,
                                           .progress = show_progress,
                                           .ctx = &told };
        r = plan_explain(job.plan, &job.files.contents, &request, &explanation, err);
        output_progress_done();
        if (r < 0)
                return cvm_while(err, r, "explaining");
        node = explanation_json(&explanation);
        add_digests(node, &job);
        tell(&explanation);
        output_object(node, "result");
        return explanation.found ? 0 : cvm_code_exit_status(&CVM_CODE_UNEXPLAINED);
}

const struct command command_measure_compare = {
        .group = "measure",
        .name = "compare",
        .words = "OBSERVED",
        .words_min = 1,
        .words_max = 1,
        .summary = "is a digest, report, bundle, ID block or VM what a definition predicts? exit 0 or 5",
        .options = compare_options,
        .run = run_compare,
};

const struct command command_measure_explain = {
        .group = "measure",
        .name = "explain",
        .words = "OBSERVED",
        .words_min = 1,
        .words_max = 1,
        .summary = "why an observed measurement is not the predicted one; exit 6 where that is not found",
        .options = explain_options,
        .run = run_explain,
};
