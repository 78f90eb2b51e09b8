#include "sim/pck-tdx.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/objects.h>

#include "sim/certificate.h"

#define ARC "1.2.840.113741.1.13.1"
#define SEQUENCE (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED)

CVM_DEFINE_CLEANUP_VOID(ASN1_OBJECT, ASN1_OBJECT_free);

static void put(struct cvm_writer *out, uint8_t tag, const void *data, size_t size) {
        cvm_write_u8(out, tag);
        if (size >= 0x80) {
                cvm_write_u8(out, 0x82);
                cvm_write_u16be(out, (uint16_t)size);
        } else
                cvm_write_u8(out, (uint8_t)size);
        cvm_write_copy(out, data, size);
}

/* SEQUENCE { OID, value } */
static void put_pair(struct cvm_writer *out, const char *below, unsigned arc, uint8_t tag, const void *data,
                     size_t size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer pair = { 0 };
        CVM_CLEANUP(ASN1_OBJECT_freep) ASN1_OBJECT *object = NULL;
        char oid[64];

        snprintf(oid, sizeof oid, "%s.%u", below, arc);
        object = OBJ_txt2obj(oid, 1);
        if (object)
                put(&pair, V_ASN1_OBJECT, OBJ_get0_data(object), OBJ_length(object));
        put(&pair, tag, data, size);
        put(out, SEQUENCE, pair.bytes.data, pair.bytes.size);
        out->failed |= !object || pair.failed;
}

static void put_svn(struct cvm_writer *out, unsigned arc, uint16_t svn) {
        const uint8_t bytes[] = { 0, (uint8_t)(svn >> 8), (uint8_t)svn };
        size_t skip = svn > 0x7fff ? 0 : svn > 0x7f ? 1 : 2;

        put_pair(out, ARC ".2", arc, V_ASN1_INTEGER, bytes + skip, sizeof bytes - skip);
}

static void put_tcb(struct cvm_writer *out, const struct tdx_platform *p) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer tcb = { 0 };

        for (unsigned i = 0; i < TDX_CPU_COMPONENTS; i++)
                put_svn(&tcb, i + 1, p->cpu[i]);
        put_svn(&tcb, TDX_CPU_COMPONENTS + 1, p->pce_svn);
        put_pair(&tcb, ARC ".2", TDX_CPU_COMPONENTS + 2, V_ASN1_OCTET_STRING, p->cpu, sizeof p->cpu);
        put_pair(out, ARC, 2, SEQUENCE, tcb.bytes.data, tcb.bytes.size);
        out->failed |= tcb.failed;
}

int sim_pck_extend(X509 *x509, const void *ctx) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer parts = { 0 }, whole = { 0 };
        const struct tdx_platform *p = ctx;
        const uint8_t with_integrity = 2; /* kind of SGX */

        put_pair(&parts, ARC, 1, V_ASN1_OCTET_STRING, p->ppid, sizeof p->ppid);
        put_tcb(&parts, p);
        put_pair(&parts, ARC, 3, V_ASN1_OCTET_STRING, p->pce_id, sizeof p->pce_id);
        put_pair(&parts, ARC, 4, V_ASN1_OCTET_STRING, p->fmspc, sizeof p->fmspc);
        put_pair(&parts, ARC, 5, V_ASN1_ENUMERATED, &with_integrity, 1);
        put_pair(&parts, ARC, 6, V_ASN1_OCTET_STRING, p->instance, sizeof p->instance);
        put(&whole, SEQUENCE, parts.bytes.data, parts.bytes.size);
        if (parts.failed || whole.failed)
                return -ENOMEM;
        return sim_extension_add(x509, ARC, false, whole.bytes.data, whole.bytes.size);
}
