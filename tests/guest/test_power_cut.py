# SPDX-License-Identifier: MIT
"""The power fails under a daemon in the guest: what it acknowledged as durable is on the disk.

Killing a process wouldn't show that, since the page cache survives it.  TGT_POWER_CUTS in the environment says how
many cuts each store gets.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from guest import Disk, Guest
from harness.ledger import BLOCK, KINDS, Ledger, Load, judge, stamped_range
from harness.modules import Variant
from harness.units import Unit
from hosted import each_store, one_store, plan, storing
from inner import PORT, InnerDaemon
from iscsi import scsi
from iscsi.login import new_isid
from iscsi.session import Session
from places import BUILD

CUTS = int(os.environ.get("TGT_POWER_CUTS", "6"))
MIB = 1 << 20
IMAGE = 64 * MIB
BLOCKS = 4 * MIB // BLOCK  # of a unit
HOLE = BLOCKS // 2
PROMISES = 40  # at least, before a cut
LIE = "lie_cache"
MOUNTED = "/run/disk"
SECONDS = 60.0


class Machine:
    """A guest whose disk has a file for each store, and a daemon in it that serves one of them."""

    def __init__(self, folder: Path) -> None:
        self.disk = Disk(make_image(folder))
        self.guest = Guest(disk=self.disk, forward=[PORT], modules=["ext4"])
        self.daemon: InnerDaemon | None = None
        self.unit: Unit
        self.starts = 0
        self.flags = ""
        self.ledgers = {name: Ledger(BLOCKS, HOLE) for name in honest()} | {LIE: Ledger(BLOCKS)}

    def serve(self, store: str) -> Unit:
        """Boots if it must, and starts a daemon with a unit on this store.  With bsoflags=direct it opens the file past
        the page cache: writes are then lost from the disk's cache, not from the guest's memory."""
        if self.daemon is not None:
            assert not (problems := self.daemon.stop()), problems
        else:
            self.guest.start()
            self.guest.shell(f"mkdir {MOUNTED}; mount -t ext4 /dev/vda {MOUNTED}")
        self.daemon = InnerDaemon(self.guest, state=f"{MOUNTED}/state",
                                  modules=[BUILD / "tests/fixtures/lying" / f"bs_{LIE}.so"]).start()
        thin = any(variant.thin for variant in storing() if variant.module == store)
        self.unit = self.daemon.add(1, store, f"{MOUNTED}/{store}", flags=self._flags(store), block_size=BLOCK,
                                    thin=thin)
        return self.unit

    def _flags(self, store: str) -> str:
        """None, direct and sync by turns, as far as the store has them."""
        self.starts += 1
        capabilities = next((module.capabilities for module in plan().modules if module.name == store), ())
        flags = ["", *(flag for flag in ("direct", "sync") if flag in capabilities)]
        self.flags = flags[self.starts % len(flags)]
        return self.flags

    def cut(self, survivors: float) -> None:
        self.disk.survivors = survivors
        self.guest.kill()
        self.daemon = None


def honest() -> list[str]:
    return [variant.module for variant in storing()]


def make_image(folder: Path) -> Path:
    """A disk with ext4 and the stores' files.  Their first half is a hole, so that a write there must make
    durable where it was put as well; the liar's has none, so that nothing but its own data depends on a flush."""
    files = folder / "files"
    files.mkdir()
    for name in [*honest(), LIE]:
        first = 0 if name == LIE else HOLE
        with open(files / name, "wb") as file:
            file.seek(first * BLOCK)
            file.write(stamped_range(first, BLOCKS - first, 0))
    image = folder / "disk.img"
    image.touch()
    os.truncate(image, IMAGE)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", str(files), str(image)], check=True)
    return image


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("power"))
    yield made
    made.guest.close()


