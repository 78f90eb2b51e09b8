#!/usr/bin/python3
"""Domains of libvirt's as definitions, by cvmd-libvirt as one runs it by hand.  test-adopt.py CVMD-LIBVIRT MAKE-LIBVIRT-XML"""
import json
import os
import subprocess
import sys
import tempfile

PROGRAM, MAKER = sys.argv[1:]
faults = 0


def fault(words):
    global faults
    faults += 1
    print("FAULT:", words)


def ask(verb, request, uri="test:///default"):
    run = subprocess.run([PROGRAM, verb], input=json.dumps(request), capture_output=True, text=True,
                         env={**os.environ, "LIBVIRT_DEFAULT_URI": uri})
    return run.returncode, json.loads(run.stdout)


# --- what our driver gives libvirt comes back as the definition that it was made of ---

HEAD = {"version": 1, "name": "web1", "memory": 512 << 20, "vcpus": 3}
BOOT = {"kernel": "/boot/a<b&'c\"d", "initrd": "/i", "cmdline": "quiet a=<&'\">"}
DISKS = [{"path": "/d", "format": "raw", "serial": "s.1"}, {"path": "/e", "format": "qcow2", "readonly": True}]
NICS = [{"type": "user"}, {"type": "tap", "name": "tap0"}, {"type": "bridge", "name": "br0"}]
OURS = [  # (the host's platform, the definition)
    ("none", {**HEAD, "boot": BOOT, "disks": DISKS, "console": "interactive", "nics": NICS,
              "tuning": {"hugepages": True, "numa_node": 0}}),
    ("none", {**HEAD, "disks": DISKS, "boot": {"disk": "s.1"}}),
    ("sev-snp", {**HEAD, "firmware": "/f", "boot": BOOT, "disks": DISKS, "cpu_model": "EPYC-Milan",
                 "sev-snp": {"debug": True, "smt": False, "abi_minor": 31}}),
    ("tdx", {**HEAD, "firmware": "/f", "boot": BOOT, "tdx": {"debug": True}}),
]


def check_ours(platform, definition):
    given = {**definition, **({"simulate": True} if platform == "none" else {"platform": platform})}
    xml = subprocess.run([MAKER, platform], input=json.dumps({**given, "uuid": "11111111-2222-4333-8444-555555555555"}),
                         capture_output=True, text=True, check=True).stdout
    status, answer = ask("adopt", {"xml": xml})
    got = answer.get("definition", {})
    for nic in got.get("nics", []):
        if not nic.pop("mac", "").startswith("52:54:00:"):
            fault(f"no address of a NIC: {got}")
    given.pop("simulate", None)  # libvirt's word for it would be 'qemu', which is told
    for key, value in given.items():
        if got.get(key) != value:
            fault(f"{platform}: {key} is {got.get(key)}, not {value}")
    if status or set(got) - set(given) - {"console", "cpu_model"}:
        fault(f"{platform}: {answer}")


# --- all others, part by part ---

