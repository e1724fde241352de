# SPDX-License-Identifier: MIT
"""Do the data stay?  Stamped blocks, written and read in every way; stores that lie must fail here.

Every block that is written carries its LBA and a number that grows with every write, so that a block
that is lost, stale, or elsewhere tells itself apart from the one that belongs there.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bench import Bench
from harness.daemon import Daemon
from harness.modules import Variant
from harness.raw import read_block, write_block
from harness.units import Unit
from iscsi import scsi
from iscsi.session import ORDERED, Session

pytestmark = pytest.mark.variants("storing")

SPAN = 512    # blocks that the random tests use
START = 2048  # their first one
_STAMP = struct.Struct(">QQ")


def stamped(lba: int, number: int, size: int) -> bytes:
    """A block that says where it belongs and which write it is from."""
    stamp = _STAMP.pack(lba, number)
    return stamp * (size // len(stamp))


class Disk:
    """A session, and what every block must hold."""

    def __init__(self, unit: Unit, session: Session, seed: int) -> None:
        self.unit, self.session = unit, session
        self.dice = random.Random(seed)
        self.number = seed << 32
        self.expected: dict[int, bytes] = {}

    def new(self, lba: int, blocks: int) -> bytes:
        """Fresh content for a range, which is from now on what must be there."""
        self.number += 1
        size = self.unit.block_size
        out = [stamped(lba + n, self.number, size) for n in range(blocks)]
        self.expected.update({lba + n: block for n, block in enumerate(out)})
        return b"".join(out)

    def want(self, lba: int, blocks: int) -> bytes:
        zero = bytes(self.unit.block_size)
        return b"".join(self.expected.get(lba + n, zero) for n in range(blocks))

    def write(self, lba: int, blocks: int) -> None:
        write_block(self.session, self.unit, lba, self.new(lba, blocks))

    def check(self, lba: int, blocks: int) -> None:
        got = read_block(self.session, self.unit, lba, blocks)
        check_blocks(got, self.want(lba, blocks), lba, self.unit.block_size)

    def place(self) -> tuple[int, int]:
        """A random range."""
        blocks = self.dice.choice([1, 1, 2, 3, 8, 17, 64, 130])
        return START + self.dice.randrange(SPAN - blocks), blocks


def check_blocks(got: bytes, wanted: bytes, lba: int, size: int) -> None:
    """Compares block by block, and says what a wrong block holds instead."""
    if got == wanted:
        return
    for n in range(len(wanted) // size):
        block, right = got[n * size:(n + 1) * size], wanted[n * size:(n + 1) * size]
        if block != right:
            there, number = _STAMP.unpack_from(block)
            here, newest = _STAMP.unpack_from(right)
            raise AssertionError(f"block {lba + n}: holds block {there} of write {number:#x} instead of block "
                                 f"{here} of write {newest:#x}")
    raise AssertionError("another length than asked for")


@pytest.fixture
def own(bench: Bench, variant: Variant, request: pytest.FixtureRequest) -> Unit:
    """A unit that nobody else writes to; at a URL the one that is there."""
    if bench.settings.peer is not None:
        return bench.shared(variant)
    unit: Unit = request.getfixturevalue("new_unit")(variant)
    return unit


@pytest.fixture
def disk_of(own: Unit, bench: Bench) -> Iterator[Disk]:
    with own.login(keys={"InitialR2T": "No", "MaxBurstLength": "262144", "FirstBurstLength": "65536"}) as session:
        if own.path is None or bench.plan.path:  # perhaps not new: make it look so
            write_block(session, own, START, bytes((SPAN + 64) * own.block_size))
        yield Disk(own, session, seed=1)


@pytest.mark.smoke
def test_random_writes_and_reads(disk_of: Disk) -> None:
    """Writes and reads of all sizes at random places; in the end every block holds its last write."""
    for lba in range(START, START + SPAN, 128):
        disk_of.write(lba, 128)
    for _ in range(150):
        lba, blocks = disk_of.place()
        disk_of.write(lba, blocks)
        disk_of.check(*disk_of.place())
        disk_of.check(lba, blocks)
    for lba in range(START, START + SPAN, 64):
        disk_of.check(lba, 64)


def test_read_twice(disk_of: Disk) -> None:
    """Reading again gives the same, right after a write and later."""
    for lba in range(START, START + 40):
        disk_of.write(lba, 1)
        for _ in range(7):
            disk_of.check(lba, 1)


def test_overwrite_again_and_again(disk_of: Disk) -> None:
    """The last of many writes to one place is what is there."""
    for _ in range(40):
        disk_of.write(START, 4)
    disk_of.check(START, 4)


def test_many_at_once(disk_of: Disk) -> None:
    """A window full of writes to places of their own, then of reads; all answers belong to their commands."""
    session, size = disk_of.session, disk_of.unit.block_size
    for round_ in range(8):
        session.nop()
        room = min(32, ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF)
        places = [(START + n * 9, 1 + (n + round_) % 8) for n in range(room)]
        writes = [session.start(scsi.write16(lba, blocks), lun=disk_of.unit.lun, data_out=disk_of.new(lba, blocks))
                  for lba, blocks in places]
        assert all(session.wait(task).good for task in writes)
        reads = [session.start(scsi.read16(lba, blocks), lun=disk_of.unit.lun, read=blocks * size)
                 for lba, blocks in places]
        for task, (lba, blocks) in reversed(list(zip(reads, places))):
            check_blocks(session.wait(task).data, disk_of.want(lba, blocks), lba, size)


def test_ordered_overlapping_writes(disk_of: Disk) -> None:
    """Overlapping writes with ORDERED attribute take effect in their order (SAM-5 8.9.3)."""
    session = disk_of.session
    for _ in range(10):
        session.nop()
        room = min(16, ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF)
        tasks = []
        for _ in range(room):
            lba, blocks = START + disk_of.dice.randrange(8), 1 + disk_of.dice.randrange(8)
            tasks.append(session.start(scsi.write16(lba, blocks), lun=disk_of.unit.lun,
                                       data_out=disk_of.new(lba, blocks), attribute=ORDERED))
        assert all(session.wait(task).good for task in tasks)
        disk_of.check(START, 16)


def test_torn_writes(disk_of: Disk) -> None:
    """Two sessions write the same blocks; each block ends as one of the two wrote it, whole."""
    unit, size = disk_of.unit, disk_of.unit.block_size
    with unit.login() as other:
        for n in range(20):
            mine, theirs = ([stamped(START + k, n * 2 + who, size) for k in range(64)] for who in (1, 2))
            tasks = [(session, session.start(scsi.write16(START, 64), lun=unit.lun, data_out=b"".join(data)))
                     for session, data in ((disk_of.session, mine), (other, theirs))]
            assert all(session.wait(task).good for session, task in tasks)
            got = read_block(disk_of.session, unit, START, 64)
            for k in range(64):
                assert got[k * size:(k + 1) * size] in (mine[k], theirs[k]), f"block {START + k} is torn"


def test_another_session_sees_it(disk_of: Disk) -> None:
    """What one session was told is written, another one reads."""
    unit = disk_of.unit
    with unit.login() as other:
        reader = Disk(unit, other, seed=2)
        reader.expected = disk_of.expected
        for n in range(30):
            disk_of.write(START + n * 3, 3)
            reader.check(START + n * 3, 3)


def test_neighbours_stay(disk_of: Disk) -> None:
    """A write changes its blocks, none before and none behind."""
    disk_of.write(START, 128)
    for blocks in (1, 2, 7, 32):
        lba = START + 40
        disk_of.write(lba, blocks)
        disk_of.check(START, 128)


def test_write_same_and_unmap(disk_of: Disk, variant: Variant) -> None:
    """Between stamped blocks: WRITE SAME, and deallocation on a thin unit, which then reads as zeroes."""
    session, unit = disk_of.session, disk_of.unit
    disk_of.write(START, 96)
    block = stamped(START, 0xABCD, unit.block_size)
    assert session.execute(scsi.write_same16(START + 10, 20), lun=unit.lun, data_out=block).good
    disk_of.expected.update({START + 10 + n: block for n in range(20)})
    disk_of.check(START, 96)
    if variant.thin:
        ranges = scsi.unmap_parameters([(START + 48, 16)])
        assert session.execute(scsi.unmap(len(ranges)), lun=unit.lun, data_out=ranges).good
        for n in range(16):
            del disk_of.expected[START + 48 + n]
        disk_of.check(START, 96)
        disk_of.write(START + 50, 4)
        disk_of.check(START, 96)


# -- what is on stable storage, where the store has a file that can be looked at


@pytest.fixture
def file(own: Unit, daemon: Daemon) -> Path | None:
    """The unit's backing file; None for a store without one."""
    assert daemon.alive()
    return own.path if own.path is not None and own.path.is_file() else None


