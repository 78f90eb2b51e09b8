#!/bin/bash
# Guests of Secure Execution boot their owner's image, under a QEMU of s390x that is a script: it keeps its arguments and what
# it was to boot. A simulated one gets what a simulated host opened, one on (recorded) hardware the image as it is. That the
# first runs is seen in the testbed; the second nobody has seen.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
make_se=$build/tests/cli/cli-make-se
programs=$work/programs
hide_programs s390x "$programs" # those that may be installed here
mkdir -p "$work/seen"
chmod 755 "$work"
chmod 1777 "$work/seen"

start_bus
start_daemon
cd "$work"
definition() { # NAME IMAGE [MEMBERS]
        printf '{"version":1,"name":"%s","platform":"secure-execution","simulate":true,"memory":"256MiB","boot":{"kernel":"%s"}%s}' \
                "$1" "$work/$2" "${3:-}" >"$1.json"
}

# The owner builds for the simulated host that this daemon tells of, before there is any guest
expect 0 "BEGIN CERTIFICATE" cvmctl host show --simulation-hosts
cvmctl host show --simulation-hosts -q >hosts.pem
cvmctl host show --simulation-root -q >root.pem
mkdir parts others
"$make_se" scene parts
"$make_se" scene others simulated
simulated=(--host-key-document hosts.pem --cert hosts.pem --root-ca root.pem --offline)
image() { cvmctl image build --kernel parts/kernel --initrd parts/initrd --cmdline quiet --loader-dir parts -q "$@"; }
expect 0 '"kind":"kernel"' image "${simulated[@]}" --header header -o image
image --cert others/signer.pem --cert others/inter.pem --crl others/lists.pem --root-ca others/root.pem --offline \
        --at 2027-01-15T08:00:00Z --host-key-document others/host1.pem -o foreign >/dev/null
definition guest image
definition foreign foreign

# Of this host's QEMU
expect 0 "guest is defined" cvmctl create guest.json
expect 9 "CVM-NO-QEMU" cvmctl start guest
expect 9 "'qemu-system-s390x' is not there" cvmctl start guest
cat >"$programs/qemu-system-s390x" <<Q
#!/bin/sh
for word; do
        case \$word in guest=*) name=\${word#guest=} name=\${name%%,*} ;; /proc/self/fd/*) cat "\$word" >$work/seen/\$name.kernel ;; esac
done
printf '%s\n' "\$@" >$work/seen/\$name.arguments
exec /usr/bin/python3 $source_dir/tests/vm/scripted-qemu.py \$(cat $work/seen/states) -- "\$@"
Q
chmod 755 "$programs/qemu-system-s390x"
echo running >seen/states

# What it boots is the image as its host opens it: kernel, initrd and command line in the clear, the loader's second stage first
expect 0 "runs" cvmctl start guest
grep -qx "s390-ccw-virtio,accel=tcg" seen/guest.arguments || fault "the machine is another: $(cat seen/guest.arguments)"
grep -q "org.cvmd.tee.0" seen/guest.arguments || fault "no simulated hardware is linked"
grep -q "s390-pv" seen/guest.arguments && fault "plain QEMU is asked for a protected guest"
[ "$(od -An -tx1 -N 4 seen/guest.kernel | tr -d ' ')" = 00080001 ] || fault "the file begins with no entry"
LC_ALL=C grep -qa S390EP seen/guest.kernel || fault "the kernel is not in the clear"
LC_ALL=C grep -qa S390EP image && fault "nor was it encrypted"
expect 0 "was killed" cvmctl kill guest

# The header is the guest's identity
cvmctl show guest -q -o json >shown
for member in pages_digest addresses_digest tweaks_digest tag; do
        part=$(cvmctl image show header -q -o jsonl | sed -n "s/.*\"$member\":\"\([0-9a-f]*\)\".*/\1/p")
        [ -n "$part" ] || fault "the header shows no $member"
        grep -q "$part" shown || fault "$member is not shown of the guest"
done

# An image for other hosts, and one whose pages were changed
expect 9 "CVM-HOST-KEY-SLOT" cvmctl launch foreign.json
cp image changed
printf x | dd of=changed bs=1 seek=100000 conv=notrunc status=none
definition changed changed
expect 5 "CVM-IMAGE-CHANGED" cvmctl launch changed.json

# On this host no protected guest can run; on one that was recorded it can
protected() { # NAME IMAGE
        printf '{"version":1,"name":"%s","platform":"secure-execution","memory":"256MiB","boot":{"kernel":"%s"}}' "$1" "$work/$2" >"$1.json"
}
mkdir -p host/{proc,dev,sys/firmware/uv/keys}
printf 'vendor_id : IBM/S390\n' >host/proc/cpuinfo
touch host/dev/kvm
echo 1 >host/sys/firmware/uv/prot_virt_host
real=(--cert parts/signer.pem --cert parts/inter.pem --crl parts/lists.pem --root-ca parts/root.pem --offline --at 2027-01-15T08:00:00Z)
image "${real[@]}" --host-key-document parts/host1.pem -o real >/dev/null
image "${real[@]}" --host-key-document parts/host2.pem -o elsewhere >/dev/null
cvmctl image show real -q -o jsonl | sed 's/.*"host_keys":\["\([0-9a-f]*\)".*/\1/' >host/sys/firmware/uv/keys/all
protected real real
protected elsewhere elsewhere
expect 9 "this host can run no guest of IBM Secure Execution on hardware" cvmctl launch real.json
end_daemon
start_daemon --set "HostRoot=$work/host"
expect 9 "the image was not built for this host, whose key is $(cat host/sys/firmware/uv/keys/all)" cvmctl launch elsewhere.json
expect 0 "real is running" cvmctl launch real.json
cmp real seen/real.kernel || fault "the image is not handed over as it is"
grep -qx "s390-ccw-virtio,accel=kvm,confidential-guest-support=guest" seen/real.arguments || fault "$(cat seen/real.arguments)"
grep -q "org.cvmd.tee.0" seen/real.arguments && fault "a guest on hardware is linked to simulated hardware"
expect 0 "was reset" cvmctl reset real
expect 0 "was killed" cvmctl kill real

# What the ultravisor refuses is told, by QEMU or by the guest's loader
stops_with() { # STATES CODE
        echo "$1" >seen/states
        cvmctl start real -q >/dev/null 2>&1 || true
        grep -q -m 1 -- "$2" < <(exec timeout 60 "$build/cli/cvmctl" --bus "$bus" events real --since 0 --follow -o jsonl 2>/dev/null) ||
                fault "no $2 in the events"
}
stops_with refused CVM-HOST-KEY-SLOT
expect 0 "the image was not built for this host" cvmctl show real
stops_with loader CVM-KVM-CONFIDENTIAL
expect 0 "(facility 161)" cvmctl show real
end_faults
