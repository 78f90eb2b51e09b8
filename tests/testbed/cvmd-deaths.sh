#!/bin/bash
# In the root: cvmd dies at each named place and durable write of a launch on hardware. The next one must find a true state,
# and the guest must come to run as the one that was predicted.  cvmd-deaths.sh CBITPOS
set -euo pipefail
. "$(dirname "$0")/scene.sh"
recorded_snp_host host "$1"
trap end_processes EXIT
make_qemu_in_path
start_bus

/usr/bin/python3 "$here/make-kernel.py" kernel
cp /usr/share/ovmf/OVMF.amdsev.fd OVMF.fd
echo "{\"version\": 1, \"name\": \"guest\", \"platform\": \"sev-snp\", \"memory\": \"256MiB\", \"firmware\": \"$work/OVMF.fd\",
        \"boot\": {\"kernel\": \"$work/kernel\"}}" >guest.json
predicted=$("$build/cli/cvmctl" measure predict guest.json -q -o name)

daemon() { start_daemon --set "HostRoot=$work/host"; }

# The state of the guest; "" where there is none
state() { cvmctl list -q -o jsonl | sed -n 's/.*"state":"\([a-z-]*\)".*/\1/p'; }

# What was found is asked how it is: that takes a moment
settled() {
        local end=$((SECONDS + 60))
        while ((SECONDS < end)); do
                case $(state) in starting | stopping) ;; *) return ;; esac
        done
        fault "$1: it is $(state) for ever"
}

# What was interrupted while it was made is still being made
start() {
        local end=$((SECONDS + 60))
        while ((SECONDS < end)); do
                if cvmctl start guest -q 2>said; then return; fi
                grep -q "is under way" said || return
        done
}

# try POINT: a launch under a daemon that dies there; true where it died
try() {
        CVM_FAULT_POINT=$1 daemon 2>/dev/null || true
        cvmctl launch guest.json -q >/dev/null 2>&1 || true
        ! cvmctl status >/dev/null 2>&1 || return 1
        wait "$daemon_pid" 2>/dev/null || true
}

# Whatever was found, the same request leads to the guest that was asked for
check() {
        daemon
        settled "$1"
        case $(state) in
        "") cvmctl launch guest.json -q || fault "$1: not launched again" ;;
        running) [ "$(guests | wc -l)" = 1 ] || fault "$1: running, with the processes '$(guests)'" ;;
        *)
                [ -z "$(guests)" ] || fault "$1: $(state), and a process is left"
                start || fault "$1: $(state), and does not start: $(cat said)"
                ;;
        esac
        [ "$(state) $(of guest measurement)" = "running $predicted" ] || fault "$1: $(state), measured $(of guest measurement)"
        [ "$(shown guest trust)" = unverified ] || fault "$1: its trust is $(shown guest trust)"
        gone guest
        end_daemon
        rm -f records/guest.json
}

deaths=0
for point in create-prepared start-before-state start-before-spawn start-after-spawn start-before-go start-after-go \
        start-before-running before-commit after-commit; do
        for n in 1 2 3 4 5 6 7 8 9; do
                if ! try "$point:$n"; then # there is no such place left: what follows is not the launch any more
                        end_daemon
                        daemon
                        cvmctl kill guest -q 2>/dev/null || true # a death may have followed the answer
                        cvmctl delete guest -q >/dev/null
                        end_daemon
                        break
                fi
                deaths=$((deaths + 1))
                check "$point:$n"
        done
done
echo "cvmd died $deaths times"
! grep -lz "LD_PRELOAD=$work/" /proc/[0-9]*/environ 2>/dev/null || fault "a QEMU is left, above"
[ "$deaths" -ge 12 ] || fault "fewer deaths than there are places"
end_faults
