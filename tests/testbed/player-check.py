"""The player with real QEMU: player-check.py WORK AGENT QEMU-COMMAND... (from test-player.sh)"""
import json
import os
import select
import socket
import subprocess
import sys
import time
import unittest

from machine import BootEnded, Machine, Pci
from virtio_serial import MEMORY

WORK, AGENT, *QEMU = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 30


def path(name):
    return os.path.join(WORK, name)


def connect(where):
    """QEMU makes its sockets at its start; it says nothing when they are there."""
    end = time.monotonic() + SECONDS
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(SECONDS)
        try:
            s.connect(where)
            return s
        except (FileNotFoundError, ConnectionRefusedError):
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


class Qmp:
    def __init__(self, where):
        self.socket = connect(where)
        self.file = self.socket.makefile("rb")
        self.events = []
        self.line()
        self.do("qmp_capabilities")

    def close(self):
        self.file.close()
        self.socket.close()

    def line(self):
        return json.loads(self.file.readline())

    def do(self, command):
        self.socket.sendall(json.dumps({"execute": command}).encode() + b"\n")
        while "event" in (line := self.line()):
            self.events.append(line)
        return line["return"]

    def wait(self, event):
        while True:
            for found in self.events:
                if found["event"] == event:
                    self.events.remove(found)
                    return found.get("data", {})
            self.events.append(self.line())


def frame(kind, session, payload):
    text = json.dumps(payload).encode()
    return b"\xffCVM1%02x%016x%08x\n" % (kind, session, len(text)) + text


def welcome(channel):
    """The host speaks first and repeats itself: returns what the agent says of itself."""
    hello = frame(0x01, 0x1234, {"protocol_min": 1, "protocol_max": 1})
    channel.settimeout(0.1)
    got = b""
    for _ in range(SECONDS * 10):
        channel.sendall(hello)
        try:
            got += channel.recv(65536)
        except TimeoutError:
            continue
        at = got.find(b"\xffCVM1810000000000001234")
        if at >= 0 and len(got) >= at + 32 + int(got[at + 23:at + 31], 16):
            return json.loads(got[at + 32:at + 32 + int(got[at + 23:at + 31], 16)])
    raise TimeoutError("no WELCOME")


