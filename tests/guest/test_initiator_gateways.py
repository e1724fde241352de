# SPDX-License-Identifier: MIT
"""Two daemons export one image of a Ceph cluster; the Linux kernel's initiator and multipath-tools use both at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from ceph_cluster import Cluster
from ceph_cluster.gateways import IQN, SHARED, Gateways
from guest import Guest, Process
from guest.devices import Device, iscsi_login, multipath
from harness.units import Unit
from hosted import SIZE
from iscsi import scsi
from multipathd import BY_PRIORITY, PRIORITIES, access_states, active_paths, priorities
from writer import assert_written, start_writer, wait_for, wait_for_writes

BOTH = (0, 1)
OF_PORT, RELATIVE_PORT, PORT_GROUP = 1, 4, 5  # association and types of designators (SPC-5 7.7.6)
KEYS = ("0xaaaa", "0xbbbb")  # by path
REGISTRANTS_ONLY, ALL_REGISTRANTS = 5, 7  # of the types Write Exclusive
REGISTERED = [(key, number + 1) for number, key in enumerate(KEYS)]  # with the port of each
CONFLICT = scsi.Status.RESERVATION_CONFLICT
LAST = SIZE // 512 - 1  # the writer doesn't come so far
TRANSFERS, LENGTH = 64, 64 << 10
DATA = "/run/data"  # in the guest


@dataclass
class Shared:
    """An image that the guest has as one disk, by a path through each gateway."""

    guest: Guest
    gateways: Gateways
    units: list[Unit]
    paths: list[Device]
    node: str

    @property
    def disks(self) -> list[str]:
        return [path.block.rpartition("/")[2] for path in self.paths]

    def persist(self, number: int, *words: str) -> str:
        """sg_persist by one path, which must succeed."""
        return self.guest.output(["sg_persist", *words, self.paths[number].sg])

    def registered(self, number: int) -> list[tuple[str, int]]:
        """Key and relative target port identifier of each registration, as that gateway says (READ FULL STATUS)."""
        told = self.persist(number, "--in", "--read-full-status")
        return sorted((key, int(port, 16)) for key, port in
                      re.findall(r"Key=(0x[0-9a-f]+).*?Relative port address: (0x[0-9a-f]+)", told, re.DOTALL))

    def register(self) -> None:
        for number in BOTH:
            self.persist(number, "--out", "--register", f"--param-sark={KEYS[number]}")

    def reserve(self, kind: int) -> None:
        self.persist(0, "--out", "--reserve", f"--param-rk={KEYS[0]}", f"--prout-type={kind}")

    def clear(self, number: int) -> None:
        """Takes all of it away by one path; the other is told by a unit attention, which is fetched."""
        self.persist(number, "--out", "--register-ignore", f"--param-sark={KEYS[number]}")
        self.persist(number, "--out", "--clear", f"--param-rk={KEYS[number]}")
        for path in self.paths:
            self.guest.run(["sg_turs", path.sg])

    def transfer(self) -> None:
        """Writes, and reads what it has written."""
        self.guest.shell(f"""
            dd if=/dev/urandom of={DATA} bs={LENGTH} count={TRANSFERS} iflag=fullblock
            dd if={DATA} of={self.node} bs={LENGTH} oflag=direct
        """)
        self.read(self.node)

    def read(self, node: str) -> None:
        """What transfer() has written."""
        self.guest.shell(f"dd if={node} bs={LENGTH} count={TRANSFERS} iflag=direct | cmp - {DATA}")

    def counters(self, number: int) -> dict[str, int]:
        """Of the daemon, for all that its unit was asked."""
        told = self.gateways.daemons[number].do("--op", "stat", "--mode", "lu", "--json", "--tid", "1", "--lun", "1")
        [counters] = json.loads(told)["counters"]
        return dict(counters)

    def refuses_strangers(self, number: int) -> bool:
        """Whether an initiator that isn't registered, and that is new to the gateways, may read but not write."""
        with self.units[number].login() as session:
            assert session.execute(scsi.read10(LAST, 1), read=512).good
            return session.execute(scsi.write10(LAST, 1), data_out=bytes(512)).status == CONFLICT

    def end(self, number: int, writer: Process) -> None:
        """kill -9; returns when the other alone carries the writes."""
        self.gateways.end(number)
        wait_for_writes(writer)
        wait_for(writer, lambda: active_paths(self.guest) == 1, "multipathd sees that a path is gone")
        wait_for_writes(writer)

    def start_again(self, number: int, writer: Process) -> None:
        """Returns when the path is back, and carries writes."""
        self.gateways.start_again(number)
        wait_for(writer, lambda: active_paths(self.guest) == 2, "the path is back")
        wait_for(writer, lambda: self.counters(number)["write_done"] > 0, "the path is used again")
        wait_for_writes(writer)


