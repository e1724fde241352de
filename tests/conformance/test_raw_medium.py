# SPDX-License-Identifier: MIT
"""FORMAT UNIT and SANITIZE (SBC-4): what is on the medium after them, and what others hear meanwhile."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.modules import Variant
from harness.raw import pattern, read_block, write_block
from harness.units import Target, Unit
from iscsi import scsi
from iscsi.connection import NoAnswer
from iscsi.pdu import Op, TaskFunction, TaskResponse
from iscsi.session import ORDERED, WRITE, Session
from iscsi.task import Result

FORMATTING, SANITIZING = 0x0404, 0x041B
IMMED = 0x02  # of FORMAT UNIT's parameter list


def isid(number: int) -> bytes:
    return bytes([0x80, 0, 0, number, 0, 0])


def format_unit(session: Session, parameters: bytes = b"", longlist: bool = False) -> Result:
    cdb = bytes([0x04, (0x10 if parameters else 0) | (0x20 if longlist else 0), 0, 0, 0, 0])
    return session.execute(cdb, data_out=parameters, timeout=60)


def overwrite(content: bytes, count: int = 1, invert: bool = False) -> bytes:
    return struct.pack(">BxH", (0x80 if invert else 0) | count, len(content)) + content


def sanitize_cdb(action: int, length: int = 0, immed: bool = False, ause: bool = False) -> bytes:
    bits = (0x80 if immed else 0) | (0x20 if ause else 0)
    return struct.pack(">BB5xHB", 0x48, bits | action, length, 0)


def sanitize(session: Session, action: int, parameters: bytes = b"", immed: bool = False) -> Result:
    return session.execute(sanitize_cdb(action, len(parameters), immed), data_out=parameters, timeout=60)


def code(result: Result) -> int:
    """Sense key << 16 | additional sense code; 0 for GOOD."""
    if result.sense is None:
        assert result.good, str(result)
        return 0
    return result.sense.key << 16 | result.sense.asc


def wait(session: Session, asc: int) -> list[int]:
    """Until the unit is ready again; what progress it told."""
    told = []
    end = time.monotonic() + 120
    while True:
        found = code(session.execute(scsi.test_unit_ready()))
        if not found:
            return told
        assert found == 0x2 << 16 | asc, f"{found:06x}"
        data = session.execute(scsi.request_sense(), read=252).data
        if data[2] & 0xF:
            assert data[12] << 8 | data[13] == asc and data[15] & 0x80
            told.append(int.from_bytes(data[16:18], "big"))
        assert time.monotonic() < end


def ends(session: Session, unit: Unit) -> tuple[bytes, bytes]:
    """The first block and the last one."""
    last = struct.unpack_from(">Q", session.execute(scsi.read_capacity16(), read=32).data)[0]
    return read_block(session, unit, 0), session.execute(scsi.read16(last, 1), read=unit.block_size).data


@pytest.mark.smoke
def test_format(disk: Unit) -> None:
    """Without parameters: zeroes, when GOOD comes."""
    with disk.login() as session:
        write_block(session, disk, 0, pattern(disk.block_size))
        assert format_unit(session).good
        assert ends(session, disk) == (bytes(disk.block_size),) * 2


@pytest.mark.parametrize("longlist", [False, True], ids=["short", "long"])
def test_format_immediate(disk: Unit, longlist: bool) -> None:
    """GOOD once the parameters are checked; not ready until it is done (SBC-4 FORMAT UNIT)."""
    with disk.login() as session:
        write_block(session, disk, 7, pattern(disk.block_size))
        assert format_unit(session, bytes([0, IMMED]) + bytes(6 if longlist else 2), longlist).good
        wait(session, FORMATTING)
        assert read_block(session, disk, 7) == bytes(disk.block_size)


def test_format_pattern(disk: Unit) -> None:
    """Initialization pattern type 01h: repeated in each block."""
    content = pattern(5)
    with disk.login() as session:
        assert format_unit(session, bytes([0, 0x88, 0, 0, 0, 1, 0, 5]) + content).good
        want = (content * disk.block_size)[:disk.block_size]
        assert ends(session, disk) == (want, want)


@pytest.mark.parametrize("parameters,longlist", [
    (bytes([0, 0, 0, 4]) + bytes(4), False), (bytes([0, 0, 0, 0, 0, 0, 0, 8]) + bytes(8), True),
    (bytes([0, 0x20, 0, 0]), False), (bytes([1, 0, 0, 0]), False), (bytes([0, 0x88, 0, 0, 0, 2, 0, 0]), False),
    (bytes([0, 0x88, 0, 0, 0, 1, 0, 0]), False), (bytes([0, 0x88, 0, 0, 0, 1, 0xFF, 0xFF]) + bytes(65535), False),
], ids=["defects", "long-defects", "no-fov", "protection", "type", "no-pattern", "long-pattern"])
def test_format_refuses(disk: Unit, parameters: bytes, longlist: bool) -> None:
    """INVALID FIELD IN PARAMETER LIST, and the data stay."""
    with disk.login() as session:
        data = pattern(disk.block_size)
        write_block(session, disk, 0, data)
        assert code(format_unit(session, parameters, longlist)) == 0x052600
        assert read_block(session, disk, 0) == data


def test_format_protection_information(disk: Unit) -> None:
    """FMTPINFO must be zero where there is none (SPT 0)."""
    with disk.login() as session:
        assert code(session.execute(bytes([0x04, 0x80, 0, 0, 0, 0]))) == 0x052400


def test_format_cut_short(disk: Unit) -> None:
    """A parameter list that ends within its header or descriptor."""
    with disk.login() as session:
        for parameters in (b"\0", bytes(3), bytes([0, 0x88, 0, 0]), bytes([0, 0x88, 0, 0, 0, 1, 0, 4, 1, 2])):
            assert code(format_unit(session, parameters)) == 0x051A00


@pytest.mark.smoke
def test_overwrite(disk: Unit) -> None:
    """The pattern is everywhere; with INVERT the last pass is the pattern itself (SBC-4 SANITIZE)."""
    with disk.login() as session:
        for count, invert in ((1, False), (2, True), (3, True)):
            content = pattern(16)
            assert sanitize(session, 1, overwrite(content, count, invert)).good
            want = (content * disk.block_size)[:disk.block_size]
            assert ends(session, disk) == (want, want)


@pytest.mark.variants("storing")
def test_block_erase(variant: Variant, new_unit: Callable[..., Unit]) -> None:
    """A thin unit: reads end well afterwards, with zeroes, as VPD page B1h said (WABEREQ 01b).  A thick one hasn't it."""
    unit = new_unit(variant)
    with unit.login() as session:
        assert session.execute(scsi.inquiry(0xB1), read=255).data[7] >> 6 == int(variant.thin)
        if not variant.thin:
            assert code(sanitize(session, 2)) == 0x052400
            return
        write_block(session, unit, 0, pattern(unit.block_size))
        assert sanitize(session, 2).good
        assert ends(session, unit) == (bytes(unit.block_size),) * 2