def on_disk(path: Path, lba: int, blocks: int, size: int) -> bytes:
    with open(path, "rb") as image:
        image.seek(lba * size)
        return image.read(blocks * size)


@pytest.mark.smoke
def test_synchronize_cache_reaches_the_file(disk_of: Disk, file: Path | None) -> None:
    """After SYNCHRONIZE CACHE the backing file itself holds what was written (SBC-4 5.33)."""
    size = disk_of.unit.block_size
    for n in range(10):
        lba = START + n * 16
        disk_of.write(lba, 16)
        assert disk_of.session.execute(scsi.synchronize_cache16(), lun=disk_of.unit.lun, timeout=60).good
        if file is not None:
            check_blocks(on_disk(file, lba, 16, size), disk_of.want(lba, 16), lba, size)


def test_fua_reaches_the_file(disk_of: Disk, file: Path | None) -> None:
    """A write with FUA is in the file when it is answered (SBC-4 5.40)."""
    size = disk_of.unit.block_size
    for n in range(10):
        lba = START + n * 4
        result = disk_of.session.execute(scsi.write16(lba, 4, scsi.FUA), lun=disk_of.unit.lun,
                                         data_out=disk_of.new(lba, 4), timeout=60)
        assert result.good, str(result)
        if file is not None:
            check_blocks(on_disk(file, lba, 4, size), disk_of.want(lba, 4), lba, size)


