# SPDX-License-Identifier: MIT
"""Reservations between sessions, which live on different reactors (SPC-5 clause 5.14, SPC-2 clause 5.5.1).

What libiscsi's tool can't do: three initiator ports whose ISIDs stay the same, tasks of a preempted port
that still wait for data, who is told by a unit attention and who isn't, a restart.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from harness.daemon import Daemon
from harness.raw import pattern, read_block
from harness.units import Unit, make_disk
from iscsi import scsi
from iscsi.pdu import Op
from iscsi.session import SIMPLE, WRITE, Session
from iscsi.task import Result, Task

A, B, C = 0xAAAAAAAAAAAAAAAA, 0xBBBBBBBBBBBBBBBB, 0xCCCCCCCCCCCCCCCC
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE = range(7)
WE, EA, WE_RO, EA_RO, WE_AR, EA_AR = 1, 3, 5, 6, 7, 8
CONFLICT = scsi.Status.RESERVATION_CONFLICT
APTPL = 0x01

RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, REGISTRATIONS_PREEMPTED = 0x2A03, 0x2A04, 0x2A05
MODE_PARAMETERS_CHANGED = 0x2A01


def isid(number: int) -> bytes:
    """RFC 7143 11.12.5, the random format: what tells one initiator port from another of its name."""
    return bytes([0x80, 0, 0, number, 0, 0])


def out(session: Session, action: int, key: int = 0, action_key: int = 0, kind: int = 0, flags: int = 0) -> Result:
    """PERSISTENT RESERVE OUT."""
    return session.execute(scsi.persistent_out(action, kind), data_out=scsi.persistent_parameters(
        key, action_key, flags))


def keys(session: Session) -> set[int]:
    """Those registered, by READ KEYS."""
    data = session.execute(scsi.persistent_in(0), read=1024).data
    length = struct.unpack_from(">I", data, 4)[0]
    return {struct.unpack_from(">Q", data, 8 + at)[0] for at in range(0, length, 8)}


def attention(session: Session) -> int:
    """The unit attention that the next command meets, as ASC << 8 | ASCQ; 0 for none."""
    result = session.execute(scsi.test_unit_ready())
    if result.sense is None:
        assert result.good, str(result)
        return 0
    assert result.sense.key == scsi.Key.UNIT_ATTENTION, str(result)
    return result.sense.asc


def can_read(session: Session, unit: Unit) -> bool:
    result = session.execute(scsi.read10(0, 1), read=unit.block_size)
    assert result.good or result.status == CONFLICT, str(result)
    return result.good


def can_write(session: Session, unit: Unit) -> bool:
    result = session.execute(scsi.write10(0, 1), data_out=bytes(unit.block_size))
    assert result.good or result.status == CONFLICT, str(result)
    return result.good


def waiting_write(session: Session, unit: Unit, lba: int, data: bytes) -> Task:
    """A write that has got its first R2T and waits for data."""
    task = session.start(scsi.write10(lba, len(data) // unit.block_size), data_out=data, immediate_length=0,
                         flags=0x80 | WRITE | SIMPLE)
    pdu = session.connection.recv()
    assert pdu.opcode == Op.R2T
    task.check_r2t(pdu)
    task.pdus.append(pdu)
    return task


@pytest.fixture
def three(disk: Unit) -> Iterator[list[Session]]:
    """Three ports, registered with A, B and C."""
    sessions = [disk.login(isid=isid(number)) for number in range(3)]
    for session, key in zip(sessions, (A, B, C)):
        assert out(session, REGISTER, 0, key).good
    yield sessions
    for session in sessions:
        session.close()


@pytest.mark.parametrize("kind,read,write", [
    # who may: the holder, another registered port, one that isn't registered
    (WE, (1, 1, 1), (1, 0, 0)), (EA, (1, 0, 0), (1, 0, 0)),
    (WE_RO, (1, 1, 1), (1, 1, 0)), (EA_RO, (1, 1, 0), (1, 1, 0)),
    (WE_AR, (1, 1, 1), (1, 1, 0)), (EA_AR, (1, 1, 0), (1, 1, 0)),
])
def test_access(disk: Unit, kind: int, read: tuple[int, ...], write: tuple[int, ...]) -> None:
    """SPC-5 5.14.1, table 165."""
    with (disk.login(isid=isid(0)) as holder, disk.login(isid=isid(1)) as registered,
          disk.login(isid=isid(2)) as stranger):
        assert out(holder, REGISTER, 0, A).good
        assert out(registered, REGISTER, 0, B).good
        assert out(holder, RESERVE, A, 0, kind).good
        for session, may_read, may_write in zip((holder, registered, stranger), read, write):
            assert can_read(session, disk) == bool(may_read)
            assert can_write(session, disk) == bool(may_write)
            # these run for everybody
            for cdb in (scsi.inquiry(), scsi.request_sense(), scsi.report_luns(), scsi.persistent_in(0)):
                assert session.execute(cdb, read=1024).good
            assert session.execute(scsi.test_unit_ready()).good


@pytest.mark.smoke
def test_release_tells_registrants(three: list[Session]) -> None:
    """Those who had access by a registrants only type are told, the one who releases isn't (5.14.11.2.2)."""
    assert out(three[0], RESERVE, A, 0, EA_RO).good
    assert out(three[0], RELEASE, A, 0, EA_RO).good
    assert [attention(session) for session in three] == [0, RESERVATIONS_RELEASED, RESERVATIONS_RELEASED]


