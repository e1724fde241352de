# SPDX-License-Identifier: MIT
"""tgt-admin: its options, and what those who drive it (OpenStack Cinder) send and read."""
import re

import pytest
from configs import Config, Io, store, target
from daemons import BUILD, IQN, run

TGT_ADMIN = str(BUILD / "tgt-admin")


class Admin(Config):
    def admin(self, *arguments):
        return run([TGT_ADMIN, *map(str, arguments)], timeout=60, env=self.daemon.env)

    def do(self, *arguments):
        done = self.admin(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done)
        return done.stdout


@pytest.fixture
def admin(start, tmp_path):
    return Admin(start, tmp_path)


def shown(admin):
    return admin.daemon.do("--op", "show", "--mode", "target")


# -- Cinder


class Cinder:
    """What Cinder does: a file for each volume, and these commands."""

    def __init__(self, admin):
        self.admin = admin
        self.folder = admin.folder / "volumes"
        self.folder.mkdir()
        admin.write(f"include {self.folder}/*\n")

    def create(self, name, *lines):
        path = self.admin.image(f"lv-{name}")
        text = target(f"backing-store {path}", "driver iscsi", *lines, "write-cache on", name=name)
        (self.folder / name).write_text("\n" + text)
        return self.admin.admin("--update", IQN + name)

    def tid(self, name):
        """The second word, less its last character, of the first line with the name."""
        line = next(line for line in self.admin.do("--show").splitlines() if IQN + name in line)
        return line.split()[1][:-1]

    def has_lun(self, name):
        found = False
        for line in self.admin.do("--show").splitlines():
            if IQN + name in line:
                found = True
            if found and line == "        LUN: 1":
                return True
        return False

    def remove(self, name):
        (self.folder / name).unlink()
        return self.admin.admin("--force", "--delete", IQN + name)


@pytest.fixture
def cinder(admin):
    return Cinder(admin)


def test_cinder(cinder, admin):
    serial = "0123456789012345678901234567890123456789012"
    for i, name in enumerate(["volume-1", "volume-2"], 1):
        done = cinder.create(name, f"incominguser user{i} passwordpass{i}", f"scsi_sn {serial}", "bsoflags direct")
        assert (done.returncode, done.stderr) == (0, "")
        assert cinder.tid(name) == str(i)
        assert cinder.has_lun(name)
        assert admin.unit(name)["scsi_sn"] == serial[:36]
        assert admin.unit(name)["store"]["flags"] == ["direct"]
    # a second time it is no error
    assert cinder.create("volume-1", "incominguser user1 passwordpass1", f"scsi_sn {serial}",
                         "bsoflags direct").returncode == 0
    assert cinder.remove("volume-1").returncode == 0
    assert admin.target("volume-1") is None and admin.target("volume-2")
    assert admin.daemon.show("account")["accounts"] == ["user2"]
    done = admin.admin("--delete", IQN + "volume-1")
    assert done.returncode != 0 and "can't find the target" in done.stderr
    # the lowest number is free again
    assert cinder.create("volume-3").returncode == 0
    assert cinder.tid("volume-3") == "1"


def test_cinder_and_a_volume_that_is_away(cinder, admin):
    (cinder.folder / "v").write_text(target("backing-store /nonexistent/v", name="v"))
    done = admin.admin("--update", IQN + "v")
    assert done.returncode == 22
    assert done.stderr == (f"tgt-admin: {cinder.folder}/v:2: invalid request: /nonexistent/v: No such file or "
                           "directory\n")
    assert "volume" not in shown(admin)


def test_cinder_makes_the_missing_unit(cinder, admin):
    """tgtadm with exactly these words, when LUN 1 isn't there."""
    cinder.create("v")
    tid = cinder.tid("v")
    admin.daemon.do("--lld", "iscsi", "--op", "delete", "--mode", "logicalunit", "--tid", tid, "--lun", "1")
    assert not cinder.has_lun("v")
    admin.daemon.do("--lld", "iscsi", "--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", "1", "-b",
                    str(admin.image("lv-v")))
    assert cinder.has_lun("v")


