"""The interface as published is the live one; requests that are wrong are refused in words; operations end once."""
import os
import socket
import sys
import xml.etree.ElementTree as ElementTree

import dbus
from gi.repository import Gio, GLib

import scene as s

PUBLISHED = f"{sys.argv[2]}/dbus/org.cvmd1.xml"
NAMES = dbus.Dictionary({}, signature="sv")


def shape(interface):
    """What a client can rely on, without comments and annotations."""
    def args(node, default):
        return tuple((a.get("name"), a.get("type"), a.get("direction", default)) for a in node.findall("arg"))

    return ({("method", m.get("name"), args(m, "in")) for m in interface.findall("method")} |
            {("signal", m.get("name"), tuple(a[:2] for a in args(m, "out"))) for m in interface.findall("signal")} |
            {("property", p.get("name"), p.get("type"), p.get("access")) for p in interface.findall("property")})


def the_published_interface_is_the_live_one(scene):
    published = {i.get("name"): shape(i) for i in ElementTree.parse(PUBLISHED).getroot().findall("interface")}
    vm, operation = scene.manager.Launch(scene.definition("live"), NAMES, dbus_interface=s.MANAGER)
    live = {}
    for path in ("/org/cvmd1", vm, operation):
        text = scene.proxy(scene.bus, path).Introspect(dbus_interface=dbus.INTROSPECTABLE_IFACE)
        live.update({i.get("name"): shape(i) for i in ElementTree.fromstring(text).findall("interface")
                     if i.get("name").startswith("org.cvmd1")})
    assert scene.wait(scene.bus, operation)["State"] == "done"
    assert published.keys() == live.keys(), (published.keys(), live.keys())
    for name in published:
        assert published[name] == live[name], (name, published[name] ^ live[name])


def a_life_by_operations(scene):
    ended = []
    scene.bus.add_signal_receiver(lambda *a, path: ended.append(path), "Finished", s.OPERATION, path_keyword="path")
    vm = scene.manager.Create(scene.definition("life"), NAMES, dbus_interface=s.MANAGER)
    asked = []
    for method, arguments, state in (("Start", (), "running"), ("Pause", (), "paused"), ("Resume", (), "running"),
                                     ("Reset", (), "running"), ("Kill", (), "stopped")):
        operation = getattr(scene.proxy(scene.bus, vm), method)(*arguments, dbus_interface=s.VM)
        asked.append(operation)
        result = scene.wait(scene.bus, operation)
        assert result["State"] == "done", (method, result["Error"])
        assert scene.properties(scene.bus, vm, s.VM)["State"] == state, method
    operation = scene.proxy(scene.bus, vm).Delete(NAMES, dbus_interface=s.VM)
    assert "payload" in scene.wait(scene.bus, operation)["Result"]
    assert "payload" in scene.manager.GetRecord("life", dbus_interface=s.MANAGER)
    s.refused(lambda: scene.manager.GetVM("life", dbus_interface=s.MANAGER), "org.cvmd1.Error.NoVM")
    while GLib.MainContext.default().iteration(False):
        pass
    for operation in asked:
        assert ended.count(operation) == 1, (operation, ended.count(operation))


def the_same_request_gives_the_same_objects(scene):
    options = dbus.Dictionary({"request_id": "r-1"}, signature="sv")
    first = scene.manager.Create(scene.definition("again"), options, dbus_interface=s.MANAGER)
    assert scene.manager.Create(scene.definition("again"), options, dbus_interface=s.MANAGER) == first
    s.refused(lambda: scene.manager.Create(scene.definition("again2"), options, dbus_interface=s.MANAGER),
              "org.cvmd1.Error.Exists")


def measuring_makes_nothing(scene):
    before = len(scene.manager.ListVMs(NAMES, dbus_interface=s.MANAGER))
    measured = scene.manager.Measure(scene.definition("measured"), dbus_interface=s.MANAGER)
    assert len(measured["measurement"]) == 96 and measured["platform"] == "sev-snp" and measured["simulated"]
    assert len(scene.manager.ListVMs(NAMES, dbus_interface=s.MANAGER)) == before
    s.refused(lambda: scene.manager.Measure("{", dbus_interface=s.MANAGER), "org.cvmd1.Error.Json")


