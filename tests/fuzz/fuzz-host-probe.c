/* A recording of a host from any bytes: each question gets an answer within its bounds or a refusal. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/host-snp.h"
#include "tests/fuzz/fuzz.h"

static char root[] = "/tmp/cvm-fuzz-host-XXXXXX";
static int root_fd = -1;

static void remove_root(void) {
        unlinkat(root_fd, "recorded/probe.json", 0);
        unlinkat(root_fd, "recorded", AT_REMOVEDIR);
        rmdir(root);
}

static void make_root(void) {
        FUZZ_REQUIRE(mkdtemp(root));
        root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_REQUIRE(root_fd >= 0 && mkdirat(root_fd, "recorded", 0700) == 0);
        atexit(remove_root);
}

static void put(const uint8_t *data, size_t size) {
        int fd = openat(root_fd, "recorded/probe.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        FUZZ_REQUIRE(fd >= 0 && cvm_write_all(fd, data, size) == 0);
        close(fd);
}

static void ask_facts(struct host_probe *probe) {
        const struct host_scene scene = { .root_fd = root_fd, .probe = probe };
        CVM_CLEANUP(cvm_json_putp) json_object *facts = NULL;
        struct cvm_error err = { 0 };

        FUZZ_REQUIRE((snp_host_facts(&scene, &facts, &err) < 0) == !facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint32_t leaves[] = { 0, 1, 0x80000002, 0x8000001f };
        CVM_CLEANUP(host_probe_freep) struct host_probe *probe = NULL;
        struct cvm_error err = { 0 };
        struct host_cpuid leaf;
        uint64_t value;

        if (root_fd < 0)
                make_root();
        put(data, size);
        if (host_probe_open(root_fd, &probe, &err) < 0) {
                FUZZ_REQUIRE(err.code);
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
                host_probe_cpuid(probe, leaves[i], &leaf, &err);
        host_probe_msr(probe, 0xc0010010, &value, &err);
        for (int i = 0; i < HOST_KVM_QUESTION_MAX_; i++)
                host_probe_kvm(probe, i, &value, &err);
        for (int i = 0; i < HOST_FIRMWARE_QUESTION_MAX_; i++) {
                struct host_answer answer;

                FUZZ_REQUIRE(host_probe_firmware(probe, i, &answer, &err) < 0 ||
                             answer.size <= HOST_FIRMWARE_ANSWER_MAX);
        }
        ask_facts(probe);
        return 0;
}
