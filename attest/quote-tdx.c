#include "attest/quote-tdx.h"

#include <errno.h>
#include <string.h>

#include "base/digest.h"

#define HEADER_SIZE 48
#define KEY_TYPE_ECDSA_P256 2
#define TEE_SGX 0
#define TEE_TDX 0x81
#define CERTIFICATION_CHAIN 5
#define CERTIFICATION_QE_REPORT 6

enum { BODY_SGX_ENCLAVE = 1, BODY_TD_10 = 2, BODY_TD_15 = 3 };

static const uint8_t intel[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                   0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG, "%s", what);
}

/* The body in the order of its bytes. */
static const struct {
        size_t member;
        uint8_t size;
        bool number; /* uint64_t */
} body_fields[] = {
#define BYTES(name) \
        { offsetof(struct tdx_body, name), sizeof(((struct tdx_body *)NULL)->name), false }
#define NUMBER(name) \
        { offsetof(struct tdx_body, name), 8, true }
        BYTES(tee_tcb_svn),   BYTES(mr_seam),         BYTES(mr_signer_seam), NUMBER(seam_attributes),
        NUMBER(attributes),   NUMBER(xfam),           BYTES(mr_td),          BYTES(mr_config_id),
        BYTES(mr_owner),      BYTES(mr_owner_config), BYTES(rtmr),           BYTES(report_data),
        BYTES(tee_tcb_svn_2), BYTES(mr_service_td),
};
#define N_BODY_FIELDS_10 (ARRAY_SIZE(body_fields) - 2)

static void read_body(struct cvm_reader *in, bool is_15, struct tdx_body *ret) {
        ret->is_15 = is_15;
        for (size_t i = 0; i < (is_15 ? ARRAY_SIZE(body_fields) : N_BODY_FIELDS_10); i++) {
                void *member = (uint8_t *)ret + body_fields[i].member;

                if (body_fields[i].number)
                        *(uint64_t *)member = cvm_read_u64le(in);
                else
                        cvm_read_copy(in, member, body_fields[i].size);
        }
}

size_t tdx_body_write(const struct tdx_body *body, uint8_t ret[TDX_BODY_15_SIZE]) {
        uint8_t *out = ret;

        for (size_t i = 0; i < (body->is_15 ? ARRAY_SIZE(body_fields) : N_BODY_FIELDS_10); i++) {
                const void *member = (const uint8_t *)body + body_fields[i].member;

                if (!body_fields[i].number)
                        memcpy(out, member, body_fields[i].size);
                for (size_t k = 0; body_fields[i].number && k < 8; k++)
                        out[k] = (uint8_t)(*(const uint64_t *)member >> (8 * k));
                out += body_fields[i].size;
        }
        return (size_t)(out - ret);
}

static int read_header(struct cvm_reader *in, struct tdx_quote *quote, struct cvm_error *err) {
        uint16_t key_type;
        uint32_t tee;
        const uint8_t *vendor;

        quote->version = cvm_read_u16le(in);
        key_type = cvm_read_u16le(in);
        tee = cvm_read_u32le(in);
        cvm_read_view(in, 4); /* reserved; versions of enclaves in quotes of SGX */
        vendor = cvm_read_view(in, sizeof intel);
        cvm_read_view(in, 20); /* the quoting enclave's own */
        if (in->failed)
                return refuse(err, "the quote is shorter than its header");
        if (quote->version >= 3 && quote->version <= 5 && tee == TEE_SGX)
                return refuse(err, "the quote is of an SGX enclave, not of a TD");
        if (quote->version == TEE_TDX) /* it begins with its type, where a quote has its version */
                return refuse(err, "this is a TD report, or a part of one, and no quote");
        if (quote->version != 4 && quote->version != 5)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote has version %u; 4 and 5 are known", quote->version);
        if (tee != TEE_TDX)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote is of TEE type 0x%x, a TD's has 0x%x", tee, TEE_TDX);
        if (key_type != KEY_TYPE_ECDSA_P256)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote's key is of type %u; 2 (ECDSA P-256) is known", key_type);
        return memcmp(vendor, intel, sizeof intel) == 0
                               ? 0
                               : refuse(err,
                                        "the quote is of another vendor's quoting enclave than Intel's");
}

