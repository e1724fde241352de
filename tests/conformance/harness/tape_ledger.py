# SPDX-License-Identifier: MIT
"""What a tape may hold after the power was lost: a load that writes one, and the judgement of what is found.

SSC-5 has what was written be on the medium when WRITE FILEMARKS without IMMED (of no filemark, too), a REWIND, or an
unload ends well.  All up to there must be found, and after it nothing but what was written there, in its order and
without a gap, up to an end of data.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from iscsi.session import Session
from iscsi.task import Result

from .units import Unit

ROOM = 64 << 10     # of a read: no record is as long
MANY = 400          # objects, after which a load goes back and writes over some
SMALL = 600         # bytes of a record at most, of half of them
LARGE = 40_000
MARK = b""          # a filemark; there are no empty records
SILI, IMMEDIATE, TO_END, LOAD = 2, 1, 3, 1
FILEMARK_DETECTED, END_OF_DATA = 0x0001, 0x0005


class TapeLedger:
    """Objects, records and filemarks, that were written from the beginning on."""

    def __init__(self) -> None:
        self.objects: list[bytes] = []
        self.before: list[list[bytes]] = []  # what was there, before what was written over it was synchronised
        self.safe = 0                        # so many are on stable storage
        self.promises = 0

    def write(self, position: int, new: Sequence[bytes]) -> None:
        """Before it is sent: nobody knows what came of a command that isn't answered."""
        if position < len(self.objects):
            self.before.append(self.objects)
            self.safe = min(self.safe, position)
        self.objects = [*self.objects[:position], *new]

    def synchronised(self) -> None:
        """The answer promises that all is on stable storage."""
        self.safe, self.before = len(self.objects), []
        self.promises += 1

    def judge(self, found: Sequence[bytes]) -> str:
        """What is wrong about objects that were found up to an end of data; empty if nothing is."""
        if len(found) < self.safe:
            return f"{self.safe} objects were promised, {len(found)} are there"
        histories = [self.objects, *self.before]
        if any(list(found) == history[:len(found)] for history in histories):
            return ""
        same = next((n for n, (a, b) in enumerate(zip(found, self.objects)) if a != b), len(self.objects))
        what = "is a filemark" if same < len(found) and found[same] == MARK else "holds other data"
        return (f"object {same} of {len(found)} {what} ({self.safe} were promised, {len(self.objects)} written)"
                f"{self._origin(found[same:same + 1])}{self._shift(found, same)}")

    def _origin(self, strange: Sequence[bytes]) -> str:
        """Where an object that is in a wrong place was written."""
        if not strange or strange[0] == MARK:
            return ""
        for name, history in [("now", self.objects), *(("before", history) for history in self.before)]:
            if strange[0] in history:
                return f"; what is there was written as object {history.index(strange[0])} ({name})"
        return f"; it has {len(strange[0])} bytes, which weren't written since the last cut"

    def _shift(self, found: Sequence[bytes], same: int) -> str:
        """How what follows stands to what was written."""
        rest = [one for one in found[same + 1:] if one != MARK]
        first = next((n for n, one in enumerate(self.objects) if rest and one == rest[0]), None)
        if first is None:
            return "; what follows isn't known"
        return f"; the next record was written as object {first}, and is object {list(found).index(rest[0])}"

    def go_on_with(self, found: Sequence[bytes]) -> None:
        """What was found after the loss of power came from the disk, and stays."""
        self.objects, self.before, self.safe = list(found), [], len(found)


