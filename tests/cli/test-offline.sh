#!/bin/bash
# cvmctl without a daemon: exit statuses, JSON, refusals, and that nothing is overwritten. Usage: test-offline.sh CVMCTL SOURCE
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
expect 0 "--cert FILE..." "$cvmctl" image build --help
expect 2 "--cmdline was given twice, and has one value" "$cvmctl" measure predict d.json --cmdline a --cmdline=b
expect 2 "--output was given twice" "$cvmctl" measure predict d.json -o json --output table
expect 2 "--output was given twice" "$cvmctl" -o json measure predict d.json -o table
expect 0 "measure predict" "$cvmctl" --help
expect 2 "predict the launch measurement" "$cvmctl" measure
expect 0 "predict the launch measurement" "$cvmctl" measure --help
[ -z "$("$cvmctl" measure --help | grep owner\ init)" ] || { echo "FAULT: a group's help has others"; faults=1; }
expect 0 "cvmctl " "$cvmctl" --version
expect 0 "--kernel" "$cvmctl" measure predict --help
expect 2 "there is no command 'measure prophesy'" "$cvmctl" measure prophesy
expect 2 "there is no option '--colour'" "$cvmctl" measure predict --colour red
expect 2 "--vcpus needs a value" "$cvmctl" measure predict --vcpus
expect 2 "--simulate takes no value" "$cvmctl" measure predict --simulate=yes
expect 2 "usage: cvmctl measure predict" "$cvmctl" measure predict d.json d.json
expect 2 "--output must be" "$cvmctl" measure predict d.json -o yaml

expect 0 '"platform": "sev-snp"' "$cvmctl" measure predict d.json -o json
expect 0 "SIMULATED: " "$cvmctl" measure predict d.json
expect 0 "DEBUG: " "$cvmctl" measure predict d.json --option debug=true
[ -z "$("$cvmctl" measure predict d.json -q 2>&1 >/dev/null)" ] || { echo "FAULT: -q talks"; faults=1; }
expect 0 '"covers":{"firmware":true,"kernel":true' "$cvmctl" measure predict d.json -o jsonl
by_file=$("$cvmctl" measure predict d.json -o name)
by_flags=$("$cvmctl" measure predict --simulate --kernel k --initrd ./i --cmdline console=ttyS0 -o name)
[ "$by_file" = "$by_flags" ] || { echo "FAULT: file and flags differ: $by_file $by_flags"; faults=1; }
mkdir sub
by_climbing=$(cd sub && "$cvmctl" measure predict ../d.json --kernel ../k --initrd .././i -o name)
[ "$by_file" = "$by_climbing" ] || { echo "FAULT: paths that climb: $by_climbing"; faults=1; }
[ ${#by_file} = 96 ] || { echo "FAULT: '$by_file' is no digest"; faults=1; }
other=$("$cvmctl" measure predict d.json --vcpus 3 -o name)
[ "$by_file" != "$other" ] || { echo "FAULT: vCPUs do not count"; faults=1; }

expect 2 "'vcpus'" "$cvmctl" measure predict d.json --vcpus 0
expect 2 "less than 256 MiB" "$cvmctl" measure predict d.json --memory 12MiB
expect 2 "needs 'firmware'" "$cvmctl" measure predict --kernel k
expect 2 "'gone' cannot be opened" "$cvmctl" measure predict gone
mkfifo pipe
for kernel in pipe /dev/zero .; do
        expect 2 "is no regular file" "$cvmctl" measure predict --simulate --kernel "$kernel"
done
expect 2 "there is no command 'lisst'" "$cvmctl" --bus unix:path=none lisst
expect 2 "confidential VMs of this host" "$cvmctl" --bus unix:path=none
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
(mkdir other && cd other && "$cvmctl" binding make ../d.json --owner-key ../owner.pem --serial 7 -o ../b2.json) # no owner.pem here
cmp b.json b2.json || { echo "FAULT: a binding is no pure function"; faults=1; }
sed 's/"payload":"eyJ2/"payload":"eyJ3/' b.json >b3.json
expect 5 "not by the expected key" "$cvmctl" binding show b3.json --key owner.pem

expect 0 "The definition has no uuid: the binding is for" "$cvmctl" binding make --simulate --kernel k --owner-key owner.pem -o u1.json
expect 0 "" "$cvmctl" binding make --simulate --kernel k --owner-key owner.pem -o u2.json -q
[ "$("$cvmctl" binding show u1.json -o json | grep uuid)" != "$("$cvmctl" binding show u2.json -o json | grep uuid)" ] ||
        { echo "FAULT: a uuid is made twice"; faults=1; }
owner=$("$cvmctl" owner show -o json | sed -n 's/.*"owner": "\(.*\)".*/\1/p')
"$cvmctl" binding make d.json --owner "$owner" --serial 7 -o b4.json
cmp b.json b4.json || { echo "FAULT: --owner and --owner-key differ"; faults=1; }
expect 0 "" "$cvmctl" binding make d.json --owner-key owner.pem --root "verity:$(printf '0%.0s' {1..64})" -o v.json
expect 0 '"root_hash": "0000' "$cvmctl" binding show v.json -o json
expect 2 "'root.root_hash'" "$cvmctl" binding make d.json --owner-key owner.pem --root verity:00
expect 2 "--owner-key: " "$cvmctl" binding make d.json --owner-key gone.pem
expect 2 "is no Ed25519 key" "$cvmctl" owner show --key <(openssl genpkey -algorithm X25519)

# Published digests, through the command, where they are there.
vectors=${CVM_SHARED:-$2/../shared}/vectors/snp/launch
if [ -d "$vectors" ]; then
        : >null
        suffix() { # FIRMWARE VCPUS FEATURES arguments...
                "$cvmctl" measure predict --platform sev-snp --firmware "$vectors/ovmf_$1_suffix.bin" --vcpus "$2" \
                        --guest-features "$3" -o name "${@:4}"
        }
        expect 0 803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977 \
                suffix AmdSev 1 0x21 --cpu-model EPYC-v4 --kernel null --initrd null --cmdline 'console=ttyS0 loglevel=7'
        expect 0 5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5 \
                suffix AmdSev 4 1 --vcpu-sig 0x800f12 --kernel null
        expect 0 28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385 \
                suffix OvmfX64 1 21
        expect 2 "no room for kernel hashes" suffix OvmfX64 1 0x21 --kernel null
else
        echo "SKIP: the vectors '$vectors' are not on this machine"
fi

expect 0 "CVM-VCPUS" "$cvmctl" explain cvm-vcpus
expect 3 "there is no code 'CVM-NONSENSE'" "$cvmctl" explain CVM-NONSENSE
expect 1 "standard output cannot be written" bash -c "'$cvmctl' explain 3>&1 >/dev/full"

echo "$faults faults"
[ "$faults" = 0 ]
