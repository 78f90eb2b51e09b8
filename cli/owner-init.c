/* cvmctl owner init: make the owner's key. Once, on the owner's machine, never over an existing one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/owner-json.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "key", OPTION_TEXT, "FILE", "where the private key goes (default owner.pem)" },
        { 0 },
};

/* Born with mode 0600 and O_EXCL: an owner key that is overwritten is a VM that takes no secret again. */
static int write_new(const char *path, const struct cvm_bytes *pem, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", path,
                                strerror(errno));
        r = cvm_write_all(fd, pem->data, pem->size);
        if (r < 0 || fsync(fd) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, EIO, "'%s' cannot be written", path);
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        const char *path = argument(arguments, "key") ? argument(arguments, "key") : "owner.pem";
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = cvm_key_make(CVM_KEY_SIGN, &key, err);

        if (r >= 0)
                r = cvm_key_to_private_pem(key, &pem, err);
        if (r >= 0) {
                r = write_new(path, &pem, err);
                OPENSSL_cleanse(pem.data, pem.size);
        }
        if (r >= 0)
                r = owner_json(key, &node, err);
        if (r < 0)
                return r;
        output_say("The owner key is in '%s': keep a copy of it, off this host. Without it the VMs it owns take no "
                   "secret again.",
                   path);
        output_object(node, "owner_id");
        return 0;
}

const struct command command_owner_init = {
        .group = "owner",
        .name = "init",
        .words = "",
        .summary = "make an owner key",
        .options = options,
        .run = run,
};
