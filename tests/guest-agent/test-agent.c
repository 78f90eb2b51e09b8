/* The agent as a process: what its owner gets, and what everybody else is told. One test per promise and per
 * way of breaking it. */
#include "tests/guest-agent/scene.h"

static int set_up(void **state) {
        struct host *h = calloc(1, sizeof *h);

        *state = h;
        host_begin(h);
        return 0;
}

static int tear_down(void **state) {
        struct host *h = *state;
        int status = host_end(h);

        free(h);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                             : -1; /* the sanitizers have their say here */
}

static void begin(struct host *h) {
        host_start(h, NULL);
        meet(h);
        bind_it(h);
}

static void refuse_secret(struct host *h, const struct cvm_secret_header *header, EVP_PKEY *key,
                          const char *code) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal(h, header, "evil", key);

        send_secret(h, envelope);
        expect_refused(h, code);
        assert_false(file_is(h->secret_path, "evil"));
}

static void the_owners_secret_is_installed(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct stat st;

        host_start(h, NULL);
        assert_true(meet(h).simulated);
        expect_status(h, "\"waits_for\":\"binding\"");
        bind_it(h);
        header = header_of(h);
        envelope = seal(h, &header, "hunter2", h->owner);
        send_secret(h, envelope);
        assert_int_equal(take_receipt(h).result, RECEIPT_INSTALLED);
        expect_status(h, "\"provisioned\":true");
        assert_true(file_is(h->secret_path, "hunter2"));
        assert_int_equal(stat(h->secret_path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0400);
}

static void nobody_elses_secret_is_taken(void **state) {
        struct host *h = *state;
        struct cvm_secret_header good, bad;

        begin(h);
        good = header_of(h);
        refuse_secret(h, &good, h->stranger, "CVM-SIGNATURE");
        refuse_secret(h, &good, h->service, "CVM-SIGNATURE"); /* no service in this binding */
        bad = good;
        bad.uuid[3] ^= 1;
        refuse_secret(h, &bad, h->owner, "CVM-SECRET-VM");
        bad = good;
        bad.keyset[3] ^= 1;
        refuse_secret(h, &bad, h->owner, "CVM-SECRET-BOOT");
        bad = good;
        bad.binding[3] ^= 1;
        refuse_secret(h, &bad, h->owner, "CVM-SECRET-HEADER");
        bad = good;
        bad.platform = CVM_PLATFORM_SEV_SNP; /* hardware */
        refuse_secret(h, &bad, h->owner, "CVM-SECRET-HEADER");
        bad = good;
        bad.generation = 1;
        refuse_secret(h, &bad, h->owner, "CVM-AGENT-GENERATION");
        bad = good;
        bad.kind = CVM_SECRET_RELEASE;
        bad.generation = 1;
        refuse_secret(h, &bad, h->owner, "CVM-AGENT-SIGNER"); /* releases are the service's alone */
        bad = good;
        bad.kind = CVM_SECRET_UV_REQUEST;
        refuse_secret(h, &bad, h->owner, "CVM-AGENT-STORE"); /* the simulated platform has none */
}

static void a_secret_for_another_key_does_not_open(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *other = NULL;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        uint8_t kem[CVM_SPKI_SIZE];

        begin(h);
        header = header_of(h);
        assert_int_equal(cvm_key_make(CVM_KEY_SEAL, &other, NULL), 0);
        memcpy(kem, h->keyset.kem, sizeof kem);
        assert_int_equal(cvm_key_spki(other, h->keyset.kem, NULL), 0);
        envelope = seal(h, &header, "evil", h->owner);
        memcpy(h->keyset.kem, kem, sizeof kem);
        send_secret(h, envelope);
        expect_refused(h, "CVM-SECRET-SEAL");
}

static void the_same_again_does_nothing_and_older_is_stale(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *first = NULL;
        CVM_CLEANUP(cvm_freep) char *older = NULL;
        struct receipt receipt;

        begin(h);
        header = header_of(h);
        first = seal(h, &header, "one", h->owner);
        send_secret(h, first);
        assert_int_equal(take_receipt(h).result, RECEIPT_INSTALLED);
        send_secret(h, first);
        receipt = take_receipt(h);
        assert_int_equal(receipt.result, RECEIPT_INSTALLED);
        assert_true(receipt.seq == header.seq);
        older = seal(h, &header, "two", h->owner); /* the same seq, another envelope */
        send_secret(h, older);
        receipt = take_receipt(h);
        assert_int_equal(receipt.result, RECEIPT_STALE);
        assert_true(receipt.seq == header.seq);
        assert_true(file_is(h->secret_path, "one"));
        header.seq++;
        free(older);
        older = seal(h, &header, "three", h->owner);
        send_secret(h, older);
        assert_int_equal(take_receipt(h).result, RECEIPT_INSTALLED);
        assert_true(file_is(h->secret_path, "three"));
}

static void bindings_that_are_not_ours_are_refused(void **state) {
        struct host *h = *state;
        CVM_CLEANUP(cvm_freep) char *good = NULL;
        CVM_CLEANUP(cvm_freep) char *forged = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };

        host_start(h, NULL);
        meet(h);
        send_binding(h, h->binding_envelope, h->stranger);
        expect_refused(h, "CVM-BINDING-OWNER");
        assert_int_equal(binding_write(&h->binding, &payload, NULL), 0);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, h->stranger,
                                           &forged, NULL),
                         0);
        send_binding(h, forged, h->owner);
        expect_refused(h, "CVM-SIGNATURE");
        send_binding(h, "{}", h->owner);
        expect_refused(h, "CVM-ENVELOPE");
        good = h->binding_envelope;
        h->binding_envelope = NULL;
        h->binding.serial = 2;
        {
                uint8_t host_data[48];

                memcpy(host_data, h->guest.host_data, sizeof host_data);
                write_binding(h);
                memcpy(h->guest.host_data, host_data, sizeof host_data); /* launched with the other one */
        }
        send_binding(h, h->binding_envelope, h->owner);
        expect_refused(h, "CVM-AGENT-BINDING");
        send_binding(h, good, h->owner);
        expect_status(h, "\"binding\":\"");
        send_binding(h, good, h->owner); /* the very same again is fine */
        expect_status(h, "\"binding\":\"");
        send_binding(h, h->binding_envelope, h->owner); /* frozen */
        expect_refused(h, "CVM-AGENT-BINDING");
}

