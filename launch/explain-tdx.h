#pragma once

#include "launch/explain.h"

/* The other order of pages, and the other images that were given. */
int tdx_explain(const struct explain_request *q, struct explanation *ret, struct cvm_error *err);
