# SPDX-License-Identifier: MIT
"""Task management functions and their responses (RFC 7143 clauses 4.2.3, 11.5, 11.6; SAM-5 clause 7)."""

from __future__ import annotations

import pytest

from harness.raw import CLOSED, assert_serves, pattern, reaction, read_block, write_block
from harness.units import Unit
from iscsi import scsi
from iscsi.connection import Closed
from iscsi.pdu import Op, Pdu, TaskFunction, TaskResponse
from iscsi.session import SIMPLE, WRITE, Rejected, Session
from iscsi.task import Task

COMPLETE = TaskResponse.COMPLETE


def waiting_write(session: Session, unit: Unit, lba: int = 0, blocks: int = 64) -> Task:
    """A write that has got its first R2T and waits for data."""
    task = session.start(scsi.write10(lba, blocks), lun=unit.lun, data_out=pattern(blocks * unit.block_size),
                         immediate_length=0, flags=0x80 | WRITE | SIMPLE)
    pdu = session.connection.recv()
    assert pdu.opcode == Op.R2T
    task.check_r2t(pdu)
    task.ttt = pdu.ttt  # type: ignore[attr-defined]
    return task


def late_data(session: Session, task: Task) -> None:
    """The data that the first R2T asked for."""
    r2t = task.pdus[0]
    session.connection.send(*session.data_pdus(task, r2t.buffer_offset, r2t.desired_length, r2t.ttt))


@pytest.mark.smoke
def test_abort_task(disk: Unit) -> None:
    """A task that waits for data is gone: no response, no effect of data that come late."""
    before = pattern(64 * disk.block_size)
    with disk.login() as session:
        write_block(session, disk, 0, before)
        number = session.cmdsn
        task = waiting_write(session, disk)
        assert session.abort(task, number) == COMPLETE
        session.tasks.pop(task.itt)
        late_data(session, task)
        got = reaction(session.connection, 0.5)
        assert got in (CLOSED, "silence") or (isinstance(got, Pdu) and got.opcode == Op.REJECT)
    with disk.login() as session:
        assert read_block(session, disk, 0, 64) == before


def test_abort_of_no_task(disk: Unit) -> None:
    """Response 1, task does not exist, for a tag and a CmdSN of the past (11.6.1)."""
    with disk.login() as session:
        session.nop()
        assert session.manage(TaskFunction.ABORT_TASK, rtt=0xABCD, refcmdsn=session.cmdsn - 1) == (
            TaskResponse.TASK_DOES_NOT_EXIST)
        assert session.alive()


def test_abort_of_a_finished_task(disk: Unit) -> None:
    """One that has been answered doesn't exist any more."""
    with disk.login() as session:
        number = session.cmdsn
        task = session.start(scsi.read10(0, 1), read=disk.block_size)
        assert session.wait(task).good
        assert session.abort(task, number) == TaskResponse.TASK_DOES_NOT_EXIST


def test_abort_of_a_task_that_never_came(disk: Unit) -> None:
    """A CmdSN within the window and below the function's own counts as received: complete (11.6.1), and the
    hole is filled."""
    with disk.login() as session:
        missing = session.cmdsn
        session.cmdsn = (missing + 1) & 0xFFFFFFFF
        assert session.manage(TaskFunction.ABORT_TASK, rtt=0xABCD, refcmdsn=missing) == COMPLETE
        assert session.alive()


def test_task_of_another_session(disk: Unit) -> None:
    """Nobody aborts another nexus's task."""
    with disk.login() as mine, disk.login() as other:
        task = waiting_write(other, disk)
        assert mine.manage(TaskFunction.ABORT_TASK, rtt=task.itt, refcmdsn=mine.cmdsn - 1) == (
            TaskResponse.TASK_DOES_NOT_EXIST)
        late_data(other, task)
        assert other.wait(task).good


@pytest.mark.parametrize("function", [TaskFunction.ABORT_TASK_SET, TaskFunction.CLEAR_TASK_SET,
                                      TaskFunction.LOGICAL_UNIT_RESET], ids=lambda f: f.name)
def test_own_tasks_end(disk: Unit, function: TaskFunction) -> None:
    """The session's waiting tasks are gone without a response; new commands run."""
    before = pattern(64 * disk.block_size)
    with disk.login() as session:
        write_block(session, disk, 0, before)
        task = waiting_write(session, disk)
        assert session.manage(function, lun=disk.lun) == COMPLETE
        session.tasks.pop(task.itt)
        session.expect_silence(0.3)
        session.clear_attentions(disk.lun)
        assert read_block(session, disk, 0, 64) == before


def test_abort_task_set_leaves_others_alone(disk: Unit) -> None:
    """ABORT TASK SET ends this nexus's tasks only."""
    with disk.login() as mine, disk.login() as other:
        task = waiting_write(other, disk)
        assert mine.manage(TaskFunction.ABORT_TASK_SET, lun=disk.lun) == COMPLETE
        late_data(other, task)
        assert other.wait(task).good


