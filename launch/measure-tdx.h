/* The launch measurement of a trust domain: MRTD (TDX module specification, TDH.MEM.PAGE.ADD and
 * TDH.MR.EXTEND). */
#pragma once

#include "launch/firmware-tdx.h"
#include "launch/measure.h"

/* Only the firmware decides: its bytes, its metadata, and the order in which the host adds pages. */
int tdx_measure(const struct measure_inputs *in, struct measurement *ret, struct cvm_error *err);

/* The register alone, of an image whose metadata was read. by_section: see struct measure_inputs. */
int tdx_mrtd(const uint8_t *firmware, const struct tdvf *tdvf, bool by_section,
             uint8_t ret[CVM_SHA384_SIZE]);