static void a_binding_for_hardware_is_not_for_a_simulated_guest(void **state) {
        struct host *h = *state;

        h->binding.class_ = CVM_CLASS_HARDWARE;
        write_binding(h);
        host_start(h, NULL);
        meet(h);
        send_binding(h, h->binding_envelope, h->owner);
        expect_refused(h, "CVM-AGENT-BINDING");
}

static void a_guest_without_owner_takes_nothing(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct msg_evidence_request request = { .id = 77 };

        memset(h->guest.host_data, 0, sizeof h->guest.host_data);
        host_start(h, "console=ttyS0 quiet\n");
        assert_true(meet(h).unowned);
        expect_status(h, "\"waits_for\":\"\"");
        send_binding(h, h->binding_envelope, h->owner);
        expect_refused(h, "CVM-AGENT-UNOWNED");
        header = header_of(h);
        envelope = seal(h, &header, "evil", h->owner);
        send_secret(h, envelope);
        expect_refused(h, "CVM-AGENT-UNOWNED");
        push(&h->agent, CVM_MSG_EVIDENCE_REQUEST, h->session, &request);
        next(h, CVM_MSG_EVIDENCE);
}

static void command_lines_with_another_owner_serve_nobody(void **state) {
        static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                                  "0123456789abcdef0123456789abcdef";
        char twice[512], upper[256], cut[256], bare[64] = "quiet cvm.owner\n";
        const char *lines[] = { twice, upper, cut, bare };
        struct host *first = *state;

        snprintf(twice, sizeof twice, "cvm.owner=%s cvm.owner=%s\n", hex, hex);
        snprintf(upper, sizeof upper, "cvm.owner=A%s\n", hex + 1);
        snprintf(cut, sizeof cut, "cvm.owner=%.95s\n", hex);
        host_start(first, twice);
        say_hello(first);
        expect_refused(first, "CVM-AGENT-OWNER");
        for (size_t i = 1; i < ARRAY_SIZE(lines); i++) {
                struct host h;
                struct cvm_frame frame;

                host_begin(&h);
                host_start(&h, lines[i]);
                say_hello(&h);
                expect_refused(&h, "CVM-AGENT-OWNER");
                send_binding(&h, h.binding_envelope, h.owner);
                assert_false(next_within(&h, CVM_MSG_STATUS, 200, &frame));
                host_end(&h);
        }
}

