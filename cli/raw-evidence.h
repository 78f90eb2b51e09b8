/* A report of the hardware that comes without our bundle: its form, chain, signature and claims, and as much
 * of a policy as such a report can answer to. */
#pragma once

#include "attest/verdict.h"
#include "cli/command.h"

/* The options of `evidence verify` that are for raw reports only. */
#define RAW_EVIDENCE_OPTIONS                                                                            \
        { "platform", OPTION_TEXT, "PLATFORM", "of a raw report, such as sev-snp" },                    \
                        { "report", OPTION_TEXT, "FILE", "a raw report in place of a bundle" },         \
                        { "quote", OPTION_TEXT, "FILE", "the same, where a report is called quote" }, { \
                "certs", OPTION_REPEAT, "FILE",                                                         \
                                "with --report: certificates (DER, PEM or the platform's own table)"    \
        }

/* A report's bytes, also where they come as hex digits. */
int raw_evidence_read(const char *path, struct cvm_bytes *ret, struct cvm_error *err);

/* The reasons of an appraisal without those that only a bundle could answer; class and marks with them. */
void raw_evidence_take(const struct verdict *full, struct verdict *ret);

/* The file of --report or --quote; NULL: neither was given. */
const char *raw_evidence_report(const struct arguments *arguments);

/* What --platform names. CVM_CODE_USAGE, CVM_CODE_PLATFORM. */
int raw_evidence_platform(const struct arguments *arguments, int *ret, struct cvm_error *err);

/* Judge it and print what it is; exit status as of a verdict. Nothing of it can be signed: a report alone
 * names no boot. */
int raw_evidence_verify(const struct arguments *arguments, struct cvm_error *err);