class PlayerTest(unittest.TestCase):
    def setUp(self):
        devices = ["-device", "virtio-serial-pci"]
        for name in "agent", "tee":
            devices += ["-chardev", f"socket,id={name},path={path(name)},server=on,wait=off",
                        "-device", f"virtserialport,chardev={name},name=org.cvmd.{name}.0"]
        self.qemu = subprocess.Popen([*QEMU, *devices, "-qmp", f"unix:{path('qmp')},server=on,wait=off"])
        self.qmp = Qmp(path("qmp"))
        self.player = None

    def tearDown(self):
        self.qmp.close()
        self.qemu.kill()
        self.qemu.wait()
        if self.player:
            self.assertEqual(self.player.wait(SECONDS), 0)  # it ends with the machine
        for name in "player", "qmp", "agent", "tee", "boots":
            if os.path.exists(path(name)):
                os.unlink(path(name))

    def play(self, *command):
        script = os.path.join(HERE, "player.py")
        self.player = subprocess.Popen([sys.executable, script, path("player"), "org.cvmd.agent.0,org.cvmd.tee.0", *command])

    def boots(self):
        with open(path("boots"), encoding="utf-8") as f:
            return len(f.readlines())

    def exchange(self, channel, data):
        """Sent and received at the same time, as neither side holds all of it."""
        back, left = bytearray(), memoryview(data)
        channel.setblocking(False)
        while len(back) < len(data):
            readable, writable, _ = select.select([channel], [channel] if left else [], [], SECONDS)
            self.assertTrue(readable or writable, "nothing moves")
            if writable:
                left = left[channel.send(left[:65536]):]
            if readable:
                part = channel.recv(65536)
                self.assertTrue(part, "the channel was closed")
                back += part
        return bytes(back)

    def ping(self, channel):
        """Bytes to a port that nobody has opened vanish."""
        channel.settimeout(0.1)
        for _ in range(SECONDS * 10):
            channel.sendall(b".")
            try:
                return channel.recv(4096)
            except TimeoutError:
                continue
        raise TimeoutError("nobody answers")

    def test_bytes_come_back(self):
        self.play("sh", "-c", "cat <&4 >&4 & exec cat <&3 >&3")
        data = os.urandom(2 << 20)
        for name in "agent", "tee", "agent":  # a host that comes again finds the same guest
            channel = connect(path(name))
            self.ping(channel)
            while select.select([channel], [], [], 0.2)[0]:  # answers to the other pings
                channel.recv(4096)
            start = time.monotonic()
            self.assertTrue(self.exchange(channel, data) == data, "other bytes came back")
            middle = time.monotonic()
            for i in range(100):
                self.assertEqual(self.exchange(channel, b"%064d" % i), b"%064d" % i)
            end = time.monotonic()
            print(f"{name}: {2 / (middle - start):.1f} MiB/s, and {10 * (end - middle):.2f} ms for 64 bytes, there and back")
            channel.close()

    def test_reset_by_the_host(self):
        self.play("sh", "-c", f"echo >>{path('boots')}; exec cat <&3 >&3")
        channel = connect(path("agent"))
        self.ping(channel)
        self.qmp.do("system_reset")
        self.assertFalse(self.qmp.wait("RESET")["guest"])
        self.ping(channel)
        self.assertEqual(self.boots(), 2)
        channel.close()

    def test_reset_by_the_guest(self):
        self.play("sh", "-c", f"echo >>{path('boots')}; test $(wc -l <{path('boots')}) = 2 && exec cat <&3 >&3; exit 64")
        self.assertTrue(self.qmp.wait("RESET")["guest"])
        channel = connect(path("agent"))
        self.ping(channel)
        self.assertEqual(self.boots(), 2)
        channel.close()

    def test_shutdown_by_the_guest(self):
        self.play("true")
        self.assertEqual(self.qmp.wait("SHUTDOWN"), {"guest": True, "reason": "guest-shutdown"})
        self.assertEqual(self.qemu.wait(SECONDS), 0)

    def test_crash_of_the_guest(self):
        self.play("false")
        self.qmp.wait("GUEST_PANICKED")

    def test_a_stopped_machine_does_not_answer(self):
        machine = Machine(path("player"))
        Pci(machine, 0).read(0)
        self.qmp.do("stop")
        machine.socket.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            Pci(machine, 0).read(0)
        self.qmp.do("cont")
        machine.socket.settimeout(SECONDS)
        machine.receive(16)
        self.assertEqual(Pci(machine, 0).read(0, 2), 0x8086)  # the host bridge
        machine.close()

    def test_private_memory_is_not_seen(self):
        machine = Machine(path("player"))
        with self.assertRaises(OSError):
            machine.peek(MEMORY, 4096)
        machine.share(MEMORY, 2)
        data = os.urandom(8192)
        machine.poke(MEMORY, data)
        self.assertEqual(machine.peek(MEMORY + 1, 8191), data[1:])
        for address, size in (MEMORY + 1, 8192), (MEMORY - 1, 2), (1 << 40, 1), ((1 << 64) - 1, 2), (MEMORY, 0):
            with self.assertRaises(OSError):
                machine.peek(address, size)
            with self.assertRaises(OSError):
                machine.poke(address, bytes(size))
        self.qmp.do("system_reset")
        self.qmp.wait("RESET")
        with self.assertRaises(BootEnded):
            machine.peek(MEMORY, 4096)
        machine.close()
        machine = Machine(path("player"))
        with self.assertRaises(OSError):  # a new boot shares nothing
            machine.peek(MEMORY, 4096)
        machine.close()

    def test_a_client_that_does_not_read(self):
        size = 8 << 20  # more than all buffers on the way
        self.play("sh", "-c", f"head -c 1 <&3 >{path('began')}; head -c {size} /dev/zero >&3; echo >{path('wrote')}; exec cat <&3 >&3")
        channel = connect(path("agent"))
        end = time.monotonic() + SECONDS
        while not (os.path.exists(path("began")) and os.stat(path("began")).st_size):
            channel.sendall(b".")
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        waiting, before = 0, -1
        while waiting != before:  # until nothing more arrives
            before = waiting
            self.qmp.do("query-status")  # the machine itself goes on
            select.select([], [], [], 0.3)
            waiting = len(channel.recv(size, socket.MSG_PEEK))
        self.assertGreater(waiting, 0)
        self.assertFalse(os.path.exists(path("wrote")))  # it waits for its reader
        got = 0
        while got < size:
            part = channel.recv(min(1 << 20, size - got))  # behind them come the dots that were not the first
            self.assertFalse(part.strip(b"\0"), "other bytes came")
            got += len(part)
        self.ping(channel)
        channel.close()
        for name in "began", "wrote":
            os.unlink(path(name))

    def play_agent(self):
        with open(path("cmdline"), "w", encoding="utf-8") as f:
            f.write("quiet")
        self.play(AGENT, "--channel", "fd:3", "--tee", "fd:4", "--cmdline", path("cmdline"), "--run", path("agent-run"))

    def test_a_message_that_the_agent_does_not_know(self):
        self.play_agent()
        channel = connect(path("agent"))
        first = welcome(channel)
        channel.settimeout(SECONDS)
        channel.sendall(frame(0x7e, 0x1234, "x" * (1 << 20)))
        self.assertEqual(welcome(channel)["kem"], first["kem"])
        channel.close()

    def test_a_reset_in_the_middle_of_a_message(self):
        self.play_agent()
        channel = connect(path("agent"))
        first = welcome(channel)
        channel.settimeout(SECONDS)
        long = frame(0x7e, 0x1234, "x" * (1 << 20))
        channel.sendall(long[:len(long) // 2])
        self.qmp.do("system_reset")
        self.qmp.wait("RESET")
        kems = (welcome(channel)["kem"] for _ in range(5))  # who was asked twice before it may have answered twice
        self.assertTrue(any(kem != first["kem"] for kem in kems))
        channel.close()

    def test_the_real_agent(self):
        self.play_agent()
        channel = connect(path("agent"))
        first = welcome(channel)
        self.qmp.do("system_reset")
        self.qmp.wait("RESET")
        second = welcome(channel)
        self.assertNotEqual(first["kem"], second["kem"])  # each boot has keys of its own
        channel.close()


unittest.main(argv=sys.argv[:1], verbosity=2)
