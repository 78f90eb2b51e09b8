#!/bin/bash
# The host's word, checked on the owner's side: audit chains and teardown records; and the guest's BYE in them.
. "$(dirname "$0")/expect.sh"

"$cvmctl" owner init -q >owner.json
"$make" bundle . good "$(printf '5%.0s' {1..64})" >bundle.json
"$make" audit . 3 >chain
"$make" audit . 5 >longer
key=public-record.pem

expect 0 '"signature_checked":true' "$cvmctl" audit verify chain --key "$key" -o jsonl
expect 0 "who signed the head was not checked" "$cvmctl" audit verify chain
kept=$("$cvmctl" audit verify chain --key "$key" -o name)
expect 0 '"rows":5' "$cvmctl" audit verify longer --key "$key" --since "$kept" -o jsonl
expect 5 "CVM-AUDIT-SINCE" "$cvmctl" audit verify longer --key "$key" --since "$(printf 'a%.0s' {1..64})"
expect 0 '"rows":5' "$cvmctl" audit verify <(sed 1d longer) --key "$key" -o jsonl # from the middle: its first row says where
expect 5 "CVM-AUDIT" "$cvmctl" audit verify <(sed 2d longer) --key "$key"
expect 5 "CVM-AUDIT" "$cvmctl" audit verify <(sed '2s/Launch/Delete/' longer) --key "$key"
expect 5 "the chain's head" "$cvmctl" audit verify <(sed '$d' longer) --key "$key"
expect 5 "CVM-AUDIT" "$cvmctl" audit verify <(head -c -1 longer) --key "$key"
expect 5 "CVM-AUDIT" "$cvmctl" audit verify <(head -n 4 longer; tail -n 1 chain) --key "$key"
expect 5 "CVM-SIGNATURE" "$cvmctl" audit verify chain --key public-boot-sig.pem
expect 2 "--since must be" "$cvmctl" audit verify chain --since 5
expect 5 "CVM-AUDIT" "$cvmctl" audit verify /dev/null

"$make" record . bye >bye
expect 0 '"bye_checked":true' "$cvmctl" record show bye --key "$key" --bundle bundle.json -o jsonl
expect 0 "'host_says' is the host's word" "$cvmctl" record show bye --key "$key"
expect 0 '"signature_checked":false' "$cvmctl" record show bye -o jsonl
expect 5 "CVM-SIGNATURE" "$cvmctl" record show bye --key public-boot-sig.pem
expect 5 "CVM-ENVELOPE" "$cvmctl" record show owner.json
"$make" record . forged-bye >forged
expect 5 "CVM-SIGNATURE" "$cvmctl" record show forged --key "$key" --bundle bundle.json
"$make" record . list >list
expect 5 "the record is no object" "$cvmctl" record show list
"$make" record . no-bye >none
expect 0 '"bye":null' "$cvmctl" record show none --key "$key" -o jsonl
expect 5 "CVM-RECORD-BYE" "$cvmctl" record show none --key "$key" --bundle bundle.json
end
