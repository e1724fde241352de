# SPDX-License-Identifier: MIT
"""Write protection and reservations, for every command that the unit reports, by tables from the standards
(harness/commands.py): what is refused, and what isn't (SBC-4, SPC-5 clause 5.14, SPC-2 clause 5.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from harness.commands import VARIANTS, Command, Rule, commands
from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

CONFLICT = scsi.Status.RESERVATION_CONFLICT
SOFTWARE_WRITE_PROTECTED = 0x2702
A, B, C = 0xA, 0xB, 0xC
WE, EA, WE_RO, EA_RO, WE_AR, EA_AR = 1, 3, 5, 6, 7, 8
KINDS = {WE: "WE", EA: "EA", WE_RO: "WE-RO", EA_RO: "EA-RO", WE_AR: "WE-AR", EA_AR: "EA-AR"}
WRITE_EXCLUSIVE, REGISTRANTS, ALL_REGISTRANTS = {WE, WE_RO, WE_AR}, {WE_RO, EA_RO, WE_AR, EA_AR}, {WE_AR, EA_AR}


def run(session: Session, command: Command, block: int, cdb: bytes | None = None) -> Result:
    """Executes a row; unit attentions on the way are taken."""
    data = command.data(block)
    while True:
        result = session.execute(cdb or command.cdb, data_out=data, read=0 if data else max(command.read, 0))
        if result.sense is None or result.sense.key != scsi.Key.UNIT_ATTENTION:
            return result


# -- write protection


def assert_protected(session: Session, block: int, asc: int) -> None:
    """Commands that may change the medium are refused, all others work."""
    wrong = []
    for command in commands(session):
        result = run(session, command, block)
        refused = result.sense is not None and (result.sense.key, result.sense.asc) == (scsi.Key.DATA_PROTECT, asc)
        works = result.good or result.status == scsi.Status.CONDITION_MET or (
            command.rule == Rule.OWN and result.status == CONFLICT)
        if not (refused if command.writes else works):
            wrong.append(f"{command.name}: {result}")
    assert not wrong, "\n".join(wrong)
    mode = session.execute(scsi.mode_sense6(0x3F), read=255).data
    assert mode[2] & 0x80, "the WP bit of the mode parameter header isn't set"


@pytest.mark.variants("storing")
def test_read_only(new_unit: Callable[..., Unit], daemon: Daemon, variant: Variant) -> None:
    """WRITE PROTECTED for what may change the medium, the data stay, and READ, PRE-FETCH, VERIFY and the rest work."""
    unit = new_unit(variant, size=64 << 20)
    before = b"\x5A" * unit.block_size
    with unit.login() as session:
        assert session.execute(scsi.write10(0, 1), data_out=before).good
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun),
                  "--params", "readonly=1")
        session.clear_attentions()
        assert_protected(session, unit.block_size, scsi.WRITE_PROTECTED)
        assert session.execute(scsi.read10(0, 1), read=unit.block_size).data == before


def set_swp(session: Session, on: bool) -> None:
    session.clear_attentions()
    page = session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data
    data = bytearray(bytes(4) + page[4:])
    data[4] &= 0x3F
    data[8] = (data[8] & ~0x08) | (0x08 if on else 0)
    result = session.execute(scsi.mode_select6(len(data)), data_out=bytes(data))
    assert result.good, str(result)


def test_software_write_protect(disk: Unit, daemon: Daemon) -> None:
    """SWP of the Control mode page does the same, with a code of its own, until it is taken back (SPC-5)."""
    assert daemon.alive()
    with disk.login() as session, disk.login() as other:
        set_swp(session, True)
        other.clear_attentions()
        assert_protected(other, disk.block_size, SOFTWARE_WRITE_PROTECTED)
        set_swp(session, False)
        session.clear_attentions()
        assert session.execute(scsi.write10(0, 1), data_out=bytes(disk.block_size)).good


# -- persistent reservations


def out(session: Session, action: int, key: int = 0, action_key: int = 0, kind: int = 0) -> int:
    data = scsi.persistent_parameters(key, action_key)
    while True:
        result = session.execute(scsi.persistent_out(action, kind), data_out=data)
        if result.sense is None or result.sense.key != scsi.Key.UNIT_ATTENTION:
            return result.status


def reserve(holder: Session, registrant: Session, kind: int) -> None:
    """A holds it, B is registered."""
    out(holder, 6, 0, A)
    out(holder, 3, A)
    assert out(holder, 0, 0, A) == out(registrant, 6, 0, B) == 0
    assert out(holder, 1, A, 0, kind) == 0


def is_allowed(command: Command, kind: int, access: bool) -> bool:
    if command.rule == Rule.ALWAYS:
        return True
    if command.rule == Rule.READS and kind in WRITE_EXCLUSIVE:
        return True
    return access  # RESERVE and RELEASE, too: SPC-4 5.13.3, exceptions for persistent reservations


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_persistent_reservation(disk: Unit, kind: int) -> None:
    """Each command of the holder, of another registered nexus, and of one that isn't: carried out, or RESERVATION
    CONFLICT."""
    wrong = []
    with disk.login() as holder, disk.login() as registrant, disk.login() as stranger:
        reserve(holder, registrant, kind)
        known = [command for command in commands(holder) if command.opcode != 0x5F]
        for who, session, access in (("holder", holder, True), ("registrant", registrant, kind in REGISTRANTS),
                                     ("stranger", stranger, False)):
            for command in known + VARIANTS:
                status = run(session, command, disk.block_size, command.harmless).status
                if (status != CONFLICT) != is_allowed(command, kind, access):
                    wrong.append(f"{who}, {command.name}: status {status:#x}")
                if command in VARIANTS:
                    run(holder, Command("START", 0x1B, Rule.ALWAYS, scsi.start_stop(True)), 0)
                    run(session, Command("ALLOW", 0x1E, Rule.ALWAYS, scsi.prevent_allow(False)), 0)
    assert not wrong, "\n".join(wrong)


def move_parameters(key: int) -> bytes:
    """REGISTER AND MOVE to another port of this name (SPC-5 6.17.4)."""
    name = b"iqn.2026-01.org.example.test:other,i,0x800000000009\0"
    name = name.ljust((len(name) + 3) // 4 * 4, b"\0")
    return struct.pack(">QQxBHI", key, C, 0, 1, len(name) + 4) + struct.pack(">BxH", 0x45, len(name)) + name


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_persistent_reserve_out(disk: Unit, kind: int) -> None:
    """The service actions (SPC-5, PERSISTENT RESERVE OUT service actions allowed): strangers can only register, and
    a registered nexus that doesn't hold the reservation can neither reserve nor move it."""
    every = kind in ALL_REGISTRANTS
    sark = 0 if every else A  # all registrants: 0 stands for the reservation
    expected = {  # action: key that it is about, and who may of holder, registrant, stranger
        0: (C, (1, 1, 1)), 6: (C, (1, 1, 1)), 1: (0, (1, every, 0)), 2: (0, (1, 1, 0)), 3: (0, (1, 1, 0)),
        4: (sark, (1, 1, 0)), 5: (sark, (1, 1, 0)),
    }
    with disk.login() as holder, disk.login() as registrant, disk.login() as stranger:
        for action, (action_key, may) in expected.items():
            for n, (session, key) in enumerate(((holder, A), (registrant, B), (stranger, 0))):
                reserve(holder, registrant, kind)
                status = out(session, action, key, action_key, kind)
                assert (status != CONFLICT) == bool(may[n]), f"action {action} of number {n}: status {status:#x}"
                out(stranger, 6, 0, 0)
        for session, key in ((registrant, B), (stranger, 0)):
            reserve(holder, registrant, kind)
            data = move_parameters(key)
            session.clear_attentions()
            result = session.execute(scsi.persistent_out(7, length=len(data)), data_out=data)
            assert result.status == CONFLICT, str(result)


