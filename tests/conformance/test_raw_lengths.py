# SPDX-License-Identifier: MIT
"""Lengths that lie, and numbers that wrap: CDB against expected length against data; addresses at 2^32, 2^63 and 2^64-1
(SPC-5 clause 4.4, SBC-3 clause 5, RFC 7143 11.4.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from harness.raw import pattern, read_block, write_block
from harness.units import Unit, capacity
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result


@pytest.fixture
def session(disk: Unit) -> Iterator[Session]:
    with disk.login() as session:
        yield session


def assert_refused(result: Result, asc: int, expected: int, pointer: int | None = None, in_cdb: bool = True) -> None:
    """ILLEGAL REQUEST with this code, nothing transferred but parameters, and a field pointer if one is wanted."""
    sense = result.sense
    assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, asc), str(result)
    if pointer is not None:
        assert (sense.field_pointer, sense.field_in_cdb) == (pointer, in_cdb), str(sense)
    assert not result.data and result.underflow <= expected


# -- addresses


def long(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQIBB", opcode, flags, lba, blocks, 0, 0)


WRAPPING = [(2**32, 1), (2**32 - 1, 2), (2**63, 1), (2**63 - 1, 2), (2**64 - 1, 1), (2**64 - 1, 2), (2**64 - 8, 16)]
READING = {"READ(16)": 0x88, "VERIFY(16)": 0x8F, "PRE-FETCH(16)": 0x90, "SYNCHRONIZE CACHE(16)": 0x91}
WRITING = {"WRITE(16)": 0x8A, "WRITE AND VERIFY(16)": 0x8E, "ORWRITE(16)": 0x8B, "WRITE SAME(16)": 0x93}


@pytest.mark.parametrize("lba,blocks", WRAPPING, ids=lambda value: f"{value:x}")
@pytest.mark.parametrize("name", READING)
def test_reading_beyond_the_end(session: Session, disk: Unit, name: str, lba: int, blocks: int) -> None:
    """LBA OUT OF RANGE, and all that was expected is residual (SBC-3 5.13)."""
    expected = blocks * disk.block_size if name == "READ(16)" else 0
    result = session.execute(long(READING[name], lba, blocks), read=expected)
    assert_refused(result, scsi.LBA_OUT_OF_RANGE, expected)
    assert result.underflow == expected


@pytest.mark.parametrize("lba,blocks", WRAPPING, ids=lambda value: f"{value:x}")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.alone] if name == "ORWRITE(16)" else [])
                                  for name in WRITING])
def test_writing_beyond_the_end(session: Session, disk: Unit, name: str, lba: int, blocks: int) -> None:
    """LBA OUT OF RANGE, and neither the first nor the last block has changed (SBC-3 5.35)."""
    last = capacity(session, disk.lun)[0] - 1
    before = read_block(session, disk, 0), read_block(session, disk, last)
    data = b"\xff" * disk.block_size * (1 if name == "WRITE SAME(16)" else blocks)
    assert_refused(session.execute(long(WRITING[name], lba, blocks), data_out=data), scsi.LBA_OUT_OF_RANGE, len(data))
    assert (read_block(session, disk, 0), read_block(session, disk, last)) == before


@pytest.mark.parametrize("lba", [2**32, 2**63, 2**64 - 1])
def test_other_commands_beyond_the_end(session: Session, disk: Unit, lba: int) -> None:
    """COMPARE AND WRITE and GET LBA STATUS too (SBC-3 5.2, 5.4)."""
    data = bytes(2 * disk.block_size)
    assert_refused(session.execute(scsi.compare_and_write(lba, 1), data_out=data), scsi.LBA_OUT_OF_RANGE, len(data))
    assert_refused(session.execute(scsi.get_lba_status(lba), read=1024), scsi.LBA_OUT_OF_RANGE, 1024)


@pytest.mark.parametrize("opcode", [0x88, 0x8A, 0x8B, 0x8E, 0xA8, 0xAA])
def test_count_beyond_all_limits(session: Session, disk: Unit, opcode: int) -> None:
    """0xffffffff blocks from 0 on: beyond the end, or longer than MAXIMUM TRANSFER LENGTH, which is INVALID FIELD IN CDB
    at the TRANSFER LENGTH (SBC-3 6.6.4)."""
    cdb = long(opcode, 0, 0xFFFFFFFF) if opcode < 0xA0 else struct.pack(">BBIIBB", opcode, 0, 0, 0xFFFFFFFF, 0, 0)
    field = 10 if opcode < 0xA0 else 6
    size = disk.block_size
    result = session.execute(cdb, **({"read": size} if opcode in (0x88, 0xA8) else {"data_out": bytes(size)}))
    if result.sense is not None and result.sense.asc == scsi.INVALID_FIELD_IN_CDB:
        assert_refused(result, scsi.INVALID_FIELD_IN_CDB, size, field)
    else:
        assert_refused(result, scsi.LBA_OUT_OF_RANGE, size)


# -- bits that are reserved


def listed(session: Session, lun: int) -> list[bytes]:
    """CDB USAGE DATA of every command (SPC-5 6.34.3)."""
    rows, found = session.execute(scsi.report_opcodes(), lun=lun, read=8192).data, []
    for at in range(4, len(rows), 8):
        option, action = (2 if rows[at + 5] & 1 else 1), int.from_bytes(rows[at + 2:at + 4], "big")
        data = session.execute(scsi.report_opcodes(option, rows[at], action), lun=lun, read=512).data
        found.append(bytes(data[4:4 + int.from_bytes(data[2:4], "big")]))
    return found


@pytest.mark.parametrize("lun", [0, 1], ids=["controller", "disk"])
def test_reserved_bits_of_every_command(session: Session, lun: int) -> None:
    """A bit that the usage data of a command don't have is INVALID FIELD IN CDB, and the pointer is to its byte
    (SPC-5 4.4.2.4.2, 6.34.3)."""
    session.clear_attentions(lun)
    checked = 0
    for usage in listed(session, lun):
        if usage[0] == 0x7F:
            continue
        has_action = usage[0] in (0x48, 0x5E, 0x5F, 0x9E, 0x9F, 0xA3, 0xA4)
        for at in range(1, len(usage)):
            free = 0xFF & ~usage[at] & (0xE0 if at == 1 and has_action else 0xFF)
            if not free:
                continue
            cdb = bytearray(len(usage))
            cdb[0], cdb[1] = usage[0], usage[1] & 0x1F if has_action else 0
            cdb[at] |= 1 << (free.bit_length() - 1)
            result = session.execute(bytes(cdb), lun=lun)
            assert result.sense is not None, f"{cdb.hex()}: {result}"
            assert (result.sense.key, result.sense.asc) == (Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB), cdb.hex()
            assert (result.sense.field_in_cdb, result.sense.field_pointer) == (True, at), f"{cdb.hex()}: {result.sense}"
            checked += 1
    assert checked > 30


# -- parameter lists


def test_list_shorter_than_stated(session: Session) -> None:
    """Of a list with a page only the header comes: the rest is overflow, and no page has changed (RFC 7143 11.4.5)."""
    before = session.execute(scsi.mode_sense6(0x3F), read=255).data
    result = session.execute(scsi.mode_select6(16), data_out=bytes(4))
    assert result.overflow == 12
    assert session.execute(scsi.mode_sense6(0x3F), read=255).data == before
    result = session.execute(scsi.mode_select6(16))  # nothing at all
    assert_refused(result, scsi.PARAMETER_LIST_LENGTH, 0)
    assert result.overflow == 16


def test_list_longer_than_stated(session: Session) -> None:
    """What follows the PARAMETER LIST LENGTH isn't asked for: underflow (RFC 7143 11.4.5.2)."""
    result = session.execute(scsi.mode_select6(4), data_out=bytes(64))
    assert result.good and result.underflow == 60


