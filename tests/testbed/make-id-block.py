"""An ID block and its authentication for a launch: prints both in base64 and the digest of the ID key.
make-id-block.py MEASUREMENT POLICY ID-KEY.pem [AUTHOR-KEY.pem] [spoiled]"""
import base64
import hashlib
import struct
import subprocess
import sys


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


def number(big_endian):
    return big_endian.lstrip(b"\0")[::-1].ljust(72, b"\0")


def public_key(path):
    point = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")[-96:]
    return (struct.pack("<I", 2) + number(point[:48]) + number(point[48:])).ljust(0x404, b"\0")


def signature(path, data):
    der, numbers, at = openssl("dgst", "-sha384", "-sign", path, data=data), [], 2
    for _ in range(2):
        numbers.append(der[at + 2:at + 2 + der[at + 1]])
        at += 2 + der[at + 1]
    return b"".join(number(n) for n in numbers).ljust(0x200, b"\0")


def main(measurement, policy, id_key, *more):
    spoiled, authors = "spoiled" in more, [word for word in more if word != "spoiled"]
    block = struct.pack("<48s16s16sIIQ", bytes.fromhex(measurement), b"family", b"image", 1, 7, int(policy, 0))
    key = public_key(id_key)
    auth = bytearray(struct.pack("<II56x", 1, 1 if authors else 0) + signature(id_key, block) + key + bytes(60))
    if authors:
        auth += signature(authors[0], key) + public_key(authors[0])
    auth = bytearray(auth.ljust(4096, b"\0"))
    if spoiled:  # of the author's signature when there is one, else of the ID block's
        auth[0x680 if authors else 0x40] ^= 1
    print(base64.b64encode(block).decode(), base64.b64encode(auth).decode(), hashlib.sha384(key).hexdigest())


main(*sys.argv[1:])
