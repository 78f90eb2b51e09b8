"""
The player: plays the guest for a program of the guest's, such as the real agent, which runs as a process here.

    player.py SOCKET NAME[,NAME...] COMMAND...

SOCKET is that of the preloaded library (player.h). For each boot of the machine COMMAND is started with the virtio ports
of these names as its descriptors 3, 4, ...; "quotes[:BOOT:CERTIFICATES]" is no port but quotes.py. A reset kills it, and
another is started with the next boot. Its own end is the guest's: with status 0 a shutdown, with 64 a reset, with another a
crash. The player ends with the machine.
"""
import os
import select
import socket
import subprocess
import sys

from machine import CRASH, RESET, SHUTDOWN, BootEnded, Machine
from quotes import Quotes
from virtio_serial import BUFFER, VirtioSerial

IDLE_SECONDS = 0.001  # between two looks at the rings: the device's interrupts go nowhere


class Relay:
    """One port and the local end of its descriptor. Nothing is read from a side before the other takes it."""

    def __init__(self, port):
        self.port = port
        self.local, self.theirs = socket.socketpair()
        self.local.setblocking(False)
        self.to_local = b""

    def wants(self):
        return self.port.is_open and self.port.output.free

    def from_device(self, rings):
        """True when something moved."""
        self.port.output.reclaim(rings)
        if not self.to_local:
            self.to_local = self.port.input.receive(rings) or b""
        if not self.to_local:
            return False
        try:
            sent = self.local.send(self.to_local)
        except BlockingIOError:
            return False
        except OSError:  # the program closed it, and hears no more
            sent = len(self.to_local)
        self.to_local = self.to_local[sent:]
        return True

    def to_device(self):
        try:
            data = self.local.recv(BUFFER)
        except OSError:
            data = b""
        if data:
            self.port.output.send(data)
        return bool(data)


def start(command, relays):
    """The program with the ports from descriptor 3 on."""
    files = [relay.theirs.fileno() for relay in relays]  # each above the number that it gets
    numbers = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(files))
    return subprocess.Popen(["/bin/sh", "-c", f'exec "$@" {numbers}', "sh", *command], pass_fds=files)


def relay_all(device, relays, process):
    """Until the program ends: returns its status."""
    end = os.pidfd_open(process.pid)
    try:
        moved = False
        while True:
            rings = device.poll()
            for relay in relays:
                moved |= relay.from_device(rings)
            local = {relay.local: relay for relay in relays if relay.wants()}
            ready = select.select([end, *local], [], [], 0 if moved else IDLE_SECONDS)[0]
            moved = any([local[s].to_device() for s in ready if s in local])
            if end in ready and not moved:
                return process.wait()
    finally:
        os.close(end)


def relay_of(device, name):
    name, *files = name.split(":")
    if name == "quotes":
        return Quotes(device.machine, *files)
    while not device.port(name):
        device.poll()
    return Relay(device.port(name))


def play(machine, names, command):
    device = VirtioSerial(machine)
    relays = [relay_of(device, name) for name in names]
    process = start(command, relays)
    for relay in relays:
        relay.theirs.close()
    try:
        status = relay_all(device, relays, process)
    finally:
        process.kill()
        process.wait()
    machine.event({0: SHUTDOWN, 64: RESET}.get(status, CRASH))


def main(path, names, *command):
    while True:
        try:
            machine = Machine(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return  # the machine is no more
        try:
            play(machine, names.split(","), command)
        except BootEnded:
            machine.close()


main(*sys.argv[1:])
