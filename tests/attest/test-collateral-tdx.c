/* What Intel publishes: the good set in each of its forms, and each part of it missing, old, foreign or
 * changed. "Refused" and "could not check" never stand for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/collateral-tdx.h"
#include "tests/attest/make-tdx.h"

static int judge_items(const struct make_world *w, const struct cvm_bytes *items, size_t n,
                       struct tdx_collateral *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = make_chain(w);
        uint8_t root[32];

        if (tdx_chain_read(pem.data, pem.size, &chain, err) < 0 ||
            tdx_chain_verify(&chain, TEST_NOW, root, err) < 0)
                fail_msg("%s", err->text);
        return tdx_collateral_read(items, n, &chain, &w->platform, TEST_NOW, ret, err);
}

/* NULL: it holds. */
static const struct cvm_code *judge(const struct make_world *w, const struct cvm_bytes *items, size_t n,
                                    char words[CVM_ERROR_TEXT_MAX]) {
        CVM_CLEANUP(tdx_collateral_done) struct tdx_collateral collateral = { 0 };
        struct cvm_error err = { 0 };
        int r = judge_items(w, items, n, &collateral, &err);

        strcpy(words, err.text);
        return r < 0 ? cvm_error_code(&err) : NULL;
}

static void expect(const struct make_world *w, const struct cvm_bytes *items, size_t n,
                   const struct cvm_code *code, const char *words) {
        char found[CVM_ERROR_TEXT_MAX];
        const struct cvm_code *is = judge(w, items, n, found);

        if (is != code || (words && !strstr(found, words)))
                fail_msg("%s: '%s', not %s: '%s'", is ? is->id : "good", found, code ? code->id : "good",
                         words ? words : "");
}

static void expect_world(const struct make_world *w, const struct cvm_code *code, const char *words) {
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(w);

        expect(w, items.items, ITEM_MAX_, code, words);
}

static void test_good(void **state) {
        CVM_CLEANUP(tdx_collateral_done) struct tdx_collateral collateral = { 0 };
        CVM_CLEANUP(make_items_done) struct make_items items = { 0 };
        struct make_world w = make_world();
        struct cvm_error err = { 0 };

        w.qe_issued = -7200;
        items = make_items(&w);
        if (judge_items(&w, items.items, ITEM_MAX_, &collateral, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(published_since(collateral.published), TEST_NOW - 7200 * 1000);
        assert_int_equal(collateral.published[TDX_PCK_LIST].made, TEST_NOW - 3600 * 1000);
        assert_int_equal(collateral.published[TDX_QE_IDENTITY].evaluation, 17);
        assert_int_equal(collateral.info.document.evaluation, 17);
        assert_int_equal(collateral.info.levels.n, 2);
        assert_int_equal(collateral.info.levels.items[0].status, TDX_UP_TO_DATE); /* the highest first */
        assert_int_equal(collateral.info.identities[0].major, 1);
        assert_int_equal(collateral.info.identities[0].levels.items[0].svn, 5);
        assert_int_equal(collateral.qe.levels.items[0].svn, 4);
}

static void test_each_part_missing(void **state) {
        static const char *const words[ITEM_MAX_] = {
                [ITEM_INFO] = "TCB info",
                [ITEM_QE] = "identity of the quoting enclave",
                [ITEM_CHAIN] = "TCB signing",
                [ITEM_PCK_LIST] = "'Intel SGX PCK Platform CA'",
                [ITEM_ROOT_LIST] = "'Intel SGX Root CA'",
        };
        struct make_world w = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);

        expect(&w, items.items, 0, &CVM_CODE_COLLATERAL_MISSING, NULL);
        for (size_t i = 0; i < ITEM_MAX_; i++) {
                struct cvm_bytes kept = items.items[i];

                items.items[i] = (struct cvm_bytes){ 0 };
                expect(&w, items.items, ITEM_MAX_, &CVM_CODE_COLLATERAL_MISSING, words[i]);
                items.items[i] = kept;
        }
}

#define CHANGE(name, ...)                                 \
        static void change_##name(struct make_world *w) { \
                __VA_ARGS__;                              \
        }
