# SPDX-License-Identifier: MIT
"""Hundreds of commands in flight on several sessions, each with a known effect, and a count of what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from iscsi import scsi
from iscsi.pdu import RESERVED_TAG, Op, Pdu, lun_field
from iscsi.session import SIMPLE, Session
from iscsi.task import Task

BLOCK = 512
DEPTH = 128  # commands of one session: the default of MaxQueueCmd


def stamp(what: str, lba: int) -> bytes:
    """A block that says who wrote it, and where."""
    return f"{what}@{lba};".encode().ljust(32, b".") * (BLOCK // 32)


@dataclass
class Command:
    """One command in flight."""

    task: Task
    cmdsn: int
    lba: int
    data: bytes  # empty: a read


def window(session: Session) -> int:
    """Commands that may be sent now, as of the last PDU."""
    last, first = session.connection.maxcmdsn, session.connection.expcmdsn
    assert last is not None and first is not None
    return (last - first + 1) & 0xFFFFFFFF


def widen(session: Session, depth: int = DEPTH) -> None:
    """Ends commands until the window, which starts small, is open."""
    for _ in range(2 * depth):
        if window(session) >= depth:
            return
        assert session.execute(scsi.test_unit_ready()).good
    raise AssertionError(f"the window stays at {window(session)}")


class Load:
    """One session's commands on one unit, each on blocks of its own from `base` on."""

    def __init__(self, session: Session, name: str, base: int, lun: int | None = None) -> None:
        self.session, self.name, self.base = session, name, base
        self.lun = session.lun if lun is None else lun
        self.commands: list[Command] = []

    def start(self, number: int = DEPTH, writes: Callable[[int], bool] = lambda n: True,
              attribute: Callable[[int], int] = lambda n: SIMPLE) -> "Load":
        """That many commands, sent back to back; writes(n) says which of them write."""
        pdus: list[Pdu] = []
        for n in range(number):
            lba = self.base + n
            data = stamp(self.name, lba) if writes(n) else b""
            task = Task(self.session.new_itt(), self.lun, data, BLOCK, self.session.params)
            self.session.tasks[task.itt] = task
            self.commands.append(Command(task, self.session.cmdsn, lba, data))
            pdus += self.session.command_pdus(task, (scsi.write10 if data else scsi.read10)(lba, 1),
                                              attribute=attribute(n))
        self.session.connection.send(*pdus)
        return self

    def pump(self, until: Callable[[], bool], seconds: float = 20.0) -> None:
        """Receives until that holds."""
        deadline = time.monotonic() + seconds
        while not until():
            self.session.pump(deadline)

    def settle(self) -> None:
        """Receives all that is on its way: a ping's answer follows what was sent before it."""
        self.session.nop(immediate=True)

    @property
    def answered(self) -> list[Command]:
        return [command for command in self.commands if command.task.result is not None]

    def wait_all(self) -> None:
        self.pump(lambda: len(self.answered) == len(self.commands))

    def statuses(self) -> set[int]:
        return {command.task.result.status for command in self.answered if command.task.result is not None}

    def assert_all_good(self) -> None:
        """Every command was answered, once (Task.feed refuses a second answer), and well."""
        self.wait_all()
        self.settle()
        bad = [command for command in self.commands if not (command.task.result and command.task.result.good)]
        assert not bad, f"{self.name}: {len(bad)} of {len(self.commands)}, first {bad[0].task.result}"

    def assert_none_answered(self) -> None:
        self.settle()
        assert not self.answered, f"{self.name}: {len(self.answered)} aborted commands were answered"

    def assert_window(self, size: int = DEPTH) -> None:
        """All places of the command window are free again (RFC 7143 4.2.2.1)."""
        self.settle()
        assert window(self.session) == size, f"{self.name}: the window has {window(self.session)} places, had {size}"

    # -- task management that isn't waited for

    def ask(self, function: int, rtt: int = RESERVED_TAG, refcmdsn: int = 0) -> int:
        """Sends a task management request; its tag."""
        pdu = Pdu(Op.TASK_MANAGEMENT, flags=0x80 | int(function), itt=self.session.new_itt(), rtt=rtt,
                  refcmdsn=refcmdsn, immediate=True, lun=lun_field(self.lun))
        self.session.connection.send(self.session.number(pdu))
        return int(pdu.itt)

    def answer(self, itt: int, seconds: float = 20.0) -> int:
        """The response to it."""
        return int(self.session.receive(itt, seconds).response)

    def has_answer(self, itt: int) -> bool:
        """Whether it has come by now."""
        self.settle()
        return any(pdu.itt == itt for pdu in self.session.others)


def overwrite(session: Session, loads: Iterable[Load], what: str) -> None:
    """Writes a new stamp over every block that the loads wrote to."""
    for load in loads:
        first, count = load.base, len(load.commands)
        data = b"".join(stamp(what, lba) for lba in range(first, first + count))
        result = session.execute(scsi.write10(first, count), lun=load.lun, data_out=data)
        assert result.good, str(result)


def assert_holds(session: Session, loads: Sequence[Load], what: str) -> None:
    """The blocks hold that stamp: nothing has landed since."""
    for load in loads:
        first, count = load.base, len(load.commands)
        result = session.execute(scsi.read10(first, count), lun=load.lun, read=count * BLOCK)
        assert result.good, str(result)
        for n in range(count):
            block = result.data[n * BLOCK:(n + 1) * BLOCK]
            assert block == stamp(what, first + n), f"block {first + n} of {load.name}: {block[:32]!r}"
