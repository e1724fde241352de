# SPDX-License-Identifier: MIT
"""What the standards say of each command of a disk: whether it may change the medium (SBC-4), and who may send it while
another I_T nexus holds a persistent reservation (SPC-5 and SBC-4, commands allowed in the presence of various
reservations).  Rows of commands that the target doesn't have are here on purpose: tests take those that it reports, and
fail for one that has no row."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from iscsi import scsi
from iscsi.session import Session


class Rule(Enum):
    """Whom a persistent reservation of another nexus lets in."""

    ALWAYS = "everybody"
    READS = "everybody under write exclusive types; under exclusive access types those who have access"
    WRITES = "those who have access"
    OWN = "see the tests"  # PERSISTENT RESERVE OUT, RESERVE, RELEASE


@dataclass(frozen=True)
class Command:
    """A row.  cdb and data are valid, of one block at LBA 0 where there is one; harmless is a CDB that isn't carried
    out by those who may send it."""

    name: str
    opcode: int
    rule: Rule
    cdb: bytes
    action: int | None = None
    writes: bool = False
    data: Callable[[int], bytes] = field(default=lambda block: b"")
    read: int = 0
    harmless: bytes | None = None

    @property
    def key(self) -> tuple[int, int | None]:
        return self.opcode, self.action


def _block(block: int) -> bytes:
    return bytes(block)


def _cdb32(action: int, flags: int = 0) -> bytes:
    """LBA 0, one block, expected tags as they must be without protection information."""
    return struct.pack(">BB5xBHBxQIHHI", 0x7F, 0, 0x18, action, flags, 0, 0, 0, 0, 1)


def _in(opcode: int, action: int, length: int = 252) -> bytes:
    """MAINTENANCE IN and the like: the allocation length at byte 6."""
    return struct.pack(">BB4xI2x", opcode, action, length)


def _io(name: str, ops: dict[int, int], rule: Rule, writes: bool, data: Callable[[int], bytes] | None = None,
        read: int = 0) -> list[Command]:
    """The forms of a command with LBA and length: operation codes by the length of their CDBs."""
    rows = []
    for size, opcode in ops.items():
        cdb = {6: bytes([opcode, 0, 0, 0, 1, 0]), 10: struct.pack(">BBIBHB", opcode, 0, 0, 0, 1, 0),
               12: struct.pack(">BBIIBB", opcode, 0, 0, 1, 0, 0),
               16: struct.pack(">BBQIBB", opcode, 0, 0, 1, 0, 0)}[size]
        rows.append(Command(f"{name}({size})", opcode, rule, cdb, writes=writes, data=data or (lambda block: b""),
                            read=read))
    return rows


def _reads(name: str, ops: dict[int, int], read: int = 0) -> list[Command]:
    return _io(name, ops, Rule.READS, False, read=read)


def _writes(name: str, ops: dict[int, int], data: Callable[[int], bytes] = _block) -> list[Command]:
    return _io(name, ops, Rule.WRITES, True, data)


def _long(name: str, opcode: int, action: int, rule: Rule, length: int, data: Callable[[int], bytes] = lambda b: b"",
          writes: bool = False) -> Command:
    """MAINTENANCE OUT."""
    return Command(name, opcode, rule, struct.pack(">BB4xI2x", opcode, action, length), action, writes=writes,
                   data=data)


def _sanitize(name: str, action: int, length: int) -> Command:
    """Harmless with a parameter list length that it can't have (SBC-4, SANITIZE)."""
    overwrite = action == 1
    parameters = struct.pack(">BBH", 1, 0, 512) + bytes(512) if overwrite else b""
    return Command(f"SANITIZE, {name}", 0x48, Rule.WRITES, struct.pack(">BB5xHB", 0x48, action, length, 0), action,
                   writes=True, data=lambda block: parameters,
                   harmless=struct.pack(">BB5xHB", 0x48, action, 0 if overwrite else 4, 0))


_OUT = ("REGISTER", "RESERVE", "RELEASE", "CLEAR", "PREEMPT", "PREEMPT AND ABORT", "REGISTER AND IGNORE EXISTING KEY",
        "REGISTER AND MOVE", "REPLACE LOST RESERVATION")

