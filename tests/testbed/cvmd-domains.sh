#!/bin/bash
# In the root, below a libvirtd with the library in front of it: what cvmctl predicts is what the QEMU of a domain submits.
#   cvmd-domains.sh CBITPOS
set -euo pipefail
. "$(dirname "$0")/scene.sh"
by_libvirt=(--set "Libvirt=$build/worker/cvmd-libvirt")
recorded_snp_host host "$1"
recorded_td_host td-host
start_scene "${by_libvirt[@]}"
"$build/worker/cvmd-libvirt" capabilities <<<"{}" >offers
for offer in '"sev-snp":{"listed":true,' '"tdx":{"listed":true,"feature":"no"}'; do
        grep -qF "$offer" offers || fault "libvirt does not offer $offer: $(cat offers)"
done

/usr/bin/python3 "$here/make-kernel.py" kernel
head -c 70000 /dev/urandom >initrd
boot_sector disk
cp /usr/share/ovmf/OVMF.amdsev.fd snp.fd
cp /usr/share/ovmf/OVMF.inteltdx.ms.fd td.fd
cp /usr/share/ovmf/OVMF.fd plain.fd # for a kernel that nobody signed
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out id.pem 2>/dev/null
cvmctl owner init --key owner.pem -q >owner

# Members of definitions
snp='"platform": "sev-snp", "firmware": "'$work/snp.fd'"'
td='"platform": "tdx", "firmware": "'$work/td.fd'"'
plain='"platform": "tdx", "firmware": "'$work/plain.fd'"'
kernel='"boot": {"kernel": "'$work/kernel'", "initrd": "'$work/initrd'", "cmdline": "console=ttyS0 quiet"}'
devices='"disks": [{"path": "'$work/disk'", "format": "raw", "serial": "root"}], "nics": [{"type": "user"}]'

# definition NAME MEMBERS
definition() {
        echo "{\"version\": 1, \"name\": \"$1\", \"driver\": \"libvirt\", \"memory\": \"256MiB\", $2}" >"$1.json"
}

