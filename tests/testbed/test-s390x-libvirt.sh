#!/bin/bash
# Protected images on an emulated s390x by libvirt, in the root: see s390x-loop.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
start_s390x
"$testbed/build-cvmd" "$root" "$work"
in_root env CVM_DRIVER=libvirt "CVMD_CACHE=$work" "CVM_LIBVIRTD=$testbed/../libvirt/libvirtd" \
        "$testbed/../libvirt/with-libvirtd" "$testbed/s390x-loop.sh" || faults=1
end_testbed
