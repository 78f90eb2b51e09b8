/*
 * Intel serves a document and, in a header of the answer, the certificates that vouch for it. One object is
 * both: the document as it came with the member "issuer_chain" behind the last of its own, which nobody
 * signs, or {"pck_crl":PEM,"pck_crl_issuer_chain":PEM}. So it verifies by itself, whatever certificates come
 * with another one, and it is what attest/collateral-tdx.h takes as an item.
 */
#include "collateral/source-tdx.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>

#include "attest/collateral-tdx.h"
#include "attest/evidence.h"
#include "attest/quote-tdx.h"
#include "attest/x509.h"

#define FMSPC_SIZE 6

static const char root_name[] = "root";

/* A name, taken apart. */
struct object {
        const struct row *row;
        uint8_t fmspc[FMSPC_SIZE];
};

/* What is being verified. */
struct verifying {
        const struct object *object;
        const char *text; /* the object's bytes */
        size_t size;
        struct tdx_chain chain; /* who vouches for it, and the root */
        uint64_t now_msec;
        struct collateral_facts facts;
};

static int malformed(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO, "the answer %s", what);
}

static int no_memory(struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading an answer");
}

/* --- out of answers --- */

/* A header's value has its spaces and line ends as %XX; '+' is itself, as PEM has it. */
static int decode(const char *header, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        char *out;

        if (!header)
                return malformed(err, "lacks the header with the certificates that vouch for it");
        out = text = malloc(strlen(header) + 1);
        if (!text)
                return no_memory(err);
        for (const char *p = header; *p; p++) {
                char hex[3] = { 0 };

                if (*p != '%') {
                        *out++ = *p;
                        continue;
                }
                if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
                        return malformed(err, "has certificates in its header that are not URL-encoded");
                memcpy(hex, p + 1, 2);
                *out = (char)strtoul(hex, NULL, 16);
                if (!*out++)
                        return malformed(err, "has certificates in its header that are no text");
                p += 2;
        }
        *out = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

static int take_pem(BIO *bio, struct cvm_bytes *ret) {
        char *text = NULL;
        long size = BIO_get_mem_data(bio, &text);

        return size > 0 ? cvm_bytes_copy(text, (size_t)size, ret) : -ENOMEM;
}

static int take_root(const struct cvm_bytes *body, const char *chain, struct cvm_bytes *ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain certificates = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        int r = tdx_certificates_read(chain, strlen(chain), &certificates, err);

        if (r < 0)
                return r;
        if (!certificates.n)
                return malformed(err, "has no certificate in its header");
        return bio && PEM_write_bio_X509(bio, certificates.links[certificates.n - 1].x509) == 1 &&
                                               take_pem(bio, ret) >= 0
                               ? 0
                               : no_memory(err);
}

/* The signed bytes stay as they are: the certificates go in front of the last brace. */
static int take_document(const struct cvm_bytes *body, const char *chain, struct cvm_bytes *ret,
                         struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_string(chain);
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer out = { 0 };
        const char *quoted =
                        node ? json_object_to_json_string_ext(node, JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
        size_t size = body->size;

        while (size && isspace(body->data[size - 1]))
                size--;
        if (!size || body->data[0] != '{' || body->data[size - 1] != '}')
                return malformed(err, "is no JSON object");
        if (!quoted)
                return no_memory(err);
        cvm_write_copy(&out, body->data, size - 1);
        cvm_write_copy(&out, ",\"issuer_chain\":", strlen(",\"issuer_chain\":"));
        cvm_write_copy(&out, quoted, strlen(quoted));
        cvm_write_copy(&out, "}", 1);
        return cvm_writer_take(&out, ret) < 0 ? no_memory(err) : 0;
}

static int take_root_list(const struct cvm_bytes *body, const char *chain, struct cvm_bytes *ret,
                          struct cvm_error *err) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        int r = tdx_list_read(body->data, body->size, &crl, err);

        if (r < 0)
                return r;
        return bio && PEM_write_bio_X509_CRL(bio, crl.crl) == 1 && take_pem(bio, ret) >= 0 ? 0
                                                                                           : no_memory(err);
}

static int take_list(const struct cvm_bytes *body, const char *chain, struct cvm_bytes *ret,
                     struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = take_root_list(body, chain, &pem, err);

        if (r < 0)
                return r;
        json_object_object_add(node, "pck_crl", json_object_new_string((char *)pem.data));
        json_object_object_add(node, "pck_crl_issuer_chain", json_object_new_string(chain));
        text = cvm_json_text(node);
        return text && cvm_bytes_copy(text, strlen(text), ret) >= 0 ? 0 : no_memory(err);
}

/* --- verifying --- */

static int get_member(const struct verifying *v, const char *name, json_object **ret_node, const char **ret,
                      struct cvm_error *err) {
        struct cvm_error why = { 0 };
        struct cvm_json root;
        int r = cvm_json_parse(v->text, v->size, "object", ret_node, &why);

        if (r >= 0) {
                root = cvm_json_root(*ret_node, "object");
                r = cvm_json_get_text(&root, name, ret, &why);
        }
        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_COLLATERAL, EBADMSG, &why, r);
        return r > 0 ? 0 : cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG, "it has no '%s'", name);
}

