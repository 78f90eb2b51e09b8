# Sourced by cvmd-guest.sh: a trust domain, whose quotes come by GetQuote through QEMU from a quoting service, which is
# open to a group as Intel's is. The player plays what firmware and kernel extend.
firmware=/usr/share/ovmf/OVMF.fd
ports=("org.cvmd.agent.0,quotes:prediction:certificates")
tee=fd:4
service=/run/tdx-qgs/qgs.socket

record_host() { recorded_td_host host; }

prepare_evidence() {
        mkdir -p "${service%/*}"
        exec {ready}< <(exec "$build/tests/testbed/testbed-quoting" state/simulation-root.pem certificates "$service" 2>quoting.log)
        helper=$!
        read -r -u "$ready" _ || fault "no quoting service: $(cat quoting.log)"
        chgrp 4050 "$service"
        chmod 660 "$service"
}

# member of the bundle as bytes
of_bundle() { sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$1/bundle.json" | base64 -d; }

# At the end of the second boot: it has its secret
check_platform() {
        local rtmr3
        expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem --save third
        cvmctl binding show binding -q -o jsonl >shown
        [ "$(of guest mrowner)" = "$(member shown owner_id)" ] || fault "MROWNER is $(of guest mrowner)"
        [ "$(cvmctl policy show policy -q -o json | grep -c '"rtmr[0-9]": "')" = 2 ] || fault "the policy names other registers than RTMR 1 and 2"
        for boot in second third; do
                rtmr3=$(of_bundle "$boot" report | od -An -v -tx1 -j 520 -N 48 | tr -d ' \n')
                [ "${#rtmr3}" = 96 ] || fault "$boot: no quote"
        done
        of_bundle third event_log | grep -qa cvmd-hand-over-v1 || fault "the agent's own event is not in the log"
        [[ ! $rtmr3 =~ ^0*$ ]] || fault "the agent did not extend RTMR 3"

        # An owner's policy of other boot files
        sed 's/quiet/quiet single/' guest.json >other.json
        cvmctl measure predict other.json --owner-key owner.pem -q -o json >other-prediction
        cvmctl policy make --from other-prediction --binding binding --hosts any --min-tcb any --owner-key owner.pem \
                --simulation-root root.pem -q -o other-policy
        expect 5 "rtmr2" cvmctl attest guest --policy other-policy --owner-key owner.pem
        # A service that a guest's user may not ask: no evidence, and what is known stays
        chmod 600 "$service"
        expect 6 "no quoting service that answers" cvmctl attest guest --policy policy --owner-key owner.pem
        chmod 660 "$service"
        expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem
}
