#!/bin/bash
# cvmctl without a daemon: exit statuses, JSON, refusals, and that nothing is overwritten. Usage: test-offline.sh CVMCTL
set -euo pipefail
cvmctl=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
faults=0

# expect STATUS WORDS COMMAND...: runs it; both streams must hold the words
expect() {
        local status=$1 words=$2 got=0 out
        shift 2
        out=$("$@" 2>&1) || got=$?
        if [ "$got" != "$status" ] || ! grep -qF -- "$words" <<<"$out"; then
                printf 'FAULT: %s\n  exit %s, not %s; or no "%s" in:\n%s\n' "$*" "$got" "$status" "$words" "$out"
                faults=$((faults + 1))
        fi
}

echo kernel >k
echo initrd >i
cat >d.json <<'D'
{"version":1,"name":"web1","uuid":"11111111-2222-3333-4444-555555555555","simulate":true,
 "boot":{"kernel":"./k","initrd":"./i","cmdline":"console=ttyS0"}}
D

expect 2 "cvmctl: " "$cvmctl"
expect 0 "measure predict" "$cvmctl" --help
expect 0 "cvmctl " "$cvmctl" --version
expect 0 "--kernel" "$cvmctl" measure predict --help
expect 2 "there is no command 'measure prophesy'" "$cvmctl" measure prophesy
expect 2 "there is no option '--colour'" "$cvmctl" measure predict --colour red
expect 2 "--vcpus needs a value" "$cvmctl" measure predict --vcpus
expect 2 "--simulate takes no value" "$cvmctl" measure predict --simulate=yes
expect 2 "usage: cvmctl measure predict" "$cvmctl" measure predict d.json d.json
expect 2 "--output must be" "$cvmctl" measure predict d.json -o yaml

expect 0 '"platform": "sev-snp"' "$cvmctl" measure predict d.json -o json
expect 0 '"covers":{"firmware":true,"kernel":true' "$cvmctl" measure predict d.json -o jsonl
by_file=$("$cvmctl" measure predict d.json -o name)
by_flags=$("$cvmctl" measure predict --simulate --kernel k --initrd ./i --cmdline console=ttyS0 -o name)
[ "$by_file" = "$by_flags" ] || { echo "FAULT: file and flags differ: $by_file $by_flags"; faults=1; }
[ ${#by_file} = 96 ] || { echo "FAULT: '$by_file' is no digest"; faults=1; }
other=$("$cvmctl" measure predict d.json --vcpus 3 -o name)
[ "$by_file" != "$other" ] || { echo "FAULT: vCPUs do not count"; faults=1; }

expect 2 "'vcpus'" "$cvmctl" measure predict d.json --vcpus 0
expect 2 "less than 256 MiB" "$cvmctl" measure predict d.json --memory 12MiB
expect 2 "needs 'firmware'" "$cvmctl" measure predict --kernel k
expect 2 "'gone' cannot be opened" "$cvmctl" measure predict gone
expect 2 "'$work/gone' cannot be opened" "$cvmctl" measure predict d.json --kernel gone
expect 2 "is no CPU model" "$cvmctl" measure predict d.json --cpu-model 486
expect 2 "'sev-snp.vcpu_signature'" "$cvmctl" measure predict d.json --vcpu-sig 0
expect 2 "'sev-snp.guest_features'" "$cvmctl" measure predict d.json --guest-features 2
expect 2 "--disk: 'colour' is no KEY=VALUE" "$cvmctl" measure predict d.json --disk x.raw,colour=red
expect 2 "'disks[0].format'" "$cvmctl" measure predict d.json --disk x.raw
expect 2 "exclude each other" "$cvmctl" measure predict d.json --cpu-model EPYC --vcpu-sig 0x800f12
expect 2 '"code":"CVM-MEMORY"' "$cvmctl" measure predict d.json --memory 12MiB -o json
expect 2 "size is not a multiple" "$cvmctl" measure predict d.json --firmware k

expect 0 "owner_id" "$cvmctl" owner init
expect 2 "File exists" "$cvmctl" owner init
[ "$(stat -c %a owner.pem)" = 600 ] || { echo "FAULT: owner.pem has mode $(stat -c %a owner.pem)"; faults=1; }
expect 0 '"owner_id"' "$cvmctl" owner show --key owner.pem -o json
expect 0 "" "$cvmctl" owner init --key other.pem -q
expect 2 "needs 'owner'" "$cvmctl" binding make d.json
expect 2 "not that of the definition's owner" "$cvmctl" binding make d.json --owner-key owner.pem --key other.pem
expect 0 "" "$cvmctl" binding make d.json --owner-key owner.pem --serial 7 -o b.json
expect 0 '"serial": 7' "$cvmctl" binding show b.json --key owner.pem -o json
expect 5 "not by the expected key" "$cvmctl" binding show b.json --key other.pem
"$cvmctl" binding make d.json --owner-key owner.pem --serial 7 -o b2.json
cmp b.json b2.json || { echo "FAULT: a binding is no pure function"; faults=1; }
sed 's/"payload":"eyJ2/"payload":"eyJ3/' b.json >b3.json
expect 5 "not by the expected key" "$cvmctl" binding show b3.json --key owner.pem

expect 0 "CVM-VCPUS" "$cvmctl" explain cvm-vcpus
expect 3 "there is no code 'CVM-NONSENSE'" "$cvmctl" explain CVM-NONSENSE
expect 1 "standard output cannot be written" bash -c "'$cvmctl' explain 3>&1 >/dev/full"

echo "$faults faults"
[ "$faults" = 0 ]
