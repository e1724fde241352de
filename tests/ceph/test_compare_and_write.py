# SPDX-License-Identifier: MIT
"""COMPARE AND WRITE on an image that several daemons export: atomic against all of them (SBC-4 5.3), and offered no further
than the cluster does it in one piece."""

from __future__ import annotations

import os
import threading

import pytest

from ceph_cluster import Cluster
from ceph_cluster.gateways import MIB, SHARED, Gateways
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session

PATIENCE = 60.0  # an exclusive lock that goes to and fro leaves one waiting
RACES = 1000


def most(session: Session) -> int:
    """MAXIMUM COMPARE AND WRITE LENGTH (SBC-4 6.6.4)."""
    page = session.execute(scsi.inquiry(page=0xB0, length=64), read=64).data
    return page[5]


def increment(unit: Unit, lba: int, failures: list[str]) -> None:
    """Adds 1 to the number in the block, so many times."""
    size = unit.block_size
    try:
        with unit.login() as session:
            for _ in range(RACES):
                while True:
                    old = session.execute(scsi.read10(lba, 1), read=size, timeout=PATIENCE).data
                    new = (int.from_bytes(old, "big") + 1).to_bytes(size, "big")
                    result = session.execute(scsi.compare_and_write(lba, 1), data_out=old + new, timeout=PATIENCE)
                    if result.good:
                        break
                    assert result.sense is not None and result.sense.key == Key.MISCOMPARE, str(result)
    except Exception as error:  # pylint: disable=broad-exception-caught  (told by the test)
        failures.append(repr(error))


@pytest.mark.parametrize(("block_size", "feature"), [(512, SHARED), (4096, SHARED), (512, "--image-feature=exclusive-lock")])
def test_increments_are_all_counted(cluster: Cluster, gateways: Gateways, block_size: int, feature: str) -> None:
    """Two initiators, each through its own daemon, count in one block: none of their steps is lost."""
    image = cluster.image(f"race{block_size}{feature[16:]}", 16 * MIB, feature)
    failures: list[str] = []
    units = gateways.units(image, block_size)
    threads = [threading.Thread(target=increment, args=(unit, 100, failures)) for unit in units]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for unit in units:
        with unit.login() as session:
            counted = session.execute(scsi.read10(100, 1), read=block_size).data
            assert int.from_bytes(counted, "big") == 2 * RACES


