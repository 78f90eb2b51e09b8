#!/usr/bin/python3
"""A maker's key service that misbehaves as told: fake-service.py DIR.

It serves DIR/service, with the headers that a file's neighbour FILE.headers has, writes its port to the fifo DIR/port, a line for each request to DIR/log, and asks DIR/behave
before each: lines "PART WHAT [ARGUMENT]", of which the first counts whose PART is in the path. A WHAT with "once:" in
front is forgotten after it was done.
"""
import http.server
import os
import sys
import threading

TOP = sys.argv[1]
LOCK = threading.Lock()


def behaviour(path):
    with LOCK:
        with open(f"{TOP}/log", "a", encoding="ascii") as log:
            log.write(path + "\n")
        try:
            with open(f"{TOP}/behave", encoding="ascii") as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return "serve", ""
        for i, line in enumerate(lines):
            part, what, *argument = line.split()
            if part in path:
                if what.startswith("once:"):
                    with open(f"{TOP}/behave", "w", encoding="ascii") as f:
                        f.writelines(other + "\n" for other in lines[:i] + lines[i + 1:])
                return what.removeprefix("once:"), argument[0] if argument else ""
        return "serve", ""


class Service(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def serve(self, name):
        try:
            headers = {}
            if os.path.exists(name + ".headers"):
                with open(name + ".headers", encoding="ascii") as f:
                    headers = dict(line.rstrip("\n").split(": ", 1) for line in f)
            with open(name, "rb") as f:
                self.answer(200, f.read(), **headers)
        except FileNotFoundError:
            self.answer(404)

    def do_GET(self):
        what, argument = behaviour(self.path)
        own = f"{TOP}/service" + self.path.split("?")[0]
        if what == "serve":
            self.serve(own)
        elif what == "file":
            self.serve(f"{TOP}/{argument}")
        elif what == "busy":
            self.answer(429, **({"Retry_After": argument} if argument else {}))
        elif what == "status":
            self.answer(int(argument))
        elif what == "redirect":
            self.answer(302, Location=argument or self.path)
        elif what == "truncated":
            with open(own, "rb") as f:
                body = f.read()
            self.answer(200, body[:100], length=len(body))
        elif what == "large":
            self.answer(200, b"x" * 70000)
        elif what == "endless":  # no length: only the reader's own cap ends it
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 4096)
        elif what == "slow":  # until the caller has had enough
            self.rfile.read(1)
        elif what == "hold":  # says that it was asked, and answers when told to
            with open(f"{TOP}/held", "w", encoding="ascii") as f:
                f.write("held\n")
            with open(f"{TOP}/go", encoding="ascii") as f:
                f.read()
            self.serve(own)

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # callers hang up

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
with open(f"{TOP}/port", "w", encoding="ascii") as port:
    port.write(f"{server.server_address[1]}\n")
os.chdir("/")
server.serve_forever()
