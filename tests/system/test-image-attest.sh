#!/bin/bash
# The whole loop of a simulated guest of Secure Execution: real daemon, real agent, the simulated ultravisor. The machine is a
# script that gives the agent the ports' other ends; on an emulated s390x the same is seen in the testbed. An owner attests,
# hands a secret to the ultravisor's store, and sees in evidence that the store holds just that.
set -euo pipefail
build=$1 source_dir=$2
. "$source_dir/tests/system/image-scene.sh"

attest 0 "accepted"
[ "$(cvmctl show guest -q -o json | sed -n 's/.*"trust": *"\([a-z]*\)".*/\1/p')" = verified ] || fault "trust after the verdict"
expect 5 "CVM-REPORT-MAC" cvmctl attest guest --policy policy --owner-key owner.pem --header other "${hosts[@]}"
expect 6 "CVM-REQUEST-KEPT" cvmctl attest guest --policy policy --owner-key owner.pem "${hosts[@]}"
expect 2 "--host-key-document is needed" cvmctl attest guest --policy policy --owner-key owner.pem --header image

# By files: what the host gets is a nonce and a request
cvmctl evidence challenge --platform se "${hosts[@]}" --request request -q -o challenge
nonce=$(sed -n 's/.*"nonce":"\([0-9a-f]*\)".*/\1/p' challenge)
expect 2 "CVM-EVIDENCE-REQUEST" cvmctl evidence get guest --nonce "$nonce"
expect 0 "" cvmctl evidence get guest --nonce "$nonce" --request request -o bundle
verify() { cvmctl evidence verify bundle --policy policy --owner-key owner.pem --header image "$@"; }
expect 6 "CVM-REQUEST-KEPT" verify --nonce "$nonce"
expect 0 "accepted" verify --challenge challenge --verdict verdict

# A secret for the store
expect 0 "id " seal db
expect 0 "" cvmctl secret put guest db.sealed --verdict verdict --receipt receipt
expect 0 "the simulated ultravisor has added it" cvmctl secret receipt receipt --bundle bundle --secret db.sealed --owner-key owner.pem
expect 0 "id " seal tls
expect 0 "" cvmctl secret put guest tls.sealed --verdict verdict
attest 0 "accepted" --added db.req --added tls.req
attest 5 "CVM-SECRET-STORE" --added tls.req --added db.req
attest 5 "CVM-SECRET-STORE" --added db.req
attest 5 "CVM-SECRET-STORE" --added db.req --added tls.req --locked
attest 0 "accepted"

# What the ultravisor refuses comes back as the guest's signed word, and is not in the store
expect 0 "id " cvmctl secret seal late --platform se --header image "${hosts[@]}" --cck keys/hdr-key --in secret --owner-key owner.pem \
        --bundle bundle --verdict verdict -o late.sealed
expect 5 "'late' refused: the simulated ultravisor did not add it: the request has another extension secret than the image" \
        cvmctl secret put guest late.sealed --receipt refused
expect 0 "late uv-request refused" cvmctl secret list guest
expect 5 "another extension secret than the image (rc 0x10c)" cvmctl secret receipt refused --bundle bundle --secret late.sealed --owner-key owner.pem
attest 0 "accepted" --added db.req --added tls.req

# The guest can ask what the store holds: what was sealed, by the ids that sealing told, in its order
store() { "$build/guest-agent/cvm-agent" --run seen/run store "$1"; }
id_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
listed="0 plaintext $(id_of db)
1 plaintext $(id_of tls)
2 of 2 secrets"
[ "$(store list)" = "$listed" ] || fault "the store lists: $(store list)"

# Root in the guest locks the store: nothing is added any more, also after the daemon was away, and evidence shows it
expect 0 "the simulated ultravisor has locked the secret store" store lock
expect 1 "refused: the simulated ultravisor did not lock the secret store: it is locked already (rc 0x102)" store lock
end_daemon KILL
start_daemon
attest 5 "CVM-SECRET-STORE" --added db.req --added tls.req
attest 0 "accepted" --added db.req --added tls.req --locked
[ "$(store list)" = "$listed" ] || fault "a locked store lists: $(store list)"
take_evidence
expect 0 "id " seal after
expect 5 "the secret store is locked (rc 0x102)" cvmctl secret put guest after.sealed --receipt refused
expect 5 "the secret store is locked (rc 0x102)" cvmctl secret receipt refused --bundle bundle --secret after.sealed --owner-key owner.pem
attest 0 "accepted" --added db.req --added tls.req --locked

# The reset button begins another boot: another agent with other keys, a store that is empty and open, and nothing that was said
# or sealed before counts in it
boot_key() { sed -n 's/.*"kem":"\([^"]*\)".*/\1/p' "$1"; }
expect 0 "id " seal old
cp bundle old-bundle
cp verdict old-verdict
expect 0 "was reset" cvmctl reset guest
[ "$(cvmctl show guest -q -o json | sed -n 's/.*"trust": *"\([a-z]*\)".*/\1/p')" = unverified ] || fault "trust after a reset"
attest 5 "CVM-SECRET-STORE" --added db.req --added tls.req --locked
attest 0 "accepted"
take_evidence
[ -n "$(boot_key bundle)" ] && [ "$(boot_key bundle)" != "$(boot_key old-bundle)" ] || fault "two boots have one key"
[ "$(store list)" = "0 of 0 secrets" ] || fault "after a reset the store lists: $(store list)"
expect 5 "CVM-SECRET-BOOT" cvmctl secret put guest old.sealed --verdict verdict
cvmctl evidence challenge --platform se "${hosts[@]}" --request request2 -q -o challenge2
expect 5 "CVM-NONCE" cvmctl evidence verify old-bundle --policy policy --owner-key owner.pem --header image --challenge challenge2
expect 0 "id " seal new
expect 5 "CVM-VERDICT-OTHER-BOOT" cvmctl secret put guest new.sealed --verdict old-verdict
expect 0 "" cvmctl secret put guest new.sealed --verdict verdict
attest 0 "accepted" --added new.req

# Another run is another configuration
expect 0 "" cvmctl kill guest
expect 0 "" cvmctl start guest
attest 5 "CVM-SECRET-STORE" --added db.req
attest 0 "accepted"
cuid() { od -An -v -tx1 -j 264 -N 16 "$1" | tr -d ' \n'; }
take_evidence
seal again -q
[ "$(cuid again.req)" != "$(cuid db.req)" ] || fault "two runs have one id"
end_faults