DISK = "<disk type='file'><driver type='raw'/><source file='/d'/><target dev='vda' bus='virtio'/>{}</disk>"
NIC = "<interface type='bridge'><source bridge='{}'/>{}</interface>"
SNP = "<launchSecurity type='sev-snp'>{}</launchSecurity>"
PARTS = [  # (what stands in the domain, what the definition has of it, what is told: path and words)
    ("<name>web1</name>", {"name": "web1"}, []),
    ("<name>Web 1</name>", {}, [("name", "give one with --name")]),
    ("<uuid>11111111-2222-4333-8444-555555555555</uuid>", {}, [("uuid", "--uuid")]),
    ("<memory>524288</memory>", {"memory": 512 << 20}, []),
    ("<memory unit='MB'>1000</memory>", {"memory": 954 << 20}, []),
    ("<memory unit='TiB'>99999999999</memory>", {}, [("memory", "--memory")]),
    ("<memory unit='pages'>524288</memory>", {}, [("memory", "--memory")]),
    ("<memory>-1</memory>", {}, [("memory", "--memory")]),
    ("<memory unit='GiB'>1</memory><currentMemory>1048576</currentMemory>", {"memory": 1 << 30}, []),
    ("<memory unit='GiB'>1</memory><currentMemory>5</currentMemory>", {"memory": 1 << 30}, [("currentMemory", "all of its memory")]),
    ("<vcpu current='2'>4</vcpu>", {"vcpus": 4}, [("vcpu/@current", "no place")]),
    ("<vcpu>0</vcpu>", {}, [("vcpu", "--vcpus")]),
    ("<os><type arch='x86_64' machine='q35'>hvm</type></os>", {}, []),
    ("<os><type arch='x86_64' machine='pc-q35-9.2'>hvm</type></os>", {}, [("os/type/@machine", "newest version")]),
    ("<os><type arch='x86_64' machine='pc-i440fx-9.2'>hvm</type></os>", {}, [("os/type/@machine", "another one")]),
    ("<os><type arch='aarch64'>hvm</type></os>", {}, [("os/type", "no confidential guests")]),
    ("<os firmware='efi'/>", {}, [("os/@firmware", "--firmware")]),
    ("<os><loader type='rom' stateless='yes'>/f</loader></os>", {"firmware": "/f"}, []),
    ("<os><loader type='pflash'>/f</loader></os>", {}, [("os/loader", "without variables")]),
    ("<os><kernel>/k</kernel><initrd>../i</initrd></os>", {"boot": {"kernel": "/k"}}, [("os/initrd", "absolute path")]),
    ("<cpu mode='custom'><model>EPYC-v4</model></cpu>", {"cpu_model": "EPYC-v4"}, []),
    ("<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>", {},
     [("cpu/model", "--cpu-model")]),
    ("<cpu mode='host-model'><feature policy='require' name='x'/></cpu>", {},
     [("cpu/@mode", "--cpu-model"), ("cpu/feature", "no place")]),
    ("<on_crash>coredump-destroy</on_crash>", {}, [("on_crash", "--restart")]),
    ("<devices>" + DISK.format("<serial>a.1</serial><boot order='1'/>") + "</devices>",
     {"disks": [{"path": "/d", "format": "raw", "serial": "a.1"}], "boot": {"disk": "a.1"}}, []),
    ("<devices>" + DISK.format("<serial>a b</serial>") + "</devices>", {"disks": [{"path": "/d", "format": "raw"}]},
     [("devices/disk/serial", "1 to 20")]),
    ("<devices>" + DISK.format("<encryption format='luks'/>") + "</devices>", {"disks": [{"path": "/d", "format": "raw"}]},
     [("devices/disk/encryption", "no place")]),
    ("<devices><disk type='file'><source file='/d'/></disk></devices>", {}, [("devices/disk", "never guessed")]),
    ("<devices><disk type='network'><driver type='raw'/><source protocol='rbd'/></disk></devices>", {}, [("devices/disk", "a file or a block device")]),
    ("<devices><interface type='network'><source network='default'/></interface></devices>", {},
     [("devices/interface", "--nic")]),
    ("<devices><interface type='bridge'><source bridge='br0'/><mac address='52:54:00:00:00:02'/></interface></devices>",
     {"nics": [{"type": "bridge", "name": "br0", "mac": "52:54:00:00:00:02"}]}, []),
    (f"<devices>{NIC.format('br-int', '<target dev=%s/>' % repr('tap0f2b'))}{NIC.format('br1', '<target dev=%s/>' % repr('vnet3'))}"
     "</devices>", {"nics": [{"type": "bridge", "name": "br-int"}, {"type": "bridge", "name": "br1"}]},
     [("devices/interface[1]/target/@dev", "made anew")]),
    ("<features><acpi/><apic eoi='on'/></features>", {}, [("features/apic/@eoi", "no place")]),
    # what no definition can have, or not beside the rest, takes nothing else with it
    ("<os><kernel>k</kernel><initrd>/i</initrd><cmdline>quiet</cmdline></os>", {},
     [("os/kernel", "absolute path"), ("os/initrd", "no kernel"), ("os/cmdline", "no kernel")]),
    ("<os><kernel>/k</kernel><cmdline>a=\u00e9</cmdline></os>", {"boot": {"kernel": "/k"}}, [("os/cmdline", "printable ASCII")]),
    ("<os><kernel>/k</kernel><kernel>/l</kernel></os>", {"boot": {"kernel": "/k"}}, [("os/kernel[2]", "already")]),
    ("<name>a</name><name>b</name>", {"name": "a"}, [("name[2]", "already")]),
    ("<devices>" + 2 * DISK.format("") + "</devices>", {"disks": [{"path": "/d", "format": "raw"}]},
     [("devices/disk[2]", "given twice")]),
    ("<devices>" + NIC.format("br0", "") + NIC.format("br0/1", "") + "</devices>", {"nics": [{"type": "bridge", "name": "br0"}]},
     [("devices/interface[2]", "name of a network interface")]),
    ("<devices>" + 20 * NIC.format("br0", "") + "</devices>", {"nics": 16 * [{"type": "bridge", "name": "br0"}]},
     [(f"devices/interface[{i}]", "at most 16") for i in range(17, 21)]),
    (SNP.format("<idBlock>no</idBlock>"), {}, [("launchSecurity", "base64")]),
    ("<devices><hostdev/><tpm/></devices>", {}, [("devices/hostdev", "no place"), ("devices/tpm", "no place")]),
    ("<devices><rng model='virtio'/><memballoon model='virtio'/><graphics/></devices>", {},
     [("devices/rng", "randomness"), ("devices/memballoon", "gives no memory"), ("devices/graphics", "no screen")]),
    (SNP.format("<policy>0x30000</policy>"), {"platform": "sev-snp"}, []),
    (SNP.format("<policy>0xb0000</policy>"), {"platform": "sev-snp", "sev-snp": {"debug": True}}, []),
    (SNP.format("<policy>0x8000000000030000</policy>"), {"platform": "sev-snp"}, [("launchSecurity/policy", "bits")]),
    (SNP.format("<policy>0xffffffffffffffffffff</policy>"), {"platform": "sev-snp"}, [("launchSecurity/policy", "no number")]),
    (SNP.format("<hostData>AAAA</hostData>"), {"platform": "sev-snp"}, [("launchSecurity/hostData", "binding")]),
    ("<launchSecurity type='sev'><policy>0x3</policy></launchSecurity>", {}, [("launchSecurity", "no platform")]),
    ("<qemu:commandline xmlns:qemu='q'><qemu:arg value='x'/></qemu:commandline>", {}, [("qemu:commandline", "not taken")]),
    ("<never-heard-of a='b'/>", {}, [("never-heard-of", "no place")]),
]