# launches NAME MEMBERS...: one after the other
launches() {
        while [ $# -gt 0 ]; do
                definition "$1" "$2"
                same "$1"
                gone "$1"
                shift 2
        done
}

# of LAUNCH MEMBER WANTED
holds() { [ "$(of "$1" "$2")" = "$3" ] || fault "$1: $2 is $(of "$1" "$2"), not $3"; }

# The owner's binding for NAME.json is in binding.json, its digest by PROGRAM in digest; the definition takes its uuid
bind() {
        cvmctl binding make "$1.json" --owner-key owner.pem -o binding.json -q
        cvmctl binding show binding.json -q -o jsonl >bound
        sed -i "s|\"version\"|\"uuid\": \"$(member bound uuid)\", &|" "$1.json"
        member binding.json payload | base64 -d | "$2" | cut -d ' ' -f 1 >digest
}

snp_launches() {
        launches one "$snp, \"vcpus\": 1" \
                many "$snp, \"vcpus\": 64" \
                milan "$snp, \"vcpus\": 4, \"cpu_model\": \"EPYC-Milan\", $kernel" \
                genoa "$snp, \"cpu_model\": \"EPYC-Genoa\", $kernel" \
                devices "$snp, $kernel, $devices, \"console\": \"interactive\"" \
                node "$snp, \"tuning\": {\"numa_node\": 0}"
}

snp_beside() {
        definition bound "$snp, $kernel, \"vcpus\": 3, \"sev-snp\": {\"debug\": true}"
        bind bound sha256sum
        binding=binding.json same bound --owner-key owner.pem
        holds bound host_data "$(cat digest)"
        holds bound policy $((0xb0000))
        gone bound
        definition blocked "$snp, $kernel"
        cvmctl sign id-block blocked.json --id-key id.pem -q -o jsonl >signed
        definition blocked "$snp, $kernel, \"sev-snp\": {\"id_block\": \"$(member signed id_block)\", \"id_auth\": \"$(member signed id_auth)\"}"
        same blocked
        holds blocked id_key_digest "$(member signed id_key_digest)"
        gone blocked
}

td_launches() {
        launches td-one "$td, \"vcpus\": 1" \
                td-many "$td, \"vcpus\": 64" \
                td-kernel "$plain, $kernel" \
                td-devices "$td, $devices"
        holds td-devices attributes $((0x10000000))
}

td_beside() {
        definition td-bound "$td, \"tdx\": {\"sept_ve_disable\": false}"
        bind td-bound sha384sum
        binding=binding.json same td-bound --owner-key owner.pem
        holds td-bound mrconfigid "$(cat digest)"
        holds td-bound mrowner "$(member bound owner_id)"
        holds td-bound attributes 0
        gone td-bound
}

# boots NAME MEMBERS: a reset is measured anew, by a daemon and a libvirtd that find the domain again too; so is a start
boots() {
        local boot
        definition "$1" "$2"
        same "$1"
        virsh -c qemu:///system list --name | grep -x "cvmd-$1" >/dev/null || fault "virsh list does not show $1"
        boot=$(shown "$1" boot_id)
        cvmctl reset "$1" -q
        holds "$1" launch 2
        holds "$1" measurement "$(shown "$1" measurement)"
        [ "$boot" != "$(shown "$1" boot_id)" ] || fault "$1: a reset is the same boot"
        end_daemon KILL
        "$CVM_LIBVIRTD" kill
        "$CVM_LIBVIRTD" start
        start_daemon --set "HostRoot=$work/host" "${by_libvirt[@]}"
        cvmctl reset "$1" -q
        holds "$1" launch 3
        cvmctl kill "$1" -q
        cvmctl start "$1" -q
        holds "$1" launch 1
        holds "$1" measurement "$(shown "$1" measurement)"
        gone "$1"
}

# Somebody else resets the domain, which libvirt does by another process, and ends it
meddled() {
        definition meddled "$td, $devices, \"console\": \"interactive\""
        same meddled
        expect 0 "Connected to meddled" cvmctl console meddled </dev/null
        rm records/meddled.json
        virsh -q -c qemu:///system reset cvmd-meddled >virsh.said
        until_event meddled '"boot"' 2
        holds meddled measurement "$(shown meddled measurement)"
        virsh -q -c qemu:///system destroy cvmd-meddled >virsh.said
        until_event meddled CVM-DOMAIN-ENDED
        cvmctl delete meddled -q >/dev/null
}

# told NAME: what happened to it, without what differs from VM to VM
told() { cvmctl events "$1" --since 0 -q -o jsonl | sed -E 's/"(vm|name|boot|seq|time)":("[^"]*"|[0-9]+),?//g'; }

# panics DRIVER NAME: the guest reports that it cannot go on; that ends it, and nobody starts or dumps it behind our back
panics() {
        local dumps=/var/lib/libvirt/qemu/dump
        definition "$2" "$td"
        sed -i "s/\"libvirt\"/\"$1\"/" "$2.json"
        same "$2"
        /usr/bin/python3 "$here/player.py" "players/$2" org.cvmd.agent.0 false
        until_event "$2" CVM-GUEST-PANIC
        told "$2" >"$1.told"
        [ "$(shown "$2" state) $(shown "$2" state_code)" = "failed CVM-GUEST-PANIC" ] || fault "$2: $(shown "$2" state) $(shown "$2" state_code)"
        [ -z "$(guests)" ] || fault "$2: a process is left"
        [ -z "$(ls $dumps 2>/dev/null)" ] || fault "$2: there is a dump: $(ls $dumps)"
        cvmctl start "$2" -q || fault "$2 does not start again"
        gone "$2"
}

# causes NAME MEMBERS, and lines COMMAND STATUS CODE WORDS: a command of the launch fails, and an operator hears why
causes() {
        local step status code words
        definition "$1" "$2"
        same "$1"
        cvmctl kill "$1" -q
        while read -r step status code words; do
                echo "$step" >fail
                expect "$status" "$code" cvmctl start "$1"
                expect "$status" "$words" cvmctl start "$1"
        done
        rm fail
        cvmctl start "$1" -q || fault "nothing fails any more, and $1 does not start"
        gone "$1"
}

snp_launches
snp_beside
boots boots "$snp, $kernel"
causes causes "$snp" <<'E'
INIT2:EBUSY 9 CVM-GUEST-KEYS all ASIDs for guests of SEV-SNP are taken
SNP_LAUNCH_START:EIO:7 9 CVM-GUEST-POLICY does not meet the guest's policy
SNP_LAUNCH_UPDATE:EIO:0x16:5 9 CVM-CPU-FEATURES what its CPU model has
SNP_LAUNCH_FINISH:EIO:0xa 5 CVM-ID-BLOCK signature of the ID block
E
end_daemon
rm -r host
mv td-host host
start_daemon --set "HostRoot=$work/host" "${by_libvirt[@]}"
td_launches
td_beside
boots td-boots "$td"
meddled
touch plays
panics libvirt td-panics
panics qemu qemu-panics
rm plays
cmp -s libvirt.told qemu.told || fault "a panic is not told the same: $(diff libvirt.told qemu.told)"
causes td-causes "$td" <<'E'
TDX_INIT_VM:ENOSPC 9 CVM-GUEST-KEYS (KeyIDs) are taken
TDX_FINALIZE_VM:EIO:0x100 9 CVM-LAUNCH-REFUSED measurement
E
echo "$compared launches through libvirt were compared with their predictions"
end_faults