static void evidence_vouches_for_nonce_keyset_and_binding(void **state) {
        struct host *h = *state;
        struct msg_evidence_request request = { .id = 5 };
        struct msg_evidence evidence = { 0 };
        struct cvm_evidence_inputs in = { .platform = cvm_platform_byte(CVM_PLATFORM_SEV_SNP, true),
                                          .suite = CVM_SUITE };
        uint8_t expected[CVM_REPORT_DATA_SIZE];
        struct cvm_frame frame;

        host_start(h, NULL);
        meet(h);
        memset(request.nonce, 9, sizeof request.nonce);
        push(&h->agent, CVM_MSG_EVIDENCE_REQUEST, h->session, &request);
        expect_refused(h, "CVM-AGENT-UNBOUND");
        bind_it(h);
        push(&h->agent, CVM_MSG_EVIDENCE_REQUEST, h->session, &request);
        frame = next(h, CVM_MSG_EVIDENCE);
        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_EVIDENCE), &frame, &evidence, NULL), 0);
        assert_true(evidence.id == 5);
        memcpy(in.nonce, request.nonce, sizeof in.nonce);
        memcpy(in.binding, h->binding_digest, sizeof in.binding);
        cvm_keyset_digest(&h->keyset, in.keyset);
        cvm_report_data(&in, expected);
        assert_memory_equal(evidence.report.data + 0x50, expected, sizeof expected);
        cvm_message_kind(CVM_MSG_EVIDENCE)->done(&evidence);
}

static void a_silent_processor_costs_a_refusal(void **state) {
        struct host *h = *state;
        struct msg_evidence_request request = { .id = 5 };

        begin(h);
        h->tee_silent = true;
        push(&h->agent, CVM_MSG_EVIDENCE_REQUEST, h->session, &request);
        expect_refused(h, "CVM-AGENT-REPORT");
        meet(h);
}

static void approval_is_waited_for_and_is_for_this_boot(void **state) {
        struct host *h = *state;
        struct approval approval = { .uuid = (char *)UUID };
        EVP_PKEY *keys[3];
        CVM_CLEANUP(cvm_freep) char *envelopes[3] = { NULL };
        static const char *const codes[] = { "CVM-SIGNATURE", "CVM-APPROVAL-OTHER", NULL };

        h->binding.approval = true;
        write_binding(h);
        begin(h);
        memcpy(approval.binding, h->binding_digest, sizeof approval.binding);
        keys[0] = h->stranger;
        keys[1] = keys[2] = h->owner;
        for (size_t i = 0; i < 3; i++) {
                struct msg_envelope m = { .id = h->next_id++ };

                cvm_keyset_digest(&h->keyset, approval.keyset);
                approval.keyset[0] ^= i == 1;
                free(envelopes[0]);
                assert_int_equal(cvm_signed_make(CVM_ENVELOPE_APPROVAL, approval_fields, &approval, keys[i],
                                                 &envelopes[0], NULL),
                                 0);
                m.envelope = envelopes[0];
                push(&h->agent, CVM_MSG_APPROVAL, h->session, &m);
                if (codes[i])
                        expect_refused(h, codes[i]);
        }
        next(h, CVM_MSG_APPROVED);
        expect_status(h, "\"waits_for\":\"secret:db-password\"");
}

