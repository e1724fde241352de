# SPDX-License-Identifier: MIT
"""What SPC-5 asks of every unit, asked of tape drives; and READ POSITION's long form (SSC-5)."""

from __future__ import annotations

import struct

import pytest

from harness import primary
from harness.daemon import Daemon
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session

pytestmark = pytest.mark.variants("tape")

REWIND, WRITE, WRITE_FILEMARKS, READ_POSITION, LONG_FORM = 0x01, 0x0A, 0x10, 0x34, 0x06
READ_10, READ_CAPACITY_10, UNMAP = 0x28, 0x25, 0x42


def test_no_sense(session: Session, drive: Unit) -> None:
    """REQUEST SENSE with nothing to tell."""
    primary.check_no_sense(session, drive.lun)


def test_mode_pages(session: Session, drive: Unit) -> None:
    """The Control page can be changed, by both lengths of both commands (SPC-5 7.5.11)."""
    primary.check_mode_pages(session, drive.lun)


def test_log_pages(session: Session, drive: Unit) -> None:
    """The log pages that it lists can be read (SPC-5 7.3), and counters reset."""
    primary.check_log_pages(session, drive.lun)
    primary.check_log_select(session, drive.lun)


def test_self_test(session: Session, drive: Unit) -> None:
    """The default self-test passes."""
    primary.check_self_test(session, drive.lun)


def test_maintenance(session: Session, drive: Unit) -> None:
    """Target port groups, operation codes and task management functions: none of a disk's commands."""
    primary.check_port_groups(session, drive.lun)
    primary.check_opcodes(session, drive.lun, {REWIND, 0x05, 0x08, WRITE, WRITE_FILEMARKS, 0x11, 0x1B, READ_POSITION},
                          {READ_10, READ_CAPACITY_10, UNMAP})
    primary.check_task_management(session, drive.lun)


def test_set_port_groups(session: Session, drive: Unit, daemon: Daemon) -> None:
    """Where the operator lets them, initiators set access states."""
    primary.check_set_port_groups(daemon, drive, session)


def test_luns(session: Session, drive: Unit) -> None:
    """The drive lists the target's units (SPC-5 REPORT LUNS)."""
    primary.check_luns(session, drive.lun, {0, drive.lun})


def test_reserve(session: Session, other: Session, drive: Unit) -> None:
    """RESERVE and RELEASE of both lengths, on which backup programs still rely (SPC-2 5.5.1)."""
    primary.check_reserve(session, other, drive.lun)


def test_persistent_reservations(session: Session, other: Session, drive: Unit) -> None:
    """Every service action (SPC-5 5.14)."""
    primary.check_persistent_reservations(session, other, drive.lun)


def test_long_position(session: Session, drive: Unit) -> None:
    """The long form counts logical objects and, apart from them, filemarks; at the beginning BOP is set."""
    def position() -> tuple[bool, int, int, int]:
        data = primary.good(session, drive.lun, bytes([READ_POSITION, LONG_FORM]) + bytes(8), read=32)
        assert len(data) == 32
        partition, objects, marks = struct.unpack_from(">4xIQQ", data)
        return bool(data[0] & 0x80), partition, objects, marks

    assert position() == (True, 0, 0, 0)
    for _ in range(3):
        primary.good(session, drive.lun, bytes([WRITE, 0, 0, 0, 10, 0]), data_out=b"0123456789")
    primary.good(session, drive.lun, bytes([WRITE_FILEMARKS, 0, 0, 0, 2, 0]))
    assert position() == (False, 0, 5, 2)
    primary.good(session, drive.lun, bytes([REWIND, 0, 0, 0, 0, 0]))
    assert position() == (True, 0, 0, 0)
