#!/bin/bash
# cvmctl against a real daemon, with a guest of one boot sector: every verb, its formats, and an exit status for every fault.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT

expect 9 "CVM-NO-DAEMON" "$build/cli/cvmctl" --bus unix:path="$work/nobody" list
start_bus
expect 9 "CVM-NO-DAEMON" cvmctl list
start_daemon
cd "$work"
boot_sector disk

definition() { # NAME [MEMBERS]
        printf '{"version":1,"name":"%s","simulate":true,"memory":"256MiB","vcpus":1,"accel":"tcg","boot":{"disk":"boot"},
                "disks":[{"path":"%s","format":"raw","readonly":true,"serial":"boot"}]%s}' "$1" "$work/disk" "${2:-}"
}
definition web1 ',"labels":{"tier":"front"}' >web1.json
definition web2 >web2.json

expect 0 "SIMULATED" cvmctl launch web1.json
expect 2 "CVM-EXISTS" cvmctl launch web1.json
definition debug ',"platform":"tdx","tdx":{"debug":true}' >debug.json
expect 0 "DEBUG: the host can read" cvmctl launch debug.json
expect 0 "tdx SIMULATED DEBUG" cvmctl list
expect 2 "Intel TDX has no dumps" cvmctl dump debug -o debug.core
expect 0 "" cvmctl kill debug
expect 0 "" cvmctl delete debug
expect 0 '"prediction"' cvmctl launch web2.json --dry-run -o json
expect 0 "web2 is defined" cvmctl create web2.json
expect 0 "web2" cvmctl list -o name
expect 0 "sev-snp SIMULATED" cvmctl list
expect 0 '"state": "running"' cvmctl list -o json
expect 0 '"state":"defined"' cvmctl list -o jsonl
expect 0 "MEASUREMENT" cvmctl list -o wide
expect 2 "is no state of a VM" cvmctl list --state runnin
expect 2 "is no trust of a VM" cvmctl list --trust much
[ "$(cvmctl list --state running -o name)" = web1 ] || fault "list --state"
[ "$(cvmctl list --label tier -o name)" = web1 ] || fault "list --label"
[ -z "$(cvmctl list --label tier=back -o name)" ] || fault "list --label with a value"
expect 0 '"simulated": true' cvmctl show web1 -o json
expect 0 "web1" cvmctl show web1 -o name
expect 0 "\"driver\": \"${CVM_DRIVER:-qemu}\"" cvmctl show web1 -o json
if [ "${CVM_DRIVER:-qemu}" = libvirt ]; then
        expect 0 "<domain type=" cvmctl show web1 --xml
else
        expect 3 "CVM-NO-XML" cvmctl show web1 --xml
