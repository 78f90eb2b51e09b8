#!/usr/bin/python3
"""libvirt remembers of a QEMU without KVM that it has KVM, on this kernel, and there protected guests:
s390x-abilities.py FILE"""
import os
import re
import sys

with open(sys.argv[1]) as file:
    text = file.read()
kernel = os.uname()
flag = "  <flag name='confidential-guest-support'/>\n"
for old, new in (
    (flag, flag + "  <flag name='kvm'/>\n  <flag name='s390-pv-guest'/>\n"),
    ("  <arch>", f"  <kernelVersion>{kernel.release} {kernel.version}</kernelVersion>\n  <arch>"),
    ("</qemuCaps>", "  <kvmSupportsSecureGuest/>\n</qemuCaps>"),
):
    assert old in text, old
    text = text.replace(old, new)
for part in re.findall(r" *<(?:hostCPU|cpu) type='tcg'.*?</(?:hostCPU|cpu)>\n| *<machine type='tcg'.*?/>\n", text, re.S):
    text = text.replace(part, part + part.replace("'tcg'", "'kvm'"))
with open(sys.argv[1], "w") as file:
    file.write(text)
