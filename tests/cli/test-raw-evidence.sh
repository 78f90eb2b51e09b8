#!/bin/bash
# Raw reports without our bundle: 0, 5 and 6, each with its code, on published files and on our own.
. "$(dirname "$0")/expect.sh"

"$cvmctl" owner init -q >owner.json
nonce=$(printf '5%.0s' {1..64})
"$make" bundle . good "$nonce" all >good.json
"$cvmctl" policy make --from prediction.json --binding binding.json --hosts any --simulation-root root.pem -q -o owned.json
sed 's/"binding": "[0-9a-f]*",//; s/"unowned": false/"unowned": true/; s/"root": "owner-keyed[^"]*"/"root": "none"/' owned.json >unowned.json

# parts BUNDLE: report and certificates of a bundle as files
parts() {
        /usr/bin/python3 - "$1" <<'P'
import base64, json, sys
bundle = json.load(open(sys.argv[1]))
open("report.bin", "wb").write(base64.b64decode(bundle["report"]))
for i, der in enumerate(bundle["certificates"]):
    open(f"certificate-{i}.der", "wb").write(base64.b64decode(der))
P
}
raw() { # STATUS WORDS [ARGUMENT...]
        expect "$1" "$2" "$cvmctl" evidence verify --platform sev-snp --report "${report:-report.bin}" "${@:3}" --at "$now"
}
all=(--certs certificate-0.der --certs certificate-1.der --certs certificate-2.der)
parts good.json
raw 5 "CVM-CLASS-SIMULATED: " "${all[@]}"
raw 6 "CVM-CHAIN-MISSING: "
raw 6 "CVM-CHAIN-MISSING: " "${all[@]:0:4}"
raw 6 "CVM-RAW-REPORT: " "${all[@]}" --policy owned.json # whose guest it is, no report shows
raw 6 '"result":"could-not-check"' "${all[@]}" --policy owned.json -o jsonl
"$make" bundle . unowned "$nonce" >bundle.json && parts bundle.json
raw 0 '"result":"accepted"' "${all[@]}" --policy unowned.json -o jsonl
raw 0 '"not_judged":["nonce","keyset"' "${all[@]}" --policy unowned.json -o jsonl
raw 0 '"measurement":"5a5a5a' "${all[@]}" --policy unowned.json -o jsonl
"$make" bundle . debug "$nonce" >bundle.json && parts bundle.json
raw 5 "CVM-DEBUG: " "${all[@]}" --policy owned.json # refused and unknown together: refused
raw 5 "DEBUG: the host can read" "${all[@]}"
raw 5 "CVM-DEBUG: " "${all[@]}" # nobody named it
"$make" bundle . changed-report "$nonce" >bundle.json && parts bundle.json
raw 5 "CVM-REPORT-SIGNATURE: " "${all[@]}" --policy unowned.json
report=/dev/null raw 5 "CVM-REPORT-FORMAT: " "${all[@]}"
raw 5 "CVM-REPORT-CHAIN: " --certs <(echo nonsense)
expect 2 "needs --platform" "$cvmctl" evidence verify --report report.bin
expect 2 "is no platform" "$cvmctl" evidence verify --platform sev-es --report report.bin
expect 5 "CVM-REPORT-FORMAT" "$cvmctl" evidence verify --platform secure-execution --report report.bin
expect 2 "takes no bundle" "$cvmctl" evidence verify good.json --platform sev-snp --report report.bin
expect 2 "give a BUNDLE" "$cvmctl" evidence verify good.json --certs certificate-0.der
expect 2 "takes no bundle and no --verdict" "$cvmctl" evidence verify --platform sev-snp --report report.bin --verdict x.json
expect 2 "larger than 65536" "$cvmctl" evidence verify --platform sev-snp --report <(head -c 70000 /dev/zero)

vectors=${CVM_SHARED:-$source/../shared}/vectors/snp
if [ ! -d "$vectors" ]; then
        echo "SKIP: the vectors '$vectors' are not on this machine"
        end
        exit
