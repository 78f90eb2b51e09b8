/* What QEMU says when a launch of TDX fails. */
#pragma once

#include "launch/failure.h"

extern const struct failure_row tdx_failures[];
