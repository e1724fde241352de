# SPDX-License-Identifier: MIT
"""Asymmetric logical unit access (SPC-5 5.15.2, 6.36, 6.45): a target with a port in another state than the other."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness import cu
from harness.allow import AllowList
from harness.daemon import Daemon
from harness.modules import Variant
from harness.portals import Portals
from harness.raw import pattern, read_block
from harness.sg import Sg
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key, Status
from iscsi.session import Session
from iscsi.task import Result

PORT = 2
OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING = 0, 1, 2, 3, 0xE, 0xF
NAMES = {OPTIMIZED: "active/optimized", NON_OPTIMIZED: "active/non-optimized", STANDBY: "standby",
         UNAVAILABLE: "unavailable", OFFLINE: "offline", TRANSITIONING: "transitioning"}
# What a command is refused with: NOT READY, and
REFUSAL = {STANDBY: 0x040B, UNAVAILABLE: 0x040C, OFFLINE: 0x0412, TRANSITIONING: 0x040A}
STATE_CHANGED, INQUIRY_CHANGED, SET_FAILED = 0x2A06, 0x3F03, 0x670A

# The lists of 5.15.2: commands by operation code and service action that run in such a state if they do at all;
# those in the second row by leave of "the device server may support other commands".
IN_ANY_STATE = {(0x12, 0), (0xA0, 0), (0x03, 0), (0xA3, 0x0A)}
IN_UNAVAILABLE = IN_ANY_STATE | {(0xA4, 0x0A)} | {(0xA3, 0x0C), (0xA3, 0x0D)}
IN_STANDBY = IN_UNAVAILABLE | {(0x4C, 0), (0x4D, 0), (0x15, 0), (0x55, 0), (0x1A, 0), (0x5A, 0), (0x1C, 0), (0x1D, 0)}
ALLOWED = {STANDBY: IN_STANDBY, UNAVAILABLE: IN_UNAVAILABLE, OFFLINE: IN_UNAVAILABLE, TRANSITIONING: IN_ANY_STATE}
PERSISTENT_RESERVE = (0x5E, 0x5F)  # with any service action, in standby
BY_MODE = (0x3B, 0x3C)  # READ and WRITE BUFFER: the echo buffer's modes only


def is_allowed(state: int, opcode: int, action: int) -> bool:
    if state == STANDBY and opcode in PERSISTENT_RESERVE:
        return True
    return (opcode, action) in ALLOWED[state]


@dataclass
class Paths:
    """A unit with a session through port 1 and one through port 2, and the operator's hand on them."""

    daemon: Daemon
    unit: Unit
    far_unit: Unit
    near: Session
    far: Session

    def update(self, *words: str) -> None:
        self.daemon.do("--op", "update", "--mode", "target", "--tid", str(self.unit.tid), *words)

    def set(self, state: int, *, port: int = PORT, quietly: bool = True) -> None:
        """The operator gives a port another state; unit attentions are taken unless a test wants to see them."""
        self.update("--params", f"tpg={port},state={NAMES[state]}")
        if quietly:
            self.take_attentions()

    def allow(self, value: str = "explicit") -> None:
        self.update("--name", "tpgs", "--value", value)
        self.take_attentions()

    def take_attentions(self) -> None:
        for session in (self.near, self.far):
            for lun in (0, self.unit.lun):
                while take_attention(session, lun):
                    pass


def take_attention(session: Session, lun: int | None = None) -> int:
    """The unit attention that REQUEST SENSE finds, which goes by that; 0: none."""
    sense = scsi.parse_sense(session.execute(scsi.request_sense(), lun=lun, read=252).data)
    return sense.asc if sense is not None and sense.key == Key.UNIT_ATTENTION else 0


@pytest.fixture
def paths(disk: Unit, daemon: Daemon, portals: Portals) -> Iterator[Paths]:
    far_unit = portals.reach(disk, PORT)
    with disk.login() as near, far_unit.login() as far:
        found = Paths(daemon, disk, far_unit, near, far)
        found.take_attentions()
        yield found


