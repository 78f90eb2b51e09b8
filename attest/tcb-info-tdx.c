#include "attest/tcb-info-tdx.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define LEVELS_MAX 64
#define IDENTITIES_MAX 16
#define ADVISORIES_MAX 64

const char *const tdx_status_texts[] = {
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
        "TDRelaunchAdvised",
        "TDRelaunchAdvisedConfigurationNeeded",
        "NotSupported",
        "ModuleMismatch",
};

/* getters: these documents are another's, so unknown members are ignored, but those that count must be there
 */

static int get_text(const struct cvm_json *place, const char *key, const char **ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        int r = cvm_json_get_text(place, key, ret, err);

        return r == 0 ? cvm_json_refuse(&at, err, "is missing") : r;
}

static int get_number(const struct cvm_json *place, const char *key, uint64_t max, uint64_t *ret,
                      struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        int r = cvm_json_get_u64(place, key, ret, err);

        if (r == 0)
                return cvm_json_refuse(&at, err, "is missing");
        return r > 0 && *ret > max
                               ? cvm_json_refuse(&at, err, "must be at most %llu", (unsigned long long)max)
                               : r;
}

/* Hex in either case. */
static int get_hex(const struct cvm_json *place, const char *key, uint8_t *ret, size_t size,
                   struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        char lower[2 * P256_SIZE + 1] = "";
        const char *text = NULL;
        int r = get_text(place, key, &text, err);

        if (r < 0)
                return r;
        for (size_t i = 0; text[i] && i < sizeof lower - 1; i++)
                lower[i] = (char)tolower((unsigned char)text[i]);
        return strlen(text) == 2 * size && cvm_unhex(lower, ret, size) == 0
                               ? 0
                               : cvm_json_refuse(&at, err, "must be %zu hex digits", 2 * size);
}

static int get_time(const struct cvm_json *place, const char *key, uint64_t *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        const char *text = NULL;
        int r = get_text(place, key, &text, err);

        if (r < 0)
                return r;
        return cvm_time_parse(text, ret) == 0 ? 0 : cvm_json_refuse(&at, err, "must be a time");
}

static int get_list(const struct cvm_json *place, const char *key, size_t max, struct cvm_json *ret,
                    size_t *ret_n, struct cvm_error *err) {
        *ret = cvm_json_at(place, key);
        return cvm_json_array(ret, max, ret_n, err);
}

/* Attributes are raw bytes of the report: a number there. */
static int get_attributes(const struct cvm_json *place, const char *key, uint64_t *ret,
                          struct cvm_error *err) {
        uint8_t bytes[8];
        int r = get_hex(place, key, bytes, sizeof bytes, err);
        struct cvm_reader in = cvm_reader_of(bytes, sizeof bytes);

        if (r >= 0)
                *ret = cvm_read_u64le(&in);
        return r;
}

/* miscselect is written as a number, not as bytes. */
static int get_misc(const struct cvm_json *place, const char *key, uint32_t *ret, struct cvm_error *err) {
        uint8_t bytes[4];
        int r = get_hex(place, key, bytes, sizeof bytes, err);
        struct cvm_reader in = cvm_reader_of(bytes, sizeof bytes);

        if (r >= 0)
                *ret = cvm_read_u32be(&in);
        return r;
}

/* levels */

static int read_components(const struct cvm_json *tcb, const char *key, uint8_t ret[TDX_COMPONENTS],
                           struct cvm_error *err) {
        struct cvm_json list;
        size_t n = 0;
        int r = get_list(tcb, key, TDX_COMPONENTS, &list, &n, err);

        if (r >= 0 && n != TDX_COMPONENTS)
                r = cvm_json_refuse(&list, err, "must have %d elements", TDX_COMPONENTS);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct cvm_json at = cvm_json_element(&list, i);
                uint64_t svn = 0;

                r = get_number(&at, "svn", UINT8_MAX, &svn, err);
                ret[i] = (uint8_t)svn;
        }
        return r;
}

