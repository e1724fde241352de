# SPDX-License-Identifier: MIT
"""Tape drives with the Linux kernel's own driver, st, and with mt and dd: a daemon's, and the same one passed on by
another daemon.  What st does in each case, its documentation says (Documentation/scsi/st.rst of the kernel)."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator

import pytest

from guest import Guest
from places import BUILD
from tapes import MIB, TIERS, Drive, drive_of

CAPACITY = 2 * MIB
DICE = random.Random(5)
RECORD = 1000
FILES = [DICE.randbytes(5 * RECORD) for _ in range(3)]  # 5 records and a filemark each
END = 18  # the position after all of them


@pytest.fixture(scope="module", params=TIERS)
def tier_drive(request: pytest.FixtureRequest, live_guest: Guest) -> Iterator[Drive]:
    with drive_of(request.param, live_guest, CAPACITY) as made:
        yield made


@pytest.fixture
def drive(tier_drive: Drive) -> Drive:
    """With a small tape that is new."""
    return tier_drive.fresh()


@pytest.fixture
def written(drive: Drive) -> Drive:
    """With three files on it, rewound."""
    for data in FILES:
        drive.write(data, RECORD)
    drive.mt("rewind")
    return drive


def test_it_moves_by_files_and_records(written: Drive) -> None:
    """SPACE over filemarks and records both ways, to the end of data, and LOCATE (SSC-5 SPACE(6), LOCATE(10))."""
    steps = {"fsf 1": 6, "fsr 2": 8, "bsr 1": 7, "bsf 1": 5, "fsf 2": 12, "bsfm 1": 12, "fsfm 1": 17, "eod": END,
             "asf 2": 12, "seek 3": 3, "fsr 1": 4, "rewind": 0, "asf 0": 0, "seek 13": 13}

    assert written.tells(*steps) == list(steps.values())
    for number in (2, 0, 1):
        written.mt(f"asf {number}")
        assert written.read(RECORD) == FILES[number]
    written.mt("seek 14")
    assert written.read(RECORD, 1) == FILES[2][2 * RECORD:3 * RECORD]


def test_it_says_where_it_stands(written: Drive) -> None:
    """The bits of mt status, from the sense data of SPACE and from READ POSITION (SSC-5)."""
    at_start = written.status()
    assert (at_start.file, at_start.block, at_start.block_size) == (0, 0, 0)
    assert {"BOT", "ONLINE"} <= at_start.bits
    after_mark = written.status("fsf 1")
    assert (after_mark.file, after_mark.block) == (1, 0) and {"EOF", "ONLINE"} <= after_mark.bits
    within = written.status("fsr 2")
    assert (within.file, within.block) == (1, 2) and not {"BOT", "EOF", "EOD"} & within.bits
    at_end = written.status("eod")
    assert at_end.file == 3 and "EOD" in at_end.bits


def test_it_does_not_move_past_what_is_there(written: Drive) -> None:
    """Filemarks, the end of data and the beginning of the medium end a SPACE (SSC-5 SPACE(6))."""
    for operation, position in (("fsr 6", 6), ("fsf 9", END), ("bsf 9", 0)):
        assert "Input/output error" in written.mt_fails(operation)
        assert written.tells("status") == [position], operation
    written.mt("eod")
    ended = written.try_read(RECORD)
    assert ended.stdout == b""
    again = written.try_read(RECORD)
    assert again.returncode != 0 and b"Input/output error" in again.stderr


def test_the_medium_goes_and_comes(written: Drive) -> None:
    """Unloaded, the drive is there without a medium; loaded, the tape is at its beginning (SSC-5 LOAD UNLOAD)."""
    written.mt("fsf 1", "offline")
    gone = written.status()
    assert "DR_OPEN" in gone.bits and "ONLINE" not in gone.bits
    back = written.status("load")
    assert "ONLINE" in back.bits
    assert written.tells("status") == [0] and written.read(RECORD) == FILES[0]


def test_a_locked_cartridge_stays(written: Drive) -> None:
    """PREVENT ALLOW MEDIUM REMOVAL holds off the operator (SPC-5)."""
    written.mt("lock")
    empty, other = written.new_tape("empty"), written.new_tape("other")
    assert written.try_change(other).returncode != 0
    assert written.read(RECORD) == FILES[0]
    written.mt("unlock")
    written.change(other)
    written.write(FILES[1], RECORD)
    written.change(empty)
    assert "BOT" in written.status().bits and written.tells("eod") == [0]
    written.change(other)
    assert "BOT" in written.status().bits and written.read(RECORD) == FILES[1]


def test_records_have_any_length(drive: Drive) -> None:
    """A read gives one record: less than the room if that is shorter; ENOMEM, and no data, if it is longer; nothing at
    a filemark.  The length is right to the byte (ILI and INFORMATION: SSC-5 READ(6))."""
    lengths = (1, 511, 4096, 32769, 300_001)
    records = [DICE.randbytes(length) for length in lengths]
    for record in records:
        drive.write(record, len(record))
    drive.mt("rewind")
    for record in records:
        assert drive.read(512 << 10, 1) == record
        assert drive.read(512 << 10, 1) == b"", "a filemark"
    drive.mt("rewind", "fsf 2")
    small = drive.try_read(4095, 1)
    assert small.returncode != 0 and small.stdout == b"" and b"Cannot allocate memory" in small.stderr
    assert drive.tells("status") == [5], "the record has been passed"


def test_fixed_blocks(drive: Drive) -> None:
    """With a block size a read of many blocks ends at the filemark; a record of another length is an error (SSC-5
    READ(6) FIXED=1)."""
    data = DICE.randbytes(60 * 512)
    drive.mt("setblk 512")
    assert drive.status().block_size == 512
    drive.write(data, 10240)
    assert drive.tells("status") == [61]
    drive.mt("rewind")
    assert drive.read(7 * 512) == data
    drive.mt("rewind", "setblk 0")
    assert drive.read(4096, 1) == data[:512], "60 records they are"
    drive.write(bytes(100), 100)
    drive.mt("rewind", "setblk 512", "fsr 1")
    wrong = drive.try_read(512)
    assert wrong.returncode != 0 and b"Input/output error" in wrong.stderr and wrong.stdout == b""


def test_what_is_written_ends_the_tape(written: Drive) -> None:
    """A write in the middle, an erase, or a filemark makes its end the end of data (SSC-5 ERASE(6), WRITE(6))."""
    written.mt("asf 2", "weof 2")
    assert written.tells("eod") == [14]
    written.mt("asf 1")
    written.write(b"x" * 10, 10)
    assert written.tells("eod") == [8]
    written.mt("rewind", "fsr 3", "erase", "rewind")
    cut = written.try_read(RECORD)
    assert cut.stdout == FILES[0][:3 * RECORD]
    assert written.tells("eod") == [3]
    written.mt("rewind", "erase")
    assert written.tells("eod") == [0]


def test_a_write_protected_tape(written: Drive) -> None:
    """WP in the mode parameter header, and DATA PROTECT for what writes (SSC-5): EROFS, and the data stay."""
    assert written.update("readonly=1").returncode == 0
    try:
        assert "WR_PROT" in written.status().bits
        denied = written.guest.run(["dd", "if=/dev/zero", f"of={written.node}", "bs=1k", "count=1"])
        assert denied.returncode != 0 and b"Read-only file system" in denied.stderr
        for operation in ("weof", "erase"):
            assert "Read-only file system" in written.mt_fails(operation)
        assert written.read(RECORD) == FILES[0]
    finally:
        assert written.update("readonly=0").returncode == 0
    assert "WR_PROT" not in written.status("eod").bits
    written.write(FILES[1], RECORD)
    assert written.tells("eod") == [END + 6]


def test_a_write_once_tape(drive: Drive, kernel_says: Callable[[], str]) -> None:
    """It is only written to at its end; what lies there is neither overwritten nor erased (SSC-5 WORM mode, SPC-5
    30h/0Ch)."""
    cartridge = drive.new_tape("once")
    cartridge.unlink()
    subprocess.run([str(BUILD / "tgtimg"), "-o", "new", "-Y", "tape", "-t", "worm", "-b", "ONCE01", "-s", "16", "-f",
                    str(cartridge)], check=True, capture_output=True)
    drive.change(cartridge)
    drive.write(FILES[0], RECORD)
    drive.mt("rewind")
    over = drive.guest.run(["dd", "if=/dev/zero", f"of={drive.node}", "bs=1k", "count=1"])
    assert over.returncode != 0 and "WORM medium - overwrite attempted" in kernel_says()
    drive.mt("rewind")
    drive.mt_fails("erase")
    drive.mt("eod")
    drive.write(FILES[1], RECORD)
    for number in range(2):
        drive.mt(f"asf {number}")
        assert drive.read(RECORD) == FILES[number]


def test_compression_is_switched(drive: Drive) -> None:
    """By the Data Compression mode page; what is read is the same either way (SSC-5 Data Compression mode page)."""
    data, sizes = bytes(512 << 10), []
    for number, switch in enumerate(("compression 0", "compression 1")):
        cartridge = drive.new_tape(f"compression{number}")
        drive.change(cartridge)
        drive.mt("rewind", switch)
        drive.write(data, 65536)
        drive.mt("rewind")
        assert drive.read(65536) == data
        sizes.append(cartridge.stat().st_blocks * 512)
    assert sizes[0] > len(data) > 8 * sizes[1], sizes


def test_records_are_written_through_or_buffered(drive: Drive) -> None:
    """Buffered mode 0 and 1 of the mode parameter header (SSC-5)."""
    for mode in (0, 1):
        drive.mt("rewind", f"drvbuffer {mode}")
        drive.write(FILES[mode], RECORD)
        drive.mt("rewind")
        assert drive.read(RECORD) == FILES[mode]


# Writes until nothing goes any more; what st answers to each write, as runs of [answer, count].
FILL = """
import errno, itertools, json, os, sys
tape = os.open(sys.argv[1], os.O_WRONLY)
answers = []
with open("/dev/urandom", "rb") as random, open(sys.argv[2], "wb") as copy:
    while answers[-2:] != ["ENOSPC"] * 2 and "EIO" not in answers and len(answers) < 1000:
        data = random.read(65536)
        try:
            assert os.write(tape, data) == len(data)
            copy.write(data)
            answers.append("written")
        except OSError as error:
            answers.append(errno.errorcode[error.errno])
os.close(tape)
print(json.dumps([[answer, len(list(them))] for answer, them in itertools.groupby(answers)]))
"""


def test_the_end_of_the_medium(drive: Drive) -> None:
    """Early warning: the write is done, and the next one is ENOSPC; then each second one goes, until the medium is full
    (SSC-5 early-warning, st.rst).  All that was said to be written is there."""
    copy = drive.guest.share / "copy"
    said = drive.guest.run(["/usr/bin/python3", "-I", "-S", "-c", FILL, drive.node, copy], check=True)
    answers = json.loads(said.stdout)
    assert answers[:2] == [["written", answers[0][1]], ["ENOSPC", 1]]
    assert CAPACITY * 3 // 4 < answers[0][1] * 65536 < CAPACITY
    assert answers[2] == ["written", 1], "no room for a trailer"
    assert answers[-1] == ["ENOSPC", 2], answers
    drive.mt("rewind")
    assert drive.read(65536) == copy.read_bytes()
    copy.unlink()
