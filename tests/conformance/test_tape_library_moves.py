# SPDX-License-Identifier: MIT
"""Every cartridge of a library is in exactly one place, whoever moves it at once and whenever the daemon dies."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Timer

import pytest

from harness.changer import CHANGER_LUN, FIRST_DRIVE, FIRST_SLOT, MAIL_SLOT, Changer, Library
from harness.daemon import Daemon
from iscsi.scsi import Key
from test_tape_library import BARCODES, DESTINATION_FULL, SOURCE_EMPTY, library_on

pytestmark = [pytest.mark.variants("tape"), pytest.mark.changer(CHANGER_LUN)]

PLACES = [MAIL_SLOT, FIRST_DRIVE, FIRST_DRIVE + 1, *range(FIRST_SLOT, FIRST_SLOT + 4)]
INVALID_ELEMENT = 0x2101


@pytest.fixture
def library(daemon: Daemon, tmp_path: Path) -> Iterator[Library]:
    made = library_on(daemon, tmp_path, daemon.new_tid())
    yield made
    if daemon.alive():
        daemon.do("--op", "delete", "--mode", "target", "--force", "--tid", str(made.tid))


def assert_one_place_each(changer: Changer) -> dict[int, str]:
    found = changer.contents()
    assert sorted(found.values()) == BARCODES, found
    return found


def move_about(library: Library, seed: int, count: int) -> int:
    """Moves and exchanges as chance has it; each is made, or there was nothing there, or something was.  How many were
    made."""
    chance, made = random.Random(seed), 0
    with library.changer.login() as session:
        changer = Changer(session)
        for _ in range(count):
            a, b, c = (chance.choice(PLACES) for _ in range(3))
            result = changer.exchange(a, b, c) if chance.random() < 0.2 else changer.move(a, b)
            made += result.good
            if not result.good:
                assert result.sense is not None, str(result)
                assert result.sense.key == Key.ILLEGAL_REQUEST, str(result)
                assert result.sense.asc in (SOURCE_EMPTY, DESTINATION_FULL, INVALID_ELEMENT), str(result)
    return made


def watch(library: Library, end: Event) -> int:
    seen = 0
    with library.changer.login() as session:
        while not end.is_set():
            assert_one_place_each(Changer(session))
            seen += 1
    return seen


def test_several_initiators(library: Library) -> None:
    """What each reads meanwhile is a state between two moves, too."""
    end = Event()
    with ThreadPoolExecutor() as pool:
        watcher = pool.submit(watch, library, end)
        movers = [pool.submit(move_about, library, seed, 60) for seed in range(3)]
        try:
            assert all(mover.result() for mover in movers)
        finally:
            end.set()
        assert watcher.result()
    with library.changer.login() as session:
        assert_one_place_each(Changer(session))


def test_the_same_cartridge(library: Library) -> None:
    """Two sessions want it at once: one has it, the other one's source is empty."""
    with library.changer.login() as first, library.changer.login() as second:
        for at, to in ((FIRST_SLOT, FIRST_DRIVE), (FIRST_DRIVE, FIRST_SLOT)) * 10:
            other = FIRST_DRIVE + 1 if to == FIRST_DRIVE else FIRST_SLOT + 3
            tasks = [session.start(struct.pack(">BBHHH4x", 0xA5, 0, 0, at, place))
                     for session, place in ((first, to), (second, other))]
            results = [session.wait(task) for session, task in zip((first, second), tasks, strict=True)]
            assert sum(result.good for result in results) == 1
            lost = next(result for result in results if not result.good)
            assert lost.sense is not None and lost.sense.asc == SOURCE_EMPTY
            found = assert_one_place_each(Changer(first))
            if other in found:
                assert Changer(first).move(other, to).good


def move_until_dead(library: Library, seed: int) -> list[dict[int, str]]:
    """The states in which the library may be: as the last answer left it, and as the move under way would."""
    chance = random.Random(seed)
    with library.changer.login() as session:
        changer = Changer(session)
        now = assert_one_place_each(changer)
        while True:
            source = chance.choice(sorted(now))
            destination = chance.choice([place for place in PLACES if place not in now])
            then = {place: barcode for place, barcode in now.items() if place != source} | {destination: now[source]}
            try:
                result = changer.move(source, destination)
            except (OSError, EOFError, AssertionError):
                return [now, then]
            assert result.good, str(result)
            now = then


def test_kill(own_daemon: Daemon, tmp_path: Path) -> None:
    """kill -9 at some moment of a sequence of moves; what was answered GOOD has been made."""
    library = library_on(own_daemon, tmp_path, 1)
    seen = set()
    for seed in range(6):
        killer = Timer(0.05 + 0.04 * seed, own_daemon.kill)
        killer.start()
        may_be = move_until_dead(library, seed)
        killer.join()
        own_daemon.start()
        library.make()
        with library.changer.login() as session:
            found = assert_one_place_each(Changer(session))
            assert found in may_be, f"{found}: neither of {may_be}"
            seen.add(tuple(sorted(found.items())))
            for place in sorted(found):
                if place in (FIRST_DRIVE, FIRST_DRIVE + 1):
                    free = next(p for p in PLACES if p not in Changer(session).contents())
                    assert Changer(session).move(place, free).good
    assert len(seen) > 1, "nothing has moved"


def test_a_deleted_changer_leaves_its_drives(library: Library) -> None:
    """Drives that are full when the changer is deleted keep their cartridges.  A new one, which begins with its own,
    can't put another one into such a drive, but the one that is there already."""
    with library.changer.login() as session:
        changer = Changer(session)
        for number in range(2):
            assert changer.move(FIRST_SLOT + number, FIRST_DRIVE + number).good
        library.lun("delete", CHANGER_LUN)
    for number in range(2):
        with library.drive(number).login() as session:
            assert session.execute(bytes(6)).good
    library.make_changer()
    with library.changer.login() as session:
        changer = Changer(session)
        assert sorted(changer.contents()) == [FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT + 2]
        result = changer.move(FIRST_SLOT + 2, FIRST_DRIVE)
        assert result.sense is not None and result.sense.asc == DESTINATION_FULL
        for number in range(2):
            assert changer.move(FIRST_SLOT + number, FIRST_DRIVE + number).good
        assert changer.move(FIRST_DRIVE, FIRST_SLOT + 3).good
        assert_one_place_each(changer)
