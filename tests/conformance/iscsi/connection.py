# SPDX-License-Identifier: MIT
"""One TCP connection that carries PDUs, and checks what every PDU from a target must keep."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from .crc32c import crc32c
from .pdu import BHS_LENGTH, RESERVED_TAG, Op, Pdu

DEFAULT_TIMEOUT = 10.0


class ProtocolViolation(AssertionError):
    """The target did what the standard forbids."""


class Closed(ConnectionError):
    """The target closed the connection."""


class NoAnswer(TimeoutError):
    """Nothing came in time."""


TARGET_OPCODES = frozenset({
    Op.NOP_IN, Op.SCSI_RESPONSE, Op.TASK_MANAGEMENT_RESPONSE, Op.LOGIN_RESPONSE, Op.TEXT_RESPONSE, Op.DATA_IN,
    Op.LOGOUT_RESPONSE, Op.R2T, Op.ASYNC, Op.REJECT,
})


def after(new: int, old: int) -> bool:
    """Whether new follows old in serial number arithmetic (RFC 1982, 32 bits)."""
    return 0 < ((new - old) & 0xFFFFFFFF) < 0x80000000


def has_status(pdu: Pdu) -> bool:
    """Whether a PDU uses up a StatSN (RFC 7143 clause 4.2.2.2)."""
    if pdu.opcode == Op.R2T:
        return False
    if pdu.opcode == Op.DATA_IN:
        return bool(pdu.flags & 0x01)
    if pdu.opcode == Op.NOP_IN:
        return pdu.itt != RESERVED_TAG
    return True


class Connection:
    """A socket with digests, sequence numbers and limits of one connection."""

    def __init__(self, host: str, port: int, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.address = (host, port)
        self.timeout = timeout
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.header_digest = False
        self.data_digest = False
        self.max_recv = 8192
        self.expstatsn: int | None = None
        self.expcmdsn: int | None = None
        self.maxcmdsn: int | None = None
        self._buffer = bytearray()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes with RST, as a peer that died."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, *pdus: Pdu) -> None:
        """Sends PDUs back to back in one write."""
        self.send_bytes(b"".join(pdu.to_bytes(self.header_digest, self.data_digest) for pdu in pdus))

    def send_bytes(self, data: bytes) -> None:
        try:
            self.socket.settimeout(self.timeout)
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error

    def _read(self, length: int, deadline: float) -> bytes:
        while len(self._buffer) < length:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"{len(self._buffer)} of {length} bytes came in time")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(262144)
            except socket.timeout:
                continue
            except ConnectionResetError as error:
                raise Closed(str(error)) from error
            if not piece:
                raise Closed(f"end of stream after {len(self._buffer)} of {length} bytes")
            self._buffer += piece
        out = bytes(self._buffer[:length])
        del self._buffer[:length]
        return out

    def recv(self, timeout: float | None = None) -> Pdu:
        """The next PDU.  Raises NoAnswer, Closed, or ProtocolViolation when it is unlawful.  What came of a PDU
        before NoAnswer is kept for the next call."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        taken = bytearray()

        def take(length: int) -> bytes:
            piece = self._read(length, deadline)
            taken.extend(piece)
            return piece

        try:
            pdu = self._receive(take)
        except NoAnswer:
            self._buffer[:0] = taken
            raise
        self._check(pdu)
        return pdu

    def _receive(self, take: Callable[[int], bytes]) -> Pdu:
        head = take(BHS_LENGTH)
        pdu = Pdu()
        pdu.bhs[:] = head
        pdu.ahs = take(pdu.ahs_words * 4)
        if self.header_digest:
            self._check_digest("header", head + pdu.ahs, take(4))
        padded = take((pdu.data_length + 3) // 4 * 4)
        if padded and self.data_digest:
            self._check_digest("data", padded, take(4))
        pdu.data = padded[:pdu.data_length]
        return pdu

    @staticmethod
    def _check_digest(which: str, data: bytes, digest: bytes) -> None:
        if crc32c(data).to_bytes(4, "little") != digest:
            raise ProtocolViolation(f"wrong {which} digest")

    def _check(self, pdu: Pdu) -> None:
        if pdu.opcode not in TARGET_OPCODES:
            raise ProtocolViolation(f"{pdu!r} is none of a target's PDUs")
        if len(pdu.data) > self.max_recv:
            raise ProtocolViolation(f"{pdu!r} exceeds MaxRecvDataSegmentLength {self.max_recv}")
        if pdu.opcode == Op.LOGIN_RESPONSE and pdu.login_status >> 8:
            return  # its numbers are valid for Status-Class 0 only, clause 11.13.3
        self._check_statsn(pdu)
        self._check_window(pdu)

    def _check_statsn(self, pdu: Pdu) -> None:
        if pdu.opcode == Op.DATA_IN and not has_status(pdu):
            return  # reserved there
        if self.expstatsn is not None and pdu.statsn != self.expstatsn:
            raise ProtocolViolation(f"StatSN {pdu.statsn:#x}, expected {self.expstatsn:#x}: {pdu!r}")
        self.expstatsn = (pdu.statsn + has_status(pdu)) & 0xFFFFFFFF

    def _check_window(self, pdu: Pdu) -> None:
        if ((pdu.maxcmdsn - pdu.expcmdsn + 1) & 0xFFFFFFFF) >= 0x80000000:
            raise ProtocolViolation(f"MaxCmdSN {pdu.maxcmdsn:#x} < ExpCmdSN {pdu.expcmdsn:#x} - 1")
        if self.expcmdsn is not None and after(self.expcmdsn, pdu.expcmdsn):
            raise ProtocolViolation(f"ExpCmdSN went back from {self.expcmdsn:#x} to {pdu.expcmdsn:#x}")
        if self.maxcmdsn is not None and after(self.maxcmdsn, pdu.maxcmdsn):
            raise ProtocolViolation(f"MaxCmdSN went back from {self.maxcmdsn:#x} to {pdu.maxcmdsn:#x}")
        self.expcmdsn, self.maxcmdsn = pdu.expcmdsn, pdu.maxcmdsn

    def is_closed(self, timeout: float = 5.0) -> bool:
        """Whether the target closes within timeout; PDUs that still arrive are thrown away."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return False
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
        return False
