/* cvmctl measure compare and measure explain: what was observed beside what a definition predicts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/documents.h"
#include "cli/fetch.h"
#include "cli/measured-boot.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/firmware-ovmf.h"

#define OTHERS_MAX 64
#define OBSERVED_MAX BUNDLE_MAX

#define EXPECTED_OPTIONS                                                                               \
        { "given", OPTION_TEXT, "DEFINITION", "what was to be launched (or its flags)" },              \
                        { "reference", OPTION_TEXT, "FILE",                                            \
                          "in its place: what `measure learn` or `measure predict` printed as JSON" }, \
        {                                                                                              \
                "event-log", OPTION_TEXT, "FILE", "the guest's own log, to see which event differs"    \
        }

static const struct option_row compare_options[] = {
        EXPECTED_OPTIONS,
        DEFINITION_OPTIONS,
        { 0 },
};

static const struct option_row explain_options[] = {
        EXPECTED_OPTIONS,
        { "other", OPTION_REPEAT, "FILE",
          "another firmware, kernel, initrd or image that may have been taken" },
        DEFINITION_OPTIONS,
        { 0 },
};

/* --- what was observed --- */

struct observed {
        uint8_t digest[64];
        size_t size;
        const char *source;            /* what it was found to be; static */
        struct evidence_claims claims; /* of a report: its registers */
        struct cvm_bytes header;       /* of an image; owned */
        struct cvm_bytes event_log;    /* of a bundle; owned */
};

static int from_report(const void *data, size_t size, enum cvm_platform_id platform, struct observed *ret,
                       struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(platform);
        struct bundle bundle = { .platform = platform, .report = { (uint8_t *)data, size } };
        struct evidence_claims *claims = &ret->claims;
        struct evidence *evidence = NULL;
        int r = ops ? ops->parse(&bundle, &evidence, err)
                    : cvm_fail(err, &CVM_CODE_EVIDENCE_PLATFORM, EOPNOTSUPP,
                               "reports of '%s' cannot be read here", cvm_platform_texts[platform]);

        if (r < 0)
                return r;
        ops->own(evidence, claims);
        ops->free(evidence);
        if (cvm_is_zero(claims->measurement, sizeof claims->measurement))
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "evidence of '%s' does not name the guest's image by itself: give the image",
                                cvm_platform_texts[platform]);
        memcpy(ret->digest, claims->measurement, sizeof claims->measurement);
        ret->size = sizeof claims->measurement;
        return 0;
}

static int read_header(const char *path, const struct platform *platform, struct cvm_bytes *ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                 strerror(errno))
                      : platform->read_header(fd, path, ret, err);
}

/* An image, which is known by its header. 0: it is none. */
static int from_image(const char *path, const struct platform *platform, struct observed *ret) {
        struct measurement m;

        if (!platform->read_header || read_header(path, platform, &ret->header, NULL) < 0)
                return 0;
        if (platform->measure(&(const struct measure_inputs){ .header = ret->header.data,
                                                              .header_size = ret->header.size },
                              &m, NULL) < 0)
                return 0;
        ret->source = "image";
        ret->size = m.size;
        memcpy(ret->digest, m.digest, sizeof ret->digest);
        return 1;
}

static int from_bundle(const char *text, size_t size, struct observed *ret, struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        int r = bundle_read(text, size, "bundle", &bundle, err);

        ret->source = "bundle (unchecked)";
        ret->event_log = cvm_bytes_take(&bundle.event_log);
        return r < 0 ? r
                     : from_report(bundle.report.data, bundle.report.size,
                                   (enum cvm_platform_id)bundle.platform, ret, err);
}