@pytest.mark.variants("storing")
def test_every_store(variant: Variant, new_unit: Callable[..., Unit]) -> None:
    """FORMAT UNIT and SANITIZE, OVERWRITE on every store."""
    unit = new_unit(variant)
    with unit.login() as session:
        for change, want in ((lambda: format_unit(session), b"\0"),
                             (lambda: sanitize(session, 1, overwrite(b"\x5a")), b"\x5a")):
            write_block(session, unit, 3, pattern(unit.block_size))
            assert change().good
            assert ends(session, unit) == (want * unit.block_size,) * 2
            assert read_block(session, unit, 3) == want * unit.block_size


def begin_long(session: Session) -> None:
    """An overwrite of many passes, which takes a while."""
    assert sanitize(session, 1, overwrite(b"\x5a\xa5", 31), immed=True).good


def test_others_hear_of_it(disk: Unit) -> None:
    """Everybody is told 02/04/1b and how far it is; INQUIRY, REPORT LUNS and REQUEST SENSE work (SBC-4 4.11)."""
    with disk.login(isid=isid(0)) as session, disk.login(isid=isid(1)) as other:
        begin_long(session)
        for cdb, length in ((scsi.read10(0, 1), disk.block_size), (scsi.mode_sense6(0x3F), 255),
                            (scsi.persistent_in(0), 255), (scsi.read_capacity10(), 8), (scsi.start_stop(False), 0)):
            assert code(other.execute(cdb, read=length)) == 0x2 << 16 | SANITIZING
        assert code(format_unit(other)) == 0x2 << 16 | SANITIZING
        for cdb in (scsi.inquiry(), scsi.report_luns(), scsi.request_sense()):
            assert other.execute(cdb, read=255).good
        told = wait(other, SANITIZING)
        assert told == sorted(told) and len(set(told)) > 1


