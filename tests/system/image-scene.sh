# Sourced by tests of a simulated guest of Secure Execution, after build and source_dir are set: a bus, a daemon, its owner's image,
# binding and policy, and the real agent running in `work`, another one after each reset. The machine is a script; what stands
# between its ports and the agent outlives the daemon as QEMU does.
work=$(mktemp -d)
. "$source_dir/tests/system/lib.sh"
. "$source_dir/tests/system/expect.sh"
end_scene() {
        [ ! -e "$work/seen/machine" ] || kill -KILL "$(cat "$work/seen/machine")" 2>/dev/null || true
        end_all
}
trap end_scene EXIT
make_se=$build/tests/cli/cli-make-se
programs=$work/programs
mkdir -p "$programs" "$work/seen"
chmod 755 "$work" "$programs"
chmod 1777 "$work/seen"

cat >"$programs/qemu-system-s390x" <<Q
#!/bin/sh
GUEST=$work/guest OUTLIVES=$work/seen/machine exec /usr/bin/python3 $source_dir/tests/vm/scripted-qemu.py running -- "\$@"
Q
cat >"$work/guest" <<P
#!/usr/bin/python3
import ctypes, os, re, select, socket, subprocess, sys, threading
def end_with_parent():
    ctypes.CDLL(None).prctl(1, 9)
def port(listener, guest):
    """The guest's end stays open while no daemon is there."""
    while True:
        host = listener.accept()[0]
        while True:
            ready = select.select([host, guest], [], [])[0]
            try:
                for end, other in ((host, guest), (guest, host)):
                    data = end.recv(65536) if end in ready else None
                    if data == b"":
                        raise OSError
                    if data:
                        other.sendall(data)
            except OSError:
                break
        host.close()
end_with_parent()
ends = []
for n in re.findall(r"id=channel\d,fd=(\d+)", " ".join(sys.argv)):
    listener = socket.socket(fileno=int(n))
    listener.setblocking(True)
    ours, theirs = socket.socketpair()
    threading.Thread(target=port, args=(listener, ours), daemon=True).start()
    ends.append(theirs)
agent, tee = (f"fd:{e.fileno()}" for e in ends)
status = -9
while status == -9:  # by a reset: the next boot
    status = subprocess.call(["$build/guest-agent/cvm-agent", "--channel", agent, "--tee", tee, "--cmdline", "$work/cmdline",
                              "--run", "$work/seen/run"], pass_fds=[e.fileno() for e in ends], preexec_fn=end_with_parent)
sys.exit(status)
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
# seal NAME [OPTION...]: a secret for the store, NAME.sealed; its request is NAME.req; with the image's key, or that in $cck
printf 'my secret' >secret
seal() {
        cvmctl secret seal "$1" --platform se --header image "${hosts[@]}" --cck "${cck:-keys/cck}" --in secret --owner-key owner.pem \
                --bundle bundle --verdict verdict --request "$1.req" -o "$1.sealed" "${@:2}"
}
# The evidence that was attested last, for seal
take_evidence() { cp seen/saved/bundle.json bundle && cp seen/saved/verdict.json verdict; }