static int from_file(const char *path, const struct platform *platform, struct observed *ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r = from_image(path, platform, ret);

        if (r > 0)
                return 0;
        r = cvm_read_file(path, OBSERVED_MAX, &bytes, err);
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
                r = fetch_evidence(bus, path, nonce, NULL, &bundle, err);
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
        struct plan *plan; /* NULL: there is a reference instead */
        struct boot_files files;
        const struct platform *platform;
        uint8_t expected[64];
        size_t expected_size;
        struct boot_log events; /* that are expected, where the platform has registers */
        struct observed observed;
        struct boot_log log; /* of the guest */
        struct explain_file others[OTHERS_MAX];
        struct cvm_bytes bytes[OTHERS_MAX];
        size_t n_others;
};

static void job_done(struct job *job) {
        for (size_t i = 0; i < job->n_others; i++)
                cvm_bytes_done(&job->bytes[i]);
        for (size_t i = 0; i < job->n_others; i++)
                cvm_bytes_done(&job->others[i].header);
        cvm_bytes_done(&job->observed.header);
        cvm_bytes_done(&job->observed.event_log);
        boot_files_done(&job->files);
        boot_log_done(&job->events);
        boot_log_done(&job->log);
        plan_free(job->plan);
        definition_free(job->definition);
        free(job->text);
}

