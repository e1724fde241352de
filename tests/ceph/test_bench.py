# SPDX-License-Identifier: MIT
"""`ci/bench rbd` measures both, and says when tgtd is too slow."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", SOURCE / "build"))
MEASURED = {"iops", "cpu_us", "osd_cpu_us"}


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A short one."""
    return subprocess.run([SOURCE / "tests/bench/rbd", "--build", BUILD, "--rounds", "2", "--count", "500", "--size", "16",
                           *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("want", "fails"), [("0", False), ("100000", True)])
def test_rbd(tmp_path: Path, want: str, fails: bool) -> None:
    done = bench("--want", want, "--json", tmp_path / "json")
    assert done.returncode == int(fails), done.stdout + done.stderr
    assert done.stderr == ("less than 100000 % of rbd bench: write, read\n" if fails else "")
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()]
    assert rows[-2:] == ["write", "read"]
    found = json.loads((tmp_path / "json").read_text())
    assert {op: {who: len(rounds) for who, rounds in by.items()} for op, by in found.items()} == {
        op: {"tgtd": 2, "rbd": 2} for op in ("write", "read")}
    for result in (result for by in found.values() for rounds in by.values() for result in rounds):
        assert MEASURED <= set(result) and result["iops"] > 0 and result["osd_cpu_us"] > 0
    assert all(result["cpu_us"] > 0 for by in found.values() for result in by["tgtd"])  # rbd's is lost in its start here


def test_a_setting_reaches_the_cluster_s_clients() -> None:
    """Here one with which the cluster lets nobody in."""
    done = bench("--setting", "auth client required = cephx")
    assert done.returncode == 1 and "rbd bench: " in done.stderr
