/* What the module reports of a guest to that guest (TDX Module ABI, TDREPORT_STRUCT). Nothing that a guest
 * can see vouches for it; whoever signs it asks the processor, and here believes it. */
#include <string.h>

#include "tests/testbed/tdx.h"

/* Behind VALID, as TEE_TCB_SVN: the module that simulated platforms have (sim/sim-tdx.c), so that what is
 * published of these makes it up to date. */
#define TCB_SVN 8
static const uint8_t module_svn[] = { 5, 1, 6 };

struct tdreport {
        uint8_t type, subtype, version, reserved_3[13];
        uint8_t cpu_svn[16], tcb_info_hash[DIGEST_SIZE], td_info_hash[DIGEST_SIZE];
        uint8_t report_data[64], reserved_192[32], mac[32];
        uint8_t tcb_info[239], reserved_495[17];
        struct {
                uint64_t attributes, xfam;
                uint8_t mrtd[DIGEST_SIZE], mrconfigid[DIGEST_SIZE], mrowner[DIGEST_SIZE];
                uint8_t mrownerconfig[DIGEST_SIZE], rtmr[TDX_REGISTERS][DIGEST_SIZE],
                                service_td[DIGEST_SIZE], reserved[64];
        } td_info;
};
_Static_assert(sizeof(struct tdreport) == TDX_REPORT_SIZE, "TDREPORT_STRUCT has 1024 bytes");
_Static_assert(offsetof(struct tdreport, report_data) == 128, "REPORTDATA");
_Static_assert(offsetof(struct tdreport, td_info) == 512, "TDINFO_STRUCT");

void tdx_report(const struct tdx *tdx, const uint8_t report_data[64], uint8_t ret[TDX_REPORT_SIZE]) {
        struct tdreport report = { .type = 0x81,
                                   .td_info = { .attributes = tdx->attributes, .xfam = tdx->xfam } };

        memcpy(report.report_data, report_data, sizeof report.report_data);
        memcpy(report.td_info.mrtd, tdx->mrtd, DIGEST_SIZE);
        memcpy(report.td_info.mrconfigid, tdx->mrconfigid, DIGEST_SIZE);
        memcpy(report.td_info.mrowner, tdx->mrowner, DIGEST_SIZE);
        memcpy(report.td_info.mrownerconfig, tdx->mrownerconfig, DIGEST_SIZE);
        memcpy(report.td_info.rtmr, tdx->rtmr, sizeof report.td_info.rtmr);
        memcpy(report.tcb_info + TCB_SVN, module_svn, sizeof module_svn);
        sha384(report.tcb_info, sizeof report.tcb_info, report.tcb_info_hash);
        sha384(&report.td_info, sizeof report.td_info, report.td_info_hash);
        memcpy(ret, &report, sizeof report);
}

void tdx_extend(struct tdx *tdx, unsigned number, const uint8_t digest[DIGEST_SIZE]) {
        uint8_t both[2 * DIGEST_SIZE];

        memcpy(both, tdx->rtmr[number], DIGEST_SIZE);
        memcpy(both + DIGEST_SIZE, digest, DIGEST_SIZE);
        sha384(both, sizeof both, tdx->rtmr[number]);
}
