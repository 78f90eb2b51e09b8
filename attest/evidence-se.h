/* Evidence of Secure Execution: the ultravisor's answer to the owner's request, as an exchange file. */
#pragma once

#include "attest/evidence.h"

extern const struct evidence_ops evidence_se;
