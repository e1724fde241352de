# SPDX-License-Identifier: MIT
"""Task management with hundreds of commands in flight on a slow store, from sessions on several event loops
(RFC 7143 clause 4.2.3, RFC 7144; SAM-5 clauses 5 to 7): who is answered, who isn't, who is told, and what lands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from harness.load import DEPTH, Load, assert_holds, overwrite, widen
from harness.modules import Plan
from harness.options import Settings
from harness.wild import Hanging, Wild, disk_of
from iscsi import scsi
from iscsi.connection import Closed
from iscsi.pdu import Op, TaskFunction, TaskResponse
from iscsi.session import SIMPLE, WRITE, Session

COMPLETE, SUCCEEDED = TaskResponse.COMPLETE, TaskResponse.SUCCEEDED
SESSIONS = 4
LEVEL_2 = {"iSCSIProtocolLevel": "2"}
RESET, NEXUS_LOSS, CLEARED, REGISTRATIONS_PREEMPTED = 0x2903, 0x2907, 0x2F00, 0x2A05
OWN_ONLY = [TaskFunction.ABORT_TASK_SET, TaskFunction.CLEAR_TASK_SET, TaskFunction.I_T_NEXUS_RESET]
RESETS = [TaskFunction.LOGICAL_UNIT_RESET, TaskFunction.TARGET_WARM_RESET]


@pytest.fixture(scope="module")
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), threads=SESSIONS)
    yield made
    made.close()


class Field:
    """A unit on the slow store, and sessions whose windows are open."""

    def __init__(self, wild: Wild, stack: ExitStack) -> None:
        self.slow: Hanging = wild.hanging(size=4 << 20)
        self.sessions = [stack.enter_context(self.slow.unit.login(keys=LEVEL_2)) for _ in range(SESSIONS)]
        for session in self.sessions:
            widen(session)
        self.loads: list[Load] = []

    def load(self, depth: int = DEPTH, held: bool = True, lun: int | None = None) -> list[Load]:
        """Three writes to a read, from every session; back when all are in the store (or have been)."""
        before = self.slow.count("done")
        base = SESSIONS * DEPTH * len(self.loads)
        made = [Load(session, f"s{n}", base + n * DEPTH, lun) for n, session in enumerate(self.sessions)]
        for load in made:
            load.start(depth, writes=lambda n: n % 4 != 3)
        self.loads += made
        if held and lun is None:
            self.slow.wait_held(SESSIONS * depth)
        assert not held or self.slow.count("done") == before
        return made


@pytest.fixture
def field(wild: Wild) -> Iterator[Field]:
    with ExitStack() as stack:
        made = Field(wild, stack)
        yield made
        made.slow.tell("go")
    made.slow.target.delete()


def attentions(session: Session, lun: int | None = None) -> list[int]:
    """The unit attentions that are pending, taken."""
    found = []
    while True:
        result = session.execute(scsi.test_unit_ready(), lun=lun)
        if result.good:
            return found
        assert result.sense is not None and result.sense.key == scsi.Key.UNIT_ATTENTION, str(result)
        found.append(result.sense.asc)


def spread(field: Field) -> None:
    """Until what a session has asked for is known on all event loops: each has turned a few times since."""
    for _ in range(4):
        for session in field.sessions:
            session.nop(immediate=True)


def assert_nothing_lands(field: Field, loads: list[Load]) -> None:
    """What is written after the function's answer stays: no aborted write is still under way."""
    with field.slow.unit.login() as session:
        overwrite(session, loads, "after")
        time.sleep(0.1)
        assert_holds(session, loads, "after")


def set_tas(session: Session, on: bool) -> None:
    page = session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data
    data = bytearray(bytes(4) + page[4:])
    data[4] &= 0x3F
    data[9] = (data[9] & ~0x40) | (0x40 if on else 0)
    result = session.execute(scsi.mode_select6(len(data)), data_out=bytes(data))
    assert result.good, str(result)


# -- nothing is aborted


@pytest.mark.parametrize("order", ["fifo", "lifo", "random"])
def test_everything_is_answered_once(field: Field, order: str) -> None:
    """In whatever order the store ends them: one answer a command, with its data, and the window opens again."""
    field.slow.tell(f"order {order}")
    field.slow.tell("hold")
    loads = field.load()
    field.slow.tell("go")
    for load in loads:
        load.assert_all_good()
        load.assert_window()
        for command in load.commands:
            assert command.data or command.task.result.data == bytes(512)  # type: ignore[union-attr]


