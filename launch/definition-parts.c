#include "launch/definition-parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/platform.h"

static bool is_made_of(const char *text, const char *also, size_t max) {
        size_t length = strnlen(text, max + 1);

        if (length == 0 || length > max)
                return false;
        for (size_t i = 0; i < length; i++) {
                char c = text[i];
                bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

                if (!plain && !strchr(also, c))
                        return false;
        }
        return true;
}

bool definition_serial_is_valid(const char *text) {
        return is_made_of(text, "._-", 20);
}

bool definition_path_is_valid(const char *text) {
        const char *slash = strchr(text, '/');
        size_t length = strlen(text);

        if (!slash) /* a name that a descriptor is passed under */
                return *text && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
        return slash == text && length < 4096 && !strstr(text, "/../") &&
               strcmp(text + length - 1, "/") != 0 &&
               !(length >= 3 && strcmp(text + length - 3, "/..") == 0);
}

/* An interface's name as the kernel takes it, from an alphabet that QEMU's options cannot misread. */
static bool link_is_valid(const char *text) {
        return is_made_of(text, "._-", 15) && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool address_is_valid(const char *text) {
        struct in_addr address;

        return inet_pton(AF_INET, text, &address) == 1;
}

/* aa:bb:cc:dd:ee:ff, unicast and not zero */
static bool mac_is_valid(const char *text) {
        uint8_t octets[6];

        if (strlen(text) != 17)
                return false;
        for (int i = 0; i < 6; i++) {
                char pair[3] = { text[3 * i], text[3 * i + 1], 0 };

                if (cvm_unhex(pair, octets + i, 1) < 0 || (i < 5 && text[3 * i + 2] != ':'))
                        return false;
        }
        return !(octets[0] & 1) && !cvm_is_zero(octets, sizeof octets);
}

int definition_read_size(const struct cvm_json *place, void *member, struct cvm_error *err) {
        static const struct {
                const char *unit;
                int shift;
        } units[] = { { "", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };
        const char *text;
        char *end;

        if (json_object_is_type(place->node, json_type_int)) {
                if (json_object_get_int64(place->node) < 0 ||
                    json_object_get_int64(place->node) == INT64_MAX)
                        return cvm_json_refuse(place, err,
                                               "must be a number of bytes or a text such as \"2GiB\"");
                *(uint64_t *)member = json_object_get_uint64(place->node);
                return 0;
        }
        if (!json_object_is_type(place->node, json_type_string))
                return cvm_json_refuse(place, err, "must be a number of bytes or a text such as \"2GiB\"");
        text = json_object_get_string(place->node);
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                uint64_t n;

                errno = 0;
                n = strtoull(text, &end, 10);
                if (*text < '0' || *text > '9' || errno || strcmp(end, units[i].unit) != 0)
                        continue;
                if (n > (uint64_t)INT64_MAX >> units[i].shift)
                        break;
                *(uint64_t *)member = n << units[i].shift;
                return 0;
        }
        return cvm_json_refuse(place, err, "must be a number of bytes or a text such as \"2GiB\"");
}

int definition_read_key(const struct cvm_json *place, void *member, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        uint8_t spki[CVM_SPKI_SIZE];
        const char *text;

        if (!json_object_is_type(place->node, json_type_string) ||
            json_object_get_string_len(place->node) > 1024)
                return cvm_json_refuse(place, err, "must be a public key");
        text = json_object_get_string(place->node);
        if (strncmp(text, "-----BEGIN", 10) == 0) {
                if (cvm_key_from_public_pem(text, strlen(text), &key, NULL) < 0 ||
                    cvm_key_spki(key, spki, NULL) < 0)
                        return cvm_json_refuse(place, err, "must be a public Ed25519 key in PEM form");
                if (cvm_bytes_copy(spki, sizeof spki, &bytes) < 0)
                        return -ENOMEM;
        } else if (cvm_unbase64(text, &bytes) < 0)
                return cvm_json_refuse(place, err,
                                       "must be a public key, as PEM or as base64 of its 44 bytes");
        EVP_PKEY_freep(&key);
        if (cvm_key_from_spki(CVM_KEY_SIGN, bytes.data, bytes.size, &key, NULL) < 0)
                return cvm_json_refuse(place, err, "must be a public Ed25519 key");
        *(struct cvm_bytes *)member = cvm_bytes_take(&bytes);
        return 0;
}

static const char *const formats[] = { "raw", "qcow2", NULL };

const struct cvm_json_field definition_disk_fields[] = {
        { "path", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct definition_disk, path),
          .min = 1, .check = definition_path_is_valid,
          .expected = "an absolute path without '..', or a bare name" },
        { "format", CVM_JSON_CHOICE, .required = true, .offset = offsetof(struct definition_disk, format),
          .choices = formats },
        { "readonly", CVM_JSON_BOOL, .offset = offsetof(struct definition_disk, readonly) },
        { "serial", CVM_JSON_TEXT, .offset = offsetof(struct definition_disk, serial),
          .check = definition_serial_is_valid, .expected = "1 to 20 letters, digits, '.', '_' or '-'" },
        { "size", CVM_JSON_CUSTOM, .offset = offsetof(struct definition_disk, size),
          .read = definition_read_size },
        { 0 },
};

