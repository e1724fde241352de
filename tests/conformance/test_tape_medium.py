# SPDX-License-Identifier: MIT
"""The medium of a tape drive as a whole (SSC-5): its end, its partitions, its capacity, what of it may be overwritten, and
that it comes and goes."""

from __future__ import annotations

import os
import struct

import pytest

from harness.tape import (END_OF_DATA, END_OF_PARTITION, FIXED, LOCATE_FAILURE, MEDIUM_NOT_PRESENT, Tape, assert_sense,
                          place_cdb)
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session

pytestmark = pytest.mark.variants("tape")

PAST_BEGINNING, SEQUENTIAL_POSITIONING, NOT_APPEND_ONLY, OVERWRITE = 0x3B0C, 0x3B00, 0x200C, 0x300C
NEEDS_LOAD, READY_CHANGE, PROGRAMMABLE_EARLY_WARNING = 0x0402, 0x2800, 0x0007
BOP, EOP, BPEW = 0x80, 0x40, 0x01
IDP, SDP, MEGABYTES, POFM = 0x20, 0x40, 0x10, 0x04


def flags(tape: Tape) -> int:
    """Of READ POSITION's short form."""
    return tape.good(bytes([0x34]) + bytes(9), read=20).data[0]


def test_the_end_of_the_partition(tape: Tape) -> None:
    """Early warning: all is written, and EOM says that the end is near; VOLUME OVERFLOW with what isn't written when it is
    full; EOM at the end of data, too (SSC-5 WRITE(6), READ(6))."""
    block = os.urandom(1 << 16)
    assert tape.set_capacity(2).good  # of 65535: some megabytes
    tape.set_block_length(len(block))
    results = []
    while not results or results[-1].sense is None or results[-1].sense.key != Key.VOLUME_OVERFLOW:
        assert len(results) < 200
        results.append(tape.write(block * 4, FIXED, 4))
    warned = [result for result in results if not result.good]
    assert results[0].good and len(warned) >= 2
    for result in warned[:-1]:
        assert_sense(result, Key.NO_SENSE, END_OF_PARTITION, 0, eom=True)
    last = warned[-1].sense
    assert last is not None and last.eom and 1 <= (last.information or 0) <= 4
    written = 4 * len(results) - (last.information or 0)
    assert tape.position() == written and flags(tape) == EOP
    assert_sense(tape.read(10), Key.BLANK_CHECK, END_OF_DATA, 10, eom=True)
    assert tape.read(len(block), place=(0, written - 1)).data == block
    tape.rewind()
    assert tape.verify(written, FIXED).good


def test_programmable_early_warning(tape: Tape) -> None:
    """PEWS of the Device Configuration Extension page: coming into the zone is told once, and READ POSITION has BPEW from
    there on (SSC-5 programmable early warning)."""
    assert tape.set_capacity(4).good
    page = tape.mode_page(0x10, 1)
    struct.pack_into(">H", page, 6, 2)  # 2 MB before early warning
    tape.set_mode_page(page)
    assert flags(tape) == BOP
    told = []
    for n in range(200):
        result = tape.write(os.urandom(1 << 16))
        if not result.good:
            told.append((n, result))
            if result.sense is None or result.sense.asc == END_OF_PARTITION:
                break
            assert_sense(result, Key.NO_SENSE, PROGRAMMABLE_EARLY_WARNING, 0, eom=False)
            assert flags(tape) == BPEW
    assert len(told) == 2, told
    assert 20 < told[1][0] - told[0][0] < 40
    assert flags(tape) == EOP | BPEW


