/*
 * Who moves a VM's trust, and which sealed bytes reach a guest: the real model with a scripted agent. One
 * test per promise and per way of breaking it; by a scripted driver, and by the real ones with a QEMU
 * behind.
 */
#include "tests/vm/scene.h"

#include "attest/seal.h"
#include "attest/signed.h"
#include "attest/verdict.h"
#include "base/names.h"
#include "base/time.h"
#include "tests/vm/lent-driver.h"

#define OTHER_UUID "99999999-2222-3333-4444-555555555555"

static const struct caller root = { .bus_name = ":1.1" };

struct trust {
        struct scene s;
        struct scripted_guest guest;
        EVP_PKEY *owner, *stranger;
        uint8_t binding[CVM_SHA384_SIZE];
        char *binding_envelope, members[1024];
};

static void sign_binding(struct trust *t) {
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        struct cvm_error err = { 0 };
        char text[4096];

        scene_definition(&t->s, "web1", t->members, text, sizeof text);
        if (definition_read(text, strlen(text), "definition", &d, &err) < 0 ||
            definition_binding(d, CVM_PLATFORM_SEV_SNP, 1, &binding, &err) < 0 ||
            binding_write(&binding, &payload, &err) < 0 ||
            cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, t->owner,
                              &t->binding_envelope, &err) < 0)
                fail_msg("%s", err.text);
        cvm_sha384(payload.data, payload.size, t->binding);
}

/* A daemon with one running VM, whose guest has not spoken yet. more: members of the definition. */
static void launch(struct trust *t, const char *more) {
        CVM_CLEANUP(cvm_freep) char *key = NULL;
        struct operation *operation;
        struct cvm_error err = { 0 };
        uint8_t spki[CVM_SPKI_SIZE];
        char text[4096];

        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &t->owner, &err), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &t->stranger, &err), 0);
        assert_int_equal(cvm_key_spki(t->owner, spki, &err), 0);
        key = cvm_base64(spki, sizeof spki);
        snprintf(t->members, sizeof t->members, ",\"uuid\":\"" SCENE_UUID "\",\"owner\":\"%s\"%s", key,
                 more);
        sign_binding(t);
        scene_close(&t->s);
        t->s.config.driver = driver_of_test() ? driver_lend(driver_of_test()) : &driver_fake;
        assert_int_equal(boot_disk_write(t->s.disk, boot_sector_obeys, sizeof boot_sector_obeys), 0);
        scene_open(&t->s);
        scene_definition(&t->s, "web1", t->members, text, sizeof text);
        const struct create_options options = { .definition = text,
                                                .definition_size = strlen(text),
                                                .binding = t->binding_envelope,
                                                .start = true,
                                                .may_name_paths = true };
        if (manager_create(t->s.manager, &options, &root, &t->s.vm, &operation, &err) < 0)
                fail_msg("%s", err.text);
        if (!strstr(more, "\"hold\""))
                scene_expect_done(&t->s, operation);
}

static int set_up(void **state) {
        struct trust *t = calloc(1, sizeof *t);

        *state = t;
        memset(&fake, 0, sizeof fake);
        fake.guest = &t->guest;
        scene_begin(&t->s);
        guest_init(&t->guest, t->s.event);
        return 0;
}

static int tear_down(void **state) {
        struct trust *t = *state;

        guest_done(&t->guest);
        scene_end(&t->s);
        EVP_PKEY_free(t->owner);
        EVP_PKEY_free(t->stranger);
        free(t->binding_envelope);
        free(t);
        return 0;
}

/* What no real QEMU does when the test wants it. */
static void only_scripted(void) {
        if (driver_of_test())
                skip();
}

static void on_asked(void *ctx, struct cvm_error *err) {
}

static void ask_machine(enum driver_command command) {
        struct cvm_error err = { 0 };

        if (lent.real->command(lent.guest, command, on_asked, NULL, &err) < 0)
                fail_msg("%s", err.text);
}

/* The machine, by itself. */
static void guest_resets(void) {
        if (driver_of_test())
                ask_machine(DRIVER_RESET_GUEST);
        else
                fake_tell(DRIVER_RESET);
}