COMMANDS = [
    # -- SPC-5, for everybody
    Command("TEST UNIT READY", 0x00, Rule.ALWAYS, scsi.test_unit_ready()),
    Command("REQUEST SENSE", 0x03, Rule.ALWAYS, scsi.request_sense(), read=252),
    Command("INQUIRY", 0x12, Rule.ALWAYS, scsi.inquiry(), read=255),
    Command("LOG SENSE", 0x4D, Rule.ALWAYS, struct.pack(">BBB4xHB", 0x4D, 0, 0x40, 252, 0), read=252),
    Command("REPORT LUNS", 0xA0, Rule.ALWAYS, scsi.report_luns(), read=4096),
    *[Command(f"PERSISTENT RESERVE IN, {n}", 0x5E, Rule.ALWAYS, scsi.persistent_in(n), n, read=1024) for n in range(4)],
    Command("REPORT IDENTIFYING INFORMATION", 0xA3, Rule.ALWAYS, _in(0xA3, 0x05), 0x05, read=252),
    Command("REPORT TARGET PORT GROUPS", 0xA3, Rule.ALWAYS, _in(0xA3, 0x0A), 0x0A, read=252),
    Command("REPORT ALIASES", 0xA3, Rule.ALWAYS, _in(0xA3, 0x0B), 0x0B, read=252),
    Command("REPORT PRIORITY", 0xA3, Rule.ALWAYS, _in(0xA3, 0x0E), 0x0E, read=252),
    Command("REPORT TIMESTAMP", 0xA3, Rule.ALWAYS, _in(0xA3, 0x0F), 0x0F, read=252),
    Command("READ MEDIA SERIAL NUMBER", 0xAB, Rule.ALWAYS, _in(0xAB, 0x01), 0x01, read=252),
    # -- SPC-5, reading
    Command("MODE SENSE(6)", 0x1A, Rule.READS, scsi.mode_sense6(0x3F), read=255),
    Command("MODE SENSE(10)", 0x5A, Rule.READS, scsi.mode_sense10(0x3F), read=1024),
    Command("RECEIVE DIAGNOSTIC RESULTS", 0x1C, Rule.READS, bytes([0x1C, 1, 0, 0, 252, 0]), read=252),
    Command("READ BUFFER(10)", 0x3C, Rule.READS, struct.pack(">BB4x3sB", 0x3C, 3, b"\0\0\4", 0), read=4),
    Command("READ BUFFER(16)", 0x9B, Rule.READS, struct.pack(">BB8xI2x", 0x9B, 3, 4), read=4),
    Command("REPORT SUPPORTED OPERATION CODES", 0xA3, Rule.READS, scsi.report_opcodes(), 0x0C, read=8192),
    Command("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", 0xA3, Rule.READS, _in(0xA3, 0x0D), 0x0D, read=252),
    Command("MANAGEMENT PROTOCOL IN", 0xA3, Rule.READS, _in(0xA3, 0x10), 0x10, read=252),
    Command("SECURITY PROTOCOL IN", 0xA2, Rule.READS, _in(0xA2, 0), read=252),
    # -- SPC-5, changing the unit
    Command("MODE SELECT(6)", 0x15, Rule.WRITES, scsi.mode_select6(4), data=lambda block: bytes(4)),
    Command("MODE SELECT(10)", 0x55, Rule.WRITES, struct.pack(">BB5xHB", 0x55, 0x10, 8, 0), data=lambda block: bytes(8)),
    Command("LOG SELECT", 0x4C, Rule.WRITES, struct.pack(">BBB4xHB", 0x4C, 0, 0x40, 0, 0)),
    Command("SEND DIAGNOSTIC", 0x1D, Rule.WRITES, bytes([0x1D, 4, 0, 0, 0, 0])),
    Command("WRITE BUFFER", 0x3B, Rule.WRITES, struct.pack(">BB4x3sB", 0x3B, 2, b"\0\0\4", 0), data=lambda b: bytes(4)),
    _long("SET IDENTIFYING INFORMATION", 0xA4, 0x06, Rule.WRITES, 4, lambda block: b"abcd"),
    _long("SET TARGET PORT GROUPS", 0xA4, 0x0A, Rule.WRITES, 0),
    _long("CHANGE ALIASES", 0xA4, 0x0B, Rule.WRITES, 0),
    _long("SET PRIORITY", 0xA4, 0x0E, Rule.WRITES, 0),
    _long("SET TIMESTAMP", 0xA4, 0x0F, Rule.WRITES, 12, lambda block: bytes(4) + b"\0\1\2\3\4\5" + bytes(2)),
    _long("MANAGEMENT PROTOCOL OUT", 0xA4, 0x10, Rule.WRITES, 0),
    Command("SECURITY PROTOCOL OUT", 0xB5, Rule.WRITES, _in(0xB5, 0, 0)),
    # -- reservations
    *[Command(f"PERSISTENT RESERVE OUT, {name}", 0x5F, Rule.OWN, scsi.persistent_out(n, 1), n,
              data=lambda block: scsi.persistent_parameters()) for n, name in enumerate(_OUT)],
    Command("RESERVE(6)", 0x16, Rule.OWN, bytes([0x16, 0, 0, 0, 0, 0])),
    Command("RELEASE(6)", 0x17, Rule.OWN, bytes([0x17, 0, 0, 0, 0, 0])),
    Command("RESERVE(10)", 0x56, Rule.OWN, bytes([0x56]) + bytes(9)),
    Command("RELEASE(10)", 0x57, Rule.OWN, bytes([0x57]) + bytes(9)),
    # -- SBC-4, for everybody
    Command("START STOP UNIT, START", 0x1B, Rule.ALWAYS, scsi.start_stop(True)),
    Command("PREVENT ALLOW MEDIUM REMOVAL, allow", 0x1E, Rule.ALWAYS, scsi.prevent_allow(False)),
    Command("READ CAPACITY(10)", 0x25, Rule.ALWAYS, scsi.read_capacity10(), read=8),
    Command("READ CAPACITY(16)", 0x9E, Rule.ALWAYS, scsi.read_capacity16(), 0x10, read=32),
    Command("REPORT REFERRALS", 0x9E, Rule.ALWAYS, struct.pack(">BB8xI2x", 0x9E, 0x13, 252), 0x13, read=252),
    # -- SBC-4, reading
    *_reads("READ", {6: 0x08, 10: 0x28, 12: 0xA8, 16: 0x88}, read=4096),
    *_reads("VERIFY", {10: 0x2F, 12: 0xAF, 16: 0x8F}),
    *_reads("PRE-FETCH", {10: 0x34, 16: 0x90}),
    Command("READ(32)", 0x7F, Rule.READS, _cdb32(0x09), 0x09, read=4096),
    Command("VERIFY(32)", 0x7F, Rule.READS, _cdb32(0x0A), 0x0A),
    Command("READ DEFECT DATA(10)", 0x37, Rule.READS, struct.pack(">BBB4xHB", 0x37, 0, 0x08, 252, 0), read=252),
    Command("READ DEFECT DATA(12)", 0xB7, Rule.READS, struct.pack(">BB4xI2x", 0xB7, 0x08, 252), read=252),
    Command("GET LBA STATUS(16)", 0x9E, Rule.READS, scsi.get_lba_status(0), 0x12, read=1024),
    Command("GET STREAM STATUS", 0x9E, Rule.READS, struct.pack(">BB8xI2x", 0x9E, 0x16, 252), 0x16, read=252),
    # -- SBC-4, changing the unit, not the medium's data
    *_io("SYNCHRONIZE CACHE", {10: 0x35, 16: 0x91}, Rule.WRITES, False),
    Command("BACKGROUND CONTROL", 0x9E, Rule.WRITES, bytes([0x9E, 0x15]) + bytes(14), 0x15),
    Command("STREAM CONTROL", 0x9E, Rule.WRITES, bytes([0x9E, 0x14]) + bytes(14), 0x14),
    # -- SBC-4, changing the medium
    *_writes("WRITE", {6: 0x0A, 10: 0x2A, 12: 0xAA, 16: 0x8A}),
    *_writes("WRITE AND VERIFY", {10: 0x2E, 12: 0xAE, 16: 0x8E}),
    *_writes("WRITE SAME", {10: 0x41, 16: 0x93}),
    *_writes("ORWRITE", {16: 0x8B}),
    Command("WRITE ATOMIC(16)", 0x9C, Rule.WRITES, struct.pack(">BBQHHBB", 0x9C, 0, 0, 0, 1, 0, 0), writes=True, data=_block),
    Command("COMPARE AND WRITE", 0x89, Rule.WRITES, scsi.compare_and_write(0, 1), writes=True,
            data=lambda block: bytes(2 * block)),
    Command("UNMAP", 0x42, Rule.WRITES, scsi.unmap(24), writes=True, data=lambda block: scsi.unmap_parameters([(0, 1)])),
    *[Command(name, 0x7F, Rule.WRITES, _cdb32(action), action, writes=True, data=_block)
      for name, action in (("WRITE(32)", 0x0B), ("WRITE AND VERIFY(32)", 0x0C), ("WRITE SAME(32)", 0x0D),
                           ("ORWRITE(32)", 0x0E), ("WRITE ATOMIC(32)", 0x0F))],
    Command("WRITE SCATTERED(16)", 0x9F, Rule.WRITES, struct.pack(">BB2xH4xHI2x", 0x9F, 0x12, 1, 1, 1), 0x12, writes=True,
            data=_block),
    Command("WRITE LONG(10)", 0x3F, Rule.WRITES, struct.pack(">BBIBHB", 0x3F, 0x40, 0, 0, 0, 0), writes=True),
    Command("WRITE LONG(16)", 0x9F, Rule.WRITES, struct.pack(">BBQ2xH2x", 0x9F, 0x51, 0, 0), 0x11, writes=True),
    Command("REASSIGN BLOCKS", 0x07, Rule.WRITES, bytes([0x07, 0, 0, 0, 0, 0]), writes=True,
            data=lambda block: struct.pack(">HHI", 0, 4, 0)),
    # harmless: a kind of protection information that the unit hasn't
    Command("FORMAT UNIT", 0x04, Rule.WRITES, bytes([0x04, 0, 0, 0, 0, 0]), writes=True,
            harmless=bytes([0x04, 0xC0, 0, 0, 0, 0])),
    _sanitize("OVERWRITE", 1, 516),
    _sanitize("BLOCK ERASE", 2, 0),
    _sanitize("CRYPTOGRAPHIC ERASE", 3, 0),
    _sanitize("EXIT FAILURE MODE", 0x1F, 0),
]

