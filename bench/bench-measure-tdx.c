/* MRTD of a firmware file of 4 MiB against a bare loop of OpenSSL over the very same records. */
#include <fcntl.h>
#include <unistd.h>

#include "base/clean-openssl.h"
#include "base/fd.h"
#include "bench/bench.h"
#include "launch/measure-tdx.h"
#include "tests/launch/make-tdvf.h"

#define ROUNDS 201
#define FIRMWARE_SIZE (4u << 20)
#define STORE_SIZE 0x84000u
#define GPA (0x100000000u - FIRMWARE_SIZE)
#define CHUNK 256u

/* As OVMF has them: all but the variable store is measured. */
static const struct image_section sections[] = {
        { STORE_SIZE, FIRMWARE_SIZE - STORE_SIZE, GPA + STORE_SIZE, FIRMWARE_SIZE - STORE_SIZE,
          TDVF_BOOT_FIRMWARE, 1 },
        { 0, STORE_SIZE, GPA, STORE_SIZE, TDVF_CONFIGURATION, 0 },
        { 0, 0, 0x810000, 0x10000, TDVF_MEMORY, 0 },
        { 0, 0, 0x80b000, 0x2000, TDVF_MEMORY, 0 },
        { 0, 0, 0x809000, 0x2000, TDVF_HAND_OFF, 0 },
        { 0, 0, 0x800000, 0x6000, TDVF_MEMORY, 0 },
};

static void need(bool good, const char *what) {
        if (good)
                return;
        fprintf(stderr, "bench-measure-tdx: %s\n", what);
        exit(1);
}

static void make_firmware(void) {
        static uint8_t bytes[FIRMWARE_SIZE];
        struct image_plan plan = image_good;

        for (size_t i = 0; i < FIRMWARE_SIZE - IMAGE_SIZE; i++)
                bytes[i] = (uint8_t)(i * 2654435761u >> 13);
        memcpy(plan.sections, sections, sizeof sections);
        plan.n_sections = plan.count = ARRAY_SIZE(sections);
        plan.length = 16 + 32 * ARRAY_SIZE(sections);
        image_make(&plan, bytes + FIRMWARE_SIZE - IMAGE_SIZE);
        need(cvm_write_file("firmware-tdx", bytes, FIRMWARE_SIZE, 0600, NULL) >= 0, "firmware-tdx");
}

/* The reader's own check of the metadata is in it; the file's SHA-256, which a prediction names too, is not.
 */
static void measure_file(uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        struct tdvf tdvf;

        need(cvm_read_file("firmware-tdx", FIRMWARE_SIZE, &image, NULL) >= 0 &&
                             tdvf_read(image.data, image.size, &tdvf, NULL) >= 0 &&
                             tdx_mrtd(image.data, &tdvf, false, ret) >= 0,
             "measuring");
}

static void add(EVP_MD_CTX *ctx, const char *what, size_t size, uint64_t gpa) {
        uint8_t record[128] = { 0 };

        memcpy(record, what, size);
        memcpy(record + 16, &gpa, sizeof gpa);
        EVP_DigestUpdate(ctx, record, sizeof record);
}

static void hash_bare(uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_closep) int fd = open("firmware-tdx", O_RDONLY | O_CLOEXEC);
        static uint8_t image[FIRMWARE_SIZE];

        need(read(fd, image, sizeof image) == sizeof image, "firmware-tdx");
        EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);
        for (const struct image_section *s = sections; s < sections + ARRAY_SIZE(sections); s++)
                for (uint64_t page = 0; page < s->size; page += TDVF_PAGE) {
                        add(ctx, "MEM.PAGE.ADD", 12, s->gpa + page);
                        for (uint64_t at = page; s->attributes && at < page + TDVF_PAGE; at += CHUNK) {
                                add(ctx, "MR.EXTEND", 9, s->gpa + at);
                                EVP_DigestUpdate(ctx, image + s->offset + at, CHUNK);
                        }
                }
        EVP_DigestFinal_ex(ctx, ret, NULL);
}

int main(int argc, char **argv) {
        uint64_t ours[ROUNDS], bare[ROUNDS];
        uint8_t one[CVM_SHA384_SIZE], other[CVM_SHA384_SIZE];
        double o, b;

        if (argc != 2 || chdir(argv[1]) < 0) /* DIRECTORY, for the firmware */
                return 2;
        make_firmware();
        for (size_t i = 0; i < ROUNDS; i++) {
                uint64_t t0 = bench_nsec(), t1;

                measure_file(one);
                t1 = bench_nsec();
                hash_bare(other);
                ours[i] = t1 - t0;
                bare[i] = bench_nsec() - t1;
                need(memcmp(one, other, sizeof one) == 0, "the digests differ");
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(bare, ROUNDS);
        return !bench_report("MRTD of a firmware of 4 MiB, time against the bare loop", o / b, BENCH_AT_MOST,
                             1.2, o / 1e6, b / 1e6, "ms");
}
