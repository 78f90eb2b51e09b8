/* What made the launch digest of a SEV-SNP guest another one (launch/explain.h). */
#pragma once

#include "launch/explain.h"

/* CVM_CODE_FIRMWARE where the given image is none; a digest that is not understood is no failure. */
int snp_explain(const struct explain_request *request, struct explanation *ret, struct cvm_error *err);
