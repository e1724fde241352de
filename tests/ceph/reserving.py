# SPDX-License-Identifier: MIT
"""Persistent reservations by either of two daemons."""

from __future__ import annotations

import struct

from iscsi import scsi
from iscsi.session import Session
from iscsi.task import Result

A, B = 0xAAAAAAAAAAAAAAAA, 0xBBBBBBBBBBBBBBBB
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE = range(7)
WE, EA, WE_RO = 1, 3, 5
APTPL = 0x01
CONFLICT = scsi.Status.RESERVATION_CONFLICT
OFFLINE = 0x0412
RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, REGISTRATIONS_PREEMPTED = 0x2A03, 0x2A04, 0x2A05


def out(session: Session, action: int, key: int = 0, action_key: int = 0, kind: int = 0, flags: int = 0) -> Result:
    return session.execute(scsi.persistent_out(action, kind), timeout=60,
                           data_out=scsi.persistent_parameters(key, action_key, flags))


def keys(session: Session) -> list[int]:
    data = session.execute(scsi.persistent_in(0), read=1024).data
    length = struct.unpack_from(">I", data, 4)[0]
    return sorted(struct.unpack_from(">Q", data, 8 + at)[0] for at in range(0, length, 8))


def generation(session: Session) -> int:
    return struct.unpack_from(">I", session.execute(scsi.persistent_in(0), read=1024).data)[0]


def write(session: Session, lba: int = 0, data: bytes = bytes(512)) -> Result:
    return session.execute(scsi.write10(lba, len(data) // 512), data_out=data)


def attention(session: Session) -> int:
    result = session.execute(scsi.test_unit_ready())
    return 0 if result.sense is None else result.sense.asc
