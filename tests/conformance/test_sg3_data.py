# SPDX-License-Identifier: MIT
"""sg_dd, sg_verify, sg_write_same, sg_unmap, sg_get_lba_status, sg_compare_and_write, sg_write_x: data that stay."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from harness.modules import Plan, Variant
from harness.sg import ILLEGAL_REQUEST, LBA_OUT_OF_RANGE, MISCOMPARE, Sg
from iscsi import scsi

pytestmark = pytest.mark.variants("storing")


@pytest.fixture
def block(variant: Variant) -> bytes:
    return os.urandom(variant.block_size)


def filed(tmp_path: Path, data: bytes, name: str = "in") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(sg: Sg, lba: int, blocks: int = 1) -> bytes:
    return sg.raw(scsi.read16(lba, blocks), read=blocks * sg.unit.block_size)


def last_lba(sg: Sg) -> int:
    return sg("sg_readcap", "--16").number(r"Last LBA=(\d+)")


@pytest.mark.smoke
def test_dd(sg: Sg, tmp_path: Path, variant: Variant) -> None:
    """A file written with sg_dd comes back the same, at the start and at the end."""
    data = os.urandom(200 * variant.block_size)
    source = filed(tmp_path, data)
    for lba in (0, last_lba(sg) - 199):
        sg.dd_in(source, lba)
        assert sg.dd_out(tmp_path / "out", lba, 200) == data


def test_verify(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """BYTCHK 0, 1 and 3; a difference is MISCOMPARE; ranges beyond the end are refused (SBC-4 5.36)."""
    sg.dd_in(filed(tmp_path, block * 4), 50)
    sg("sg_verify", "--lba=50", "--count=4")
    sg("sg_verify", "--16", "--lba=50", "--count=4")
    good, bad = filed(tmp_path, block * 4), filed(tmp_path, block * 3 + bytes(len(block)), "bad")
    sg("sg_verify", "--lba=50", "--count=4", f"--ndo={4 * len(block)}", f"--in={good}")
    sg.expect(MISCOMPARE, "sg_verify", "--lba=50", "--count=4", f"--ndo={4 * len(block)}", f"--in={bad}")
    sg.raw(scsi.verify10(50, 4, bytchk=3), write=block)
    sg.raw(scsi.verify10(50, 4, bytchk=2), write=block, code=ILLEGAL_REQUEST)
    sg.expect(LBA_OUT_OF_RANGE, "sg_verify", f"--lba={last_lba(sg)}", "--count=2")


@pytest.mark.alone
def test_miscompare_says_where(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """INFORMATION is the offset of the first byte that differs in COMPARE AND WRITE's buffer (SBC-4 5.3)."""
    sg.dd_in(filed(tmp_path, block * 2), 60)
    other = bytearray(block * 2)
    other[len(block) + 5] ^= 0xFF
    with sg.unit.login() as session:
        result = session.execute(scsi.compare_and_write(60, 2), lun=sg.unit.lun, data_out=bytes(other) + block * 2)
    assert result.sense is not None and (result.sense.key, result.sense.asc) == (0xE, scsi.MISCOMPARE)
    assert result.sense.information == len(block) + 5
    assert read(sg, 60, 2) == block * 2


