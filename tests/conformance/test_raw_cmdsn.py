# SPDX-License-Identifier: MIT
"""Command numbering and the command window (RFC 7143 clause 4.2.2.1)."""

from __future__ import annotations

import pytest

from harness.raw import pattern, read_block, write_block
from harness.units import Unit
from iscsi import scsi
from iscsi.connection import after
from iscsi.pdu import RESERVED_TAG, Op, Pdu
from iscsi.session import Session


def ping(session: Session, cmdsn: int, immediate: bool = False) -> Pdu:
    """A NOP-Out with this CmdSN, not sent."""
    return Pdu(Op.NOP_OUT, b"ping", immediate=immediate, flags=0x80, itt=session.new_itt(), ttt=RESERVED_TAG,
               cmdsn=cmdsn & 0xFFFFFFFF, expstatsn=session.connection.expstatsn or 0)


@pytest.mark.smoke
@pytest.mark.parametrize("distance", [1, 2, 1000, 0x7FFFFFFF])
def test_too_low_is_ignored(disk: Unit, distance: int) -> None:
    """A CmdSN below the window is ignored silently; the connection stays."""
    with disk.login() as session:
        session.connection.send(ping(session, session.cmdsn - distance))
        session.expect_silence()
        assert session.alive()


@pytest.mark.parametrize("distance", [1, 2, 1000])
def test_too_high_is_ignored(disk: Unit, distance: int) -> None:
    """A CmdSN above MaxCmdSN is ignored silently."""
    with disk.login() as session:
        session.nop()  # a fresh MaxCmdSN
        session.connection.send(ping(session, (session.connection.maxcmdsn or 0) + distance))
        session.expect_silence()
        assert session.alive()


def test_window_is_open_after_login(disk: Unit) -> None:
    """There is room for a command, and MaxCmdSN moves on with ExpCmdSN."""
    with disk.login() as session:
        for _ in range(300):
            answer = session.nop()
            assert not after(session.cmdsn, answer.maxcmdsn), "the window closed"


def test_hole_is_waited_for(disk: Unit) -> None:
    """Commands run in CmdSN order: one that came early waits for those before it."""
    with disk.login() as session:
        late, early = ping(session, session.cmdsn + 1), ping(session, session.cmdsn)
        session.connection.send(late)
        session.expect_silence(0.3)
        session.connection.send(early)
        session.cmdsn += 2
        assert session.connection.recv().itt == early.itt
        assert session.connection.recv().itt == late.itt
        assert session.alive()


def test_write_before_read_by_number(disk: Unit) -> None:
    """A read that arrives first but is numbered second sees the write."""
    data = pattern(disk.block_size)
    with disk.login() as session:
        number = session.cmdsn
        session.cmdsn = number + 1
        reading = session.start(scsi.read10(5, 1), read=disk.block_size, attribute=2)
        session.cmdsn = number
        writing = session.start(scsi.write10(5, 1), data_out=data, attribute=2)
        session.cmdsn = number + 2
        assert session.wait(writing).good
        assert session.wait(reading).data == data


def test_immediate_passes_a_hole(disk: Unit) -> None:
    """An immediate command doesn't wait for the window."""
    with disk.login() as session:
        late = ping(session, session.cmdsn + 1)
        session.connection.send(late)
        assert session.nop(b"now", immediate=True).data == b"now"
        early = ping(session, session.cmdsn)
        session.connection.send(early)
        session.cmdsn += 2
        assert {session.connection.recv().itt, session.connection.recv().itt} == {late.itt, early.itt}


def test_immediate_uses_no_number(disk: Unit) -> None:
    """Immediate commands leave ExpCmdSN where it is."""
    with disk.login() as session:
        first = session.nop(immediate=True)
        second = session.nop(immediate=True)
        assert first.expcmdsn == second.expcmdsn == session.cmdsn
        task = session.start(scsi.read10(0, 1), read=disk.block_size, immediate=True)
        assert session.wait(task).good
        assert session.nop(immediate=True).expcmdsn == session.cmdsn


def test_number_twice(disk: Unit) -> None:
    """The second command with a CmdSN already used is ignored."""
    with disk.login() as session:
        first = ping(session, session.cmdsn)
        second = ping(session, session.cmdsn)
        session.connection.send(first, second)
        session.cmdsn += 1
        assert session.connection.recv().itt == first.itt
        session.expect_silence()
        assert session.alive()


def test_number_twice_in_a_hole(disk: Unit) -> None:
    """The same while both wait for an earlier one."""
    with disk.login() as session:
        late, again = ping(session, session.cmdsn + 1), ping(session, session.cmdsn + 1)
        early = ping(session, session.cmdsn)
        session.connection.send(late, again, early)
        session.cmdsn += 2
        assert session.connection.recv().itt == early.itt
        assert session.connection.recv().itt in (late.itt, again.itt)
        session.expect_silence()
        assert session.alive()


@pytest.mark.parametrize("start", [0xFFFFFFF0, 0xFFFFFFFF, 0, 0x7FFFFFF8])
def test_numbers_wrap(disk: Unit, start: int) -> None:
    """CmdSN is 32-bit serial arithmetic: 0 follows 0xffffffff."""
    with disk.login(cmdsn=start) as session:
        data = pattern(disk.block_size)
        for lba in range(40):
            write_block(session, disk, lba, data)
        assert read_block(session, disk, 39) == data


def test_full_window(disk: Unit) -> None:
    """As many commands as the window holds may be under way at once, and all of them end."""
    with disk.login() as session:
        session.nop()
        room = ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF
        assert room >= 1
        tasks = [session.start(scsi.read10(n, 1), read=disk.block_size) for n in range(min(room, 256))]
        assert all(session.wait(task).good for task in tasks)
        assert session.alive()


def test_many_immediate_commands(disk: Unit) -> None:
    """However many immediate commands come, each is answered or rejected (reason 06), and none is lost."""
    with disk.login() as session:
        pings = [ping(session, session.cmdsn, immediate=True) for _ in range(200)]
        session.connection.send(*pings)
        answers = [session.connection.recv() for _ in pings]
        assert {p.itt for p in answers if p.opcode == Op.NOP_IN} <= {p.itt for p in pings}
        assert all(p.opcode == Op.NOP_IN or (p.opcode == Op.REJECT and p.reason == 6) for p in answers)
        assert session.alive()


def test_status_numbers_run_through_all_kinds(disk: Unit) -> None:
    """StatSN counts every response of a connection, whatever its kind; the library checks each."""
    with disk.login() as session:
        begin = session.connection.expstatsn or 0
        session.nop()
        session.execute(scsi.test_unit_ready())
        session.manage(1, rtt=0x77, refcmdsn=session.cmdsn - 1)
        session.text([("X-a", "1")])
        session.execute(scsi.inquiry(), read=255)
        assert session.connection.expstatsn == (begin + 5) & 0xFFFFFFFF


def test_unacknowledged_status(disk: Unit) -> None:
    """A client that never acknowledges by ExpStatSN is still served (nothing is kept at level 0)."""
    with disk.login() as session:
        for _ in range(50):
            pdu = ping(session, session.cmdsn)
            pdu.expstatsn = 0
            session.cmdsn = (session.cmdsn + 1) & 0xFFFFFFFF
            session.connection.send(pdu)
            assert session.connection.recv().itt == pdu.itt
