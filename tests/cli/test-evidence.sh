#!/bin/bash
# The owner's verdict by files: accepted, each refusal by its code with exit 5, what cannot be checked with exit 6.
. "$(dirname "$0")/expect.sh"

"$cvmctl" owner init -q >owner.json
nonce=$(printf '5%.0s' {1..64})
"$make" bundle . good "$nonce" all >good.json
"$cvmctl" policy make --from prediction.json --binding binding.json --hosts any --simulation-root root.pem -q -o p.json

# judge STATUS WORDS BUNDLE [ARGUMENT...]
judge() {
        expect "$1" "$2" "$cvmctl" evidence verify "$3" --nonce "$nonce" --policy "${policy:-p.json}" --at "$now" \
                --owner-key owner.pem "${@:4}"
}

judge 0 '"result":"accepted"' good.json -o jsonl
judge 0 '"covers":{"firmware":true,"kernel":true,"initrd":true,"cmdline":true,"acpi":false,"root":"owner-keyed, replay not detected"}' \
        good.json -o jsonl
judge 0 "SIMULATED: " good.json
judge 0 '"reasons":[]' good.json -o jsonl
[ "$("$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --at "$now" --owner-key owner.pem -o name -q 2>&1)" = accepted ] ||
        fault "-o name -q says more than the result"

# Each refusal: its code, exit 5, and no other code beside it.
refuse() { # CODE VARIATION
        "$make" bundle . "$2" "$nonce" >"$2.json"
        judge 5 '"result":"refused"' "$2.json" -o jsonl
        judge 5 "\"code\":\"$1\"" "$2.json" -o jsonl
        judge 5 "$1: " "$2.json"
        [ "$("$cvmctl" evidence verify "$2.json" --nonce "$nonce" --policy p.json --at "$now" --owner-key owner.pem -o jsonl 2>/dev/null |
                grep -o '"code":"[^"]*"' | sort -u)" = "$(for c in "$1" "${@:3}"; do echo "\"code\":\"$c\""; done | sort -u)" ] ||
                fault "$2 has other codes than $*"
}
refuse CVM-CLASS-HARDWARE hardware CVM-BINDING
refuse CVM-DEBUG debug
refuse CVM-REPORT-DOMAIN migration
refuse CVM-MEASUREMENT other-kernel
refuse CVM-REPORT-DATA swapped-keyset
refuse CVM-REPORT-SIGNATURE changed-report
refuse CVM-HOST-DATA changed-binding CVM-BINDING CVM-REPORT-DATA
refuse CVM-UNOWNED-EVIDENCE unowned CVM-COVERAGE
refuse CVM-SIGNATURE foreign
nonce=$(printf '6%.0s' {1..64}) judge 5 "CVM-NONCE: " good.json

# What could not be checked is neither: exit 6.
"$make" bundle . no-chain "$nonce" >no-chain.json
judge 6 '"result":"could-not-check"' no-chain.json -o jsonl
judge 6 "CVM-CHAIN-MISSING: " no-chain.json
expect 6 "CVM-OWNER-UNKNOWN: " "$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --at "$now"
sed 's/"platform":"sev-snp"/"platform":"secure-execution"/' good.json >se.json
sed 's/"sev-snp"/"secure-execution"/' p.json >p-se.json
policy=p-se.json judge 5 "CVM-REPORT-FORMAT: " se.json
judge 5 "CVM-POLICY-PLATFORM: " se.json
# Both kinds of reasons together: refused.
nonce=$(printf '6%.0s' {1..64})
expect 5 '"result":"refused"' "$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --at "$now" -o jsonl
nonce=$(printf '5%.0s' {1..64})

# The other class: simulated evidence under a policy for hardware.
mkdir hw && cp owner.pem hw
"$make" bundle hw hardware "$nonce" all >hw/bundle.json
expect 2 "'simulation_root' may stand only" "$cvmctl" policy make --from hw/prediction.json --hosts any --min-tcb any --simulation-root root.pem
"$cvmctl" policy make --from hw/prediction.json --binding hw/binding.json --hosts any --min-tcb any -q -o p-hw.json
policy=p-hw.json judge 5 "CVM-CLASS-SIMULATED: " good.json
policy=p-hw.json judge 5 "CVM-REPORT-ROOT: " hw/bundle.json # AMD's names, not AMD's key

# A debug guest passes only where it is accepted by name.
mkdir dbg && cp owner.pem dbg
"$make" bundle dbg debug "$nonce" all >dbg/bundle.json
make_debug() { "$cvmctl" policy make --from dbg/prediction.json --binding dbg/binding.json --hosts any --simulation-root dbg/root.pem "$@"; }
expect 0 "only --debug accepts" make_debug -o p-dbg.json
policy=p-dbg.json judge 5 "CVM-DEBUG: " dbg/bundle.json
expect 0 "DEBUG: the policy accepts" make_debug --debug -o p-dbg.json
policy=p-dbg.json judge 0 "CVM-POLICY-OPEN: the guest is in debug mode" dbg/bundle.json
policy=p-dbg.json judge 0 '"result":"accepted"' dbg/bundle.json -o jsonl
policy=p-dbg.json judge 0 accepted good.json # it has the same measurement and binding

