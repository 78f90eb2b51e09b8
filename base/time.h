/* Times in documents: RFC 3339, UTC only, as milliseconds since 1970. */
#pragma once

#include <stdint.h>

#include "base/clean-json.h"
#include "base/error.h"

#define CVM_TIME_TEXT 25 /* "2026-11-24T12:00:00.000Z" and a NUL */

/* "2026-11-24T12:00:00Z", with or without a fraction of up to nine digits (cut to milliseconds). -EINVAL. */
int cvm_time_parse(const char *text, uint64_t *ret_msec);
void cvm_time_format(uint64_t msec, char ret[CVM_TIME_TEXT]);
uint64_t cvm_time_now(void);

struct cvm_json;

/* For fields of type CUSTOM whose member is a uint64_t of milliseconds. */
int cvm_json_read_time(const struct cvm_json *place, void *member, struct cvm_error *err);
json_object *cvm_json_write_time(const void *member);
