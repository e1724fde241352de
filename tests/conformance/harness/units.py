# SPDX-License-Identifier: MIT
"""Targets and logical units for tests, on a daemon that the harness manages or at a URL."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from iscsi import scsi
from iscsi.chap import Chap
from iscsi.login import Login, login
from iscsi.session import Session

from .daemon import Daemon
from .modules import Module, Plan, Variant
from .process import run

NAME = "iqn.2026-01.org.example.test"
SIZE = 256 << 20


@dataclass
class Unit:
    """A logical unit that can be reached, and its backing file if the tests may look at it."""

    host: str
    port: int
    target: str
    lun: int = 1
    block_size: int = 512
    variant: Variant | None = None
    path: Path | None = None
    tid: int = 0
    user: str = ""
    password: str = ""

    @property
    def portal(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        login_part = f"{self.user}%{self.password}@" if self.user else ""
        return f"iscsi://{login_part}{self.portal}/{self.target}/{self.lun}"

    def want(self, **changes: object) -> Login:
        """A login to this unit's target; changes as Login's fields, or keys in `keys`."""
        arguments: dict[str, object] = {"target": self.target}
        if self.user:
            arguments["chap"] = Chap(self.user, self.password, (5, 7))
        return Login(**{**arguments, **changes})  # type: ignore[arg-type]

    def login(self, *, attentions: bool = False, **changes: object) -> Session:
        """A session; unit attentions are cleared unless a test wants to see them."""
        session = login(self.host, self.port, self.want(**changes))
        session.lun = self.lun
        if not attentions and changes.get("target", self.target) is not None:
            session.clear_attentions(self.lun)
        return session

    def discover(self, **changes: object) -> Session:
        """A discovery session."""
        return self.login(**{"target": None, "chap": None, **changes})  # type: ignore[arg-type]


def parse_url(url: str) -> Unit:
    """iscsi://[user%password@]host[:port]/iqn/lun; ValueError says what is wrong."""
    match = re.fullmatch(r"iscsi://(?:([^%@/]+)%([^@/]*)@)?(\[[^]]+\]|[^:/\[\]]+)(?::(\d+))?/([^/]+)/(\d+)", url)
    if not match:
        raise ValueError(f"{url}: not iscsi://[user%password@]host[:port]/target-name/lun")
    user, password, host, port, target, lun = match.groups()
    return Unit(host.strip("[]"), int(port or 3260), target, int(lun), user=user or "", password=password or "")


def capacity(session: Session, lun: int) -> tuple[int, int]:
    """Number of blocks and block length, by READ CAPACITY(16)."""
    result = session.execute(scsi.read_capacity16(), lun=lun, read=32)
    if not result.good:
        raise AssertionError(f"READ CAPACITY(16): {result}")
    last, length = struct.unpack_from(">QI", result.data)
    return last + 1, length


def restore(unit: Unit) -> None:
    """Takes away what tests may have left on a unit that isn't made anew for each: reservations, registrations,
    stopped state."""
    with unit.login() as session:
        session.execute(scsi.start_stop(True))
        keys = session.execute(scsi.persistent_in(0), read=1024)
        if keys.good and any(keys.data[4:8]):
            session.execute(scsi.persistent_out(6), data_out=scsi.persistent_parameters(0, 0x7E57))
            session.execute(scsi.persistent_out(3), data_out=scsi.persistent_parameters(0x7E57))


@dataclass
class Image:
    """An image in a Ceph cluster."""

    conf: str  # the cluster's configuration file
    name: str

    def create(self, size: int) -> None:
        self._rbd("create", "--size", f"{size}B")

    def remove(self) -> None:
        self._rbd("rm", "--no-progress")

    def _rbd(self, *words: str) -> None:
        done = run(["rbd", "-c", self.conf, *words, self.name])
        assert done.returncode == 0, done.stderr


@dataclass
class Target:
    """A target that a test made."""

    daemon: Daemon
    tid: int
    name: str
    files: list[Path] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)

    def bind(self, address: str = "ALL") -> None:
        self.daemon.do("--op", "bind", "--mode", "target", "--tid", str(self.tid), "--initiator-address", address)

    def set(self, name: str, value: str) -> None:
        self.daemon.do("--op", "update", "--mode", "target", "--tid", str(self.tid), "--name", name, "--value", value)

    def account(self, user: str, password: str, outgoing: bool = False) -> None:
        """Makes the account and binds it."""
        self.daemon.do("--op", "new", "--mode", "account", "--user", user, "--password", password)
        self.daemon.do("--op", "bind", "--mode", "account", "--tid", str(self.tid), "--user", user,
                       *(["--outgoing"] if outgoing else []))

    def unit(self, lun: int = 1, **fields: object) -> Unit:
        return Unit(self.daemon.host, self.daemon.port, self.name, lun, tid=self.tid, **fields)  # type: ignore[arg-type]

    def delete(self) -> None:
        """Removes it with its files; a daemon that died has forgotten it already."""
        if self.daemon.alive():
            self.daemon.adm("--op", "delete", "--mode", "target", "--force", "--tid", str(self.tid))
        for path in self.files:
            path.unlink(missing_ok=True)
        for image in self.images:
            image.remove()


