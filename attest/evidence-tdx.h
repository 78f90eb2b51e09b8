/* TDX evidence: the quote, the PCK chain in it, and what Intel publishes of its platform. */
#pragma once

#include "attest/evidence.h"

extern const struct evidence_ops evidence_tdx;
