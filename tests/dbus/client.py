"""A client of its own process and user: client.py ADDRESS FUNCTION ARGUMENTS(JSON). Prints the result as JSON; a refusal is the
name of its D-Bus error."""
import json
import os
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
from gi.repository import GLib

MANAGER, VM, OPERATION = "org.cvmd1.Manager", "org.cvmd1.VM", "org.cvmd1.Operation"
NAMES = dbus.Dictionary({}, signature="sv")


def proxy(bus, path="/org/cvmd1"):
    return bus.get_object("org.cvmd1", path, introspect=False)


def properties(bus, path, interface):
    return proxy(bus, path).GetAll(interface, dbus_interface=dbus.PROPERTIES_IFACE)


def create(bus, definition, files):
    passed = dbus.Dictionary({f: dbus.types.UnixFd(os.open(f, os.O_RDONLY)) for f in files}, signature="sh")
    options = dbus.Dictionary({"files": passed} if files else {}, signature="sv")
    return proxy(bus).Create(definition, options, dbus_interface=MANAGER)


def call(bus, name, method, *arguments):
    """Numbers are t, {} is an empty a{sv}."""
    path = proxy(bus).GetVM(name, dbus_interface=MANAGER)
    typed = [dbus.UInt64(a) if isinstance(a, int) else NAMES if a == {} else a for a in arguments]
    return str(getattr(proxy(bus, path), method)(*typed, dbus_interface=VM))


def seen(bus):
    objects = proxy(bus).GetManagedObjects(dbus_interface="org.freedesktop.DBus.ObjectManager")
    return sorted(str(i[VM]["Name"]) for i in objects.values() if VM in i)


def listed(bus):
    return len(proxy(bus).ListVMs(NAMES, dbus_interface=MANAGER))


def events(bus):
    return len(proxy(bus).GetEvents(dbus.UInt64(0), dbus_interface=MANAGER))


def audit(bus):
    return str(proxy(bus).GetAudit(dbus.UInt64(0), dbus_interface=MANAGER))


def read(bus, path, interface):
    return str(properties(bus, path, interface)["Id"])


def listen(bus):
    """Everything that comes until standard input ends."""
    heard, loop = [], GLib.MainLoop()

    def on_signal(*args, path=None, member=None):
        heard.append(f"{path} {member}")

    bus.add_signal_receiver(on_signal, path_keyword="path", member_keyword="member")
    seen(bus)  # from now on the daemon knows us
    print("listening", flush=True)
    GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, lambda *a: loop.quit())
    loop.run()
    seen(bus)  # a round trip: what was sent before its answer is here
    while GLib.MainContext.default().iteration(False):
        pass
    return [h for h in heard if "/org/cvmd1" in h]


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    try:
        result = globals()[sys.argv[2]](dbus.bus.BusConnection(sys.argv[1]), *json.loads(sys.argv[3]))
    except dbus.DBusException as e:
        result = e.get_dbus_name()
    print(json.dumps(result))


main()
