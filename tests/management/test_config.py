# SPDX-License-Identifier: MIT
"""targets.conf(5): what the daemon makes of each directive, and that it changes no more than the difference."""
import os
import signal
import subprocess
import time

import pytest
from configs import Config, Io, store, target
from daemons import IQN, STORES, TGTD, die_with_parent, free_port, tgtd
from iscsi import scsi
from iscsi.chap import Chap
from iscsi.login import Login, LoginFailed, login


@pytest.fixture
def config(start, tmp_path):
    return Config(start, tmp_path)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hang_up(config):
    """SIGHUP, until its end is in the log."""
    seen = len(config.daemon.log())
    config.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration: " in config.daemon.log()[seen:])
    return config.daemon.log()[seen:]


# -- the start


def test_start(start, tmp_path):
    """When the daemon is ready, all that the file asks for is there, and open to everybody."""
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    config = Config(start, tmp_path, target(f"backing-store {tmp_path}/disk", "driver iscsi"))
    assert config.unit()["store"]["path"] == f"{tmp_path}/disk"
    assert config.target()["acl"] == ["ALL"]
    with config.login() as session:
        session.clear_attentions()
        assert session.execute(scsi.read10(0, 1), read=512).data == bytes(512)


@pytest.mark.parametrize("where", [["-f"], []], ids=["foreground", "background"])
@pytest.mark.parametrize(("text", "why"), [
    ("\nbogus\n", 'targets.conf:2: there is no directive "bogus"'),
    ("<target x>\n", 'targets.conf:1: "x" is no iSCSI name (iqn., eui. or naa.)'),
    (target("MaxBurstLength 5"), 'targets.conf:2: MaxBurstLength can\'t be "5"'),
    ("include gone\n", "gone: No such file or directory"),
])
def test_bad_file_at_the_start(tmp_path, where, text, why):
    (tmp_path / "targets.conf").write_text(text)
    done = tgtd(*where, "--backing-store-dir", STORES, "--state-dir", tmp_path, "--config", tmp_path / "targets.conf",
                "--iscsi", f"portal=127.0.0.1:{free_port()}", env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
    assert done.returncode == 1
    assert why in done.stderr
    assert not (tmp_path / "s.0").exists()


def test_errors_may_be_ignored_at_the_start(start, tmp_path):
    config = Config(start, tmp_path, "ignore-errors yes\nbogus\n" + target())
    assert config.target() and 'there is no directive "bogus"' in config.daemon.log()


def test_relative_file(start, tmp_path):
    """It is read again although the daemon is elsewhere then."""
    (tmp_path / "x.conf").write_text(target())
    daemon = start("--config", os.path.relpath(tmp_path / "x.conf"))
    assert len(daemon.show("target")["targets"]) == 1
    assert daemon.ask({"op": "update", "mode": "config"})["rc"] == 0


def test_missing_disk_at_the_start(start, tmp_path):
    """One target's disk is away: the others are served, and that one isn't half there."""
    config = Config(start, tmp_path, target(f"backing-store {tmp_path}/none") + target(name="u"))
    assert config.target() is None and config.target("u")
    assert f"targets.conf:2: invalid request: {tmp_path}/none: No such file or directory" in config.daemon.log()


# -- directives


def test_unit_directives(config):
    path = config.image("disk", 1 << 20)
    lines = ["lun 7", "scsi_id my id", "scsi_sn sn-1", "vendor_id ACME", 'product_id "BIG DISK"', "product_rev 2.0",
             "removable yes", "readonly yes", "block-size 4096", "bs-type rdwr", "bsoflags sync", "device-type disk",
             "lbppbe 1", "la_lba 1", "optimal_xfer_gran 8", "optimal_xfer_len 64", "sense_format 1",
             "params thin_provisioning=1,rotation_rate=7200,size=512k", "mode_page 10:0:10:0:16:0:0:0:0:0:0:2:0"]
    config.changes(target(store(path, *lines)))
    unit = config.unit(lun=7)
    expected = {"scsi_id": "my id", "scsi_sn": "sn-1", "removable": True, "readonly": True, "block_size": 4096,
                "size": 512 << 10, "thin_provisioning": True, "online": True, "type": "disk"}
    assert {key: unit[key] for key in expected} == expected
    assert unit["store"] == {"type": "rdwr", "path": str(path), "options": None, "flags": ["sync"]}
    with config.login() as session:
        session.clear_attentions(lun=7)
        data = session.execute(scsi.inquiry(), lun=7, read=255).data
        assert data[8:36] == b"ACME    BIG DISK        2.0 "
        limits = session.execute(scsi.inquiry(0xb0), lun=7, read=255).data
        assert (limits[6:8], limits[12:16]) == (bytes([0, 8]), bytes([0, 0, 0, 64]))
        assert session.execute(scsi.inquiry(0xb1), lun=7, read=255).data[4:6] == (7200).to_bytes(2, "big")
        capacity = session.execute(scsi.read_capacity16(), lun=7, read=32).data
        assert capacity[13] & 0xf == 1 and int.from_bytes(capacity[14:16], "big") & 0x3fff == 1


def test_tape_drive(config):
    """What a tape drive passes for: set, left alone when it is the same, and as it was made once it isn't given."""
    path = config.image("tape", 0)

    def product():
        with config.login() as session:
            session.clear_attentions()
            return session.execute(scsi.inquiry(), read=96).data[16:32].decode().rstrip()

    lines = ["device-type tape", "drive LTO-8"]
    config.changes(target(store(path, *lines)))
    assert product() == "VIRTUAL LTO-8"
    assert config.changes(target(store(path, *lines))) == []
    assert config.changes(target(store(path, "device-type tape", "params drive=LTO-9"))) == ["update logicalunit"]
    assert product() == "VIRTUAL LTO-9"
    config.changes(target(store(path, "device-type tape")))
    assert product() == "VIRTUAL-TAPE"
    result = config.update(target(store(path, "device-type tape", "drive LTO-1")))
    assert "drive is plain, LTO-6" in str(result["failed"]), result


@pytest.mark.parametrize(("word", "wce"), [("on", True), ("off", False)])
def test_write_cache(config, word, wce):
    """WCE of the Caching mode page (SBC-4)."""
    config.changes(target(f"backing-store {config.image('disk')}", f"write-cache {word}"))
    with config.login() as session:
        session.clear_attentions()
        page = session.execute(scsi.mode_sense6(8, dbd=True), read=255).data[4:]
        assert bool(page[2] & 4) == wce
    config.changes(target(f"backing-store {config.image('disk')}", f"write-cache {'off' if wce else 'on'}"))
    with config.login() as session:
        session.clear_attentions()
        assert bool(session.execute(scsi.mode_sense6(8, dbd=True), read=255).data[6] & 4) != wce


def test_offline_unit_and_path(config):
    first, second = config.image("first"), config.image("second")
    config.changes(target(store(first, f"path {second}", "removable yes", "online no")))
    assert config.unit()["store"]["path"] == str(second)
    assert config.unit()["online"] is False


def test_drive_without_a_medium(config):
    """What is put in by hand stays; what the file puts in is there."""
    text = target("backing-store NONE:1")
    config.changes(text)
    assert (config.unit()["removable"], config.unit()["store"]["path"]) == (True, None)
    assert config.changes(text) == []
    assert config.changes(dump(config)) == []
    medium = config.image("medium")
    config.daemon.do("--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params", f"path={medium}")
    assert config.changes(text) == []
    assert config.unit()["store"]["path"] == str(medium)
    other = config.image("other")
    assert config.changes(target(store("NONE:1", f"path {other}"))) == ["update logicalunit"]
    assert config.unit()["store"]["path"] == str(other)


def test_saved_mode_pages_stay(config):
    """What an initiator saved (MODE SELECT, SP = 1) is no difference to the file, and in the dump."""
    config.changes(target(f"backing-store {config.image('disk')}"))
    with config.login() as session:
        session.clear_attentions()
        page = bytearray(session.execute(scsi.mode_sense6(8, dbd=True), read=255).data)
        page[0] = 0
        page[4] &= 0x7f
        page[6] &= ~4
        assert session.execute(scsi.mode_select6(len(page), save=True), data_out=bytes(page)).good
    assert config.update()["changes"] == []
    assert "mode_page 8:0:18:0:" in dump(config)


def test_long_serial_is_cut(config):
    """Cinder gives 43 characters; the field has 36."""
    serial = "0123456789012345678901234567890123456789012"
    text = target(f"backing-store {config.image('disk')}", f"scsi_sn {serial}")
    config.changes(text)
    assert config.unit()["scsi_sn"] == serial[:36]
    assert config.changes(text) == []


def test_target_directives(config):
    config.changes(target("controller_tid 5", "state offline", "MaxRecvDataSegmentLength 65536", "HeaderDigest CRC32C",
                          "nop_interval 7", "initiator-address 192.0.2.0/24", f"initiator-name {IQN}i"))
    shown = config.target()
    assert (shown["tid"], shown["state"], shown["nop_interval"]) == (5, "offline", 7)
    assert shown["acl"] == ["192.0.2.0/24", f"{IQN}i"]
    parameters = {row["name"]: row["value"] for row in config.daemon.show("target", "--tid", "5")["parameters"]}
    assert (parameters["MaxRecvDataSegmentLength"], parameters["HeaderDigest"]) == ("65536", "CRC32C")


def test_rules_of_access(config):
    """A name, and nobody else; none, and nobody at all."""
    config.changes(target(f"initiator-name {IQN}me"))
    config.login(initiator=f"{IQN}me").close()
    with pytest.raises(LoginFailed):
        config.login(initiator=f"{IQN}you")
    config.changes(target("initiator-address none"))
    with pytest.raises(LoginFailed):
        config.login(initiator=f"{IQN}me")
    assert config.target()["acl"] == []


def test_accounts(config):
    config.changes("incomingdiscoveryuser disco secretsecret0\noutgoingdiscoveryuser odisco secretsecret9\n"
                   + target("incominguser alice secretsecret1", "outgoinguser bob secretsecret2"))
    chap = Chap(user="alice", secret="secretsecret1", algorithms=(7,), target_user="bob",
                target_secret="secretsecret2")
    config.login(chap=chap).close()
    with pytest.raises(LoginFailed):
        config.login()
    with pytest.raises(LoginFailed):
        login("127.0.0.1", config.daemon.port, Login(None))
    shown = config.daemon.show("account")
    assert {(row["user"], row["outgoing"]) for row in shown["discovery"]} == {("odisco", True), ("disco", False)}
    # another password: nothing else changes, and no login without it is possible meanwhile
    changed = config.changes("incomingdiscoveryuser disco secretsecret0\noutgoingdiscoveryuser odisco secretsecret9\n"
                             + target("incominguser alice anothersecret", "outgoinguser bob secretsecret2"))
    assert changed == ["update account"]
    with pytest.raises(LoginFailed):
        config.login(chap=chap)
    config.login(chap=Chap(user="alice", secret="anothersecret", algorithms=(7,))).close()
    # no accounts any more
    config.changes(target())
    config.login().close()
    shown = config.daemon.show("account")
    assert shown == {"accounts": [], "discovery": []}


def test_passwords_are_told_nobody(config):
    result = config.update(target("incominguser alice topsecretword") + target("bogus", name="u").replace("bogus", ""))
    assert "topsecret" not in str(result)
    config.write(target("incominguser alice topsecretword x"))
    answer = config.daemon.ask({"op": "update", "mode": "config"})
    assert answer["rc"] == 22 and "topsecret" not in str(answer)
    assert "topsecret" not in config.daemon.log()
    assert "topsecret" not in str(config.daemon.ask({"op": "show", "mode": "config"}))


def test_luns_are_numbered(config):
    names = [config.image(f"d{i}") for i in range(4)]
    config.changes(target(f"backing-store {names[0]}", store(names[1], "lun 1"), f"backing-store {names[2]}",
                          store(names[3], "lun 9")))
    assert {unit["lun"]: unit["store"]["path"] for unit in config.target()["luns"][1:]} == {
        1: str(names[1]), 2: str(names[0]), 3: str(names[2]), 9: str(names[3])}


def test_tids_are_the_lowest_free(config):
    config.daemon.target(2)
    config.changes(target(name="a") + target("controller_tid 3", name="b") + target(name="c"))
    assert [config.target(name)["tid"] for name in "abc"] == [1, 3, 4]


def test_isns_has_no_effect(config):
    result = config.update("iSNS On\niSNSServerIP 192.0.2.1\niSNSServerPort 3205\niSNSAccessControl On\n")
    assert result["warnings"] == [f"{config.path}:1: there is no iSNS client here: this has no effect"]


def test_direct_store(config):
    """A file has no name of its own: the unit is called as any other."""
    config.changes(target(f"direct-store {config.image('disk')}"))
    assert config.unit()["scsi_sn"] == "beaf11"


def test_included_files(config):
    (config.folder / "conf.d").mkdir()
    (config.folder / "conf.d/1.conf").write_text(target(name="a"))
    assert config.changes("include conf.d/*.conf\n") == ["new target", "bind target"]
    (config.folder / "conf.d/2.conf").write_text("\nbogus\n")
    answer = config.daemon.ask({"op": "update", "mode": "config"})
    assert (answer["rc"], answer["error"]) == (22, f'{config.folder}/conf.d/2.conf:2: there is no directive "bogus"')
    (config.folder / "conf.d/1.conf").unlink()
    (config.folder / "conf.d/2.conf").unlink()
    assert config.changes("include conf.d/*.conf\n") == ["delete target"]


# -- what can't be done


def test_paths_in_use(config):
    """A path is one unit's, by whatever name it goes; unless the file says so."""
    path = config.image("disk")
    (config.folder / "link").symlink_to(path)
    result = config.update(target(f"backing-store {path}") + target(f"backing-store {config.folder}/link", name="u"))
    [failed] = result["failed"]
    assert failed["error"] == f"{config.folder}/link is in use by target 1 lun 1"
    assert failed["place"] == f"{config.path}:5"
    assert config.target() and config.target("u") is None
    config.changes(target(f"backing-store {path}")
                   + target(f"backing-store {config.folder}/link", "allow-in-use yes", name="u"))
    assert config.unit("u")


def test_failure_leaves_nothing(config):
    """A target that can't be made whole isn't made; what was there before goes on."""
    path = config.image("disk")
    good = target(f"backing-store {path}")
    config.changes(good)
    bad = target(f"backing-store {config.image('b')}", f"backing-store {config.folder}/none", name="u")
    result = config.update(good + bad)
    assert [(row["error"], row["place"]) for row in result["failed"]] == [("invalid request", f"{config.path}:6")]
    assert config.target("u") is None and config.unit()
    # again, with that said to be no error
    result = config.update(good + bad, ignore_errors=True)
    assert len(result["failed"]) == 1
    assert [unit["lun"] for unit in config.target("u")["luns"]] == [0, 1]


def test_unit_with_a_bad_parameter_is_not_left(config):
    result = config.update(target(store(config.image("disk"), "params nosuch=1")), ignore_errors=True)
    assert result["failed"][0]["detail"] == 'a logical unit has no parameter "nosuch"'
    assert [unit["lun"] for unit in config.target()["luns"]] == [0]


@pytest.mark.parametrize("lines", [["backing-store /nonexistent/disk"], ["backing-store USED", "bsoflags sync"]])
def test_unit_that_can_not_be_replaced_stays(config, lines):
    """It isn't taken away before it is known that the new one can be made."""
    disk, used = config.image("disk"), config.image("used")
    other = target(f"backing-store {used}", name="u")
    config.changes(target(f"backing-store {disk}") + other)
    with config.login() as session, Io(session) as io:
        result = config.update(target(*[line.replace("USED", str(used)) for line in lines]) + other)
        assert len(result["failed"]) == 1
        io.wait(5)
    assert config.unit()["store"]["path"] == str(disk)


def test_new_unit_is_seen_as_it_shall_be(config):
    """Whoever hears of it at once finds its name, and can't write to what is read-only."""
    disk = config.image("disk")
    config.changes(target(f"backing-store {disk}"))
    with config.login() as session:
        session.clear_attentions()
        changed = config.changes(target(f"backing-store {disk}", store(
            config.image("new"), "vendor_id ACME", "readonly yes", "scsi_sn X", "params size=64k")))
        assert changed == ["new logicalunit"]
        session.clear_attentions()
        assert session.execute(scsi.inquiry(), lun=2, read=255).data[8:12] == b"ACME"
        assert session.execute(scsi.test_unit_ready(), lun=2).sense.asc == 0x2900  # it is new; nothing else
        assert session.execute(scsi.test_unit_ready(), lun=2).good
        assert session.execute(scsi.write10(0, 1), lun=2, data_out=bytes(512)).sense.key == 7


def test_tid_taken_by_hand(config):
    config.daemon.target(3)
    result = config.update(target("controller_tid 3"))
    assert result["failed"][0]["error"] == "this target already exists"


def test_bad_file_changes_nothing(config):
    config.changes(target())
    config.write(target(name="u") + "bogus\n")
    answer = config.daemon.ask({"op": "update", "mode": "config"})
    assert answer["error"] == f'{config.path}:3: there is no directive "bogus"'
    assert config.target() and config.target("u") is None


# -- the difference


def test_nothing_changes_twice(config):
    text = "incomingdiscoveryuser d secretsecret0\n" + target(
        "incominguser a secretsecret1", "outgoinguser b secretsecret2", "nop_interval 3", "initiator-address 127.0.0.1",
        store(config.image("disk"), "vendor_id X", "write-cache off", "mode_page 10:0:10:0:16:0:0:0:0:0:0:2:0",
              "bsoflags sync", "block-size 1024", "params size=64k"))
    assert config.changes(text)
    assert config.changes(text) == []
    assert "0 failed" not in hang_up_quietly(config)


def hang_up_quietly(config):
    seen = len(config.daemon.log())
    config.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "SIGHUP" in config.daemon.log()[seen:])
    config.daemon.show("system")  # after it in the queue
    return config.daemon.log()[seen:]


