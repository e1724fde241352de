# SPDX-License-Identifier: MIT
"""CRC32C (Castagnoli), the digest of RFC 7143 clause 13.1, in pure Python."""

_POLYNOMIAL = 0x82F63B78  # reflected 0x1EDC6F41


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC32C of data as a number; on the wire it is stored little endian."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF
