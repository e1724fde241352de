# SPDX-License-Identifier: MIT
"""Persistent reservations of an image that several daemons export (SPC-5 5.14): what is done through one holds through all,
also when one of them dies or hangs."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from ceph_cluster import Cluster
from ceph_cluster.gateways import MIB, SHARED, Gateways
from gateway import attach, wait_for
from harness.process import freeze
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

A, B = 0xAAAAAAAAAAAAAAAA, 0xBBBBBBBBBBBBBBBB
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE = range(7)
WE, EA, WE_RO = 1, 3, 5
APTPL = 0x01
CONFLICT = scsi.Status.RESERVATION_CONFLICT
OFFLINE = 0x0412
RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, REGISTRATIONS_PREEMPTED = 0x2A03, 0x2A04, 0x2A05


def out(session: Session, action: int, key: int = 0, action_key: int = 0, kind: int = 0, flags: int = 0) -> Result:
    return session.execute(scsi.persistent_out(action, kind), timeout=60,
                           data_out=scsi.persistent_parameters(key, action_key, flags))


def keys(session: Session) -> list[int]:
    data = session.execute(scsi.persistent_in(0), read=1024).data
    length = struct.unpack_from(">I", data, 4)[0]
    return sorted(struct.unpack_from(">Q", data, 8 + at)[0] for at in range(0, length, 8))


def generation(session: Session) -> int:
    return struct.unpack_from(">I", session.execute(scsi.persistent_in(0), read=1024).data)[0]


def write(session: Session, lba: int = 0, data: bytes = bytes(512)) -> Result:
    return session.execute(scsi.write10(lba, len(data) // 512), data_out=data)


def attention(session: Session) -> int:
    result = session.execute(scsi.test_unit_ready())
    return 0 if result.sense is None else result.sense.asc


def logs(gateways: Gateways) -> str:
    return "\n".join(f"{daemon.log()[-2000:]}\n----" for daemon in gateways.daemons)


@pytest.fixture
def units(cluster: Cluster, gateways: Gateways, request: pytest.FixtureRequest) -> list[Unit]:
    image = cluster.image("pr_" + "".join(c for c in request.node.name if c.isalnum()), 16 * MIB, SHARED)
    return gateways.units(image, 512)


@pytest.fixture
def sessions(units: list[Unit]) -> Iterator[list[Session]]:
    """One through each daemon."""
    with units[0].login() as first, units[1].login() as second:
        yield [first, second]


def test_what_one_does_holds_through_the_other(sessions: list[Session]) -> None:
    """Registrations and a reservation, their generation, and who is refused."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good
    assert keys(second) == [A] and generation(second) == generation(first) == 1
    assert out(second, REGISTER, 0, B).good
    assert keys(first) == [A, B] and generation(first) == 2
    assert out(first, RESERVE, A, 0, WE).good
    assert write(first).good and write(second).status == CONFLICT
    assert second.execute(scsi.read10(0, 1), read=512).good
    assert out(second, RESERVE, B, 0, EA).status == CONFLICT
    assert out(first, RELEASE, A, 0, WE).good
    assert write(second).good


def test_initiators_of_the_other_are_told(sessions: list[Session]) -> None:
    """Unit attentions (SPC-5 5.14): RESERVATIONS RELEASED, REGISTRATIONS PREEMPTED, RESERVATIONS PREEMPTED."""
    first, second = sessions
    for session, key in ((first, A), (second, B)):
        assert out(session, REGISTER, 0, key).good
    assert out(first, RESERVE, A, 0, WE_RO).good
    assert out(first, RELEASE, A, 0, WE_RO).good
    assert attention(second) == RESERVATIONS_RELEASED and attention(second) == attention(first) == 0
    assert out(second, RESERVE, B, 0, WE).good
    assert out(first, PREEMPT, A, B, WE).good
    assert attention(second) == REGISTRATIONS_PREEMPTED and attention(second) == 0
    assert write(second).status == CONFLICT and write(first).good and keys(second) == [A]
    assert out(second, REGISTER, 0, B).good
    assert out(second, CLEAR, B).good
    assert attention(first) == RESERVATIONS_PREEMPTED and keys(first) == []


