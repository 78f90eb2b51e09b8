#!/bin/bash
# In the root: what cvmctl predicts is what QEMU submits when cvmd starts it.  cvmd-launches.sh CBITPOS
set -euo pipefail
. "$(dirname "$0")/scene.sh"
recorded_snp_host host "$1"
start_scene

/usr/bin/python3 "$here/make-kernel.py" kernel
head -c 70000 /dev/urandom >initrd
cp /usr/share/ovmf/OVMF.amdsev.fd OVMF.fd
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out id.pem 2>/dev/null
cvmctl owner init --key owner.pem -q >owner
kernel='"boot": {"kernel": "'$work/kernel'", "initrd": "'$work/initrd'", "cmdline": "console=ttyS0 quiet"}'

# definition NAME MEMBERS
definition() {
        echo "{\"version\": 1, \"name\": \"$1\", \"platform\": \"sev-snp\", \"memory\": \"256MiB\", \"firmware\": \"$work/OVMF.fd\"${2:+, $2}}"
}

# With the owner's ID block for it in its place:  with_id_block DEFINITION [VCPUS THAT IT IS SIGNED FOR]
with_id_block() {
        cvmctl sign id-block "$1" --id-key id.pem -q -o jsonl ${2:+--vcpus "$2"} >signed
        sed "s|\"firmware\"|\"sev-snp\": {\"id_block\": \"$(member signed id_block)\", \"id_auth\": \"$(member signed id_auth)\"}, &|" "$1"
}
matrix() {
        local model vcpus boot block name
        for model in EPYC-v4 EPYC-Milan EPYC-Genoa; do
                for vcpus in 1 2 4 64; do
                        for boot in firmware kernel; do
                                for block in "" -id; do
                                        name=$(tr A-Z a-z <<<"$model-$vcpus-$boot$block")
                                        definition "$name" "\"cpu_model\": \"$model\", \"vcpus\": $vcpus" >"$name.json"
                                        [ "$boot" = firmware ] || sed -i "s|}\$|, $kernel}|" "$name.json"
                                        [ -z "$block" ] || { with_id_block "$name.json" >d; mv d "$name.json"; }
                                        same "$name"
                                        gone "$name"
                                done
                        done
                done
        done
}

# One byte of the firmware's code changes both sides alike
changed_firmware() {
        local before
        definition plain >plain.json
        same plain
        before=$(of plain measurement)
        gone plain
        printf '\x5a' | dd of=OVMF.fd bs=1 seek=8192 conv=notrunc status=none
        definition changed >changed.json
        same changed
        [ "$before" != "$(of changed measurement)" ] || fault "a changed firmware has the same measurement"
        gone changed
}

# What stands beside the measurement in a guest's report
host_data_and_policy() {
        definition bound "$kernel, \"sev-snp\": {\"debug\": true}, \"vcpus\": 3" >bound.json
        cvmctl binding make bound.json --owner-key owner.pem -o binding.json -q
        sed -i "s|\"version\"|\"uuid\": \"$(cvmctl binding show binding.json -q -o jsonl >b; member b uuid)\", &|" bound.json
        binding=binding.json same bound --owner-key owner.pem
        member binding.json payload | base64 -d >payload
        [ "$(of bound host_data)" = "$(sha256sum <payload | cut -d ' ' -f 1)" ] || fault "host data is $(of bound host_data)"
        [ "$(of bound policy)" = $((0xb0000)) ] || fault "policy is $(of bound policy)"
        gone bound
}

id_blocks() {
        definition blocked "$kernel" >plain.json
        with_id_block plain.json >blocked.json
        same blocked
        [ "$(of blocked id_key_digest)" = "$(member signed id_key_digest)" ] || fault "the ID key is $(of blocked id_key_digest)"
        gone blocked
        with_id_block plain.json 3 >blocked.json
        expect 5 "CVM-ID-BLOCK" cvmctl launch blocked.json
        expect 3 "CVM-NO-VM" cvmctl show blocked
}