static int read_platform_svns(const struct cvm_json *tcb, struct tdx_level *level, struct cvm_error *err) {
        uint64_t svn = 0;
        int r = read_components(tcb, "sgxtcbcomponents", level->cpu, err);

        if (r >= 0)
                r = read_components(tcb, "tdxtcbcomponents", level->tdx, err);
        if (r >= 0)
                r = get_number(tcb, "pcesvn", UINT16_MAX, &svn, err);
        level->svn = (uint16_t)svn;
        return r;
}

static int read_isv_svn(const struct cvm_json *tcb, struct tdx_level *level, struct cvm_error *err) {
        uint64_t svn = 0;
        int r = get_number(tcb, "isvsvn", UINT16_MAX, &svn, err);

        level->svn = (uint16_t)svn;
        return r;
}

static int read_status(const struct cvm_json *place, enum tdx_status *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, "tcbStatus");
        const char *text = NULL;
        int r = get_text(place, "tcbStatus", &text, err);

        for (enum tdx_status s = 0; r >= 0 && s <= TDX_REVOKED; s++)
                if (strcmp(text, tdx_status_texts[s]) == 0) {
                        *ret = s;
                        return 0;
                }
        return r < 0 ? r : cvm_json_refuse(&at, err, "is no status that is known: '%.40s'", text);
}

static int read_advisories(const struct cvm_json *place, json_object **ret, struct cvm_error *err) {
        struct cvm_json list = cvm_json_at(place, "advisoryIDs");
        size_t n = 0;
        int r = list.node ? cvm_json_array(&list, ADVISORIES_MAX, &n, err) : 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct cvm_json at = cvm_json_element(&list, i);
                const char *text;

                r = cvm_json_text_at(&at, 64, &text, err);
        }
        *ret = list.node;
        return r;
}

typedef int (*read_svns_fn)(const struct cvm_json *tcb, struct tdx_level *level, struct cvm_error *err);

static int read_level(const struct cvm_json *place, read_svns_fn read_svns, struct tdx_level *level,
                      struct cvm_error *err) {
        struct cvm_json tcb = cvm_json_at(place, "tcb");
        int r = read_svns(&tcb, level, err);

        if (r >= 0)
                r = get_time(place, "tcbDate", &level->date, err);
        if (r >= 0)
                r = read_status(place, &level->status, err);
        return r < 0 ? r : read_advisories(place, &level->advisories, err);
}

/* Descending, as Intel's library sorts them: by the processor's components, PCESVN (or ISVSVN), TDX's. */
static int compare(const void *a, const void *b) {
        const struct tdx_level *x = a, *y = b;
        int order = memcmp(y->cpu, x->cpu, sizeof x->cpu);

        if (!order)
                order = (int)y->svn - (int)x->svn;
        return order ? order : memcmp(y->tdx, x->tdx, sizeof x->tdx);
}

static int read_levels(const struct cvm_json *place, read_svns_fn read_svns, struct tdx_levels *ret,
                       struct cvm_error *err) {
        struct cvm_json list;
        size_t n = 0;
        int r = get_list(place, "tcbLevels", LEVELS_MAX, &list, &n, err);

        if (r >= 0 && !(ret->items = calloc(n + 1, sizeof *ret->items)))
                return -ENOMEM;
        for (; r >= 0 && ret->n < n; ret->n++) {
                struct cvm_json at = cvm_json_element(&list, ret->n);

                r = read_level(&at, read_svns, &ret->items[ret->n], err);
        }
        if (r >= 0)
                qsort(ret->items, ret->n, sizeof *ret->items, compare);
        return r;
}

/* what is signed: the text is known to be well-formed */

static size_t string_end(const char *text, size_t at, size_t size) {
        for (at++; at < size && text[at] != '"'; at++)
                at += text[at] == '\\';
        return at + 1;
}

static size_t object_end(const char *text, size_t at, size_t size) {
        size_t depth = 0;

        do {
                if (text[at] == '"') {
                        at = string_end(text, at, size);
                        continue;
                }
                depth += text[at] == '{';
                depth -= text[at] == '}';
                at++;
        } while (depth && at < size);
        return at;
}

