#!/bin/bash
# The daemon is killed at every durable write and named place of handing a secret to the store of a guest of Secure Execution.
# After each death the same sealed secret put again is confirmed, and evidence shows that the store holds what was confirmed, in
# this order, once, and nothing else.
set -euo pipefail
build=$1 source_dir=$2
. "$source_dir/tests/system/image-scene.sh"
machine=$(cat seen/machine)
attest 0 "accepted"
take_evidence
cvmctl evidence challenge --platform se "${hosts[@]}" --request request -q -o challenge
nonce=$(sed -n 's/.*"nonce":"\([0-9a-f]*\)".*/\1/p' challenge)
added=()

# put NAME: without faults it is confirmed, and evidence shows it
put() {
        # evidence waits until a guest that was found again is heard; before, no keyset could be compared
        attest 0 "accepted"
        expect 0 "" cvmctl secret put guest "$1.sealed" --verdict seen/saved/verdict.json --receipt receipt
        expect 0 "the simulated ultravisor has added it" cvmctl secret receipt receipt --bundle bundle --secret "$1.sealed" \
                --owner-key owner.pem
        added+=(--added "$1.req")
        attest 0 "accepted" "${added[@]}"
}

deaths=0
for point in secret-before-send secret-before-receipt store-before-answer before-commit after-commit; do
        for n in 1 2 3 4 5 6 7 8 9 10; do
                name=$point-$n
                seal "$name" >/dev/null 2>&1 || fault "$name: not sealed"
                end_daemon
                if CVM_FAULT_POINT=$point:$n start_daemon 2>/dev/null; then
                        cvmctl evidence get guest --nonce "$nonce" --request request -o fresh >/dev/null 2>&1 || true
                        cvmctl secret put guest "$name.sealed" --verdict seen/saved/verdict.json >/dev/null 2>&1 || true
                        # a death may follow the answer: ask until it is told one way or the other
                        cvmctl status >/dev/null 2>&1 || true
                fi
                if kill -0 "$daemon_pid" 2>/dev/null; then
                        end_daemon
                        start_daemon
                        put "$name"
                        break
                fi
                wait "$daemon_pid" 2>/dev/null || true
                deaths=$((deaths + 1))
                start_daemon
                [ "$(cat seen/machine)" = "$machine" ] && kill -0 "$machine" || fault "$name: the guest ended"
                put "$name"
        done
done

# It ends with the boot, and a daemon that comes back brings nothing back; what the image demands holds in all of them
holds_nothing() {
        attest 5 "CVM-SECRET-STORE" "${added[@]}"
        attest 0 "accepted"
        take_evidence
        cck=keys/hdr-key expect 0 "id " seal bare
        expect 5 "another extension secret than the image (rc 0x10c)" cvmctl secret put guest bare.sealed
}
expect 0 "was reset" cvmctl reset guest
end_daemon KILL
start_daemon
holds_nothing
expect 0 "was killed" cvmctl kill guest
end_daemon KILL
start_daemon
expect 0 "runs" cvmctl start guest
end_daemon KILL
start_daemon
holds_nothing
echo "$deaths deaths"
[ "$deaths" -ge 8 ] || fault "the daemon did not die where it was told to"
end_faults
