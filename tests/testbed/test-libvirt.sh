#!/bin/bash
# Launches through cvmd by libvirt, in the root and with its libraries: see cvmd-domains.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
"$testbed/build-cvmd" "$root" "$work"
mkdir bin
printf '#!/bin/sh\nLD_PRELOAD=%s exec /usr/sbin/libvirtd "$@"\n' "$work/testbed.so" >bin/libvirtd # it asks KVM itself
chmod +x bin/libvirtd
in_root env "PATH=$work/bin:/usr/sbin:/usr/bin:/sbin:/bin" "CVMD_CACHE=$work" "CVM_LIBVIRTD=$testbed/../libvirt/libvirtd" \
        "$testbed/../libvirt/with-libvirtd" "$testbed/cvmd-domains.sh" "$cbitpos" || faults=1
end_testbed