def refused_with(result: Result) -> int:
    """The additional sense code of a NOT READY; 0: it ended otherwise."""
    return result.sense.asc if result.sense is not None and result.sense.key == Key.NOT_READY else 0


def ready(session: Session) -> int:
    return refused_with(session.execute(bytes(6)))


# -- which commands run in which state


def supported(session: Session, lun: int) -> list[tuple[int, int, int, bool]]:
    """REPORT SUPPORTED OPERATION CODES: operation code, service action, CDB length, whether there are actions."""
    data = session.execute(scsi.report_opcodes(length=32768), lun=lun, read=32768).data
    rows = [struct.unpack_from(">BxHxBH", data, at) for at in range(4, len(data), 8)]
    return [(opcode, action, length, bool(flags & 1)) for opcode, action, flags, length in rows]


def send(session: Session, lun: int, row: tuple[int, int, int, bool]) -> Result:
    """The command with a CDB that is zero but for the operation code and service action."""
    opcode, action, length, has_action = row
    cdb = bytearray(length)
    cdb[0] = opcode
    if opcode == 0x7F:
        struct.pack_into(">H", cdb, 8, action)
        cdb[7] = length - 8
    elif has_action:
        cdb[1] = action
    ahs = struct.pack(">HBx", length - 15, 1) + bytes(cdb[16:]) if length > 16 else b""
    return session.execute(bytes(cdb[:16]), lun=lun, ahs=ahs)


@pytest.mark.parametrize("state", [STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING], ids=NAMES.__getitem__)
def test_every_command(paths: Paths, state: int) -> None:
    """Each command that the unit says it has either runs in the state, or ends with its additional sense code."""
    paths.allow()
    rows = {lun: supported(paths.near, lun) for lun in (0, paths.unit.lun)}
    assert {(0x28, 0), (0x2A, 0), (0xA4, 0x0A)} <= {(row[0], row[1]) for row in rows[paths.unit.lun]}
    paths.set(state)
    wrong = []
    for lun, commands in rows.items():
        for row in commands:
            result = send(paths.far, lun, row)
            wanted = 0 if is_allowed(state, *row[:2]) else REFUSAL[state]
            got = refused_with(result)
            if got != wanted and row[0] not in BY_MODE:
                wrong.append(f"LUN {lun}, {row[0]:02x}/{row[1]:02x}: {result}")
    assert not wrong, "\n".join(wrong)
    assert ready(paths.near) == 0, "the other port is as it was"


def test_buffers_in_standby(paths: Paths) -> None:
    """READ and WRITE BUFFER run with the echo buffer's modes, and with no other (5.15.2)."""
    paths.set(STANDBY)
    ready(paths.far)
    for mode, wanted in ((0x0A, 0), (0x0B, 0), (0x02, REFUSAL[STANDBY]), (0x03, REFUSAL[STANDBY])):
        read = bytes([0x3C, mode]) + bytes(6) + bytes([4, 0])
        write = bytes([0x3B, mode]) + bytes(6) + bytes([4, 0])
        if mode in (0x0A, 0x02):
            assert refused_with(paths.far.execute(write, data_out=b"echo")) == wanted, hex(mode)
        assert refused_with(result := paths.far.execute(read, read=4)) == wanted, f"{mode:#x}: {result}"
    assert paths.far.execute(bytes([0x3C, 0x0A]) + bytes(6) + bytes([4, 0]), read=4).data == b"echo"


@pytest.mark.parametrize("state", [OPTIMIZED, NON_OPTIMIZED], ids=NAMES.__getitem__)
def test_active_states(paths: Paths, state: int) -> None:
    """Both active states run all commands (5.15.2)."""
    paths.set(state)
    data = pattern(paths.unit.block_size)
    assert paths.far.execute(scsi.write10(3, 1), data_out=data).good
    assert read_block(paths.near, paths.unit, 3) == data


def test_no_unit_is_there_in_any_state(paths: Paths) -> None:
    """A LUN without logical unit has no access state."""
    paths.set(UNAVAILABLE)
    assert paths.far.execute(scsi.inquiry(), lun=77, read=255).data[0] == 0x7F
    assert paths.far.execute(bytes(6), lun=77).sense.asc == scsi.LUN_NOT_SUPPORTED


