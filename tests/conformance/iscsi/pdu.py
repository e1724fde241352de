# SPDX-License-Identifier: MIT
"""PDUs as bytes with named fields (RFC 7143 clause 11).

One class serves every opcode: a field is a place in the 48-byte basic header segment, so that a test
can put any value anywhere, also one that the standard forbids.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

from .crc32c import crc32c

BHS_LENGTH = 48
RESERVED_TAG = 0xFFFFFFFF

_FORMAT = {1: ">B", 2: ">H", 4: ">I", 8: ">Q"}


class Op(IntEnum):
    """Opcodes, clause 11.2.1.2."""

    NOP_OUT = 0x00
    SCSI_COMMAND = 0x01
    TASK_MANAGEMENT = 0x02
    LOGIN = 0x03
    TEXT = 0x04
    DATA_OUT = 0x05
    LOGOUT = 0x06
    SNACK = 0x10
    NOP_IN = 0x20
    SCSI_RESPONSE = 0x21
    TASK_MANAGEMENT_RESPONSE = 0x22
    LOGIN_RESPONSE = 0x23
    TEXT_RESPONSE = 0x24
    DATA_IN = 0x25
    LOGOUT_RESPONSE = 0x26
    R2T = 0x31
    ASYNC = 0x32
    REJECT = 0x3F


class RejectReason(IntEnum):
    """Clause 11.17.1."""

    DATA_DIGEST_ERROR = 0x02
    SNACK_REJECT = 0x03
    PROTOCOL_ERROR = 0x04
    COMMAND_NOT_SUPPORTED = 0x05
    IMMEDIATE_COMMAND_REJECT = 0x06
    TASK_IN_PROGRESS = 0x07
    INVALID_DATA_ACK = 0x08
    INVALID_PDU_FIELD = 0x09
    LONG_OPERATION_REJECT = 0x0A
    WAITING_FOR_LOGOUT = 0x0C


class TaskFunction(IntEnum):
    """Clause 11.5.1."""

    ABORT_TASK = 1
    ABORT_TASK_SET = 2
    CLEAR_ACA = 3
    CLEAR_TASK_SET = 4
    LOGICAL_UNIT_RESET = 5
    TARGET_WARM_RESET = 6
    TARGET_COLD_RESET = 7
    TASK_REASSIGN = 8
    QUERY_TASK = 9  # from here on RFC 7144, clause 6
    QUERY_TASK_SET = 10
    I_T_NEXUS_RESET = 11
    QUERY_ASYNCHRONOUS_EVENT = 12


class TaskResponse(IntEnum):
    """Clause 11.6.1."""

    COMPLETE = 0
    TASK_DOES_NOT_EXIST = 1
    LUN_DOES_NOT_EXIST = 2
    TASK_STILL_ALLEGIANT = 3
    REASSIGN_NOT_SUPPORTED = 4
    NOT_SUPPORTED = 5
    AUTHORIZATION_FAILED = 6
    SUCCEEDED = 7  # RFC 7144
    REJECTED = 255


class LoginStatus(IntEnum):
    """Status-Class and Status-Detail as one number, clause 11.13.5."""

    SUCCESS = 0x0000
    MOVED_TEMPORARILY = 0x0101
    MOVED_PERMANENTLY = 0x0102
    INITIATOR_ERROR = 0x0200
    AUTHENTICATION_FAILURE = 0x0201
    AUTHORIZATION_FAILURE = 0x0202
    NOT_FOUND = 0x0203
    TARGET_REMOVED = 0x0204
    UNSUPPORTED_VERSION = 0x0205
    TOO_MANY_CONNECTIONS = 0x0206
    MISSING_PARAMETER = 0x0207
    CANT_INCLUDE_IN_SESSION = 0x0208
    SESSION_TYPE_NOT_SUPPORTED = 0x0209
    SESSION_DOES_NOT_EXIST = 0x020A
    INVALID_DURING_LOGIN = 0x020B
    TARGET_ERROR = 0x0300
    SERVICE_UNAVAILABLE = 0x0301
    OUT_OF_RESOURCES = 0x0302


class Stage(IntEnum):
    """CSG and NSG, clause 11.12.3."""

    SECURITY = 0
    OPERATIONAL = 1
    FULL_FEATURE = 3


class _Field:
    """A big-endian number at a fixed place in the header."""

    def __init__(self, offset: int, size: int) -> None:
        self.offset = offset
        self.format = _FORMAT[size]

    def __get__(self, pdu: "Pdu | None", owner: type) -> Any:
        if pdu is None:
            return self
        return struct.unpack_from(self.format, pdu.bhs, self.offset)[0]

    def __set__(self, pdu: "Pdu", value: int) -> None:
        struct.pack_into(self.format, pdu.bhs, self.offset, value)


class Pdu:
    """A PDU: header, additional header segments, data segment, and what shall be wrong on the wire."""

    flags = _Field(1, 1)
    version_max = _Field(2, 1)
    version_active = _Field(3, 1)
    response = _Field(2, 1)
    reason = _Field(2, 1)
    status = _Field(3, 1)
    ahs_words = _Field(4, 1)
    lun = _Field(8, 8)
    tsih = _Field(14, 2)
    itt = _Field(16, 4)
    ttt = _Field(20, 4)
    edtl = _Field(20, 4)
    rtt = _Field(20, 4)
    cid = _Field(20, 2)
    cmdsn = _Field(24, 4)
    statsn = _Field(24, 4)
    expstatsn = _Field(28, 4)
    expcmdsn = _Field(28, 4)
    maxcmdsn = _Field(32, 4)
    refcmdsn = _Field(32, 4)
    datasn = _Field(36, 4)
    r2tsn = _Field(36, 4)
    expdatasn = _Field(36, 4)
    login_status = _Field(36, 2)
    async_event = _Field(36, 1)
    buffer_offset = _Field(40, 4)
    time2wait = _Field(40, 2)
    time2retain = _Field(42, 2)
    residual = _Field(44, 4)
    desired_length = _Field(44, 4)

    def __init__(self, opcode: int = 0, data: bytes = b"", *, immediate: bool = False, ahs: bytes = b"",
                 **fields: int) -> None:
        self.bhs = bytearray(BHS_LENGTH)
        self.bhs[0] = (opcode & 0x3F) | (0x40 if immediate else 0)
        self.ahs = ahs
        self.data = data
        self.claimed_length: int | None = None  # DataSegmentLength when it shall not be len(data)
        self.claimed_ahs_words: int | None = None
        self.spoil_header_digest = False
        self.spoil_data_digest = False
        for name, value in fields.items():
            if not isinstance(getattr(type(self), name, None), (_Field, property)):
                raise AttributeError(f"a PDU has no field {name}")
            setattr(self, name, value)

    @property
    def opcode(self) -> int:
        return self.bhs[0] & 0x3F

    @property
    def immediate(self) -> bool:
        return bool(self.bhs[0] & 0x40)

    @property
    def final(self) -> bool:
        return bool(self.flags & 0x80)

    @property
    def isid(self) -> bytes:
        return bytes(self.bhs[8:14])

    @isid.setter
    def isid(self, value: bytes) -> None:
        self.bhs[8:14] = value

    @property
    def cdb(self) -> bytes:
        return bytes(self.bhs[32:48])

    @cdb.setter
    def cdb(self, value: bytes) -> None:
        self.bhs[32:48] = value[:16].ljust(16, b"\0")

    @property
    def data_length(self) -> int:
        """DataSegmentLength as the header states it."""
        return int.from_bytes(self.bhs[5:8], "big")

    @property
    def additional_response(self) -> bytes:
        """The additional response information of a task management function (RFC 7144)."""
        return bytes(self.bhs[8:11])

    def to_bytes(self, header_digest: bool = False, data_digest: bool = False) -> bytes:
        """The wire form, padded, with the digests that the connection uses."""
        length = len(self.data) if self.claimed_length is None else self.claimed_length
        self.bhs[5:8] = (length & 0xFFFFFF).to_bytes(3, "big")
        words = (len(self.ahs) + 3) // 4
        self.ahs_words = words if self.claimed_ahs_words is None else self.claimed_ahs_words
        head = bytes(self.bhs) + self.ahs.ljust(words * 4, b"\0")
        out = head
        if header_digest:
            out += _digest(head, self.spoil_header_digest)
        if self.data:
            padded = self.data.ljust((len(self.data) + 3) // 4 * 4, b"\0")
            out += padded
            if data_digest:
                out += _digest(padded, self.spoil_data_digest)
        return out

    def __repr__(self) -> str:
        try:
            name = Op(self.opcode).name
        except ValueError:
            name = f"opcode {self.opcode:#04x}"
        return f"<{name} flags={self.flags:#04x} itt={self.itt:#x} bhs={self.bhs.hex()} data={len(self.data)}>"


def _digest(data: bytes, spoil: bool) -> bytes:
    return ((crc32c(data) ^ (0x5A5A5A5A if spoil else 0)) & 0xFFFFFFFF).to_bytes(4, "little")


def lun_field(lun: int) -> int:
    """A LUN as the 8-byte field: peripheral addressing below 256, flat space above (SAM-5 4.7)."""
    if lun < 256:
        return lun << 48
    return (0x4000 | lun) << 48


def ahs_extended_cdb(cdb_tail: bytes) -> bytes:
    """An Extended CDB AHS (clause 11.2.2.3): what of a CDB lies beyond its first 16 bytes."""
    return (len(cdb_tail) + 1).to_bytes(2, "big") + b"\x01\x00" + cdb_tail


def ahs_read_length(length: int) -> bytes:
    """A Bidirectional Read Expected Data Transfer Length AHS (clause 11.2.2.4)."""
    return b"\x00\x05\x02\x00" + length.to_bytes(4, "big")
