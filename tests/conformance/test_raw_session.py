# SPDX-License-Identifier: MIT
"""Sessions: identity, reinstatement, logout, text and NOP in the full feature phase (RFC 7143)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.raw import (CLOSED, SILENCE, assert_refused, assert_serves, login_status, pattern, read_block, reaction,
                         write_block)
from harness.units import Target, Unit
from iscsi import scsi
from iscsi.connection import Closed
from iscsi.login import LoginFailed, new_isid
from iscsi.pdu import RESERVED_TAG, LoginStatus, Op, Pdu, lun_field
from iscsi.session import Rejected
from iscsi.text import decode, encode

# -- identity


def test_two_sessions_of_one_initiator(disk: Unit) -> None:
    """Different ISIDs are different sessions; their TSIHs differ."""
    with disk.login() as first, disk.login() as second:
        assert first.tsih != second.tsih
        assert first.alive() and second.alive()


def test_same_isid_of_another_initiator(disk: Unit) -> None:
    """The ISID counts together with the initiator's name (4.4.3)."""
    isid = new_isid()
    with disk.login(isid=isid) as first, disk.login(isid=isid, initiator="iqn.2026-01.org.example:other") as second:
        assert first.alive() and second.alive()


def test_same_isid_at_another_target(disk: Unit, new_target: Callable[..., Target],
                                     new_unit: Callable[..., Unit], one: Variant) -> None:
    """And with the target portal group (4.4.3)."""
    other = new_unit(one, new_target(), size=64 << 20)
    isid = new_isid()
    with disk.login(isid=isid) as first, other.login(isid=isid) as second:
        assert first.alive() and second.alive()


@pytest.mark.smoke
def test_session_reinstatement(disk: Unit) -> None:
    """The same name and ISID with TSIH 0 end the old session and begin a new one (6.3.5)."""
    isid = new_isid()
    with disk.login(isid=isid) as old:
        with disk.login(isid=isid) as new:
            assert old.connection.is_closed(), "the old session lives on"
            assert new.alive()


def test_reinstatement_ends_the_old_tasks(disk: Unit) -> None:
    """A write that waited for data in the old session has no effect later."""
    isid = new_isid()
    before = pattern(disk.block_size)
    with disk.login(isid=isid, keys={"ImmediateData": "No"}) as old:
        write_block(old, disk, 4, before)
        old.start(scsi.write10(4, 1), data_out=pattern(disk.block_size))
        with disk.login(isid=isid) as new:
            assert read_block(new, disk, 4) == before


def test_reinstatement_again_and_again(disk: Unit) -> None:
    """An initiator that reconnects in a loop finds a working target each time."""
    isid = new_isid()
    sessions = [disk.login(isid=isid) for _ in range(10)]
    try:
        assert sessions[-1].alive()
        assert all(session.connection.is_closed() for session in sessions[:-1])
    finally:
        for session in sessions:
            session.connection.close()


def test_second_connection(disk: Unit) -> None:
    """MaxConnections=1: another connection for the session is refused (0206 or 0208), the first one lives."""
    with disk.login() as session:
        status = login_status(disk, isid=session.isid, tsih=session.tsih, cid=1)
        assert status in (LoginStatus.TOO_MANY_CONNECTIONS, LoginStatus.CANT_INCLUDE_IN_SESSION)
        assert session.alive()


def test_tsih_of_another_initiator(disk: Unit) -> None:
    """Nobody joins a session that isn't his."""
    with disk.login() as session:
        status = login_status(disk, isid=session.isid, tsih=session.tsih, initiator="iqn.2026-01.org.example:thief")
        assert status == LoginStatus.SESSION_DOES_NOT_EXIST
        assert session.alive()


def test_same_connection_id(disk: Unit) -> None:
    """The same ISID, TSIH and CID reinstate the connection (6.3.4), or are refused; never two at once."""
    with disk.login() as session:
        try:
            again = disk.login(isid=session.isid, tsih=session.tsih, cid=0)
        except LoginFailed as failure:
            assert failure.status >> 8 == 2
            assert session.alive()
        else:
            with again:
                assert session.connection.is_closed() and again.alive()


def test_management_sees_the_session(disk: Unit, daemon: Daemon) -> None:
    """A session is shown while it lives, with its initiator, and not afterwards."""
    name = "iqn.2026-01.org.example:seen"
    with disk.login(initiator=name):
        assert f"Initiator: {name}" in daemon.do("--op", "show", "--mode", "target")
    assert name not in daemon.do("--op", "show", "--mode", "target")