def test_busy_session_notices_nothing(config):
    """Another target, another unit and another password come and go: no unit attention, no error, no end."""
    disk, other = config.image("disk"), config.image("other")
    text = target(f"backing-store {disk}", "incominguser a secretsecret1", name="busy")
    config.changes(text)
    chap = Chap(user="a", secret="secretsecret1", algorithms=(7,))
    with config.login("busy", chap=chap) as session, Io(session) as io:
        for _ in range(5):
            assert config.changes(text + target(f"backing-store {other}", name="u"))
            io.wait(5)
            assert config.changes(text.replace("secretsecret1", "secretsecret2") + target(
                f"backing-store {other}", "vendor_id X", name="u"))
            io.wait(5)
            assert "0 failed" in hang_up_after(config, text)
            io.wait(5)
    assert "is logged out" not in config.daemon.log().split("0 failed")[0]


def hang_up_after(config, text):
    config.write(text)
    return hang_up(config)


def test_units_of_a_busy_target(config):
    """A unit comes and goes: the other's session hears of the inventory (SPC-5 6.33) and of nothing else."""
    disk, other = config.image("disk"), config.image("other")
    config.changes(target(f"backing-store {disk}"))
    with config.login() as session:
        session.clear_attentions()
        assert config.changes(target(f"backing-store {disk}", f"backing-store {other}")) == ["new logicalunit"]
        result = session.execute(scsi.test_unit_ready())
        assert result.sense.asc == 0x3f0e
        with Io(session) as io:
            changed = config.changes(target(f"backing-store {disk}", store(other, "vendor_id X", "readonly yes")))
            assert changed == ["update logicalunit"]
            io.wait(20)
        assert config.changes(target(f"backing-store {disk}")) == ["delete logicalunit"]
        result = session.execute(scsi.test_unit_ready())
        assert result.sense.asc == 0x3f0e
        assert session.execute(scsi.test_unit_ready()).good


