#!/bin/bash
# The daemon is killed at every durable write and at every named place of launch and delete. After each death the next
# daemon must find a true state: no process without a VM, no VM lost that was promised, nothing that cannot be ended.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
start_bus
cd "$work"
boot_sector disk
printf '{"version":1,"name":"web1","simulate":true,"memory":"256MiB","vcpus":1,"accel":"tcg","boot":{"disk":"boot"},
        "disks":[{"path":"%s","format":"raw","readonly":true,"serial":"boot"}]}' "$work/disk" >web1.json

dead() { ! kill -0 "$daemon_pid" 2>/dev/null; }

# start_daemon_with POINT: it may die before it is ready
start_daemon_with() { CVM_FAULT_POINT=$1 start_daemon 2>/dev/null || true; }

# What holds after any death, once a daemon runs again.
check_truth() { # POINT
        local pids listed i
        # a guest that was found again is asked how it is: that takes a moment
        for i in {1..300}; do cvmctl list -o jsonl | grep -E '"state":"(starting|stopping)"' >/dev/null || break; done
        pids=$(guests | sort | tr '\n' ' ')
        listed=$(cvmctl list -o jsonl | sed -n 's/.*"pid":\([0-9]*\).*/\1/p' | { grep -vx 0 || true; } | sort | tr '\n' ' ')
        [ "$pids" = "$listed" ] || fault "$1: processes '$pids', listed '$listed'"
        cvmctl list -o jsonl | grep -E '"state":"(starting|stopping)"' >/dev/null && fault "$1: a state that ends by itself: $(cvmctl list -o jsonl)"
        return 0
}

# Whatever it is, it can be ended and deleted.
clear_all() { # POINT
        local name
        for name in $(cvmctl list -o name); do
                cvmctl kill "$name" >/dev/null 2>&1 || true
                cvmctl delete "$name" >/dev/null 2>&1 || fault "$1: '$name' cannot be deleted: $(cvmctl list -o jsonl)"
        done
        [ -z "$(guests)" ] || fault "$1: a process is left"
}

# try POINT COMMAND...: with a daemon that dies there; true where it died
try() {
        local point=$1
        shift
        start_daemon_with "$point"
        dead || cvmctl "$@" >/dev/null 2>&1 || true
        # a death may follow the answer: ask until it is told one way or the other
        cvmctl status >/dev/null 2>&1 || true
        if dead; then
                wait "$daemon_pid" 2>/dev/null || true
                start_daemon
                return 0
        fi
        return 1
}

# A domain outlives its VM for a moment: it is undefined when libvirt gets to it
check_domains() {
        local i
        [ "${CVM_DRIVER:-qemu}" = libvirt ] || return 0
        for i in {1..300}; do virsh -q list --all --name | grep cvmd- >/dev/null || return 0; done
        fault "$1: libvirt still has $(virsh -q list --all --name)"
}

launched=0
for point in create-prepared start-before-state start-before-spawn start-after-spawn start-before-go start-after-go \
        start-before-running before-commit after-commit; do
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
                if ! try "$point:$n" launch web1.json; then
                        end_daemon
                        start_daemon
                        clear_all "$point:$n"
                        end_daemon
                        break
                fi
                launched=$((launched + 1))
                eval "at_${point//-/_}=yes"
                check_truth "launch, $point:$n"
                # the same again must work, or say that it is there
                cvmctl launch web1.json >/dev/null 2>&1 || cvmctl show web1 >/dev/null 2>&1 || fault "$point:$n: no way on"
                clear_all "launch, $point:$n"
                end_daemon KILL # what it owes libvirt is the next one's to do
        done
done
for point in start-before-state start-before-spawn start-after-spawn start-before-go start-after-go start-before-running; do
        seen=at_${point//-/_}
        [ "${!seen:-}" = yes ] || fault "the daemon never died at $point"
done

deleted=0
for point in delete-before-record delete-after-record before-commit after-commit; do
        for n in 1 2 3 4 5 6; do
                start_daemon
                cvmctl create web1.json >/dev/null 2>&1 || fault "$point:$n: nothing to delete"
                end_daemon
                died=no
                if try "$point:$n" delete web1; then
                        died=yes
                else
                        end_daemon
                        start_daemon
                fi
                check_truth "delete, $point:$n"
                # either it is there whole, or it is gone with its record
                cvmctl show web1 >/dev/null 2>&1 || cvmctl record get web1 >/dev/null 2>&1 || fault "$point:$n: neither VM nor record"
                clear_all "delete, $point:$n"
                end_daemon
                [ "$died" = yes ] || break
                deleted=$((deleted + 1))
        done
done
start_daemon
check_domains "in the end"
cvmctl audit export -o chain
cvmctl host show --record-key >record.pem
expect 0 "signature_checked        true" cvmctl audit verify chain --key record.pem
echo "$launched deaths in launch, $deleted in delete"
[ "$launched" -ge 12 ] && [ "$deleted" -ge 4 ] || fault "the daemon did not die where it was told to"
end_faults
