#!/bin/bash
# The whole loop of a simulated guest of Secure Execution: real daemon, real agent, the simulated ultravisor. The machine is a
# script that gives the agent the ports' other ends; on an emulated s390x the same is seen in the testbed. An owner attests,
# hands a secret to the ultravisor's store, and sees in evidence that the store holds just that.
set -euo pipefail
build=$1 source_dir=$2
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
trap end_all EXIT
make_se=$build/tests/cli/cli-make-se
programs=$work/programs
mkdir -p "$programs" "$work/seen"
chmod 755 "$work" "$programs"
chmod 1777 "$work/seen"

cat >"$programs/qemu-system-s390x" <<Q
#!/bin/sh
GUEST=$work/guest exec /usr/bin/python3 $source_dir/tests/vm/scripted-qemu.py running -- "\$@"
Q
cat >"$work/guest" <<P
#!/usr/bin/python3
import ctypes, os, re, socket, sys
ends = []
for n in re.findall(r"id=channel\d,fd=(\d+)", " ".join(sys.argv)):
    listener = socket.socket(fileno=int(n))
    listener.setblocking(True)
    ends.append(listener.accept()[0])
    os.set_inheritable(ends[-1].fileno(), True)
ctypes.CDLL(None).prctl(1, 9)  # it ends with its machine
agent, tee = (f"fd:{e.fileno()}" for e in ends)
os.execv("$build/guest-agent/cvm-agent", ["cvm-agent", "--channel", agent, "--tee", tee, "--cmdline", "$work/cmdline", "--run",
                                          "$work/seen/run"])
P
chmod 755 "$programs/qemu-system-s390x" "$work/guest"
export PATH=$programs:$PATH

start_bus
start_daemon
cd "$work"
cvmctl owner init -q >/dev/null
cvmctl host show --simulation-hosts -q >hosts.pem
cvmctl host show --simulation-root -q >root.pem
mkdir parts
"$make_se" scene parts
hosts=(--host-key-document hosts.pem --cert hosts.pem --root-ca root.pem --offline)
image() { cvmctl image build --kernel parts/kernel --loader-dir parts --owner-key owner.pem -q "${hosts[@]}" "$@" >/dev/null; }
image --cmdline quiet --keys-to keys -o image
image -o other
printf 'quiet cvm.owner=%s' "$(cvmctl owner show -q -o jsonl | sed -n 's/.*"owner_id":"\([0-9a-f]*\)".*/\1/p')" >cmdline
cat >guest.json <<D
{"version": 1, "name": "guest", "uuid": "$(cat /proc/sys/kernel/random/uuid)", "platform": "secure-execution", "simulate": true,
 "memory": "256MiB", "boot": {"kernel": "$work/image"}}
D
cvmctl binding make guest.json --owner-key owner.pem -q -o binding
cvmctl policy make guest.json --binding binding --owner-key owner.pem "${hosts[@]}" -o policy 2>/dev/null
expect 0 "guest is running" cvmctl launch guest.json --owner-key owner.pem --binding binding

# attest STATUS WORDS [OPTION...]: everything in one, where the owner reaches the daemon
attest() {
        expect "$1" "$2" cvmctl attest guest --policy policy --owner-key owner.pem --header image "${hosts[@]}" --save seen/saved "${@:3}"
}
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
printf 'my secret' >secret
seal() {
        cvmctl secret seal "$1" --platform se --header image "${hosts[@]}" --cck keys/cck --in secret --owner-key owner.pem \
                --bundle bundle --verdict verdict --request "$1.req" -o "$1.sealed" "${@:2}"
}
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
expect 5 "refused" cvmctl secret put guest late.sealed --receipt refused
expect 0 "late uv-request refused" cvmctl secret list guest
expect 5 "another extension secret" cvmctl secret receipt refused --bundle bundle --secret late.sealed --owner-key owner.pem
attest 0 "accepted" --added db.req --added tls.req

# Another run is another configuration
expect 0 "" cvmctl kill guest
expect 0 "" cvmctl start guest
attest 5 "CVM-SECRET-STORE" --added db.req
attest 0 "accepted"
cuid() { od -An -v -tx1 -j 264 -N 16 "$1" | tr -d ' \n'; }
cp seen/saved/bundle.json bundle
cp seen/saved/verdict.json verdict
seal again -q
[ "$(cuid again.req)" != "$(cuid db.req)" ] || fault "two runs have one id"
end_faults
