# SPDX-License-Identifier: MIT
"""Fixtures of the tests that need a kernel with SCSI: a guest that they share, and guests of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from places import BUILD, PACKAGES, SOURCE

sys.path[:0] = PACKAGES

from guest import Guest, GuestError  # noqa: E402
from harness.daemon import Daemon  # noqa: E402

# A store is its folder: whoever removes that has no use for these.
collect_ignore_glob = [tests for store, tests in (("sg", "test_passthrough_*.py"), ("ssc", "test_tape_*.py"),
                                                   ("rbd", "test_initiator_gateways.py"))
                       if not (SOURCE / "backing-store" / store).exists()]
GUESTS = pytest.StashKey[list[Guest]]()
LOG_LINES = 40
MARK = "a test begins"  # in the kernel's log


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the CD drive of the shared guest: 64 blocks of 2048 bytes, each filled with its number."""
    path = tmp_path_factory.mktemp("cd") / "medium.iso"
    path.write_bytes(b"".join(bytes([number]) * 2048 for number in range(64)))
    return path


@pytest.fixture(scope="session")
def shared_guest(pytestconfig: pytest.Config, medium: Path) -> Iterator[Guest]:
    guest = Guest(cd=medium, forward=[3260])
    pytestconfig.stash[GUESTS] = [guest]
    try:
        yield guest.start()
    finally:
        guest.close()


def alive(guest: Guest) -> Guest:
    if not guest.alive():
        guest.kill()
        guest.start()
    return guest


@pytest.fixture
def guest(shared_guest: Guest) -> Guest:
    """A guest that all tests of a worker use, one after the other; booted anew if a test has ended it.

    It has a CD drive with the medium above, and its port 3260 is forwarded.
    """
    return alive(shared_guest)


@pytest.fixture(scope="module")
def live_guest(shared_guest: Guest) -> Guest:
    """The same for the fixtures of a file; no test there may end it."""
    return alive(shared_guest)


@pytest.fixture
def new_guest(pytestconfig: pytest.Config) -> Iterator[Callable[..., Guest]]:
    """Makes guests (they aren't started) that go with the test."""
    made: list[Guest] = []

    def make(**options: Any) -> Guest:
        made.append(Guest(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A tgtd on the host, which must end well."""
    running = Daemon(str(BUILD / "tgtd"), str(BUILD / "tgtadm"), store_dir=str(BUILD / "backing-store")).start()
    yield running
    problems = running.stop()
    log = running.log()
    running.clean()
    assert not problems, "\n".join([*problems, log])


@pytest.fixture
def kernel_says(guest: Guest) -> Callable[[], str]:
    """What the guest's kernel has logged since the test began."""
    guest.shell(f"echo {MARK} >/dev/kmsg")
    return lambda: guest.output(["dmesg"]).rpartition(MARK)[2]


@pytest.fixture
def no_io_errors(guest: Guest, kernel_says: Callable[[], str]) -> Iterator[None]:
    """The guest's kernel must not give up any I/O while the test runs."""
    yield
    if guest.alive():
        said = kernel_says()
        assert "I/O error" not in said and "rejecting I/O" not in said, said


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A test that fails with the shared guest shows what its kernel said last."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed and "shared_guest" in getattr(item, "fixturenames", ()):
        for guest in item.config.stash.get(GUESTS, []):
            report.sections.append(("guest", kernel_log(guest)))


def kernel_log(guest: Guest) -> str:
    try:
        return "\n".join(guest.output(["dmesg"]).splitlines()[-LOG_LINES:])
    except GuestError:
        return guest.console()
