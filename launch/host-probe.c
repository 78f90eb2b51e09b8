#include "launch/host-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/fd.h"
#include "base/json.h"
#include "launch/host-firmware-snp.h"
#include "launch/host.h"
#include "launch/quoting-tdx.h"

#define RECORDING_MAX (64u << 10)

#define KVM_GROUP_SEV 1      /* KVM_X86_GRP_SEV */
#define KVM_CAP_VM_TYPES 235 /* younger than the headers that this is built with, both */

/* How a probe answers: from the machine, or from a recording. */
struct probe_ops {
        int (*cpuid)(struct host_probe *probe, uint32_t leaf, struct host_cpuid *ret, struct cvm_error *err);
        int (*msr)(struct host_probe *probe, uint32_t number, uint64_t *ret, struct cvm_error *err);
        int (*kvm)(struct host_probe *probe, enum host_kvm_question question, uint64_t *ret,
                   struct cvm_error *err);
        int (*firmware)(struct host_probe *probe, enum host_firmware_question question,
                        uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size, struct cvm_error *err);
};

struct host_probe {
        const struct probe_ops *ops;
        json_object *recording; /* owned; NULL: nothing was recorded, or the host is this one */
        struct {
                bool asked;
                int r;
                struct cvm_error err;
                uint8_t data[HOST_FIRMWARE_ANSWER_MAX];
                size_t size;
        } answers[HOST_FIRMWARE_QUESTION_MAX_];
};

/* request 0: an attribute of /dev/kvm, whose number is the argument. */
static const struct {
        const char *name;
        unsigned long request, argument;
} kvm_questions[HOST_KVM_QUESTION_MAX_] = {
        [HOST_KVM_API_VERSION] = { "api-version", KVM_GET_API_VERSION, 0 },
        [HOST_KVM_VM_TYPES] = { "vm-types", KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES },
        [HOST_KVM_FEATURES] = { "features", 0, 0 },
        [HOST_KVM_POLICY_BITS] = { "policy-bits", 0, 1 },
        [HOST_KVM_PROTECTED] = { "protected", KVM_CHECK_EXTENSION, KVM_CAP_S390_PROTECTED },
};

const unsigned long host_probe_requests[] = { KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, KVM_GET_DEVICE_ATTR,
                                              HOST_FIRMWARE_REQUEST, 0 };

static const struct {
        const char *name;
        int (*ask)(enum host_firmware_question question, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX],
                   size_t *ret_size, struct cvm_error *err);
} firmware_questions[HOST_FIRMWARE_QUESTION_MAX_] = {
        [HOST_FIRMWARE_STATUS] = { "platform-status", host_firmware_ask },
        [HOST_FIRMWARE_GUEST_STATUS] = { "guest-status", host_firmware_ask },
        [HOST_FIRMWARE_CHIP_IDS] = { "chip-ids", host_firmware_ask },
        [HOST_FIRMWARE_QUOTING] = { "quoting-service", quoting_ask },
};

/* --- this machine --- */

static int live_cpuid(struct host_probe *probe, uint32_t leaf, struct host_cpuid *ret,
                      struct cvm_error *err) {
#if defined(__x86_64__)
        *ret = (struct host_cpuid){ 0 }; /* a leaf past the last has no feature */
        __get_cpuid_count(leaf, 0, &ret->eax, &ret->ebx, &ret->ecx, &ret->edx);
        return 0;
#else
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, ENOENT, "this processor has no leaf %08x to read", leaf);
#endif
}

static int live_msr(struct host_probe *probe, uint32_t number, uint64_t *ret, struct cvm_error *err) {
        static const char device[] = "/dev/cpu/0/msr";
        CVM_CLEANUP(cvm_closep) int fd = open(device, O_RDONLY | O_CLOEXEC);
        uint64_t value;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno, "'%s' cannot be opened: %s", device,
                                strerror(errno));
        if (pread(fd, &value, sizeof value, number) != sizeof value)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, EIO, "register %08x cannot be read", number);
        *ret = value;
        return 0;
}

static int live_kvm(struct host_probe *probe, enum host_kvm_question question, uint64_t *ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        uint64_t value = 0;
        struct kvm_device_attr attribute = { .group = KVM_GROUP_SEV,
                                             .attr = kvm_questions[question].argument,
                                             .addr = (uintptr_t)&value };
        int r;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno, "'/dev/kvm' cannot be opened: %s",
                                strerror(errno));
        r = kvm_questions[question].request
                            ? ioctl(fd, kvm_questions[question].request, kvm_questions[question].argument)
                            : ioctl(fd, KVM_GET_DEVICE_ATTR, &attribute);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno, "KVM does not tell its %s: %s",
                                kvm_questions[question].name, strerror(errno));
        *ret = kvm_questions[question].request ? (uint64_t)r : value;
        return 0;
}

