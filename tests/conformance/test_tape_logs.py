# SPDX-License-Identifier: MIT
"""The log pages of tape drives over the wire, and in the words of sg_logs (SSC-5); TapeAlert."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.sg import Sg
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session

pytestmark = pytest.mark.variants("tape")

SEQUENTIAL, VOLUME, COMPRESSION, ALERTS, USAGE, CAPACITY, LTO_COMPRESSION = 0x0C, 0x17, 0x1B, 0x2E, 0x30, 0x31, 0x32
DATA_SET = 2_472_960  # bytes
WRITE_PROTECT, NO_REMOVAL = 0x09, 0x0A

# What sg_logs says of a page, by its code.
LOG_PAGES = {
    "0x0": ["Supported log pages", "Sequential access device", "Volume statistics", "Data compression", "Tape alert"],
    "0x2": ["Write error counter page", "Total bytes processed = 0"],
    "0x3": ["Read error counter page", "Total uncorrected errors = 0"],
    "0xc": ["Sequential access device page", "Data bytes received with WRITE commands: 0 GB",
            "Native capacity from BOP to EOD: 0 MB", "Cleaning action not required"],
    "0x17": ["Volume statistics page", "Page valid: 1", "Write protect: 0", "WORM: 0",
             "Native capacity partition(s) [MB]"],
    "0x1b": ["Data compression page", "Write compression ratio x100: 0", "Data compression enabled: 0x0"],
    "0x2e": ["Tape alert page", "Hard error: 0", "WORM medium - overwrite attempted: 0"],
    "0x30": ["Tape usage page", "Thread count: 1", "Total data sets written: 0", "Total unrecovered read errors: 0"],
    "0x31": ["Tape capacity page", "Alternate partition maximum capacity (in MiB): 0"],
    "0x32": ["Data compression page", "Megabytes written to tape: 0"],
}


def log(session: Session, page: int) -> dict[int, bytes]:
    """The values of a log page's parameters, by code."""
    result = session.execute(scsi.log_sense(page), lun=session.lun, read=8192)
    assert result.good, str(result)
    data, found, at = result.data, {}, 4
    assert data[0] == 0x80 | page and struct.unpack_from(">H", data, 2)[0] == len(data) - 4
    while at < len(data):
        code, _, length = struct.unpack_from(">HBB", data, at)
        found[code] = data[at + 4:at + 4 + length]
        at += 4 + length
    return found


def number(session: Session, page: int, code: int) -> int:
    return int.from_bytes(log(session, page)[code], "big")


def write(session: Session, data: bytes) -> None:
    cdb = bytes([0x0A, 0]) + len(data).to_bytes(3, "big") + b"\0"
    assert session.execute(cdb, lun=session.lun, data_out=data).good


def read(session: Session, length: int) -> bool:
    cdb = bytes([0x08, 0]) + length.to_bytes(3, "big") + b"\0"
    return session.execute(cdb, lun=session.lun, read=length).good


def rewind(session: Session) -> None:
    assert session.execute(bytes([0x01, 0, 0, 0, 0, 0]), lun=session.lun).good


def alerts(session: Session) -> set[int]:
    """The TapeAlert flags that are active for this nexus."""
    found = log(session, ALERTS)
    assert sorted(found) == list(range(1, 65))
    return {flag for flag, value in found.items() if value != b"\0"}


@pytest.mark.smoke
@pytest.mark.parametrize("page", LOG_PAGES)
def test_log_page(drive: Unit, shim_file: Path, page: str) -> None:
    """sg_logs knows the page, and reads it as it is meant."""
    done = Sg(shim_file, drive)("sg_logs", f"--page={page}")
    for text in LOG_PAGES[page]:
        assert text in done, str(done)
    assert "badly formed" not in done.out and "unexpected" not in done.out.lower(), str(done)


def test_all_log_pages(drive: Unit, shim_file: Path) -> None:
    """Every page that is listed can be had."""
    done = Sg(shim_file, drive)("sg_logs", "--all")
    assert "Tape alert page" in done and "badly formed" not in done.out, str(done)


def test_counters(session: Session, drive: Unit) -> None:
    """What is written and read is counted, also by commands that end with CHECK CONDITION; LOG SELECT resets."""
    write(session, os.urandom(300_000))
    write(session, os.urandom(2_000_000))
    rewind(session)
    assert read(session, 300_000)
    assert not read(session, 2_500_000), "ILI: the record is shorter"
    assert number(session, SEQUENTIAL, 0) == 2_300_000
    assert number(session, SEQUENTIAL, 3) == 2_300_000
    assert number(session, SEQUENTIAL, 1) > 0 and number(session, SEQUENTIAL, 2) > 0
    assert number(session, 0x02, 5) == number(session, 0x03, 5) == 2_300_000
    for page in (COMPRESSION, LTO_COMPRESSION):
        assert (number(session, page, 6), number(session, page, 7)) == (2, 300_000)
        assert (number(session, page, 2), number(session, page, 3)) == (2, 300_000)
        assert 0 < number(session, page, 1) <= 110, "random data don't become smaller"
    assert session.execute(scsi.log_select(page=SEQUENTIAL, control=3, pcr=True), lun=drive.lun).good
    assert [number(session, SEQUENTIAL, code) for code in range(4)] == [0, 0, 0, 0]
    assert number(session, COMPRESSION, 6) == 2


def load(session: Session, wanted: bool) -> None:
    assert session.execute(bytes([0x1B, 0, 0, 0, wanted, 0]), lun=session.lun).good


