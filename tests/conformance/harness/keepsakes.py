# SPDX-License-Identifier: MIT
"""What a unit keeps beside its blocks: registrations made with APTPL (SPC-5 5.14.5) and saved mode pages (6.12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from iscsi import scsi
from iscsi.session import Session

_REGISTER_AND_IGNORE = 6
_APTPL = 0x01
_D_SENSE, _TAS = 0x04, 0x40  # of the Control mode page (SPC-5 7.5.11)


@dataclass
class Setting:
    """One value: the last that was acknowledged must be there, or one that was sent after it."""

    promised: int = 0  # 0: nothing was kept
    sent: list[int] = field(default_factory=list)

    def acknowledge(self, value: int) -> None:
        self.promised, self.sent = value, []

    def judge(self, found: int) -> str | None:
        """What is wrong with the value found; from now on it is the one that must be there."""
        allowed = {self.promised, *self.sent}
        wrong = None if found in allowed else f"{found:#x} is kept, and {self.promised:#x} was acknowledged"
        self.acknowledge(found)
        return wrong


@dataclass(frozen=True)
class Kept:
    """How a value is changed, and looked up."""

    largest: int
    change: Callable[[Session, int], tuple[bytes, bytes]]  # the CDB and the parameter list
    found: Callable[[Session], int]


def _register(_: Session, key: int) -> tuple[bytes, bytes]:
    return scsi.persistent_out(_REGISTER_AND_IGNORE), scsi.persistent_parameters(0, key, flags=_APTPL)


def _registered(session: Session) -> int:
    """The one key that there is."""
    result = session.execute(scsi.persistent_in(0), read=1024)
    assert result.good, str(result)
    keys = result.data[8:8 + int.from_bytes(result.data[4:8], "big")]
    assert len(keys) in (0, 8), f"{len(keys) // 8} keys are registered"
    return int.from_bytes(keys, "big")


def _control_page(session: Session) -> bytearray:
    result = session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255)
    assert result.good, str(result)
    return bytearray(result.data[4:])


def _save_pages(session: Session, value: int) -> tuple[bytes, bytes]:
    page = _control_page(session)
    page[0] &= 0x7F
    page[2] = page[2] & ~_D_SENSE | (_D_SENSE if value & 1 else 0)
    page[5] = page[5] & ~_TAS | (_TAS if value & 2 else 0)
    return scsi.mode_select6(4 + len(page), save=True), bytes(4) + bytes(page)


def _saved_pages(session: Session) -> int:
    page = _control_page(session)
    return (1 if page[2] & _D_SENSE else 0) | (2 if page[5] & _TAS else 0)


KEPT = {
    "registration": Kept((1 << 64) - 1, _register, _registered),
    "mode pages": Kept(3, _save_pages, _saved_pages),
}
