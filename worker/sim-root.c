/* sim-root: a new simulation root. Its RSA keys take seconds, which the daemon's loop does not have. */
#include <openssl/crypto.h>

#include "sim/sim.h"
#include "worker/verb.h"

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r = sim_root_make(&pem, err);

        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "pem", json_object_new_string_len((char *)pem.data, (int)pem.size));
        OPENSSL_cleanse(pem.data, pem.size);
        return 0;
}

const struct verb verb_sim_root = { "sim-root", run, SANDBOX_FILES };