static int expect_definition(const struct arguments *arguments, struct job *job, struct cvm_error *err) {
        struct arguments given = *arguments;
        int r;

        given.n_words = argument(arguments, "given") ? 1 : 0;
        given.words[0] = argument(arguments, "given");
        r = definition_input(&given, &job->text, &job->definition, err);
        if (r >= 0)
                r = plan_predict(job->definition, &job->plan, err);
        if (r >= 0) {
                job->files.for_registers = job->plan->platform->registers;
                r = measured_files_read(job->plan, &job->files, err);
        }
        if (r >= 0)
                r = plan_measure(job->plan, &job->files.contents, err);
        if (r >= 0)
                r = plan_boot(job->plan, &job->files.contents, &job->events, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        job->platform = job->plan->platform;
        job->expected_size = job->plan->measurement.size;
        memcpy(job->expected, job->plan->measurement.digest, sizeof job->expected);
        return 0;
}

static int expect_reference(const char *file, struct job *job, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        const char *platform = "", *hex = "";
        struct cvm_json root;
        int r = document_text(file, BOOT_LOG_TEXT_MAX, &text, err);

        if (r >= 0)
                r = cvm_json_parse(text, strlen(text), file, &node, err);
        root = cvm_json_root(node, file);
        if (r >= 0)
                r = cvm_json_get_text(&root, "platform", &platform, err);
        if (r >= 0)
                r = cvm_json_get_text(&root, "measurement", &hex, err);
        if (r < 0)
                return r;
        job->platform = platform_by_name(platform);
        job->expected_size = strlen(hex) / 2;
        if (!job->platform || !job->expected_size || job->expected_size > sizeof job->expected ||
            cvm_unhex(hex, job->expected, job->expected_size) < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'%s' is no reference such as `measure learn -o json` prints", file);
        return job->platform->registers
                               ? boot_log_read_json(&root, job->platform->registers->list, &job->events, err)
                               : 0;
}

static int read_job(const struct arguments *arguments, struct job *job, struct cvm_error *err) {
        const char *reference = argument(arguments, "reference"), *log = argument(arguments, "event-log");
        int r = reference ? expect_reference(reference, job, err) : expect_definition(arguments, job, err);

        if (r >= 0)
                r = read_observed(arguments->words[0], job->platform, &job->observed, err);
        if (r >= 0 && job->observed.size != job->expected_size)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "a measurement of '%s' has %zu bytes, not %zu",
                             job->platform->name, job->expected_size, job->observed.size);
        if (r < 0)
                return r;
        if (log)
                return measured_boot_log_file(job->platform, log, &job->observed.claims, &job->log, err);
        if (job->observed.event_log.size)
                r = measured_boot_log(job->platform, &job->observed.event_log, &job->observed.claims,
                                      &job->log, err);
        return r < 0 ? cvm_while(err, r, "the bundle") : 0;
}

static void add_digests(json_object *node, const struct job *job) {
        char hex[2 * sizeof job->observed.digest + 1];

        cvm_hex(job->observed.digest, job->observed.size, hex);
        json_object_object_add(node, "observed", json_object_new_string(hex));
        json_object_object_add(node, "observed_from", json_object_new_string(job->observed.source));
        cvm_hex(job->expected, job->expected_size, hex);
        json_object_object_add(node, "predicted", json_object_new_string(hex));
}

/* What else was measured, where the evidence tells. */
static int add_registers(json_object *node, const struct job *job, bool *ret_equal, struct cvm_error *err) {
        *ret_equal = true;
        if (!job->platform->registers || !job->observed.claims.n_registers)
                return 0;
        return measured_boot_compare(job->platform, &job->events, &job->observed.claims,
                                     job->log.n_events ? &job->log : NULL, node, ret_equal, err);
}

static int run_compare(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(job_done) struct job job = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        int r = read_job(arguments, &job, err);
        bool equal, registers_equal = true;

        if (r < 0)
                return r;
        equal = memcmp(job.observed.digest, job.expected, job.observed.size) == 0;
        json_object_object_add(node, "result", json_object_new_string(equal ? "equal" : "different"));
        add_digests(node, &job);
        r = add_registers(node, &job, &registers_equal, err);
        if (r < 0)
                return r;
        if (!registers_equal)
                json_object_object_add(node, "result", json_object_new_string("different"));
        if (!equal)
                output_say("They differ; `cvmctl measure explain` looks for the reason.");
        output_object(node, "result");
        return equal && registers_equal ? 0 : cvm_code_exit_status(&CVM_CODE_MEASUREMENT);
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
        if (job->platform->read_header)
                (void)read_header(path, job->platform, &file->header, NULL);
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

static void tell(const struct explanation *e, bool has_registers) {
        if (!e->found)
                output_say("No known difference gives this digest: what was launched is not known.");
        else if (!e->n_differences)
                output_say(has_registers ? "The launch measurements are equal." : "They are equal.");
        for (size_t i = 0; i < e->n_differences; i++)
                output_say("%s: given %s, observed %s", e->differences[i].input, e->differences[i].given,
                           e->differences[i].observed);
}

/* A reference is one digest: nothing can be varied. */
static int explain(const struct arguments *arguments, struct job *job, struct explanation *ret,
                   struct cvm_error *err) {
        struct explain_request request = { .observed = job->observed.digest, .progress = show_progress };
        uint64_t told = 0;
        const char *path;
        int r = 0;

        if (!job->plan) {
                *ret = (struct explanation){
                        .found = memcmp(job->observed.digest, job->expected, job->observed.size) == 0,
                };
                return 0;
        }
        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, "other", i)); i++)
                r = add_other(job, path, err);
        if (r < 0)
                return r;
        request.observed_header = job->observed.header;
        request.others = job->others;
        request.n_others = job->n_others;
        request.ctx = &told;
        r = plan_explain(job->plan, &job->files.contents, &request, ret, err);
        output_progress_done();
        return r < 0 ? cvm_while(err, r, "explaining") : 0;
}

static int run_explain(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(job_done) struct job job = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct explanation explanation;
        bool registers_equal = true, explained;
        int r = read_job(arguments, &job, err);

        if (r >= 0)
                r = explain(arguments, &job, &explanation, err);
        if (r < 0)
                return r;
        node = explanation_json(&explanation);
        add_digests(node, &job);
        tell(&explanation, job.observed.claims.n_registers);
        r = add_registers(node, &job, &registers_equal, err);
        if (r < 0)
                return r;
        explained = explanation.found && (registers_equal || job.log.n_events);
        if (!registers_equal)
                json_object_object_add(node, "result",
                                       json_object_new_string(explained ? "explained" : "unknown"));
        output_object(node, "result");
        return explained ? 0 : cvm_code_exit_status(&CVM_CODE_UNEXPLAINED);
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
