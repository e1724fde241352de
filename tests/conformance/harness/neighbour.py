# SPDX-License-Identifier: MIT
"""Somebody who does verified I/O all the time, while a test does its worst elsewhere; and what a daemon uses."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

from iscsi import scsi
from iscsi.session import Session

from .units import Unit

BLOCKS = 256  # of the unit, from the start, are the neighbour's


class Neighbour:
    """Writes and reads blocks in a thread.  What goes wrong is raised at the end of its with block."""

    def __init__(self, unit: Unit, patience: float = 10.0, seed: int = 1) -> None:
        self.unit, self.patience = unit, patience
        self.random = random.Random(seed)
        self.rounds = 0
        self.slowest = 0.0
        self.error: BaseException | None = None
        self._expected: dict[int, bytes] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Neighbour":
        self.session = self.unit.login()
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._end.set()
        self._thread.join(self.patience + 5)
        alive = self._thread.is_alive()
        self.session.connection.close()
        if kind is not None:
            return
        if self.error is not None:
            raise AssertionError(f"the neighbour was disturbed after {self.rounds} rounds: {self.error!r}") from self.error
        assert not alive, "the neighbour hangs"
        assert self.rounds, "the neighbour never got anything done"

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                begun = time.monotonic()
                self._round(self.session)
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001 (told at the end)
            self.error = error

    def _round(self, session: Session) -> None:
        size, lun = self.unit.block_size, self.unit.lun
        lba, count = self.random.randrange(BLOCKS - 64), self.random.choice((1, 1, 8, 64))
        data = self.random.randbytes(count * size)
        result = session.execute(scsi.write10(lba, count), lun=lun, data_out=data, timeout=self.patience)
        assert result.good, f"WRITE: {result}"
        for n in range(count):
            self._expected[lba + n] = data[n * size:(n + 1) * size]
        lba = self.random.choice(list(self._expected))
        result = session.execute(scsi.read10(lba, 1), lun=lun, read=size, timeout=self.patience)
        assert result.good, f"READ: {result}"
        assert result.data == self._expected[lba], f"block {lba} holds what nobody wrote"


class Usage:
    """What a process uses of memory and file descriptors."""

    def __init__(self, pid: int) -> None:
        self.proc = Path("/proc") / str(pid)

    def memory(self) -> int:
        """Resident bytes."""
        for line in (self.proc / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        raise AssertionError("the process is gone")

    def descriptors(self) -> int:
        return len(os.listdir(self.proc / "fd"))

    def wait_for_descriptors(self, at_most: int, timeout: float = 20.0) -> None:
        """Until connections that are over have been cleared away."""
        deadline = time.monotonic() + timeout
        while (now := self.descriptors()) > at_most:
            assert time.monotonic() < deadline, f"{now} file descriptors are open, were {at_most}"
            time.sleep(0.05)