def test_survives_reopening(disk_of: Disk, daemon: Daemon, bench: Bench) -> None:
    """What was flushed is there when the unit is deleted and made again on the same path."""
    unit = disk_of.unit
    assert daemon.alive()
    if unit.path is None:
        return  # a store without a path has nothing to be made again from
    disk_of.write(START, 64)
    assert disk_of.session.execute(scsi.synchronize_cache16(), lun=unit.lun, timeout=60).good
    disk_of.session.close()
    bench.factory.detach(unit)
    bench.factory.attach(unit)
    with unit.login() as session:
        again = Disk(unit, session, seed=3)
        again.expected = disk_of.expected
        again.check(START, 64)


@pytest.mark.variants("file")
def test_what_is_in_the_file_is_read(own: Unit, daemon: Daemon) -> None:
    """A file that holds something before the unit is made: a fresh session reads it."""
    assert own.path is not None
    data = stamped(7, 7, own.block_size)
    with open(own.path, "r+b") as image:
        image.seek(100 * own.block_size)
        image.write(data)
    assert daemon.alive()
    with own.login() as session:
        assert read_block(session, own, 100) == data


# -- completions


def test_no_request_completes_twice(disk_of: Disk, daemon: Daemon) -> None:
    """The daemon has nothing to say against the store's completions, and lives."""
    begin = len(daemon.log())
    for n in range(60):
        disk_of.write(START + n, 1)
        disk_of.check(START + n, 1)
    assert daemon.alive()
    assert daemon.reports(begin) == []


# -- stores that keep nothing


@pytest.mark.variants("not-storing")
def test_store_that_keeps_nothing(disk_of: Disk) -> None:
    """A store that the allow-list says keeps nothing reads as zeroes whatever was written: if it kept it, the
    entry would be wrong."""
    disk_of.write(START, 64)
    assert read_block(disk_of.session, disk_of.unit, START, 64) == bytes(64 * disk_of.unit.block_size)
