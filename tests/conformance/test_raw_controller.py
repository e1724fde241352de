# SPDX-License-Identifier: MIT
"""LUN 0, the storage array controller that every target has (SPC-5 clause 6; it has no medium)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import primary
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session

CONTROLLER = 0
READ_10, WRITE_10, PERSISTENT_RESERVE_OUT = 0x28, 0x2A, 0x5F


@pytest.fixture
def session(disk: Unit) -> Iterator[Session]:
    with disk.login() as session:
        session.clear_attentions(CONTROLLER)
        yield session


def test_what_it_says_it_is(session: Session) -> None:
    """A connected unit of peripheral device type 0Ch, ready, with nothing to tell (SPC-5 6.7.2)."""
    data = primary.good(session, CONTROLLER, scsi.inquiry(), read=255)
    assert data[0] == 0x0C and not data[1] & 0x80
    primary.good(session, CONTROLLER, scsi.test_unit_ready())
    primary.check_no_sense(session, CONTROLLER)


def test_mode_pages(session: Session) -> None:
    """It has a Control page that can be changed (SPC-5 7.5.11)."""
    primary.check_mode_pages(session, CONTROLLER)


def test_log_pages(session: Session) -> None:
    """The log pages that it lists can be read (SPC-5 7.3)."""
    primary.check_log_pages(session, CONTROLLER)


def test_self_test(session: Session) -> None:
    """The default self-test passes."""
    primary.check_self_test(session, CONTROLLER)


def test_maintenance(session: Session) -> None:
    """Target port groups, operation codes and task management functions: it has none of a disk's commands."""
    primary.check_port_groups(session, CONTROLLER)
    primary.check_opcodes(session, CONTROLLER, {0x00, 0x03, 0x12, 0xA0, 0xA3}, {READ_10, WRITE_10})
    primary.check_task_management(session, CONTROLLER)


def test_luns(session: Session) -> None:
    """It lists itself and the disk (SPC-5 REPORT LUNS)."""
    primary.check_luns(session, CONTROLLER, {CONTROLLER, session.lun})


@pytest.mark.parametrize("cdb", [scsi.read10(0, 1), scsi.read_capacity10(), scsi.start_stop(True)],
                         ids=["READ", "READ CAPACITY", "START STOP UNIT"])
def test_no_command_of_a_disk(session: Session, cdb: bytes) -> None:
    """INVALID COMMAND OPERATION CODE."""
    sense = session.execute(cdb, lun=CONTROLLER, read=512).sense
    assert sense is not None and (sense.key, sense.asc) == (scsi.Key.ILLEGAL_REQUEST, scsi.INVALID_OPCODE)