# A challenge serves once, whatever came out.
"$cvmctl" evidence challenge -o c.json 2>/dev/null
[ "$(stat -c %a c.json)" = 600 ] || fault "c.json has mode $(stat -c %a c.json)"
"$make" bundle . good "$(of c.json nonce)" >fresh.json
once() { "$cvmctl" evidence verify fresh.json --challenge c.json --policy p.json --at "$now" --owner-key owner.pem "$@"; }
expect 0 "nothing is signed" "$cvmctl" policy test p.json fresh.json --challenge c.json --owner-key owner.pem --at "$now"
expect 2 "'gone' cannot be opened" "$cvmctl" evidence verify gone --challenge c.json --policy p.json
expect 0 accepted once
expect 5 "CVM-NONCE" once
"$cvmctl" evidence challenge -o c.json 2>/dev/null
expect 5 "CVM-NONCE: " once # the bundle of before
expect 5 "has served already" once
"$cvmctl" evidence challenge -o c.json 2>/dev/null
"$make" bundle . good "$(of c.json nonce)" >fresh.json
for i in 1 2 3; do
        (once -q >"race-$i" 2>&1 || echo "exit $?" >>"race-$i") & # at the same time: one of them counts
done
wait
[ "$(cat race-? | grep -c '^result *accepted')" = 1 ] && [ "$(cat race-? | grep -c '^exit 5')" = 2 ] ||
        fault "a challenge served more than once: $(cat race-?)"
cp c.json read-only.json && chmod 400 read-only.json
expect 5 "CVM-NONCE" "$cvmctl" evidence verify fresh.json --challenge read-only.json --policy p.json
expect 2 "cannot remember that the challenge has served" "$cvmctl" evidence verify fresh.json --challenge <("$cvmctl" evidence challenge) --policy p.json --owner-key owner.pem
[ "$("$cvmctl" evidence challenge)" != "$("$cvmctl" evidence challenge)" ] || fault "two challenges are equal"
expect 5 "CVM-NONCE: " "$cvmctl" policy test p.json good.json --nonce "$(of c.json nonce)" --owner-key owner.pem --at "$now"
expect 0 "says nothing about replay" "$cvmctl" policy test p.json good.json --owner-key owner.pem --at "$now"

# The signed verdict, directly and by carrying it to the key.
judge 0 accepted good.json --verdict v.json
expect 2 "--verdict needs --owner-key" "$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --verdict x.json
"$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --at "$now" --owner-key owner.pem -q -o json >plain.json
expect 0 "Signed: 'accepted'" "$cvmctl" sign verdict plain.json -o v2.json
cmp v.json v2.json || fault "both ways of signing a verdict differ"
"$cvmctl" evidence verify debug.json --nonce "$nonce" --policy p.json --at "$now" --owner-key owner.pem -q -o json >refused.json || :
sed 's/"refused"/"accepted"/' refused.json >odd.json
expect 2 "its reasons say" "$cvmctl" sign verdict odd.json

# A signed policy counts only with its owner's key.
expect 0 "" "$cvmctl" policy sign p.json -o signed.json
policy=signed.json judge 0 accepted good.json
"$cvmctl" owner init --key other.pem -q >other.json
expect 5 "not by the expected key" "$cvmctl" evidence verify good.json --nonce "$nonce" --policy signed.json --owner-key other.pem
expect 2 "is signed: give the owner's key" "$cvmctl" evidence verify good.json --nonce "$nonce" --policy signed.json
[ "$("$cvmctl" evidence verify good.json --nonce "$nonce" --policy signed.json --at "$now" --owner-key owner.pem -o json -q)" = "$(cat plain.json)" ] ||
        fault "a signed policy gives another verdict than its payload"

# Hostile files.
expect 2 "is larger than 4194304 bytes" "$cvmctl" evidence verify <(head -c 5000000 /dev/zero) --nonce "$nonce" --policy p.json
printf '{"version":1}\0' >nul.json
expect 2 "is no text" "$cvmctl" evidence verify nul.json --nonce "$nonce" --policy p.json
expect 2 "'colour' in" "$cvmctl" evidence show <(sed 's/"version"/"colour":1,"version"/' good.json)
expect 2 "is missing" "$cvmctl" evidence show <(sed 's/"suite":1,//' good.json)
expect 2 "--nonce must be" "$cvmctl" evidence verify good.json --nonce 55 --policy p.json
expect 2 "--at must be a time" "$cvmctl" evidence verify good.json --nonce "$nonce" --policy p.json --at tomorrow
expect 2 "give either --challenge or --nonce" "$cvmctl" evidence verify good.json --policy p.json
expect 2 "--policy is needed" "$cvmctl" evidence verify good.json --nonce "$nonce"
expect 0 "Nothing of this was checked" "$cvmctl" evidence show good.json
expect 0 '"event_log_bytes":6' "$cvmctl" evidence show -o jsonl <(sed 's/"suite":1,/&"event_log":"bm8gbG9n",/' good.json)
end