def test_release_of_exclusive_types_tells_nobody(three: list[Session]) -> None:
    for kind in (WE, EA):
        assert out(three[0], RESERVE, A, 0, kind).good
        assert out(three[0], RELEASE, A, 0, kind).good
        assert [attention(session) for session in three] == [0, 0, 0]


def test_clear_tells_all_others(three: list[Session]) -> None:
    assert out(three[1], RESERVE, B, 0, WE).good
    assert out(three[0], CLEAR, A).good
    assert [attention(session) for session in three] == [0, RESERVATIONS_PREEMPTED, RESERVATIONS_PREEMPTED]
    assert keys(three[0]) == set()


def test_preempt_tells_the_preempted(three: list[Session], disk: Unit) -> None:
    """The one preempted loses its registration; the others are told when the type is another one."""
    assert out(three[1], RESERVE, B, 0, WE).good
    assert out(three[0], PREEMPT, A, B, EA).good
    assert [attention(session) for session in three] == [0, REGISTRATIONS_PREEMPTED, RESERVATIONS_RELEASED]
    assert keys(three[0]) == {A, C}
    assert not can_read(three[1], disk)
    assert out(three[2], PREEMPT, C, A, EA).good  # the same type: only the preempted one
    assert [attention(session) for session in three] == [REGISTRATIONS_PREEMPTED, 0, 0]


@pytest.mark.smoke
def test_preempt_and_abort(three: list[Session], disk: Unit) -> None:
    """A write of the preempted port that waits for its data never lands, whatever comes late; those of others
    go on (5.14.11.2.5)."""
    before, late, kept = (pattern(64 * disk.block_size) for _ in range(3))
    assert three[1].execute(scsi.write10(0, 64), data_out=before).good
    victim = waiting_write(three[1], disk, 0, late)
    bystander = waiting_write(three[2], disk, 64, kept)
    assert out(three[1], RESERVE, B, 0, EA_RO).good
    assert out(three[0], PREEMPT_AND_ABORT, A, B, WE_RO).good
    r2t = victim.pdus[0]
    three[1].connection.send(*three[1].data_pdus(victim, r2t.buffer_offset, r2t.desired_length, r2t.ttt))
    r2t = bystander.pdus[0]
    three[2].connection.send(*three[2].data_pdus(bystander, r2t.buffer_offset, r2t.desired_length, r2t.ttt))
    assert three[2].wait(bystander).good
    assert read_block(three[0], disk, 0, 64) == before
    assert read_block(three[0], disk, 64, 64) == kept


def test_preempted_write_without_abort(three: list[Session], disk: Unit) -> None:
    """PREEMPT alone: a write that was accepted before may end either way, but a write that ends in a
    conflict has changed nothing."""
    before, after = pattern(64 * disk.block_size), pattern(64 * disk.block_size)
    assert three[1].execute(scsi.write10(0, 64), data_out=before).good
    task = waiting_write(three[1], disk, 0, after)
    assert out(three[1], RESERVE, B, 0, WE).good
    assert out(three[0], PREEMPT, A, B, WE).good
    r2t = task.pdus[0]
    three[1].connection.send(*three[1].data_pdus(task, r2t.buffer_offset, r2t.desired_length, r2t.ttt))
    result = three[1].wait(task)
    assert result.good or result.status == CONFLICT or result.sense, str(result)
    assert read_block(three[0], disk, 0, 64) == (after if result.good else before)


