/* Status codes of the firmware that the model answers with (SEV-SNP firmware ABI). */
#pragma once

enum firmware_error {
        FIRMWARE_INVALID_GUEST_STATE = 0x02,
        FIRMWARE_INVALID_LENGTH = 0x04,
        FIRMWARE_POLICY_FAILURE = 0x07,
        FIRMWARE_BAD_SIGNATURE = 0x0a,
        FIRMWARE_BAD_MEASUREMENT = 0x0b,
        FIRMWARE_INVALID_PARAMETER = 0x16,
        FIRMWARE_BAD_VERSION = 0x22,
};
