# SPDX-License-Identifier: MIT
"""What the raw-PDU tests share: how a target reacted, and that it still works afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from iscsi import scsi
from iscsi.connection import Closed, Connection, NoAnswer
from iscsi.login import Login, LoginFailed, LoginPhase
from iscsi.pdu import Op, Pdu
from iscsi.session import Rejected, Session
from iscsi.task import Result, Task

from .units import Unit

CLOSED = "closed"
SILENCE = "silence"


def pattern(length: int, seed: int | None = None) -> bytes:
    """Bytes that nobody else writes."""
    block = os.urandom(509) if seed is None else bytes((seed + n * 7) & 0xFF for n in range(509))
    return (block * (length // 509 + 1))[:length]


def reaction(connection: Connection, timeout: float = 3.0) -> Pdu | str:
    """The next PDU, or CLOSED, or SILENCE."""
    try:
        return connection.recv(timeout)
    except Closed:
        return CLOSED
    except NoAnswer:
        return SILENCE


def assert_refused(connection: Connection, reasons: set[int] | None = None, timeout: float = 3.0) -> None:
    """The target answers with Reject (for one of these reasons), or closes the connection."""
    got = reaction(connection, timeout)
    if got == CLOSED:
        return
    assert isinstance(got, Pdu) and got.opcode == Op.REJECT, f"neither Reject nor the end of the connection: {got!r}"
    assert reasons is None or got.reason in reasons, f"Reject for reason {got.reason:#04x}"
    assert len(got.data) >= 48, "a Reject carries the header of what it rejects (11.17)"


def assert_not_good(session: Session, task: Task, timeout: float = 3.0) -> Result | None:
    """The task must not end GOOD; a Reject or the end of the connection are as good as a bad status.
    None when it was one of the latter."""
    try:
        result = session.wait(task, timeout)
    except (Closed, Rejected):
        return None
    assert not result.good, "ended GOOD"
    return result


def assert_serves(unit: Unit) -> None:
    """A new session can log in, write and read."""
    data = pattern(unit.block_size)
    with unit.login() as session:
        assert session.execute(scsi.write10(9, 1), lun=unit.lun, data_out=data).good
        assert session.execute(scsi.read10(9, 1), lun=unit.lun, read=unit.block_size).data == data


def read_block(session: Session, unit: Unit, lba: int, blocks: int = 1) -> bytes:
    """Blocks by READ(10), which must succeed."""
    result = session.execute(scsi.read10(lba, blocks), lun=unit.lun, read=blocks * unit.block_size)
    assert result.good, f"READ(10): {result}"
    return result.data


def write_block(session: Session, unit: Unit, lba: int, data: bytes) -> None:
    """Blocks by WRITE(10), which must succeed."""
    result = session.execute(scsi.write10(lba, len(data) // unit.block_size), lun=unit.lun, data_out=data)
    assert result.good, f"WRITE(10): {result}"


@contextmanager
def phase(unit: Unit, **changes: object) -> Iterator[LoginPhase]:
    """A connection in the login phase, nothing sent yet."""
    with Connection(unit.host, unit.port) as connection:
        yield LoginPhase(connection, unit.want(**changes))


def login_status(unit: Unit, **changes: object) -> int:
    """The login status that a complete login attempt ends with; 0 for success."""
    try:
        unit.login(attentions=True, **changes).close()  # type: ignore[arg-type]
    except LoginFailed as failure:
        return failure.status
    return 0


def assert_login_refused(connection: Connection, statuses: set[int] | None = None) -> None:
    """A login that failed: a response of the initiator-error class (one of these), then the end."""
    got = reaction(connection)
    if got == CLOSED and statuses is None:
        return
    assert isinstance(got, Pdu) and got.opcode == Op.LOGIN_RESPONSE, f"no login response: {got!r}"
    assert got.login_status >> 8 == 2, f"login status {got.login_status:#06x}"
    assert statuses is None or got.login_status in statuses, f"login status {got.login_status:#06x}"
    assert connection.is_closed(), "the connection stays open after a refused login"


def names(want: Login) -> list[tuple[str, str]]:
    """The pairs that must be in the first login request, and AuthMethod."""
    return want.names() + [("AuthMethod", "None")]
