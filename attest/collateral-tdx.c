#include "attest/collateral-tdx.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509.h"

#define PARTS_MAX 128
#define SIGNERS_MAX 32

enum part_kind { PART_TCB_INFO, PART_QE_IDENTITY, PART_CERTIFICATES, PART_LIST };

struct part {
        enum part_kind kind;
        struct cvm_bytes bytes;
};

struct gathered {
        struct part parts[PARTS_MAX];
        size_t n;
        struct tdx_certificate signers[SIGNERS_MAX];
        size_t n_signers;
        uint64_t now_msec, from_msec, until_msec; /* see struct tdx_collateral */
};

static void gathered_done(struct gathered *g) {
        for (size_t i = 0; i < g->n; i++)
                cvm_bytes_done(&g->parts[i].bytes);
        for (size_t i = 0; i < g->n_signers; i++)
                X509_free(g->signers[i].x509);
}

/* What is found depends on whether this date has come. */
static void look_at(struct gathered *g, uint64_t date) {
        if (date <= g->now_msec && date > g->from_msec)
                g->from_msec = date;
        if (date > g->now_msec && date < g->until_msec)
                g->until_msec = date;
}

static int missing(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_COLLATERAL_MISSING, ENODATA, "%s is not there", what);
}

static bool is_refused(const struct cvm_error *err) {
        return cvm_error_code(err)->fault == CVM_FAULT_EVIDENCE_NO;
}

/* gathering: what an item is, and what is in it */

static int add_part(struct gathered *g, enum part_kind kind, const void *data, size_t size,
                    struct cvm_error *err) {
        int r;

        if (g->n == PARTS_MAX)
                return cvm_fail(err, &CVM_CODE_COLLATERAL, E2BIG, "there is more of it than is looked at");
        r = cvm_bytes_copy(data, size, &g->parts[g->n].bytes);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, -r, "reading collateral");
        g->parts[g->n++].kind = kind;
        return 0;
}

/* Digits in either case and space around them; anything else is no list, and leaves *ret empty. */
static int unhex(const char *text, size_t size, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *lower = strndup(text, size);
        CVM_CLEANUP(cvm_freep) uint8_t *der = malloc(size / 2 + 1);
        size_t n = 0;

        if (!lower || !der)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading collateral");
        for (size_t i = 0; lower[i]; i++)
                if (!isspace((unsigned char)lower[i]))
                        lower[n++] = (char)tolower((unsigned char)lower[i]);
        lower[n] = 0;
        if (n && n % 2 == 0 && cvm_unhex(lower, der, n / 2) == 0)
                *ret = (struct cvm_bytes){ TAKE_PTR(der), n / 2 };
        return 0;
}

static int add_hex_list(struct gathered *g, const char *text, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = { 0 };
        int r = unhex(text, size, &der, err);

        return r < 0 || !der.size ? r : add_part(g, PART_LIST, der.data, der.size, err);
}

static bool has_text(const char *text, size_t size, const char *what) {
        return memmem(text, size, what, strlen(what));
}

static int add_plain(struct gathered *g, const char *text, size_t size, struct cvm_error *err) {
        if (has_text(text, size, "-----BEGIN CERTIFICATE-----"))
                return add_part(g, PART_CERTIFICATES, text, size, err);
        if (has_text(text, size, "-----BEGIN X509 CRL-----") ||
            (size > 1 && text[0] == 0x30 && (uint8_t)text[1] >= 0x80))
                return add_part(g, PART_LIST, text, size, err);
        return add_hex_list(g, text, size, err);
}

static int add_text(struct gathered *g, const struct cvm_json *root, const char *member,
                    struct cvm_error *err) {
        const char *text = NULL;
        int r = cvm_json_get_text(root, member, &text, err);

        return r > 0 ? add_plain(g, text, strlen(text), err) : r;
}

