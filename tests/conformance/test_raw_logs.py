# SPDX-License-Identifier: MIT
"""Log pages between sessions: what is counted, who is told of a reset, what is refused (SPC-5 6.8, 6.9, 7.3)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from harness.modules import Variant
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session

LISTS, WRITES, READS, VERIFIES, LAST_ERRORS, SELF_TESTS, STATISTICS, EXCEPTIONS = 0, 2, 3, 5, 7, 0x10, 0x19, 0x2F
TOTAL_BYTES, TOTAL_UNCORRECTED = 5, 6
LOG_PARAMETERS_CHANGED = 0x2A02


def log_page(session: Session, code: int) -> dict[int, bytes]:
    """The parameters of a page, by code; the last of them ends with the page."""
    data = session.execute(scsi.log_sense(code), read=8192).data
    assert data[0] & 0x3F == code and int.from_bytes(data[2:4], "big") == len(data) - 4
    found, at = {}, 4
    while at < len(data):
        length = data[at + 3]
        found[int.from_bytes(data[at:at + 2], "big")] = data[at + 4:at + 4 + length]
        at += 4 + length
    assert at == len(data) and list(found) == sorted(found)
    return found


def counter(session: Session, code: int, parameter: int) -> int:
    return int.from_bytes(log_page(session, code)[parameter], "big")


def attention(session: Session) -> int:
    result = session.execute(scsi.test_unit_ready())
    return result.sense.asc if result.sense is not None else 0


@pytest.mark.smoke
def test_pages(disk: Unit) -> None:
    """Each page in the list can be read (7.3.19), and each in that of subpages (7.3.20)."""
    with disk.login() as session:
        pages = session.execute(scsi.log_sense(LISTS), read=256).data[4:]
        assert {LISTS, WRITES, READS, VERIFIES, LAST_ERRORS, SELF_TESTS, STATISTICS, EXCEPTIONS} <= set(pages)
        for code in pages:
            assert session.execute(scsi.log_sense(code), read=8192).data[0] & 0x3F == code
        listed = session.execute(scsi.log_sense(LISTS, 0xFF), read=256).data[4:]
        assert {(code, 0) for code in pages} <= set(zip(listed[::2], listed[1::2]))
        for code, subpage in zip(listed[::2], listed[1::2]):
            assert session.execute(scsi.log_sense(code, subpage), read=8192).good


def test_pages_of_the_controller(disk: Unit) -> None:
    """LUN 0 has no medium to count anything of."""
    with disk.login() as session:
        session.clear_attentions(0)
        assert session.execute(scsi.log_sense(LISTS), lun=0, read=256).data[4:] == bytes([LISTS])
        result = session.execute(scsi.log_sense(WRITES), lun=0, read=256)
        assert result.sense is not None and result.sense.asc == scsi.INVALID_FIELD_IN_CDB
        assert result.sense.field_pointer == 2


@pytest.mark.smoke
def test_counters(disk: Unit) -> None:
    """Bytes and commands of all sessions are counted, once each, whichever reactor they live on."""
    size = disk.block_size
    sessions = [disk.login() for _ in range(4)]
    before = {code: counter(sessions[0], code, TOTAL_BYTES) for code in (WRITES, READS, VERIFIES)}
    general = log_page(sessions[0], STATISTICS)[1]
    for session in sessions:
        assert session.execute(scsi.write16(8, 4), data_out=bytes(4 * size)).good
        assert session.execute(scsi.read16(8, 3), read=3 * size).good
        assert session.execute(scsi.verify10(0, 2)).good
        after = {code: counter(session, code, TOTAL_BYTES) for code in before}
    assert [after[code] - before[code] for code in (WRITES, READS, VERIFIES)] == [16 * size, 12 * size, 8 * size]
    grown = [int.from_bytes(b, "big") - int.from_bytes(a, "big") for a, b in zip(
        _quads(general), _quads(log_page(sessions[0], STATISTICS)[1]))]
    assert grown[:4] == [4, 4, 16, 12]
    for session in sessions:
        session.close()


def _quads(data: bytes) -> list[bytes]:
    return [data[at:at + 8] for at in range(0, len(data), 8)]


@pytest.mark.smoke
def test_reset(disk: Unit) -> None:
    """PCR resets the counters of a page, or of all, for all; the others are told, once (6.8)."""
    with disk.login() as mine, disk.login() as other:
        assert mine.execute(scsi.write16(0, 4), data_out=bytes(4 * disk.block_size)).good
        assert counter(other, WRITES, TOTAL_BYTES) > 0
        assert mine.execute(scsi.log_select(page=WRITES, pcr=True)).good
        assert attention(mine) == 0
        assert attention(other) == LOG_PARAMETERS_CHANGED
        assert attention(other) == 0
        assert counter(other, WRITES, TOTAL_BYTES) == 0
        assert int.from_bytes(log_page(other, STATISTICS)[1][8:16], "big") > 0
        assert mine.execute(scsi.log_select(pcr=True)).good
        assert attention(other) == LOG_PARAMETERS_CHANGED
        assert int.from_bytes(log_page(other, STATISTICS)[1][8:16], "big") == 0
        assert mine.execute(scsi.log_select()).good
        assert attention(other) == 0, "nothing was asked for"


def test_reset_by_a_parameter(disk: Unit) -> None:
    """A counter that is sent as 0 is reset, alone; another value can't be given to it (7.3.2)."""
    with disk.login() as session:
        assert session.execute(scsi.write16(0, 1), data_out=bytes(disk.block_size)).good
        assert session.execute(scsi.read16(0, 1), read=disk.block_size).good
        head = bytes([0x82, 0, 0, 12, 0, TOTAL_BYTES, 0x20, 8])
        result = session.execute(scsi.log_select(length=16), data_out=head + (1 << 40).to_bytes(8, "big"))
        assert result.sense is not None and result.sense.asc == scsi.INVALID_FIELD_IN_PARAMETERS
        assert (result.sense.field_in_cdb, result.sense.field_pointer) == (False, 8)
        assert session.execute(scsi.log_select(length=16), data_out=head + bytes(8)).good
        assert counter(session, WRITES, TOTAL_BYTES) == 0 and counter(session, READS, TOTAL_BYTES) > 0


