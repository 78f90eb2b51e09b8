#!/bin/bash
# In the root: protected images of a real kernel with the distribution's loader, on an emulated machine of s390x.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
build=/var/cache/cvmd$tree cross=/var/cache/cvmd-s390x$tree
. "$here/../system/expect.sh"
cvmctl=$build/cli/cvmctl make_se=$build/tests/cli/cli-make-se
packages=/opt/s390x/usr loader=/opt/s390x/usr/share/s390-tools/pvimg
now=2027-01-15T08:00:00Z # when the certificates of make-se are valid

# boots FILE WORDS: the machine starts FILE, and its console says WORDS
boots() {
        local line found=no
        coproc exec qemu-system-s390x -accel tcg -machine s390-ccw-virtio -cpu max -m 512 -nodefaults -no-user-config -no-reboot \
                -display none -chardev stdio,id=console -device sclpconsole,chardev=console -kernel "$1" \
                -chardev socket,id=agent,path=agent.sock,server=on,wait=off -device virtio-serial-ccw \
                -device virtserialport,chardev=agent,name=org.cvmd.agent.0 2>&1
        while read -r -t 120 line <&"${COPROC[0]}"; do
                echo "$line"
                [[ $line != *"$2"* ]] || { found=yes; break; }
        done
        kill "$COPROC_PID" 2>/dev/null || true
        wait "$COPROC_PID" || true
        [ $found = yes ] || fault "$1: no '$2' on the console"
}

mkdir hosts opened
"$make_se" scene hosts
"$cvmctl" owner init --key owner.pem -q >owner
s390x-linux-gnu-strip -o cvm-agent "$cross/guest-agent/cvm-agent"
"$tree/guest-agent/make-initrd" /opt/s390x cvm-agent initrd $packages/bin/busybox
kernel=$(echo $packages/lib/modules/*/vmlinuz)
expect 0 '"kind":"initrd"' "$cvmctl" image build --platform se --kernel "$kernel" --initrd initrd \
        --cmdline "console=ttysclp0 quiet panic=-1" --owner-key owner.pem --loader-dir $loader --cert hosts/signer.pem \
        --cert hosts/inter.pem --crl hosts/lists.pem --root-ca hosts/root.pem --at $now --host-key-document hosts/host1.pem -o image

# As it is: this machine has no ultravisor, which the loader finds and says
boots image "Secure unpack facility is not available"

# Opened by the host that it was built for, and by no other: what was built boots, and the agent waits for its owner
size=$(stat -c %s $loader/stage3a.bin)
expect 1 "does not start" "$make_se" start image hosts/host2.key "$size" opened
expect 0 "" "$make_se" start image hosts/host1.key "$size" opened
cmp "$kernel" opened/kernel || fault "another kernel"
cmp initrd opened/initrd || fault "another initrd"
boots opened/flat "cvm: waits for binding"
end_faults
