# SPDX-License-Identifier: MIT
"""One initiator can't take the target from the others: memory for data is bounded, and shared fairly
(RFC 7143 clause 4.2.2.1 leaves the window, 11.8 the R2Ts to the target)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.daemon import Daemon
from harness.modules import Plan, Variant
from harness.neighbour import Neighbour
from harness.options import Settings
from harness.units import Factory, Unit
from iscsi import scsi
from iscsi.connection import NoAnswer
from iscsi.pdu import RESERVED_TAG, Op, Pdu, TaskFunction, TaskResponse, lun_field
from iscsi.session import READ, SIMPLE, WRITE, Session

LARGEST = 16 << 20  # bytes of one command


@pytest.fixture
def alone(settings: Settings, plan: Plan, one: Variant) -> Iterator[Callable[[], Unit]]:
    """Makes units on a daemon with one event loop, which all sessions share."""
    daemon: Daemon = settings.daemon(plan, options=["--threads", "1"]).start()
    factory = Factory(daemon, plan)

    def make() -> Unit:
        return factory.unit(factory.target(), one, size=64 << 20)

    yield make
    problems = daemon.stop()
    daemon.clean()
    assert not problems, problems


def start(session: Session, unit: Unit, cdb: bytes, length: int, flags: int) -> None:
    """A command, and nothing of its data."""
    pdu = Pdu(Op.SCSI_COMMAND, flags=0x80 | flags | SIMPLE, lun=lun_field(unit.lun), itt=session.new_itt(), edtl=length)
    pdu.cdb = cdb
    session.connection.send(session.number(pdu))


def take_all(session: Session, seconds: float) -> int:
    """Reads what comes; how many PDUs that was."""
    count = 0
    try:
        while True:
            session.connection.recv(seconds)
            count += 1
    except NoAnswer:
        return count


def test_data_that_never_come(alone: Callable[[], Unit]) -> None:
    """Writes whose R2Ts nobody answers."""
    mine, other = alone(), alone()
    with mine.login() as session, Neighbour(other, patience=15) as neighbour:
        for _ in range(24):
            start(session, mine, scsi.write16(0, LARGEST // mine.block_size), LARGEST, WRITE)
        take_all(session, 1.0)
        before = neighbour.rounds
        take_all(session, 2.0)
        assert neighbour.rounds > before + 5


def test_answers_that_nobody_reads(alone: Callable[[], Unit]) -> None:
    """Reads whose data stay in the target, since the initiator doesn't empty its socket."""
    mine, other = alone(), alone()
    with mine.login() as session, Neighbour(other, patience=15) as neighbour:
        for _ in range(24):
            start(session, mine, scsi.read16(0, LARGEST // mine.block_size), LARGEST, READ)
        neighbour._end.wait(1.0)
        before = neighbour.rounds
        neighbour._end.wait(2.0)
        assert neighbour.rounds > before + 5
        session.connection.reset()


def test_writes_behind_an_ordered_one(alone: Callable[[], Unit]) -> None:
    """Whole writes that wait for their turn hold their data, and the one before them needs memory too."""
    unit, other = alone(), alone()
    blocks = LARGEST // unit.block_size
    with unit.login() as session, Neighbour(other, patience=15) as neighbour:
        tasks = [session.start(scsi.verify10(0, 32), lun=unit.lun)]
        tasks += [session.start(scsi.write16(0, blocks), lun=unit.lun, data_out=bytes(LARGEST), attribute=attribute)
                  for attribute in (2, 1) * 6]
        tasks.append(session.start(scsi.verify10(0, 32), lun=unit.lun))
        for task in tasks:
            assert session.wait(task, 30).good
        assert neighbour.rounds > 5


def test_functions_without_end(alone: Callable[[], Unit]) -> None:
    """Task management functions one behind the other, while one can't be answered yet."""
    unit, other = alone(), alone()
    with unit.login() as session, Neighbour(other) as neighbour:
        start(session, unit, scsi.write16(0, 64), 64 * unit.block_size, WRITE)
        assert session.connection.recv().opcode == Op.R2T
        flood = b"".join(
            session.number(Pdu(Op.TASK_MANAGEMENT, flags=0x80 | TaskFunction.ABORT_TASK_SET, itt=session.new_itt(),
                               rtt=RESERVED_TAG, immediate=True, lun=lun_field(unit.lun))).to_bytes()
            for _ in range(500))
        session.connection.send_bytes(flood)
        refused = 0
        for _ in range(500):
            pdu = session.connection.recv()
            assert pdu.opcode == Op.TASK_MANAGEMENT_RESPONSE
            refused += pdu.response == TaskResponse.REJECTED
        assert refused > 300, "nothing bounds how many wait at once"
        assert session.alive()
        assert neighbour.rounds
