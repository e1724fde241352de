# SPDX-License-Identifier: MIT
"""libiscsi's tests on a disk of the kernel's (scsi_debug) through the sg store: no test fails, or is left out, that the
disk itself passes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from guest import Guest
from guest.devices import scsi_debug
from harness import cu
from harness.units import Unit
from inner import PORT, InnerDaemon

# An answer for the last 64-bit LBA makes scsi_debug of this kernel run into the end of its memory.
CRASHES_THE_KERNEL = {"ALL.GetLBAStatus.BeyondEol"}
DISK = {"dev_size_mb": 64, "lbpu": 1, "lbpws": 1, "lbpws10": 1, "lbprz": 1, "physblk_exp": 3, "delay": 0}


@dataclass(frozen=True)
class Excuse:
    """A test that fails by the network and not on the device, and the device or the tool is why."""

    text: str  # which the output must match
    reason: str
    sometimes: bool = False


_256_BLOCKS = Excuse(
    r"256 blocks .*\n.*LEN:262144.*\n(.*\n)*.*\[FAILED\]",
    "256 is 0 in the one byte of NUMBER OF LOGICAL BLOCKS (SBC-4 5.3), which the disk rightly takes for nothing to do; "
    "on the device itself the tool stops at 120 KiB")
EXCUSES = {
    "ALL.CompareAndWrite.Simple": _256_BLOCKS,
    "ALL.CompareAndWrite.Miscompare": _256_BLOCKS,
    "ALL.CompareAndWrite.InvalidDataOutSize": Excuse(
        r"Sense: \(null\)\(0x0e\)/\(0x1d00\)",
        "the disk's own answer, MISCOMPARE (it compares what it got); on the device itself the tool leaves the test out"),
    "ALL.Sanitize.Readonly": Excuse(
        r"SWP is not changeable",
        "the disk's own Control mode page (SPC-5 7.5.9); on the device itself the tool leaves the test out"),
    "ALL.iSCSITMF.LUNResetSimpleAsync": Excuse(
        r"test_async_lu_reset_simple", "a race of the tool's, see tests/conformance/allow.toml", sometimes=True),
}


@dataclass
class Passed:
    """A device of a guest's, and the unit that passes it on."""

    guest: Guest
    sg: str
    unit: Unit
    ran: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    left_out: dict[str, set[str]] = field(default_factory=dict)  # by the tool on the device, by suite

    def directly(self, test: str) -> cu.Outcome:
        """The test on the device itself, by the tool in the guest."""
        done = self.guest.run(cu.command(test, self.sg), timeout=cu.TIMEOUT)
        return cu.judge(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def is_left_out_directly(self, test: str) -> bool:
        """Also by the tool on the device.  All tests of a suite in one go: in the guest a process takes a second."""
        suite, _, name = test.rpartition(".")
        if suite not in self.left_out:
            printed = self.guest.run(cu.command(suite, self.sg), timeout=cu.TIMEOUT).stdout.decode(errors="replace")
            parts = re.split(r"^  Test: (\S+) \.\.\.", printed, flags=re.MULTILINE)[1:]
            self.left_out[suite] = {one for one, words in zip(parts[::2], parts[1::2]) if "[SKIPPED]" in words}
        return name in self.left_out[suite]


@pytest.fixture(scope="module")
def disk() -> Iterator[Passed]:
    with Guest(forward=[PORT]) as guest, scsi_debug(guest, **DISK) as device, InnerDaemon(guest) as daemon:
        yield Passed(guest, device.sg, daemon.add(1, "sg", device.sg))


@pytest.mark.parametrize("test", [test for test in cu.tests() if test not in CRASHES_THE_KERNEL])
def test_adds_no_failure_of_its_own(disk: Passed, test: str) -> None:
    by_network = cu.run_test(test, disk.unit.url)
    disk.ran.add(test)
    if by_network.kind == "passed" or by_network.kind == "skip" and disk.is_left_out_directly(test):
        return
    excuse = EXCUSES.get(test)
    if excuse and re.search(excuse.text, by_network.output):
        disk.excused.add(test)
        return
    directly = disk.directly(test)
    allowed = ("failed",) if by_network.kind == "failed" else ("failed", "skip")
    assert directly.kind in allowed, (f"by the network {by_network.kind}: {by_network.text}\n{by_network.output[-3000:]}\n"
                                      f"directly {directly.kind}: {directly.text}")


def test_every_excuse_is_needed(disk: Passed) -> None:
    """After all others of this file."""
    needless = [test for test, excuse in EXCUSES.items()
                if test in disk.ran - disk.excused and not excuse.sometimes]
    assert not needless