# A reset of the guest by the host is a new boot, measured anew; so is a start after a stop
boots() {
        local boot
        definition boots "$kernel" >boots.json
        same boots
        boot=$(shown boots boot_id)
        cvmctl reset boots -q
        [ "$(of boots launch) $(of boots measurement)" = "2 $(shown boots measurement)" ] || fault "launch $(of boots launch) after a reset"
        [ "$boot" != "$(shown boots boot_id)" ] || fault "a reset is the same boot"
        cvmctl kill boots -q
        cvmctl start boots -q
        [ "$(of boots launch) $(of boots measurement)" = "1 $(shown boots measurement)" ] || fault "launch $(of boots launch) after a start"
        # the daemon finds it again, and asks the same things of it
        end_daemon KILL
        start_daemon --set "HostRoot=$work/host"
        expect 0 "running" cvmctl list -o jsonl
        cvmctl reset boots -q
        [ "$(of boots launch)" = 2 ] || fault "launch $(of boots launch) after the daemon's death"
        gone boots
}

# No instruction before the owner's permit: nothing has been measured until then
held() {
        definition held "$kernel, \"hold\": true" >held.json
        rm -f records/held.json
        cvmctl launch held.json --owner-key owner.pem -q --no-wait
        until_event held awaiting-approval
        [ ! -e records/held.json ] || fault "measured before the permit"
        cvmctl approval request held -o request.json -q
        cvmctl sign start-permit --request request.json --owner-key owner.pem -o permit.json -q
        cvmctl approve held permit.json -q
        until_event held '"running"'
        [ "$(of held measurement)" = "$(shown held measurement)" ] || fault "after the permit: measured $(of held measurement)"
        gone held
}

# What KVM or the firmware refuses ends in a code for the cause, whichever step it was
causes() {
        local step status code words
        definition causes "$kernel, \"vcpus\": 2" >causes.json
        same causes
        cvmctl kill causes -q
        while read -r step status code words; do
                echo "$step" >fail
                expect "$status" "$code" cvmctl start causes
                expect "$status" "$words" cvmctl start causes
        done <<'E'
PLATFORM_STATUS:EIO:1 9 CVM-PLATFORM-STATE is not initialised for SEV-SNP
INIT2:EBUSY 9 CVM-GUEST-KEYS all ASIDs for guests of SEV-SNP are taken
INIT2:EIO:0x17 9 CVM-GUEST-KEYS no room for one more guest
SNP_LAUNCH_START:EIO:7 9 CVM-GUEST-POLICY does not meet the guest's policy
SNP_LAUNCH_START:EINVAL 9 CVM-GUEST-POLICY KVM does not take a bit
SNP_LAUNCH_UPDATE:EIO:0x16 9 CVM-LAUNCH-REFUSED (invalid parameter)
SNP_LAUNCH_UPDATE:EIO:0x16:5 9 CVM-CPU-FEATURES what its CPU model has
SNP_LAUNCH_UPDATE:ENOMEM:0:8 9 CVM-MEMORY-HOST not enough memory
SNP_LAUNCH_FINISH:EIO:0xa 5 CVM-ID-BLOCK signature of the ID block
SNP_LAUNCH_FINISH:EIO:0x24 9 CVM-PLATFORM-STATE failed to update
SNP_LAUNCH_FINISH:EINVAL 9 CVM-LAUNCH-REFUSED KVM refused
E
        rm fail
        cvmctl start causes -q || fault "nothing fails any more, and it does not start"
        gone causes
        definition newer '"sev-snp": {"abi_major": 2}' >newer.json
        expect 9 "CVM-GUEST-POLICY" cvmctl launch newer.json
}

matrix
changed_firmware
host_data_and_policy
id_blocks
boots
held
causes
echo "$compared launches through cvmd were compared with their predictions"
end_faults
