# SPDX-License-Identifier: MIT
"""Commands of a disk that neither libiscsi's tool nor sg3_utils test enough (SPC-5 clause 6, SBC-3 clause 5)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from harness import primary
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key, Status
from iscsi.session import Session

CONDITION_MET = Status.CONDITION_MET
BYTCHK = 0x02


@pytest.fixture
def session(disk: Unit) -> Iterator[Session]:
    with disk.login() as session:
        yield session


def command12(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBIIBB", opcode, flags, lba, blocks, 0, 0)


def test_twelve_bytes(session: Session, disk: Unit) -> None:
    """WRITE(12), READ(12), WRITE AND VERIFY(12) and VERIFY(12) work on the blocks that they name (SBC-3 5.12, 5.30,
    5.34, 5.38)."""
    size, data, other = disk.block_size, os.urandom(4 * disk.block_size), os.urandom(disk.block_size)
    primary.good(session, disk.lun, command12(0xAA, 100, 4), data_out=data)
    primary.good(session, disk.lun, command12(0xAE, 101, 1), data_out=other)
    data = data[:size] + other + data[2 * size:]
    assert primary.good(session, disk.lun, command12(0xA8, 100, 4), read=len(data)) == data
    primary.good(session, disk.lun, command12(0xAF, 100, 4))
    primary.good(session, disk.lun, command12(0xAF, 100, 4, BYTCHK), data_out=data)
    result = session.execute(command12(0xAF, 100, 4, BYTCHK), data_out=bytes(len(data)))
    assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.MISCOMPARE, scsi.MISCOMPARE)


@pytest.mark.parametrize("opcode", [0xA8, 0xAA, 0xAE, 0xAF])
def test_twelve_bytes_beyond_the_end(session: Session, disk: Unit, opcode: int) -> None:
    """LBA OUT OF RANGE, also where the sum of LBA and length passes 2^32."""
    for lba, blocks in ((2**32 - 1, 1), (2**32 - 1, 2)):
        expected = {"data_out": bytes(disk.block_size)} if opcode in (0xAA, 0xAE) else {"read": 0}
        sense = session.execute(command12(opcode, lba, blocks), **expected).sense
        assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, scsi.LBA_OUT_OF_RANGE)


def test_prefetch16(session: Session, disk: Unit) -> None:
    """GOOD or CONDITION MET within the unit, LBA OUT OF RANGE behind it (SBC-3 5.9)."""
    for immed in (0, 2):
        result = session.execute(struct.pack(">BBQIBB", 0x90, immed, 0, 8, 0, 0))
        assert result.good or result.status == CONDITION_MET, str(result)
    for lba, blocks in ((2**32, 1), (2**63, 1), (2**64 - 1, 2)):
        sense = session.execute(struct.pack(">BBQIBB", 0x90, 0, lba, blocks, 0, 0)).sense
        assert sense is not None and sense.asc == scsi.LBA_OUT_OF_RANGE


def test_defect_data(session: Session, disk: Unit) -> None:
    """The lists asked for, which are empty, in the format asked for (SBC-3 5.17, 5.18)."""
    for lists in (0x00, 0x08, 0x10, 0x18):
        data = primary.good(session, disk.lun, struct.pack(">BxB4xHB", 0x37, lists | 5, 64, 0), read=64)
        assert data == bytes([0, lists | 5, 0, 0])
        data = primary.good(session, disk.lun, struct.pack(">BBIIBB", 0xB7, lists | 5, 0, 64, 0, 0), read=64)
        assert data == bytes([0, lists | 5]) + bytes(6)


def test_mode_pages(session: Session, disk: Unit) -> None:
    """MODE SELECT(10) as MODE SELECT(6) (SPC-5 7.5.11)."""
    primary.check_mode_pages(session, disk.lun)


def test_log_pages(session: Session, disk: Unit) -> None:
    """The log pages that it lists can be read (SPC-5 7.3)."""
    primary.check_log_pages(session, disk.lun)


@pytest.mark.alone
def test_reserve(session: Session, disk: Unit) -> None:
    """RESERVE and RELEASE of both lengths (SPC-2 5.5.1)."""
    with disk.login() as other:
        primary.check_reserve(session, other, disk.lun)


def test_persistent_reservations(session: Session, disk: Unit) -> None:
    """Every service action, REGISTER AND MOVE among them (SPC-5 5.14)."""
    with disk.login() as other:
        primary.check_persistent_reservations(session, other, disk.lun)
