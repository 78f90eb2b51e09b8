"""What the habit tests share: the tree's own C files, and reading the functions in one."""
import os
import re
import subprocess

LAYERS = ["base", "qmp", "attest", "launch", "collateral", "sim", "vm", "dbus", "worker", "daemon", "cli", "owner",
          "guest-agent", "migration-agent", "integrations"]


def files(top, folders=LAYERS, endings=(".c", ".h")):
    """Paths relative to top of all files of these folders, as git would list them: sorted, nothing built."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(top, folder)):
            found += [os.path.relpath(os.path.join(where, n), top) for n in names if n.endswith(endings)]
    return sorted(found)


def lines(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as f:
        return f.read().split("\n")[:-1]


def functions(text):
    """(first line, name, number of lines) of each function: it begins in column 0 and its body ends with '}' there."""
    start = name = None
    for number, line in enumerate(text, 1):
        if start is None:
            m = re.match(r"^(?!struct |enum |union |static const |const |#|extern |typedef )[a-z].*?(\w+)\(", line)
            if m and not line.rstrip().endswith(";"):
                start, name = number, m.group(1)
        elif line == "}":
            yield start, name, number - start + 1
            start = None
        elif line.rstrip().endswith(";") and not line.startswith((" ", "\t")) or line.startswith("};"):
            start = None
        if start == number and re.search(r"[;]$", line):
            start = None


def report(faults):
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults")
    return 1 if faults else 0
