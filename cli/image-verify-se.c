/* cvmctl image verify: a protected image against its header, and against what the owner kept or knows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image-se.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "header", OPTION_TEXT, "FILE",
          "the header that was kept when the image was built, or that image" },
        { "host-key-document", OPTION_REPEAT, "FILE", "of a host that must be able to open it" },
        { "hdr-key", OPTION_TEXT, "FILE",
          "the header key: checks the header's tag too, and what is inside" },
        { "kernel", OPTION_TEXT, "FILE", "the kernel that must be in it (needs --hdr-key, as the next)" },
        { "initrd", OPTION_TEXT, "FILE", "the initrd that must be in it" },
        { "cmdline", OPTION_TEXT, "TEXT", "the command line that must be in it" },
        { "loader-dir", OPTION_TEXT, "DIR", "the loader that must be in it" },
        { 0 },
};

struct check {
        const struct arguments *arguments;
        const char *path;
        int fd;
        struct se_image image;
        struct se_entry entry;
        struct cvm_secret keys;
        json_object *checked; /* what was compared, beside structure and digests */
};

static void check_done(struct check *c) {
        cvm_close(c->fd);
        cvm_secret_done(&c->keys);
        json_object_put(c->checked);
}

static void note(struct check *c, const char *what) {
        json_object_array_add(c->checked, json_object_new_string(what));
}

static int check_header(struct check *c, struct cvm_error *err) {
        const char *path = argument(c->arguments, "header");
        struct se_header kept;
        int r = path ? image_header_read(c->arguments, &kept, err) : 0;

        if (r < 0 || !path)
                return r;
        if (kept.size != c->image.header.size || memcmp(kept.bytes, c->image.header.bytes, kept.size) != 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG, "'%s' has another header than '%s'",
                                c->path, path);
        note(c, "header");
        return 0;
}

/* Only whose slot is there: nobody is asked here whether a document is to be believed. */
static int check_hosts(struct check *c, struct cvm_error *err) {
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(c->arguments, "host-key-document", i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(se_host_done) struct se_host host = { 0 };

                r = cvm_read_file(path, SE_DOCUMENT_MAX, &bytes, err);
                if (r >= 0)
                        r = se_host_read(bytes.data, bytes.size, path, &host, err);
                if (r >= 0 && !se_header_has_host(&c->image.header, host.hash))
                        r = cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG,
                                     "'%s' was not built for the host of '%s'", c->path, path);
        }
        if (r >= 0 && argument(c->arguments, "host-key-document"))
                note(c, "host-key-document");
        return r;
}

static int check_file(struct check *c, const char *option, enum se_kind kind, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        const char *path = argument(c->arguments, option);
        char name[320];
        struct se_source source = { .name = name };
        int r = path ? image_open(path, &fd, err) : 0;

        if (r < 0 || !path)
                return r;
        source.fd = fd;
        snprintf(name, sizeof name, "the %s '%.256s'", option, path);
        r = se_image_compare(c->fd, c->path, &c->image, se_keys(&c->keys), kind, &source, err);
        if (r >= 0)
                note(c, option);
        return r;
}

static int check_cmdline(struct check *c, struct cvm_error *err) {
        const char *line = argument(c->arguments, "cmdline");
        const struct se_source source = { .fd = -1,
                                          .data = (const uint8_t *)line,
                                          .size = line ? strlen(line) + 1 : 0,
                                          .name = "this command line" };
        int r;

        if (!line)
                return 0;
        r = se_image_compare(c->fd, c->path, &c->image, se_keys(&c->keys), SE_CMDLINE, &source, err);
        if (r >= 0)
                note(c, "cmdline");
        return r;
}

static int check_loader(struct check *c, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes stage3a = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes stage3b = { 0 };
        int r;

        if (!argument(c->arguments, "loader-dir"))
                return 0;
        r = image_loader_read(c->arguments, &stage3a, &stage3b, err);
        if (r >= 0)
                r = se_image_compare_loader(c->fd, c->path, &c->image, se_keys(&c->keys), &stage3a, &stage3b,
                                            err);
        if (r >= 0)
                note(c, "loader");
        return r;
}

static int check_inside(struct check *c, struct cvm_error *err) {
        static const char *const needs[] = { "kernel", "initrd", "cmdline", "loader-dir" };
        int r;

        if (!argument(c->arguments, "hdr-key")) {
                for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
                        if (argument(c->arguments, needs[i]))
                                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--%s needs --hdr-key",
                                                needs[i]);
                return 0;
        }
        r = image_key_read(c->arguments, "hdr-key", se_keys(&c->keys)->protection, SE_KEY_SIZE, err);
        if (r >= 0)
                r = se_image_open(c->fd, c->path, &c->image, se_keys(&c->keys), &c->entry, err);
        if (r >= 0) {
                note(c, "tag");
                r = check_file(c, "kernel", SE_KERNEL, err);
        }
        if (r >= 0)
                r = check_file(c, "initrd", SE_RAMDISK, err);
        if (r >= 0)
                r = check_cmdline(c, err);
        return r < 0 ? r : check_loader(c, err);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(check_done)
        struct check c = { .arguments = arguments,
                           .path = arguments->words[0],
                           .fd = -EBADF,
                           .checked = json_object_new_array() };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = image_open(c.path, &c.fd, err);

        if (r >= 0)
                r = se_keys_new(&c.keys, err);
        if (r >= 0)
                r = se_image_read(c.fd, c.path, &c.image, err);
        if (r >= 0)
                r = check_header(&c, err);
        if (r >= 0)
                r = check_hosts(&c, err);
        if (r >= 0)
                r = se_image_check(c.fd, c.path, &c.image, err);
        if (r >= 0)
                r = check_inside(&c, err);
        if (r < 0)
                return r;
        if (!argument(arguments, "hdr-key") && !argument(arguments, "header"))
                output_say("Its pages are those of its header. Whose header that is, only --header or --hdr-key tells.");
        node = image_json(&c.image, argument(arguments, "hdr-key") ? &c.entry : NULL);
        json_object_object_add(node, "checked", TAKE_PTR(c.checked));
        output_object(node, "tag");
        return 0;
}

const struct command command_image_verify = {
        .group = "image",
        .name = "verify",
        .words = "IMAGE",
        .words_min = 1,
        .words_max = 1,
        .summary = "check a protected image against its header and what is given",
        .options = options,
        .run = run,
};
