/*
 * The launch's result, written to the file that CVM_TESTBED_RECORD names: what a report of the guest would
 * show, for the test that compares and for a test signer. Replaced at every launch of the process.
 */
#pragma once

#include "tests/testbed/sev.h"
#include "tests/testbed/tdx.h"

void record_launch(const struct sev *sev, uint32_t firmware_error);
void record_td(const struct tdx *tdx);
