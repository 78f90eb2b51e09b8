"""Who may do what and who sees what: without polkit, and with one that answers as the test says and notes what it was asked."""
import pwd
import sys

import dbus
import dbus.service

import scene as s

NAMES = dbus.Dictionary({}, signature="sv")
DENIED = "org.cvmd1.Error.Denied"
# users that every system knows: the bus turns others away
ALICE, BOB = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("nobody").pw_uid


class Polkit(dbus.service.Object):
    """The part of polkit that is asked; the mechanism itself is not ours to test."""
    def __init__(self, bus):
        self.name = dbus.service.BusName("org.freedesktop.PolicyKit1", bus)
        super().__init__(bus, "/org/freedesktop/PolicyKit1/Authority")
        self.granted, self.asked, self.silent, self.waiting = set(), [], False, []

    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", in_signature="(sa{sv})sa{ss}us", out_signature="(bba{ss})",
                         async_callbacks=("answer", "fail"))
    def CheckAuthorization(self, subject, action, details, flags, cancellation, answer, fail):
        self.asked.append((str(action), {str(k): str(v) for k, v in details.items()}, int(flags), str(subject[0])))
        if self.silent:
            self.waiting.append(answer)
        else:
            answer((str(action) in self.granted, False, {}))


polkit = None


def create(scene, uid, name):
    return s.as_client(scene, uid, "create", scene.definition(name), [scene.disk])


def without_polkit_strangers_may_nothing(scene):
    vm, operation = scene.manager.Launch(scene.definition("roots"), NAMES, dbus_interface=s.MANAGER)
    assert scene.wait(scene.bus, operation)["State"] == "done"
    assert create(scene, ALICE, "alices") == DENIED
    for method, arguments in (("Kill", ()), ("Start", ()), ("Delete", ({},)), ("GetLogs", (0,)), ("GetXml", ()), ("PutSecret", ("{}", "")),
                              ("OpenConsole", ())):
        assert s.as_client(scene, ALICE, "call", "roots", method, *arguments) == DENIED, method
    assert s.as_client(scene, ALICE, "seen") == []
    assert s.as_client(scene, ALICE, "listed") == 0
    assert s.as_client(scene, ALICE, "events") == 0
    assert s.as_client(scene, ALICE, "audit") == DENIED
    for path, interface in ((vm, s.VM), (operation, s.OPERATION)):
        hidden = s.as_client(scene, ALICE, "read", path, interface)
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
    assert create(scene, ALICE, "alices").startswith("/org/cvmd1/vm/")
    assert s.as_client(scene, ALICE, "seen") == ["alices"]
    assert s.as_client(scene, BOB, "seen") == []
    assert s.as_client(scene, 0, "seen") == ["alices", "roots"]
    polkit.asked.clear()
    assert s.as_client(scene, ALICE, "call", "alices", "Start") == DENIED
    action, details, flags, subject = polkit.asked[-1]
    assert action == "org.cvmd1.operate" and subject == "system-bus-name" and flags == 0
    assert details == {"vm": "alices", "vm_user": "daemon", "vm_uid": str(ALICE)}, details
    polkit.granted.add("org.cvmd1.operate")
    assert s.as_client(scene, ALICE, "call", "alices", "Start").startswith("/org/cvmd1/operation/")
    assert s.as_client(scene, ALICE, "call", "alices", "Delete", {}) == DENIED


def users_have_quotas(scene):
    assert create(scene, ALICE, "alices2").startswith("/org/cvmd1/vm/")
    assert create(scene, ALICE, "alices3") == "org.cvmd1.Error.Quota"


def users_name_no_paths(scene):
    result = s.as_client(scene, BOB, "create", scene.definition("bobs"), [])
    assert result == "org.cvmd1.Error.Path", result
    s.refused(lambda: scene.manager.GetVM("bobs", dbus_interface=s.MANAGER), "org.cvmd1.Error.NoVM")
    chain = scene.manager.GetAudit(dbus.UInt64(0), dbus_interface=s.MANAGER)
    assert '"what":"creation undone","outcome":"CVM-PATH"' in chain


