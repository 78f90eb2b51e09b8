#!/bin/bash
# Protected images boot on an emulated s390x, in the root: see s390x-image.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
start_s390x
"$testbed/build-cvmd" "$root" "$work"
in_root "$testbed/s390x-image.sh" || faults=1
end_testbed
