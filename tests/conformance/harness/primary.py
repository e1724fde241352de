# SPDX-License-Identifier: MIT
"""What SPC-5 asks of every kind of unit, as checks on one unit in one or two sessions."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from iscsi import scsi
from iscsi.scsi import Key, Status
from iscsi.session import Session
from iscsi.task import Result

from .daemon import Daemon
from .units import Unit

CONTROL, D_SENSE = 0x0A, 0x04
ACTIVE_OPTIMIZED = 0x0
LOG_SENSE, SEND_DIAGNOSTIC, SELF_TEST = 0x4D, 0x1D, 0x04
RECEIVE_DIAGNOSTIC_RESULTS = 0x1C
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE, REGISTER_AND_MOVE = range(8)
WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS = 1, 3


def mode_select10(length: int) -> bytes:
    return struct.pack(">BB5xHB", 0x55, 0x10, length, 0)


def maintenance_in(action: int, length: int = 1024, options: int = 0) -> bytes:
    return struct.pack(">BBB3xIBB", 0xA3, action, options, length, 0, 0)


def good(session: Session, lun: int, cdb: bytes, **arguments: object) -> bytes:
    """Runs a command that must end GOOD; its data."""
    result = session.execute(cdb, lun=lun, **arguments)
    assert result.good, f"{cdb.hex()}: {result}"
    return result.data


def check_no_sense(session: Session, lun: int) -> None:
    """With nothing to tell: GOOD, and NO SENSE as parameter data in the format asked for (SPC-5 REQUEST SENSE)."""
    for descriptor, code in ((False, 0x70), (True, 0x72)):
        sense = scsi.parse_sense(good(session, lun, scsi.request_sense(desc=descriptor), read=252))
        assert sense is not None and (sense.key, sense.asc, sense.response_code) == (Key.NO_SENSE, 0, code)


def control_page(session: Session, lun: int, long: bool) -> bytes:
    """The current Control page, by MODE SENSE(6) or (10) without block descriptors."""
    if not long:
        data = good(session, lun, scsi.mode_sense6(CONTROL, dbd=True), read=255)
        assert data[0] == len(data) - 1 and data[3] == 0
        return data[4:]
    data = good(session, lun, scsi.mode_sense10(CONTROL, dbd=True), read=1024)
    assert struct.unpack_from(">H", data)[0] == len(data) - 2 and data[6:8] == b"\0\0"
    return data[8:]


def check_mode_pages(session: Session, lun: int) -> None:
    """What MODE SELECT sets, MODE SENSE shows, in both lengths of both commands (SPC-5 7.5)."""
    before = control_page(session, lun, False)
    assert before[0] & 0x3F == CONTROL and before[1] == len(before) - 2
    page = bytes([before[0] & 0x3F, before[1], before[2] ^ D_SENSE]) + before[3:]
    good(session, lun, mode_select10(8 + len(page)), data_out=bytes(8) + page)
    for long in (False, True):
        assert control_page(session, lun, long)[2] == page[2]
    page = bytes([page[0], page[1], before[2]]) + before[3:]
    good(session, lun, scsi.mode_select6(4 + len(page)), data_out=bytes(4) + page)
    assert control_page(session, lun, True) == before


def check_log_pages(session: Session, lun: int) -> None:
    """Page 00h lists the pages, itself first, in ascending order; each can be read (SPC-5 7.3)."""
    data = good(session, lun, struct.pack(">BBBBBHHB", LOG_SENSE, 0, 0x40, 0, 0, 0, 512, 0), read=512)
    length = struct.unpack_from(">H", data, 2)[0]
    pages = list(data[4:4 + length])
    assert data[0] & 0x3F == 0 and length == len(data) - 4 and pages[0] == 0 and pages == sorted(set(pages))
    for page in pages:
        data = good(session, lun, struct.pack(">BBBBBHHB", LOG_SENSE, 0, 0x40 | page, 0, 0, 0, 4096, 0), read=4096)
        assert data[0] & 0x3F == page and struct.unpack_from(">H", data, 2)[0] == len(data) - 4


def check_log_select(session: Session, lun: int) -> None:
    """PCR resets what can be reset, without a parameter list; nothing can be saved (SPC-5 LOG SELECT)."""
    good(session, lun, scsi.log_select(pcr=True))
    saving = session.execute(bytes([0x4C, 0x03]) + bytes(8), lun=lun)
    assert saving.sense is not None and saving.sense.asc == scsi.INVALID_FIELD_IN_CDB, str(saving)


def check_self_test(session: Session, lun: int) -> None:
    """The default self-test is there and passes (SPC-5 SEND DIAGNOSTIC); of diagnostic pages there is the list."""
    good(session, lun, bytes([SEND_DIAGNOSTIC, SELF_TEST, 0, 0, 0, 0]))
    pages = good(session, lun, bytes([RECEIVE_DIAGNOSTIC_RESULTS, 0x01, 0, 0, 255, 0]), read=255)
    assert pages == bytes([0, 0, 0, 1, 0])


def check_port_groups(session: Session, lun: int) -> None:
    """There is a group that serves, and every group has a port (SPC-5 REPORT TARGET PORT GROUPS)."""
    data = good(session, lun, maintenance_in(0x0A), read=1024)
    end = 4 + struct.unpack_from(">I", data)[0]
    assert end == len(data)
    at, states = 4, []
    while at < end:
        states.append(data[at] & 0x0F)
        assert data[at + 7], "a group without ports"
        at += 8 + 4 * data[at + 7]
    assert at == end and ACTIVE_OPTIMIZED in states


def check_set_port_groups(daemon: Daemon, unit: Unit, session: Session) -> None:
    """Once the operator lets initiators do it they may set the state of a group (SPC-5 SET TARGET PORT GROUPS)."""
    wish = struct.pack(">4xBxH", ACTIVE_OPTIMIZED, 1)
    cdb = struct.pack(">BB4xI2x", 0xA4, 0x0A, len(wish))
    before = session.execute(cdb, lun=unit.lun, data_out=wish)
    assert before.sense is not None and before.sense.key == Key.ILLEGAL_REQUEST, str(before)
    daemon.do("--op", "update", "--mode", "target", "--tid", str(unit.tid), "--name", "tpgs", "--value", "explicit")
    session.clear_attentions(unit.lun)
    good(session, unit.lun, cdb, data_out=wish)


def check_opcodes(session: Session, lun: int, wanted: set[int], unwanted: set[int]) -> None:
    """REPORT SUPPORTED OPERATION CODES lists what such a unit must have, and nothing of others."""
    data = good(session, lun, scsi.report_opcodes(), read=8192)
    found = {data[at] for at in range(4, 4 + struct.unpack_from(">I", data)[0], 8)}
    assert wanted <= found and not unwanted & found


def check_task_management(session: Session, lun: int) -> None:
    """ABORT TASK, ABORT TASK SET, CLEAR TASK SET and LOGICAL UNIT RESET are supported (SAM-5 7)."""
    data = good(session, lun, maintenance_in(0x0D), read=16)
    assert data[0] & 0xC8 == 0xC8 and data[0] & 0x10


def check_luns(session: Session, lun: int, there: set[int]) -> None:
    """REPORT LUNS is answered by any logical unit of the target (SPC-5 REPORT LUNS)."""
    data = good(session, lun, scsi.report_luns(), read=4096)
    assert struct.unpack_from(">I", data)[0] == len(data) - 8
    assert {data[at] << 8 & 0x3F00 | data[at + 1] for at in range(8, len(data), 8)} >= there


def check_reserve(holder: Session, other: Session, lun: int) -> None:
    """RESERVE and RELEASE, 6 and 10 bytes: while one holds it, the other gets RESERVATION CONFLICT (SPC-2 5.5.1)."""
    for reserve, release in ((bytes([0x16] + [0] * 5), bytes([0x17] + [0] * 5)),
                             (bytes([0x56] + [0] * 9), bytes([0x57] + [0] * 9))):
        good(holder, lun, reserve)
        good(holder, lun, reserve)
        assert other.execute(scsi.test_unit_ready(), lun=lun).status == Status.RESERVATION_CONFLICT
        good(other, lun, release)  # no error, and no effect
        assert other.execute(reserve, lun=lun).status == Status.RESERVATION_CONFLICT
        good(holder, lun, release)
        good(other, lun, scsi.test_unit_ready())


class Reservations:
    """Persistent reservations of one unit, between two nexuses that have the keys 1 and 2."""

    def __init__(self, first: Session, second: Session, lun: int) -> None:
        self.sessions, self.lun = {1: first, 2: second}, lun

    def out(self, who: int, action: int, action_key: int = 0, kind: int = 0, key: int | None = None) -> Result:
        parameters = scsi.persistent_parameters(who if key is None else key, action_key)
        result = self.sessions[who].execute(scsi.persistent_out(action, kind), lun=self.lun, data_out=parameters)
        return result

    def do(self, *arguments: int, **named: int) -> None:
        """The same; it must work, and the other nexus takes note of what it is told."""
        result = self.out(*arguments, **named)
        assert result.good, str(result)
        for session in self.sessions.values():
            session.clear_attentions(self.lun)

    def read(self, action: int) -> bytes:
        data = good(self.sessions[1], self.lun, scsi.persistent_in(action), read=1024)
        return data if action == 2 else data[8:8 + struct.unpack_from(">I", data, 4)[0]]

    def keys(self) -> set[int]:
        data = self.read(0)
        return {struct.unpack_from(">Q", data, at)[0] for at in range(0, len(data), 8)}

    def held(self) -> tuple[int, int] | None:
        """Key and type of the reservation."""
        data = self.read(1)
        return (struct.unpack_from(">Q", data)[0], data[13] & 0x0F) if data else None

    def full_status(self) -> Iterator[tuple[int, bool, bytes]]:
        """Key, whether it holds the reservation, and TransportID of every registration."""
        data, at = self.read(3), 0
        while at < len(data):
            length = struct.unpack_from(">I", data, at + 20)[0]
            yield struct.unpack_from(">Q", data, at)[0], bool(data[at + 12] & 1), data[at + 24:at + 24 + length]
            at += 24 + length


def check_persistent_reservations(first: Session, second: Session, lun: int) -> None:
    """Every service action of PERSISTENT RESERVE OUT does what it is for, as those of PERSISTENT RESERVE IN tell
    (SPC-5 5.14)."""
    pr = Reservations(first, second, lun)
    assert struct.unpack_from(">H", pr.read(2))[0] == 8
    pr.do(1, REGISTER, 1, key=0)
    pr.do(2, REGISTER_AND_IGNORE, 2, key=0)
    assert pr.keys() == {1, 2} and pr.held() is None
    pr.do(1, RESERVE, kind=WRITE_EXCLUSIVE)
    assert pr.held() == (1, WRITE_EXCLUSIVE)
    assert pr.out(2, RESERVE, kind=WRITE_EXCLUSIVE).status == Status.RESERVATION_CONFLICT
    pr.do(1, RELEASE, kind=WRITE_EXCLUSIVE)
    assert pr.held() is None
    pr.do(1, RESERVE, kind=EXCLUSIVE_ACCESS)
    pr.do(2, PREEMPT, 1, kind=WRITE_EXCLUSIVE)
    assert pr.keys() == {2} and pr.held() == (2, WRITE_EXCLUSIVE)
    pr.do(1, REGISTER, 1, key=0)
    pr.do(1, PREEMPT_AND_ABORT, 2, kind=EXCLUSIVE_ACCESS)
    assert pr.keys() == {1} and pr.held() == (1, EXCLUSIVE_ACCESS)
    pr.do(2, REGISTER, 2, key=0)
    check_move(pr)
    pr.do(2, CLEAR)
    assert pr.keys() == set() and pr.held() is None


def check_move(pr: Reservations) -> None:
    """REGISTER AND MOVE: the first hands the reservation to the second's port, which gets the key 2 (SPC-5 5.14.8)."""
    status = {key: (holds, port) for key, holds, port in pr.full_status()}
    assert {key: holds for key, (holds, _) in status.items()} == {1: True, 2: False}
    port = status[2][1]
    parameters = struct.pack(">QQBBHI", 1, 2, 0, 0, 1, len(port)) + port
    cdb = scsi.persistent_out(REGISTER_AND_MOVE, EXCLUSIVE_ACCESS, len(parameters))
    good(pr.sessions[1], pr.lun, cdb, data_out=parameters)
    for session in pr.sessions.values():
        session.clear_attentions(pr.lun)
    assert pr.held() == (2, EXCLUSIVE_ACCESS) and pr.keys() == {1, 2}
