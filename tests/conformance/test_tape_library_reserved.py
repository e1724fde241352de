# SPDX-License-Identifier: MIT
"""Reservations of a media changer, for every command that it reports, by a table from the standards
(harness/changer_commands.py): what is refused, and what isn't (SMC-3, SPC-5, SPC-2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.changer import CHANGER_LUN, FIRST_SLOT, Changer, Library
from harness.changer_commands import changer_commands
from harness.commands import Rule
from harness.daemon import Daemon
from test_raw_protected import CONFLICT, KINDS, REGISTRANTS, is_allowed, reserve, run
from test_tape_library import library_on

pytestmark = [pytest.mark.variants("tape"), pytest.mark.changer(CHANGER_LUN)]

# SPC-2 and SMC: what runs beside another initiator's RESERVE.
BESIDE_RESERVE = {"REQUEST SENSE", "INQUIRY", "REPORT LUNS", "RELEASE(6)", "RELEASE(10)",
                  "PREVENT ALLOW MEDIUM REMOVAL, allow", "READ ELEMENT STATUS, CURDATA=1"}


@pytest.fixture
def library(daemon: Daemon, tmp_path: Path) -> Iterator[Library]:
    made = library_on(daemon, tmp_path, daemon.new_tid())
    yield made
    if daemon.alive():
        daemon.do("--op", "delete", "--mode", "target", "--force", "--tid", str(made.tid))


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_persistent_reservation(library: Library, kind: int) -> None:
    """Each command of the holder, of another registered nexus, and of one that isn't: carried out, or RESERVATION
    CONFLICT (SMC-3)."""
    wrong = []
    unit = library.changer
    with unit.login() as holder, unit.login() as registrant, unit.login() as stranger:
        known = [command for command in changer_commands(holder) if command.opcode != 0x5F]
        reserve(holder, registrant, kind)
        for who, session, access in (("holder", holder, True), ("registrant", registrant, kind in REGISTRANTS),
                                     ("stranger", stranger, False)):
            for command in known:
                status = run(session, command, 0, command.harmless).status
                if (status != CONFLICT) != is_allowed(command, kind, access):
                    wrong.append(f"{who}, {command.name}: status {status:#x}")
    assert not wrong, "\n".join(wrong)


def test_strangers_move_nothing(library: Library) -> None:
    """A move that conflicts isn't made, and nothing is told of what a search would have found."""
    unit = library.changer
    with unit.login() as holder, unit.login() as registrant, unit.login() as stranger:
        reserve(holder, registrant, 1)
        before = Changer(holder).contents()
        for session in (stranger, registrant):
            other = Changer(session)
            assert other.move(FIRST_SLOT, FIRST_SLOT + 3).status == CONFLICT
            assert other.exchange(FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT).status == CONFLICT
            result = other.run(other.status_cdb(), read=65536)
            assert result.status == CONFLICT and not result.data
        assert Changer(holder).contents() == before


@pytest.mark.parametrize("opcode", [0x16, 0x56], ids=["RESERVE6", "RESERVE10"])
def test_reserve(library: Library, opcode: int) -> None:
    """Another nexus gets RESERVATION CONFLICT but for what tells who is there; the holder doesn't (SPC-2)."""
    wrong = []
    with library.changer.login() as holder, library.changer.login() as other:
        known = changer_commands(holder)
        assert holder.execute(bytes([opcode]) + bytes(5 if opcode == 0x16 else 9)).good
        for command in known:
            conflicts = run(other, command, 0, command.harmless).status == CONFLICT
            if conflicts and command.name in BESIDE_RESERVE:
                wrong.append(f"{command.name}: a conflict")
            if not conflicts and command.rule in (Rule.READS, Rule.WRITES):
                wrong.append(f"{command.name}: no conflict")
        for command in known:
            if command.opcode in (0x17, 0x57):
                continue  # would end it
            conflicts = run(holder, command, 0, command.harmless).status == CONFLICT
            if conflicts != (command.opcode in (0x5E, 0x5F)):
                wrong.append(f"{command.name} of the holder: {'a' if conflicts else 'no'} conflict")
    assert not wrong, "\n".join(wrong)
