# SPDX-License-Identifier: MIT
"""Task attributes and ACA on a store that ends requests in any order (SAM-5 clauses 5.9 and 8; TST = 001b, so each
nexus has a task set of its own)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from harness.load import BLOCK, Load, stamp, widen
from harness.modules import Plan
from harness.options import Settings
from harness.wild import Hanging, Wild, disk_of
from iscsi import scsi
from iscsi.pdu import TaskFunction, TaskResponse
from iscsi.session import ACA, HEAD_OF_QUEUE, ORDERED, SIMPLE, Session
from iscsi.task import Task

NACA = 0x04
INVALID_MESSAGE = 0x4900
Status = scsi.Status


@pytest.fixture(scope="module")
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), threads=4)
    yield made
    made.close()


@pytest.fixture
def slow(wild: Wild) -> Iterator[Hanging]:
    made = wild.hanging()
    yield made
    made.tell("go")
    made.target.delete()


def write(session: Session, lba: int, attribute: int = SIMPLE, what: str = "w") -> Task:
    return session.start(scsi.write10(lba, 1), data_out=stamp(what, lba), attribute=attribute)


def good(session: Session, *tasks: Task) -> None:
    for task in tasks:
        result = session.wait(task)
        assert result.good, str(result)


def assert_waits(session: Session, slow: Hanging, held: int) -> None:
    """What was sent is known, and just that many commands are in the store."""
    for _ in range(3):
        session.nop(immediate=True)
    assert slow.count("held") == held


# -- order


def test_simple_ones_run_together(slow: Hanging) -> None:
    with slow.unit.login() as session:
        slow.tell("hold")
        tasks = [write(session, lba) for lba in range(8)]
        assert_waits(session, slow, 8)
        slow.tell("order lifo")
        slow.tell("go")
        good(session, *tasks)


def test_ordered_is_a_barrier(slow: Hanging) -> None:
    """It starts when all older commands have ended, and newer ones start when it has (SAM-5 8.6.3)."""
    with slow.unit.login() as session:
        slow.tell("hold")
        older = [write(session, lba) for lba in range(3)]
        barrier = write(session, 3, ORDERED)
        newer = [write(session, lba) for lba in (4, 5)]
        assert_waits(session, slow, 3)
        slow.tell("step 2")
        assert_waits(session, slow, 1)
        slow.tell("step 1")
        good(session, *older)
        assert_waits(session, slow, 1)
        slow.tell("step 1")
        good(session, barrier)
        assert_waits(session, slow, 2)
        slow.tell("go")
        good(session, *newer)


def test_barriers_of_another_nexus(slow: Hanging) -> None:
    """With a task set for each nexus one's ORDERED command holds up nobody else."""
    with slow.unit.login() as session, slow.unit.login() as other:
        slow.tell("hold")
        tasks = [write(session, 0, ORDERED), write(session, 1)]
        more = [write(other, 2), write(other, 3)]
        session.nop(immediate=True)
        assert_waits(other, slow, 3)
        slow.tell("go")
        good(session, *tasks)
        good(other, *more)


@pytest.mark.parametrize("dormant", [SIMPLE, ORDERED], ids=["simple", "ordered"])
def test_head_of_queue_comes_first(slow: Hanging, dormant: int) -> None:
    """It starts at once; what hasn't started by then waits for it, older or not (SAM-5 8.6.2 to 8.6.4)."""
    with slow.unit.login() as session:
        slow.tell("hold")
        first = write(session, 0, ORDERED)
        waiting = write(session, 1, dormant)
        assert_waits(session, slow, 1)
        head = write(session, 2, HEAD_OF_QUEUE)
        assert_waits(session, slow, 2)
        slow.tell("step 1")
        good(session, first)
        newer = write(session, 3)
        assert_waits(session, slow, 1)
        slow.tell("step 1")
        good(session, head)
        assert_waits(session, slow, 2 if dormant == SIMPLE else 1)
        slow.tell("go")
        good(session, waiting, newer)