/* dcap-qvl's form: the signed bytes are a text of their own, their signature another. */
static int add_signed(struct gathered *g, const struct cvm_json *root, enum part_kind kind,
                      const char *member, const char *name, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *whole = NULL;
        const char *payload = NULL, *signature = "";
        char key[64];
        int r = cvm_json_get_text(root, member, &payload, err);

        snprintf(key, sizeof key, "%s_signature", member);
        if (r > 0)
                r = cvm_json_get_text(root, key, &signature, err);
        if (r <= 0)
                return r;
        if (strchr(signature, '"'))
                return cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG, "'%s' is not hex", key);
        if (asprintf(&whole, "{\"%s\":%s,\"signature\":\"%s\"}", name, payload, signature) < 0) {
                whole = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading collateral");
        }
        return add_part(g, kind, whole, strlen(whole), err);
}

static int add_together(struct gathered *g, const struct cvm_json *root, struct cvm_error *err) {
        static const char *const plain[] = { "tcb_info_issuer_chain", "qe_identity_issuer_chain",
                                             "pck_crl_issuer_chain", "root_ca_crl", "pck_crl" };
        int r = add_signed(g, root, PART_TCB_INFO, "tcb_info", "tcbInfo", err);

        if (r >= 0)
                r = add_signed(g, root, PART_QE_IDENTITY, "qe_identity", "enclaveIdentity", err);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(plain); i++)
                r = add_text(g, root, plain[i], err);
        return r;
}

static int add_json(struct gathered *g, const char *text, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root;
        int r = cvm_json_parse(text, size, "collateral", &node, err);

        if (r < 0)
                return r;
        root = cvm_json_root(node, "collateral");
        if (json_object_object_get_ex(node, "tcbInfo", NULL))
                r = add_part(g, PART_TCB_INFO, text, size, err);
        else if (json_object_object_get_ex(node, "enclaveIdentity", NULL))
                r = add_part(g, PART_QE_IDENTITY, text, size, err);
        else
                r = add_together(g, &root, err);
        return r < 0 ? r : add_text(g, &root, "issuer_chain", err);
}

static int add_item(struct gathered *g, const struct cvm_bytes *item, struct cvm_error *err) {
        const char *text = (const char *)item->data;
        struct cvm_error why = { 0 };
        int r;

        if (!item->size || text[0] != '{')
                return item->size ? add_plain(g, text, item->size, err) : 0;
        r = add_json(g, text, item->size, &why);
        return r < 0 ? cvm_fail_as(err, &CVM_CODE_COLLATERAL, EBADMSG, &why, r) : 0;
}

/* Where a date cannot be read, the certificate holds at no time. */
static void look_at_certificate(struct gathered *g, const X509 *x509) {
        uint64_t date;

        if (x509_read_time(X509_get0_notBefore(x509), &date) == 0)
                look_at(g, date);
        if (x509_read_time(X509_get0_notAfter(x509), &date) == 0)
                look_at(g, date);
}

/* The certificates that may sign documents; others may stand beside them. */
static int find_signers(struct gathered *g, struct cvm_error *err) {
        for (size_t i = 0; i < g->n; i++) {
                CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
                struct cvm_error why = { 0 };
                int r = g->parts[i].kind == PART_CERTIFICATES
                                        ? tdx_certificates_read(g->parts[i].bytes.data,
                                                                g->parts[i].bytes.size, &chain, &why)
                                        : 0;

                if (r == -ENOMEM)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading collateral");
                for (size_t k = 0; k < chain.n && g->n_signers < SIGNERS_MAX; k++)
                        if (chain.links[k].role == TDX_ROLE_TCB_SIGNING) {
                                look_at_certificate(g, chain.links[k].x509);
                                g->signers[g->n_signers++] = chain.links[k];
                                chain.links[k].x509 = NULL;
                        }
        }
        return 0;
}

/* documents */

int tdx_document_verify(const struct tdx_document *document, const X509 *signer, const char *what,
                        struct cvm_error *err) {
        int r = p256_verify(X509_get0_pubkey(signer), document->signature, document->payload,
                            document->payload_size);

        return r == -EBADMSG ? cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG,
                                        "the signature of %s does not verify", what)
                             : r;
}

