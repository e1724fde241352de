# SPDX-License-Identifier: MIT
"""Logical unit numbers that no unit has: what is answered all the same (SAM-5 clause 4.7.4, SPC-5 clause 6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import primary
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session

pytestmark = pytest.mark.no_unit

NOBODY = 77


@pytest.fixture
def session(disk: Unit) -> Iterator[Session]:
    with disk.login() as session:
        yield session


def test_inquiry(session: Session) -> None:
    """Peripheral qualifier 011b and device type 1Fh: no unit can be there (SPC-5 6.7.2)."""
    assert primary.good(session, NOBODY, scsi.inquiry(), read=255)[0] == 0x7F


def test_request_sense(session: Session) -> None:
    """GOOD, and LOGICAL UNIT NOT SUPPORTED as parameter data (SPC-5 REQUEST SENSE)."""
    for descriptor in (False, True):
        sense = scsi.parse_sense(primary.good(session, NOBODY, scsi.request_sense(desc=descriptor), read=252))
        assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, scsi.LUN_NOT_SUPPORTED)


def test_report_luns(session: Session) -> None:
    """The units that are there; the one asked isn't among them."""
    primary.check_luns(session, NOBODY, {0, session.lun})
    data = primary.good(session, NOBODY, scsi.report_luns(), read=4096)
    assert NOBODY not in data[9::8]


@pytest.mark.parametrize("cdb", [scsi.test_unit_ready(), scsi.read10(0, 1), scsi.mode_sense6(0x3F),
                                 scsi.persistent_in(0), scsi.report_opcodes()],
                         ids=["TEST UNIT READY", "READ", "MODE SENSE", "PERSISTENT RESERVE IN", "RSOC"])
def test_anything_else(session: Session, cdb: bytes) -> None:
    """LOGICAL UNIT NOT SUPPORTED, with all that was expected as residual."""
    result = session.execute(cdb, lun=NOBODY, read=512)
    assert result.sense is not None
    assert (result.sense.key, result.sense.asc) == (Key.ILLEGAL_REQUEST, scsi.LUN_NOT_SUPPORTED)
    assert result.underflow == 512 and not result.data
