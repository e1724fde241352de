# SPDX-License-Identifier: MIT
"""Which kinds of unit a test runs on: what `pytest.mark.variants(NAME)` means."""

from __future__ import annotations

from collections.abc import Iterable

from .modules import Plan, Variant, block_variants
from .options import Settings, peer_variant

NAMES = {
    "all": "every kind of unit on every block store that can be written to",
    "basic": "one of each block size on each of them",
    "storing": "all, but not on stores that keep nothing",
    "not-storing": "all, on stores that keep nothing only",
    "file": "storing, on stores whose units lie on a file that the harness made",
    "file-512": "file, one of 512 bytes on each store",
    "thin": "file, thin ones only",
    "one": "one unit, on rdwr if it is there, else on the first store that keeps data, in a file if there is one",
    "tape": "modules of that kind",
    "changer": "a library with drives on such modules",
    "passthrough": "modules of that kind",
}


class Selector:
    """Chooses from what this run has."""

    def __init__(self, settings: Settings, plan: Plan, keep_nothing: Iterable[str]) -> None:
        self.settings = settings
        self.plan = plan
        self.keep_nothing = set(keep_nothing)

    def __call__(self, name: str) -> list[Variant]:
        """The units that a selection means; KeyError for one that isn't in NAMES."""
        if name not in NAMES:
            raise KeyError(f"variants({name!r}): none of {', '.join(NAMES)}")
        if self.settings.peer is not None:
            wanted = name in ("all", "basic", "storing", "one")
            return [peer_variant(self.settings.peer)] if wanted else []
        if name in ("tape", "changer", "passthrough"):
            of = "tape" if name == "changer" else name
            return [Variant(module.name, kind=name) for module in self.plan.of_kind(of)]
        chosen: list[Variant] = getattr(self, "_" + name.replace("-", "_"))()
        return chosen

    def _all(self) -> list[Variant]:
        return block_variants(module for module in self.plan.of_kind("block") if module.can_write)

    def _basic(self) -> list[Variant]:
        best: dict[tuple[str, int], Variant] = {}
        for variant in self._all():
            best.setdefault((variant.module, variant.block_size), variant)
        return list(best.values())

    def _storing(self) -> list[Variant]:
        return [variant for variant in self._all() if variant.module not in self.keep_nothing]

    def _not_storing(self) -> list[Variant]:
        return [variant for variant in self._all() if variant.module in self.keep_nothing]

    def _file(self) -> list[Variant]:
        at_a_path = {module.name for module in self.plan.modules if module.on_file}
        return [] if self.plan.path else [v for v in self._storing() if v.module in at_a_path]

    def _file_512(self) -> list[Variant]:
        best: dict[str, Variant] = {}
        for variant in self._file():
            if variant.block_size == 512:
                best.setdefault(variant.module, variant)
        return list(best.values())

    def _thin(self) -> list[Variant]:
        return [variant for variant in self._file() if variant.thin]

    def _one(self) -> list[Variant]:
        on_file = {variant.module for variant in self._file()}
        return sorted(self._storing() or self._all(),
                      key=lambda variant: (variant.module != "rdwr", variant.module not in on_file))[:1]
