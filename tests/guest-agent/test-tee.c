/* Which source of reports is chosen, by the agent's function and by the agent itself; and what it makes of
 * what it is given. A directory plays the machine: there configfs can be looked for, not asked. */
#include "tests/guest-agent/scene.h"

#include <sys/time.h>

#include "attest/evidence.h"
#include "guest-agent/agent.h"

#define CONFIGFS "sys/kernel/config/tsm/report"
#define DEVICE "dev/sev-guest"
#define PORT "sys/class/virtio-ports/vport0p2"

static char machine[64];

/* In the machine's root. */
static void shell(const char *text) {
        char command[512];

        snprintf(command, sizeof command, "cd %s && %s", machine, text);
        assert_int_equal(system(command), 0);
}

static void add_configfs(void) {
        shell("mkdir -p " CONFIGFS);
}

static void add_device(void) {
        shell("mkdir -p dev && touch " DEVICE);
}

static void add_port(void) {
        shell("mkdir -p " PORT " && echo org.cvmd.tee.0 >" PORT "/name");
}

static int set_up(void **state) {
        strcpy(machine, "/tmp/cvm-test-tee-XXXXXX");
        return mkdtemp(machine) ? 0 : -1;
}

static int tear_down(void **state) {
        shell("rm -r $PWD");
        return 0;
}