static void a_service_releases_first(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *release = NULL;
        CVM_CLEANUP(cvm_freep) char *again = NULL;
        CVM_CLEANUP(cvm_freep) char *secret = NULL;
        struct receipt receipt;

        h->binding.has_service = true;
        cvm_key_id(h->service_spki, h->binding.service_id);
        write_binding(h);
        begin(h);
        header = header_of(h);
        refuse_secret(h, &header, h->owner, "CVM-AGENT-SIGNER"); /* before the release, whoever signed it */
        refuse_secret(h, &header, h->service, "CVM-AGENT-SIGNER");
        header.kind = CVM_SECRET_RELEASE;
        strcpy(header.name, "release");
        refuse_secret(h, &header, h->service, "CVM-AGENT-GENERATION"); /* grants 0 */
        header.generation = 7;
        refuse_secret(h, &header, h->owner, "CVM-AGENT-SIGNER");
        release = seal(h, &header, "{\"first\":true,\"last\":0,\"next\":4}", h->service);
        send_secret(h, release);
        receipt = take_receipt(h);
        assert_int_equal(receipt.result, RECEIPT_INSTALLED);
        assert_true(receipt.generation == 7 && receipt.counter == 4);
        header.seq = ++h->seq;
        again = seal(h, &header, "{\"first\":false,\"last\":4,\"next\":5}", h->service);
        send_secret(h, again);
        expect_refused(h, "CVM-AGENT-GENERATION"); /* not greater */
        header = header_of(h);
        refuse_secret(h, &header, h->service, "CVM-AGENT-GENERATION"); /* generation 0 */
        header.generation = 7;
        secret = seal(h, &header, "hunter2", h->service);
        send_secret(h, secret);
        assert_int_equal(take_receipt(h).result, RECEIPT_INSTALLED);
        expect_status(h, "\"provisioned\":true");
}

static void a_service_of_another_key_is_refused(void **state) {
        struct host *h = *state;

        h->binding.has_service = true;
        cvm_key_id(h->service_spki, h->binding.service_id);
        write_binding(h);
        assert_int_equal(cvm_key_spki(h->stranger, h->service_spki, NULL), 0);
        host_start(h, NULL);
        meet(h);
        send_binding(h, h->binding_envelope, h->owner);
        expect_refused(h, "CVM-AGENT-BINDING");
}

static void other_sessions_are_not_heard(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct cvm_frame frame;
        uint64_t before;

        begin(h);
        header = header_of(h);
        envelope = seal(h, &header, "hunter2", h->owner);
        before = h->session;
        meet(h);
        {
                struct msg_envelope m = { .id = h->next_id++, .envelope = envelope };

                push(&h->agent, CVM_MSG_SECRET, before, &m);
        }
        assert_false(next_within(h, CVM_MSG_RECEIPT, 300, &frame));
        send_secret(h, envelope);
        assert_int_equal(take_receipt(h).result, RECEIPT_INSTALLED);
}

static void garbage_and_halves_harm_nothing(void **state) {
        struct host *h = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes half = { 0 };
        static char garbage[1 << 20];
        struct msg_hello hello = { 1, 1 };

        begin(h);
        memset(garbage, 'x', sizeof garbage);
        for (size_t done = 0; done < sizeof garbage;) {
                ssize_t n = send(h->agent.fd, garbage + done, sizeof garbage - done, MSG_NOSIGNAL);

                assert_true(n > 0);
                done += (size_t)n;
        }
        assert_int_equal(cvm_message_make(CVM_MSG_HELLO, 1, &hello, &half, NULL), 0);
        assert_int_equal(send(h->agent.fd, half.data, half.size - 5, 0), (ssize_t)half.size - 5);
        push_text(&h->agent, CVM_MSG_SECRET, h->session, "{\"id\":9}");
        expect_refused(h, "CVM-FRAME");
        push_text(&h->agent, CVM_MSG_SECRET, h->session, "not json");
        expect_refused(h, "CVM-FRAME");
        push_text(&h->agent, 0x3f, h->session, "{}"); /* unknown: nothing */
        push_text(&h->agent, CVM_MSG_HELLO, h->session, "{\"protocol_min\":2,\"protocol_max\":9}");
        expect_refused(h, "CVM-FRAME");
        meet(h);
}

static void a_flood_of_questions_is_answered_or_dropped(void **state) {
        struct host *h = *state;
        struct msg_evidence_request request = { .id = 1 };

        begin(h);
        for (int i = 0; i < 200; i++)
                push(&h->agent, CVM_MSG_EVIDENCE_REQUEST, h->session, &request);
        for (int i = 0; i < 50; i++)
                next(h, CVM_MSG_EVIDENCE);
        meet(h);
}

