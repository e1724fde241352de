# SPDX-License-Identifier: MIT
"""Discovery by SendTargets (RFC 7143 appendix C), portals, and who may see and use a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.daemon import Daemon
from harness.modules import Variant
from harness.process import free_port
from harness.raw import CLOSED, assert_serves, login_status, phase, reaction
from harness.units import Target, Unit
from iscsi import scsi
from iscsi.login import Login, LoginFailed, login
from iscsi.pdu import LoginStatus, Op, Pdu, lun_field
from iscsi.session import Rejected, Session
from iscsi.text import Pairs


def listed(pairs: Pairs) -> dict[str, list[str]]:
    """Target names with their addresses."""
    out: dict[str, list[str]] = {}
    name = ""
    for key, value in pairs:
        if key == "TargetName":
            name = value
            out[name] = []
        elif key == "TargetAddress":
            assert name, "TargetAddress before any TargetName"
            out[name].append(value)
    return out


def send_targets(unit: Unit, what: str = "All", **changes: object) -> dict[str, list[str]]:
    with unit.discover(**changes) as session:
        return listed(session.text_all([("SendTargets", what)]))


@pytest.mark.smoke
def test_all(disk: Unit) -> None:
    """The target is listed with the address it is reached at, and its portal group tag."""
    addresses = send_targets(disk)[disk.target]
    hosts = [address.rpartition(",")[0] for address in addresses]
    assert disk.portal in hosts
    assert all(0 <= int(address.rpartition(",")[2]) <= 65535 for address in addresses)


def test_portal_group_tag_is_the_one_at_login(disk: Unit) -> None:
    """Discovery and login tell the same tag (13.9)."""
    tags = {address.rpartition(",")[2] for address in send_targets(disk)[disk.target]
            if address.startswith(disk.portal)}
    with phase(disk) as attempt:
        attempt.authenticate()
        assert {attempt.value("TargetPortalGroupTag")} == tags


def test_one_target(disk: Unit, new_target: Callable[..., Target]) -> None:
    """SendTargets=<name> lists that one only."""
    other = new_target()
    assert set(send_targets(disk, disk.target)) == {disk.target}
    assert set(send_targets(disk, other.name)) == {other.name}


def test_unknown_target(disk: Unit) -> None:
    """A name that isn't there lists nothing."""
    assert send_targets(disk, "iqn.2026-01.org.example:nosuch") == {}


def test_in_normal_session(disk: Unit, new_target: Callable[..., Target]) -> None:
    """In a normal session the empty value, or its own name, means the session's target; no others are told."""
    new_target()
    with disk.login() as session:
        for value in ("", disk.target):
            assert set(listed(session.text_all([("SendTargets", value)]))) == {disk.target}
        try:
            assert set(listed(session.text_all([("SendTargets", "All")]))) <= {disk.target}
        except Rejected:
            pass


def test_long_list(disk: Unit, new_target: Callable[..., Target]) -> None:
    """A list longer than the initiator takes in one PDU comes in several (11.11)."""
    made = {new_target().name for _ in range(30)}
    with disk.discover(keys={"MaxRecvDataSegmentLength": "512"}) as session:
        assert made <= set(listed(session.text_all([("SendTargets", "All")])))


def test_twice_in_one_session(disk: Unit) -> None:
    """A discovery session answers as often as it is asked."""
    with disk.discover() as session:
        first = session.text_all([("SendTargets", "All")])
        assert first == session.text_all([("SendTargets", "All")])


@pytest.mark.parametrize("opcode", [Op.SCSI_COMMAND, Op.TASK_MANAGEMENT, Op.DATA_OUT])
def test_discovery_session_takes_no_commands(disk: Unit, opcode: int) -> None:
    """Only Text, Logout and NOP belong in a discovery session (4.3)."""
    with disk.discover() as session:
        pdu = Pdu(opcode, flags=0x81, itt=9, lun=lun_field(1))
        pdu.cdb = scsi.inquiry()
        session.connection.send(session.number(pdu))
        got = reaction(session.connection)
        assert got == CLOSED or (isinstance(got, Pdu) and got.opcode == Op.REJECT), f"{got!r}"


def test_logout_of_discovery(disk: Unit) -> None:
    """Logout is answered and the connection ends."""
    session = disk.discover()
    assert session.logout().response == 0
    assert session.connection.is_closed()


# -- who may


def test_no_rule_means_no_access(disk: Unit, new_target: Callable[..., Target]) -> None:
    """A target without a bound address or name serves nobody, and isn't listed."""
    hidden = new_target(acl=None)
    assert login_status(hidden.unit()) in (LoginStatus.AUTHORIZATION_FAILURE, LoginStatus.NOT_FOUND)
    assert hidden.name not in send_targets(disk)