def test_queries(field: Field) -> None:
    """QUERY TASK and QUERY TASK SET succeed while there are tasks, QUERY ASYNCHRONOUS EVENT tells of none; none of
    them changes anything."""
    field.slow.tell("hold")
    loads = field.load()
    for load in loads:
        for command in load.commands[::16]:
            tag = load.ask(TaskFunction.QUERY_TASK, command.task.itt, command.cmdsn)
            assert load.answer(tag) == SUCCEEDED
        assert load.session.manage(TaskFunction.QUERY_TASK_SET) == SUCCEEDED
        assert load.session.manage(TaskFunction.QUERY_ASYNCHRONOUS_EVENT) == COMPLETE
        assert load.session.manage(TaskFunction.CLEAR_ACA) == COMPLETE
    field.slow.tell("go")
    for load in loads:
        load.assert_all_good()
        assert load.session.manage(TaskFunction.QUERY_TASK_SET) == COMPLETE
        command = load.commands[0]
        tag = load.ask(TaskFunction.QUERY_TASK, command.task.itt, command.cmdsn)
        assert load.answer(tag) == COMPLETE


# -- a nexus's own tasks


@pytest.mark.parametrize("cancel", ["on", "off"])
def test_abort_task(field: Field, cancel: str) -> None:
    """Every second command of every session is aborted, one by one.  What is not is answered; a function is answered
    when the store has given the command back."""
    field.slow.tell("hold")
    field.slow.tell(f"cancel {cancel}")
    loads = field.load()
    tags = {load.name: [load.ask(TaskFunction.ABORT_TASK, command.task.itt, command.cmdsn)
                        for command in load.commands[:100:2]] for load in loads}
    spread(field)
    if cancel == "off":
        assert not any(load.has_answer(tag) for load in loads for tag in tags[load.name])
    field.slow.tell("order lifo")
    field.slow.tell("go")
    for load in loads:
        assert {load.answer(tag) for tag in tags[load.name]} == {COMPLETE}
        aborted = load.commands[:100:2]
        rest = [command for command in load.commands if command not in aborted]
        load.pump(lambda rest=rest: all(command.task.result for command in rest))  # type: ignore[misc]
        load.settle()
        assert load.statuses() == {scsi.Status.GOOD} and len(load.answered) == len(rest)
        load.assert_window()
        assert attentions(load.session) == []
    assert_nothing_lands(field, loads)


@pytest.mark.parametrize("function", OWN_ONLY, ids=lambda f: f.name)
def test_own_task_set(field: Field, function: TaskFunction) -> None:
    """The tasks of the nexus are gone without an answer; those of the others, with TST = 001b, aren't touched, and
    nobody else is told (SAM-5, ABORT TASK SET, CLEAR TASK SET, I_T NEXUS RESET)."""
    field.slow.tell("hold")
    mine, *others = field.load()
    tag = mine.ask(function)
    assert not mine.has_answer(tag)
    field.slow.tell("order random")
    field.slow.tell("go")
    assert mine.answer(tag) == COMPLETE
    mine.assert_none_answered()
    mine.assert_window()
    assert attentions(mine.session) == ([NEXUS_LOSS] if function == TaskFunction.I_T_NEXUS_RESET else [])
    for load in others:
        load.assert_all_good()
        load.assert_window()
        assert attentions(load.session) == []
    assert_nothing_lands(field, [mine])


def test_nexus_reset_reaches_all_units(field: Field, wild: Wild) -> None:
    """I_T NEXUS RESET ends the nexus's commands on every logical unit, and waits for all of them."""
    other = wild.hanging(field.slow.target, lun=2, size=4 << 20)
    for session in field.sessions:
        session.clear_attentions(1)
        session.clear_attentions(2)
    field.slow.tell("hold")
    other.tell("hold")
    mine = field.load(32)[0]
    more = Load(field.sessions[0], "two", 0, lun=2).start(32)
    other.wait_held(32)
    tag = mine.ask(TaskFunction.I_T_NEXUS_RESET)
    mine.settle()
    field.slow.tell("go")
    assert not mine.has_answer(tag)
    other.tell("go")
    assert mine.answer(tag) == COMPLETE
    mine.assert_none_answered()
    more.assert_none_answered()
    mine.assert_window()
    assert attentions(mine.session, 1) == attentions(mine.session, 2) == [NEXUS_LOSS]
    for load in field.loads[1:]:
        load.assert_all_good()


