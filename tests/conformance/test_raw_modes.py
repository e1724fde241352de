# SPDX-License-Identifier: MIT
"""Mode pages between sessions and over restarts: what is saved, what a reset restores, who is told (SPC-5 6.12 to
6.15, 7.5)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit, make_disk
from iscsi import scsi
from iscsi.pdu import TaskFunction
from iscsi.session import Session
from iscsi.task import Result

CACHING, CONTROL = 0x08, 0x0A
CURRENT, CHANGEABLE, DEFAULT, SAVED = range(4)
WCE, D_SENSE, SWP = (CACHING, 2, 0x04), (CONTROL, 2, 0x04), (CONTROL, 4, 0x08)  # page, byte, mask
MODE_PARAMETERS_CHANGED, SOFTWARE_WRITE_PROTECTED = 0x2A01, 0x2702

Bit = tuple[int, int, int]


def page(session: Session, code: int, control: int = CURRENT) -> bytes:
    """A mode page, without the parameter header."""
    result = session.execute(scsi.mode_sense6(code, control=control, dbd=True), read=255)
    assert result.good, str(result)
    return result.data[4:]


def is_set(session: Session, bit: Bit, control: int = CURRENT) -> bool:
    code, byte, mask = bit
    return bool(page(session, code, control)[byte] & mask)


def change(session: Session, bit: Bit, on: bool, *, save: bool = False) -> Result:
    """MODE SELECT of one bit's page."""
    code, byte, mask = bit
    values = bytearray(page(session, code))
    values[0] &= 0x7F  # PS is reserved here
    values[byte] = values[byte] | mask if on else values[byte] & ~mask & 0xFF
    return session.execute(scsi.mode_select6(4 + len(values), save=save), data_out=bytes(4) + bytes(values))


def attention(session: Session) -> int:
    """The unit attention that the next command meets; 0: none."""
    result = session.execute(scsi.test_unit_ready())
    return result.sense.asc if result.sense is not None and result.sense.key == scsi.Key.UNIT_ATTENTION else 0


def can_be_changed(session: Session, bit: Bit) -> bool:
    return is_set(session, bit, CHANGEABLE)


@pytest.mark.smoke
def test_saved_through_a_crash(restart: Callable[[], Unit]) -> None:
    """What MODE SELECT with SP was answered GOOD for is there after the daemon was killed, as saved and as current
    values (6.12); without SP it is not."""
    with restart().login() as session:
        assert change(session, SWP, True, save=True).good
        assert change(session, D_SENSE, True).good
        assert is_set(session, SWP, SAVED) and not is_set(session, D_SENSE, SAVED)
    with restart().login() as session:
        assert is_set(session, SWP) and is_set(session, SWP, SAVED) and not is_set(session, SWP, DEFAULT)
        assert not is_set(session, D_SENSE)
        result = session.execute(scsi.write10(0, 1), data_out=bytes(512))
        assert result.sense is not None and result.sense.asc == SOFTWARE_WRITE_PROTECTED, str(result)
        assert session.execute(scsi.mode_select6(0, save=True, revert=True)).good
    with restart().login() as session:
        assert not is_set(session, SWP) and not is_set(session, SWP, SAVED)
        assert session.execute(scsi.write10(0, 1), data_out=bytes(512)).good


def test_crash_while_saving(restart: Callable[[], Unit], own_daemon: Daemon) -> None:
    """Killed while another value is being saved: it is the one that was acknowledged last, or that other one."""
    dice = random.Random(1)
    allowed = {False}
    for _ in range(8):
        with restart().login() as session:
            assert is_set(session, SWP) in allowed
            for _ in range(dice.randrange(1, 4)):
                last = dice.random() < 0.5
                assert change(session, SWP, last, save=True).good
            values = bytearray(page(session, CONTROL))
            values[0] &= 0x7F
            values[4] ^= 0x08
            session.start(scsi.mode_select6(4 + len(values), save=True), data_out=bytes(4) + bytes(values))
            time.sleep(dice.random() / 200)
            own_daemon.kill()
        allowed = {last, not last}
    restart()  # so that one is there to be ended in order


def test_operator_sets_defaults(restart: Callable[[], Unit], own_daemon: Daemon) -> None:
    """sense_format and mode_page are default values: they don't undo what an initiator has saved (7.5)."""
    def update(params: str) -> None:
        own_daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", params)

    with restart().login() as session:
        update("sense_format=1")
        session.clear_attentions()
        assert is_set(session, D_SENSE) and is_set(session, D_SENSE, SAVED)
        assert change(session, D_SENSE, False, save=True).good
    unit = restart()
    update("sense_format=1")
    with unit.login() as session:
        assert not is_set(session, D_SENSE) and is_set(session, D_SENSE, DEFAULT)
        assert session.execute(scsi.mode_select6(0, revert=True)).good
        assert is_set(session, D_SENSE) and not is_set(session, D_SENSE, SAVED)


