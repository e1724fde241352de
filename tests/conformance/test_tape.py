# SPDX-License-Identifier: MIT
"""Tape drives over the wire: every module of the tape kind writes, reads, moves and says where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.sg import Sg
from harness.tape import BEGINNING, END_OF_DATA, FILEMARK_DETECTED, FIXED, MEDIUM_NOT_PRESENT, SILI, Tape, assert_sense
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key

pytestmark = pytest.mark.variants("tape")


@pytest.mark.smoke
def test_write_marks_rewind_read(tape: Tape) -> None:
    """Records of any length come back as they were written, up to the filemark and the end of data."""
    records = [os.urandom(n) for n in (1, 511, 65536, 300_000, 4 << 20)]
    for record in records:
        assert tape.write(record).good
    tape.marks(2)
    assert tape.position() == len(records) + 2
    tape.rewind()
    for record in records:
        result = tape.read(len(record))
        assert result.good and result.data == record
    assert_sense(tape.read(512), Key.NO_SENSE, FILEMARK_DETECTED, 512, filemark=True)
    assert_sense(tape.read(512), Key.NO_SENSE, FILEMARK_DETECTED, 512, filemark=True)
    assert_sense(tape.read(512), Key.BLANK_CHECK, END_OF_DATA, 512)


def test_another_length(tape: Tape) -> None:
    """ILI with the difference, and as much data as there is room for and there are; SILI suppresses it."""
    assert tape.write(b"x" * 1000).good
    tape.rewind()
    result = tape.read(4096)
    assert_sense(result, Key.NO_SENSE, 0, 3096, ili=True)
    assert result.data == b"x" * 1000 and result.underflow == 3096
    tape.rewind()
    result = tape.read(100)
    assert_sense(result, Key.NO_SENSE, 0, -900, ili=True)
    assert result.data == b"x" * 100
    tape.rewind()
    result = tape.read(4096, SILI)
    assert result.good and result.data == b"x" * 1000 and result.underflow == 3096


def test_fixed_blocks(tape: Tape) -> None:
    """With a block length set by MODE SELECT, a transfer is so many blocks."""
    parameters = bytes([0, 0, 0x10, 8, 0, 0, 0, 0, 0]) + (512).to_bytes(3, "big")
    assert tape.run(scsi.mode_select6(len(parameters)), data_out=parameters).good
    assert tape.good(scsi.mode_sense6(0), read=255).data[9:12] == parameters[9:12]
    data = os.urandom(8 * 512)
    assert tape.write(data, FIXED, 8).good
    tape.marks(1)
    assert tape.position() == 9
    tape.rewind()
    result = tape.read(4096, FIXED, 8)
    assert result.good and result.data == data
    tape.rewind()
    result = tape.read(16 * 512, FIXED, 16)
    assert_sense(result, Key.NO_SENSE, FILEMARK_DETECTED, 8, filemark=True)
    assert result.data == data


def test_moving(tape: Tape) -> None:
    """SPACE over records and filemarks, both ways, and LOCATE."""
    for i in range(3):
        assert tape.write(bytes([i]) * 10).good
        tape.marks(1, immediate=True)
    tape.rewind()
    assert tape.space(1, 2).good
    assert tape.position() == 4
    assert tape.read(10).data == b"\2" * 10
    assert_sense(tape.space(0, 5), Key.NO_SENSE, FILEMARK_DETECTED, 5, filemark=True)
    assert_sense(tape.space(1, 1), Key.BLANK_CHECK, END_OF_DATA, 1)
    assert tape.space(1, -3).good
    assert tape.position() == 1
    result = tape.space(0, -2)
    assert_sense(result, Key.NO_SENSE, BEGINNING, 1)
    assert result.sense is not None and result.sense.eom
    assert tape.space(3, 0).good
    assert tape.position() == 6
    tape.good(bytes([0x2B, 0, 0]) + (2).to_bytes(4, "big") + bytes(3))
    assert tape.read(10).data == b"\1" * 10


def test_vendor_specific_positions(tape: Tape) -> None:
    """READ POSITION with service action 01h and LOCATE(10) with BT, by which Linux tells and seeks: what is vendor
    specific about their positions is that they are the object identifiers (SSC-5 READ POSITION, LOCATE(10))."""
    for i in range(5):
        assert tape.write(bytes([i]) * 10).good
    assert tape.run(bytes([0x2B, 4, 0, 0, 0, 0, 3, 0, 0, 0])).good
    assert tape.position() == 3
    short, vendor = (tape.good(bytes([0x34, action]) + bytes(8), read=20).data for action in (0, 1))
    assert short == vendor and vendor[4:8] == (3).to_bytes(4, "big")
    assert tape.read(10).data == b"\3" * 10


def test_writing_ends_the_data(tape: Tape) -> None:
    """What followed on the tape is gone."""
    for i in range(4):
        assert tape.write(bytes([i]) * 10).good
    tape.good(bytes([0x2B, 0, 0]) + (1).to_bytes(4, "big") + bytes(3))
    assert tape.write(b"new").good
    assert_sense(tape.read(10), Key.BLANK_CHECK, END_OF_DATA)
    assert tape.position() == 2
    tape.rewind()
    tape.good(bytes([0x19, 1, 0, 0, 0, 0]))
    assert_sense(tape.read(10), Key.BLANK_CHECK, END_OF_DATA)


def test_unload_and_load(tape: Tape) -> None:
    """A tape that is out can't be read; it can't be taken out while a nexus prevents it (SBC-3 5.10)."""
    assert tape.write(b"data").good
    tape.good(scsi.prevent_allow(True))
    assert_sense(tape.load(False), Key.ILLEGAL_REQUEST, 0x5302)
    tape.good(scsi.prevent_allow(False))
    assert tape.load(False).good
    assert_sense(tape.run(scsi.test_unit_ready()), Key.NOT_READY, MEDIUM_NOT_PRESENT)
    assert_sense(tape.read(4), Key.NOT_READY, MEDIUM_NOT_PRESENT)
    assert tape.load(True).good
    assert tape.read(4).data == b"data"


def test_another_nexus_and_time(drive: Unit, bench: object) -> None:
    """Data stay over sessions, and when the unit is deleted and made again on the same medium."""
    with drive.login() as session:
        tape = Tape(session, drive.lun)
        assert tape.write(b"kept").good
        tape.marks(1)
    bench.factory.detach(drive)  # type: ignore[attr-defined]
    bench.factory.attach(drive, size=0)  # type: ignore[attr-defined]
    with drive.login() as session:
        tape = Tape(session, drive.lun)
        assert tape.read(4).data == b"kept"
        assert_sense(tape.read(4), Key.NO_SENSE, FILEMARK_DETECTED, filemark=True)


def test_what_it_says_it_is(drive: Unit, shim_file: Path) -> None:
    """INQUIRY, READ BLOCK LIMITS, the block descriptor, and no disk's commands."""
    sg = Sg(shim_file, drive)
    assert "tape" in sg("sg_inq") and "RMB=1" in sg("sg_inq")
    limits = sg.raw(bytes([0x05, 0, 0, 0, 0, 0]), read=6)
    assert int.from_bytes(limits[1:4], "big") >= 65536 and int.from_bytes(limits[4:6], "big") >= 1
    assert "Read position" in sg("sg_opcodes")
    assert sg.try_("sg_readcap").code != 0
