/* A quote of our own making, what its maker would publish beside it, and a policy, as files.
 * Usage: make-quote-tdx DIR [WHAT]; the words of WHAT stand in the table below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "tests/attest/scene-tdx.h"

static void debug(struct scene *s) {
        s->w.body.attributes |= 1;
}

static void paravisor(struct scene *s) {
        s->w.body.attributes = 0;
}

static void old_platform(struct scene *s) {
        s->w.platform.pce_svn = 12;
}

static void old_documents(struct scene *s) {
        s->w.next = -1;
}

static void old_list(struct scene *s) {
        s->w.list_until = -1;
}

static void revoked(struct scene *s) {
        s->w.revoked_pck = 11;
}

static const struct {
        const char *word;
        void (*change)(struct scene *s);
} changes[] = {
        { "debug", debug },
        { "paravisor", paravisor },
        { "old-platform", old_platform },
        { "old-documents", old_documents },
        { "old-list", old_list },
        { "revoked", revoked },
};

static void put(const char *dir, const char *name, const void *data, size_t size) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s", dir, name);
        f = fopen(path, "wb");
        if (!f || fwrite(data, 1, size, f) != size || fclose(f))
                exit(1);
}

int main(int argc, char **argv) {
        static const char *const names[ITEM_MAX_] = { "collateral/tcb", "collateral/qe-identity",
                                                      "collateral/chain.pem", "collateral/pck.crl",
                                                      "collateral/root.crl" };
        struct scene s;
        char path[4096];

        if (argc < 2)
                return 2;
        keys_make();
        s = scene();
        s.unowned = true;
        for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(changes); i++)
                if (strcmp(argv[2], changes[i].word) == 0)
                        changes[i].change(&s);
        seal(&s);
        snprintf(path, sizeof path, "%s/collateral", argv[1]);
        mkdir(path, 0777);
        put(argv[1], "quote", s.bundle.report.data, s.bundle.report.size);
        put(argv[1], "policy.json", s.policy, strlen(s.policy));
        for (size_t i = 0; i < ITEM_MAX_; i++)
                put(argv[1], names[i], s.bundle.revocations[i].data, s.bundle.revocations[i].size);
        scene_done(&s);
        keys_done();
        return 0;
}
