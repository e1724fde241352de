# SPDX-License-Identifier: MIT
"""A tape library with the Linux kernel's own drivers, ch and st, and with mtx, mt, dd and tar: a daemon's, and the same
one passed on by another daemon."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import Guest
from harness.changer import MAIL, MAIL_SLOT
from libraries import BARCODES, CAPACITY, TIERS, Contents, GuestLibrary, library_of
from tapes import MIB
from trees import content, make_tree

FIRST, SECOND, THIRD = BARCODES
MAIL_NUMBER = 5  # mtx counts it behind the four slots
AT_HOME = Contents({}, {1: FIRST, 2: SECOND, 3: THIRD})
DATA = random.Random(3).randbytes(10 * 1000)
RECORD = 1000


@pytest.fixture(scope="module", params=TIERS)
def tier_library(request: pytest.FixtureRequest, live_guest: Guest) -> Iterator[GuestLibrary]:
    with library_of(request.param, live_guest) as made:
        yield made


@pytest.fixture
def library(tier_library: GuestLibrary) -> Iterator[GuestLibrary]:
    """With three cartridges in their slots."""
    yield tier_library
    if tier_library.guest.alive():
        tier_library.home()


@pytest.fixture
def work(library: GuestLibrary) -> Iterator[Path]:
    """A folder that guest and host share."""
    folder = library.guest.share / "tar"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


# -- mtx

def test_mtx_finds_what_there_is(library: GuestLibrary) -> None:
    """INQUIRY, and READ ELEMENT STATUS with volume tags (SMC-3 6.11)."""
    assert "Product Type: Medium Changer" in library.mtx("inquiry")
    assert "2 Drives, 5 Slots ( 1 Import/Export )" in library.mtx("status")
    assert library.contents() == AT_HOME


def test_mtx_loads_and_unloads(library: GuestLibrary) -> None:
    """MOVE MEDIUM (SMC-3 6.7): each drive has what was put in, with the slot that it came from, and gives it back."""
    library.mtx("load", 2, 0)
    library.mtx("load", 1, 1)
    assert library.contents() == Contents({0: (SECOND, 2), 1: (FIRST, 1)}, {3: THIRD})
    library.mtx("unload", 2, 0)
    library.mtx("unload", 4, 1)  # not where it came from
    assert library.contents() == Contents({}, {2: SECOND, 3: THIRD, 4: FIRST})


def test_mtx_transfers_and_exchanges(library: GuestLibrary) -> None:
    """Slot to slot, and EXCHANGE MEDIUM (SMC-3 6.3)."""
    library.mtx("transfer", 3, 4)
    assert library.contents().slots == {1: FIRST, 2: SECOND, 4: THIRD}
    library.mtx("exchange", 1, 2)
    assert library.contents().slots == {1: SECOND, 2: FIRST, 4: THIRD}


def test_mtx_goes_through_a_stack(library: GuestLibrary) -> None:
    """first, next, next: one cartridge after the other in a drive; then there is no more."""
    library.mtx("first", 0)
    for slot, tag in ((1, FIRST), (2, SECOND), (3, THIRD)):
        assert library.contents().drives == {0: (tag, slot)}
        done = library.try_mtx("next", 0)
        assert (done.returncode == 0) == (slot < len(BARCODES)), done.output


def test_moves_that_cannot_be(library: GuestLibrary) -> None:
    """From an empty slot, and into a drive that is full: refused, and nothing has moved (SMC-3 6.7)."""
    assert library.try_mtx("load", 4, 0).returncode != 0
    library.mtx("load", 1, 0)
    assert library.try_mtx("load", 2, 0).returncode != 0
    assert library.try_mtx("transfer", 2, 3).returncode != 0
    assert library.contents() == Contents({0: (FIRST, 1)}, {2: SECOND, 3: THIRD})


def test_the_mail_slot(library: GuestLibrary) -> None:
    """What the operator puts in is there to be taken, and what is put there the operator takes out."""
    tag = f"NEW00{random.randrange(1000):03}"
    library.host.cartridge(tag)
    library.host.set(f"element_type={MAIL},address={MAIL_SLOT},barcode={tag}")
    assert library.contents().slots == {**AT_HOME.slots, MAIL_NUMBER: tag}
    library.mtx("load", MAIL_NUMBER, 0)
    library.mtx("unload", 4, 0)
    assert library.contents().slots == {**AT_HOME.slots, 4: tag}
    library.mtx("transfer", 4, MAIL_NUMBER)
    library.host.set(f"element_type={MAIL},address={MAIL_SLOT},clear_slot=1")
    assert library.contents() == AT_HOME


# -- drives

def test_drives_are_ready_with_a_cartridge(library: GuestLibrary) -> None:
    """Its driver finds an empty drive open; a move makes it ready (SAM-5 5.14 unit attention, SSC-5)."""
    drive = library.drive(0)
    assert "DR_OPEN" in drive.status().bits
    library.mtx("load", 1, 0)
    assert {"BOT", "ONLINE"} <= drive.status().bits
    library.mtx("unload", 1, 0)
    assert "DR_OPEN" in drive.status().bits
    at_once = drive.shell(f"dd if=$TAPE bs={RECORD} iflag=nonblock status=none", check=False)
    assert at_once.returncode != 0 and b"No medium found" in at_once.stderr


def test_data_stay_on_their_cartridge(library: GuestLibrary) -> None:
    """Written in one drive, read in the other; the other cartridge has its own."""
    for slot, data in ((1, DATA), (2, DATA[::-1])):
        library.mtx("load", slot, 0)
        library.drive(0).mt("setblk 0")
        library.drive(0).write(data, RECORD)
        library.drive(0).mt("offline")
        library.mtx("unload", slot, 0)
    for slot, data in ((2, DATA[::-1]), (1, DATA)):
        library.mtx("load", slot, 1)
        library.drive(1).mt("setblk 0")
        assert library.drive(1).read(RECORD) == data
        library.mtx("unload", slot, 1)


def test_a_locked_drive_keeps_its_cartridge(library: GuestLibrary) -> None:
    """PREVENT ALLOW MEDIUM REMOVAL of the drive: no move takes it out (SMC-3 6.7)."""
    library.mtx("load", 1, 0)
    library.drive(0).mt("lock")
    assert library.try_mtx("unload", 1, 0).returncode != 0
    assert library.contents().drives == {0: (FIRST, 1)}
    library.drive(0).mt("unlock")
    library.mtx("unload", 1, 0)
    assert library.contents() == AT_HOME


# -- the kernel's changer

def test_ch_counts_the_elements(library: GuestLibrary) -> None:
    """By mode page 1Dh (SMC-3 7.3.4): the current robot, robots, slots, mail slots, drives."""
    assert library.chio(["params"]) == [[0, 1, 4, 1, 2]]


def test_ch_knows_what_is_where(library: GuestLibrary) -> None:
    """READ ELEMENT STATUS of one type, and of one element with its volume tag and source."""
    library.mtx("load", 3, 1)
    assert library.chio(["full", "slot", 4], ["full", "drive", 2], ["full", "mail", 1], ["element", ["slot", 3]],
                        ["element", ["drive", 1]], ["element", ["drive", 2]]) == [
        [True, True, False, False], [False, True], [False], {"full": False, "tag": "", "source": None},
        {"full": True, "tag": THIRD, "source": ["slot", 2]}, "EINVAL"]
    [first] = library.chio(["element", ["slot", 0]])
    assert first["full"] and first["tag"] == FIRST


def test_ch_moves(library: GuestLibrary) -> None:
    """MOVE, EXCHANGE, POSITION TO ELEMENT, INITIALIZE ELEMENT STATUS as the kernel asks for them."""
    assert library.chio(["move", ["slot", 0], ["drive", 0]], ["position", ["slot", 3]],
                        ["move", ["drive", 0], ["slot", 3]], ["exchange", ["slot", 1], ["slot", 2], ["slot", 0]],
                        ["initialize"]) == [None] * 5
    assert library.contents() == Contents({}, {1: THIRD, 3: SECOND, 4: FIRST})
    [refused] = library.chio(["move", ["slot", 1], ["drive", 0]])
    assert isinstance(refused, str), "a move from an empty slot succeeds"
    assert library.contents() == Contents({}, {1: THIRD, 3: SECOND, 4: FIRST})


# -- a backup

# tar runs it when a volume is full, or read to its end.
NEXT_VOLUME = """#!/bin/sh
set -e
mt -f {tape} offline
mtx -f {changer} unload $((TAR_VOLUME - 1)) 0
mtx -f {changer} load $TAR_VOLUME 0
"""


def test_a_backup_over_three_cartridges(library: GuestLibrary, work: Path) -> None:
    """tar has the robot change the cartridges when it writes, when it compares and when it restores; each of them is
    written to its early warning, and comes out of its slot and goes back (SSC-5 early-warning, SMC-3 MOVE MEDIUM)."""
    make_tree(work / "tree", CAPACITY * MIB * 3 - CAPACITY * MIB // 2)
    (work / "restored").mkdir()
    tape, script = library.drive(0), work / "next-volume"
    script.write_text(NEXT_VOLUME.format(tape=tape.node, changer=library.changer.sg))
    script.chmod(0o755)
    for words in ("-c -C {work} tree", "-d -C {work}", "-x -C {work}/restored"):
        library.mtx("load", 1, 0)
        tape.shell(f"tar -b 64 -M -F {script} -f {tape.node} {words.format(work=work)}", timeout=120.0)
        assert library.contents().drives == {0: (THIRD, 3)}
        library.mtx("unload", 3, 0)
    assert content(work / "restored" / "tree") == content(work / "tree")
    for barcode in BARCODES[:2]:  # each of the first two is full
        assert (library.host.media / barcode).stat().st_size > CAPACITY * MIB * 3 // 4
