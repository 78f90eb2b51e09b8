"""GetQuote with real QEMU and quoting services of many kinds: quotes-check.py WORK QEMU-COMMAND... (from test-quotes.sh)"""
import base64
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

from machine import RESET, BootEnded, Machine
from quotes import MEMORY, Quotes

WORK, *QEMU = sys.argv[1:]
SECONDS = 30
PLAYER, SERVICE = (os.path.join(WORK, name) for name in ("player", "qgs.socket"))


class Service(threading.Thread):
    """Takes one request and answers it with what answer(report) returns, whole; None: by closing."""

    def __init__(self, answer):
        super().__init__()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(SERVICE)
        self.listener.listen()
        self.answer = answer
        self.request = b""
        self.start()

    def run(self):
        s = self.listener.accept()[0]
        head = s.recv(4, socket.MSG_WAITALL)
        self.request = s.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
        answer = self.answer(self.request[24:])
        if answer is not None:
            with contextlib.suppress(BrokenPipeError):  # QEMU has heard enough
                s.sendall(struct.pack(">I", len(answer)) + answer)
        s.close()

    def end(self):
        self.join(SECONDS)
        self.listener.close()
        os.unlink(SERVICE)


def response(quote, minor=1, kind=1, error=0):
    return struct.pack("<HHIIIII", 1, minor, kind, 24 + len(quote), error, 0, len(quote)) + quote


class QuotesTest(unittest.TestCase):
    def setUp(self):
        self.qemu = subprocess.Popen(QEMU)
        end = time.monotonic() + SECONDS
        while True:  # QEMU says nothing when its socket is there
            try:
                self.machine = Machine(PLAYER)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def tearDown(self):
        self.machine.close()
        self.qemu.kill()
        self.qemu.wait()
        os.unlink(PLAYER)

    def ask(self, data=bytes(64)):
        """As an agent asks: returns its answer."""
        quotes = Quotes(self.machine)
        request = json.dumps({"report_data": data.hex()}).encode()
        quotes.theirs.sendall(b"\xffCVM141%016x%08x\n" % (7, len(request)) + request)
        quotes.to_device()
        end = time.monotonic() + 2 * SECONDS
        while not quotes.from_device(None) and time.monotonic() < end:
            time.sleep(0.01)
        answer = quotes.theirs.recv(1 << 20)
        quotes.local.close()
        quotes.theirs.close()
        return json.loads(answer[32:])

    def refused(self, answer, words):
        service = Service(answer)
        self.assertIn(words, self.ask()["text"])
        service.end()

    def test_a_quote(self):
        data = os.urandom(64)
        service = Service(lambda report: response(b"signed" + report))
        quote = base64.b64decode(self.ask(data)["report"])
        service.end()
        self.assertEqual(service.request[:24], struct.pack("<HHIIIII", 1, 1, 0, 24 + 1024, 0, 1024, 0))
        self.assertEqual(quote, b"signed" + service.request[24:])
        report = quote[6:]
        self.assertEqual(report[128:192], data)
        with open(os.path.join(WORK, "record.json"), encoding="utf-8") as f:
            record = json.load(f)
        self.assertEqual(report[528:576].hex(), record["measurement"])
        self.assertEqual(report[576:624], b"c" * 48)
        self.assertEqual(report[624:672], b"o" * 48)
        self.assertEqual(struct.unpack("<Q", report[512:520])[0], record["attributes"])

    def test_no_service(self):
        self.assertIn("no quoting service", self.ask()["text"])

    def test_a_service_that_closes(self):
        self.refused(lambda report: None, "service")

    def test_a_service_of_another_version(self):
        self.refused(lambda report: response(b"quote", minor=0), "service")

    def test_a_service_that_answers_with_an_error(self):
        self.refused(lambda report: response(b"", error=0x12001), "service")

    def test_a_service_that_answers_something_else(self):
        self.refused(lambda report: response(b"quote", kind=3), "service")

    def test_a_quote_that_is_too_long(self):
        self.refused(lambda report: response(bytes(1 << 20)), "service")

    def test_after_a_reset(self):
        before = self.machine.report(bytes(64))
        with self.assertRaises(BootEnded):
            self.machine.event(RESET)
        self.machine.close()
        self.machine = Machine(PLAYER)
        self.assertEqual(self.machine.report(bytes(64)), before)  # the same guest

    def test_requests_that_are_none(self):
        for data in bytes(63), bytes(65), b"":
            with self.assertRaises(OSError):
                self.machine.report(data)
        for address, size in (MEMORY + 1, 4096), (MEMORY, 4095):
            with self.assertRaises(OSError):
                self.machine.quote(address, size)
        self.assertNotEqual(self.machine.quote(MEMORY, 0), 0)


unittest.main(argv=sys.argv[:1], verbosity=2)