void definition_disk_done(struct definition_disk *disk) {
        free(disk->path);
        free(disk->serial);
}

static int check_disk(const struct cvm_json *place, const struct definition *d, size_t i,
                      struct cvm_error *err) {
        const struct definition_disk *disk = &d->disks[i];

        if (disk->size && (disk->readonly || disk->size % 512 || disk->size > 1ull << 50))
                return cvm_json_refuse(place, err,
                                       "has a 'size' that cannot be: a multiple of 512 bytes up to 1 PiB, "
                                       "not for a read-only disk");
        if (disk->size && *disk->path != '/')
                return cvm_json_refuse(place, err,
                                       "has a 'size' but no path: what is passed is there already");
        for (size_t k = 0; k < i; k++) {
                if (disk->serial && d->disks[k].serial && strcmp(disk->serial, d->disks[k].serial) == 0)
                        return cvm_json_refuse(place, err, "has the serial '%s' of another disk",
                                               disk->serial);
                if (strcmp(disk->path, d->disks[k].path) == 0)
                        return cvm_json_refuse(place, err, "is given twice: '%.80s'", disk->path);
        }
        return 0;
}

int definition_read_disks(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition *d = member;
        size_t length;
        int r = cvm_json_array(place, DEFINITION_DISKS_MAX, &length, err);

        if (r < 0)
                return r;
        d->disks = calloc(length + 1, sizeof *d->disks);
        if (!d->disks)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                d->n_disks = i + 1;
                r = cvm_json_read(&at, definition_disk_fields, &d->disks[i], err);
                if (r >= 0)
                        r = check_disk(&at, d, i, err);
        }
        return r;
}

static const char *const protocols[] = { "tcp", "udp", NULL };

const struct cvm_json_field definition_forward_fields[] = {
        { "protocol", CVM_JSON_CHOICE, .offset = offsetof(struct definition_forward, protocol),
          .choices = protocols },
        { "host_address", CVM_JSON_TEXT, .offset = offsetof(struct definition_forward, host_address),
          .check = address_is_valid, .expected = "an IPv4 address" },
        { "host_port", CVM_JSON_U32, .required = true,
          .offset = offsetof(struct definition_forward, host_port), .min = 1, .max = 65535 },
        { "guest_port", CVM_JSON_U32, .required = true,
          .offset = offsetof(struct definition_forward, guest_port), .min = 1, .max = 65535 },
        { 0 },
};

static int read_forwards(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition_nic *nic = member;
        size_t length;
        int r = cvm_json_array(place, DEFINITION_FORWARDS_MAX, &length, err);

        if (r < 0)
                return r;
        nic->forwards = calloc(length + 1, sizeof *nic->forwards);
        if (!nic->forwards)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                nic->n_forwards = i + 1;
                r = cvm_json_read(&at, definition_forward_fields, &nic->forwards[i], err);
        }
        return r;
}

static const char *const nic_types[] = { "none", "user", "tap", "bridge", NULL };

const struct cvm_json_field definition_nic_fields[] = {
        { "type", CVM_JSON_CHOICE, .required = true, .offset = offsetof(struct definition_nic, type),
          .choices = nic_types },
        { "name", CVM_JSON_TEXT, .offset = offsetof(struct definition_nic, name), .check = link_is_valid,
          .expected = "the name of a network interface" },
        { "mac", CVM_JSON_TEXT, .offset = offsetof(struct definition_nic, mac), .check = mac_is_valid,
          .expected = "a unicast address such as '52:54:00:12:34:56'" },
        { "forwards", CVM_JSON_CUSTOM, .offset = 0, .read = read_forwards },
        { 0 },
};

