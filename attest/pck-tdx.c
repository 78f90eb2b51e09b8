/*
 * OpenSSL's chain verification accepts any algorithm, any curve and any name, and knows nothing of Intel's
 * extension. Everything here is what must hold beyond it.
 */
#include "attest/pck-tdx.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "attest/simulation.h"
#include "attest/x509.h"

#define ARC "1.2.840.113741.1.13.1"
#define PEM_CHAIN_MAX (64u << 10)

const char *const tdx_role_texts[] = { "Intel SGX PCK Certificate", "Intel SGX PCK Platform CA",
                                       "Intel SGX PCK Processor CA", "Intel SGX TCB Signing",
                                       "Intel SGX Root CA" };

const uint8_t tdx_root[32] = { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
                               0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
                               0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e };

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "%s", what);
}

/* the platform's extension: SEQUENCE of SEQUENCE { OID, value }, twice nested */

struct platform_reader {
        struct tdx_platform *platform;
        uint32_t seen, seen_tcb; /* by last arc */
};

typedef int (*take_fn)(struct platform_reader *reader, unsigned arc, const ASN1_TYPE *value);

static void free_sequence(ASN1_SEQUENCE_ANY *sequence) {
        sk_ASN1_TYPE_pop_free(sequence, ASN1_TYPE_free);
}

static ASN1_SEQUENCE_ANY *read_sequence(const uint8_t *der, size_t size) {
        const uint8_t *p = der;
        ASN1_SEQUENCE_ANY *sequence = d2i_ASN1_SEQUENCE_ANY(NULL, &p, (long)size);

        if (sequence && p == der + size)
                return sequence;
        free_sequence(sequence);
        return NULL;
}

/* The arc below `prefix`; 0: it is another one's. */
static unsigned arc_below(const ASN1_TYPE *oid, const char *prefix) {
        size_t length = strlen(prefix);
        char text[96] = "";
        unsigned arc = 0;

        if (!oid || oid->type != V_ASN1_OBJECT ||
            OBJ_obj2txt(text, sizeof text, oid->value.object, 1) >= (int)sizeof text ||
            strncmp(text, prefix, length) != 0 || text[length] != '.')
                return 0;
        for (const char *digit = text + length + 1; *digit; digit++) {
                if (*digit < '0' || *digit > '9' || arc > 99)
                        return 0;
                arc = 10 * arc + (unsigned)(*digit - '0');
        }
        return arc;
}

static int walk_pair(struct platform_reader *reader, const char *prefix, const ASN1_TYPE *item,
                     uint32_t *seen, take_fn take) {
        ASN1_SEQUENCE_ANY *pair;
        unsigned arc;
        int r = -EINVAL;

        if (item->type != V_ASN1_SEQUENCE)
                return -EINVAL;
        pair = read_sequence(item->value.sequence->data, (size_t)item->value.sequence->length);
        arc = pair && sk_ASN1_TYPE_num(pair) == 2 ? arc_below(sk_ASN1_TYPE_value(pair, 0), prefix) : 0;
        if (arc > 0 && arc < 32 && !(*seen & 1u << arc)) {
                *seen |= 1u << arc;
                r = take(reader, arc, sk_ASN1_TYPE_value(pair, 1));
        }
        free_sequence(pair);
        return r;
}

static int walk(struct platform_reader *reader, const char *prefix, const uint8_t *der, size_t size,
                uint32_t *seen, take_fn take) {
        ASN1_SEQUENCE_ANY *sequence = read_sequence(der, size);
        int r = sequence ? 0 : -EINVAL;

        for (int i = 0; r >= 0 && i < sk_ASN1_TYPE_num(sequence); i++)
                r = walk_pair(reader, prefix, sk_ASN1_TYPE_value(sequence, i), seen, take);
        free_sequence(sequence);
        return r;
}

static int take_octets(const ASN1_TYPE *value, uint8_t *ret, size_t size) {
        if (value->type != V_ASN1_OCTET_STRING || value->value.octet_string->length != (int)size)
                return -EINVAL;
        memcpy(ret, value->value.octet_string->data, size);
        return 0;
}

static int take_svn(const ASN1_TYPE *value, int64_t max, uint16_t *ret) {
        int64_t number = -1;

        if (value->type != V_ASN1_INTEGER || ASN1_INTEGER_get_int64(&number, value->value.integer) != 1 ||
            number < 0 || number > max)
                return -EINVAL;
        *ret = (uint16_t)number;
        return 0;
}

enum { TCB_PCE_SVN = TDX_CPU_COMPONENTS + 1, TCB_CPU_SVN };
#define TCB_ALL (((1u << TCB_CPU_SVN) - 1) << 1)

