"""What a trust domain's firmware and kernel extend, played from a prediction, and the log of it as they leave it."""
import hashlib
import json
import struct

ALGORITHM, SIZE = 0x000c, 48
SPECIFICATION = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, ALGORITHM, SIZE, 0)
HEADER = struct.pack("<II20xI", 0, 3, len(SPECIFICATION)) + SPECIFICATION
SEPARATOR = 4
RECORD = struct.Struct(f"<IIIH{SIZE}sI")


def predicted(path):
    """(register, digest) for each event that every boot has; what the prediction leaves open is anything."""
    with open(path, encoding="utf-8") as f:
        events = json.load(f)["events"]
    for event in events:
        if event["type"] and not event.get("may_be_absent"):
            digest = event["digest"] or hashlib.sha384(b"anything").hexdigest()
            yield int(event["register"][len("rtmr"):]), bytes.fromhex(digest)


def record(number, digest):
    return RECORD.pack(number + 1, SEPARATOR, 1, ALGORITHM, digest, 0)


def read(records):
    """(register, digest) of each record, without a header."""
    while records:
        index, _, _, _, digest, size = RECORD.unpack_from(records)
        records = records[RECORD.size + size:]
        yield index - 1, digest
