# SPDX-License-Identifier: MIT
"""What management and initiators see of each other."""
import pytest
from daemons import free_port
from iscsi import scsi
from iscsi.chap import Chap
from iscsi.connection import Closed
from iscsi.login import Login, LoginFailed, login

INQUIRY_DATA_HAS_CHANGED, CAPACITY_DATA_HAS_CHANGED = 0x3F03, 0x2A09
MODE_PARAMETERS_CHANGED, REPORTED_LUNS_DATA_HAS_CHANGED = 0x2A01, 0x3F0E
NOT_READY_TO_READY_CHANGE = 0x2800


@pytest.fixture
def served(daemon, image):
    """A daemon with a unit, and a session to it without pending unit attentions."""
    name = daemon.target()
    daemon.unit(image)
    with login("127.0.0.1", daemon.port, Login(name)) as session:
        session.clear_attentions()
        yield daemon, session


def update(daemon, params):
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", params)


def attentions(session):
    """The conditions that wait, in the order in which they are told."""
    found = []
    while not (result := session.execute(scsi.test_unit_ready())).good:
        if result.sense.key != 6:
            break
        found.append(result.sense.asc)
    return found


@pytest.mark.parametrize(("params", "told"), [
    ("vendor_id=ACME", [INQUIRY_DATA_HAS_CHANGED]),
    ("scsi_sn=other", [INQUIRY_DATA_HAS_CHANGED]),
    ("removable=1", [INQUIRY_DATA_HAS_CHANGED]),
    ("rotation_rate=7200", [INQUIRY_DATA_HAS_CHANGED]),
    ("write_cache=0", [MODE_PARAMETERS_CHANGED]),
    ("lbppbe=3", [CAPACITY_DATA_HAS_CHANGED]),
    ("thin_provisioning=1", [CAPACITY_DATA_HAS_CHANGED]),
    ("size=512k", [CAPACITY_DATA_HAS_CHANGED]),
    ("readonly=1", [MODE_PARAMETERS_CHANGED]),
    ("sense_format=1", [MODE_PARAMETERS_CHANGED]),
    ("vendor_id=IET", []),
    ("online=1,readonly=0", []),
])
def test_changes_are_told(served, params, told):
    daemon, session = served
    update(daemon, params)
    assert attentions(session) == told


def test_changes_are_seen(served):
    daemon, session = served
    update(daemon, "vendor_id=ACME,product_id=DISK,product_rev=9.9,scsi_sn=number-one,removable=1,size=512k,lbppbe=3")
    session.clear_attentions()
    inquiry = session.execute(scsi.inquiry(), read=255).data
    assert inquiry[8:36] == b"ACME    DISK            9.9 "
    assert inquiry[1] & 0x80
    assert b"number-one" in session.execute(scsi.inquiry(0x80), read=255).data
    capacity = session.execute(scsi.read_capacity16(), read=32).data
    assert int.from_bytes(capacity[:8], "big") == (512 << 10) // 512 - 1
    assert capacity[13] & 0x0F == 3


def test_readonly(served):
    daemon, session = served
    update(daemon, "readonly=1")
    session.clear_attentions()
    assert session.execute(scsi.write10(0, 1), data_out=bytes(512)).sense.key == 7  # DATA PROTECT
    update(daemon, "readonly=0")
    session.clear_attentions()
    assert session.execute(scsi.write10(0, 1), data_out=bytes(512)).good


def test_offline_unit(served):
    daemon, session = served
    update(daemon, "online=0")
    assert session.execute(scsi.read10(0, 1), read=512).sense.key == 2  # NOT READY
    update(daemon, "online=1")
    assert attentions(session) == [NOT_READY_TO_READY_CHANGE]
    assert session.execute(scsi.read10(0, 1), read=512).good


def test_another_medium(served, tmp_path):
    daemon, session = served
    other = tmp_path / "other.img"
    other.write_bytes(b"\x5a" * (2 << 20))
    update(daemon, "removable=1")
    session.clear_attentions()
    update(daemon, f"path={other}")
    assert set(attentions(session)) == {NOT_READY_TO_READY_CHANGE, CAPACITY_DATA_HAS_CHANGED}
    assert session.execute(scsi.read10(4095, 1), read=512).data == b"\x5a" * 512