# -- everybody's tasks


@pytest.mark.parametrize("function", RESETS, ids=lambda f: f.name)
@pytest.mark.parametrize("cancel", ["on", "off"])
def test_reset(field: Field, function: TaskFunction, cancel: str) -> None:
    """All tasks of all nexuses are gone, without an answer (TAS = 0), each nexus is told once, and the function is
    answered when the store has given all of them back (SAM-5 6.3.3)."""
    field.slow.tell("hold")
    field.slow.tell(f"cancel {cancel}")
    mine, *others = field.load()
    tag = mine.ask(function)
    spread(field)
    if cancel == "off":
        assert not mine.has_answer(tag)
        field.slow.tell("go")
    assert mine.answer(tag) == COMPLETE
    field.slow.tell("go")
    for load in [mine, *others]:
        load.assert_none_answered()
        load.assert_window()
        assert attentions(load.session) == [RESET]
    assert_nothing_lands(field, [mine, *others])


def test_reset_of_one_unit_leaves_the_other_alone(field: Field, wild: Wild) -> None:
    """LOGICAL UNIT RESET is about its unit: the commands on another one are answered."""
    other = wild.hanging(field.slow.target, lun=2, size=4 << 20)
    for session in field.sessions:
        session.clear_attentions(1)
        session.clear_attentions(2)
    field.slow.tell("hold")
    other.tell("hold")
    here = field.load(48)
    there = [Load(session, f"two{n}", n * DEPTH, lun=2).start(48) for n, session in enumerate(field.sessions)]
    other.wait_held(SESSIONS * 48)
    tag = here[0].ask(TaskFunction.LOGICAL_UNIT_RESET)
    spread(field)
    field.slow.tell("go")
    assert here[0].answer(tag) == COMPLETE
    for load in here:
        load.assert_none_answered()
    other.tell("go")
    for load in there:
        load.assert_all_good()
        load.assert_window()
        assert attentions(load.session, 2) == []
        assert attentions(load.session, 1) == [RESET]


def test_cold_reset(field: Field) -> None:
    """TARGET COLD RESET: all of it, and then all sessions of the target end (RFC 7143 clause 11.5.1)."""
    field.slow.tell("hold")
    mine, *others = field.load()
    tag = mine.ask(TaskFunction.TARGET_COLD_RESET)
    spread(field)
    field.slow.tell("go")
    try:
        assert mine.answer(tag) == COMPLETE
    except Closed:
        pass
    for load in [mine, *others]:
        assert load.session.connection.is_closed()
        assert not load.answered
    assert_nothing_lands(field, [mine, *others])


@pytest.mark.parametrize("function", RESETS, ids=lambda f: f.name)
def test_reset_with_tas(field: Field, function: TaskFunction) -> None:
    """TAS = 1: a command that another nexus's function aborted ends with TASK ABORTED; those of the nexus that asked
    get no answer (SPC-5 Control mode page, SAM-5 5.3.1)."""
    set_tas(field.sessions[0], True)
    for session in field.sessions:
        session.clear_attentions()
    field.slow.tell("hold")
    mine, *others = field.load()
    tag = mine.ask(function)
    spread(field)
    field.slow.tell("go")
    assert mine.answer(tag) == COMPLETE
    mine.assert_none_answered()
    for load in others:
        load.wait_all()
        load.settle()
        assert load.statuses() == {scsi.Status.TASK_ABORTED}
        assert not any(command.task.result.sense_bytes for command in load.answered if command.task.result)
    for load in [mine, *others]:
        load.assert_window()
        assert attentions(load.session) == [RESET]
    assert_nothing_lands(field, [mine, *others])


