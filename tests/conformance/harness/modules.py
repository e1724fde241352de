# SPDX-License-Identifier: MIT
"""The backing stores that a daemon loaded, and the logical units that the tests make on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Module:
    """A module as `tgtadm --op show --mode backingstore --json` tells it."""

    name: str
    kind: str = "block"
    capabilities: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    file: str = ""
    shared: bool = False  # of units that other hosts may have, too

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Module":
        return cls(row["name"], row["kind"], tuple(row["capabilities"]),
                   tuple(option["name"] for option in row["options"]), row.get("file", ""))

    @property
    def can_write(self) -> bool:
        return "write" in self.capabilities

    @property
    def needs_path(self) -> bool:
        """A store that takes a size but needs no path is given the size."""
        return "needs_path" in self.capabilities or "size" not in self.options

    @property
    def in_cluster(self) -> bool:
        """Its path names an image of a Ceph cluster."""
        return self.name == "rbd"

    @property
    def on_file(self) -> bool:
        """Its path is that of a file which the harness can make."""
        return self.needs_path and not self.in_cluster


@dataclass(frozen=True)
class Variant:
    """One kind of logical unit: a module and what the unit is told to be."""

    module: str
    thin: bool = False
    block_size: int = 512
    readonly: bool = False
    removable: bool = False
    exponent: int = 0  # logical blocks per physical block, as a power of two
    kind: str = "block"  # the module's, or "changer"
    shared: bool = False  # other hosts may have the medium, too

    def __str__(self) -> str:
        if self.kind not in ("block", "passthrough"):
            return f"{self.module}-{self.kind}"
        words = [self.module, "thin" if self.thin else "thick", str(self.block_size)]
        words += ["ro"] if self.readonly else []
        words += ["rmb"] if self.removable else []
        words += [f"pb{self.exponent}"] if self.exponent else []
        words += ["shared"] if self.shared else []
        return "-".join(words)

    def facts(self) -> dict[str, Any]:
        """What the allow-list's conditions speak about."""
        return asdict(self)


@dataclass
class Plan:
    """What this run tests; made once, before the tests are collected, and sent to every worker."""

    modules: list[Module] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    store_dir: str | None = None
    path: str | None = None    # for the units of modules named on the command line
    bsopts: str | None = None
    bsoflags: str | None = None
    ceph: str | None = None    # the configuration file of the cluster with the images of units on modules of that kind
    named: list[str] = field(default_factory=list)  # modules chosen on the command line

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Plan":
        modules = [Module(m["name"], m["kind"], tuple(m["capabilities"]), tuple(m["options"]), m["file"],
                          m["shared"])
                   for m in row["modules"]]
        return cls(**{**row, "modules": modules})

    def of_kind(self, kind: str) -> list[Module]:
        return [module for module in self.modules if module.kind == kind]


def block_variants(modules: Iterable[Module]) -> list[Variant]:
    """Thin and thick, 512 and 4096 bytes; thin only where the store says that it can deallocate.  Thin units
    of 512 bytes have eight blocks in a physical one, as on a disk of today: unmapping has rules of its own there."""
    out = []
    for module in modules:
        for thin in (True, False):
            if thin and "discard" not in module.capabilities:
                continue
            out += [Variant(module.name, thin, 512, exponent=3 if thin else 0, shared=module.shared),
                    Variant(module.name, thin, 4096, shared=module.shared)]
    return out


def special_variants(modules: Iterable[Module]) -> list[Variant]:
    """The units that only some tests are for: removable, read-only, thin with small physical blocks."""
    out = []
    for module in modules:
        thin = "discard" in module.capabilities
        out += [Variant(module.name, thin, 512, removable=True, exponent=3 if thin else 0, shared=module.shared),
                Variant(module.name, thin, 512, readonly=True, shared=module.shared)]
        out += [Variant(module.name, thin, 512, shared=module.shared)] if thin else []
    return out
