/* sim-root: a new simulation root, or what one lacks. Its RSA keys take seconds, which the daemon's loop
 * does not have. */
#include <openssl/crypto.h>

#include "sim/sim.h"
#include "worker/verb.h"

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        uint64_t have = 0;
        int r = cvm_json_get_u64(request, "have", &have, err);

        if (r >= 0)
                r = sim_root_make(have, &pem, err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "pem", json_object_new_string_len((char *)pem.data, (int)pem.size));
        OPENSSL_cleanse(pem.data, pem.size);
        return 0;
}

const struct verb verb_sim_root = { "sim-root", run, SANDBOX_FILES };
