#!/bin/bash
# Deaths of cvmd during launches on hardware, in the root and with its libraries: see cvmd-deaths.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
"$testbed/build-cvmd" "$root" "$work"
in_root "$testbed/cvmd-deaths.sh" "$cbitpos" || faults=1
end_testbed
