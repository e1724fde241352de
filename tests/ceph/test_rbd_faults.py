# SPDX-License-Identifier: MIT
"""Faults of a cluster under a unit: commands end in bounded time with the sense that tells, nothing that was answered
GOOD is lost, and neither the daemon nor its other units hang with a cluster."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from ceph_cluster import Cluster
from gateway import IQN, MIB, WAIT, attach, delete, make, refused, start, stop, wait_for, write
from harness.daemon import Daemon
from harness.ledger import stamped_range
from harness.process import run
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Task


def outcome(session: Session, cdb: bytes, data: bytes = b"", limit: float = 5.0) -> tuple[int, int] | None:
    """Sense key and additional sense code; None: GOOD.  It comes within a limit."""
    result = session.execute(cdb, data_out=data, timeout=limit)
    assert result.good or result.sense is not None, str(result)
    return None if result.sense is None else (result.sense.key, result.sense.asc)


def is_full(cluster: Cluster) -> bool:
    return ",full," in next(line for line in cluster.ceph("osd", "dump").splitlines() if line.startswith("pool"))


LUN1 = ("--mode", "logicalunit", "--tid", "1", "--lun", "1")
LUN3 = ("--mode", "logicalunit", "--tid", "1", "--lun", "3")
FULL = (Key.DATA_PROTECT, 0x2707)
RESIZED = (Key.UNIT_ATTENTION, 0x2A09)
FENCED = (Key.NOT_READY, 0x0403)
OFFLINE = (Key.NOT_READY, 0x0412)
SHUT_OUT = (FENCED, OFFLINE)  # as a command found it, or as the watch told before
BEYOND = (Key.ILLEGAL_REQUEST, 0x2100)
SHRUNK = (Key.MEDIUM_ERROR, 0x1100)  # until the new size is known


def test_a_full_pool(daemon: Daemon) -> None:
    """SPACE ALLOCATION FAILED WRITE PROTECT (SBC-4 4.7.3.6) at once for what needs space, and only for that; what is
    there can be read, overwritten and unmapped, and what that frees can be used again."""
    with Cluster(size=32 * MIB, osd="osd heartbeat interval = 1") as small:
        unit = make(daemon, small, "full", 64 * MIB)
        daemon.do("--op", "update", *LUN1, "--params", "thin_provisioning=1")
        with unit.login() as session:
            for lba in range(0, 31 * 2048, 2048):
                write(session, lba, b"\xa5" * MIB)
            wait_for(lambda: is_full(small), "the pool isn't full")
            beyond = 50 * 2048
            assert outcome(session, scsi.write10(beyond, 8), bytes(4096)) == FULL
            assert outcome(session, scsi.write10(beyond, 8, scsi.FUA), bytes(4096)) == FULL
            assert outcome(session, scsi.write_same16(beyond, 2048), b"\xa5" * 512) == FULL
            assert outcome(session, scsi.synchronize_cache10()) is None
            assert session.execute(scsi.read10(0, 8), read=4096).data == b"\xa5" * 4096
            assert outcome(session, scsi.write10(0, 8), b"\x5a" * 4096) is None
            unmapped = scsi.unmap_parameters([(2048 * 8, 2048 * 16)])
            assert outcome(session, scsi.unmap(len(unmapped)), unmapped) is None
            wait_for(lambda: not is_full(small), "it stays full")
            write(session, beyond, b"\xa5" * 4096)
            assert session.execute(scsi.read10(beyond, 8), read=4096).data == b"\xa5" * 4096
            assert session.execute(scsi.read10(0, 8), read=4096).data == b"\x5a" * 4096
        delete(daemon)


def seconds(what: Callable[[], object]) -> float:
    start_of_it = time.monotonic()
    what()
    return time.monotonic() - start_of_it


def connections(daemon: Daemon) -> int:
    """To clusters, by the threads that each has."""
    assert daemon.process is not None
    names = [path.read_text() for path in Path(f"/proc/{daemon.process.pid}/task").glob("*/comm")]
    return names.count("msgr-worker-0\n")


def test_a_hanging_cluster_holds_up_nothing_else(daemon: Daemon, cluster: Cluster) -> None:
    """Its target, with more units than there are workers to open and close them, is deleted; meanwhile units of others
    are made, served and deleted.  Nothing is left of it once it answers again."""
    daemon.do("--op", "new", "--mode", "target", "--tid", "2", "--targetname", f"{IQN}2")
    daemon.do("--op", "bind", "--mode", "target", "--tid", "2", "--initiator-address", "ALL")
    alive = cluster.image("alive", 8 * MIB)
    with Cluster() as hanging:
        for lun in range(1, 11):
            make(daemon, hanging, f"hanging{lun}", 8 * MIB, options="timeout=6", lun=lun)
        hanging.pause()
        begun = time.monotonic()
        assert seconds(lambda: daemon.do("--op", "delete", "--mode", "target", "--tid", "1", "--force")) < 10
        where = ("--mode", "logicalunit", "--tid", "2", "--lun", "1")
        while time.monotonic() - begun < 6 + 2:  # in which all have begun to be closed
            assert seconds(lambda: daemon.do("--op", "new", *where, "--bstype", "rbd", "-b", alive, "--bsopts",
                                             f"conf={cluster.conf}")) < 5
            with Unit(daemon.host, daemon.port, f"{IQN}2").login() as other:
                write(other, 0, bytes(512))
            assert seconds(lambda: daemon.do("--op", "delete", *where)) < 5
        assert connections(daemon) == 1 and "is left behind" in daemon.log()
        hanging.resume()
        wait_for(lambda: connections(daemon) == 0, "its connection stays")


def ours(cluster: Cluster) -> list[str]:
    """The addresses of all clients that watch an image, as the cluster knows them."""
    watchers = [json.loads(cluster.rbd("status", "--format", "json", f"rbd/{image}"))["watchers"]
                for image in cluster.rbd("ls", "rbd").split()]
    return [one["address"] for image in watchers for one in (image.values() if isinstance(image, dict) else image)]


@pytest.mark.parametrize("options", ["", "cache=yes"])
def test_a_blocklisted_daemon(daemon: Daemon, options: str) -> None:
    """It is fenced: no command ends well (NOT READY, MANUAL INTERVENTION REQUIRED at first), but a SYNCHRONIZE CACHE of
    data that are there already; the log says why, units that are made or opened anew are served, and it lets go of a
    unit and ends as quickly as others."""
    with Cluster() as own:
        unit = make(daemon, own, "fenced", 8 * MIB, options=options)
        with unit.login() as session:
            write(session, 0, b"\xa5" * 4096)
            assert outcome(session, scsi.synchronize_cache10()) is None
            addresses = ours(own)
            write(session, 8, b"\x5a" * 4096)  # with a cache it may be there only
            for address in addresses:
                own.ceph("osd", "blocklist", "add", address)
            synchronized = outcome(session, scsi.synchronize_cache10())
            assert synchronized in (None, *SHUT_OUT)
            is_kept = synchronized is None
            if is_kept:
                assert outcome(session, scsi.write10(0, 8, scsi.FUA), bytes(4096)) in SHUT_OUT
            assert outcome(session, scsi.write10(0, 8), bytes(4096)) is not None
            wait_for(lambda: outcome(session, scsi.test_unit_ready()) is not None, "it stays ready", seconds=5.0)
            for cdb, data in ((scsi.synchronize_cache10(), b""), (scsi.write10(0, 8), bytes(4096)),
                              (scsi.verify10(0, 8), b"")) * 2:
                result = outcome(session, cdb, data)
                assert result is not None and result[0] == Key.NOT_READY, result
            assert "blocklisted" in daemon.log()
        own.rbd("export", "--no-progress", "rbd/fenced", str(daemon.folder / "there"))
        there = (daemon.folder / "there").read_bytes()
        assert there[:4096] == b"\xa5" * 4096 and (there[4096:8192] == b"\x5a" * 4096 or not is_kept)
        second = make(daemon, own, "second", 8 * MIB, options=options, lun=2)
        with second.login() as session:  # which has another connection
            write(session, 0, bytes(512))
        assert seconds(lambda: daemon.do("--op", "update", *LUN1, "--params", f"bsopts=conf={own.conf};{options}")) < 10
        with unit.login() as session:
            write(session, 0, bytes(512))
        for address in ours(own):
            own.ceph("osd", "blocklist", "add", address)
        with unit.login() as session:
            assert outcome(session, scsi.write10(0, 8, scsi.FUA), bytes(4096)) in SHUT_OUT
        assert seconds(lambda: delete(daemon)) < 10
        assert seconds(lambda: stop(daemon)) < 10


class Writer:
    """Writes its own part of a unit all the time, in a thread, some commands at a time, until it is told to end."""

    DEPTH, BLOCKS, SLOTS = 8, 16, 64

    def __init__(self, unit: Unit, number: int) -> None:
        self.written = 0
        self._first = number * self.SLOTS * self.BLOCKS
        self._session = unit.login(isid=bytes((0x80, 0, 0, 0, number, 0)))
        self._last: dict[int, int] = {}  # the write that a slot must hold
        self._ends = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        flying: deque[tuple[Task, int, int]] = deque()
        number = 0
        try:
            while flying or not self._ends.is_set():
                while len(flying) < self.DEPTH and not self._ends.is_set():
                    number += 1
                    lba = self._first + number % self.SLOTS * self.BLOCKS
                    flying.append((self._session.start(scsi.write16(lba, self.BLOCKS),
                                                       data_out=stamped_range(lba, self.BLOCKS, number)), lba, number))
                task, lba, one = flying.popleft()
                result = self._session.wait(task, timeout=60)
                if result.sense is not None and (result.sense.key, result.sense.asc) == RESIZED:
                    continue  # and not written
                assert result.good, str(result)
                self._last[lba] = one
                self.written += 1
        except BaseException as error:  # noqa: BLE001 (told by end())
            self._error = error

    def end(self) -> None:
        """All that was written is there; nothing went wrong."""
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive() and self._error is None, self._error
        self._session.clear_attentions()
        for lba, number in self._last.items():
            result = self._session.execute(scsi.read16(lba, self.BLOCKS), read=self.BLOCKS * 512)
            assert result.data == stamped_range(lba, self.BLOCKS, number), f"write {number} to {lba} is lost"
        self._session.close()


def begin(unit: Unit) -> Session:
    """A session with commands under way; what becomes of them doesn't matter."""
    session = unit.login()
    for lba in range(0, 32, 8):
        session.start(scsi.write10(lba, 8), data_out=bytes(4096))
        session.start(scsi.read10(lba, 8), read=4096)
    return session