@pytest.mark.parametrize("length", [1, 3])
def test_mode_header_cut_short(session: Session, length: int) -> None:
    """PARAMETER LIST LENGTH ERROR for a list that ends within the header (SPC-5 6.12)."""
    assert_refused(session.execute(scsi.mode_select6(length), data_out=bytes(length)), scsi.PARAMETER_LIST_LENGTH, length)


@pytest.mark.parametrize("length", [0, 1, 23, 25, 0xFFFFFF])
def test_persistent_out_length(session: Session, length: int) -> None:
    """REGISTER takes 24 bytes; other lengths without SPEC_I_PT are PARAMETER LIST LENGTH ERROR (SPC-5 6.17.3)."""
    sent = min(length, 64)
    cdb = scsi.persistent_out(0, 0, length)
    result = session.execute(cdb, data_out=bytes(sent)) if sent else session.execute(cdb)
    assert_refused(result, scsi.PARAMETER_LIST_LENGTH, sent)
    keys = session.execute(scsi.persistent_in(0), read=1024)
    assert keys.good and not any(keys.data[4:8])


@pytest.mark.parametrize("stated,inner,outer", [(24, 0xFFFF, 0xFFFF), (24, 0xFFFF, 22), (24, 160, 166), (8, 16, 22)])
def test_unmap_lengths(session: Session, disk: Unit, stated: int, inner: int, outer: int) -> None:
    """Lengths inside the parameter list that go beyond it: no block beside those that are named is touched
    (SBC-3 5.28)."""
    data = pattern(4 * disk.block_size)
    write_block(session, disk, 0, data)
    parameters = struct.pack(">HH4x", outer, inner) + struct.pack(">QI4x", 100, 1)
    result = session.execute(scsi.unmap(stated), data_out=parameters[:stated])
    assert result.sense is None or result.sense.key == Key.ILLEGAL_REQUEST
    assert read_block(session, disk, 0, 4) == data


