/* OpenSSL's own X509_verify_cert(), counted. */
#pragma once

#include <dlfcn.h>

#include <openssl/x509_vfy.h>

/* How many chains OpenSSL was asked to verify. */
static unsigned verified;

int X509_verify_cert(X509_STORE_CTX *ctx) {
        int (*real)(X509_STORE_CTX *) = (int (*)(X509_STORE_CTX *))dlsym(RTLD_NEXT, "X509_verify_cert");

        verified++;
        return real(ctx);
}
