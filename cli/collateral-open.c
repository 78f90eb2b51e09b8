#include "cli/collateral-open.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/documents.h"
#include "cli/output.h"

/* As the XDG base directory specification has it: absolute, or else below the home directory. */
static int user_directory(const char *variable, const char *below_home, char **ret, struct cvm_error *err) {
        const char *given = getenv(variable), *home = getenv("HOME");
        const struct passwd *user;
        int n;

        if (!home && (user = getpwuid(getuid())))
                home = user->pw_dir;
        if (given && given[0] == '/')
                n = asprintf(ret, "%s/cvmctl/collateral", given);
        else if (home && home[0] == '/')
                n = asprintf(ret, "%s/%s/cvmctl/collateral", home, below_home);
        else
                return cvm_fail(err, &CVM_CODE_USAGE, ENOENT,
                                "neither %s nor HOME says where collateral is to be kept", variable);
        return n < 0 ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "finding a directory") : 0;
}

int collateral_directories(char **ret_cache, char **ret_state, struct cvm_error *err) {
        int r = ret_cache ? user_directory("XDG_CACHE_HOME", ".cache", ret_cache, err) : 0;

        return r < 0 ? r : user_directory("XDG_STATE_HOME", ".local/state", ret_state, err);
}

int collateral_open(const char *cache, int platform, const uint8_t *simulation_root, uint64_t now_msec,
                    struct collateral_store *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *users = NULL, *state = NULL;
        int r = collateral_directories(cache ? NULL : &users, &state, err);

        return r < 0 ? r
                     : collateral_store_open(cache ? cache : users, state, platform, simulation_root,
                                             now_msec ? now_msec : cvm_time_now(), ret, err);
}

void collateral_say_class(const struct arguments *arguments) {
        if (argument(arguments, "simulation-root"))
                output_say("SIMULATED: this collateral vouches for no hardware");
}

int collateral_open_arguments(const struct arguments *arguments, int platform, struct collateral_store *ret,
                              struct cvm_error *err) {
        const char *file = argument(arguments, "simulation-root");
        uint8_t root[CVM_SHA256_SIZE];
        uint64_t now_msec = 0;
        int r = file ? document_root(file, platform, root, err) : 0;

        if (r >= 0)
                r = argument_time(arguments, "at", &now_msec, err);
        return r < 0 ? r
                     : collateral_open(argument(arguments, "cache"), platform, file ? root : NULL, now_msec,
                                       ret, err);
}
