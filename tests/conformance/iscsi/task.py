# SPDX-License-Identifier: MIT
"""One SCSI command in flight: its data, and the rules that Data-In, R2T and response PDUs must keep."""

from __future__ import annotations

from dataclasses import dataclass, field

from .connection import ProtocolViolation
from .keys import Negotiated
from .pdu import RESERVED_TAG, Op, Pdu
from .scsi import Sense, Status, parse_sense


@dataclass
class Result:
    """How a command ended."""

    status: int
    response: int = 0
    data: bytes = b""
    sense_bytes: bytes = b""
    overflow: int = 0
    underflow: int = 0
    pdus: list[Pdu] = field(default_factory=list)

    @property
    def sense(self) -> Sense | None:
        return parse_sense(self.sense_bytes)

    @property
    def good(self) -> bool:
        return self.status == Status.GOOD and self.response == 0

    def __str__(self) -> str:
        try:
            name = Status(self.status).name
        except ValueError:
            name = f"status {self.status:#x}"
        return f"{name} {self.sense or ''}".strip()


class Task:
    """Collects a command's PDUs until its status has come."""

    def __init__(self, itt: int, lun: int, data_out: bytes, expected: int, params: Negotiated) -> None:
        self.itt = itt
        self.lun = lun
        self.data_out = data_out
        self.expected = expected
        self.params = params
        self.sent = 0  # bytes of data_out sent or asked for, from the start
        self.received = bytearray()
        self.datasn = 0
        self.r2tsn = 0
        self.burst = 0
        self.pdus: list[Pdu] = []
        self.result: Result | None = None

    def feed(self, pdu: Pdu) -> None:
        """Takes in a PDU of this task other than R2T."""
        self.pdus.append(pdu)
        if self.result is not None:
            raise ProtocolViolation(f"a PDU after the task's end: {pdu!r}")
        if pdu.opcode == Op.DATA_IN:
            self._data_in(pdu)
        elif pdu.opcode == Op.SCSI_RESPONSE:
            self._response(pdu)
        else:
            raise ProtocolViolation(f"not a PDU of a SCSI task: {pdu!r}")

    def _data_in(self, pdu: Pdu) -> None:
        if pdu.datasn != self.datasn:
            raise ProtocolViolation(f"DataSN {pdu.datasn}, expected {self.datasn} (11.7.5)")
        if pdu.buffer_offset != len(self.received):
            raise ProtocolViolation(f"buffer offset {pdu.buffer_offset} after {len(self.received)} bytes")
        self.datasn += 1
        self.received += pdu.data
        if len(self.received) > self.expected:
            raise ProtocolViolation(f"{len(self.received)} bytes for an expected length of {self.expected}")
        self.burst += len(pdu.data)
        if self.burst > self.params.number("MaxBurstLength"):
            raise ProtocolViolation(f"a Data-In sequence of {self.burst} bytes exceeds MaxBurstLength")
        if pdu.final:
            self.burst = 0
        if pdu.flags & 0x01:
            if not pdu.final:
                raise ProtocolViolation("Data-In with S but without F (11.7.3)")
            self.result = Result(pdu.status, 0, bytes(self.received), b"", *_residual(pdu, self), self.pdus)

    def _response(self, pdu: Pdu) -> None:
        if not pdu.final:
            raise ProtocolViolation("SCSI Response without F (11.4.1)")
        sense = b""
        if pdu.response == 0 and self.burst:
            raise ProtocolViolation("a Data-In sequence ended without F (11.7.1)")
        counted = self.datasn + self.r2tsn if self.datasn and pdu.response == 0 else 0
        if pdu.expdatasn != counted:
            raise ProtocolViolation(f"ExpDataSN {pdu.expdatasn}, not {counted} (11.4.8)")
        if pdu.data:
            length = int.from_bytes(pdu.data[:2], "big")
            sense = pdu.data[2:2 + length]
            if len(sense) != length:
                raise ProtocolViolation(f"SenseLength {length} in {len(pdu.data)} bytes (11.4.7)")
        self.result = Result(pdu.status, pdu.response, bytes(self.received), sense, *_residual(pdu, self),
                             self.pdus)

    def check_r2t(self, pdu: Pdu) -> None:
        """What an R2T must keep (clause 11.8)."""
        self.pdus.append(pdu)
        if pdu.r2tsn != self.r2tsn:
            raise ProtocolViolation(f"R2TSN {pdu.r2tsn}, expected {self.r2tsn}")
        self.r2tsn += 1
        if pdu.ttt == RESERVED_TAG:
            raise ProtocolViolation("R2T with the reserved Target Transfer Tag (11.8.5)")
        if pdu.data:
            raise ProtocolViolation("R2T with a data segment")
        if not 0 < pdu.desired_length <= self.params.number("MaxBurstLength"):
            raise ProtocolViolation(f"R2T for {pdu.desired_length} bytes (11.8.4)")
        if pdu.buffer_offset != self.sent:
            raise ProtocolViolation(f"R2T at {pdu.buffer_offset} after {self.sent} bytes (DataSequenceInOrder)")
        self.sent += pdu.desired_length
        if self.sent > self.expected:
            raise ProtocolViolation(f"R2T beyond the expected length {self.expected}")


def _residual(pdu: Pdu, task: Task) -> tuple[int, int]:
    overflow, underflow = bool(pdu.flags & 0x04), bool(pdu.flags & 0x02)
    if overflow and underflow:
        raise ProtocolViolation("O and U both set (11.4.1)")
    if underflow and pdu.residual > task.expected:
        raise ProtocolViolation(f"residual {pdu.residual} exceeds the expected length {task.expected}")
    return (pdu.residual if overflow else 0), (pdu.residual if underflow else 0)
