# SPDX-License-Identifier: MIT
"""Removable media: ejected, prevented, loaded, exchanged, by initiators and by the operator (SBC-4 START STOP UNIT;
SPC-5 PREVENT ALLOW MEDIUM REMOVAL; SAM-5 clause 5.14)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit, capacity
from iscsi import scsi
from iscsi.pdu import TaskFunction, TaskResponse
from iscsi.session import Session
from iscsi.task import Result

READY, CAPACITY_CHANGED = 0x2800, 0x2A09
NO_MEDIUM = (scsi.Key.NOT_READY, 0x3A00)
PREVENTED = (scsi.Key.ILLEGAL_REQUEST, 0x5302)
MIB = 1 << 20
EJECT, LOAD = scsi.start_stop(False, loej=True), scsi.start_stop(True, loej=True)
Update = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def drive(one: Variant, new_unit: Callable[..., Unit]) -> Unit:
    """A removable unit."""
    return new_unit(Variant(one.module, removable=True), size=4 * MIB)


@pytest.fixture
def update(daemon: Daemon) -> Update:
    """tgtadm --op update with these parameters of a unit."""

    def run(unit: Unit, params: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun),
                          "--params", params, *options)

    return run


@pytest.fixture
def other(tmp_path: Path, one_on_file: Variant) -> Path:
    """Another medium of its store."""
    path = tmp_path / "other.img"
    path.write_bytes(b"\x5A" * (8 * MIB))
    return path


def sense(result: Result) -> tuple[int, int] | None:
    """Sense key and additional sense code; None: GOOD."""
    assert result.good or result.sense is not None, str(result)
    return (result.sense.key, result.sense.asc) if result.sense is not None else None


def attentions(session: Session) -> list[int]:
    found = []
    while (got := sense(session.execute(scsi.test_unit_ready()))) is not None and got[0] == scsi.Key.UNIT_ATTENTION:
        found.append(got[1])
    return found


def shown(daemon: Daemon, unit: Unit) -> dict[str, object]:
    """The unit as the operator sees it."""
    targets = daemon.show("target")["targets"]
    luns = next(target for target in targets if target["tid"] == unit.tid)["luns"]
    return next(lun for lun in luns if lun["lun"] == unit.lun)


def assert_empty(session: Session, block: int) -> None:
    """MEDIUM NOT PRESENT for what needs the medium, and nothing else."""
    for cdb, length in ((scsi.test_unit_ready(), 0), (scsi.read10(0, 1), block), (scsi.read_capacity10(), 8),
                        (scsi.read_capacity16(), 32), (scsi.synchronize_cache10(), 0), (scsi.verify10(0, 1), 0)):
        assert sense(session.execute(cdb, read=length)) == NO_MEDIUM, cdb.hex()
    assert sense(session.execute(scsi.write10(0, 1), data_out=bytes(block))) == NO_MEDIUM
    for cdb in (scsi.inquiry(), scsi.mode_sense6(0x3F), scsi.report_luns(), scsi.persistent_in(0)):
        assert session.execute(cdb, read=4096).good, cdb.hex()
    told = scsi.parse_sense(session.execute(scsi.request_sense(), read=252).data)
    assert told is not None and (told.key, told.asc) == NO_MEDIUM


# -- by initiators


def test_fixed_media_stay(disk: Unit) -> None:
    """LOEJ is for removable media."""
    with disk.login() as session:
        for cdb in (EJECT, LOAD):
            assert sense(session.execute(cdb)) == (scsi.Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
        assert session.execute(scsi.read10(0, 1), read=disk.block_size).good


def test_eject_and_load(drive: Unit) -> None:
    """Nobody has a medium then; when it is back, all but who loaded it are told that it may be another one."""
    with drive.login() as first, drive.login() as second:
        assert first.execute(scsi.write10(0, 1), data_out=b"\x33" * drive.block_size).good
        assert first.execute(EJECT).good
        assert first.execute(EJECT).good, "once more does no harm"
        for session in (first, second):
            assert_empty(session, drive.block_size)
        assert sense(second.execute(scsi.start_stop(True))) == NO_MEDIUM
        assert second.execute(LOAD).good
        assert attentions(first) == [READY] and attentions(second) == []
        assert first.execute(scsi.read10(0, 1), read=drive.block_size).data == b"\x33" * drive.block_size


def test_one_prevents_all(drive: Unit) -> None:
    """A nexus that prevents the removal does so for all, itself included, until each that did has allowed it."""
    with drive.login() as first, drive.login() as second:
        for session in (first, second):
            assert session.execute(scsi.prevent_allow(True)).good
        for session in (first, second):
            assert sense(session.execute(EJECT)) == PREVENTED
        assert first.execute(scsi.prevent_allow(False)).good
        for session in (first, second):
            assert sense(session.execute(EJECT)) == PREVENTED
        assert second.execute(scsi.start_stop(False)).good, "to stop it isn't to remove it"
        assert second.execute(scsi.start_stop(True)).good
        assert second.execute(scsi.prevent_allow(False)).good
        assert first.execute(EJECT).good
        assert first.execute(scsi.prevent_allow(True)).good, "also without a medium"
        assert first.execute(LOAD).good
        assert sense(first.execute(EJECT)) == PREVENTED


def lose_by_logout(preventer: Session, other: Session) -> None:
    preventer.close()


def lose_by_reset_connection(preventer: Session, other: Session) -> None:
    preventer.connection.reset()


def lose_by_nexus_reset(preventer: Session, other: Session) -> None:
    assert preventer.manage(TaskFunction.I_T_NEXUS_RESET) == TaskResponse.COMPLETE


def lose_by_unit_reset(preventer: Session, other: Session) -> None:
    assert other.manage(TaskFunction.LOGICAL_UNIT_RESET) == TaskResponse.COMPLETE


def lose_by_target_reset(preventer: Session, other: Session) -> None:
    assert other.manage(TaskFunction.TARGET_WARM_RESET) == TaskResponse.COMPLETE


def lose_by_preemption(preventer: Session, other: Session) -> None:
    for session, key in ((preventer, 1), (other, 2)):
        assert session.execute(scsi.persistent_out(6), data_out=scsi.persistent_parameters(0, key)).good
    assert other.execute(scsi.persistent_out(5, 5), data_out=scsi.persistent_parameters(2, 1)).good


@pytest.mark.parametrize("end", [lose_by_logout, lose_by_reset_connection, lose_by_nexus_reset, lose_by_unit_reset,
                                 lose_by_target_reset, lose_by_preemption], ids=lambda f: f.__name__[8:])
def test_prevention_ends(drive: Unit, end: Callable[[Session, Session], None]) -> None:
    """With the I_T nexus, with a reset, and by PREEMPT AND ABORT (SPC-5, PREVENT ALLOW MEDIUM REMOVAL)."""
    with drive.login(keys={"iSCSIProtocolLevel": "2"}) as preventer, drive.login() as other:
        assert preventer.execute(scsi.prevent_allow(True)).good
        assert sense(other.execute(EJECT)) == PREVENTED
        end(preventer, other)
        for _ in range(200):
            result = sense(other.execute(EJECT))
            if result is None or result[0] not in (scsi.Key.UNIT_ATTENTION, scsi.Key.ILLEGAL_REQUEST):
                break
        assert result is None


# -- by the operator


@pytest.mark.variants("file")
def test_exchange(new_unit: Callable[..., Unit], variant: Variant, update: Update, other: Path) -> None:
    """Another file is another medium: every nexus is told, size and content are the new ones, what was written is on the
    old one, and reservations belong to the unit and stay."""
    unit = new_unit(Variant(variant.module, block_size=variant.block_size, removable=True), size=4 * MIB)
    assert unit.path is not None
    block = unit.block_size
    with unit.login() as first, unit.login() as second:
        assert first.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, 7)).good
        assert first.execute(scsi.persistent_out(1, 1), data_out=scsi.persistent_parameters(7)).good
        assert first.execute(scsi.write10(1, 1), data_out=b"\x77" * block).good
        done = update(unit, f"path={other}")
        assert done.returncode == 0, done.stderr
        for session in (first, second):
            assert sorted(attentions(session)) == [READY, CAPACITY_CHANGED]
            assert capacity(session, unit.lun) == (8 * MIB // block, block)
            assert session.execute(scsi.read10(8 * MIB // block - 1, 1), read=block).data == b"\x5A" * block
        assert second.execute(scsi.write10(0, 1), data_out=bytes(block)).status == scsi.Status.RESERVATION_CONFLICT
        assert first.execute(scsi.write10(0, 1), data_out=b"\x88" * block).good
        assert unit.path.read_bytes()[block:2 * block] == b"\x77" * block
        done = update(unit, f"path={unit.path}")
        assert done.returncode == 0, done.stderr
        first.clear_attentions()
        assert first.execute(scsi.read10(1, 1), read=block).data == b"\x77" * block
    assert other.read_bytes()[:block] == b"\x88" * block


def test_operator_ejects_and_loads(drive: Unit, daemon: Daemon, update: Update, other: Path) -> None:
    """path= takes the medium out, its file is closed; path=FILE puts one in, and every nexus is told."""
    assert drive.path is not None and daemon.process is not None
    with drive.login() as first, drive.login() as second:
        done = update(drive, "path=")
        assert done.returncode == 0, done.stderr
        for session in (first, second):
            assert_empty(session, drive.block_size)
        assert sense(first.execute(LOAD)) == NO_MEDIUM, "there is nothing that could be loaded"
        held = [str(link.readlink()) for link in Path(f"/proc/{daemon.process.pid}/fd").iterdir() if link.exists()]
        assert str(drive.path) not in held
        unit = shown(daemon, drive)
        assert (unit["online"], unit["store"]["path"], unit["size"]) == (False, None, 0)  # type: ignore[index]
        assert update(drive, "path=").returncode == 0, "once more does no harm"
        done = update(drive, f"path={other}")
        assert done.returncode == 0, done.stderr
        for session in (first, second):
            assert attentions(session) == [READY]
            assert capacity(session, drive.lun) == (8 * MIB // drive.block_size, drive.block_size)
            assert session.execute(scsi.read10(0, 1), read=drive.block_size).data == b"\x5A" * drive.block_size


def test_operator_loads_what_an_initiator_ejected(drive: Unit, update: Update) -> None:
    """The same file again is a medium that comes in; and the unit is started then."""
    with drive.login() as first, drive.login() as second:
        assert first.execute(EJECT).good
        assert update(drive, f"path={drive.path}").returncode == 0
        for session in (first, second):
            assert attentions(session) == [READY]
            assert session.execute(scsi.read10(0, 1), read=drive.block_size).good


def test_operator_is_refused_while_prevented(drive: Unit, update: Update, other: Path) -> None:
    """Unless he insists."""
    with drive.login() as session:
        assert session.execute(scsi.prevent_allow(True)).good
        for path in ("", str(other)):
            done = update(drive, f"path={path}")
            assert done.returncode == 22 and "prevents the removal" in done.stderr, done.stderr
        assert attentions(session) == []
        assert session.execute(scsi.read10(0, 1), read=drive.block_size).good
        done = update(drive, "path=", "--force")
        assert done.returncode == 0, done.stderr
        assert_empty(session, drive.block_size)
        assert update(drive, f"path={other}").returncode == 0, "nothing is removed by that"
        assert attentions(session) == [READY]
        assert update(drive, f"path={drive.path}", "--force").returncode == 0


def test_fixed_media_stay_with_the_operator(disk: Unit, update: Update, other: Path) -> None:
    for path in ("", str(other)):
        done = update(disk, f"path={path}")
        assert done.returncode == 22 and "not removable" in done.stderr
    with disk.login() as session:
        assert session.execute(scsi.read10(0, 1), read=disk.block_size).good


def test_a_file_that_isnt_there(drive: Unit, update: Update) -> None:
    """The medium that is in stays."""
    with drive.login() as session:
        assert update(drive, "path=/nonexistent/medium").returncode == 22
        assert attentions(session) == []
        assert session.execute(scsi.read10(0, 1), read=drive.block_size).good


def test_write_protection_by_the_operator(drive: Unit, update: Update, other: Path) -> None:
    """It stays when media are exchanged, until he takes it back."""
    block = drive.block_size
    with drive.login() as session:
        assert update(drive, "readonly=1").returncode == 0
        session.clear_attentions()
        assert update(drive, f"path={other}").returncode == 0
        assert update(drive, f"path={drive.path}").returncode == 0
        session.clear_attentions()
        assert sense(session.execute(scsi.write10(0, 1), data_out=bytes(block))) == (
            scsi.Key.DATA_PROTECT, scsi.WRITE_PROTECTED)
        assert update(drive, "readonly=0").returncode == 0
        session.clear_attentions()
        assert session.execute(scsi.write10(0, 1), data_out=bytes(block)).good


@pytest.mark.parametrize("path", ["NONE", "NONE:drive1"])
def test_made_without_medium(one: Variant, daemon: Daemon, drive: Unit, update: Update, other: Path, path: str) -> None:
    """A unit can be made empty: it is removable, and gets its medium later."""
    where = ["--mode", "logicalunit", "--tid", str(drive.tid), "--lun", "5"]
    daemon.do("--op", "new", *where, "--bstype", one.module, "-b", path)
    unit = Unit(drive.host, drive.port, drive.target, 5, tid=drive.tid)
    assert shown(daemon, unit)["removable"] is True
    with unit.login() as session:
        assert_empty(session, 512)
        assert session.execute(scsi.inquiry(), read=255).data[1] & 0x80, "RMB"
        done = update(unit, f"path={other}")
        assert done.returncode == 0, done.stderr
        assert attentions(session) == [READY]
        assert capacity(session, 5) == (8 * MIB // 512, 512)
        assert session.execute(scsi.write10(0, 1), data_out=b"\x99" * 512).good
        assert session.execute(EJECT).good
    daemon.do("--op", "delete", *where)
    assert other.read_bytes()[:512] == b"\x99" * 512


def test_a_tape_drive_without_a_cartridge(daemon: Daemon, drive: Unit, tmp_path: Path) -> None:
    """NONE makes it, and path= puts a cartridge in and takes it out, as of disks."""
    where = ("--mode", "logicalunit", "--tid", str(drive.tid), "--lun", "6")
    (tmp_path / "cartridge").touch()
    daemon.do("--op", "new", *where, "--device-type", "tape", "-b", "NONE")
    with drive.login() as session:
        session.clear_attentions(6)
        for path, there in ((str(tmp_path / "cartridge"), True), ("NONE", False)):
            if there:
                sense = session.execute(scsi.test_unit_ready(), lun=6).sense
                assert sense is not None and (sense.key, sense.asc) == (scsi.Key.NOT_READY, 0x3A00)
            daemon.do("--op", "update", *where, "--params", f"path={path}")
            session.clear_attentions(6)
            assert session.execute(scsi.test_unit_ready(), lun=6).good is there
    daemon.do("--op", "delete", *where)
