/* SEV-SNP evidence: the attestation report and AMD's chain. */
#pragma once

#include "attest/evidence.h"

extern const struct evidence_ops evidence_snp;