static void expect_choice(const char *asked, const char *name, const char *where) {
        CVM_CLEANUP(tee_done) struct tee tee = { .fd = -EBADF };
        struct cvm_error err = { 0 };

        if (tee_choose(asked, machine, 0, &tee, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(tee.provider->name, name);
        assert_int_equal(tee.provider->simulated, strcmp(name, "simulated") == 0);
        if (where)
                assert_string_equal(tee.where, where);
}

static void expect_choice_below(const char *asked, const char *name, const char *path) {
        char where[128];

        snprintf(where, sizeof where, "%s/%s", machine, path);
        expect_choice(asked, name, where);
}

static void hardware_comes_before_the_hosts_port(void **state) {
        add_port();
        expect_choice(NULL, "simulated", "org.cvmd.tee.0");
        add_device();
        expect_choice_below(NULL, "sev-guest", DEVICE);
        shell("touch dev/uv");
        expect_choice_below(NULL, "sev-guest", DEVICE);
        shell("mv " DEVICE " dev/away");
        expect_choice_below(NULL, "uv", "dev/uv");
        shell("mv dev/away " DEVICE);
        add_configfs();
        expect_choice_below(NULL, "configfs", CONFIGFS);
        shell("rm dev/uv && rmdir " CONFIGFS); /* nothing was left in it */
        expect_choice_below(NULL, "sev-guest", DEVICE);
        shell("rm " DEVICE);
        expect_choice(NULL, "simulated", NULL);
}

static void hardware_that_fails_is_not_given_up(void **state) {
        add_port();
        shell("mkdir dev && ln -s sev-guest " DEVICE); /* ELOOP: that is not certainly nothing */
        expect_choice_below(NULL, "sev-guest", DEVICE);
        shell("mkdir -p " CONFIGFS " && rmdir " CONFIGFS " && ln -s report " CONFIGFS);
        expect_choice_below(NULL, "configfs", CONFIGFS);
}

static void what_is_asked_for_wins(void **state) {
        add_port();
        add_device();
        add_configfs();
        expect_choice("simulated", "simulated", "org.cvmd.tee.0");
        expect_choice("simulated:fd:7", "simulated", "fd:7");
        expect_choice("org.example.tee", "simulated", "org.example.tee");
        expect_choice("fd:4", "simulated", "fd:4");
        expect_choice("/dev/vport0p2", "simulated", "/dev/vport0p2");
        expect_choice_below("configfs", "configfs", CONFIGFS);
        expect_choice_below("configfs:/elsewhere", "configfs", "elsewhere");
        expect_choice_below("sev-guest", "sev-guest", DEVICE);
        expect_choice_below("sev-guest:/dev/other", "sev-guest", "dev/other");
        expect_choice("sev-guests", "simulated", "sev-guests");
}

static void too_long_a_place_is_refused(void **state) {
        char asked[TEE_WHERE_MAX + 20] = "configfs:/";
        struct tee tee = { .fd = -EBADF };
        struct cvm_error err = { 0 };

        memset(asked + strlen(asked), 'x', sizeof asked - 1 - strlen(asked));
        assert_int_equal(tee_choose(asked, "", 0, &tee, &err), -ENAMETOOLONG);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-ARGUMENT");
        assert_null(tee.provider);
}

static void without_any_every_question_is_refused(void **state) {
        struct tee tee = { .fd = -EBADF };
        struct cvm_error err = { 0 };
        const struct tee_self *self;
        char words[TEE_WORDS_MAX], *lines = NULL;

        add_port();
        shell("echo org.cvmd.agent.0 >" PORT "/name");
        assert_int_equal(tee_choose(NULL, machine, 0, &tee, NULL), 0);
        assert_false(tee.provider->simulated); /* so the boot keys take no short cut */
        assert_int_equal(tee_know_self(&tee, &self, &err), -ENODEV);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-REPORT");
        assert_non_null(strstr(err.text, "no port org.cvmd.tee.0"));
        assert_int_equal(tee_lock_store(&tee, words, &err), -EOPNOTSUPP);
        assert_non_null(strstr(err.text, "no driver of this guest's hardware"));
        assert_int_equal(tee_list_store(&tee, &lines, &err), -EOPNOTSUPP);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-STORE");
}

static char late[2][128];

static void come_late(int signal) {
        (void)rename(late[0], late[1]);
}

static void a_port_may_come_late(void **state) {
        const struct itimerval soon = { .it_value.tv_usec = 50000 };
        struct tee tee = { .fd = -EBADF };

        add_port();
        snprintf(late[0], sizeof late[0], "%s/" PORT "/late", machine);
        snprintf(late[1], sizeof late[1], "%s/" PORT "/name", machine);
        assert_int_equal(rename(late[1], late[0]), 0);
        signal(SIGALRM, come_late);
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        assert_int_equal(tee_choose(NULL, machine, TIMEOUT_MSEC, &tee, NULL), 0);
        assert_string_equal(tee.provider->name, "simulated");
}

/* What the agent itself says that it has chosen. */
static void agent_says(const char *option, const char *asked, char ret[256]) {
        char run[80], *const argv[] = { (char *)"cvm-agent",
                                        (char *)"--channel",
                                        (char *)"/dev/null",
                                        (char *)"--cmdline",
                                        (char *)"/dev/null",
                                        (char *)"--run",
                                        run,
                                        (char *)"--root",
                                        machine,
                                        (char *)option,
                                        (char *)asked,
                                        NULL };
        int errors[2], status;
        pid_t pid;
        FILE *f;

        snprintf(run, sizeof run, "%s/run", machine);
        assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                dup2(errors[1], STDERR_FILENO);
                execv(CVM_BINARY_DIR "/guest-agent/cvm-agent", argv);
                _exit(127);
        }
        close(errors[1]);
        f = fdopen(errors[0], "r");
        assert_non_null(f);
        do
                assert_non_null(fgets(ret, 256, f));
        while (!strstr(ret, "reports come from"));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        fclose(f);
}

static void the_agent_chooses_as_stated(void **state) {
        char line[256];

        add_port();
        agent_says(NULL, NULL, line);
        assert_string_equal(line, "cvm-agent: reports come from simulated (org.cvmd.tee.0)\n");
        add_device();
        agent_says(NULL, NULL, line);
        assert_non_null(strstr(line, "from sev-guest (/tmp/"));
        add_configfs();
        agent_says(NULL, NULL, line);
        assert_non_null(strstr(line, "from configfs (/tmp/"));
        agent_says("--tee", "sev-guest", line);
        assert_non_null(strstr(line, "from sev-guest (/tmp/"));
        agent_says("--tee", "org.example.tee", line);
        assert_string_equal(line, "cvm-agent: reports come from simulated (org.example.tee)\n");
}

static const struct cvm_bytes *table; /* what comes with the report */

static int ask_stub(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
                    struct cvm_error *err) {
        static const struct sim_guest guest = { .platform = CVM_PLATFORM_SEV_SNP, .host_data = { 1, 2, 3 } };
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct sim_question asked = { 0 };

        memcpy(asked.report_data, question->report_data, sizeof asked.report_data);
        assert_int_equal(sim_report(root, &guest, &asked, &said, err), 0);
        ret->report = cvm_bytes_take(&said.report);
        return table->size ? cvm_bytes_copy(table->data, table->size, &ret->certificates) : 0;
}

/* The agent's answer to a request for evidence. */
static struct msg_evidence take_evidence(struct agent *a) {
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_EVIDENCE);
        const struct cvm_bytes *out = &a->out.bytes.bytes;
        char nonce[2 * CVM_NONCE_SIZE + 1], text[128];
        struct cvm_frame frame = { CVM_MSG_HELLO, 1, "{\"protocol_min\":1,\"protocol_max\":1}", 35 };
        struct msg_evidence evidence = { 0 };
        struct cvm_frame_reader in = { 0 };
        size_t used;

        frame.size = strlen(frame.payload);
        agent_take(a, &frame);
        memset(nonce, '5', sizeof nonce - 1);
        nonce[sizeof nonce - 1] = 0;
        snprintf(text, sizeof text, "{\"id\":2,\"nonce\":\"%s\"}", nonce);
        frame = (struct cvm_frame){ CVM_MSG_EVIDENCE_REQUEST, 1, text, strlen(text) };
        agent_take(a, &frame);
        for (size_t at = 0; at < out->size && evidence.id == 0; at += used)
                if (cvm_frame_feed(&in, out->data + at, out->size - at, &used, &frame) > 0 &&
                    frame.type == CVM_MSG_EVIDENCE)
                        assert_int_equal(cvm_message_read(kind, &frame, &evidence, NULL), 0);
        cvm_frame_reader_done(&in);
        assert_int_equal(evidence.id, 2);
        return evidence;
}