def test_kept_for_the_medium_that_was_put_in(own_daemon: Daemon, one_on_file: Variant) -> None:
    """Saved values are the unit's: after media were exchanged they are kept for the one that is in (6.12)."""
    first, second = (own_daemon.folder / name for name in ("first.img", "second.img"))
    for path in (first, second):
        path.write_bytes(bytes(1 << 20))
    change_unit = ["--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params"]
    with make_disk(own_daemon, first, one_on_file).login() as session:
        assert change(session, D_SENSE, True, save=True).good
        own_daemon.do(*change_unit, "removable=1")
        for path in ("", str(second)):
            own_daemon.do(*change_unit, f"path={path}")
    for path, kept in ((second, True), (first, False)):
        own_daemon.kill()
        own_daemon.start()
        with make_disk(own_daemon, path, one_on_file).login() as session:
            assert is_set(session, D_SENSE) == kept


def test_damaged_file(restart: Callable[[], Unit], own_daemon: Daemon) -> None:
    """What was saved can't be read: the operator is told, and the unit has its defaults."""
    with restart().login() as session:
        assert change(session, SWP, True, save=True).good
    (kept,) = (own_daemon.folder / "state").glob("mode.*")
    content = bytearray(kept.read_bytes())
    content[-1] ^= 0xFF
    kept.write_bytes(content)
    with restart().login() as session:
        assert not is_set(session, SWP)
        assert "mode pages saved for it can't be read" in own_daemon.log()
        assert change(session, SWP, True, save=True).good
    with restart().login() as session:
        assert is_set(session, SWP)


@pytest.mark.smoke
def test_reset_restores_the_saved_values(disk: Unit) -> None:
    """After a logical unit reset current values are the saved ones, or the defaults (6.12); all are told of the reset
    itself (SAM-5 6.3.3)."""
    with disk.login() as mine, disk.login() as other:
        assert change(mine, SWP, True).good
        other.clear_attentions()
        assert mine.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=disk.lun) == 0
        assert attention(other) >> 8 == 0x29
        mine.clear_attentions()
        assert not is_set(mine, SWP)
        assert change(mine, SWP, True, save=True).good
        assert change(mine, SWP, False).good
        assert mine.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=disk.lun) == 0
        mine.clear_attentions()
        assert is_set(mine, SWP)
        assert mine.execute(scsi.mode_select6(0, save=True, revert=True)).good


def test_revert_to_defaults(disk: Unit) -> None:
    """RTD: as if all pages had been sent with their defaults; there is no parameter list (6.12), and the Extended
    INQUIRY Data page says so (RTD_SUP)."""
    with disk.login() as mine, disk.login() as other:
        assert mine.execute(scsi.inquiry(page=0x86), read=255).data[8] & 0x08
        assert change(mine, SWP, True).good
        other.clear_attentions()
        assert mine.execute(scsi.mode_select6(0, revert=True)).good
        assert not is_set(mine, SWP)
        assert attention(other) == MODE_PARAMETERS_CHANGED
        assert mine.execute(scsi.mode_select6(0, revert=True)).good
        assert attention(other) == 0, "nothing has changed"
        result = mine.execute(scsi.mode_select6(16, revert=True), data_out=bytes(4) + page(mine, CONTROL))
        assert result.sense is not None and result.sense.asc == scsi.INVALID_FIELD_IN_CDB, str(result)
        assert result.sense.field_pointer == 4


@pytest.mark.parametrize("sent", [4, 6, 15])
def test_a_list_that_comes_short(disk: Unit, sent: int) -> None:
    """Fewer bytes than PARAMETER LIST LENGTH arrive: PARAMETER LIST LENGTH ERROR, and nothing changes (6.12)."""
    with disk.login() as session:
        before = page(session, CONTROL)
        whole = bytearray(bytes(4) + before)
        whole[4] &= 0x7F
        whole[8] ^= 0x08
        result = session.execute(scsi.mode_select6(len(whole)), data_out=bytes(whole[:sent]))
        assert result.sense is not None and result.sense.asc == scsi.PARAMETER_LIST_LENGTH, str(result)
        assert page(session, CONTROL) == before


def test_saveable_pages_say_so(disk: Unit) -> None:
    """PS on pages that have something to save, and MODE SENSE of saved values gives all pages (7.5.4)."""
    with disk.login() as session:
        assert page(session, CONTROL)[0] == 0x80 | CONTROL
        assert page(session, 0x01)[0] == 0x01
        lengths = {len(session.execute(scsi.mode_sense10(0x3F, 0xFF, control=n), read=1024).data) for n in range(4)}
        assert len(lengths) == 1


def test_what_can_be_changed_has_an_effect(disk: Unit, daemon: Daemon) -> None:
    """WCE only on a store that has a cache to switch off: not on a file opened for synchronous writes (SBC-4 6.5.6)."""
    with disk.login() as session:
        before = can_be_changed(session, WCE)
        assert before == is_set(session, WCE)
    if not before:
        return
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(disk.tid), "--lun", str(disk.lun), "--params",
              "bsoflags=sync")
    with disk.login() as session:
        assert not can_be_changed(session, WCE) and not is_set(session, WCE)


def test_state_directory_of_nobody(daemon: Daemon, disk: Unit) -> None:
    """The values are kept under the target's name and the LUN."""
    with disk.login() as session:
        assert change(session, D_SENSE, True, save=True).good
        kept = daemon.folder / "state" / f"mode.{disk.target}.{disk.lun}"
        assert kept.exists()
        assert session.execute(scsi.mode_select6(0, save=True, revert=True)).good
        assert not kept.exists()
