#!/bin/bash
# The whole loop with the real agent and a guest of SEV-SNP, in the root and with its libraries: see cvmd-guest.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed
"$testbed/build-cvmd" "$root" "$work"
in_root "$testbed/cvmd-guest.sh" sev-snp "$cbitpos" || faults=1
end_testbed
