#include "attest/crl-snp.h"

#include <errno.h>

int snp_crl_read(const void *data, size_t size, struct crl *ret, struct cvm_error *err) {
        static const struct crl_profile profile = { snp_algorithm_is_pss,
                                                    "RSASSA-PSS with SHA-384 and salt 48" };

        return crl_read(data, size, &profile, ret, err);
}

int snp_crl_check(const struct crl *crl, const struct snp_chain *chain, struct cvm_error *err) {
        const struct snp_certificate *const links[] = { chain->ca, chain->root };

        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (crl_has(crl, links[i]->x509))
                        return cvm_fail(err, &CVM_CODE_REVOKED, EKEYREVOKED, "the %s certificate is revoked",
                                        snp_role_texts[links[i]->role]);
        return 0;
}