@pytest.mark.parametrize("length", [1, 4, 7])
def test_unmap_header_cut_short(session: Session, length: int) -> None:
    """PARAMETER LIST LENGTH ERROR (SBC-3 5.28)."""
    result = session.execute(scsi.unmap(length), data_out=bytes(length))
    assert result.sense is not None
    assert result.sense.asc in (scsi.PARAMETER_LIST_LENGTH, scsi.INVALID_OPCODE)  # a thick unit doesn't have it


@pytest.mark.parametrize("blocks,more", [(0, 0), (0, 1), (1, -1), (1, 0), (1, 1), (2, 0), (3, -1), (8, 0), (512, 0)])
def test_read_against_expected_length(session: Session, disk: Unit, blocks: int, more: int) -> None:
    """Two blocks into any room: as much as there is, and the difference with its sign (RFC 7143 11.4.5)."""
    data, expected = pattern(2 * disk.block_size), blocks * disk.block_size + more
    write_block(session, disk, 5, data)
    result = session.execute(scsi.read10(5, 2), read=expected)
    assert result.good and result.data == data[:expected]
    difference = expected - len(data)
    assert (result.overflow, result.underflow) == (max(0, -difference), max(0, difference))


@pytest.mark.parametrize("blocks", [1, 2, 3, 8])
def test_write_against_expected_length(session: Session, disk: Unit, blocks: int) -> None:
    """Two blocks out of what comes: the blocks that came are written, none beside them (RFC 7143 11.4.5)."""
    size = disk.block_size
    write_block(session, disk, 20, bytes(8 * size))
    data = pattern(blocks * size)
    result = session.execute(scsi.write10(20, 2), data_out=data)
    assert (result.overflow, result.underflow) == (max(0, 2 - blocks) * size, max(0, blocks - 2) * size)
    written = read_block(session, disk, 20, 8)
    if result.good:
        assert written[:2 * size] == data[:2 * size].ljust(2 * size, b"\0")
    assert not any(written[2 * size:]) and written[:size] in (data[:size], bytes(size))