def test_partitions(tape: Tape) -> None:
    """FORMAT MEDIUM makes what the Medium Partition page asks for, each with objects of its own; format 0 makes one again
    (SSC-5 FORMAT MEDIUM)."""
    assert tape.write(b"before").good
    assert_sense(tape.format(), Key.ILLEGAL_REQUEST, PAST_BEGINNING)
    tape.rewind()
    tape.set_mode_page(bytes([0x11, 10, tape.mode_page(0x11)[2], 1, IDP | MEGABYTES | POFM, 3, 0, 0])
                       + struct.pack(">HH", 100, 0xFFFF))
    assert tape.format(2).good
    assert_sense(tape.read(10), Key.BLANK_CHECK, END_OF_DATA)
    assert tape.write(b"in the first").good
    assert tape.locate(0, 1).good
    assert flags(tape) == BOP and tape.where() == (1, 0)
    assert tape.write(b"in the second").good and tape.where() == (1, 1)
    assert tape.locate(0).good and tape.where() == (1, 0)  # without CP it stays
    assert tape.read(12, place=(0, 0)).data == b"in the first"
    assert tape.locate16(0, partition=1).good
    assert tape.read(13).data == b"in the second"
    assert_sense(tape.format(), Key.ILLEGAL_REQUEST, PAST_BEGINNING)  # it isn't partition 0
    assert tape.locate(0, 0).good
    assert tape.format(0).good
    assert_sense(tape.locate(0, 1), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    for cdb, byte in ((bytes([4, 0, 3, 0, 0, 0]), 2), (bytes([4, 0, 0, 0, 1, 0]), 3)):
        result = tape.run(cdb)
        assert_sense(result, Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
        assert result.sense is not None and result.sense.field_pointer == byte


def test_capacity(tape: Tape) -> None:
    """SET CAPACITY empties the medium, at its beginning only (SSC-5 SET CAPACITY)."""
    assert tape.write(b"before").good
    assert_sense(tape.set_capacity(30000), Key.ILLEGAL_REQUEST, PAST_BEGINNING)
    tape.rewind()
    assert tape.read(6).data == b"before"
    tape.rewind()
    assert tape.set_capacity(30000).good
    assert_sense(tape.read(6), Key.BLANK_CHECK, END_OF_DATA)
    assert tape.set_capacity(65535).good
    assert tape.write(b"after").good


@pytest.mark.parametrize("cdb", [bytes([0x04, 0, 0, 0, 0, 0]), bytes([0x0B, 0, 0, 0x80, 0, 0])],
                         ids=["FORMAT MEDIUM", "SET CAPACITY"])
def test_others_are_told_of_new_partitions(session: Session, other: Session, cdb: bytes) -> None:
    """FORMAT MEDIUM and SET CAPACITY change what the Medium Partition page says: MODE PARAMETERS CHANGED for the other
    nexus (SPC-5 5.14)."""
    assert session.execute(cdb).good
    assert_sense(other.execute(scsi.test_unit_ready()), Key.UNIT_ATTENTION, 0x2A01)
    assert session.execute(scsi.test_unit_ready()).good


def test_erase(tape: Tape) -> None:
    """What follows is gone, also at a place that the CDB names; behind the end there is nothing to erase (SSC-5 ERASE(6),
    ERASE(16))."""
    for n in range(6):
        assert tape.write(bytes([n])).good
    tape.good(struct.pack(">BBBBQ4x", 0x93, 0, 0, 0, 4))
    assert tape.locate16(0, 3).good and tape.position() == 4
    assert tape.locate(2).good
    tape.good(bytes([0x19, 0x03, 0, 0, 0, 0]))  # IMMED, LONG
    assert tape.position() == 2
    assert_sense(tape.read(1), Key.BLANK_CHECK, END_OF_DATA)
    assert_sense(tape.run(struct.pack(">BBBBQ4x", 0x93, 1, 0, 0, 9)), Key.BLANK_CHECK, LOCATE_FAILURE)


def append_only(tape: Tape, on: bool) -> None:
    """WRITE MODE of the Device Configuration Extension page."""
    page = tape.mode_page(0x10, 1)
    page[5] = page[5] & 0x0F | (0x10 if on else 0)
    tape.set_mode_page(page)


def allow(what: int, place: tuple[int, int] = (0, 0)) -> bytes:
    return struct.pack(">BBBBQ4x", 0x82, 0, what, *place)


def test_append_only(tape: Tape) -> None:
    """Nothing is overwritten but what ALLOW OVERWRITE allows, at the place where it was allowed (SSC-5 ALLOW OVERWRITE)."""
    for n in range(4):
        assert tape.write(bytes([n])).good
    assert_sense(tape.run(allow(1)), Key.ILLEGAL_REQUEST, NOT_APPEND_ONLY)
    append_only(tape, True)
    assert tape.write(b"at the end").good
    tape.rewind()
    for result in (tape.write(b"x"), tape.run(bytes([0x10, 0, 0, 0, 1, 0])), tape.run(bytes([0x19, 1, 0, 0, 0, 0])),
                   tape.write(b"x", place=(0, 2))):
        assert_sense(result, Key.DATA_PROTECT, OVERWRITE)
    tape.marks(0)  # writes nothing
    assert tape.position() == 2
    assert_sense(tape.run(allow(1, (0, 3))), Key.ILLEGAL_REQUEST, SEQUENTIAL_POSITIONING)
    tape.good(allow(1, (0, 2)))
    assert tape.position() == 2
    assert tape.write(b"over").good and tape.write(b"more").good
    tape.rewind()
    tape.good(allow(1))
    assert tape.read(1).good
    assert_sense(tape.write(b"x"), Key.DATA_PROTECT, OVERWRITE)  # it has moved since
    tape.rewind()
    assert_sense(tape.format(), Key.DATA_PROTECT, scsi.WRITE_PROTECTED)
    tape.good(allow(2))
    assert tape.format().good
    assert_sense(tape.read(1), Key.BLANK_CHECK, END_OF_DATA)
    append_only(tape, False)
    assert tape.write(b"a").good
    tape.rewind()
    assert tape.write(b"b").good


def test_hold(tape: Tape) -> None:
    """HOLD keeps the tape in the drive, where it has to be loaded before it is used (SSC-5 LOAD UNLOAD)."""
    assert tape.write(b"data").good
    assert tape.load(False, hold=True).good
    assert_sense(tape.read(4), Key.NOT_READY, NEEDS_LOAD)
    assert tape.load(True).good
    assert tape.read(4).data == b"data"
    result = tape.run(bytes([0x1B, 0, 0, 0, 0x05, 0]))  # EOT goes with unloading only
    assert_sense(result, Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)


def test_other_nexuses_hear_of_a_load(tape: Tape, drive: Unit) -> None:
    """NOT READY TO READY CHANGE for all but the one that has loaded it (SSC-5 LOAD UNLOAD, SAM-5 unit attention)."""
    with drive.login() as session:
        other = Tape(session, drive.lun)
        session.clear_attentions()
        assert tape.load(False).good
        assert_sense(other.run(scsi.test_unit_ready()), Key.NOT_READY, MEDIUM_NOT_PRESENT)
        assert tape.load(True).good
        tape.good(scsi.test_unit_ready())
        assert_sense(other.run(scsi.test_unit_ready()), Key.UNIT_ATTENTION, READY_CHANGE)
        other.good(scsi.test_unit_ready())


def test_without_a_medium(tape: Tape) -> None:
    """What has to do with the tape is NOT READY, MEDIUM NOT PRESENT; what isn't works (SSC-5 LOAD UNLOAD, READ BLOCK
    LIMITS)."""
    assert tape.load(False).good
    refused = [bytes([op, 0, 0, 0, op in (0x08, 0x10, 0x11, 0x13), 0])
               for op in (0x01, 0x04, 0x08, 0x0B, 0x10, 0x11, 0x13, 0x19)]
    refused += [bytes([0x2B]) + bytes(9), bytes([0x34]) + bytes(9), bytes([0x91]) + bytes(15), bytes([0x92]) + bytes(15)]
    refused += [place_cdb(op, 0, (0, 0), 1) for op in (0x80, 0x88, 0x8F)]
    for cdb in refused:
        assert_sense(tape.run(cdb), Key.NOT_READY, MEDIUM_NOT_PRESENT)
    assert_sense(tape.write(b"x"), Key.NOT_READY, MEDIUM_NOT_PRESENT)
    tape.good(bytes([5, 0, 0, 0, 0, 0]), read=6)
    assert tape.load(False).good


def test_order(tape: Tape) -> None:
    """Commands that are sent together are carried out in their order (SAM-5 task set; SSC-5)."""
    session = tape.session
    tasks = [session.start(bytes([0x0A, 0, 0, 0, 8, 0]), lun=tape.lun, data_out=struct.pack(">Q", n)) for n in range(16)]
    tasks.append(session.start(bytes([0x01, 1, 0, 0, 0, 0]), lun=tape.lun))
    tasks += [session.start(bytes([0x08, 0, 0, 0, 8, 0]), lun=tape.lun, read=8) for _ in range(16)]
    results = [session.wait(task) for task in tasks]
    assert all(result.good for result in results)
    assert [struct.unpack(">Q", result.data)[0] for result in results[17:]] == list(range(16))
