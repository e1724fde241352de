# SPDX-License-Identifier: MIT
"""The login phase by its headers and stages (RFC 7143 clauses 6.3, 11.12, 11.13)."""

from __future__ import annotations

import pytest

from harness.raw import (CLOSED, assert_login_refused, assert_serves, login_status, names, phase, reaction)
from harness.units import Unit
from iscsi.connection import Connection
from iscsi.login import LoginFailed
from iscsi.pdu import LoginStatus, Op, Pdu, Stage
from iscsi.text import encode

SECURITY, OPERATIONAL, FULL = Stage.SECURITY, Stage.OPERATIONAL, Stage.FULL_FEATURE


@pytest.mark.smoke
@pytest.mark.parametrize("security", [True, False])
def test_stages(disk: Unit, security: bool) -> None:
    """A login may begin in the security stage or in the operational one (6.3.2)."""
    with disk.login(security=security) as session:
        assert session.alive()


def test_security_stage_straight_to_full_feature(disk: Unit) -> None:
    """The operational stage may be left out (6.3.1); the defaults then hold."""
    with phase(disk) as login:
        pdu = login.step(SECURITY, FULL, names(login.want))
        for _ in range(4):
            if pdu.flags & 0x80:
                break
            pdu = login.step(SECURITY, FULL, [])
        session = login.session(pdu)
        assert session.alive()
        assert session.params.target_max_recv == 8192


def test_one_key_a_request(disk: Unit) -> None:
    """Keys may be spread over any number of requests (6.2)."""
    with phase(disk) as login:
        login.authenticate()
        for pair in login.want.operational():
            pdu = login.step(OPERATIONAL, None, [pair])
            assert not pdu.flags & 0x80, "T answered a request without T (11.13.1)"
        assert login.session(login.step(OPERATIONAL, FULL, [])).alive()


def test_response_header(disk: Unit) -> None:
    """CSG echoed, TSIH 0 before the final response, StatSN from the first, ExpCmdSN the login's CmdSN."""
    with phase(disk, cmdsn=77) as login:
        first = login.step(SECURITY, OPERATIONAL, names(login.want))
        assert first.flags == 0x80 | SECURITY << 2 | OPERATIONAL
        assert first.tsih == 0
        assert first.expcmdsn == 77
        assert ((first.maxcmdsn - 77) & 0xFFFFFFFF) < 0x80000000, "no command may be sent after login"
        final = login.step(OPERATIONAL, FULL, login.want.operational())
        assert final.flags == 0x80 | OPERATIONAL << 2 | FULL
        assert final.tsih != 0 and final.expcmdsn == 77
        assert login.session(final).alive()


def test_portal_group_tag(disk: Unit) -> None:
    """The first response of a normal session carries TargetPortalGroupTag (13.9)."""
    with phase(disk) as login:
        login.step(SECURITY, OPERATIONAL, names(login.want))
        assert 0 <= int(login.value("TargetPortalGroupTag")) <= 65535


def test_session_type_defaults_to_normal(disk: Unit) -> None:
    """SessionType may be left out (13.21)."""
    with phase(disk) as login:
        pairs = [pair for pair in names(login.want) if pair[0] != "SessionType"]
        login.step(SECURITY, OPERATIONAL, pairs)
        assert login.negotiate().alive()


@pytest.mark.parametrize("flags", [
    pytest.param(0x80 | SECURITY << 2 | 2, id="NSG-2"), pytest.param(0x80 | 2 << 2 | FULL, id="CSG-2"),
    pytest.param(0x80 | SECURITY << 2 | SECURITY, id="NSG-is-CSG"),
    pytest.param(0x80 | OPERATIONAL << 2 | SECURITY, id="backwards"),
    pytest.param(0x80 | FULL << 2 | FULL, id="CSG-3"), pytest.param(0xC0 | SECURITY << 2 | OPERATIONAL, id="C-and-T"),
])
def test_unlawful_stages(disk: Unit, flags: int) -> None:
    """Reserved stages, steps backwards, and C together with T are initiator errors (6.3.3, 11.12)."""
    with phase(disk) as login:
        login.connection.send(login.request(0, None, names(login.want), flags=flags))
        assert_login_refused(login.connection)
    assert_serves(disk)


