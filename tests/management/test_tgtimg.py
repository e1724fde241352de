# SPDX-License-Identifier: MIT
"""tgtimg: the files that hold tapes, and disks."""
from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("TGT_BUILD_DIR", Path(__file__).resolve().parents[2] / "build"))
STGT = Path(__file__).with_name("stgt-tape.img")  # what tgt 1.0.85 made of the commands in STGT_OBJECTS
STGT_OBJECTS = [b"A" * 10, b"B" * 1000, None, b"C" * 513, None, None, b"D" * 512]
END = 0xFFFFFFFF


def tgtimg(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([BUILD / "tgtimg", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"{arguments}: {done}"
    return done


def new(path: Path, *arguments: str, size: str = "10", kind: str = "data") -> None:
    tgtimg("-o", "new", "-Y", "tape", "-b", "A00001L8", "-s", size, "-t", kind, "-f", path, *arguments)


def tap(objects: list[bytes | None], end: bool = True) -> bytes:
    data = b""
    for item in objects:
        if item is None:
            data += bytes(4)
        else:
            length = struct.pack("<I", len(item))
            data += length + item + bytes(len(item) % 2) + length
    return data + (struct.pack("<I", END) if end else b"")


def convert(path: Path, source: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return tgtimg("-o", "convert", "-Y", "tape", "-f", path, "--from", source, *arguments, code=code)


def taken_out(path: Path, to: Path) -> bytes:
    tgtimg("-o", "convert", "-Y", "tape", "-f", path, "--to", to)
    return to.read_bytes()


@pytest.mark.parametrize(("kind", "name"), [("data", "Data"), ("worm", "WORM"), ("WORM", "WORM"), ("clean", "Clean")])
def test_new_and_show(tmp_path: Path, kind: str, name: str) -> None:
    """A new tape is what was asked for, and empty."""
    new(tmp_path / "tape", "--density", "0x5e", kind=kind, size="20")
    shown = tgtimg("-o", "show", "-Y", "tape", "-f", tmp_path / "tape").stdout
    assert shown.startswith(f"Media     : A00001L8\n type     : {name}\n capacity : 20 MiB\n density  : 5eh\n")
    assert "0 records, 0 filemarks" in shown and shown.endswith("end of data\n")
    assert "0 objects, 0 damaged" in tgtimg("-o", "check", "-Y", "tape", "-f", tmp_path / "tape").stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there may be somebody's tape or disk."""
    tape = tmp_path / "tape"
    tape.write_bytes(b"precious")
    for device, medium in [("tape", "data"), ("disk", "disk")]:
        done = tgtimg("-o", "new", "-Y", device, "-b", "X", "-s", "5", "-t", medium, "-f", tape, code=1)
        assert "File exists" in done.stderr
    convert(tape, STGT, code=1)
    assert tape.read_bytes() == b"precious"


@pytest.mark.parametrize(("arguments", "why"), [
    (["-o", "new", "-Y", "tape", "-s", "5", "-t", "data"], "Missing the barcode param"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-t", "data"], "Missing the capacity param"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "5"], "Missing the media type param"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "5", "-t", "data", "-T"], "no -T"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "0", "-t", "data"], "a number of MiB"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "-5", "-t", "data"], "a number of MiB"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "99999999999999", "-t", "data"], "a number of MiB"),
    (["-o", "new", "-Y", "tape", "-b", "X", "-s", "5x", "-t", "data"], "a number of MiB"),
    (["-o", "new", "-Y", "cd", "-t", "dvd+r"], "no CD or DVD"),
    (["-o", "burn", "-Y", "tape"], "new, show, check or convert"),
    (["-Y", "tape"], "specify the operation type"),
    (["-o", "show"], "specify the device type"),
    (["-o", "show", "-Y", "disk"], "only tapes"),
    (["-o", "convert", "-Y", "tape"], "--from a tape"),
    (["-o", "convert", "-Y", "tape", "--from", "a", "--to", "b"], "--from a tape"),
])
def test_options_that_make_no_sense(tmp_path: Path, arguments: list[str], why: str) -> None:
    """What is wrong is said, and the status is EINVAL, as it was with tgt 1.0."""
    done = tgtimg(*arguments, "-f", tmp_path / "x", code=22)
    assert why in done.stderr and "--help" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("kind", "barcode", "why"), [
    ("paper", "X", "data, clean or worm"), ("data", "a b", "barcode"), ("data", "../x", "barcode"),
    ("data", "X" * 33, "barcode"), ("data", "", "barcode")])
def test_a_tape_that_cannot_be(tmp_path: Path, kind: str, barcode: str, why: str) -> None:
    done = tgtimg("-o", "new", "-Y", "tape", "-b", barcode, "-s", "5", "-t", kind, "-f", tmp_path / "x", code=1)
    assert why in done.stderr
    assert not (tmp_path / "x").exists()


def test_disks(tmp_path: Path) -> None:
    """All of a disk's space is allocated, or none of it."""
    for name, flags, blocks in [("thick", [], 5 << 11), ("thin", ["-T"], 0)]:
        done = tgtimg("-o", "new", "-Y", "disk", "-s", "5", "-t", "disk", "-f", tmp_path / name, *flags)
        assert done.stdout == f"Created blank DISK image file : {tmp_path / name}\n"
        stat = (tmp_path / name).stat()
        assert stat.st_size == 5 << 20
        assert stat.st_blocks >= blocks if blocks else stat.st_blocks == 0


def test_stgts_tape(tmp_path: Path) -> None:
    """A tape that stgt wrote: its barcode, its records, its filemarks."""
    done = convert(tmp_path / "tape", STGT)
    assert "7 records and filemarks" in done.stdout and "(stgt)" in done.stdout
    shown = tgtimg("-o", "show", "-Y", "tape", "-f", tmp_path / "tape").stdout
    assert "Media     : TAPE01L4\n" in shown and "capacity : 100 MiB" in shown
    assert re.findall(r": (record of \d+|filemark|end of data)", shown) == [
        *("filemark" if item is None else f"record of {len(item)}" for item in STGT_OBJECTS), "end of data"]
    assert taken_out(tmp_path / "tape", tmp_path / "tap") == tap(STGT_OBJECTS)


def test_every_byte_of_stgts_headers_counts(tmp_path: Path) -> None:
    """A damaged tape of stgt's is refused with the place, and nothing is left of what was read."""
    good = STGT.read_bytes()
    header = next(at for at in (1152, 1210, 2258) if at == 1210)
    for at in [*range(header, header + 48), *range(2306, 2306 + 48)]:
        source = tmp_path / "bad"
        source.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1:])
        done = convert(tmp_path / "tape", source, code=1)
        assert f"offset {1210 if at < 2000 else 2306}" in done.stderr
        assert not (tmp_path / "tape").exists()
    for size in (100, 1152, 1300, len(good) - 1):
        (tmp_path / "short").write_bytes(good[:size])
        convert(tmp_path / "tape", tmp_path / "short", code=1)
        assert not (tmp_path / "tape").exists()


@pytest.mark.parametrize("end", [True, False])
def test_tap(tmp_path: Path, end: bool) -> None:
    """A .tap goes in and comes out the same, whether it has an end marker or not."""
    rng = random.Random(5)
    objects = [None if rng.random() < 0.2 else rng.randbytes(rng.randint(1, 5000)) for _ in range(600)]
    objects[0] = b"first"
    (tmp_path / "in").write_bytes(tap(objects, end))
    convert(tmp_path / "tape", tmp_path / "in")
    assert taken_out(tmp_path / "tape", tmp_path / "out") == tap(objects)
    assert "600 objects, 0 damaged" in tgtimg("-o", "check", "-Y", "tape", "-f", tmp_path / "tape").stdout


@pytest.mark.parametrize("data", [
    b"", b"short", bytes(64), tap([b"x" * 10])[:9], tap([b"x" * 10])[:14] + b"\1\0\0\0", struct.pack("<I", 0x80000005) + b"x" * 9,
    tap([b"x" * 10], end=False) + struct.pack("<I", 0xFFFFFF) + b"x", tap([b"x" * 10], end=False) + b"\1\0"])
def test_what_is_no_tap(tmp_path: Path, data: bytes) -> None:
    """Lengths that lead out of the file, or that differ in front and behind."""
    (tmp_path / "in").write_bytes(data)
    assert convert(tmp_path / "tape", tmp_path / "in", code=1).stderr
    assert not (tmp_path / "tape").exists()


def test_check_finds_damage(tmp_path: Path) -> None:
    """Each damaged object is named; show goes on behind a header that can't be read."""
    tape = tmp_path / "tape"
    (tmp_path / "in").write_bytes(tap([b"one" * 100, b"two" * 100, None, b"three" * 100]))
    convert(tape, tmp_path / "in")
    good = tape.read_bytes()
    assert good.count(b"two" * 100) == 1
    data = good.index(b"two" * 100)
    for at, why in [(data + 5, "its data are not what was written"), (data - 20, "its header is damaged")]:
        tape.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        found = tgtimg("-o", "check", "-Y", "tape", "-f", tape, code=1).stdout
        assert f"object 1: {why}" in found
    shown = tgtimg("-o", "show", "-Y", "tape", "-f", tape, code=1).stdout
    assert "1: can't be read" in shown and "record of 500" in shown and "damaged" in shown


def test_a_larger_tape_than_room(tmp_path: Path) -> None:
    """What doesn't fit into the size that was asked for leaves nothing behind."""
    (tmp_path / "in").write_bytes(tap([b"x" * 100000] * 30))
    assert "can't be written" in convert(tmp_path / "tape", tmp_path / "in", "-s", "2", code=1).stderr
    assert not (tmp_path / "tape").exists()
