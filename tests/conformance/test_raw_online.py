# SPDX-License-Identifier: MIT
"""What an operator changes while sessions are logged in, and how each of them is told: units that come and go, units
off line, media that grow (SPC-5, SBC-4, SAM-5 clause 5.14)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Target, Unit, capacity
from iscsi import scsi
from iscsi.session import Session

LUNS_CHANGED, CAPACITY_CHANGED, READY, POWER_ON = 0x3F0E, 0x2A09, 0x2800, 0x2900
OFFLINE = 0x0412
MIB = 1 << 20
NewUnit = Callable[..., Unit]


def update(daemon: Daemon, unit: Unit, params: str) -> None:
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun), "--params", params)


def sense(session: Session, cdb: bytes = bytes(6), lun: int | None = None, read: int = 0) -> tuple[int, int] | None:
    """Sense key and additional sense code of a command; None: GOOD."""
    result = session.execute(cdb, lun=lun, read=read)
    assert result.good or result.sense is not None, str(result)
    return (result.sense.key, result.sense.asc) if result.sense is not None else None


def attentions(session: Session, lun: int | None = None) -> list[int]:
    """The unit attentions that are pending, taken."""
    found = []
    while (got := sense(session, lun=lun)) is not None:
        assert got[0] == scsi.Key.UNIT_ATTENTION, got
        found.append(got[1])
    return found


def luns(session: Session) -> set[int]:
    data = session.execute(scsi.report_luns(), lun=0, read=4096).data
    length = struct.unpack_from(">I", data)[0]
    return {struct.unpack_from(">H", data, 8 + at)[0] & 0x3FFF for at in range(0, length, 8)}


# -- units that come and go


def test_every_nexus_hears_of_new_and_gone_units(new_target: Callable[..., Target], new_unit: NewUnit, one: Variant,
                                                 daemon: Daemon) -> None:
    """REPORTED LUNS DATA HAS CHANGED on every unit that a nexus knows, once for several changes, until the nexus has
    read the list (SPC-5, REPORT LUNS)."""
    target = new_target()
    unit = new_unit(one, target, size=4 * MIB)
    with unit.login() as first, unit.login() as second, unit.login(attentions=True) as fresh:
        for session in (first, second):
            session.clear_attentions(0)
        added = [new_unit(one, target, lun=lun, size=4 * MIB) for lun in (2, 300)]
        assert attentions(first, 1) == [LUNS_CHANGED]
        assert attentions(first, 0) == [LUNS_CHANGED]
        assert luns(second) == {0, 1, 2, 300}, "REPORT LUNS runs in spite of a unit attention"
        assert attentions(second, 1) == attentions(second, 0) == []
        assert attentions(fresh, 1) == [POWER_ON], "who asks for the first time knows nothing that could have changed"
        for session in (first, second, fresh):
            assert attentions(session, 300) == [POWER_ON]
            assert sense(session, scsi.read10(0, 1), lun=300, read=unit.block_size) is None
        daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", str(target.tid), "--lun", "300")
        for session in (first, second, fresh):
            assert attentions(session, 1) == [LUNS_CHANGED]
            assert sense(session, lun=300) == (scsi.Key.ILLEGAL_REQUEST, scsi.LUN_NOT_SUPPORTED)
            assert luns(session) == {0, 1, 2}
        assert added[0].lun == 2


def test_units_of_another_target(new_target: Callable[..., Target], new_unit: NewUnit, one: Variant) -> None:
    """They are no business of this one's sessions."""
    unit = new_unit(one, size=4 * MIB)
    with unit.login() as session:
        new_unit(one, new_target(), size=4 * MIB)
        assert attentions(session) == []


