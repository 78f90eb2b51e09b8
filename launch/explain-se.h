/* Why an image of Secure Execution is another one than was expected. */
#pragma once

#include "launch/explain.h"

int se_explain(const struct explain_request *q, struct explanation *ret, struct cvm_error *err);
