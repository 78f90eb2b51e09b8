/* What of a definition the owner's signed binding repeats, and whether the two agree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launch/definition.h"

static int copy_texts(char *const *texts, char ***ret) {
        for (size_t i = 0; texts && texts[i]; i++)
                if (cvm_texts_add(ret, texts[i]) < 0)
                        return -ENOMEM;
        return 0;
}

int definition_binding(const struct definition *d, enum cvm_platform_id platform, uint64_t serial,
                       struct binding *ret, struct cvm_error *err) {
        CVM_CLEANUP(binding_done)
        struct binding b = {
                .version = 1,
                .serial = serial,
                .platform = platform,
                .class_ = d->simulate ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE,
                .root = d->root,
                .has_root_digest = d->has_root_digest,
                .has_service = d->service.size > 0,
                .approval = d->approval,
        };

        if (!d->uuid || !d->owner.size)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "a binding needs '%s' in the definition",
                                d->uuid ? "owner" : "uuid");
        b.uuid = strdup(d->uuid);
        if (!b.uuid || copy_texts(d->required_secrets, &b.required_secrets) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a binding");
        memcpy(b.root_digest, d->root_digest, sizeof b.root_digest);
        cvm_key_id(d->owner.data, b.owner_id);
        if (b.has_service)
                cvm_key_id(d->service.data, b.service_id);
        *ret = b;
        b = (struct binding){ 0 };
        return 0;
}

static bool texts_equal(char *const *a, char *const *b) {
        size_t n = cvm_texts_count(a);

        if (n != cvm_texts_count(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (strcmp(a[i], b[i]) != 0)
                        return false;
        return true;
}

int definition_check_binding(const struct definition *d, enum cvm_platform_id platform,
                             const struct binding *binding, struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding want = { 0 };
        int r = definition_binding(d, platform, binding->serial, &want, err);

        if (r < 0)
                return r;
        const struct {
                const char *field;
                bool equal;
        } checks[] = {
                { "uuid", strcmp(want.uuid, binding->uuid) == 0 },
                { "platform", want.platform == binding->platform },
                { "class", want.class_ == binding->class_ },
                { "owner_id", memcmp(want.owner_id, binding->owner_id, sizeof want.owner_id) == 0 },
                { "root", want.root == binding->root && memcmp(want.root_digest, binding->root_digest,
                                                               sizeof want.root_digest) == 0 },
                { "required_secrets", texts_equal(want.required_secrets, binding->required_secrets) },
                { "service_id",
                  want.has_service == binding->has_service && memcmp(want.service_id, binding->service_id,
                                                                     sizeof want.service_id) == 0 },
                { "approval", want.approval == binding->approval },
        };

        for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
                if (!checks[i].equal)
                        return cvm_fail(err, &CVM_CODE_BINDING_DEFINITION, EINVAL,
                                        "'%s' of the binding is not what the definition says",
                                        checks[i].field);
        return 0;
}
