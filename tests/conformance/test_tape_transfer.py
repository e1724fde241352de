# SPDX-License-Identifier: MIT
"""What tape drives read, write and verify (SSC-5): every form of the commands, and what they say of blocks that aren't
as they were asked for."""

from __future__ import annotations

import os

import pytest

from harness.tape import (BEGINNING, BYTORD, END_OF_DATA, FILEMARK_DETECTED, FIXED, LOCATE_FAILURE, SILI, Tape,
                          assert_sense)
from iscsi import scsi
from iscsi.scsi import Key

pytestmark = pytest.mark.variants("tape")

BYTCMP, VERIFY_IMMED = 2, 4


def two_files(tape: Tape) -> None:
    """one, two, a filemark, three, a filemark; at the beginning."""
    for record in (b"one", b"two", None, b"three", None):
        if record is None:
            tape.marks(1)
        else:
            assert tape.write(record).good
    tape.rewind()


def test_explicit_places(tape: Tape) -> None:
    """READ(16), WRITE(16) and WRITE FILEMARKS(16) begin at the place that the CDB names (SSC-5 READ(16))."""
    two_files(tape)
    assert tape.read(5, place=(0, 3)).data == b"three"
    assert tape.read(3, place=(0, 1)).data == b"two"
    assert_sense(tape.read(3, place=(0, 2)), Key.NO_SENSE, FILEMARK_DETECTED, 3, filemark=True)
    assert tape.write(b"TWO", place=(0, 1)).good
    assert tape.position() == 2
    tape.marks(2, place=(0, 2))
    assert tape.where() == (0, 4)
    assert tape.read(3, place=(0, 1)).data == b"TWO"


