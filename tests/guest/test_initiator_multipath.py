# SPDX-License-Identifier: MIT
"""Two sessions of the Linux kernel's initiator over two portals, which dm-multipath joins: one may go and come back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from guest import Guest, Process
from guest.devices import iscsi_login, multipath
from harness.daemon import Daemon
from harness.modules import Variant
from harness.process import free_port
from harness.units import Unit
from hosted import SIZE, each_store, make_disk, sessions

SECONDS = 60.0
BLOCKS = SIZE // 4096
WRITES = 10  # acknowledged after each change
# fast_io_fail_tmo: how long the kernel holds the I/O of a path back that is away, before multipath sends it by another.
CONFIGURATION = """\
defaults {
	find_multipaths no
	user_friendly_names yes
	polling_interval 1
	max_polling_interval 1
	path_grouping_policy multibus
	fast_io_fail_tmo 1
}
blacklist {
	devnode "^vd"
}
"""

# Block N holds its number, as text of 8 bytes, again and again, when it is said to be written.
WRITER = """
import mmap, os, sys, time
path, stop = sys.argv[1:]
disk = os.open(path, os.O_WRONLY | os.O_DIRECT)
block = mmap.mmap(-1, 4096)
number = 0
while not os.path.exists(stop):
    block[:] = b"%07d\\n" % number * 512
    assert os.pwrite(disk, block, number * 4096) == 4096
    print(number, flush=True)
    number += 1
    time.sleep(0.01)
"""


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


def active_paths(guest: Guest) -> int:
    return guest.output(["multipathd", "show", "paths", "raw", "format", "%t"]).split().count("active")


def wait_for(writer: Process, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert writer.poll(0.1) is None, f"the writer has ended: {writer.stderr.decode()}"
        assert time.monotonic() < deadline, f"not in {SECONDS:.0f} s: {what}"


def wait_for_writes(writer: Process) -> None:
    before = writer.stdout.count(b"\n")
    wait_for(writer, lambda: writer.stdout.count(b"\n") >= before + WRITES, "writes go on")


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


def assert_written(guest: Guest, node: str, count: int) -> None:
    """What the writer was told is written is read back, by whichever path."""
    assert 0 < count <= BLOCKS
    wanted = b"".join(b"%07d\n" % number * 512 for number in range(count))
    read = guest.shell(f"dd if={node} bs=4096 count={count} iflag=direct | md5sum").stdout.split()[0]
    assert read.decode() == hashlib.md5(wanted).hexdigest()


@each_store
def test_one_path_goes_and_comes_back_and_then_the_other(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    """The writer, on the multipath disk, is never told of an error."""
    unit = make_disk(daemon, variant)
    one, two = Portal(daemon, unit, daemon.port), Portal(daemon, unit, free_port(daemon.host))
    two.open()
    stop = guest.share / "stop"
    with iscsi_login(guest, unit.target, one.port):
        first = session_beside(daemon, unit)
        with iscsi_login(guest, unit.target, two.port), multipath(guest, 2, CONFIGURATION) as node:
            second = session_beside(daemon, unit, first)
            # not the T10 designator: another server's disk with the same target id and LUN has that, too
            assert "8naa.3" in guest.output(["multipathd", "show", "maps", "raw", "format", "%w"])
            writer = guest.spawn(["/usr/bin/python3", "-I", "-S", "-c", WRITER, node, stop])
            try:
                wait_for_writes(writer)
                second = go_and_come_back(guest, two, writer, second, first)
                go_and_come_back(guest, one, writer, first, second)
            finally:
                stop.touch()
                result = writer.wait(SECONDS)
                stop.unlink()
            assert result.returncode == 0, result.output
            assert_written(guest, node, writer.stdout.count(b"\n"))