static int take_document_facts(struct verifying *v, const struct tdx_document *document, const char *what,
                               struct cvm_error *err) {
        int r = tdx_document_verify(document, v->chain.links[0].x509, what, err);

        if (r >= 0)
                r = tdx_document_is_valid(document, v->now_msec, what, err);
        v->facts = (struct collateral_facts){ { document->issued, document->evaluation }, document->next };
        return r;
}

static int verify_info(struct verifying *v, struct cvm_error *err) {
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        int r = tdx_tcb_info_read(v->text, v->size, &info, err);

        if (r >= 0 && memcmp(info.fmspc, v->object->fmspc, FMSPC_SIZE) != 0)
                return cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG, "it is for platforms of another FMSPC");
        return r < 0 ? r : take_document_facts(v, &info.document, "the TCB info", err);
}

static int verify_identity(struct verifying *v, struct cvm_error *err) {
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity identity = { 0 };
        int r = tdx_qe_identity_read(v->text, v->size, &identity, err);

        return r < 0 ? r
                     : take_document_facts(v, &identity.document, "the identity of the quoting enclave",
                                           err);
}

static int verify_crl(struct verifying *v, const char *text, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        int r = tdx_list_read(text, size, &crl, err);

        if (r >= 0)
                r = crl_verify(&crl, v->chain.links[0].x509, v->now_msec, err);
        v->facts = (struct collateral_facts){ { .made = crl.this_msec }, crl.next_msec };
        return r;
}

static int verify_list(struct verifying *v, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *text = NULL;
        int r = get_member(v, "pck_crl", &node, &text, err);

        return r < 0 ? r : verify_crl(v, text, strlen(text), err);
}

static int verify_root_list(struct verifying *v, struct cvm_error *err) {
        return verify_crl(v, v->text, v->size, err);
}

static int verify_root(struct verifying *v, struct cvm_error *err) {
        v->facts.expires = UINT64_MAX;
        return x509_read_time(X509_get0_notBefore(v->chain.links[0].x509), &v->facts.published.made) < 0
                               ? cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                          "a certificate's dates cannot be read")
                               : 0;
}

/* --- the objects --- */

#define CERTIFICATES "/sgx/certification/v4"
#define DOCUMENTS "/tdx/certification/v4"

static const char *const identity_headers[] = { "SGX-Enclave-Identity-Issuer-Chain",
                                                "Enclave-Identity-Issuer-Chain", NULL };
static const char *const info_headers[] = { "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain", NULL };
static const char *const list_headers[] = { "SGX-PCK-CRL-Issuer-Chain", NULL };