def test_connection_closed_by_management(disk: Unit, daemon: Daemon) -> None:
    """--op delete --mode conn ends a connection."""
    with disk.login() as session:
        shown = daemon.do("--op", "show", "--mode", "conn", "--tid", str(disk.tid))
        ids = [line.split()[1] for line in shown.splitlines() if line.split()[0] in ("Session:", "Connection:")]
        daemon.do("--op", "delete", "--mode", "conn", "--tid", str(disk.tid), "--sid", ids[0], "--cid", ids[1])
        assert session.connection.is_closed()
    assert_serves(disk)


def test_many_sessions(disk: Unit) -> None:
    """Sixty-four at once, each with its own commands."""
    sessions = [disk.login() for _ in range(64)]
    try:
        tasks = [session.start(scsi.read10(n, 1), read=disk.block_size) for n, session in enumerate(sessions)]
        assert all(session.wait(task).good for session, task in zip(sessions, tasks))
    finally:
        for session in sessions:
            session.close()


# -- logout


@pytest.mark.smoke
def test_logout_of_the_session(disk: Unit) -> None:
    """Reason 0: response 0, then the target closes (11.14)."""
    session = disk.login()
    assert session.logout(0).response == 0
    assert session.connection.is_closed()


def test_logout_of_the_connection(disk: Unit) -> None:
    """Reason 1 with the connection's own CID does the same."""
    session = disk.login(cid=3)
    assert session.logout(1, cid=3).response == 0
    assert session.connection.is_closed()


def test_logout_of_an_unknown_connection(disk: Unit) -> None:
    """Response 1, CID not found; the session goes on (11.15.1)."""
    with disk.login() as session:
        assert session.logout(1, cid=77).response == 1
        assert session.alive()


def test_logout_for_recovery(disk: Unit) -> None:
    """Reason 2 isn't supported at ErrorRecoveryLevel 0: response 2 (11.15.1)."""
    with disk.login() as session:
        assert session.logout(2).response == 2
        assert session.alive()


def test_logout_with_a_task(disk: Unit) -> None:
    """A Logout ends what is pending (11.14): a read sent before it is answered first, or not at all."""
    session = disk.login()
    task = session.start(scsi.read10(0, 1), read=disk.block_size)
    pdu = Pdu(Op.LOGOUT, flags=0x80, itt=session.new_itt())
    session.connection.send(session.number(pdu))
    assert session.receive(pdu.itt).response == 0
    assert task.result is None or task.result.good
    assert session.connection.is_closed()


def test_connection_lost_with_tasks(disk: Unit) -> None:
    """A client that vanishes in the middle of a write leaves a working unit."""
    for _ in range(5):
        session = disk.login(keys={"ImmediateData": "No"})
        session.start(scsi.write10(0, 8), data_out=pattern(8 * disk.block_size))
        session.start(scsi.read10(0, 64), read=64 * disk.block_size)
        session.connection.reset()
    assert_serves(disk)


# -- NOP


@pytest.mark.parametrize("immediate", [False, True], ids=["queued", "immediate"])
@pytest.mark.parametrize("length", [0, 1, 4, 511, 4096])
def test_ping(disk: Unit, length: int, immediate: bool) -> None:
    """A NOP-Out with an initiator task tag comes back with its data (11.18, 11.19)."""
    with disk.login() as session:
        data = pattern(length)
        pdu = session.nop(data, immediate)
        assert pdu.opcode == Op.NOP_IN and pdu.ttt == RESERVED_TAG
        assert pdu.data == data


def test_ping_data_are_cut_to_what_the_initiator_takes(disk: Unit) -> None:
    """Returned data honour the initiator's MaxRecvDataSegmentLength (11.19)."""
    with disk.login(keys={"MaxRecvDataSegmentLength": "512"}) as session:
        data = pattern(min(2048, session.params.target_max_recv))
        assert session.nop(data).data == data[:512]


def test_nop_without_tag(disk: Unit) -> None:
    """NOP-Out with the reserved tag is answered by nothing (11.18)."""
    with disk.login() as session:
        pdu = Pdu(Op.NOP_OUT, immediate=True, flags=0x80, itt=RESERVED_TAG, ttt=RESERVED_TAG)
        session.connection.send(session.number(pdu))
        session.expect_silence()
        assert session.alive()


def test_nop_with_unknown_transfer_tag(disk: Unit) -> None:
    """An answer to a ping that never was: ignored or rejected, no harm done."""
    with disk.login() as session:
        pdu = Pdu(Op.NOP_OUT, immediate=True, flags=0x80, itt=RESERVED_TAG, ttt=0x1234)
        session.connection.send(session.number(pdu))
        got = reaction(session.connection, 0.5)
        assert got in (SILENCE, CLOSED) or (isinstance(got, Pdu) and got.opcode == Op.REJECT)
    assert_serves(disk)


