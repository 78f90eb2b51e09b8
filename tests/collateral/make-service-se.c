/*
 * Distribution points of revocation lists, as a mirror has them (service/HOST/PATH), with the certificates
 * and the host-key documents that name them. Usage: make-service-se DIR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/attest/make-se.h"
#include "tests/collateral/service.h"

#define POINT "URI:http://lists.example/"

static void put_certificate(const char *name, const struct se_made *made) {
        X509 *x509 = se_make_certificate(made);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_pem(&x509, 1, NULL, 0);

        put(name, pem.data, pem.size);
        X509_free(x509);
}

static void put_list(const char *name, const struct se_made_list *made) {
        CVM_CLEANUP(X509_CRL_freep) X509_CRL *list = se_make_list(made);
        uint8_t *der = NULL;
        int size = i2d_X509_CRL(list, &der);

        put(name, der, (size_t)size);
        OPENSSL_free(der);
}

static void put_points(const struct se_scene *s) {
        struct se_made_list list = s->signer_list;

        put_list("service/lists.example/root.crl", &s->root_list);
        put_list("service/lists.example/inter.crl", &s->inter_list);
        put_list("service/lists.example/signer.crl", &s->signer_list);
        list.from = -3600;
        put_list("variants/newer", &list);
        list.serial = s->host.serial;
        list.from = -1800;
        put_list("variants/revokes", &list);
        list = s->signer_list;
        list.until = -1;
        put_list("variants/expired", &list);
        list = s->signer_list;
        list.signer = s->host_key;
        put_list("variants/foreign", &list);
        put("variants/nonsense", "nonsense", 8);
}

int main(int argc, char **argv) {
        struct se_scene s;

        if (argc != 2)
                return 2;
        top = argv[1];
        se_scene_begin(&s, false);
        s.inter.points = POINT "root.crl";
        s.signer.points = POINT "inter.crl?x=%20y";
        s.host.points = "DNS:lists.example,URI:ldap://lists.example/x,URI:http://me@lists.example/x," POINT
                        "first.crl," POINT "signer.crl";
        se_scene_make(&s);
        put_certificate("root.pem", &s.root);
        put_certificate("inter.pem", &s.inter);
        put_certificate("signer.pem", &s.signer);
        put_certificate("host.pem", &s.host);
        put_points(&s);
        s.host.serial = 5;
        s.host.points = "URI:http://127.0.0.1/signer.crl";
        put_certificate("private.pem", &s.host);
        se_scene_done(&s);
        return 0;
}
