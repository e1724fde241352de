# SPDX-License-Identifier: MIT
"""Persistent reservations of an image that several daemons export (SPC-5 5.14): what is done through one holds through
all."""

from __future__ import annotations

import threading
import time

import pytest

from ceph_cluster import Cluster
from ceph_cluster.gateways import MIB, SHARED, Gateways
from iscsi import scsi
from iscsi.session import Session
from reserving import (A, APTPL, B, CLEAR, CONFLICT, EA, PREEMPT, REGISTER, REGISTRATIONS_PREEMPTED, RELEASE,
                       RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, RESERVE, WE, WE_RO, attention, generation, keys,
                       out, write)


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
