# SPDX-License-Identifier: MIT
"""PDUs that make no sense: the answer that RFC 7143 names (7.9, 7.10, 11.17), and nobody else disturbed."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.raw import (CLOSED, assert_not_good, assert_refused, assert_serves, names, pattern, phase, reaction,
                         read_block, write_block)
from harness.units import Unit
from iscsi import scsi
from iscsi.connection import Closed, Connection
from iscsi.pdu import RESERVED_TAG, Op, Pdu, RejectReason, ahs_extended_cdb, ahs_read_length, lun_field
from iscsi.session import READ, SIMPLE, WRITE, Rejected
from iscsi.task import Task


@pytest.mark.smoke
@pytest.mark.parametrize("opcode", [0x07, 0x0F, 0x11, 0x1B, 0x1C, 0x1E, 0x1F])
def test_unknown_opcode(disk: Unit, opcode: int) -> None:
    """Reserved and vendor opcodes: Reject, command not supported, or the end of the session."""
    with disk.login() as session:
        session.connection.send(session.number(Pdu(opcode, flags=0x80, itt=session.new_itt(), immediate=True)))
        assert_refused(session.connection, {RejectReason.COMMAND_NOT_SUPPORTED, RejectReason.PROTOCOL_ERROR,
                                            RejectReason.INVALID_PDU_FIELD})
    assert_serves(disk)


@pytest.mark.parametrize("opcode", [Op.NOP_IN, Op.SCSI_RESPONSE, Op.DATA_IN, Op.R2T, Op.ASYNC, Op.REJECT, 0x3E])
def test_opcode_of_targets(disk: Unit, opcode: int) -> None:
    """What only targets send."""
    with disk.login() as session:
        session.connection.send(session.number(Pdu(opcode, flags=0x80, itt=session.new_itt(), immediate=True)))
        assert_refused(session.connection)
    assert_serves(disk)


def test_reject_carries_the_header(disk: Unit) -> None:
    """The data segment of a Reject is the header of the PDU that it rejects (11.17.4)."""
    with disk.login() as session:
        pdu = session.number(Pdu(0x1C, flags=0x80, itt=0x4711, immediate=True))
        session.connection.send(pdu)
        got = reaction(session.connection)
        if got != CLOSED:
            assert isinstance(got, Pdu) and got.opcode == Op.REJECT
            assert got.data[:48] == bytes(pdu.bhs) and got.itt == RESERVED_TAG and got.flags & 0x80
            assert session.alive(), "a Reject of an immediate PDU ends nothing"


def test_snack(disk: Unit) -> None:
    """SNACK has no place at ErrorRecoveryLevel 0 (11.16)."""
    with disk.login() as session:
        pdu = Pdu(Op.SNACK, flags=0x80, itt=RESERVED_TAG, ttt=RESERVED_TAG, immediate=True)
        session.connection.send(session.number(pdu))
        assert_refused(session.connection, {RejectReason.SNACK_REJECT, RejectReason.COMMAND_NOT_SUPPORTED,
                                            RejectReason.PROTOCOL_ERROR, RejectReason.INVALID_PDU_FIELD})
    assert_serves(disk)


@pytest.mark.parametrize("length", [0x40001, 0x100000, 0xFFFFFF])
def test_too_long_data_segment(disk: Unit, length: int) -> None:
    """A data segment beyond the target's MaxRecvDataSegmentLength."""
    with disk.login() as session:
        pdu = Pdu(Op.NOP_OUT, flags=0x80, itt=session.new_itt(), ttt=RESERVED_TAG, immediate=True)
        pdu.claimed_length = max(length, session.params.target_max_recv + 1)
        session.connection.send(session.number(pdu))
        assert_refused(session.connection)
    assert_serves(disk)


def send_with_ahs(unit: Unit, ahs: bytes, words: int | None = None) -> Pdu | str:
    """A READ(10) with these additional headers; the target's reaction."""
    with unit.login() as session:
        pdu = Pdu(Op.SCSI_COMMAND, flags=0x80 | READ | SIMPLE, lun=lun_field(unit.lun), itt=session.new_itt(),
                  edtl=unit.block_size, ahs=ahs)
        pdu.cdb = scsi.read10(0, 1)
        pdu.claimed_ahs_words = words
        session.connection.send(session.number(pdu))
        return reaction(session.connection, 1.0)


@pytest.mark.parametrize("ahs", [
    pytest.param(b"\xff\xff\x01\x00" + bytes(4), id="length-beyond"), pytest.param(b"\x00\x00\x01\x00", id="length-0"),
    pytest.param(b"\x00\x05\x3f\x00" + bytes(4), id="unknown-type"), pytest.param(bytes(252 * 4), id="zeros"),
    pytest.param(ahs_read_length(4096), id="bidirectional-length"),
])
def test_strange_ahs(disk: Unit, ahs: bytes) -> None:
    """Additional headers that are wrong or unexpected are refused or ignored, whatever they claim."""
    got = send_with_ahs(disk, ahs)
    assert got == CLOSED or (isinstance(got, Pdu) and got.opcode in (Op.REJECT, Op.SCSI_RESPONSE, Op.DATA_IN))
    assert_serves(disk)


