# SPDX-License-Identifier: MIT
"""Header and data digests, good and bad (RFC 7143 clauses 7.8, 13.1)."""

from __future__ import annotations

import pytest

from harness.raw import CLOSED, assert_not_good, assert_serves, pattern, reaction, read_block, write_block
from harness.units import Unit
from iscsi import scsi
from iscsi.pdu import RESERVED_TAG, Op, Pdu, RejectReason, lun_field
from iscsi.session import SIMPLE, WRITE, Session
from iscsi.task import Task

BOTH = {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}
PAIRS = [("None", "None"), ("CRC32C", "None"), ("None", "CRC32C"), ("CRC32C", "CRC32C")]


def digests(header: str, data: str) -> dict[str, str]:
    return {"HeaderDigest": header, "DataDigest": data}


@pytest.mark.smoke
@pytest.mark.parametrize("header,data", PAIRS)
def test_write_and_read(disk: Unit, header: str, data: str) -> None:
    """Each combination carries data of odd and even lengths; the library checks every digest."""
    with disk.login(keys=digests(header, data)) as session:
        assert session.connection.header_digest == (header == "CRC32C")
        assert session.connection.data_digest == (data == "CRC32C")
        for blocks in (1, 33, 200):
            content = pattern(blocks * disk.block_size)
            write_block(session, disk, 5, content)
            assert read_block(session, disk, 5, blocks) == content
        for length in (1, 2, 3, 4, 5):
            assert session.nop(pattern(length)[:length]).opcode == Op.NOP_IN


@pytest.mark.parametrize("offer,result", [("CRC32C,None", "CRC32C"), ("None,CRC32C", "None"), ("X-md5,CRC32C", "CRC32C")])
def test_first_acceptable_is_chosen(disk: Unit, offer: str, result: str) -> None:
    """The list stands in the order of preference (6.2.1)."""
    with disk.login(keys=digests(offer, offer)) as session:
        assert session.params.text("HeaderDigest") == session.params.text("DataDigest") == result
        assert session.alive()


def test_digests_on_sense_and_small_answers(disk: Unit) -> None:
    """Responses with sense data, text and task management responses carry them too."""
    with disk.login(keys=BOTH) as session:
        assert session.execute(scsi.read10(0xFFFFFFF0, 1), read=disk.block_size).sense is not None
        assert session.text([("X-a", "1")]).opcode == Op.TEXT_RESPONSE
        assert session.manage(1, rtt=0x99, refcmdsn=session.cmdsn - 1) == 1
        assert session.execute(scsi.inquiry(0), read=255).good


@pytest.mark.parametrize("opcode", [Op.NOP_OUT, Op.SCSI_COMMAND, Op.DATA_OUT, Op.LOGOUT])
def test_bad_header_digest(disk: Unit, opcode: int) -> None:
    """A header that can't be trusted ends the connection at ErrorRecoveryLevel 0 (7.8)."""
    with disk.login(keys=BOTH) as session:
        pdu = Pdu(opcode, flags=0x81, itt=session.new_itt(), ttt=RESERVED_TAG, lun=lun_field(1))
        pdu.spoil_header_digest = True
        session.connection.send(session.number(pdu))
        assert session.connection.is_closed(), "a PDU with a bad header digest was taken"
    assert_serves(disk)


def first_answer(session: Session) -> Pdu | str:
    return reaction(session.connection, 3.0)


def test_bad_data_digest_of_a_ping(disk: Unit) -> None:
    """Reject, reason 02, and the PDU is as if it had never come (7.8)."""
    with disk.login(keys=BOTH) as session:
        pdu = Pdu(Op.NOP_OUT, b"spoilt", immediate=True, flags=0x80, itt=session.new_itt(), ttt=RESERVED_TAG)
        pdu.spoil_data_digest = True
        session.connection.send(session.number(pdu))
        got = first_answer(session)
        assert isinstance(got, Pdu) and got.opcode == Op.REJECT, f"{got!r}"
        assert got.reason == RejectReason.DATA_DIGEST_ERROR
        assert got.data[:48] == bytes(pdu.bhs), "the Reject carries the header (11.17)"
        assert session.alive()


def test_bad_data_digest_of_immediate_data(disk: Unit) -> None:
    """A command PDU with spoilt data is rejected (02), and nothing is written (7.8)."""
    before = pattern(disk.block_size)
    with disk.login(keys=BOTH) as session:
        write_block(session, disk, 8, before)
        task = Task(session.new_itt(), disk.lun, pattern(disk.block_size), disk.block_size, session.params)
        pdu = session.command_pdus(task, scsi.write10(8, 1))[0]
        pdu.spoil_data_digest = True
        session.connection.send(pdu)
        got = first_answer(session)
        assert isinstance(got, Pdu) and got.opcode == Op.REJECT and got.reason == RejectReason.DATA_DIGEST_ERROR, got
    with disk.login() as session:
        assert read_block(session, disk, 8) == before


@pytest.mark.parametrize("solicited", [True, False], ids=["solicited", "unsolicited"])
def test_bad_data_digest_of_data_out(disk: Unit, solicited: bool) -> None:
    """Reject (02), then the task ends with CHECK CONDITION, protocol service CRC error (7.8); the old data stay."""
    before = pattern(8 * disk.block_size)
    offer = {**BOTH, "ImmediateData": "No", "InitialR2T": "Yes" if solicited else "No"}
    with disk.login(keys=offer) as session:
        if not solicited and session.params.flag("InitialR2T"):
            return  # the target never takes unsolicited data
        write_block(session, disk, 16, before)
        data = pattern(8 * disk.block_size)
        task = Task(session.new_itt(), disk.lun, data, len(data), session.params)
        session.tasks[task.itt] = task
        if solicited:
            session.connection.send(session.command_pdus(task, scsi.write10(16, 8), 0, SIMPLE, 0x80 | WRITE | SIMPLE)[0])
            r2t = session.connection.recv()
            pdus = session.data_pdus(task, 0, len(data), r2t.ttt)
            task.r2tsn, task.sent = 1, len(data)
        else:
            pdus = session.command_pdus(task, scsi.write10(16, 8))
        pdus[-1].spoil_data_digest = True
        session.connection.send(*pdus)
        got = first_answer(session)
        assert isinstance(got, Pdu) and got.opcode == Op.REJECT and got.reason == RejectReason.DATA_DIGEST_ERROR, got
        result = assert_not_good(session, task)
        if result is not None:
            assert result.sense is not None and (result.sense.key, result.sense.asc) == (0xB, 0x4705)
            assert session.alive()
    with disk.login() as session:
        assert read_block(session, disk, 16, 8) == before


def test_missing_digest(disk: Unit) -> None:
    """PDUs without the digests agreed on are out of step: the connection ends, nobody else notices."""
    with disk.login() as neighbour, disk.login(keys=BOTH) as session:
        session.connection.header_digest = session.connection.data_digest = False
        session.connection.send(*[session.number(Pdu(Op.NOP_OUT, b"x" * 64, flags=0x80, itt=n, ttt=RESERVED_TAG))
                                  for n in range(1, 8)])
        assert session.connection.is_closed()
        assert neighbour.alive()


def test_no_digests_in_login(disk: Unit) -> None:
    """Login PDUs never carry digests, also when they are agreed on (13.1); the final response neither."""
    for header, data in PAIRS[1:]:
        with disk.login(keys=digests(header, data)) as session:
            got = session.nop(b"digest")
            assert got.data == b"digest" and got != CLOSED
