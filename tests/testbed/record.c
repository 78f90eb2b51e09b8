#include "tests/testbed/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/handle.h"

static void put_hex(FILE *f, const char *name, const uint8_t *data, size_t size) {
        fprintf(f, ",\n \"%s\": \"", name);
        for (size_t i = 0; i < size; i++)
                fprintf(f, "%02x", data[i]);
        fputc('"', f);
}

static void put_pages(FILE *f, const struct digest *d) {
        static const char *const names[DIGEST_PAGE_MAX_] = {
                [DIGEST_NORMAL] = "normal",         [DIGEST_VMSA] = "vmsa",       [DIGEST_ZERO] = "zero",
                [DIGEST_UNMEASURED] = "unmeasured", [DIGEST_SECRETS] = "secrets", [DIGEST_CPUID] = "cpuid",
        };

        for (size_t i = 1; i < ARRAY_SIZE(names); i++)
                fprintf(f, "%s\"%s\": %llu", i == 1 ? ",\n \"pages\": {" : ", ", names[i],
                        (unsigned long long)d->pages[i]);
        fputc('}', f);
}

static unsigned launches;

static void put_launch(FILE *f, const struct sev *sev, uint32_t firmware_error) {
        fprintf(f, "{\"platform\": \"sev-snp\", \"launch\": %u, \"firmware_error\": %u, \"policy\": %llu",
                ++launches, firmware_error, (unsigned long long)sev->policy);
        fprintf(f, ", \"guest_features\": %llu, \"guest_svn\": %u, \"author_key_enabled\": %s",
                (unsigned long long)sev->features, sev->id.guest_svn, sev->id.has_author ? "true" : "false");
        put_hex(f, "measurement", sev->digest.value, DIGEST_SIZE);
        put_hex(f, "host_data", sev->host_data, sizeof sev->host_data);
        put_hex(f, "family_id", sev->id.family_id, sizeof sev->id.family_id);
        put_hex(f, "image_id", sev->id.image_id, sizeof sev->id.image_id);
        put_hex(f, "id_key_digest", sev->id.key_digest, DIGEST_SIZE);
        put_hex(f, "author_key_digest", sev->id.author_digest, DIGEST_SIZE);
        put_pages(f, &sev->digest);
        fputs("}\n", f);
}

static void put_td(FILE *f, const struct tdx *tdx) {
        fprintf(f, "{\"platform\": \"tdx\", \"launch\": %u, \"attributes\": %llu, \"xfam\": %llu",
                ++launches, (unsigned long long)tdx->attributes, (unsigned long long)tdx->xfam);
        put_hex(f, "measurement", tdx->mrtd, DIGEST_SIZE);
        put_hex(f, "mrconfigid", tdx->mrconfigid, DIGEST_SIZE);
        put_hex(f, "mrowner", tdx->mrowner, DIGEST_SIZE);
        put_hex(f, "mrownerconfig", tdx->mrownerconfig, DIGEST_SIZE);
        fprintf(f, ",\n \"pages\": {\"added\": %llu, \"extended\": %llu}}\n",
                (unsigned long long)tdx->n_pages, (unsigned long long)tdx->n_extended);
}

static FILE *begin(char beside[4096]) {
        const char *path = getenv("CVM_TESTBED_RECORD");
        FILE *f;

        if (!path)
                return NULL;
        snprintf(beside, 4096, "%s.new", path);
        f = fopen(beside, "we");
        if (!f)
                testbed_say("'%s' cannot be written: %s", beside, strerror(errno));
        return f;
}

static void end(FILE *f, const char *beside) {
        if (fclose(f) != 0 || rename(beside, getenv("CVM_TESTBED_RECORD")) < 0)
                testbed_say("'%s' cannot be written: %s", beside, strerror(errno));
}

void record_launch(const struct sev *sev, uint32_t firmware_error) {
        char beside[4096];
        FILE *f = begin(beside);

        if (!f)
                return;
        put_launch(f, sev, firmware_error);
        end(f, beside);
}

void record_td(const struct tdx *tdx) {
        char beside[4096];
        FILE *f = begin(beside);

        if (!f)
                return;
        put_td(f, tdx);
        end(f, beside);
}