def test_a_unit_takes_the_place_of_another(new_unit: NewUnit, one_on_file: Variant, daemon: Daemon) -> None:
    """The same number, another unit: the nexus starts anew with it, and is told so."""
    target_unit = new_unit(one_on_file, size=4 * MIB)
    tid = str(target_unit.tid)
    other = daemon.folder / f"another{tid}.img"
    other.write_bytes(b"\x5A" * (8 * MIB))
    with target_unit.login() as session:
        session.clear_attentions(0)
        daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", tid, "--lun", "1")
        daemon.do("--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", "1", "--bstype", one_on_file.module, "-b", str(other))
        assert attentions(session, 0) == [LUNS_CHANGED]
        assert POWER_ON in attentions(session)
        assert session.execute(scsi.read10(0, 1), read=512).data == b"\x5A" * 512
    other.unlink()


# -- off line


def test_offline_and_back(disk: Unit, daemon: Daemon) -> None:
    """NOT READY for what needs the unit, for every nexus; what tells who and what is there works.  Back on line each is
    told that the medium may have changed (SPC-5, SAM-5)."""
    ready = (scsi.test_unit_ready(), scsi.read10(0, 1), scsi.read_capacity10(), scsi.mode_sense6(0x3F))
    with disk.login() as first, disk.login() as second:
        update(daemon, disk, "online=0")
        for session in (first, second):
            for cdb in ready:
                assert sense(session, cdb, read=512) == (scsi.Key.NOT_READY, OFFLINE), cdb.hex()
            for cdb in (scsi.inquiry(), scsi.report_luns(), scsi.report_opcodes()):
                assert session.execute(cdb, read=8192).good
            told = scsi.parse_sense(session.execute(scsi.request_sense(), read=252).data)
            assert told is not None and (told.key, told.asc) == (scsi.Key.NOT_READY, OFFLINE)
        update(daemon, disk, "online=0")
        update(daemon, disk, "online=1")
        for session in (first, second):
            assert attentions(session) == [READY]
            assert sense(session, scsi.read10(0, 1), read=disk.block_size) is None
        update(daemon, disk, "online=1")
        assert attentions(first) == [], "nothing has changed"


# -- capacity


@pytest.mark.variants("file")
def test_medium_grows_and_shrinks(new_unit: NewUnit, variant: Variant, daemon: Daemon) -> None:
    """CAPACITY DATA HAS CHANGED for every nexus when the operator takes a size over, and blocks up to the new end."""
    unit = new_unit(variant, size=8 * MIB)
    assert unit.path is not None
    block = unit.block_size
    with unit.login() as first, unit.login() as second:
        for size, params in ((16 * MIB, "size=0"), (4 * MIB, "size=4M"), (12 * MIB, f"size={12 * MIB}")):
            if size == 16 * MIB:
                os.truncate(unit.path, size)
                assert attentions(first) == [], "the file alone doesn't change the unit"
            update(daemon, unit, params)
            for session in (first, second):
                assert attentions(session) == [CAPACITY_CHANGED]
                assert capacity(session, unit.lun) == (size // block, block)
            last = size // block - 1
            assert first.execute(scsi.write10(last, 1), data_out=b"\x11" * block).good
            assert second.execute(scsi.read10(last, 1), read=block).data == b"\x11" * block
            assert sense(first, scsi.read10(last + 1, 1), read=block) == (
                scsi.Key.ILLEGAL_REQUEST, scsi.LBA_OUT_OF_RANGE)
        update(daemon, unit, "size=12M")
        assert attentions(first) == [], "the same size again"
        with pytest.raises(AssertionError, match="smaller"):
            update(daemon, unit, "size=64M")
        assert attentions(first) == []


def test_physical_blocks(new_unit: NewUnit, one: Variant, daemon: Daemon) -> None:
    """What READ CAPACITY(16) says beside the size is capacity data, too."""
    unit = new_unit(Variant(one.module), size=4 * MIB)
    with unit.login() as session:
        update(daemon, unit, "lbppbe=3,la_lba=1")
        assert attentions(session) == [CAPACITY_CHANGED]
        data = session.execute(scsi.read_capacity16(), read=32).data
        assert (data[13] & 0xF, struct.unpack_from(">H", data, 14)[0] & 0x3FFF) == (3, 1)
