#include "base/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"

static bool is_lower_or_digit(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_made_of(const char *text, const char *also, size_t max) {
        size_t length = strnlen(text, max + 1);

        if (length == 0 || length > max || !is_lower_or_digit(text[0]))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!is_lower_or_digit(text[i]) && !strchr(also, text[i]))
                        return false;
        return true;
}

bool cvm_name_is_valid(const char *name) {
        return is_made_of(name, "._-", CVM_NAME_MAX) && !strstr(name, "..");
}

bool cvm_secret_name_is_valid(const char *name) {
        return is_made_of(name, "._-", 64);
}

bool cvm_label_is_valid(const char *key) {
        return is_made_of(key, "._/-", CVM_NAME_MAX);
}

int cvm_uuid_parse(const char *text, uint8_t ret[16]) {
        static const size_t groups[] = { 4, 2, 2, 2, 6 };
        uint8_t uuid[16];
        const char *p = text;
        size_t n = 0;

        if (strnlen(text, CVM_UUID_TEXT) != CVM_UUID_TEXT - 1)
                return -EINVAL;
        for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
                char digits[13] = { 0 };

                memcpy(digits, p, 2 * groups[g]);
                p += 2 * groups[g];
                if (cvm_unhex(digits, uuid + n, groups[g]) < 0 || (*p != '-' && *p != 0))
                        return -EINVAL;
                p += *p == '-';
                n += groups[g];
        }
        memcpy(ret, uuid, sizeof uuid);
        return 0;
}

bool cvm_uuid_is_valid(const char *text) {
        uint8_t uuid[16];

        return cvm_uuid_parse(text, uuid) == 0 && !cvm_is_zero(uuid, sizeof uuid);
}

void cvm_uuid_format(const uint8_t uuid[16], char ret[CVM_UUID_TEXT]) {
        char hex[33];

        cvm_hex(uuid, 16, hex);
        snprintf(ret, CVM_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                 hex + 20);
}

void cvm_random(void *ret, size_t size) {
        uint8_t *p = ret;

        while (size > 0) {
                ssize_t n = getrandom(p, size, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        abort();
                p += n;
                size -= (size_t)n;
        }
}

void cvm_uuid_make(char ret[CVM_UUID_TEXT]) {
        uint8_t uuid[16];

        cvm_random(uuid, sizeof uuid);
        uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
        uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
        cvm_uuid_format(uuid, ret);
}

/* Length of the UTF-8 character at p (RFC 3629), 0 where there is none or it is a C1 control. */
static size_t utf8_length(const uint8_t *p, size_t left) {
        size_t length = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 ? 3 : 2;

        if (p[0] < 0xc2 || p[0] > 0xf4 || length > left)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
            (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        return length;
}

void cvm_text_clean(char *text, size_t size, bool keep_lines) {
        uint8_t *p = (uint8_t *)text;

        for (size_t i = 0; i < size;) {
                size_t length = p[i] < 0x80 ? 1 : utf8_length(p + i, size - i);
                bool line = keep_lines && (p[i] == '\n' || p[i] == '\t');

                if (length == 0 || (length == 1 && !line && (p[i] < 0x20 || p[i] == 0x7f)))
                        p[i] = '?';
                i += length ? length : 1;
        }
}
