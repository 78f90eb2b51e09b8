#include "collateral/source-snp.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "attest/crl-snp.h"
#include "attest/evidence.h"
#include "attest/x509.h"

#define SIGNING_KEY_VLEK 1

/* A name, taken apart. */
struct object {
        enum collateral_kind kind;
        bool vlek;
        enum snp_product product;
        uint8_t chip_id[64], tcb[SNP_TCB_SIZE]; /* of a certificate; zeros behind the product's size */
};

static void format(const struct object *o, char ret[COLLATERAL_NAME_MAX]) {
        static const char *const what[] = {
                [COLLATERAL_AUTHORITIES] = "chain", [COLLATERAL_REVOCATIONS] = "crl"
        };
        const struct snp_product_facts *facts = &snp_products[o->product];
        char chip[2 * sizeof o->chip_id + 1], tcb[2 * sizeof o->tcb + 1];

        cvm_hex(o->chip_id, facts->chip_id_size, chip);
        cvm_hex(o->tcb, sizeof o->tcb, tcb);
        if (o->kind == COLLATERAL_CERTIFICATE)
                snprintf(ret, COLLATERAL_NAME_MAX, "%s.vcek-%s-%s", facts->name, chip, tcb);
        else
                snprintf(ret, COLLATERAL_NAME_MAX, "%s.%s-%s", facts->name, o->vlek ? "vlek" : "vcek",
                         what[o->kind]);
        ret[0] = (char)tolower((unsigned char)ret[0]); /* the product's name has one capital */
}

/* "CHIP-TCB" */
static int parse_chip(const char *text, struct object *o) {
        size_t size = snp_products[o->product].chip_id_size, digits = 2 * size;
        char chip[2 * sizeof o->chip_id + 1];

        if (strlen(text) != digits + 1 + 2 * sizeof o->tcb || text[digits] != '-')
                return -EINVAL;
        snprintf(chip, sizeof chip, "%.*s", (int)digits, text);
        o->kind = COLLATERAL_CERTIFICATE;
        return cvm_unhex(chip, o->chip_id, size) < 0 ? -EINVAL
                                                     : cvm_unhex(text + digits + 1, o->tcb, sizeof o->tcb);
}

static int parse(const char *name, struct object *ret) {
        const char *dot = strchr(name, '.');
        struct object o = { 0 };
        char again[COLLATERAL_NAME_MAX];

        for (; o.product < SNP_PRODUCT_MAX_; o.product++)
                if (dot && strlen(snp_products[o.product].name) == (size_t)(dot - name) &&
                    strncasecmp(snp_products[o.product].name, name, (size_t)(dot - name)) == 0)
                        break;
        if (o.product == SNP_PRODUCT_MAX_ || strlen(name) >= COLLATERAL_NAME_MAX)
                return -EINVAL;
        o.vlek = strncmp(dot, ".vlek-", 6) == 0;
        if (strcmp(dot + 1, "vcek-chain") == 0 || strcmp(dot + 1, "vlek-chain") == 0)
                o.kind = COLLATERAL_AUTHORITIES;
        else if (strcmp(dot + 1, "vcek-crl") == 0 || strcmp(dot + 1, "vlek-crl") == 0)
                o.kind = COLLATERAL_REVOCATIONS;
        else if (strncmp(dot, ".vcek-", 6) != 0 || parse_chip(dot + 6, &o) < 0)
                return -EINVAL;
        format(&o, again);
        if (strcmp(name, again) != 0) /* one name for one object */
                return -EINVAL;
        *ret = o;
        return 0;
}

static int kind(const char *name) {
        struct object o;

        return parse(name, &o) < 0 ? -EINVAL : (int)o.kind;
}

static void authorities(const char *name, char ret[COLLATERAL_NAME_MAX]) {
        struct object o = { 0 };

        parse(name, &o);
        o.kind = COLLATERAL_AUTHORITIES;
        format(&o, ret);
}

