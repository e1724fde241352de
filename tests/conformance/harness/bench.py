# SPDX-License-Identifier: MIT
"""One worker's daemon and the units on it that tests share."""

from __future__ import annotations

from dataclasses import replace

from .changer import Library
from .daemon import Daemon, DaemonError
from .modules import Plan, Variant
from .options import Settings
from .units import Factory, Target, Unit


class Bench:
    """Starts the daemon when the first test needs it, and again when it died."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self.settings = settings
        self.plan = plan
        self.problems: list[str] = []
        self._daemon: Daemon | None = None
        self._shared: dict[Variant, tuple[Target, Unit]] = {}
        self._seen = 0  # how much of the log was judged

    @property
    def started(self) -> bool:
        return self._daemon is not None

    @property
    def daemon(self) -> Daemon:
        if self._daemon is not None and not self._daemon.alive():
            self._daemon.clean()
            self._daemon = None
            self._shared.clear()
        if self._daemon is None:
            self._daemon = self.settings.daemon(self.plan).start()
            self._seen = 0
        return self._daemon

    @property
    def factory(self) -> Factory:
        return Factory(self.daemon, self.plan)

    def shared(self, variant: Variant) -> Unit:
        """The unit of this kind that tests use one after the other."""
        if self.settings.peer is not None:
            return self.settings.peer
        self.daemon  # forgets the units of one that died
        if variant not in self._shared:
            target = self.factory.target()
            self._shared[variant] = (target, self._make(target, variant))
        return self._shared[variant][1]

    def _make(self, target: Target, variant: Variant) -> Unit:
        if variant.kind != "changer":
            return self.factory.unit(target, variant)
        media = self.daemon.folder / f"media{target.tid}"
        media.mkdir()
        library = Library(self.daemon, target.tid, target.name, media, ["A00001L8", "A00002L8"])
        for barcode in library.barcodes:
            library.cartridge(barcode)
        library.make_units()
        return replace(library.changer, variant=variant)

    def renew(self, variant: Variant) -> None:
        """The next test gets another unit: a failed one may have left anything behind."""
        old = self._shared.pop(variant, None)
        if old is not None:
            old[0].delete()

    def log_since(self, offset: int) -> str:
        return self._daemon.log()[offset:] if self._daemon is not None else ""

    def log_size(self) -> int:
        if self._daemon is None or not self._daemon.log_path.exists():
            return 0
        return self._daemon.log_path.stat().st_size

    def judge(self) -> None:
        """Raises when the daemon died, or reported an error of memory or threads, since the last look."""
        if self._daemon is None:
            return
        if not self._daemon.alive():
            assert self._daemon.process is not None
            code = self._daemon.process.returncode
            tail = "\n".join(self._daemon.log().splitlines()[-60:])
            raise DaemonError(f"tgtd died (exit {code}):\n{tail}")
        size = self.log_size()
        if size != self._seen:
            fresh = self._daemon.reports(self._seen)
            self._seen = size
            if fresh:
                raise DaemonError("tgtd reported:\n" + "\n".join(fresh))

    def close(self) -> None:
        """Stops the daemon; what was wrong with its end is in problems."""
        if self._daemon is not None:
            problems = self._daemon.stop()
            if problems:
                self.problems += [*problems, "the end of tgtd's log:\n" + "\n".join(
                    self._daemon.log().splitlines()[-40:])]
            self._daemon.clean()
            self._daemon = None
