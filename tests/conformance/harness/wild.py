# SPDX-License-Identifier: MIT
"""A daemon of a test's own, with several event loops and a store that is as slow as it is told to be."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .daemon import Daemon
from .modules import Plan, Variant
from .neighbour import Usage
from .options import Settings
from .units import Factory, Target, Unit


def disk_of(plan: Plan) -> Variant:
    """What the tests' own disks are: on rdwr if it is there."""
    writable = [module.name for module in plan.of_kind("block") if module.can_write]
    return Variant("rdwr" if "rdwr" in writable else writable[0])


class Wild:
    """The daemon, and what tests that are hard on it ask."""

    def __init__(self, settings: Settings, plan: Plan, variant: Variant, threads: int) -> None:
        assert settings.build is not None and plan.store_dir is not None, "these tests belong to a build"
        module = settings.build / "tests" / "fixtures" / "hanging" / "bs_hang.so"
        assert module.exists(), f"{module} wasn't built"
        self.folder = Path(tempfile.mkdtemp(prefix="tgt-wild-"))
        self.stores = self.folder / "stores"
        shutil.copytree(plan.store_dir, self.stores)
        shutil.copy(module, self.stores)
        self.stores.chmod(0o755)
        self.variant = variant
        self.plan = Plan(store_dir=str(self.stores), modules=plan.modules, ceph=plan.ceph)
        self.daemon: Daemon = settings.daemon(self.plan, options=["--threads", str(threads)]).start()
        self.factory = Factory(self.daemon, self.plan)
        assert self.daemon.process is not None
        self.usage = Usage(self.daemon.process.pid)
        self._next = 0

    def close(self) -> None:
        """Ends it; everything that was wrong with it is raised."""
        for switch in self.folder.glob("hang*/*"):
            switch.unlink()
        problems = self.daemon.stop()
        log = self.daemon.log()[-6000:]
        self.daemon.clean()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not problems, "\n".join([*problems, "the end of the log:", log])

    # -- units

    def unit(self, target: Target | None = None, lun: int = 1, size: int = 64 << 20) -> Unit:
        return self.factory.unit(target or self.factory.target(), self.variant, lun=lun, size=size)

    def hanging(self, target: Target | None = None, lun: int = 1, size: int = 1 << 20) -> "Hanging":
        self._next += 1
        folder = self.folder / f"hang{self._next}"
        folder.mkdir()
        return Hanging(self, target or self.factory.target(), folder, lun, size)

    # -- what the daemon says

    def sessions(self, tid: int) -> list[dict[str, Any]]:
        done = self.daemon.adm("--op", "show", "--mode", "conn", "--tid", str(tid), "--json")
        if done.returncode != 0:
            return []
        return list(json.loads(done.stdout)["sessions"])

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.daemon.alive(), f"tgtd died:\n{self.daemon.log()[-4000:]}"
            assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
            time.sleep(0.02)


class Hanging:
    """A unit on the store that is as slow as it is told to be (tests/fixtures/hanging/plan.h)."""

    def __init__(self, wild: Wild, target: Target, folder: Path, lun: int, size: int) -> None:
        self.wild, self.target, self.folder, self.size = wild, target, folder, size
        self.unit = target.unit(lun, block_size=512)
        self.make()

    def make(self) -> None:
        self.wild.daemon.do("--op", "new", "--mode", "logicalunit", "--tid", str(self.target.tid), "--lun",
                            str(self.unit.lun), "--bstype", "hang", "-b", str(self.folder), "--bsopts",
                            f"size={self.size}")

    def tell(self, line: str) -> str:
        """One line to the store's plan, and its answer."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(str(self.folder / "control"))
            peer.sendall(line.encode())
            answer = peer.recv(256).decode().strip()
        assert not answer.startswith("error"), f"{line}: {answer}"
        return answer

    def count(self, what: str) -> int:
        """Of the requests in the store: held, due, done or cancelled."""
        words = self.tell("count").split()
        return int(words[words.index(what) + 1])

    def wait_held(self, number: int, seconds: float = 20.0) -> None:
        """Until the store holds that many."""
        self.wild.wait(lambda: self.count("held") >= number, f"{number} requests are in the store", seconds)

    @contextmanager
    def hangs(self) -> Iterator[None]:
        switch = self.folder / "io"
        switch.touch()
        try:
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        (self.folder / "io").unlink(missing_ok=True)