void definition_nic_done(struct definition_nic *nic) {
        for (size_t i = 0; i < nic->n_forwards; i++)
                free(nic->forwards[i].host_address);
        free(nic->forwards);
        free(nic->name);
        free(nic->mac);
}

static bool equal(const char *a, const char *b) {
        return a && b && strcmp(a, b) == 0;
}

/* Several NICs may hang on one bridge; an address, a tap device and a port of the host serve one. */
static int check_nic_alone(const struct cvm_json *place, const struct definition *d, size_t i,
                           struct cvm_error *err) {
        const struct definition_nic *nic = &d->nics[i];

        for (size_t k = 0; k < i; k++) {
                const struct definition_nic *other = &d->nics[k];

                if (equal(nic->mac, other->mac))
                        return cvm_json_refuse(place, err, "has the mac '%s' of another", nic->mac);
                if (nic->type == NIC_TAP && other->type == NIC_TAP && equal(nic->name, other->name))
                        return cvm_json_refuse(place, err, "has the tap device '%s' of another", nic->name);
        }
        return 0;
}

static int check_nic(const struct cvm_json *place, const struct definition_nic *nic, struct cvm_error *err) {
        bool named = nic->type == NIC_TAP || nic->type == NIC_BRIDGE;

        if (named != !!nic->name)
                return cvm_json_refuse(place, err,
                                       "needs a 'name' for types tap and bridge, and only for these");
        if (nic->n_forwards && nic->type != NIC_USER)
                return cvm_json_refuse(place, err, "may have 'forwards' only for type user");
        if (nic->mac && nic->type == NIC_NONE)
                return cvm_json_refuse(place, err, "may not have a 'mac' for type none");
        return 0;
}

int definition_read_nics(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition *d = member;
        size_t length;
        int r = cvm_json_array(place, DEFINITION_NICS_MAX, &length, err);

        if (r < 0)
                return r;
        d->nics = calloc(length + 1, sizeof *d->nics);
        if (!d->nics)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                d->n_nics = i + 1;
                r = cvm_json_read(&at, definition_nic_fields, &d->nics[i], err);
                if (r >= 0)
                        r = check_nic(&at, &d->nics[i], err);
                if (r >= 0)
                        r = check_nic_alone(&at, d, i, err);
        }
        return r;
}

int definition_read_labels(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition *d = member;

        if (!json_object_is_type(place->node, json_type_object))
                return cvm_json_refuse(place, err, "must be an object");
        if (json_object_object_length(place->node) > 64)
                return cvm_json_refuse(place, err, "must have at most 64 labels");
        json_object_object_foreach(place->node, key, value) {
                struct cvm_json at = cvm_json_at(place, key);
                char pair[CVM_NAME_MAX + 1 + 256];
                const char *text;
                int r;

                (void)value;
                if (!cvm_label_is_valid(key)) {
                        cvm_text_clean(at.path, strlen(at.path), false);
                        return cvm_json_refuse(&at, err,
                                               "is no key of a label: lower-case letters, digits, '._/-'");
                }
                r = cvm_json_text_at(&at, 255, &text, err);
                if (r < 0)
                        return r;
                snprintf(pair, sizeof pair, "%s=%s", key, text);
                r = cvm_texts_add(&d->labels, pair);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_platform(const struct cvm_json *place, uint8_t *ret, struct cvm_error *err) {
        const struct platform *platform;
        const char *text;
        int r = cvm_json_text_at(place, 64, &text, err);

        if (r < 0)
                return r;
        platform = platform_by_name(text);
        if (!platform)
                return cvm_fail(err, &CVM_CODE_PLATFORM, EINVAL,
                                "'%s' in '%s' is no platform that is offered: '%.40s'", place->path,
                                place->document, text);
        *ret = (uint8_t)platform->id;
        return 0;
}

int definition_read_platforms(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition *d = member;
        size_t length;
        int r;

        if (json_object_is_type(place->node, json_type_string))
                return read_platform(place, &d->platforms[0], err);
        r = cvm_json_array(place, CVM_PLATFORM_MAX_ - 1, &length, err);
        if (r >= 0 && length == 0)
                return cvm_json_refuse(place, err, "must not be empty");
        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                r = read_platform(&at, &d->platforms[i], err);
                if (r >= 0 && memchr(d->platforms, d->platforms[i], i))
                        return cvm_json_refuse(&at, err, "is given twice");
        }
        return r;
}