/* The object that is the member `key` of the outermost one: its bytes as they stand. */
static const char *find_payload(const char *text, size_t size, const char *key, size_t *ret_size) {
        const size_t length = strlen(key);
        size_t depth = 0;

        for (size_t at = 0; at < size;) {
                size_t end = at + 1;
                bool is_key;

                if (text[at] != '"') {
                        depth += text[at] == '{' || text[at] == '[';
                        depth -= text[at] == '}' || text[at] == ']';
                        at = end;
                        continue;
                }
                end = string_end(text, at, size);
                is_key = depth == 1 && end - at == length + 2 && memcmp(text + at + 1, key, length) == 0;
                at = end;
                while (is_key && at < size && strchr(": \t\r\n", text[at]))
                        at++;
                if (is_key && at < size && text[at] == '{') {
                        *ret_size = object_end(text, at, size) - at;
                        return text + at;
                }
        }
        return NULL;
}

static int read_signature(const char *text, size_t size, const char *name, uint8_t ret[P256_SIZE],
                          struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *outer = NULL;
        struct cvm_json root;
        int r = cvm_json_parse(text, size, name, &outer, err);

        if (r < 0)
                return r;
        root = cvm_json_root(outer, name);
        return get_hex(&root, "signature", ret, P256_SIZE, err);
}

static int read_document(const char *text, size_t size, const char *key, struct tdx_document *ret,
                         struct cvm_json *ret_root, struct cvm_error *err) {
        const char *payload;
        uint64_t evaluation = 0;
        int r;

        if (size > TDX_DOCUMENT_MAX)
                return cvm_fail(err, &CVM_CODE_JSON, EINVAL, "'%s' is larger than any of Intel's", key);
        r = read_signature(text, size, key, ret->signature, err);
        if (r < 0)
                return r;
        payload = find_payload(text, size, key, &ret->payload_size);
        if (!payload)
                return cvm_fail(err, &CVM_CODE_JSON, EINVAL, "there is no '%s' in it", key);
        ret->payload = (const uint8_t *)payload;
        r = cvm_json_parse(payload, ret->payload_size, key, &ret->node, err);
        if (r < 0)
                return r;
        *ret_root = cvm_json_root(ret->node, key);
        r = get_time(ret_root, "issueDate", &ret->issued, err);
        if (r >= 0)
                r = get_time(ret_root, "nextUpdate", &ret->next, err);
        if (r >= 0)
                r = get_number(ret_root, "tcbEvaluationDataNumber", UINT32_MAX, &evaluation, err);
        ret->evaluation = (uint32_t)evaluation;
        return r;
}

/* The one kind and version that is for TDs. */
static int check_kind(const struct cvm_json *root, const char *id, uint64_t version, struct cvm_error *err) {
        const char *found = NULL;
        uint64_t number = 0;
        int r = get_text(root, "id", &found, err);

        if (r >= 0)
                r = get_number(root, "version", UINT32_MAX, &number, err);
        if (r >= 0 && (strcmp(found, id) != 0 || number != version))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'%s' is '%.20s' of version %llu, a TD's is '%s' of version %llu",
                                root->document, found, (unsigned long long)number, id,
                                (unsigned long long)version);
        return r;
}

/* TCB info */

static int read_module(const struct cvm_json *place, struct tdx_module *ret, struct cvm_error *err) {
        int r = get_hex(place, "mrsigner", ret->mr_signer, sizeof ret->mr_signer, err);

        if (r >= 0)
                r = get_attributes(place, "attributes", &ret->attributes, err);
        return r < 0 ? r : get_attributes(place, "attributesMask", &ret->attributes_mask, err);
}

static int read_identity(const struct cvm_json *place, struct tdx_module *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, "id");
        const char *id = NULL;
        char *end = NULL;
        int r = get_text(place, "id", &id, err);

        if (r < 0)
                return r;
        if (strncasecmp(id, "TDX_", 4) == 0 && isxdigit((unsigned char)id[4]))
                ret->major = (unsigned)strtoul(id + 4, &end, 16);
        if (!end || *end || end - id != 6)
                return cvm_json_refuse(&at, err, "must be 'TDX_' and two hex digits");
        r = read_module(place, ret, err);
        return r < 0 ? r : read_levels(place, read_isv_svn, &ret->levels, err);
}

