#include "cli/host-lists-se.h"

#include <errno.h>
#include <stdio.h>

#include "base/platform-id.h"
#include "cli/collateral-open.h"
#include "cli/output.h"
#include "collateral/source-se.h"

static void say(const char *sentence) {
        output_say("%s", sentence);
}

static int lists_below(const char *top, char **ret, struct cvm_error *err) {
        if (asprintf(ret, "%s/%s/lists", top, cvm_platform_texts[CVM_PLATFORM_SECURE_EXECUTION]) >= 0)
                return 0;
        *ret = NULL;
        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "fetching revocation lists");
}

int host_lists_fetch(const struct arguments *arguments, const struct se_hosts *hosts, uint64_t now_msec,
                     struct se_trust *trust, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *top = NULL, *state = NULL, *cache = NULL, *marks = NULL;
        const char *mirror = argument(arguments, "crl-service");
        int r;

        if (mirror && !http_base_is_valid(mirror))
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "--crl-service must be an address such as https://mirror.example/lists (no '/' at its end), not '%s'",
                                mirror);
        r = collateral_directories(&top, &state, err);
        if (r >= 0)
                r = lists_below(top, &cache, err);
        if (r >= 0)
                r = lists_below(state, &marks, err);
        if (r >= 0)
                r = se_lists_fetch(&(struct se_lists){ cache, marks, mirror, now_msec, say }, hosts, trust,
                                   err);
        return r;
}
