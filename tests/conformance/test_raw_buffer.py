# SPDX-License-Identifier: MIT
"""READ BUFFER(10), WRITE BUFFER and the diagnostic commands (SPC-5), with several initiators."""

from __future__ import annotations

import pytest

from harness.raw import pattern
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

DATA, DESCRIPTOR, ECHO, ECHO_DESCRIPTOR = 0x02, 0x03, 0x0A, 0x0B


def isid(number: int) -> bytes:
    return bytes([0x80, 0, 0, number, 0, 0])


def buffer_cdb(opcode: int, mode: int, length: int, offset: int = 0) -> bytes:
    return bytes([opcode, mode, 0]) + offset.to_bytes(3, "big") + length.to_bytes(3, "big") + b"\0"


def read_buffer(session: Session, mode: int, length: int, offset: int = 0) -> Result:
    return session.execute(buffer_cdb(0x3C, mode, length, offset), read=length)


def write_buffer(session: Session, mode: int, data: bytes, offset: int = 0) -> Result:
    return session.execute(buffer_cdb(0x3B, mode, len(data), offset), data_out=data)


@pytest.mark.smoke
def test_data(disk: Unit) -> None:
    """One data buffer for all, as large as the descriptor says, by many R2Ts."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        descriptor = read_buffer(session, DESCRIPTOR, 4).data
        capacity = int.from_bytes(descriptor[1:4], "big")
        data = pattern(capacity)
        assert write_buffer(session, DATA, data).good
        assert read_buffer(other, DATA, capacity).data == data
        assert write_buffer(other, DATA, b"xyz", capacity - 3).good
        assert read_buffer(session, DATA, 8, capacity - 4).data == data[-4:-3] + b"xyz"
        assert not write_buffer(session, DATA, b"xyz", capacity - 2).good


def test_echo_is_each_nexus_own(disk: Unit) -> None:
    """EBOS: what one initiator echoes another doesn't overwrite, and it gets its own back, no more."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        descriptor = read_buffer(session, ECHO_DESCRIPTOR, 4).data
        capacity = int.from_bytes(descriptor[2:4], "big") & 0x1FFF
        assert descriptor[0] & 1
        data = pattern(capacity)
        assert write_buffer(session, ECHO, data).good
        early = read_buffer(other, ECHO, 16)
        assert early.sense is not None and (early.sense.key, early.sense.asc) == (5, 0x2C00)
        assert write_buffer(other, ECHO, b"other").good
        assert read_buffer(session, ECHO, 4096).data == data
        assert read_buffer(other, ECHO, 4096).data == b"other"


@pytest.mark.parametrize("mode", [4, 5, 6, 7, 0x0D, 0x0E, 0x0F])
def test_no_microcode(disk: Unit, mode: int) -> None:
    """There is none to download: INVALID FIELD IN CDB, before any data are asked for."""
    with disk.login() as session:
        result = write_buffer(session, mode, bytes(4096))
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (5, scsi.INVALID_FIELD_IN_CDB)
        assert result.sense.field_pointer == 1


def test_reserved(disk: Unit) -> None:
    """Under another port's Exclusive Access neither, under Write Exclusive only reading (SPC-5 table 65)."""
    with disk.login(isid=isid(0)) as holder, disk.login(isid=isid(1)) as other:
        assert holder.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, 0xAA)).good
        for kind, may_read in ((1, True), (3, False)):
            assert holder.execute(scsi.persistent_out(1, kind), data_out=scsi.persistent_parameters(0xAA)).good
            assert read_buffer(other, DATA, 16).good == may_read
            assert other.execute(bytes([0x1C, 1, 0, 0, 64, 0]), read=64).good == may_read
            assert write_buffer(other, DATA, b"x").status == scsi.Status.RESERVATION_CONFLICT
            assert other.execute(bytes([0x1D, 4, 0, 0, 0, 0])).status == scsi.Status.RESERVATION_CONFLICT
            assert holder.execute(scsi.persistent_out(2, kind), data_out=scsi.persistent_parameters(0xAA)).good
            other.clear_attentions()


def test_diagnostic_pages(disk: Unit) -> None:
    """The page that lists the pages is the only one, asked for in either way."""
    want = bytes([0, 0, 0, 1, 0])
    with disk.login() as session:
        assert session.execute(bytes([0x1C, 1, 0, 0, 64, 0]), read=64).data == want
        assert session.execute(bytes([0x1D, 0x10, 0, 0, 4, 0]), data_out=bytes(4)).good
        assert session.execute(bytes([0x1C, 0, 0, 0, 64, 0]), read=64).data == want
        refused = session.execute(bytes([0x1C, 1, 0x40, 0, 64, 0]), read=64)
        assert refused.sense is not None and refused.sense.asc == scsi.INVALID_FIELD_IN_CDB
        refused = session.execute(bytes([0x1D, 0x10, 0, 0, 4, 0]), data_out=bytes([0x40, 0, 0, 0]))
        assert refused.sense is not None and refused.sense.asc == scsi.INVALID_FIELD_IN_PARAMETERS
