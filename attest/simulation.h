/* What marks the certificates of the software root of trust, so that none of them is ever taken for
 * hardware. */
#pragma once

/*
 * Critical, in every certificate of a simulation root: an OID of the 2.25 (UUID) arc, value: UTF8String
 * "cvmd simulation: no hardware protects this guest". Other software refuses such a certificate because it
 * does not know a critical extension; ours takes it for class simulated only.
 */
#define CVM_SIMULATION_OID "2.25.281217351137158043614461923716520393553"
