# SPDX-License-Identifier: MIT
"""CDB builders (SPC-5, SBC-4) and the sense parser (SPC-5 clause 4.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """SAM-5 clause 5.3.1."""

    GOOD = 0x00
    CHECK_CONDITION = 0x02
    CONDITION_MET = 0x04
    BUSY = 0x08
    RESERVATION_CONFLICT = 0x18
    TASK_SET_FULL = 0x28
    ACA_ACTIVE = 0x30
    TASK_ABORTED = 0x40


class Key(IntEnum):
    """Sense keys, SPC-5 table 48."""

    NO_SENSE = 0x0
    RECOVERED_ERROR = 0x1
    NOT_READY = 0x2
    MEDIUM_ERROR = 0x3
    HARDWARE_ERROR = 0x4
    ILLEGAL_REQUEST = 0x5
    UNIT_ATTENTION = 0x6
    DATA_PROTECT = 0x7
    BLANK_CHECK = 0x8
    COPY_ABORTED = 0xA
    ABORTED_COMMAND = 0xB
    VOLUME_OVERFLOW = 0xD
    MISCOMPARE = 0xE


# Additional sense codes, ASC << 8 | ASCQ
INVALID_OPCODE = 0x2000
LBA_OUT_OF_RANGE = 0x2100
INVALID_FIELD_IN_CDB = 0x2400
LUN_NOT_SUPPORTED = 0x2500
INVALID_FIELD_IN_PARAMETERS = 0x2600
WRITE_PROTECTED = 0x2700
MISCOMPARE = 0x1D00
PARAMETER_LIST_LENGTH = 0x1A00


@dataclass(frozen=True)
class Sense:
    """Parsed sense data, of either format."""

    key: int
    asc: int  # ASC << 8 | ASCQ
    response_code: int
    information: int | None = None
    field_pointer: int | None = None
    field_in_cdb: bool | None = None
    filemark: bool = False
    eom: bool = False
    ili: bool = False

    def __str__(self) -> str:
        return f"{self.key:x}/{self.asc >> 8:02x}/{self.asc & 255:02x}"


def parse_sense(data: bytes) -> Sense | None:
    """None for no sense data; ValueError for what isn't sense data."""
    if not data:
        return None
    code = data[0] & 0x7F
    if code in (0x70, 0x71):
        return _fixed(data, code)
    if code in (0x72, 0x73):
        return _descriptor(data, code)
    raise ValueError(f"sense response code {code:#x}")


def _pointer(sks: bytes) -> tuple[int | None, bool | None]:
    if len(sks) < 3 or not sks[0] & 0x80:
        return None, None
    return int.from_bytes(sks[1:3], "big"), bool(sks[0] & 0x40)


def _fixed(data: bytes, code: int) -> Sense:
    if len(data) < 8 or len(data) < 8 + data[7]:
        raise ValueError(f"sense data shorter than they say: {data.hex()}")
    full = data.ljust(18, b"\0")
    key = full[2] & 0xF
    pointer, in_cdb = _pointer(full[15:18]) if key == Key.ILLEGAL_REQUEST else (None, None)
    information = int.from_bytes(full[3:7], "big") if full[0] & 0x80 else None
    return Sense(key, full[12] << 8 | full[13], code, information, pointer, in_cdb, bool(full[2] & 0x80),
                 bool(full[2] & 0x40), bool(full[2] & 0x20))


def _descriptor(data: bytes, code: int) -> Sense:
    if len(data) < 8 or len(data) < 8 + data[7]:
        raise ValueError(f"sense data shorter than they say: {data.hex()}")
    key, asc = data[1] & 0xF, data[2] << 8 | data[3]
    information: int | None = None
    pointer: int | None = None
    in_cdb: bool | None = None
    filemark = eom = ili = False
    at = 8
    while at + 2 <= 8 + data[7]:
        kind, body = data[at], data[at + 2:at + 2 + data[at + 1]]
        if kind == 0 and len(body) >= 10:
            information = int.from_bytes(body[2:10], "big")
        elif kind == 2 and key == Key.ILLEGAL_REQUEST:
            pointer, in_cdb = _pointer(body[2:5])
        elif kind == 4 and len(body) >= 2:
            filemark, eom, ili = bool(body[1] & 0x80), bool(body[1] & 0x40), bool(body[1] & 0x20)
        at += 2 + data[at + 1]
    return Sense(key, asc, code, information, pointer, in_cdb, filemark, eom, ili)


def test_unit_ready() -> bytes:
    return bytes(6)


test_unit_ready.__test__ = False  # type: ignore[attr-defined]  # a builder, whatever its name suggests


def request_sense(length: int = 252, desc: bool = False) -> bytes:
    return bytes([0x03, int(desc), 0, 0, length, 0])


def inquiry(page: int | None = None, length: int = 255) -> bytes:
    return struct.pack(">BBBHB", 0x12, int(page is not None), page or 0, length, 0)


def mode_sense6(page: int, subpage: int = 0, control: int = 0, dbd: bool = False, length: int = 255) -> bytes:
    return bytes([0x1A, 8 if dbd else 0, control << 6 | page, subpage, length, 0])


