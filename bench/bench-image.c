/*
 * A protected image built from files against a bare loop of OpenSSL over the same bytes in memory, on one
 * core: AES-256-XTS of each page, SHA-512 of all. And what building needs of memory, by the size of the
 * initrd.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/bench.h"
#include "launch/image-build-se.h"

#define ROUNDS 41
#define KERNEL_SIZE (128u << 10)
#define INITRD_SIZE (64u << 20)
#define LARGE_SIZE (1ll << 30)
#define PIECE (64u << 10)

static struct se_random random_;
static struct cvm_secret keys;
static EVP_PKEY *host;

static void need(bool good, const char *what) {
        if (good)
                return;
        fprintf(stderr, "bench-image: %s\n", what);
        exit(1);
}

static uint8_t *make_bytes(void) {
        uint8_t *bytes = malloc(INITRD_SIZE);

        need(bytes, "no memory");
        for (size_t i = 0; i < INITRD_SIZE; i++)
                bytes[i] = (uint8_t)(i * 2654435761u >> 13);
        return bytes;
}

static void make_files(void) {
        CVM_CLEANUP(cvm_freep) uint8_t *initrd = make_bytes();
        static uint8_t kernel[KERNEL_SIZE];
        int large = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        memcpy(kernel + 0x10008, "S390EP", 6);
        need(cvm_write_file("kernel", kernel, sizeof kernel, 0600, NULL) >= 0, "kernel");
        need(cvm_write_file("initrd", initrd, INITRD_SIZE, 0600, NULL) >= 0, "initrd");
        need(ftruncate(large, LARGE_SIZE) == 0, "large");
        close(large);
}

static void make_keys(void) {
        struct cvm_error err = { 0 };

        host = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
        need(host && se_random_make(&random_, &err) >= 0 && se_keys_new(&keys, &err) >= 0, err.text);
        se_keys_fill(se_keys(&keys));
}

static void build(const char *initrd, struct se_image *ret) {
        CVM_CLEANUP(cvm_closep) int kernel = open("kernel", O_RDONLY | O_CLOEXEC);
        CVM_CLEANUP(cvm_closep) int ramdisk = open(initrd, O_RDONLY | O_CLOEXEC);
        CVM_CLEANUP(cvm_closep)
        int image = memfd_create("image", MFD_CLOEXEC); /* a disk takes its own time */
        static uint8_t loader[16u << 10];
        const struct cvm_bytes stage = { loader, sizeof loader };
        const struct se_source source = { .fd = ramdisk, .name = initrd };
        const struct se_build in = { .kernel = { .fd = kernel, .name = "kernel" },
                                     .initrd = &source,
                                     .stage3a = &stage,
                                     .stage3b = &stage,
                                     .hosts = &host,
                                     .n_hosts = 1,
                                     .keys = se_keys(&keys),
                                     .random = &random_ };
        struct cvm_error err = { 0 };

        need(kernel >= 0 && ramdisk >= 0 && image >= 0 && se_image_build(&in, image, ret, &err) >= 0,
             err.text);
}

/* In place over what is in memory: encrypted again in each round, which takes as long. */
static void bare(uint8_t *bytes) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        uint8_t tweak[16] = { 0 }, digest[CVM_SHA512_SIZE];
        int n;

        EVP_DigestInit_ex(md, EVP_sha512(), NULL);
        EVP_EncryptInit_ex(cipher, EVP_aes_256_xts(), NULL, se_keys(&keys)->image, NULL);
        for (size_t at = 0; at < INITRD_SIZE; at += PIECE) {
                for (size_t i = at; i < at + PIECE; i += SE_PAGE) {
                        memcpy(tweak, &i, sizeof i);
                        EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, tweak);
                        EVP_EncryptUpdate(cipher, bytes + i, &n, bytes + i, SE_PAGE);
                }
                EVP_DigestUpdate(md, bytes + at, PIECE);
        }
        need(EVP_DigestFinal_ex(md, digest, NULL) == 1, "the bare loop");
}

static bool compare_times(void) {
        CVM_CLEANUP(cvm_freep) uint8_t *bytes = make_bytes();
        uint64_t ours[ROUNDS], theirs[ROUNDS];
        struct se_image image;
        double o, b;

        for (size_t i = 0; i < ROUNDS; i++) {
                uint64_t t0 = bench_nsec(), t1;

                build("initrd", &image);
                t1 = bench_nsec();
                bare(bytes);
                ours[i] = t1 - t0;
                theirs[i] = bench_nsec() - t1;
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(theirs, ROUNDS);
        return bench_report("protected image, rate against bare XTS and SHA-512", b / o, BENCH_AT_LEAST, 0.8,
                            o / 1e6, b / 1e6, "ms");
}

/* KiB at the peak of one build, in a process of its own. */
static double peak(const char *initrd) {
        struct rusage usage;
        struct se_image image;
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                make_keys(); /* secrets are not inherited */
                build(initrd, &image);
                _exit(0);
        }
        need(wait4(pid, &status, 0, &usage) == pid && status == 0, "a build in another process");
        return (double)usage.ru_maxrss;
}

static bool compare_memory(void) {
        double large = peak("large"), small = peak("initrd");

        return bench_report("its peak memory, initrd of 1 GiB against 64 MiB", large / small, BENCH_AT_MOST,
                            1.1, large / 1024, small / 1024, "MiB");
}

int main(int argc, char **argv) {
        bool met;

        if (argc != 2 || chdir(argv[1]) < 0) /* DIRECTORY, for a file of 64 MiB */
                return 2;
        make_files();
        met = compare_memory();
        make_keys();
        met = compare_times() && met;
        se_random_done(&random_);
        cvm_secret_done(&keys);
        EVP_PKEY_free(host);
        return !met;
}
