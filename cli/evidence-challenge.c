/* cvmctl evidence challenge: a fresh nonce, remembered in a file until it has served. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/request-platform.h"

static const struct option_row options[] = {
        { "output", OPTION_TEXT, "FILE", "where the challenge is remembered, also -o" },
        REQUEST_CHALLENGE_OPTIONS,
        { 0 },
};

static int make_request(const struct request_platform *platform, const struct arguments *arguments,
                        struct challenge *challenge, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        const char *path = argument(arguments, "request"), *kept = argument(arguments, "output");
        int r;

        if (!path || !kept || strcmp(path, kept) == 0)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--request FILE and -o FILE are needed, two files: what goes to the guest, and what you keep");
        r = platform->challenge(arguments, challenge, &request, err);
        return r < 0 ? r : platform->write(path, &request, err);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        const struct request_platform *platform;
        CVM_CLEANUP(challenge_wipe) struct challenge challenge = { 0 };
        const char *path = argument(arguments, "output");
        char hex[2 * CVM_NONCE_SIZE + 1];
        int r = request_platform_only(arguments, &platform, err);

        challenge_make(&challenge);
        if (r >= 0 && platform)
                r = make_request(platform, arguments, &challenge, err);
        else if (r >= 0 && (argument(arguments, "request") || argument(arguments, "host-key-document")))
                r = cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                             "--request and host-key documents are for a --platform that takes requests");
        if (r >= 0)
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
