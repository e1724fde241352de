# SPDX-License-Identifier: MIT
"""Sessions, units and targets that end while they are in use (RFC 7143 clauses 6.3.5, 7.1.4, 11.14; SAM-5 6.3):
nothing is used that is gone, nothing stays, and nobody else notices."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.modules import Plan
from harness.neighbour import Neighbour
from harness.options import Settings
from harness.units import Unit
from harness.wild import Hanging, Wild, disk_of
from iscsi import scsi
from iscsi.connection import Closed, Connection, NoAnswer
from iscsi.login import LoginPhase, new_isid
from iscsi.pdu import Op, Pdu, Stage, TaskFunction, lun_field
from iscsi.session import ORDERED, READ, SIMPLE, WRITE, Session
from iscsi.task import Result

HEAD = 0x80
LARGE = 1 << 20  # all of a hanging unit
BUS_DEVICE_RESET_OCCURRED = 0x2903


@pytest.fixture(scope="module")
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), threads=4)
    yield made
    made.close()


# -- what a session is in the middle of


def start(session: Session, cdb: bytes, flags: int, length: int = 0, data: bytes = b"", attribute: int = SIMPLE) -> int:
    """A command with this much immediate data, and no more; its initiator task tag."""
    pdu = Pdu(Op.SCSI_COMMAND, data, flags=HEAD | flags | attribute, lun=lun_field(session.lun), itt=session.new_itt(),
              edtl=length)
    pdu.cdb = cdb
    session.connection.send(session.number(pdu))
    return int(pdu.itt)


def read_in_store(session: Session) -> None:
    for lba in range(4):
        start(session, scsi.read10(lba, 1), READ, 512)


def write_in_store(session: Session) -> None:
    for lba in range(4):
        start(session, scsi.write10(lba, 1), WRITE, 512, bytes(512))


def data_awaited(session: Session) -> None:
    start(session, scsi.write10(0, 64), WRITE, 64 * 512)
    start(session, scsi.write10(64, 64), WRITE, 64 * 512, bytes(8192))


def data_under_way(session: Session) -> None:
    """The half of a Data-Out PDU, and of a command's immediate data."""
    start(session, scsi.write10(0, 64), WRITE, 64 * 512)
    r2t = session.connection.recv()
    task = Pdu(Op.DATA_OUT, bytes(8192), flags=0, lun=lun_field(session.lun), itt=r2t.itt, ttt=r2t.ttt)
    session.connection.send_bytes(task.to_bytes()[:4096])


