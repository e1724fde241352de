# SPDX-License-Identifier: MIT
"""A thin unit whose file system is full: the soft threshold is told before, then writes are refused, and what is
unmapped makes room again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guest import Disk, Guest
from harness.modules import Variant
from harness.units import Unit
from hosted import thin_stores
from inner import PORT, InnerDaemon
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

MIB = 1 << 20
BLOCKS = MIB // 512
DISK, UNIT = 24, 64  # MiB
MOUNTED = "/run/full"
SPACE_ALLOCATION_FAILED, SOFT_THRESHOLD_REACHED = 0x2707, 0x3807


def make_image(folder: Path) -> Path:
    image = folder / "small.img"
    image.write_bytes(b"")
    with open(image, "r+b") as file:
        file.truncate(DISK * MIB)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)], check=True)
    return image


def write(session: Session, at: int) -> Result:
    """One MiB, durable: what a page cache takes may find no room later."""
    return session.execute(scsi.write16(at * BLOCKS, BLOCKS, scsi.FUA), data_out=bytes([at + 1]) * MIB, timeout=60)


def enable_threshold(session: Session, left: int) -> None:
    """The first one of the available resources, at so many MiB."""
    page = bytearray(session.execute(scsi.mode_sense6(0x1C, 0x02, dbd=True), read=255).data[4:])
    page[0] &= 0x7F
    page[16] |= 0x80
    page[20:24] = left.to_bytes(4, "big")
    assert session.execute(scsi.mode_select6(4 + len(page)), data_out=bytes(4) + bytes(page)).good


def attention(session: Session) -> int:
    result = session.execute(scsi.test_unit_ready())
    return result.sense.asc if result.sense is not None else 0


def fill(session: Session) -> tuple[int, bool]:
    """Writes until there is no room; how much there was, and whether a write met the unit attention."""
    told = False
    for at in range(UNIT):
        result = write(session, at)
        if result.sense is not None and result.sense.asc == SOFT_THRESHOLD_REACHED:
            assert not told, "told twice"
            told = True
            result = write(session, at)
        if not result.good:
            assert result.sense is not None and result.sense.key == 7, str(result)
            assert result.sense.asc == SPACE_ALLOCATION_FAILED, str(result)
            return at, told
    raise AssertionError("the disk isn't full")


@pytest.mark.timeout(240)
@thin_stores
def test_full(new_guest: Callable[..., Guest], tmp_path: Path, variant: Variant) -> None:
    """THIN PROVISIONING SOFT THRESHOLD REACHED before (SBC-4), then 07/27/07 for writes alone."""
    guest = new_guest(disk=Disk(make_image(tmp_path)), forward=[PORT], modules=["ext4"]).start()
    guest.shell(f"mkdir {MOUNTED}; mount -t ext4 /dev/vda {MOUNTED}; truncate -s {UNIT}M {MOUNTED}/unit")
    with InnerDaemon(guest) as daemon:
        unit: Unit = daemon.add(1, variant.module, f"{MOUNTED}/unit")
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params",
                  "thin_provisioning=1")
        with unit.login() as session:
            enable_threshold(session, 8)
            time.sleep(2.5)
            assert attention(session) == 0
            room, told = fill(session)
            assert 10 < room < DISK
            deadline = time.monotonic() + 20
            while not told and time.monotonic() < deadline:
                told = attention(session) == SOFT_THRESHOLD_REACHED
                time.sleep(0.1)
            assert told
            assert session.execute(scsi.read16(0, BLOCKS), read=MIB, timeout=60).data == b"\x01" * MIB
            parameters = scsi.unmap_parameters([(0, 4 * BLOCKS)])
            assert session.execute(scsi.unmap(len(parameters)), data_out=parameters).good
            assert write(session, 0).good, "there is room again"