def test_heads_of_queue_pass_each_other(slow: Hanging) -> None:
    """They don't wait for one another, so that the last one to come runs, too."""
    with slow.unit.login() as session:
        slow.tell("hold")
        tasks = [write(session, lba, HEAD_OF_QUEUE) for lba in range(3)]
        assert_waits(session, slow, 3)
        slow.tell("go")
        good(session, *tasks)


def attributes(seed: int) -> Callable[[int], int]:
    drawn = random.Random(seed).choices([SIMPLE, ORDERED, HEAD_OF_QUEUE], [8, 2, 1], k=512)
    return lambda n: drawn[n]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_mix_keeps_its_order(slow: Hanging, seed: int) -> None:
    """Random delays, random attributes: the answers come in an order that the attributes allow."""
    attribute = attributes(seed)
    slow.tell("order random")
    slow.tell(f"seed {seed}")
    with slow.unit.login() as session:
        widen(session)
        slow.tell("delay 0 8")
        load = Load(session, "mix", 0).start(attribute=attribute)
        order: dict[int, int] = {}
        while len(order) < len(load.commands):
            load.pump(lambda: len(load.answered) > len(order))
            for n, command in enumerate(load.commands):
                if command.task.result is not None:
                    order.setdefault(n, len(order))
        load.assert_all_good()
        load.assert_window()
    wrong = [(i, j) for j in range(len(load.commands)) for i in range(j)
             if order[i] > order[j] and attribute(j) != HEAD_OF_QUEUE
             and (ORDERED in (attribute(i), attribute(j)) or attribute(i) == HEAD_OF_QUEUE)]
    assert not wrong, f"the answer to {wrong[0][1]} overtook that to {wrong[0][0]} ({len(wrong)} of this kind)"


def test_ordered_writes_of_one_block(slow: Hanging) -> None:
    """The effect is in order, too: each read between them sees the write before it."""
    slow.tell("order random")
    with slow.unit.login() as session:
        widen(session)
        slow.tell("delay 0 4")
        reads = []
        for n in range(40):
            write(session, 7, ORDERED, f"w{n}")
            reads.append(session.start(scsi.read10(7, 1), read=BLOCK, attribute=ORDERED))
        for n, task in enumerate(reads):
            result = session.wait(task)
            assert result.good and result.data == stamp(f"w{n}", 7), f"read {n}: {result.data[:16]!r}"


# -- ACA


def faulty(session: Session, attribute: int = SIMPLE, naca: bool = True) -> Task:
    """A command that ends with CHECK CONDITION: its block lies beyond the end."""
    cdb = bytearray(scsi.read10(0xFFFFFF, 1))
    cdb[9] = NACA if naca else 0
    return session.start(bytes(cdb), read=BLOCK, attribute=attribute)


def establish(session: Session) -> None:
    result = session.wait(faulty(session))
    assert result.status == Status.CHECK_CONDITION, str(result)


def status(session: Session, attribute: int = SIMPLE, cdb: bytes | None = None) -> int:
    return session.execute(cdb or scsi.test_unit_ready(), attribute=attribute).status


def test_aca_holds_back_the_nexus(slow: Hanging) -> None:
    """ACA ACTIVE for each command that has not the ACA attribute, and nothing for another nexus (SAM-5 5.9)."""
    with slow.unit.login() as session, slow.unit.login() as other:
        establish(session)
        for attribute in (SIMPLE, ORDERED, HEAD_OF_QUEUE):
            assert status(session, attribute) == Status.ACA_ACTIVE
        assert status(other) == Status.GOOD
        assert status(session, ACA) == Status.GOOD
        assert status(session) == Status.ACA_ACTIVE, "a good command ended the ACA"
        assert session.manage(TaskFunction.CLEAR_ACA) == TaskResponse.COMPLETE
        assert status(session) == Status.GOOD


