"""Image files whose headers promise more than fits in memory."""

import struct
import zlib

SIDE = 10_001
"""Their height and width: more than a hundred megapixels."""


def boundless_png(data):
    """A PNG file of another size, but for its pixels."""
    file = bytearray(data)
    file[16:24] = struct.pack(">II", SIDE, SIDE)
    file[29:33] = struct.pack(">I", zlib.crc32(file[12:29]))
    return bytes(file)


def boundless_jpeg(data):
    """A JPEG file of another size, but for its pixels."""
    file = bytearray(data)
    start = file.index(b"\xff\xc0") + 5
    file[start : start + 4] = struct.pack(">HH", SIDE, SIDE)
    return bytes(file)
