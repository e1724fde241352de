# SPDX-License-Identifier: MIT
"""What a unit must hold after a power cut or a crash: an account of what was written and acknowledged, and who
writes it.

Every block carries its LBA and the number of the write that it is from, or is all zeroes: from the start, or since an
UNMAP.  Afterwards a block must hold the last write to it that was acknowledged as durable (with FUA, or by a later
SYNCHRONIZE CACHE), or any later one that was sent: of those nothing was promised (SBC-4 4.15).  Nothing else may be
there.
"""

from __future__ import annotations

import random
import struct
import threading
from collections import deque
from dataclasses import dataclass, field, replace

from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Task

from .keepsakes import KEPT, Setting
from .units import Unit

BLOCK = 512
DEPTH = 8      # commands in flight
CHUNK = 512    # blocks of a READ that checks
LENGTHS = (1, 1, 3, 8, 17, 64, 200)
ISID = bytes.fromhex("8000005e0000")  # the load's, since a registration belongs to an I_T nexus


@dataclass(frozen=True)
class Kind:
    """Which part of the commands is a SYNCHRONIZE CACHE, an UNMAP, or a change of what else the unit keeps, and which
    part of the writes has FUA.  `all`: what was acknowledged must be there, durable or not (the write cache is switched
    off, or only the process was killed, and the kernel has it)."""

    fua: float = 0.0
    sync: float = 0.0
    unmap: float = 0.0
    change: float = 0.0
    all: bool = False
    through: bool = False  # without a write cache

    def without_unmap(self) -> "Kind":
        """For units that are fully provisioned."""
        return replace(self, unmap=0.0)


# Each alone, since a store that did one of them badly might be saved by the other.
KINDS = {
    "fua": Kind(fua=0.5),
    "sync": Kind(sync=0.1),
    "both": Kind(fua=0.5, sync=0.1),
    "unmap": Kind(sync=0.1, unmap=0.2),
    "change": Kind(fua=0.1, change=0.2),
    "through": Kind(all=True, through=True),
    "killed": Kind(fua=0.1, sync=0.05, unmap=0.1, change=0.05, all=True),
}
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
        self.settings = {name: Setting() for name in KEPT}
        self._last = 0
        self._durable = dict.fromkeys(range(blocks), 0)  # the number of a write
        self._cached: dict[int, int] = {}                # acknowledged, and not yet durable
        self._sent: dict[int, list[int]] = {}            # since the last durable one
        self._zeroing: set[int] = set()                  # the writes that were an UNMAP

    def send(self, lba: int, blocks: int, *, zeroes: bool = False) -> int:
        """A write, or an UNMAP, is on its way; its number."""
        self._last += 1
        if zeroes:
            self._zeroing.add(self._last)
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
            block, durable = data[lba * BLOCK:(lba + 1) * BLOCK], self._durable[lba]
            allowed = [durable, *(sent for sent in self._sent.get(lba, []) if sent > durable)]
            source = next((write for write in allowed if block == self._left_by(lba, write)), None)
            found[lba] = durable if source is None else source
            if source is None:
                wrong.append(f"block {lba} {self._describe(lba, block)}, and was promised to hold write {durable}")
        self._durable.update(found)
        self._cached, self._sent = {}, {}
        return wrong

    def _left_by(self, lba: int, write: int) -> bytes:
        return bytes(BLOCK) if write in self._zeroing or (write == 0 and lba < self.hole) else stamped(lba, write)

    @staticmethod
    def _describe(lba: int, block: bytes) -> str:
        place, write = _STAMP.unpack_from(block)
        if not any(block):
            return "holds zeroes"
        return f"holds write {write}" if block == stamped(lba, write) else f"is torn, or another's: {place}, {write}"


@dataclass
class Command:
    """One in flight: a write, an UNMAP, a SYNCHRONIZE CACHE with what it makes durable, or a change of what else the
    unit keeps."""

    task: Task
    lba: int = 0
    blocks: int = 0
    write: int = 0
    durable: bool = False
    covers: dict[int, int] = field(default_factory=dict)
    setting: str = ""
    value: int = 0


class Load:
    """Writes all the time, in a thread, until the unit is no more; a promise is what was acknowledged."""

    def __init__(self, unit: Unit, ledger: Ledger, kind: Kind, seed: int) -> None:
        self.unit, self.ledger, self.kind = unit, ledger, kind
        self.error: BaseException | None = None
        self._dice = random.Random(seed)
        self._flying: deque[Command] = deque()
        self._session = unit.login(isid=ISID)
        if kind.through:
            switch_cache_off(self._session)
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
        kind, toss = self.kind, self._dice.random()
        if toss < kind.sync:
            covers = self.ledger.cached()
            return Command(self._session.start(scsi.synchronize_cache16()), covers=covers)
        if toss < kind.sync + kind.unmap:
            return self._unmap()
        if toss < kind.sync + kind.unmap + kind.change and not any(command.setting for command in self._flying):
            return self._change()
        return self._write()

    def _write(self) -> Command:
        lba, blocks = self._place()
        fua = self._dice.random() < self.kind.fua
        write = self.ledger.send(lba, blocks)
        task = self._session.start(scsi.write16(lba, blocks, scsi.FUA if fua else 0),
                                   data_out=stamped_range(lba, blocks, write))
        return Command(task, lba, blocks, write, durable=fua or self.kind.all)

    def _unmap(self) -> Command:
        lba, blocks = self._place()
        write = self.ledger.send(lba, blocks, zeroes=True)
        parameters = scsi.unmap_parameters([(lba, blocks)])
        task = self._session.start(scsi.unmap(len(parameters)), data_out=parameters)
        return Command(task, lba, blocks, write, durable=self.kind.all)

    def _change(self) -> Command:
        name = self._dice.choice(list(KEPT))
        value = self._dice.randint(1, KEPT[name].largest)
        cdb, parameters = KEPT[name].change(self._session, value)
        self.ledger.settings[name].sent.append(value)
        return Command(self._session.start(cdb, data_out=parameters), setting=name, value=value)

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
            self.ledger.acknowledge(command.lba, command.blocks, command.write, durable=command.durable)
        elif command.setting:
            self.ledger.settings[command.setting].acknowledge(command.value)
            self.ledger.promises += 1
        else:
            self.ledger.make_durable(command.covers)


def switch_cache_off(session: Session) -> None:
    """WCE=0 (SBC-4 6.5.6): from now on what is acknowledged is durable."""
    page = bytearray(session.execute(scsi.mode_sense6(0x08, dbd=True), read=255).data[4:])
    page[0] &= 0x7F
    page[2] &= 0xFB
    assert session.execute(scsi.mode_select6(4 + len(page)), data_out=bytes(4) + bytes(page)).good


def judge(unit: Unit, ledger: Ledger) -> list[str]:
    """What the unit doesn't keep of what it promised."""
    wrong = ledger.judge(content(unit, ledger.blocks))
    with unit.login(isid=ISID) as session:
        for name, setting in ledger.settings.items():
            if (loss := setting.judge(KEPT[name].found(session))) is not None:
                wrong.append(f"{name}: {loss}")
    return wrong


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
