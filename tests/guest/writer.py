# SPDX-License-Identifier: MIT
"""A writer in the guest, which is never to be told of an error: what its disk acknowledges is there afterwards."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guest import Guest, Process
from hosted import SIZE

SECONDS = 60.0
BLOCKS = SIZE // 4096
WRITES = 10  # acknowledged after each change

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


@contextmanager
def start_writer(guest: Guest, node: str) -> Iterator[Process]:
    """Writes to the node as long as the context lasts; it must not fail."""
    stop = guest.share / "stop"
    writer = guest.spawn(["/usr/bin/python3", "-I", "-S", "-c", WRITER, node, stop])
    try:
        yield writer
    finally:
        stop.touch()
        result = writer.wait(SECONDS)
        stop.unlink()
    assert result.returncode == 0, result.output


def wait_for(writer: Process, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert writer.poll(0.1) is None, f"the writer has ended: {writer.stderr.decode()}"
        assert time.monotonic() < deadline, f"not in {SECONDS:.0f} s: {what}"


def wait_for_writes(writer: Process) -> None:
    before = writer.stdout.count(b"\n")
    wait_for(writer, lambda: writer.stdout.count(b"\n") >= before + WRITES, "writes go on")


def assert_written(guest: Guest, node: str, writer: Process) -> None:
    """What the writer was told is written is read back, by whichever path."""
    count = writer.stdout.count(b"\n")
    assert 0 < count <= BLOCKS
    wanted = b"".join(b"%07d\n" % number * 512 for number in range(count))
    read = guest.shell(f"dd if={node} bs=4096 count={count} iflag=direct | md5sum").stdout.split()[0]
    assert read.decode() == hashlib.md5(wanted).hexdigest()
