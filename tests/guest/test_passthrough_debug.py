# SPDX-License-Identifier: MIT
"""libiscsi's tests on a disk of the kernel's (scsi_debug) through the sg store: no test fails, or is left out, that the
disk itself passes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from guest import Guest
from guest.devices import scsi_debug
from harness import cu
from inner import PORT, InnerDaemon
from passed import CRASHES_THE_KERNEL, Passed

DISK = {"dev_size_mb": 64, "lbpu": 1, "lbpws": 1, "lbpws10": 1, "lbprz": 1, "physblk_exp": 3, "delay": 0}


@dataclass(frozen=True)
class Excuse:
    """A test that fails by the network and not on the device, and the device or the tool is why."""

    text: str  # which the output must match
    reason: str


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
        r"reconnect_succeeded,1", "a defect of the tool's, see tests/conformance/allow.toml; it runs on iSCSI only"),
}
RAN: set[str] = set()
EXCUSED: set[str] = set()


@pytest.fixture(scope="module")
def disk() -> Iterator[Passed]:
    with Guest(forward=[PORT]) as guest, scsi_debug(guest, **DISK) as device, InnerDaemon(guest) as daemon:
        yield Passed(guest, device.sg, daemon.add(1, "sg", device.sg))


@pytest.mark.parametrize("test", [test for test in cu.tests() if test not in CRASHES_THE_KERNEL])
def test_adds_no_failure_of_its_own(disk: Passed, test: str) -> None:
    by_network = cu.run_test(test, disk.unit.url)
    RAN.add(test)
    excuse = EXCUSES.get(test)
    if by_network.kind == "failed" and excuse and re.search(excuse.text, by_network.output):
        EXCUSED.add(test)
        return
    assert not (own := disk.own_fault(test, by_network)), own


def test_every_excuse_is_needed() -> None:
    """After all others of this file."""
    needless = [test for test in EXCUSES if test in RAN - EXCUSED]
    assert not needless
