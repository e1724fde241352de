# SPDX-License-Identifier: MIT
"""Logical block protection of tapes (SSC-5, Control Data Protection mode page): CRC32C with each block."""

from __future__ import annotations

import os
import struct

import pytest

from iscsi import scsi
from iscsi.crc32c import crc32c
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result

pytestmark = pytest.mark.variants("tape")

FIXED, SILI = 1, 2
CRC32C, LENGTH = 2, 4
LBP_W, LBP_R = 0x80, 0x40
GUARD_CHECK_FAILED, FILEMARK_DETECTED = 0x1001, 0x0001


def protect(session: Session, flags: int, block_length: int = 0) -> None:
    """MODE SELECT with the block length and the Control Data Protection page (0Ah/F0h)."""
    page = struct.pack(">BBHBBB25x", 0x4A, 0xF0, 28, CRC32C if flags else 0, LENGTH if flags else 0, flags)
    data = bytes([0, 0, 0x10, 8, 0, 0, 0, 0, 0]) + block_length.to_bytes(3, "big") + page
    result = session.execute(scsi.mode_select6(len(data)), data_out=data)
    assert result.good, str(result)


def protected(block: bytes) -> bytes:
    return block + struct.pack("<I", crc32c(block))


def write(session: Session, data: bytes, flags: int = 0, count: int | None = None) -> Result:
    count = len(data) if count is None else count
    return session.execute(bytes([0x0A, flags]) + count.to_bytes(3, "big") + b"\0", data_out=data)


def read(session: Session, room: int, flags: int = 0, count: int | None = None) -> Result:
    count = room if count is None else count
    return session.execute(bytes([0x08, flags]) + count.to_bytes(3, "big") + b"\0", read=room)


def rewind(session: Session) -> None:
    assert session.execute(bytes([1, 0, 0, 0, 0, 0])).good


def position(session: Session) -> int:
    return int(struct.unpack_from(">I", session.execute(bytes([0x34]) + bytes(9), read=20).data, 4)[0])


def assert_sense(result: Result, key: int, asc: int, information: int, *, ili: bool = False) -> None:
    sense = result.sense
    assert sense is not None, str(result)
    assert (sense.key, sense.asc, sense.ili, sense.information) == (key, asc, ili, information & 0xFFFFFFFF), \
        str(result)


def test_variable_blocks(session: Session) -> None:
    """TRANSFER LENGTH counts the protection information, which isn't kept: without protection the block comes alone,
    with it CRC32C follows, least significant byte first."""
    blocks = [os.urandom(length) for length in (1, 511, 65536, 1_000_000)]
    protect(session, LBP_W | LBP_R)
    for block in blocks:
        assert write(session, protected(block)).good
    rewind(session)
    for block in blocks:
        assert read(session, len(block) + LENGTH).data == protected(block)
    rewind(session)
    protect(session, 0)
    for block in blocks:
        assert read(session, len(block)).data == block
    rewind(session)
    protect(session, LBP_R)
    assert read(session, len(blocks[0]) + LENGTH).data == protected(blocks[0])
    assert session.execute(bytes([0x2B, 0, 0]) + (len(blocks)).to_bytes(4, "big") + bytes(3)).good
    assert write(session, b"LBP_R alone says nothing of WRITE").good


def test_a_damaged_block_is_not_written(session: Session) -> None:
    """HARDWARE ERROR, LOGICAL BLOCK GUARD CHECK FAILED, and the tape stands where it stood."""
    protect(session, LBP_W | LBP_R)
    assert write(session, protected(b"good")).good
    for bad in (b"baad" + protected(b"good")[4:], protected(b"good")[:-1] + b"\0", b"no checksum at all"):
        assert_sense(write(session, bad), Key.HARDWARE_ERROR, GUARD_CHECK_FAILED, len(bad))
        assert position(session) == 1
    assert write(session, protected(b"next")).good
    rewind(session)
    assert read(session, 8).data == protected(b"good") and read(session, 8).data == protected(b"next")


def test_fixed_blocks(session: Session) -> None:
    """BLOCK LENGTH of the block descriptor counts the protection information, too."""
    blocks = [os.urandom(512) for _ in range(2000)]
    protect(session, LBP_W | LBP_R, 516)
    assert write(session, b"".join(map(protected, blocks)), FIXED, len(blocks)).good
    assert session.execute(bytes([0x10, 0, 0, 0, 1, 0])).good
    rewind(session)
    result = read(session, 516 * 2000, FIXED, 2000)
    assert result.good and result.data == b"".join(map(protected, blocks))
    result = read(session, 516 * 3, FIXED, 3)
    assert result.sense is not None and result.sense.filemark and result.sense.information == 3
    rewind(session)
    result = read(session, 516 * 2001, FIXED, 2001)
    assert result.sense is not None and result.sense.filemark and result.sense.information == 1
    assert result.data == b"".join(map(protected, blocks))
    rewind(session)
    protect(session, 0, 512)
    assert read(session, 512 * 2, FIXED, 2).data == blocks[0] + blocks[1]


def test_a_damaged_fixed_block(session: Session) -> None:
    """The blocks before it are written; INFORMATION says how many weren't."""
    blocks = [protected(bytes([i]) * 96) for i in range(10)]
    protect(session, LBP_W | LBP_R, 100)
    sent = bytearray(b"".join(blocks))
    sent[100 * 6 + 50] ^= 1
    assert_sense(write(session, bytes(sent), FIXED, 10), Key.HARDWARE_ERROR, GUARD_CHECK_FAILED, 4)
    assert position(session) == 6
    assert write(session, b"".join(blocks[6:]), FIXED, 4).good
    rewind(session)
    assert read(session, 1000, FIXED, 10).data == b"".join(blocks)


def test_another_length(session: Session) -> None:
    """ILI counts with the protection information; what is sent is protected."""
    protect(session, LBP_W | LBP_R)
    assert write(session, protected(b"x" * 100)).good
    rewind(session)
    result = read(session, 204)
    assert_sense(result, Key.NO_SENSE, 0, 100, ili=True)
    assert result.data == protected(b"x" * 100)
    rewind(session)
    result = read(session, 54)
    assert_sense(result, Key.NO_SENSE, 0, -50, ili=True)
    assert len(result.data) == 54 and result.data[:50] == b"x" * 50


def test_no_room_for_data(session: Session) -> None:
    """A block of protection information alone can't be asked for."""
    protect(session, LBP_W | LBP_R)
    for result in (write(session, bytes(4)), read(session, 4), read(session, 1)):
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.ILLEGAL_REQUEST, 0x2400)
    assert write(session, b"").good and read(session, 0).good
