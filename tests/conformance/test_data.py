# SPDX-License-Identifier: MIT
"""A real file system, carried by a real initiator: qemu-img writes it to a unit and reads it back."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.modules import Plan, Variant
from harness.process import run
from harness.units import Unit
from iscsi import scsi

SIZE = 64 << 20
CHUNK = 256 << 10


def tool(*command: str) -> str:
    """Runs a tool that must succeed."""
    done = run(command, timeout=100)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ext4 file system with files of many sizes, links and folders."""
    folder = tmp_path_factory.mktemp("ext4")
    root = folder / "root"
    dice = random.Random(7)
    for n in range(60):
        place = root / f"folder{n % 7}" / f"deep{n % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"file{n}").write_bytes(dice.randbytes(dice.choice([0, 1, 100, 4096, 70000, 300000])))
    (root / "link").symlink_to("folder0/deep0/file0")
    out = folder / "image"
    tool("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", str(root), str(out), f"{SIZE >> 10}k")
    return out


def check_file_system(path: Path) -> None:
    tool("e2fsck", "-fn", str(path))


def options(unit: Unit, digest: str) -> str:
    """qemu's words for a unit."""
    return (f"driver=iscsi,transport=tcp,portal={unit.portal},target={unit.target},lun={unit.lun},"
            f"initiator-name=iqn.2026-01.org.example.test:qemu,header-digest={digest}")


def same(path: Path, other: Path) -> None:
    """Byte for byte."""
    assert path.stat().st_size == other.stat().st_size
    with open(path, "rb") as a, open(other, "rb") as b:
        for at in range(0, SIZE, CHUNK):
            assert a.read(CHUNK) == b.read(CHUNK), f"differs between {at} and {at + CHUNK}"


@pytest.fixture
def blank(new_unit: Callable[..., Unit], variant: Variant, plan: Plan) -> Unit:
    """A unit that reads as zeroes where the image will go."""
    unit = new_unit(variant, size=SIZE)
    if plan.path:
        blocks = CHUNK // unit.block_size
        with unit.login() as session:
            for at in range(0, SIZE // unit.block_size, blocks):
                assert session.execute(scsi.write16(at, blocks), lun=unit.lun, data_out=bytes(CHUNK)).good
    return unit


@pytest.mark.variants("storing")
@pytest.mark.parametrize("digest", ["none", "crc32c"])
def test_file_system_by_qemu(image: Path, blank: Unit, digest: str, tmp_path: Path) -> None:
    """Written by qemu-img, read back, equal, and e2fsck finds nothing; with header digests too."""
    unit = blank
    back = tmp_path / "back"
    tool("qemu-img", "convert", "-n", "-f", "raw", "--target-image-opts", str(image), options(unit, digest))
    tool("qemu-img", "convert", "--image-opts", options(unit, digest), "-O", "raw", str(back))
    os.truncate(back, SIZE)  # a unit on --path may be larger
    same(image, back)
    check_file_system(back)
    back.unlink()


@pytest.mark.smoke
@pytest.mark.variants("storing")
def test_file_system_with_both_digests(image: Path, blank: Unit, tmp_path: Path) -> None:
    """The same by the library of these tests, which checks a digest on every header and all data; what the image
    has as holes is left alone, and must be zero."""
    unit = blank
    back = tmp_path / "back"
    blocks = CHUNK // unit.block_size
    with unit.login(keys={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}) as session, open(image, "rb") as source:
        full = [at for at in range(0, SIZE, CHUNK) if any(source.read(CHUNK))]
        for at in full:
            source.seek(at)
            assert session.execute(scsi.write16(at // unit.block_size, blocks), lun=unit.lun,
                                   data_out=source.read(CHUNK)).good
        assert session.execute(scsi.synchronize_cache16(), lun=unit.lun, timeout=60).good
        with open(back, "wb") as copy:
            copy.truncate(SIZE)
            for at in full:
                result = session.execute(scsi.read16(at // unit.block_size, blocks), lun=unit.lun, read=CHUNK)
                assert result.good
                copy.seek(at)
                copy.write(result.data)
    with unit.login(keys={"MaxBurstLength": "1048576"}) as session:
        for at in sorted(set(range(0, SIZE, CHUNK)) - set(full)):
            result = session.execute(scsi.read16(at // unit.block_size, blocks), lun=unit.lun, read=CHUNK)
            assert result.good and not any(result.data), f"a hole at {at} isn't zero"
    same(image, back)
    check_file_system(back)
    back.unlink()