static const struct row {
        const char *name; /* or what a name begins with */
        bool has_fmspc;   /* hex of it ends the name and the path */
        enum collateral_kind kind;
        const char *path, *early, *const *headers;
        enum tdx_role issuer; /* who vouches for it */
        const char *chain;    /* the member with the certificates; NULL: those of the root */
        int (*take)(const struct cvm_bytes *body, const char *chain, struct cvm_bytes *ret,
                    struct cvm_error *err);
        int (*verify)(struct verifying *v, struct cvm_error *err);
} rows[] = {
        { root_name, false, COLLATERAL_AUTHORITIES, DOCUMENTS "/qe/identity", "", identity_headers,
          TDX_ROLE_ROOT, NULL, take_root, verify_root },
        { "root-crl", false, COLLATERAL_REVOCATIONS, CERTIFICATES "/rootcacrl", "", NULL, TDX_ROLE_ROOT,
          NULL, take_root_list, verify_root_list },
        { "pck-platform-crl", false, COLLATERAL_REVOCATIONS, CERTIFICATES "/pckcrl?ca=platform&encoding=der",
          "", list_headers, TDX_ROLE_PLATFORM_CA, "pck_crl_issuer_chain", take_list, verify_list },
        { "pck-processor-crl", false, COLLATERAL_REVOCATIONS,
          CERTIFICATES "/pckcrl?ca=processor&encoding=der", "", list_headers, TDX_ROLE_PROCESSOR_CA,
          "pck_crl_issuer_chain", take_list, verify_list },
        { "tcb-", true, COLLATERAL_JUDGEMENT, DOCUMENTS "/tcb?fmspc=", "&update=early", info_headers,
          TDX_ROLE_TCB_SIGNING, "issuer_chain", take_document, verify_info },
        { "qe-identity", false, COLLATERAL_JUDGEMENT, DOCUMENTS "/qe/identity", "?update=early",
          identity_headers, TDX_ROLE_TCB_SIGNING, "issuer_chain", take_document, verify_identity },
};

static int parse(const char *name, struct object *ret) {
        for (const struct row *row = rows; row < rows + ARRAY_SIZE(rows); row++) {
                size_t length = strlen(row->name);
                bool is = row->has_fmspc ? strncmp(name, row->name, length) == 0 &&
                                                           cvm_unhex(name + length, ret->fmspc,
                                                                     FMSPC_SIZE) == 0
                                         : strcmp(name, row->name) == 0;

                ret->row = row;
                if (is)
                        return 0;
        }
        return -EINVAL;
}

static int kind(const char *name) {
        struct object o;

        return parse(name, &o) < 0 ? -EINVAL : (int)o.row->kind;
}

static void authorities(const char *name, char ret[COLLATERAL_NAME_MAX]) {
        struct object o;

        snprintf(ret, COLLATERAL_NAME_MAX, "%s",
                 parse(name, &o) >= 0 && o.row->issuer == TDX_ROLE_ROOT ? root_name : name);
}

/* The maker has the root's list where the root's certificate says; caching services have it beside the rest.
 */
static void place(const char *name, const struct collateral_asked *asked, struct collateral_place *ret) {
        char fmspc[2 * FMSPC_SIZE + 1] = "";
        struct object o;

        *ret = (struct collateral_place){ 0 };
        if (parse(name, &o) < 0)
                return;
        ret->headers = o.row->headers;
        if (o.row->take == take_root_list && !asked->is_mirror) {
                ret->service = "https://certificates.trustedservices.intel.com";
                strcpy(ret->path, "/IntelSGXRootCA.der");
                return;
        }
        if (o.row->has_fmspc)
                cvm_hex(o.fmspc, FMSPC_SIZE, fmspc);
        snprintf(ret->path, sizeof ret->path, "%s%s%s", o.row->path, fmspc,
                 asked->early ? o.row->early : "");
}

static int take(const char *name, const struct cvm_bytes *body, const char *header, struct cvm_bytes *ret,
                struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *chain = NULL;
        struct object o;
        int r = parse(name, &o);

        if (r >= 0 && o.row->headers)
                r = decode(header, &chain, err);
        return r < 0 ? r : o.row->take(body, chain, ret, err);
}

static int read_chain(struct verifying *v, const struct cvm_bytes *authorities_of, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const struct row *row = v->object->row;
        const char *pem = (const char *)authorities_of->data;
        size_t n = row->issuer == TDX_ROLE_ROOT ? 1 : 2;
        int r = row->chain ? get_member(v, row->chain, &node, &pem, err) : 0;

        if (r >= 0)
                r = tdx_certificates_read(pem, row->chain ? strlen(pem) : authorities_of->size, &v->chain,
                                          err);
        if (r >= 0 && (v->chain.n != n || v->chain.links[0].role != row->issuer ||
                       v->chain.links[n - 1].role != TDX_ROLE_ROOT))
                r = cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                             "the certificates beside it are not '%s' and the root",
                             tdx_role_texts[row->issuer]);
        return r;
}