static bool has_printed(const struct scene *s) {
        char path[256];
        struct stat st;

        snprintf(path, sizeof path, "%s/vm/%s/console.log", s->runtime, scene_look(s).id);
        return stat(path, &st) == 0 && st.st_size > 0;
}

/* From here on the guest hears its power button. */
static void expect_booted(struct trust *t) {
        if (driver_of_test())
                UNTIL(t->s.event, has_printed(&t->s));
}

/* It has been asked by its power button. */
static void guest_obeys(void) {
        if (driver_of_test())
                return;
        fake_tell(DRIVER_SHUTDOWN);
        fake_tell(DRIVER_GONE);
}

static void guest_ends(struct trust *t) {
        expect_booted(t);
        if (driver_of_test())
                ask_machine(DRIVER_POWERDOWN);
        guest_obeys();
}

static void somebody_changes_it(void) {
        if (driver_of_test() == &driver_qemu)
                skip(); /* nobody can */
        else if (driver_of_test())
                assert_int_equal(
                                system("virsh -q -c qemu:///system desc --config --title cvmd-web1 mine >/dev/null"),
                                0);
        else
                fake_tell(DRIVER_CHANGED);
}

static void expect_code(int r, struct cvm_error *err, const char *id) {
        assert_true(r < 0);
        assert_non_null(err->code);
        assert_string_equal(err->code->id, id);
        assert_true(err->text[0] != 0);
        *err = (struct cvm_error){ 0 };
}

static void expect_failure(struct trust *t, struct operation *operation, const char *id) {
        struct operation_view view = scene_wait(&t->s, operation);

        assert_non_null(view.code);
        assert_string_equal(view.code->id, id);
}

/* The guest is there: HELLO, WELCOME. */
static void meet(struct trust *t) {
        static const uint8_t none[CVM_SHA384_SIZE];

        guest_next(&t->guest, CVM_MSG_HELLO);
        guest_welcome(&t->guest);
        UNTIL(t->s.event, memcmp(scene_look(&t->s).keyset, none, sizeof none) != 0);
}

static struct verdict verdict_of(const struct trust *t, int result) {
        struct verdict v = { .result = result,
                             .class_ = CVM_CLASS_SIMULATED,
                             .covers = { .firmware = true },
                             .uuid = (char *)SCENE_UUID,
                             .time = cvm_time_now() };

        cvm_keyset_digest(&t->guest.keyset, v.keyset);
        memcpy(v.binding, t->binding, sizeof v.binding);
        return v;
}

static int record(struct trust *t, const struct verdict *v, EVP_PKEY *key, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *payload = verdict_write(v);
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;

        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_VERDICT, payload, strlen(payload), key, &envelope,
                                           err),
                         0);
        return vm_record_verdict(t->s.vm, envelope, &root, err);
}

static void record_accepted(struct trust *t) {
        struct verdict v = verdict_of(t, VERDICT_ACCEPTED);
        struct cvm_error err = { 0 };

        if (record(t, &v, t->owner, &err) < 0)
                fail_msg("%s", err.text);
}

static struct cvm_secret_header header_of(const struct trust *t) {
        struct cvm_secret_header h = { .platform = cvm_platform_byte(CVM_PLATFORM_SEV_SNP, true),
                                       .suite = CVM_SUITE,
                                       .kind = CVM_SECRET_FILE,
                                       .seq = cvm_time_now(),
                                       .name = "db-password" };

        assert_int_equal(cvm_uuid_parse(SCENE_UUID, h.uuid), 0);
        cvm_keyset_digest(&t->guest.keyset, h.keyset);
        memcpy(h.binding, t->binding, sizeof h.binding);
        return h;
}

static char *seal(const struct trust *t, const struct cvm_secret_header *header, EVP_PKEY *key) {
        struct cvm_error err = { 0 };
        char *envelope = NULL;

        if (cvm_secret_seal(header, t->guest.keyset.kem, "hunter2", 7, key, &envelope, &err) < 0)
                fail_msg("%s", err.text);
        return envelope;
}

static struct operation *put(struct trust *t) {
        struct cvm_secret_header header = header_of(t);
        CVM_CLEANUP(cvm_freep) char *envelope = seal(t, &header, t->owner);
        struct operation *operation = NULL;
        struct cvm_error err = { 0 };

