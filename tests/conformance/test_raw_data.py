# SPDX-License-Identifier: MIT
"""Data transfer: immediate, unsolicited and solicited data, bursts, residuals (RFC 7143 4.2.5, 11.3-11.8)."""

from __future__ import annotations

import time

import pytest

from harness.raw import (CLOSED, assert_not_good, assert_refused, assert_serves, pattern, reaction, read_block,
                         write_block)
from harness.units import Unit
from iscsi import scsi
from iscsi.connection import Connection
from iscsi.pdu import RESERVED_TAG, Op, Pdu, lun_field
from iscsi.session import READ, SIMPLE, WRITE, Rejected, Session
from iscsi.task import Task

MODES = [(r2t, immediate) for r2t in ("Yes", "No") for immediate in ("Yes", "No")]
MODE_IDS = [f"InitialR2T={r2t}-ImmediateData={immediate}" for r2t, immediate in MODES]
BURSTS = {"MaxBurstLength": "16384", "FirstBurstLength": "8192"}


def keys(r2t: str, immediate: str, **more: str) -> dict[str, str]:
    return {"InitialR2T": r2t, "ImmediateData": immediate, **more}


@pytest.mark.smoke
@pytest.mark.parametrize("size", [1, 8, 16, 17, 32, 33, 200, 1024])
@pytest.mark.parametrize("r2t,immediate", MODES, ids=MODE_IDS)
def test_write_and_read(disk: Unit, r2t: str, immediate: str, size: int) -> None:
    """Whole and odd bursts, under and over FirstBurstLength and MaxBurstLength; the library checks each
    R2T, Data-In and number on the way."""
    length = size * 512
    if length % disk.block_size:
        length = disk.block_size * size
    data = pattern(length)
    with disk.login(keys=keys(r2t, immediate, **BURSTS)) as session:
        write_block(session, disk, 7, data)
        assert read_block(session, disk, 7, length // disk.block_size) == data


@pytest.mark.parametrize("length", ["512", "1024", "4096"])
def test_small_segments(disk: Unit, length: str) -> None:
    """Data-In PDUs never exceed what the initiator takes, however small."""
    data = pattern(64 * disk.block_size)
    with disk.login(keys={"MaxRecvDataSegmentLength": length}) as session:
        write_block(session, disk, 0, data)
        assert read_block(session, disk, 0, 64) == data


def test_small_bursts(disk: Unit) -> None:
    """MaxBurstLength 512: an R2T and a Data-In sequence for every 512 bytes."""
    data = pattern(16 * disk.block_size)
    burst = {"MaxBurstLength": "512", "FirstBurstLength": "512"}
    with disk.login(keys=burst) as session:
        write_block(session, disk, 0, data)
        assert read_block(session, disk, 0, 16) == data


def start_without_data(session: Session, unit: Unit, lba: int, data: bytes) -> Task:
    """A write of which nothing has been sent yet."""
    return session.start(scsi.write10(lba, len(data) // unit.block_size), lun=unit.lun, data_out=data,
                         immediate_length=0, flags=0x80 | WRITE | SIMPLE)


def next_r2t(session: Session, task: Task) -> Pdu:
    pdu = session.connection.recv()
    assert pdu.opcode == Op.R2T and pdu.itt == task.itt, f"{pdu!r} is no R2T of the task"
    task.check_r2t(pdu)
    return pdu


def test_one_r2t_at_a_time(disk: Unit) -> None:
    """MaxOutstandingR2T=1: the next R2T comes when the last one is answered (13.17)."""
    data = pattern(128 * disk.block_size)
    with disk.login(keys={"MaxBurstLength": "16384", "FirstBurstLength": "4096"}) as session:
        task = start_without_data(session, disk, 0, data)
        while task.result is None:
            pdu = session.connection.recv()
            if pdu.opcode != Op.R2T:
                task.feed(pdu)
                continue
            task.check_r2t(pdu)
            session.expect_silence(0.02)
            session.connection.send(*session.data_pdus(task, pdu.buffer_offset, pdu.desired_length, pdu.ttt))
        assert task.result.good
        assert read_block(session, disk, 0, 128) == data


@pytest.mark.parametrize("limit", [2, 4, 8])
def test_r2ts_within_the_limit(disk: Unit, limit: int) -> None:
    """No more R2Ts outstanding than agreed (13.17), and tags that tell them apart."""
    data = pattern(128 * disk.block_size)
    offer = {"MaxBurstLength": "4096", "FirstBurstLength": "4096", "MaxOutstandingR2T": str(limit)}
    with disk.login(keys=offer) as session:
        agreed = session.params.number("MaxOutstandingR2T")
        task = start_without_data(session, disk, 0, data)
        waiting: list[Pdu] = []
        while task.result is None:
            got = reaction(session.connection, 0.1 if waiting else 5.0)
            if isinstance(got, Pdu) and got.opcode == Op.R2T:
                task.check_r2t(got)
                waiting.append(got)
                assert len(waiting) <= agreed, f"{len(waiting)} R2Ts outstanding, {agreed} agreed"
                assert len({r2t.ttt for r2t in waiting}) == len(waiting)
            elif isinstance(got, Pdu):
                task.feed(got)
            else:
                r2t = waiting.pop(0)
                session.connection.send(*session.data_pdus(task, r2t.buffer_offset, r2t.desired_length, r2t.ttt))
        assert task.result.good
        assert read_block(session, disk, 0, 128) == data


def test_two_writes_interleaved(disk: Unit) -> None:
    """Two commands' solicited data may come in any order of commands."""
    one, two = pattern(32 * disk.block_size), pattern(32 * disk.block_size)
    with disk.login(keys={"MaxBurstLength": "4096", "FirstBurstLength": "4096"}) as session:
        tasks = [start_without_data(session, disk, 0, one), start_without_data(session, disk, 100, two)]
        for task in reversed(tasks):
            assert session.wait(task).good
        assert read_block(session, disk, 0, 32) == one
        assert read_block(session, disk, 100, 32) == two


def test_silent_client_and_others(disk: Unit) -> None:
    """A write that never gets its data holds up nobody else's commands."""
    with disk.login() as stuck, disk.login() as other:
        task = start_without_data(stuck, disk, 0, pattern(64 * disk.block_size))
        next_r2t(stuck, task)
        write_block(other, disk, 500, pattern(disk.block_size))
        assert stuck.nop(b"still here").data == b"still here"
        assert stuck.execute(scsi.read10(600, 1), read=disk.block_size).good


# -- what an initiator must not send


def test_immediate_data_not_agreed(disk: Unit) -> None:
    """ImmediateData=No: immediate data are an error (13.11), and are not written."""
    before = pattern(disk.block_size)
    with disk.login(keys={"ImmediateData": "No"}) as session:
        write_block(session, disk, 20, before)
        task = session.start(scsi.write10(20, 1), data_out=pattern(disk.block_size), immediate_length=disk.block_size)
        assert_not_good(session, task)
    with disk.login() as session:
        assert read_block(session, disk, 20) == before


def test_unsolicited_data_not_agreed(disk: Unit) -> None:
    """InitialR2T=Yes: a Data-Out nobody asked for is an error."""
    data = pattern(8 * disk.block_size)
    with disk.login(keys={"ImmediateData": "No", "InitialR2T": "Yes"}) as session:
        task = session.start(scsi.write10(0, 8), data_out=data, flags=WRITE | SIMPLE)  # F clear: data follow
        session.connection.send(*session.data_pdus(task, 0, len(data), RESERVED_TAG))
        assert_not_good(session, task)
    assert_serves(disk)


@pytest.mark.parametrize("extra", [1, 512, 4096])
def test_immediate_data_beyond_first_burst(disk: Unit, extra: int) -> None:
    """Immediate data are limited by FirstBurstLength (13.14)."""
    data = pattern(64 * disk.block_size)
    with disk.login(keys={"FirstBurstLength": "4096", "MaxBurstLength": "8192"}) as session:
        task = session.start(scsi.write10(0, 64), data_out=data, immediate_length=4096 + extra)
        assert_not_good(session, task)
    assert_serves(disk)


def test_immediate_data_beyond_the_expected_length(disk: Unit) -> None:
    """More data than the expected data transfer length are a protocol error."""
    data = pattern(4 * disk.block_size)
    with disk.login() as session:
        task = session.start(scsi.write10(0, 1), data_out=data, expected=disk.block_size, immediate_length=len(data))
        assert_not_good(session, task)
    assert_serves(disk)


def test_unsolicited_data_short_of_first_burst(disk: Unit) -> None:
    """Unsolicited data other than FirstBurstLength when more is to come: incorrect amount (11.4.7.2)."""
    offer = keys("No", "No", FirstBurstLength="8192", MaxBurstLength="8192")
    with disk.login(keys=offer) as session:
        if session.params.flag("InitialR2T"):
            return  # the target never takes unsolicited data
        data = pattern(64 * disk.block_size)
        task = Task(session.new_itt(), disk.lun, data, len(data), session.params)
        session.tasks[task.itt] = task
        pdu = session.command_pdus(task, scsi.write10(0, 64))[0]
        session.connection.send(pdu, *session.data_pdus(task, 0, 4096, RESERVED_TAG))
        task.sent = 4096
        assert_not_good(session, task)
    assert_serves(disk)


FAULTS = {
    "DataSN-starts-at-1": lambda pdus: [setattr(p, "datasn", p.datasn + 1) for p in pdus],
    "DataSN-twice": lambda pdus: setattr(pdus[1], "datasn", 0),
    "DataSN-gap": lambda pdus: setattr(pdus[1], "datasn", 9),
    "offset-back": lambda pdus: setattr(pdus[1], "buffer_offset", 0),
    "offset-beyond": lambda pdus: setattr(pdus[1], "buffer_offset", 1 << 20),
    "offset-2^32": lambda pdus: setattr(pdus[1], "buffer_offset", 0xFFFFFE00),
    "gap": lambda pdus: pdus.pop(1),
    "order": lambda pdus: pdus.reverse(),
    "unknown-tag": lambda pdus: [setattr(p, "ttt", p.ttt ^ 0x55555555) for p in pdus],
    "early-F": lambda pdus: setattr(pdus[0], "flags", 0x80),
    "too-much": lambda pdus: setattr(pdus[-1], "data", pdus[-1].data + bytes(512)),
    "wrong-LUN": lambda pdus: [setattr(p, "lun", lun_field(77)) for p in pdus],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_data_out(disk: Unit, fault: str) -> None:
    """A solicited sequence that breaks the numbering, the offsets, or the amount asked for, never ends GOOD
    (11.7; at ErrorRecoveryLevel 0 the session may end instead)."""
    data = pattern(8 * 1024)
    with disk.login(keys={"MaxBurstLength": "8192", "FirstBurstLength": "512"}) as session:
        session.params.target_max_recv = 1024  # eight PDUs
        task = start_without_data(session, disk, 0, data)
        r2t = next_r2t(session, task)
        assert r2t.desired_length == len(data)
        pdus = session.data_pdus(task, 0, len(data), r2t.ttt)
        FAULTS[fault](pdus)
        session.connection.send(*pdus)
        if fault == "wrong-LUN":  # the LUN must be the command's; a target may also go by the tag alone
            reaction(session.connection, 2.0)
        elif fault == "gap":  # what is missing never comes: nothing may end well
            got = reaction(session.connection, 1.0)
            assert not (isinstance(got, Pdu) and got.opcode == Op.SCSI_RESPONSE and got.status == 0)
        else:
            assert_not_good(session, task)
    assert_serves(disk)


def test_data_out_of_no_task(disk: Unit) -> None:
    """A Data-Out for a task that isn't there (perhaps was aborted) is dropped or rejected."""
    with disk.login() as session:
        pdu = Pdu(Op.DATA_OUT, pattern(512), flags=0x80, itt=0x777, ttt=1, lun=lun_field(1))
        session.connection.send(pdu)
        got = reaction(session.connection, 0.5)
        assert got in (CLOSED, "silence") or (isinstance(got, Pdu) and got.opcode == Op.REJECT)
    assert_serves(disk)


def test_tag_in_use(disk: Unit) -> None:
    """A second task with an initiator task tag still in use: rejected, "task in progress" (11.17.1)."""
    with disk.login() as session:
        task = start_without_data(session, disk, 0, pattern(64 * disk.block_size))
        next_r2t(session, task)
        pdu = Pdu(Op.SCSI_COMMAND, flags=0x80 | READ | SIMPLE, lun=lun_field(disk.lun), itt=task.itt,
                  edtl=disk.block_size)
        pdu.cdb = scsi.read10(0, 1)
        session.connection.send(session.number(pdu))
        assert_refused(session.connection)
    assert_serves(disk)


# -- residuals (11.4.5)


RESIDUALS = [("equal", 0), ("more", 512), ("much-more", 65536), ("less", -512), ("odd", 100), ("odd-less", -100)]


@pytest.mark.parametrize("difference", [d for _, d in RESIDUALS], ids=[n for n, _ in RESIDUALS])
def test_read_residual(disk: Unit, difference: int) -> None:
    """The residual says by how much the expected length misses what the command transfers."""
    length = 4 * disk.block_size
    data = pattern(length)
    with disk.login() as session:
        write_block(session, disk, 0, data)
        result = session.execute(scsi.read10(0, 4), read=length + difference)
        assert result.good
        assert result.underflow == max(difference, 0)
        assert result.overflow == max(-difference, 0)
        assert result.data == data[:length + difference]


def test_read_with_no_expected_length(disk: Unit) -> None:
    """Expected length 0: no data, the whole length as overflow."""
    with disk.login() as session:
        result = session.execute(scsi.read10(0, 2), expected=0)
        assert result.good and not result.data
        assert result.overflow == 2 * disk.block_size


def test_inquiry_residual(disk: Unit) -> None:
    """Short parameter data are an underflow, not padding."""
    with disk.login() as session:
        result = session.execute(scsi.inquiry(length=255), read=255)
        assert result.good
        assert len(result.data) == result.data[4] + 5 == 255 - result.underflow


def test_write_residual_more_expected(disk: Unit) -> None:
    """A write whose expected length exceeds what the CDB says: underflow by the rest."""
    data = pattern(4 * disk.block_size)
    with disk.login() as session:
        result = session.execute(scsi.write10(30, 2), data_out=data)
        if result.good:  # or refused as a whole, which SAM also allows
            assert result.underflow == 2 * disk.block_size
            assert read_block(session, disk, 30, 2) == data[:2 * disk.block_size]
        else:
            assert result.sense is not None


def test_write_residual_less_expected(disk: Unit) -> None:
    """A write that expects less than the CDB says: overflow, and only what came is written."""
    before, data = pattern(4 * disk.block_size), pattern(2 * disk.block_size)
    with disk.login() as session:
        write_block(session, disk, 30, before)
        result = session.execute(scsi.write10(30, 4), data_out=data)
        if result.good:
            assert result.overflow == 2 * disk.block_size
        after = read_block(session, disk, 30, 4)
        assert after[2 * disk.block_size:] == before[2 * disk.block_size:], "wrote what never came"


def test_check_condition_has_the_full_residual(disk: Unit) -> None:
    """A command that failed before any data: the whole expected length is residual."""
    with disk.login() as session:
        result = session.execute(scsi.read10(0xFFFFFF00, 1), read=disk.block_size)
        assert result.status == scsi.Status.CHECK_CONDITION
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (5, scsi.LBA_OUT_OF_RANGE)
        assert result.underflow == disk.block_size and not result.data


@pytest.mark.parametrize("flags", [0x80 | READ | SIMPLE, 0x80 | SIMPLE], ids=["read", "none"])
def test_write_with_other_direction_flags(disk: Unit, flags: int) -> None:
    """A WRITE whose flags say that nothing comes doesn't write."""
    before = pattern(disk.block_size)
    with disk.login() as session:
        write_block(session, disk, 40, before)
        task = session.start(scsi.write10(40, 1), expected=disk.block_size, flags=flags)
        try:
            session.wait(task, 3.0)
        except (ConnectionError, TimeoutError, Rejected):
            pass
    with disk.login() as session:
        assert read_block(session, disk, 40) == before


def test_read_with_write_flag(disk: Unit) -> None:
    """A READ with W: no hang, no crash."""
    with disk.login() as session:
        task = session.start(scsi.read10(0, 1), data_out=pattern(disk.block_size))
        try:
            session.wait(task, 3.0)
        except (ConnectionError, Rejected):
            pass
    assert_serves(disk)


def test_big_transfer(disk: Unit) -> None:
    """Eight MiB in one command, both ways."""
    blocks = (8 << 20) // disk.block_size
    data = pattern(8 << 20, seed=3)
    with disk.login(keys={"MaxBurstLength": "1048576", "FirstBurstLength": "65536"}) as session:
        write_block(session, disk, 0, data)
        assert read_block(session, disk, 0, blocks) == data


def test_pdus_in_pieces(disk: Unit) -> None:
    """A write PDU that dribbles in is the same as one that comes at once."""
    data = pattern(disk.block_size)
    with disk.login() as session:
        task = Task(session.new_itt(), disk.lun, data, len(data), session.params)
        session.tasks[task.itt] = task
        wire = b"".join(pdu.to_bytes() for pdu in session.command_pdus(task, scsi.write10(11, 1)))
        for at in range(0, len(wire), 37):
            session.connection.send_bytes(wire[at:at + 37])
            time.sleep(0.001)
        assert session.wait(task).good
        assert read_block(session, disk, 11) == data


def test_many_pdus_at_once(disk: Unit) -> None:
    """A hundred commands in one segment are a hundred answers."""
    with disk.login() as session:
        assert isinstance(session.connection, Connection)
        session.nop()
        room = ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF
        tasks, wire = [], b""
        for n in range(min(room, 100)):
            task = Task(session.new_itt(), disk.lun, b"", disk.block_size, session.params)
            session.tasks[task.itt] = task
            tasks.append(task)
            wire += b"".join(pdu.to_bytes() for pdu in session.command_pdus(task, scsi.read10(n, 1)))
        session.connection.send_bytes(wire)
        assert all(session.wait(task).good for task in tasks)
