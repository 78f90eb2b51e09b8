/* cvmctl policy edit: a policy in the owner's editor. Only what is still a policy replaces the file; a draft
 * that is none stays where it is, so that no work is lost. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/policy-open.h"

static const struct option_row options[] = {
        { "owner-key", OPTION_TEXT, "KEY", "the key that must have signed it, where it is signed" },
        { "output", OPTION_TEXT, "FILE", "where the edited policy goes, also -o (the same file)" },
        { 0 },
};

struct draft {
        char path[4096]; /* "": none on the disk */
        char *text;
        bool keep;
};

static void draft_done(struct draft *draft) {
        if (*draft->path && !draft->keep)
                unlink(draft->path);
        free(draft->text);
}

/* With the serial one higher: it is another policy. */
static int write_draft(const struct cvm_bytes *payload, const char *file, struct draft *ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        const char *temporary = getenv("TMPDIR");
        struct cvm_json root;
        uint64_t serial = 0;
        int r = cvm_json_parse(payload->data, payload->size, file, &node, err);

        if (r < 0)
                return r;
        root = cvm_json_root(node, file);
        r = cvm_json_get_u64(&root, "serial", &serial, err);
        if (r < 0)
                return r;
        json_object_object_add(node, "serial", json_object_new_uint64(serial + 1));
        if (asprintf(&ret->text, "%s\n",
                     json_object_to_json_string_ext(node, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                          JSON_C_TO_STRING_NOSLASHESCAPE)) <
            0) {
                ret->text = NULL;
                return -ENOMEM;
        }
        snprintf(ret->path, sizeof ret->path, "%s/cvm-policy-XXXXXX.json", temporary ? temporary : "/tmp");
        fd = mkostemps(ret->path, 5, O_CLOEXEC);
        r = fd < 0 ? -errno : cvm_write_all(fd, ret->text, strlen(ret->text));
        if (r < 0)
                (void)cvm_fail(err, &CVM_CODE_FILE, r, "cannot write a draft '%s': %s", ret->path,
                               strerror(-r));
        if (fd < 0)
                *ret->path = 0;
        return r;
}

/* The editor may be a command with arguments, as everywhere. */
static int run_editor(const char *path, struct cvm_error *err) {
        char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"exec ${VISUAL:-${EDITOR:-vi}} \"$1\"",
                               (char *)"sh", (char *)path, NULL };
        int status = -1, r;
        pid_t pid;

        r = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
        if (r == 0)
                while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
        return r == 0 && status == 0 ? 0
                                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                                "the editor failed; VISUAL or EDITOR names it");
}

static int edit(struct draft *draft, const char *target, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = run_editor(draft->path, err);

        if (r >= 0)
                r = document_text(draft->path, POLICY_MAX, &text, err);
        if (r >= 0 && strcmp(text, draft->text) == 0) {
                output_say("Nothing was changed.");
                return 0;
        }
        if (r >= 0)
                r = policy_read(text, strlen(text), draft->path, &policy, err);
        if (r >= 0)
                r = cvm_json_parse(text, strlen(text), draft->path, &node, err);
        if (r >= 0)
                r = output_file(target, text, 0644, err);
        if (r < 0) {
                draft->keep = true;
                return cvm_while(err, r, "the draft stays in '%s'", draft->path);
        }
        policy_say_open(node);
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(draft_done) struct draft draft = { 0 };
        const char *file = arguments->words[0], *key_file = argument(arguments, "owner-key"),
                   *target = argument(arguments, "output");
        int r = key_file ? key_file_public(key_file, &key, err) : 0;

        if (r >= 0)
                r = document_text(file, POLICY_MAX, &text, err);
        if (r >= 0)
                r = document_policy_payload(file, key, false, &payload, err);
        if (r < 0)
                return r;
        /* A signature does not outlive a change. */
        if (!target && (payload.size != strlen(text) || memcmp(payload.data, text, payload.size) != 0))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "'%s' is signed: give -o for the edited text, and `policy sign` it anew",
                                file);
        r = write_draft(&payload, file, &draft, err);
        return r < 0 ? r : edit(&draft, target ? target : file, err);
}

const struct command command_policy_edit = {
        .group = "policy",
        .name = "edit",
        .words = "POLICY",
        .words_min = 1,
        .words_max = 1,
        .summary = "edit a policy in $EDITOR, with a serial one higher",
        .options = options,
        .run = run,
};