int tdx_document_is_valid(const struct tdx_document *document, uint64_t now_msec, const char *what,
                          struct cvm_error *err) {
        return now_msec < document->issued || now_msec > document->next
                               ? cvm_fail(err, &CVM_CODE_COLLATERAL_STALE, ETIME,
                                          now_msec < document->issued ? "%s is not issued yet at that time"
                                                                      : "%s has expired",
                                          what)
                               : 0;
}

/* The signer's chain ends in the very root of the quote's, so that the maker of the one is that of the
 * other.
 */
static int verify_by(const struct tdx_document *document, const struct tdx_certificate *signer,
                     const struct tdx_certificate *root, uint64_t now_msec, const char *what,
                     struct cvm_error *err) {
        const struct tdx_chain chain = { .links = { *signer, *root }, .n = 2 };
        uint8_t root_key[32];
        struct cvm_error why = { 0 };
        int r = tdx_chain_verify(&chain, now_msec, root_key, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_COLLATERAL, EBADMSG, &why, r);
        return tdx_document_verify(document, signer->x509, what, err);
}

static int verify_document(const struct gathered *g, const struct tdx_document *document,
                           const struct tdx_certificate *root, uint64_t now_msec, const char *what,
                           X509 **ret_signer, struct cvm_error *err) {
        int r = missing(err, "Intel's certificate for TCB signing");

        for (size_t i = 0; r < 0 && i < g->n_signers; i++) {
                r = verify_by(document, &g->signers[i], root, now_msec, what, err);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        *ret_signer = g->signers[i].x509;
        }
        return r < 0 ? r : tdx_document_is_valid(document, now_msec, what, err);
}

static void look_at_document(struct gathered *g, const struct tdx_document *document) {
        look_at(g, document->issued);
        look_at(g, document->next + 1); /* it holds then, too */
}

/* Of several the one that is newest at that time. */
static bool is_better(const struct tdx_document *a, const struct tdx_document *b, uint64_t now_msec) {
        if (!b->node)
                return true;
        if ((a->issued <= now_msec) != (b->issued <= now_msec))
                return a->issued <= now_msec;
        return a->issued > b->issued;
}

static int check_platform(const struct tdx_tcb_info *info, const struct tdx_platform *platform,
                          struct cvm_error *err) {
        char theirs[13], ours[13];

        cvm_hex(info->fmspc, sizeof info->fmspc, theirs);
        cvm_hex(platform->fmspc, sizeof platform->fmspc, ours);
        if (memcmp(info->fmspc, platform->fmspc, sizeof info->fmspc) != 0)
                return cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG,
                                "the TCB info is for platforms of FMSPC %s, the quote is of %s", theirs,
                                ours);
        return memcmp(info->pce_id, platform->pce_id, sizeof info->pce_id) == 0
                               ? 0
                               : cvm_fail(err, &CVM_CODE_COLLATERAL, EBADMSG,
                                          "the TCB info is for another PCEID than the quote's");
}

/* What cannot be used counts only where nothing else can be. */
static int find_info(struct gathered *g, const struct tdx_platform *platform, uint64_t now_msec,
                     struct tdx_tcb_info *ret, struct cvm_error *err) {
        int r = missing(err, "the TCB info of this platform");

        for (size_t i = 0; r != -ENOMEM && i < g->n; i++) {
                CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
                const struct cvm_bytes *text = &g->parts[i].bytes;

                if (g->parts[i].kind != PART_TCB_INFO)
                        continue;
                r = tdx_tcb_info_read(text->data, text->size, &info, err);
                if (r >= 0)
                        r = check_platform(&info, platform, err);
                if (r >= 0)
                        look_at_document(g, &info.document);
                if (r >= 0 && is_better(&info.document, &ret->document, now_msec)) {
                        struct tdx_tcb_info other = *ret;

                        *ret = info;
                        info = other;
                }
        }
        return r != -ENOMEM && ret->document.node ? 0 : r;
}

