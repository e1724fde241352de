# SPDX-License-Identifier: MIT
"""CHAP as iSCSI uses it (RFC 7143 clause 12.1.3; algorithms by IANA's PPP registry)."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field

ALGORITHMS = {5: "md5", 6: "sha1", 7: "sha256", 8: "sha3_256"}


def response(algorithm: int, identifier: int, secret: bytes, challenge: bytes) -> bytes:
    """H(identifier | secret | challenge), RFC 1994 clause 4.1."""
    return hashlib.new(ALGORITHMS[algorithm], bytes([identifier & 0xFF]) + secret + challenge).digest()


def binary(value: str) -> bytes:
    """A binary-value: 0x hexadecimal or 0b base64 (clause 6.1)."""
    if value[:2].lower() == "0x":
        digits = value[2:]
        return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
    if value[:2].lower() == "0b":
        return base64.b64decode(value[2:], validate=True)
    raise ValueError(f"not a binary value: {value!r}")


def hexadecimal(value: bytes) -> str:
    return "0x" + value.hex()


@dataclass
class Chap:
    """What the initiator knows: its own name and secret, and the target's when it asks it to prove itself."""

    user: str
    secret: str
    algorithms: tuple[int, ...] = (7,)
    target_user: str | None = None
    target_secret: str | None = None
    challenge: bytes = field(default_factory=lambda: os.urandom(16))
    identifier: int = 0x2A

    @property
    def mutual(self) -> bool:
        return self.target_secret is not None
