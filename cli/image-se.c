#include "cli/image-se.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/names.h"
#include "base/platform-id.h"
#include "base/time.h"
#include "cli/host-lists-se.h"
#include "cli/output.h"

/* --- hosts --- */

static int add_trust(const struct arguments *arguments, const char *option, enum se_trust_kind kind,
                     struct se_trust *trust, struct cvm_error *err) {
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, option, i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

                r = cvm_read_file(path, SE_TRUST_FILE_MAX, &bytes, err);
                if (r >= 0)
                        r = se_trust_add(trust, kind, bytes.data, bytes.size, path, err);
        }
        return r;
}

static int read_trust(const struct arguments *arguments, const struct se_hosts *hosts, uint64_t now,
                      struct se_trust *ret, struct cvm_error *err) {
        int r = add_trust(arguments, "cert", SE_TRUST_CERTIFICATES, ret, err);

        if (r >= 0)
                r = add_trust(arguments, "crl", SE_TRUST_LISTS, ret, err);
        if (r >= 0)
                r = add_trust(arguments, "root-ca", SE_TRUST_ROOTS, ret, err);
        if (r >= 0 && !argument(arguments, "offline"))
                r = host_lists_fetch(arguments, hosts, now, ret, err);
        return r < 0 ? r : se_trust_verify(ret, now, err);
}

static int read_documents(const struct arguments *arguments, struct se_hosts *ret, struct cvm_error *err) {
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, "host-key-document", i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

                r = cvm_read_file(path, SE_DOCUMENT_MAX, &bytes, err);
                if (r >= 0)
                        r = se_hosts_add(ret, bytes.data, bytes.size, path, err);
                if (r >= 0 && ret->items[ret->n - 1].has_more)
                        output_say("'%s' has documents of several hosts, and the first alone is taken: give each "
                                   "host's document in a file of its own.",
                                   path);
        }
        if (r >= 0 && !ret->n)
                r = cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                             "--host-key-document is needed: it is made for hosts");
        return r;
}

