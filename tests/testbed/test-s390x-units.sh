#!/bin/bash
# Unit tests on an emulated s390x, in the root: see s390x-units.sh. Published vectors are among them where they are.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
vectors=${CVM_SHARED:-$testbed/../../../shared}/vectors
start_testbed
start_s390x
"$testbed/build-cvmd" "$root" "$work"
[ ! -d "$vectors" ] || cp -r "$vectors" .
in_root "$testbed/s390x-units.sh" "$([ ! -d vectors ] || echo vectors)" || faults=1
end_testbed
