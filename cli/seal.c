#include "cli/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "cli/key-file.h"
#include "cli/output.h"

int seal_target_read(const struct arguments *arguments, struct seal_target *ret, struct cvm_error *err) {
        const char *bundle = argument(arguments, "bundle"), *key = argument(arguments, "owner-key");
        int r;

        if (!bundle)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--bundle is needed: it has the key that is sealed to");
        ret->inputs = (struct seal_inputs){ .name = arguments->words[0],
                                            .bundle = &ret->bundle,
                                            .verdict = &ret->verdict };
        r = key_file_private(key ? key : "owner.pem", &ret->key, err);
        if (r >= 0)
                r = argument_u64(arguments, "after", INT64_MAX, &ret->inputs.after, err);
        if (r >= 0)
                r = document_bundle(bundle, &ret->bundle, err);
        return r < 0 ? r
                     : document_accepted(argument(arguments, "verdict"), ret->key, &ret->bundle,
                                         &ret->verdict, err);
}

void seal_target_done(struct seal_target *target) {
        EVP_PKEY_free(target->key);
        bundle_done(&target->bundle);
        verdict_done(&target->verdict);
}

void seal_target_say(const struct seal_target *target) {
        const struct verdict *verdict = &target->verdict;

        if (verdict->class_ == CVM_CLASS_SIMULATED)
                output_say("SIMULATED: this secret is sealed to a guest that nothing protects");
        for (size_t i = 0; i < verdict->n_reasons; i++)
                output_say("%s: %s", verdict->reasons[i].code->id, verdict->reasons[i].text);
}

/* Read straight into the locked pages: no copy stays elsewhere. */
int seal_read(const char *path, struct cvm_secret *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        CVM_CLEANUP(cvm_closep) int opened = -EBADF;
        int fd = STDIN_FILENO;
        size_t size = 0;
        ssize_t n;

        if (strcmp(path, "-") != 0)
                fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        if (cvm_secret_new(CVM_SECRET_MAX + 1, &room) < 0)
                return -ENOMEM;
        while ((n = read(fd, room.data + size, room.size - size)) > 0)
                size += (size_t)n;
        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", path,
                                strerror(errno));
        if (!size)
                return cvm_fail(err, &CVM_CODE_SECRET_FORM, EINVAL,
                                "%s is empty, and a secret has at least one byte",
                                opened < 0 ? "standard input" : path);
        if (size > CVM_SECRET_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "a secret has at most %u bytes",
                                CVM_SECRET_MAX);
        if (cvm_secret_new(size, ret) < 0)
                return -ENOMEM;
        memcpy(ret->data, room.data, size);
        return 0;
}

int seal_secret(const struct seal_inputs *in, const struct cvm_secret *plaintext, EVP_PKEY *key, char **ret,
                struct cvm_error *err) {
        struct cvm_secret_header header = {
                .platform = cvm_platform_byte((enum cvm_platform_id)in->bundle->platform,
                                              in->verdict->class_ == CVM_CLASS_SIMULATED),
                .suite = CVM_SUITE,
                .kind = (uint8_t)in->kind,
                .generation = in->verdict->generation,
                .seq = cvm_time_now(),
        };

        if (strlen(in->name) >= sizeof header.name || !cvm_secret_name_is_valid(in->name))
                return cvm_fail(err, &CVM_CODE_NAME, EINVAL, "'%.64s' is no name of a secret", in->name);
        if (!in->bundle->binding)
                return cvm_fail(err, &CVM_CODE_UNOWNED, EINVAL,
                                "the guest has no owner: it takes no secret");
        if (!in->verdict->uuid || cvm_uuid_parse(in->verdict->uuid, header.uuid) < 0)
                return cvm_fail(err, &CVM_CODE_VERDICT_VM, EINVAL, "the verdict names no VM");
        strcpy(header.name, in->name);
        header.seq = in->after >= header.seq ? in->after + 1 : header.seq;
        memcpy(header.keyset, in->verdict->keyset, sizeof header.keyset);
        memcpy(header.binding, in->verdict->binding, sizeof header.binding);
        return cvm_secret_seal(&header, in->bundle->keyset.kem, plaintext->data, plaintext->size, key, ret,
                               err);
}

static int check_secret(const struct receipt *receipt, const char *secret, EVP_PKEY *signer,
                        struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];
        int r = cvm_envelope_open(secret, strlen(secret), CVM_ENVELOPE_SECRET, signer, &payload, digest,
                                  err);

        if (r < 0)
                return r;
        return memcmp(digest, receipt->secret, sizeof digest) == 0
                               ? 0
                               : cvm_fail(err, &CVM_CODE_RECEIPT, EBADMSG,
                                          "the receipt is for another secret");
}

int seal_check_receipt(const char *text, const struct bundle *bundle, const char *secret, EVP_PKEY *signer,
                       struct receipt *ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *boot = NULL;
        uint8_t keyset[CVM_SHA384_SIZE];
        int r = cvm_key_from_spki(CVM_KEY_SIGN, bundle->keyset.sig, sizeof bundle->keyset.sig, &boot, err);

        if (r >= 0)
                r = cvm_signed_open(text, strlen(text), CVM_ENVELOPE_RECEIPT, receipt_fields, boot, ret,
                                    NULL, err);
        if (r < 0)
                return cvm_while(err, r, "the receipt");
        cvm_keyset_digest(&bundle->keyset, keyset);
        if (memcmp(keyset, ret->keyset, sizeof keyset) != 0)
                return cvm_fail(err, &CVM_CODE_RECEIPT, EBADMSG, "the receipt is of another boot");
        return secret ? check_secret(ret, secret, signer, err) : 0;
}

int seal_receipt_status(const struct receipt *receipt) {
        return receipt->result == RECEIPT_INSTALLED ? 0 : 5;
}

int seal_tell_receipt(const struct receipt *receipt) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_write_text(receipt_fields, receipt);
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;

        output_say("The guest's word, by its attested boot key: '%s' %s.", receipt->name,
                   receipt_result_texts[receipt->result]);
        if (text && cvm_json_parse(text, strlen(text), "receipt", &node, NULL) >= 0)
                output_object(node, "result");
        return seal_receipt_status(receipt);
}