static int take_tcb(struct platform_reader *reader, unsigned arc, const ASN1_TYPE *value) {
        uint8_t cpu_svn[16];
        uint16_t svn = 0;
        int r;

        if (arc == TCB_CPU_SVN)
                return take_octets(value, cpu_svn, sizeof cpu_svn);
        if (arc > TCB_CPU_SVN)
                return -EINVAL;
        r = take_svn(value, arc == TCB_PCE_SVN ? UINT16_MAX : UINT8_MAX, &svn);
        if (arc == TCB_PCE_SVN)
                reader->platform->pce_svn = svn;
        else
                reader->platform->cpu[arc - 1] = (uint8_t)svn;
        return r;
}

enum { ARC_PPID = 1, ARC_TCB, ARC_PCE_ID, ARC_FMSPC, ARC_SGX_TYPE, ARC_INSTANCE };
#define ARCS_NEEDED (1u << ARC_PPID | 1u << ARC_TCB | 1u << ARC_PCE_ID | 1u << ARC_FMSPC)

static int take_part(struct platform_reader *reader, unsigned arc, const ASN1_TYPE *value) {
        struct tdx_platform *p = reader->platform;
        const struct {
                uint8_t *member;
                size_t size;
        } octets[] = {
                [ARC_PPID] = { p->ppid, sizeof p->ppid },
                [ARC_PCE_ID] = { p->pce_id, sizeof p->pce_id },
                [ARC_FMSPC] = { p->fmspc, sizeof p->fmspc },
                [ARC_INSTANCE] = { p->instance, sizeof p->instance },
        };

        if (arc == ARC_TCB && value->type == V_ASN1_SEQUENCE)
                return walk(reader, ARC ".2", value->value.sequence->data,
                            (size_t)value->value.sequence->length, &reader->seen_tcb, take_tcb);
        p->has_instance |= arc == ARC_INSTANCE;
        if (arc < ARRAY_SIZE(octets) && octets[arc].member)
                return take_octets(value, octets[arc].member, octets[arc].size);
        return arc == ARC_TCB ? -EINVAL
                              : 0; /* kind of SGX and configuration: nothing here depends on them */
}

int tdx_platform_read(const void *der, size_t size, struct tdx_platform *ret, struct cvm_error *err) {
        struct tdx_platform platform = { 0 };
        struct platform_reader reader = { &platform, 0, 0 };
        int r = walk(&reader, ARC, der, size, &reader.seen, take_part);

        if (r < 0 || (reader.seen & ARCS_NEEDED) != ARCS_NEEDED || reader.seen_tcb != TCB_ALL)
                return refuse(err,
                              "the PCK certificate does not say which platform it is for, as Intel's do");
        *ret = platform;
        return 0;
}

int tdx_platform_of(const struct tdx_certificate *pck, struct tdx_platform *ret, struct cvm_error *err) {
        ASN1_OBJECT *object = OBJ_txt2obj(ARC, 1);
        int at = object ? X509_get_ext_by_OBJ(pck->x509, object, -1) : -1;
        const ASN1_OCTET_STRING *value =
                        at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(pck->x509, at));

        ASN1_OBJECT_free(object);
        if (!value)
                return refuse(err, "the PCK certificate lacks Intel's extension");
        return tdx_platform_read(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), ret, err);
}

/* one certificate */

static int read_role(struct tdx_certificate *c, struct cvm_error *err) {
        X509_NAME *subject = X509_get_subject_name(c->x509);
        char name[64] = "";
        int size = X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof name);

        if (size <= 0 || (size_t)size != strlen(name) ||
            X509_NAME_get_index_by_NID(subject, NID_commonName,
                                       X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) >= 0)
                return refuse(err, "a certificate has no common name, or several");
        for (c->role = 0; c->role < TDX_ROLE_MAX_; c->role++)
                if (strcmp(name, tdx_role_texts[c->role]) == 0)
                        return 0;
        return refuse(err, "a certificate has a name that is none of Intel's chain");
}

bool tdx_algorithm_is_known(const X509_ALGOR *algorithm) {
        return algorithm && OBJ_obj2nid(algorithm->algorithm) == NID_ecdsa_with_SHA256;
}

static int read_extensions(struct tdx_certificate *c, struct cvm_error *err) {
        for (int i = 0; i < X509_get_ext_count(c->x509); i++) {
                X509_EXTENSION *extension = X509_get_ext(c->x509, i);
                bool critical = X509_EXTENSION_get_critical(extension);
                char oid[96] = "";

                if (X509_get_ext_by_OBJ(c->x509, X509_EXTENSION_get_object(extension), i) >= 0)
                        return refuse(err, "a certificate has an extension twice");
                OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);
                if (strcmp(oid, CVM_SIMULATION_OID) == 0) {
                        if (!critical)
                                return refuse(err, "a certificate's simulation extension is not critical");
                        c->simulated = true;
                } else if (critical && !X509_supported_extension(extension))
                        return refuse(err, "a certificate has an unknown critical extension");
        }
        return 0;
}