CHANGE(info_old, w->next = -1)
CHANGE(info_early, w->issued = 60)
CHANGE(qe_old, w->qe_next = -1)
CHANGE(qe_early, w->qe_issued = 60)
CHANGE(fmspc, w->fmspc[5] = 1)
CHANGE(pce_id, w->platform.pce_id[0] = 1)
CHANGE(sgx, w->info_id = "SGX")
CHANGE(version, w->info_version = 2)
CHANGE(sgx_qe, w->qe_id = "QE")
CHANGE(short_components, w->short_components = true)
CHANGE(space, w->unsigned_space = true)
CHANGE(status, w->levels[0].status = "Splendid")
CHANGE(module_id, w->module_id = "TDX_1")
CHANGE(signer, w->document_signer = other_key)
CHANGE(signed_by_root, w->document_signer = root_key)
CHANGE(signing_expired, w->links[LINK_SIGNING].until = -1)
CHANGE(signing_issuer, w->links[LINK_SIGNING].signer = other_key)
CHANGE(signing_class, w->links[LINK_SIGNING].not_simulated = true)
CHANGE(revoked_pck, w->revoked_pck = 11)
CHANGE(revoked_ca, w->revoked_root = 12)
CHANGE(revoked_signing, w->revoked_root = 13)
CHANGE(list_old, w->list_until = -1)
CHANGE(list_early, w->list_from = 60)
CHANGE(list_signer, w->list_signer = other_key)
CHANGE(old_list_revokes, w->list_until = -1; w->revoked_pck = 11)
CHANGE(list_revokes_unsigned, w->revoked_pck = 11; w->list_signer = other_key)
/* what refuses goes first */
CHANGE(revoked_and_no_info, w->revoked_pck = 11; w->info_id = "SGX")
CHANGE(old_and_list_old, w->next = -1; w->list_until = -1)