        if (vm_put_secret(t->s.vm, envelope, NULL, &root, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return operation;
}

static void expect_put_refused(struct trust *t, const struct cvm_secret_header *header, EVP_PKEY *key,
                               const char *code) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal(t, header, key);
        struct operation *operation = NULL;
        struct cvm_error err = { 0 };

        expect_code(vm_put_secret(t->s.vm, envelope, NULL, &root, &operation, &err), &err, code);
}

/* No SECRET lies in the channel. */
static void expect_nothing_sent(struct trust *t) {
        struct cvm_frame frame;

        for (int i = 0; i < 20; i++)
                assert_true(sd_event_run(t->s.event, 1000) >= 0);
        while (guest_has_frame(&t->guest, &frame))
                assert_int_not_equal(frame.type, CVM_MSG_SECRET);
}

/* The guest takes the SECRET and answers with a receipt by that key for that secret. */
static void answer_secret(struct trust *t, EVP_PKEY *key, const char *claimed_envelope) {
        struct msg_envelope m = { 0 };
        struct cvm_frame frame = guest_next(&t->guest, CVM_MSG_SECRET);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_freep) char *receipt_envelope = NULL;
        struct receipt receipt = { .uuid = (char *)SCENE_UUID,
                                   .name = (char *)"db-password",
                                   .kind = (char *)"file",
                                   .seq = 1,
                                   .result = RECEIPT_INSTALLED };
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_SECRET);
        struct cvm_error err = { 0 };

        if (cvm_message_read(kind, &frame, &m, &err) < 0)
                fail_msg("%s", err.text);
        cvm_keyset_digest(&t->guest.keyset, receipt.keyset);
        if (!claimed_envelope)
                claimed_envelope = m.envelope;
        assert_int_equal(cvm_envelope_open(claimed_envelope, strlen(claimed_envelope), CVM_ENVELOPE_SECRET,
                                           t->owner, &payload, receipt.secret, &err),
                         0);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_RECEIPT, receipt_fields, &receipt, key,
                                         &receipt_envelope, &err),
                         0);
        struct msg_envelope answer = { .id = m.id, .envelope = receipt_envelope };
        guest_say(&t->guest, CVM_MSG_RECEIPT, t->guest.session, &answer);
        kind->done(&m);
}

static void say_provisioned(struct trust *t) {
        guest_say_text(&t->guest, CVM_MSG_STATUS,
                       "{\"waits_for\":\"\",\"secrets\":[\"db-password\"],\"provisioned\":true,"
                       "\"generation\":0}");
}

static void keep_status(void *ctx, const struct secret_view *secret) {
        char *all = ctx;
        size_t n = strlen(all);

        assert_true(secret->has_header);
        assert_int_equal(secret->released_msec == 0, strcmp(secret->status, "waits for a verdict") == 0);
        assert_int_equal(secret->receipt != NULL, strcmp(secret->status, "installed") == 0);
        snprintf(all + n, 256 - n, "%s %s;", secret->header.name, secret->status);
}

static void expect_listed(struct trust *t, const char *expected) {
        char all[256] = "";
        struct cvm_error err = { 0 };

        assert_int_equal(vm_each_secret(t->s.vm, keep_status, all, &err), 0);
        assert_string_equal(all, expected);
}

