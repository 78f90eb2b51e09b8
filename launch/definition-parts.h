/* Readers of the definition's parts, as functions for field tables (base/json.h): one member each. */
#pragma once

#include "launch/definition.h"

/* The tables of the document and its objects; doc/definition.schema.json has the same keys (a test). */
extern const struct cvm_json_field definition_fields[], definition_boot_fields[], definition_tuning_fields[],
                definition_disk_fields[], definition_nic_fields[], definition_forward_fields[];

/* uint64_t bytes: a whole number, or a text such as "512MiB" or "2GiB". */
int definition_read_size(const struct cvm_json *place, void *member, struct cvm_error *err);

/* struct cvm_bytes, 44 bytes: a public Ed25519 key as PEM text or as base64 of its SubjectPublicKeyInfo. */
int definition_read_key(const struct cvm_json *place, void *member, struct cvm_error *err);

/* Whole struct definition as member: disks, nics, labels, platform list, boot, tuning. */
int definition_read_disks(const struct cvm_json *place, void *member, struct cvm_error *err);
int definition_read_nics(const struct cvm_json *place, void *member, struct cvm_error *err);
int definition_read_labels(const struct cvm_json *place, void *member, struct cvm_error *err);
int definition_read_platforms(const struct cvm_json *place, void *member, struct cvm_error *err);

/* Texts that become parts of QEMU's options: no comma, equals sign or space can change their meaning. */
bool definition_serial_is_valid(const char *text); /* [A-Za-z0-9._-]{1,20} */
bool definition_path_is_valid(const char *text);   /* absolute without "..", or a bare name */

void definition_disk_done(struct definition_disk *disk);
void definition_nic_done(struct definition_nic *nic);
