# SPDX-License-Identifier: MIT
"""CHAP (RFC 7143 clauses 9.2, 12.1): what is configured is enforced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.modules import Variant
from harness.raw import assert_login_refused, assert_serves, login_status, names, phase
from harness.units import Target, Unit
from iscsi.chap import ALGORITHMS, Chap, binary, hexadecimal, response
from iscsi.login import LoginFailed, LoginPhase
from iscsi.pdu import LoginStatus, Stage

SECURITY, OPERATIONAL, FULL = Stage.SECURITY, Stage.OPERATIONAL, Stage.FULL_FEATURE
FAILURE = LoginStatus.AUTHENTICATION_FAILURE
SECRET, TARGET_SECRET = "in-secret-0123456", "out-secret-654321"


@pytest.fixture
def guarded(new_target: Callable[..., Target], new_unit: Callable[..., Unit], one: Variant,
            request: pytest.FixtureRequest) -> Unit:
    """A unit whose target wants CHAP, and can prove itself."""
    target = new_target()
    target.account(f"in{target.tid}", SECRET)
    target.account(f"out{target.tid}", TARGET_SECRET, outgoing=True)
    unit = new_unit(one, target, size=64 << 20)
    request.addfinalizer(lambda: forget(target))
    return unit


def forget(target: Target) -> None:
    for name in ("in", "out"):
        target.daemon.adm("--op", "delete", "--mode", "account", "--user", f"{name}{target.tid}")


def chap(unit: Unit, **changes: object) -> Chap:
    arguments = {"user": f"in{unit.tid}", "secret": SECRET, "algorithms": (7,), **changes}
    return Chap(**arguments)  # type: ignore[arg-type]


def mutual(unit: Unit, **changes: object) -> Chap:
    return chap(unit, target_user=f"out{unit.tid}", target_secret=TARGET_SECRET, **changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=ALGORITHMS.values())
def test_one_way(guarded: Unit, algorithm: int) -> None:
    """Each algorithm alone."""
    with guarded.login(chap=chap(guarded, algorithms=(algorithm,))) as session:
        assert session.alive()


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=ALGORITHMS.values())
def test_mutual(guarded: Unit, algorithm: int) -> None:
    """The target proves itself with the outgoing account; the library checks name and response."""
    with guarded.login(chap=mutual(guarded, algorithms=(algorithm,))) as session:
        assert session.alive()


@pytest.mark.parametrize("order", [(7, 5), (5, 7), (8, 6), (99, 7)])
def test_one_of_the_algorithms_is_chosen(guarded: Unit, order: tuple[int, ...]) -> None:
    """The target takes one of those proposed, whichever it likes (12.1.3); unknown ones don't matter."""
    with phase(guarded, chap=chap(guarded, algorithms=order)) as login:
        login.authenticate()
        assert int(login.value("CHAP_A")) in set(order) & set(ALGORITHMS)


@pytest.mark.parametrize("change", [
    {"secret": "wrong-secret-0000"}, {"user": "nobody"}, {"secret": ""}, {"user": ""}, {"secret": SECRET[:-1]},
], ids=["secret", "user", "empty-secret", "empty-user", "prefix"])
def test_wrong_credentials(guarded: Unit, change: dict[str, str]) -> None:
    """0201, authentication failure."""
    assert login_status(guarded, chap=chap(guarded, **change)) == FAILURE


def test_account_of_another_target(guarded: Unit, new_target: Callable[..., Target]) -> None:
    """An account counts only where it is bound."""
    other = new_target()
    other.account(f"other{other.tid}", "another-secret-99")
    try:
        assert login_status(guarded, chap=chap(guarded, user=f"other{other.tid}", secret="another-secret-99")) == FAILURE
    finally:
        other.daemon.adm("--op", "delete", "--mode", "account", "--user", f"other{other.tid}")


def test_outgoing_account_is_none_to_log_in_with(guarded: Unit) -> None:
    """What the target proves itself with opens nothing."""
    assert login_status(guarded, chap=chap(guarded, user=f"out{guarded.tid}", secret=TARGET_SECRET)) == FAILURE


