#!/bin/bash
# cvmctl and a daemon on a host with libvirt, whose driver is the default there: what libvirt was given, what it says of the
# host, and its domains as VMs. The libvirtd is the test's own.
set -euo pipefail
build=$1 source_dir=$2
[ -n "${CVM_LIBVIRTD:-}" ] || exec "$source_dir/tests/libvirt/with-libvirtd" "$0" "$@"
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
export CVMD_LIBVIRT=$build/worker/cvmd-libvirt

start_bus
chmod 755 "$work"
start_daemon --set Driver=libvirt --set "Libvirt=$CVMD_LIBVIRT"
cd "$work"
boot_sector disk
cat >web1.json <<D
{"version":1,"name":"web1","simulate":true,"memory":"256MiB","vcpus":1,"accel":"tcg","boot":{"disk":"boot"},
 "disks":[{"path":"$work/disk","format":"raw","readonly":true,"serial":"boot"}]}
D
# check_host: what cvmctl finds of libvirt, which the daemon must find too
check_host() {
        { cvmctl host check -o json || [ $? = 9 ]; } >checks
        busctl --address="$bus" --json=short call org.cvmd1 /org/cvmd1 org.cvmd1.Manager CheckHost >daemon-checks
        python3 - <<'P'
import json
ours = [[c["id"], c["verdict"], c["sentence"], c["remedy"]] for c in json.load(open("checks")) if c["id"].startswith("libvirt")]
daemon = [c for c in json.load(open("daemon-checks"))["data"][0] if c[0].startswith("libvirt")]
assert ours and ours == daemon, (ours, daemon)
print(*ours[0][:3])
P
}
check_host >row
grep -q '^libvirt PASS libvirt [0-9.]* answers' row || fault "$(cat row)"

# What libvirt was given is what it has, as far as it was asked for; and it stays that when somebody edits the domain.
expect 0 "web1 is defined" cvmctl create web1.json
expect 0 '"driver": "libvirt"' cvmctl show web1 -o json
expect 3 "CVM-NO-XML" cvmctl show web1 --xml
expect 0 "runs" cvmctl start web1
cvmctl show web1 --xml >given
python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' given || fault "no XML"
uuid=$(cvmctl show web1 -o json | sed -n 's/.*"id": "\(.*\)".*/\1/p')
virsh -c qemu:///system dumpxml --inactive cvmd-web1 >has
for line in "<name>cvmd-web1</name>" "<uuid>$uuid</uuid>" "<memory unit='KiB'>262144</memory>"; do
        for file in given has; do grep -qF "$line" $file || fault "$file has no $line"; done
done
expect 3 "CVM-LIBVIRT-DOMAIN" cvmctl create --from-libvirt cvmd-web1
expect 0 "was killed" cvmctl kill web1
sed 's/262144/524288/g' has >edited
virsh -c qemu:///system -q define edited
cvmctl show web1 --xml | cmp - given || fault "something else was given"
expect 0 "deleted" cvmctl delete web1
expect 3 "CVM-NO-VM" cvmctl show web1 --xml

# Its console, also when the daemon died at it, while more is typed than the guest takes.
expect 0 "web3 is defined" cvmctl create web1.json --name web3
expect 0 "runs" cvmctl start web3
expect 2 "CVM-CONSOLE" cvmctl console web3
expect 0 "was killed" cvmctl kill web3
sed 's/"version":1/&,"console":"interactive"/' web1.json >interactive.json
truncate -s 1M disk # the least that SeaBIOS boots from
expect 0 '"applied": true' cvmctl update web3 interactive.json --name web3 -o json
expect 0 "runs" cvmctl start web3
mkfifo silence
exec {silence}<>silence
dots=$(printf '.%.0s' {1..100})
prints() { [ "$(timeout 60 "$build/cli/cvmctl" --bus "$bus" console web3 <&$silence 2>/dev/null | head -c 1000 | tail -c 100)" = "$dots" ]; }
prints || fault "nothing on the console"
printed() { until [ -s printed ]; do sleep 0.1; done; }
>printed
{ printed; exec cat /dev/zero; } | "$build/cli/cvmctl" --bus "$bus" console web3 >printed 2>/dev/null &
console=$!
printed
expect 8 "CVM-CONSOLE-BUSY" cvmctl console web3
end_daemon KILL
wait $console || true # it has ended
start_daemon --set Driver=libvirt --set "Libvirt=$CVMD_LIBVIRT"
prints || fault "nothing on the console when the daemon is back"
cvmctl logs web3 >logs
grep -q "$dots" logs || fault "nothing in the log"
expect 0 "was killed" cvmctl kill web3
expect 0 "deleted" cvmctl delete web3