fi
expect 3 "CVM-NO-VM" cvmctl show nobody
expect 3 "CVM-NO-VM" cvmctl start nobody
expect 8 "CVM-WRONG-STATE" cvmctl start web1
expect 8 "CVM-WRONG-STATE" cvmctl resume web1
expect 8 "CVM-WRONG-STATE" cvmctl delete web1
expect 8 "stop it first" cvmctl delete web1 --dry-run
expect 0 "Kill would be taken now" cvmctl kill web1 --dry-run
expect 3 "CVM-NO-VM" cvmctl pause nobody --dry-run
expect 8 "no console now" cvmctl console web2
expect 2 "CVM-DUMP-NONE" cvmctl dump web1 -o web1.core
expect 2 "AMD SEV-SNP has no dumps" cvmctl dump web1 --dry-run
expect 0 '"dump": "AMD SEV-SNP has no dumps' cvmctl show web1 -o json
expect 2 "-o FILE" cvmctl dump web1
expect 2 "is waited for" cvmctl dump web1 -o web1.core --no-wait
expect 2 "CVM-FILE" cvmctl dump web1 -o /dev/null
[ -z "$(ls | grep core)" ] || fault "a dump that was refused leaves $(ls | grep core)"
expect 0 "is paused" cvmctl pause web1
expect 8 "resume it first, or kill it" cvmctl stop web1
expect 8 "resume it first, or kill it" cvmctl restart web1
expect 0 "web1" cvmctl list --state paused
expect 0 "runs" cvmctl resume web1
expect 0 "was reset" cvmctl reset web1
expect 7 "CVM-TIMEOUT" cvmctl stop web1 --timeout 1
expect 0 "running" cvmctl list
expect 2 "no interactive console" cvmctl console web1
# A guest that takes nothing of a megabyte that is typed is left all the same.
cp disk printing
truncate -s 1M printing # the least that SeaBIOS boots from
definition deaf ',"console":"interactive"' | sed 's|/disk"|/printing"|' >deaf.json
expect 0 "SIMULATED" cvmctl launch deaf.json
"$source_dir/tests/system/type-and-leave.py" "$build/cli/cvmctl" --bus "$bus" console deaf || fault "a deaf guest's console is not left"
expect 0 "deleted" bash -c "'$build/cli/cvmctl' --bus '$bus' kill deaf && '$build/cli/cvmctl' --bus '$bus' delete deaf"
expect 0 "runs" cvmctl start web2
expect 0 "was killed" cvmctl kill web1 web2
expect 3 "nobody" cvmctl kill nobody
expect 8 "web1" cvmctl kill web1
expect 0 '"applied": false' cvmctl update web1 web1.json --cpu-model EPYC-Milan --dry-run -o json
expect 0 '"changed": true' cvmctl update web1 web1.json --cpu-model EPYC-Milan -o json
expect 2 "CVM-FIELD" cvmctl update web1 web2.json
expect 0 '"stopped": 2' cvmctl status -o json
expect 0 "state" cvmctl events web1
expect 0 "" cvmctl logs web1
expect 2 "CVM-UNOWNED" cvmctl approve web1 web1.json
expect 8 "only a running guest" cvmctl evidence get web1 --nonce "$(printf '%064d' 1)"
expect 2 "64 hex digits" cvmctl evidence get web1 --nonce zz
expect 0 '"waits_for"' cvmctl approval request web1
expect 0 "deleted" cvmctl delete web1 --record record.json
cvmctl host show --record-key >record.pem
expect 0 "signature_checked        true" cvmctl record show record.json --key record.pem
expect 0 "payload" cvmctl record get web1
expect 3 "CVM-NO-VM" cvmctl record get nobody
expect 0 "deleted" cvmctl delete web2
expect 0 "SEQ" cvmctl audit show
cvmctl audit export -o chain
expect 0 "signature_checked        true" cvmctl audit verify chain --key record.pem
sed -i '0,/created/s//Created/' chain
expect 5 "CVM-AUDIT" cvmctl audit verify chain --key record.pem

# A domain of libvirt's becomes a VM; flags say what it cannot.
export CVMD_LIBVIRT=$build/worker/cvmd-libvirt
cat >domain.xml <<D
<domain type='kvm'><name>web3</name><memory unit='MiB'>256</memory><vcpu>1</vcpu><devices><disk type='file'>
<driver type='raw'/><source file='$work/disk'/><target dev='vda' bus='virtio'/><readonly/><serial>boot</serial><boot order='1'/>
</disk><video/></devices></domain>
D
expect 0 "not carried over: /domain/devices/video" cvmctl create --from-libvirt-xml domain.xml --simulate --accel tcg
expect 0 "runs" cvmctl start web3
expect 0 "was killed" cvmctl kill web3
expect 0 "deleted" cvmctl delete web3
cvmctl host check >checks || [ $? = 9 ]  # what this machine lacks is no fault of ours
grep -q PASS checks || fault "host check: $(cat checks)"
expect 0 "version" cvmctl status
[ -z "$(guests)" ] || fault "a process is left: $(guests)"

# What cannot be made leaves nothing behind, and says why.
definition web3 ',"colour":"red"' >web3.json
expect 2 "'colour'" cvmctl launch web3.json
mkfifo pipe
: >empty
for file in gone pipe empty . /dev/zero; do
        expect 2 "CVM-PATH" cvmctl create --name k --simulate --kernel "$file"
        expect 2 "CVM-PATH" cvmctl launch --name k --simulate --kernel "$file"
done
expect 2 "'user' names no account" cvmctl create web2.json --user nobody-has-this-name
expect 2 "no bootable image" cvmctl launch --name k --simulate --accel tcg --kernel web1.json
expect 0 "deleted" cvmctl delete k
expect 2 "CVM-DISK-FORMAT" cvmctl launch --name q --simulate --disk "path=$work/disk,format=qcow2,serial=boot" --boot-disk boot
expect 3 "CVM-NO-VM" cvmctl show q
truncate -s 1M base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw backed.qcow2
expect 2 "CVM-DISK-BACKING" cvmctl launch --name b --simulate --disk "path=$work/backed.qcow2,format=qcow2,serial=boot" --boot-disk boot
qemu-img create -q -f qcow2 -o data_file=data.raw data.qcow2 1M
expect 2 "CVM-DISK-DATA-FILE" cvmctl launch --name d --simulate --disk "path=$work/data.qcow2,format=qcow2,serial=boot" --boot-disk boot
end_faults