def end_with_commands_under_way(cluster: Cluster, prepared: Daemon) -> None:
    """One unit is deleted, the other's session is there when the daemon ends: after the time that it gives commands."""
    units = [Unit(prepared.host, prepared.port, IQN, lun) for lun in (1, 2, 3)]
    sessions = [begin(unit) for unit in units[:2]]
    assert seconds(lambda: prepared.do("--op", "delete", *LUN1, "--force")) < 8
    with units[2].login() as session:
        assert session.execute(scsi.read10(0, 1), read=512).good
    assert seconds(lambda: stop(prepared)) < 20
    for session in sessions:
        session.connection.close()


def test_an_osd_that_pauses_under_load(daemon: Daemon, cluster: Cluster) -> None:
    """For 20 seconds, with the timeout that units have: no command ends badly, and nothing that ended well is lost.
    Meanwhile another daemon can delete a unit whose commands don't end, serves others, and can be ended."""
    unit = make(daemon, cluster, "load", 8 * MIB)
    other = start()
    for lun in (1, 2):
        make(other, cluster, f"other{lun}", 8 * MIB, lun=lun)
    other.do("--op", "new", *LUN3, "--bstype", "null", "--bsopts", "size=1M")
    writers = [Writer(unit, number) for number in range(3)]
    wait_for(lambda: all(writer.written > 100 for writer in writers), "nobody writes")
    cluster.pause()
    paused = time.monotonic()
    try:
        end_with_commands_under_way(cluster, other)
        before = sum(writer.written for writer in writers)
        time.sleep(max(0.0, paused + 20 - time.monotonic()))
        assert sum(writer.written for writer in writers) == before
    finally:
        cluster.resume()
    wait_for(lambda: sum(writer.written for writer in writers) > before + 300, "it doesn't go on")
    for writer in writers:
        writer.end()


