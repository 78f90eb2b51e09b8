#!/bin/bash
# Policies on the owner's side: from a prediction or a definition, what they leave open, what is refused.
. "$(dirname "$0")/expect.sh"

echo kernel >k
echo initrd >i
"$cvmctl" owner init -q -o json >owner.json
cat >d.json <<'D'
{"version":1,"uuid":"11111111-2222-3333-4444-555555555555","simulate":true,
 "boot":{"kernel":"./k","initrd":"./i","cmdline":"console=ttyS0"}}
D
"$make" bundle . good "$(printf '5%.0s' {1..64})" all >bundle.json # for root.pem
"$cvmctl" measure predict d.json --owner-key owner.pem -q -o json >predicted.json
"$cvmctl" binding make d.json --owner-key owner.pem -o b.json

# Three ways to the same policy, and nobody typed a digest.
common=(--binding b.json --hosts any --simulation-root root.pem)
"$cvmctl" policy make --from predicted.json "${common[@]}" -q -o p.json
"$cvmctl" policy make d.json --owner-key owner.pem "${common[@]}" -q -o by-definition.json
"$cvmctl" policy make --from d.json --owner-key owner.pem "${common[@]}" -q -o by-from.json
cmp p.json by-definition.json || fault "a definition gives another policy than its prediction"
cmp p.json by-from.json || fault "--from a definition gives another policy"
"$cvmctl" policy make --simulate --kernel k --initrd i --cmdline console=ttyS0 --owner-key owner.pem "${common[@]}" -q -o by-flags.json
cmp p.json by-flags.json || fault "flags give another policy"
grep -q "$("$cvmctl" measure predict d.json --owner-key owner.pem -q -o name)" p.json || fault "the measurement is not in the policy"
grep -q "$("$cvmctl" binding show b.json -o jsonl | sed 's/.*"binding":"\([0-9a-f]*\)".*/\1/')" p.json || fault "the binding is not pinned"
grep -q "$(openssl x509 -in root.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c 1-64)" p.json ||
        fault "simulation_root is not the digest of the root's key"
expect 0 '"serial":1' "$cvmctl" policy show p.json -o jsonl

# What is left open is said, both when it is made and when it is shown.
said() { # WORDS COMMAND...
        expect 0 "$1" "${@:2}"
        [ -z "$("${@:2}" -q 2>&1 >/dev/null)" ] || fault "-q talks"
}
said "Open: any host is accepted" "$cvmctl" policy make --from predicted.json "${common[@]}"
said "Open: firmware of any age" "$cvmctl" policy show p.json
said "Open: the ACPI tables are the host's" "$cvmctl" policy show p.json
said "Missing: 'hosts' was left out" "$cvmctl" policy make --from predicted.json --binding b.json --simulation-root root.pem
said "the guest has no owner" "$cvmctl" policy make --from predicted.json --hosts any --simulation-root root.pem
said "Refuses: kernel is not measured" "$cvmctl" policy make --simulate --hosts any --simulation-root root.pem --boot-disk a \
        --disk path=/d.raw,format=raw,serial=a
expect 2 "'hosts'" "$cvmctl" policy show <("$cvmctl" policy make --from predicted.json --binding b.json --simulation-root root.pem -q)
sed 's/"unowned": false,/"gaps": ["kernel"],/; s/"kernel": true/"kernel": false/' p.json >gap.json
said "kernel is not measured, and 'gaps' accepts that" "$cvmctl" policy show gap.json
python='import json, sys; p = json.load(open("p.json")); p["binding"] = dict(uuid="any", root="any", service_id=None, approval=False, min_serial="any"); print(json.dumps(p))'
/usr/bin/python3 -c "$python" >fleet.json
said "any 'min_serial' in the binding is accepted" "$cvmctl" policy show fleet.json
said "not pinned by its digest" "$cvmctl" policy show fleet.json

