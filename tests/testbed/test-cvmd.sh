#!/bin/bash
# Launches through cvmd and cvmctl, in the root and with its libraries: see cvmd-launches.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
"$testbed/build-cvmd" "$root" "$work"
in_root "$testbed/cvmd-launches.sh" "$cbitpos" || faults=1
end_testbed