# A domain of libvirt's own becomes a VM, and is left as it is.
cat >db1.xml <<D
<domain type='qemu'><name>db1</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><disk type='file' device='disk'>
<driver name='qemu' type='raw'/><source file='$work/disk'/><target dev='vda' bus='virtio'/><readonly/><serial>boot</serial>
<boot order='1'/></disk><graphics type='vnc'/></devices></domain>
D
virsh -c qemu:///system -q define db1.xml
virsh -c qemu:///system dumpxml db1 >before
expect 0 "not carried over: /domain/devices/graphics" cvmctl create --from-libvirt db1 --simulate --accel tcg
virsh -c qemu:///system dumpxml db1 | cmp - before || fault "the domain was changed"
expect 0 "runs" cvmctl start db1
cvmctl show db1 --xml | grep -qF "<name>cvmd-db1</name>" || fault "db1 is no domain of ours"
expect 0 "was killed" cvmctl kill db1
expect 3 "CVM-LIBVIRT-DOMAIN" cvmctl create --from-libvirt nobody

# Its own driver where the definition says so.
expect 0 "web2 is running" cvmctl launch web1.json --name web2
cvmctl kill web2 >/dev/null
sed 's/"version":1/&,"driver":"qemu"/' web1.json >by-qemu.json
expect 0 '"applied": true' cvmctl update web2 by-qemu.json --name web2 -o json
expect 0 "runs" cvmctl start web2
expect 3 "CVM-NO-XML" cvmctl show web2 --xml
expect 0 "was killed" cvmctl kill web2

# Guests of another architecture: without its QEMU, with one that libvirt cannot ask, with one that is another's
end_daemon
hide_programs s390x "$work/programs"
start_daemon --set Driver=libvirt --set "Libvirt=$CVMD_LIBVIRT"
mkdir parts
"$build/tests/cli/cli-make-se" scene parts
cvmctl host show --simulation-hosts -q >hosts.pem
cvmctl host show --simulation-root -q >root.pem
cvmctl image build --kernel parts/kernel --loader-dir parts --host-key-document hosts.pem --cert hosts.pem --root-ca root.pem \
        --offline -q -o image >built
echo '{"version":1,"name":"z1","platform":"secure-execution","simulate":true,"memory":"256MiB","boot":{"kernel":"'"$work"'/image"}}' >z1.json
expect 0 "z1 is defined" cvmctl create z1.json
expect 9 "CVM-NO-QEMU" cvmctl start z1
expect 9 "'qemu-system-s390x' is not there" cvmctl start z1
printf '#!/bin/sh\nexit 1\n' >programs/qemu-system-s390x
chmod 755 programs/qemu-system-s390x
expect 9 "libvirt asked the QEMU for this guest what it can do, and it ended" cvmctl start z1
printf '#!/bin/sh\nexec qemu-system-x86_64 "$@"\n' >programs/qemu-system-s390x
expect 9 "the QEMU that libvirt found does not know the machine" cvmctl start z1
expect 0 "CVM-QEMU-OPTION" cvmctl show z1
grep -lF "<emulator>$work/" /var/cache/libvirt/qemu/capabilities/*.xml | xargs -r rm # libvirt's memory outlives the test
"$CVM_LIBVIRTD" kill
check_host >row # the default driver here
grep -q '^libvirt FAIL libvirt cannot be reached' row || fault "$(cat row)"
end_daemon
{ cvmctl host check || [ $? = 9 ]; } >checks # nobody knows which is the default
grep -q '^libvirt  *WARN *libvirt cannot be reached' checks || fault "$(cat checks)"
expect 9 "CVM-LIBVIRT-CONNECTION" cvmctl create --from-libvirt db1
end_faults
