#!/usr/bin/python3
"""Below with-libvirtd: starts and ends of VMs leave no descriptor and no thread behind, in the daemon or in cvmd-libvirt.
cycles.py BUILD CYCLES"""
import os
import sys
import time

from domain_scene import DomainScene

AT_ONCE = 4  # VMs


def count(scene):
    """Descriptors and threads of the daemon, then of cvmd-libvirt."""
    return [len(os.listdir(f"/proc/{pid}/{what}")) for pid in (scene.daemon.pid, scene.host_process()) for what in ("fd", "task")]


def main():
    scene = DomainScene(sys.argv[1])
    try:
        vms = scene.launch([f"cycle{i}" for i in range(AT_ONCE)])
        scene.do(vms, "Kill")
        scene.do(vms, "Start")
        before = after = count(scene)  # what is still under way here only makes it more
        for _ in range(int(sys.argv[2]) // AT_ONCE):
            scene.do(vms, "Kill")
            scene.do(vms, "Start")
        until, after = time.monotonic() + 30, count(scene)
        while any(a > b for a, b in zip(after, before)) and time.monotonic() < until:
            after = count(scene)
        print(f"descriptors and threads of cvmd and of cvmd-libvirt: {before} before {sys.argv[2]} starts and ends, {after} after")
        assert all(a <= b for a, b in zip(after, before)), "each leaves something behind"
    finally:
        scene.end()


main()
