#!/bin/bash
# Hosts by their files, without a daemon: checked, shown, counted; and their documents become a policy's hosts.
. "$(dirname "$0")/expect.sh"

host() { # DIR RECORDING: a host of SNP
        mkdir -p "$1"/{proc,dev,recorded,sys/fs/cgroup,sys/class/iommu/ivhd0,sys/module/kvm_amd/parameters,usr/bin}
        printf 'vendor_id\t: AuthenticAMD\n' >"$1/proc/cpuinfo"
        touch "$1/dev/sev" "$1/dev/kvm"
        echo sev-snp-guest >"$1/usr/bin/qemu-system-x86_64"
        printf 'sev 410\nsev_es 99\n' >"$1/sys/fs/cgroup/misc.capacity"
        printf 'sev 0\nsev_es 3\n' >"$1/sys/fs/cgroup/misc.current"
        for name in sev sev_es sev_snp; do echo Y >"$1/sys/module/kvm_amd/parameters/$name"; done
        cp "$2" "$1/recorded/probe.json"
}
seeds=$source/tests/fuzz/corpus/host-probe
host milan "$seeds/milan"
host turin "$seeds/turin"

# The seed knows no registers of the reverse map table and no brand: warnings, and no failure.
expect 0 "this cannot be told: the recording has no 'msr.c0010132'" "$cvmctl" host check --root milan
rm milan/dev/sev
expect 9 "this was not looked at: 'sev-device' failed" "$cvmctl" host check --root milan
expect 9 '"id": "sev-device"' "$cvmctl" host check --root milan -o json
touch milan/dev/sev
expect 2 "CVM-FILE" "$cvmctl" host check --root nowhere
echo '{' >milan/recorded/probe.json
expect 2 "CVM-JSON" "$cvmctl" host check --root milan
cp "$seeds/milan" milan/recorded/probe.json

expect 0 "facts.reported_tcb.snp   24" "$cvmctl" host show --root milan
expect 0 '"fmc":1,"bootloader":2,"tee":3,"snp":4' "$cvmctl" host show --root turin -o jsonl
expect 2 "must be table" "$cvmctl" host show --root turin -o there
expect 0 "SEV-ES and SEV-SNP" "$cvmctl" host capacity --root milan
expect 0 '"free":96' "$cvmctl" host capacity --root milan -o jsonl
rm milan/sys/fs/cgroup/misc.current
expect 9 "CVM-HOST-COUNT" "$cvmctl" host capacity --root milan

# A recording is the host again, for whoever has no such host; this machine can be recorded, whatever it is.
expect 0 "" "$cvmctl" host record --root turin -o recorded
"$cvmctl" host check --root turin -o jsonl >before || true
"$cvmctl" host check --root recorded -o jsonl >after || true
cmp before after || fault "a recording is another host"
expect 0 "" "$cvmctl" host record --root turin --hide-chip-ids -o hidden
expect 0 "cccccccccccccccc" "$cvmctl" host show --root hidden
expect 2 "CVM-USAGE" "$cvmctl" host record
expect 0 "" "$cvmctl" host record -o this
expect 0 "cpu_vendor" "$cvmctl" host show --root this
expect 2 "CVM-FILE" "$cvmctl" host record -o this

# Owners take a host's document, or several; the lowest of each component is the minimum.
"$cvmctl" host show --root milan --facts -o milan.json
"$cvmctl" host show --root turin --facts -o turin.json
sed 's/"snp": 24/"snp": 23/; s/"a1/"a2/' milan.json >older.json
cat >hw.json <<'P'
{"platform":"sev-snp","measurement":"PLACE","simulated":false,"debug":false,
 "covers":{"firmware":true,"kernel":true,"initrd":true,"cmdline":true,"acpi":false}}
P
sed -i "s/PLACE/$(printf '7%.0s' {1..96})/" hw.json
make_policy() { "$cvmctl" policy make --from hw.json "$@"; }
make_policy --hosts ./milan.json --hosts turin.json --hosts older.json -q -o p.json
expect 0 '"hosts":["a1' "$cvmctl" policy show p.json -o jsonl
expect 0 'c300000000000000' "$cvmctl" policy show p.json -o jsonl
expect 0 '"Milan":{"bootloader":4,"tee":0,"snp":23,"microcode":219}' "$cvmctl" policy show p.json -o jsonl
expect 0 '"Turin":{"fmc":1,' "$cvmctl" policy show p.json -o jsonl
expect 0 "is the host's word" make_policy --hosts ./milan.json
expect 0 '"snp": 20' make_policy --hosts ./milan.json --min-tcb '{"Milan":{"snp":20}}'
expect 2 "CVM-FILE" make_policy --hosts ./gone.json
for edit in 's/"sev-snp"/"tdx"/' 's/"chip_ids"/"chips"/' 's/"reported_tcb"/"tcb"/' 's/"snp": 24/"snp": 256/' \
        's/"a1[0-9a-f]*"/"A1"/' 's/"Milan"/7/'; do
        sed "$edit" milan.json >edited.json
        cmp -s milan.json edited.json && fault "$edit changes nothing"
        expect 2 "CVM-FIELD" make_policy --hosts ./edited.json
done
sed 's/"chip_id_masked": false/"chip_id_masked": true/' milan.json >masked.json
expect 0 "hides its chip id" make_policy --hosts ./masked.json

# A host of Secure Execution is known by the keys with which it opens images
mkdir -p z/{dev,proc,recorded,sys/firmware/uv/keys}
printf 'vendor_id : IBM/S390\nfacilities : 1 2\nprocessor 0: machine = 3931\n' >z/proc/cpuinfo
echo 'LPAR Number: 1' >z/proc/sysinfo
touch z/dev/kvm
echo 1 >z/sys/firmware/uv/prot_virt_host
printf '5%.0s' {1..64} >z/sys/firmware/uv/keys/all
echo '{"kvm":{"api-version":12,"protected":1}}' >z/recorded/probe.json
expect 9 "the machine has no ultravisor (facility 158)" "$cvmctl" host check --root z
expect 9 "qemu-system-s390x" "$cvmctl" host check --root z
expect 0 'facts.machine            3931' "$cvmctl" host show --root z
expect 9 "CVM-HOST-COUNT" "$cvmctl" host capacity --root z
"$cvmctl" host show --root z --facts -o z.json
sed 's/"sev-snp"/"secure-execution"/' hw.json >se.json
mkdir scene
"$make_se" scene scene
expect 0 '"5555555555' "$cvmctl" policy make --from se.json --hosts ./z.json --root-ca scene/root.pem
sed 's/"host_keys"/"chip_ids"/' z.json >chips.json
expect 2 "'host_keys' in './chips.json' cannot be" "$cvmctl" policy make --from se.json --hosts ./z.json --hosts ./chips.json \
        --root-ca scene/root.pem
rm z/sys/firmware/uv/keys/all
"$cvmctl" host show --root z --facts -o z.json
expect 2 "'host_keys' in './z.json' must name one" "$cvmctl" policy make --from se.json --hosts ./z.json --root-ca scene/root.pem

end
