/* Names and identifiers that become paths, bus paths or keys: one check each, by length and alphabet. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CVM_NAME_MAX 63
#define CVM_UUID_TEXT 37 /* with the NUL */

/* A VM's name: [a-z0-9][a-z0-9._-]{0,62}, without "..": safe as a file name and in `-name`. */
bool cvm_name_is_valid(const char *name);

/* A secret's name: [a-z0-9][a-z0-9._-]{0,63} (trust protocol, section 5). */
bool cvm_secret_name_is_valid(const char *name);

/* A label's key: [a-z0-9][a-z0-9._/-]{0,62}. */
bool cvm_label_is_valid(const char *key);

/* uuid in the canonical lower-case form 8-4-4-4-12, not all zeros. */
bool cvm_uuid_is_valid(const char *text);
/* Canonical text to 16 bytes in the order of the text (RFC 4122) and back. -EINVAL. */
int cvm_uuid_parse(const char *text, uint8_t ret[16]);
void cvm_uuid_format(const uint8_t uuid[16], char ret[CVM_UUID_TEXT]);
/* A fresh random (version 4) one. */
void cvm_uuid_make(char ret[CVM_UUID_TEXT]);

/* Random bytes of the kernel; aborts where there are none. */
void cvm_random(void *ret, size_t size);

/*
 * Text from guests, QEMU and files for people's eyes: control characters and bytes that are no UTF-8 become
 * '?', in place. Newline and tab stay where `keep_lines`.
 */
void cvm_text_clean(char *text, size_t size, bool keep_lines);
