# SPDX-License-Identifier: MIT
"""The PDU library: what it packs is what RFC 7143 says, and what is wrong it says so."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from iscsi import chap, keys, scsi, text
from iscsi.connection import Closed, Connection, NoAnswer, ProtocolViolation, after, has_status
from iscsi.crc32c import crc32c
from iscsi.keys import KEYS, Negotiated
from iscsi.login import Login
from iscsi.pdu import RESERVED_TAG, Op, Pdu, ahs_extended_cdb, lun_field
from iscsi.session import Session
from iscsi.task import Task

# RFC 7143 A.4: "CRC Examples" (bytes as they go over the wire)
CRC_EXAMPLES = [
    (bytes(32), "aa36918a"),
    (b"\xff" * 32, "43aba862"),
    (bytes(range(32)), "4e79dd46"),
    (bytes(range(31, -1, -1)), "5cdb3f11"),
    (bytes.fromhex("01c00000000000000000000000000000140000000000040000000014000000182800000000000000"
                   "0200000000000000"), "563a96d9"),
]


@pytest.mark.smoke
@pytest.mark.parametrize("data,wire", CRC_EXAMPLES, ids=["zeros", "ones", "up", "down", "read-pdu"])
def test_crc32c(data: bytes, wire: str) -> None:
    assert crc32c(data).to_bytes(4, "little").hex() == wire


def test_header_layout() -> None:
    pdu = Pdu(Op.SCSI_COMMAND, b"abc", flags=0x81, lun=lun_field(1), itt=0x11223344, edtl=512, cmdsn=7, expstatsn=9)
    pdu.cdb = scsi.read10(0x1000, 8)
    wire = pdu.to_bytes()
    assert len(wire) == 48 + 4
    assert wire[:8].hex() == "0181000000000003"
    assert wire[8:16].hex() == "0001000000000000"
    assert wire[16:32].hex() == "11223344000002000000000700000009"
    assert wire[32:48].hex() == "28000000100000000800" + "00" * 6
    assert wire[48:] == b"abc\0"


def test_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError):
        Pdu(Op.NOP_OUT, nosuch=1)


def test_digests_cover_ahs_and_padding() -> None:
    pdu = Pdu(Op.SCSI_COMMAND, b"abcde", ahs=ahs_extended_cdb(b"\x01\x02"))
    wire = pdu.to_bytes(header_digest=True, data_digest=True)
    assert wire[4] == 2  # TotalAHSLength: 3 + 1 + 2 bytes in words
    head = 48 + 8
    assert wire[head:head + 4] == crc32c(wire[:head]).to_bytes(4, "little")
    assert wire[head + 4:head + 12] == b"abcde\0\0\0"
    assert wire[-4:] == crc32c(b"abcde\0\0\0").to_bytes(4, "little")


def test_what_shall_be_wrong_is() -> None:
    pdu = Pdu(Op.NOP_OUT, b"abcd")
    pdu.claimed_length, pdu.claimed_ahs_words, pdu.spoil_header_digest = 1000, 3, True
    wire = pdu.to_bytes(header_digest=True)
    assert wire[5:8] == b"\0\x03\xe8" and wire[4] == 3
    assert wire[48:52] != crc32c(wire[:48]).to_bytes(4, "little")


@pytest.mark.parametrize("lun,field", [(0, 0), (1, 1 << 48), (255, 255 << 48), (256, 0x4100 << 48)])
def test_lun_field(lun: int, field: int) -> None:
    assert lun_field(lun) == field


def test_text_round_trip_and_faults() -> None:
    pairs = [("A", "1"), ("B", "x=y"), ("C", "")]
    assert text.encode(pairs) == b"A=1\0B=x=y\0C=\0"
    assert text.decode(text.encode(pairs)) == pairs
    for wrong in (b"A=1", b"A\0", b"=1\0", b"A" * 64 + b"=1\0"):
        with pytest.raises(ValueError):
            text.decode(wrong)
    assert text.number("0x10") == 16 and text.number("010") == 10


@pytest.mark.parametrize("algorithm,name", [(5, "md5"), (6, "sha1"), (7, "sha256"), (8, "sha3_256")])
def test_chap_response(algorithm: int, name: str) -> None:
    want = hashlib.new(name, b"\x05secret" + b"challenge").digest()
    assert chap.response(algorithm, 5, b"secret", b"challenge") == want


def test_binary_values() -> None:
    assert chap.binary("0x0a0B") == b"\x0a\x0b" and chap.binary("0xa0b") == b"\x0a\x0b"
    assert chap.binary("0bCgs=") == b"\x0a\x0b"
    with pytest.raises(ValueError):
        chap.binary("0a0b")


def test_sense_fixed_and_descriptor() -> None:
    fixed = bytes.fromhex("f00005000000070a00000000240000c00002")
    sense = scsi.parse_sense(fixed)
    assert sense is not None
    assert (sense.key, sense.asc, sense.information, sense.field_pointer, sense.field_in_cdb) == (
        5, 0x2400, 7, 2, True)
    descriptor = bytes.fromhex("72052400" "00000014" "000a8000" "0000000000000007" "02060000" "c0000200")
    sense = scsi.parse_sense(descriptor)
    assert sense is not None
    assert (sense.key, sense.asc, sense.information, sense.field_pointer) == (5, 0x2400, 7, 2)
    assert scsi.parse_sense(b"") is None
    for wrong in (b"\x00" * 18, b"\x70" + bytes(6) + b"\x0a"):
        with pytest.raises(ValueError):
            scsi.parse_sense(wrong)


@pytest.mark.parametrize("builder,length", [
    (scsi.read16(0, 1), 16), (scsi.write10(0, 1), 10), (scsi.read_capacity16(), 16), (scsi.unmap(24), 10),
    (scsi.compare_and_write(0, 1), 16), (scsi.report_opcodes(), 12), (scsi.persistent_out(0), 10),
    (scsi.write_same16(0, 1), 16), (scsi.report_luns(), 12), (scsi.mode_sense10(0x3F), 10),
    (scsi.synchronize_cache16(), 16), (scsi.get_lba_status(0), 16), (scsi.orwrite16(0, 1), 16),
])
def test_cdb_lengths_follow_the_group_code(builder: bytes, length: int) -> None:
    assert len(builder) == length == {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}[builder[0] >> 5]


def test_negotiation_rules() -> None:
    assert keys.acceptable(KEYS["MaxBurstLength"], "262144", "65536")
    assert not keys.acceptable(KEYS["MaxBurstLength"], "65536", "262144")
    assert not keys.acceptable(KEYS["InitialR2T"], "Yes", "No")
    assert keys.acceptable(KEYS["InitialR2T"], "No", "Yes")
    assert not keys.acceptable(KEYS["ImmediateData"], "No", "Yes")
    assert keys.acceptable(KEYS["HeaderDigest"], "CRC32C,None", "None")
    assert not keys.acceptable(KEYS["HeaderDigest"], "CRC32C", "None")
    params = Negotiated()
    params.settle({"MaxRecvDataSegmentLength": "4096"}, {"MaxRecvDataSegmentLength": "1024", "InitialR2T": "No",
                                                         "MaxConnections": "Irrelevant"})
    assert (params.initiator_max_recv, params.target_max_recv) == (4096, 1024)
    assert not params.flag("InitialR2T") and params.number("MaxConnections") == 1


def test_serial_arithmetic() -> None:
    assert after(1, 0) and after(0, 0xFFFFFFFF) and not after(0, 1) and not after(5, 5)


# -- against a target that lies


@pytest.fixture
def wire() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection whose other end the test holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        thread.start()
        connection = Connection("127.0.0.1", server.getsockname()[1], timeout=2.0)
        thread.join()
        with connection, accepted[0]:
            yield connection, accepted[0]


def answer(opcode: int, data: bytes = b"", **fields: int) -> Pdu:
    return Pdu(opcode, data, **{"expcmdsn": 1, "maxcmdsn": 8, "flags": 0x80, **fields})


def test_statsn_is_checked(wire: tuple[Connection, socket.socket]) -> None:
    connection, peer = wire
    peer.sendall(answer(Op.NOP_IN, itt=1, statsn=5).to_bytes() + answer(Op.NOP_IN, itt=2, statsn=5).to_bytes())
    connection.recv()
    with pytest.raises(ProtocolViolation, match="StatSN"):
        connection.recv()


@pytest.mark.parametrize("second", [{"maxcmdsn": 7}, {"expcmdsn": 0}, {"expcmdsn": 20}])
def test_window_is_checked(wire: tuple[Connection, socket.socket], second: dict[str, int]) -> None:
    connection, peer = wire
    peer.sendall(answer(Op.NOP_IN, itt=1, statsn=5).to_bytes()
                 + answer(Op.NOP_IN, itt=2, statsn=6, **second).to_bytes())
    connection.recv()
    with pytest.raises(ProtocolViolation, match="CmdSN"):
        connection.recv()


def test_segment_length_and_opcode_are_checked(wire: tuple[Connection, socket.socket]) -> None:
    connection, peer = wire
    connection.max_recv = 512
    peer.sendall(answer(Op.NOP_IN, bytes(513), itt=1).to_bytes())
    with pytest.raises(ProtocolViolation, match="MaxRecvDataSegmentLength"):
        connection.recv()
    peer.sendall(answer(Op.SCSI_COMMAND).to_bytes())
    with pytest.raises(ProtocolViolation, match="none of a target's"):
        connection.recv()


def test_digests_are_checked(wire: tuple[Connection, socket.socket]) -> None:
    connection, peer = wire
    connection.header_digest = connection.data_digest = True
    good, bad = answer(Op.NOP_IN, b"ping", itt=1), answer(Op.NOP_IN, b"ping", itt=1, statsn=1)
    bad.spoil_data_digest = True
    peer.sendall(good.to_bytes(True, True) + bad.to_bytes(True, True))
    assert connection.recv().data == b"ping"
    with pytest.raises(ProtocolViolation, match="data digest"):
        connection.recv()


def test_silence_and_end(wire: tuple[Connection, socket.socket]) -> None:
    connection, peer = wire
    with pytest.raises(NoAnswer):
        connection.recv(0.05)
    assert not connection.is_closed(0.05)
    peer.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Closed):
        connection.recv()
    assert connection.is_closed(1)


def test_which_pdus_carry_status() -> None:
    assert has_status(answer(Op.SCSI_RESPONSE)) and has_status(answer(Op.DATA_IN, flags=0x81))
    assert not has_status(answer(Op.DATA_IN)) and not has_status(answer(Op.R2T))
    assert not has_status(answer(Op.NOP_IN, itt=RESERVED_TAG))


def new_task(length: int = 1024) -> Task:
    return Task(1, 1, b"", length, Negotiated())


DATA_FAULTS: dict[str, Callable[[Task], None]] = {
    "DataSN": lambda task: task.feed(answer(Op.DATA_IN, bytes(512), datasn=1)),
    "buffer offset": lambda task: task.feed(answer(Op.DATA_IN, bytes(512), buffer_offset=512)),
    "expected length": lambda task: task.feed(answer(Op.DATA_IN, bytes(1025))),
    "without F": lambda task: task.feed(answer(Op.DATA_IN, flags=0x01)),
    "ExpDataSN": lambda task: task.feed(answer(Op.SCSI_RESPONSE, expdatasn=3)),
    "SenseLength": lambda task: task.feed(answer(Op.SCSI_RESPONSE, b"\x00\x12abc", status=2)),
    "O and U": lambda task: task.feed(answer(Op.SCSI_RESPONSE, flags=0x86)),
    "residual": lambda task: task.feed(answer(Op.SCSI_RESPONSE, flags=0x82, residual=4096)),
    "R2TSN": lambda task: task.check_r2t(answer(Op.R2T, r2tsn=1, desired_length=512)),
    "reserved Target": lambda task: task.check_r2t(answer(Op.R2T, ttt=RESERVED_TAG, desired_length=512)),
    "R2T for 0": lambda task: task.check_r2t(answer(Op.R2T)),
    "R2T at": lambda task: task.check_r2t(answer(Op.R2T, desired_length=512, buffer_offset=512)),
    "beyond": lambda task: task.check_r2t(answer(Op.R2T, desired_length=2048)),
}


@pytest.mark.parametrize("words", DATA_FAULTS)
def test_faults_in_data_are_seen(words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words):
        DATA_FAULTS[words](new_task())


def test_unsolicited_data_follow_the_negotiated_limits(wire: tuple[Connection, socket.socket]) -> None:
    connection, _ = wire
    params = Negotiated()
    params.settle({}, {"InitialR2T": "No", "FirstBurstLength": "4096", "MaxRecvDataSegmentLength": "1024"})
    session = Session(connection, params, 1)
    task = Task(1, 1, bytes(10000), 10000, params)
    pdus = session.command_pdus(task, scsi.write10(0, 20))
    assert [len(pdu.data) for pdu in pdus] == [1024] * 4
    assert [pdu.final for pdu in pdus] == [False, False, False, True]
    assert [pdu.buffer_offset for pdu in pdus[1:]] == [1024, 2048, 3072]
    assert task.sent == 4096


def test_login_offers() -> None:
    offer = dict(Login("iqn.2026-01.org.example:t", keys={"HeaderDigest": None, "X-test": "1"}).operational())
    assert "HeaderDigest" not in offer and offer["X-test"] == "1" and offer["InitialR2T"] == "Yes"
    assert "MaxBurstLength" not in dict(Login().operational())


def test_a_pdu_that_comes_slowly_is_not_torn() -> None:
    """Giving up in the middle of a PDU loses nothing of it: the next call takes it whole."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with Connection("127.0.0.1", server.getsockname()[1]) as connection, server.accept()[0] as peer:
            whole = Pdu(Op.NOP_IN, itt=7, data=b"slow").to_bytes(False, False)
            for piece in (whole[:20], whole[20:48], whole[48:50]):
                peer.sendall(piece)
                with pytest.raises(NoAnswer):
                    connection.recv(0.05)
            peer.sendall(whole[50:])
            assert connection.recv(5).data == b"slow"