def test_a_killed_cluster(daemon: Daemon) -> None:
    """Monitor and OSD: commands end with LOGICAL UNIT COMMUNICATION TIME-OUT after the unit's timeout, other units are
    served, and one is deleted and the daemon ended with commands under way."""
    with Cluster() as dead:
        units = [make(daemon, dead, f"dead{lun}", 8 * MIB, options="timeout=1", lun=lun) for lun in (1, 2)]
        daemon.do("--op", "new", *LUN3, "--bstype", "null", "--bsopts", "size=1M")
        with units[1].login() as session:
            write(session, 0, bytes(512))
        with units[0].login() as session:
            write(session, 0, bytes(512))
            session.clear_attentions(3)
            dead.kill()
            assert outcome(session, scsi.write10(0, 8), bytes(4096), limit=10.0) == (Key.ABORTED_COMMAND, 0x0801)
            assert session.execute(scsi.read10(0, 1), lun=3, read=512).good
        sessions = [begin(unit) for unit in units]
        assert seconds(lambda: daemon.do("--op", "delete", *LUN1, "--force")) < 10
        assert seconds(lambda: stop(daemon)) < 15
        for session in sessions:
            session.connection.close()


def test_a_resize_under_load(cluster: Cluster, unit: Unit) -> None:
    """Of two sessions that write within all sizes, and one that goes beyond the smaller one: that is told LOGICAL BLOCK
    ADDRESS OUT OF RANGE, and what was cut off is gone when it is there again (SBC-4 5.20, 4.10)."""
    lba, data = 48 * 2048, stamped_range(48 * 2048, 8, 1)
    writers = [Writer(unit, number) for number in range(2)]
    with unit.login() as session:
        for _ in range(3):
            cluster.rbd("resize", "--size", "32M", "--no-progress", "--allow-shrink", str(unit.path))
            outcomes = [outcome(session, scsi.write10(lba, 8), data)]
            while outcomes[-1] != BEYOND:
                outcomes.append(outcome(session, scsi.write10(lba, 8), data))
            assert set(outcomes) <= {RESIZED, BEYOND, SHRUNK}, outcomes
            sense = session.execute(scsi.read10(lba, 1), read=512).sense
            assert sense is not None and (sense.key, sense.asc) == BEYOND
            before = sum(writer.written for writer in writers)
            cluster.rbd("resize", "--size", "64M", "--no-progress", str(unit.path))
            wait_for(lambda: outcome(session, scsi.test_unit_ready()) == RESIZED, "no unit attention")
            assert session.execute(scsi.read10(lba, 8), read=4096).data == bytes(4096)
            write(session, lba, data)
            assert session.execute(scsi.read10(lba, 8), read=4096).data == data
            wait_for(lambda: sum(writer.written for writer in writers) > before, "nobody writes")
    for writer in writers:
        writer.end()


