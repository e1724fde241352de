# SPDX-License-Identifier: MIT
"""What SSC-5 says of each command of a tape drive, as commands.py does of a disk's: whether it may change the medium,
and who may send it while another I_T nexus holds a persistent reservation.  Whoever moves the tape moves it for all: but
for what tells of the drive alone, all of them conflict under any type (SSC-5, commands allowed in the presence of various
reservations)."""

from __future__ import annotations

import struct

from iscsi import scsi
from iscsi.session import Session

from .commands import BY_KEY, Command, Rule, reported
from .tape import BYTORD, place_cdb

BLOCK = 4  # bytes of each block on the tape that these are for


def _short(opcode: int, flags: int = 0, count: int = 0) -> bytes:
    return bytes([opcode, flags]) + count.to_bytes(3, "big") + b"\0"


def _place(opcode: int, flags: int = 0, count: int = 0) -> bytes:
    """At the second block."""
    return place_cdb(opcode, flags, (0, 1), count)


def _moves(name: str, opcode: int, cdb: bytes, action: int | None = None, read: int = 0) -> Command:
    return Command(name, opcode, Rule.WRITES, cdb, action, read=read)


def _writes(name: str, opcode: int, cdb: bytes, data: bytes = b"", harmless: bytes | None = None) -> Command:
    return Command(name, opcode, Rule.WRITES, cdb, writes=True, data=lambda block: data, harmless=harmless)


COMMANDS = [
    # -- about the drive
    Command("READ BLOCK LIMITS", 0x05, Rule.ALWAYS, _short(0x05), read=6),
    Command("REPORT DENSITY SUPPORT", 0x44, Rule.ALWAYS, struct.pack(">BB5xHx", 0x44, 0, 1024), read=1024),
    # -- moving
    _moves("REWIND", 0x01, _short(0x01)),
    _moves("READ(6)", 0x08, _short(0x08, 0, BLOCK), read=BLOCK),
    _moves("READ(16)", 0x88, _place(0x88, 0, BLOCK), read=BLOCK),
    _moves("READ REVERSE(6)", 0x0F, _short(0x0F, BYTORD, BLOCK), read=BLOCK),
    _moves("READ REVERSE(16)", 0x81, _place(0x81, BYTORD, BLOCK), read=BLOCK),
    _moves("VERIFY(6)", 0x13, _short(0x13, 0, BLOCK)),
    _moves("VERIFY(16)", 0x8F, _place(0x8F, 0, BLOCK)),
    _moves("SPACE(6)", 0x11, _short(0x11, 0, 1)),
    _moves("SPACE(16)", 0x91, struct.pack(">BBxxq4x", 0x91, 0, 1)),
    _moves("LOCATE(10)", 0x2B, struct.pack(">BBxI3x", 0x2B, 0, 1)),
    _moves("LOCATE(16)", 0x92, struct.pack(">BBxxQ4x", 0x92, 0, 1)),
    *[_moves(f"READ POSITION, {form:#04x}", 0x34, struct.pack(">BB5xHx", 0x34, form, 32 if form == 8 else 0), form, 32)
      for form in (0x00, 0x01, 0x06, 0x08)],
    _moves("LOAD UNLOAD, load", 0x1B, _short(0x1B, 0, 1)),
    _moves("ALLOW OVERWRITE", 0x82, struct.pack(">BBBBQ4x", 0x82, 0, 0, 0, 0)),
    # -- changing the medium
    _writes("WRITE(6)", 0x0A, _short(0x0A, 0, BLOCK), bytes(BLOCK)),
    _writes("WRITE(16)", 0x8A, _place(0x8A, 0, BLOCK), bytes(BLOCK)),
    _writes("WRITE FILEMARKS(6)", 0x10, _short(0x10, 0, 1)),
    _writes("WRITE FILEMARKS(16)", 0x80, _place(0x80, 0, 1)),
    _writes("ERASE(6)", 0x19, _short(0x19)),
    _writes("ERASE(16)", 0x93, _place(0x93)),
    # harmless: a format that there isn't, a reserved bit
    _writes("FORMAT MEDIUM", 0x04, _short(0x04), harmless=bytes([0x04, 0, 0x0F, 0, 0, 0])),
    _writes("SET CAPACITY", 0x0B, struct.pack(">BBxHx", 0x0B, 0, 0xFFFF), harmless=bytes([0x0B, 0, 0xFF, 0, 0, 0])),
    # -- encryption: Set Data Encryption, for this nexus alone, of none (harmless: no such protocol)
    Command("SECURITY PROTOCOL OUT", 0xB5, Rule.WRITES, struct.pack(">BBHxxIxx", 0xB5, 0x20, 0x10, 20),
            data=lambda block: struct.pack(">HHB15x", 0x10, 16, 0x20),
            harmless=struct.pack(">BBHxxIxx", 0xB5, 0xEE, 0, 0)),
    # -- SPC-5, the memory of the cartridge
    *[Command(f"READ ATTRIBUTE, {action:#04x}", 0x8C, Rule.READS, struct.pack(">BB8xI2x", 0x8C, action, 1024), action,
              read=1024) for action in range(6)],
    Command("WRITE ATTRIBUTE", 0x8D, Rule.WRITES, struct.pack(">BB8xI2x", 0x8D, 0, 4), writes=True,
            data=lambda block: bytes(4)),
]

_BY_KEY = {**BY_KEY, **{command.key: command for command in COMMANDS}}


def tape_commands(session: Session) -> list[Command]:
    """The rows of what the drive reports; one without a row is an error: nobody has looked it up."""
    keys = reported(session)
    missing = [key for key in keys if key not in _BY_KEY]
    assert not missing, f"no row in harness/tape_commands.py says what the standards say of {missing}"
    return [_BY_KEY[key] for key in keys]


def make_ready(session: Session) -> None:
    """Loaded, in front of the third block."""
    for cdb in (_short(0x1B, 0, 1), _short(0x1E), _short(0x01), _short(0x11, 0, 2)):
        session.clear_attentions()
        session.execute(cdb)


def record(session: Session) -> None:
    """Some blocks to read."""
    for n in range(6):
        assert session.execute(_short(0x0A, 0, BLOCK), data_out=bytes([n]) * BLOCK).good
    assert session.execute(scsi.test_unit_ready()).good
