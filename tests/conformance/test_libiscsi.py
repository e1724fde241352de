# SPDX-License-Identifier: MIT
"""libiscsi's own tests, each in a process of its own, on every kind of unit of every module."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cu
from harness.allow import AllowList
from harness.modules import Variant
from harness.notes import note
from harness.options import Settings
from harness.raw import write_block
from harness.units import Unit


def zero(unit: Unit, blocks: int = 512) -> None:
    """Writes zeroes over the first blocks."""
    with unit.login() as session:
        write_block(session, unit, 0, bytes(blocks * unit.block_size))


@pytest.fixture
def preload(variant: Variant, readcap_file: Path) -> Path | None:
    """Units other than disks have no capacity, without which the tool doesn't begin."""
    return readcap_file if variant.kind != "block" else None


def test_libiscsi(unit: Unit, variant: Variant, cu_test: str, allow: AllowList, settings: Settings,
                  preload: Path | None, request: pytest.FixtureRequest) -> None:
    facts = variant.facts()
    note(request.node, ran={"test": cu_test, "facts": facts})
    if cu_test in cu.WANTS_ZEROES and not variant.readonly:
        zero(unit)
    outcome = cu.run_test(cu_test, unit.url, cu.TIMEOUT * settings.patience, preload=preload)
    if outcome.kind == "passed":
        return
    entry = allow.find(cu_test, facts, outcome.kind, outcome.text)
    if entry is not None:
        note(request.node, allowed=entry.number)
        words = f"{outcome.text or 'failed'} [{entry.reason}; {entry.clause}]"
        pytest.xfail(words) if entry.outcome == "tool-defect" else pytest.skip(words)
    if outcome.kind == "skip" and settings.peer is not None:
        pytest.skip(outcome.text)
    tail = "\n".join(outcome.output.splitlines()[-60:])
    pytest.fail(f"{outcome.kind}: {outcome.text}\n{tail}", pytrace=False)