static void place(const char *name, const struct collateral_asked *asked, struct collateral_place *ret) {
        static const char *const spl[] = {
                [1] = "blSPL", [2] = "teeSPL", [3] = "snpSPL", [8] = "ucodeSPL", [9] = "fmcSPL"
        };
        const struct snp_product_facts *facts;
        struct object o = { 0 };
        char chip[2 * sizeof o.chip_id + 1], *path = ret->path;
        int n;

        *ret = (struct collateral_place){ 0 };
        parse(name, &o);
        facts = &snp_products[o.product];
        n = snprintf(path, COLLATERAL_PATH_MAX, "/%s/v1/%s/", o.vlek ? "vlek" : "vcek", facts->name);
        if (o.kind != COLLATERAL_CERTIFICATE) {
                snprintf(path + n, COLLATERAL_PATH_MAX - (size_t)n, "%s",
                         o.kind == COLLATERAL_AUTHORITIES ? "cert_chain" : "crl");
                return;
        }
        cvm_hex(o.chip_id, facts->chip_id_size, chip);
        n += snprintf(path + n, COLLATERAL_PATH_MAX - (size_t)n, "%s", chip);
        for (size_t i = 0; i < SNP_TCB_SIZE; i++)
                if (facts->components[i])
                        n += snprintf(path + n, COLLATERAL_PATH_MAX - (size_t)n, "%c%s=%02u", i ? '&' : '?',
                                      spl[facts->spl[i]], o.tcb[i]);
}

/* --- verifying --- */

static int read_certificates(const struct cvm_bytes *from, struct bundle *ret, struct cvm_error *err) {
        return evidence_add_certificate(ret, from->data, from->size, err);
}

static int check_root(const struct snp_chain *chain, const struct snp_chain_facts *facts,
                      const uint8_t *simulation_root, struct cvm_error *err) {
        const uint8_t *root = simulation_root ? simulation_root : snp_products[chain->root->product].root;

        if (facts->simulated != !!simulation_root || memcmp(facts->root, root, sizeof facts->root) != 0)
                return cvm_fail(err, &CVM_CODE_REPORT_ROOT, EBADMSG, "it verifies to a root that is not %s",
                                simulation_root ? "the simulation root that was named" : "the maker's");
        return 0;
}

static int check_object(const struct object *o, const struct snp_chain *chain, struct cvm_error *err) {
        const struct snp_certificate *key = chain->key;

        if (chain->root->product != o->product)
                return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG, "it is of %s, not of %s",
                                snp_products[chain->root->product].name, snp_products[o->product].name);
        if (key && memcmp(key->chip_id, o->chip_id, sizeof key->chip_id) != 0)
                return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG,
                                "it is for another chip than the one that it should be for");
        if (key && memcmp(key->tcb, o->tcb, sizeof key->tcb) != 0)
                return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG,
                                "it is for another TCB than the one that it should be for");
        return 0;
}

/* Of several certificates the time in which all of them hold. */
static int take_dates(const struct snp_certificate *c, struct collateral_facts *facts,
                      struct cvm_error *err) {
        uint64_t made, expires;

        if (x509_read_time(X509_get0_notBefore(c->x509), &made) < 0 ||
            x509_read_time(X509_get0_notAfter(c->x509), &expires) < 0)
                return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                "a certificate's dates cannot be read");
        if (made > facts->published.made)
                facts->published.made = made;
        if (expires < facts->expires)
                facts->expires = expires;
        return 0;
}

static int verify_list(const struct cvm_bytes *object, const struct snp_chain *chain, uint64_t now_msec,
                       struct collateral_facts *facts, struct cvm_error *err) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        int r = snp_crl_read(object->data, object->size, &crl, err);

        if (r >= 0)
                r = crl_verify(&crl, chain->root->x509, now_msec, err);
        if (r >= 0)
                *facts = (struct collateral_facts){ { .made = crl.this_msec }, crl.next_msec };
        return r;
}

static int verify_key(const struct cvm_bytes *object, struct bundle *certificates, uint64_t now_msec,
                      const struct object *o, struct collateral_facts *facts, struct cvm_error *err) {
        CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
        size_t n = certificates->n_certificates;
        struct snp_chain_facts found;
        int r = read_certificates(object, certificates, err);

        if (r >= 0 && certificates->n_certificates != n + 1)
                r = cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "it is not one certificate");
        if (r >= 0)
                r = snp_chain_read(certificates->certificates, certificates->n_certificates, false, &chain,
                                   err);
        if (r >= 0)
                r = snp_chain_verify(&chain, now_msec, &found, err);
        if (r >= 0)
                r = check_object(o, &chain, err);
        return r < 0 ? r : take_dates(chain.key, facts, err);
}

