/* policy make for Secure Execution: an image has its measurement in its header, documents name hosts and
 * root. */
#include <errno.h>

#include <openssl/pem.h>

#include "attest/bundle.h"
#include "base/fd.h"
#include "cli/image-se.h"
#include "cli/request-se.h"

static int take_documents(const struct arguments *arguments, struct request_policy *ret,
                          struct cvm_error *err) {
        CVM_CLEANUP(se_hosts_done) struct se_hosts hosts = { 0 };
        int r = host_keys_read(arguments, &hosts, ret->root, err);

        for (size_t i = 0; r >= 0 && i < hosts.n; i++) {
                char hex[2 * CVM_SHA256_SIZE + 1];

                cvm_hex(hosts.items[i].hash, CVM_SHA256_SIZE, hex);
                r = cvm_texts_add(&ret->hosts, hex);
        }
        if (r >= 0)
                ret->class_ = hosts.items[0].simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        return r;
}

/* Hosts are named otherwise: the root alone says whose documents and which class. */
static int take_root(const struct arguments *arguments, struct request_policy *ret, struct cvm_error *err) {
        const char *path = argument(arguments, "root-ca");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;
        CVM_CLEANUP(X509_freep) X509 *x509 = NULL;
        bool simulated = false;
        int r = path ? cvm_read_file(path, SE_TRUST_FILE_MAX, &pem, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give --host-key-document of the hosts, or --hosts and --root-ca");

        if (r >= 0)
                r = document_root(path, CVM_PLATFORM_SECURE_EXECUTION, ret->root, err);
        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        if (!x509 || se_certificate_class(x509, &simulated) < 0)
                return cvm_fail(err, &CVM_CODE_HOST_KEY_SIGNER, EBADMSG,
                                "'%s' has a critical extension that is not known", path);
        ret->class_ = simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        return 0;
}

int policy_se(const struct arguments *arguments, struct request_policy *ret, struct cvm_error *err) {
        return argument(arguments, "host-key-document") ? take_documents(arguments, ret, err)
                                                        : take_root(arguments, ret, err);
}

int measure_se(const struct arguments *arguments, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err) {
        uint8_t tags[SE_BOOT_TAGS_SIZE];
        struct se_header header;
        int r = image_header_read(arguments, &header, err);

        if (r < 0)
                return r;
        se_header_boot_tags(&header, tags);
        se_image_measurement(tags, ret);
        return 0;
}