@pytest.mark.parametrize("rule,allowed", [("127.0.0.1", True), ("127.0.0.0/8", True), ("10.0.0.0/8", False),
                                          ("192.0.2.1", False), ("::1", False)])
def test_address_rule(disk: Unit, new_target: Callable[..., Target], rule: str, allowed: bool) -> None:
    """A bound address or network lets in whom it names."""
    target = new_target(acl=rule)
    status = login_status(target.unit())
    assert (status == 0) == allowed
    assert (target.name in send_targets(disk)) == allowed


def test_name_rule(disk: Unit, new_target: Callable[..., Target]) -> None:
    """A bound initiator name lets in that initiator only."""
    friend = "iqn.2026-01.org.example:friend"
    target = new_target(acl=None)
    target.daemon.do("--op", "bind", "--mode", "target", "--tid", str(target.tid), "--initiator-name", friend)
    assert login_status(target.unit(), initiator=friend) == 0
    assert login_status(target.unit(), initiator=friend + "2") >> 8 == 2
    assert target.name in send_targets(disk, initiator=friend)
    assert target.name not in send_targets(disk)


def test_rule_taken_back(new_target: Callable[..., Target]) -> None:
    """After unbind nobody new gets in."""
    target = new_target()
    assert login_status(target.unit()) == 0
    target.daemon.do("--op", "unbind", "--mode", "target", "--tid", str(target.tid), "--initiator-address", "ALL")
    assert login_status(target.unit()) >> 8 == 2


def test_offline_target(new_target: Callable[..., Target]) -> None:
    """An offline target refuses logins until it is ready again."""
    target = new_target()
    target.set("state", "offline")
    assert login_status(target.unit()) >> 8 in (2, 3)
    target.set("state", "ready")
    assert login_status(target.unit()) == 0


# -- portals


@pytest.fixture
def new_portal(daemon: Daemon) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Adds portals, which go with the test."""
    made: list[str] = []

    def add(host: str) -> tuple[str, int]:
        for attempt in range(5):
            port = free_port(host)
            text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            done = daemon.adm("--op", "new", "--mode", "portal", "--param", f"portal={text}")
            if done.returncode == 0:
                made.append(text)
                return host, port
            assert attempt < 4, done.stderr
        raise AssertionError("unreachable")

    yield add
    for text in made:
        daemon.adm("--op", "delete", "--mode", "portal", "--param", f"portal={text}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["IPv4", "IPv6"])
def test_another_portal(disk: Unit, new_portal: Callable[[str], tuple[str, int]], host: str) -> None:
    """A portal that was added serves and is listed."""
    where = new_portal(host)
    with login(*where, Login(disk.target)) as session:
        session.clear_attentions()
        assert session.execute(scsi.read10(0, 1), read=disk.block_size).good
    with login(*where, Login()) as session:
        addresses = listed(session.text_all([("SendTargets", "All")]))[disk.target]
    wanted = f"[{host}]:{where[1]}" if ":" in host else f"{host}:{where[1]}"
    assert wanted in [address.rpartition(",")[0] for address in addresses]


def test_deleted_portal(disk: Unit, daemon: Daemon, new_portal: Callable[[str], tuple[str, int]]) -> None:
    """A portal that was deleted takes no connection, and is listed no more."""
    host, port = new_portal("127.0.0.1")
    login(host, port, Login(disk.target)).close()
    daemon.do("--op", "delete", "--mode", "portal", "--param", f"portal={host}:{port}")
    with pytest.raises((ConnectionError, LoginFailed)):
        login(host, port, Login(disk.target))
    assert not any(f"{host}:{port}," in a for a in send_targets(disk)[disk.target])
    assert_serves(disk)


def test_sessions_over_two_portals_share_the_unit(disk: Unit, one: Variant,
                                                  new_portal: Callable[[str], tuple[str, int]]) -> None:
    """What is written through one is read through the other."""
    host, port = new_portal("127.0.0.1")
    data = bytes([0xC3]) * disk.block_size
    with disk.login() as first, login(host, port, Login(disk.target)) as second:
        second.clear_attentions()
        assert first.execute(scsi.write10(3, 1), data_out=data).good
        assert second.execute(scsi.read10(3, 1), read=disk.block_size).data == data


def test_discovery_sees_no_session_state(disk: Unit) -> None:
    """A discovery session beside normal ones disturbs none."""
    with disk.login() as normal, disk.discover() as discovery:
        assert isinstance(discovery, Session)
        assert disk.target in listed(discovery.text_all([("SendTargets", "All")]))
        assert normal.alive()
