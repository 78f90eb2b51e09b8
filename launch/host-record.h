/*
 * A host as a tree of files that every --root takes: what its checks and facts look at, and no more.
 * Programs are recorded by the word that is looked for in them, the kernel's command line by its words about
 * the IOMMU and memory encryption, what stands in no file by recorded/probe.json (host-probe.h).
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Makes the directory, which must not exist. hide_ids: a pattern stands for the chip ids. CVM_CODE_FILE. */
int host_record(const char *root, const char *directory, bool hide_ids, struct cvm_error *err);
