"""A driver of the machine's virtio-serial device (virtio 1.2, sections 2.7, 4.1 and 5.3): polled, with its rings and
buffers in memory that the guest shares with the host."""
import struct

from machine import Pci

REGISTERS = 0xe0000000  # where the device's registers are put
MEMORY = 0x1000000  # of the guest: a page of used rings, then the queues
USED_ROOM = 256
QUEUES = 16  # the control queues and 7 ports
ENTRIES = 16
BUFFER = 0x4000
QUEUE_ROOM = 0x1000 + ENTRIES * BUFFER  # descriptors and available ring, then the buffers
CONTROL_IN, CONTROL_OUT = 2, 3

FEATURES = 1 << 1 | 1 << 32 | 1 << 33  # MULTIPORT, VERSION_1, ACCESS_PLATFORM
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
COMMON, NOTIFY = 1, 2
DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE, RESIZE, PORT_OPEN, PORT_NAME = range(8)
NO_PORT = 0xffffffff


class Queue:
    def __init__(self, device, index):
        self.machine, self.index = device.machine, index
        self.place, self.used = MEMORY + 0x1000 + index * QUEUE_ROOM, MEMORY + index * USED_ROOM
        self.ring = self.place + 16 * ENTRIES
        self.is_input = index % 2 == 0
        self.given = self.taken = 0  # counters of the rings
        self.free = list(range(ENTRIES))
        self.machine.poke(self.place, bytes(0x1000))  # what an earlier boot left
        self.doorbell = device.set_queue(index, self.place, self.ring, self.used)

    def buffer(self, number):
        return self.place + 0x1000 + number * BUFFER

    def give(self, number, size):
        self.machine.poke(self.place + 16 * number,
                          struct.pack("<QIHH", self.buffer(number), size, 2 if self.is_input else 0, 0))
        self.machine.poke(self.ring + 4 + 2 * (self.given % ENTRIES), struct.pack("<H", number))
        self.given = self.given + 1 & 0xffff
        self.machine.poke(self.ring, struct.pack("<HH", 1, self.given))  # 1: no interrupts
        self.machine.write(self.doorbell, 2, self.index)

    def give_all(self):
        while self.free:
            self.give(self.free.pop(), BUFFER)

    def send(self, data):
        number = self.free.pop()
        self.machine.poke(self.buffer(number), data)
        self.give(number, len(data))

    def take(self, rings):
        """(number, length) of the next buffer that the device is done with, by the page of used rings; or None."""
        at = self.index * USED_ROOM
        if struct.unpack_from("<H", rings, at + 2)[0] == self.taken:
            return None
        number, length = struct.unpack_from("<II", rings, at + 4 + 8 * (self.taken % ENTRIES))
        self.taken = self.taken + 1 & 0xffff
        return number, length

    def receive(self, rings):
        """The next bytes that came in, or None; the buffer goes back at once."""
        found = self.take(rings)
        if found is None:
            return None
        data = self.machine.peek(self.buffer(found[0]), found[1]) if found[1] else b""
        self.give(found[0], BUFFER)
        return data

    def reclaim(self, rings):
        while found := self.take(rings):
            self.free.append(found[0])


class Port:
    def __init__(self, device, number):
        first = 0 if number == 0 else 2 + 2 * number
        self.number, self.name, self.is_open = number, None, False
        self.input, self.output = device.queues[first], device.queues[first + 1]
        self.input.give_all()


class VirtioSerial:
    def __init__(self, machine):
        self.machine = machine
        self.ports = {}
        self.find_registers(Pci.find(machine, 0x1af4, 0x1043))
        self.negotiate()
        machine.share(MEMORY, 1 + QUEUES * QUEUE_ROOM // 0x1000)
        machine.poke(MEMORY, bytes(0x1000))
        self.queues = [Queue(self, index) for index in range(QUEUES)]
        self.common(0x14, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)
        self.queues[CONTROL_IN].give_all()
        self.control(NO_PORT, DEVICE_READY, 1)

    def find_registers(self, pci):
        pci.write(0x20, REGISTERS)  # BAR 4, and 5 is its upper half
        pci.write(0x24, 0)
        pci.write(0x04, 6, 2)  # memory and bus master
        self.at = {}
        for at in pci.capabilities():
            if pci.read(at, 1) == 9 and pci.read(at + 4, 1) == 4:
                kind = pci.read(at + 3, 1)
                self.at[kind] = REGISTERS + pci.read(at + 8)
                if kind == NOTIFY:
                    self.multiplier = pci.read(at + 16)

    def common(self, at, size, value=None):
        if value is None:
            return self.machine.read(self.at[COMMON] + at, size)
        return self.machine.write(self.at[COMMON] + at, size, value)

    def negotiate(self):
        for status in 0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER:
            self.common(0x14, 1, status)
        for half in 0, 1:
            wanted = FEATURES >> 32 * half & 0xffffffff
            self.common(0x00, 4, half)
            offered = self.common(0x04, 4)
            if wanted & ~offered:
                raise LookupError(f"the device offers {offered:#x} and not {wanted:#x} of features")
            self.common(0x08, 4, half)
            self.common(0x0c, 4, wanted)
        self.common(0x14, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK)
        if not self.common(0x14, 1) & FEATURES_OK:
            raise LookupError("the device refuses the features")

    def set_queue(self, index, descriptors, available, used):
        """Returns its doorbell."""
        self.common(0x16, 2, index)
        self.common(0x18, 2, ENTRIES)
        for at, value in (0x20, descriptors), (0x28, available), (0x30, used):
            self.common(at, 4, value)
            self.common(at + 4, 4, 0)
        self.common(0x1c, 2, 1)
        return self.at[NOTIFY] + self.common(0x1e, 2) * self.multiplier

    def control(self, number, event, value):
        self.queues[CONTROL_OUT].send(struct.pack("<IHH", number, event, value))

    def take_control(self, message):
        number, event, value = struct.unpack_from("<IHH", message)
        if event == PORT_ADD:
            self.ports[number] = Port(self, number)
            self.control(number, PORT_READY, 1)
        elif event == PORT_NAME:
            self.ports[number].name = message[8:].rstrip(b"\0").decode()
            self.control(number, PORT_OPEN, 1)
        elif event == PORT_OPEN:
            self.ports[number].is_open = value == 1

    def poll(self):
        """What the device did meanwhile: returns the page of used rings, for the ports' queues."""
        rings = self.machine.peek(MEMORY, 0x1000)
        self.queues[CONTROL_OUT].reclaim(rings)
        while (message := self.queues[CONTROL_IN].receive(rings)) is not None:
            self.take_control(message)
        return rings

    def port(self, name):
        return next((port for port in self.ports.values() if port.name == name), None)