def wrong_requests_are_refused_in_words(scene):
    vm = scene.manager.GetVM("live", dbus_interface=s.MANAGER)

    def create(definition, **options):
        return lambda: scene.manager.Create(definition, dbus.Dictionary(options, signature="sv"), dbus_interface=s.MANAGER)

    def evidence(**options):
        return lambda: scene.proxy(scene.bus, vm).GetEvidence(dbus.Dictionary(options, signature="sv"), dbus_interface=s.VM)

    good = scene.definition("wrong")
    for function, name in (
            (create(good, colour="red"), "Field"),
            (create(good, request_id=dbus.UInt32(1)), "Field"),
            (create(good, request_id="x" * 300), "Field"),
            (create(good, binding="text"), "Field"),
            (create(good, nonce=dbus.ByteArray(bytes(32))), "Field"),
            (create(good, files=dbus.Dictionary({f"f{i}": dbus.types.UnixFd(0) for i in range(3)}, signature="sh"),
                    state="running"), "Field"),
            (create("{"), "Json"),
            (create("x" * 300000), "TooLarge"),
            (create(scene.definition("../up")), "Field"),
            (create(scene.definition("live")), "Exists"),
            (evidence(), "Field"),
            (evidence(nonce=dbus.ByteArray(bytes(31))), "Field"),
            (evidence(nonce=dbus.ByteArray(bytes(32)), request="text"), "Field"),
            (evidence(nonce=dbus.ByteArray(bytes(32)), request=dbus.ByteArray(bytes(65537))), "Field"),
            (lambda: scene.proxy(scene.bus, vm).PutSecret("{}", "", dbus_interface=s.VM), "Unowned"),
            (lambda: scene.proxy(scene.bus, vm).PutSecret("x" * 2000000, "", dbus_interface=s.VM), "TooLarge"),
            (lambda: scene.proxy(scene.bus, vm).RecordVerdict("{}", dbus_interface=s.VM), "Unowned"),
            (lambda: scene.proxy(scene.bus, vm).Start(dbus_interface=s.VM), "WrongState"),
            (lambda: scene.proxy(scene.bus, vm).OpenConsole(dbus_interface=s.VM), "Console"),
            (lambda: scene.proxy(scene.bus, vm).Dump(dbus.types.UnixFd(1), dbus_interface=s.VM), "DumpNone"),
            (lambda: scene.proxy(scene.bus, vm).Check("Dump", dbus_interface=s.VM), "DumpNone"),
            (lambda: scene.manager.Explain("CVM-NOTHING", dbus_interface=s.MANAGER), "NoCode"),
            (lambda: scene.manager.GetRecord("nobody", dbus_interface=s.MANAGER), "NoVM"),
            (lambda: scene.manager.ListVMs(dbus.Dictionary({"colour": "red"}, signature="sv"), dbus_interface=s.MANAGER),
             "Field")):
        s.refused(function, f"org.cvmd1.Error.{name}")