def test_request_sense_tells(paths: Paths) -> None:
    """Pollable sense data (5.12): the state, without a command that fails."""
    paths.set(STANDBY)
    sense = scsi.parse_sense(paths.far.execute(scsi.request_sense(), read=252).data)
    assert (sense.key, sense.asc) == (Key.NOT_READY, REFUSAL[STANDBY])
    assert take_attention(paths.near) == 0


@pytest.mark.smoke
def test_standby_and_back(paths: Paths) -> None:
    """What is refused has no effect, and works again in the active state."""
    before, data = read_block(paths.near, paths.unit, 7), pattern(paths.unit.block_size)
    paths.set(STANDBY)
    assert refused_with(paths.far.execute(scsi.write10(7, 1), data_out=data)) == REFUSAL[STANDBY]
    assert read_block(paths.near, paths.unit, 7) == before
    paths.set(OPTIMIZED)
    assert paths.far.execute(scsi.write10(7, 1), data_out=data).good
    assert read_block(paths.near, paths.unit, 7) == data


def test_states_are_of_one_target(paths: Paths, new_unit: Callable[..., Unit], one: Variant) -> None:
    """Another target by the same port isn't concerned."""
    other = new_unit(one, size=64 << 20)
    paths.set(UNAVAILABLE)
    with replace(other, port=paths.far_unit.port).login() as session:
        assert ready(session) == 0


def test_all_units_of_the_target(paths: Paths, new_unit: Callable[..., Unit], one: Variant) -> None:
    """A later logical unit, and a later session, find the state as it is."""
    paths.set(STANDBY)
    with paths.far_unit.login() as session:
        assert ready(session) == REFUSAL[STANDBY]
    with paths.unit.login() as session:
        assert ready(session) == 0


# -- reservations in standby


def test_reservations_in_standby(paths: Paths) -> None:
    """A nexus registers and reserves through a port in standby (5.15.2), and others are kept from writing."""
    paths.set(STANDBY)
    parameters = scsi.persistent_parameters
    assert paths.far.execute(scsi.persistent_out(0), data_out=parameters(0, 0xF)).good
    assert paths.far.execute(scsi.persistent_out(1, 1), data_out=parameters(0xF)).good
    assert paths.near.execute(scsi.write10(0, 1), data_out=bytes(512)).status == Status.RESERVATION_CONFLICT
    assert ready(paths.far) == REFUSAL[STANDBY]
    assert paths.far.execute(scsi.persistent_out(3), data_out=parameters(0xF)).good


def test_conflict_comes_before_the_state(paths: Paths) -> None:
    """RESERVATION CONFLICT comes before any CHECK CONDITION (SAM-5 5.3.3)."""
    assert paths.near.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, 0xF)).good
    assert paths.near.execute(scsi.persistent_out(1, 3), data_out=scsi.persistent_parameters(0xF)).good
    paths.set(STANDBY)
    assert paths.far.execute(scsi.read10(0, 1), read=512).status == Status.RESERVATION_CONFLICT


# -- unit attentions


def test_the_operator_tells_all(paths: Paths) -> None:
    """An implicit change is told to every nexus of the target (5.15.2), on each unit, once."""
    paths.set(NON_OPTIMIZED, quietly=False)
    for session in (paths.near, paths.far):
        for lun in (0, paths.unit.lun):
            assert session.execute(bytes(6), lun=lun).sense.asc == STATE_CHANGED
            assert session.execute(bytes(6), lun=lun).good
    paths.set(NON_OPTIMIZED, quietly=False)
    assert ready(paths.near) == 0 and paths.near.execute(bytes(6)).good, "nothing has changed"


def test_an_attention_comes_before_the_state(paths: Paths) -> None:
    """The initiator hears that the state has changed before a command is refused for it (SAM-5 5.14)."""
    paths.set(STANDBY, quietly=False)
    assert paths.far.execute(scsi.read10(0, 1), read=512).sense.asc == STATE_CHANGED
    assert ready(paths.far) == REFUSAL[STANDBY]