def operators_give_vms_to_users(scene):
    """The definition's `user`: root names whom it likes, others themselves."""
    for user, name in (("nobody-has-this-name", "org.cvmd1.Error.Field"), ("daemon\n", "org.cvmd1.Error.Field")):
        s.refused(lambda: scene.manager.Create(scene.definition("given", user=user), NAMES, dbus_interface=s.MANAGER), name)
    given = scene.manager.Create(scene.definition("given", user="nobody"), NAMES, dbus_interface=s.MANAGER)
    assert scene.properties(scene.bus, given, s.VM)["User"] == BOB
    assert "given" in s.as_client(scene, BOB, "seen") and "given" not in s.as_client(scene, ALICE, "seen")
    assert s.as_client(scene, BOB, "create", scene.definition("x", user="daemon"), [scene.disk]) == DENIED
    own = s.as_client(scene, BOB, "create", scene.definition("own", user="nobody"), [scene.disk])
    assert own.startswith("/org/cvmd1/vm/"), own
    # Its path was named by an operator: a daemon that was restarted starts it still.
    scene.daemon.terminate()
    assert scene.daemon.wait(30) == 0
    scene.start_daemon()
    operation = scene.proxy(scene.bus, given).Start(dbus_interface=s.VM)
    assert scene.wait(scene.bus, operation)["State"] == "done"
    scene.wait(scene.bus, scene.proxy(scene.bus, given).Kill(dbus_interface=s.VM))


def whether_a_method_would_be_taken(scene):
    vm = scene.proxy(scene.bus, scene.manager.GetVM("given", dbus_interface=s.MANAGER))
    vm.Check("Start", dbus_interface=s.VM)
    vm.Check("Delete", dbus_interface=s.VM)
    for method, name in (("Pause", "WrongState"), ("Kill", "WrongState"), ("PutSecret", "Argument"), ("", "Argument")):
        s.refused(lambda: vm.Check(method, dbus_interface=s.VM), f"org.cvmd1.Error.{name}")
    assert s.as_client(scene, ALICE, "call", "given", "Check", "Delete") == DENIED
    assert scene.properties(scene.bus, scene.manager.GetVM("given", dbus_interface=s.MANAGER), s.VM)["State"] == "stopped"


def a_silent_polkit_holds_nobody_else(scene):
    polkit.silent = True
    waiting = s.start_client(scene, ALICE, "call", "given", "Delete", {})
    while not polkit.waiting:
        s.GLib.MainContext.default().iteration(True)
    assert scene.manager.GetVM("given", dbus_interface=s.MANAGER)
    polkit.silent = False
    for answer in polkit.waiting:
        answer((False, False, {}))
    assert s.end_client(waiting) == DENIED


def operators_see_all(scene):
    polkit.granted.add("org.cvmd1.operator")
    assert "roots" in s.as_client(scene, BOB, "seen")
    polkit.granted.discard("org.cvmd1.operator")


def signals_go_to_those_who_may_see(scene):
    """Bob and root listen while root's VM is paused and resumed: one hears it, the other nothing."""
    bob, root = s.start_client(scene, BOB, "listen"), s.start_client(scene, 0, "listen")
    for client in (bob, root):
        assert s.read_line(client) == "listening"
    for method in ("Pause", "Resume"):
        vm = scene.manager.GetVM("roots", dbus_interface=s.MANAGER)
        scene.wait(scene.bus, getattr(scene.proxy(scene.bus, vm), method)(dbus_interface=s.VM))
    assert s.end_client(bob) == []
    heard = s.end_client(root)
    assert any("Finished" in h for h in heard) and any("PropertiesChanged" in h for h in heard), heard


s.run([without_polkit_strangers_may_nothing, refused_requests_are_in_the_chain, polkit_decides_action_by_action,
       users_have_quotas, users_name_no_paths, operators_give_vms_to_users, whether_a_method_would_be_taken,
       a_silent_polkit_holds_nobody_else, operators_see_all, signals_go_to_those_who_may_see], sys.argv[1])
