# SPDX-License-Identifier: MIT
"""tar on a tape drive, by the Linux kernel's driver st: a daemon's, and the same one passed on by another daemon."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import Guest, Process
from tapes import MIB, TIERS, Drive, drive_of
from trees import content, make_tree

CAPACITY = 2 * MIB
CARTRIDGES = 3
CHANGE_SECONDS = 60.0


@pytest.fixture(scope="module", params=TIERS)
def tier_drive(request: pytest.FixtureRequest, live_guest: Guest) -> Iterator[Drive]:
    with drive_of(request.param, live_guest, CAPACITY) as made:
        yield made


@pytest.fixture
def drive(tier_drive: Drive) -> Drive:
    """With a small tape that is new."""
    return tier_drive.fresh()


@pytest.fixture
def work(drive: Drive) -> Iterator[Path]:
    """A folder that guest and host share."""
    folder = drive.guest.share / "tar"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_it_is_written_appended_to_compared_and_restored(drive: Drive, work: Path) -> None:
    """What lies on the tape is to the byte what tar writes into a file; tar -r goes back over the last record and
    writes on from there (SSC-5 SPACE(6), WRITE(6))."""
    make_tree(work / "tree", 600_000)
    make_tree(work / "more", 100_000, seed=2)
    drive.shell(f"""
        cd {work}
        tar -b 64 -cf $TAPE tree
        mt rewind
        dd if=$TAPE bs=32k status=none | cmp - <(tar -b 64 -cf - tree)
        mt rewind
        tar -b 64 -rf $TAPE more
        mt rewind
        tar -b 64 -df $TAPE
    """)
    first = next(path for path in sorted((work / "more").rglob("file*")) if path.stat().st_size)
    first.write_bytes(b"\0" * first.stat().st_size)
    assert b"Contents differ" in drive.shell(f"cd {work}; mt rewind; tar -b 64 -df $TAPE", check=False).stdout
    drive.shell(f"mkdir {work}/restored; mt rewind; tar -b 64 -xf $TAPE -C {work}/restored")
    make_tree(work / "more", 100_000, seed=2)
    for name in ("tree", "more"):
        assert content(work / "restored" / name) == content(work / name)


def test_one_archive_after_the_other(drive: Drive, work: Path) -> None:
    """By the node that doesn't rewind: each archive is a file of the tape."""
    for number in range(3):
        make_tree(work / f"tree{number}", 50_000, seed=number)
    drive.shell(f"cd {work}; mkdir restored; for n in 0 1 2; do tar -cf $TAPE tree$n; done")
    for number in (1, 2, 0):
        drive.shell(f"mt asf {number}; tar -xf $TAPE -C {work}/restored")
        assert content(work / "restored" / f"tree{number}") == content(work / f"tree{number}")
    drive.shell(f"cd {work}; mt eod; tar -cf $TAPE tree0; mt asf 3; tar -df $TAPE")


# tar runs it when a volume is full, or read to its end: what the operator of the drive is asked for.
NEXT_VOLUME = """#!/bin/sh
set -e
mt -f $TAPE offline
echo $TAR_VOLUME >{folder}/volume.new
mv {folder}/volume.new {folder}/volume
while [ -e {folder}/volume ]; do sleep 0.1; done
"""


def operate(drive: Drive, tar: Process, work: Path, cartridges: list[Path]) -> None:
    """Puts in what tar asks for, until it ends, which must be well."""
    wish, deadline = work / "volume", time.monotonic() + CHANGE_SECONDS
    changes = []
    while tar.poll(0.1) is None:
        assert time.monotonic() < deadline, f"tar goes on and on: {tar.stderr.decode()}"
        if wish.exists():
            changes.append(int(wish.read_text()))
            drive.change(cartridges[changes[-1] - 1])
            wish.unlink()
    done = tar.wait(1.0)
    assert done.returncode == 0, done.output
    assert changes == list(range(2, CARTRIDGES + 1))


def test_an_archive_on_several_cartridges(drive: Drive, work: Path) -> None:
    """tar goes on with the next cartridge after early warning (ENOSPC), and finds each again when it restores; unloaded
    by the initiator, changed by the operator (SSC-5 LOAD UNLOAD, early-warning; SPC-5 28h/00h)."""
    make_tree(work / "tree", CAPACITY * CARTRIDGES - CAPACITY // 2)
    (work / "restored").mkdir()
    script = work / "next-volume"
    script.write_text(NEXT_VOLUME.format(folder=work))
    script.chmod(0o755)
    cartridges = [drive.new_tape(f"volume{number}") for number in range(CARTRIDGES)]
    tar = ["tar", "-b", "64", "-M", "-F", str(script), "-f", drive.node]
    for words in (["-c", "-C", str(work), "tree"], ["-d", "-C", str(work)], ["-x", "-C", str(work / "restored")]):
        drive.change(cartridges[0])
        operate(drive, drive.guest.spawn([*tar, *words], env={"TAPE": drive.node}), work, cartridges)
    assert content(work / "restored" / "tree") == content(work / "tree")
