"""Who may do what and who sees what: without polkit, and with one that answers as the test says and notes what it was asked."""
import os
import pwd
import sys

import dbus
import dbus.service
from gi.repository import GLib

import scene as s

NAMES = dbus.Dictionary({}, signature="sv")
# users that every system knows: the bus turns others away
ALICE, BOB = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("nobody").pw_uid


class Polkit(dbus.service.Object):
    """The part of polkit that is asked; the mechanism itself is not ours to test."""
    def __init__(self, bus):
        self.name = dbus.service.BusName("org.freedesktop.PolicyKit1", bus)
        super().__init__(bus, "/org/freedesktop/PolicyKit1/Authority")
        self.granted, self.asked = set(), []

    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", in_signature="(sa{sv})sa{ss}us", out_signature="(bba{ss})")
    def CheckAuthorization(self, subject, action, details, flags, cancellation):
        self.asked.append((str(action), {str(k): str(v) for k, v in details.items()}, int(flags), str(subject[0])))
        return str(action) in self.granted, False, {}


polkit = None


def as_client(scene, uid, function):
    """The function gets a connection of that user, while polkit (in this process) goes on answering."""
    def child():
        return function(dbus.bus.BusConnection(scene.address))

    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            os.write(write_end, repr(s.as_user(uid, child)).encode())
            os._exit(0)
        except BaseException as e:
            os.write(write_end, repr(f"broken: {e}").encode())
            os._exit(1)
    os.close(write_end)
    loop, data = GLib.MainLoop(), []

    def readable(fd, condition):
        data.append(os.read(fd, 1 << 20))
        if not data[-1]:
            loop.quit()
        return bool(data[-1])

    GLib.io_add_watch(read_end, GLib.IO_IN | GLib.IO_HUP, readable)
    loop.run()
    os.waitpid(pid, 0)
    os.close(read_end)
    return eval(b"".join(data).decode())


def vm_call(scene, name, method, *arguments):
    def call(bus):
        path = scene.proxy(bus, "/org/cvmd1").GetVM(name, dbus_interface=s.MANAGER)
        return str(getattr(scene.proxy(bus, path), method)(*arguments, dbus_interface=s.VM))
    return call


def create(scene, name, **options):
    def call(bus):
        fd = os.open(scene.disk, os.O_RDONLY)
        files = dbus.Dictionary({scene.disk: dbus.types.UnixFd(fd)}, signature="sh")
        return str(scene.proxy(bus, "/org/cvmd1").Create(
            scene.definition(name), dbus.Dictionary({"files": files, **options}, signature="sv"), dbus_interface=s.MANAGER))
    return call


def seen(scene):
    def call(bus):
        objects = scene.proxy(bus, "/org/cvmd1").GetManagedObjects(dbus_interface="org.freedesktop.DBus.ObjectManager")
        return sorted(str(i[s.VM]["Name"]) for i in objects.values() if s.VM in i)
    return call


def without_polkit_strangers_may_nothing(scene):
    vm, operation = scene.manager.Launch(scene.definition("roots"), NAMES, dbus_interface=s.MANAGER)
    assert scene.wait(scene.bus, operation)["State"] == "done"
    denied = "org.cvmd1.Error.Denied"
    assert as_client(scene, ALICE, create(scene, "alices")) == denied
    for method, arguments in (("Kill", ()), ("Start", ()), ("Delete", (NAMES,)), ("GetLogs", (dbus.UInt64(0),)),
                              ("PutSecret", ("{}", "")), ("OpenConsole", ())):
        assert as_client(scene, ALICE, vm_call(scene, "roots", method, *arguments)) == denied, method
    assert as_client(scene, ALICE, seen(scene)) == []
    assert as_client(scene, ALICE, lambda bus: list(
        scene.proxy(bus, "/org/cvmd1").ListVMs(NAMES, dbus_interface=s.MANAGER))) == []
    assert as_client(scene, ALICE, lambda bus: len(
        scene.proxy(bus, "/org/cvmd1").GetEvents(dbus.UInt64(0), dbus_interface=s.MANAGER))) == 0
    assert as_client(scene, ALICE, lambda bus: str(
        scene.proxy(bus, "/org/cvmd1").GetAudit(dbus.UInt64(0), dbus_interface=s.MANAGER))) == denied
    hidden = as_client(scene, ALICE, lambda bus: str(scene.properties(bus, vm, s.VM)["Name"]))
    assert hidden.startswith("org.freedesktop.DBus.Error.Unknown"), hidden
    hidden = as_client(scene, ALICE, lambda bus: str(scene.properties(bus, operation, s.OPERATION)["Kind"]))
    assert hidden.startswith("org.freedesktop.DBus.Error.Unknown"), hidden
    assert scene.properties(scene.bus, vm, s.VM)["State"] == "running"


