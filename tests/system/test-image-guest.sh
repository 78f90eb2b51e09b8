#!/bin/bash
# A simulated guest of Secure Execution boots what is in its owner's image, under a QEMU of s390x that is a script: it keeps
# its arguments and what it was to boot. That such a guest runs is seen in the testbed.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
make_se=$build/tests/cli/cli-make-se
# Nothing of s390x that may be installed here is used
programs=$work/programs
mkdir -p "$programs" "$work/seen"
chmod 755 "$work" "$programs"
chmod 1777 "$work/seen"
IFS=: read -ra directories <<<"$PATH"
for directory in "${directories[@]}"; do
        for file in "$directory"/*; do
                [[ $file == *s390x* ]] || [ -e "$programs/${file##*/}" ] || ln -s "$file" "$programs/"
        done
done
export PATH=$programs

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
expect 9 "CVM-QEMU" cvmctl start guest
expect 9 "'qemu-system-s390x' is not there" cvmctl start guest
cat >"$programs/qemu-system-s390x" <<Q
#!/bin/sh
for word; do
        case \$word in guest=*) name=\${word#guest=} name=\${name%%,*} ;; /proc/self/fd/*) cat "\$word" >$work/seen/kernel ;; esac
done
printf '%s\n' "\$@" >$work/seen/arguments
exec /usr/bin/python3 $source_dir/tests/vm/scripted-qemu.py running -- "\$@"
Q
chmod 755 "$programs/qemu-system-s390x"

# What it boots is the image as its host opens it: kernel, initrd and command line in the clear, the loader's second stage first
expect 0 "runs" cvmctl start guest
grep -qx "s390-ccw-virtio,accel=tcg" seen/arguments || fault "the machine is another: $(cat seen/arguments)"
grep -q "org.cvmd.tee.0" seen/arguments || fault "no simulated hardware is linked"
grep -q "s390-pv" seen/arguments && fault "plain QEMU is asked for a protected guest"
[ "$(od -An -tx1 -N 4 seen/kernel | tr -d ' ')" = 00080001 ] || fault "the file begins with no entry"
LC_ALL=C grep -qa S390EP seen/kernel || fault "the kernel is not in the clear"
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
end_faults
