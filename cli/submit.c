#include "cli/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "attest/envelope.h"
#include "base/fd.h"
#include "cli/binding.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/prediction.h"

void submission_done(struct submission *s) {
        free(s->text);
        free(s->binding);
        definition_free(s->definition);
        *s = (struct submission){ 0 };
}

static int read_binding(const char *file, struct submission *s, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        int r = cvm_read_file(file, CVM_ENVELOPE_MAX, &text, err);

        if (r < 0)
                return r;
        s->binding = strdup((char *)text.data);
        return s->binding ? 0 : -ENOMEM;
}

/* The uuid that the binding names must stand in what the daemon gets. */
static int write_uuid(struct submission *s, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = cvm_json_parse(s->text, strlen(s->text), "definition", &node, err);

        if (r < 0)
                return r;
        json_object_object_add(node, "uuid", json_object_new_string(s->definition->uuid));
        free(s->text);
        s->text = cvm_json_text(node);
        return s->text ? 0 : -ENOMEM;
}

/* One person is owner and operator: said once, and signed here. A public key alone signs nothing: the daemon
 * then says that the binding is missing. */
static int sign_here(const char *key_name, struct submission *s, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r;

        if (!key_name || key_file_private(key_name, &key, NULL) < 0)
                return 0;
        output_say("You are owner and operator: this protects against other guests and theft, not against root on this "
                   "host.");
        r = binding_give_uuid(s->definition, err);
        if (r >= 0)
                r = write_uuid(s, err);
        return r < 0 ? r : binding_sign(s->definition, 1, key, &s->binding, err);
}

int submission_read(const struct arguments *arguments, struct submission *ret, struct cvm_error *err) {
        const char *file = argument(arguments, "binding");
        int r = definition_input(arguments, &ret->text, &ret->definition, err);

        if (r < 0)
                return r;
        return file ? read_binding(file, ret, err) : sign_here(argument(arguments, "owner-key"), ret, err);
}

/* A file that we may open goes as a descriptor, under the name that the definition has; what we may not
 * open, the daemon opens where it may be named. */
static int append_file(sd_bus_message *m, const char *name, bool writable) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        if (!name || name[0] != '/')
                return 0;
        fd = open(name, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        return fd < 0 ? 0 : sd_bus_message_append(m, "{sh}", name, fd);
}

static int append_files(sd_bus_message *m, const struct definition *d) {
        const char *const boot[] = { d->firmware, d->kernel, d->initrd };
        int r = sd_bus_message_open_container(m, 'a', "{sh}");

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(boot); i++)
                r = append_file(m, boot[i], false);
        for (size_t i = 0; r >= 0 && i < d->n_disks; i++)
                r = append_file(m, d->disks[i].path, !d->disks[i].readonly);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_option(sd_bus_message *m, const char *name, const char *type,
                         int (*append)(sd_bus_message *m, const struct submission *s),
                         const struct submission *s) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        if (r >= 0)
                r = append(m, s);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_binding(sd_bus_message *m, const struct submission *s) {
        return sd_bus_message_append_array(m, 'y', s->binding, strlen(s->binding));
}

static int append_descriptors(sd_bus_message *m, const struct submission *s) {
        return append_files(m, s->definition);
}

static int append_true(sd_bus_message *m, const struct submission *s) {
        return sd_bus_message_append(m, "b", 1);
}

int submission_append(sd_bus_message *call, const struct submission *s, bool dry_run,
                      struct cvm_error *err) {
        bool passes = sd_bus_can_send(sd_bus_message_get_bus(call), 'h') > 0;
        int r = sd_bus_message_append(call, "s", s->text);

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && s->binding)
                r = append_option(call, "binding", "ay", append_binding, s);
        if (r >= 0 && passes)
                r = append_option(call, "files", "a{sh}", append_descriptors, s);
        if (r >= 0 && dry_run)
                r = append_option(call, "dry_run", "b", append_true, s);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "writing the request: %s", strerror(-r)) : 0;
}

/* What this host would start; elsewhere what would be measured. */
static int make_plan(const struct submission *s, struct plan **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes binding = { 0 };
        struct host_facts facts;
        int r = s->binding ? cvm_envelope_peek(s->binding, strlen(s->binding), CVM_ENVELOPE_BINDING,
                                               &binding, err)
                           : 0;

        if (r >= 0)
                r = host_read("/", &facts, err);
        if (r >= 0)
                r = plan_make(s->definition, &facts, &binding, ret, err);
        if (r >= 0 || err->code != &CVM_CODE_PLATFORM_HARDWARE)
                return r;
        output_say("Predicted only: %s.", err->text);
        return plan_predict(s->definition, ret, err);
}

int submission_show_plan(const struct submission *s, struct cvm_error *err) {
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *prediction = NULL;
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        int r = make_plan(s, &plan, err);

        files.for_registers = r >= 0 && plan->platform->registers;
        if (r >= 0)
                r = measured_files_read(plan, &files, err);
        if (r >= 0)
                r = prediction_make(plan, &files.contents, &prediction, err);
        if (r >= 0)
                r = plan_check(plan, &files.contents, err);
        if (r < 0)
                return cvm_while(err, r, "planning");
        for (size_t i = 0; plan->notes && plan->notes[i]; i++)
                output_say("%s", plan->notes[i]);
        node = plan_json(plan);
        json_object_object_add(node, "prediction", TAKE_PTR(prediction));
        output_object(node, "platform");
        return 0;
}
