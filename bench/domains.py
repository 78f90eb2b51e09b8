#!/usr/bin/python3
"""Below tests/libvirt/with-libvirtd: what the driver 'libvirt' costs beside libvirt itself. domains.py BUILD, of bench/run."""
import os
import re
import signal
import statistics
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{SOURCE}/tests/libvirt")
from domain_scene import DomainScene, s  # noqa: E402

VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
STARTS, DOMAINS, AT_ONCE = 31, 200, 8
missed = []


def report(what, value, bar, text, detail):
    if value > bar:
        missed.append(what)
    print(f"{what:58s} {text}  (at most {bar})  {detail}{'  MISSED' if value > bar else ''}", flush=True)


def virsh(*words, **more):
    return subprocess.run([*VIRSH, *words], check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def timed(function, *arguments):
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


def bench_start(scene):
    """The same domain under another name; its disk by path, where ours is passed as a descriptor."""
    def cvmctl(*words):
        subprocess.run([f"{scene.build}/cli/cvmctl", "--bus", scene.address, "-q", *words], check=True)

    scene.launch(["start"])
    cvmctl("kill", "start")
    xml = virsh("dumpxml", "cvmd-start", "--inactive")
    xml = re.sub(r"<uuid>.*?</uuid>| fdgroup='.*?'", "", xml).replace("<name>cvmd-start<", "<name>peer<")
    virsh("define", "/dev/stdin", input=xml)
    ours, theirs = [], []
    for _ in range(STARTS):
        ours.append(timed(cvmctl, "start", "start"))
        cvmctl("kill", "start")
        theirs.append(timed(virsh, "start", "peer"))
        virsh("destroy", "peer")
    a, b = statistics.median(ours), statistics.median(theirs)
    report("cvmctl start under libvirt, time against virsh start", a / b, 1.2, f"{a / b:6.2f}", f"{a * 1000:.0f} against {b * 1000:.0f} ms")


def bench_reconcile(scene):
    """Each was paused while the daemon was away: it has reconciled when it says so of all."""
    def states():
        objects = scene.manager.GetManagedObjects(dbus_interface="org.freedesktop.DBus.ObjectManager")
        return [interfaces[s.VM]["State"] for interfaces in objects.values() if s.VM in interfaces]

    names = [f"many{i}" for i in range(DOMAINS)]
    for i in range(0, DOMAINS, AT_ONCE):
        scene.launch(names[i:i + AT_ONCE])
    scene.daemon.send_signal(signal.SIGKILL)
    scene.daemon.wait()
    virsh("; ".join(f"suspend cvmd-{name}" for name in names))
    began = time.monotonic()
    scene.start_daemon()
    while states().count("paused") < DOMAINS:
        time.sleep(0.01)
    took = time.monotonic() - began
    bare = statistics.median(timed(virsh, "list", "--all") for _ in range(STARTS))
    report(f"daemon restarted, {DOMAINS} domains reconciled", took, 1.0, f"{took:5.2f} s", f"virsh list of them: {bare * 1000:.0f} ms")


def main():
    scene = DomainScene(sys.argv[1])
    try:
        bench_start(scene)
        bench_reconcile(scene)
    finally:
        scene.end()
    sys.exit(len(missed) > 0)


main()