def test_parameters_change_under_io(config):
    disk = config.image("disk")
    config.changes(target(store(disk)))
    with config.login() as session:
        session.clear_attentions()
        assert config.changes(target(store(disk, "vendor_id NEW"))) == ["update logicalunit"]
        result = session.execute(scsi.test_unit_ready())
        assert result.sense.asc == 0x3f03  # INQUIRY DATA HAS CHANGED
        assert session.execute(scsi.inquiry(), read=255).data[8:12] == b"NEW "
        # and back again
        assert config.changes(target(store(disk))) == ["update logicalunit"]
        session.clear_attentions()
        assert session.execute(scsi.inquiry(), read=255).data[8:12] == b"IET "


def test_another_path_is_another_unit(config):
    first, second = config.image("first"), config.image("second")
    config.changes(target(f"backing-store {first}"))
    assert config.changes(target(f"backing-store {second}")) == ["delete logicalunit", "new logicalunit"]
    assert config.unit()["store"]["path"] == str(second)


def test_handmade_things_stay(config):
    daemon, disk = config.daemon, config.image("disk")
    name = daemon.target(1)
    daemon.unit(disk)
    daemon.do("--op", "new", "--mode", "account", "--user", "hand", "--password", "secretsecret12")
    config.changes(target())
    daemon.unit(config.image("more"), tid=2, lun=5)
    daemon.do("--op", "bind", "--mode", "account", "--tid", "2", "--user", "hand")
    daemon.do("--op", "bind", "--mode", "target", "--tid", "2", "--initiator-name", f"{IQN}hand")
    assert config.changes(target()) == []
    assert [unit["lun"] for unit in config.target()["luns"]] == [0, 5]
    assert config.changes("") == ["delete target"]
    assert [t["name"] for t in daemon.show("target")["targets"]] == [name]
    assert daemon.show("account")["accounts"] == ["hand"]