def test_usage(session: Session, drive: Unit) -> None:
    """Tape Usage (LTO): how often the cartridge was put in and what was moved on it, over its life; nothing is known in
    an empty drive.  Errors are those since it came in."""
    for _ in range(3):
        write(session, os.urandom(DATA_SET // 2))
    rewind(session)
    assert read(session, DATA_SET // 2)
    for loads in (1, 2, 3):
        assert [number(session, USAGE, code) for code in (1, 2, 7)] == [loads, 2, 1]
        load(session, False)
        assert [number(session, USAGE, code) for code in (1, 2, 7)] == [0, 0, 0]
        load(session, True)
        session.clear_attentions(drive.lun)
    assert number(session, USAGE, 1) == 4
    assert session.execute(scsi.log_select(page=USAGE, control=3, pcr=True), lun=drive.lun).good, "nothing to reset"
    assert number(session, USAGE, 2) == 2


def test_capacities(session: Session) -> None:
    """The partition's size is the same on every page that tells it, in 10^6 or 2^20 bytes (SSC-5; LTO)."""
    volume = log(session, VOLUME)
    assert volume[0] == b"\1"
    megabytes = int.from_bytes(volume[0x16], "big")
    partition = volume[0x202]
    assert partition[:4] == b"\7\0\0\0" and int.from_bytes(partition[4:8], "big") == megabytes
    mebibytes = number(session, CAPACITY, 3)
    assert abs(mebibytes * (1 << 20) - megabytes * 1_000_000) < 2 << 20
    assert 0 < number(session, CAPACITY, 1) <= mebibytes


def test_no_cartridge(session: Session, drive: Unit) -> None:
    """An empty drive: the pages are there, and say that there is nothing to tell."""
    assert session.execute(bytes([0x1B, 0, 0, 0, 0, 0]), lun=drive.lun).good
    assert log(session, VOLUME) == {0: b"\0"}
    assert log(session, SEQUENTIAL)[4] == b"\xff" * 8
    assert [number(session, CAPACITY, code) for code in range(1, 5)] == [0, 0, 0, 0]


def test_alerts_of_each_nexus(session: Session, drive: Unit) -> None:
    """A flag is active for each nexus until that has read it, and again when it happens again (SSC-5 TapeAlert)."""
    with drive.login() as other:
        assert not alerts(session) and not alerts(other)
        page = session.execute(scsi.mode_sense10(0x10, dbd=True), lun=drive.lun, read=255).data[8:]
        data = bytes(4) + bytes([page[0] & 0x7F]) + page[1:10] + bytes([page[10] | 0x04]) + page[11:]
        assert session.execute(scsi.mode_select6(len(data)), lun=drive.lun, data_out=data).good
        other.clear_attentions(drive.lun)
        for _ in range(2):
            assert not session.execute(bytes([0x0A, 0, 0, 0, 4, 0]), lun=drive.lun, data_out=b"data").good
            assert alerts(session) == {WRITE_PROTECT} and not alerts(session)
            assert alerts(other) == {WRITE_PROTECT} and not alerts(other)


def test_alert_ends_with_the_cartridge(session: Session, drive: Unit) -> None:
    """No removal: it is over once the cartridge could be taken out and another is loaded."""
    prevent, unload, load = (bytes([0x1E, 0, 0, 0, 1, 0]), bytes([0x1B, 0, 0, 0, 0, 0]), bytes([0x1B, 0, 0, 0, 1, 0]))
    assert session.execute(prevent, lun=drive.lun).good
    assert not session.execute(unload, lun=drive.lun).good
    assert session.execute(bytes([0x1E, 0, 0, 0, 0, 0]), lun=drive.lun).good
    assert session.execute(unload, lun=drive.lun).good
    assert session.execute(load, lun=drive.lun).good
    with drive.login() as other:
        assert not alerts(other)
    assert session.execute(prevent, lun=drive.lun).good
    assert not session.execute(unload, lun=drive.lun).good
    assert alerts(session) == {NO_REMOVAL}


def test_alert_outlives_other_commands(session: Session, drive: Unit) -> None:
    """Only LOAD and its like end a flag: not what comes after them, though it asks the store for nothing."""
    assert session.execute(bytes([0x1B, 0, 0, 0, 1, 0]), lun=drive.lun).good
    assert session.execute(bytes([0x1E, 0, 0, 0, 1, 0]), lun=drive.lun).good
    assert not session.execute(bytes([0x1B, 0, 0, 0, 0, 0]), lun=drive.lun).good
    for _ in range(3):
        assert session.execute(bytes(6), lun=drive.lun).good
    assert alerts(session) == {NO_REMOVAL}


def test_alerts_are_reset(session: Session, drive: Unit) -> None:
    """LOG SELECT with PCR deactivates the flags for all."""
    assert session.execute(bytes([0x1E, 0, 0, 0, 1, 0]), lun=drive.lun).good
    assert not session.execute(bytes([0x1B, 0, 0, 0, 0, 0]), lun=drive.lun).good
    assert session.execute(scsi.log_select(page=ALERTS, control=3, pcr=True), lun=drive.lun).good
    assert not alerts(session)


def test_write_protected_volume(session: Session, drive: Unit, daemon: Daemon) -> None:
    """Volume Statistics tell of write protection by the operator too."""
    assert log(session, VOLUME)[0x80] == b"\0"
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
              "--params", "readonly=1")
    session.clear_attentions(drive.lun)
    assert log(session, VOLUME)[0x80] == b"\1"