static void a_secret_waits_for_its_verdict(void **state) {
        struct trust *t = *state;
        struct operation *operation;

        launch(t, "");
        meet(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
        expect_listed(t, "");
        operation = put(t);
        expect_nothing_sent(t);
        expect_listed(t, "db-password waits for a verdict;");
        record_accepted(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
        answer_secret(t, t->guest.sig, NULL);
        scene_expect_done(&t->s, operation);
        expect_listed(t, "db-password installed;");
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
        say_provisioned(t);
        UNTIL(t->s.event, scene_look(&t->s).trust == TRUST_PROVISIONED);
}

static void a_verified_guest_takes_it_at_once(void **state) {
        struct trust *t = *state;
        struct operation *operation;

        launch(t, "");
        meet(t);
        record_accepted(t);
        operation = put(t);
        answer_secret(t, t->guest.sig, NULL);
        scene_expect_done(&t->s, operation);
}

static void secrets_for_others_are_refused(void **state) {
        struct trust *t = *state;
        struct cvm_secret_header h;

        launch(t, "");
        h = header_of(t);
        expect_put_refused(t, &h, t->owner, "CVM-NO-AGENT"); /* nobody has announced a keyset yet */
        meet(t);
        expect_put_refused(t, &h, t->stranger, "CVM-SIGNATURE");
        h.keyset[0] ^= 1;
        expect_put_refused(t, &h, t->owner, "CVM-SECRET-BOOT");
        h = header_of(t);
        h.uuid[0] ^= 1;
        expect_put_refused(t, &h, t->owner, "CVM-SECRET-VM");
        record_accepted(t);
        expect_nothing_sent(t);
}

static void verdicts_that_do_not_hold_change_nothing(void **state) {
        struct trust *t = *state;
        struct verdict v;
        struct cvm_error err = { 0 };

        launch(t, "");
        v = verdict_of(t, VERDICT_ACCEPTED);
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-NO-AGENT"); /* no keyset to compare with yet */
        meet(t);
        expect_code(record(t, &v, t->stranger, &err), &err, "CVM-SIGNATURE");
        v.keyset[7] ^= 1;
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-VERDICT-OTHER-BOOT");
        v = verdict_of(t, VERDICT_ACCEPTED);
        v.binding[7] ^= 1;
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-VERDICT-VM");
        v = verdict_of(t, VERDICT_ACCEPTED);
        v.uuid = (char *)OTHER_UUID;
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-VERDICT-VM");
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
        record_accepted(t);
        v = verdict_of(t, VERDICT_REFUSED);
        v.time = 1000;
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-VERDICT-OLD");
        v = verdict_of(t, VERDICT_UNKNOWN);
        v.time += 1000;
        assert_int_equal(record(t, &v, t->owner, &err), 0);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED); /* could not check is no refusal */
}

/* Of two verdicts of one moment nobody knows which was meant to stay. */
static void a_verdict_of_the_same_moment_reverses_nothing(void **state) {
        struct trust *t = *state;
        struct verdict refused, accepted;
        struct cvm_error err = { 0 };

        launch(t, "");
        meet(t);
        refused = verdict_of(t, VERDICT_REFUSED);
        assert_int_equal(record(t, &refused, t->owner, &err), 0);
        accepted = verdict_of(t, VERDICT_ACCEPTED);
        accepted.time = refused.time;
        expect_code(record(t, &accepted, t->owner, &err), &err, "CVM-VERDICT-OLD");
        assert_int_equal(record(t, &refused, t->owner, &err), 0); /* the very same one says nothing new */
        assert_int_equal(scene_look(&t->s).trust, TRUST_REFUSED);
        accepted.time++;
        assert_int_equal(record(t, &accepted, t->owner, &err), 0);
        assert_int_equal(record(t, &accepted, t->owner, &err), 0);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
}

static void a_refused_guest_gets_nothing(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct verdict v;
        struct cvm_error err = { 0 };

        launch(t, "");
        meet(t);
        operation = put(t);
        v = verdict_of(t, VERDICT_REFUSED);
        assert_int_equal(record(t, &v, t->owner, &err), 0);
        expect_failure(t, operation, "CVM-REFUSED");
        assert_int_equal(scene_look(&t->s).trust, TRUST_REFUSED);
        assert_int_equal(scene_look(&t->s).state, VM_RUNNING);
        assert_int_equal(fake.kills, 0);
        put(t);
        expect_nothing_sent(t);
}

static void a_refused_guest_ends_where_its_definition_says_so(void **state) {
        struct trust *t = *state;
        struct verdict v;
        struct cvm_error err = { 0 };

        launch(t, ",\"on_refused\":\"kill\",\"restart\":\"always\"");
        meet(t);
        v = verdict_of(t, VERDICT_REFUSED);
        assert_int_equal(record(t, &v, t->owner, &err), 0);
        scene_expect_state(&t->s, VM_FAILED);
        assert_string_equal(scene_look(&t->s).state_code, "CVM-REFUSED");
        assert_int_equal(fake.starts, 1); /* and is not started again */
}

static void a_reset_ends_verdicts_and_drops_secrets(void **state) {
        struct trust *t = *state;
        struct operation *operation;

        launch(t, "");
        meet(t);
        operation = put(t);
        guest_resets();
        expect_failure(t, operation, "CVM-BOOT-CHANGED");
        guest_boot(&t->guest);
        meet(t);
        record_accepted(t);
        expect_nothing_sent(t);
        guest_resets();
        UNTIL(t->s.event, scene_look(&t->s).trust == TRUST_UNVERIFIED);
}

/* What runs may not be what was planned: no verdict makes it verified before it is started again. */
static void a_guest_that_somebody_changed_is_not_verified(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct verdict v;
        struct cvm_error err = { 0 };

        launch(t, "");
        meet(t);
        record_accepted(t);
        somebody_changes_it();
        UNTIL(t->s.event, scene_look(&t->s).trust == TRUST_UNVERIFIED);
        assert_string_equal(scene_look(&t->s).state_code, "CVM-DOMAIN-CHANGED");
        operation = put(t);
        v = verdict_of(t, VERDICT_ACCEPTED);
        v.time++;
        expect_code(record(t, &v, t->owner, &err), &err, "CVM-DOMAIN-CHANGED");
        v.result = VERDICT_REFUSED; /* that may be said of everything */
        assert_int_equal(record(t, &v, t->owner, &err), 0);
        expect_failure(t, operation, "CVM-REFUSED");
        expect_nothing_sent(t);
}

static void another_keyset_is_another_boot(void **state) {
        struct trust *t = *state;
        char before[64];

        launch(t, "");
        meet(t);
        record_accepted(t);
        snprintf(before, sizeof before, "%s", scene_look(&t->s).boot_id);
        guest_hang_up(&t->guest);
        guest_boot(&t->guest); /* QEMU has told of no reset */
        meet(t);
        UNTIL(t->s.event, strcmp(before, scene_look(&t->s).boot_id) != 0);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
}

static void receipts_of_others_confirm_nothing(void **state) {
        struct trust *t = *state;
        struct cvm_secret_header h;
        CVM_CLEANUP(cvm_freep) char *other = NULL;
        struct operation *operation;

        launch(t, "");
        meet(t);
        record_accepted(t);
        operation = put(t);
        answer_secret(t, t->stranger, NULL);
        expect_failure(t, operation, "CVM-SIGNATURE");
        h = header_of(t);
        other = seal(t, &h, t->owner);
        operation = put(t);
        answer_secret(t, t->guest.sig, other);
        expect_failure(t, operation, "CVM-RECEIPT");
        say_provisioned(t);
        expect_nothing_sent(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
}

static void trust_is_believed_again_when_the_same_boot_answers(void **state) {
        struct trust *t = *state;

        launch(t, "");
        meet(t);
        record_accepted(t);
        scene_close(&t->s);
        guest_hang_up(&t->guest);
        scene_open(&t->s);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
        meet(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
        assert_int_equal(fake.starts, 1);
}

static void trust_falls_when_another_boot_answers_a_new_daemon(void **state) {
        struct trust *t = *state;

        launch(t, "");
        meet(t);
        record_accepted(t);
        scene_close(&t->s);
        guest_hang_up(&t->guest);
        guest_boot(&t->guest);
        scene_open(&t->s);
        meet(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
}

static void a_guest_without_an_agent_is_unverifiable(void **state) {
        struct trust *t = *state;

        t->s.config.agent_deadline_usec = 50000;
        launch(t, "");
        UNTIL(t->s.event, scene_look(&t->s).trust == TRUST_UNVERIFIABLE);
        assert_int_equal(scene_look(&t->s).state, VM_RUNNING);
        meet(t); /* late is not never */
        record_accepted(t);
        assert_int_equal(scene_look(&t->s).trust, TRUST_VERIFIED);
}

static int approve(struct trust *t, enum cvm_envelope_type type, const struct cvm_json_field *fields,
                   const void *object, EVP_PKEY *key, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;

        assert_int_equal(cvm_signed_make(type, fields, object, key, &envelope, err), 0);
        return vm_approve(t->s.vm, envelope, &root, err);
}

static int permit(struct trust *t, const struct start_permit *p, EVP_PKEY *key, struct cvm_error *err) {
        return approve(t, CVM_ENVELOPE_START_PERMIT, start_permit_fields, p, key, err);
}

static void a_held_guest_waits_for_its_own_permit(void **state) {
        struct trust *t = *state;
        struct start_permit p = { .uuid = (char *)SCENE_UUID };
        struct approval approval = { .uuid = (char *)SCENE_UUID };
        struct cvm_error err = { 0 };

        launch(t, ",\"hold\":true");
        UNTIL(t->s.event, scene_look(&t->s).state == VM_AWAITING_APPROVAL);
        assert_string_equal(scene_look(&t->s).waits_for, "start-permit");
        memcpy(p.binding, t->binding, sizeof p.binding);
        memcpy(p.start_nonce, scene_look(&t->s).start_nonce, sizeof p.start_nonce);
        p.expiry = cvm_time_now() + 60000;
        expect_code(permit(t, &p, t->stranger, &err), &err, "CVM-SIGNATURE");
        p.start_nonce[0] ^= 1;
        expect_code(permit(t, &p, t->owner, &err), &err, "CVM-APPROVAL-OTHER");
        p.start_nonce[0] ^= 1;
        p.expiry = 1000;
        expect_code(permit(t, &p, t->owner, &err), &err, "CVM-APPROVAL-OTHER");
        expect_code(approve(t, CVM_ENVELOPE_APPROVAL, approval_fields, &approval, t->owner, &err), &err,
                    "CVM-ENVELOPE");
        assert_int_equal(scene_look(&t->s).state, VM_AWAITING_APPROVAL);
        p.expiry = cvm_time_now() + 60000;
        if (permit(t, &p, t->owner, &err) < 0)
                fail_msg("%s", err.text);
        scene_expect_state(&t->s, VM_RUNNING);
}

static void an_approval_goes_to_the_boot_that_it_names(void **state) {
        struct trust *t = *state;
        struct approval a = { .uuid = (char *)SCENE_UUID };
        struct start_permit p = { .uuid = (char *)SCENE_UUID, .expiry = UINT64_C(4000000000000) };
        struct cvm_error err = { 0 };

        launch(t, ",\"approval\":true");
        memcpy(a.binding, t->binding, sizeof a.binding);
        cvm_keyset_digest(&t->guest.keyset, a.keyset);
        expect_code(approve(t, CVM_ENVELOPE_APPROVAL, approval_fields, &a, t->owner, &err), &err,
                    "CVM-NO-AGENT");
        meet(t);
        expect_code(approve(t, CVM_ENVELOPE_APPROVAL, approval_fields, &a, t->stranger, &err), &err,
                    "CVM-SIGNATURE");
        expect_code(permit(t, &p, t->owner, &err), &err, "CVM-ENVELOPE");
        a.keyset[0] ^= 1;
        expect_code(approve(t, CVM_ENVELOPE_APPROVAL, approval_fields, &a, t->owner, &err), &err,
                    "CVM-APPROVAL-OTHER");
        a.keyset[0] ^= 1;
        assert_int_equal(approve(t, CVM_ENVELOPE_APPROVAL, approval_fields, &a, t->owner, &err), 0);
        guest_next(&t->guest, CVM_MSG_APPROVAL);
}

static void a_restart_is_one_operation(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct cvm_error err = { 0 };

        launch(t, "");
        meet(t);
        record_accepted(t);
        expect_booted(t);
        assert_int_equal(vm_restart(t->s.vm, 60 * SECOND, &root, &operation, &err), 0);
        guest_next(&t->guest, CVM_MSG_STOP);
        UNTIL(t->s.event, fake.powerdowns);
        guest_hang_up(&t->guest);
        guest_obeys();
        scene_expect_done(&t->s, operation);
        assert_int_equal(fake.starts, 2);
        assert_int_equal(scene_look(&t->s).state, VM_RUNNING);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
}

/* Some QEMUs end where a confidential guest resets: it is launched anew, as a boot that nobody has verified.
 */
static void a_reset_that_ends_qemu_is_a_launch(void **state) {
        struct trust *t = *state;
        struct operation *operation;

        only_scripted();
        launch(t, "");
        meet(t);
        operation = put(t);
        guest_hang_up(&t->guest);
        fake_tell(DRIVER_RELAUNCH);
        fake_tell(DRIVER_GONE);
        expect_failure(t, operation, "CVM-BOOT-CHANGED");
        UNTIL(t->s.event, fake.starts == 2);
        scene_expect_state(&t->s, VM_RUNNING);
        assert_int_equal(scene_look(&t->s).trust, TRUST_UNVERIFIED);
}

/* The operation of a reset ends with the new boot, however that comes; not with QEMU's answer. */
static void a_reset_is_done_when_the_new_boot_is_there(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct cvm_error err = { 0 };
        struct operation_view view;
        char before[CVM_UUID_TEXT];

        only_scripted();
        launch(t, "");
        for (int ends = 0; ends < 2; ends++) {
                snprintf(before, sizeof before, "%s", scene_look(&t->s).boot_id);
                assert_int_equal(vm_reset(t->s.vm, &root, &operation, &err), 0);
                scene_turn(&t->s);
                operation_look(operation, &view);
                assert_int_equal(view.state, OPERATION_RUNNING);
                if (!ends)
                        fake_tell(DRIVER_RESET);
                else {
                        fake_tell(DRIVER_RELAUNCH);
                        fake_tell(DRIVER_GONE);
                }
                scene_expect_done(&t->s, operation);
                assert_int_equal(fake.starts, 1 + ends);
                assert_int_equal(scene_look(&t->s).state, VM_RUNNING);
                assert_string_not_equal(scene_look(&t->s).boot_id, before);
        }
}

/* What waits for a guest that ends does not wait for ever. */
static void a_guest_that_ends_ends_what_waits_for_it(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct cvm_error err = { 0 };

        only_scripted();
        launch(t, "");
        assert_int_equal(vm_reset(t->s.vm, &root, &operation, &err), 0);
        fake_tell(DRIVER_SHUTDOWN);
        fake_tell(DRIVER_GONE);
        expect_failure(t, operation, "CVM-WRONG-STATE");
}

static void a_guest_that_always_restarts_is_started_again(void **state) {
        struct trust *t = *state;

        launch(t, ",\"restart\":\"always\"");
        guest_ends(t);
        UNTIL(t->s.event, fake.starts == 2);
        scene_expect_state(&t->s, VM_RUNNING);
}

static void a_stopped_guest_stays_stopped(void **state) {
        struct trust *t = *state;
        struct operation *operation;
        struct cvm_error err = { 0 };

        launch(t, ",\"restart\":\"on-failure\"");
        assert_int_equal(vm_kill(t->s.vm, &root, &operation, &err), 0);
        scene_expect_done(&t->s, operation);
        for (uint64_t end = after(SECOND * 3 / 2); after(0) < end;)
                assert_true(sd_event_run(t->s.event, 100000) >= 0);
        assert_int_equal(fake.starts, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(a_secret_waits_for_its_verdict),
                TEST(a_verified_guest_takes_it_at_once),
                TEST(secrets_for_others_are_refused),
                TEST(verdicts_that_do_not_hold_change_nothing),
                TEST(a_verdict_of_the_same_moment_reverses_nothing),
                TEST(a_refused_guest_gets_nothing),
                TEST(a_refused_guest_ends_where_its_definition_says_so),
                TEST(a_reset_ends_verdicts_and_drops_secrets),
                TEST(a_guest_that_somebody_changed_is_not_verified),
                TEST(another_keyset_is_another_boot),
                TEST(receipts_of_others_confirm_nothing),
                TEST(trust_is_believed_again_when_the_same_boot_answers),
                TEST(trust_falls_when_another_boot_answers_a_new_daemon),
                TEST(a_guest_without_an_agent_is_unverifiable),
                TEST(a_held_guest_waits_for_its_own_permit),
                TEST(an_approval_goes_to_the_boot_that_it_names),
                TEST(a_restart_is_one_operation),
                TEST(a_reset_that_ends_qemu_is_a_launch),
                TEST(a_reset_is_done_when_the_new_boot_is_there),
                TEST(a_guest_that_ends_ends_what_waits_for_it),
                TEST(a_guest_that_always_restarts_is_started_again),
                TEST(a_stopped_guest_stays_stopped),
        };

        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
