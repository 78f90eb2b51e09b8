#!/bin/bash
# In the root: trust domains, as cvmd-launches.sh does for the other technology. What cvmctl predicts is what QEMU submits.
set -euo pipefail
. "$(dirname "$0")/scene.sh"
recorded_td_host host
start_scene

/usr/bin/python3 "$here/make-kernel.py" kernel
head -c 70000 /dev/urandom >initrd
cp /usr/share/ovmf/OVMF.inteltdx.ms.fd td.fd
cp /usr/share/ovmf/OVMF.fd plain.fd # has the metadata too
cvmctl owner init --key owner.pem -q >owner

# definition NAME FIRMWARE [MEMBERS]
definition() {
        echo "{\"version\": 1, \"name\": \"$1\", \"platform\": \"tdx\", \"memory\": \"256MiB\", \"firmware\": \"$work/$2\"${3:+, $3}}" >"$1.json"
}

# MRTD depends on the firmware alone
matrix() {
        local firmware vcpus name measured=
        for firmware in td plain; do
                measured=
                for vcpus in 1 2 64; do
                        name=$firmware-$vcpus
                        definition "$name" "$firmware.fd" "\"vcpus\": $vcpus"
                        same "$name"
                        [ "${measured:=$(of "$name" measurement)}" = "$(of "$name" measurement)" ] || fault "$name: vCPUs change it"
                        gone "$name"
                done
        done
        local files="\"initrd\": \"$work/initrd\", \"cmdline\": \"quiet\"" kernel="\"kernel\": \"$work/kernel\""
        definition kernel plain.fd "\"boot\": {$kernel, $files}"
        same kernel
        gone kernel
        definition shim plain.fd "\"boot\": {\"shim\": \"$work/kernel\", $kernel, $files}" # any PE image is one here
        same shim
        gone shim
        definition unsigned td.fd "\"boot\": {$kernel, $files}" # its firmware has keys
        expect 2 "CVM-SECURE-BOOT" cvmctl launch unsigned.json
}

changed_firmware() {
        local before
        definition before td.fd
        same before
        before=$(of before measurement)
        gone before
        printf '\x5a' | dd of=td.fd bs=1 seek=$((0x100000)) conv=notrunc status=none
        cmp -s td.fd /usr/share/ovmf/OVMF.inteltdx.ms.fd && printf '\xa5' | dd of=td.fd bs=1 seek=$((0x100000)) conv=notrunc status=none
        definition changed td.fd
        same changed
        [ "$before" != "$(of changed measurement)" ] || fault "a changed firmware has the same measurement"
        gone changed
}

# What stands beside MRTD in a quote: the binding, its owner, the attributes
beside() {
        definition bound td.fd '"tdx": {"sept_ve_disable": false}'
        cvmctl binding make bound.json --owner-key owner.pem -o binding.json -q
        sed -i "s|\"version\"|\"uuid\": \"$(cvmctl binding show binding.json -q -o jsonl >b; member b uuid)\", &|" bound.json
        binding=binding.json same bound --owner-key owner.pem
        member binding.json payload | base64 -d >payload
        [ "$(of bound mrconfigid)" = "$(sha384sum <payload | cut -d ' ' -f 1)" ] || fault "MRCONFIGID is $(of bound mrconfigid)"
        [ "$(of bound mrowner)" = "$(member b owner_id)" ] || fault "MROWNER is $(of bound mrowner)"
        [ "$(of bound attributes)" = 0 ] || fault "the attributes are $(of bound attributes)"
        gone bound
        definition plain plain.fd
        same plain
        [ "$(of plain attributes)" = $((0x10000000)) ] || fault "the attributes are $(of plain attributes)"
        gone plain
}

# Measured anew at a reset, and at a start
boots() {
        definition boots td.fd
        same boots
        cvmctl reset boots -q
        [ "$(of boots launch) $(of boots measurement)" = "2 $(shown boots measurement)" ] || fault "launch $(of boots launch) after a reset"
        cvmctl kill boots -q
        cvmctl start boots -q
        [ "$(of boots launch) $(of boots measurement)" = "1 $(shown boots measurement)" ] || fault "launch $(of boots launch) after a start"
        gone boots
}

# Where QEMU ends at a reset it is started again: another process, another boot, the same measurement
relaunches() {
        local boot
        definition relaunched td.fd
        touch ends
        same relaunched
        boot=$(shown relaunched boot_id)
        expect 0 "" cvmctl reset relaunched
        [ "$(of relaunched launch)" = 1 ] || fault "QEMU lived on: launch $(of relaunched launch)"
        [ "$(shown relaunched state) $(shown relaunched trust)" = "running unverified" ] || fault "after a relaunch: $(shown relaunched state)"
        [ "$(shown relaunched boot_id)" != "$boot" ] || fault "a relaunch is the same boot"
        [ "$(of relaunched measurement)" = "$(shown relaunched measurement)" ] || fault "a relaunch measures $(of relaunched measurement)"
        rm ends
        gone relaunched
}

# What an operator is told when the host has no quoting service, or one that is closed to guests
quoting() {
        definition quoting td.fd
        mv host/run host/away
        expect 0 "no quoting service at /run/tdx-qgs/qgs.socket: without one" cvmctl launch quoting.json
        mv host/away host/run
        gone quoting
}

refusals() {
        definition model td.fd '"cpu_model": "EPYC-v4"'
        expect 2 "the host's own processor" cvmctl launch model.json
        definition moving td.fd '"tdx": {"migratable": true}'
        expect 2 "no migration of TDX" cvmctl launch moving.json
        printf nothing >nothing.fd
        definition nothing nothing.fd
        expect 2 "CVM-FIRMWARE" cvmctl launch nothing.json
}

# Each command of the launch fails in turn, and an operator hears why
causes() {
        local step status code words
        definition causes td.fd '"vcpus": 2'
        same causes
        cvmctl kill causes -q
        while read -r step status code words; do
                echo "$step" >fail
                expect "$status" "$code" cvmctl start causes
                expect "$status" "$words" cvmctl start causes
        done <<'E'
TDX_CAPABILITIES:EINVAL 9 CVM-KVM-CONFIDENTIAL does not tell what trust domains
TDX_INIT_VM:ENOSPC 9 CVM-GUEST-KEYS (KeyIDs) are taken
TDX_INIT_VM:EBUSY 9 CVM-GUEST-KEYS control group
TDX_INIT_VM:EINVAL 9 CVM-GUEST-POLICY does not take an attribute
TDX_INIT_VM:EIO:0x100 9 CVM-LAUNCH-REFUSED was not created
TDX_INIT_VCPU:EIO:0x100:2 9 CVM-LAUNCH-REFUSED a vCPU
TDX_INIT_MEM_REGION:EIO:0x100:2 9 CVM-LAUNCH-REFUSED a page of the guest's firmware
TDX_INIT_MEM_REGION:ENOMEM 9 CVM-MEMORY-HOST not enough memory
TDX_FINALIZE_VM:EIO:0x100 9 CVM-LAUNCH-REFUSED measurement
TDX_GET_CPUID:EIO 9 CVM-LAUNCH-REFUSED the guest's CPU
E
        rm fail
        cvmctl start causes -q || fault "nothing fails any more, and it does not start"
        gone causes
        definition debug td.fd '"tdx": {"debug": true}'
        expect 9 "CVM-GUEST-POLICY" cvmctl launch debug.json
}

matrix
changed_firmware
beside
boots
relaunches
quoting
causes
refusals
echo "$compared launches of trust domains through cvmd were compared with their predictions"
end_faults
