# SPDX-License-Identifier: MIT
"""multipathd in a guest: how it is to use paths, and what it and the kernel say of them."""

from __future__ import annotations

from collections.abc import Sequence

from guest import Guest

# fast_io_fail_tmo: how long the kernel holds the I/O of a path back that is away, before multipath sends it by another.
QUICK: dict[str, str | int] = {"fast_io_fail_tmo": 1}
SPREAD = {**QUICK, "path_grouping_policy": "multibus"}
BY_PRIORITY = {**QUICK, "path_grouping_policy": "group_by_prio", "prio": "alua", "failback": "immediate"}
# multipath-tools' priorities of the states
PRIORITIES = {"active/optimized": 50, "active/non-optimized": 10, "standby": 1}


def _paths(guest: Guest, wildcards: str) -> list[list[str]]:
    """The words of multipathd's answer, by path."""
    rows = guest.output(["multipathd", "show", "paths", "raw", "format", wildcards]).splitlines()
    return [words for row in rows if len(words := row.split()) == len(wildcards.split())]


def active_paths(guest: Guest) -> int:
    return _paths(guest, "%t").count(["active"])


def priorities(guest: Guest, disks: Sequence[str]) -> list[int]:
    """As multipathd has them; -1: it doesn't have the disk."""
    found = {disk: priority for disk, priority in _paths(guest, "%d %p")}
    return [int(found.get(disk, "-1")) for disk in disks]


def access_states(guest: Guest, disks: Sequence[str]) -> list[str]:
    """As the kernel has them, below /sys/block."""
    return [guest.output(["cat", f"/sys/block/{disk}/device/access_state"]).strip() for disk in disks]