def test_places_that_are_not_there(tape: Tape) -> None:
    """LOCATE OPERATION FAILURE behind the end of data, and nothing is written; no such partition is an invalid field
    (SSC-5 WRITE(16))."""
    two_files(tape)
    assert_sense(tape.write(b"x", place=(0, 6)), Key.BLANK_CHECK, LOCATE_FAILURE)
    assert tape.locate16(0, 3).good and tape.position() == 5
    result = tape.read(3, place=(9, 0))
    assert_sense(result, Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    assert result.sense is not None and result.sense.field_pointer == 3


def test_nothing_is_asked_for(tape: Tape) -> None:
    """A transfer length of zero moves nothing and is no error (SSC-5 READ(6), WRITE(6), VERIFY(6))."""
    two_files(tape)
    for place in (None, (0, 0)):
        assert tape.read(0, place=place).good
        assert tape.write(b"", place=place).good
        assert tape.verify(0, place=place).good
        assert tape.position() == 0
    assert tape.read(3).data == b"one"


def test_limits(tape: Tape) -> None:
    """A block of variable length is as long as READ BLOCK LIMITS says at most; fixed blocks need a length, and no SILI
    (SSC-5 READ(6), WRITE(6))."""
    longest = int.from_bytes(tape.good(bytes([5, 0, 0, 0, 0, 0]), read=6).data[1:4], "big")
    assert tape.write(b"x" * min(longest, 1 << 20)).good
    for flags in (FIXED, FIXED | SILI):
        assert_sense(tape.read(512, flags, 1), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    tape.set_block_length(65536)
    assert_sense(tape.read(512, FIXED, 0xFFFFFF), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    assert tape.position() == 1
    limits = tape.good(bytes([5, 1, 0, 0, 0, 0]), read=20).data
    assert len(limits) == 20 and int.from_bytes(limits[12:], "big") > 0xFFFFFFFF


@pytest.mark.parametrize("descriptor", [False, True], ids=["fixed", "descriptor"])
def test_incorrect_length(tape: Tape, descriptor: bool) -> None:
    """ILI and the difference, negative for a longer block, in both formats of sense data (SSC-5 READ(6), SPC-5 sense
    data)."""
    if descriptor:
        tape.descriptor_sense()
    two_files(tape)
    assert_sense(tape.read(2), Key.NO_SENSE, 0, -1, ili=True)
    assert_sense(tape.read(20), Key.NO_SENSE, 0, 17, ili=True)
    tape.rewind()
    assert tape.read(2, SILI).good and tape.read(20, SILI).good
    tape.set_block_length(512)
    tape.rewind()
    assert_sense(tape.read(2, SILI), Key.NO_SENSE, 0, -1, ili=True)  # overlength, with a block length
    assert tape.read(20, SILI).good
    assert_sense(tape.read(20, SILI), Key.NO_SENSE, FILEMARK_DETECTED, 20, filemark=True)


def test_fixed_blocks_of_other_lengths(tape: Tape) -> None:
    """The residue counts blocks, without the one that is of another length; the tape stands behind it."""
    assert tape.write(b"aaaa").good and tape.write(b"bbbb").good and tape.write(b"cc").good
    tape.rewind()
    tape.set_block_length(4)
    result = tape.read(20, FIXED, 5)
    assert_sense(result, Key.NO_SENSE, 0, 3, ili=True)
    assert result.data == b"aaaabbbb" and tape.position() == 3
    assert_sense(tape.read(20, FIXED, 5), Key.BLANK_CHECK, END_OF_DATA, 5)


def test_reverse(tape: Tape) -> None:
    """READ REVERSE passes blocks and filemarks towards the beginning, and says that it is there (SSC-5 READ
    REVERSE(6))."""
    two_files(tape)
    assert tape.locate(5).good
    assert_sense(tape.read_reverse(5), Key.NO_SENSE, FILEMARK_DETECTED, 5, filemark=True)
    assert tape.read_reverse(5).data == b"three" and tape.position() == 3
    result = tape.read_reverse(8, place=(0, 2))
    assert_sense(result, Key.NO_SENSE, 0, 5, ili=True)
    assert result.data == b"two"
    assert tape.read_reverse(3).data == b"one"
    assert_sense(tape.read_reverse(3), Key.NO_SENSE, BEGINNING, 3, eom=True)
    assert_sense(tape.read_reverse(3, 0), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)  # without BYTORD


def test_reverse_fixed(tape: Tape) -> None:
    """The block that is met first comes first."""
    tape.set_block_length(4)
    assert tape.write(b"aaaabbbbccccdddd", FIXED, 4).good
    assert tape.read_reverse(12, BYTORD | FIXED, 3).data == b"ddddccccbbbb"
    result = tape.read_reverse(12, BYTORD | FIXED, 3)
    assert_sense(result, Key.NO_SENSE, BEGINNING, 2, eom=True)
    assert result.data == b"aaaa"
    assert tape.read_reverse(8, BYTORD | FIXED, 2, place=(0, 3)).data == b"ccccbbbb"


def test_verify(tape: Tape) -> None:
    """VERIFY reads, and compares with BYTCMP; what it meets it tells as READ does (SSC-5 VERIFY(6))."""
    big = os.urandom(1 << 20)
    two_files(tape)
    assert tape.verify(3).good and tape.position() == 1
    assert tape.verify(3, BYTCMP, b"two").good
    assert_sense(tape.verify(3), Key.NO_SENSE, FILEMARK_DETECTED, 3, filemark=True)
    assert_sense(tape.verify(3), Key.NO_SENSE, 0, -2, ili=True)
    assert_sense(tape.verify(3, BYTCMP, b"one", place=(0, 1)), Key.MISCOMPARE, scsi.MISCOMPARE, 3)
    assert tape.position() == 2
    assert tape.verify(3, VERIFY_IMMED, place=(0, 0)).good
    assert_sense(tape.verify(3, VERIFY_IMMED | BYTCMP, b"two"), Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    assert tape.write(big, place=(0, 5)).good
    assert tape.verify(len(big), BYTCMP, big, place=(0, 5)).good
    changed = big[:-1] + bytes([big[-1] ^ 1])
    assert_sense(tape.verify(len(big), BYTCMP, changed, place=(0, 5)), Key.MISCOMPARE, scsi.MISCOMPARE, len(big))


def test_verify_fixed(tape: Tape) -> None:
    """It stops behind the block that differs, and the residue counts from that on (SSC-5 VERIFY(6))."""
    tape.set_block_length(4)
    assert tape.write(b"aaaabbbbccccdddd", FIXED, 4).good
    tape.rewind()
    assert tape.verify(4, FIXED).good and tape.position() == 4
    assert tape.verify(2, FIXED | BYTCMP, b"ccccdddd", place=(0, 2)).good
    result = tape.verify(4, FIXED | BYTCMP, b"aaaabbbXccccdddd", place=(0, 0))
    assert_sense(result, Key.MISCOMPARE, scsi.MISCOMPARE, 3)
    assert tape.position() == 2
    assert_sense(tape.verify(100, FIXED), Key.BLANK_CHECK, END_OF_DATA, 98)