static void test_each_way_to_be_wrong(void **state) {
        static const struct {
                void (*change)(struct make_world *w);
                const struct cvm_code *code;
                const char *words;
        } rows[] = {
                { change_info_old, &CVM_CODE_COLLATERAL_STALE, "TCB info has expired" },
                { change_info_early, &CVM_CODE_COLLATERAL_STALE, "TCB info is not issued yet" },
                { change_qe_old, &CVM_CODE_COLLATERAL_STALE, "enclave has expired" },
                { change_qe_early, &CVM_CODE_COLLATERAL_STALE, "enclave is not issued yet" },
                { change_fmspc, &CVM_CODE_COLLATERAL, "FMSPC 10206f000001" },
                { change_pce_id, &CVM_CODE_COLLATERAL, "PCEID" },
                { change_sgx, &CVM_CODE_COLLATERAL, "'SGX' of version 3" },
                { change_version, &CVM_CODE_COLLATERAL, "of version 2" },
                { change_sgx_qe, &CVM_CODE_COLLATERAL, "'QE'" },
                { change_short_components, &CVM_CODE_COLLATERAL, "tdxtcbcomponents" },
                { change_space, &CVM_CODE_COLLATERAL, "does not verify" },
                { change_status, &CVM_CODE_COLLATERAL, "Splendid" },
                { change_module_id, &CVM_CODE_COLLATERAL, "two hex digits" },
                { change_signer, &CVM_CODE_COLLATERAL, "does not verify" },
                { change_signed_by_root, &CVM_CODE_COLLATERAL, "does not verify" },
                { change_signing_expired, &CVM_CODE_COLLATERAL, "expired" },
                { change_signing_issuer, &CVM_CODE_COLLATERAL, "does not verify" },
                { change_signing_class, &CVM_CODE_COLLATERAL, "simulation" },
                { change_revoked_pck, &CVM_CODE_REVOKED, "'Intel SGX PCK Certificate'" },
                { change_revoked_ca, &CVM_CODE_REVOKED, "'Intel SGX PCK Platform CA'" },
                { change_revoked_signing, &CVM_CODE_REVOKED, "'Intel SGX TCB Signing'" },
                { change_list_old, &CVM_CODE_CRL_STALE, "out of date" },
                { change_list_early, &CVM_CODE_CRL_STALE, "not valid yet" },
                { change_list_signer, &CVM_CODE_CRL, "not signed" },
                { change_old_list_revokes, &CVM_CODE_REVOKED, NULL },
                { change_list_revokes_unsigned, &CVM_CODE_CRL, "not signed" },
                { change_revoked_and_no_info, &CVM_CODE_COLLATERAL, NULL },
                { change_old_and_list_old, &CVM_CODE_COLLATERAL_STALE, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct make_world w = make_world();

                rows[i].change(&w);
                expect_world(&w, rows[i].code, rows[i].words);
        }
}

static void test_revoked_goes_before_missing(void **state) {
        struct make_world w = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = { 0 };

        w.revoked_pck = 11;
        items = make_items(&w);
        expect(&w, items.items + ITEM_CHAIN, ITEM_MAX_ - ITEM_CHAIN, &CVM_CODE_REVOKED, NULL);
}

/* A root of the same name is not the same root. */
static void test_documents_under_another_root(void **state) {
        struct make_world w = make_world(), other = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = { 0 };

        other.links[LINK_ROOT].key = other.links[LINK_ROOT].signer = other.links[LINK_SIGNING].signer =
                        other_key;
        items = make_items(&other);
        expect(&w, items.items, ITEM_MAX_, &CVM_CODE_COLLATERAL, "does not verify");
}

/* Of several TCB infos the newest for this platform is taken; one of another platform beside it is no fault.
 */
static void test_the_right_one_of_several(void **state) {
        struct make_world w = make_world(), older = make_world(), foreign = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes old_info = { 0 }, foreign_info = { 0 };
        CVM_CLEANUP(tdx_collateral_done) struct tdx_collateral collateral = { 0 };
        struct cvm_bytes all[ITEM_MAX_ + 2];
        struct cvm_error err = { 0 };

        older.issued = -7200;
        older.evaluation = 16;
        old_info = make_tcb_info(&older);
        foreign.fmspc[0] = 0xff;
        foreign_info = make_tcb_info(&foreign);
        memcpy(all + 1, items.items, sizeof items.items);
        all[0] = old_info;
        all[ITEM_MAX_ + 1] = foreign_info;
        assert_int_equal(judge_items(&w, all, ARRAY_SIZE(all), &collateral, &err), 0);
        assert_int_equal(collateral.info.document.evaluation, 17);
}

/* A second valid list that does not revoke is no vote against the first. */
static void test_lists_do_not_outvote(void **state) {
        struct make_world w = make_world(), revoking = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };
        struct cvm_bytes all[ITEM_MAX_ + 1];

        list = make_list(&revoking, w.links[LINK_CA].cn, ca_key, 11);
        memcpy(all, items.items, sizeof items.items);
        all[ITEM_MAX_] = list;
        expect(&w, all, ARRAY_SIZE(all), &CVM_CODE_REVOKED, NULL);
        cvm_bytes_done(&list);
        revoking.list_until = -1;
        list = make_list(&revoking, w.links[LINK_CA].cn, ca_key, 0); /* an old one beside a good one */
        all[ITEM_MAX_] = list;
        expect(&w, all, ARRAY_SIZE(all), NULL, NULL);
}

static char *to_hex(const struct cvm_bytes *bytes) {
        char *hex = malloc(2 * bytes->size + 2);

        cvm_hex(bytes->data, bytes->size, hex);
        strcat(hex, "\n");
        return hex;
}

static void test_lists_in_hex_and_pem(void **state) {
        struct make_world w = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);
        struct cvm_bytes *list = &items.items[ITEM_ROOT_LIST];
        const uint8_t *p = list->data;
        X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)list->size);
        BIO *bio = BIO_new(BIO_s_mem());
        CVM_CLEANUP(cvm_freep) char *hex = to_hex(list);
        char *pem;
        long size;

        cvm_bytes_done(list);
        assert_int_equal(cvm_bytes_copy(hex, strlen(hex), list), 0);
        expect(&w, items.items, ITEM_MAX_, NULL, NULL);
        PEM_write_bio_X509_CRL(bio, crl);
        size = BIO_get_mem_data(bio, &pem);
        cvm_bytes_done(list);
        assert_int_equal(cvm_bytes_copy(pem, (size_t)size, list), 0);
        expect(&w, items.items, ITEM_MAX_, NULL, NULL);
        BIO_free(bio);
        X509_CRL_free(crl);
}

