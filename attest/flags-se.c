#include "attest/flags-se.h"

#include <string.h>

#include "base/macros.h"

static const struct {
        uint64_t pcf, scf;
        const char *name;
} rows[] = {
        { SE_PCF_DUMP, 0, SE_FLAG_DUMP },
        { SE_PCF_PLAIN, 0, "not-encrypted" },
        { 0x80, 0, "pckmo-dea" },
        { 0x40, 0, "pckmo-aes" },
        { 0x20, 0, "pckmo-ecc" },
        { SE_PCF_PCKMO_HMAC, 0, "pckmo-hmac" },
        { SE_PCF_BACKUP_KEYS, 0, "backup-keys" },
        { 0, SE_SCF_EXTENSION_SECRET, "cck-extension-secret" },
        { 0, SE_SCF_CCK_UPDATE, "cck-update" },
};

size_t se_flag_names(uint64_t pcf, uint64_t scf, const char *ret[SE_FLAGS_MAX]) {
        size_t n = 0, unnamed = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if ((pcf & rows[i].pcf) || (scf & rows[i].scf))
                        ret[n++] = rows[i].name;
                pcf &= ~rows[i].pcf;
                scf &= ~rows[i].scf;
        }
        ret[n] = NULL;
        for (; pcf || scf; pcf &= pcf - 1, unnamed += 1)
                if (!pcf) {
                        pcf = scf;
                        scf = 0;
                }
        return unnamed;
}

bool se_flag_is_known(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].pcf && strcmp(name, rows[i].name) == 0)
                        return true;
        return false;
}
