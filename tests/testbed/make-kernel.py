"""The smallest file that QEMU takes for a Linux kernel (boot protocol 2.12), and firmware for a PE image with an EFI stub:
make-kernel.py FILE. It is measured, never run."""
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
PE, HEADERS = 0x40, 1024
image[0:2] = b"MZ"
image[0x3c:0x40] = struct.pack("<I", PE)
image[PE:PE + 24] = b"PE\0\0" + struct.pack("<HH12xHH", 0x8664, 1, 112 + 5 * 8, 0x206)  # one section
image[PE + 24:PE + 26] = struct.pack("<H", 0x20b)
image[PE + 84:PE + 88] = struct.pack("<I", HEADERS)
image[PE + 132:PE + 136] = struct.pack("<I", 5)  # data directories, all empty
image[PE + 176 + 16:PE + 176 + 24] = struct.pack("<II", len(image) - HEADERS, HEADERS)
image[1024:] = bytes(i * 7 & 0xff for i in range(len(image) - 1024))
with open(sys.argv[1], "wb") as f:
    f.write(image)