@pytest.fixture(scope="module")
def joined(live_guest: Guest) -> Iterator[Shared]:
    """Made once: to log in and to start multipathd takes longer than a test."""
    live_guest.run(["modprobe", "scsi_dh_alua"], check=True)
    with Cluster() as cluster, Gateways(cluster) as gateways, ExitStack() as stack:
        units = gateways.units(cluster.image("shared", SIZE, SHARED), 512)
        paths = [stack.enter_context(iscsi_login(live_guest, IQN, unit.port, tag=number + 1))[0]
                 for number, unit in enumerate(units)]
        node = stack.enter_context(multipath(live_guest, 2, **BY_PRIORITY))
        yield Shared(live_guest, gateways, units, paths, node)


@pytest.fixture
def shared(joined: Shared) -> Shared:
    """With both its paths, and nobody registered, whatever a test before has left."""
    for number in sorted(joined.gateways.killed):
        joined.gateways.start_again(number)
    with start_writer(joined.guest, joined.node) as writer:
        wait_for(writer, lambda: active_paths(joined.guest) == 2, "both paths are there")
    if joined.registered(0):
        joined.clear(0)
    return joined


def test_both_gateways_are_used_at_once(shared: Shared) -> None:
    """One logical unit (the same designators) with two ports in two groups (others), both active/optimized: one path
    group, in which multipath spreads what it reads and writes."""
    pages = [shared.guest.run(["cat", f"/sys/block/{disk}/device/vpd_pg83"]).stdout[4:] for disk in shared.disks]
    first, second = ([row for row in scsi.designators(page) if row[0] != OF_PORT] for page in pages)
    assert first == second and first
    for number, page in enumerate(pages):
        of_port = {kind: content for association, kind, content in scsi.designators(page) if association == OF_PORT}
        assert of_port[RELATIVE_PORT] == of_port[PORT_GROUP] == bytes([0, 0, 0, number + 1])
    assert access_states(shared.guest, shared.disks) == ["active/optimized"] * 2
    assert priorities(shared.guest, shared.disks) == [PRIORITIES["active/optimized"]] * 2
    before = [shared.counters(number) for number in BOTH]
    shared.transfer()
    for counter in ("write_done", "read_done"):
        done = [shared.counters(number)[counter] - before[number][counter] for number in BOTH]
        assert min(done) >= TRANSFERS // 4, f"{counter}: {done}"
    for path in shared.paths:
        shared.read(path.block)


@pytest.mark.parametrize(("kind", "key"), [(REGISTRANTS_ONLY, KEYS[0]), (ALL_REGISTRANTS, "0x0")])
def test_a_reservation_holds_through_both(shared: Shared, kind: int, key: str) -> None:
    """Each I_T nexus has a registration of its own (SPC-5 5.14.7), both may write, and a stranger may nowhere.  Of the
    type that all registrants hold, READ RESERVATION says key 0 (6.16.3)."""
    shared.register()
    assert [shared.registered(number) for number in BOTH] == [REGISTERED] * 2
    shared.reserve(kind)
    assert all(re.search(rf"Key={key}\b", shared.persist(number, "--in", "--read-reservation")) for number in BOTH)
    shared.transfer()
    assert all(shared.refuses_strangers(number) for number in BOTH)
    shared.clear(1)
    assert not any(shared.refuses_strangers(number) for number in BOTH)


def test_one_gateway_dies_and_comes_back_and_then_the_other(shared: Shared) -> None:
    """kill -9 under a writer that has a reservation.  It is never told of an error, and what it was told is written is
    there; a stranger may write at no time, through the gateway that is left or the one that is back (SPC-5 5.14)."""
    shared.register()
    shared.reserve(ALL_REGISTRANTS)
    with start_writer(shared.guest, shared.node) as writer:
        wait_for_writes(writer)
        shared.end(0, writer)
        assert shared.refuses_strangers(1) and shared.registered(1) == REGISTERED
        shared.start_again(0, writer)
        assert all(shared.refuses_strangers(number) for number in BOTH)
        shared.end(1, writer)
        assert shared.refuses_strangers(0) and shared.registered(0) == REGISTERED
    assert_written(shared.guest, shared.node, writer)
