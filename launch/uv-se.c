#include "launch/uv-se.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "launch/host.h"

#define TEXT_MAX 2048
#define HEX "0123456789abcdef"

int uv_parse_number(const char *text, uint64_t *ret) {
        size_t digits = strspn(text, "0123456789");

        if (digits < 1 || digits > 18 || (text[digits] && strcmp(text + digits, "\n") != 0))
                return -EBADMSG;
        *ret = strtoull(text, NULL, 10);
        return 0;
}

int uv_parse_mask(const char *text, struct uv_mask *ret) {
        struct uv_mask mask = { 0 };
        size_t n = 0;

        while (*text) {
                size_t digits, prefix = strncmp(text, "0x", 2) == 0 ? 2 : 0;

                text += prefix;
                digits = strspn(text, HEX);
                if (n == UV_MASK_WORDS || digits < 1 || digits > 16 ||
                    (text[digits] && text[digits] != '\n'))
                        return -EBADMSG;
                mask.words[n++] = strtoull(text, NULL, 16);
                text += digits + (text[digits] == '\n');
        }
        if (n == 0)
                return -EBADMSG;
        *ret = mask;
        return 0;
}

int uv_parse_keys(const char *text, uint8_t ret[UV_KEYS_MAX][CVM_SHA256_SIZE], size_t *ret_n) {
        uint8_t key[CVM_SHA256_SIZE];
        char line[2 * CVM_SHA256_SIZE + 1];
        size_t n = 0;

        for (size_t lines = 0; *text; lines++) {
                size_t digits = strspn(text, HEX);

                if (lines == UV_KEYS_MAX || digits != sizeof line - 1 ||
                    (text[digits] && text[digits] != '\n'))
                        return -EBADMSG;
                memcpy(line, text, digits);
                line[digits] = 0;
                if (cvm_unhex(line, key, sizeof key) < 0)
                        return -EBADMSG;
                if (!cvm_is_zero(key, sizeof key))
                        memcpy(ret[n++], key, sizeof key);
                text += digits + (text[digits] == '\n');
        }
        *ret_n = n;
        return 0;
}

static int refuse(const char *path, const char *what, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, EBADMSG, "'/%s' %s", path, what);
}

static int read_text(int root_fd, const char *path, char ret[TEXT_MAX], struct cvm_error *err) {
        host_text(root_fd, path, ret, TEXT_MAX);
        return *ret ? 0 : refuse(path, "is not there or empty: this kernel does not tell", err);
}

int uv_number(int root_fd, const char *path, uint64_t *ret, struct cvm_error *err) {
        char text[TEXT_MAX];
        int r = read_text(root_fd, path, text, err);

        return r >= 0 && uv_parse_number(text, ret) < 0 ? refuse(path, "has no decimal number", err) : r;
}

int uv_mask(int root_fd, const char *path, struct uv_mask *ret, struct cvm_error *err) {
        char text[TEXT_MAX];
        int r = read_text(root_fd, path, text, err);

        return r >= 0 && uv_parse_mask(text, ret) < 0 ? refuse(path, "has no hexadecimal mask", err) : r;
}

int uv_keys(int root_fd, uint8_t ret[UV_KEYS_MAX][CVM_SHA256_SIZE], size_t *ret_n, struct cvm_error *err) {
        char text[TEXT_MAX];
        int r = read_text(root_fd, UV_KEYS, text, err);

        return r >= 0 && uv_parse_keys(text, ret, ret_n) < 0 ? refuse(UV_KEYS, "has no hashes of keys", err)
                                                             : r;
}