def check_part(part, definition, told):
    status, answer = ask("adopt", {"xml": f"<domain type='kvm'>{part}</domain>"})
    if status or answer["definition"] != {"version": 1, **definition}:
        fault(f"{part}: {answer}")
        return
    left = answer["left_out"]
    if len(left) != len(told):
        fault(f"{part}: {left}")
    for row, (path, words) in zip(left, told):
        if row["path"] != "/domain/" + path or words not in row["why"]:
            fault(f"{part}: {row}")


REFUSED = [  # (request, exit status, code)
    ({}, 2, "CVM-FIELD"),
    ({"domain": "a", "xml": "<domain/>"}, 2, "CVM-FIELD"),
    ({"domain": "a" * 300}, 2, "CVM-FIELD"),
    ({"domain": 7}, 2, "CVM-FIELD"),
    ({"xml": ""}, 2, "CVM-LIBVIRT-XML"),
    ({"xml": "<domain>"}, 2, "CVM-LIBVIRT-XML"),
    ({"xml": "<network/>"}, 2, "CVM-LIBVIRT-XML"),
    ({"xml": "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>"}, 2, "CVM-LIBVIRT-XML"),
    ({"xml": "<a>" * 5000}, 2, "CVM-LIBVIRT-XML"),
    ({"domain": "nobody"}, 3, "CVM-LIBVIRT-DOMAIN"),
    ({"domain": "cvmd-web1"}, 3, "CVM-LIBVIRT-DOMAIN"),
]


def check_refusals():
    for request, status, code in REFUSED:
        got, answer = ask("adopt", request)
        if got != status or answer["error"]["code"] != code:
            fault(f"{str(request)[:100]}: {got} {answer}")
    for verb in ("adopt", "capabilities"):
        got, answer = ask(verb, {"domain": "a"}, "test:///nowhere")
        if got != 9 or answer["error"]["code"] != "CVM-LIBVIRT-CONNECTION":
            fault(f"no libvirt: {got} {answer}")


def check_value():
    """What is left is told so that one knows which it was."""
    for part, value in (("<title>a\nb</title>", "a?b"), ("<tpm model='tpm-crb'><a/></tpm>", "model=tpm-crb"),
                        ("<x a='1' b='2'/>", "a=1, b=2"), ("<x a='%s' b='2'/>" % (300 * "y"), "a=" + 198 * "y"), ("<x/>", None)):
        got = ask("adopt", {"xml": f"<domain type='kvm'>{part}</domain>"})[1]["left_out"][0].get("value")
        if got != value:
            fault(f"{part}: {got}, not {value}")


def check_named():
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as node:
        node.write("<node><domain type='test'><name>db1</name><memory>1048576</memory><vcpu>2</vcpu>"
                   "<os><type arch='x86_64'>hvm</type></os></domain></node>")
        node.flush()
        status, answer = ask("adopt", {"domain": "db1"}, "test://" + node.name)
    if status or answer["definition"] != {"version": 1, "name": "db1", "memory": 1 << 30, "vcpus": 2}:
        fault(answer)


for row in OURS:
    check_ours(*row)
for row in PARTS:
    check_part(*row)
check_refusals()
check_value()
check_named()
print(len(OURS) + len(PARTS) + len(REFUSED), "domains,", faults, "faults")
sys.exit(faults > 0)
