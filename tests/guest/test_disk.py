# SPDX-License-Identifier: MIT
"""A guest's disk over a power cut: what was flushed is there, what was not is lost."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guest import Disk, Guest, GuestDied
from guest.disk import BLOCK, Cache


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.touch()
    os.truncate(path, 64 << 20)
    return path


@pytest.fixture
def cache(image: Path) -> Iterator[Cache]:
    opened = Cache(image)
    opened.open()
    yield opened
    opened.close()


def on_disk(image: Path, offset: int, length: int) -> bytes:
    with image.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def test_a_write_is_read_back_and_on_the_disk_after_a_flush(cache: Cache, image: Path) -> None:
    cache.write(BLOCK - 512, b"x" * 1024, durable=False)
    assert cache.read(BLOCK - 1024, 2048) == bytes(512) + b"x" * 1024 + bytes(512)
    assert on_disk(image, 0, 2 * BLOCK) == bytes(2 * BLOCK)
    cache.flush()
    assert on_disk(image, BLOCK - 1024, 2048) == bytes(512) + b"x" * 1024 + bytes(512)


def test_a_durable_write_is_on_the_disk_at_once(cache: Cache, image: Path) -> None:
    cache.write(0, b"x" * BLOCK, durable=True)
    cache.zero(512, 512, durable=True)
    assert on_disk(image, 0, BLOCK) == b"x" * 512 + bytes(512) + b"x" * (BLOCK - 1024)


def test_zeroes_are_cached_too(cache: Cache, image: Path) -> None:
    cache.write(0, b"x" * 2 * BLOCK, durable=True)
    cache.zero(0, BLOCK, durable=False)
    assert cache.read(0, 2 * BLOCK) == bytes(BLOCK) + b"x" * BLOCK
    assert on_disk(image, 0, BLOCK) == b"x" * BLOCK


@pytest.mark.parametrize("survivors", [0.0, 0.5, 1.0])
def test_a_power_cut_leaves_a_part_of_what_was_not_flushed(cache: Cache, image: Path, survivors: float) -> None:
    cache.write(0, b"x" * 100 * BLOCK, durable=False)
    lost = cache.lose(survivors, random.Random(1))
    there = on_disk(image, 0, 100 * BLOCK).count(b"x" * BLOCK)
    assert there == 100 - lost
    assert abs(there - 100 * survivors) < 20
    assert cache.read(0, 100 * BLOCK) == on_disk(image, 0, 100 * BLOCK)


def test_what_was_flushed_is_there_after_the_power_failed(new_guest: Callable[..., Guest], image: Path) -> None:
    """The same guest, booted again: a file system keeps what was synced, the raw disk loses what was not."""
    guest = new_guest(disk=image, modules=["ext4"], forward=[3260])
    guest.start()
    port = guest.port(3260)
    guest.shell("""
        grep -q 'write back' /sys/block/vda/queue/write_cache
        mkfs.ext4 -q /dev/vda
        mkdir /run/disk
        mount /dev/vda /run/disk
        echo kept >/run/disk/kept
        sync
        echo lost >/run/disk/lost
        dd if=/dev/zero of=/run/disk/direct bs=1M count=1 oflag=direct
    """)
    guest.kill()
    assert guest.disk is not None and guest.disk.lost >= 256
    guest.start()
    assert guest.port(3260) == port
    guest.shell("mkdir /run/disk; mount /dev/vda /run/disk")
    assert guest.output(["ls", "/run/disk"]).split() == ["kept", "lost+found"]
    assert guest.output(["cat", "/run/disk/kept"]) == "kept\n"
    guest.shell("echo in peace >/run/disk/peace")
    guest.shut_down()
    assert b"in peace" in image.read_bytes()


def test_a_disk_without_cache_keeps_every_write(new_guest: Callable[..., Guest], image: Path) -> None:
    guest = new_guest(disk=Disk(image, volatile=False)).start()
    guest.run(["dd", "of=/dev/vda", "bs=4096", "count=1", "oflag=direct", "iflag=fullblock"], stdin=b"x" * 4096,
              check=True)
    cut = threading.Timer(0.5, guest.kill)
    cut.start()
    with pytest.raises(GuestDied):  # whoever waits for a command then learns of it
        guest.run(["sleep", "60"])
    cut.join()
    assert on_disk(image, 0, 4096) == b"x" * 4096