def filters_and_properties(scene):
    def names(**options):
        paths = scene.manager.ListVMs(dbus.Dictionary(options, signature="sv"), dbus_interface=s.MANAGER)
        return {str(scene.properties(scene.bus, p, s.VM)["Name"]) for p in paths}

    assert "live" in names(state="running") and "live" not in names(state="stopped")
    assert names(platform="tdx") == set() and names(label="tier") == set()
    for word in ("state", "trust", "platform"):
        s.refused(lambda: names(**{word: "colour"}), "org.cvmd1.Error.Argument")
    manager = scene.properties(scene.bus, "/org/cvmd1", s.MANAGER)
    assert manager["Capacity"]["running"] >= 1 and "BEGIN PUBLIC KEY" in manager["RecordKey"]
    assert "BEGIN CERTIFICATE" in manager["SimulationRoot"]
    scene.manager.Simulate(dbus_interface=s.MANAGER)
    hosts = scene.manager.Get(s.MANAGER, "SimulationHosts", dbus_interface="org.freedesktop.DBus.Properties")
    assert hosts.count("BEGIN CERTIFICATE") == 3 and hosts.count("BEGIN X509 CRL") == 3
    checks = scene.manager.CheckHost(dbus_interface=s.MANAGER)
    assert checks[0][0] == "qemu" and all(c[1] in ("PASS", "WARN", "FAIL") for c in checks)
    assert [c[0] for c in checks].count("libvirt") == 1 and manager["Driver"] == s.DRIVER
    assert "vCPUs" in scene.manager.Explain("CVM-VCPUS", dbus_interface=s.MANAGER)
    seqs = [e[0] for e in scene.manager.GetEvents(dbus.UInt64(0), dbus_interface=s.MANAGER)]
    assert seqs == sorted(seqs) and seqs


def a_path_of_the_host_is_judged(scene):
    os.symlink("/etc/passwd", f"{scene.work}/link")
    for path, code in ((f"{scene.work}/link", "CVM-PATH"), ("/etc/passwd", "CVM-PATH"), (scene.work, "CVM-PATH")):
        vm, operation = scene.manager.Launch(
            '{"version":1,"name":"path","simulate":true,"boot":{"kernel":"%s"}}' % path, NAMES, dbus_interface=s.MANAGER)
        result = scene.wait(scene.bus, operation)
        assert result["ErrorCode"] == code and result["Remedy"], result
        s.refused(lambda: scene.manager.GetVM("path", dbus_interface=s.MANAGER), "org.cvmd1.Error.NoVM")
    open(f"{scene.work}/empty", "w").close()
    os.mkfifo(f"{scene.work}/pipe")
    for path in (f"{scene.work}/link", f"{scene.work}/empty", f"{scene.work}/pipe", f"{scene.work}/gone", "/dev/zero"):
        s.refused(lambda: scene.manager.Create(
            '{"version":1,"name":"path","simulate":true,"boot":{"kernel":"%s"}}' % path, NAMES, dbus_interface=s.MANAGER),
            "org.cvmd1.Error.Path")