int host_keys_read(const struct arguments *arguments, struct se_hosts *ret,
                   uint8_t ret_root[CVM_SHA256_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        uint64_t now = cvm_time_now();
        int r = argument_time(arguments, "at", &now, err);

        if (r >= 0)
                r = read_documents(arguments, ret, err);
        if (r >= 0)
                r = read_trust(arguments, ret, now, &trust, err);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                r = se_host_check(&ret->items[i], &trust, now, ret->names[i], err);
        if (r >= 0 && ret_root)
                memcpy(ret_root, trust.root, sizeof trust.root);
        if (r >= 0 && trust.simulated)
                output_say("SIMULATED: this is for simulated hosts, which protect nothing");
        return r;
}

/* --- files --- */

int image_platform_check(const struct arguments *arguments, struct cvm_error *err) {
        const char *name = argument(arguments, "platform");

        if (name && !request_platform(arguments))
                return cvm_fail(err, &CVM_CODE_PLATFORM, EINVAL,
                                "protected images are of the platform se, not of '%s'", name);
        return 0;
}

int image_key_read(const struct arguments *arguments, const char *option, uint8_t *ret, size_t size,
                   struct cvm_error *err) {
        const char *path = argument(arguments, option);
        CVM_CLEANUP(cvm_closep) int opened = -EBADF;
        int fd = STDIN_FILENO;
        uint8_t more;
        size_t done = 0;
        ssize_t n = 0;

        if (!path)
                return 0;
        if (strcmp(path, "-") != 0)
                fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        while (done < size && (n = read(fd, ret + done, size - done)) > 0)
                done += (size_t)n;
        if (n < 0 || done < size || read(fd, &more, 1) != 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_KEY, EINVAL,
                                "--%s must have just %zu bytes, and '%s' has not", option, size, path);
        return cvm_is_zero(ret, size) ? cvm_fail(err, &CVM_CODE_IMAGE_KEY, EINVAL,
                                                 "--%s must not be all zero, and '%s' is", option, path)
                                      : 0;
}

int image_open(const char *path, int *ret_fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return cvm_fail(err, &CVM_CODE_FILE, EINVAL, "'%s' is no regular file", path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int read_stage(const char *directory, const char *name, struct cvm_bytes *ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading the loader");
        }
        if (access(path, F_OK) < 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_PART, ENOENT,
                                "there is no '%s': the loader comes with s390-tools, in Debian the s390x package of "
                                "that name has it from 2.40 on, in /usr/share/s390-tools/pvimg. Unpack that package "
                                "anywhere and name the directory with --loader-dir: see EXAMPLES in cvmctl(1)",
                                path);
        return cvm_read_file(path, SE_STAGE_MAX, ret, err);
}

int image_loader_read(const struct arguments *arguments, struct cvm_bytes *ret_stage3a,
                      struct cvm_bytes *ret_stage3b, struct cvm_error *err) {
        static const char *const usual[] = { "/usr/share/s390-tools/genprotimg",
                                             "/usr/share/s390-tools/pvimg" };
        const char *directory = argument(arguments, "loader-dir");
        int r;

        for (size_t i = 0; !argument(arguments, "loader-dir") && i < ARRAY_SIZE(usual); i++)
                if (!directory || access(usual[i], F_OK) == 0)
                        directory = usual[i];
        r = read_stage(directory, "stage3a.bin", ret_stage3a, err);
        return r < 0 ? r : read_stage(directory, "stage3b_reloc.bin", ret_stage3b, err);
}

int image_header_read(const struct arguments *arguments, struct se_header *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        const char *path = argument(arguments, "header");
        struct se_place place;
        int r = path ? image_open(path, &fd, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--header is needed: which image it is");

        return r < 0 ? r : se_header_find(fd, path, &place, ret, err);
}

int request_keys_make(const struct arguments *arguments, struct request_keys *ret, struct cvm_error *err) {
        int r = host_keys_read(arguments, &ret->hosts, ret->root, err);

        if (r >= 0)
                r = se_customer_key_make(&ret->customer, err);
        if (r >= 0 && cvm_secret_new(SE_KEY_SIZE, &ret->key) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        if (r < 0)
                return r;
        cvm_random(ret->key.data, ret->key.size);
        cvm_random(ret->iv, sizeof ret->iv);
        for (size_t i = 0; i < ret->hosts.n; i++)
                ret->host_keys[i] = ret->hosts.items[i].key;
        ret->to = (struct se_recipients){ ret->customer, ret->host_keys, ret->hosts.n, ret->key.data,
                                          ret->iv };
        return 0;
}

void request_keys_done(struct request_keys *keys) {
        se_hosts_done(&keys->hosts);
        EVP_PKEY_free(keys->customer);
        cvm_secret_done(&keys->key);
}

/* --- what is said of an image --- */

static void add_hex(json_object *node, const char *key, const void *data, size_t size) {
        char hex[2 * CVM_SHA512_SIZE + 1];

        cvm_hex(data, size, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static void add_number(json_object *node, const char *key, uint64_t v) {
        json_object_object_add(node, key, json_object_new_uint64(v));
}

static json_object *hosts_json(const struct se_header *header) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < header->n_slots; i++) {
                char hex[2 * CVM_SHA256_SIZE + 1];

                cvm_hex(se_header_slot(header, i), CVM_SHA256_SIZE, hex);
                json_object_array_add(list, json_object_new_string(hex));
        }
        return list;
}

static json_object *flags_json(uint64_t pcf, uint64_t scf) {
        json_object *list = json_object_new_array();
        const char *names[SE_FLAGS_MAX];
        size_t unnamed = se_flag_names(pcf, scf, names);

        for (size_t i = 0; names[i]; i++)
                json_object_array_add(list, json_object_new_string(names[i]));
        if (unnamed)
                json_object_array_add(list, json_object_new_string("unknown"));
        return list;
}

static void add_flags(json_object *node, const char *key, uint64_t flags) {
        char hex[17];

        snprintf(hex, sizeof hex, "%016" PRIx64, flags);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static json_object *components_json(const struct se_image *image, bool opened) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < image->n_components; i++) {
                const struct se_component *c = &image->components[i];
                json_object *node = json_object_new_object();

                json_object_object_add(node, "kind", json_object_new_string(se_kind_text(c->prefix)));
                add_number(node, "address", c->address);
                add_number(node, "size", c->size);
                if (opened)
                        add_number(node, "length", c->length);
                json_object_array_add(list, node);
        }
        return list;
}

json_object *image_json(const struct se_image *image, const struct se_entry *entry) {
        json_object *node = json_object_new_object();
        const struct se_header *h = &image->header;

        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[CVM_PLATFORM_SECURE_EXECUTION]));
        add_hex(node, "tag", se_header_tag(h), SE_TAG_SIZE);
        json_object_object_add(node, "host_keys", hosts_json(h));
        json_object_object_add(node, "flags", flags_json(h->pcf, entry ? entry->scf : 0));
        add_flags(node, "plaintext_flags", h->pcf);
        if (entry) {
                add_flags(node, "secret_flags", entry->scf);
                add_number(node, "entry", entry->psw_address);
        }
        add_number(node, "header_offset", image->place.header);
        add_number(node, "header_size", h->size);
        add_number(node, "pages", h->digests.n_pages);
        add_hex(node, "pages_digest", h->digests.pages, CVM_SHA512_SIZE);
        add_hex(node, "addresses_digest", h->digests.addresses, CVM_SHA512_SIZE);
        add_hex(node, "tweaks_digest", h->digests.tweaks, CVM_SHA512_SIZE);
        if (image->n_components)
                json_object_object_add(node, "components", components_json(image, entry));
        return node;
}