def test_registration_outlives_the_session(disk: Unit) -> None:
    """It belongs to the initiator port, not to the session (5.14.4)."""
    with disk.login(isid=isid(0)) as session:
        assert out(session, REGISTER, 0, A).good
        assert out(session, RESERVE, A, 0, EA).good
    with disk.login(isid=isid(1)) as other:
        assert not can_read(other, disk)
        assert keys(other) == {A}
    with disk.login(isid=isid(0)) as session:
        assert can_write(session, disk)
        assert out(session, RELEASE, A, 0, EA).good


def test_another_isid_is_another_port(disk: Unit) -> None:
    """RFC 7143 4.4.1: the initiator port is name and ISID."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as same_name:
        assert out(session, REGISTER, 0, A).good
        assert out(session, RESERVE, A, 0, WE).good
        assert not can_write(same_name, disk)
        assert out(same_name, RELEASE, A, 0, WE).status == CONFLICT


def test_full_status_names_the_ports(three: list[Session]) -> None:
    """READ FULL STATUS: the TransportID of each (7.6.4.6)."""
    assert out(three[1], RESERVE, B, 0, WE).good
    data = three[0].execute(scsi.persistent_in(3), read=4096).data
    end = 8 + struct.unpack_from(">I", data, 4)[0]
    at, found = 8, {}
    while at < end:
        key, flags, kind, port, length = struct.unpack_from(">Q4xBB4xHI", data, at)
        transport_id = data[at + 24:at + 24 + length]
        assert transport_id[0] == 0x45 and length % 4 == 0 and len(transport_id) == length
        assert struct.unpack_from(">H", transport_id, 2)[0] == length - 4
        found[key] = (flags, kind, port, transport_id[4:].split(b"\0")[0].decode())
        at += 24 + length
    assert found.keys() == {A, B, C}
    for number, key in enumerate((A, B, C)):
        flags, kind, port, name = found[key]
        assert (flags, kind) == ((1, WE) if key == B else (0, 0))
        assert port == 1
        assert name.endswith(f",i,0x{isid(number).hex()}")


# -- RESERVE and RELEASE


@pytest.mark.alone
def test_reserve_ends_with_its_session(disk: Unit) -> None:
    """SPC-2 5.5.1: loss of the nexus."""
    with disk.login(isid=isid(1)) as other:
        with disk.login(isid=isid(0)) as session:
            assert session.execute(bytes([0x16, 0, 0, 0, 0, 0])).good
            assert not can_read(other, disk)
            assert other.execute(bytes([0x17, 0, 0, 0, 0, 0])).good  # releases nothing
            assert not can_read(other, disk)
            assert other.execute(scsi.persistent_in(0), read=1024).status == CONFLICT
            assert session.execute(scsi.persistent_in(0), read=1024).status == CONFLICT
        other.clear_attentions()
        assert can_write(other, disk)


@pytest.mark.alone
def test_reserve_conflicts_with_registrations(three: list[Session]) -> None:
    """SPC-4 5.13.3."""
    reserve = bytes([0x16, 0, 0, 0, 0, 0])
    assert three[0].execute(reserve).status == CONFLICT
    assert out(three[0], RESERVE, A, 0, WE).good
    assert three[0].execute(reserve).good  # the holder: GOOD, nothing is reserved
    assert three[1].execute(reserve).status == CONFLICT
    assert out(three[0], RELEASE, A, 0, WE).good


# -- mode parameters


def test_mode_select_tells_others(disk: Unit) -> None:
    """SPC-5 6.12: MODE PARAMETERS CHANGED for every nexus but the one that changed them; REQUEST SENSE
    reports it too, once."""
    with (disk.login(isid=isid(0)) as mine, disk.login(isid=isid(1)) as other,
          disk.login(isid=isid(2)) as third):
        page = bytearray(mine.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data[4:])
        page[5] ^= 0x40  # TAS
        changed = bytes(4) + bytes(page)
        assert mine.execute(scsi.mode_select6(len(changed)), data_out=changed).good
        assert attention(mine) == 0
        assert attention(other) == MODE_PARAMETERS_CHANGED
        assert attention(other) == 0
        sense = third.execute(scsi.request_sense(), read=252).data
        assert sense[2] & 0xF == 6 and sense[12] << 8 | sense[13] == MODE_PARAMETERS_CHANGED
        assert attention(third) == 0
        assert other.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data[4:] == bytes(page)


def test_descriptor_sense(disk: Unit) -> None:
    """D_SENSE: the format changes for all nexuses (SPC-5 7.5.11)."""
    with disk.login(isid=isid(0)) as mine, disk.login(isid=isid(1)) as other:
        page = bytearray(mine.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data[4:])
        page[2] ^= 0x04
        changed = bytes(4) + bytes(page)
        assert mine.execute(scsi.mode_select6(len(changed)), data_out=changed).good
        other.clear_attentions()
        result = other.execute(scsi.inquiry(page=0xFE), read=255)
        assert result.sense is not None and result.sense.response_code == 0x72
        assert result.sense.asc == scsi.INVALID_FIELD_IN_CDB and result.sense.field_pointer == 2


def test_sense_format_parameter(disk: Unit, daemon: Daemon) -> None:
    """The operator's sense_format is D_SENSE, whatever an initiator made of it meanwhile."""
    def format_of_sense(session: Session) -> int:
        session.clear_attentions()
        sense = session.execute(scsi.inquiry(page=0xFE), read=255).sense
        assert sense is not None
        return sense.response_code

    with disk.login() as session:
        for value, code in (("1", 0x72), ("0", 0x70), ("1", 0x72)):
            daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(disk.tid), "--lun", str(disk.lun),
                      "--params", f"sense_format={value}")
            assert format_of_sense(session) == code


