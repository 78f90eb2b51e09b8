/* Intel's certificates: the chain of a quote and the extension that names a platform; each way to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/attest/make-tdx.h"

/* Read, verify, and read the platform: 0, or what was said. */
static int judge(const struct make_world *w, struct tdx_platform *ret, uint8_t root[32],
                 struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = make_chain(w);
        int r = tdx_chain_read(pem.data, pem.size, &chain, err);

        if (r >= 0)
                r = tdx_chain_verify(&chain, TEST_NOW, root, err);
        return r < 0 ? r : tdx_platform_of(&chain.links[0], ret, err);
}

static void test_good(void **state) {
        struct make_world w = make_world();
        struct tdx_platform platform;
        struct cvm_error err = { 0 };
        uint8_t root[32];

        w.platform.cpu[15] = 255;
        w.platform.pce_svn = 0x1234;
        if (judge(&w, &platform, root, &err) < 0)
                fail_msg("%s", err.text);
        assert_memory_equal(platform.cpu, w.platform.cpu, 16);
        assert_int_equal(platform.pce_svn, 0x1234);
        assert_memory_equal(platform.fmspc, w.platform.fmspc, 6);
        assert_true(platform.has_instance);
        assert_memory_equal(platform.instance, w.platform.instance, 16);
}

static void test_root_is_named_by_its_key(void **state) {
        struct make_world w = make_world();
        struct tdx_platform platform;
        uint8_t root[32], other[32], expected[32], *spki = NULL;
        int size = i2d_PUBKEY(root_key, &spki);

        cvm_sha256(spki, (size_t)size, expected);
        OPENSSL_free(spki);
        assert_int_equal(judge(&w, &platform, root, NULL), 0);
        assert_memory_equal(root, expected, sizeof root);
        /* the same name, another key: a chain of its own that is nobody's */
        w.links[LINK_ROOT].key = w.links[LINK_ROOT].signer = w.links[LINK_CA].signer = other_key;
        assert_int_equal(judge(&w, &platform, other, NULL), 0);
        assert_memory_not_equal(root, other, sizeof root);
        assert_memory_not_equal(other, tdx_root, sizeof other);
}

static void test_processor_ca(void **state) {
        struct make_world w = make_world();
        struct tdx_platform platform;
        uint8_t root[32];

        w.links[LINK_CA].cn = w.links[LINK_PCK].issuer = tdx_role_texts[TDX_ROLE_PROCESSOR_CA];
        w.platform.has_instance = false;
        assert_int_equal(judge(&w, &platform, root, NULL), 0);
        assert_false(platform.has_instance);
}

#define CHANGE(name, ...)                                 \
        static void change_##name(struct make_world *w) { \
                __VA_ARGS__;                              \
        }
CHANGE(order, w->swap_certificates = true)
CHANGE(no_root, w->no_root = true)
CHANGE(name, w->links[LINK_PCK].cn = "Intel SGX PCK certificate")
CHANGE(role, w->links[LINK_PCK].cn = tdx_role_texts[TDX_ROLE_TCB_SIGNING])
CHANGE(two_pck, w->links[LINK_CA].cn = tdx_role_texts[TDX_ROLE_PCK])
CHANGE(leaf_signer, w->links[LINK_PCK].signer = other_key)
CHANGE(leaf_by_root, w->links[LINK_PCK].signer = root_key;
       w->links[LINK_PCK].issuer = w->links[LINK_ROOT].cn)