class Tape:
    """The commands of a load, which must succeed."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def good(self, cdb: list[int], **arguments: object) -> Result:
        result = self.session.execute(bytes(cdb), **arguments)
        assert result.good, f"{bytes(cdb).hex()}: {result}"
        return result

    def write(self, record: bytes) -> None:
        self.good([0x0A, 0, *len(record).to_bytes(3, "big"), 0], data_out=record)

    def marks(self, count: int, immediate: bool = False) -> None:
        self.good([0x10, IMMEDIATE if immediate else 0, *count.to_bytes(3, "big"), 0])

    def rewind(self) -> None:
        self.good([0x01, 0, 0, 0, 0, 0])

    def to_end(self) -> None:
        self.good([0x11, TO_END, 0, 0, 0, 0])

    def locate(self, position: int) -> None:
        self.good([0x2B, 0, 0, *position.to_bytes(4, "big"), 0, 0, 0])

    def load(self, load: bool) -> None:
        self.good([0x1B, 0, 0, 0, LOAD if load else 0, 0])

    def read_all(self) -> list[bytes]:
        """All objects up to the end of data; anything else that a read ends with is an error."""
        found: list[bytes] = []
        self.rewind()
        while True:
            result = self.session.execute(bytes([0x08, SILI, *ROOM.to_bytes(3, "big"), 0]), read=ROOM)
            sense = result.sense
            if result.good:
                found.append(result.data)
            elif sense is not None and sense.asc == FILEMARK_DETECTED:
                found.append(MARK)
            else:
                assert sense is not None and sense.asc == END_OF_DATA, f"object {len(found)}: {result}"
                return found


class TapeLoad:
    """Writes, from the end of data on, until the connection breaks; in a thread of its own."""

    def __init__(self, unit: Unit, ledger: TapeLedger, seed: int, *, each_write: bool = False) -> None:
        self.unit, self.ledger = unit, ledger
        self.each_write = each_write  # is synchronised when it is answered
        self.quiet = False            # set: nothing is asked for any more that promises something
        self.dice = random.Random(seed)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def join(self) -> None:
        """Raises what went wrong, but for the end of the connection."""
        self.thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with self.unit.login() as session:
                tape = Tape(session)
                tape.to_end()
                while True:
                    self._step(tape)
        except ConnectionError:
            pass
        except BaseException as error:  # noqa: BLE001 (told by join())
            self.error = error

    def _step(self, tape: Tape) -> None:
        """Some records, and then mostly a filemark that promises nothing, or one of: filemarks that do, a
        synchronisation alone, and writing over."""
        self._records(tape, self.dice.randrange(1, 8))
        promising = (self._marks, self._nothing, self._rewind, self._reload)
        if len(self.ledger.objects) > MANY or self.dice.random() < 0.05:
            self._go_back(tape)
        elif not self.quiet and self.dice.random() < 0.2:
            self.dice.choice(promising)(tape)
        else:
            self._immediate_mark(tape)

    def _put(self, position: int, new: Sequence[bytes]) -> None:
        self.ledger.write(position, new)

    def _records(self, tape: Tape, count: int, position: int | None = None) -> None:
        for _ in range(count):
            record = self.dice.randbytes(self.dice.randrange(1, self.dice.choice((SMALL, LARGE))))
            self._put(len(self.ledger.objects) if position is None else position, [record])
            position = None
            tape.write(record)
            if self.each_write:
                self.ledger.synchronised()

    def _marks(self, tape: Tape) -> None:
        count = self.dice.randrange(1, 3)
        self._put(len(self.ledger.objects), [MARK] * count)
        tape.marks(count)
        self.ledger.synchronised()

    def _immediate_mark(self, tape: Tape) -> None:
        self._put(len(self.ledger.objects), [MARK])
        tape.marks(1, immediate=True)

    def _nothing(self, tape: Tape) -> None:
        tape.marks(0)
        self.ledger.synchronised()

    def _rewind(self, tape: Tape) -> None:
        tape.rewind()
        self.ledger.synchronised()
        tape.to_end()

    def _reload(self, tape: Tape) -> None:
        tape.load(False)
        self.ledger.synchronised()
        tape.load(True)
        tape.to_end()

    def _go_back(self, tape: Tape) -> None:
        position = self.dice.randrange(len(self.ledger.objects))
        tape.locate(position)
        self._records(tape, 1, position)


def read_tape(unit: Unit) -> list[bytes]:
    """What is on it now."""
    with unit.login() as session:
        return Tape(session).read_all()