# -- APTPL


def test_kept_through_a_crash(restart: Callable[[], Unit]) -> None:
    """With APTPL what was answered GOOD is there after the daemon was killed (5.14.6)."""
    disk = restart()
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        assert out(session, REGISTER, 0, A, flags=APTPL).good
        assert out(other, REGISTER, 0, B, flags=APTPL).good
        assert out(session, RESERVE, A, 0, WE_RO).good
    disk = restart()
    with (disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other,
          disk.login(isid=isid(2)) as stranger):
        assert keys(stranger) == {A, B}
        assert not can_write(stranger, disk)
        assert can_write(other, disk) and can_write(session, disk)
        assert out(session, CLEAR, A).good
    disk = restart()
    with disk.login(isid=isid(2)) as stranger:
        assert keys(stranger) == set()


def test_kept_for_the_medium_that_was_put_in(own_daemon: Daemon, one_on_file: Variant) -> None:
    """The reservation is the unit's: after media were exchanged it is kept for the one that is in (5.14.6)."""
    first, second = (own_daemon.folder / name for name in ("first.img", "second.img"))
    for path in (first, second):
        path.write_bytes(bytes(1 << 20))
    disk = make_disk(own_daemon, first, one_on_file)
    change = ["--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params"]
    with disk.login(isid=isid(0)) as session:
        assert out(session, REGISTER, 0, A, flags=APTPL).good
        assert out(session, RESERVE, A, 0, WE).good
        own_daemon.do(*change, "removable=1")
        for path in ("", str(second)):
            own_daemon.do(*change, f"path={path}")
    for path, kept in ((second, {A}), (first, set())):
        own_daemon.kill()
        own_daemon.start()
        disk = make_disk(own_daemon, path, one_on_file)
        with disk.login(isid=isid(1)) as stranger:
            assert keys(stranger) == kept
            assert can_write(stranger, disk) == (not kept)


def test_not_kept_without_aptpl(restart: Callable[[], Unit]) -> None:
    disk = restart()
    with disk.login(isid=isid(0)) as session:
        assert out(session, REGISTER, 0, A).good
        assert out(session, RESERVE, A, 0, EA).good
    disk = restart()
    with disk.login(isid=isid(1)) as other:
        assert keys(other) == set()
        assert can_write(other, disk)
