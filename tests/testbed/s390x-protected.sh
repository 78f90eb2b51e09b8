#!/bin/bash
# In the root: a protected image is launched as on hardware, by the driver that CVM_DRIVER names, on a host that was recorded.
# Its QEMU is one for plain guests that says it makes protected ones too: so what starts is the image as it is, and its loader
# finds that the machine has no ultravisor.
set -euo pipefail
. "$(dirname "$0")/scene.sh"
tree=$(cd "$here/../.." && pwd)
make_se=$build/tests/cli/cli-make-se packages=/opt/s390x/usr
trap end_processes EXIT

mkdir -p bin seen hosts host/{proc,dev,sys/firmware/uv/keys}
chmod 755 . bin
chmod 1777 seen
cat >bin/qemu-system-s390x <<Q
#!/bin/bash
[[ "\$*" != *"-machine none -chardev"* ]] || exec /usr/bin/python3 $tree/tests/vm/scripted-qemu.py running -- "\$@" # asked by cvmd
[[ "\$*" != *s390-pv-guest* ]] || printf '%s\n' "\$@" >$work/seen/arguments
[ ! -e $work/refused ] || echo "KVM PV command 2 (KVM_PV_SET_SEC_PARMS) failed: header rc 108 rrc 5 IOCTL rc: -22" >&2
words=("\${@/s390-pv-guest/rng-builtin}")
words=("\${words[@]/,confidential-guest-support=*/}")
words=("\${words[@]/accel=kvm/accel=tcg}")
words=("\${words[@]/#kvm/tcg}")
words=("\${words[@]/#host/max}")
LD_PRELOAD= exec /usr/bin/qemu-system-s390x "\${words[@]}"
Q
chmod 755 bin/qemu-system-s390x
export PATH=$work/bin:$PATH

# The host, and an image for it
"$make_se" scene hosts
"$build/cli/cvmctl" image build --platform se --kernel $packages/lib/modules/*/vmlinuz --loader-dir $packages/share/s390-tools/pvimg \
        --cert hosts/signer.pem --cert hosts/inter.pem --crl hosts/lists.pem --root-ca hosts/root.pem --offline \
        --at 2027-01-15T08:00:00Z --host-key-document hosts/host1.pem -q -o image >built
printf 'vendor_id : IBM/S390\n' >host/proc/cpuinfo
touch host/dev/kvm
echo 1 >host/sys/firmware/uv/prot_virt_host
"$build/cli/cvmctl" image show image -q -o jsonl | sed 's/.*"host_keys":\["\([0-9a-f]*\)".*/\1/' >host/sys/firmware/uv/keys/all
cat >guest.json <<D
{"version": 1, "name": "guest", "platform": "secure-execution", "memory": "256MiB", "vcpus": 1, "boot": {"kernel": "$work/image"},
 "console": "interactive"}
D

start_bus
start_daemon --set "HostRoot=$work/host"
cvmctl create guest.json -q

# libvirt has to find protected guests on its host, too: on this one, and in what it remembers of its QEMU
libvirt_finds() {
        expect 9 "CVM-KVM" cvmctl start guest
        expect 9 "libvirt says that QEMU cannot use KVM here" cvmctl start guest
        mount -t tmpfs cvmd-test /sys/firmware
        mkdir /sys/firmware/uv
        echo 1 >/sys/firmware/uv/prot_virt_host
        echo "prot_virt=1" >cmdline
        mount --bind cmdline /proc/cmdline
        "$CVM_LIBVIRTD" kill
        "$here/s390x-abilities.py" "$(grep -l "<emulator>$work/bin/qemu-system-s390x<" /var/cache/libvirt/qemu/capabilities/*.xml)"
        "$CVM_LIBVIRTD" start
        expect 0 '"secure-execution":{"listed":true,"feature":"yes"}' "$build/worker/cvmd-libvirt" capabilities <<<"{}"
}

# stops CODE [TIMES]: a start ends with that
stops() {
        cvmctl start guest -q >started 2>&1 || true # it may have ended already
        until_event guest "$@"
}

[ "${CVM_DRIVER:-qemu}" = qemu ] || libvirt_finds
stops CVM-KVM-CONFIDENTIAL
expect 0 "the guest is offered no protection (facility 161): this is no host for protected guests" cvmctl show guest
[ "$(shown guest state)" = failed ] || fault "a guest that stopped for good is $(shown guest state)"
expect 0 "Secure unpack facility is not available" cvmctl logs guest
cvmctl list >listed
grep -q '^guest failed unverified secure-execution ' listed || fault "$(cat listed)"
grep -q '^{"qom-type": *"s390-pv-guest"' seen/arguments || fault "QEMU was asked for no protected guest: $(cat seen/arguments)"

# What libvirt adds of its own is nothing that the guest sees, and no change to what cvmd defined
if [ "${CVM_DRIVER:-qemu}" = libvirt ]; then
        cvmctl show guest --xml >given
        virsh -q -c qemu:///system dumpxml --inactive cvmd-guest >has
        for file in given has; do grep -qF "<launchSecurity type='s390-pv'/>" $file || fault "$file: no protected guest"; done
        devices=$(sed -n '/<devices>/,/<\/devices>/s/^    <\([a-z]*\).*/\1/p' has | sort -u | xargs)
        [ "$devices" = "audio channel console controller emulator memballoon panic" ] || fault "libvirt's devices are $devices"
        for line in "<controller type='usb' index='0' model='none'/>" "<audio id='1' type='none'/>" "<memballoon model='none'/>" \
                "<panic model='s390'/>" "<cpu mode='host-passthrough' check='none'>"; do
                grep -qF "$line" has || fault "libvirt has no $line"
        done
        grep '^{"driver":' seen/arguments | grep -vF -e virtio-serial-ccw -e virtserialport -e sclpconsole && fault "devices of its own"
fi

# What QEMU says of the ultravisor is closer to the cause than what the loader does
touch refused
stops CVM-HOST-KEY-SLOT
expect 0 "the image was not built for this host" cvmctl show guest
expect 0 "KVM_PV_SET_SEC_PARMS" cvmctl logs guest
rm refused

# It is the same guest for those who come after, and each boot has its own cause
end_daemon KILL
[ "${CVM_DRIVER:-qemu}" = qemu ] || { "$CVM_LIBVIRTD" kill && "$CVM_LIBVIRTD" start; }
start_daemon --set "HostRoot=$work/host"
stops CVM-KVM-CONFIDENTIAL 2
[ "$(cvmctl logs guest -q | grep -c "Secure unpack")" = 1 ] || fault "an earlier boot is in the logs: $(cvmctl logs guest)"
cvmctl events guest --since 0 -o jsonl | grep CVM-DOMAIN-CHANGED && fault "it was changed"
end_faults
