"""Below with-libvirtd: a daemon whose VMs run under libvirt, and guests that rest at once."""
import os
import sys

sys.path.insert(0, f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/dbus")
import scene as s  # noqa: E402

s.DRIVER = "libvirt"

HALT = b"\xfa\xf4\xeb\xfd" + bytes(506) + b"\x55\xaa" + bytes(65024)  # again: cli; hlt; jmp again


class DomainScene(s.Scene):
    def __init__(self, build):
        super().__init__(build)
        with open(self.disk, "wb") as f:
            f.write(HALT)

    def launch(self, names):
        """All at once; the paths of the VMs, when all of them run."""
        asked = [self.manager.Launch(self.definition(name), s.dbus.Dictionary({}, signature="sv"), dbus_interface=s.MANAGER)
                 for name in names]
        for vm, operation in asked:
            self.must(operation)
        return [vm for vm, operation in asked]

    def do(self, vms, verb):
        """The same to all at once."""
        for operation in [getattr(self.proxy(self.bus, vm), verb)(dbus_interface=s.VM) for vm in vms]:
            self.must(operation)

    def must(self, operation):
        result = self.wait(self.bus, operation)
        assert result["State"] == "done", result["Error"]

    def host_process(self):
        """The pid of cvmd-libvirt."""
        with open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children") as f:
            for pid in f.read().split():
                with open(f"/proc/{pid}/comm") as name:
                    if name.read().strip() == "cvmd-libvirt":
                        return int(pid)
        raise LookupError("no cvmd-libvirt")
