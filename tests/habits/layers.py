"""Includes go downward only (doc/architecture.md), and each names its folder."""
import re
import sys

import tree

MAY_INCLUDE = {
    "base": [],
    "qmp": ["base"],
    "attest": ["base"],
    "launch": ["base", "attest"],
    "collateral": ["base", "attest"],
    "sim": ["base", "attest", "launch"],
    "vm": ["base", "qmp", "attest", "launch", "sim", "worker/wire.h", "worker/wire-libvirt.h"],
    "dbus": ["base", "vm", "attest/formula.h", "attest/envelope.h", "launch/definition.h", "launch/host-check.h", "launch/host-libvirt.h"],
    "worker": ["base", "attest", "launch", "collateral", "sim"],
    "daemon": ["base", "qmp", "attest", "launch", "sim", "vm", "dbus"],
    "owner": ["base", "attest", "collateral"],
    "cli": ["base", "attest", "launch", "collateral", "owner", "dbus/names.h"],
    "migration-agent": ["base", "qmp", "attest", "launch", "sim"],
    "guest-agent": ["base", "attest"],
    "integrations": ["base", "dbus/names.h"],
}


def allowed(folder, target):
    names = MAY_INCLUDE[folder] + [folder]
    return target in names or target.split("/")[0] in names


def main(top):
    faults = []
    for path in tree.files(top):
        folder = path.split("/")[0]
        for number, line in enumerate(tree.lines(top, path), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            if "/" not in m.group(1):
                faults.append(f'{path}:{number}: "{m.group(1)}" does not name its folder')
            elif not allowed(folder, m.group(1)):
                faults.append(f'{path}:{number}: {folder}/ may not include "{m.group(1)}"')
    return tree.report(faults)


sys.exit(main(sys.argv[1]))
