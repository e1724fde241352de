# SPDX-License-Identifier: MIT
"""Soft thresholds of thin units: what is allocated, and who is told when it comes to a threshold (SBC-4, logical
block provisioning thresholds and notification)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness.modules import Variant
from harness.units import SIZE, Unit
from iscsi import scsi
from iscsi.session import Session

pytestmark = pytest.mark.variants("thin")

MIB = 1 << 20
AVAILABLE, USED = 1, 2  # resources, and the parameters of the log page
FIRST_OF = {AVAILABLE: 0, USED: 2}  # descriptors of the mode page
SOFT_THRESHOLD_REACHED = 0x3807
PATIENCE = 10.0
TELL = ("rdwr", "aio", "uring")  # of the project's stores, those that tell what is allocated


def resources(session: Session) -> dict[int, int]:
    """Bytes, by the Logical Block Provisioning log page and the THRESHOLD EXPONENT of its VPD page."""
    data = session.execute(scsi.log_sense(0x0C), read=256).data
    assert data[0] & 0x3F == 0x0C and len(data) == 4 + 2 * 12
    found = {}
    for at in (4, 16):
        found[int.from_bytes(data[at:at + 2], "big")] = int.from_bytes(data[at + 4:at + 8], "big")
        assert data[at + 8] == (2 if data[at + 1] == AVAILABLE else 1), "SCOPE"
    size = (1 << exponent(session)) * block_size(session)
    assert size == MIB
    return {resource: sets * size for resource, sets in found.items()}


def block_size(session: Session) -> int:
    return int.from_bytes(session.execute(scsi.read_capacity16(), read=32).data[8:12], "big")


def threshold_page(session: Session) -> bytearray:
    result = session.execute(scsi.mode_sense6(0x1C, 0x02, dbd=True), read=255)
    assert result.good, str(result)
    return bytearray(result.data[4:])


def enable(session: Session, resource: int, mib: int, *, single: bool = False) -> None:
    """The first threshold of a resource, at so many MiB."""
    page = threshold_page(session)
    at = 16 + 8 * FIRST_OF[resource]
    assert page[at + 1] == resource and page[at] & 7 == resource - 1, "available arms decreasing, used increasing"
    page[0] &= 0x7F
    page[4] = int(single)
    page[at] |= 0x80
    page[at + 4:at + 8] = mib.to_bytes(4, "big")
    assert session.execute(scsi.mode_select6(4 + len(page)), data_out=bytes(4) + bytes(page)).good


def fill(session: Session, first: int, mib: int) -> None:
    """Writes from one MiB on."""
    size = block_size(session)
    blocks = MIB // size
    for at in range(first, first + mib):
        assert session.execute(scsi.write16(at * blocks, blocks), data_out=b"\xa5" * MIB, timeout=60).good
    assert session.execute(scsi.synchronize_cache16(), timeout=60).good


def discard(session: Session, first: int, mib: int) -> None:
    blocks = MIB // block_size(session)
    parameters = scsi.unmap_parameters([(first * blocks, mib * blocks)])
    assert session.execute(scsi.unmap(len(parameters)), data_out=parameters).good


def attention(session: Session) -> int:
    result = session.execute(scsi.test_unit_ready())
    return result.sense.asc if result.sense is not None else 0


def wait_for(session: Session) -> int:
    """The next unit attention, which comes within a few seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if asc := attention(session):
            return asc
        time.sleep(0.05)
    raise AssertionError("no unit attention")


def let_it_look() -> None:
    """The store is asked once a second."""
    time.sleep(2.2)


@pytest.fixture
def unit(new_unit: Callable[[Variant], Unit], variant: Variant) -> Unit:
    """A thin unit on a store that tells what it allocates."""
    made = new_unit(variant)
    with made.login() as session:
        if not exponent(session) and variant.module not in TELL:
            pytest.skip("the store doesn't tell what it allocates")
    return made


def exponent(session: Session) -> int:
    return session.execute(scsi.inquiry(page=0xB2), read=255).data[4]


