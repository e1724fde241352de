# SPDX-License-Identifier: MIT
"""Daemons that export the same image of a cluster."""

from __future__ import annotations

import os
from pathlib import Path

from ceph_cluster import Cluster
from harness.daemon import Daemon
from harness.units import Unit

BUILD = Path(os.environ.get("TGT_BUILD_DIR", Path(__file__).resolve().parents[2] / "build"))
IQN = "iqn.2026-01.org.example:shared"
MIB = 1 << 20
SHARED = "--image-feature=layering"  # no exclusive-lock


class Gateway(Daemon):
    """A daemon whose portals are a group of its own, and so its target port."""

    group = 1

    def command(self) -> list[str]:
        return [f"{word},tpgt={self.group}" if word.startswith("portal=") else word for word in super().command()]


class Gateways:
    """Two daemons that export the same image."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.killed: set[int] = set()
        self.daemons = [Gateway(str(BUILD / "tgtd"), str(BUILD / "tgtadm"), store_dir=str(BUILD / "backing-store"))
                        for _ in range(2)]
        for number in range(2):
            self.start(number, number + 1)

    def start(self, number: int, group: int) -> None:
        daemon = self.daemons[number]
        daemon.group = group
        daemon.start()
        daemon.do("--op", "new", "--mode", "target", "--tid", "1", "--targetname", IQN)
        daemon.do("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")

    def restart(self, number: int, group: int) -> None:
        """With its portals in that group, and no unit."""
        assert not self.daemons[number].stop()
        self.start(number, group)

    def end(self, number: int) -> None:
        """kill -9."""
        self.daemons[number].kill()
        self.killed.add(number)

    def close(self) -> list[str]:
        problems: list[str] = []
        for number, daemon in enumerate(self.daemons):
            found = daemon.stop()
            problems += [] if number in self.killed else found
            daemon.clean()
        return problems

    def units(self, image: str, block_size: int, options: str = "") -> list[Unit]:
        return [self.unit(number, image, block_size, options) for number in range(2)]

    def unit(self, number: int, image: str, block_size: int = 512, options: str = "") -> Unit:
        daemon = self.daemons[number]
        daemon.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "rbd", "-b", image,
                  "--blocksize", str(block_size), "--bsopts", f"conf={self.cluster.conf}{options}")
        return Unit(daemon.host, daemon.port, IQN, tid=1, block_size=block_size)