def test_target_pings(new_target: Callable[..., Target], new_unit: Callable[..., Unit], one: Variant) -> None:
    """With nop_interval the target pings; one that doesn't answer is dropped after nop_count."""
    target = new_target()
    target.set("nop_interval", "1")
    target.set("nop_count", "2")
    unit = new_unit(one, target, size=64 << 20)
    with unit.login() as polite, unit.login() as mute:
        pdu = mute.connection.recv(5)
        assert pdu.opcode == Op.NOP_IN and pdu.itt == RESERVED_TAG and pdu.ttt != RESERVED_TAG
        seen = 0
        while seen < 4:  # answered by the library
            with pytest.raises(TimeoutError):
                polite.receive(0xDEAD, 1.0)
            seen += 1
        assert mute.connection.is_closed(6), "a peer that doesn't answer pings is kept"
        assert polite.alive()


# -- text


def test_empty_text(disk: Unit) -> None:
    """An empty request gets an empty, final response (11.11)."""
    with disk.login() as session:
        pdu = session.text([])
        assert pdu.opcode == Op.TEXT_RESPONSE and pdu.final and pdu.ttt == RESERVED_TAG and not pdu.data


@pytest.mark.parametrize("key", ["X-org.example.test", "NoSuchKey"])
def test_unknown_text_key(disk: Unit, key: str) -> None:
    """NotUnderstood, also after login (6.2)."""
    with disk.login() as session:
        assert decode(session.text([(key, "1")]).data) == [(key, "NotUnderstood")]


def test_text_redeclares_receive_length(disk: Unit) -> None:
    """MaxRecvDataSegmentLength may change in the full feature phase (13.12), and is kept at once."""
    with disk.login() as session:
        pdu = session.text([("MaxRecvDataSegmentLength", "1024")])
        assert pdu.opcode == Op.TEXT_RESPONSE
        session.connection.max_recv = 1024
        result = session.execute(scsi.read10(0, 16), read=16 * disk.block_size)
        assert result.good and len(result.data) == 16 * disk.block_size


@pytest.mark.parametrize("key,value", [("HeaderDigest", "CRC32C"), ("InitialR2T", "No"), ("MaxConnections", "4"),
                                       ("AuthMethod", "CHAP"), ("InitiatorName", "iqn.2026-01.org.example:x"),
                                       ("ErrorRecoveryLevel", "2"), ("FirstBurstLength", "4096")])
def test_login_only_key_in_text(disk: Unit, key: str, value: str) -> None:
    """What is negotiated at login only is refused later, and changes nothing (13)."""
    with disk.login() as session:
        try:
            pdu = session.text([(key, value)])
        except (Rejected, Closed):
            assert_serves(disk)
            return
        assert dict(decode(pdu.data)).get(key) in ("Reject", "Irrelevant", "NotUnderstood")
        assert session.alive()


def test_continued_text(disk: Unit) -> None:
    """A request cut by C=1 is answered when it is whole (11.10)."""
    with disk.login() as session:
        data = encode([("X-org.example.long", "v" * 100)])
        itt = session.new_itt()
        first = Pdu(Op.TEXT, data[:20], flags=0x40, itt=itt, ttt=RESERVED_TAG)
        session.connection.send(session.number(first))
        middle = session.receive(itt)
        assert middle.opcode == Op.TEXT_RESPONSE and not middle.data and not middle.final
        assert middle.ttt != RESERVED_TAG
        rest = Pdu(Op.TEXT, data[20:], flags=0x80, itt=itt, ttt=middle.ttt, lun=middle.lun)
        session.connection.send(session.number(rest))
        assert decode(session.receive(itt).data) == [("X-org.example.long", "NotUnderstood")]


def test_text_with_unknown_transfer_tag(disk: Unit) -> None:
    """A continuation of nothing is rejected (11.10.4)."""
    with disk.login() as session:
        pdu = Pdu(Op.TEXT, flags=0x80, itt=session.new_itt(), ttt=0x4321, lun=lun_field(1))
        session.connection.send(session.number(pdu))
        assert_refused(session.connection)
    assert_serves(disk)


def test_malformed_text_later(disk: Unit) -> None:
    """Text without NUL or equals is rejected, or ends the session; the target lives."""
    with disk.login() as session:
        pdu = Pdu(Op.TEXT, b"no equals sign", flags=0x80, itt=session.new_itt(), ttt=RESERVED_TAG)
        session.connection.send(session.number(pdu))
        assert_refused(session.connection)
    assert_serves(disk)
