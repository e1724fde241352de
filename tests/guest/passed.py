# SPDX-License-Identifier: MIT
"""A device of a guest's that a daemon there passes on, and libiscsi's tests on both."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from guest import Guest
from harness import cu
from harness.units import Unit

# An answer for the last 64-bit LBA makes scsi_debug of this kernel run into the end of its memory.
CRASHES_THE_KERNEL = frozenset({"ALL.GetLBAStatus.BeyondEol"})


@dataclass
class Passed:
    """The device's sg node in the guest, and the unit that passes it on."""

    guest: Guest
    sg: str
    unit: Unit
    suites: dict[str, dict[str, cu.Outcome]] = field(default_factory=dict)  # run on the device, by test

    def own_fault(self, test: str, by_network: cu.Outcome) -> str:
        """What the way over the network adds: why this outcome is worse than the device's own; empty if it isn't."""
        if by_network.kind == "passed" or self._is_the_same(by_network, self._within_its_suite(test)):
            return ""
        directly = self._alone(test)
        if directly.kind == "failed" or by_network.kind == directly.kind == "skip":
            return ""
        return (f"by the network {by_network.kind}: {by_network.text}\n{by_network.output[-3000:]}\n"
                f"directly {directly.kind}: {directly.text}")

    @staticmethod
    def _is_the_same(by_network: cu.Outcome, directly: cu.Outcome | None) -> bool:
        """Left out by both, or failed in the same words."""
        return (directly is not None and by_network.kind == directly.kind
                and (by_network.kind == "skip" or _words(by_network.text) == _words(directly.text)))

    def _alone(self, test: str) -> cu.Outcome:
        """The test on the device itself, by the tool in the guest."""
        done = self.guest.run(cu.command(test, self.sg), timeout=cu.TIMEOUT)
        return cu.judge(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def _within_its_suite(self, test: str) -> cu.Outcome | None:
        """The same from a run of the whole suite in one process, since each takes a second to start in the guest; tests
        may disturb each other there, so that only what is as expected is taken from it."""
        suite = test.rpartition(".")[0]
        if any(one.startswith(suite + ".") for one in CRASHES_THE_KERNEL):
            return None
        if suite not in self.suites:
            done = self.guest.run(cu.command(suite, self.sg), timeout=cu.TIMEOUT)
            self.suites[suite] = _each(suite, done.stdout.decode(errors="replace"))
        return self.suites[suite].get(test)


def _each(suite: str, printed: str) -> dict[str, cu.Outcome]:
    """The outcomes of the tests in the output of a suite."""
    parts = re.split(r"^  Test: (\S+) \.\.\.", printed.partition("Run Summary:")[0], flags=re.MULTILINE)[1:]
    return {f"{suite}.{name}": cu.judge_part(words) for name, words in zip(parts[::2], parts[1::2])}


def _words(text: str) -> str:
    """Less what follows in the same line, of the tool's own cleaning up."""
    return text.partition("    Send ")[0]