def test_prevented_removal(served, image):
    daemon, session = served
    update(daemon, "removable=1")
    session.clear_attentions()
    assert session.execute(scsi.prevent_allow(True)).good
    assert daemon.luns()[1]["prevent_removal"] is True
    done = daemon.adm("--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params", f"path={image}")
    assert (done.returncode, "prevents the removal" in done.stderr) == (22, True)


def test_luns_come_and_go(served):
    daemon, session = served
    daemon.do("--op", "new", "--mode", "lu", "--tid", "1", "--lun", "2", "--bstype", "null")
    assert attentions(session) == [REPORTED_LUNS_DATA_HAS_CHANGED]
    assert session.execute(scsi.report_luns(), lun=0, read=4096).data[3] == 24
    daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1")
    assert session.execute(scsi.test_unit_ready(), lun=1).sense.key == 5
    assert daemon.luns().keys() == {2}


def test_sessions_are_shown(served):
    daemon, session = served
    nexus, = daemon.show("target")["targets"][0]["nexuses"]
    assert nexus["initiator"] == Login().initiator
    assert nexus["connections"] == [{"id": 0, "address": "127.0.0.1"}]
    text = daemon.do("--op", "show", "--mode", "target")
    assert (f"    I_T nexus information:\n        I_T nexus: {nexus['id']}\n"
            f"            Initiator: {nexus['initiator']} alias: none\n            Connection: 0\n"
            "                IP Address: 127.0.0.1\n    LUN information:\n") in text
    expected = (f"Session: {nexus['id']}\n    Connection: 0\n        Initiator: {nexus['initiator']}\n"
                "        IP Address: 127.0.0.1\n")
    for mode in ("conn", "session"):
        assert daemon.do("--op", "show", "--mode", mode, "--tid", "1") == expected
    assert session.alive()


def test_counters(served):
    daemon, session = served
    sid = daemon.show("target")["targets"][0]["nexuses"][0]["id"]
    before = daemon.ask({"op": "stat", "mode": "lu", "tid": 1, "lun": 1})["result"]["counters"][0]
    for _ in range(3):
        assert session.execute(scsi.write10(0, 4), data_out=bytes(2048)).good
    assert session.execute(scsi.read10(0, 2), read=1024).good
    after = daemon.ask({"op": "stat", "mode": "lu", "tid": 1, "lun": 1})["result"]["counters"][0]
    assert after["sid"] == sid
    assert after["write_done_bytes"] - before["write_done_bytes"] == 3 * 2048
    assert after["write_done"] - before["write_done"] == 3
    assert after["read_done_bytes"] - before["read_done_bytes"] == 1024
    header, row = daemon.do("--op", "stat", "--mode", "lu", "--tid", "1", "--lun", "1").splitlines()
    assert header == ("tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) wr_subm(bytes,cmds) "
                      "wr_done(bytes,cmds) errs")
    assert row == (f"  1   1 {sid:3} {after['read_submitted_bytes']:12} {after['read_submitted']:6} "
                   f"{after['read_done_bytes']:12} {after['read_done']:6} {after['write_submitted_bytes']:12} "
                   f"{after['write_submitted']:6} {after['write_done_bytes']:12} {after['write_done']:6} "
                   f"{after['errors']:4}")
    assert len(daemon.do("--op", "stat", "--mode", "system").splitlines()) == 3


def test_connection_is_closed(served):
    daemon, session = served
    sid = str(daemon.show("target")["targets"][0]["nexuses"][0]["id"])
    conn = ["--op", "delete", "--mode", "conn", "--tid", "1"]
    for arguments, why in ((["--sid", "9999"], "session"), (["--sid", sid, "--cid", "9"], "connection")):
        done = daemon.adm(*conn, *arguments)
        assert (done.returncode, done.stderr) == (22, f"tgtadm: can't find the {why}\n")
    daemon.do(*conn, "--sid", sid, "--cid", "0")
    with pytest.raises((Closed, OSError)):
        for _ in range(4):
            session.connection.recv(10)