/* TCB info of before TDX 1.5 has none. */
static int read_identities(const struct cvm_json *root, struct tdx_tcb_info *info, struct cvm_error *err) {
        struct cvm_json list = cvm_json_at(root, "tdxModuleIdentities");
        size_t n = 0;
        int r = list.node ? cvm_json_array(&list, IDENTITIES_MAX, &n, err) : 0;

        if (r >= 0 && !(info->identities = calloc(n + 1, sizeof *info->identities)))
                return -ENOMEM;
        while (r >= 0 && info->n_identities < n) {
                struct cvm_json at = cvm_json_element(&list, info->n_identities);

                r = read_identity(&at, &info->identities[info->n_identities++], err);
        }
        return r;
}

static int read_tcb_info(const char *text, size_t size, struct tdx_tcb_info *info, struct cvm_error *err) {
        struct cvm_json root, module;
        int r = read_document(text, size, "tcbInfo", &info->document, &root, err);

        if (r >= 0)
                r = check_kind(&root, "TDX", 3, err);
        if (r < 0)
                return r;
        module = cvm_json_at(&root, "tdxModule");
        r = get_hex(&root, "fmspc", info->fmspc, sizeof info->fmspc, err);
        if (r >= 0)
                r = get_hex(&root, "pceId", info->pce_id, sizeof info->pce_id, err);
        if (r >= 0)
                r = read_module(&module, &info->module, err);
        if (r >= 0)
                r = read_identities(&root, info, err);
        return r < 0 ? r : read_levels(&root, read_platform_svns, &info->levels, err);
}

void tdx_tcb_info_done(struct tdx_tcb_info *info) {
        json_object_put(info->document.node);
        for (size_t i = 0; i < info->n_identities; i++)
                free(info->identities[i].levels.items);
        free(info->identities);
        free(info->levels.items);
        *info = (struct tdx_tcb_info){ 0 };
}

int tdx_tcb_info_read(const void *text, size_t size, struct tdx_tcb_info *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        struct cvm_error why = { 0 };
        int r = read_tcb_info(text, size, &info, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_COLLATERAL, EBADMSG, &why, r);
        *ret = info;
        info = (struct tdx_tcb_info){ 0 };
        return 0;
}

/* QE identity */

static int read_qe_identity(const char *text, size_t size, struct tdx_qe_identity *identity,
                            struct cvm_error *err) {
        struct cvm_json root;
        uint64_t product = 0;
        int r = read_document(text, size, "enclaveIdentity", &identity->document, &root, err);

        if (r >= 0)
                r = check_kind(&root, "TD_QE", 2, err);
        if (r >= 0)
                r = get_misc(&root, "miscselect", &identity->misc_select, err);
        if (r >= 0)
                r = get_misc(&root, "miscselectMask", &identity->misc_select_mask, err);
        if (r >= 0)
                r = get_hex(&root, "attributes", identity->attributes, sizeof identity->attributes, err);
        if (r >= 0)
                r = get_hex(&root, "attributesMask", identity->attributes_mask,
                            sizeof identity->attributes_mask, err);
        if (r >= 0)
                r = get_hex(&root, "mrsigner", identity->mr_signer, sizeof identity->mr_signer, err);
        if (r >= 0)
                r = get_number(&root, "isvprodid", UINT16_MAX, &product, err);
        identity->isv_prod_id = (uint16_t)product;
        return r < 0 ? r : read_levels(&root, read_isv_svn, &identity->levels, err);
}

void tdx_qe_identity_done(struct tdx_qe_identity *identity) {
        json_object_put(identity->document.node);
        free(identity->levels.items);
        *identity = (struct tdx_qe_identity){ 0 };
}

int tdx_qe_identity_read(const void *text, size_t size, struct tdx_qe_identity *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity identity = { 0 };
        struct cvm_error why = { 0 };
        int r = read_qe_identity(text, size, &identity, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_COLLATERAL, EBADMSG, &why, r);
        *ret = identity;
        identity = (struct tdx_qe_identity){ 0 };
        return 0;
}
