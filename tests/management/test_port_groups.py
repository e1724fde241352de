# SPDX-License-Identifier: MIT
"""Port groups of a target and their access states, as an operator sees and sets them."""
import pytest
from daemons import free_port


@pytest.fixture
def two_ports(start):
    """A daemon with portal groups 1 and 2, and a target."""
    daemon = start("--iscsi", f"portal=127.0.0.1:{free_port()},tpgt=2")
    daemon.target()
    return daemon


def update(daemon, *words):
    return daemon.adm("--op", "update", "--mode", "target", "--tid", "1", *words)


def groups(daemon):
    return daemon.show("target")["targets"][0]["port_groups"]


def group(number, state="active/optimized", preferred=False, changed="unchanged"):
    return {"group": number, "state": state, "preferred": preferred, "changed": changed}


def test_default(daemon):
    """One portal group: show prints what it always has."""
    daemon.target()
    text = daemon.do("--op", "show", "--mode", "target")
    assert text.endswith("    ACL information:\n        ALL\n")
    target = daemon.show("target")["targets"][0]
    assert target["port_groups"] == [group(1)]
    assert (target["tpgs"], target["transition_time"]) == ("implicit", 0)


def test_states(two_ports):
    for state in ("active/non-optimized", "standby", "unavailable", "offline", "transitioning", "active/optimized"):
        assert update(two_ports, "--params", f"tpg=2,state={state}").returncode == 0
        assert groups(two_ports) == [group(1), group(2, state, changed="by operator")]


def test_preferred(two_ports):
    assert update(two_ports, "--params", "preferred=1,tpg=1").returncode == 0
    assert groups(two_ports) == [group(1, preferred=True), group(2)]
    assert update(two_ports, "-P", "tpg=1,state=standby,preferred=0,").returncode == 0
    assert groups(two_ports) == [group(1, "standby", changed="by operator"), group(2)]


def test_shown(two_ports):
    update(two_ports, "--params", "tpg=2,state=standby,preferred=1")
    assert two_ports.do("--op", "show", "--mode", "target").endswith(
        "    ACL information:\n        ALL\n"
        "    Port group information:\n"
        "        Port group: 1\n            State: active/optimized\n            Preferred: No\n"
        "        Port group: 2\n            State: standby\n            Preferred: Yes\n")


def test_states_are_each_targets(two_ports):
    two_ports.target(2)
    update(two_ports, "--params", "tpg=2,state=standby")
    shown = [target["port_groups"] for target in two_ports.show("target")["targets"]]
    assert shown == [[group(1), group(2, "standby", changed="by operator")], [group(1), group(2)]]


def test_groups_come_and_go(two_ports):
    """Those that stay keep their states; one that comes back begins anew."""
    update(two_ports, "--params", "tpg=2,state=standby")
    portal = ["--mode", "portal", "--params", f"portal=127.0.0.1:{free_port()},tpgt=9"]
    two_ports.do("--op", "new", *portal)
    assert groups(two_ports) == [group(1), group(2, "standby", changed="by operator"), group(9)]
    update(two_ports, "--params", "tpg=9,state=unavailable")
    two_ports.do("--op", "delete", *portal)
    assert [row["group"] for row in groups(two_ports)] == [1, 2]
    two_ports.do("--op", "new", *portal)
    assert groups(two_ports)[2] == group(9)


@pytest.mark.parametrize("params", [
    "tpg=3,state=standby", "tpg=0,state=standby", "state=standby", "tpg=65538,state=standby", "tpg=2", "tpg=,state=standby",
    "tpg=2,state=", "tpg=2,state=Standby", "tpg=2,state=standby2", "tpg=2,preferred=2", "tpg=2,preferred=", "tpg=2,x=1",
    "tpg=-2,state=standby", "tpg=2;state=standby", ","])
def test_nonsense(two_ports, params):
    done = update(two_ports, "--params", params)
    assert done.returncode == 22 and done.stderr.startswith("tgtadm: invalid request: ")
    assert groups(two_ports) == [group(1), group(2)]


def test_tpgs(two_ports):
    for value in ("explicit", "implicit"):
        assert update(two_ports, "--name", "tpgs", "--value", value).returncode == 0
        assert two_ports.show("target")["targets"][0]["tpgs"] == value
    assert update(two_ports, "--name", "tpgs", "--value", "both").returncode == 22


def test_transition_time(two_ports):
    assert update(two_ports, "--name", "transition_time", "--value", "255").returncode == 0
    assert two_ports.show("target")["targets"][0]["transition_time"] == 255
    for value in ("256", "-1", "x", ""):
        assert update(two_ports, "--name", "transition_time", "--value", value).returncode == 22


def test_as_many_groups_as_fit(daemon):
    """There is an end, and it is said."""
    made = [daemon.adm("--op", "new", "--mode", "portal", "--params", f"portal=127.0.0.1:{free_port()},tpgt={tag}")
            for tag in range(2, 67)]
    assert [done.returncode for done in made] == [0] * 63 + [22] * 2
    assert "64 portal groups" in made[-1].stderr