def refused_requests_are_in_the_chain(scene):
    chain = scene.manager.GetAudit(dbus.UInt64(0), dbus_interface=s.MANAGER)
    rows = [r for r in chain.split("\n") if f"uid {ALICE}" in r]
    assert any('"what":"Kill"' in r and '"outcome":"CVM-DENIED"' in r for r in rows), rows
    assert any('"what":"Create"' in r and '"outcome":"CVM-DENIED"' in r for r in rows), rows


def polkit_decides_action_by_action(scene):
    global polkit
    polkit = Polkit(scene.connect())
    polkit.granted = {"org.cvmd1.create"}
    assert as_client(scene, ALICE, create(scene, "alices")).startswith("/org/cvmd1/vm/")
    assert as_client(scene, ALICE, seen(scene)) == ["alices"]
    assert as_client(scene, BOB, seen(scene)) == []
    assert seen(scene)(scene.bus) == ["alices", "roots"]
    polkit.asked.clear()
    assert as_client(scene, ALICE, vm_call(scene, "alices", "Start")) == "org.cvmd1.Error.Denied"
    action, details, flags, subject = polkit.asked[-1]
    assert action == "org.cvmd1.operate" and subject == "system-bus-name" and flags == 0
    assert details == {"vm": "alices", "vm_user": "daemon", "vm_uid": str(ALICE)}, details
    polkit.granted.add("org.cvmd1.operate")
    assert as_client(scene, ALICE, vm_call(scene, "alices", "Start")).startswith("/org/cvmd1/operation/")
    assert as_client(scene, ALICE, vm_call(scene, "alices", "Delete", NAMES)) == "org.cvmd1.Error.Denied"


def users_have_quotas(scene):
    assert as_client(scene, ALICE, create(scene, "alices2")).startswith("/org/cvmd1/vm/")
    assert as_client(scene, ALICE, create(scene, "alices3")) == "org.cvmd1.Error.Quota"


def users_name_no_paths(scene):
    def call(bus):
        proxy = scene.proxy(bus, "/org/cvmd1")
        path = proxy.Create(scene.definition("bobs"), NAMES, dbus_interface=s.MANAGER)
        scene.wait(bus, scene.properties(bus, path, s.VM)["Operation"])
        return str(proxy.GetVM("bobs", dbus_interface=s.MANAGER))

    result = as_client(scene, BOB, call)
    assert result in ("org.cvmd1.Error.NoVM", "org.freedesktop.DBus.Error.UnknownObject",
                      "org.freedesktop.DBus.Error.UnknownMethod"), result
    chain = scene.manager.GetAudit(dbus.UInt64(0), dbus_interface=s.MANAGER)
    assert '"what":"creation undone","outcome":"CVM-PATH"' in chain


def operators_see_all(scene):
    polkit.granted.add("org.cvmd1.operator")
    assert "roots" in as_client(scene, BOB, seen(scene))
    polkit.granted.discard("org.cvmd1.operator")


def signals_go_to_those_who_may_see(scene):
    """Bob listens to everything while root's VM is paused and resumed, and hears nothing of it."""
    def listen(bus):
        heard, loop = [], GLib.MainLoop()
        bus.add_signal_receiver(lambda *a, path=None, member=None: heard.append(f"{path} {member}"), path_keyword="path",
                                member_keyword="member")
        seen(scene)(bus)  # so that the daemon knows him
        GLib.timeout_add(1500, loop.quit)
        loop.run()
        return [h for h in heard if "/org/cvmd1" in h]

    def act():
        vm = scene.manager.GetVM("roots", dbus_interface=s.MANAGER)
        for method in ("Pause", "Resume"):
            getattr(scene.proxy(scene.bus, vm), method)(dbus_interface=s.VM)
        return False

    GLib.timeout_add(500, act)
    assert as_client(scene, BOB, listen) == []


s.run([without_polkit_strangers_may_nothing, refused_requests_are_in_the_chain, polkit_decides_action_by_action,
       users_have_quotas, users_name_no_paths, operators_see_all, signals_go_to_those_who_may_see], sys.argv[1])