# What of a command another rule holds for, by SBC-4.
VARIANTS = [
    Command("START STOP UNIT, stop", 0x1B, Rule.WRITES, scsi.start_stop(False)),
    Command("PREVENT ALLOW MEDIUM REMOVAL, prevent", 0x1E, Rule.WRITES, scsi.prevent_allow(True)),
]

BY_KEY = {command.key: command for command in COMMANDS}


def reported(session: Session) -> list[tuple[int, int | None]]:
    """Operation codes and service actions that REPORT SUPPORTED OPERATION CODES lists."""
    result = session.execute(scsi.report_opcodes(length=65535), read=65535)
    assert result.good, str(result)
    found = []
    for at in range(4, 4 + struct.unpack_from(">I", result.data)[0], 8):
        opcode, action, flags = result.data[at], *struct.unpack_from(">HxB", result.data, at + 2)
        found.append((opcode, action if flags & 1 else None))
    return found


def commands(session: Session) -> list[Command]:
    """The rows of what the unit reports; one without a row is an error: nobody has looked it up."""
    keys = reported(session)
    missing = [f"{opcode:#04x}" + (f"/{action:#04x}" if action is not None else "") for opcode, action in keys
               if (opcode, action) not in BY_KEY]
    assert not missing, f"no row in harness/commands.py says what the standards say of {', '.join(missing)}"
    return [BY_KEY[key] for key in keys]
