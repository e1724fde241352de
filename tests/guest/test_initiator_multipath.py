# SPDX-License-Identifier: MIT
"""Two sessions of the Linux kernel's initiator over two portals, which dm-multipath joins: one may go and come back."""

from __future__ import annotations

from dataclasses import dataclass

from guest import Guest, Process
from guest.devices import iscsi_login, multipath
from harness.daemon import Daemon
from harness.modules import Variant
from harness.process import free_port
from harness.units import Unit
from hosted import each_store, make_disk, sessions
from multipathd import SPREAD, active_paths
from writer import assert_written, start_writer, wait_for, wait_for_writes


@dataclass
class Portal:
    """One of the daemon's."""

    daemon: Daemon
    unit: Unit
    port: int

    def _change(self, operation: str) -> None:
        self.daemon.do("--op", operation, "--mode", "portal", "--params", f"portal={self.daemon.host}:{self.port}")

    def open(self) -> None:
        self._change("new")

    def close(self, session: int) -> None:
        """Nobody can connect to it any more, and the session that goes by it is cut off."""
        self._change("delete")
        self.daemon.do("--op", "delete", "--mode", "conn", "--tid", str(self.unit.tid), "--sid", str(session),
                       "--cid", "0")


def session_beside(daemon: Daemon, unit: Unit, other: int = 0) -> int:
    """The number of the only session but one."""
    [found] = {session["id"] for session in sessions(daemon, unit)} - {other}
    return int(found)


def go_and_come_back(guest: Guest, portal: Portal, writer: Process, session: int, other: int) -> int:
    """Takes a path away until the other alone carries the writes, and gives it back; its new session's number."""
    portal.close(session)
    wait_for_writes(writer)
    wait_for(writer, lambda: active_paths(guest) == 1, "multipathd sees that a path is gone")
    wait_for_writes(writer)
    assert session_beside(portal.daemon, portal.unit) == other
    portal.open()
    wait_for(writer, lambda: active_paths(guest) == 2, "the path is back")
    wait_for_writes(writer)
    return session_beside(portal.daemon, portal.unit, other)


@each_store
def test_one_path_goes_and_comes_back_and_then_the_other(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    """The writer, on the multipath disk, is never told of an error."""
    unit = make_disk(daemon, variant)
    one, two = Portal(daemon, unit, daemon.port), Portal(daemon, unit, free_port(daemon.host))
    two.open()
    with iscsi_login(guest, unit.target, one.port):
        first = session_beside(daemon, unit)
        with iscsi_login(guest, unit.target, two.port), multipath(guest, 2, **SPREAD) as node:
            second = session_beside(daemon, unit, first)
            # not the T10 designator: another server's disk with the same target id and LUN has that, too
            assert "8naa.3" in guest.output(["multipathd", "show", "maps", "raw", "format", "%w"])
            with start_writer(guest, node) as writer:
                wait_for_writes(writer)
                second = go_and_come_back(guest, two, writer, second, first)
                go_and_come_back(guest, one, writer, first, second)
            assert_written(guest, node, writer)
