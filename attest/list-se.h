/*
 * What the ultravisor tells a guest of its secret store: which secrets it has there, by their type and id,
 * and never the secrets themselves (struct uv_secret_list of Linux' arch/s390/include/asm/uv.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SE_LIST_PAGE 4096 /* as much as the ultravisor says at once: 85 secrets */
#define SE_LIST_HEAD_SIZE 16
#define SE_LISTED_SIZE 48

/*
 * In lines for people, owned, without the last newline: "INDEX TYPE ID" for each secret in its order, then
 * how many these are of how many, and that there are more where the list says so. Bytes behind the list are
 * not looked at. CVM_CODE_AGENT_STORE: it is none, whoever gave it.
 */
int se_list_lines(const void *list, size_t size, char **ret, struct cvm_error *err);