static int check_certificate(struct tdx_certificate *c, struct cvm_error *err) {
        const X509_ALGOR *algorithm = NULL;
        int r = read_role(c, err);

        X509_get0_signature(NULL, &algorithm, c->x509);
        if (r >= 0 && !tdx_algorithm_is_known(algorithm))
                r = refuse(err, "a certificate is not signed by ECDSA with SHA-256");
        if (r >= 0 && !p256_is_key(X509_get0_pubkey(c->x509)))
                r = refuse(err, "a certificate's key is not on P-256");
        return r < 0 ? r : read_extensions(c, err);
}

/* chains */

void tdx_chain_done(struct tdx_chain *chain) {
        for (size_t i = 0; i < chain->n; i++)
                X509_free(chain->links[i].x509);
        *chain = (struct tdx_chain){ 0 };
}

static int read_links(BIO *bio, struct tdx_chain *chain, struct cvm_error *err) {
        X509 *x509;
        int r = 0;

        ERR_clear_error();
        while (r >= 0 && (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                if (chain->n == TDX_CHAIN_MAX) {
                        X509_free(x509);
                        return refuse(err, "there are more certificates than a chain has");
                }
                chain->links[chain->n].x509 = x509;
                r = check_certificate(&chain->links[chain->n++], err);
        }
        for (unsigned long e; r >= 0 && (e = ERR_get_error());) {
                if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a certificate");
                if (ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
                        r = refuse(err, "a certificate is not well-formed");
        }
        return r;
}

static bool is_pck_chain(const struct tdx_chain *chain) {
        const struct tdx_certificate *links = chain->links;

        return chain->n == TDX_CHAIN_MAX && links[0].role == TDX_ROLE_PCK &&
               (links[1].role == TDX_ROLE_PLATFORM_CA || links[1].role == TDX_ROLE_PROCESSOR_CA) &&
               links[2].role == TDX_ROLE_ROOT;
}

int tdx_certificates_read(const void *pem, size_t size, struct tdx_chain *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;
        int r;

        while (size && !((const char *)pem)[size - 1])
                size--;
        if (size > PEM_CHAIN_MAX)
                return refuse(err, "a certificate chain is larger than any of Intel's");
        bio = BIO_new_mem_buf(size ? pem : "", (int)size);
        if (!bio)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading certificates");
        r = read_links(bio, &chain, err);
        if (r < 0)
                return r;
        *ret = chain;
        chain = (struct tdx_chain){ 0 };
        return 0;
}

int tdx_chain_read(const void *pem, size_t size, struct tdx_chain *ret, struct cvm_error *err) {
        struct tdx_chain chain = { 0 };
        int r = tdx_certificates_read(pem, size, &chain, err);

        if (r >= 0 && !is_pck_chain(&chain)) {
                tdx_chain_done(&chain);
                return refuse(err,
                              "the certificates are not a PCK certificate, its CA and Intel's root, in this order");
        }
        if (r >= 0)
                *ret = chain;
        return r;
}

/* Critical extensions were judged when the certificates were read, where the one is known that OpenSSL does
 * not know. */
static int verify_signatures(const struct tdx_chain *chain, uint64_t now_msec, struct cvm_error *err) {
        X509 *links[TDX_CHAIN_MAX];
        const char *why;
        int r;

        for (size_t i = 0; i < chain->n; i++)
                links[i] = chain->links[i].x509;
        r = x509_verify_links(links, chain->n, now_msec, &why);
        if (r == -ENOMEM)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "verifying a certificate chain");
        return r < 0 ? cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                "the chain of '%s' does not verify: %s",
                                tdx_role_texts[chain->links[0].role], why)
                     : 0;
}

int tdx_chain_verify(const struct tdx_chain *chain, uint64_t now_msec, uint8_t ret_root[32],
                     struct cvm_error *err) {
        int r = verify_signatures(chain, now_msec, err);

        for (size_t i = 1; r >= 0 && i < chain->n; i++)
                if (chain->links[i].simulated != chain->links[0].simulated)
                        r = refuse(err, "some certificates are of a simulation and some are not");
        if (r >= 0 && x509_key_digest(chain->links[chain->n - 1].x509, ret_root) < 0)
                r = refuse(err, "the root's public key has no usual form");
        return r;
}
