"""A private bus with a daemon of its own, and clients of any user."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

import dbus
import dbus.bus
import dbus.mainloop.glib
from gi.repository import GLib

MANAGER, VM, OPERATION = "org.cvmd1.Manager", "org.cvmd1.VM", "org.cvmd1.Operation"
DRIVER = os.environ.get("CVM_DRIVER", "qemu")  # the VMs' default
BOOT_SECTOR = b"\xfa\xba\xf8\x03\xb0\x2e\xee\xeb\xfd" + bytes(501) + b"\x55\xaa" + bytes(65024)

BUS_CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
</policy></busconfig>"""


class Scene:
    def __init__(self, build):
        dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
        self.build = build
        self.work = tempfile.mkdtemp(prefix="cvmd-bus-")
        os.chmod(self.work, 0o755)
        self.address = f"unix:path={self.work}/bus"
        with open(f"{self.work}/bus.conf", "w") as f:
            f.write(BUS_CONF % self.work)
        self.bus_process = subprocess.Popen(["dbus-daemon", f"--config-file={self.work}/bus.conf", "--nofork", "--nopidfile",
                                             "--print-address=1"], stdout=subprocess.PIPE)
        self.bus_process.stdout.readline()
        self.disk = f"{self.work}/disk"
        with open(self.disk, "wb") as f:
            f.write(BOOT_SECTOR)
        os.chmod(self.disk, 0o644)
        self.bus = self.connect()
        self.start_daemon()

    def start_daemon(self, *more):
        self.daemon = subprocess.Popen(
            [f"{self.build}/daemon/cvmd", "--config", "/dev/null", "--bus", self.address, "--state-dir", f"{self.work}/state",
             "--runtime-dir", f"{self.work}/run", "--worker", f"{self.build}/worker/cvmd-worker", "--set",
             f"ImageDirs={self.work}", "--set", "VmsPerUser=2", "--set", f"Driver={DRIVER}", "--set",
             f"Libvirt={self.build}/worker/cvmd-libvirt", *more], stdout=subprocess.PIPE)
        assert self.daemon.stdout.readline() == b"cvmd: ready\n", "the daemon did not start"
        self.manager = self.proxy(self.bus, "/org/cvmd1")

    def connect(self):
        return dbus.bus.BusConnection(self.address)

    def proxy(self, bus, path):
        return bus.get_object("org.cvmd1", path, introspect=False)

    def definition(self, name, **more):
        return json.dumps({"version": 1, "name": name, "simulate": True, "memory": "256MiB", "vcpus": 1, "accel": "tcg",
                           "boot": {"disk": "boot"},
                           "disks": [{"path": self.disk, "format": "raw", "readonly": True, "serial": "boot"}], **more})

    def properties(self, bus, path, interface):
        return self.proxy(bus, path).GetAll(interface, dbus_interface=dbus.PROPERTIES_IFACE)

    def wait(self, bus, operation):
        """Until it has ended; the properties that it then has."""
        loop, seen = GLib.MainLoop(), []

        def finished(*args):
            seen.append(args)
            loop.quit()

        match = bus.add_signal_receiver(finished, "Finished", OPERATION, path=operation)
        state = self.properties(bus, operation, OPERATION)
        if state["State"] == "running":
            GLib.timeout_add_seconds(60, loop.quit)
            loop.run()
            state = self.properties(bus, operation, OPERATION)
        match.remove()
        assert state["State"] != "running", f"{operation} did not end"
        return state

    def end(self):
        try:
            for path, interfaces in self.manager.GetManagedObjects(
                    dbus_interface="org.freedesktop.DBus.ObjectManager").items():
                if VM in interfaces and interfaces[VM]["Pid"]:
                    os.kill(interfaces[VM]["Pid"], signal.SIGKILL)
        except dbus.DBusException:
            pass
        self.daemon.terminate()
        status = self.daemon.wait(30)
        self.bus_process.terminate()
        self.bus_process.wait()
        shutil.rmtree(self.work)
        assert status == 0, f"the daemon ended with {status}"


def start_client(scene, uid, function, *arguments):
    """Another user's process: what it calls is in client.py."""
    def become():
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    return subprocess.Popen([sys.executable, f"{os.path.dirname(os.path.abspath(__file__))}/client.py", scene.address, function,
                             json.dumps(arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=become)


def read_line(client):
    """Its next line, while whoever serves in this process goes on answering."""
    loop, text = GLib.MainLoop(), []

    def readable(channel, condition):
        text.append(os.read(channel, 1).decode())
        if text[-1] in ("\n", ""):
            loop.quit()
        return text[-1] not in ("\n", "")

    GLib.io_add_watch(client.stdout.fileno(), GLib.IO_IN | GLib.IO_HUP, readable)
    loop.run()
    return "".join(text).strip()


def end_client(client):
    """Its result, while whoever serves in this process goes on answering."""
    loop, text = GLib.MainLoop(), []

    def readable(channel, condition):
        text.append(os.read(channel, 1 << 16).decode())
        if not text[-1]:
            loop.quit()
        return bool(text[-1])

    client.stdin.close()
    GLib.io_add_watch(client.stdout.fileno(), GLib.IO_IN | GLib.IO_HUP, readable)
    loop.run()
    assert client.wait() == 0, "the client failed"
    return json.loads("".join(text).strip().split("\n")[-1])


def as_client(scene, uid, function, *arguments):
    return end_client(start_client(scene, uid, function, *arguments))


def refused(function, name):
    """It must fail with this error of ours, in words."""
    try:
        result = function()
    except dbus.DBusException as e:
        assert e.get_dbus_name() == name, f"{e.get_dbus_name()}: {e.get_dbus_message()}, not {name}"
        assert e.get_dbus_message()
        return
    raise AssertionError(f"not refused: {result}")


def run(tests, build):
    """Each test with the same scene; what fails is told, and counts."""
    failed = 0
    scene = Scene(build)
    try:
        for test in tests:
            try:
                test(scene)
                print(f"ok {test.__name__}")
            except BaseException:
                failed += 1
                print(f"FAILED {test.__name__}")
                traceback.print_exc()
    finally:
        scene.end()
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