def cut_under_load(machine: Machine, store: str, kind: str, seed: int) -> list[str]:
    """Cuts the power at a random moment, but not before something was promised; says what isn't as promised then."""
    dice, ledger = random.Random(seed), machine.ledgers[store]
    goal = ledger.promises + PROMISES
    asked = KINDS[kind]
    if "sync" in machine.flags:  # each write is durable when it is answered; an UNMAP needn't be
        asked = replace(asked.without_unmap(), all=True)
    load = Load(machine.unit, ledger, asked, seed)
    deadline = time.monotonic() + SECONDS
    while ledger.promises < goal and load.error is None:
        assert time.monotonic() < deadline, "nothing gets done"
        time.sleep(0.01)
    time.sleep(dice.random())
    machine.cut(dice.choice((0.0, 0.5, 0.9)))
    load.join()
    print(f"{store}, {kind}, bsoflags={machine.flags}, seed {seed}: {ledger.promises} promises, "
          f"{machine.disk.lost} blocks lost")
    return judge(machine.serve(store), ledger)


@pytest.mark.timeout(120 + 60 * CUTS)
@each_store
def test_what_was_acknowledged_is_there(machine: Machine, variant: Variant) -> None:
    """Writes with FUA, writes and UNMAPs followed by SYNCHRONIZE CACHE (SBC-4 4.15, 5.33), all writes with WCE=0
    (6.5.6), registrations with APTPL (SPC-5 5.14.5), saved mode pages (6.12)."""
    machine.serve(variant.module)
    first = random.SystemRandom().randrange(1 << 30)
    kinds = [name for name, kind in KINDS.items() if name != "killed" and (variant.thin or not kind.unmap)]
    for cut, kind in zip(range(CUTS), cycle(kinds)):
        wrong = cut_under_load(machine, variant.module, kind, first + cut)
        assert not wrong, f"{kind}, seed {first + cut}: {len(wrong)} blocks\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("kind", ["fua", "sync", "through"])
def test_a_store_that_ignores_flush_is_found_out(machine: Machine, kind: str) -> None:
    """The same with a store that sends every write to its disk, and never flushes that: not everything is there."""
    machine.serve(LIE)
    wrong = cut_under_load(machine, LIE, kind, seed=1)
    assert wrong and all("was promised to hold" in line for line in wrong), wrong


@one_store
def test_a_reservation_is_there(machine: Machine, variant: Variant) -> None:
    """One registered with APTPL is kept over the loss of power (SPC-5 5.14.5).  The power fails with the answer: any
    later flush would hide that there was none."""
    key, isid, exclusive = 0x7E57, new_isid(), 3
    with machine.serve(variant.module).login(isid=isid) as session:
        for action, kind, parameters in ((6, 0, scsi.persistent_parameters(0, key, flags=1)),
                                         (1, exclusive, scsi.persistent_parameters(key))):
            assert session.execute(scsi.persistent_out(action, kind), data_out=parameters).good
        machine.cut(survivors=0.0)
    unit = machine.serve(variant.module)
    with unit.login(isid=isid) as holder, unit.login() as other:
        reservation = holder.execute(scsi.persistent_in(1), read=1024).data
        assert int.from_bytes(reservation[8:16], "big") == key and reservation[21] == exclusive
        assert holder.execute(scsi.read10(0, 1), read=BLOCK).good
        assert other.execute(scsi.read10(0, 1), read=BLOCK).status == scsi.Status.RESERVATION_CONFLICT
        assert holder.execute(scsi.persistent_out(3), data_out=scsi.persistent_parameters(key)).good


@one_store
def test_a_saved_mode_page_is_there(machine: Machine, variant: Variant) -> None:
    """What MODE SELECT saved is kept over the loss of power that comes with its answer (SPC-5 6.12)."""
    def control(unit_session: Session) -> bytearray:
        return bytearray(unit_session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data[4:])

    with machine.serve(variant.module).login() as session:
        page = control(session)
        page[0] &= 0x7F
        page[2] ^= 0x04  # D_SENSE
        assert session.execute(scsi.mode_select6(4 + len(page), save=True), data_out=bytes(4) + bytes(page)).good
        machine.cut(survivors=0.0)
    with machine.serve(variant.module).login() as session:
        assert control(session)[2] == page[2]
        assert session.execute(scsi.mode_select6(0, save=True, revert=True)).good