@pytest.mark.parametrize("block_size", [512, 4096])
def test_a_difference_is_told(cluster: Cluster, gateways: Gateways, block_size: int) -> None:
    """MISCOMPARE with the offset of the first byte that differs (SBC-4 5.3), in an object that isn't there, and in one that
    is; what isn't there compares as zeroes."""
    image = cluster.image(f"differs{block_size}", 16 * MIB, SHARED)
    unit = gateways.unit(0, image, block_size)
    new = os.urandom(block_size)
    with unit.login() as session:
        for lba in (0, 7, 8 * MIB // block_size - 1):
            for before in (bytes(block_size), new):
                for at in (0, 300, block_size - 1):
                    wrong = bytearray(before)
                    wrong[at] ^= 0x10
                    sense = session.execute(scsi.compare_and_write(lba, 1), data_out=bytes(wrong) + new).sense
                    assert sense is not None and (sense.key, sense.asc) == (Key.MISCOMPARE, 0x1D00)
                    assert sense.information == at
                    assert session.execute(scsi.read10(lba, 1), read=block_size).data == before
                assert session.execute(scsi.compare_and_write(lba, 1), data_out=before + new).good
                assert session.execute(scsi.read10(lba, 1), read=block_size).data == new


@pytest.mark.parametrize(("features", "options", "expected"), [
    ([SHARED], "", {512: 1, 4096: 1}),
    ([SHARED, "--stripe-unit=65536", "--stripe-count=3"], "", {512: 1, 4096: 1}),
    (["--image-feature=exclusive-lock"], "", {512: 255, 4096: 64}),
    (["--image-feature=exclusive-lock"], ";lock=exclusive", {512: 255, 4096: 64})])
def test_offered_is_what_is_atomic(cluster: Cluster, gateways: Gateways, features: list[str], options: str,
                                   expected: dict[int, int], request: pytest.FixtureRequest) -> None:
    """The length that is advertised is done, and no longer one."""
    name = "".join(c for c in request.node.name if c.isalnum())
    for block_size, blocks in expected.items():
        image = cluster.image(f"{name}{block_size}", 16 * MIB, *features)
        unit = gateways.unit(0, image, block_size, options)
        with unit.login() as session:
            assert most(session) == blocks
            assert session.execute(scsi.compare_and_write(1, blocks), data_out=bytes(2 * block_size * blocks)).good
            beyond = session.execute(scsi.compare_and_write(1, min(blocks + 1, 255)), data_out=bytes(2 * block_size * min(blocks + 1, 255)))
            assert blocks == 255 or beyond.sense is not None and beyond.sense.asc == 0x2400
        gateways.daemons[0].do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")


def test_stripes(cluster: Cluster, gateways: Gateways) -> None:
    """Compared and written is the block that READ and WRITE mean, however the image is laid out."""
    image = cluster.image("striped", 64 * MIB, SHARED, "--stripe-unit=65536", "--stripe-count=3", "--object-size=1M")
    unit = gateways.unit(0, image, 4096)
    with unit.login() as session:
        for lba in (0, 15, 16, 47, 48, 255, 256, 767, 768, 769, 5000, 16383):
            before, after = os.urandom(4096), os.urandom(4096)
            assert session.execute(scsi.write10(lba, 1), data_out=before).good
            assert session.execute(scsi.compare_and_write(lba, 1), data_out=before + after).good
            assert session.execute(scsi.read10(lba, 1), read=4096).data == after


def test_a_snapshot_keeps_what_it_has(cluster: Cluster, gateways: Gateways) -> None:
    """Also when another client has made it just now."""
    image = cluster.image("snapped", 16 * MIB, SHARED)
    unit = gateways.unit(0, image, 4096)
    blocks = [os.urandom(4096) for _ in range(4)]
    with unit.login() as session:
        assert session.execute(scsi.write10(3, 1), data_out=blocks[0]).good
        for old, new in zip(blocks, blocks[1:]):
            cluster.rbd("snap", "create", "--no-progress", f"{image}@{new[:4].hex()}")
            assert session.execute(scsi.compare_and_write(3, 1), data_out=old + new).good
    for old, new in zip(blocks, blocks[1:]):
        kept = gateways.unit(1, f"{image}@{new[:4].hex()}", 4096)
        with kept.login() as session:
            assert session.execute(scsi.read10(3, 1), read=4096).data == old
        gateways.daemons[1].do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")


def test_many_snapshots(cluster: Cluster, gateways: Gateways) -> None:
    """More than there is room for at first: the last one keeps what it has, too."""
    image = cluster.image("many", 16 * MIB, SHARED)
    old, new = os.urandom(4096), os.urandom(4096)
    with gateways.unit(0, image, 4096).login() as session:
        assert session.execute(scsi.write10(3, 1), data_out=old).good
        for number in range(35):
            cluster.rbd("snap", "create", "--no-progress", f"{image}@{number}")
        assert session.execute(scsi.compare_and_write(3, 1), data_out=old + new).good
        assert session.execute(scsi.read10(3, 1), read=4096).data == new
    for number in (0, 34):
        with gateways.unit(1, f"{image}@{number}", 4096).login() as session:
            assert session.execute(scsi.read10(3, 1), read=4096).data == old
        gateways.daemons[1].do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")


def test_a_clone_copies_first(cluster: Cluster, gateways: Gateways) -> None:
    """The rest of its object stays the parent's."""
    parent = cluster.image("parent", 16 * MIB, SHARED)
    block, rest = os.urandom(512), os.urandom(512)
    with gateways.unit(0, parent).login() as session:
        assert session.execute(scsi.write10(5, 2), data_out=block + rest).good
    cluster.rbd("snap", "create", "--no-progress", f"{parent}@base")
    cluster.rbd("snap", "protect", f"{parent}@base")
    cluster.rbd("clone", SHARED, f"{parent}@base", "rbd/child")
    with gateways.unit(1, "rbd/child").login() as session:
        assert most(session) == 1
        new = os.urandom(512)
        assert session.execute(scsi.compare_and_write(5, 1), data_out=block + new).good
        assert session.execute(scsi.read10(5, 2), read=1024).data == new + rest
    gateways.daemons[1].do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")
    with gateways.unit(1, "rbd/child", 4096).login() as session:
        assert most(session) == 0
        for cdb in (scsi.compare_and_write(1, 1), scsi.orwrite16(1, 1)):
            sense = session.execute(cdb, data_out=bytes(8192 if cdb[0] == 0x89 else 4096)).sense
            assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, 0x2000)


def test_no_cache_on_a_shared_image(cluster: Cluster, gateways: Gateways) -> None:
    """It would give what others have written over."""
    image = cluster.image("uncached", 16 * MIB, SHARED)
    done = gateways.daemons[0].adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "rbd",
                                   "-b", image, "--bsopts", f"conf={cluster.conf};cache=yes")
    assert done.returncode == 22 and "cache=yes would hide that" in gateways.daemons[0].log()


def test_an_image_that_another_has(cluster: Cluster, gateways: Gateways) -> None:
    """lock=exclusive keeps other daemons from writing, and from taking the lock; not from what has no lock."""
    image = cluster.image("mine", 16 * MIB, "--image-feature=exclusive-lock")
    gateways.unit(0, image, options=";lock=exclusive")
    again = gateways.daemons[1].adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "rbd",
                                    "-b", image, "--bsopts", f"conf={cluster.conf};lock=exclusive")
    assert again.returncode == 22 and "another has the exclusive lock of image mine" in gateways.daemons[1].log()
    other = gateways.unit(1, image)
    with other.login() as session:
        sense = session.execute(scsi.write10(0, 1), data_out=bytes(512)).sense
        assert sense is not None and sense.key == Key.DATA_PROTECT
