"""Quotes for a trust domain's program: it asks over the framed org.cvmd.tee.0, as one does that has no driver of its own
hardware, and what Linux' driver does for one that has is done here: a report of the module, and GetQuote. So is what
firmware and kernel did before."""
import base64
import json
import re
import socket
import struct

import event_log

MEMORY = 0x4000000  # of the guest: the buffer that the host reads and writes
PAGES = 8
VERSION, HEADER = 1, 24
SUCCESS, IN_FLIGHT = 0, (1 << 64) - 1
WORDS = {1 << 63: "the host's quoting service failed", 1 << 63 | 1: "the host has no quoting service that answers"}
REQUEST, ANSWER, REFUSAL = 0x41, 0xc1, 0xc2
FRAME = re.compile(rb"\xffCVM1([0-9a-f]{2})([0-9a-f]{16})([0-9a-f]{8})\n")


class Quotes:
    """Played like a port (player.Relay). BOOT is a prediction whose events firmware and kernel extend, CERTIFICATES a file with
    what is published of the host's platform."""

    def __init__(self, machine, boot=None, certificates=None):
        self.machine, self.certificates = machine, certificates
        self.log, self.own = b"", b""  # all that is extended, and what the program did of it
        for number, digest in event_log.predicted(boot) if boot else ():
            machine.extend(number, digest)
            self.log += event_log.record(number, digest)
        self.local, self.theirs = socket.socketpair()
        self.got, self.session = b"", None
        machine.share(MEMORY, PAGES)

    def wants(self):
        return self.session is None

    def to_device(self):
        data = self.local.recv(65536)
        self.got += data
        while self.session is None and (head := FRAME.match(self.got)):
            end = head.end() + int(head[3], 16)
            if len(self.got) < end:
                break
            self.ask(int(head[1], 16), head[2], json.loads(self.got[head.end():end]))
            self.got = self.got[end:]
        return bool(data)

    def ask(self, kind, session, message):
        assert kind == REQUEST
        self.extend(base64.b64decode(message.get("own_events", "")))
        report = self.machine.report(bytes.fromhex(message["report_data"]))
        self.machine.poke(MEMORY, struct.pack("<QQII", VERSION, 0, len(report), 0) + report)
        status = self.machine.quote(MEMORY, PAGES * 4096)
        self.session = session
        if status != SUCCESS:
            self.refuse(f"GetQuote is refused: {status:#x}")

    def extend(self, records):
        """The program tells all that it ever extended in this boot."""
        assert records.startswith(self.own)
        for number, digest in event_log.read(records[len(self.own):]):
            self.machine.extend(number, digest)
        self.log += records[len(self.own):]
        self.own = records

    def from_device(self, rings):
        if self.session is None:
            return False
        _, status, _, length = struct.unpack("<QQII", self.machine.peek(MEMORY, HEADER))
        if status == IN_FLIGHT:
            return False
        if status == SUCCESS:
            quote = self.machine.peek(MEMORY + HEADER, length)
            self.answer(ANSWER, {name: base64.b64encode(data).decode() for name, data in self.beside(quote)})
        else:
            self.refuse(WORDS.get(status, f"GetQuote ends with {status:#x}"))
        return True

    def beside(self, quote):
        yield "report", quote
        if self.log:
            yield "event_log", event_log.HEADER + self.log
        if self.certificates:
            with open(self.certificates, "rb") as f:
                yield "certificates", f.read()

    def refuse(self, words):
        self.answer(REFUSAL, {"id": 0, "code": "CVM-AGENT-REPORT", "text": words})

    def answer(self, kind, message):
        text = json.dumps(message).encode()
        self.local.sendall(b"\xffCVM1%02x%s%08x\n" % (kind, self.session, len(text)) + text)
        self.session = None