def test_preferred_is_told(paths: Paths) -> None:
    """PREF is set, and its change told."""
    paths.update("--params", f"tpg={PORT},preferred=1")
    assert paths.near.execute(bytes(6)).sense.asc == STATE_CHANGED
    assert [(row.preferred, row.state) for row in groups(paths.near)] == [(False, OPTIMIZED), (True, OPTIMIZED)]


# -- REPORT TARGET PORT GROUPS


@dataclass
class Group:
    preferred: bool
    state: int
    supported: int
    number: int
    status: int
    ports: list[int]


def report(session: Session, length: int = 4096, extended: bool = False) -> bytes:
    cdb = struct.pack(">BB4xI2x", 0xA3, 0x0A | (0x20 if extended else 0), length)
    result = session.execute(cdb, read=length)
    assert result.good, str(result)
    return result.data


def groups(session: Session) -> list[Group]:
    data, out, at = report(session), [], 4
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    while at < len(data):
        first, states, number, status, count = struct.unpack_from(">BBHxBxB", data, at)
        ports = [struct.unpack_from(">2xH", data, at + 8 + 4 * n)[0] for n in range(count)]
        out.append(Group(bool(first & 0x80), first & 15, states, number, status, ports))
        at += 8 + 4 * count
    return out


def test_report(paths: Paths) -> None:
    """All groups with their states, through whichever port, in whichever state (6.36)."""
    for state in NAMES:
        paths.set(state)
        for session in (paths.near, paths.far):
            found = groups(session)
            assert [(g.number, g.state, g.ports) for g in found] == [(1, OPTIMIZED, [1]), (PORT, state, [PORT])]
            assert all(g.supported == 0xCF for g in found), "T, O, U, S, AN, AO"
    assert [g.status for g in groups(paths.near)] == [0, 2], "altered by implicit behaviour"


def test_report_lengths(paths: Paths) -> None:
    """The allocation length cuts, and says nothing of what there is (4.2.5.6)."""
    whole = report(paths.near)
    for length in (0, 1, 4, 11, len(whole) - 1, len(whole)):
        assert report(paths.near, length) == whole[:length]


def test_extended_header(paths: Paths) -> None:
    """PARAMETER DATA FORMAT 001b has the implicit transition time; what is reserved is refused."""
    paths.update("--name", "transition_time", "--value", "42")
    whole, plain = report(paths.near, extended=True), report(paths.near)
    assert whole[:8] == struct.pack(">IBBxx", len(whole) - 4, 0x10, 42)
    assert whole[8:] == plain[4:]
    for data_format in range(2, 8):
        result = paths.near.execute(struct.pack(">BB4xI2x", 0xA3, 0x0A | data_format << 5, 4096), read=4096)
        assert result.sense.asc == scsi.INVALID_FIELD_IN_CDB


# -- SET TARGET PORT GROUPS


def set_groups(session: Session, *wishes: tuple[int, int], length: int | None = None) -> Result:
    """SET TARGET PORT GROUPS with (state, group) descriptors."""
    data = bytes(4) + b"".join(struct.pack(">BxH", *wish) for wish in wishes)
    cdb = struct.pack(">BB4xI2x", 0xA4, 0x0A, len(data) if length is None else length)
    return session.execute(cdb, data_out=data)


def test_implicit_only(paths: Paths) -> None:
    """By default the operator alone changes states: TPGS is 01b, and there is no SET TARGET PORT GROUPS."""
    assert paths.near.execute(scsi.inquiry(), read=255).data[5] & 0x30 == 0x10
    assert set_groups(paths.near, (STANDBY, PORT)).sense.asc == scsi.INVALID_FIELD_IN_CDB
    assert (0xA4, 0x0A) not in {row[:2] for row in supported(paths.near, paths.unit.lun)}


def test_explicit_is_told(paths: Paths) -> None:
    """TPGS 11b is other INQUIRY data (6.7.1)."""
    paths.update("--name", "tpgs", "--value", "explicit")
    assert paths.near.execute(bytes(6)).sense.asc == INQUIRY_CHANGED
    assert paths.near.execute(scsi.inquiry(), read=255).data[5] & 0x30 == 0x30


