/* cvmctl evidence challenge: a fresh nonce, remembered in a file until it has served. */
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "output", OPTION_TEXT, "FILE", "where the challenge is remembered, also -o" },
        { 0 },
};

static int run(const struct arguments *arguments, struct cvm_error *err) {
        const char *path = argument(arguments, "output");
        struct challenge challenge;
        char hex[2 * CVM_NONCE_SIZE + 1];
        int r;

        challenge_make(&challenge);
        r = challenge_write(path ? path : "-", &challenge, err);
        if (r < 0 || !path)
                return r;
        cvm_hex(challenge.nonce, sizeof challenge.nonce, hex);
        output_say("nonce %s", hex);
        return 0;
}

const struct command command_evidence_challenge = {
        .group = "evidence",
        .name = "challenge",
        .words = "",
        .summary = "make a nonce for fresh evidence",
        .options = options,
        .run = run,
};
