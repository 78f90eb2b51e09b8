/* One technology of the software root: its chain of certificates and its reports. One const row each, in
 * sim-root.c. */
#pragma once

#include "base/clean-openssl.h"
#include "sim/sim.h"

struct sim_chain; /* each technology's own */

struct sim_platform {
        enum cvm_platform_id id;
        /* New keys and certificates, appended as PEM blocks. */
        int (*make)(BIO *pem, struct cvm_error *err);
        /* Those blocks again. CVM_CODE_KEY. */
        int (*read)(BIO *pem, struct sim_chain **ret, struct cvm_error *err);
        struct sim_chain *(*free)(struct sim_chain *chain);
        X509 *(*root)(const struct sim_chain *chain); /* borrowed */
        int (*report)(const struct sim_chain *chain, const struct sim_guest *guest,
                      const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err);
        /* As sim_keep(). NULL: the platform has no store of its own. */
        int (*keep)(const struct sim_chain *chain, struct sim_guest *guest, const struct cvm_bytes *request,
                    char ret_words[SIM_WORDS_MAX], struct cvm_error *err);
        int (*lock)(struct sim_guest *guest, char ret_words[SIM_WORDS_MAX]); /* where there is keep */
        int (*list)(const struct sim_guest *guest, struct cvm_bytes *ret);   /* likewise */
        /* Where owners make images and requests for hosts: what they need of this one, PEM, borrowed; and
         * what the host makes of an image. NULL: there are none. */
        const struct cvm_bytes *(*documents)(const struct sim_chain *chain);
        int (*open_image)(const struct sim_chain *chain, int image, int flat, struct sim_store *ret,
                          struct cvm_error *err);
};

/* Borrowed; NULL where this root has none of it. */
const struct sim_chain *sim_root_chain(const struct sim_root *root, enum cvm_platform_id platform);

extern const struct sim_platform sim_snp, sim_tdx, sim_se;