def test_account_that_is_bound_by_hand_stays(config):
    """Its target would be open without it."""
    config.changes(target("incominguser a secretsecret1"))
    name = config.daemon.target(7)
    config.daemon.do("--op", "bind", "--mode", "account", "--tid", "7", "--user", "a")
    config.changes("")
    assert config.daemon.show("account")["accounts"] == ["a"]
    with pytest.raises(LoginFailed):
        login("127.0.0.1", config.daemon.port, Login(name))


def test_target_in_use_is_not_removed(config):
    config.changes(target(f"backing-store {config.image('disk')}"))
    with config.login() as session, Io(session) as io:
        result = config.update("")
        assert "it isn't in the configuration any more" in result["refused"][0] and not result["changes"]
        assert "still active" in hang_up_after(config, "")
        io.wait(5)
    wait_for(lambda: not config.target()["nexuses"])
    assert config.changes("") == ["delete target"]


def test_target_in_use_is_removed_by_force(config):
    config.changes(target())
    session = config.login()
    assert config.changes("", force=True) == ["delete target"]
    assert config.target() is None
    session.connection.close()


def test_what_hand_changed_is_put_right(config):
    disk = config.image("disk")
    text = target(store(disk, "vendor_id X"))
    config.changes(text)
    config.daemon.do("--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params", "vendor_id=Y")
    assert config.changes(text) == ["update logicalunit"]
    config.daemon.do("--op", "delete", "--mode", "target", "--tid", "1")
    assert config.changes(text) == ["new target", "new logicalunit", "bind target"]


