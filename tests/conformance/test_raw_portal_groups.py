# SPDX-License-Identifier: MIT
"""Portal groups (RFC 7143 4.4.1): each is a port of the target, and a session belongs to one of them."""

from __future__ import annotations

import pytest

from harness.daemon import Daemon
from harness.portals import Portals
from harness.raw import login_status, names, phase
from harness.units import Unit
from iscsi.login import new_isid
from iscsi.pdu import LoginStatus, Stage
from iscsi.text import Pairs

TAG = 0xABC


@pytest.fixture
def other(disk: Unit, portals: Portals) -> Unit:
    """The unit through another portal group."""
    return portals.reach(disk, TAG)


def addresses(pairs: Pairs, target: str) -> set[str]:
    """Those of one target in the answer to SendTargets."""
    name, out = "", set()
    for key, value in pairs:
        if key == "TargetName":
            name = value
        elif key == "TargetAddress" and name == target:
            out.add(value)
    return out


def tag_at_login(unit: Unit) -> str:
    with phase(unit) as login:
        login.step(Stage.SECURITY, Stage.OPERATIONAL, names(login.want))
        return str(login.value("TargetPortalGroupTag"))


def test_discovery_tells_each_tag(disk: Unit, other: Unit) -> None:
    """Every address of the target comes with the tag of its portal group (appendix C, 13.8)."""
    wanted = {f"{disk.portal},1", f"{other.portal},{TAG}"}
    with other.discover() as session:
        assert addresses(session.text_all([("SendTargets", "All")]), disk.target) == wanted
    with disk.login() as session:
        assert addresses(session.text_all([("SendTargets", "")]), disk.target) == wanted


def test_login_tells_the_tag_of_its_portal(disk: Unit, other: Unit) -> None:
    """TargetPortalGroupTag is that of the portal that the connection came to (13.9)."""
    assert (tag_at_login(disk), tag_at_login(other)) == ("1", str(TAG))


@pytest.mark.smoke
def test_same_isid_by_two_portal_groups(disk: Unit, other: Unit) -> None:
    """One initiator port may have a session with each port of the target (4.4.3, ISID rule)."""
    isid = new_isid()
    with disk.login(isid=isid) as first, other.login(isid=isid) as second:
        assert first.tsih != second.tsih
        assert first.alive() and second.alive()


def test_reinstatement_stays_within_a_portal_group(disk: Unit, other: Unit) -> None:
    """The same ISID again ends the session by the same portal group (6.3.5), and no other."""
    isid = new_isid()
    with disk.login(isid=isid) as first, other.login(isid=isid) as old, other.login(isid=isid) as new:
        assert old.connection.is_closed(), "the old session lives on"
        assert first.alive() and new.alive()


def test_two_portals_of_one_portal_group(disk: Unit, other: Unit, portals: Portals) -> None:
    """Within a portal group it doesn't matter which portal a session comes by (4.4.1)."""
    isid = new_isid()
    with other.login(isid=isid) as old, portals.reach(disk, TAG).login(isid=isid) as new:
        assert old.connection.is_closed() and new.alive()


def test_no_session_spans_portal_groups(disk: Unit, other: Unit) -> None:
    """A TSIH can't be joined from another portal group (11.13.5, 0208: the address is not of the session)."""
    with disk.login() as session:
        status = login_status(other, isid=session.isid, tsih=session.tsih, cid=1)
        assert status == LoginStatus.CANT_INCLUDE_IN_SESSION
        assert session.alive()


@pytest.mark.parametrize("tag", ["0", "65536", "-1", "x", "", "1,tpgt="])
def test_tags_that_are_none(daemon: Daemon, tag: str) -> None:
    """A tag has 16 bits (13.9), and 0 would be no relative target port identifier (SPC-5 4.3.4)."""
    done = daemon.adm("--op", "new", "--mode", "portal", "--params", f"portal=127.0.0.1:1,tpgt={tag}")
    assert done.returncode == 22 and "tpgt" in done.stderr