def test_extended_cdb(disk: Unit) -> None:
    """A CDB of 32 bytes comes in an AHS; one that nobody knows is INVALID COMMAND OPERATION CODE."""
    cdb = struct.pack(">BB5xBH", 0x7F, 0, 24, 0xBEEF).ljust(32, b"\0")
    with disk.login() as session:
        result = session.execute(cdb, ahs=ahs_extended_cdb(cdb[16:]))
        assert result.status == scsi.Status.CHECK_CONDITION and result.sense is not None
        assert result.sense.key == 5 and result.sense.asc in (scsi.INVALID_OPCODE, scsi.INVALID_FIELD_IN_CDB)
        assert session.alive()


def test_extended_cdb_without_its_rest(disk: Unit) -> None:
    """A variable-length CDB whose rest doesn't come is no reason to read beyond it."""
    cdb = struct.pack(">BB5xBH", 0x7F, 0, 200, 0x0009)
    with disk.login() as session:
        result = session.execute(cdb)
        assert result.status == scsi.Status.CHECK_CONDITION
        assert session.alive()


def test_bidirectional_command(disk: Unit) -> None:
    """R and W together: refused or failed, never GOOD for a plain command."""
    with disk.login() as session:
        task = session.start(scsi.write10(0, 1), data_out=pattern(disk.block_size),
                             flags=0x80 | READ | WRITE | SIMPLE)
        try:
            result = session.wait(task, 3.0)
        except (Closed, Rejected):
            pass
        else:
            assert not result.good or result.response == 0
    assert_serves(disk)


@pytest.mark.parametrize("cdb", [bytes([0x28]) + bytes(15), bytes([0xFF]) * 16, bytes([0xC1]) + bytes(15),
                                 bytes([0x7F]) + bytes(15), bytes([0x88, 0xFF]) + b"\xff" * 14])
def test_strange_cdb(disk: Unit, cdb: bytes) -> None:
    """A CDB of rubbish gets an answer with sense or GOOD for nothing, and the session goes on."""
    with disk.login() as session:
        result = session.execute(cdb, read=4096)
        assert result.good or result.sense is not None
        assert session.alive()


@pytest.mark.parametrize("lun", [lun_field(2), lun_field(255), lun_field(300), 0xC101000000000000,
                                 0xFFFFFFFFFFFFFFFF, 0x0001000100000000], ids=hex)
def test_lun_that_is_not_there(disk: Unit, lun: int) -> None:
    """INQUIRY says so by its peripheral qualifier; anything else fails with LOGICAL UNIT NOT SUPPORTED."""
    with disk.login() as session:
        for cdb, length in ((scsi.inquiry(length=36), 36), (scsi.read10(0, 1), 512), (scsi.test_unit_ready(), 0)):
            pdu = Pdu(Op.SCSI_COMMAND, flags=0x80 | (READ if length else 0) | SIMPLE, lun=lun, edtl=length,
                      itt=session.new_itt())
            pdu.cdb = cdb
            task = session.tasks[pdu.itt] = Task(pdu.itt, 0, b"", length, session.params)
            session.connection.send(session.number(pdu))
            result = session.wait(task)
            if cdb[0] == 0x12:
                assert result.good and result.data[0] in (0x7F, 0x3F, 0x20 | 0x1F)
            else:
                assert result.sense is not None
                assert (result.sense.key, result.sense.asc) == (5, scsi.LUN_NOT_SUPPORTED)


@pytest.mark.parametrize("attribute", [0, 1, 2, 3, 5, 6, 7])
def test_task_attributes(disk: Unit, attribute: int) -> None:
    """Untagged, simple, ordered and head of queue run; reserved ones are refused, or run as simple."""
    with disk.login() as session:
        task = session.start(scsi.read10(0, 1), read=disk.block_size, attribute=attribute)
        if attribute <= 3:
            assert session.wait(task).good
        else:
            try:
                session.wait(task, 3.0)
            except (Closed, Rejected):
                pass
    assert_serves(disk)


def test_final_bit_missing_on_a_read(disk: Unit) -> None:
    """F is 1 when no unsolicited data follow (11.3.1): without it a read may be refused, not left hanging."""
    with disk.login() as session:
        task = session.start(scsi.read10(0, 1), read=disk.block_size, flags=READ | SIMPLE)
        try:
            session.wait(task, 3.0)
        except (Closed, Rejected):
            pass
    assert_serves(disk)


# -- nobody else is disturbed


