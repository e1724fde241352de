# SPDX-License-Identifier: MIT
"""One of the daemons that export an image dies or hangs, or the cluster is away: the others go on, what they promised
holds, and nobody says what may no longer be so."""

from __future__ import annotations

import os
import signal
import time

from ceph_cluster import Cluster
from ceph_cluster.gateways import IQN, MIB, SHARED, Gateways
from gateway import attach, wait_for
from harness.process import freeze
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from reserving import (A, APTPL, B, CONFLICT, EA, OFFLINE, PREEMPT, PREEMPT_AND_ABORT, REGISTER, RESERVE, WE, WE_RO,
                       attention, keys, out, write)


def logs(gateways: Gateways) -> str:
    return "\n".join(f"{daemon.log()[-2000:]}\n----" for daemon in gateways.daemons)


def test_a_change_that_failed_half_way(gateways: Gateways) -> None:
    """It is at the cluster, but the other daemon hangs and may not be blocklisted: the command fails, and who made it goes
    on by what there is now."""
    with Cluster(auth="cephx") as own:
        own.ceph("auth", "get-or-create", "client.weak", "mon", "allow r", "osd", "allow *", "-o", str(own.folder / "weak"))
        image = own.image("half", 16 * MIB, SHARED)
        for daemon in gateways.daemons:
            new = ("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "rbd", "-b", image)
            daemon.do(*new, "--bsopts", f"conf={own.conf};id=weak;keyring={own.folder / 'weak'}")
        units = [Unit(daemon.host, daemon.port, IQN, tid=1) for daemon in gateways.daemons]
        with units[0].login() as first, units[1].login() as second:
            assert out(first, REGISTER, 0, A).good and out(second, REGISTER, 0, B).good
            process = gateways.daemons[0].process
            assert process is not None
            freeze(process)
            try:
                assert not out(second, PREEMPT, B, A).good
                assert "can't be blocklisted" in gateways.daemons[1].log()
                wait_for(lambda: attention(second) == 0, "it isn't ready again: " + logs(gateways))
                assert keys(second) == [B]
            finally:
                os.kill(process.pid, signal.SIGCONT)
        for daemon in gateways.daemons:
            daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")


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
