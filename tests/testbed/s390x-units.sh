#!/bin/bash
# In the root: the unit tests of the agent, of the layers below it and of the platform itself, in a guest of s390x, which has
# the other byte order: s390x-units.sh [VECTORS]. Those that verify hundreds of signatures would take minutes there, and are
# left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
build=/var/cache/cvmd$tree cross=/var/cache/cvmd-s390x$tree
. "$here/../system/expect.sh"
packages=/opt/s390x/usr

# What the tests read stands at its path here
mkdir -p initrd/{bin,dev,proc,sys,tmp,tests,lib} "initrd$tree"/{doc,tests/attest} "initrd$cross"/{guest-agent,tests}
cp $packages/bin/busybox initrd/bin
cp -L $packages/lib/ld64.so.1 $packages/lib/s390x-linux-gnu/{libc.so.6,libcrypto.so.3,libjson-c.so.5,libsqlite3.so.0,libcmocka.so.0} \
        $packages/lib/s390x-linux-gnu/{libz.so.1,libzstd.so.1,libm.so.6} initrd/lib
cp "$tree"/doc/{protocol.md,definition.schema.json} "initrd$tree/doc"
cp -r "$tree/tests/attest/data" "initrd$tree/tests/attest"
cp "$build/tests/simulation-root.json" "initrd$cross/tests"
s390x-linux-gnu-strip -o "initrd$cross/guest-agent/cvm-agent" "$cross/guest-agent/cvm-agent"
for file in "$cross"/tests/{base,attest,guest-agent}/*-test-* "$cross"/tests/{launch,sim}/*-test-*-se; do
        case $file in *-appraise* | *-chain-* | *-collateral-* | *-crl-* | *-evidence-tdx | *-hkd-se | *-vectors-tdx) continue ;; esac
        s390x-linux-gnu-strip -o "initrd/tests/$(basename "$file")" "$file"
done
[ -z "${1:-}" ] || { mkdir initrd/shared && cp -r "$1" initrd/shared; }
cat >initrd/init <<'I'
#!/bin/busybox sh
export PATH=/bin CVM_SHARED=/shared
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /dev/shm
mount -t tmpfs shm /dev/shm
ip link set lo up
ls /tests | xargs -n 1 -P 2 one
[ -e /tmp/failed ] || echo "TESTS passed"
poweroff -f
I
cat >initrd/bin/one <<'I'
#!/bin/busybox sh
mkdir /tmp/$1
cd /tmp/$1
/tests/$1 >said 2>&1
status=$?
echo "TEST $1 $status"
case $status in 0 | 77) ;; *) tail -n 40 said; touch /tmp/failed ;; esac
I
chmod +x initrd/init initrd/bin/one
(cd initrd && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >initrd.cpio
timeout 800 qemu-system-s390x -accel tcg -machine s390-ccw-virtio -cpu max -smp 2 -m 1024 -nodefaults -no-user-config -no-reboot \
        -display none -chardev stdio,id=console -device sclpconsole,chardev=console -kernel $packages/lib/modules/*/vmlinuz \
        -initrd initrd.cpio -append "console=ttysclp0 quiet panic=-1" </dev/null | tee said
grep -q '^TESTS passed' said || fault "a test failed, or the guest did not run to its end"
end_faults
