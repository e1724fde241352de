# SPDX-License-Identifier: MIT
"""The harness sees through stores that lie: each of them fails the integrity suite, and an honest one passes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.options import Settings
from harness.process import run

RUNNER = Path(__file__).parents[2] / "ci" / "conformance"

# What each one does, and the tests that must notice.
LIES = {
    "drop": {"test_random_writes_and_reads", "test_many_at_once"},
    "flush": {"test_synchronize_cache_reaches_the_file", "test_fua_reaches_the_file"},
    "stale": {"test_read_twice", "test_random_writes_and_reads"},
    "swap": {"test_random_writes_and_reads", "test_neighbours_stay"},
    "twice": {"test_no_request_completes_twice"},
}


def judge(settings: Settings, module: Path, folder: Path,
          suite: str = "integrity") -> tuple[int, set[str], set[str], str]:
    """Runs a suite on a module: exit status, tests that passed, tests that failed, and the output."""
    assert settings.build is not None
    report = folder / "report.xml"
    done = run([str(RUNNER), "--build", str(settings.build), "--module", str(module), "--suite", suite,
                "-k", "thick-512", "--jobs", "1", "--junit", str(report),
                *([f"--tgtd-wrapper={' '.join(settings.wrapper)}"] if settings.wrapper else [])], timeout=280)
    assert report.exists(), done.stdout + done.stderr
    passed, failed = set(), set()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        bad = case.find("failure") is not None or case.find("error") is not None
        (failed if bad else passed).add(name)
    return done.returncode, passed - failed, failed, done.stdout


def module_file(settings: Settings, lie: str) -> Path:
    """The store that was built for this; that it isn't there is a failure."""
    assert settings.build is not None, "lying stores belong to a build"
    path = settings.build / "tests" / "fixtures" / "lying" / f"bs_lie_{lie}.so"
    assert path.exists(), f"{path} wasn't built"
    return path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lie", LIES)
def test_lie_is_found_out(settings: Settings, daemon: Daemon, lie: str, tmp_path: Path) -> None:
    """The tests that are about this lie fail, and so does the run."""
    assert daemon.alive()
    code, _, failed, output = judge(settings, module_file(settings, lie), tmp_path)
    assert LIES[lie] <= failed, f"not noticed by {sorted(LIES[lie] - failed)}\n{output}"
    assert code == 1, output


@pytest.mark.timeout(300)
def test_honest_store_passes(settings: Settings, daemon: Daemon, tmp_path: Path) -> None:
    """The same store without the lie passes the same tests, all of them."""
    assert daemon.alive()
    code, passed, failed, output = judge(settings, module_file(settings, "none"), tmp_path)
    assert code == 0 and not failed, output
    assert set().union(*LIES.values()) <= passed, output


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("lie", "kept"), [("flush", False), ("none", True)])
def test_a_kill_shows_what_was_in_memory_only(settings: Settings, daemon: Daemon, lie: str, kept: bool,
                                              tmp_path: Path) -> None:
    assert daemon.alive()
    code, passed, failed, output = judge(settings, module_file(settings, lie), tmp_path, suite="kill")
    assert (passed if kept else failed) == {"test_what_was_acknowledged_is_there"}, output
    assert code == (0 if kept else 1), output