@pytest.mark.variants("all")
def test_only_where_they_mean_something(new_unit: Callable[[Variant], Unit], variant: Variant) -> None:
    """The exponent and the pages: all of them or none, and none on a unit that is fully provisioned."""
    with new_unit(variant).login() as session:
        told = bool(exponent(session))
        mode = session.execute(scsi.mode_sense6(0x1C, 0x02), read=255)
        log = session.execute(scsi.log_sense(0x0C), read=255)
        listed = 0x0C in session.execute(scsi.log_sense(0), read=255).data[4:]
        assert (mode.good, log.good, listed) == (told, told, told)
        assert not told or variant.thin
        assert told or not variant.thin or variant.module not in TELL


@pytest.mark.smoke
def test_resources(unit: Unit) -> None:
    """What is used is what the file takes; written and unmapped blocks show at once."""
    with unit.login() as session:
        before = resources(session)
        assert before[USED] <= MIB and before[AVAILABLE] <= SIZE
        fill(session, 0, 8)
        after = resources(session)
        assert 8 * MIB <= after[USED] - before[USED] <= 9 * MIB
        assert after[AVAILABLE] <= before[AVAILABLE] - 7 * MIB
        discard(session, 0, 8)
        assert resources(session)[USED] <= before[USED] + MIB


@pytest.mark.smoke
def test_used(unit: Unit) -> None:
    """An armed increasing threshold: all nexuses are told once, and again after it could arm."""
    with unit.login() as mine, unit.login() as other:
        enable(mine, USED, 8)
        other.clear_attentions()  # MODE PARAMETERS CHANGED
        let_it_look()
        fill(mine, 0, 6)
        let_it_look()
        assert (attention(mine), attention(other)) == (0, 0)
        fill(mine, 6, 4)
        assert wait_for(mine) == wait_for(other) == SOFT_THRESHOLD_REACHED
        fill(mine, 10, 4)
        let_it_look()
        assert (attention(mine), attention(other)) == (0, 0), "told once"
        discard(mine, 0, 10)
        let_it_look()
        fill(mine, 0, 8)
        assert wait_for(other) == SOFT_THRESHOLD_REACHED


def test_available(unit: Unit) -> None:
    """An armed decreasing threshold, on a unit that the file system has room for."""
    with unit.login() as session:
        left = resources(session)[AVAILABLE] // MIB
        assert left > 16, "the file system is nearly full"
        enable(session, AVAILABLE, left - 6)
        let_it_look()
        fill(session, 0, 2)
        let_it_look()
        assert attention(session) == 0
        fill(session, 2, 8)
        assert wait_for(session) == SOFT_THRESHOLD_REACHED
        let_it_look()
        assert attention(session) == 0


def test_single_initiator(unit: Unit) -> None:
    """With SITUA one nexus is told, one that has written; disabled thresholds tell nobody."""
    with unit.login() as mine, unit.login() as other:
        enable(other, USED, 4, single=True)
        mine.clear_attentions()
        let_it_look()
        fill(mine, 0, 6)
        assert wait_for(mine) == SOFT_THRESHOLD_REACHED
        assert attention(other) == 0
        assert mine.execute(scsi.mode_select6(0, revert=True)).good
        other.clear_attentions()
        discard(mine, 0, 6)
        let_it_look()
        fill(mine, 0, 6)
        let_it_look()
        assert (attention(mine), attention(other)) == (0, 0)


def test_other_bits_are_refused(unit: Unit) -> None:
    """Which resource a threshold is of can't be changed."""
    with unit.login() as session:
        page = threshold_page(session)
        page[0] &= 0x7F
        page[17] = USED
        result = session.execute(scsi.mode_select6(4 + len(page)), data_out=bytes(4) + bytes(page))
        assert result.sense is not None and result.sense.asc == scsi.INVALID_FIELD_IN_PARAMETERS
        assert result.sense.field_pointer == 4 + 17
