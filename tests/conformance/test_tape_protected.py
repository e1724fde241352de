# SPDX-License-Identifier: MIT
"""Write protection and reservations of tape drives, for every command that they report, by a table from the standards
(harness/tape_commands.py): what is refused, and what isn't (SSC-5, SPC-5, SPC-2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.commands import Command, Rule
from harness.daemon import Daemon
from harness.modules import Variant
from harness.tape import Tape
from harness.tape_commands import BLOCK, make_ready, record, tape_commands
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result
from test_raw_protected import (CONFLICT, KINDS, REGISTRANTS, SOFTWARE_WRITE_PROTECTED, is_allowed, reserve, run,
                                set_swp)

pytestmark = pytest.mark.variants("tape")

# SPC-2 and SSC-2: what runs beside another initiator's reservation.
BESIDE_RESERVE = {"REQUEST SENSE", "INQUIRY", "REPORT LUNS", "RELEASE(6)", "RELEASE(10)", "READ BLOCK LIMITS",
                  "REPORT DENSITY SUPPORT", "PREVENT ALLOW MEDIUM REMOVAL, allow"}


@pytest.fixture
def drive(new_unit: Callable[..., Unit], variant: Variant) -> Unit:
    """A drive with some blocks on its tape, which are only appended to: ALLOW OVERWRITE is for that mode."""
    drive = new_unit(variant, size=0)
    with drive.login() as session:
        record(session)
        tape = Tape(session, drive.lun)
        page = tape.mode_page(0x10, 1)
        page[5] = page[5] & 0x0F | 0x10
        tape.set_mode_page(page)
    return drive


def attempt(session: Session, command: Command) -> Result:
    make_ready(session)
    return run(session, command, BLOCK)


def assert_protected(session: Session, asc: int) -> None:
    """Commands that may change the medium are refused, all others work."""
    wrong = []
    for command in tape_commands(session):
        result = attempt(session, command)
        refused = result.sense is not None and (result.sense.key, result.sense.asc) == (scsi.Key.DATA_PROTECT, asc)
        works = result.good or (command.rule == Rule.OWN and result.status == CONFLICT)
        if not (refused if command.writes else works):
            wrong.append(f"{command.name}: {result}")
    assert not wrong, "\n".join(wrong)
    assert session.execute(scsi.mode_sense6(0x3F), read=255).data[2] & 0x80, "WP"


def test_read_only(drive: Unit, daemon: Daemon) -> None:
    """WRITE PROTECTED for what may change the medium; the rest works, and the data stay (SSC-5)."""
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
              "--params", "readonly=1")
    with drive.login() as session:
        session.clear_attentions()
        assert_protected(session, scsi.WRITE_PROTECTED)
        make_ready(session)
        assert Tape(session, drive.lun).read(BLOCK).data == b"\2" * BLOCK


def test_software_write_protect(drive: Unit) -> None:
    """SWP of the Control mode page does the same, with a code of its own, until it is taken back (SPC-5)."""
    with drive.login() as session, drive.login() as other:
        set_swp(session, True)
        other.clear_attentions()
        assert_protected(other, SOFTWARE_WRITE_PROTECTED)
        set_swp(session, False)
        session.clear_attentions()
        tape = Tape(session, drive.lun)
        assert tape.space(3, 0).good and tape.write(b"more").good


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_persistent_reservation(drive: Unit, kind: int) -> None:
    """Each command of the holder, of another registered nexus, and of one that isn't: carried out, or RESERVATION
    CONFLICT (SSC-5)."""
    wrong = []
    with drive.login() as holder, drive.login() as registrant, drive.login() as stranger:
        known = [command for command in tape_commands(holder) if command.opcode != 0x5F]
        reserve(holder, registrant, kind)
        for who, session, access in (("holder", holder, True), ("registrant", registrant, kind in REGISTRANTS),
                                     ("stranger", stranger, False)):
            for command in known:
                make_ready(holder)
                status = run(session, command, BLOCK, command.harmless).status
                if (status != CONFLICT) != is_allowed(command, kind, access):
                    wrong.append(f"{who}, {command.name}: status {status:#x}")
    assert not wrong, "\n".join(wrong)


def test_strangers_do_not_move_it(drive: Unit) -> None:
    """Under WRITE EXCLUSIVE the tape stands where its writer left it, whatever others try (SSC-5)."""
    with drive.login() as holder, drive.login() as registrant, drive.login() as stranger:
        reserve(holder, registrant, 1)
        tape = Tape(holder, drive.lun)
        make_ready(holder)
        for command in tape_commands(holder):
            if command.opcode not in (0x5F, 0x16, 0x17, 0x56, 0x57):
                run(stranger, command, BLOCK)
        holder.clear_attentions()
        assert tape.position() == 2


@pytest.mark.parametrize("opcode", [0x16, 0x56], ids=["RESERVE6", "RESERVE10"])
def test_reserve(drive: Unit, opcode: int) -> None:
    """Another nexus gets RESERVATION CONFLICT but for what tells who and what is there; the holder doesn't (SPC-2)."""
    wrong = []
    with drive.login() as holder, drive.login() as other:
        known = tape_commands(holder)
        assert holder.execute(bytes([opcode]) + bytes(5 if opcode == 0x16 else 9)).good
        for command in known:
            conflicts = run(other, command, BLOCK, command.harmless).status == CONFLICT
            if conflicts and command.name in BESIDE_RESERVE:
                wrong.append(f"{command.name}: a conflict")
            if not conflicts and command.rule in (Rule.READS, Rule.WRITES):
                wrong.append(f"{command.name}: no conflict")
        for command in known:
            if command.opcode in (0x17, 0x57):
                continue  # would end it
            make_ready(holder)
            conflicts = run(holder, command, BLOCK, command.harmless).status == CONFLICT
            if conflicts != (command.opcode in (0x5E, 0x5F)):
                wrong.append(f"{command.name} of the holder: {'a' if conflicts else 'no'} conflict")
    assert not wrong, "\n".join(wrong)
