# SPDX-License-Identifier: MIT
"""Many initiators on several event loops, whose connections, units and targets are killed at random while an
operator takes things away and brings them back; somebody else's I/O goes on all the time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from harness.modules import Plan
from harness.neighbour import Neighbour
from harness.options import Settings
from harness.units import Target, Unit
from harness.wild import Hanging, Wild, disk_of
from iscsi import scsi
from iscsi.connection import Closed, NoAnswer
from iscsi.login import LoginFailed
from iscsi.pdu import Op, Pdu, TaskFunction, lun_field
from iscsi.session import ACA, HEAD_OF_QUEUE, ORDERED, SIMPLE, Rejected, Session

SECONDS = 12.0
TARGETS, LUNS, INITIATORS = 3, 3, 6
ISIDS = [b"\x80\0\0" + bytes([n]) + b"\0\0" for n in range(4)]  # fewer than initiators: they drive each other out
HANGING_LUN = 3
GONE = (Closed, NoAnswer, Rejected, LoginFailed, OSError)  # what an initiator of this crowd has to put up with


def cdbs(rng: random.Random) -> tuple[bytes, int, bytes]:
    """A command, the bytes it expects to read, and those that it has to write."""
    lba, blocks = rng.randrange(512), rng.choice((1, 1, 8, 128, 1024))
    key = rng.choice((0, 1, 2))
    return rng.choice((
        (scsi.read10(lba, blocks), blocks * 512, b""),
        (scsi.read10(lba, blocks), blocks * 512, b""),
        (scsi.write10(lba, blocks), 0, bytes(blocks * 512)),
        (scsi.write10(lba, blocks), 0, bytes(blocks * 512)),
        (scsi.write16(0, 32768), 0, bytes(16 << 20)),
        (scsi.compare_and_write(lba, 1), 0, bytes(1024)),
        (scsi.orwrite16(lba, 8), 0, bytes(4096)),
        (scsi.unmap(24), 0, scsi.unmap_parameters([(lba, 8)])),
        (scsi.write_same16(0, 4096), 0, bytes(512)),
        (scsi.synchronize_cache10(), 0, b""),
        (scsi.inquiry(), 255, b""),
        (scsi.report_luns(), 4096, b""),
        (scsi.start_stop(True), 0, b""),
        (scsi.mode_select6(24), 0, bytes(24)),
        (bytes([rng.choice((0x16, 0x17)), 0, 0, 0, 0, 0]), 0, b""),
        (scsi.persistent_out(6), 0, scsi.persistent_parameters(0, key)),
        (scsi.persistent_out(rng.choice((1, 2, 3, 4, 5)), rng.choice((1, 3, 5))), 0,
         scsi.persistent_parameters(key, rng.choice((1, 2)))),
        (scsi.persistent_in(rng.randrange(4)), 1024, b""),
    ))


class Initiator:
    """Logs in, sends what it likes, answers or doesn't, and goes in a way of its own; again and again."""

    def __init__(self, crowd: "Crowd", seed: int) -> None:
        self.crowd, self.rng = crowd, random.Random(seed)
        self.sessions = self.commands = 0

    def __call__(self) -> None:
        while not self.crowd.over.is_set():
            try:
                self.session()
            except GONE:
                pass

    def session(self) -> None:
        rng = self.rng
        target = rng.choice(self.crowd.targets)
        keys: dict[str, str | None] = {"InitialR2T": rng.choice(("Yes", "No")), "MaxOutstandingR2T": "4"}
        session = target.unit(1).login(attentions=True, isid=rng.choice(ISIDS), keys=keys)
        session.connection.timeout = 1.0
        self.sessions += 1
        try:
            for _ in range(rng.randrange(1, 5)):
                self.burst(session)
        finally:
            self.leave(session)

    def burst(self, session: Session) -> None:
        rng = self.rng
        for _ in range(rng.randrange(1, 12)):
            cdb, read, data = cdbs(rng)
            session.lun = rng.randrange(0, LUNS + 2)
            attribute = rng.choice((SIMPLE, SIMPLE, SIMPLE, ORDERED, HEAD_OF_QUEUE, ACA))
            session.start(cdb, data_out=data, read=read, attribute=attribute)
            self.commands += 1
        if rng.random() < 0.4:
            self.function(session)
        self.listen(session, rng.choice((0.0, 0.01, 0.1)))

    def function(self, session: Session) -> None:
        rng = self.rng
        functions = (TaskFunction.ABORT_TASK, TaskFunction.ABORT_TASK_SET, TaskFunction.CLEAR_TASK_SET,
                     TaskFunction.LOGICAL_UNIT_RESET, TaskFunction.TARGET_WARM_RESET, TaskFunction.CLEAR_ACA)
        function = TaskFunction.TARGET_COLD_RESET if rng.random() < 0.1 else rng.choice(functions)
        session.connection.send(session.number(Pdu(
            Op.TASK_MANAGEMENT, flags=0x80 | function, itt=session.new_itt(), immediate=True,
            refcmdsn=session.cmdsn - 1, rtt=rng.choice([*session.tasks, 0]), lun=lun_field(session.lun))))

    def listen(self, session: Session, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                session.pump(deadline)
            except (NoAnswer, Rejected):
                return

    def leave(self, session: Session) -> None:
        how = self.rng.randrange(4)
        if how == 0:
            session.connection.reset()
            return
        if how == 1:
            session.connection.socket.shutdown(1)
        elif how == 2:
            session.connection.send(session.number(Pdu(Op.LOGOUT, flags=0x80, itt=session.new_itt(), immediate=True)))
        session.connection.close()


class Operator:
    """Deletes and makes anew, closes connections, takes things offline and reopens stores."""

    def __init__(self, crowd: "Crowd", seed: int) -> None:
        self.crowd, self.rng = crowd, random.Random(seed)
        self.done: dict[str, int] = {}

    def __call__(self) -> None:
        while not self.crowd.over.is_set():
            act = self.rng.choice((self.unit, self.unit, self.target, self.connection, self.connection, self.state,
                                   self.path, self.hang, self.hang))
            act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
            time.sleep(self.rng.random() / 20)

    def some(self) -> Target:
        return self.rng.choice(self.crowd.targets)

    def adm(self, op: str, mode: str, target: Target, *arguments: str) -> None:
        self.crowd.wild.daemon.adm("--op", op, "--mode", mode, "--tid", str(target.tid), *arguments)

    def unit(self) -> None:
        target, lun = self.some(), self.rng.randrange(1, HANGING_LUN)
        self.adm("delete", "logicalunit", target, "--lun", str(lun))
        self.crowd.make_unit(target, lun)

    def target(self) -> None:
        n = self.rng.randrange(TARGETS)
        old = self.crowd.targets[n]
        self.crowd.go_on()
        self.adm("delete", "target", old, "--force")
        self.crowd.targets[n] = self.crowd.make_target(n)

    def connection(self) -> None:
        target = self.some()
        rows = self.crowd.wild.sessions(target.tid)
        if rows:
            self.adm("delete", "conn", target, "--sid", str(self.rng.choice(rows)["id"]), "--cid", "0")

    def state(self) -> None:
        target = self.some()
        for state in ("offline", "ready"):
            self.adm("update", "target", target, "--name", "state", "--value", state)
            time.sleep(self.rng.random() / 50)

    def path(self) -> None:
        target, lun = self.some(), self.rng.randrange(1, HANGING_LUN)
        path = self.crowd.file(target, lun, self.rng.randrange(2))
        self.adm("update", "logicalunit", target, "--lun", str(lun), "--params", f"path={path}")

    def hang(self) -> None:
        folder = self.rng.choice(self.crowd.folders)
        (folder / "io").touch()
        time.sleep(self.rng.random() / 5)
        (folder / "io").unlink()


class Crowd:
    """The daemon, its targets, and everybody's threads."""

    def __init__(self, wild: Wild) -> None:
        self.wild, self.over = wild, threading.Event()
        self.folders = [wild.folder / f"hang-crowd{n}" for n in range(TARGETS)]
        for folder in self.folders:
            folder.mkdir()
        self.targets = [self.make_target(n) for n in range(TARGETS)]
        self.errors: list[BaseException] = []

    def file(self, target: Target, lun: int, which: int) -> str:
        path = self.wild.folder / f"disk{target.tid}.{lun}.{which}"
        if not path.exists():
            with open(path, "wb") as file:
                file.truncate(32 << 20)
        return str(path)

    def make_target(self, n: int) -> Target:
        target = self.wild.factory.target()
        for lun in range(1, HANGING_LUN):
            self.make_unit(target, lun)
        self.wild.daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", str(target.tid), "--lun",
                             str(HANGING_LUN), "--bstype", "hang", "-b", str(self.folders[n]))
        return target

    def make_unit(self, target: Target, lun: int) -> None:
        self.wild.daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", str(target.tid), "--lun", str(lun),
                             "--bstype", self.wild.variant.module, "-b", self.file(target, lun, 0))
        self.wild.daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(target.tid), "--lun", str(lun),
                             "--params", "thin_provisioning=1,removable=1")

    def go_on(self) -> None:
        for folder in self.folders:
            (folder / "io").unlink(missing_ok=True)

    def guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (told at the end)
            self.errors.append(error)
            self.over.set()

    def run(self, works: list[Callable[[], None]], seconds: float) -> None:
        threads = [threading.Thread(target=self.guard, args=(work,), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        self.over.wait(seconds)
        self.over.set()
        for thread in threads:
            thread.join(60)
        self.go_on()
        if self.errors:
            raise self.errors[0]
        assert not any(thread.is_alive() for thread in threads), "somebody hangs"


@pytest.fixture
def wild(settings: Settings, plan: Plan) -> Iterator[Wild]:
    made = Wild(settings, plan, disk_of(plan), threads=4)
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_everything_ends_at_random(wild: Wild) -> None:
    """The daemon lives, lets nothing lie, and the one who has no part in it notices nothing."""
    crowd = Crowd(wild)
    own: Unit = wild.unit()
    before = wild.usage.descriptors()
    initiators = [Initiator(crowd, seed) for seed in range(INITIATORS)]
    operator = Operator(crowd, 99)
    with Neighbour(own, patience=30) as neighbour:
        crowd.run([*initiators, operator], SECONDS)
    assert wild.daemon.alive(), wild.daemon.log()[-4000:]
    assert neighbour.rounds > 10
    assert sum(i.sessions for i in initiators) > 20 and sum(i.commands for i in initiators) > 100, "nothing happened"
    assert len(operator.done) >= 5, operator.done
    for target in crowd.targets:
        wild.wait(lambda: not wild.sessions(target.tid), "no session is left", 30)
        wild.daemon.do("--op", "delete", "--mode", "target", "--tid", str(target.tid))
    wild.usage.wait_for_descriptors(before)
    with own.login() as session:
        assert session.execute(scsi.read10(0, 1), read=512).good


def test_a_hanging_store_is_let_go(wild: Wild) -> None:
    """Units and targets on it come and go a few times while it hangs; then all of it is cleared away."""
    before = wild.usage.descriptors()
    units: list[Hanging] = []
    for _ in range(2):
        unit = wild.hanging()
        units.append(unit)
        (unit.folder / "io").touch()
        session = unit.unit.login(attentions=True)
        session.start(scsi.read10(0, 1), read=512)
        session.start(scsi.write10(0, 1), data_out=bytes(512))
        session.connection.reset()
        wild.daemon.adm("--op", "delete", "--mode", "logicalunit", "--tid", str(unit.target.tid), "--lun", "1",
                        timeout=30)
    for unit in units:
        unit.go_on()
        unit.target.delete()
    wild.usage.wait_for_descriptors(before)