class Factory:
    """Makes targets and units on a daemon."""

    def __init__(self, daemon: Daemon, plan: Plan) -> None:
        self.daemon = daemon
        self.plan = plan

    def target(self, acl: str | None = "ALL") -> Target:
        tid = self.daemon.new_tid()
        name = f"{NAME}:t{os.getpid()}.{tid}"
        self.daemon.do("--op", "new", "--mode", "target", "--tid", str(tid), "--targetname", name)
        target = Target(self.daemon, tid, name)
        if acl is not None:
            target.bind(acl)
        return target

    def module(self, name: str) -> Module:
        return next(module for module in self.plan.modules if module.name == name)

    def unit(self, target: Target, variant: Variant, lun: int = 1, size: int | None = None) -> Unit:
        """Makes a logical unit as the variant says; a new tape's file is empty."""
        if size is None:
            size = 0 if variant.kind == "tape" else SIZE
        path = self._path(target, self.module(variant.module), lun, size)
        unit = target.unit(lun, block_size=variant.block_size, variant=variant, path=path)
        self.attach(unit, size)
        return unit

    def attach(self, unit: Unit, size: int = SIZE) -> None:
        """Makes the logical unit that a Unit describes, on the path that it has."""
        variant = unit.variant
        assert variant is not None
        module = self.module(variant.module)
        arguments = ["--bstype", module.name]
        if unit.path is not None:
            arguments += ["-b", str(unit.path)]
        if variant.block_size != 512:
            arguments += ["--blocksize", str(variant.block_size)]
        options = self._options(module, size)
        if options:
            arguments += ["--bsopts", options]
        if self.plan.bsoflags and module.name in self.plan.named:
            arguments += ["--bsoflags", self.plan.bsoflags]
        where = ["--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun)]
        self.daemon.do("--op", "new", *where, *arguments)
        params = [f"{name}=1" for name, wanted in (("thin_provisioning", variant.thin),
                                                   ("readonly", variant.readonly),
                                                   ("removable", variant.removable)) if wanted]
        params += [f"lbppbe={variant.exponent}"] if variant.exponent else []
        if params:
            self.daemon.do("--op", "update", *where, "--params", ",".join(params))

    def detach(self, unit: Unit) -> None:
        """Deletes the logical unit; its file stays."""
        self.daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun))

    def _path(self, target: Target, module: Module, lun: int, size: int) -> Path | None:
        if not module.needs_path:
            return None
        if self.plan.path is not None and module.name in self.plan.named:
            return Path(self.plan.path)
        if module.in_cluster:
            return self._image(target, lun, size)
        path = self.daemon.folder / f"t{target.tid}-l{lun}.img"
        with open(path, "wb") as image:
            image.truncate(size)
        target.files.append(path)
        return path

    def _image(self, target: Target, lun: int, size: int) -> Path:
        assert self.plan.ceph is not None
        image = Image(self.plan.ceph, f"rbd/{self.daemon.folder.name}-t{target.tid}-l{lun}")
        image.create(size)
        target.images.append(image)
        return Path(image.name)

    def _options(self, module: Module, size: int) -> str:
        given = self.plan.bsopts if self.plan.bsopts and module.name in self.plan.named else ""
        if module.in_cluster and self.plan.ceph is not None:
            given = f"{given};conf={self.plan.ceph}".lstrip(";")
        if not module.needs_path and "size=" not in given:
            given = f"{given};size={size}".lstrip(";")
        return given


def make_disk(daemon: Daemon, path: Path, one: Variant) -> Unit:
    """The only disk of a daemon that was just started: always the same target and LUN, on this file."""
    name = "iqn.2026-01.org.example.test:kept"
    daemon.do("--op", "new", "--mode", "target", "--tid", "1", "--targetname", name)
    daemon.do("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
    daemon.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", one.module,
              "-b", str(path))
    return Unit(daemon.host, daemon.port, name, tid=1)
