#!/usr/bin/python3
"""Below with-libvirtd: what happens while libvirt takes its time to start a domain. beside.py BUILD"""
import os
import subprocess
import sys

from domain_scene import DomainScene, s

HOOK = """#!/bin/sh
[ "$1 $2" != "cvmd-{1}" ] || {{ echo >{0}/entered; read -r word <{0}/leave; }}
"""
CODES = {"CVM-LIBVIRT-CONNECTION", "CVM-ENDED-AWAY", "CVM-DOMAIN-ENDED", "CVM-QEMU"}


def libvirtd(verb):
    subprocess.run([os.environ["CVM_LIBVIRTD"], verb], check=True)


def hold(scene, name, when):
    """Launch it while libvirt's own hook holds it there; the VM and its operation. Libvirt looks for hooks when it begins."""
    with open("/etc/libvirt/hooks/qemu", "w") as f:
        f.write(HOOK.format(scene.work, f"{name} {when}"))
    os.chmod(f.name, 0o755)
    vm, operation = scene.manager.Launch(scene.definition(name), s.dbus.Dictionary({}, signature="sv"), dbus_interface=s.MANAGER)
    with open(f"{scene.work}/entered") as f:
        f.read()
    return vm, operation


def leave(scene):
    with open(f"{scene.work}/leave", "w") as f:
        f.write("go\n")


def others_begin_and_end(scene):
    slow, operation = hold(scene, "slow", "prepare")
    quick = scene.launch([f"quick{i}" for i in range(4)])
    scene.do(quick, "Kill")
    state = scene.properties(scene.bus, slow, s.VM)["State"]
    assert state == "starting", f"it was to wait, and is {state}"
    leave(scene)
    scene.must(operation)
    scene.do([slow], "Kill")


def libvirtd_dies(scene, name, when):
    """Whether it runs then or not: the VM and libvirt say the same, and a failure has words."""
    vm, operation = hold(scene, name, when)
    libvirtd("kill")
    leave(scene)
    libvirtd("start")
    result = scene.wait(scene.bus, operation)
    state = scene.properties(scene.bus, vm, s.VM)["State"]
    is_ = subprocess.run(["virsh", "-q", "domstate", f"cvmd-{name}"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    print(f"libvirtd died at '{when}': {result['State']}, {state}, libvirt: {is_}, {result['ErrorCode']}")
    assert (state, is_) in (("running", "running"), ("failed", "shut off"), ("stopped", "shut off"))
    assert result["State"] == "done" or result["ErrorCode"] in CODES, result["Error"]


def main():
    scene = DomainScene(sys.argv[1])
    os.mkfifo(f"{scene.work}/entered")
    os.mkfifo(f"{scene.work}/leave")
    os.makedirs("/etc/libvirt/hooks", exist_ok=True)
    with open("/etc/libvirt/hooks/qemu", "w") as f:
        f.write("#!/bin/sh\n")
    os.chmod(f.name, 0o755)
    libvirtd("kill")
    libvirtd("start")
    try:
        others_begin_and_end(scene)
        for when in "prepare", "start", "started":
            libvirtd_dies(scene, f"at-{when}", when)
    finally:
        scene.end()


main()