def mode_sense10(page: int, subpage: int = 0, control: int = 0, dbd: bool = False, length: int = 1024) -> bytes:
    return struct.pack(">BBBB3xHB", 0x5A, 8 if dbd else 0, control << 6 | page, subpage, length, 0)


def mode_select6(length: int, save: bool = False, revert: bool = False) -> bytes:
    return bytes([0x15, 0x10 | (2 if revert else 0) | int(save), 0, 0, length, 0])


def log_sense(page: int, subpage: int = 0, control: int = 1, pointer: int = 0, length: int = 8192) -> bytes:
    return struct.pack(">BBBBxHHB", 0x4D, 0, control << 6 | page, subpage, pointer, length, 0)


def log_select(length: int = 0, page: int = 0, subpage: int = 0, control: int = 1, pcr: bool = False) -> bytes:
    return struct.pack(">BBBB3xHB", 0x4C, 2 if pcr else 0, control << 6 | page, subpage, length, 0)


def read_capacity10() -> bytes:
    return bytes([0x25]) + bytes(9)


def read_capacity16(length: int = 32) -> bytes:
    return struct.pack(">BBQIBB", 0x9E, 0x10, 0, length, 0, 0)


def read10(lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBIBHB", 0x28, flags, lba, 0, blocks, 0)


def write10(lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBIBHB", 0x2A, flags, lba, 0, blocks, 0)


def read16(lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQIBB", 0x88, flags, lba, blocks, 0, 0)


def write16(lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQIBB", 0x8A, flags, lba, blocks, 0, 0)


FUA = 0x08
DPO = 0x10


def synchronize_cache10(lba: int = 0, blocks: int = 0, immed: bool = False) -> bytes:
    return struct.pack(">BBIBHB", 0x35, 2 if immed else 0, lba, 0, blocks, 0)


def synchronize_cache16(lba: int = 0, blocks: int = 0, immed: bool = False) -> bytes:
    return struct.pack(">BBQIBB", 0x91, 2 if immed else 0, lba, blocks, 0, 0)


def verify10(lba: int, blocks: int, bytchk: int = 0) -> bytes:
    return struct.pack(">BBIBHB", 0x2F, bytchk << 1, lba, 0, blocks, 0)


def write_verify10(lba: int, blocks: int, bytchk: int = 0) -> bytes:
    return struct.pack(">BBIBHB", 0x2E, bytchk << 1, lba, 0, blocks, 0)


def write_same16(lba: int, blocks: int, unmap: bool = False, ndob: bool = False) -> bytes:
    return struct.pack(">BBQIBB", 0x93, (8 if unmap else 0) | int(ndob), lba, blocks, 0, 0)


def report_target_port_groups(length: int = 1024) -> bytes:
    return struct.pack(">BB4xI2x", 0xA3, 0x0A, length)


def unmap(length: int) -> bytes:
    return struct.pack(">BB5xHB", 0x42, 0, length, 0)


def unmap_parameters(ranges: list[tuple[int, int]]) -> bytes:
    body = b"".join(struct.pack(">QI4x", lba, blocks) for lba, blocks in ranges)
    return struct.pack(">HH4x", 6 + len(body), len(body)) + body


def get_lba_status(lba: int, length: int = 1024) -> bytes:
    return struct.pack(">BBQIBB", 0x9E, 0x12, lba, length, 0, 0)


def compare_and_write(lba: int, blocks: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQ3xBBB", 0x89, flags, lba, blocks, 0, 0)


def orwrite16(lba: int, blocks: int) -> bytes:
    return struct.pack(">BBQIBB", 0x8B, 0, lba, blocks, 0, 0)


def report_luns(length: int = 4096, select: int = 0) -> bytes:
    return struct.pack(">BxB3xIBB", 0xA0, select, length, 0, 0)


def report_opcodes(options: int = 0, opcode: int = 0, service_action: int = 0, rctd: bool = False,
                   length: int = 8192) -> bytes:
    return struct.pack(">BBBBHIBB", 0xA3, 0x0C, (0x80 if rctd else 0) | options, opcode, service_action, length,
                       0, 0)


def persistent_in(action: int, length: int = 1024) -> bytes:
    return struct.pack(">BB5xHB", 0x5E, action, length, 0)


def persistent_out(action: int, kind: int = 0, length: int = 24) -> bytes:
    return struct.pack(">BBB2xIB", 0x5F, action, kind, length, 0)


def persistent_parameters(key: int = 0, service_key: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">QQ4xB3x", key, service_key, flags)


def start_stop(start: bool, loej: bool = False) -> bytes:
    return bytes([0x1B, 0, 0, 0, (2 if loej else 0) | int(start), 0])


def prevent_allow(prevent: bool) -> bytes:
    return bytes([0x1E, 0, 0, 0, int(prevent), 0])


def designators(data: bytes) -> list[tuple[int, int, bytes]]:
    """Association, type and content of each in a Device Identification page without its header (SPC-5 7.7.6)."""
    out = []
    while data:
        out.append((data[1] >> 4 & 3, data[1] & 15, data[4:4 + data[3]]))
        data = data[4 + data[3]:]
    return out
