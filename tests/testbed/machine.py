"""The machine as its first vCPU sees it, through the socket of the preloaded library (player.h)."""
import os
import socket
import struct

PORT_READ, PORT_WRITE, READ, WRITE, PEEK, POKE, SHARE, EVENT, REPORT, QUOTE, EXTEND = range(11)
SHUTDOWN, RESET, CRASH = 1, 2, 3  # KVM_SYSTEM_EVENT


class BootEnded(Exception):
    """The machine was reset, or has ended."""


class Machine:
    """One boot of it: a reset ends the connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def receive(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise BootEnded
            data += part
        return bytes(data)

    def do(self, what, size, address, value=0, data=b""):
        try:
            self.socket.sendall(struct.pack("<BBHIQQ", what, size, 0, len(data), address, value) + data)
            status, length, read = struct.unpack("<iIQ", self.receive(16))
            data = self.receive(length)
        except ConnectionError as e:
            raise BootEnded from e
        if status < 0:
            raise OSError(-status, f"{os.strerror(-status)} (command {what} at {address:#x})")
        return data if what in (PEEK, REPORT) else read

    def read(self, address, size):
        return self.do(READ, size, address)

    def write(self, address, size, value):
        self.do(WRITE, size, address, value)

    def peek(self, address, size):
        return self.do(PEEK, 0, address, size)

    def poke(self, address, data):
        self.do(POKE, 0, address, 0, data)

    def share(self, address, pages):
        self.do(SHARE, 0, address, pages)

    def event(self, kind):
        self.do(EVENT, 0, kind)

    def report(self, data):
        """What the module says of the trust domain, over 64 bytes."""
        return self.do(REPORT, 0, 0, 0, data)

    def extend(self, number, digest):
        """A register of the trust domain, 0 to 3."""
        self.do(EXTEND, 0, number, 0, digest)

    def quote(self, address, size):
        """The host is asked; what the request itself came to."""
        return self.do(QUOTE, 0, address, size)


class Pci:
    """A function of bus 0, through the ports 0xcf8 and 0xcfc."""

    def __init__(self, machine, slot):
        self.machine, self.slot = machine, slot

    @staticmethod
    def find(machine, vendor, device):
        for slot in range(32):
            function = Pci(machine, slot)
            if function.read(0) == device << 16 | vendor:
                return function
        raise LookupError(f"no device {vendor:04x}:{device:04x} on bus 0")

    def select(self, at):
        self.machine.do(PORT_WRITE, 4, 0xcf8, 1 << 31 | self.slot << 11 | at & 0xfc)

    def read(self, at, size=4):
        self.select(at)
        return self.machine.do(PORT_READ, size, 0xcfc + (at & 3))

    def write(self, at, value, size=4):
        self.select(at)
        self.machine.do(PORT_WRITE, size, 0xcfc + (at & 3), value)

    def capabilities(self):
        at = self.read(0x34, 1)
        while at:
            yield at
            at = self.read(at + 1, 1)
