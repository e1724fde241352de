# SPDX-License-Identifier: MIT
"""Sessions that abort and reset each other's commands all the time, on a store that ends requests in any order
(SAM-5 clause 7): no command is answered twice or after its end, the windows stay whole, and no aborted write lands on
what was written later."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from harness.load import BLOCK, DEPTH, Load, stamp, widen
from harness.modules import Plan
from harness.options import Settings
from harness.units import Unit
from harness.wild import Wild, disk_of
from iscsi import scsi
from iscsi.pdu import TaskFunction, TaskResponse
from iscsi.session import HEAD_OF_QUEUE, ORDERED, SIMPLE

SESSIONS = 4
SECONDS = 4.0
ALL = [TaskFunction.ABORT_TASK, TaskFunction.ABORT_TASK_SET, TaskFunction.CLEAR_TASK_SET, TaskFunction.CLEAR_ACA,
       TaskFunction.LOGICAL_UNIT_RESET, TaskFunction.TARGET_WARM_RESET, TaskFunction.QUERY_TASK,
       TaskFunction.QUERY_TASK_SET, TaskFunction.QUERY_ASYNCHRONOUS_EVENT, TaskFunction.I_T_NEXUS_RESET]


@pytest.fixture(scope="module")
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), threads=SESSIONS)
    yield made
    made.close()


class Stormer(threading.Thread):
    """One session: commands, a function in the middle of them, and an account of what may be on the disk."""

    def __init__(self, unit: Unit, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self.session = unit.login(keys={"iSCSIProtocolLevel": "2"})
        widen(self.session)
        self.number, self.until = number, until
        self.random = random.Random(number)
        self.base = number * DEPTH
        self.allowed = {lba: {bytes(BLOCK)} for lba in range(self.base, self.base + DEPTH)}
        self.rounds = self.aborted = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self.until:
                self.round()
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001 (raised by the test)
            self.error = error

    def round(self) -> None:
        drawn = self.random.choices([SIMPLE, ORDERED, HEAD_OF_QUEUE], [12, 1, 1], k=DEPTH)
        load = Load(self.session, f"s{self.number}r{self.rounds}", self.base)
        load.start(self.random.randint(1, DEPTH), writes=lambda n: n % 4 != 3, attribute=lambda n: drawn[n])
        function, victim = self.random.choice(ALL), self.random.choice(load.commands)
        answer = load.answer(load.ask(function, victim.task.itt, victim.cmdsn))
        assert answer in (TaskResponse.COMPLETE, TaskResponse.SUCCEEDED, TaskResponse.TASK_DOES_NOT_EXIST), answer
        # what others' resets have ended was not answered; the rest may still be
        assert load.answer(load.ask(TaskFunction.ABORT_TASK_SET)) == TaskResponse.COMPLETE
        answered = len(load.answered)
        load.assert_window()
        assert len(load.answered) == answered, "an answer after the function's"
        self.account(load)

    def account(self, load: Load) -> None:
        for command in load.commands:
            result = self.session.tasks.pop(command.task.itt).result
            if result is None or result.status == scsi.Status.TASK_ABORTED:
                self.aborted += 1
            elif not result.good:
                assert result.sense is not None and result.sense.key == scsi.Key.UNIT_ATTENTION, str(result)
            if not command.data:
                continue
            if result is not None and result.good:
                self.allowed[command.lba] = {command.data}
            elif result is None or result.status == scsi.Status.TASK_ABORTED:
                self.allowed[command.lba].add(command.data)


@pytest.mark.parametrize("tas", [False, True], ids=["tas0", "tas1"])
def test_storm(wild: Wild, tas: bool) -> None:
    """Whoever sees a wrong PDU, a wrong window or a wrong answer says so; the blocks hold what they may."""
    slow = wild.hanging(size=SESSIONS * DEPTH * BLOCK)
    with slow.unit.login() as session:
        page = session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data
        data = bytearray(bytes(4) + page[4:])
        data[4] &= 0x3F
        data[9] |= 0x40 if tas else 0
        assert session.execute(scsi.mode_select6(len(data)), data_out=bytes(data)).good
    slow.tell("order random")
    stormers = [Stormer(slow.unit, number, time.monotonic() + SECONDS) for number in range(SESSIONS)]
    slow.tell("delay 0 6")
    for thread in stormers:
        thread.start()
    for n in range(8):
        time.sleep(SECONDS / 8)
        slow.tell("cancel on" if n % 2 else "cancel off")
    for thread in stormers:
        thread.join(60)
        assert not thread.is_alive(), "a session hangs"
        if thread.error is not None:
            raise AssertionError(f"session {thread.number}, round {thread.rounds}: {thread.error!r}") from thread.error
    slow.tell("delay 0 0")
    with slow.unit.login() as session:
        for thread in stormers:
            result = session.execute(scsi.read10(thread.base, DEPTH), read=DEPTH * BLOCK)
            assert result.good, str(result)
            for n in range(DEPTH):
                block = result.data[n * BLOCK:(n + 1) * BLOCK]
                assert block in thread.allowed[thread.base + n], f"block {thread.base + n}: {block[:32]!r}"
            assert thread.rounds >= 3 and thread.aborted, "nothing has happened"
            thread.session.close()
    slow.target.delete()


def test_stamps_differ() -> None:
    """What the account relies on."""
    assert stamp("s0r1", 1) != stamp("s0r2", 1) != stamp("s0r2", 2)
