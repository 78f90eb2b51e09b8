#include "launch/host-libvirt.h"

#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "launch/platform.h"

#define NEWER \
        "Restart libvirtd: it keeps what it has once found out of QEMU and host. Update it where that does not help."

/* What libvirt lists, what its own element of that name says, what we see; and what follows. */
static const struct opinion {
        bool is_listed;
        const char *feature; /* NULL: it says nothing */
        bool is_ours;
        enum host_verdict verdict;
        const char *sentence; /* behind the technology's title */
        const char *remedy;
} opinions[] = {
        { true, "yes", true, HOST_PASS, "is offered by libvirt too", "" },
        { true, NULL, true, HOST_PASS, "is offered by libvirt too", "" },
        { true, "no", true, HOST_PASS,
          "is listed by libvirt, which says elsewhere that the host does not have it: it starts such guests all "
          "the same",
          "" },
        { false, "yes", true, HOST_WARN, "is not among what libvirt starts, though it sees it on this host",
          NEWER },
        { false, "no", true, HOST_WARN, "is here, but libvirt says that the host does not have it", NEWER },
        { false, NULL, true, HOST_WARN, "is here, but this libvirt does not know it",
          "Use the driver 'qemu', or install a newer libvirt." },
        { true, "yes", false, HOST_WARN,
          "is offered by libvirt, but this check does not find it on the host",
          "Believe the rows above: a guest would not start." },
        { true, NULL, false, HOST_WARN, "is offered by libvirt, but this check does not find it on the host",
          "Believe the rows above: a guest would not start." },
        { false, "yes", false, HOST_WARN, "is seen by libvirt, but not by this check",
          "Believe the rows above: a guest would not start." },
};

static bool equal(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static const struct opinion *find_opinion(bool is_listed, const char *feature, bool is_ours) {
        for (size_t i = 0; i < ARRAY_SIZE(opinions); i++) {
                const struct opinion *o = &opinions[i];

                if (o->is_listed == is_listed && o->is_ours == is_ours && equal(o->feature, feature))
                        return o;
        }
        return NULL;
}

/* libvirt writes it into the guest's machine by itself, so that it must be right about it. */
static void judge_bit(const struct cvm_json *place, uint32_t ours, struct host_check *row) {
        size_t used = strlen(row->sentence);
        char *end = row->sentence + used;
        uint64_t theirs;

        if (!ours || cvm_json_get_u64(place, "bit", &theirs, NULL) <= 0)
                return;
        if (theirs == ours) {
                snprintf(end, sizeof row->sentence - used,
                         "; it gives guests the encryption bit itself, and finds %u as this check does",
                         ours);
                return;
        }
        row->verdict = HOST_WARN;
        row->remedy = NEWER;
        snprintf(end, sizeof row->sentence - used,
                 ", but it would give guests encryption bit %llu, and this processor has %u",
                 (unsigned long long)theirs, ours);
}

/* true: there is something to be said of it. */
static bool judge(const struct cvm_json *platforms, const struct platform *platform,
                  const struct host_facts *facts, struct host_check *ret) {
        static const struct opinion none = {
                .verdict = HOST_WARN,
                .sentence = "is here, but libvirt finds no QEMU with KVM for it",
                .remedy = NEWER
        };
        const struct cvm_json place = cvm_json_at(platforms, platform->name);
        bool is_ours = facts->offers[platform->id], is_listed = false;
        const struct opinion *opinion = is_ours ? &none : NULL;
        const char *feature = NULL;

        if (place.node) {
                (void)cvm_json_get_bool(&place, "listed", &is_listed, NULL);
                (void)cvm_json_get_text(&place, "feature", &feature, NULL);
                opinion = find_opinion(is_listed, feature, is_ours);
        }
        if (!opinion)
                return false;
        *ret = (struct host_check){ .id = "libvirt-platform",
                                    .verdict = opinion->verdict,
                                    .remedy = opinion->remedy };
        snprintf(ret->sentence, sizeof ret->sentence, "%s %s", platform->title, opinion->sentence);
        if (is_listed && is_ours)
                judge_bit(&place, facts->encryption_bit, ret);
        return true;
}

static struct host_check judge_absence(const struct host_libvirt *libvirt) {
        struct host_check row = { .id = "libvirt", .verdict = libvirt->is_needed ? HOST_FAIL : HOST_WARN };

        if (libvirt->why) {
                row.remedy = "Install libvirt and start it, or use the driver 'qemu', which needs none.";
                snprintf(row.sentence, sizeof row.sentence, "%.190s", libvirt->why);
        } else if (libvirt->is_needed) {
                row.remedy = "Install cvmd's part for libvirt, or use the driver 'qemu', which needs none.";
                snprintf(row.sentence, sizeof row.sentence,
                         "libvirt is the default driver here, but cvmd's part for it is not installed");
        } else {
                row.verdict = HOST_PASS;
                row.remedy = "";
                snprintf(row.sentence, sizeof row.sentence,
                         "libvirt is not used: cvmd's part for it is not installed, QEMU is started directly");
        }
        return row;
}

size_t host_check_libvirt(const struct host_libvirt *libvirt, const struct host_facts *facts,
                          struct host_check ret[HOST_LIBVIRT_ROWS]) {
        const struct cvm_json root = cvm_json_root(libvirt->answer, "libvirt's answer"),
                              platforms = cvm_json_at(&root, "platforms");
        const char *version = "of an unknown version";
        const struct platform *platform;
        size_t n = 1;

        if (!libvirt->answer) {
                ret[0] = judge_absence(libvirt);
                return n;
        }
        ret[0] = (struct host_check){ .id = "libvirt", .verdict = HOST_PASS, .remedy = "" };
        (void)cvm_json_get_text(&root, "version", &version, NULL);
        snprintf(ret[0].sentence, sizeof ret[0].sentence, "libvirt %.40s answers", version);
        cvm_text_clean(ret[0].sentence, strlen(ret[0].sentence), false);
        for (size_t i = 0; n < HOST_LIBVIRT_ROWS && (platform = platform_at(i)); i++)
                n += platform->libvirt && judge(&platforms, platform, facts, &ret[n]);
        return n;
}

int host_check_all(const char *root, enum host_seen_by by, const struct host_libvirt *libvirt,
                   struct host_check ret[HOST_ALL_CHECKS_MAX], struct cvm_error *err) {
        struct host_facts facts;
        int n = host_check(root, by, ret, err), r;

        if (n < 0 || !libvirt)
                return n;
        r = host_read(root, &facts, err);
        return r < 0 ? r : n + (int)host_check_libvirt(libvirt, &facts, ret + n);
}