def test_write_same(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """One block repeated, and nothing beside it (SBC-4 5.49)."""
    around = os.urandom(len(block))
    sg.dd_in(filed(tmp_path, around * 12), 98)
    sg("sg_write_same", "--lba=100", "--num=8", f"--in={filed(tmp_path, block)}", f"--xferlen={len(block)}")
    assert read(sg, 98, 12) == around * 2 + block * 8 + around * 2
    sg("sg_write_same", "--10", "--lba=100", "--num=2", f"--in={filed(tmp_path, around)}", f"--xferlen={len(block)}")
    assert read(sg, 100, 3) == around * 2 + block


def test_write_same_without_data(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """NDOB: zeroes, without a data-out buffer."""
    sg.dd_in(filed(tmp_path, block * 10), 120)
    sg.raw(scsi.write_same16(121, 8, ndob=True))
    assert read(sg, 120, 10) == block + bytes(8 * len(block)) + block


def test_unmap(sg: Sg, tmp_path: Path, block: bytes, variant: Variant) -> None:
    """Deallocated blocks read as zeroes (LBPRZ), their neighbours stay; a thick unit refuses UNMAP."""
    sg.dd_in(filed(tmp_path, block * 48), 1000)
    ranges = scsi.unmap_parameters([(1008, 16), (1032, 8)])
    if not variant.thin:
        sg.raw(scsi.unmap(len(ranges)), write=ranges, code=9)
        return
    sg("sg_unmap", "--lba=1008,1032", "--num=16,8", "--force")
    zero = bytes(len(block))
    assert read(sg, 1000, 48) == block * 8 + zero * 16 + block * 8 + zero * 8 + block * 8


def test_unmap_bad_ranges(sg: Sg, tmp_path: Path, block: bytes, variant: Variant) -> None:
    """A descriptor beyond the end is refused, and those before it had better not be half done silently."""
    if not variant.thin:
        return
    sg.dd_in(filed(tmp_path, block * 8), 2000)
    for lba, blocks in ((last_lba(sg), 2), (1 << 63, 1), (2**64 - 1, 1)):
        ranges = scsi.unmap_parameters([(lba, blocks)])
        sg.raw(scsi.unmap(len(ranges)), write=ranges, code=LBA_OUT_OF_RANGE)
    assert read(sg, 2000, 8) == block * 8
    sg.raw(scsi.unmap(0))  # no parameter list is no error (SBC-4 5.35.1)


def test_write_same_unmap(sg: Sg, tmp_path: Path, block: bytes, variant: Variant) -> None:
    """WRITE SAME with UNMAP leaves zeroes; a thick unit refuses the bit."""
    sg.dd_in(filed(tmp_path, block * 32), 3000)
    cdb = scsi.write_same16(3008, 16, unmap=True)
    if not variant.thin:
        sg.raw(cdb, write=bytes(len(block)), code=ILLEGAL_REQUEST)
        return
    sg.raw(cdb, write=bytes(len(block)))
    assert read(sg, 3000, 32) == block * 8 + bytes(16 * len(block)) + block * 8


def test_lba_status(sg: Sg, tmp_path: Path, block: bytes, variant: Variant, plan: Plan) -> None:
    """What was written is mapped, what was deallocated isn't; the descriptors cover the range without gaps
    (SBC-4 5.6)."""
    granularity, = struct.unpack_from(">I", sg.vpd(0xB0), 28)
    step = max(128, granularity)
    first = -(-4096 // step) * step
    sg.dd_in(filed(tmp_path, block * 3 * step), first)
    if variant.thin:
        sg("sg_unmap", f"--lba={first + step}", f"--num={step}", "--force")
    lines = sg("sg_get_lba_status", f"--lba={first}", "--maxlen=4096", "--brief").out.splitlines()
    rows = [[int(word, 16) for word in line.split()[:3]] for line in lines if line.startswith("0x")]
    assert rows and rows[0][0] == first
    assert all(row[0] + row[1] == following[0] for row, following in zip(rows, rows[1:]))
    status = [row[2] for lba in (first, first + step * 3 // 2, first + step * 5 // 2) for row in rows
              if row[0] <= lba < row[0] + row[1]]
    assert status[0] == 0 and status[2] == 0, "written blocks are mapped"
    module = next((m for m in plan.modules if m.name == variant.module), None)
    if variant.thin and module is not None and "block_status" in module.capabilities:
        assert status[1] == 1, "deallocated blocks aren't"
    sg.raw(scsi.get_lba_status(last_lba(sg) + 1), read=1024, code=LBA_OUT_OF_RANGE)


def test_compare_and_write(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """Writes when what is there compares equal; else MISCOMPARE, and nothing is written (SBC-4 5.3)."""
    new, other = os.urandom(len(block)), os.urandom(len(block))
    sg.dd_in(filed(tmp_path, block), 5000)
    files = {name: filed(tmp_path, data, name) for name, data in (("old", block), ("new", new), ("other", other))}
    size = f"--xferlen={2 * len(block)}"
    sg.expect(MISCOMPARE, "sg_compare_and_write", f"--in={files['other']}", f"--inw={files['new']}", "--lba=5000",
              "--num=1", size)
    assert read(sg, 5000) == block
    sg("sg_compare_and_write", f"--in={files['old']}", f"--inw={files['new']}", "--lba=5000", "--num=1", size)
    assert read(sg, 5000) == new


@pytest.mark.alone
def test_orwrite(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """The OR of what is there and what comes (SBC-4 5.16)."""
    mask = os.urandom(len(block))
    sg.dd_in(filed(tmp_path, block), 5100)
    sg("sg_write_x", "--or", "--16", f"--in={filed(tmp_path, mask)}", "--lba=5100", "--num=1", f"--bs={len(block)}")
    assert read(sg, 5100) == bytes(a | b for a, b in zip(block, mask))


def test_write_x(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """sg_write_x's normal and same forms."""
    source = filed(tmp_path, block)
    common = [f"--in={source}", f"--bs={len(block)}", "--16"]
    sg("sg_write_x", "--normal", *common, "--lba=5200", "--num=1")
    sg("sg_write_x", "--same=0", *common, "--lba=5201", "--num=3")
    assert read(sg, 5200, 4) == block * 4


def test_write_and_verify(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """WRITE AND VERIFY(10) and (16)."""
    source = filed(tmp_path, block * 4)
    sg("sg_write_verify", "--lba=5300", "--num=4", f"--in={source}", f"--ilen={4 * len(block)}")
    sg("sg_write_verify", "--16", "--lba=5304", "--num=4", f"--in={source}", f"--ilen={4 * len(block)}")
    assert read(sg, 5300, 8) == block * 8


def test_prefetch(sg: Sg) -> None:
    """PRE-FETCH answers GOOD or CONDITION MET; beyond the end it is refused (SBC-4 5.18)."""
    for cdb in (bytes([0x34, 0, 0, 0, 0, 0, 0, 0, 8, 0]), bytes([0x34, 2, 0, 0, 0, 0, 0, 0, 8, 0])):
        done = sg.try_("sg_raw", sg.unit.url, *[f"{byte:02x}" for byte in cdb], device="")
        assert done.code in (0, 25), str(done)  # 25: condition met
    last = last_lba(sg)
    done = sg.try_("sg_raw", sg.unit.url, "34", "00", *[f"{b:02x}" for b in last.to_bytes(4, "big")], "00", "00", "02",
                   "00", device="")
    assert done.code == LBA_OUT_OF_RANGE, str(done)


@pytest.mark.parametrize("cdb", [
    lambda lba: scsi.read10(min(lba, 2**32 - 1), 1), lambda lba: scsi.read16(lba, 1),
    lambda lba: scsi.read16(lba - 1, 2), lambda lba: scsi.read16(2**64 - 1, 1), lambda lba: scsi.read16(2**63, 2),
    lambda lba: scsi.read16(2**64 - 1, 2),
], ids=["10", "16", "across", "2^64-1", "2^63", "wraps"])
def test_beyond_the_end(sg: Sg, cdb: object) -> None:
    """LBA OUT OF RANGE, also where the arithmetic might overflow."""
    assert callable(cdb)
    sg.raw(cdb(last_lba(sg) + 1), read=4096, code=LBA_OUT_OF_RANGE)


@pytest.mark.alone
def test_zero_blocks(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """A transfer length of zero transfers nothing, and is no error (SBC-4 5.12, 5.40)."""
    sg.dd_in(filed(tmp_path, block), 7000)
    for cdb in (scsi.read10(7000, 0), scsi.read16(7000, 0), scsi.write10(7000, 0), scsi.write16(7000, 0),
                scsi.verify10(7000, 0), scsi.compare_and_write(7000, 0), scsi.orwrite16(7000, 0)):
        sg.raw(cdb)
    assert read(sg, 7000) == block


def test_six_byte_commands(sg: Sg, tmp_path: Path, block: bytes) -> None:
    """READ(6) and WRITE(6): a length of 0 means 256 blocks (SBC-4 5.11)."""
    sg.raw(bytes([0x0A, 0x00, 0x10, 0x00, 2, 0]), write=block * 2)
    assert sg.raw(bytes([0x08, 0x00, 0x10, 0x00, 2, 0]), read=2 * len(block)) == block * 2
    assert len(sg.raw(bytes([0x08, 0x00, 0x10, 0x00, 0, 0]), read=256 * len(block))) == 256 * len(block)