@pytest.mark.smoke
def test_none_is_refused(guarded: Unit) -> None:
    """AuthMethod=None where CHAP is required: 0201 (11.13.5)."""
    assert login_status(guarded, chap=None, auth_method="None") == FAILURE


def test_chap_is_chosen_over_none(guarded: Unit) -> None:
    """Of CHAP,None and of None,CHAP the target takes CHAP."""
    for offer in ("CHAP,None", "None,CHAP"):
        with guarded.login(chap=chap(guarded), auth_method=offer) as session:
            assert session.alive()


def test_security_stage_cannot_be_left_out(guarded: Unit) -> None:
    """A login that begins in the operational stage: 0201."""
    assert login_status(guarded, security=False) == FAILURE


def test_no_way_out_before_the_proof(guarded: Unit) -> None:
    """T in the middle of CHAP isn't granted, and the next stage isn't entered by claiming it."""
    with phase(guarded) as login:
        pairs = [pair for pair in names(login.want) if pair[0] != "AuthMethod"] + [("AuthMethod", "CHAP")]
        pdu = login.step(SECURITY, OPERATIONAL, pairs)
        assert not pdu.flags & 0x80, "transit before authentication"
        login.connection.send(login.request(OPERATIONAL, FULL, []))
        assert_login_refused(login.connection)


def test_full_feature_before_the_proof(guarded: Unit) -> None:
    """The same with NSG full feature, and without AuthMethod."""
    with phase(guarded) as login:
        pairs = [pair for pair in names(login.want) if pair[0] != "AuthMethod"]
        try:
            pdu = login.step(SECURITY, FULL, pairs)
        except LoginFailed as failure:
            assert failure.status == FAILURE
        else:
            assert not pdu.flags & 0x80, "full feature phase without authentication"


def begin(login: LoginPhase, algorithm: int = 7) -> bytes:
    """Up to the target's challenge, which is returned."""
    pairs = [pair for pair in names(login.want) if pair[0] != "AuthMethod"] + [("AuthMethod", "CHAP")]
    login.step(SECURITY, None, pairs)
    login.step(SECURITY, None, [("CHAP_A", str(algorithm))])
    return binary(login.value("CHAP_C"))


def proof(login: LoginPhase, challenge: bytes, algorithm: int = 7) -> bytes:
    return response(algorithm, int(login.value("CHAP_I")), SECRET.encode(), challenge)


def test_challenges_are_fresh(guarded: Unit) -> None:
    """No challenge twice, none short (12.1.3)."""
    seen = set()
    for _ in range(8):
        with phase(guarded) as login:
            challenge = begin(login)
            assert 16 <= len(challenge) <= 1024
            seen.add(challenge)
    assert len(seen) == 8


def test_reflected_challenge(guarded: Unit) -> None:
    """The target doesn't answer its own challenge (12.1.3)."""
    with phase(guarded) as login:
        challenge = begin(login)
        pairs = [("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", hexadecimal(proof(login, challenge))),
                 ("CHAP_I", login.value("CHAP_I")), ("CHAP_C", hexadecimal(challenge))]
        login.connection.send(login.request(SECURITY, OPERATIONAL, pairs))
        assert_login_refused(login.connection, {FAILURE, LoginStatus.INITIATOR_ERROR})


def test_challenge_of_another_connection(guarded: Unit) -> None:
    """Nor that of another login in progress: what it gets, it must not solve for a login of its own."""
    with phase(guarded) as first, phase(guarded) as second:
        challenge = begin(first)
        own = begin(second)
        pairs = [("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", hexadecimal(proof(second, own))),
                 ("CHAP_I", first.value("CHAP_I")), ("CHAP_C", hexadecimal(challenge))]
        second.step(SECURITY, OPERATIONAL, pairs)  # proves the target by the outgoing secret only
        answer = binary(second.value("CHAP_R"))
        assert answer != response(7, int(first.value("CHAP_I")), SECRET.encode(), challenge)


def test_base64_response(guarded: Unit) -> None:
    """Binary values may be base64 (6.1)."""
    import base64

    with phase(guarded) as login:
        answer = base64.b64encode(proof(login, begin(login))).decode()
        pdu = login.step(SECURITY, OPERATIONAL, [("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", "0b" + answer)])
        assert pdu.flags & 0x80
        assert login.negotiate().alive()