static void reports_without_certificates_are_evidence(void **state) {
        static const struct tee_provider stub = { .name = "stub", .simulated = true, .ask = ask_stub };
        static uint8_t zeros[4 * 4096];
        static const size_t sizes[] = { 0, 24, sizeof zeros }; /* no table, and two of 0 entries */
        const struct owner owner = { .state = OWNER_NONE };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                const struct cvm_bytes bytes = { zeros, sizes[i] };
                struct tee tee = { .provider = &stub, .fd = -EBADF };
                struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                const struct tee_self *self;
                struct msg_evidence evidence;
                struct agent agent;

                table = &bytes;
                assert_int_equal(tee_know_self(&tee, &self, NULL), 0);
                assert_int_equal(self->platform, CVM_PLATFORM_SEV_SNP);
                assert_int_equal(self->host_data_size, CVM_SHA256_SIZE);
                assert_int_equal(self->host_data[2], 3);
                assert_int_equal(agent_init(&agent, &owner, &tee, machine, machine, NULL), 0);
                evidence = take_evidence(&agent);
                assert_int_equal(evidence.report.size, 1184);
                assert_int_equal(evidence.certificates.size, sizes[i]);
                assert_int_equal(evidence_add_table(&bundle, evidence.certificates.data,
                                                    evidence.certificates.size, NULL),
                                 0);
                assert_int_equal(bundle.n_certificates, 0);
                cvm_message_kind(CVM_MSG_EVIDENCE)->done(&evidence);
                agent_done(&agent);
        }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(hardware_comes_before_the_hosts_port),
                TEST(hardware_that_fails_is_not_given_up),
                TEST(what_is_asked_for_wins),
                TEST(too_long_a_place_is_refused),
                TEST(without_any_every_question_is_refused),
                TEST(a_port_may_come_late),
                TEST(the_agent_chooses_as_stated),
                TEST(reports_without_certificates_are_evidence),
        };

        return cmocka_run_group_tests(tests, read_root, drop_root);
}