/* Version 5 says which body it has, and its size once more. */
static int read_body_kind(struct cvm_reader *in, uint16_t version, bool *ret_15, struct cvm_error *err) {
        uint16_t kind = version == 5 ? cvm_read_u16le(in) : BODY_TD_10;
        uint32_t size = version == 5 ? cvm_read_u32le(in) : TDX_BODY_10_SIZE;

        if (kind == BODY_SGX_ENCLAVE)
                return refuse(err, "the quote is of an SGX enclave, not of a TD");
        if (in->failed || (kind != BODY_TD_10 && kind != BODY_TD_15))
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote's body is of type %u; 2 and 3 (TD 1.0 and 1.5) are known", kind);
        *ret_15 = kind == BODY_TD_15;
        return size == (*ret_15 ? TDX_BODY_15_SIZE : TDX_BODY_10_SIZE)
                               ? 0
                               : cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                          "the quote's body has %u bytes, which its type has not", size);
}

static void read_qe_report(const uint8_t *bytes, struct tdx_qe_report *ret) {
        struct cvm_reader in = cvm_reader_of(bytes, TDX_QE_REPORT_SIZE);

        cvm_read_view(&in, 16); /* CPUSVN */
        ret->misc_select = cvm_read_u32le(&in);
        cvm_read_view(&in, 28);
        cvm_read_copy(&in, ret->attributes, sizeof ret->attributes);
        cvm_read_view(&in, 32 + 32); /* MRENCLAVE */
        cvm_read_copy(&in, ret->mr_signer, sizeof ret->mr_signer);
        cvm_read_view(&in, 96);
        ret->isv_prod_id = cvm_read_u16le(&in);
        ret->isv_svn = cvm_read_u16le(&in);
        cvm_read_view(&in, 60);
        cvm_read_copy(&in, ret->report_data, sizeof ret->report_data);
}

/* A type, a length, and as many bytes: exactly what is left of `in`. */
static int read_certification(struct cvm_reader *in, uint16_t wanted, const char *what,
                              struct cvm_reader *ret, struct cvm_error *err) {
        uint16_t type = cvm_read_u16le(in);
        uint32_t size = cvm_read_u32le(in);

        if (in->failed || size != in->left)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote's %s does not fill what holds it", what);
        if (type != wanted)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                "the quote's %s is of type %u, not %u", what, type, wanted);
        *ret = cvm_reader_of(cvm_read_view(in, size), size);
        return 0;
}

static int read_signature(struct cvm_reader *in, struct tdx_quote *quote, struct cvm_error *err) {
        struct cvm_reader outer = { 0 }, inner = { 0 };
        int r;

        quote->signature = cvm_read_view(in, P256_SIZE);
        quote->attestation_key = cvm_read_view(in, P256_SIZE);
        r = read_certification(in, CERTIFICATION_QE_REPORT, "certification data", &outer, err);
        if (r < 0)
                return r;
        quote->qe_report = cvm_read_view(&outer, TDX_QE_REPORT_SIZE);
        quote->qe_signature = cvm_read_view(&outer, P256_SIZE);
        quote->auth_size = cvm_read_u16le(&outer);
        quote->auth = cvm_read_view(&outer, quote->auth_size);
        if (outer.failed)
                return refuse(err, "the quote's report of the quoting enclave is cut off");
        r = read_certification(&outer, CERTIFICATION_CHAIN, "inner certification data", &inner, err);
        if (r < 0)
                return r;
        read_qe_report(quote->qe_report, &quote->qe);
        quote->chain = inner.next;
        quote->chain_size = inner.left;
        return 0;
}