def test_set(paths: Paths) -> None:
    """The states change; all nexuses but the one that asked are told (5.15.2)."""
    paths.allow()
    assert set_groups(paths.near, (STANDBY, PORT), (NON_OPTIMIZED, 1)).good
    assert take_attention(paths.near) == 0
    assert take_attention(paths.far) == STATE_CHANGED
    assert [(g.state, g.status) for g in groups(paths.near)] == [(NON_OPTIMIZED, 1), (STANDBY, 1)]
    assert ready(paths.far) == REFUSAL[STANDBY]
    assert set_groups(paths.far, (OPTIMIZED, PORT)).good, "through the port in standby"
    assert ready(paths.far) == 0


def test_set_what_is_already(paths: Paths) -> None:
    """Nothing changes, so nothing is told; an empty list is no error (6.45)."""
    paths.allow()
    assert set_groups(paths.near, (OPTIMIZED, PORT)).good
    assert set_groups(paths.near).good
    assert paths.near.execute(struct.pack(">BB10x", 0xA4, 0x0A)).good
    assert take_attention(paths.far) == 0
    assert [g.status for g in groups(paths.near)] == [0, 0]


@pytest.mark.parametrize(("wishes", "at"), [
    ([(4, PORT)], 4), ([(0xD, PORT)], 4), ([(OFFLINE, PORT)], 4), ([(TRANSITIONING, PORT)], 4), ([(0x10, PORT)], 4),
    ([(STANDBY, 3)], 6), ([(STANDBY, 0)], 6), ([(STANDBY, PORT), (OPTIMIZED, PORT)], 10), ([(STANDBY, 1), (5, PORT)], 8)])
def test_set_nonsense(paths: Paths, wishes: list[tuple[int, int]], at: int) -> None:
    """States that can't be asked for, groups that aren't there or come twice: nothing changes at all (6.45)."""
    paths.allow()
    sense = set_groups(paths.near, *wishes).sense
    assert (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, scsi.INVALID_FIELD_IN_PARAMETERS)
    assert sense.field_pointer == at and sense.field_in_cdb is False
    assert [g.state for g in groups(paths.near)] == [OPTIMIZED, OPTIMIZED]
    assert take_attention(paths.far) == 0


@pytest.mark.parametrize("length", [1, 3, 5, 7, 0x10000])
def test_set_lengths(paths: Paths, length: int) -> None:
    """A length that no list has is a field of the CDB (6.45)."""
    paths.allow()
    sense = set_groups(paths.near, (STANDBY, PORT), length=length).sense
    assert (sense.asc, sense.field_pointer) == (scsi.INVALID_FIELD_IN_CDB, 6)
    assert groups(paths.near)[1].state == OPTIMIZED


@pytest.mark.parametrize("state", [OFFLINE, TRANSITIONING], ids=NAMES.__getitem__)
def test_set_against_the_operator(paths: Paths, state: int) -> None:
    """A port that is down, or on its way, is not brought back by an initiator: the command fails (6.45)."""
    paths.allow()
    paths.set(state)
    sense = set_groups(paths.near, (OPTIMIZED, PORT)).sense
    assert (sense.key, sense.asc) == (Key.HARDWARE_ERROR, SET_FAILED)
    assert groups(paths.near)[1].state == state


def test_set_conflicts(paths: Paths) -> None:
    """Who isn't registered can't change states under another's reservation (SPC-5 table of 5.14.1)."""
    paths.allow()
    assert paths.near.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, 0xF)).good
    assert paths.near.execute(scsi.persistent_out(1, 5), data_out=scsi.persistent_parameters(0xF)).good
    assert set_groups(paths.far, (STANDBY, 1)).status == Status.RESERVATION_CONFLICT
    assert set_groups(paths.near, (STANDBY, PORT)).good


# -- while commands run


