/* Readers of the definition's parts, as functions for field tables (base/json.h): one member each. */
#pragma once

#include "launch/definition.h"

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
bool definition_path_is_valid(
                const char *text); /* absolute or a bare name, no "..", no control characters */

void definition_disk_done(struct definition_disk *disk);
void definition_nic_done(struct definition_nic *nic);
