#!/bin/bash
# measure compare, measure explain and sign id-block, by files and without a daemon.
. "$2/tests/cli/expect.sh"

echo kernel >k
echo initrd >i
echo another >other
cat >d.json <<'D'
{"version":1,"name":"web1","platform":"sev-snp","simulate":true,"vcpus":2,
 "boot":{"kernel":"./k","initrd":"./i","cmdline":"console=ttyS0"}}
D
predict() { "$cvmctl" measure predict d.json -q -o name "$@"; }

expect 0 '"result":"equal"' "$cvmctl" measure compare "$(predict)" --given d.json -o jsonl
expect 0 "equal" "$cvmctl" measure compare "$(predict | tr a-f A-F)" --given d.json -o name
expect 5 "measure explain" "$cvmctl" measure compare "$(predict --vcpus 3)" --given d.json
expect 2 "has 48 bytes, not 32" "$cvmctl" measure compare "$(printf '%064d' 1)" --given d.json
expect 0 "They are equal" "$cvmctl" measure explain "$(predict)" --given d.json
expect 0 "vcpus: given 2, observed 64" "$cvmctl" measure explain "$(predict --vcpus 64)" --given d.json
expect 0 "vcpu_signature: given 0x800f12, observed 0xa10f10" \
        "$cvmctl" measure explain "$(predict --cpu-model EPYC-Genoa)" --given d.json
expect 0 "cmdline: given as given, observed with a space" \
        "$cvmctl" measure explain "$(predict --cmdline 'console=ttyS0 ')" --given d.json
expect 0 "initrd: given as given, observed none" "$cvmctl" measure explain \
        "$("$cvmctl" measure predict --simulate --kernel k --cmdline console=ttyS0 -q -o name)" --given d.json
expect 6 "No known difference" "$cvmctl" measure explain "$(predict --initrd other)" --given d.json
expect 0 "initrd: given as given, observed other" "$cvmctl" measure explain "$(predict --initrd other)" --given d.json --other other
expect 0 '"input":"vcpus"' "$cvmctl" measure explain "$(predict --vcpus 4)" --given d.json -o jsonl
expect 2 "'gone' cannot be opened" "$cvmctl" measure explain "$(predict)" --given gone
head -c 1184 /dev/zero >zeros
expect 5 "CVM-REPORT-FORMAT" "$cvmctl" measure explain zeros --given d.json

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out id.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem 2>/dev/null
expect 2 "--id-key is needed" "$cvmctl" sign id-block d.json
expect 2 "is no key on P-384" "$cvmctl" sign id-block d.json --id-key p256.pem
expect 2 "32 hex digits" "$cvmctl" sign id-block d.json --id-key id.pem --family-id 12
expect 0 '"id_key_digest"' "$cvmctl" sign id-block d.json --id-key id.pem --author-key id.pem --block block --auth auth -o json
[ "$(stat -c %s block auth | tr '\n' ' ')" = "96 4096 " ] || fault "block and auth have other sizes"
expect 0 "equal" "$cvmctl" measure compare block --given d.json -o name
"$cvmctl" sign id-block d.json --id-key id.pem -q -o jsonl >signed
with_block() {
        sed "s|\"boot\"|\"sev-snp\":{\"id_block\":\"$(of signed id_block)\",\"id_auth\":\"$(of signed id_auth)\"},\"boot\"|" d.json
}
with_block >b.json
expect 0 "" "$cvmctl" measure compare block --given b.json
expect 0 "sev-snp" "$cvmctl" launch b.json --dry-run -o name
expect 5 "for another measurement" "$cvmctl" launch b.json --dry-run --vcpus 3
sed 's/"id_auth":"AQ/"id_auth":"Ag/' b.json >bad.json
expect 5 "CVM-ID-BLOCK" "$cvmctl" launch bad.json --dry-run
sed 's/,"id_auth":"[^"]*"//' b.json >half.json
expect 2 "go together" "$cvmctl" launch half.json --dry-run
end
