# SPDX-License-Identifier: MIT
"""The power fails under a daemon in the guest that serves a tape drive: what it promised to be on the tape is there,
and the tape ends cleanly.  TGT_POWER_CUTS in the environment says how many cuts there are."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import Disk, Guest
from harness.tape_ledger import TapeLedger, TapeLoad, read_tape
from harness.units import Unit
from inner import PORT, InnerDaemon
from places import BUILD

CUTS = int(os.environ.get("TGT_POWER_CUTS", "3"))
IMAGE = 96 << 20
MOUNTED = "/run/disk"
PROMISES = 8  # at least, before a cut
SECONDS = 60.0
# The kernel gives what it has to the disk, which keeps it in its cache: in any order, as far as nobody flushes that.
WRITE_BACK_SOON = """
for name in dirty_writeback_centisecs dirty_expire_centisecs; do echo 5 >/proc/sys/vm/$name; done
"""
NO_SYNC = BUILD / "tests/fixtures/nosync/nosync.so"


class Machine:
    """A guest with a disk, and a daemon in it that serves a tape on that."""

    def __init__(self, folder: Path) -> None:
        image = folder / "disk.img"
        image.touch()
        os.truncate(image, IMAGE)
        subprocess.run(["/sbin/mkfs.ext4", "-q", str(image)], check=True)
        self.disk = Disk(image)
        self.guest = Guest(disk=self.disk, forward=[PORT], modules=["ext4"])
        self.daemon: InnerDaemon | None = None

    def serve(self, name: str, *, flags: str = "", lies: bool = False) -> Unit:
        """Boots if it must, and starts a daemon with a drive that has this tape, a new one if there is none."""
        if self.daemon is not None:
            assert not (problems := self.daemon.stop()), problems
        else:
            self.guest.start()
            self.guest.shell(f"mkdir {MOUNTED}; mount -t ext4 /dev/vda {MOUNTED}\n{WRITE_BACK_SOON}")
        self.guest.shell(f"[ -e {MOUNTED}/{name} ] || {{ touch {MOUNTED}/{name}; sync; }}")
        self.daemon = InnerDaemon(self.guest, state="/run/tgt-state", preload=NO_SYNC if lies else None).start()
        return self.daemon.add(1, "ssc", f"{MOUNTED}/{name}", flags=flags)

    def cut(self, survivors: float) -> None:
        self.disk.survivors = survivors
        self.guest.kill()
        self.daemon = None


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("power"))
    yield made
    made.guest.close()


def cut_under_load(machine: Machine, unit: Unit, ledger: TapeLedger, seed: int, *, survivors: float,
                   each_write: bool = False) -> None:
    """Cuts the power at a random moment, but not before something was promised; by turns while more is, and a while
    after the last promise, when the disk has a lot that it may lose."""
    goal, deadline = ledger.promises + PROMISES, time.monotonic() + SECONDS
    load = TapeLoad(unit, ledger, seed, each_write=each_write)
    while ledger.promises < goal and load.error is None:
        assert time.monotonic() < deadline, "nothing gets done"
        time.sleep(0.01)
    load.quiet = seed % 2 == 0
    time.sleep(random.Random(seed).random())
    machine.cut(survivors)
    load.join()
    print(f"seed {seed}: {ledger.promises} promises, {len(ledger.objects)} objects written, {ledger.safe} promised, "
          f"{machine.disk.lost} blocks lost")


@pytest.mark.timeout(120 + 60 * CUTS)
def test_what_was_synchronised_is_there(machine: Machine) -> None:
    """After WRITE FILEMARKS without IMMED, REWIND and unload, and with bsoflags=sync after each WRITE (SSC-5); what was
    written later is there up to some record, and then comes the end of data."""
    ledger, first = TapeLedger(), random.SystemRandom().randrange(1 << 30)
    for cut in range(CUTS):
        seed, flags = first + cut, ("", "sync")[cut % 3 == 2]
        unit = machine.serve("tape", flags=flags)
        cut_under_load(machine, unit, ledger, seed, survivors=(0.0, 0.5, 0.9)[cut % 3], each_write=flags == "sync")
        found = read_tape(machine.serve("tape"))
        wrong = ledger.judge(found)
        assert not wrong, f"seed {seed}: {wrong}"
        ledger.go_on_with(found)


def test_a_store_that_synchronises_nothing_is_found_out(machine: Machine) -> None:
    """The same with fdatasync() doing nothing: not everything that was promised is there."""
    ledger = TapeLedger()
    cut_under_load(machine, machine.serve("lie", lies=True), ledger, seed=1, survivors=0.0)
    wrong = ledger.judge(read_tape(machine.serve("lie")))
    assert "were promised" in wrong, f"nothing is missing: {wrong}"