@pytest.mark.smoke
def test_reset_ends_the_tasks_of_all(disk: Unit) -> None:
    """LOGICAL UNIT RESET ends other sessions' tasks too, and tells them by a unit attention (SAM-5 5.14)."""
    with disk.login() as mine, disk.login() as other:
        task = waiting_write(other, disk)
        assert mine.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=disk.lun) == COMPLETE
        other.tasks.pop(task.itt)
        result = other.execute(scsi.test_unit_ready(), lun=disk.lun)
        assert result.sense is not None and result.sense.key == 6 and result.sense.asc >> 8 == 0x29, str(result)
        other.clear_attentions(disk.lun)
        assert other.execute(scsi.read10(0, 1), read=disk.block_size).good


@pytest.mark.alone
def test_reset_drops_a_reservation(disk: Unit) -> None:
    """RESERVE(6) doesn't survive LOGICAL UNIT RESET (SPC-2)."""
    with disk.login() as mine, disk.login() as other:
        assert mine.execute(bytes([0x16, 0, 0, 0, 0, 0])).good
        assert other.execute(scsi.read10(0, 1), read=disk.block_size).status == scsi.Status.RESERVATION_CONFLICT
        assert other.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=disk.lun) == COMPLETE
        other.clear_attentions(disk.lun)
        assert other.execute(scsi.read10(0, 1), read=disk.block_size).good


@pytest.mark.parametrize("function", [TaskFunction.ABORT_TASK_SET, TaskFunction.CLEAR_TASK_SET,
                                      TaskFunction.LOGICAL_UNIT_RESET], ids=lambda f: f.name)
def test_unknown_lun(disk: Unit, function: TaskFunction) -> None:
    """Response 2, LUN does not exist."""
    with disk.login() as session:
        assert session.manage(function, lun=77) == TaskResponse.LUN_DOES_NOT_EXIST
        assert session.alive()


def test_clear_aca(disk: Unit) -> None:
    """CLEAR ACA with no ACA in force is complete, or isn't supported."""
    with disk.login() as session:
        assert session.manage(TaskFunction.CLEAR_ACA, lun=disk.lun) in (COMPLETE, TaskResponse.NOT_SUPPORTED)
        assert session.alive()


def test_task_reassign(disk: Unit) -> None:
    """TASK REASSIGN has no place at ErrorRecoveryLevel 0: response 4, or 5."""
    with disk.login() as session:
        assert session.manage(TaskFunction.TASK_REASSIGN, rtt=1) in (
            TaskResponse.REASSIGN_NOT_SUPPORTED, TaskResponse.NOT_SUPPORTED)
        assert session.alive()


@pytest.mark.parametrize("function", [0, 9, 14, 0x7F])
def test_unknown_function(disk: Unit, function: int) -> None:
    """Response 5, not supported, or a Reject."""
    with disk.login() as session:
        try:
            assert session.manage(function) in (TaskResponse.NOT_SUPPORTED, TaskResponse.REJECTED)
        except (Rejected, Closed):
            pass
    assert_serves(disk)


def test_warm_reset(disk: Unit) -> None:
    """TARGET WARM RESET resets every unit: others get a unit attention; or it isn't supported."""
    with disk.login() as mine, disk.login() as other:
        answer = mine.manage(TaskFunction.TARGET_WARM_RESET, lun=0)
        assert answer in (COMPLETE, TaskResponse.NOT_SUPPORTED, TaskResponse.AUTHORIZATION_FAILED)
        if answer == COMPLETE:
            result = other.execute(scsi.test_unit_ready(), lun=disk.lun)
            assert result.sense is not None and result.sense.key == 6 and result.sense.asc >> 8 == 0x29
    assert_serves(disk)


def test_cold_reset(disk: Unit) -> None:
    """TARGET COLD RESET ends all sessions of the target (11.5.1); or it isn't supported."""
    with disk.login() as mine, disk.login() as other:
        try:
            answer = mine.manage(TaskFunction.TARGET_COLD_RESET, lun=0)
        except Closed:
            answer = COMPLETE
        assert answer in (COMPLETE, TaskResponse.NOT_SUPPORTED, TaskResponse.AUTHORIZATION_FAILED)
        if answer == COMPLETE:
            assert other.connection.is_closed()
    assert_serves(disk)


def test_queued_function_waits_for_its_turn(disk: Unit) -> None:
    """A function that isn't immediate takes its place in CmdSN order."""
    with disk.login() as session:
        task = session.start(scsi.read10(0, 1), read=disk.block_size)
        assert session.manage(TaskFunction.ABORT_TASK_SET, lun=disk.lun, immediate=False) == COMPLETE
        assert task.result is None or task.result.good
        session.tasks.pop(task.itt, None)
        assert session.alive()


def test_functions_one_after_the_other(disk: Unit) -> None:
    """Resets in quick succession from two sessions; afterwards all works."""
    with disk.login() as mine, disk.login() as other:
        for _ in range(20):
            assert mine.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=disk.lun) == COMPLETE
            assert other.manage(TaskFunction.ABORT_TASK_SET, lun=disk.lun) == COMPLETE
        for session in (mine, other):
            session.clear_attentions(disk.lun)
            assert session.execute(scsi.read10(0, 1), read=disk.block_size).good
