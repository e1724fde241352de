# SPDX-License-Identifier: MIT
"""A file that fails under the daemon: the initiator hears of the block, and nobody else of anything."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.raw import pattern, read_block, write_block
from harness.units import Unit
from iscsi import scsi

pytestmark = pytest.mark.variants("file")

UNRECOVERED_READ_ERROR = 0x1100
KEPT = 4096  # blocks of the file that stay


@pytest.fixture
def shrunk(new_unit: Callable[[Variant], Unit], variant: Variant, daemon: Daemon) -> Unit:
    """A unit whose file has lost its end."""
    unit = new_unit(variant)
    assert unit.path is not None
    os.truncate(unit.path, KEPT * unit.block_size)
    return unit


@pytest.mark.smoke
def test_reading_what_is_gone(shrunk: Unit, new_unit: Callable[[Variant], Unit], variant: Variant) -> None:
    """MEDIUM ERROR with the first LBA that is gone (SBC-4 4.18.1); a neighbour isn't disturbed."""
    neighbour = new_unit(variant)
    data = pattern(8 * shrunk.block_size)
    with shrunk.login() as session, neighbour.login() as other:
        write_block(other, neighbour, KEPT, data)
        write_block(session, shrunk, KEPT - 8, data)
        for lba, blocks, first in ((KEPT + 7, 1, KEPT + 7), (KEPT - 8, 64, KEPT)):
            result = session.execute(scsi.read10(lba, blocks), lun=shrunk.lun, read=blocks * shrunk.block_size)
            assert result.status == scsi.Status.CHECK_CONDITION and result.sense is not None, str(result)
            assert (result.sense.key, result.sense.asc) == (scsi.Key.MEDIUM_ERROR, UNRECOVERED_READ_ERROR)
            assert result.sense.information == first
        assert read_block(session, shrunk, KEPT - 8, 8) == data
        assert read_block(other, neighbour, KEPT, 8) == data


def test_verifying_what_is_gone(shrunk: Unit) -> None:
    """VERIFY really reads: it finds the same (SBC-4 5.34)."""
    with shrunk.login() as session:
        result = session.execute(scsi.verify10(KEPT - 1, 16), lun=shrunk.lun)
        assert result.sense is not None and result.sense.key == scsi.Key.MEDIUM_ERROR, str(result)
        assert result.sense.information == KEPT
        assert session.execute(scsi.verify10(KEPT - 16, 16), lun=shrunk.lun).good


def test_the_operator_is_told(shrunk: Unit, daemon: Daemon) -> None:
    """At least one line: which unit, which block or byte (the core's own line may be rate limited)."""
    with shrunk.login() as session:
        session.execute(scsi.read10(KEPT, 1), lun=shrunk.lun, read=shrunk.block_size)
    lines = [line for line in daemon.log().splitlines() if f"error: target {shrunk.tid} lun {shrunk.lun}: " in line]
    assert any(f"LBA {KEPT}" in line or f"at {KEPT * shrunk.block_size}" in line for line in lines), lines
