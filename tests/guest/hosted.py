# SPDX-License-Identifier: MIT
"""Units of a daemon on this machine, for the kernel's initiator in a guest."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from guest.devices import HOST
from harness.allow import AllowList
from harness.daemon import Daemon
from harness.modules import Plan, Variant
from harness.units import Factory, Target, Unit
from places import BUILD, SOURCE

SIZE = 128 << 20


def new_daemon() -> Daemon:
    return Daemon(str(BUILD / "tgtd"), str(BUILD / "tgtadm"), store_dir=str(BUILD / "backing-store"))


@cache
def plan() -> Plan:
    """What a daemon loads, as it says itself."""
    daemon = new_daemon()
    try:
        modules, failed = daemon.start().modules()
    finally:
        daemon.stop()
        daemon.clean()
    assert not failed, f"not loaded: {failed}"
    return Plan(modules=modules)


def storing() -> list[Variant]:
    """A unit on each block store that keeps its data in a file; a thin one where the store can deallocate."""
    keep_nothing = AllowList.load(SOURCE / "tests" / "conformance" / "allow.toml").not_storing
    found = [module for module in plan().of_kind("block")
             if module.can_write and module.on_file and module.name not in keep_nothing]
    assert found, "the daemon has loaded no store to test"
    return [Variant(module.name, thin="discard" in module.capabilities) for module in found]


each_store = pytest.mark.parametrize("variant", storing(), ids=str)
thin_stores = pytest.mark.parametrize("variant", [variant for variant in storing() if variant.thin], ids=str)
one_store = pytest.mark.parametrize("variant", storing()[:1], ids=str)  # for what no store has a part in


def make_disk(daemon: Daemon, variant: Variant, size: int = SIZE) -> Unit:
    factory = Factory(daemon, plan())
    return factory.unit(factory.target(), variant, size=size)


def target_of(daemon: Daemon, unit: Unit) -> Target:
    return Target(daemon, unit.tid, unit.target)


def start_again(daemon: Daemon, unit: Unit) -> None:
    """After a crash: on the same port, with the same target and unit."""
    daemon.start(daemon.port)
    daemon.do("--op", "new", "--mode", "target", "--tid", str(unit.tid), "--targetname", unit.target)
    Factory(daemon, plan()).attach(unit)
    target_of(daemon, unit).bind()


def portal(daemon: Daemon) -> str:
    """Where the guest finds the daemon."""
    return f"{HOST}:{daemon.port}"


def sessions(daemon: Daemon, unit: Unit) -> list[dict[str, Any]]:
    return list(daemon.show("conn", "--tid", str(unit.tid))["sessions"])