static int verify(const char *name, const struct cvm_bytes *object, const struct cvm_bytes *authorities_of,
                  const uint8_t *simulation_root, uint64_t now_msec, struct collateral_facts *ret,
                  struct cvm_error *err) {
        CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
        CVM_CLEANUP(bundle_done) struct bundle certificates = { 0 };
        struct collateral_facts facts = { .expires = UINT64_MAX };
        struct snp_chain_facts found;
        struct object o = { 0 };
        int r = parse(name, &o);

        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NAME, EINVAL, "it has no name that an object can have");
        r = read_certificates(authorities_of, &certificates, err);
        if (r >= 0)
                r = snp_authorities_read(certificates.certificates, certificates.n_certificates, o.vlek,
                                         &chain, err);
        if (r >= 0)
                r = snp_chain_verify(&chain, now_msec, &found, err);
        if (r >= 0)
                r = check_root(&chain, &found, simulation_root, err);
        if (r >= 0)
                r = check_object(&o, &chain, err);
        if (r >= 0 && o.kind == COLLATERAL_REVOCATIONS)
                r = verify_list(object, &chain, now_msec, &facts, err);
        else if (r >= 0 && o.kind == COLLATERAL_CERTIFICATE)
                r = verify_key(object, &certificates, now_msec, &o, &facts, err);
        else if (r >= 0 && (r = take_dates(chain.ca, &facts, err)) >= 0)
                r = take_dates(chain.root, &facts, err);
        if (r >= 0)
                *ret = facts;
        return r;
}

/* --- what evidence takes --- */

/* Which roles the evidence brought. What cannot be read is for the appraisal to refuse. */
static void find_roles(const struct bundle *bundle, bool ret[SNP_ROLE_MAX_], enum snp_product *ret_product) {
        for (size_t i = 0; i < bundle->n_certificates; i++) {
                CVM_CLEANUP(snp_certificate_done) struct snp_certificate c = { 0 };

                if (snp_certificate_read(bundle->certificates[i].data, bundle->certificates[i].size, &c,
                                         NULL) < 0)
                        continue;
                ret[c.role] = true;
                *ret_product = c.product;
        }
}

/* Version 2 of the report does not name its processor: then the certificates do, or the caller. */
static int find_product(const struct snp_report *report, const char *given, enum snp_product from_chain,
                        enum snp_product *ret, struct cvm_error *err) {
        if (report->version >= 3)
                return snp_product_by_cpuid(report->cpuid_family, report->cpuid_model, ret) < 0
                                       ? cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, ENOENT,
                                                  "the report is of a processor (family 0x%x, model 0x%x) that "
                                                  "is not known",
                                                  report->cpuid_family, report->cpuid_model)
                                       : 0;
        if (given)
                return snp_product_by_name(given, ret) < 0 ? cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                                                      "'%s' is no product", given)
                                                           : 0;
        if (from_chain == SNP_PRODUCT_MAX_)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--product is needed: the report does not name its processor");
        *ret = from_chain;
        return 0;
}

static int needs(const struct bundle *bundle, const char *product,
                 struct collateral_need ret[COLLATERAL_NEEDS_MAX], size_t *ret_n, struct cvm_error *err) {
        enum snp_product from_chain = SNP_PRODUCT_MAX_;
        bool roles[SNP_ROLE_MAX_] = { false };
        struct snp_report report;
        struct object o = { 0 };
        int r = snp_report_read(bundle->report.data, bundle->report.size, &report, err);

        if (r < 0)
                return r;
        find_roles(bundle, roles, &from_chain);
        r = find_product(&report, product, from_chain, &o.product, err);
        if (r < 0)
                return r;
        o.vlek = (report.key_info >> 2 & 7) == SIGNING_KEY_VLEK;
        memcpy(o.chip_id, report.chip_id, snp_products[o.product].chip_id_size);
        for (size_t i = 0; i < sizeof o.tcb; i++)
                o.tcb[i] = (uint8_t)(report.reported_tcb >> (8 * i));
        for (o.kind = 0; o.kind <= COLLATERAL_CERTIFICATE; o.kind++) {
                ret[o.kind] = (struct collateral_need){ .kind = o.kind };
                if (o.kind != COLLATERAL_CERTIFICATE ||
                    (!o.vlek && !cvm_is_zero(o.chip_id, sizeof o.chip_id)))
                        format(&o, ret[o.kind].name);
        }
        ret[COLLATERAL_AUTHORITIES].is_there =
                        roles[o.vlek ? SNP_ROLE_ASVK : SNP_ROLE_ASK] && roles[SNP_ROLE_ARK];
        ret[COLLATERAL_CERTIFICATE].is_there = roles[o.vlek ? SNP_ROLE_VLEK : SNP_ROLE_VCEK];
        *ret_n = COLLATERAL_CERTIFICATE + 1;
        return 0;
}

const struct collateral_source collateral_snp = {
        .platform = CVM_PLATFORM_SEV_SNP,
        .service = "https://kdsintf.amd.com",
        .burst = 12,
        .interval_msec = 10000,
        .kind = kind,
        .needs = needs,
        .authorities = authorities,
        .place = place,
        .verify = verify,
};
