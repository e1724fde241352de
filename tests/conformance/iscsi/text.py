# SPDX-License-Identifier: MIT
"""Text keys (RFC 7143 clause 6)."""

from __future__ import annotations

from collections.abc import Iterable

Pairs = list[tuple[str, str]]


def encode(pairs: Iterable[tuple[str, str]]) -> bytes:
    """key=value, each with its NUL."""
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in pairs)


def decode(data: bytes) -> Pairs:
    """The pairs of a text data segment; raises ValueError where clause 6.1 is violated."""
    if not data:
        return []
    if data[-1:] != b"\0":
        raise ValueError(f"text doesn't end with NUL: {data!r}")
    pairs = []
    for item in filter(None, data.split(b"\0")):  # at least one NUL after each pair
        key, equals, value = item.partition(b"=")
        if not equals or not key or len(key) > 63:
            raise ValueError(f"not a key=value pair: {item!r}")
        pairs.append((key.decode("ascii"), value.decode("utf-8")))
    return pairs


def number(value: str) -> int:
    """A numerical-value: decimal or 0x hexadecimal (clause 6.1)."""
    return int(value, 16) if value[:2].lower() == "0x" else int(value, 10)
