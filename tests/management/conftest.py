# SPDX-License-Identifier: MIT
"""Fixtures of the management tests: daemons of their own, which must end well."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

from daemons import Tgtd  # noqa: E402


@pytest.fixture
def start():
    """Starts daemons; each must still run at the end of the test, and end well on SIGTERM."""
    running = []

    def begin(*options, **arguments):
        daemon = Tgtd(*options, **arguments)
        running.append(daemon)
        return daemon.start()

    yield begin
    problems = []
    for daemon in running:
        problems += [f"{problem}\n{daemon.log()}" for problem in daemon.stop()]
        daemon.clean()
    assert not problems, "\n".join(problems)


@pytest.fixture
def daemon(start):
    return start()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return path
