# SPDX-License-Identifier: MIT
"""The daemon dies in the middle of writes and comes back: the kernel's initiator reconnects, and nothing is lost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest

from guest import Guest, Process
from guest.devices import iscsi_login
from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit
from hosted import each_store, make_disk, sessions, start_again

MOUNTED = "/run/crash"
CRASHES = 2
RECORDS = 15  # acknowledged before each crash
SECONDS = 90.0

# Record N is its number, as text of 8 bytes, again and again; it is said to be written when fsync has returned.
WRITER = """
import os, sys
path, stop = sys.argv[1:]
file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
number = 0
while not os.path.exists(stop):
    record = b"%07d\\n" % number * (64 << number % 11)
    while record:
        record = record[os.write(file, record):]
    os.fsync(file)
    print(number, flush=True)
    number += 1
"""


def record(number: int) -> bytes:
    return b"%07d\n" % number * (64 << number % 11)


def acknowledged(writer: Process) -> int:
    """How many records."""
    return writer.stdout.count(b"\n")


def wait_for(writer: Process, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert writer.poll(0.05) is None, f"the writer has ended: {writer.stderr.decode()}"
        assert time.monotonic() < deadline, f"not in {SECONDS:.0f} s: {what}"


def crash_and_start_again(daemon: Daemon, unit: Unit, writer: Process) -> None:
    """With a record or two on their way; it is away for long enough that the kernel's first attempts to reconnect
    fail."""
    before = acknowledged(writer)
    wait_for(writer, lambda: acknowledged(writer) >= before + RECORDS, "records before the crash")
    daemon.kill()
    time.sleep(1)
    start_again(daemon, unit)
    wait_for(writer, lambda: sessions(daemon, unit), "the initiator is back")


def assert_written(guest: Guest, path: str, count: int) -> None:
    """The file holds at least these records, from its start."""
    wanted = b"".join(map(record, range(count)))
    told = guest.shell(f"busybox head -c {len(wanted)} {path} | md5sum").stdout.split()[0]
    assert told.decode() == hashlib.md5(wanted).hexdigest()


@pytest.mark.usefixtures("no_io_errors")
@each_store
def test_nothing_is_lost_when_the_daemon_crashes(guest: Guest, daemon: Daemon, variant: Variant,
                                                 kernel_says: Callable[[], str]) -> None:
    """With the timeouts that open-iscsi has by default; the application sees no error, just a pause."""
    unit = make_disk(daemon, variant)
    stop = guest.share / "stop"
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        mount = f"mkdir -p {MOUNTED}\nmount -t ext4 {disk.block} {MOUNTED}"
        guest.shell(f"mkfs.ext4 -q {disk.block}\n{mount}")
        writer = guest.spawn(["/usr/bin/python3", "-I", "-S", "-c", WRITER, f"{MOUNTED}/file", stop])
        try:
            for _ in range(CRASHES):
                crash_and_start_again(daemon, unit, writer)
            at_last = acknowledged(writer)
            wait_for(writer, lambda: acknowledged(writer) >= at_last + RECORDS, "records after the crashes")
        finally:
            stop.touch()
            result = writer.wait(SECONDS)
            stop.unlink()
            guest.shell(f"umount {MOUNTED}\nblockdev --flushbufs {disk.block}")
        assert result.returncode == 0, result.output
        guest.shell(f"e2fsck -fn {disk.block}\n{mount}")
        try:
            assert_written(guest, f"{MOUNTED}/file", acknowledged(writer))
        finally:
            guest.shell(f"umount {MOUNTED}")
        assert kernel_says().count("detected conn error") >= CRASHES