CHANGE(ca_signer, w->links[LINK_CA].signer = other_key)
CHANGE(root_signer, w->links[LINK_ROOT].signer = other_key)
CHANGE(leaf_expired, w->links[LINK_PCK].until = -1)
CHANGE(leaf_early, w->links[LINK_PCK].from = 60)
CHANGE(ca_expired, w->links[LINK_CA].until = -1)
CHANGE(root_expired, w->links[LINK_ROOT].until = -1)
CHANGE(not_ca, w->links[LINK_CA].ca = false)
CHANGE(sha384, w->links[LINK_PCK].sha384 = true)
CHANGE(critical, w->links[LINK_CA].unknown_critical = true)
CHANGE(twice, w->links[LINK_PCK].twice = true)
CHANGE(half_simulated, w->links[LINK_ROOT].not_simulated = true)
CHANGE(simulation_not_critical, w->links[LINK_PCK].not_critical = true)
CHANGE(no_platform, w->links[LINK_PCK].no_platform = true)
CHANGE(big_svn, w->big_svn = true)
CHANGE(part_twice, w->part_twice = true)
CHANGE(no_fmspc, w->no_fmspc = true)
CHANGE(short_fmspc, w->short_fmspc = true)
CHANGE(junk, w->junk_behind_extension = true)

static void test_each_way_to_be_wrong(void **state) {
        static const struct {
                void (*change)(struct make_world *w);
                const char *words;
        } rows[] = {
                { change_order, "in this order" },
                { change_no_root, "in this order" },
                { change_name, "none of Intel's chain" },
                { change_role, "in this order" },
                { change_two_pck, "in this order" },
                { change_leaf_signer, "does not verify" },
                { change_leaf_by_root, "not issued by the one behind it" },
                { change_ca_signer, "does not verify" },
                { change_root_signer, "does not verify" },
                { change_leaf_expired, "expired" },
                { change_leaf_early, "not yet valid" },
                { change_ca_expired, "expired" },
                { change_root_expired, "expired" },
                { change_not_ca, "does not verify" },
                { change_sha384, "SHA-256" },
                { change_critical, "unknown critical" },
                { change_twice, "twice" },
                { change_half_simulated, "some certificates are of a simulation" },
                { change_simulation_not_critical, "not critical" },
                { change_no_platform, "lacks Intel's extension" },
                { change_big_svn, "which platform" },
                { change_part_twice, "which platform" },
                { change_no_fmspc, "which platform" },
                { change_short_fmspc, "which platform" },
                { change_junk, "which platform" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct make_world w = make_world();
                struct tdx_platform platform;
                struct cvm_error err = { 0 };
                uint8_t root[32];

                rows[i].change(&w);
                assert_int_equal(judge(&w, &platform, root, &err), -EBADMSG);
                assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
                if (!strstr(err.text, rows[i].words))
                        fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].words);
        }
}

static void test_other_curve(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
        struct make_world w = make_world();
        struct tdx_platform platform;
        struct cvm_error err = { 0 };
        uint8_t root[32];

        w.links[LINK_PCK].key = p384;
        assert_int_equal(judge(&w, &platform, root, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "P-256"));
}

static void test_text_that_is_no_chain(void **state) {
        const enum tdx_link four[] = { LINK_PCK, LINK_CA, LINK_ROOT, LINK_ROOT };
        struct make_world w = make_world();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes good = make_chain(&w), more = make_pem(&w, four, 4);
        struct tdx_chain chain = { 0 };
        uint8_t nuls[4] = { 0 };

        assert_int_equal(tdx_chain_read("", 0, &chain, NULL), -EBADMSG);
        assert_int_equal(tdx_chain_read(nuls, sizeof nuls, &chain, NULL), -EBADMSG);
        assert_int_equal(tdx_chain_read(more.data, more.size, &chain, NULL), -EBADMSG);
        assert_int_equal(tdx_chain_read(good.data, good.size + 1, &chain, NULL), 0); /* with a NUL */
        tdx_chain_done(&chain);
        good.data[good.size / 2] = '!';
        assert_int_equal(tdx_chain_read(good.data, good.size, &chain, NULL), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),         cmocka_unit_test(test_root_is_named_by_its_key),
                cmocka_unit_test(test_processor_ca), cmocka_unit_test(test_each_way_to_be_wrong),
                cmocka_unit_test(test_other_curve),  cmocka_unit_test(test_text_that_is_no_chain),
        };
        int failed;

        keys_make();
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        keys_done();
        return failed;
}