def test_the_daemon_of_the_holder_dies(gateways: Gateways, sessions: list[Session]) -> None:
    """kill -9: the other goes on, with the reservation as it was, and can take it over."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
    assert out(first, RESERVE, A, 0, EA).good
    gateways.end(0)
    assert write(second).status == CONFLICT
    assert out(second, PREEMPT_AND_ABORT, B, A, EA).good
    assert write(second).good and keys(second) == [B]


def test_a_daemon_that_died_is_started_again(gateways: Gateways, cluster: Cluster) -> None:
    """On the same machine nobody waits for the one that is gone, and its reservations hold; nothing that it had under way
    comes later: it is blocklisted nonetheless."""
    images = [cluster.image(f"pr_again{number}", 16 * MIB, SHARED) for number in range(3)]
    with gateways.unit(0, images[0]).login() as session:
        assert out(session, REGISTER, 0, A, flags=APTPL).good
    for lun, image in enumerate(images[1:], 2):
        attach(gateways.daemons[0], cluster, image, lun=lun)
    gateways.end(0)
    before = cluster.ceph("osd", "blocklist", "ls").count("127.0.0.1")
    begin = time.monotonic()
    gateways.start_again(0)
    for lun, image in enumerate(images[1:], 2):
        attach(gateways.daemons[0], cluster, image, lun=lun)
    assert time.monotonic() - begin < 8
    assert gateways.daemons[0].log().count("has ended, and is blocklisted") == 1
    assert cluster.ceph("osd", "blocklist", "ls").count("127.0.0.1") == before + 1
    with gateways.unit(1, images[0]).login() as session:
        assert keys(session) == [A]


def test_one_that_hung_is_waited_for_once(gateways: Gateways, cluster: Cluster) -> None:
    """It had many units, which are another's now: that one shuts it out from all of them at the first."""
    images = [cluster.image(f"pr_hung{number}", 16 * MIB, SHARED) for number in range(3)]
    for lun, image in enumerate(images, 1):
        attach(gateways.daemons[0], cluster, image, lun=lun)
    process = gateways.daemons[0].process
    assert process is not None
    freeze(process)
    try:
        begin = time.monotonic()
        for lun, image in enumerate(images, 1):
            attach(gateways.daemons[1], cluster, image, lun=lun)
        assert 14 < time.monotonic() - begin < 25
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert gateways.daemons[1].log().count("hasn't answered, and is blocklisted") == 1