def test_target_that_exists(admin):
    admin.daemon.target(3)
    admin.write(target("controller_tid 3", name="other"))
    done = admin.admin("--update", IQN + "other")
    assert (done.returncode, done.stderr) == (
        22, f"tgt-admin: {admin.path}:1: this target already exists: target 3 is {IQN}t3\n")


# -- actions


def test_execute_and_update_all(admin):
    admin.write(target(f"backing-store {admin.image('a')}") + target(name="u"))
    for action in (["-e"], ["--execute"], ["--update", "ALL"]):
        assert admin.do(*action) == ""
        assert admin.unit() and admin.target("u")


def test_show(admin):
    admin.write(target(f"backing-store {admin.image('a')}"))
    admin.do("-e")
    with admin.login():
        assert admin.do("--show") == admin.do("-s") == shown(admin)
        assert "        I_T nexus: " in shown(admin) and "        LUN: 1\n" in shown(admin)


@pytest.mark.parametrize("value", ["ALL", "tid=2", IQN + "u"])
def test_offline_and_ready(admin, value):
    admin.write(target() + target(name="u"))
    admin.do("-e")
    admin.do("--offline", value)
    assert admin.target("u")["state"] == "offline"
    assert admin.target()["state"] == ("offline" if value == "ALL" else "ready")
    admin.do("--ready", value)
    assert admin.target("u")["state"] == "ready"


@pytest.mark.parametrize("value", ["tid=2", IQN + "u"])
def test_delete(admin, value):
    admin.write(target() + target(name="u"))
    admin.do("-e")
    admin.do("--delete", value)
    assert admin.target() and admin.target("u") is None
    admin.do("--update", "ALL")
    assert admin.target("u")


def test_delete_all(admin):
    admin.do("--delete", "ALL")
    admin.write(target() + target(name="u"))
    admin.do("-e")
    admin.daemon.target(9)
    admin.do("--delete", "ALL")
    assert shown(admin) == ""


@pytest.mark.parametrize("action", ["--update", "--delete", "--offline", "--ready"])
@pytest.mark.parametrize("value", ["tid=7", IQN + "none", "nonsense"])
def test_unknown_target(admin, action, value):
    done = admin.admin(action, value)
    assert (done.returncode, done.stdout) == (22, "")
    assert done.stderr.startswith("tgt-admin: can't find the target: ")


def test_target_in_use(admin):
    """Only by force; and then its sessions end."""
    admin.write(target(f"backing-store {admin.image('a')}"))
    admin.do("-e")
    with admin.login() as session, Io(session) as io:
        done = admin.admin("--delete", IQN + "t")
        assert (done.returncode, done.stderr) == (
            22, f"tgt-admin: target {IQN}t: this target is still active: force ends its sessions\n")
        admin.write("")
        done = admin.admin("--update", "ALL")
        assert done.returncode == 22 and "this target is still active" in done.stderr
        admin.write(target("controller_tid 8", f"backing-store {admin.image('a')}"))
        done = admin.admin("--update", "ALL")
        assert done.returncode == 22 and "its controller_tid changed; force ends its sessions" in done.stderr
        io.wait(5)
    session = admin.login()
    assert admin.do("-f", "--update", "ALL") == ""
    assert admin.target()["tid"] == 8
    session.connection.close()
    session = admin.login()
    assert admin.do("--delete", IQN + "t", "--force") == ""
    assert admin.target() is None
    session.connection.close()


def test_update_of_a_busy_target(admin):
    """What needn't end sessions is done without force."""
    admin.write(target(f"backing-store {admin.image('a')}"))
    admin.do("-e")
    with admin.login() as session:
        session.clear_attentions()
        with Io(session):
            admin.write(target(f"backing-store {admin.image('a')}", "incominguser a secretsecret1", "nop_interval 9"))
            assert admin.do("--update", IQN + "t") == ""
    assert admin.target()["nop_interval"] == 9


COMMANDS = """\
tgtadm --lld iscsi --op new --mode account --user a --password '***'
tgtadm --lld iscsi --op new --mode target --tid 1 --targetname {iqn}t
tgtadm --lld iscsi --op update --mode target --tid 1 --name nop_interval --value 5
tgtadm --lld iscsi --op bind --mode account --tid 1 --user a
tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 --backing-store '{path}' --bstype rdwr
tgtadm --lld iscsi --op update --mode logicalunit --tid 1 --lun 1 --params 'product_id=it'\\''s'
tgtadm --lld iscsi --op bind --mode target --tid 1 --initiator-address ALL
"""


