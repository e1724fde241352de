# SPDX-License-Identifier: MIT
"""The device clock and the identifying information of a unit (SPC-5): who is told of a change, and what stays."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest

from harness.units import Unit
from iscsi import scsi
from iscsi.pdu import TaskFunction, TaskResponse
from iscsi.session import Session
from iscsi.task import Result

TIMESTAMP_CHANGED, IDENTIFIER_CHANGED, RESET = 0x2A10, 0x3F05, 0x2903


def isid(number: int) -> bytes:
    return bytes([0x80, 0, 0, number, 0, 0])


def attention(session: Session) -> int:
    """The unit attention that the next command meets; 0 for none."""
    result = session.execute(scsi.test_unit_ready())
    assert result.good or result.sense is not None and result.sense.key == scsi.Key.UNIT_ATTENTION, str(result)
    return 0 if result.sense is None else result.sense.asc


def timestamp(session: Session) -> tuple[int, int]:
    """TIMESTAMP ORIGIN and the milliseconds."""
    data = session.execute(struct.pack(">BB4xIBB", 0xA3, 0x0F, 12, 0, 0), read=12).data
    assert len(data) == 12 and data[:2] == b"\0\x0a"
    return data[2] & 7, int.from_bytes(data[4:10], "big")


def set_timestamp(session: Session, value: int) -> Result:
    return session.execute(struct.pack(">BB4xIBB", 0xA4, 0x0F, 12, 0, 0),
                           data_out=bytes(4) + value.to_bytes(6, "big") + bytes(2))


def identifying(session: Session, kind: int = 0) -> bytes:
    result = session.execute(struct.pack(">BB4xIBB", 0xA3, 0x05, 512, kind << 1, 0), read=512)
    assert result.good, str(result)
    assert len(result.data) == 4 + int.from_bytes(result.data[2:4], "big")
    return result.data[4:]


def set_identifying(session: Session, content: bytes, kind: int = 0) -> Result:
    return session.execute(struct.pack(">BB4xIBB", 0xA4, 0x06, len(content), kind << 1, 0), data_out=content)


@pytest.mark.smoke
def test_timestamp(disk: Unit) -> None:
    """From 0 at power on (origin 000b); after SET TIMESTAMP from what was set (010b).  Others are told (06/2a/10)."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        origin, first = timestamp(session)
        assert origin == 0 and first < 600_000
        time.sleep(0.1)
        assert first + 50 <= timestamp(session)[1] < first + 60_000
        now = int(time.time() * 1000)
        assert set_timestamp(session, now).good
        assert attention(session) == 0
        assert attention(other) == TIMESTAMP_CHANGED
        origin, value = timestamp(other)
        assert origin == 2 and now <= value < now + 60_000


def test_timestamp_survives_a_reset(disk: Unit) -> None:
    """A logical unit reset doesn't touch the clock."""
    with disk.login() as session:
        assert set_timestamp(session, 10**12).good
        assert session.manage(TaskFunction.LOGICAL_UNIT_RESET) == TaskResponse.COMPLETE
        assert attention(session) == RESET
        origin, value = timestamp(session)
        assert origin == 2 and 10**12 <= value < 10**12 + 60_000


def test_identifying_information(disk: Unit) -> None:
    """Both kinds, apart from each other; the others are told (06/3f/05)."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        assert identifying(session) == b""
        assert set_identifying(session, b"\x01\x02\xff").good
        assert attention(session) == 0 and attention(other) == IDENTIFIER_CHANGED
        assert set_identifying(session, "Hörsaal\0".encode(), 2).good
        assert attention(other) == IDENTIFIER_CHANGED
        assert identifying(other) == b"\x01\x02\xff"
        assert identifying(other, 2) == "Hörsaal\0".encode()
        assert identifying(other, 0x7F) == bytes([0, 0, 0, 64, 4, 0, 1, 0])
        assert set_identifying(session, b"").good
        assert identifying(session) == b""


def test_identifying_information_is_kept(restart: Callable[[], Unit]) -> None:
    """What was answered GOOD is there after the daemon was killed."""
    disk = restart()
    with disk.login() as session:
        assert set_identifying(session, b"shelf 7").good
    disk = restart()
    with disk.login() as session:
        assert identifying(session) == b"shelf 7"
        assert timestamp(session)[0] == 0


@pytest.mark.parametrize("action", [0x0F, 0x06], ids=["timestamp", "identifying"])
def test_reserved(disk: Unit, action: int) -> None:
    """Setting conflicts under another port's reservation, reporting doesn't (SPC-5 table 65)."""
    with disk.login(isid=isid(0)) as holder, disk.login(isid=isid(1)) as other:
        assert holder.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, 0xAA)).good
        assert holder.execute(scsi.persistent_out(1, 3), data_out=scsi.persistent_parameters(0xAA)).good
        result = set_timestamp(other, 1) if action == 0x0F else set_identifying(other, b"x")
        assert result.status == scsi.Status.RESERVATION_CONFLICT
        assert timestamp(other)[0] == 0 and identifying(other) == b""
