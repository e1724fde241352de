# SPDX-License-Identifier: MIT
"""Fixtures of the tests on tape drives: a drive of the test's own, and sessions with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.modules import Variant
from harness.tape import Tape
from harness.units import Unit
from iscsi.session import Session


@pytest.fixture
def drive(new_unit: Callable[..., Unit], variant: Variant) -> Unit:
    """A drive with an empty tape."""
    return new_unit(variant, size=0)


@pytest.fixture
def session(drive: Unit) -> Iterator[Session]:
    with drive.login() as session:
        yield session


@pytest.fixture
def other(drive: Unit) -> Iterator[Session]:
    """Another nexus, from another initiator port."""
    with drive.login() as session:
        yield session


@pytest.fixture
def tape(drive: Unit) -> Iterator[Tape]:
    with drive.login() as session:
        yield Tape(session, drive.lun)
