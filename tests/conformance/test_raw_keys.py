# SPDX-License-Identifier: MIT
"""Operational keys: each one's rule, range, and what else may be answered (RFC 7143 clauses 6.2, 13)."""

from __future__ import annotations

import pytest

from harness.raw import assert_login_refused, login_status, phase
from harness.units import Unit
from iscsi.keys import KEYS, acceptable
from iscsi.login import LoginFailed
from iscsi.pdu import LoginStatus, Stage

OPERATIONAL, FULL = Stage.OPERATIONAL, Stage.FULL_FEATURE

OFFERS = [
    ("HeaderDigest", "None"), ("HeaderDigest", "CRC32C"), ("HeaderDigest", "CRC32C,None"),
    ("HeaderDigest", "None,CRC32C"), ("DataDigest", "None"), ("DataDigest", "CRC32C"),
    ("DataDigest", "CRC32C,None"), ("DataDigest", "None,CRC32C"),
    ("MaxConnections", "1"), ("MaxConnections", "8"), ("MaxConnections", "65535"),
    ("InitialR2T", "Yes"), ("InitialR2T", "No"), ("ImmediateData", "Yes"), ("ImmediateData", "No"),
    ("MaxRecvDataSegmentLength", "512"), ("MaxRecvDataSegmentLength", "16777215"),
    ("MaxBurstLength", "512"), ("MaxBurstLength", "262144"), ("MaxBurstLength", "16777215"),
    ("FirstBurstLength", "512"), ("FirstBurstLength", "65536"), ("FirstBurstLength", "16777215"),
    ("DefaultTime2Wait", "0"), ("DefaultTime2Wait", "3600"), ("DefaultTime2Retain", "0"),
    ("DefaultTime2Retain", "3600"), ("MaxOutstandingR2T", "1"), ("MaxOutstandingR2T", "65535"),
    ("DataPDUInOrder", "Yes"), ("DataPDUInOrder", "No"), ("DataSequenceInOrder", "Yes"),
    ("DataSequenceInOrder", "No"), ("ErrorRecoveryLevel", "0"), ("ErrorRecoveryLevel", "2"),
]


def answer_to(unit: Unit, key: str, value: str, **changes: object) -> str:
    """What the target answers to one key in the operational stage."""
    with phase(unit, **changes) as login:
        login.authenticate()
        login.step(OPERATIONAL, None, [(key, value)])
        return login.value(key)


@pytest.mark.parametrize("key,value", OFFERS, ids=[f"{key}={value}" for key, value in OFFERS])
def test_offer(disk: Unit, key: str, value: str) -> None:
    """Every lawful offer gets an answer that the key's rule allows."""
    if key == "MaxRecvDataSegmentLength":  # declared, not negotiated: the target declares its own, or nothing
        assert login_status(disk, keys={key: value}) == 0
        return
    assert acceptable(KEYS[key], value, answer_to(disk, key, value))


FORCED = [("InitialR2T", "Yes", "Yes"), ("ImmediateData", "No", "No"), ("DataPDUInOrder", "Yes", "Yes"),
          ("DataSequenceInOrder", "Yes", "Yes"), ("ErrorRecoveryLevel", "0", "0"), ("MaxConnections", "1", "1"),
          ("MaxOutstandingR2T", "1", "1"), ("HeaderDigest", "CRC32C", "CRC32C"), ("DataDigest", "CRC32C", "CRC32C"),
          ("HeaderDigest", "None", "None"), ("DataDigest", "None,CRC32C", "None"), ("DefaultTime2Wait", "3600", "3600"),
          ("DefaultTime2Retain", "0", "0"), ("MaxBurstLength", "512", "512"), ("FirstBurstLength", "512", "512")]


@pytest.mark.parametrize("key,value,result", FORCED, ids=[f"{key}={value}" for key, value, _ in FORCED])
def test_offer_with_one_possible_result(disk: Unit, key: str, value: str, result: str) -> None:
    """Where the rule leaves one answer only, that one comes."""
    assert answer_to(disk, key, value) == result


@pytest.mark.smoke
def test_honest_limits(disk: Unit) -> None:
    """What isn't supported isn't agreed on: one connection, error recovery level 0."""
    assert answer_to(disk, "MaxConnections", "65535") == "1"
    assert answer_to(disk, "ErrorRecoveryLevel", "2") == "0"


OUT_OF_RANGE = [("MaxConnections", "0"), ("MaxConnections", "65536"), ("MaxRecvDataSegmentLength", "511"),
                ("MaxRecvDataSegmentLength", "16777216"), ("MaxBurstLength", "511"), ("MaxBurstLength", "16777216"),
                ("FirstBurstLength", "0"), ("DefaultTime2Wait", "3601"), ("DefaultTime2Retain", "99999999999"),
                ("MaxOutstandingR2T", "0"), ("MaxOutstandingR2T", "65536"), ("ErrorRecoveryLevel", "3"),
                ("InitialR2T", "Maybe"), ("ImmediateData", "yes"), ("DataPDUInOrder", "1"),
                ("MaxBurstLength", "-1"), ("MaxBurstLength", "lots"), ("MaxBurstLength", ""),
                ("MaxBurstLength", "4096x"), ("HeaderDigest", "MD4"), ("DataDigest", "")]