def test_target_in_use(served):
    daemon, session = served
    done = daemon.adm("--op", "delete", "--mode", "target", "--tid", "1")
    assert (done.returncode, done.stderr) == (22, "tgtadm: this target is still active\n"
                                                  "tgtadm: initiators are logged in; --force ends their sessions\n")
    assert session.alive()
    daemon.do("--op", "delete", "--mode", "target", "--tid", "1", "--force")
    with pytest.raises((Closed, OSError)):
        for _ in range(4):
            session.connection.recv(10)
    assert daemon.show("target") == {"targets": []}


def test_unit_in_use_is_deleted(served):
    daemon, session = served
    daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1")
    assert session.execute(scsi.read10(0, 1), read=512).sense.key == 5
    assert session.alive()


@pytest.mark.parametrize("arguments", [
    ["--mode", "target", "--tid", "1", "--name", "state"], ["--mode", "system", "--name", "State"]])
def test_offline_target_or_system(daemon, arguments):
    name = daemon.target()
    daemon.do("--op", "update", *arguments, "--value", "offline")
    with pytest.raises(Exception, match="login status"):
        login("127.0.0.1", daemon.port, Login(name))
    daemon.do("--op", "update", *arguments, "--value", "ready")
    with login("127.0.0.1", daemon.port, Login(name)) as session:
        assert session.alive()


def test_parameters_are_negotiated(daemon):
    name = daemon.target()
    for key, value in (("MaxRecvDataSegmentLength", "65536"), ("InitialR2T", "No"), ("MaxBurstLength", "131072")):
        daemon.do("--op", "update", "--mode", "target", "--tid", "1", "--name", key, "--value", value)
    shown = daemon.show("target", "--tid", "1")["parameters"]
    assert {"name": "MaxBurstLength", "value": "131072"} in shown
    with login("127.0.0.1", daemon.port, Login(name, keys={"InitialR2T": "No"})) as session:
        assert session.params.text("InitialR2T") == "No"
        assert session.alive()


def test_accounts_of_discovery(daemon):
    daemon.do("--op", "new", "--mode", "account", "--user", "u", "--password", "secretsecret12")
    daemon.do("--op", "bind", "--mode", "account", "--user", "u")
    assert daemon.show("account") == {"accounts": ["u"], "discovery": [{"user": "u", "outgoing": False}]}
    with pytest.raises(Exception, match="login status"):
        login("127.0.0.1", daemon.port, Login())
    daemon.do("--op", "delete", "--mode", "account", "--user", "u")
    login("127.0.0.1", daemon.port, Login()).close()


def test_portal_comes_and_goes(daemon):
    name, port = daemon.target(), free_port()
    portal = ["--mode", "portal", "--param", f"portal=127.0.0.1:{port}"]
    daemon.do("--op", "new", *portal)
    again = daemon.adm("--op", "new", *portal)
    assert (again.returncode, again.stderr.startswith("tgtadm: invalid request: ")) == (22, True)
    login("127.0.0.1", port, Login(name)).close()
    daemon.do("--op", "delete", *portal)
    assert daemon.adm("--op", "delete", *portal).returncode == 22
    with pytest.raises(OSError, match="refused"):
        login("127.0.0.1", port, Login(name))


def test_another_password(daemon):
    """It is for the next login; the account stays bound, so nobody gets in without one."""
    name = daemon.target()
    daemon.do("--op", "new", "--mode", "account", "--user", "a", "--password", "secretsecret1")
    daemon.do("--op", "bind", "--mode", "account", "--tid", "1", "--user", "a")
    before = Chap(user="a", secret="secretsecret1", algorithms=(7,))
    with login("127.0.0.1", daemon.port, Login(name, chap=before)) as session:
        daemon.do("--op", "update", "--mode", "account", "--user", "a", "--password", "secretsecret2")
        assert session.alive()
    for chap in (before, None):
        with pytest.raises(LoginFailed):
            login("127.0.0.1", daemon.port, Login(name, chap=chap))
    login("127.0.0.1", daemon.port, Login(name, chap=Chap(user="a", secret="secretsecret2", algorithms=(7,)))).close()
    refused = daemon.adm("--op", "update", "--mode", "account", "--user", "b", "--password", "x")
    assert (refused.returncode, refused.stderr) == (22, "tgtadm: can't find the account\n")
