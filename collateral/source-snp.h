/*
 * AMD's key distribution service (pub. 57230). Names:
 *   milan.vcek-chain  milan.vlek-chain      ASK or ASVK, and the ARK
 *   milan.vcek-crl    milan.vlek-crl        what the ARK revokes
 *   milan.vcek-CHIP-TCB                     a chip's certificate: hex of its id and of its REPORTED_TCB
 * A VLEK belongs to a cloud and is given to nobody else: it comes with the evidence.
 */
#pragma once

#include "collateral/source.h"

extern const struct collateral_source collateral_snp;
