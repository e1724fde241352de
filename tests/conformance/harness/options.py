# SPDX-License-Identifier: MIT
"""The harness's own options of pytest, and the plan that follows from them."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from iscsi import scsi

from .daemon import Daemon
from .modules import Module, Plan, Variant
from .units import Unit, capacity, parse_url


def add_options(parser: Any) -> None:
    """The options; ci/conformance passes them on."""
    group = parser.getgroup("conformance")
    group.addoption("--build-dir", help="where tgtd, tgtadm and backing-store/ were built")
    group.addoption("--tgtd", help="another daemon than BUILD/tgtd")
    group.addoption("--tgtadm", help="another tool than BUILD/tgtadm")
    group.addoption("--tgtd-wrapper", default="", help="words to put before tgtd's command line")
    group.addoption("--store", action="append", default=[], help="a module by name, or a .so file from anywhere")
    group.addoption("--store-path", help="path for the units of the modules named")
    group.addoption("--store-bsopts", help="bsopts for the units of the modules named")
    group.addoption("--store-bsoflags", help="bsoflags for the same")
    group.addoption("--peer", help="iscsi:// URL of a unit to test instead of a daemon of our own")
    group.addoption("--shared", action="store_true", help="images without exclusive-lock, which several daemons may have")
    group.addoption("--smoke", action="store_true", help="the quick subset")
    group.addoption("--patience", type=int, default=1, help="how much longer tools may take (sanitizers)")
    group.addoption("--allow", action="append", default=[], help="another allow-list beside allow.toml")
    group.addoption("--record", metavar="FILE", help="write which commands each test had the target execute")
    group.addoption("--html", help="file for the HTML page")


class Settings:
    """The options as the tests use them."""

    def __init__(self, config: Any) -> None:
        get = config.getoption
        self.build = Path(get("--build-dir")).resolve() if get("--build-dir") else None
        self.tgtd = get("--tgtd") or (str(self.build / "tgtd") if self.build else None)
        self.tgtadm = get("--tgtadm") or (str(self.build / "tgtadm") if self.build else None)
        self.wrapper = get("--tgtd-wrapper").split()
        self.stores: list[str] = get("--store")
        self.path, self.bsopts, self.bsoflags = get("--store-path"), get("--store-bsopts"), get("--store-bsoflags")
        self.peer = parse_url(get("--peer")) if get("--peer") else None
        self.shared = bool(get("--shared"))
        self.smoke = bool(get("--smoke"))
        self.patience = int(get("--patience"))
        self.allow = [Path(path) for path in get("--allow")]

    @property
    def managed(self) -> bool:
        """Whether there is a daemon of our own to make targets on."""
        return self.peer is None and self.tgtd is not None

    def daemon(self, plan: Plan, **arguments: Any) -> Daemon:
        assert self.tgtd and self.tgtadm
        return Daemon(self.tgtd, self.tgtadm, store_dir=plan.store_dir, wrapper=self.wrapper, **arguments)


def make_store_dir(settings: Settings) -> str | None:
    """A folder with the built modules and those given as files; stgt has none."""
    if settings.build is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="tgt-bs-"))
    extra = {Path(store).name: Path(store) for store in settings.stores if is_file(store)}
    for module in (settings.build / "backing-store").glob("*.so"):
        if module.name not in extra:
            shutil.copy(module, folder)
    for name, module in extra.items():
        if not module.exists():
            raise ValueError(f"{module}: no such file")
        shutil.copy(module, folder / name)
    for copy in folder.iterdir():
        copy.chmod(0o755)
    return str(folder)


def is_file(store: str) -> bool:
    return "/" in store or store.endswith(".so")


def make_plan(settings: Settings) -> Plan:
    """Asks a daemon, or the unit at the URL, what there is to test.  ValueError: the options are wrong."""
    if settings.peer is not None:
        return Plan(modules=[Module("target", "block", _peer_capabilities(settings.peer))])
    if not settings.managed:
        return Plan()
    plan = Plan(store_dir=make_store_dir(settings), path=settings.path, bsopts=settings.bsopts,
                bsoflags=settings.bsoflags)
    daemon = settings.daemon(plan)
    try:
        daemon.start()
        plan.modules, plan.failed = daemon.modules()
    finally:
        daemon.stop()
        daemon.clean()
    if settings.shared:
        plan.modules = [replace(module, shared=module.in_cluster) for module in plan.modules]
    if settings.stores:
        _choose(plan, settings.stores)
    if not plan.modules:
        raise ValueError("the daemon loaded no module to test")
    return plan


def _choose(plan: Plan, stores: list[str]) -> None:
    """Keeps the modules named, by name or by file."""
    kept = []
    for store in stores:
        found = [m for m in plan.modules
                 if (os.path.basename(m.file) == os.path.basename(store) if is_file(store) else m.name == store)]
        if not found:
            why = [f["reason"] for f in plan.failed if os.path.basename(f["file"]) == os.path.basename(store)]
            loaded = " ".join(m.name for m in plan.modules)
            raise ValueError(f"{store}: not loaded{': ' + why[0] if why else ''} (loaded: {loaded})")
        kept += found
    plan.modules = kept
    plan.named = [m.name for m in kept]


def _peer_capabilities(unit: Unit) -> tuple[str, ...]:
    return ("write", "flush", "discard") if peer_variant(unit).thin else ("write", "flush")


def peer_variant(unit: Unit) -> Variant:
    """What the unit at the URL says that it is; asked once."""
    if unit.variant is None:
        unit.variant = _ask(unit)
        unit.block_size = unit.variant.block_size
    return unit.variant


def _ask(unit: Unit) -> Variant:
    with unit.login() as session:
        length = capacity(session, unit.lun)[1]
        answer = session.execute(scsi.read_capacity16(), lun=unit.lun, read=32).data
        inquiry = session.execute(scsi.inquiry(length=36), lun=unit.lun, read=36).data
        mode = session.execute(scsi.mode_sense6(0x3F, length=4), lun=unit.lun, read=4)
    thin = bool(struct.unpack_from(">H", answer, 14)[0] & 0x8000)
    readonly = mode.good and len(mode.data) > 2 and bool(mode.data[2] & 0x80)
    return Variant("target", thin, length, readonly, bool(inquiry[1] & 0x80))
