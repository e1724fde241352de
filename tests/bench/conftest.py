# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the benchmark: a daemon with a unit on null and one on a file, and the load on them."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "conformance"), str(TESTS / "management"), str(TESTS / "bench")]

from daemons import BUILD, Tgtd  # noqa: E402

SIZE = 8 << 20
LOAD = BUILD / "tests/bench/iscsi-load"


class Target:
    """LUN 1 discards, LUN 2 is image."""

    def __init__(self, daemon: Tgtd, image: Path):
        self.daemon, self.image = daemon, image
        self.name = daemon.target()
        self.portal = f"127.0.0.1:{daemon.port}"
        daemon.unit(image, "--bstype", "null", lun=1)
        daemon.unit(image, "--bstype", "rdwr", lun=2)

    def command(self, lun: int, *options: object) -> list[str]:
        return [str(word) for word in (LOAD, "--url", f"iscsi://{self.portal}/{self.name}/{lun}", *options)]

    def load(self, lun: int, *options: object, status: int = 0) -> dict:
        """What it measured."""
        done = subprocess.run(self.command(lun, *options), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == "go" and len(lines) == 2
        return {**json.loads(lines[1]), "stderr": done.stderr}


@pytest.fixture
def start(tmp_path):
    """Starts a daemon with these options; the target that it has."""
    daemons = []

    def begin(*options):
        image = tmp_path / "disk.img"
        with open(image, "wb") as f:
            f.truncate(SIZE)
        daemons.append(Tgtd(*options))
        daemons[-1].start()
        return Target(daemons[-1], image)

    yield begin
    problems = [problem for daemon in daemons for problem in daemon.stop()]
    for daemon in daemons:
        daemon.clean()
    assert not problems


@pytest.fixture
def target(start):
    return start()
