/* cvm.owner= of the measured command line: exactly once, 96 lower-case hex digits. The owner is taken from
 * nowhere else: everything else that a guest can read was written by the host. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "guest-agent/agent.h"

static const char owner_key[] = "cvm.owner", verity_key[] = "roothash";

/* Is this word that key, with or without a value? */

static bool is_parameter(const char *word, size_t size, const char *key) {
        size_t length = strlen(key);

        return size >= length && strncmp(word, key, length) == 0 && (size == length || word[length] == '=');
}

static int take_hex(const char *word, size_t size, const char *key, uint8_t *ret, size_t bytes) {
        char hex[2 * CVM_SHA384_SIZE + 1];
        size_t skip = strlen(key) + 1;

        if (size != skip + 2 * bytes)
                return -EINVAL;
        memcpy(hex, word + skip, 2 * bytes);
        hex[2 * bytes] = 0;
        return cvm_unhex(hex, ret, bytes);
}

static void take_word(const char *word, size_t size, struct owner *ret) {
        if (is_parameter(word, size, verity_key))
                ret->has_verity_hash = take_hex(word, size, verity_key, ret->verity_hash, 32) == 0;
        if (!is_parameter(word, size, owner_key))
                return;
        if (ret->state != OWNER_NONE) {
                ret->state = OWNER_WRONG;
                cvm_fail(&ret->why, &CVM_CODE_AGENT_OWNER, EINVAL,
                         "the command line names an owner (cvm.owner=) more than once");
        } else if (take_hex(word, size, owner_key, ret->id, sizeof ret->id) < 0) {
                ret->state = OWNER_WRONG;
                cvm_fail(&ret->why, &CVM_CODE_AGENT_OWNER, EINVAL,
                         "cvm.owner= in the command line is not 96 lower-case hex digits");
        } else
                ret->state = OWNER_NAMED;
}

void owner_read(const char *cmdline, size_t size, struct owner *ret) {
        const char *end = cmdline + size;

        *ret = (struct owner){ 0 };
        while (cmdline < end) {
                const char *word = cmdline;

                while (cmdline < end && *cmdline && !isspace((unsigned char)*cmdline))
                        cmdline++;
                take_word(word, (size_t)(cmdline - word), ret);
                cmdline++;
        }
}
