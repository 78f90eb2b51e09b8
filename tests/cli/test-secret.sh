#!/bin/bash
# Secrets and approvals: sealed only with a verdict of this owner on this very boot; receipts are the guest's word.
. "$(dirname "$0")/expect.sh"

"$cvmctl" owner init -q >owner.json
"$cvmctl" owner init --key other.pem -q >other.json
nonce=$(printf '5%.0s' {1..64})
"$make" bundle . good "$nonce" all >good.json
"$cvmctl" policy make --from prediction.json --binding binding.json --hosts any --simulation-root root.pem -q -o p.json
verify() { # BUNDLE VERDICT [ARGUMENT...]
        "$cvmctl" evidence verify "$1" --nonce "$nonce" --policy "${policy:-p.json}" --at "$now" --owner-key owner.pem --verdict "$2" -q \
                "${@:3}" >/dev/null
}
verify good.json v.json
printf 'correct horse\n' >plain

seal() { "$cvmctl" secret seal db --bundle "${bundle:-good.json}" --in plain --owner-key "${key:-owner.pem}" "$@"; }
expect 0 "SIMULATED: " seal --verdict v.json -o s.json
[ "$("$make" open . s.json 2>header)" = "correct horse" ] || fault "the guest reads another secret"
grep -q "platform 129 kind file name db generation 0" header || fault "another header: $(cat header)"
[ -z "$(seal --verdict v.json -o s2.json 2>&1 | grep -i horse)" ] || fault "the plaintext is printed"
! grep -q "$(base64 <plain)" s.json || fault "the plaintext is in the envelope"
! cmp -s s.json s2.json || fault "two seals are equal"
[ "$("$make" open . s2.json 2>&1 >/dev/null | sed 's/.*seq //')" -gt "$(sed 's/.*seq //' header)" ] || fault "seq does not rise"
seal --verdict v.json --after 9000000000000 -o late.json -q
"$make" open . late.json 2>&1 >/dev/null | grep "seq 9000000000001" >/dev/null || fault "--after is not heeded"
seal --verdict v.json --kind disk-key -q | "$make" open . - 2>&1 | grep "kind disk-key" >/dev/null || fault "--kind is not heeded"
"$cvmctl" secret seal db --bundle good.json --verdict v.json -q <plain | "$make" open . - 2>/dev/null | cmp - plain ||
        fault "standard input is not sealed"

# No release without an accepted verdict, by this key, on this very evidence.
expect 6 "CVM-VERDICT-MISSING" seal
"$make" bundle . no-chain "$nonce" >no-chain.json
verify no-chain.json unknown.json && fault "evidence without its chain is accepted"
bundle=no-chain.json expect 6 "says: could-not-check" seal --verdict unknown.json
"$make" bundle . debug "$nonce" >debug.json
verify debug.json refused.json && fault "a debug guest is accepted"
bundle=debug.json expect 6 "says: refused" seal --verdict refused.json
key=other.pem expect 5 "CVM-SIGNATURE" seal --verdict v.json
expect 5 "CVM-SIGNATURE" seal --verdict <(sed 's/"payload":"eyJ2/"payload":"eyJ3/' v.json)
expect 5 "CVM-ENVELOPE" seal --verdict p.json
expect 5 "CVM-ENVELOPE" seal --verdict binding.json
"$make" bundle . swapped-keyset "$nonce" >swapped.json
bundle=swapped.json expect 5 "CVM-VERDICT-OTHER-BOOT" seal --verdict v.json
"$make" bundle . changed-binding "$nonce" >changed.json
bundle=changed.json expect 5 "CVM-VERDICT-VM" seal --verdict v.json
bundle=<(sed 's/-000000000001"/-000000000002"/' good.json) expect 5 "CVM-VERDICT-VM" seal --verdict v.json
bundle=<(sed 's/"generation":0/"generation":1/' good.json) expect 5 "CVM-VERDICT-OTHER-BOOT" seal --verdict v.json
"$make" bundle . good "$nonce" >again.json # the same boot, another report: the verdict is on the first
bundle=again.json expect 5 "CVM-VERDICT-OTHER-BOOT" seal --verdict v.json
bundle=<(sed 's/"simulated":true/"simulated":false/' good.json) expect 5 "CVM-CLASS-SIMULATED" seal --verdict v.json

