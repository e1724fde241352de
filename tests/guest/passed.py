# SPDX-License-Identifier: MIT
"""A device of a guest's that a daemon there passes on, and libiscsi's tests on both."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from guest import Guest
from harness import cu
from harness.units import Unit


@dataclass
class Passed:
    """A device of a guest's, and the unit that passes it on."""

    guest: Guest
    sg: str
    unit: Unit
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

    def own_fault(self, test: str, by_network: cu.Outcome) -> str:
        """What the way over the network adds: why this outcome is worse than the device's own; empty if it isn't."""
        if by_network.kind == "passed" or by_network.kind == "skip" and self.is_left_out_directly(test):
            return ""
        directly = self.directly(test)
        if directly.kind == "failed" or by_network.kind == directly.kind == "skip":
            return ""
        return (f"by the network {by_network.kind}: {by_network.text}\n{by_network.output[-3000:]}\n"
                f"directly {directly.kind}: {directly.text}")
