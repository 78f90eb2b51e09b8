/* What QEMU, and the loader in front of a protected image, say when a launch of Secure Execution fails. */
#pragma once

#include "launch/failure.h"

extern const struct failure_row se_failures[];
