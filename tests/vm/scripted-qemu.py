"""A monitor of QEMU without a QEMU behind it, for machines that this host cannot run:
scripted-qemu.py STATE... -- QEMU-ARGUMENTS

STATE...: what query-sev tells after cont, one for each question; the last one again and again. Words of a state:
    running | launch-update | plain      what the guest has become
    +stop +reset                         events that come before that answer
    reboot                               the guest resets and QEMU ends for it
    panic | refused | loader             the guest stops for good right after cont: without a word, after a line of QEMU about
                                         its ultravisor, after one of the loader on the console
    ends                                 it is told to reset and ends for it
$GUEST, where there is one, is a program that begins when the guest does, with QEMU's descriptors and arguments. A reset kills its
children: it is the machine, and they are what runs in it.
$OUTLIVES, where there is one, is a file that gets this process's id: it goes on when the daemon goes, and whoever reads that ends it.
Behind -machine none it is asked for abilities instead, and has those of QEMU 11 without `kernel-hashes`.
"""
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys

at = sys.argv.index("--")
STATES, ARGUMENTS = sys.argv[1:at], " ".join(sys.argv[at + 1:])
POLICY = int((re.search(r'"policy":(\d+)', ARGUMENTS) or [0, 0])[1])
PROPERTIES = ["cbitpos", "reduced-phys-bits", "policy", "host-data", "id-block", "id-auth", "author-key-enabled"]
SCHEMA = [
    {"name": "object-add", "meta-type": "command", "arg-type": "17", "ret-type": "0"},
    {"name": "17", "meta-type": "object", "members": [{"name": "qom-type", "type": "18"}], "tag": "qom-type",
     "variants": [{"case": "sev-guest", "type": "19"}, {"case": "sev-snp-guest", "type": "20"}]},
    {"name": "19", "meta-type": "object", "members": [{"name": "kernel-hashes", "type": "bool"}]},
    {"name": "20", "meta-type": "object", "members": [{"name": p, "type": "str"} for p in PROPERTIES]},
]
TYPES = [{"name": name, "parent": "object"} for name in ("sev-guest", "sev-snp-guest", "s390-pv-guest")]


monitor = socket.socket(fileno=int(re.search(r"socket,id=monitor,fd=(\d+)", ARGUMENTS).group(1)))
monitor.setblocking(True)
listens = monitor.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
peer = monitor.accept()[0] if listens else monitor
runs = False


def requests():
    """Of one daemon after the other, where the machine outlives them."""
    global peer
    while True:
        say({"QMP": {"version": {"qemu": {"major": 99, "minor": 0, "micro": 0}, "package": ""}, "capabilities": []}})
        try:
            yield from peer.makefile("rb")
        except OSError:
            pass
        if "OUTLIVES" not in os.environ:
            return
        peer = monitor.accept()[0]


def say(message):
    try:
        peer.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        pass  # nobody is there: its requests end


def event(name, **data):
    say({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 0}})


def state():
    words = (STATES.pop(0) if len(STATES) > 1 else STATES[0]).split("+")
    for word in words[1:]:
        event(word.upper(), guest=False)
    if words[0] == "plain":
        return {"enabled": False, "api-major": 0, "api-minor": 0, "build-id": 0, "state": "uninit", "sev-type": "sev", "policy": 0}
    return {"enabled": True, "api-major": 1, "api-minor": 55, "build-id": 1, "state": words[0], "sev-type": "sev-snp",
            "snp-policy": POLICY}


def answer(command):
    if command == "query-status":
        return {"status": "running" if runs else "prelaunch", "running": runs}
    if command == "query-sev":
        return state()
    if command == "qom-list-types":
        return TYPES
    if command == "query-qmp-schema":
        return SCHEMA
    return {}



def stop_for_good(how):
    if how == "refused":
        sys.stderr.write("qemu: KVM PV command 2 (KVM_PV_SET_SEC_PARMS) failed: header rc 108 rrc 5 IOCTL rc: -22\n")
        sys.stderr.flush()
    if how == "loader":
        os.write(int(re.search(r"-add-fd fd=(\d+),set=1 ", ARGUMENTS).group(1)), b"Secure unpack facility is not available\r\n")
    event("GUEST_PANICKED", action="poweroff")
    event("SHUTDOWN", guest=True, reason="guest-panic")
    sys.exit(0)


def kill_children(pid):
    """They are gone when this returns: nothing of the boot before answers in the next."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
    for fd in [os.pidfd_open(int(child)) for child in children]:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [])
        os.close(fd)


guest = None
if "OUTLIVES" in os.environ:
    with open(os.environ["OUTLIVES"], "w") as file:
        file.write(str(os.getpid()))
for line in requests():
    command = json.loads(line)
    if command["execute"] == "cont":
        runs = True
        event("RESUME")
    say({"return": answer(command["execute"]), "id": command.get("id")})
    if command["execute"] == "cont" and STATES[0] in ("panic", "refused", "loader"):
        stop_for_good(STATES[0])
    if command["execute"] == "system_reset" and STATES[0] == "ends":
        event("SHUTDOWN", guest=False, reason="host-qmp-system-reset")
        sys.exit(0)
    if command["execute"] == "cont" and "GUEST" in os.environ:
        guest = subprocess.Popen([os.environ.pop("GUEST"), *sys.argv[at + 1:]], close_fds=False)
    if command["execute"] == "system_reset":
        if guest:
            kill_children(guest.pid)
        event("RESET", guest=False)
    if command["execute"] == "query-sev" and STATES[0] == "reboot":
        event("SHUTDOWN", guest=True, reason="guest-reset")
        sys.exit(0)
