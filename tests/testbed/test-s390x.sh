#!/bin/bash
# Protected images on an emulated s390x, in the root: see s390x-image.sh, s390x-loop.sh, s390x-protected.sh and s390x-dump.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
start_s390x
"$testbed/build-cvmd" "$root" "$work"
for part in image loop protected dump; do
        mkdir $part
        work=$work/$part in_root "$testbed/s390x-$part.sh" || faults=$((faults + 1))
done
end_testbed
