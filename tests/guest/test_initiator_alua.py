# SPDX-License-Identifier: MIT
"""The Linux kernel's initiator and multipath-tools follow the access states of a target's ports (scsi_dh_alua)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from guest import Guest
from guest.devices import iscsi_login, multipath
from harness.daemon import Daemon
from harness.portals import Portals
from harness.units import Unit
from hosted import make_disk, storing
from multipathd import BY_PRIORITY, PRIORITIES, access_states, priorities
from writer import assert_written, start_writer, wait_for, wait_for_writes

PORT = 2


@dataclass
class Paths:
    """A disk that the guest has by two ports, and the operator's hand on their states."""

    guest: Guest
    daemon: Daemon
    unit: Unit
    disks: list[str]  # the guest's, by the ports in their order

    def update(self, *words: str) -> None:
        self.daemon.do("--op", "update", "--mode", "target", "--tid", str(self.unit.tid), *words)

    def set(self, port: int, state: str) -> None:
        self.update("--params", f"tpg={port},state={state}")

    def states(self) -> list[tuple[str, str]]:
        """As the daemon says them: the state of each port, and who has changed it."""
        shown = self.daemon.show("target", "--tid", str(self.unit.tid))["targets"][0]["port_groups"]
        return [(group["state"], group["changed"]) for group in shown]

    def priorities(self) -> list[int]:
        """As multipathd has them, by the ports in their order."""
        return priorities(self.guest, self.disks)

    def kernels_states(self) -> list[str]:
        """As the kernel has them, below /sys/block."""
        return access_states(self.guest, self.disks)


@pytest.fixture
def paths(guest: Guest, daemon: Daemon, request: pytest.FixtureRequest) -> Iterator[Paths]:
    """Port 1 is active/optimized, port 2 active/non-optimized.  What the target says of TPGS when it is found, the
    kernel believes for ever: so the parameter, if there is one, is set before."""
    unit = make_disk(daemon, storing()[0])
    portals = Portals(daemon)
    ports = {1: daemon.port, PORT: portals.add(PORT)}
    made = Paths(guest, daemon, unit, [])
    made.update("--name", "tpgs", "--value", getattr(request, "param", "implicit"))
    made.set(PORT, "active/non-optimized")
    guest.run(["modprobe", "scsi_dh_alua"], check=True)
    with ExitStack() as logins:
        for tag, port in ports.items():
            [disk] = logins.enter_context(iscsi_login(guest, unit.target, port, tag=tag))
            made.disks.append(disk.block.rpartition("/")[2])
        yield made


def test_the_kernel_reads_the_states(paths: Paths) -> None:
    """scsi_dh_alua binds to both paths, and finds each one's group (SPC-5 6.36, 7.7.6)."""
    with multipath(paths.guest, 2, **BY_PRIORITY):
        assert paths.kernels_states() == ["active/optimized", "active/non-optimized"]
        assert paths.priorities() == [PRIORITIES[state] for state in paths.kernels_states()]


def test_io_moves_when_a_group_becomes_standby(paths: Paths) -> None:
    """The unit attention makes the kernel look, and a path in standby carries nothing; the writer notices nothing."""
    with multipath(paths.guest, 2, **BY_PRIORITY) as node:
        with start_writer(paths.guest, node) as writer:
            wait_for_writes(writer)
            paths.set(1, "standby")
            wait_for_writes(writer)
            wait_for(writer, lambda: paths.priorities() == [1, 10], "multipathd sees the standby group")
            assert paths.states()[0] == ("standby", "by operator")
            wait_for_writes(writer)
            paths.set(1, "active/optimized")
            wait_for(writer, lambda: paths.priorities() == [50, 10], "multipathd sees the group come back")
            wait_for_writes(writer)
            paths.set(PORT, "unavailable")
            wait_for_writes(writer)
        assert_written(paths.guest, node, writer)


@pytest.mark.parametrize("paths", ["explicit"], indirect=True)
def test_the_kernel_changes_states_itself(paths: Paths) -> None:
    """Where it may, the kernel makes the group that it goes over to active/optimized (SET TARGET PORT GROUPS)."""
    with multipath(paths.guest, 2, **BY_PRIORITY, no_path_retry=20) as node, start_writer(paths.guest, node) as writer:
        wait_for_writes(writer)
        paths.set(PORT, "standby")
        paths.set(1, "unavailable")
        wait_for_writes(writer)
        wait_for(writer, lambda: ("active/optimized", "by command") in paths.states(), "a group is activated")
        wait_for_writes(writer)