# A guest without owner takes nothing, however accepted.
"$make" bundle . unowned "$nonce" >unowned.json
sed 's/"binding": "[0-9a-f]*",//; s/"unowned": false/"unowned": true/; s/"root": "owner-keyed[^"]*"/"root": "none"/' p.json >p-unowned.json
policy=p-unowned.json verify unowned.json v-unowned.json || fault "the unowned guest is not accepted"
bundle=unowned.json expect 2 "CVM-UNOWNED" seal --verdict v-unowned.json

# The generation comes from the evidence.
"$make" bundle . generation "$nonce" >seven.json
verify seven.json v7.json || fault "generation 7 is not accepted"
bundle=seven.json seal --verdict v7.json -q | "$make" open . - 2>&1 >/dev/null | grep "generation 7" >/dev/null || fault "another generation is sealed"

# Caps and names.
head -c 262144 /dev/zero >largest
expect 0 "" "$cvmctl" secret seal big --bundle good.json --verdict v.json --in largest -o big.json
expect 2 "at most 262144 bytes" "$cvmctl" secret seal big --bundle good.json --verdict v.json --in <(head -c 262145 /dev/zero)
expect 2 "is no name of a secret" "$cvmctl" secret seal ../x --bundle good.json --verdict v.json --in plain
expect 2 "is no name of a secret" "$cvmctl" secret seal "" --bundle good.json --verdict v.json --in plain
expect 2 "--kind must be file or disk-key" seal --verdict v.json --kind release
expect 2 "--bundle is needed" "$cvmctl" secret seal db --verdict v.json --in plain
expect 2 "'gone' cannot be opened" "$cvmctl" secret seal db --bundle good.json --verdict v.json --in gone
expect 2 "standard input is empty, and a secret has" "$cvmctl" secret seal db --bundle good.json --verdict v.json </dev/null

# Receipts.
receipt() { "$cvmctl" secret receipt "$1" --bundle good.json "${@:2}"; }
"$make" receipt . installed s.json >installed.json
expect 0 "The guest's word, by its attested boot key: 'db' installed" receipt installed.json --secret s.json
expect 0 '"result":"installed"' receipt installed.json -o jsonl
"$make" receipt . stale s.json >stale.json
expect 5 '"result":"stale"' receipt stale.json --secret s.json -o jsonl
"$make" receipt . refused s.json >refused-receipt.json
expect 5 "'db' refused" receipt refused-receipt.json
expect 5 "CVM-RECEIPT" receipt installed.json --secret s2.json
"$make" receipt . installed s.json forged >forged.json
expect 5 "CVM-SIGNATURE" receipt forged.json
expect 5 "CVM-SIGNATURE" "$cvmctl" secret receipt installed.json --bundle good.json --secret s.json --owner-key other.pem
expect 5 "CVM-ENVELOPE" receipt v.json

# Approvals need the same; start permits do not, and say what they are.
approve() { "$cvmctl" sign approval --bundle "${bundle:-good.json}" --owner-key "${key:-owner.pem}" "$@"; }
expect 0 '"payloadType":"application/vnd.cvmd.approval.v1+json"' approve --verdict v.json
expect 6 "CVM-VERDICT-MISSING" approve
bundle=swapped.json expect 5 "CVM-VERDICT-OTHER-BOOT" approve --verdict v.json
key=other.pem expect 5 "CVM-SIGNATURE" approve --verdict v.json
request() { # WAITS-FOR NONCE
        echo "{\"waits_for\":\"$1\",\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\",\"binding\":\"$(printf 'a%.0s' {1..96})\",\"keyset\":null,\"start_nonce\":$2}"
}
request start-permit "\"$nonce\"" >request.json
expect 0 "operator's convenience" "$cvmctl" sign start-permit --request request.json --expires-in 60 -o permit.json
sed 's/.*"payload":"\([^"]*\)".*/\1/' permit.json | base64 -d >permit
grep -q "\"start_nonce\":\"$nonce\",\"expiry\":\"20" permit || fault "the permit says: $(cat permit)"
expect 8 "not for a start permit" "$cvmctl" sign start-permit --request <(request approval null)
expect 2 "'start_nonce'" "$cvmctl" sign start-permit --request <(request start-permit '"55"')
expect 2 "--request is needed" "$cvmctl" sign start-permit
end
