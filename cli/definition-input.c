#include "cli/definition-input.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/key-file.h"
#include "cli/libvirt-adopt.h"
#include "cli/owner-json.h"

/* Flags that name a key's file: its public half is what the definition has. */
static const struct {
        const char *option, *flag;
} key_flags[] = { { "owner-key", "owner" }, { "service-key", "service" } };

static int apply_key(json_object *document, size_t i, const struct arguments *arguments,
                     struct cvm_error *err) {
        const char *name = argument(arguments, key_flags[i].option);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *owner = NULL;
        const char *text;
        int r;

        if (!name)
                return 0;
        r = key_file_public(name, &key, err);
        if (r >= 0)
                r = owner_json(key, &owner, err);
        if (r < 0)
                return cvm_while(err, r, "--%s", key_flags[i].option);
        text = json_object_get_string(json_object_object_get(owner, "owner"));
        return definition_flag_set(document, key_flags[i].flag, &text, 1, "", err);
}

static int apply_flag(json_object *document, const char *flag, const struct arguments *arguments,
                      const char *directory, struct cvm_error *err) {
        const char *values[ARGUMENTS_MAX];
        size_t n = 0;

        while (n < ARGUMENTS_MAX && (values[n] = argument_at(arguments, flag, n)))
                n++;
        return n ? definition_flag_set(document, flag, values, n, directory, err) : 0;
}

static int apply_flags(json_object *document, const struct arguments *arguments, struct cvm_error *err) {
        char cwd[PATH_MAX];
        const char *flag;
        int r = 0;

        if (!getcwd(cwd, sizeof cwd))
                return cvm_fail(err, &CVM_CODE_FILE, errno, "the working directory is not known: %s",
                                strerror(errno));
        for (size_t i = 0; r >= 0 && (flag = definition_flag_at(i)); i++)
                r = apply_flag(document, flag, arguments, cwd, err);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(key_flags); i++)
                r = apply_key(document, i, arguments, err);
        return r;
}

/* Paths in a file are meant from where the file is. */
static int make_absolute(json_object *object, const char *member, const char *directory,
                         struct cvm_error *err) {
        const char *value = json_object_get_string(json_object_object_get(object, member));
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        int r;

        if (!value || !strchr(value, '/'))
                return 0; /* a bare name is a descriptor's or the daemon's own */
        r = cvm_path_from(directory, value, &path, err);
        if (r >= 0)
                json_object_object_add(object, member, json_object_new_string(path));
        return r;
}

static int make_paths_absolute(json_object *document, const char *file, struct cvm_error *err) {
        json_object *boot = json_object_object_get(document, "boot");
        json_object *disks = json_object_object_get(document, "disks");
        char real[PATH_MAX], *directory;
        int r;

        if (strcmp(file, "-") == 0 || !realpath(file, real))
                return 0;
        directory = dirname(real);
        r = make_absolute(document, "firmware", directory, err);
        if (r >= 0 && json_object_is_type(boot, json_type_object)) {
                r = make_absolute(boot, "kernel", directory, err);
                if (r >= 0)
                        r = make_absolute(boot, "initrd", directory, err);
                if (r >= 0)
                        r = make_absolute(boot, "shim", directory, err);
        }
        if (json_object_is_type(disks, json_type_array))
                for (size_t i = 0; r >= 0 && i < json_object_array_length(disks); i++)
                        r = make_absolute(json_object_array_get_idx(disks, i), "path", directory, err);
        return r;
}

static int read_document(const char *file, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *document = NULL;
        int r;

        if (!file) {
                document = json_object_new_object();
                json_object_object_add(document, "version", json_object_new_int(1));
                *ret = TAKE_PTR(document);
                return 0;
        }
        r = cvm_read_file(file, DEFINITION_TEXT_MAX, &text, err);
        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, file, &document, err);
        if (r < 0)
                return r;
        if (!json_object_is_type(document, json_type_object))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' must be an object", file);
        r = make_paths_absolute(document, file, err);
        if (r >= 0)
                *ret = TAKE_PTR(document);
        return r;
}

int definition_input(const struct arguments *arguments, char **ret_text, struct definition **ret,
                     struct cvm_error *err) {
        const char *file = arguments->n_words ? arguments->words[0] : NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *document = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = libvirt_is_named(arguments) ? libvirt_adopt(arguments, &document, err)
                                            : read_document(file, &document, err);

        if (r >= 0)
                r = apply_flags(document, arguments, err);
        if (r < 0)
                return r;
        text = cvm_json_text(document);
        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing the definition");
        r = definition_read(text, strlen(text), file ? file : "the command line", ret, err);
        if (r >= 0)
                *ret_text = TAKE_PTR(text);
        return r;
}