@pytest.mark.parametrize("tas", [False, True], ids=["tas0", "tas1"])
def test_reset_of_writes_that_wait_for_data(field: Field, tas: bool) -> None:
    """What R2Ts have asked for still comes, and is thrown away; with TAS = 1 TASK ABORTED follows it (RFC 7143
    clause 4.2.3.3)."""
    mine, other = field.sessions[:2]
    set_tas(mine, tas)
    for session in field.sessions:
        session.clear_attentions()
    before = b"\x21" * 8 * 512
    assert mine.execute(scsi.write10(64, 8), data_out=before).good
    tasks = [other.start(scsi.write10(64, 8), data_out=b"\x42" * 8 * 512, immediate_length=0,
                         flags=0x80 | WRITE | SIMPLE) for _ in range(16)]
    asked = []
    for _ in tasks:
        pdu = other.connection.recv()
        assert pdu.opcode == Op.R2T
        other.tasks[pdu.itt].check_r2t(pdu)
        asked.append(pdu)
    assert mine.manage(TaskFunction.LOGICAL_UNIT_RESET) == COMPLETE
    other.nop(immediate=True)
    assert not any(task.result for task in tasks), "an answer before the data"
    for pdu in asked:
        other.connection.send(*other.data_pdus(other.tasks[pdu.itt], pdu.buffer_offset, pdu.desired_length, pdu.ttt))
    other.nop(immediate=True)
    assert attentions(other) == [RESET]
    assert [task.result.status if task.result else None for task in tasks] == (
        [scsi.Status.TASK_ABORTED] * 16 if tas else [None] * 16)
    mine.clear_attentions()
    assert mine.execute(scsi.read10(64, 8), read=len(before)).data == before


# -- the unit goes


def test_unit_is_deleted(field: Field, wild: Wild) -> None:
    """Its commands are answered: there is no such unit any more.  Nobody waits for them in vain."""
    field.slow.tell("hold")
    loads = field.load(64)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(wild.daemon.do, "--op", "delete", "--mode", "logicalunit", "--tid",
                               str(field.slow.target.tid), "--lun", "1")
        wild.wait(lambda: any(load.session.execute(scsi.test_unit_ready()).sense for load in loads), "it is gone")
        spread(field)
        field.slow.tell("go")
        for load in loads:
            load.wait_all()
            for command in load.commands:
                sense = command.task.result.sense if command.task.result else None
                assert sense is not None and (sense.key, sense.asc) == (scsi.Key.ILLEGAL_REQUEST, scsi.LUN_NOT_SUPPORTED)
            load.assert_window()
        deleting.result()
    field.slow.make()


# -- reservations


def register(session: Session, key: int) -> None:
    result = session.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, key))
    assert result.good, str(result)


@pytest.mark.parametrize("tas", [False, True], ids=["tas0", "tas1"])
def test_preempt_and_abort(field: Field, tas: bool) -> None:
    """No write of the preempted nexus lands after GOOD: those in the store are waited for, those that come after are
    aborted.  The nexus is told that its registration is gone and, unless each command says so itself (TAS), that its
    commands are (SPC-5, PREEMPT AND ABORT; SAM-5, COMMANDS CLEARED BY ANOTHER INITIATOR).  The others go on."""
    mine, victim, *others = field.sessions
    set_tas(mine, tas)
    for session in field.sessions:
        session.clear_attentions()
    register(mine, 1)
    register(victim, 2)
    field.slow.tell("hold writes")
    before = [Load(session, f"s{n}", n * DEPTH).start(64) for n, session in enumerate(field.sessions) if n]
    field.slow.wait_held(64 * len(before))
    task = mine.start(scsi.persistent_out(5, 5), data_out=scsi.persistent_parameters(1, 2))
    spread(field)
    late = [Load(session, f"t{n}", 1024 + n * DEPTH).start(48) for n, session in enumerate(field.sessions) if n]
    mine.nop()
    assert task.result is None, "the store still has writes of the preempted nexus"
    field.slow.tell("order lifo")
    field.slow.tell("go")
    assert mine.wait(task).good
    overwrite(mine, [before[0], late[0]], "after")
    before[0].assert_all_good()
    late[0].settle()
    if tas:
        assert late[0].statuses() == {scsi.Status.TASK_ABORTED} and len(late[0].answered) == 48
    else:
        late[0].assert_none_answered()
    for load in before[1:] + late[1:]:
        load.assert_all_good()
    expected = [REGISTRATIONS_PREEMPTED] if tas else [CLEARED, REGISTRATIONS_PREEMPTED]
    assert sorted(attentions(victim)) == sorted(expected)
    for session in [mine, *others]:
        assert attentions(session) == []
    before[0].assert_window()
    time.sleep(0.1)
    assert_holds(mine, [before[0], late[0]], "after")
