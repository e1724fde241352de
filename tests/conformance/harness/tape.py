# SPDX-License-Identifier: MIT
"""The commands of a tape drive in one session, and what their sense data must say (SSC-5)."""

from __future__ import annotations

import struct

from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

FILEMARK_DETECTED, END_OF_PARTITION, BEGINNING, END_OF_DATA, EARLY_WARNING_SOON = 1, 2, 4, 5, 7
MEDIUM_NOT_PRESENT, LOCATE_FAILURE = 0x3A00, 0x1407
FIXED, SILI, BYTORD = 1, 2, 4
BLOCKS, FILEMARKS, SEQUENTIAL_FILEMARKS, TO_END_OF_DATA = range(4)


def place_cdb(opcode: int, flags: int, where: tuple[int, int], count: int) -> bytes:
    """Explicit address command set: partition and logical object identifier, and a count."""
    return struct.pack(">BBBBQ3sB", opcode, flags, 0, *where, count.to_bytes(3, "big"), 0)


class Tape:
    """A drive; what has a place is sent with the 16-byte command."""

    def __init__(self, session: Session, lun: int) -> None:
        self.session = session
        self.lun = lun

    def run(self, cdb: bytes, **arguments: object) -> Result:
        return self.session.execute(cdb, lun=self.lun, **arguments)

    def good(self, cdb: bytes, **arguments: object) -> Result:
        result = self.run(cdb, **arguments)
        assert result.good, f"{cdb.hex()}: {result}"
        return result

    def _counted(self, opcodes: tuple[int, int], flags: int, count: int, place: tuple[int, int] | None,
                 **arguments: object) -> Result:
        if place is not None:
            return self.run(place_cdb(opcodes[1], flags, place, count), **arguments)
        return self.run(bytes([opcodes[0], flags]) + count.to_bytes(3, "big") + b"\0", **arguments)

    def write(self, data: bytes, flags: int = 0, count: int | None = None,
              place: tuple[int, int] | None = None) -> Result:
        return self._counted((0x0A, 0x8A), flags, len(data) if count is None else count, place, data_out=data)

    def read(self, room: int, flags: int = 0, count: int | None = None,
             place: tuple[int, int] | None = None) -> Result:
        return self._counted((0x08, 0x88), flags, room if count is None else count, place, read=room)

    def read_reverse(self, room: int, flags: int = BYTORD, count: int | None = None,
                     place: tuple[int, int] | None = None) -> Result:
        return self._counted((0x0F, 0x81), flags, room if count is None else count, place, read=room)

    def verify(self, count: int, flags: int = 0, data: bytes = b"", place: tuple[int, int] | None = None) -> Result:
        return self._counted((0x13, 0x8F), flags, count, place, data_out=data)

    def marks(self, count: int, immediate: bool = False, place: tuple[int, int] | None = None) -> None:
        result = self._counted((0x10, 0x80), immediate, count, place)
        assert result.good, str(result)

    def space(self, code: int, count: int) -> Result:
        return self.run(bytes([0x11, code]) + (count & 0xFFFFFF).to_bytes(3, "big") + b"\0")

    def space16(self, code: int, count: int) -> Result:
        return self.run(struct.pack(">BBxxq4x", 0x91, code, count))

    def locate(self, target: int, partition: int | None = None) -> Result:
        """LOCATE(10)."""
        change = partition is not None
        return self.run(struct.pack(">BBxIxBx", 0x2B, 2 if change else 0, target, partition or 0))

    def locate16(self, target: int, kind: int = 0, partition: int | None = None) -> Result:
        """kind (DEST_TYPE): 0 a logical object, 1 a file, 3 the end of data."""
        change = partition is not None
        return self.run(struct.pack(">BBxBQ4x", 0x92, kind << 3 | (2 if change else 0), partition or 0, target))

    def rewind(self) -> None:
        self.good(bytes([0x01, 0, 0, 0, 0, 0]))

    def position(self) -> int:
        data = self.good(bytes([0x34]) + bytes(9), read=20).data
        first, last = struct.unpack_from(">II", data, 4)
        assert first == last
        assert bool(data[0] & 0x80) == (first == 0), "BOP"
        return first

    def where(self) -> tuple[int, int]:
        """Partition and logical object identifier, by the extended form of READ POSITION."""
        data = self.good(struct.pack(">BB5xHx", 0x34, 0x08, 32), read=32).data
        assert struct.unpack_from(">H", data, 2) == (28,)
        first, last = struct.unpack_from(">QQ", data, 8)
        assert first == last
        return data[1], first

    def load(self, load: bool, hold: bool = False) -> Result:
        return self.run(bytes([0x1B, 0, 0, 0, load | hold << 3, 0]))

    def format(self, how: int = 0) -> Result:
        return self.run(bytes([0x04, 0, how, 0, 0, 0]))

    def set_capacity(self, proportion: int) -> Result:
        return self.run(struct.pack(">BBxHx", 0x0B, 0, proportion))

    def set_block_length(self, length: int) -> None:
        parameters = bytes([0, 0, 0x10, 8, 0, 0, 0, 0, 0]) + length.to_bytes(3, "big")
        self.good(scsi.mode_select6(len(parameters)), data_out=parameters)

    def mode_page(self, page: int, subpage: int = 0) -> bytearray:
        """Current values, as MODE SELECT takes them."""
        data = bytearray(self.good(scsi.mode_sense6(page, subpage, dbd=True), read=255).data[4:])
        data[0] &= 0x7F
        return data

    def set_mode_page(self, page: bytes) -> None:
        self.good(scsi.mode_select6(4 + len(page)), data_out=bytes(4) + bytes(page))

    def descriptor_sense(self) -> None:
        """D_SENSE of the Control page."""
        page = self.mode_page(0x0A)
        page[2] |= 4
        self.set_mode_page(page)


def assert_sense(result: Result, key: int, asc: int, information: int | None = None, *, filemark: bool = False,
                 ili: bool = False, eom: bool | None = None) -> None:
    """Of either format; information as a signed number."""
    sense = result.sense
    assert sense is not None, str(result)
    assert (sense.key, sense.asc, sense.filemark, sense.ili) == (key, asc, filemark, ili), str(result)
    if information is not None:
        mask = 0xFFFFFFFF if sense.response_code == 0x70 else (1 << 64) - 1
        assert sense.information == information & mask, str(result)
    if eom is not None:
        assert sense.eom == eom, str(result)