def raw_peer(scene):
    """A client that speaks for itself: past the handshake, with a name on the bus."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(scene.address.split("=", 1)[1].split(",")[0])
    peer.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert peer.recv(1024).startswith(b"OK")
    peer.sendall(b"BEGIN\r\n" + message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", 1))
    assert peer.recv(1024)
    return peer


def message(destination, path, interface, member, serial):
    m = Gio.DBusMessage.new_method_call(destination, path, interface, member)
    m.set_serial(serial)
    return m.to_blob(Gio.DBusCapabilityFlags.NONE)


def peers_that_do_not_read_or_stop_midway_hold_nobody(scene):
    """dbus-daemon stands between: it is our daemon that must go on answering others."""
    deaf, half = raw_peer(scene), raw_peer(scene)
    call = message("org.cvmd1", "/org/cvmd1", s.MANAGER, "GetManagedObjects", 2)
    half.sendall(call[:len(call) // 2])
    deaf.setblocking(False)
    try:
        for serial in range(2, 20000):
            deaf.send(message("org.cvmd1", "/org/cvmd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", serial))
    except OSError:
        pass  # the bus takes no more from it
    assert scene.manager.GetVM("live", dbus_interface=s.MANAGER)
    half.close()
    assert scene.manager.GetVM("live", dbus_interface=s.MANAGER)
    deaf.close()
    assert scene.properties(scene.bus, "/org/cvmd1", s.MANAGER)["Version"]


def one_user_does_not_fill_the_queue(scene):
    """All who ask wait for one look; more than a few of one user would keep others from waiting for anything."""
    loop, ends = GLib.MainLoop(), []

    def ended(result):
        ends.append(result.get_dbus_name() if isinstance(result, dbus.DBusException) else len(result))
        if len(ends) == 40:
            loop.quit()

    for _ in range(40):
        scene.bus.call_async("org.cvmd1", "/org/cvmd1", s.MANAGER, "CheckHost", "", (), ended, ended)
    GLib.timeout_add_seconds(60, loop.quit)
    loop.run()
    assert len(ends) == 40 and "org.cvmd1.Error.Quota" in ends, ends
    assert sum(e != "org.cvmd1.Error.Quota" for e in ends) >= 16 and max(e for e in ends if isinstance(e, int)) >= 4, ends


def calls_of_another_shape_are_refused(scene):
    for method, signature, arguments in (("Launch", "s", ("{}",)), ("Launch", "sas", ("{}", ["a"])), ("Create", "ay", (b"{}",)),
                                         ("GetVM", "u", (1,)), ("ListVMs", "v", ("x",)), ("GetEvents", "s", ("0",))):
        try:
            scene.bus.call_blocking("org.cvmd1", "/org/cvmd1", s.MANAGER, method, signature, arguments)
        except dbus.DBusException as e:
            assert e.get_dbus_name() == "org.freedesktop.DBus.Error.InvalidArgs", e
        else:
            raise AssertionError(f"{method}({signature}) was taken")


def operations_can_be_called_off(scene):
    scene.manager.GetVM("live", dbus_interface=s.MANAGER)
    operation = scene.proxy(scene.bus, scene.manager.GetVM("live", dbus_interface=s.MANAGER)).GetEvidence(
        dbus.Dictionary({"nonce": dbus.ByteArray(bytes(32))}, signature="sv"), dbus_interface=s.VM)
    scene.proxy(scene.bus, operation).Cancel(dbus_interface=s.OPERATION)
    state = scene.wait(scene.bus, operation)
    assert state["State"] == "cancelled" and state["ErrorCode"] == "CVM-CANCELLED", state
    s.refused(lambda: scene.proxy(scene.bus, operation).Cancel(dbus_interface=s.OPERATION), "org.cvmd1.Error.WrongState")


def a_host_that_counts(scene):
    for path, text in (("proc/cpuinfo", "vendor_id\t: AuthenticAMD\n"), ("sys/fs/cgroup/misc.capacity", "sev 410\nsev_es 99\n"),
                       ("sys/fs/cgroup/misc.current", "sev 0\nsev_es 3\n"),
                       ("sys/module/kvm_amd/parameters/ciphertext_hiding_asids", "20\n")):
        os.makedirs(os.path.dirname(f"{scene.work}/host/{path}"), exist_ok=True)
        with open(f"{scene.work}/host/{path}", "w") as f:
            f.write(text)
    scene.daemon.terminate()
    assert scene.daemon.wait(30) == 0
    scene.start_daemon("--set", f"HostRoot={scene.work}/host")
    capacity = scene.properties(scene.bus, "/org/cvmd1", s.MANAGER)["Capacity"]
    assert capacity["leaked"] == 0 and len(capacity["pools"]) == 2, capacity
    assert capacity["pools"][1] == {"pool": "sev_es", "guests": "SEV-ES and SEV-SNP", "capacity": 99, "used": 3, "free": 96,
                                    "limit": 20}, capacity
    checks = {c[0]: c for c in scene.manager.CheckHost(dbus_interface=s.MANAGER)}
    for name in ("cpu", "sme-enabled"):  # the tree has no registers
        assert checks[name][1] == "WARN" and "could not be read by the service" in checks[name][2], checks[name]
        assert checks[name][3] == "Run `cvmctl host check` as root.", checks[name]


s.run([the_published_interface_is_the_live_one, a_life_by_operations, the_same_request_gives_the_same_objects,
       measuring_makes_nothing, wrong_requests_are_refused_in_words, filters_and_properties, a_path_of_the_host_is_judged,
       peers_that_do_not_read_or_stop_midway_hold_nobody, one_user_does_not_fill_the_queue,
       calls_of_another_shape_are_refused,
       operations_can_be_called_off, a_host_that_counts], sys.argv[1])
