# SPDX-License-Identifier: MIT
"""A device passed through, over the wire: the device that tests/fixtures/fakesg pretends stands in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from harness import primary
from harness.daemon import Daemon
from harness.modules import Plan, Variant
from harness.options import Settings
from harness.units import Factory, Unit
from iscsi import scsi
from iscsi.pdu import TaskFunction, TaskResponse
from iscsi.scsi import Key, Status
from iscsi.session import Session

pytestmark = pytest.mark.variants("passthrough")

BLOCKS = 2048


@pytest.fixture
def host(settings: Settings, plan: Plan) -> Iterator[Daemon]:
    """A daemon for which a file is a device."""
    assert settings.build is not None
    fake = settings.build / "tests" / "fixtures" / "fakesg" / "fakesg.so"
    assert fake.exists(), f"{fake}: not built"
    asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
    daemon = settings.daemon(plan, env={"LD_PRELOAD": str(fake), "ASAN_OPTIONS": asan})
    daemon.start()
    try:
        yield daemon
        problems = daemon.stop()
    finally:
        daemon.kill()
        daemon.clean()
    assert not problems, "\n".join(problems)


@pytest.fixture
def device(host: Daemon, plan: Plan, variant: Variant) -> Unit:
    """A unit on such a device."""
    target = Factory(host, plan).target()
    path = host.folder / "disk.fakesg"
    with open(path, "wb") as file:
        file.truncate(BLOCKS * 512)
    unit = target.unit(variant=variant, path=path)
    host.do("--op", "new", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun),
            "--device-type", "pt", "--bstype", variant.module, "-b", str(path))
    return unit


@pytest.fixture
def session(device: Unit) -> Iterator[Session]:
    with device.login() as session:
        yield session


def test_inquiry(session: Session) -> None:
    """It is the device that says what it is."""
    result = session.execute(scsi.inquiry(), read=255)
    assert result.good and result.data[8:25] == b"FAKE    SCSI DISK" and result.underflow == 255 - 36


@pytest.mark.smoke
def test_data(session: Session) -> None:
    """WRITE and READ go through, in one piece and in many."""
    for lba, blocks in ((0, 1), (7, 200), (1000, 1048)):
        data = os.urandom(blocks * 512)
        assert session.execute(scsi.write10(lba, blocks), data_out=data).good
        result = session.execute(scsi.read16(lba, blocks), read=len(data))
        assert result.good and result.data == data


def test_device_errors(session: Session) -> None:
    """The device's sense data and status come back as they are."""
    result = session.execute(scsi.read10(BLOCKS, 1), read=512)
    assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.ILLEGAL_REQUEST, 0x2100)
    assert not result.data
    assert session.execute(bytes([0xC0, 2, Status.BUSY]) + bytes(7)).status == Status.BUSY
    result = session.execute(bytes([0xC0, 0, 1]) + bytes(7))  # DID_NO_CONNECT
    assert result.sense is not None and result.sense.key == Key.NOT_READY


def test_device_comes_back(session: Session) -> None:
    """A device that could not be reached is looked for, and served again."""
    assert session.execute(bytes([0xC0, 0, 1]) + bytes(7)).sense
    deadline = time.monotonic() + 20
    while not session.execute(scsi.test_unit_ready()).good:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_reset_under_load(session: Session) -> None:
    """A reset in the middle of many slow commands is complete when they are gone; then the device serves."""
    slow = bytes([0xC0, 4, 30]) + bytes(7)  # 300 ms
    window = ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF
    for _ in range(min(64, window)):
        session.start(slow)
    assert session.manage(TaskFunction.LOGICAL_UNIT_RESET) == TaskResponse.COMPLETE
    session.tasks.clear()
    result = session.execute(scsi.test_unit_ready())
    assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.UNIT_ATTENTION, 0x2903)
    assert session.execute(scsi.test_unit_ready()).good


def test_what_the_target_answers(session: Session, device: Unit) -> None:
    """REPORT LUNS and reservations are the target's: the device has neither."""
    assert session.execute(scsi.report_luns(), read=4096).good
    with device.login(initiator="iqn.2026-01.org.example.test:other") as other:
        assert session.execute(bytes([0x16, 0, 0, 0, 0, 0])).good  # RESERVE(6)
        assert other.execute(scsi.write10(0, 1), data_out=bytes(512)).status == Status.RESERVATION_CONFLICT
        assert other.execute(scsi.inquiry(), read=36).good
        assert session.execute(bytes([0x17, 0, 0, 0, 0, 0])).good
        assert other.execute(scsi.write10(0, 1), data_out=bytes(512)).good


def test_reservations_are_kept_here(device: Unit, session: Session) -> None:
    """The device knows one nexus only, so reservations of both kinds are this target's (SPC-5 5.14, SPC-2 5.5.1)."""
    with device.login() as other:
        primary.check_reserve(session, other, device.lun)
        primary.check_persistent_reservations(session, other, device.lun)


def test_maintenance(device: Unit, session: Session) -> None:
    """Ports and task management are this target's; of the operation codes the device's are listed (SPC-5 6.34)."""
    primary.check_port_groups(session, device.lun)
    primary.check_task_management(session, device.lun)
    primary.check_opcodes(session, device.lun, {0x12, 0x16, 0x56, 0x5E, 0x5F, 0xA0, 0xA3}, {0x83, 0x84, 0x86, 0x87})
    primary.check_luns(session, device.lun, {0, device.lun})


def test_set_port_groups(host: Daemon, device: Unit, session: Session) -> None:
    """The ports are the target's, and so are their access states."""
    primary.check_set_port_groups(host, device, session)


def test_adapted_answers(device: Unit, session: Session) -> None:
    """What the device answers, but not quite so: capacity, sense data, and whether its medium may go."""
    assert int.from_bytes(primary.good(session, device.lun, scsi.read_capacity10(), read=8)[:4], "big") == BLOCKS - 1
    assert int.from_bytes(primary.good(session, device.lun, scsi.read_capacity16(), read=32)[:8], "big") == BLOCKS - 1
    sense = scsi.parse_sense(primary.good(session, device.lun, scsi.request_sense(), read=252))
    assert sense is not None and (sense.key, sense.asc) == (Key.NO_SENSE, 0)
    for prevent in (True, True, False):
        primary.good(session, device.lun, scsi.prevent_allow(prevent))


@pytest.mark.parametrize("cdb", [bytes([0x83, 0x00]), bytes([0x83, 0x11]), bytes([0x84, 0x03]), bytes([0x86]), bytes([0x87])],
                         ids=["copy", "token", "copy-results", "access-in", "access-out"])
def test_refused(session: Session, cdb: bytes) -> None:
    """Copies by this machine and the access controls of its ports aren't an initiator's to have."""
    sense = session.execute(cdb.ljust(16, b"\0")).sense
    assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, scsi.INVALID_OPCODE)


@pytest.mark.parametrize("opcode,action", [(0xA3, 0x0B), (0xA3, 0x0E), (0xA4, 0x0A), (0xA4, 0x0B), (0xA4, 0x0E)])
def test_refused_service_action(session: Session, opcode: int, action: int) -> None:
    """Aliases, priorities and states of ports: INVALID FIELD IN CDB at the service action (SPC-5 4.4.2.4.2)."""
    sense = session.execute(bytes([opcode, action]) + bytes(10)).sense
    assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_CDB)
    assert sense.field_in_cdb is True and sense.field_pointer == 1
