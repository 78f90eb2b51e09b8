#!/usr/bin/python3
"""Below with-libvirtd: while libvirt takes its time to start one domain, others begin and end. beside.py BUILD"""
import os
import subprocess
import sys

from domain_scene import DomainScene, s

HOOK = """#!/bin/sh
[ "$1 $2" != "cvmd-slow prepare" ] || {{ echo >{0}/entered; read -r word <{0}/leave; }}
"""


def restart_libvirtd(work):
    """With a hook, which it looks for when it begins: it holds the domain `slow`."""
    os.mkfifo(f"{work}/entered")
    os.mkfifo(f"{work}/leave")
    os.makedirs("/etc/libvirt/hooks", exist_ok=True)
    with open("/etc/libvirt/hooks/qemu", "w") as f:
        f.write(HOOK.format(work))
    os.chmod(f.name, 0o755)
    subprocess.run([os.environ["CVM_LIBVIRTD"], "kill"], check=True)
    subprocess.run([os.environ["CVM_LIBVIRTD"], "start"], check=True)


def main():
    scene = DomainScene(sys.argv[1])
    try:
        restart_libvirtd(scene.work)
        slow, operation = scene.manager.Launch(scene.definition("slow"), s.dbus.Dictionary({}, signature="sv"),
                                               dbus_interface=s.MANAGER)
        with open(f"{scene.work}/entered") as f:
            f.read()
        quick = scene.launch([f"quick{i}" for i in range(4)])
        scene.do(quick, "Kill")
        state = scene.properties(scene.bus, slow, s.VM)["State"]
        assert state == "starting", f"it was to wait, and is {state}"
        with open(f"{scene.work}/leave", "w") as f:
            f.write("go\n")
        scene.must(operation)
    finally:
        scene.end()


main()