def test_changes_at_once(sessions: list[Session]) -> None:
    """Both register and unregister all the time: none is lost, none is refused, nobody waits for the other for ever."""
    failures: list[str] = []

    def change(session: Session, key: int) -> None:
        for _ in range(25):
            for old, new in ((0, key), (key, 0)):
                result = out(session, REGISTER, old, new)
                if not result.good:
                    failures.append(str(result))

    threads = [threading.Thread(target=change, args=(session, key)) for session, key in zip(sessions, (A, B))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert generation(sessions[0]) == generation(sessions[1]) == 100
    assert keys(sessions[0]) == keys(sessions[1]) == []


def test_a_daemon_that_stands_still(gateways: Gateways, sessions: list[Session]) -> None:
    """A preempted initiator's WRITE is in a daemon that is stopped: after PREEMPT AND ABORT through the other it is never
    written, and the stopped one answers nothing GOOD when it goes on (SPC-5 5.14.11.2.5)."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
    assert out(first, RESERVE, A, 0, WE_RO).good
    before, after = os.urandom(512), os.urandom(512)
    assert write(first, 9, before).good
    process = gateways.daemons[0].process
    assert process is not None
    freeze(process)
    try:
        task = first.start(scsi.write10(9, 1), data_out=after)
        begin = time.monotonic()
        assert out(second, PREEMPT_AND_ABORT, B, A, WE_RO).good
        assert time.monotonic() - begin < 40
    finally:
        os.kill(process.pid, signal.SIGCONT)
    result = first.wait(task, 40)
    assert not result.good
    assert second.execute(scsi.read10(9, 1), read=512).data == before
    assert not write(first, 9, after).good
    assert second.execute(scsi.read10(9, 1), read=512).data == before
    assert "blocklisted" in gateways.daemons[1].log()


@pytest.mark.parametrize(("flags", "kept"), [(APTPL, [A]), (0, [])])
def test_what_persists(cluster: Cluster, gateways: Gateways, flags: int, kept: list[int]) -> None:
    """Once no daemon has had the image, what wasn't registered with APTPL is gone (SPC-5 5.14.5); before, it stays."""
    image = cluster.image(f"pr_persists{flags}", 16 * MIB, SHARED)
    delete = ("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")
    with gateways.unit(0, image).login() as session:
        assert out(session, REGISTER, 0, A, flags=flags).good
        assert session.execute(scsi.persistent_in(2), read=8).data[2] & 1, "PTPL_C"
    with gateways.unit(1, image).login() as session:
        assert keys(session) == [A]
    gateways.daemons[0].do(*delete)
    gateways.unit(0, image)
    gateways.daemons[1].do(*delete)
    with gateways.unit(1, image).login() as session:
        assert keys(session) == [A], "the other has had it all the time"
    for daemon in gateways.daemons:
        daemon.do(*delete)
    with gateways.unit(1, image).login() as session:
        assert keys(session) == kept


def test_a_unit_that_is_opened_anew(gateways: Gateways, cluster: Cluster, sessions: list[Session]) -> None:
    """It goes on with the reservations there are, and hears of those that are made later."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
    for _ in range(3):
        gateways.daemons[0].do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params",
                               f"bsopts=conf={cluster.conf}")
        assert keys(first) == [A, B]
        begin = time.monotonic()
        assert out(second, RESERVE, B, 0, WE).good
        assert write(first).status == CONFLICT
        assert out(second, RELEASE, B, 0, WE).good
        assert write(first).good and time.monotonic() - begin < 5
    gateways.end(1)
    assert out(first, PREEMPT, A, B).good
    assert keys(first) == [A]


def test_a_cluster_that_was_away(gateways: Gateways, cluster: Cluster, sessions: list[Session]) -> None:
    """For longer than it keeps watches: nobody says meanwhile that he is ready or how the unit is reserved, as the cluster
    might have shut him out; the daemons take the watches up again by themselves, and are served as before."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
    cluster.pause()
    begin = time.monotonic()
    try:
        for session in sessions:
            wait_for(lambda: attention(session) == OFFLINE, "TEST UNIT READY ends GOOD", 15)
            result = session.execute(scsi.persistent_in(0), read=1024)
            assert result.sense is not None and result.sense.asc == OFFLINE
        assert time.monotonic() - begin < 15
        time.sleep(36 - (time.monotonic() - begin))
    finally:
        cluster.resume()
    for session in sessions:
        wait_for(lambda: attention(session) == 0, "a unit isn't served again: " + logs(gateways))
        assert write(session).good
    begin = time.monotonic()
    assert out(first, RESERVE, A, 0, WE).good
    assert time.monotonic() - begin < 10
    assert write(second).status == CONFLICT and write(first).good
    assert not any("is blocklisted" in daemon.log() for daemon in gateways.daemons)


def test_a_watch_that_is_lost(gateways: Gateways, sessions: list[Session]) -> None:
    """A daemon that stands still for longer than the cluster keeps its watch, with nothing changed meanwhile, isn't shut
    out: it asks again, and is served."""
    first, second = sessions
    assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
    process = gateways.daemons[0].process
    assert process is not None
    freeze(process)
    try:
        time.sleep(36)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    wait_for(lambda: "is served again" in gateways.daemons[0].log(), "the watch isn't lost, or not taken up")
    wait_for(lambda: attention(first) == 0, "the unit isn't served")
    assert out(second, RESERVE, B, 0, WE).good
    assert write(first).status == CONFLICT and keys(first) == [A, B]


def test_a_cluster_that_was_away_for_a_moment(gateways: Gateways, cluster: Cluster, sessions: list[Session]) -> None:
    """Who wasn't ready is so again when the watch is confirmed, which was never lost."""
    cluster.pause()
    try:
        wait_for(lambda: attention(sessions[0]) == OFFLINE, "TEST UNIT READY ends GOOD", 15)
    finally:
        cluster.resume()
    for session in sessions:
        wait_for(lambda: attention(session) == 0, "TEST UNIT READY doesn't end GOOD")
        assert write(session).good and session.execute(scsi.persistent_in(0), read=1024).good
    assert not any("aren't told" in daemon.log() or "no longer tells" in daemon.log() for daemon in gateways.daemons)


def test_target_ports_of_the_same_number(gateways: Gateways, cluster: Cluster) -> None:
    """The daemons would take one's initiators for the other's (SPC-5 5.14.2: a registration is that of an I_T nexus): the
    log says so, and not where the numbers differ."""
    images = [cluster.image(f"pr_ports{number}", 16 * MIB, SHARED) for number in range(2)]
    for image, group, warned in zip(images, (2, 1), (False, True)):
        gateways.restart(1, group)
        units = gateways.units(image, 512)
        with units[0].login() as first:
            assert out(first, REGISTER, 0, A).good
        assert ("relative target port 1, which is one of this host's" in gateways.daemons[1].log()) == warned
        for daemon in gateways.daemons:
            daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")