MALFORMED = {
    "empty": "", "no-digits": "0x", "not-hex": "0xZZ", "short": "0x00", "long": "0x" + "00" * 33, "plain": "123",
    "bad-base64": "0b***",
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_response(guarded: Unit, value: str) -> None:
    """Never accepted, never a crash."""
    with phase(guarded) as login:
        begin(login)
        pairs = [("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", value)]
        login.connection.send(login.request(SECURITY, OPERATIONAL, pairs))
        assert_login_refused(login.connection, {FAILURE, LoginStatus.INITIATOR_ERROR})


BAD_MUTUAL = {
    "empty-challenge": ("1", "0x"), "huge-challenge": ("1", "0x" + "ab" * 1025), "identifier-256": ("256", "0xabcdef"),
    "identifier-text": ("one", "0xabcdef"), "challenge-text": ("1", "hello"),
}


@pytest.mark.parametrize("fields", BAD_MUTUAL.values(), ids=BAD_MUTUAL.keys())
def test_malformed_challenge(guarded: Unit, fields: tuple[str, str]) -> None:
    """CHAP_I is a byte, CHAP_C at most 1024 bytes (12.1.3)."""
    with phase(guarded) as login:
        answer = proof(login, begin(login))
        pairs = [("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", hexadecimal(answer)), ("CHAP_I", fields[0]),
                 ("CHAP_C", fields[1])]
        login.connection.send(login.request(SECURITY, OPERATIONAL, pairs))
        assert_login_refused(login.connection, {FAILURE, LoginStatus.INITIATOR_ERROR})


def test_keys_out_of_order(guarded: Unit) -> None:
    """CHAP_R before a challenge was given is no proof: refused, or no transit."""
    with phase(guarded) as login:
        pairs = names(login.want)[:-1] + [("AuthMethod", "CHAP"), ("CHAP_N", f"in{guarded.tid}"), ("CHAP_R", "0x00")]
        try:
            assert not login.step(SECURITY, OPERATIONAL, pairs).flags & 0x80, "let in without a proof"
        except LoginFailed as failure:
            assert failure.status >> 8 == 2


@pytest.mark.parametrize("value", ["99", "0", "", "seven"])
def test_no_common_algorithm(guarded: Unit, value: str) -> None:
    """The target can't go on."""
    with phase(guarded) as login:
        login.step(SECURITY, None, names(login.want)[:-1] + [("AuthMethod", "CHAP")])
        login.connection.send(login.request(SECURITY, None, [("CHAP_A", value)]))
        assert_login_refused(login.connection, {FAILURE, LoginStatus.INITIATOR_ERROR})


@pytest.mark.parametrize("method", ["KRB5", "SRP", "Bogus", ""])
def test_no_common_method(guarded: Unit, method: str) -> None:
    """0201 for methods that the target doesn't have."""
    with phase(guarded) as login:
        login.connection.send(login.request(SECURITY, None, names(login.want)[:-1] + [("AuthMethod", method)]))
        assert_login_refused(login.connection, {FAILURE, LoginStatus.INITIATOR_ERROR})


def test_target_cannot_prove_itself(new_target: Callable[..., Target], new_unit: Callable[..., Unit],
                                    one: Variant) -> None:
    """Mutual CHAP without an outgoing account fails."""
    target = new_target()
    target.account(f"in{target.tid}", SECRET)
    unit = new_unit(one, target, size=64 << 20)
    try:
        assert login_status(unit, chap=chap(unit)) == 0
        assert login_status(unit, chap=mutual(unit)) == FAILURE
    finally:
        forget(target)


def test_unguarded_target_takes_none(disk: Unit) -> None:
    """Without an account bound, CHAP isn't asked for; CHAP,None ends as None."""
    with phase(disk) as login:
        login.step(SECURITY, OPERATIONAL, names(login.want)[:-1] + [("AuthMethod", "CHAP,None")])
        assert login.value("AuthMethod") == "None"
        assert login.negotiate().alive()
    assert_serves(disk)
