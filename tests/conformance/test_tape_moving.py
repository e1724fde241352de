# SPDX-License-Identifier: MIT
"""Where tape drives go, and where they say that they are (SSC-5)."""

from __future__ import annotations

import struct

import pytest

from harness.tape import (BEGINNING, BLOCKS, END_OF_DATA, FILEMARK_DETECTED, FILEMARKS, SEQUENTIAL_FILEMARKS,
                          TO_END_OF_DATA, Tape, assert_sense)
from iscsi import scsi
from iscsi.scsi import Key

pytestmark = pytest.mark.variants("tape")

OBJECT, FILE, DATA_END = 0, 1, 3


def layout(tape: Tape, plan: str) -> None:
    """A block for each other letter, a filemark for each |; at the beginning."""
    for letter in plan:
        if letter == "|":
            tape.marks(1, immediate=True)
        else:
            assert tape.write(letter.encode() * 10).good
    tape.rewind()


def test_space_16(tape: Tape) -> None:
    """SPACE(16): 64-bit counts, both ways, with the residue (SSC-5 SPACE(16))."""
    layout(tape, "ab|cd|")
    assert tape.space16(BLOCKS, 2).good and tape.position() == 2
    assert_sense(tape.space16(BLOCKS, 9), Key.NO_SENSE, FILEMARK_DETECTED, 9, filemark=True)
    assert tape.position() == 3
    assert_sense(tape.space16(FILEMARKS, 5), Key.BLANK_CHECK, END_OF_DATA, 4)
    assert tape.space16(FILEMARKS, -2).good and tape.position() == 2
    assert_sense(tape.space16(BLOCKS, -5), Key.NO_SENSE, BEGINNING, 3, eom=True)
    assert tape.space16(TO_END_OF_DATA, 0).good and tape.position() == 6
    assert tape.space16(BLOCKS, 0).good and tape.position() == 6
    assert_sense(tape.space16(4, 1), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    tape.descriptor_sense()
    tape.rewind()
    assert_sense(tape.space16(FILEMARKS, 1 << 40), Key.BLANK_CHECK, END_OF_DATA, (1 << 40) - 2)


def test_space_over_sequential_filemarks(tape: Tape) -> None:
    """To behind (backwards: in front of) the first so many filemarks in a row (SSC-5 SPACE(6))."""
    layout(tape, "a|b||c|||")
    assert tape.space(SEQUENTIAL_FILEMARKS, 2).good and tape.position() == 5
    assert tape.space(SEQUENTIAL_FILEMARKS, 3).good and tape.position() == 9
    assert tape.space16(SEQUENTIAL_FILEMARKS, -2).good and tape.position() == 7
    tape.rewind()
    assert_sense(tape.space(SEQUENTIAL_FILEMARKS, 4), Key.BLANK_CHECK, END_OF_DATA)


def test_locate_16(tape: Tape) -> None:
    """To a logical object, behind a filemark, to the end of data (SSC-5 LOCATE(16))."""
    layout(tape, "ab|c||d")
    for kind, target, expected in ((OBJECT, 3, 3), (FILE, 2, 5), (FILE, 0, 0), (FILE, 3, 6), (DATA_END, 77, 7),
                                   (OBJECT, 7, 7), (OBJECT, 0, 0)):
        assert tape.locate16(target, kind).good
        assert tape.position() == expected
    for kind, target in ((OBJECT, 8), (OBJECT, 1 << 40), (FILE, 4)):
        assert_sense(tape.locate16(target, kind), Key.BLANK_CHECK, END_OF_DATA)
        assert tape.position() == 7
    assert_sense(tape.locate16(0, 2), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)


def test_no_such_partition(tape: Tape) -> None:
    """LOCATE to a partition that isn't there is an invalid field, and moves nothing (SSC-5 LOCATE(10), LOCATE(16))."""
    layout(tape, "ab")
    assert tape.locate(1).good
    for result, byte in ((tape.locate(0, 3), 8), (tape.locate16(0, 0, 3), 3)):
        assert_sense(result, Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
        assert result.sense is not None and result.sense.field_pointer == byte
    assert tape.position() == 1


def test_positions(tape: Tape) -> None:
    """Every form of READ POSITION; only the extended one has an allocation length (SSC-5 READ POSITION)."""
    layout(tape, "ab|c")
    assert tape.locate(4).good
    for form in (0x00, 0x01):
        data = tape.good(bytes([0x34, form]) + bytes(8), read=20).data
        assert struct.unpack_from(">II", data, 4) == (4, 4) and data[0] == 0
    data = tape.good(bytes([0x34, 0x06]) + bytes(8), read=32).data
    assert struct.unpack_from(">IQQ", data, 4) == (0, 4, 1)
    assert tape.where() == (0, 4)
    assert len(tape.good(struct.pack(">BB5xHx", 0x34, 0x08, 9), read=9).data) == 9
    for form in (0x00, 0x01, 0x06):
        assert_sense(tape.run(struct.pack(">BB5xHx", 0x34, form, 32), read=32), Key.ILLEGAL_REQUEST,
                     scsi.INVALID_FIELD_IN_CDB)


def test_immediate(tape: Tape) -> None:
    """With IMMED the next command finds the tape where it was sent (SSC-5 REWIND, LOCATE(16))."""
    layout(tape, "ab|c")
    tape.good(struct.pack(">BBxBQ4x", 0x92, 0x01, 0, 3))
    assert tape.read(10).data == b"c" * 10
    tape.good(bytes([0x01, 1, 0, 0, 0, 0]))
    assert tape.read(10).data == b"a" * 10
