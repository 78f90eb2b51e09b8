"""The smallest file that QEMU takes for a Linux kernel (boot protocol 2.12): make-kernel.py FILE. It is measured, never run."""
import struct
import sys

image = bytearray(4096)
image[0x1f1] = 1  # sectors of set-up code after the first
image[0x1fe:0x202] = b"\x55\xaa\xeb\x66"
image[0x202:0x208] = b"HdrS" + struct.pack("<H", 0x20c)
image[0x211] = 1  # loaded high
image[0x22c:0x230] = struct.pack("<I", 0x7fffffff)  # highest address of the initrd
image[0x238:0x23c] = struct.pack("<I", 2047)  # longest command line
image[0x258:0x260] = struct.pack("<Q", 0x1000000)  # preferred address
image[1024:] = bytes(i * 7 & 0xff for i in range(len(image) - 1024))
with open(sys.argv[1], "wb") as f:
    f.write(image)
