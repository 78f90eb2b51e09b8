#include "worker/libvirt-ask.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "worker/adopt.h"
#include "worker/error-json.h"
#include "worker/libvirt-abilities.h"
#include "worker/wire-libvirt.h"
#include "worker/wire.h"

#define URI "qemu:///system"
#define NAME_MAX_ 256

static void close_connection(virConnectPtr *connection) {
        if (*connection)
                virConnectClose(*connection);
}

static void free_domain(virDomainPtr *domain) {
        if (*domain)
                virDomainFree(*domain);
}

/* The two that matter here: it is not there, or libvirt does not answer. */
static int fail(struct cvm_error *err, const char *what) {
        const char *words = virGetLastErrorMessage();
        bool is_absent = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
        char clean[300];

        snprintf(clean, sizeof clean, "%s", words ? words : "it does not say why");
        cvm_text_clean(clean, strlen(clean), false);
        return cvm_fail(err, is_absent ? &CVM_CODE_LIBVIRT_DOMAIN : &CVM_CODE_LIBVIRT_CONNECTION,
                        is_absent ? ENOENT : EIO, "%s (libvirt: %s)", what, clean);
}

static int connect_by(virConnectPtr (*open)(const char *uri), virConnectPtr *ret, struct cvm_error *err) {
        const char *uri = getenv("LIBVIRT_DEFAULT_URI");

        *ret = open(uri && *uri ? uri : URI);
        return *ret ? 0 : fail(err, "libvirt cannot be reached");
}

/* --- capabilities --- */

static int add_abilities(virConnectPtr connection, const struct platform *platform, json_object *platforms,
                         struct cvm_error *err) {
        static const char prefix[] = "qemu-system-";
        json_object *abilities = NULL;
        char *xml = virConnectGetDomainCapabilities(connection, NULL, platform->binary + strlen(prefix),
                                                    platform->machine, "kvm", 0);
        int r, code = xml ? VIR_ERR_OK : virGetLastErrorCode();

        if (code == VIR_ERR_INVALID_ARG || code == VIR_ERR_CONFIG_UNSUPPORTED || code == VIR_ERR_NO_SUPPORT)
                return 0; /* without KVM, or a QEMU of that architecture, or QEMU, it has nothing to say */
        if (!xml)
                return fail(err, "libvirt does not tell what it can do");
        r = libvirt_abilities(xml, strlen(xml), platform, &abilities, err);
        free(xml);
        if (r >= 0)
                json_object_object_add(platforms, platform->name, abilities);
        return r;
}

static int run_capabilities(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(close_connection) virConnectPtr connection = NULL;
        json_object *platforms;
        unsigned long version = 0;
        char text[32];
        int r = connect_by(virConnectOpen, &connection, err); /* those who only read are not told */

        if (r < 0)
                return r;
        if (virConnectGetLibVersion(connection, &version) < 0)
                return fail(err, "libvirt does not tell its version");
        snprintf(text, sizeof text, "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "version", json_object_new_string(text));
        platforms = json_object_new_object();
        json_object_object_add(*ret, "platforms", platforms);
        for (size_t i = 0; r >= 0 && platform_at(i); i++)
                if (platform_at(i)->libvirt)
                        r = add_abilities(connection, platform_at(i), platforms, err);
        return r;
}

/* --- adopt --- */

static int adopt_domain(const char *name, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(close_connection) virConnectPtr connection = NULL;
        CVM_CLEANUP(free_domain) virDomainPtr domain = NULL;
        CVM_CLEANUP(cvm_freep) char *xml = NULL;
        int r = 0;

        if (strncmp(name, LIBVIRT_NAME_PREFIX, strlen(LIBVIRT_NAME_PREFIX)) == 0)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_DOMAIN, EEXIST,
                                "it is cvmd's own: `cvmctl show` has the definition that it was made of");
        r = connect_by(virConnectOpenReadOnly, &connection, err);
        if (r < 0)
                return r;
        domain = virDomainLookupByName(connection, name);
        if (!domain)
                return fail(err, "libvirt has no such domain");
        xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
        return xml ? adopt(xml, strlen(xml), name, ret, err) : fail(err, "libvirt does not tell what it is");
}

static int run_adopt(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        const char *name = NULL, *xml = NULL;
        int r = cvm_json_get_text(request, "domain", &name, err);

        if (r >= 0)
                r = cvm_json_get_text(request, "xml", &xml, err);
        if (r < 0)
                return r;
        if (!name == !xml || (name && strlen(name) > NAME_MAX_))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "the request needs 'domain' or 'xml'");
        return name ? adopt_domain(name, ret, err) : adopt(xml, strlen(xml), "the domain", ret, err);
}

/* --- */

static const struct ask {
        const char *verb;
        int (*run)(const struct cvm_json *request, json_object **ret, struct cvm_error *err);
} asks[] = { { "capabilities", run_capabilities }, { "adopt", run_adopt } };

static const struct ask *find(const char *verb) {
        for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
                if (strcmp(asks[i].verb, verb) == 0)
                        return &asks[i];
        return NULL;
}

bool libvirt_has_ask(const char *verb) {
        return find(verb) != NULL;
}

static int run(const char *verb, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *request = NULL;
        struct cvm_json place;
        int r = cvm_read_fd(STDIN_FILENO, WORKER_REQUEST_MAX, "the request", &text, err);

        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, "the request", &request, err);
        if (r < 0)
                return r;
        place = cvm_json_root(request, "the request");
        return find(verb)->run(&place, ret, err);
}

int libvirt_ask(const char *verb) {
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };
        int status = 0, r = run(verb, &answer, &err);

        if (r < 0) {
                json_object_put(answer);
                answer = worker_error_json(&err, r);
                status = cvm_code_exit_status(cvm_error_code(&err));
        }
        text = cvm_json_text(answer);
        if (!text || cvm_write_all(STDOUT_FILENO, text, strlen(text)) < 0)
                return cvm_code_exit_status(&CVM_CODE_INTERNAL);
        return status;
}