# Edited: what is still a policy takes the place of the old one, a draft that is none is kept.
cp p.json edited.json
export TMPDIR=$work
EDITOR=true expect 0 "Nothing was changed" "$cvmctl" policy edit edited.json
cmp p.json edited.json || fault "an edit without a change has changed the file"
EDITOR="sed -i /min_guest_svn/s/0/9/" expect 0 "" "$cvmctl" policy edit edited.json
expect 0 '"min_guest_svn": 9' "$cvmctl" policy show edited.json -o json
expect 0 '"serial": 2' "$cvmctl" policy show edited.json -o json
EDITOR="sed -i s/version/versoin/" expect 2 "'versoin'" "$cvmctl" policy edit edited.json
expect 0 '"serial": 2' "$cvmctl" policy show edited.json -o json
draft=$(EDITOR="sed -i s/version/versoin/" "$cvmctl" policy edit edited.json 2>&1 | sed -n "s/.*draft stays in '\([^']*\)'.*/\1/p" || true)
grep -q versoin "$draft" || fault "the draft was not kept"
EDITOR=false expect 2 "EDITOR" "$cvmctl" policy edit edited.json
"$cvmctl" policy sign edited.json --owner-key owner.pem -o signed.json
EDITOR=true expect 2 "is signed" "$cvmctl" policy edit signed.json --owner-key owner.pem
EDITOR="sed -i /min_guest_svn/s/9/7/" expect 0 "" "$cvmctl" policy edit signed.json --owner-key owner.pem -o again.json
expect 0 '"serial": 3' "$cvmctl" policy show again.json -o json

# The binding must be the owner's, and that of the definition.
expect 0 "Nobody checked who signed the binding" "$cvmctl" policy make --from predicted.json "${common[@]}"
[ -z "$("$cvmctl" policy make --from predicted.json "${common[@]}" --owner-key owner.pem 2>&1 | grep Nobody)" ] || fault "a checked binding is called unchecked"
"$cvmctl" owner init --key other.pem -q >/dev/null
expect 5 "not by the expected key" "$cvmctl" policy make --from predicted.json "${common[@]}" --owner-key other.pem
expect 5 "not by the expected key" "$cvmctl" policy make d.json --owner-key other.pem "${common[@]}"
expect 2 "CVM-BINDING-DEFINITION" "$cvmctl" policy make d.json --owner-key owner.pem "${common[@]}" --approval

# Hardware: minimums by JSON, hosts by id; no digest of ours is checked here, only the form.
sed 's/"simulated": true/"simulated": false/' predicted.json >hw.json
id=$(printf 'ab%.0s' {1..64})
expect 0 "$id" "$cvmctl" policy make --from hw.json --hosts "$id" --hosts "${id:0:16}" --min-tcb '{"Milan":{"snp":24}}'
said "Missing: 'min_tcb' was left out" "$cvmctl" policy make --from hw.json --hosts any
expect 2 "'min_tcb'" "$cvmctl" policy make --from hw.json --hosts any --min-tcb '[1]'
expect 2 "min_tcb" "$cvmctl" policy make --from hw.json --hosts any --min-tcb '{'
expect 2 "'hosts[0]'" "$cvmctl" policy make --from hw.json --hosts XYZ --min-tcb any
expect 2 "the prediction is not" "$cvmctl" policy make --from hw.json --binding b.json --hosts any --min-tcb any

# Refusals.
expect 2 "give --simulation-root" "$cvmctl" policy make --from predicted.json --hosts any
expect 2 "no certificate in PEM" "$cvmctl" policy make --from predicted.json --hosts any --simulation-root owner.pem
expect 2 "is no prediction" "$cvmctl" policy make --from owner.json --hosts any
expect 2 "not both" "$cvmctl" policy make d.json --from predicted.json
expect 2 "'gone' cannot be opened" "$cvmctl" policy make --from gone
"$cvmctl" policy sign p.json -o signed.json
expect 5 "the envelope holds" "$cvmctl" policy make --from predicted.json --binding signed.json --simulation-root root.pem
expect 2 "larger than 4194304" "$cvmctl" policy make --from <(head -c 4200000 /dev/zero | tr '\0' ' ')
expect 2 "--serial must be a number" "$cvmctl" policy make --from predicted.json "${common[@]}" --serial -1

# Signing: only what is a policy; shown with and without its key.
expect 0 "" "$cvmctl" policy sign p.json -o signed.json
expect 0 "Nobody checked who signed it" "$cvmctl" policy show signed.json
expect 0 '"class":"simulated"' "$cvmctl" policy show signed.json --owner-key owner.pem -o jsonl
[ -z "$("$cvmctl" policy show signed.json --owner-key owner.pem 2>&1 | grep Nobody)" ] || fault "a checked signature is called unchecked"
expect 5 "not by the expected key" "$cvmctl" policy show signed.json --owner-key other.pem
expect 2 "'owner_id' in" "$cvmctl" policy sign owner.json
expect 2 "'colour'" "$cvmctl" policy sign <(sed 's/"version"/"colour": 1, "version"/' p.json)
expect 2 "twice" "$cvmctl" policy sign <(sed 's/"debug": false/"debug": false, "debug": true/' p.json)
end