@pytest.mark.parametrize("cdb,data,asc,pointer", [
    (bytes([0x4C, 3, 0x40, 0, 0, 0, 0, 0, 0, 0]), b"", scsi.INVALID_FIELD_IN_CDB, 1),
    (bytes([0x4C, 2, 0x40, 0, 0, 0, 0, 0, 4, 0]), bytes(4), scsi.INVALID_FIELD_IN_CDB, 1),
    (bytes([0x4C, 0, 0x42, 0, 0, 0, 0, 0, 4, 0]), bytes(4), scsi.INVALID_FIELD_IN_CDB, 2),
    (bytes([0x4C, 2, 0x7B, 0, 0, 0, 0, 0, 0, 0]), b"", scsi.INVALID_FIELD_IN_CDB, 2),
    (bytes([0x4C, 0, 0x40, 0, 0, 0, 0, 0, 4, 0]), bytes([0x3B, 0, 0, 0]), scsi.INVALID_FIELD_IN_PARAMETERS, 0),
    (bytes([0x4C, 0, 0x40, 0, 0, 0, 0, 0, 4, 0]), bytes([2, 0, 0, 9]), scsi.PARAMETER_LIST_LENGTH, None),
    (bytes([0x4D, 1, 0x42, 0, 0, 0, 0, 1, 0, 0]), b"", scsi.INVALID_FIELD_IN_CDB, 1),
    (bytes([0x4D, 0, 0x42, 0, 0, 0, 7, 1, 0, 0]), b"", scsi.INVALID_FIELD_IN_CDB, 5),
], ids=["save", "reset-with-list", "page-with-list", "no-page", "no-page-in-list", "cut", "sense-save", "pointer"])
def test_refused(disk: Unit, cdb: bytes, data: bytes, asc: int, pointer: int | None) -> None:
    """Nothing is saved; a list names its pages itself, whole ones; and there is no parameter beyond the last."""
    with disk.login() as session:
        result = session.execute(cdb, data_out=data) if data else session.execute(cdb, read=256 if cdb[0] == 0x4D else 0)
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (5, asc), str(result)
        assert result.sense.field_pointer == pointer


def test_parameter_pointer(disk: Unit) -> None:
    """What comes begins with that parameter (6.9)."""
    with disk.login() as session:
        data = session.execute(scsi.log_sense(WRITES, pointer=5), read=256).data
        assert len(data) == 4 + 2 * 12 and int.from_bytes(data[4:6], "big") == 5


@pytest.mark.variants("file")
def test_errors_are_kept(new_unit: Callable[[Variant], Unit], variant: Variant) -> None:
    """A file that lost its end: the errors are counted, and the last ones told, the latest with the highest code."""
    unit = new_unit(variant)
    assert unit.path is not None
    os.truncate(unit.path, 1 << 20)
    size = unit.block_size
    with unit.login() as session:
        for lba in range(20):
            assert not session.execute(scsi.read16((1 << 20) // size + lba, 1), read=size).good
        assert counter(session, READS, TOTAL_UNCORRECTED) == 20
        events = log_page(session, LAST_ERRORS)
        assert list(events) == list(range(16))
        last = events[15].decode("ascii")
        assert f"READ(16) LBA {(1 << 20) // size + 19} sense 3/11/00" in last, last
        assert session.execute(scsi.log_select(page=LAST_ERRORS, pcr=True)).good
        assert not log_page(session, LAST_ERRORS)