def test_commands_wait_for_the_end_of_aca(slow: Hanging) -> None:
    """What was in the task set and had not started is blocked, not ended (QERR = 00b), until CLEAR ACA."""
    with slow.unit.login() as session:
        slow.tell("hold")
        reads = session.start(bytes([*scsi.read10(0, 1)[:9], NACA]), read=BLOCK)
        waiting = [write(session, 1, ORDERED), write(session, 2), write(session, 3)]
        assert_waits(session, slow, 1)
        slow.tell("fail 1 3")  # a medium error
        slow.tell("go")
        assert session.wait(reads).status == Status.CHECK_CONDITION
        slow.tell("hold")
        assert_waits(session, slow, 0)
        aca = session.start(scsi.write10(9, 1), data_out=stamp("aca", 9), attribute=ACA)
        assert_waits(session, slow, 1)
        slow.tell("step 1")
        good(session, aca)
        assert not any(task.result for task in waiting)
        assert session.manage(TaskFunction.CLEAR_ACA) == TaskResponse.COMPLETE
        assert_waits(session, slow, 1)
        slow.tell("go")
        good(session, *waiting)


def test_one_aca_command_at_a_time(slow: Hanging) -> None:
    """A second one ends with ACA ACTIVE (SAM-5 8.6.5, there shall be no more than one)."""
    with slow.unit.login() as session:
        establish(session)
        slow.tell("hold")
        first = write(session, 1, ACA)
        assert_waits(session, slow, 1)
        assert status(session, ACA) == Status.ACA_ACTIVE
        slow.tell("go")
        good(session, first)
        assert status(session, ACA) == Status.GOOD
        session.manage(TaskFunction.CLEAR_ACA)


def test_aca_attribute_without_aca(slow: Hanging) -> None:
    """There is nothing that it could belong to."""
    with slow.unit.login() as session:
        result = session.execute(scsi.test_unit_ready(), attribute=ACA)
        assert result.sense is not None
        assert (result.sense.key, result.sense.asc) == (scsi.Key.ILLEGAL_REQUEST, INVALID_MESSAGE)


@pytest.mark.parametrize("naca", [False, True])
def test_aca_command_that_fails(slow: Hanging, naca: bool) -> None:
    """With NACA = 0 its CHECK CONDITION ends the ACA, with NACA = 1 a new one follows (SAM-5, clearing an ACA)."""
    with slow.unit.login() as session:
        establish(session)
        assert session.wait(faulty(session, ACA, naca)).status == Status.CHECK_CONDITION
        assert status(session) == (Status.ACA_ACTIVE if naca else Status.GOOD)
        session.manage(TaskFunction.CLEAR_ACA)
        assert status(session) == Status.GOOD


@pytest.mark.parametrize("function", [TaskFunction.LOGICAL_UNIT_RESET, TaskFunction.TARGET_WARM_RESET,
                                      TaskFunction.I_T_NEXUS_RESET], ids=lambda f: f.name)
def test_resets_end_an_aca(slow: Hanging, function: TaskFunction) -> None:
    """Logical unit reset and I_T nexus loss clear it (SAM-5 6.3)."""
    with slow.unit.login(keys={"iSCSIProtocolLevel": "2"}) as session:
        establish(session)
        assert session.manage(function) == TaskResponse.COMPLETE
        session.clear_attentions()
        assert status(session) == Status.GOOD


def test_no_aca_without_naca(slow: Hanging) -> None:
    with slow.unit.login() as session:
        assert session.wait(faulty(session, naca=False)).status == Status.CHECK_CONDITION
        assert status(session) == Status.GOOD


def test_preempt_and_abort_ends_an_aca(slow: Hanging) -> None:
    """That of the preempted nexus; another can do it, as the ACA holds back the faulted nexus only (SPC-5)."""
    with slow.unit.login() as session, slow.unit.login() as other:
        for who, key in ((session, 1), (other, 2)):
            assert who.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, key)).good
        establish(session)
        assert other.execute(scsi.persistent_out(5, 5), data_out=scsi.persistent_parameters(2, 1)).good
        session.clear_attentions()
        assert status(session) == Status.GOOD