static int find_identity(struct gathered *g, uint64_t now_msec, struct tdx_qe_identity *ret,
                         struct cvm_error *err) {
        int r = missing(err, "the identity of the quoting enclave");

        for (size_t i = 0; r != -ENOMEM && i < g->n; i++) {
                CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity identity = { 0 };
                const struct cvm_bytes *text = &g->parts[i].bytes;

                if (g->parts[i].kind != PART_QE_IDENTITY)
                        continue;
                r = tdx_qe_identity_read(text->data, text->size, &identity, err);
                if (r >= 0)
                        look_at_document(g, &identity.document);
                if (r >= 0 && is_better(&identity.document, &ret->document, now_msec)) {
                        struct tdx_qe_identity other = *ret;

                        *ret = identity;
                        identity = other;
                }
        }
        return r != -ENOMEM && ret->document.node ? 0 : r;
}

static int take_info(struct gathered *g, const struct tdx_certificate *root,
                     const struct tdx_platform *platform, uint64_t now_msec, struct tdx_tcb_info *ret,
                     X509 **ret_signer, struct cvm_error *err) {
        int r = find_info(g, platform, now_msec, ret, err);

        return r < 0 ? r
                     : verify_document(g, &ret->document, root, now_msec, "the TCB info", ret_signer, err);
}

static int take_identity(struct gathered *g, const struct tdx_certificate *root, uint64_t now_msec,
                         struct tdx_qe_identity *ret, X509 **ret_signer, struct cvm_error *err) {
        int r = find_identity(g, now_msec, ret, err);

        return r < 0 ? r
                     : verify_document(g, &ret->document, root, now_msec,
                                       "the identity of the quoting enclave", ret_signer, err);
}

/* revocation lists */

static const struct crl_profile profile = { tdx_algorithm_is_known, "ECDSA with SHA-256" };

int tdx_list_read(const void *data, size_t size, struct crl *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = { 0 };
        int r = size && *(const uint8_t *)data != 0x30 ? unhex(data, size, &der, err) : 0;

        if (r >= 0)
                r = crl_read(der.size ? der.data : data, der.size ? der.size : size, &profile, ret, err);
        return r;
}

struct revocable {
        X509 *certificate; /* NULL: not there */
        const char *what;
};

/* All lists of that issuer count, and an old one that revokes is not outvoted; one must be valid now. */
static int check_issuer(struct gathered *g, X509 *issuer, const char *whose, uint64_t now_msec,
                        const struct revocable *certificates, size_t n, uint64_t *ret_made,
                        struct cvm_error *err) {
        int r = cvm_fail(err, &CVM_CODE_COLLATERAL_MISSING, ENODATA,
                         "the revocation list of '%s' is not there", whose);
        bool valid = false;

        for (size_t i = 0; i < g->n; i++) {
                CVM_CLEANUP(crl_done) struct crl crl = { 0 };
                struct cvm_error why = { 0 };
                int found;

                if (g->parts[i].kind != PART_LIST ||
                    crl_read(g->parts[i].bytes.data, g->parts[i].bytes.size, &profile, &crl, &why) < 0 ||
                    !crl_is_of(&crl, issuer))
                        continue;
                look_at(g, crl.this_msec);
                look_at(g, crl.next_msec + 1); /* it holds then, too */
                found = crl_verify(&crl, issuer, now_msec, &why);
                for (size_t k = 0; (found >= 0 || why.code == &CVM_CODE_CRL_STALE) && k < n; k++)
                        if (certificates[k].certificate && crl_has(&crl, certificates[k].certificate))
                                return cvm_fail(err, &CVM_CODE_REVOKED, EKEYREVOKED,
                                                "the certificate '%s' is revoked", certificates[k].what);
                if (found >= 0 && crl.this_msec > *ret_made)
                        *ret_made = crl.this_msec;
                valid |= found >= 0;
                if (found < 0 && !valid)
                        r = cvm_fail(err, why.code, -found, "%s", why.text);
        }
        return valid ? 0 : r;
}