static void add_text(json_object *node, const char *key, const char *text, size_t size) {
        json_object_object_add(node, key, json_object_new_string_len(text, (int)size));
}

/* As dcap-qvl keeps it: the signed bytes as a text, the signature beside it. */
static void add_document(json_object *node, const char *key, const struct cvm_bytes *item) {
        const char *text = (const char *)item->data, *start = strchr(text, ':') + 1,
                   *end = strstr(text, ",\"signature\"");
        char signature_key[64];

        snprintf(signature_key, sizeof signature_key, "%s_signature", key);
        add_text(node, key, start, (size_t)(end - start));
        add_text(node, signature_key, strrchr(text, ':') + 2, 2 * P256_SIZE);
}

static void test_all_in_one_document(void **state) {
        struct make_world w = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);
        const struct cvm_bytes *i = items.items;
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        CVM_CLEANUP(cvm_freep)
        char *pck = to_hex(&i[ITEM_PCK_LIST]), *root = to_hex(&i[ITEM_ROOT_LIST]), *text = NULL;
        struct cvm_bytes one;

        add_document(node, "tcb_info", &i[ITEM_INFO]);
        add_document(node, "qe_identity", &i[ITEM_QE]);
        add_text(node, "tcb_info_issuer_chain", (const char *)i[ITEM_CHAIN].data, i[ITEM_CHAIN].size);
        add_text(node, "pck_crl", pck, strlen(pck) - 1);
        add_text(node, "root_ca_crl", root, strlen(root) - 1);
        text = cvm_json_text(node);
        one = (struct cvm_bytes){ (uint8_t *)text, strlen(text) };
        expect(&w, &one, 1, NULL, NULL);
        json_object_object_del(node, "pck_crl");
        free(text);
        text = cvm_json_text(node);
        one = (struct cvm_bytes){ (uint8_t *)text, strlen(text) };
        expect(&w, &one, 1, &CVM_CODE_COLLATERAL_MISSING, "Platform CA");
}

/* Behind the signed object, before it and beside it: only its own bytes are signed, and only they count. */
static void test_only_signed_bytes_count(void **state) {
        struct make_world w = make_world();
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&w);
        struct cvm_bytes *info = &items.items[ITEM_INFO];
        char *text = NULL;

        assert_true(asprintf(&text, "{ \"fmspc\":\"tcbInfo\", \"x\":[{\"tcbInfo\":{}}],%s",
                             (const char *)info->data + 1) > 0);
        cvm_bytes_done(info);
        *info = (struct cvm_bytes){ (uint8_t *)text, strlen(text) };
        expect(&w, items.items, ITEM_MAX_, NULL, NULL);
        text[info->size - 10] = text[info->size - 10] == '0' ? '1' : '0'; /* in the signature */
        expect(&w, items.items, ITEM_MAX_, &CVM_CODE_COLLATERAL, "does not verify");
        text[info->size - 10] = 'g';
        expect(&w, items.items, ITEM_MAX_, &CVM_CODE_COLLATERAL, "signature");
        text[2] = '}';
        expect(&w, items.items, ITEM_MAX_, &CVM_CODE_COLLATERAL, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_each_part_missing),
                cmocka_unit_test(test_each_way_to_be_wrong),
                cmocka_unit_test(test_revoked_goes_before_missing),
                cmocka_unit_test(test_documents_under_another_root),
                cmocka_unit_test(test_the_right_one_of_several),
                cmocka_unit_test(test_lists_do_not_outvote),
                cmocka_unit_test(test_lists_in_hex_and_pem),
                cmocka_unit_test(test_all_in_one_document),
                cmocka_unit_test(test_only_signed_bytes_count),
        };
        int failed;

        keys_make();
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        keys_done();
        return failed;
}
