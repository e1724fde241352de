# SPDX-License-Identifier: MIT
"""The cluster that the tests of a worker share, and a daemon and a unit for each that wants them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / name) for name in ("ceph", "fixtures", "conformance")]

import gateway  # noqa: E402
from ceph_cluster import Cluster  # noqa: E402
from ceph_cluster.gateways import SHARED, Gateways  # noqa: E402
from harness.daemon import Daemon  # noqa: E402
from harness.units import Unit  # noqa: E402
from iscsi.session import Session  # noqa: E402


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A test may stop it itself."""
    running = gateway.start()
    yield running
    if running.process is not None:
        gateway.stop(running)


@pytest.fixture
def unit(daemon: Daemon, cluster: Cluster, request: pytest.FixtureRequest) -> Unit:
    """On an image of its own, of 64 MiB."""
    return gateway.make(daemon, cluster, request.node.name.partition("[")[0], 64 * gateway.MIB)


@pytest.fixture
def gateways(cluster: Cluster) -> Iterator[Gateways]:
    with Gateways(cluster) as pair:
        yield pair


@pytest.fixture
def units(cluster: Cluster, gateways: Gateways, request: pytest.FixtureRequest) -> list[Unit]:
    image = cluster.image("pr_" + "".join(c for c in request.node.name if c.isalnum()), 16 * gateway.MIB, SHARED)
    return gateways.units(image, 512)


@pytest.fixture
def sessions(units: list[Unit]) -> Iterator[list[Session]]:
    """One through each daemon."""
    with units[0].login() as first, units[1].login() as second:
        yield [first, second]