int tdx_quote_read(const void *bytes, size_t size, struct tdx_quote *ret, struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(bytes, size), signature;
        struct tdx_quote quote = { .signed_bytes = bytes };
        bool is_15 = false;
        uint32_t length;
        int r = read_header(&in, &quote, err);

        if (r >= 0)
                r = read_body_kind(&in, quote.version, &is_15, err);
        if (r < 0)
                return r;
        read_body(&in, is_15, &quote.body);
        quote.signed_size = size - in.left;
        length = cvm_read_u32le(&in);
        if (in.failed || length > in.left)
                return refuse(err, "the quote is cut off");
        signature = cvm_reader_of(in.next, length);
        r = read_signature(&signature, &quote, err);
        if (r >= 0)
                *ret = quote;
        return r;
}

/* TD report */

#define TCB_INFO_AT 256
#define TCB_INFO_SIZE 239
#define TD_INFO_AT 512

static const struct {
        uint16_t at, size;
        uint16_t digest_at;
        const char *what;
} parts[] = {
        { TCB_INFO_AT, TCB_INFO_SIZE, 32, "TEE_TCB_INFO" },
        { TD_INFO_AT, TDX_TDREPORT_SIZE - TD_INFO_AT, 80, "TDINFO" },
};

/* A quote's body has the same fields in another order. */
static void take_tdreport(const uint8_t *bytes, struct tdx_body *ret) {
        struct cvm_reader mac = cvm_reader_of(bytes + 128, 64), tcb = cvm_reader_of(bytes + 264, 144),
                          td = cvm_reader_of(bytes + TD_INFO_AT, TDX_TDREPORT_SIZE - TD_INFO_AT);

        *ret = (struct tdx_body){ .is_15 = bytes[2] > 0 };
        cvm_read_copy(&mac, ret->report_data, sizeof ret->report_data);
        cvm_read_copy(&tcb, ret->tee_tcb_svn, sizeof ret->tee_tcb_svn);
        cvm_read_copy(&tcb, ret->mr_seam, sizeof ret->mr_seam);
        cvm_read_copy(&tcb, ret->mr_signer_seam, sizeof ret->mr_signer_seam);
        ret->seam_attributes = cvm_read_u64le(&tcb);
        cvm_read_copy(&tcb, ret->tee_tcb_svn_2, sizeof ret->tee_tcb_svn_2);
        ret->attributes = cvm_read_u64le(&td);
        ret->xfam = cvm_read_u64le(&td);
        cvm_read_copy(&td, ret->mr_td, sizeof ret->mr_td);
        cvm_read_copy(&td, ret->mr_config_id, sizeof ret->mr_config_id);
        cvm_read_copy(&td, ret->mr_owner, sizeof ret->mr_owner);
        cvm_read_copy(&td, ret->mr_owner_config, sizeof ret->mr_owner_config);
        cvm_read_copy(&td, ret->rtmr, sizeof ret->rtmr);
        cvm_read_copy(&td, ret->mr_service_td, sizeof ret->mr_service_td);
}

int tdx_tdreport_read(const void *bytes, size_t size, struct tdx_body *ret, struct cvm_error *err) {
        const uint8_t *report = bytes;
        uint8_t digest[CVM_SHA384_SIZE];

        if (size != TDX_TDREPORT_SIZE)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG, "the TD report has %zu bytes, not %d",
                                size, TDX_TDREPORT_SIZE);
        if (report[0] != TEE_TDX || report[1] || report[2] > 1 || report[3])
                return refuse(err, "the report is not of a TD, or of an unknown version");
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                cvm_sha384(report + parts[i].at, parts[i].size, digest);
                if (memcmp(digest, report + parts[i].digest_at, sizeof digest) != 0)
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                        "the TD report's digest is not that of its %s", parts[i].what);
        }
        take_tdreport(report, ret);
        return 0;
}