static void ask_agent(struct host *h, const char *verb, const char *how, char *ret, size_t size) {
        char command[256];
        FILE *p;
        size_t n;

        snprintf(command, sizeof command, CVM_BINARY_DIR "/guest-agent/cvm-agent --run %s %s %s 2>&1",
                 h->run, verb, how);
        p = popen(command, "r");
        assert_non_null(p);
        n = fread(ret, 1, size - 1, p);
        ret[n] = 0;
        pclose(p);
}

static void the_bye_is_said_until_it_is_acknowledged(void **state) {
        struct host *h = *state;
        struct cvm_secret_header header;
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *boot = NULL;
        CVM_CLEANUP(bye_done) struct bye bye = { 0 };
        struct msg_envelope m = { 0 };
        struct msg_ack ack = { .id = 1 };
        struct msg_stop stop = { .id = 40, .mid = { 3, 1, 4 } };
        struct cvm_frame frame;
        int status;

        begin(h);
        header = header_of(h);
        envelope = seal(h, &header, "hunter2", h->owner);
        send_secret(h, envelope);
        take_receipt(h);
        push(&h->agent, CVM_MSG_STOP, h->session, &stop);
        frame = next(h, CVM_MSG_BYE);
        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_BYE), &frame, &m, NULL), 0);
        assert_int_equal(cvm_key_from_spki(CVM_KEY_SIGN, h->keyset.sig, CVM_SPKI_SIZE, &boot, NULL), 0);
        assert_int_equal(cvm_signed_open(m.envelope, strlen(m.envelope), CVM_ENVELOPE_BYE, bye_fields, boot,
                                         &bye, NULL, NULL),
                         0);
        free(m.envelope);
        assert_memory_equal(bye.mid, stop.mid, sizeof bye.mid);
        assert_false(file_is(h->secret_path, "hunter2")); /* forgotten */
        next(h, CVM_MSG_BYE);                             /* again: nobody has acknowledged */
        send_secret(h, envelope);
        expect_refused(h, "CVM-AGENT-ENDED");
        push(&h->agent, CVM_MSG_BYE_ACK, h->session, &ack);
        assert_int_equal(waitpid(h->pid, &status, 0),
                         h->pid); /* without an on-stop program it ends itself */
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        h->pid = 0;
}

static void programs_of_the_guest_ask_locally(void **state) {
        struct host *h = *state;
        char text[512];

        begin(h);
        ask_agent(h, "status", "", text, sizeof text);
        assert_non_null(strstr(text, "\"waits_for\":\"secret:db-password\""));
        assert_non_null(strstr(text, "\"simulated\":true"));
        ask_agent(h, "dance", "", text, sizeof text);
        assert_non_null(strstr(text, "usage"));
        assert_non_null(strstr(text, "uv[:DEVICE]"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_owners_secret_is_installed),
                TEST(nobody_elses_secret_is_taken),
                TEST(a_secret_for_another_key_does_not_open),
                TEST(the_same_again_does_nothing_and_older_is_stale),
                TEST(bindings_that_are_not_ours_are_refused),
                TEST(a_binding_for_hardware_is_not_for_a_simulated_guest),
                TEST(a_guest_without_owner_takes_nothing),
                TEST(command_lines_with_another_owner_serve_nobody),
                TEST(evidence_vouches_for_nonce_keyset_and_binding),
                TEST(a_silent_processor_costs_a_refusal),
                TEST(approval_is_waited_for_and_is_for_this_boot),
                TEST(a_service_releases_first),
                TEST(a_service_of_another_key_is_refused),
                TEST(other_sessions_are_not_heard),
                TEST(garbage_and_halves_harm_nothing),
                TEST(a_flood_of_questions_is_answered_or_dropped),
                TEST(the_bye_is_said_until_it_is_acknowledged),
                TEST(programs_of_the_guest_ask_locally),
        };

        return cmocka_run_group_tests(tests, read_root, drop_root);
}