# -- requests


def test_one_target(config):
    text = target(name="a") + target(name="b")
    assert config.changes(text, name=IQN + "b") == ["new target", "bind target"]
    assert config.target("a") is None
    config.changes(text)
    config.write("")
    assert config.changes("", name=f"tid={config.target('a')['tid']}") == ["delete target"]
    assert config.target("b")


def test_one_target_by_the_tid_of_the_file(config):
    config.changes(target("controller_tid 9"), name="tid=9")
    assert config.target()["tid"] == 9


@pytest.mark.parametrize("name", [IQN + "none", "tid=77", "tid=x", "tid="])
@pytest.mark.parametrize("op", ["update", "delete"])
def test_unknown_target(config, op, name):
    answer = config.daemon.ask({"op": op, "mode": "config", "name": name})
    assert (answer["rc"], answer["error"]) == (22, "can't find the target")


def test_pretend(config):
    result = config.update(target("incominguser a secretsecret1"), pretend=True)
    assert [change["op"] for change in result["changes"]] == ["new", "new", "bind", "bind"]
    assert result["changes"][0]["password"] == "***"
    assert config.target() is None


def test_other_file(config, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text(target())
    assert config.changes("", file=str(other)) == ["new target", "bind target"]


def test_control_port_of_another_daemon(config):
    result = config.update("control-port 3\n")
    assert result["warnings"] == [f"{config.path}: control-port 3 is another daemon's; this one's is 0"]


def test_hang_up_under_a_bad_file(config):
    config.changes(target())
    assert f'{config.path}:1: there is no directive "bogus"' in hang_up_after(config, "bogus\n")
    assert config.target()
    assert "0 failed" in hang_up_after(config, target(name="u"))
    assert config.target("u") and config.target() is None


@pytest.mark.parametrize("hang_ups", [0, 3])
def test_end_before_it_is_ready(tmp_path, hang_ups):
    """SIGTERM while the file is carried out for the first time: the daemon never serves, and ends well."""
    (tmp_path / "targets.conf").write_text("".join(target(name=f"n{i}") for i in range(3000)))
    log = tmp_path / "log"
    with log.open("w") as file:
        daemon = subprocess.Popen([TGTD, "-f", "--backing-store-dir", str(STORES), "--state-dir", str(tmp_path),
                                   "--config", str(tmp_path / "targets.conf"), "--iscsi",
                                   f"portal=127.0.0.1:{free_port()}"], stderr=file, preexec_fn=die_with_parent,
                                  env={**os.environ, "TGT_IPC_SOCKET": str(tmp_path / "s")})
    wait_for(lambda: f"{IQN}n5\n" in log.read_text())
    for _ in range(hang_ups):
        daemon.send_signal(signal.SIGHUP)
    daemon.terminate()
    for _ in range(hang_ups):
        daemon.send_signal(signal.SIGHUP)
    assert daemon.wait(20) == 0
    assert "ready (version" not in log.read_text()
    assert not (tmp_path / "s.0").exists()


def test_end_while_much_is_made(start, tmp_path):
    """SIGTERM in the middle: the daemon ends in time and well."""
    config = Config(start, tmp_path)
    config.write("".join(target(name=f"n{i}") for i in range(2000)))
    config.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: f"{IQN}n5\n" in config.daemon.log())
    config.daemon.process.terminate()
    assert config.daemon.process.wait(20) == 0


