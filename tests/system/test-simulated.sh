#!/bin/bash
# What the tour (quickstart) does not look at, of a real guest of each simulated platform: the registers in policy and
# evidence, the event log that gives them, what the guest extends itself; and that other boot files are refused.
set -euo pipefail
build=$1 source_dir=$2
. "$source_dir/tests/system/agent.sh"
start_bus
start_daemon
cd "$work"
owner=(--owner-key key.pem)
cvmctl owner init --key key.pem -q >/dev/null
printf hunter2 >password

definition() { # CMDLINE
        cat >guest.json <<D
{"version": 1, "name": "guest", "uuid": "$uuid", "platform": "$platform", "simulate": true,
 "vcpus": 1, "memory": "512MiB", "required_secrets": ["db-password"],
 "boot": {"kernel": "$kernel", "initrd": "$work/initrd", "cmdline": "$1"}}
D
}

# member FILE NAME: a text or number of a line of JSON
member() { sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$1"; }

# member of the present bundle, as bytes
bytes() { member bundle.json "$1" | base64 -d; }

attest() { # STATUS WORDS
        rm -rf saved
        expect "$1" "$2" cvmctl attest guest --policy policy.json "${owner[@]}" --save saved
        cp saved/bundle.json bundle.json
}

register() { bytes report | od -An -v -tx1 -j "$own" -N 48 | tr -d ' \n'; }

# The platform, how many of its registers a policy names, where in a report the one is that the guest extends (0: none)
while read -r platform registers own; do
        uuid=$(cat /proc/sys/kernel/random/uuid)
        definition "console=ttyS0 quiet"
        cvmctl measure predict guest.json "${owner[@]}" -q -o json >prediction.json
        cvmctl binding make guest.json "${owner[@]}" -q -o binding.json
        cvmctl launch guest.json "${owner[@]}" --binding binding.json -q
        cvmctl host show --simulation-root -q >root.pem
        cvmctl policy make --from prediction.json --binding binding.json --hosts any --min-tcb any "${owner[@]}" \
                --simulation-root root.pem -q -o policy.json
        n=$(cvmctl policy show policy.json -q -o json | grep -c '"rtmr[0-9]": "' || true)
        [ "$n" = "$registers" ] || fault "$platform: $n registers in the policy"
        attest 0 accepted
        if [ "$own" = 0 ]; then
                [ -z "$(bytes event_log)" ] || fault "$platform: an event log"
        else
                [[ $(register) =~ ^0{96}$ ]] || fault "$platform: it is extended before the guest goes on: $(register)"
        fi
        cvmctl secret seal db-password --bundle bundle.json --verdict saved/verdict.json "${owner[@]}" --in password -q -o sealed.json
        expect 0 "" cvmctl secret put guest sealed.json --verdict saved/verdict.json
        attest 0 accepted
        if [ "$own" != 0 ]; then
                [[ $(register) =~ ^[0-9a-f]{96}$ && ! $(register) =~ ^0*$ ]] || fault "$platform: nothing is extended: $(register)"
                bytes event_log | grep -qa cvmd-hand-over-v1 || fault "$platform: the log has nothing of the hand-over"
        fi
        # The daemon that answers for the simulated hardware may die; the register stays
        end_daemon KILL
        start_daemon
        attest 0 accepted
        [ "$own" = 0 ] || [[ ! $(register) =~ ^0*$ ]] || fault "$platform: the register is lost with the daemon"
        cvmctl kill guest -q
        cvmctl delete guest -q >/dev/null
        definition "console=ttyS0 quiet single"
        cvmctl launch guest.json "${owner[@]}" --binding binding.json -q
        attest 5 CVM-MEASUREMENT
        cvmctl kill guest -q
        cvmctl delete guest -q >/dev/null
done <<'E'
sev-snp 0 0
tdx 2 520
E
end_faults
