#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/objects.h"

#define TEXT_MAX 256
#define BINDING_MAX (64u << 10)
#define REQUEST_MAX (64u << 10)

void options_done(struct options *options) {
        free(options->binding);
        options->binding = NULL;
        cvm_bytes_done(&options->request);
}

static int read_text(sd_bus_message *m, const char **ret) {
        int r = sd_bus_message_read_basic(m, 's', ret);

        return r >= 0 && strlen(*ret) > TEXT_MAX ? -E2BIG : r;
}

static int read_request_id(sd_bus_message *m, struct options *o) {
        return read_text(m, &o->request_id);
}

static int read_state(sd_bus_message *m, struct options *o) {
        return read_text(m, &o->state);
}

static int read_trust(sd_bus_message *m, struct options *o) {
        return read_text(m, &o->trust);
}

static int read_platform(sd_bus_message *m, struct options *o) {
        return read_text(m, &o->platform);
}

static int read_label(sd_bus_message *m, struct options *o) {
        return read_text(m, &o->label);
}

static int read_user(sd_bus_message *m, struct options *o) {
        o->has_user = true;
        return sd_bus_message_read_basic(m, 'u', &o->user);
}

static int read_dry_run(sd_bus_message *m, struct options *o) {
        int value = 0, r = sd_bus_message_read_basic(m, 'b', &value);

        o->dry_run = value;
        return r;
}

static int read_binding(sd_bus_message *m, struct options *o) {
        const void *bytes;
        size_t size;
        int r = sd_bus_message_read_array(m, 'y', &bytes, &size);

        if (r < 0 || size > BINDING_MAX || memchr(bytes, 0, size))
                return r < 0 ? r : -EINVAL;
        free(o->binding);
        o->binding = strndup(bytes, size);
        return o->binding ? r : -ENOMEM;
}

static int read_nonce(sd_bus_message *m, struct options *o) {
        const void *bytes;
        size_t size;
        int r = sd_bus_message_read_array(m, 'y', &bytes, &size);

        if (r < 0 || size != sizeof o->nonce)
                return r < 0 ? r : -EINVAL;
        memcpy(o->nonce, bytes, size);
        o->has_nonce = true;
        return r;
}

static int read_request(sd_bus_message *m, struct options *o) {
        const void *bytes;
        size_t size;
        int r = sd_bus_message_read_array(m, 'y', &bytes, &size);

        if (r < 0 || size == 0 || size > REQUEST_MAX)
                return r < 0 ? r : -EINVAL;
        cvm_bytes_done(&o->request);
        return cvm_bytes_copy(bytes, size, &o->request) < 0 ? -ENOMEM : r;
}

static int read_files(sd_bus_message *m, struct options *o) {
        int r = sd_bus_message_enter_container(m, 'a', "{sh}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sh")) > 0) {
                struct named_fd *file = &o->files[o->n_files];

                if (o->n_files == sizeof o->files / sizeof *o->files)
                        return -E2BIG;
                r = sd_bus_message_read(m, "sh", &file->name, &file->fd);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                o->n_files++;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static const struct {
        const char *name, *type;
        int (*read)(sd_bus_message *m, struct options *o);
} known[] = {
        { "request_id", "s", read_request_id }, { "binding", "ay", read_binding },
        { "files", "a{sh}", read_files },       { "dry_run", "b", read_dry_run },
        { "nonce", "ay", read_nonce },          { "state", "s", read_state },
        { "trust", "s", read_trust },           { "platform", "s", read_platform },
        { "label", "s", read_label },           { "user", "u", read_user },
        { "request", "ay", read_request },
};

static bool is_allowed(const char *const *allowed, const char *name) {
        while (*allowed && strcmp(*allowed, name) != 0)
                allowed++;
        return *allowed;
}

static int read_one(sd_bus_message *m, const char *const *allowed, struct options *o,
                    struct cvm_error *err) {
        const char *name = "";
        int r = sd_bus_message_read_basic(m, 's', &name);

        for (size_t i = 0; r >= 0 && i < sizeof known / sizeof *known; i++) {
                if (strcmp(known[i].name, name) != 0 || !is_allowed(allowed, name))
                        continue;
                r = sd_bus_message_enter_container(m, 'v', known[i].type);
                if (r >= 0)
                        r = known[i].read(m, o);
                if (r < 0)
                        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                        "option '%s' must be a proper value of type '%s'", name,
                                        known[i].type);
                return sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "there is no option '%.64s' here", name);
}

int options_read(sd_bus_message *m, const char *const *allowed, struct options *ret, struct cvm_error *err) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_one(m, allowed, ret, err);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? cvm_while(err, r, "the options") : sd_bus_message_exit_container(m);
}
