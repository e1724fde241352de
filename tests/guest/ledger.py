# SPDX-License-Identifier: MIT
"""What a unit must hold after a power cut: an account of what was written and acknowledged, and who writes it.

Every block carries its LBA and the number of the write that it is from.  After a cut a block must hold the last write
to it that was acknowledged as durable (with FUA, or by a later SYNCHRONIZE CACHE), or any later one that was sent: of
those nothing was promised (SBC-4 4.15).  Nothing else may be there.
"""

from __future__ import annotations

import random
import struct
import threading
from collections import deque
from dataclasses import dataclass, field

from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Task

BLOCK = 512
DEPTH = 8      # commands in flight
CHUNK = 512    # blocks of a READ that checks
LENGTHS = (1, 1, 3, 8, 17, 64, 200)
# Which part of the writes has FUA, and which part of the commands is a SYNCHRONIZE CACHE.  Each alone, since a store
# that did one of them badly might be saved by the other.
KINDS = {"fua": (0.5, 0.0), "sync": (0.0, 0.1), "both": (0.5, 0.1)}
_STAMP = struct.Struct(">QQ")


def stamped(lba: int, write: int) -> bytes:
    """A block that says where it belongs and which write it is from."""
    return _STAMP.pack(lba, write) * (BLOCK // _STAMP.size)


def stamped_range(lba: int, blocks: int, write: int) -> bytes:
    return b"".join(stamped(lba + n, write) for n in range(blocks))


class Ledger:
    """The account of one unit, whose blocks are stamped with write 0 at first, but for zeroes in those of the hole at
    its start.  Writes in flight at the same time must not overlap."""

    def __init__(self, blocks: int, hole: int = 0) -> None:
        self.blocks, self.hole = blocks, hole
        self.promises = 0  # writes acknowledged as durable
        self._last = 0
        self._durable = dict.fromkeys(range(blocks), 0)  # the number of a write
        self._cached: dict[int, int] = {}                # acknowledged, and not yet durable
        self._sent: dict[int, list[int]] = {}            # since the last durable one

    def send(self, lba: int, blocks: int) -> int:
        """A write is on its way; its number."""
        self._last += 1
        for at in range(lba, lba + blocks):
            self._sent.setdefault(at, []).append(self._last)
        return self._last

    def acknowledge(self, lba: int, blocks: int, write: int, *, durable: bool) -> None:
        written = dict.fromkeys(range(lba, lba + blocks), write)
        if durable:
            self.make_durable(written)
        else:
            self._cached.update(written)

    def cached(self) -> dict[int, int]:
        """What a SYNCHRONIZE CACHE that is sent now makes durable."""
        return dict(self._cached)

    def make_durable(self, writes: dict[int, int]) -> None:
        self.promises += bool(writes)
        for at, write in writes.items():
            self._durable[at] = max(self._durable[at], write)
            if self._cached.get(at, 0) <= write:
                self._cached.pop(at, None)

    def judge(self, data: bytes) -> list[str]:
        """What is wrong with the content that the unit has after a cut, a line for each block; if nothing is, that
        content is what must be there from now on."""
        wrong, found = [], {}
        for lba in range(self.blocks):
            block = data[lba * BLOCK:(lba + 1) * BLOCK]
            place, write = _STAMP.unpack_from(block)
            found[lba] = write
            allowed = [self._durable[lba], *(sent for sent in self._sent.get(lba, []) if sent > self._durable[lba])]
            if block != (bytes(BLOCK) if write == 0 and lba < self.hole else stamped(lba, write)):
                wrong.append(f"block {lba} is torn, or another's: {place}, write {write}")
            elif write not in allowed:
                wrong.append(f"block {lba} holds write {write}, and was promised to hold {allowed[0]}")
        self._durable.update(found)
        self._cached, self._sent = {}, {}
        return wrong


@dataclass
class Command:
    """One in flight: a write, or (blocks 0) a SYNCHRONIZE CACHE with what it makes durable."""

    task: Task
    lba: int = 0
    blocks: int = 0
    write: int = 0
    fua: bool = False
    covers: dict[int, int] = field(default_factory=dict)


class Load:
    """Writes all the time, in a thread, until the unit is no more; a promise is what was acknowledged."""

    def __init__(self, unit: Unit, ledger: Ledger, kind: str, seed: int) -> None:
        self.unit, self.ledger = unit, ledger
        self.fua, self.sync = KINDS[kind]
        self.error: BaseException | None = None
        self._dice = random.Random(seed)
        self._flying: deque[Command] = deque()
        self._session = unit.login()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """After the cut.  Raises what went wrong before it."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the load hangs"
        self._session.connection.close()
        if self.error is not None:
            raise AssertionError(f"before the cut: {self.error!r}") from self.error

    def _run(self) -> None:
        try:
            while True:
                while len(self._flying) < DEPTH and self._room():
                    self._flying.append(self._next())
                self._end(self._flying.popleft())
        except ConnectionError:
            pass  # the power is off
        except BaseException as error:  # noqa: BLE001 (told by join())
            self.error = error

    def _room(self) -> bool:
        """Whether the command window is open."""
        session: Session = self._session
        return bool(((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF) or not self._flying

    def _next(self) -> Command:
        if self._dice.random() < self.sync:
            covers = self.ledger.cached()
            return Command(self._session.start(scsi.synchronize_cache16()), covers=covers)
        lba, blocks = self._place()
        fua = self._dice.random() < self.fua
        write = self.ledger.send(lba, blocks)
        task = self._session.start(scsi.write16(lba, blocks, scsi.FUA if fua else 0),
                                   data_out=stamped_range(lba, blocks, write))
        return Command(task, lba, blocks, write, fua)

    def _place(self) -> tuple[int, int]:
        """A range that no write in flight touches."""
        while True:
            blocks = self._dice.choice(LENGTHS)
            lba = self._dice.randrange(self.ledger.blocks - blocks)
            if all(lba + blocks <= other.lba or lba >= other.lba + other.blocks for other in self._flying):
                return lba, blocks

    def _end(self, command: Command) -> None:
        result = self._session.wait(command.task, timeout=60)
        assert result.good, str(result)
        if command.blocks:
            self.ledger.acknowledge(command.lba, command.blocks, command.write, durable=command.fua)
        else:
            self.ledger.make_durable(command.covers)


def content(unit: Unit, blocks: int) -> bytes:
    """All of a unit, by READ."""
    data = b""
    with unit.login() as session:
        for lba in range(0, blocks, CHUNK):
            count = min(CHUNK, blocks - lba)
            result = session.execute(scsi.read16(lba, count), read=count * BLOCK, timeout=60)
            assert result.good, str(result)
            data += result.data
    return data