static int check_lists(struct gathered *g, const struct tdx_chain *pck, X509 *const signers[2],
                       uint64_t now_msec, struct published *ret, struct cvm_error *err) {
        const struct tdx_certificate *ca = &pck->links[1], *root = &pck->links[2];
        const struct revocable leaves[] = { { pck->links[0].x509, tdx_role_texts[TDX_ROLE_PCK] } };
        const struct revocable authorities[] = {
                { ca->x509, tdx_role_texts[ca->role] },
                { signers[0], tdx_role_texts[TDX_ROLE_TCB_SIGNING] },
                { signers[1], tdx_role_texts[TDX_ROLE_TCB_SIGNING] },
        };
        struct cvm_error other = { 0 };
        int r = check_issuer(g, ca->x509, tdx_role_texts[ca->role], now_msec, leaves, ARRAY_SIZE(leaves),
                             &ret[TDX_PCK_LIST].made, err);
        int q = check_issuer(g, root->x509, tdx_role_texts[root->role], now_msec, authorities,
                             ARRAY_SIZE(authorities), &ret[TDX_ROOT_LIST].made, &other);

        if (q >= 0 || (r < 0 && !is_refused(&other)))
                return r;
        *err = other;
        return q;
}

/* together */

void tdx_collateral_done(struct tdx_collateral *collateral) {
        tdx_tcb_info_done(&collateral->info);
        tdx_qe_identity_done(&collateral->qe);
        *collateral = (struct tdx_collateral){ 0 };
}

static struct published published_of(const struct tdx_document *document) {
        return (struct published){ document->issued, document->evaluation };
}

/* Every part is asked, so that what refuses is never hidden by what is merely missing. */
static int judge(struct gathered *g, const struct tdx_chain *pck, const struct tdx_platform *platform,
                 uint64_t now_msec, struct tdx_collateral *c, struct cvm_error *err) {
        const struct tdx_certificate *root = &pck->links[2];
        struct cvm_error errors[3] = { 0 };
        X509 *signers[2] = { NULL, NULL };
        int worst = -1;
        int results[3];

        results[0] = take_info(g, root, platform, now_msec, &c->info, &signers[0], &errors[0]);
        results[1] = take_identity(g, root, now_msec, &c->qe, &signers[1], &errors[1]);
        results[2] = check_lists(g, pck, signers, now_msec, c->published, &errors[2]);
        for (int i = 0; i < (int)ARRAY_SIZE(results); i++) {
                if (results[i] == -ENOMEM)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading collateral");
                if (results[i] < 0 && (worst < 0 || (is_refused(&errors[i]) && !is_refused(&errors[worst]))))
                        worst = i;
        }
        if (worst >= 0)
                return cvm_fail(err, errors[worst].code, -results[worst], "%s", errors[worst].text);
        c->published[TDX_TCB_INFO] = published_of(&c->info.document);
        c->published[TDX_QE_IDENTITY] = published_of(&c->qe.document);
        return 0;
}

int tdx_collateral_read(const struct cvm_bytes *items, size_t n, const struct tdx_chain *pck,
                        const struct tdx_platform *platform, uint64_t now_msec, struct tdx_collateral *ret,
                        struct cvm_error *err) {
        CVM_CLEANUP(tdx_collateral_done) struct tdx_collateral collateral = { 0 };
        CVM_CLEANUP(gathered_done)
        struct gathered gathered = { .now_msec = now_msec, .until_msec = UINT64_MAX };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_item(&gathered, &items[i], err);
        if (r >= 0)
                r = find_signers(&gathered, err);
        if (r >= 0)
                r = judge(&gathered, pck, platform, now_msec, &collateral, err);
        if (r < 0)
                return r;
        collateral.from_msec = gathered.from_msec;
        collateral.until_msec = gathered.until_msec;
        collateral.info.document.payload = collateral.qe.document.payload = NULL; /* gathered goes */
        *ret = collateral;
        collateral = (struct tdx_collateral){ 0 };
        return 0;
}
