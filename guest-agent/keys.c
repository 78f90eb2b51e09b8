#include <errno.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/digest.h"
#include "base/names.h"
#include "guest-agent/keys.h"

#define TRIES 64
#define CPU_BYTES 32
#define RAW_KEY 32

#if defined(__x86_64__)
static bool rdseed64(uint64_t *ret) {
        bool good;

        __asm__ volatile("rdseed %0" : "=r"(*ret), "=@ccc"(good));
        return good;
}

static bool rdrand64(uint64_t *ret) {
        bool good;

        __asm__ volatile("rdrand %0" : "=r"(*ret), "=@ccc"(good));
        return good;
}

/* RDSEED where there is one, else RDRAND; each may be exhausted for a moment. */
static int cpu_random(uint8_t ret[CPU_BYTES]) {
        unsigned a, b = 0, c = 0, d;
        bool (*draw)(uint64_t *) = NULL;

        if (__get_cpuid(1, &a, &b, &c, &d) && c & bit_RDRND)
                draw = rdrand64;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_RDSEED)
                draw = rdseed64;
        for (size_t i = 0; draw && i < CPU_BYTES; i += sizeof(uint64_t)) {
                uint64_t word = 0;
                int tries = TRIES;

                while (!draw(&word) && --tries > 0)
                        ;
                if (tries == 0)
                        return -EIO;
                memcpy(ret + i, &word, sizeof word);
        }
        return draw ? 0 : -ENOTSUP;
}
#elif defined(__s390x__)
#define FACILITY_MSA5 57 /* has the instruction PRNO */
#define PRNO_TRNG 114

union pair { /* an even and an odd register: where, and how much */
        unsigned __int128 both;
        struct {
                uint64_t address, size;
        };
};

static bool has_trng(void) {
        uint64_t facilities[4] = { 0 };
        uint8_t functions[16] = { 0 };

        __asm__ volatile("lghi 0,3\n\tstfle %0" : "+Q"(facilities) : : "0", "cc");
        if (!(facilities[0] >> (63 - FACILITY_MSA5) & 1))
                return false;
        __asm__ volatile("lghi 0,0\n\tlgr 1,%0\n\t.insn rre,0xb93c0000,2,4"
                         :
                         : "d"(functions)
                         : "0", "1", "2", "3", "4", "5", "cc", "memory");
        return functions[PRNO_TRNG / 8] >> (7 - PRNO_TRNG % 8) & 1;
}

/* Conditioned bytes of the true random number generator; the instruction may stop half-way. */
static int cpu_random(uint8_t ret[CPU_BYTES]) {
        union pair raw = { 0 }, conditioned = { .address = (uintptr_t)ret, .size = CPU_BYTES };

        if (!has_trng())
                return -ENOTSUP;
        __asm__ volatile("lghi 0,%2\n"
                         "0:\t.insn rre,0xb93c0000,%0,%1\n\tbrc 1,0b"
                         : "+&d"(raw.both), "+&d"(conditioned.both)
                         : "K"(PRNO_TRNG)
                         : "0", "cc", "memory");
        return 0;
}
#else
static int cpu_random(uint8_t ret[CPU_BYTES]) {
        return -ENOTSUP;
}
#endif

static EVP_PKEY *make_key(int type, const char *label, const uint8_t seed[2 * CPU_BYTES]) {
        uint8_t text[16 + 2 * CPU_BYTES] = { 0 }, digest[CVM_SHA512_SIZE];
        EVP_PKEY *key;

        strncpy((char *)text, label, 16);
        memcpy(text + 16, seed, 2 * CPU_BYTES);
        cvm_sha512(text, sizeof text, digest);
        key = EVP_PKEY_new_raw_private_key(type, NULL, digest, RAW_KEY);
        explicit_bzero(text, sizeof text);
        explicit_bzero(digest, sizeof digest);
        return key;
}

int keys_make(bool lenient, EVP_PKEY **ret_kem, EVP_PKEY **ret_sig, struct cvm_error *err) {
        uint8_t seed[2 * CPU_BYTES] = { 0 };
        int r;

        cvm_random(seed, CPU_BYTES);
        r = cpu_random(seed + CPU_BYTES);
        if (r < 0 && !lenient)
                return cvm_fail(err, &CVM_CODE_AGENT_ENTROPY, r,
                                "this CPU offers the guest no random bytes of its own (RDSEED, RDRAND, PRNO)");
        *ret_kem = make_key(EVP_PKEY_X25519, "cvm-agent kem", seed);
        *ret_sig = make_key(EVP_PKEY_ED25519, "cvm-agent sig", seed);
        explicit_bzero(seed, sizeof seed);
        if (!*ret_kem || !*ret_sig)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "the boot keys cannot be made");
        return 0;
}
