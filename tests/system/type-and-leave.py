#!/usr/bin/env python3
# type-and-leave.py COMMAND...: `cvmctl console` at a terminal; when the guest prints, a megabyte is typed, and then "~.".
import os
import pty
import select
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
os.set_blocking(terminal, False)
left, said = None, b""
try:
    while True:
        ready = select.select([terminal], [terminal] if left else [], [], 30)
        if ready[0]:
            said = (said + os.read(terminal, 4096))[-4096:]
            if left is None and b"......" in said:
                left = b"x" * (1 << 20) + b"\r~."
        elif ready[1]:
            left = left[os.write(terminal, left[:4096]):]
        else:
            os.kill(pid, 9)
            sys.exit(f"it is stuck with {len(left or '')} bytes left to type; it said {said[-200:]}")
except OSError:  # it has closed its terminal
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.exit(status and f"it ended with {status}; it said {said[-400:]}")
