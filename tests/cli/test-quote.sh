#!/bin/bash
# Raw quotes with what their maker publishes: 0, 5 and 6, each with its code, on our own files and on published ones.
. "$(dirname "$0")/expect.sh"
maker=$(dirname "$make")/cli-make-quote-tdx

# quote STATUS WORDS WHAT [ARGUMENT...]: one that was made so, under its policy
quote() {
        rm -rf made && mkdir made && "$maker" made "$3"
        judge "$1" "$2" "${@:4}"
}
judge() {
        expect "$1" "$2" "$cvmctl" evidence verify --platform tdx --quote made/quote --policy made/policy.json --at "$now" -o jsonl "${@:3}"
}
with=(--collateral made/collateral)
quote 0 '"result":"accepted"' good "${with[@]}"
judge 0 '"status":"UpToDate"' "${with[@]}"
judge 0 '"rtmr1":"515151' "${with[@]}"
judge 0 'CVM-VERIFIERS-DIFFER' "${with[@]}" # and that is no reason against it
judge 6 'CVM-COLLATERAL-MISSING'
od -An -v -tx1 made/quote | tr -d ' \n' >hex && mv hex made/quote # the same as a text
judge 0 '"result":"accepted"' "${with[@]}"
(printf 0x && cat made/quote && echo) >hex && mv hex made/quote
judge 0 '"result":"accepted"' "${with[@]}"
rm made/collateral/pck.crl
judge 6 'CVM-COLLATERAL-MISSING' "${with[@]}"
head -c 70000 /dev/zero >made/collateral/large
judge 6 'larger than anything' "${with[@]}"
judge 2 "'gone' cannot be opened" --collateral gone
quote 5 'CVM-DEBUG' debug "${with[@]}"
quote 5 'CVM-POLICY-BITS' paravisor "${with[@]}"
sed -i 's/"hosts"/"policy_bits":{"allow":["no-sept-ve-disable"]},"hosts"/' made/policy.json
judge 0 'CVM-POLICY-OPEN' "${with[@]}"
quote 5 'CVM-TCB-STATUS' old-platform "${with[@]}"
judge 5 'INTEL-SA-00001' "${with[@]}"
sed -i 's/"hosts"/"tcb_status":{"OutOfDate":"2024-01-01T00:00:00Z"},"hosts"/' made/policy.json
judge 0 'which the policy accepts; advisories: INTEL-SA-00001' "${with[@]}"
sed -i 's/"2024-01-01/"2025-01-01/' made/policy.json
judge 5 'or later' "${with[@]}"
quote 5 'CVM-COLLATERAL-STALE' old-documents "${with[@]}"
quote 6 'CVM-CRL-STALE' old-list "${with[@]}"
quote 5 'CVM-REVOKED' revoked "${with[@]}"
quote 0 accepted good "${with[@]}"
expect 5 'CVM-CLASS-SIMULATED' "$cvmctl" evidence verify --platform tdx --quote made/quote --at "$now" "${with[@]}"
printf '\x01' | dd of=made/quote bs=1 seek=200 conv=notrunc status=none
judge 5 'CVM-REPORT-SIGNATURE' "${with[@]}"
expect 2 "needs --platform" "$cvmctl" evidence verify --quote made/quote
expect 5 "CVM-REPORT-FORMAT" "$cvmctl" evidence verify --platform tdx --quote /dev/null

vectors=${CVM_SHARED:-$source/../shared}/vectors/tdx
if [ ! -d "$vectors" ]; then
        echo "SKIP: the vectors '$vectors' are not on this machine"
        end
        exit
fi
# published STATUS WORDS AT QUOTE [FILE...]: with these files as its collateral
published() {
        rm -rf published && mkdir published
        for file in "${@:5}"; do cp "$vectors/$file" published; done
        expect "$1" "$2" "$cvmctl" evidence verify --platform tdx --quote "$vectors/$4" --collateral published --at "$3" -o jsonl
}
d=dcap-qvl g=go-tdx-guest
published 0 '"status":"UpToDate"' 2025-07-01T00:00:00Z $d/tdx_quote $d/tdx_quote_collateral.json
published 5 CVM-COLLATERAL-STALE 2025-07-20T00:00:00Z $d/tdx_quote $d/tdx_quote_collateral.json
published 5 CVM-COLLATERAL-STALE 2025-06-01T00:00:00Z $d/tdx_quote $d/tdx_quote_collateral.json
published 0 '"status":"UpToDate"' 2025-09-15T00:00:00Z $d/near_quote_hex.txt $d/near_quote_collateral.json
published 5 '"status":"NotSupported"' 2026-03-01T00:00:00Z $d/tdx_quote_outdated $d/tdx_quote_outdated_collateral.json
published 5 FMSPC 2025-09-15T00:00:00Z $d/tdx-quote.hex $d/near_quote_collateral.json
published 5 CVM-COLLATERAL 2026-02-15T00:00:00Z $g/quote_v5_sample.dat $g/sample_tcbinfo_response_v5 $g/tcbinfo_issuer_chain.pem \
        $g/sample_qeIdentity_response $g/pckcrl $g/rootcrl.der
published 5 '"status":"NotSupported"' 2023-07-01T00:00:00Z $g/tdx_prod_quote_SPR_E4.dat $g/sample_tcbInfo_response \
        $g/tcbinfo_issuer_chain.pem $g/sample_qeIdentity_response $g/pckcrl $g/rootcrl.der
published 6 CVM-COLLATERAL-MISSING 2025-07-01T00:00:00Z $d/tdx_quote
published 5 "SGX enclave" 2025-07-01T00:00:00Z $d/sgx_quote
published 5 "SGX enclave" 2025-07-01T00:00:00Z trustee/occlum_quote.dat
published 5 CVM-REPORT-CHAIN 2025-07-01T00:00:00Z intel-qvl/tdx/quote.dat
published 6 "TD report" 2025-07-01T00:00:00Z guest-components/tdx_report_1.bin
published 5 CVM-REPORT-FORMAT 2025-07-01T00:00:00Z $g/report.dat
end