def buffer_awaited(session: Session) -> None:
    for _ in range(24):
        start(session, scsi.write10(0, LARGE // 512), WRITE, LARGE)


def turn_awaited(session: Session) -> None:
    read_in_store(session)
    start(session, scsi.read10(0, 1), READ, 512, attribute=ORDERED)
    start(session, scsi.write10(0, 1), WRITE, 512, bytes(512), attribute=ORDERED)
    start(session, scsi.read10(0, 1), READ, 512)


def alone_awaited(session: Session) -> None:
    """Commands that run alone, behind what the store has, and what they hold back."""
    read_in_store(session)
    start(session, scsi.compare_and_write(0, 1), WRITE, 1024, bytes(1024))
    start(session, bytes([0x16, 0, 0, 0, 0, 0]), 0)
    start(session, scsi.read10(0, 1), READ, 512)
    start(session, scsi.start_stop(True), 0)


def function_pending(session: Session) -> None:
    write_in_store(session)
    tag = start(session, scsi.read10(9, 1), READ, 512)
    for function, rtt in ((TaskFunction.ABORT_TASK, tag), (TaskFunction.ABORT_TASK_SET, 0),
                          (TaskFunction.LOGICAL_UNIT_RESET, 0), (TaskFunction.TARGET_WARM_RESET, 0)):
        session.connection.send(session.number(Pdu(
            Op.TASK_MANAGEMENT, flags=0x80 | function, itt=session.new_itt(), rtt=rtt, refcmdsn=session.cmdsn,
            immediate=True, lun=lun_field(session.lun))))


def ahead_of_its_turn(session: Session) -> None:
    session.cmdsn = (session.cmdsn + 1) & 0xFFFFFFFF
    start(session, scsi.read10(0, 1), READ, 512)
    start(session, scsi.write10(0, 1), WRITE, 512, bytes(512))


def logging_out(session: Session) -> None:
    read_in_store(session)
    session.connection.send(session.number(Pdu(Op.LOGOUT, flags=0x80, itt=session.new_itt(), immediate=True)))


STATES = (read_in_store, write_in_store, data_awaited, data_under_way, buffer_awaited, turn_awaited, alone_awaited,
          function_pending, ahead_of_its_turn, logging_out)

# -- how it ends


def by_reset(session: Session, unit: Hanging) -> None:
    session.connection.reset()


def by_close(session: Session, unit: Hanging) -> None:
    session.connection.close()


def by_reinstatement(session: Session, unit: Hanging) -> None:
    """The same initiator port logs in again, which must work although the store hangs."""
    unit.unit.login(attentions=True, isid=session.isid).connection.close()


def by_operator(session: Session, unit: Hanging) -> None:
    daemon = unit.wild.daemon
    for row in unit.wild.sessions(unit.target.tid):
        daemon.do("--op", "delete", "--mode", "conn", "--tid", str(unit.target.tid), "--sid", str(row["id"]),
                  "--cid", str(row["connections"][0]["id"]))


def by_end_of_unit(session: Session, unit: Hanging) -> None:
    unit.wild.daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", str(unit.target.tid), "--lun", "1")
    session.connection.close()


def by_end_of_target(session: Session, unit: Hanging) -> None:
    unit.wild.daemon.do("--op", "delete", "--mode", "target", "--force", "--tid", str(unit.target.tid))


ENDS = (by_reset, by_close, by_reinstatement, by_operator, by_end_of_unit, by_end_of_target)


def end_while_it_hangs(session: Session, unit: Hanging, end: Callable[[Session, Hanging], None], whole: bool) -> None:
    """The store hangs until the end has begun; for whole until it is over, by the daemon's patience if need be."""
    with ThreadPoolExecutor(1) as pool, unit.hangs():
        ending = pool.submit(end, session, unit)
        time.sleep(0.15)
        if whole:
            ending.result()
            if end is not by_end_of_target:
                unit.wild.wait(lambda: not unit.wild.sessions(unit.target.tid), "the session is not left")
        unit.go_on()
        ending.result()


def read_after_resets(session: Session) -> Result:
    """The resets that a session asked for before it was lost are still carried out, and others are told of them."""
    for _ in range(4):
        result = session.execute(scsi.read10(0, 8), read=4096)
        if result.sense is None or result.sense.asc != BUS_DEVICE_RESET_OCCURRED:
            break
    return result


@pytest.mark.parametrize("state", STATES, ids=lambda f: f.__name__)
def test_end_in_the_middle(wild: Wild, state: Callable[[Session], None]) -> None:
    """Whatever a session waits for, and however it ends: while its store hangs, and when it hangs no more."""
    for end in ENDS:
        before = wild.usage.descriptors()
        unit = wild.hanging()
        session = unit.unit.login()
        with unit.hangs():
            state(session)
            time.sleep(0.03)
            end_while_it_hangs(session, unit, end, whole=state is turn_awaited)
        wild.wait(lambda: not wild.sessions(unit.target.tid), f"no session is left ({end.__name__})")
        session.connection.close()
        if end not in (by_end_of_unit, by_end_of_target):
            with unit.unit.login() as after:
                result = read_after_resets(after)
                assert result.good and result.data == bytes(4096), f"{end.__name__}: {result}"
        unit.target.delete()
        wild.usage.wait_for_descriptors(before)


# -- logins


def last_request(unit: Unit, isid: bytes) -> tuple[Connection, Pdu]:
    """A connection, and the login request that ends its login."""
    connection = Connection(unit.host, unit.port)
    phase = LoginPhase(connection, unit.want(isid=isid, security=False))
    pdu = phase.request(Stage.OPERATIONAL, Stage.FULL_FEATURE, phase.want.names() + phase.want.operational())
    return connection, pdu


def test_logins_at_once(wild: Wild) -> None:
    """One initiator port, many logins at the same time: one session is left (clause 6.3.5)."""
    unit = wild.unit()
    for _ in range(10):
        isid = new_isid()
        first = unit.login(isid=isid)
        logins = [last_request(unit, isid) for _ in range(6)]
        for connection, pdu in logins:
            connection.send(pdu)
        wild.wait(lambda: first.connection.is_closed(0.1), "the former session ends")
        open_ones = []
        for connection, _ in logins:
            try:
                pdu = connection.recv(10)
                assert pdu.opcode == Op.LOGIN_RESPONSE and not pdu.login_status, repr(pdu)
                if not connection.is_closed(0.2):
                    open_ones.append(connection)
            except Closed:
                pass
        assert len(open_ones) == 1
        assert len(wild.sessions(unit.tid)) == 1
        for connection, _ in logins:
            connection.close()


def test_login_that_gives_up_waiting(wild: Wild) -> None:
    """The connection of a login ends at the moment in which the session ends that it waits for."""
    unit = wild.unit()
    before = wild.usage.descriptors()
    for n in range(150):
        isid = new_isid()
        first = unit.login(isid=isid, attentions=True)
        logins = [last_request(unit, isid) for _ in range(2)]
        for connection, pdu in logins:
            connection.send(pdu)
        time.sleep(n % 5 / 4000)
        for connection, _ in logins:
            connection.reset() if n & 1 else connection.close()
        first.connection.close()
    wild.wait(lambda: not wild.sessions(unit.tid), "no session is left")
    wild.usage.wait_for_descriptors(before)


def test_login_that_waits_for_a_hanging_store(wild: Wild) -> None:
    """It is given up, the target is deleted, the operator looks: in any order."""
    unit = wild.hanging()
    with unit.hangs():
        session = unit.unit.login()
        read_in_store(session)
        for n in range(4):
            connection, pdu = last_request(unit.unit, session.isid)
            connection.send(pdu)
            time.sleep(0.02)
            if n < 3:
                connection.close()
        unit.target.delete()
    wild.wait(lambda: connection.is_closed(0.1), "the login ends with its target")
    session.connection.close()


# -- the end of the daemon


def test_shutdown_with_unfinished_commands(settings: Settings, plan: Plan, wild: Wild) -> None:
    """Commands whose data don't come, or that came ahead of their turn, don't keep the daemon."""
    other = Wild(settings, plan, wild.variant, threads=2)
    unit = other.unit()
    sessions = [unit.login() for _ in range(3)]
    data_awaited(sessions[0])
    ahead_of_its_turn(sessions[1])
    data_under_way(sessions[2])
    time.sleep(0.1)
    begun = time.monotonic()
    other.daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert other.daemon.process.wait(20) == 0  # type: ignore[union-attr]
    assert time.monotonic() - begun < 6
    other.close()
    for session in sessions:
        session.connection.close()


def test_shutdown_under_load(settings: Settings, plan: Plan, wild: Wild) -> None:
    """Initiators that go on sending commands don't keep it either."""
    other = Wild(settings, plan, wild.variant, threads=2)
    neighbours = [Neighbour(other.unit(), seed=n) for n in range(3)]
    for neighbour in neighbours:
        neighbour.__enter__()
    time.sleep(0.5)
    begun = time.monotonic()
    other.daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert other.daemon.process.wait(20) == 0  # type: ignore[union-attr]
    assert time.monotonic() - begun < 6
    for neighbour in neighbours:
        neighbour.__exit__(ValueError)
        assert isinstance(neighbour.error, (Closed, NoAnswer, AssertionError)) and neighbour.rounds
    other.close()