def test_goes_on_through_resets(disk: Unit) -> None:
    """Neither an abort, nor a logical unit reset, nor the end of the session stops it (SBC-4 4.11)."""
    with disk.login(isid=isid(1)) as other:
        with disk.login(isid=isid(0)) as session:
            begin_long(session)
            assert session.manage(TaskFunction.ABORT_TASK_SET) == TaskResponse.COMPLETE
            assert session.manage(TaskFunction.LOGICAL_UNIT_RESET) == TaskResponse.COMPLETE
        assert code(other.execute(scsi.test_unit_ready())) == 0x062903
        assert code(other.execute(scsi.test_unit_ready())) == 0x2 << 16 | SANITIZING
        wait(other, SANITIZING)
        want = b"\x5a\xa5" * (disk.block_size // 2)
        assert ends(other, disk) == (want, want)


def test_abort_of_the_command(disk: Unit) -> None:
    """Without IMMED the command can be aborted; what it began ends by itself, and then the unit is ready."""
    with disk.login() as session:
        number = session.cmdsn
        content = overwrite(b"\x77", 31)
        task = session.start(sanitize_cdb(1, len(content)), data_out=content)
        while session.execute(scsi.test_unit_ready()).good:
            assert task.result is None, "it ended before it could be aborted"
        assert session.abort(task, number) == TaskResponse.COMPLETE
        session.tasks.pop(task.itt)
        wait(session, SANITIZING)
        assert read_block(session, disk, 0) == b"\x77" * disk.block_size


@pytest.mark.parametrize("reset", [False, True], ids=["connection", "reset"])
def test_end_of_the_command(disk: Unit, reset: bool) -> None:
    """The connection of a command that waits for the end breaks, or a logical unit reset takes the command: what it
    began ends by itself, and whoever is there sees that."""
    content = overwrite(b"\x66", 31)
    with disk.login(isid=isid(1)) as other:
        session = disk.login(isid=isid(0))
        session.start(sanitize_cdb(1, len(content)), data_out=content)
        while other.execute(scsi.test_unit_ready()).good:
            pass
        if reset:
            assert other.manage(TaskFunction.LOGICAL_UNIT_RESET) == TaskResponse.COMPLETE
            assert code(other.execute(scsi.test_unit_ready())) == 0x062903
        session.connection.close()
        assert code(other.execute(scsi.test_unit_ready())) == 0x2 << 16 | SANITIZING
        wait(other, SANITIZING)
        assert ends(other, disk) == (b"\x66" * disk.block_size,) * 2
        assert format_unit(other).good


def test_sanitize_overtakes(disk: Unit) -> None:
    """It is processed as if it had the HEAD OF QUEUE attribute: an ORDERED write before it that waits for data
    doesn't hold it up (SBC-4 SANITIZE).  FORMAT UNIT is not so special."""
    data = pattern(8 * disk.block_size)
    with disk.login(keys={"InitialR2T": "Yes", "ImmediateData": "No"}) as session:
        write = session.start(scsi.write10(0, 8), data_out=data, immediate_length=0, flags=0x80 | WRITE | ORDERED)
        r2t = session.connection.recv()
        assert r2t.opcode == Op.R2T
        write.check_r2t(r2t)
        write.pdus.append(r2t)
        assert sanitize(session, 0x1F).good
        waiting = session.start(bytes([4, 0, 0, 0, 0, 0]))
        with pytest.raises(NoAnswer):
            session.wait(waiting, 0.5)
        session.connection.send(*session.data_pdus(write, r2t.buffer_offset, r2t.desired_length, r2t.ttt))
        assert session.wait(write).good
        assert session.wait(waiting, 60).good
        assert read_block(session, disk, 0) == bytes(disk.block_size)


def test_other_units_are_served(one: Variant, new_target: Callable[..., Target],
                                new_unit: Callable[..., Unit]) -> None:
    """While one unit is overwritten another one answers quickly."""
    target = new_target()
    busy, free = new_unit(one, target), new_unit(one, target, lun=2)
    with busy.login(isid=isid(0)) as session, free.login(isid=isid(1)) as other:
        begin_long(session)
        worst = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert other.execute(scsi.read10(0, 1), read=free.block_size).good
            worst = max(worst, time.monotonic() - began)
        assert code(session.execute(scsi.test_unit_ready())) == 0x2 << 16 | SANITIZING
        assert worst < 5
        wait(session, SANITIZING)


def test_write_protected(one: Variant, new_unit: Callable[..., Unit]) -> None:
    """DATA PROTECT, WRITE PROTECTED."""
    unit = new_unit(replace(one, readonly=True))
    with unit.login() as session:
        assert code(format_unit(session)) == 0x072700
        assert code(sanitize(session, 1, overwrite(b"\0"))) == 0x072700


@pytest.mark.parametrize("cdb", [bytes([4, 0, 0, 0, 0, 0]), sanitize_cdb(1, 8), sanitize_cdb(0x1F)],
                         ids=["format", "sanitize", "exit"])
def test_reserved(disk: Unit, cdb: bytes) -> None:
    """A conflict under another port's Write Exclusive reservation (SBC-4, the table of commands and reservations)."""
    with disk.login(isid=isid(0)) as holder, disk.login(isid=isid(1)) as other:
        key = 0xAAAA
        assert holder.execute(scsi.persistent_out(0), data_out=scsi.persistent_parameters(0, key)).good
        assert holder.execute(scsi.persistent_out(1, 1), data_out=scsi.persistent_parameters(key)).good
        assert other.execute(cdb).status == scsi.Status.RESERVATION_CONFLICT


def test_exit_failure_mode_without_failure(disk: Unit) -> None:
    """There is nothing to leave, and that is no error; CRYPTOGRAPHIC ERASE isn't there."""
    with disk.login() as session:
        assert sanitize(session, 0x1F).good
        assert code(sanitize(session, 3)) == 0x052400


# -- the end of the daemon


def test_interrupted_sanitize(restart: Callable[[], Unit]) -> None:
    """What a crash interrupts is not usable afterwards: 03/31/03 until SANITIZE ends well (SBC-4 4.11)."""
    disk = restart()
    with disk.login() as session:
        begin_long(session)
        while session.execute(scsi.test_unit_ready()).good:
            pass
    disk = restart()
    with disk.login() as session:
        for cdb, length in ((scsi.test_unit_ready(), 0), (scsi.read10(0, 1), disk.block_size)):
            assert code(session.execute(cdb, read=length)) == 0x033103
        assert code(format_unit(session)) == 0x033103
        assert code(sanitize(session, 0x1F)) == 0x052400
        assert session.execute(scsi.read_capacity10(), read=8).good
        assert sanitize(session, 1, overwrite(b"\x11")).good
    disk = restart()
    with disk.login() as session:
        assert read_block(session, disk, 0) == b"\x11" * disk.block_size