# -- RESERVE


# SPC-2 table 9 and SBC-2 table 12: what runs beside another initiator's reservation.
BESIDE_RESERVE = {"REQUEST SENSE", "INQUIRY", "REPORT LUNS", "RELEASE(6)", "RELEASE(10)", "READ CAPACITY(10)",
                  "READ CAPACITY(16)", "PREVENT ALLOW MEDIUM REMOVAL, allow"}


@pytest.mark.alone
@pytest.mark.parametrize("opcode", [0x16, 0x56], ids=["RESERVE6", "RESERVE10"])
def test_reserve(disk: Unit, opcode: int) -> None:
    """Another nexus gets RESERVATION CONFLICT but for what tells who and what is there; the holder doesn't, but for
    persistent reservations, which go with no other kind."""
    wrong = []
    with disk.login() as holder, disk.login() as other:
        known = commands(holder)
        assert holder.execute(bytes([opcode]) + bytes(5 if opcode == 0x16 else 9)).good
        for command in known + VARIANTS:
            conflicts = run(other, command, disk.block_size, command.harmless).status == CONFLICT
            persistent = command.opcode in (0x5E, 0x5F)
            if conflicts and command.name in BESIDE_RESERVE:
                wrong.append(f"{command.name}: a conflict")
            if not conflicts and (persistent or command.rule in (Rule.READS, Rule.WRITES) or "RESERVE(" in command.name):
                wrong.append(f"{command.name}: no conflict")
        for command in known:
            if command.opcode in (0x17, 0x57):
                continue  # would end it
            conflicts = run(holder, command, disk.block_size, command.harmless).status == CONFLICT
            if conflicts != (command.opcode in (0x5E, 0x5F)):
                wrong.append(f"{command.name} of the holder: {'a' if conflicts else 'no'} conflict")
    assert not wrong, "\n".join(wrong)
