# SPDX-License-Identifier: MIT
"""A tape drive as Linux has it, by its driver st and by mt: of a daemon on the host, or of a second one that passes
the first one's on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guest import Guest, Result
from guest.devices import TAPE, iscsi_login
from harness.daemon import Daemon
from harness.units import Factory, Unit
from hosted import new_daemon, plan
from inner import PORT, TARGET, InnerDaemon
from places import SOURCE

STORE = "ssc"
MIB = 1 << 20


@dataclass(frozen=True)
class Status:
    """What `mt status` says."""

    file: int
    block: int
    block_size: int
    bits: frozenset[str]


@dataclass(frozen=True)
class Drive:
    """The node that doesn't rewind when it is closed, and the unit on the host that it leads to."""

    guest: Guest
    node: str
    daemon: Daemon
    unit: Unit

    def shell(self, script: str, *, check: bool = True, timeout: float = 60.0) -> Result:
        """Lines of bash with the drive as $TAPE, which mt takes if it is told no other."""
        return self.guest.shell(f"export TAPE={self.node}\n{script}", check=check, timeout=timeout)

    def mt(self, *operations: str) -> None:
        """Such as "fsf 2", one after the other; each must succeed."""
        self.shell("\n".join(f"mt {operation}" for operation in operations))

    def mt_fails(self, operation: str) -> str:
        """What it says."""
        done = self.shell(f"mt {operation}", check=False)
        assert done.returncode != 0, f"mt {operation} succeeds"
        return done.output

    def tells(self, *operations: str) -> list[int]:
        """The position after each."""
        told = self.shell("\n".join(f"mt {operation}\nmt tell" for operation in operations)).stdout.decode()
        return [int(number) for number in re.findall(r"^At block (\d+)\.$", told, re.MULTILINE)]

    def status(self, *operations: str) -> Status:
        """After those."""
        said = self.shell("\n".join(f"mt {operation}" for operation in (*operations, "status"))).stdout.decode()
        numbers = re.search(r"File number=(-?\d+), block number=(-?\d+).*?block size (\d+) bytes", said, re.DOTALL)
        bits = re.search(r"General status bits on \(\w+\):\n(.*)", said)
        assert numbers and bits, said
        return Status(*map(int, numbers.groups()), frozenset(bits.group(1).split()))

    def write(self, data: bytes, block: int) -> None:
        """A file: records of that length, and the filemark that st writes when it is closed."""
        done = self.guest.run(["dd", f"of={self.node}", f"bs={block}", "iflag=fullblock", "status=none"], stdin=data)
        done.check()

    def read(self, block: int, count: int | None = None) -> bytes:
        """As many records, or up to a filemark; the room is for records up to that length."""
        done = self.try_read(block, count)
        done.check()
        return done.stdout

    def try_read(self, block: int, count: int | None = None) -> Result:
        more = [f"count={count}"] if count is not None else []
        return self.guest.run(["dd", f"if={self.node}", f"bs={block}", "status=none", *more])

    # -- the operator's, on the host

    def new_tape(self, name: str) -> Path:
        """An empty file, which becomes a tape when it is put in; it goes with the daemon."""
        return new_tape(self.daemon, name)

    def change(self, path: Path) -> None:
        """Takes the cartridge out, and puts another in."""
        done = self.try_change(path)
        assert done.returncode == 0, done.stderr + self.daemon.log()

    def try_change(self, path: Path) -> subprocess.CompletedProcess[str]:
        return self.update(f"path={path}")

    def update(self, params: str) -> subprocess.CompletedProcess[str]:
        return self.daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(self.unit.tid), "--lun",
                               str(self.unit.lun), "--params", params)

    def fresh(self) -> "Drive":
        """With a tape that is new, and variable block lengths."""
        path = self.new_tape(f"tape{len(list(self.daemon.folder.glob('*.tape')))}")
        if self.try_change(path).returncode != 0:  # a test that failed may have locked the last one in
            self.mt("unlock")
            self.change(path)
        self.mt("setblk 0")
        return self


def new_tape(daemon: Daemon, name: str) -> Path:
    path = daemon.folder / f"{name}.tape"
    path.touch()
    return path


def make_drive(daemon: Daemon, capacity: int) -> Unit:
    """A unit on the host with a tape that is new; each that becomes one in it has this capacity."""
    target = Factory(daemon, plan()).target()
    path = new_tape(daemon, "first")
    daemon.do("--op", "new", "--mode", "logicalunit", "--tid", str(target.tid), "--lun", "1", "--bstype", STORE,
              "-b", str(path), "--bsopts", f"capacity={capacity}")
    return target.unit(1, path=path)


@contextmanager
def direct(guest: Guest, daemon: Daemon, unit: Unit) -> Iterator[Drive]:
    """The daemon's drive by open-iscsi."""
    with iscsi_login(guest, unit.target, daemon.port) as [device]:
        yield Drive(guest, device.tape.replace("/dev/st", "/dev/nst"), daemon, unit)


@contextmanager
def passed(guest: Guest, daemon: Daemon, unit: Unit) -> Iterator[Drive]:
    """The same drive, passed on by a daemon in the guest, by open-iscsi again."""
    with iscsi_login(guest, unit.target, daemon.port) as [device], InnerDaemon(guest) as inner:
        assert device.type == TAPE
        inner.add(1, "sg", device.sg)
        with iscsi_login(guest, TARGET, PORT, host="127.0.0.1") as [again]:
            assert again.type == TAPE and again.sg != device.sg
            yield Drive(guest, again.tape.replace("/dev/st", "/dev/nst"), daemon, unit)


TIERS = {"direct": direct} | ({"passed": passed} if (SOURCE / "backing-store" / "sg").exists() else {})


@contextmanager
def drive_of(tier: str, guest: Guest, capacity: int) -> Iterator[Drive]:
    """A drive of a daemon of its own, which must end well."""
    daemon = new_daemon().start()
    try:
        with TIERS[tier](guest, daemon, make_drive(daemon, capacity)) as drive:
            yield drive
    finally:
        problems, log = daemon.stop(), daemon.log()
        daemon.clean()
    assert not problems, "\n".join([*problems, log])
