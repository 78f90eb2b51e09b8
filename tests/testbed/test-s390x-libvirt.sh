#!/bin/bash
# Protected images on an emulated s390x by libvirt, in the root: see s390x-loop.sh, s390x-dump.sh, and s390x-protected.sh for which libvirt
# takes this machine for an s390x.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
start_s390x
"$testbed/build-cvmd" "$root" "$work"
mkdir loop dump protected protected/bin
in_root gcc -shared -fPIC -o protected/s390x-host.so "$testbed/s390x-host.c"
cp testbed.so protected
chmod 644 protected/*.so
printf '#!/bin/sh\nLD_PRELOAD="%s %s" exec /usr/sbin/libvirtd "$@"\n' "$work"/protected/{s390x-host,testbed}.so >protected/bin/libvirtd
chmod 755 . protected/bin/libvirtd
for part in loop dump protected; do
        work=$work/$part in_root env "PATH=$work/$part/bin:/usr/sbin:/usr/bin:/sbin:/bin" CVM_DRIVER=libvirt "CVMD_CACHE=$work/$part" \
                "CVM_LIBVIRTD=$testbed/../libvirt/libvirtd" "$testbed/../libvirt/with-libvirtd" "$testbed/s390x-$part.sh" ||
                faults=$((faults + 1))
done
end_testbed
