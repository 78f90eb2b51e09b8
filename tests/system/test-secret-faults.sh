#!/bin/bash
# The daemon is killed at every durable write and named place of handing a secret to a real guest agent. After each death
# the guest runs on, trust is what it was or what the receipt earned, and the same sealed secret put again ends well.
set -euo pipefail
build=$1 source_dir=$2
. "$source_dir/tests/system/agent.sh"
start_bus
start_daemon
cd "$work"

cat >web1.json <<D
{"version": 1, "name": "web1", "uuid": "$(cat /proc/sys/kernel/random/uuid)", "platform": "sev-snp", "simulate": true,
 "vcpus": 1, "memory": "512MiB", "required_secrets": ["db-password"],
 "boot": {"kernel": "$kernel", "initrd": "$work/initrd", "cmdline": "console=ttyS0 quiet"}}
D
owner="--owner-key key.pem"
cvmctl owner init --key key.pem >/dev/null
# shellcheck disable=SC2086
{
        cvmctl measure predict web1.json $owner -o json >prediction.json
        cvmctl binding make web1.json $owner --key key.pem -o binding.json
        cvmctl launch web1.json $owner --binding binding.json
        cvmctl host show --simulation-root >simulation-root.pem
        cvmctl policy make --from prediction.json --binding binding.json --hosts any --min-tcb any $owner \
                --simulation-root simulation-root.pem -o policy.json
        cvmctl evidence challenge -o challenge.json
        cvmctl evidence get web1 --challenge challenge.json -o bundle.json
        cvmctl evidence verify bundle.json --challenge challenge.json --policy policy.json $owner --verdict verdict.json
} >log 2>&1 || { cat log; exit 1; }
guest=$(guests)
printf hunter2 >db-password

# Hand it in, with no faults: it is confirmed, and the receipt holds for the guest and this very secret.
put_well() { # POINT
        rm -f receipt.json
        # evidence waits until a guest that was found again is heard; before, no keyset could be compared
        cvmctl evidence get web1 --challenge challenge.json -o fresh.json >/dev/null 2>&1 || fault "$1: no evidence"
        expect 0 "" cvmctl secret put web1 sealed.json --verdict verdict.json --receipt receipt.json
        # shellcheck disable=SC2086
        expect 0 "installed" cvmctl secret receipt receipt.json --bundle bundle.json --secret sealed.json $owner
        [[ $(cvmctl list -o jsonl) == *'"trust":"provisioned"'* ]] || fault "$1: $(cvmctl list -o jsonl)"
}

deaths=0
for point in secret-before-send secret-before-receipt before-commit after-commit; do
        for n in 1 2 3 4 5 6 7 8 9 10; do
                # shellcheck disable=SC2086
                cvmctl secret seal db-password --bundle bundle.json --verdict verdict.json $owner --in db-password -o sealed.json >/dev/null
                end_daemon
                if CVM_FAULT_POINT=$point:$n start_daemon 2>/dev/null; then
                        cvmctl evidence get web1 --challenge challenge.json -o fresh.json >/dev/null 2>&1 || true
                        cvmctl secret put web1 sealed.json --verdict verdict.json >/dev/null 2>&1 || true
                        # a death may follow the answer: ask until it is told one way or the other
                        cvmctl status >/dev/null 2>&1 || true
                fi
                if kill -0 "$daemon_pid" 2>/dev/null; then
                        end_daemon
                        start_daemon
                        break
                fi
                wait "$daemon_pid" 2>/dev/null || true
                deaths=$((deaths + 1))
                start_daemon
                [ "$(guests)" = "$guest" ] || fault "$point:$n: the guest ended"
                put_well "$point:$n"
        done
done
put_well "in the end"
cvmctl audit export -o chain
cvmctl host show --record-key >record.pem
expect 0 "signature_checked        true" cvmctl audit verify chain --key record.pem
echo "$deaths deaths"
[ "$deaths" -ge 6 ] || fault "the daemon did not die where it was told to"
end_faults
