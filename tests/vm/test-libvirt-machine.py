#!/usr/bin/python3
"""What libvirt makes of our XML: valid by its own schema, taken by its test driver, and the same machine for QEMU as
our command line has.  test-libvirt-machine.py SOURCE MAKE-LIBVIRT-XML"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

MAKER = sys.argv[2]
HEAD = {"version": 1, "name": "web1", "uuid": "11111111-2222-4333-8444-555555555555"}
BOOT = {"kernel": "/boot/a<b&'c\"d", "initrd": "/i", "cmdline": "quiet a=<&'\"> %s,"}
DISKS = [{"path": "/d", "format": "raw", "serial": "s.1"}, {"path": "/e", "format": "qcow2", "readonly": True}]
SIMULATED = {**HEAD, "simulate": True, "vcpus": 3, "memory": "512MiB", "boot": BOOT, "disks": DISKS}
GUESTS = [  # (the host's platform, the definition, what an older schema does not know)
    ("none", SIMULATED, None),
    ("none", {**SIMULATED, "console": "interactive", "tuning": {"hugepages": True, "numa_node": 0},
              "nics": [{"type": "user"}, {"type": "tap", "name": "tap0"}, {"type": "bridge", "name": "br0"}]}, None),
    ("none", {**HEAD, "simulate": True, "console": "none", "boot": {"disk": "s.1"}, "disks": DISKS}, None),
    ("sev-snp", {**HEAD, "platform": "sev-snp", "firmware": "/f", "boot": BOOT, "disks": DISKS}, "launchSecurity"),
    ("tdx", {**HEAD, "platform": "tdx", "firmware": "/f", "boot": BOOT}, "launchSecurity"),
    ("secure-execution", {**HEAD, "platform": "secure-execution", "boot": {"kernel": "/i"}, "disks": DISKS,
                          "nics": [{"type": "user"}, {"type": "tap", "name": "tap0"}]}, None),
    ("none", {**HEAD, "platform": "secure-execution", "simulate": True, "boot": {"kernel": "/i"}}, None),
]
faults = 0


def fault(words):
    global faults
    faults += 1
    print("FAULT:", words)


def made(platform, definition, *words):
    run = subprocess.run([MAKER, platform, *words], input=json.dumps(definition), capture_output=True, text=True)
    if run.returncode != 0:
        fault(run.stderr)
    return run.stdout


def libvirt(uri, *words, user=None):
    home = os.getcwd() + "/home"
    env = {**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home, "LC_ALL": "C"}
    return subprocess.run(["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, env=env, user=user)


def check_schema(schema, path, unknown):
    run = subprocess.run(["xmllint", "--noout", "--relaxng", schema, path], capture_output=True, text=True)
    if run.returncode != 0 and not (unknown and f"Extra element {unknown}" in run.stderr):
        fault(f"{path} by {schema}: {run.stderr}")


def check_forms():
    roots = ["", os.environ.get("CVMD_CACHE", os.path.expanduser("~/.cache/cvmd")) + "/testbed/root"]
    schemas = [s for s in (r + "/usr/share/libvirt/schemas/domain.rng" for r in roots) if os.path.exists(s)]
    for i, (platform, definition, unknown) in enumerate(GUESTS):
        path = f"{i}.xml"
        with open(path, "w") as out:
            out.write(made(platform, definition))
        for schema in schemas:
            check_schema(schema, path, unknown)
        run = libvirt("test:///default", "define", path)
        if run.returncode != 0 and "launchSecurity" not in run.stderr:
            fault(f"define {path}: {run.stderr}")
    print(f"{len(GUESTS)} domains, {len(schemas)} schemas")


def options(words):
    """Of a command line: what a guest and its measurement can see."""
    ret = {"devices": []}
    for option, value in zip(words, words[1:]):
        if option == "-device":
            fields = json.loads(value) if value.startswith("{") else device_fields(value)
            ret["devices"].append({k: str(fields[k]) for k in ("driver", "addr", "serial", "name", "nr") if k in fields})
        elif option in ("-cpu", "-kernel", "-initrd", "-append", "-sandbox", "-uuid"):
            ret[option] = value
        elif option == "-smp":
            ret[option] = re.match(r"\d+", value)[0], re.search(r"sockets=(\d+)|$", value)[1] or "1"
        elif option == "-m":
            ret[option] = int(re.search(r"\d+", value)[0]) >> (10 if value.endswith("k") else 0)
    ret["devices"].sort(key=lambda d: (d.get("addr", "z"), d.get("nr", ""), d["driver"]))
    return ret


def device_fields(value):
    driver, *rest = value.split(",")
    return {"driver": driver, **dict(f.split("=", 1) for f in rest)}


def ours(words):
    """Ours has no addresses: QEMU gives out the slots in order. Files are descriptors there."""
    slot, port, out = 0, 0, []
    for i, word in enumerate(words):
        if i and words[i - 1] == "-device" and "-pci," in word:
            slot += 1
            word += f",addr={slot:#x}"
        elif i and words[i - 1] == "-device" and word.startswith("virtserialport"):
            port += 1
            word += f",nr={port}"
        elif i and words[i - 1] in ("-kernel", "-initrd"):
            word = BOOT[words[i - 1][1:]]
        out.append(word)
    return out


def check_machine():
    """The driver of QEMU within virsh, as nobody: it converts and starts nothing."""
    user = 65534 if os.getuid() == 0 else None
    platform, definition, _ = GUESTS[0]
    with open("machine.xml", "w") as out:
        out.write(re.sub("  <seclabel.*?</seclabel>\n", "", made(platform, definition), flags=re.S))
    os.makedirs("embed", exist_ok=True)
    if user:
        for path in (".", "embed", "home"):
            os.chown(path, user, user)
    run = libvirt(f"qemu:///embed?root={os.getcwd()}/embed", "domxml-to-native", "qemu-argv", "machine.xml", user=user)
    if run.returncode != 0:
        if "failed to connect" in run.stderr:
            print("not compared with libvirt's command line: its driver of QEMU is not installed")
            return
        fault(run.stderr)
        return
    theirs = options(shlex.split(run.stdout))
    mine = options(ours(made(platform, definition, "argv").splitlines()))
    if theirs != mine:
        fault(f"libvirt's machine\n{theirs}\nis not ours\n{mine}")
    print(f"{len(mine['devices'])} devices are the same for libvirt's QEMU")


def main():
    for program in ("virsh", "xmllint"):
        if not shutil.which(program):
            print(f"SKIP: {program} is not installed")
            return 77
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        os.chmod(work, 0o755)
        os.mkdir("home")
        check_forms()
        check_machine()
        os.chdir("/")
    print(faults, "faults")
    return faults > 0


sys.exit(main())
