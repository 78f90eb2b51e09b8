/* cvmctl image show: what the header of a protected image says, and nobody has checked. */
#include <string.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/image-se.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "hdr-key", OPTION_TEXT, "FILE", "the header key: opens what is encrypted in the header" },
        { 0 },
};

/* The whole image where it is one; else its header, and why that is all. */
static int read_image(int fd, const char *path, struct se_image *ret, struct cvm_error *err) {
        struct cvm_error why = { 0 };

        if (se_image_read(fd, path, ret, &why) >= 0)
                return 0;
        *ret = (struct se_image){ 0 };
        if (se_header_find(fd, path, &ret->place, &ret->header, err) < 0)
                return cvm_fail(err, why.code, EBADMSG, "%s", why.text);
        output_say("%s", why.text);
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret keys = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        const char *path = arguments->words[0];
        bool opened = argument(arguments, "hdr-key");
        struct se_image image;
        struct se_entry entry;
        int r = image_open(path, &fd, err);

        if (r >= 0)
                r = se_keys_new(&keys, err);
        if (r >= 0)
                r = image_key_read(arguments, "hdr-key", se_keys(&keys)->protection, SE_KEY_SIZE, err);
        if (r >= 0)
                r = read_image(fd, path, &image, err);
        if (r >= 0 && opened)
                r = image.n_components ? se_image_open(fd, path, &image, se_keys(&keys), &entry, err)
                                       : se_header_open(&image.header, se_keys(&keys), &entry, err);
        if (r < 0)
                return r;
        node = image_json(&image, opened ? &entry : NULL);
        output_object(node, "tag");
        return 0;
}

const struct command command_image_show = {
        .group = "image",
        .name = "show",
        .words = "IMAGE",
        .words_min = 1,
        .words_max = 1,
        .summary = "the header of a protected image: hosts, digests, flags",
        .options = options,
        .run = run,
};