def test_stage_cannot_be_skipped_back(disk: Unit) -> None:
    """Once in the operational stage, a request of the security stage is an error (6.3.3)."""
    with phase(disk) as login:
        login.authenticate()
        login.connection.send(login.request(SECURITY, OPERATIONAL, []))
        assert_login_refused(login.connection)


@pytest.mark.parametrize("missing,status", [
    ("InitiatorName", LoginStatus.MISSING_PARAMETER), ("TargetName", LoginStatus.MISSING_PARAMETER),
])
def test_missing_names(disk: Unit, missing: str, status: int) -> None:
    """InitiatorName, and TargetName in a normal session, belong in the first request (0207)."""
    with phase(disk) as login:
        pairs = [pair for pair in names(login.want) if pair[0] != missing]
        login.connection.send(login.request(SECURITY, OPERATIONAL, pairs))
        assert_login_refused(login.connection, {status})


@pytest.mark.smoke
def test_unknown_target(disk: Unit) -> None:
    """0203, not found."""
    assert login_status(disk, target=disk.target + ".nosuch") == LoginStatus.NOT_FOUND


def test_unknown_session_type(disk: Unit) -> None:
    """0209, session type not supported."""
    with phase(disk) as login:
        pairs = [("SessionType", "Sideways") if pair[0] == "SessionType" else pair for pair in names(login.want)]
        login.connection.send(login.request(SECURITY, OPERATIONAL, pairs))
        assert_login_refused(login.connection, {LoginStatus.SESSION_TYPE_NOT_SUPPORTED, LoginStatus.INITIATOR_ERROR})


def test_unsupported_version(disk: Unit) -> None:
    """A Version-min that the target doesn't reach: 0205 (11.12.4)."""
    with phase(disk) as login:
        pdu = login.request(SECURITY, OPERATIONAL, names(login.want), version_max=2, version_active=1)
        login.connection.send(pdu)
        assert_login_refused(login.connection, {LoginStatus.UNSUPPORTED_VERSION})


def test_newer_version_max(disk: Unit) -> None:
    """A range of versions that includes 0 is fine (11.12.4)."""
    with phase(disk) as login:
        login.step(SECURITY, OPERATIONAL, names(login.want), version_max=3)
        assert login.negotiate().alive()


def test_unknown_tsih(disk: Unit) -> None:
    """020A, session does not exist (11.13.5)."""
    assert login_status(disk, tsih=0xBEEF) == LoginStatus.SESSION_DOES_NOT_EXIST


def test_login_without_the_immediate_bit(disk: Unit) -> None:
    """A Login request is always immediate (11.12): without I it is refused, or taken as if I were set."""
    with phase(disk, cmdsn=9) as login:
        pdu = login.request(SECURITY, OPERATIONAL, names(login.want))
        pdu.bhs[0] &= ~0x40
        login.connection.send(pdu)
        got = reaction(login.connection)
        if isinstance(got, Pdu) and got.opcode == Op.LOGIN_RESPONSE and not got.login_status:
            assert got.expcmdsn == 9, "a Login request used up a CmdSN"
        else:
            assert got == CLOSED or (isinstance(got, Pdu) and got.opcode in (Op.REJECT, Op.LOGIN_RESPONSE))


@pytest.mark.parametrize("opcode", [Op.NOP_OUT, Op.SCSI_COMMAND, Op.TEXT, Op.TASK_MANAGEMENT, Op.LOGOUT, Op.DATA_OUT,
                                    Op.SNACK, 0x1F, Op.SCSI_RESPONSE])
def test_other_pdu_before_login(disk: Unit, opcode: int) -> None:
    """Any PDU but Login before the login phase: the connection ends at once (6.3)."""
    with Connection(disk.host, disk.port) as connection:
        connection.send(Pdu(opcode, flags=0x80, itt=1, immediate=True))
        assert connection.is_closed(), "the connection stays open"
    assert_serves(disk)


@pytest.mark.parametrize("opcode", [Op.NOP_OUT, Op.SCSI_COMMAND, Op.TEXT, Op.LOGOUT])
def test_other_pdu_during_login(disk: Unit, opcode: int) -> None:
    """During the login phase: Login reject "invalid during login", then the end (6.3)."""
    with phase(disk) as login:
        login.authenticate()
        login.connection.send(Pdu(opcode, flags=0x80, itt=login.itt, immediate=True, cmdsn=1))
        assert_login_refused(login.connection, {LoginStatus.INVALID_DURING_LOGIN})
    assert_serves(disk)