@contextmanager
def busy_neighbour(unit: Unit) -> Iterator[list[str]]:
    """A session that writes and checks all the time; what went wrong with it is in the list."""
    wrong: list[str] = []
    stop = threading.Event()
    rounds = [0]

    def work() -> None:
        try:
            with unit.login() as session:
                while not stop.is_set():
                    data = pattern(4 * unit.block_size)
                    write_block(session, unit, 1000, data)
                    if read_block(session, unit, 1000, 4) != data:
                        wrong.append("read something else than was written")
                    rounds[0] += 1
        except (OSError, AssertionError, ValueError) as error:
            wrong.append(repr(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wrong
        deadline = time.monotonic() + 20
        while rounds[0] < 3 and not wrong and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive(), "the neighbour hangs"
    assert rounds[0] >= 3 or wrong, "the neighbour came to nothing"


def test_garbage_before_login(disk: Unit) -> None:
    """Connections that send random bytes are dropped; a session that works beside them notices nothing."""
    dice = random.Random(1)
    with busy_neighbour(disk) as wrong:
        for n in range(150):
            with Connection(disk.host, disk.port) as connection:
                try:
                    connection.send_bytes(dice.randbytes(dice.choice([1, 47, 48, 49, 1000, 9000])))
                    if n % 10 == 0:
                        reaction_to_garbage(connection)
                except Closed:
                    pass
    assert wrong == []
    assert_serves(disk)


def reaction_to_garbage(connection: Connection) -> None:
    try:
        connection.recv(0.1)
    except (OSError, AssertionError, ValueError):
        pass


def test_garbage_after_login(disk: Unit) -> None:
    """The same by sessions that are logged in: random PDUs with lawful lengths, then random bytes."""
    dice = random.Random(2)
    with busy_neighbour(disk) as wrong:
        for n in range(80):
            session = disk.login(attentions=True)
            try:
                for _ in range(5):
                    pdu = Pdu(data=dice.randbytes(dice.choice([0, 0, 7, 512])))
                    pdu.bhs[:] = dice.randbytes(48)
                    pdu.bhs[0] &= 0x7F
                    if pdu.opcode == Op.SCSI_COMMAND:
                        pdu.cdb = scsi.inquiry()  # random CDBs would write over the neighbour's blocks
                    pdu.ahs = dice.randbytes(4) if n % 3 == 0 else b""
                    session.connection.send(pdu)
                session.connection.send_bytes(dice.randbytes(200))
            except Closed:
                pass
            finally:
                session.connection.close()
    assert wrong == []
    assert_serves(disk)


def test_truncated_pdus(disk: Unit) -> None:
    """Connections that end in the middle of a header or of data."""
    with busy_neighbour(disk) as wrong:
        for cut in (1, 20, 47, 48, 50, 300):
            session = disk.login(attentions=True)
            pdu = session.number(Pdu(Op.NOP_OUT, pattern(1000), flags=0x80, itt=1, ttt=RESERVED_TAG))
            session.connection.send_bytes(pdu.to_bytes()[:cut])
            session.connection.close()
    assert wrong == []
    assert_serves(disk)


def test_reader_that_stops_reading(disk: Unit) -> None:
    """A client that asks for megabytes and takes none is no reason to make others wait."""
    with busy_neighbour(disk) as wrong, disk.login(keys={"MaxBurstLength": "1048576"}) as session:
        session.nop()
        room = ((session.connection.maxcmdsn or 0) - session.cmdsn + 1) & 0xFFFFFFFF
        for _ in range(min(room, 16)):
            session.start(scsi.read10(0, 2048), read=2048 * disk.block_size)
        time.sleep(1.0)
        session.connection.reset()
    assert wrong == []
    assert_serves(disk)


# -- what a client that isn't logged in may cost


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_clients_that_never_log_in_are_cheap(disk: Unit, daemon: Daemon) -> None:
    """Three hundred connections that send half a login: a few KiB each, and others still get in."""
    assert daemon.process is not None
    before = resident(daemon.process.pid)
    connections = []
    try:
        for _ in range(300):
            connection = Connection(disk.host, disk.port)
            pdu = Pdu(Op.LOGIN, b"InitiatorName=" + b"a" * 4000, flags=0x40, immediate=True, itt=1)
            connection.send_bytes(pdu.to_bytes()[:4000])
            connections.append(connection)
        assert_serves(disk)
        growth = resident(daemon.process.pid) - before
        assert growth < 300 * 64 * 1024 * (4 if sanitized(daemon) else 1), f"grew by {growth >> 10} KiB"
    finally:
        for connection in connections:
            connection.close()


def sanitized(daemon: Daemon) -> bool:
    """Whether memory is counted with a sanitizer's own."""
    assert daemon.process is not None
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    return "libasan" in maps or "libtsan" in maps or "libclang_rt" in maps


def test_login_has_a_deadline(disk: Unit) -> None:
    """A client that doesn't get through its login is dropped after a while, however far it came."""
    with phase(disk) as silent, phase(disk) as half, phase(disk) as begun:
        half.connection.send_bytes(half.request(0, 1, names(half.want)).to_bytes()[:20])
        begun.step(0, None, names(begun.want))
        for login in (silent, half, begun):
            assert login.connection.is_closed(60), "still connected after 60 s without a login"


def test_not_good_means_not_good(disk: Unit) -> None:
    """The helper that the tests above rely on does tell a GOOD task."""
    with disk.login() as session:
        with pytest.raises(AssertionError, match="ended GOOD"):
            assert_not_good(session, session.start(scsi.test_unit_ready()))
