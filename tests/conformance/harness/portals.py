# SPDX-License-Identifier: MIT
"""Portals that a test adds, each in the portal group that it asks for: so a target gets several ports."""

from __future__ import annotations

from dataclasses import replace

from .daemon import Daemon, DaemonError
from .process import free_port
from .units import Unit


class Portals:
    """Portals of a daemon beside its first one, which is in portal group 1."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.made: list[str] = []

    def add(self, tag: int | None = None) -> int:
        """A portal on a free port of the daemon's host, in portal group tag; returns the port."""
        host = f"[{self.daemon.host}]" if ":" in self.daemon.host else self.daemon.host
        for _ in range(5):
            port = free_port(self.daemon.host)
            params = f"portal={host}:{port}" + ("" if tag is None else f",tpgt={tag}")
            if self.daemon.adm("--op", "new", "--mode", "portal", "--params", params).returncode == 0:
                self.made.append(f"{host}:{port}")
                return port
        raise DaemonError("no portal can be added")

    def reach(self, unit: Unit, tag: int) -> Unit:
        """The same unit through a new portal in portal group tag."""
        return replace(unit, port=self.add(tag))

    def delete(self) -> None:
        while self.made:
            self.daemon.adm("--op", "delete", "--mode", "portal", "--params", f"portal={self.made.pop()}")