static int check_chain(const struct verifying *v, const uint8_t *simulation_root, struct cvm_error *err) {
        uint8_t found[CVM_SHA256_SIZE];
        int r = tdx_chain_verify(&v->chain, v->now_msec, found, err);

        if (r >= 0 && (v->chain.links[0].simulated != !!simulation_root ||
                       memcmp(found, simulation_root ? simulation_root : tdx_root, sizeof found) != 0))
                r = cvm_fail(err, &CVM_CODE_REPORT_ROOT, EBADMSG, "it verifies to a root that is not %s",
                             simulation_root ? "the simulation root that was named" : "the maker's");
        return r;
}

/* It holds no longer than those who vouch for it. */
static int check_expiry(struct verifying *v, struct cvm_error *err) {
        for (size_t i = 0; i < v->chain.n; i++) {
                uint64_t until;

                if (x509_read_time(X509_get0_notAfter(v->chain.links[i].x509), &until) < 0)
                        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                        "a certificate's dates cannot be read");
                if (until < v->facts.expires)
                        v->facts.expires = until;
        }
        return 0;
}

static int verify(const char *name, const struct cvm_bytes *object, const struct cvm_bytes *authorities_of,
                  const uint8_t *simulation_root, uint64_t now_msec, struct collateral_facts *ret,
                  struct cvm_error *err) {
        struct object o;
        struct verifying v = {
                .object = &o, .text = (const char *)object->data, .size = object->size, .now_msec = now_msec
        };
        int r = parse(name, &o);

        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NAME, EINVAL, "it has no name that an object can have");
        r = read_chain(&v, authorities_of, err);
        if (r >= 0)
                r = check_chain(&v, simulation_root, err);
        if (r >= 0)
                r = o.row->verify(&v, err);
        if (r >= 0)
                r = check_expiry(&v, err);
        if (r >= 0)
                *ret = v.facts;
        tdx_chain_done(&v.chain);
        return r;
}

/* --- what a quote takes --- */

static int needs(const struct bundle *bundle, const char *product,
                 struct collateral_need ret[COLLATERAL_NEEDS_MAX], size_t *ret_n, struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        struct tdx_platform platform;
        struct tdx_quote quote;
        char info[COLLATERAL_NAME_MAX], fmspc[2 * FMSPC_SIZE + 1];
        int r = tdx_quote_read(bundle->report.data, bundle->report.size, &quote, err);

        if (r >= 0)
                r = tdx_chain_read(quote.chain, quote.chain_size, &chain, err);
        if (r >= 0)
                r = tdx_platform_of(&chain.links[0], &platform, err);
        if (r < 0)
                return r;
        cvm_hex(platform.fmspc, FMSPC_SIZE, fmspc);
        snprintf(info, sizeof info, "tcb-%s", fmspc);
        /* What ages, in the order of enum tdx_published. */
        const char *const names[] = { root_name,
                                      chain.links[1].role == TDX_ROLE_PLATFORM_CA ? "pck-platform-crl"
                                                                                  : "pck-processor-crl",
                                      "root-crl", info, "qe-identity" };

        for (*ret_n = 0; *ret_n < ARRAY_SIZE(names); ++*ret_n) {
                struct collateral_need *need = &ret[*ret_n];

                *need = (struct collateral_need){ .kind = (enum collateral_kind)kind(names[*ret_n]) };
                need->is_there = need->kind == COLLATERAL_AUTHORITIES; /* the quote's own root */
                snprintf(need->name, sizeof need->name, "%s", names[*ret_n]);
        }
        return 0;
}

const struct collateral_source collateral_tdx = {
        .platform = CVM_PLATFORM_TDX,
        .service = "https://api.trustedservices.intel.com",
        .burst = 20,
        .interval_msec = 3000,
        .takes_files = true,
        .kind = kind,
        .needs = needs,
        .authorities = authorities,
        .place = place,
        .take = take,
        .verify = verify,
};