static int live_firmware(struct host_probe *probe, enum host_firmware_question question,
                         uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size, struct cvm_error *err) {
        return firmware_questions[question].ask(question, ret, ret_size, err);
}

static const struct probe_ops live = { live_cpuid, live_msr, live_kvm, live_firmware };

/* --- a recording --- */

static int silent(const char *section, const char *key, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, ENOENT, "the recording has no '%s.%s'", section, key);
}

static int recorded_text(struct host_probe *probe, const char *section, const char *key, const char **ret,
                         struct cvm_error *err) {
        const struct cvm_json root = cvm_json_root(probe->recording, HOST_RECORDING);
        const struct cvm_json place = cvm_json_at(&root, section);
        int r = probe->recording ? cvm_json_get_text(&place, key, ret, err) : 0;

        return r ? r : silent(section, key, err);
}

/* size bytes of exactly that many pairs of digits, most significant first. */
static int recorded_number(struct host_probe *probe, const char *section, uint32_t number, uint8_t *ret,
                           size_t size, struct cvm_error *err) {
        const char *text;
        char key[9];
        int r;

        snprintf(key, sizeof key, "%08x", number);
        r = recorded_text(probe, section, key, &text, err);
        if (r < 0)
                return r;
        return cvm_unhex(text, ret, size) < 0 ? cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                                         "'%s.%s' in '%s' must be %zu lower-case hex digits",
                                                         section, key, HOST_RECORDING, 2 * size)
                                              : 0;
}

static int recorded_cpuid(struct host_probe *probe, uint32_t leaf, struct host_cpuid *ret,
                          struct cvm_error *err) {
        uint8_t bytes[16] = { 0 };
        struct cvm_reader r = cvm_reader_of(bytes, sizeof bytes);
        int failed = recorded_number(probe, "cpuid", leaf, bytes, sizeof bytes, err);

        if (failed < 0)
                return failed;
        ret->eax = cvm_read_u32be(&r);
        ret->ebx = cvm_read_u32be(&r);
        ret->ecx = cvm_read_u32be(&r);
        ret->edx = cvm_read_u32be(&r);
        return 0;
}

static int recorded_msr(struct host_probe *probe, uint32_t number, uint64_t *ret, struct cvm_error *err) {
        uint8_t bytes[8] = { 0 };
        struct cvm_reader r = cvm_reader_of(bytes, sizeof bytes);
        int failed = recorded_number(probe, "msr", number, bytes, sizeof bytes, err);

        if (failed < 0)
                return failed;
        *ret = cvm_read_u64be(&r);
        return 0;
}

static int recorded_kvm(struct host_probe *probe, enum host_kvm_question question, uint64_t *ret,
                        struct cvm_error *err) {
        const struct cvm_json root = cvm_json_root(probe->recording, HOST_RECORDING);
        const struct cvm_json place = cvm_json_at(&root, "kvm");
        int r = probe->recording ? cvm_json_get_u64(&place, kvm_questions[question].name, ret, err) : 0;

        return r < 0 ? r : r > 0 ? 0 : silent("kvm", kvm_questions[question].name, err);
}

static int recorded_firmware(struct host_probe *probe, enum host_firmware_question question,
                             uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
                             struct cvm_error *err) {
        const char *text;
        int r = recorded_text(probe, "firmware", firmware_questions[question].name, &text, err);
        size_t size;

        if (r < 0)
                return r;
        size = strlen(text) / 2;
        if (size > HOST_FIRMWARE_ANSWER_MAX || cvm_unhex(text, ret, size) < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'firmware.%s' in '%s' must be at most %d bytes in lower-case hex",
                                firmware_questions[question].name, HOST_RECORDING, HOST_FIRMWARE_ANSWER_MAX);
        *ret_size = size;
        return 0;
}

static const struct probe_ops recorded = { recorded_cpuid, recorded_msr, recorded_kvm, recorded_firmware };

static int read_recording(int root_fd, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(root_fd, HOST_RECORDING, O_RDONLY);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r;

        if (fd < 0)
                return 0; /* nothing was recorded: each question says so */
        r = cvm_read_fd(fd, RECORDING_MAX, HOST_RECORDING, &bytes, err);
        return r < 0 ? r : cvm_json_parse(bytes.data, bytes.size, HOST_RECORDING, ret, err);
}

/* --- both --- */

static bool is_this_machine(int root_fd) {
        struct stat root, here;

        return fstat(root_fd, &root) == 0 && stat("/", &here) == 0 && root.st_dev == here.st_dev &&
               root.st_ino == here.st_ino;
}

