# SPDX-License-Identifier: MIT
"""Other devices through the sg store: the kernel's own target (tcm_loop), which keeps reservations, and a CD drive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import Guest
from guest.devices import Device, scsi_cd, tcm_loop_disk
from harness import cu
from harness.raw import pattern, read_block, write_block
from harness.units import Unit
from inner import InnerDaemon
from passed import Passed
from iscsi import scsi
from iscsi.scsi import Key, Status
from iscsi.session import Session

KEY_A, KEY_B = 0xAAAA, 0xBBBB
REGISTER, RESERVE, PREEMPT = 0, 1, 4
READ_KEYS, READ_RESERVATION = 0, 1
WRITE_EXCLUSIVE = 1
ONE, OTHER = b"\x80\0\0\1\0\0", b"\x80\0\0\2\0\0"
CD_BLOCK = 2048
MEDIUM_MAY_HAVE_CHANGED = 0x2800


@pytest.fixture
def daemon(guest: Guest) -> Iterator[InnerDaemon]:
    with InnerDaemon(guest) as running:
        yield running


# -- a disk with reservations of its own

@pytest.fixture
def loop_disk(guest: Guest) -> Iterator[Device]:
    with tcm_loop_disk(guest, attributes={"emulate_caw": 1, "emulate_tpu": 1}) as device:
        yield device


@pytest.fixture
def unit(daemon: InnerDaemon, loop_disk: Device) -> Iterator[Unit]:
    yield daemon.add(1, "sg", loop_disk.sg)
    daemon.remove(1)


def register(session: Session, key: int) -> None:
    assert session.execute(scsi.persistent_out(REGISTER), data_out=scsi.persistent_parameters(0, key)).good


def keys_of_device(guest: Guest, device: Device) -> str:
    return guest.output(["sg_persist", "--in", "--read-keys", device.sg])


def test_reservations_are_between_the_initiators(guest: Guest, unit: Unit, loop_disk: Device) -> None:
    """The device sees one initiator, which is why the core keeps them: one holds the other off."""
    with unit.login(isid=ONE) as one, unit.login(isid=OTHER) as other:
        register(one, KEY_A)
        register(other, KEY_B)
        assert one.execute(scsi.persistent_out(RESERVE, WRITE_EXCLUSIVE), data_out=scsi.persistent_parameters(KEY_A)).good
        assert other.execute(scsi.write10(0, 1), data_out=bytes(512)).status == Status.RESERVATION_CONFLICT
        assert other.execute(scsi.read10(0, 1), read=512).good
        assert one.execute(scsi.write10(0, 1), data_out=bytes(512)).good
        assert "NO registered" in keys_of_device(guest, loop_disk)
        assert other.execute(scsi.persistent_out(PREEMPT, WRITE_EXCLUSIVE),
                             data_out=scsi.persistent_parameters(KEY_B, KEY_A)).good
        one.clear_attentions(1)
        assert one.execute(scsi.write10(0, 1), data_out=bytes(512)).status == Status.RESERVATION_CONFLICT
        assert other.execute(scsi.persistent_out(3), data_out=scsi.persistent_parameters(KEY_B)).good  # CLEAR


def test_reservations_of_the_device(guest: Guest, daemon: InnerDaemon, loop_disk: Device) -> None:
    unit = daemon.add(2, "sg", loop_disk.sg, options="reservations=device")
    with unit.login() as session:
        register(session, KEY_A)
        assert "0xaaaa" in keys_of_device(guest, loop_disk)
        assert session.execute(scsi.persistent_out(3), data_out=scsi.persistent_parameters(KEY_A)).good
        assert "NO registered" in keys_of_device(guest, loop_disk)
    daemon.remove(2)


def test_compare_and_write_reaches_the_device(guest: Guest, unit: Unit, loop_disk: Device) -> None:
    old, new = pattern(512), pattern(512)
    with unit.login() as session:
        write_block(session, unit, 3, old)
        assert session.execute(scsi.compare_and_write(3, 1), data_out=old + new).good
        assert read_block(session, unit, 3) == new
        result = session.execute(scsi.compare_and_write(3, 1), data_out=old + new)
        assert result.status == Status.CHECK_CONDITION and result.sense is not None
        assert (result.sense.key, result.sense.asc) == (Key.MISCOMPARE, scsi.MISCOMPARE)
        assert read_block(session, unit, 3) == new
        read = guest.run(["sg_raw", "--request=512", "--binary", loop_disk.sg, "28", "0", "0", "0", "0", "3", "0", "0", "1",
                          "0"], check=True)
        assert read.stdout == new


def test_target_port_groups_are_the_targets(unit: Unit, loop_disk: Device) -> None:
    """The device's own ports are this machine's business (SPC-5 6.31 is about the ports of the answering target)."""
    with unit.login() as session:
        groups = session.execute(bytes([0xA3, 0x0A, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), read=256)
        assert groups.good, str(groups)
        page = session.execute(scsi.inquiry(0x83), read=255)
        assert page.good and unit.target.encode() in page.data
        assert b"naa.5001405" not in page.data, "a port of the device's own"
        assert b"LIO-ORG" in page.data, "the designators of the logical unit are the device's"


@pytest.mark.parametrize("suite", ["ProutRegister", "ProutReserve", "ProutPreempt", "ProutClear", "PrinReadKeys",
                                   "Unmap"])
def test_libiscsi(guest: Guest, unit: Unit, loop_disk: Device, suite: str) -> None:
    """What scsi_debug has not, or not between initiators."""
    passed = Passed(guest, loop_disk.sg, unit)
    outcomes = {name: cu.run_test(name, unit.url) for name in cu.tests() if name.startswith(f"ALL.{suite}.")}
    faults = [own for name, outcome in outcomes.items() if (own := passed.own_fault(name, outcome))]
    assert not faults, "\n".join(faults)
    assert any(outcome.kind == "passed" for outcome in outcomes.values())


# -- a CD drive

@pytest.fixture
def drive(guest: Guest, daemon: InnerDaemon) -> Iterator[Unit]:
    unit = daemon.add(1, "sg", scsi_cd(guest).sg)
    unit.block_size = CD_BLOCK
    yield unit
    daemon.remove(1)


def attentions(session: Session) -> list[int]:
    """The additional sense codes of all unit attentions of the nexus."""
    found = []
    while (sense := sense_of(session)) and sense[0] == Key.UNIT_ATTENTION:
        found.append(sense[1])
    return sorted(found)


def sense_of(session: Session, cdb: bytes = scsi.test_unit_ready()) -> tuple[int, int] | None:
    result = session.execute(cdb)
    return (result.sense.key, result.sense.asc) if result.sense else None


def test_a_cd_is_read(drive: Unit, medium: Path) -> None:
    with drive.login() as session:
        inquiry = session.execute(scsi.inquiry(), read=255)
        assert inquiry.data[0] == 5 and inquiry.data[1] & 0x80, "a removable CD/DVD device"
        assert inquiry.data[5] & 0x30 == 0, "TPGS, but MMC-6 gives A3h another meaning: no REPORT TARGET PORT GROUPS"
        capacity = session.execute(scsi.read_capacity10(), read=8)
        assert capacity.data == (63).to_bytes(4, "big") + CD_BLOCK.to_bytes(4, "big")
        assert read_block(session, drive, 0, 64) == medium.read_bytes()
        assert session.execute(bytes([0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0]), read=20).good  # READ TOC
        result = session.execute(scsi.write10(0, 1), data_out=bytes(CD_BLOCK))
        assert result.status == Status.CHECK_CONDITION, "a CD is written to"
        past = session.execute(scsi.read10(64, 1), read=CD_BLOCK)
        assert past.sense is not None and (past.sense.key, past.sense.asc) == (Key.ILLEGAL_REQUEST, scsi.LBA_OUT_OF_RANGE)


def test_a_medium_goes_and_comes(guest: Guest, drive: Unit, medium: Path) -> None:
    """Every nexus learns of it once."""
    with drive.login(isid=ONE) as one, drive.login(isid=OTHER) as other:
        guest.monitor.execute("blockdev-open-tray", id="scsicd0", force=True)
        guest.monitor.execute("blockdev-remove-medium", id="scsicd0")
        for session in (one, other):
            session.clear_attentions(1)
            sense = sense_of(session)
            assert sense is not None and sense[0] == Key.NOT_READY and sense[1] >> 8 == 0x3A
        guest.monitor.execute("blockdev-change-medium", id="scsicd0", filename=str(medium), format="raw")
        seen = [attentions(session) for session in (one, other)]
        assert seen[0] == seen[1], "one nexus is told what the other isn't, or not as often"
        assert seen[0].count(MEDIUM_MAY_HAVE_CHANGED) == 1
        assert read_block(one, drive, 5) == medium.read_bytes()[5 * CD_BLOCK:6 * CD_BLOCK]


def test_a_medium_is_held_while_anybody_wants_it(guest: Guest, drive: Unit) -> None:
    eject = scsi.start_stop(False, loej=True)
    with drive.login(isid=OTHER) as other:
        with drive.login(isid=ONE) as one:
            for session in (one, other):
                assert session.execute(scsi.prevent_allow(True)).good
            assert other.execute(scsi.prevent_allow(False)).good
            assert sense_of(other, eject) == (Key.ILLEGAL_REQUEST, 0x5302), "MEDIUM REMOVAL PREVENTED"
        # the nexus that held it is gone
        assert sense_of(other) is None
        assert other.execute(scsi.prevent_allow(False)).good
        assert other.execute(eject).good
        assert other.execute(scsi.start_stop(True, loej=True)).good
        other.clear_attentions(1)
