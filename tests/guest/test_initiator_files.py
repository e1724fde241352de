# SPDX-License-Identifier: MIT
"""A file system that the Linux kernel keeps on a unit: files stay, free space is given back, and it grows."""

from __future__ import annotations

import hashlib
import io
import os
import random
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from guest import Guest
from guest.devices import iscsi_login
from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit
from hosted import each_store, make_disk, thin_stores

pytestmark = pytest.mark.usefixtures("no_io_errors")

MOUNTED = "/run/files"
FILES = 300
SIZES = (0, 1, 511, 4096, 4097, 12345, 40000)
MIB = 1 << 20
RESCAN_SECONDS = 20.0


def tree() -> tuple[bytes, str]:
    """Files of many sizes in many folders, as a tar archive, and their checksums as md5sum checks them."""
    dice = random.Random(1)
    archive, sums = io.BytesIO(), []
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number in range(FILES):
            size = dice.choice(SIZES) if number % 100 else MIB + 1
            data = dice.randbytes(size)
            name = f"{number % 7}/{number % 13}/file{number}"
            entry = tarfile.TarInfo(name)
            entry.size = size
            tar.addfile(entry, io.BytesIO(data))
            sums.append(f"{hashlib.md5(data).hexdigest()}  {name}\n")
    return archive.getvalue(), "".join(sums)


@pytest.fixture(scope="module")
def files() -> tuple[bytes, str]:
    return tree()


@contextmanager
def mounted(guest: Guest, block: str) -> Iterator[None]:
    guest.shell(f"mkdir -p {MOUNTED}\nmount -t ext4 {block} {MOUNTED}")
    try:
        yield
    finally:
        if guest.alive():
            guest.shell(f"umount {MOUNTED}")


def check(guest: Guest, sums: str) -> None:
    """All files are there with their content; md5sum names those that aren't."""
    guest.run(["md5sum", "--check", "--quiet"], stdin=sums.encode(), cwd=MOUNTED, check=True)
    found = guest.output(["find", MOUNTED, "-name", "file*", "-type", "f"]).splitlines()
    assert len(found) == sums.count("\n")


def assert_clean(guest: Guest, block: str) -> None:
    guest.shell(f"blockdev --flushbufs {block}\ne2fsck -fn {block}")


@each_store
def test_files_stay(guest: Guest, daemon: Daemon, variant: Variant, files: tuple[bytes, str]) -> None:
    """A tree of files, after the initiator logged in anew and mounted the file system anew."""
    archive, sums = files
    unit = make_disk(daemon, variant)
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        guest.run(["mkfs.ext4", "-q", disk.block], check=True)
        with mounted(guest, disk.block):
            guest.run(["tar", "-x", "-C", MOUNTED], stdin=archive, check=True)
        with mounted(guest, disk.block):
            check(guest, sums)
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        assert_clean(guest, disk.block)
        with mounted(guest, disk.block):
            check(guest, sums)


@thin_stores
def test_fstrim_gives_blocks_back(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    unit = make_disk(daemon, variant)
    assert unit.path is not None
    kept = random.Random(2).randbytes(MIB)
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        guest.run(["mkfs.ext4", "-q", disk.block], check=True)
        with mounted(guest, disk.block):
            guest.run(["dd", f"of={MOUNTED}/file", "bs=64k"], stdin=kept, check=True)
            guest.shell(f"dd if=/dev/zero bs=1M count=24 | tr '\\0' x >{MOUNTED}/gone\nsync")
            full = os.stat(unit.path).st_blocks * 512
            assert full > 24 * MIB
            guest.shell(f"rm {MOUNTED}/gone\nsync\nfstrim {MOUNTED}")
            freed = full - os.stat(unit.path).st_blocks * 512
            assert freed > 20 * MIB, f"of {full} bytes {freed} were given back"
        with mounted(guest, disk.block):
            check(guest, f"{hashlib.md5(kept).hexdigest()}  file\n")
        assert_clean(guest, disk.block)


def size_of(guest: Guest, block: str) -> int:
    return int(guest.output(["blockdev", "--getsize64", block]))


def wait_for_size(guest: Guest, block: str, size: int) -> None:
    deadline = time.monotonic() + RESCAN_SECONDS
    while (now := size_of(guest, block)) != size:
        assert time.monotonic() < deadline, f"the kernel sees {now} bytes, not {size}"
        time.sleep(0.1)


def grow(guest: Guest, daemon: Daemon, unit: Unit, block: str, size: int) -> None:
    """The file, then the unit, then what the kernel knows, then the file system."""
    assert unit.path is not None
    before = size_of(guest, block)
    os.truncate(unit.path, size)
    assert size_of(guest, block) == before
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun),
              "--params", f"size={size}")
    guest.run(["iscsiadm", "-m", "node", "-T", unit.target, "--rescan"], check=True)
    wait_for_size(guest, block, size)
    guest.run(["resize2fs", block], check=True)


@each_store
def test_it_grows_while_it_is_in_use(guest: Guest, daemon: Daemon, variant: Variant,
                                     kernel_says: Callable[[], str]) -> None:
    """A file of before is intact, and one fits that the old size had no room for.  With blocks of 4096 bytes."""
    small, large = random.Random(3).randbytes(MIB), random.Random(4).randbytes(24 * MIB)
    unit = make_disk(daemon, replace(variant, block_size=4096), size=16 * MIB)
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        assert guest.output(["blockdev", "--getss", disk.block]).strip() == "4096"
        guest.run(["mkfs.ext4", "-q", disk.block], check=True)
        with mounted(guest, disk.block):
            guest.run(["dd", f"of={MOUNTED}/file1", "bs=64k"], stdin=small, check=True)
            grow(guest, daemon, unit, disk.block, 64 * MIB)
            assert "Capacity data has changed" in kernel_says()
            guest.run(["dd", f"of={MOUNTED}/file2", "bs=64k"], stdin=large, check=True)
        with mounted(guest, disk.block):
            check(guest, f"{hashlib.md5(small).hexdigest()}  file1\n{hashlib.md5(large).hexdigest()}  file2\n")
        assert_clean(guest, disk.block)