def test_nothing_lands_after_standby(paths: Paths) -> None:
    """When the change is answered, no write through the port has any more effect, however many were under way."""
    size = paths.unit.block_size
    stop, sent = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            tasks = [paths.far.start(scsi.write16(n, 1), data_out=len(sent).to_bytes(4, "big") * (size // 4))
                     for n in range(16)]
            sent.append([paths.far.wait(task) for task in tasks])

    def wait_for_turns(count: int) -> None:
        wanted, deadline = len(sent) + count, time.monotonic() + 30
        while len(sent) < wanted:
            assert writer.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)

    for _ in range(5):
        stop.clear()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_for_turns(5)
            paths.update("--params", f"tpg={PORT},state=standby")
            after = read_blocks(paths.near, size)
            wait_for_turns(2)
        finally:
            stop.set()
            writer.join()
        assert all(refused_with(result) == REFUSAL[STANDBY] for result in sent[-1])
        assert read_blocks(paths.near, size) == after, "a write has landed after the change"
        paths.set(OPTIMIZED)


def read_blocks(session: Session, size: int) -> bytes:
    session.clear_attentions()
    result = session.execute(scsi.read16(0, 16), read=16 * size)
    assert result.good
    return result.data


def test_initiators_take_turns(paths: Paths) -> None:
    """Two that change states against each other, and a third that writes, all get on."""
    paths.allow()
    for turn in range(20):
        state = STANDBY if turn % 2 else NON_OPTIMIZED
        tasks = [(session, session.start(struct.pack(">BB4xI2x", 0xA4, 0x0A, 8),
                                         data_out=bytes(4) + struct.pack(">BxH", state, group), lun=lun))
                 for session, group in ((paths.near, PORT), (paths.far, 1)) for lun in (0, paths.unit.lun)]
        results = [session.wait(task) for session, task in tasks]
        assert all(r.good or r.sense.key == Key.UNIT_ATTENTION for r in results), [str(r) for r in results]
        paths.take_attentions()
    assert set_groups(paths.near, (OPTIMIZED, 1), (OPTIMIZED, PORT)).good
    assert ready(paths.near) == 0


# -- sg3_utils


def test_sg_rtpg_and_sg_stpg(paths: Paths, shim_file: Path) -> None:
    """What sg_stpg sets, sg_rtpg shows."""
    sg = Sg(shim_file, paths.unit)
    paths.allow()
    paths.update("--name", "transition_time", "--value", "17")
    sg("sg_stpg", "--tp=1,2", "--state=ao,s")
    shown = sg("sg_rtpg", "--decode", "--extended")
    text = shown.out
    assert "Implicit transition time: 17" in text, str(shown)
    first, second = text.split("target port group id")[1:3]
    assert "active/optimized" in first and "standby" in second, str(shown)
    sg("sg_stpg", "--tp=2", "--active")
    assert "standby" not in sg("sg_rtpg", "--decode").out.split("status code")[1].split("Relative")[0]
    assert ready(paths.far) == 0


# -- libiscsi's tests through two groups


@pytest.fixture
def two_groups(disk: Unit, daemon: Daemon, portals: Portals) -> tuple[Unit, Unit]:
    """The unit through a port that is active/optimized and one that is active/non-optimized."""
    far = portals.reach(disk, PORT)
    daemon.do("--op", "update", "--mode", "target", "--tid", str(disk.tid), "--params",
              f"tpg={PORT},state=active/non-optimized")
    return disk, far


FAMILIES = ("MultipathIO", "Prin", "Prout", "ReportSupportedOpcodes")
CU_TESTS = [name for name in cu.tests() if name.split(".")[1].startswith(FAMILIES)]


@pytest.mark.parametrize("test", CU_TESTS)
def test_libiscsi(two_groups: tuple[Unit, Unit], test: str, allow: AllowList, one: Variant) -> None:
    """Its tests of several paths and of reservations, with the second path in a group of its own; those that take
    one path go by that one."""
    near, far = two_groups
    if test in cu.WANTS_ZEROES:
        with near.login() as session:
            assert session.execute(scsi.write16(0, 512), data_out=bytes(512 * near.block_size)).good
    outcome = cu.run_test(test, far.url, other=near.url)
    if outcome.kind == "passed":
        return
    entry = allow.find(test, one.facts(), outcome.kind, outcome.text)
    if entry is None:
        pytest.fail(f"{outcome.kind}: {outcome.text}\n{outcome.output[-3000:]}", pytrace=False)
