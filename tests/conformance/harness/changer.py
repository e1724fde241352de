# SPDX-License-Identifier: MIT
"""A tape library made by management, and its commands in one session (SMC-3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from iscsi.session import Session
from iscsi.task import Result

from .daemon import Daemon
from .units import Unit

TRANSPORT, STORAGE, MAIL, DRIVE = range(1, 5)
ROBOT, MAIL_SLOT, FIRST_DRIVE, FIRST_SLOT = 1, 0x10, 0x100, 0x400
DRIVES, SLOTS = 2, 4
DRIVE_LUNS, CHANGER_LUN = (1, 2), 3


@dataclass(frozen=True)
class Element:
    """One element status descriptor."""

    kind: int
    address: int
    full: bool
    tag: str
    source: int | None
    flags: int
    identifier: str


@dataclass
class Library:
    """A target with two drives and a changer; cartridges are files in media."""

    daemon: Daemon
    tid: int
    name: str
    media: Path
    barcodes: list[str] = field(default_factory=list)

    @property
    def changer(self) -> Unit:
        return Unit(self.daemon.host, self.daemon.port, self.name, CHANGER_LUN, tid=self.tid)

    def drive(self, number: int) -> Unit:
        return Unit(self.daemon.host, self.daemon.port, self.name, DRIVE_LUNS[number], tid=self.tid)

    def lun(self, op: str, lun: int, *arguments: str) -> None:
        self.daemon.do("--op", op, "--mode", "logicalunit", "--tid", str(self.tid), "--lun", str(lun), *arguments)

    def set(self, params: str) -> None:
        self.lun("update", CHANGER_LUN, "--params", params)

    def refused(self, params: str) -> str:
        """Parameters that are refused, with this text."""
        done = self.daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(self.tid), "--lun",
                               str(CHANGER_LUN), "--params", params)
        assert done.returncode == 22, f"{params}: {done}"
        return done.stderr

    def make(self) -> None:
        """The target, the units and all elements; what is in them the daemon may know."""
        self.daemon.do("--op", "new", "--mode", "target", "--tid", str(self.tid), "--targetname", self.name)
        self.daemon.do("--op", "bind", "--mode", "target", "--tid", str(self.tid), "--initiator-address", "ALL")
        self.make_units()

    def make_units(self) -> None:
        """In a target that is there."""
        for lun in DRIVE_LUNS:
            self.lun("new", lun, "--backing-store", "NONE", "--device-type", "tape")
        self.make_changer()

    def make_changer(self) -> None:
        self.lun("new", CHANGER_LUN, "--backing-store", "/dev/null", "--device-type", "changer")
        self.set(f"media_home={self.media}")
        for kind, start, quantity in ((TRANSPORT, ROBOT, 1), (MAIL, MAIL_SLOT, 1), (DRIVE, FIRST_DRIVE, DRIVES),
                                      (STORAGE, FIRST_SLOT, SLOTS)):
            self.set(f"element_type={kind},start_address={start},quantity={quantity}")
        for number, lun in enumerate(DRIVE_LUNS):
            self.set(f"element_type=4,address={FIRST_DRIVE + number},tid={self.tid},lun={lun}")
        for number, barcode in enumerate(self.barcodes):
            self.put(FIRST_SLOT + number, barcode)

    def put(self, address: int, barcode: str, kind: int = STORAGE) -> None:
        self.set(f"element_type={kind},address={address},barcode={barcode}")

    def cartridge(self, barcode: str) -> None:
        """Its file: an empty one becomes a tape when a drive takes it."""
        (self.media / barcode).touch()


class Changer:
    """The commands."""

    def __init__(self, session: Session, lun: int = CHANGER_LUN) -> None:
        self.session = session
        self.lun = lun

    def run(self, cdb: bytes, **arguments: object) -> Result:
        return self.session.execute(cdb, lun=self.lun, **arguments)

    def move(self, source: int, destination: int, robot: int = 0) -> Result:
        return self.run(struct.pack(">BBHHH4x", 0xA5, 0, robot, source, destination))

    def door(self, address: int, action: int) -> Result:
        """OPEN/CLOSE IMPORT/EXPORT ELEMENT: 0 opens, 1 closes."""
        return self.run(struct.pack(">BBHBB", 0x1B, 0, address, action, 0))

    def exchange(self, source: int, first: int, second: int) -> Result:
        return self.run(struct.pack(">BBHHHHBB", 0xA6, 0, 0, source, first, second, 0, 0))

    def status_cdb(self, kind: int = 0, start: int = 0, number: int = 0xFFFF, tags: bool = True,
                   identifiers: bool = False, allocation: int = 65536) -> bytes:
        return struct.pack(">BBHHB3sBB", 0xB8, kind | tags << 4, start, number, identifiers,
                           allocation.to_bytes(3, "big"), 0, 0)

    def status(self, kind: int = 0, start: int = 0, number: int = 0xFFFF, tags: bool = True,
               identifiers: bool = False) -> list[Element]:
        result = self.run(self.status_cdb(kind, start, number, tags, identifiers), read=65536)
        assert result.good, str(result)
        return parse(result.data)

    def contents(self) -> dict[int, str]:
        return {element.address: element.tag for element in self.status() if element.full}


def parse(data: bytes) -> list[Element]:
    """Element status data, byte for byte as SMC-3 has it."""
    first, number, count = struct.unpack_from(">HHxxH", data)[0], struct.unpack_from(">H", data, 2)[0], int.from_bytes(
        data[5:8], "big")
    assert len(data) == 8 + count
    found: list[Element] = []
    at = 8
    while at < len(data):
        kind, flags, length, total = data[at], data[at + 1], *struct.unpack_from(">H", data, at + 2), int.from_bytes(
            data[at + 5:at + 8], "big")
        at += 8
        assert total and total % length == 0 and at + total <= len(data)
        for _ in range(total // length):
            found.append(parse_descriptor(kind, bool(flags & 0x80), data[at:at + length]))
            at += length
    assert len(found) == number and (not found or found[0].address == first)
    return found


def parse_descriptor(kind: int, tags: bool, data: bytes) -> Element:
    rest = data[48:] if tags else data[12:]
    assert not any(data[3:9])
    if rest[3]:
        assert rest[0] == 2 and rest[1] == 1, "ASCII, T10 vendor ID"
    return Element(kind, int.from_bytes(data[:2], "big"), bool(data[2] & 1),
                   data[12:44].decode().rstrip("\0 ") if tags else "",
                   int.from_bytes(data[10:12], "big") if data[9] & 0x80 else None, data[2],
                   rest[4:4 + rest[3]].decode())
