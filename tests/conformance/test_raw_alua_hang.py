# SPDX-License-Identifier: MIT
"""A change of an access state waits for the commands that run (SPC-5 5.15.2), and doesn't wait for ever."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from subprocess import CompletedProcess

import pytest

from harness.modules import Plan
from harness.options import Settings
from harness.portals import Portals
from harness.units import Unit
from harness.wild import Hanging, Wild, disk_of
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Task

TIMED_OUT = 110


@pytest.fixture
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), 2)
    yield made
    made.close()


@pytest.fixture
def far(wild: Wild) -> Iterator[tuple[Hanging, Unit]]:
    """A unit that hangs when it is told to, and the way to it through portal group 2."""
    hanging, portals = wild.hanging(), Portals(wild.daemon)
    yield hanging, portals.reach(hanging.unit, 2)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def start_write(session: Session) -> Task:
    """A write that has come as far as the store: a ping that was sent after it is answered."""
    task = session.start(scsi.write10(0, 1), data_out=bytes(512))
    assert session.nop() is not None
    return task


def standby(wild: Wild, hanging: Hanging) -> CompletedProcess[str]:
    return wild.daemon.adm("--op", "update", "--mode", "target", "--tid", str(hanging.target.tid), "--params",
                           "tpg=2,state=standby")


def set_standby(session: Session) -> Task:
    return session.start(struct.pack(">BB4xI2x", 0xA4, 0x0A, 8), data_out=bytes(4) + struct.pack(">BxH", 2, 2))


def test_the_operator_waits_for_writes(wild: Wild, far: tuple[Hanging, Unit], pool: ThreadPoolExecutor) -> None:
    """tgtadm returns when the last write through the port has ended; meanwhile new ones are refused."""
    hanging, unit = far
    with unit.login() as session, unit.login() as other:
        with hanging.hangs():
            task = start_write(session)
            change: Future[CompletedProcess[str]] = pool.submit(standby, wild, hanging)
            time.sleep(1)
            assert not change.done(), "a write through the port is under way"
        assert change.result().returncode == 0
        assert session.wait(task).good
        other.execute(bytes(6))
        assert other.execute(scsi.write10(0, 1), data_out=bytes(512)).sense.asc == 0x040B


def test_the_operator_does_not_wait_for_ever(wild: Wild, far: tuple[Hanging, Unit]) -> None:
    """A store that hangs is said to; the state is changed, and other units of the target go on."""
    hanging, unit = far
    other = wild.unit(hanging.target, lun=2)
    with unit.login() as session, other.login() as neighbour:
        with hanging.hangs():
            task = start_write(session)
            done = standby(wild, hanging)
            assert done.returncode == TIMED_OUT and "commands have not ended" in done.stderr
            groups = wild.daemon.show("target", "--tid", str(hanging.target.tid))["targets"][0]["port_groups"]
            assert groups[1]["state"] == "standby"
            neighbour.clear_attentions(2)
            assert neighbour.execute(scsi.write10(0, 1), lun=2, data_out=bytes(512)).good
        assert session.wait(task).good


def test_an_initiator_waits_for_writes(wild: Wild, far: tuple[Hanging, Unit]) -> None:
    """SET TARGET PORT GROUPS ends when the last write through the port has, or fails."""
    hanging, unit = far
    wild.daemon.do("--op", "update", "--mode", "target", "--tid", str(hanging.target.tid), "--name", "tpgs", "--value",
                   "explicit")
    with unit.login() as session, hanging.unit.login() as near:
        with hanging.hangs():
            write, change = start_write(session), set_standby(near)
            time.sleep(0.5)
            assert near.nop() is not None and change.result is None
        assert near.wait(change).good
        assert session.wait(write).good
        session.execute(bytes(6))
        assert session.execute(bytes(6)).sense.asc == 0x040B
        back = struct.pack(">BB4xI2x", 0xA4, 0x0A, 8)
        assert near.execute(back, data_out=bytes(4) + struct.pack(">BxH", 0, 2)).good
        session.clear_attentions()
        with hanging.hangs():
            write, change = start_write(session), set_standby(near)
            sense = near.wait(change, 20).sense
            assert (sense.key, sense.asc) == (Key.HARDWARE_ERROR, 0x670A)
        assert session.wait(write).good