fi
# hw STATUS WORDS REPORT CERTS...
hw() {
        local certs=()
        for file in "${@:4}"; do certs+=(--certs "$vectors/$file"); done
        expect "$1" "$2" "$cvmctl" evidence verify --platform sev-snp --report "$vectors/$3" "${certs[@]}" \
                --at "${at:-2026-09-01T00:00:00Z}" -o jsonl
}
m=hw-milan milan=ca/ask_ark_milan.pem
hw 0 '"root_built_in":true' $m/trustee-report-v2.bin $m/trustee-vcek.der $milan
hw 0 '"product":"Genoa"' hw-genoa/trustee-report-v3.bin hw-genoa/trustee-evidence-vcek.der ca/ask_ark_genoa.pem
hw 5 CVM-DEBUG $m/gosev-report-v2.bin $m/gosev-vcek.der $milan
at=2025-06-15T00:00:00Z hw 0 '"host_id":null' $m/trustee-vlek-report-v3.bin $m/trustee-vlek.der ca/ask_ark_milan_vlek.pem
hw 5 CVM-REPORT-CHAIN $m/trustee-vlek-report-v3.bin $m/trustee-vlek.der ca/ask_ark_milan_vlek.pem # expired
hw 5 CVM-REPORT-CERTIFICATE $m/trustee-report-v2.bin $m/sev-vcek.der $milan
hw 5 CVM-REPORT-CHAIN $m/gosev-report-v2.bin $m/gosev-vcek.der ca/ask_ark_genoa.pem
hw 6 CVM-CHAIN-MISSING $m/gosev-report-v2.bin $m/gosev-vcek.der
hw 6 CVM-CHAIN-MISSING $m/gosev-report-v2.bin

# The synthetic family has AMD's names under another root: its good reports are refused for that alone.
s=synthetic
for file in "$vectors"/$s/reports/*.bin; do
        name=$(basename "$file" .bin) key=milan-vcek ca=milan-ask-ark also=()
        case $name in
        *turin*) key=turin-vcek ca=turin-ask-ark ;;
        milan-v5-vlek) key=milan-vlek ca=milan-asvk-ark ;;
        milan-v5-debug) also=(CVM-DEBUG) ;;
        milan-v5-hypervisor-requested) also=(CVM-REPORT-BY-HOST) ;;
        esac
        codes=$("$cvmctl" evidence verify --platform sev-snp --report "$file" --certs "$vectors/$s/ek/$key.der" --certs \
                "$vectors/$s/ca/$ca.pem" --at 2026-09-01T00:00:00Z -q -o jsonl | grep -o 'CVM-[A-Z-]*' | sort | tr '\n' ' ') || :
        wanted=$(printf '%s\n' CVM-REPORT-ROOT "${also[@]}" | sort | tr '\n' ' ')
        case $name:$codes in
        bad-*:*CVM-REPORT-ROOT*) fault "$name passes all but the root" ;;
        bad-*:CVM-REPORT-*) ;;
        bad-*) fault "$name has the codes '$codes'" ;;
        *) [ "$codes" = "$wanted" ] || fault "$name has the codes '$codes', not '$wanted'" ;;
        esac
done
hw 5 CVM-REPORT-ROOT $s/reports/milan-v5.bin $s/certtable/vcek-ask-ark.bin # the platform's own table
hw 5 CVM-REPORT-CHAIN $s/reports/milan-v5.bin $s/certtable/bad-offset.bin
hw 6 CVM-CHAIN-MISSING $s/reports/milan-v5.bin $s/certtable/only-vcek.bin

# Revocation lists: what the chain's root revokes is refused; a list that cannot be believed leaves it unchecked.
crl() { # STATUS WORDS LIST
        expect "$1" "$2" "$cvmctl" evidence verify --platform sev-snp --report "$vectors/$s/reports/milan-v5.bin" --certs \
                "$vectors/$s/ek/milan-vcek.der" --certs "$vectors/$s/ca/milan-ask-ark.pem" --crl "$vectors/$s/crl/milan-$3.crl" \
                --at 2026-09-01T00:00:00Z -o jsonl
}
crl 5 CVM-REVOKED revokes-ask
crl 5 CVM-REPORT-ROOT empty # and nothing else
crl 5 CVM-CRL-STALE stale
crl 5 '"CVM-CRL"' bad-signer
end