def blocks_of(session: Session, size: int) -> bytes:
    return b"".join(session.execute(scsi.read16(lba, 2048), read=MIB, timeout=WAIT).data
                    for lba in range(0, size // 512, 2048))


def test_a_file_system(daemon: Daemon, cluster: Cluster, unit: Unit, tmp_path: Path) -> None:
    """Written through iSCSI it is in the image as Ceph's tools have it, without an error, and the other way round."""
    tree, made, there = tmp_path / "tree", tmp_path / "made", tmp_path / "there"
    for number in range(40):
        path = tree / f"folder{number % 5}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 3001))
    shell("mkfs.ext4", "-q", "-d", str(tree), str(made), "32M")
    data = made.read_bytes()
    with unit.login() as session:
        for at in range(0, len(data), MIB):
            write(session, at // 512, data[at:at + MIB])
        assert outcome(session, scsi.synchronize_cache16()) is None
    cluster.rbd("export", "--no-progress", str(unit.path), str(there))
    assert there.stat().st_size == 64 * MIB
    shell("e2fsck", "-fn", str(there))
    assert_holds(there, tree)
    cluster.rbd("import", "--no-progress", str(made), "rbd/imported_file_system")
    with attach(daemon, cluster, "rbd/imported_file_system", lun=2).login() as session:
        again = tmp_path / "again"
        again.write_bytes(blocks_of(session, len(data)))
    shell("e2fsck", "-fn", str(again))
    assert again.read_bytes() == data


def shell(*words: str) -> str:
    done = run(words, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_holds(image: Path, tree: Path) -> None:
    """The file system in the image has the files of the tree."""
    out = image.with_suffix(".tree")
    out.mkdir()
    shell("debugfs", "-R", f"rdump / {out}", str(image))
    files = {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert files == {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("options", "text", "why"), [
    ("cluster=nowhere", None, "no configuration file is found of a cluster named nowhere"),
    ("", "[global]\n", "no monitor is named (mon host), nor found by DNS"),
    ("", "[global]\nmon host = nowhere.invalid\n", "these monitors (mon host) can't be used: nowhere.invalid"),
    ("", "[global\nmon host =\n", "wrong.conf: Invalid argument"),
    ("id=nobody", "[global]\nauth client required = cephx\nmon host = v2:127.0.0.1:9\n",
     "no key for this user is found: nobody"),
    ("lock=always", "[global]\n", "lock is auto, exclusive or none")])
def test_what_is_wrong_with_a_configuration(daemon: Daemon, tmp_path: Path, options: str, text: str | None,
                                            why: str) -> None:
    """Is told in one line, with the name of what is wrong, in the log too."""
    if text is not None:
        (tmp_path / "wrong.conf").write_text(text)
        options = f"conf={tmp_path}/wrong.conf;{options}".rstrip(";")
    assert why in refused(daemon, "rbd/image", options)
    assert why in next(line for line in daemon.log().splitlines() if "can't be opened" in line)