def test_pretend_and_verbose(admin):
    path = admin.image("a b")
    admin.write(target("incominguser a secretsecret1", "nop_interval 5",
                       store(path, "bs-type rdwr", "product_id it's")))
    expected = COMMANDS.format(iqn=IQN, path=path)
    assert admin.do("--pretend", "-e") == expected
    assert shown(admin) == ""
    assert admin.do("-v", "-e") == expected
    assert admin.unit()
    assert admin.do("-p", "-e") == ""
    assert admin.do("-p", "--delete", IQN + "t") == "tgtadm --lld iscsi --op delete --mode target --tid 1\n"
    assert admin.do("-p", "--offline", "ALL") == (
        "tgtadm --lld iscsi --op update --mode target --tid 1 --name state --value offline\n")
    assert admin.target()["state"] == "ready"


def test_pretended_commands_do_it(admin):
    """They are what tgtadm takes, word for word."""
    path = admin.image("a")
    admin.write(target("nop_interval 5", "initiator-address 127.0.0.1", f"initiator-name {IQN}i",
                       store(path, "bsoflags sync", "vendor_id X", "write-cache off", "block-size 4096")))
    for line in admin.do("-p", "-e").splitlines():
        done = admin.daemon.adm(*line.split()[1:])
        assert (done.returncode, done.stderr) == (0, ""), line
    assert admin.do("-p", "-e") == ""


def test_other_file(admin, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.conf").write_text(target())
    admin.do("-c", tmp_path / "sub/../sub/x.conf", "-e")
    assert admin.target()
    done = admin.admin("--conf", tmp_path / "none", "-e")
    assert (done.returncode, done.stderr) == (2, f"tgt-admin: {tmp_path}/none: No such file or directory\n")


def test_errors(admin):
    admin.write("bogus\n" + target())
    done = admin.admin("-e")
    assert (done.returncode, done.stderr) == (22, f'tgt-admin: {admin.path}:1: there is no directive "bogus"\n')
    assert admin.target() is None
    done = admin.admin("-e", "--ignore-errors")
    assert (done.returncode, done.stderr) == (
        0, f'tgt-admin: warning: {admin.path}:1: there is no directive "bogus"\n')
    assert admin.target()


def test_dump(admin):
    """It can be read again, and says nothing new."""
    admin.write(target("incominguser alice secretsecret1", store(admin.image("a"), "vendor_id X")))
    admin.do("-e")
    text = admin.do("--dump")
    assert re.search(r"# add the password, which is not told\n    incominguser alice\n", text)
    assert "secretsecret" not in text
    admin.write(text)
    assert admin.do("-p", "-e") == ""


def test_control_port_of_the_file(start, tmp_path):
    admin = Admin(start, tmp_path, "Control-Port = 0\n" + target())
    assert "Target 1" in admin.do("-s", "-c", admin.path)
    admin.write("control-port 7\n" + target())
    done = admin.admin("-s", "-c", admin.path)
    assert done.returncode == 107
    assert "Target 1" in admin.do("-s", "-c", admin.path, "-C", "0")


def test_no_daemon(tmp_path):
    done = run([TGT_ADMIN, "--show"], timeout=60, env={"TGT_IPC_SOCKET": str(tmp_path / "none")})
    assert (done.returncode, done.stdout) == (107, "")


@pytest.mark.parametrize(("arguments", "why"), [
    ([], "tgt-admin: there is nothing to do"),
    (["extra"], "tgt-admin: 'extra' is not an option"),
    (["-e", "--show"], "tgt-admin: one action at a time"),
    (["-C", "x", "-e"], "-C argument value 'x' invalid"),
    (["-C", "65536", "-e"], "-C argument value '65536' invalid"),
])
def test_wrong_options(arguments, why):
    done = run([TGT_ADMIN, *arguments], timeout=60)
    assert (done.returncode, done.stdout) == (22, "")
    assert done.stderr == f"{why}\nTry `tgt-admin --help' for more information.\n"