int host_probe_open(int root_fd, struct host_probe **ret, struct cvm_error *err) {
        CVM_CLEANUP(host_probe_freep) struct host_probe *probe = calloc(1, sizeof *probe);
        int r = probe ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        probe->ops = is_this_machine(root_fd) ? &live : &recorded;
        if (probe->ops == &recorded)
                r = read_recording(root_fd, &probe->recording, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(probe);
        return 0;
}

struct host_probe *host_probe_free(struct host_probe *probe) {
        if (probe)
                json_object_put(probe->recording);
        free(probe);
        return NULL;
}

int host_probe_cpuid(struct host_probe *probe, uint32_t leaf, struct host_cpuid *ret,
                     struct cvm_error *err) {
        return probe->ops->cpuid(probe, leaf, ret, err);
}

int host_probe_msr(struct host_probe *probe, uint32_t number, uint64_t *ret, struct cvm_error *err) {
        return probe->ops->msr(probe, number, ret, err);
}

int host_probe_kvm(struct host_probe *probe, enum host_kvm_question question, uint64_t *ret,
                   struct cvm_error *err) {
        return probe->ops->kvm(probe, question, ret, err);
}

int host_probe_firmware(struct host_probe *probe, enum host_firmware_question question,
                        struct host_answer *ret, struct cvm_error *err) {
        __typeof__(*probe->answers) *a = &probe->answers[question];

        if (!a->asked)
                a->r = probe->ops->firmware(probe, question, a->data, &a->size, &a->err);
        a->asked = true;
        if (a->r < 0) {
                *err = a->err;
                return a->r;
        }
        *ret = (struct host_answer){ a->data, a->size };
        return 0;
}

/* --- recording --- */

static json_object *section(json_object *recording, const char *name) {
        json_object *node = json_object_new_object();

        json_object_object_add(recording, name, node);
        return node;
}

static void record_leaf(struct host_probe *probe, json_object *node, uint32_t leaf) {
        struct cvm_error unasked = { 0 };
        struct host_cpuid c;
        char key[9], text[33];

        if (host_probe_cpuid(probe, leaf, &c, &unasked) < 0)
                return;
        snprintf(key, sizeof key, "%08x", leaf);
        snprintf(text, sizeof text, "%08x%08x%08x%08x", c.eax, c.ebx, c.ecx, c.edx);
        json_object_object_add(node, key, json_object_new_string(text));
}

static void record_register(struct host_probe *probe, json_object *node, uint32_t number) {
        struct cvm_error unasked = { 0 };
        uint64_t value;
        char key[9], text[17];

        if (host_probe_msr(probe, number, &value, &unasked) < 0)
                return;
        snprintf(key, sizeof key, "%08x", number);
        snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
        json_object_object_add(node, key, json_object_new_string(text));
}

static void record_kvm(struct host_probe *probe, json_object *node, enum host_kvm_question question) {
        struct cvm_error unasked = { 0 };
        uint64_t value;

        if (host_probe_kvm(probe, question, &value, &unasked) >= 0)
                json_object_object_add(node, kvm_questions[question].name, json_object_new_uint64(value));
}

static void record_firmware(struct host_probe *probe, json_object *node,
                            enum host_firmware_question question, bool hide) {
        uint8_t data[HOST_FIRMWARE_ANSWER_MAX];
        char text[2 * HOST_FIRMWARE_ANSWER_MAX + 1];
        struct cvm_error unasked = { 0 };
        struct host_answer answer;

        if (host_probe_firmware(probe, question, &answer, &unasked) < 0)
                return;
        memcpy(data, answer.data, answer.size);
        if (hide)
                memset(data, 0xcc, answer.size);
        cvm_hex(data, answer.size, text);
        json_object_object_add(node, firmware_questions[question].name, json_object_new_string(text));
}

json_object *host_probe_record(struct host_probe *probe, const uint32_t *leaves, const uint32_t *registers,
                               bool hide_ids) {
        json_object *recording = json_object_new_object(), *node = section(recording, "cpuid");

        for (; *leaves != UINT32_MAX; leaves++)
                record_leaf(probe, node, *leaves);
        node = section(recording, "msr");
        for (; *registers != UINT32_MAX; registers++)
                record_register(probe, node, *registers);
        node = section(recording, "kvm");
        for (enum host_kvm_question i = 0; i < HOST_KVM_QUESTION_MAX_; i++)
                record_kvm(probe, node, i);
        node = section(recording, "firmware");
        for (enum host_firmware_question i = 0; i < HOST_FIRMWARE_QUESTION_MAX_; i++)
                record_firmware(probe, node, i, hide_ids && i == HOST_FIRMWARE_CHIP_IDS);
        return recording;
}
