#!/bin/bash
# Trust domains through cvmd and cvmctl, in the root and with its libraries: see cvmd-tds.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
"$testbed/build-cvmd" "$root" "$work"
in_root "$testbed/cvmd-tds.sh" || faults=1
end_testbed