def test_login_in_full_feature_phase(disk: Unit) -> None:
    """A Login request in the full feature phase is a protocol error, never another login."""
    with disk.login() as session:
        pdu = Pdu(Op.LOGIN, encode(disk.want().names()), immediate=True, flags=0x83 | SECURITY << 2, itt=5, cmdsn=1)
        pdu.isid = session.isid
        session.connection.send(pdu)
        got = reaction(session.connection)
        assert got == CLOSED or (isinstance(got, Pdu) and got.opcode in (Op.REJECT, Op.LOGIN_RESPONSE))
        if isinstance(got, Pdu) and got.opcode == Op.LOGIN_RESPONSE:
            assert got.login_status >> 8 == 2
    assert_serves(disk)


def test_continued_request(disk: Unit) -> None:
    """A pair may be cut anywhere by the C bit; nothing is answered before all is there (6.2)."""
    with phase(disk) as login:
        data = encode(names(login.want))
        for cut in (5, 30):
            pdu = login.step(SECURITY, None, data[:cut], more=True)
            assert not pdu.data and not pdu.flags & 0xC0, "the answer to a request with C is empty (11.12.2)"
            data = data[cut:]
        login.step(SECURITY, OPERATIONAL, data)
        assert login.negotiate().alive()


def test_endless_continuation(disk: Unit) -> None:
    """A client that isn't logged in can't make the target keep megabytes."""
    with phase(disk) as login:
        try:
            for _ in range(512):
                login.step(SECURITY, None, b"X-a=" + b"b" * 8000, more=True)
        except LoginFailed as failure:
            assert failure.status >> 8 in (2, 3)
        except ConnectionError:
            pass
        else:
            pytest.fail("4 MiB of keys were taken in before login")
    assert_serves(disk)


@pytest.mark.parametrize("length", [8193, 65536, 0xFFFFFF])
def test_too_long_data_segment(disk: Unit, length: int) -> None:
    """Before login MaxRecvDataSegmentLength is 8192 (13.12)."""
    with phase(disk) as login:
        pdu = login.request(SECURITY, OPERATIONAL, names(login.want))
        pdu.claimed_length = length
        login.connection.send(pdu)
        assert_login_refused(login.connection)
    assert_serves(disk)


@pytest.mark.parametrize("text", [
    pytest.param(b"HeaderDigest", id="no-equals"), pytest.param(b"=None\0", id="no-key"),
    pytest.param(b"HeaderDigest=None", id="no-NUL"), pytest.param(b"K" * 64 + b"=1\0", id="long-key"),
    pytest.param(b"\xff\xfe\xfd\0", id="binary"),
])
def test_malformed_text(disk: Unit, text: bytes) -> None:
    """Text that isn't key=value NUL is an initiator error (6.1, 7.10)."""
    with phase(disk) as login:
        login.authenticate()
        login.connection.send(login.request(OPERATIONAL, FULL, text))
        assert_login_refused(login.connection)
    assert_serves(disk)


def test_several_nuls_between_pairs(disk: Unit) -> None:
    """Each pair is followed by at least one NUL (6.1)."""
    with phase(disk) as login:
        data = b"\0\0".join(encode([pair]) for pair in names(login.want)) + b"\0\0"
        login.step(SECURITY, OPERATIONAL, data)
        assert login.negotiate().alive()


def test_long_initiator_name(disk: Unit) -> None:
    """Names have at most 223 bytes (4.2.7.1)."""
    assert login_status(disk, initiator="iqn.2026-01.org.example:" + "a" * (223 - 24)) == 0
    assert login_status(disk, initiator="iqn.2026-01.org.example:" + "a" * (224 - 24)) >> 8 == 2


def test_login_byte_by_byte(disk: Unit) -> None:
    """A PDU may arrive in any pieces."""
    with phase(disk) as login:
        for byte in login.request(SECURITY, OPERATIONAL, names(login.want)).to_bytes():
            login.connection.send_bytes(bytes([byte]))
        login.read(SECURITY)
        assert login.negotiate().alive()
