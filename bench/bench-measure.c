/*
 * A prediction from files against a bare loop of OpenSSL that reads and hashes the same bytes on one core:
 * SHA-384 of each page of the firmware and of the page's place in the chain, SHA-256 of kernel and initrd.
 * And what a prediction needs of memory, by the size of the initrd.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/bench.h"
#include "cli/predict.h"
#include "launch/cpu-model-snp.h"
#include "launch/measure-snp.h"
#include "launch/synthetic-snp.h"

#define ROUNDS 81
#define FIRMWARE_SIZE (4u << 20)
#define INITRD_SIZE (64u << 20)
#define LARGE_SIZE (1ll << 30)
#define VCPUS 64
#define PIECE (256u << 10)

static void need(bool good, const char *what) {
        if (good)
                return;
        fprintf(stderr, "bench-measure: %s\n", what);
        exit(1);
}

static void write_file(const char *path, const uint8_t *bytes, size_t size) {
        need(cvm_write_file(path, bytes, size, 0600, NULL) >= 0, path);
}

/* Tables of a firmware lie at its end: ours behind pages that are no zeros. */
static void make_files(void) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes tail = { 0 };
        CVM_CLEANUP(cvm_freep) uint8_t *bytes = malloc(INITRD_SIZE);
        int large = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        need(bytes && snp_synthetic_firmware(&tail) >= 0, "no memory");
        for (size_t i = 0; i < INITRD_SIZE; i++)
                bytes[i] = (uint8_t)(i * 2654435761u >> 13);
        write_file("initrd", bytes, INITRD_SIZE);
        write_file("kernel", bytes, OVMF_PAGE);
        memcpy(bytes + FIRMWARE_SIZE - tail.size, tail.data, tail.size);
        write_file("firmware", bytes, FIRMWARE_SIZE);
        need(ftruncate(large, LARGE_SIZE) == 0, "large");
        close(large);
}

/* --- ours --- */

static void predict_by_files(const char *initrd, uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        struct cvm_error err = { 0 };
        char text[256];

        snprintf(text, sizeof text,
                 "{\"version\":1,\"platform\":\"sev-snp\",\"vcpus\":%d,\"firmware\":\"firmware\","
                 "\"boot\":{\"kernel\":\"kernel\",\"initrd\":\"%s\",\"cmdline\":\"quiet\"}}",
                 VCPUS, initrd);
        need(definition_read(text, strlen(text), "definition", &definition, &err) >= 0 &&
                             plan_predict(definition, &plan, &err) >= 0 && predict(plan, &err) >= 0,
             err.text);
        memcpy(ret, plan->measurement.digest, CVM_SHA384_SIZE);
}

/* --- the bare loop --- */

static void hash(EVP_MD_CTX *ctx, const void *data, size_t size, uint8_t *ret) {
        need(EVP_DigestInit_ex(ctx, NULL, NULL) == 1 && EVP_DigestUpdate(ctx, data, size) == 1 &&
                             EVP_DigestFinal_ex(ctx, ret, NULL) == 1,
             "hashing");
}

static void hash_file(const char *path, uint8_t ret[CVM_SHA256_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        static uint8_t piece[PIECE];
        ssize_t n;

        EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
        while ((n = read(fd, piece, sizeof piece)) > 0)
                EVP_DigestUpdate(ctx, piece, (size_t)n);
        need(n == 0 && EVP_DigestFinal_ex(ctx, ret, NULL) == 1, path);
}

/* PAGE_INFO: the digest so far, that of the contents, its own length and type 1 (normal), the address. */
static void hash_pages(EVP_MD_CTX *ctx, const uint8_t *image, uint8_t ld[CVM_SHA384_SIZE]) {
        uint8_t info[112] = { [96] = sizeof info, [98] = 1 };

        for (size_t at = 0; at < FIRMWARE_SIZE; at += OVMF_PAGE) {
                uint32_t gpa = (uint32_t)(at - FIRMWARE_SIZE);

                memcpy(info, ld, CVM_SHA384_SIZE);
                hash(ctx, image + at, OVMF_PAGE, info + 48);
                memcpy(info + 104, &gpa, sizeof gpa);
                hash(ctx, info, sizeof info, ld);
        }
}

/* The few pages behind the firmware's are not worth writing twice: they take the product's own steps. */
static void add_rest(EVP_MD_CTX *ctx, const uint8_t *image, const struct snp_hashes *hashes,
                     uint8_t ld[CVM_SHA384_SIZE]) {
        struct snp_digest digest = { .md = ctx };
        struct snp_vcpu vcpu;
        struct ovmf ovmf;
        uint32_t signature;

        need(ovmf_read(image, FIRMWARE_SIZE, &ovmf, NULL) >= 0 &&
                             snp_cpu_signature("EPYC-v4", &signature, NULL) >= 0,
             "the firmware");
        memcpy(digest.ld, ld, sizeof digest.ld);
        snp_digest_sections(&digest, &ovmf, hashes);
        snp_digest_vcpu(&digest, ovmf.reset_eip, signature, SNP_FEATURES_DEFAULT, &vcpu);
        for (uint32_t i = 0; i < VCPUS; i++)
                snp_digest_add_vcpu(&digest, &vcpu, i);
        memcpy(ld, digest.ld, sizeof digest.ld);
}

static void hash_bare(uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_closep) int fd = open("firmware", O_RDONLY | O_CLOEXEC);
        static uint8_t image[FIRMWARE_SIZE];
        struct snp_hashes hashes;

        need(read(fd, image, sizeof image) == sizeof image, "firmware");
        hash_file("kernel", hashes.kernel);
        hash_file("initrd", hashes.initrd);
        cvm_sha256("quiet", sizeof "quiet", hashes.cmdline);
        EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);
        memset(ret, 0, CVM_SHA384_SIZE);
        hash_pages(ctx, image, ret);
        add_rest(ctx, image, &hashes, ret);
}

/* --- */

static bool compare_times(void) {
        uint64_t ours[ROUNDS], bare[ROUNDS];
        uint8_t one[CVM_SHA384_SIZE], other[CVM_SHA384_SIZE];
        double o, b;

        for (size_t i = 0; i < ROUNDS; i++) {
                uint64_t t0 = bench_nsec(), t1;

                predict_by_files("initrd", one);
                t1 = bench_nsec();
                hash_bare(other);
                ours[i] = t1 - t0;
                bare[i] = bench_nsec() - t1;
                need(memcmp(one, other, sizeof one) == 0, "the digests differ");
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(bare, ROUNDS);
        return bench_report("prediction, time against one core that hashes the same", o / b, BENCH_AT_MOST,
                            1.1, o / 1e6, b / 1e6, "ms");
}

/* KiB at the peak of one prediction, in a process of its own. */
static double peak(const char *initrd) {
        struct rusage usage;
        uint8_t digest[CVM_SHA384_SIZE];
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                predict_by_files(initrd, digest);
                _exit(0);
        }
        need(wait4(pid, &status, 0, &usage) == pid && status == 0, "a prediction in another process");
        return (double)usage.ru_maxrss;
}

static bool compare_memory(void) {
        double large = peak("large"), small = peak("initrd");

        return bench_report("its peak memory, initrd of 1 GiB against 64 MiB", large / small, BENCH_AT_MOST,
                            1.1, large / 1024, small / 1024, "MiB");
}

int main(int argc, char **argv) {
        bool met;

        if (argc != 2 || chdir(argv[1]) < 0) /* DIRECTORY, for files of a hundred megabytes */
                return 2;
        make_files();
        met = compare_memory();
        return !(compare_times() && met);
}