def dump(config):
    return config.daemon.ask({"op": "show", "mode": "config"})["result"]["text"]


def test_dump_makes_the_same_again(config, start, tmp_path):
    """Read by the daemon itself it changes nothing; by a fresh one it makes the same."""
    text = target("controller_tid 4", "initiator-address 127.0.0.1", f"initiator-name {IQN}i", "nop_interval 5",
                  "state offline",
                  store(config.image("a b"), "vendor_id X", "product_id A # B", "scsi_id \"q'\\\"\\\\\"", "lun 3",
                        "write-cache off", "mode_page 10:0:10:0:16:0:0:0:0:0:0:2:0", "bsoflags direct",
                        "params size=64k,thin_provisioning=1"),
                  store(config.image("c"), "bs-type aio", "block-size 4096", "readonly yes", "removable yes"))
    config.changes(text)
    config.daemon.target(9, acl=None)
    dumped = dump(config)
    assert dumped.count("mode_page") == 1, "what is no default: write-cache off"
    assert config.changes(dumped) == []
    (tmp_path / "again").mkdir()
    fresh = Config(start, tmp_path / "again", dumped)
    assert dump(fresh) == dumped
    assert fresh.daemon.show("target") == config.daemon.show("target")
    for tid in ("4", "9"):
        assert fresh.daemon.show("target", "--tid", tid) == config.daemon.show("target", "--tid", tid)


def test_dump_of_accounts(config, start, tmp_path):
    """Without passwords: where the accounts are it changes nothing, and elsewhere no target is left open."""
    config.changes("incomingdiscoveryuser d secretsecret0\n"
                   + target("incominguser a secretsecret1", "outgoinguser \"b c\" secretsecret2"))
    dumped = dump(config)
    assert "secretsecret" not in dumped
    assert config.changes(dumped) == []
    (tmp_path / "again").mkdir()
    fresh = Config(start, tmp_path / "again", dumped)
    assert fresh.target() is None
    assert "can't find the account" in fresh.daemon.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="making a loop device needs root")
def test_held_device(config):
    """A block device that somebody else holds (O_EXCL) is left alone."""
    path = config.image("device", 8 << 20)
    made = subprocess.run(["losetup", "--find", "--show", str(path)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    device = made.stdout.strip()
    try:
        holder = os.open(device, os.O_RDONLY | os.O_EXCL)
        result = config.update(target(f"backing-store {device}"))
        assert result["failed"][0]["error"].startswith(f"{device} is in use by the system")
        os.close(holder)
        config.changes(target(f"backing-store {device}"))
        config.changes("")
    finally:
        subprocess.run(["losetup", "-d", device], check=False)