@pytest.mark.parametrize("key,value", OUT_OF_RANGE, ids=[f"{key}={value}" for key, value in OUT_OF_RANGE])
def test_unlawful_value(disk: Unit, key: str, value: str) -> None:
    """A value out of range is answered Reject, or the login fails as an initiator's error (6.2)."""
    try:
        answer = answer_to(disk, key, value)
    except LoginFailed as failure:
        assert failure.status >> 8 == 2
    else:
        assert answer == "Reject"


@pytest.mark.parametrize("value", ["0x10000", "0X10000"])
def test_hexadecimal_number(disk: Unit, value: str) -> None:
    """Numbers may be hexadecimal (6.1)."""
    assert acceptable(KEYS["MaxBurstLength"], "65536", answer_to(disk, "MaxBurstLength", value))


@pytest.mark.parametrize("key", ["X-org.example.nosuch", "NoSuchKey", "Y-test"])
def test_unknown_key(disk: Unit, key: str) -> None:
    """NotUnderstood, and the login goes on (6.2)."""
    assert answer_to(disk, key, "1") == "NotUnderstood"
    with disk.login(keys={key: "1"}) as session:
        assert session.alive()


IRRELEVANT = sorted(name for name, key in KEYS.items() if key.irrelevant_in_discovery)


@pytest.mark.parametrize("key", IRRELEVANT)
def test_irrelevant_in_discovery(disk: Unit, key: str) -> None:
    """In a discovery session a key of normal ones is Irrelevant, or answered by its rule (13)."""
    value = KEYS[key].default
    answer = answer_to(disk, key, value, target=None, chap=None)
    assert answer == "Irrelevant" or acceptable(KEYS[key], value, answer)


def test_first_burst_is_irrelevant_without_unsolicited_data(disk: Unit) -> None:
    """With InitialR2T=Yes and ImmediateData=No FirstBurstLength is Irrelevant, or still lawful (13.14)."""
    with phase(disk) as login:
        login.authenticate()
        login.step(OPERATIONAL, None, [("InitialR2T", "Yes"), ("ImmediateData", "No"), ("FirstBurstLength", "65536")])
        answer = login.value("FirstBurstLength")
        assert answer == "Irrelevant" or acceptable(KEYS["FirstBurstLength"], "65536", answer)


def test_first_burst_within_max_burst(disk: Unit) -> None:
    """FirstBurstLength must not exceed MaxBurstLength (13.14)."""
    with disk.login(keys={"MaxBurstLength": "4096", "FirstBurstLength": "65536", "InitialR2T": "No"}) as session:
        assert session.params.number("FirstBurstLength") <= session.params.number("MaxBurstLength") == 4096


@pytest.mark.parametrize("pairs", [
    pytest.param([("MaxBurstLength", "4096"), ("MaxBurstLength", "4096")], id="in-one-request"),
    pytest.param([("HeaderDigest", "None"), ("HeaderDigest", "CRC32C")], id="other-value"),
])
def test_key_twice_in_a_request(disk: Unit, pairs: list[tuple[str, str]]) -> None:
    """A key is negotiated once in a login; the target must refuse more (6.3)."""
    with phase(disk) as login:
        login.authenticate()
        login.connection.send(login.request(OPERATIONAL, None, pairs))
        assert_login_refused(login.connection, {LoginStatus.INITIATOR_ERROR})


def test_key_again_in_another_request(disk: Unit) -> None:
    """The same over two requests (6.3)."""
    with phase(disk) as login:
        login.authenticate()
        login.step(OPERATIONAL, None, [("MaxBurstLength", "8192")])
        login.connection.send(login.request(OPERATIONAL, None, [("MaxBurstLength", "4096")]))
        assert_login_refused(login.connection, {LoginStatus.INITIATOR_ERROR})


@pytest.mark.parametrize("key", ["TargetAddress", "TargetPortalGroupTag", "TargetAlias"])
def test_key_that_only_targets_send(disk: Unit, key: str) -> None:
    """A target's declaration from an initiator is never accepted as a value."""
    with phase(disk) as login:
        login.authenticate()
        try:
            login.step(OPERATIONAL, None, [(key, "1")])
        except LoginFailed as failure:
            assert failure.status >> 8 == 2
            return
        assert dict(login.answers).get(key) != "1" or key == "TargetPortalGroupTag"


def test_initiator_alias(disk: Unit) -> None:
    """InitiatorAlias is a declaration: it gets no answer (13.7)."""
    with phase(disk) as login:
        login.authenticate()
        login.step(OPERATIONAL, None, [("InitiatorAlias", "test")])
        assert "InitiatorAlias" not in dict(login.answers)


def test_target_declares_its_receive_length(disk: Unit) -> None:
    """MaxRecvDataSegmentLength of the target is at least 512, and it accepts that much (13.12)."""
    with disk.login() as session:
        length = session.params.target_max_recv
        assert 512 <= length <= 2**24 - 1
        assert session.nop(b"x" * min(length, 65536)).data


def test_many_unknown_keys(disk: Unit) -> None:
    """However many keys one request holds, each gets its answer."""
    pairs = [(f"X-key{n:03}" + "a" * 50, "v") for n in range(50)]
    with phase(disk) as login:
        login.authenticate()
        login.step(OPERATIONAL, None, pairs)
        assert [answer for answer in login.answers if answer[0].startswith("X-key")] == [
            (key, "NotUnderstood") for key, _ in pairs]
