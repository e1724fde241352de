# SPDX-License-Identifier: MIT
"""The daemon is killed under load: what it acknowledged is there when it runs again, whether it was durable or not,
for the kernel has what was written; so are registrations with APTPL (SPC-5 5.14.5).

What a store keeps in its own memory would be lost.  TGT_KILLS in the environment says how often each is killed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from harness.daemon import Daemon
from harness.ledger import BLOCK, KINDS, Ledger, Load, judge
from harness.modules import Plan, Variant
from harness.options import Settings
from harness.units import Factory, Target, Unit

KILLS = int(os.environ.get("TGT_KILLS", "6"))
BLOCKS = (4 << 20) // BLOCK  # of the unit
PROMISES = 40  # at least, before it is killed
SECONDS = 60.0


class Mortal:
    """A daemon with one unit, whose file is a hole at first, that comes back as it was."""

    def __init__(self, daemon: Daemon, plan: Plan, variant: Variant) -> None:
        self.daemon = daemon.start()
        self.factory = Factory(daemon, plan)
        self.target: Target = self.factory.target()
        self.unit: Unit = self.factory.unit(self.target, variant, size=BLOCKS * BLOCK)
        self.kind = KINDS["killed"] if variant.thin else KINDS["killed"].without_unmap()
        self.ledger = Ledger(BLOCKS, hole=BLOCKS)

    def kill_under_load(self, seed: int) -> list[str]:
        """At a random moment, but not before something was promised; says what isn't as promised then."""
        goal, deadline = self.ledger.promises + PROMISES, time.monotonic() + SECONDS
        load = Load(self.unit, self.ledger, self.kind, seed)
        while self.ledger.promises < goal and load.error is None:
            assert time.monotonic() < deadline, "nothing gets done"
            time.sleep(0.002)
        time.sleep(random.Random(seed).random() * 0.1)
        self.daemon.kill()
        load.join()
        self.daemon.start(self.daemon.port)
        target = ["--mode", "target", "--tid", str(self.target.tid)]
        self.daemon.do("--op", "new", *target, "--targetname", self.target.name)
        self.target.bind()
        self.factory.attach(self.unit)
        return judge(self.unit, self.ledger)


@pytest.fixture
def mortal(settings: Settings, plan: Plan, variant: Variant) -> Iterator[Mortal]:
    daemon = settings.daemon(plan)
    try:
        yield Mortal(daemon, plan, variant)
        problems = daemon.stop()
        assert not problems, "\n".join(problems)
    finally:
        daemon.kill()
        daemon.clean()


@pytest.mark.timeout(60 + 10 * KILLS)
@pytest.mark.variants("file-512")
def test_what_was_acknowledged_is_there(mortal: Mortal, variant: Variant) -> None:
    first = random.SystemRandom().randrange(1 << 30)
    for seed in range(first, first + KILLS):
        wrong = mortal.kill_under_load(seed)
        assert not wrong, f"seed {seed}: {len(wrong)}\n" + "\n".join(wrong[:20])
    print(f"{variant}: {mortal.ledger.promises} promises kept over {KILLS} kills")
