# SPDX-License-Identifier: MIT
"""Logical units: what makes one, what changes it, and what is refused without leaving a trace."""
import pytest
from daemons import IQN


@pytest.fixture
def target(daemon):
    daemon.target()
    return daemon


def new(daemon, *arguments, lun="1"):
    return daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", lun, *arguments)


def update(daemon, params, lun="1"):
    return daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", lun, "--params", params)


@pytest.mark.parametrize(("arguments", "why"), [
    (["-b", "/nonexistent/disk"], "/nonexistent/disk: No such file or directory"),
    (["-b", "/"], "/"),
    ([], "needs a path"),
    (["-b", "IMAGE", "--bstype", "nosuch"], 'no backing store "nosuch" is loaded'),
    (["-b", "IMAGE", "--bsoflags", "fast"], 'not "fast"'),
    (["-b", "IMAGE", "--bstype", "null", "--bsoflags", "direct"], "doesn't take bsoflags direct"),
    (["-b", "IMAGE", "--bsopts", "nosuch=1"], "nosuch"),
    (["--bstype", "null", "--bsopts", "size=x"], "size"),
    (["-b", "IMAGE", "--blocksize", "500"], "500"),
    (["-b", "IMAGE", "--blocksize", "131072"], "131072"),
    (["-b", "IMAGE", "--blocksize", "0"], "0 bytes"),
    (["-b", "IMAGE", "--device-type", "cd"], "cd"),
    (["-b", "IMAGE", "--bstype", "null", "--device-type", "tape"], "tape"),
])
def test_refused_and_nothing_left(target, image, arguments, why):
    done = new(target, *[word.replace("IMAGE", str(image)) for word in arguments])
    assert (done.returncode, done.stdout) == (22, "")
    assert done.stderr.startswith("tgtadm: invalid request")
    assert why in done.stderr.splitlines()[-1] and why in target.log().splitlines()[-1]
    assert target.luns() == {}
    assert all(not module["luns"] for module in target.show("backingstore")["modules"])
    # the number is free
    target.unit(image)


def test_json_tells_the_reason(target):
    done = target.adm("--op", "new", "--mode", "lu", "--tid", "1", "--lun", "1", "-b", "/nonexistent", "--json")
    assert done.returncode == 22
    assert done.stderr == "tgtadm: invalid request\ntgtadm: /nonexistent: No such file or directory\n"
    assert '"detail": "/nonexistent: No such file or directory"' in done.stdout


def test_file_that_vanished(target, image):
    """The unit serves on what it holds open; once deleted, it can't be made again."""
    target.unit(image)
    image.unlink()
    assert list(target.luns()) == [1]
    target.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1")
    assert target.luns() == {}
    assert new(target, "-b", str(image)).returncode == 22
    assert target.luns() == {}


def test_largest_lun(target, image):
    assert new(target, "-b", str(image), lun="16383").returncode == 0
    done = new(target, "-b", str(image), lun="16384")
    assert (done.returncode, done.stderr) == (22, "tgtadm: invalid request: LUN 16384: the largest is 16383\n")
    assert list(target.luns()) == [16383]


def test_lun_0_stays(target):
    done = target.adm("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "0")
    assert (done.returncode, done.stderr) == (22, "tgtadm: invalid request: LUN 0 is the target's controller\n")


def test_module_lists_its_units(target, image):
    target.unit(image, lun=3)
    used = {module["name"]: module["luns"] for module in target.show("backingstore")["modules"]}
    assert used["rdwr"] == [{"tid": 1, "lun": 3}]
    assert used["null"] == []
    assert "            target 1 LUN 3\n" in target.do("--op", "show", "--mode", "backingstore")


def test_block_size(target, image):
    target.unit(image, "--blocksize", "4096")
    unit = target.luns()[1]
    assert (unit["block_size"], unit["size"]) == (4096, 1 << 20)


@pytest.mark.parametrize("params", [
    "vendor_id=ACME,bogus=1", "vendor_id=ACME,lbppbe=16", "vendor_id=ACME,online=perhaps", "vendor_id=ACME,scsi_id=",
    "vendor_id=ACME,scsi_id", "vendor_id=ACME,size=2M", "vendor_id=ACME,size=1", "vendor_id=ACME,mode_page=99:0:1:1",
    "vendor_id=ACME,mode_page=nonsense", "vendor_id=ACME,path=/nonexistent", "vendor_id=ACME,bsopts=nosuch=1",
    "vendor_id=ACME,bsoflags=fast", "vendor_id=ACME,la_lba=1", "vendor_id=\x01", "scsi_id=x,rotation_rate=70000",
    "scsi_sn=x,readonly=2", "scsi_sn=x,optimal_xfer_len=-1",
])
def test_update_changes_all_or_nothing(target, image, params):
    target.unit(image)
    before = target.luns()
    done = update(target, params)
    assert (done.returncode, done.stdout) == (22, "")
    assert done.stderr.startswith("tgtadm: invalid request")
    assert target.luns() == before


def test_update(target, image):
    target.unit(image)
    serial = "0123456789abcdef0123456789abcdef0123456789a"  # 43 characters, as Cinder sends
    assert update(target, f"vendor_id=ACME,scsi_sn={serial},scsi_id=id-1,readonly=1,removable=yes,lbppbe=3,la_lba=7,"
                          "optimal_xfer_gran=8,optimal_xfer_len=64,rotation_rate=7200,sense_format=1,"
                          f"thin_provisioning=1,mode_page=8:0:18:0x10{':0' * 17},").returncode == 0
    unit = target.luns()[1]
    assert unit["scsi_sn"] == serial[:36]
    assert (unit["scsi_id"], unit["readonly"], unit["removable"], unit["thin_provisioning"]) == ("id-1", True, True, True)
    assert update(target, "readonly=0,online=0").returncode == 0
    unit = target.luns()[1]
    assert (unit["readonly"], unit["online"]) == (False, False)


def test_size_follows_the_file(target, image):
    target.unit(image)
    with open(image, "r+b") as file:
        file.truncate(3 << 20)
    assert update(target, "size=2M").returncode == 0
    assert target.luns()[1]["size"] == 2 << 20
    assert update(target, "size=0").returncode == 0
    assert target.luns()[1]["size"] == 3 << 20


def test_another_medium(target, image, tmp_path):
    """path= changes the medium of a removable unit, and only of such a one."""
    other = tmp_path / "other.img"
    other.write_bytes(bytes(2 << 20))
    target.unit(image)
    assert update(target, f"path={other}").returncode == 22
    assert update(target, "removable=1").returncode == 0
    assert update(target, f"path={other}").returncode == 0
    unit = target.luns()[1]
    assert (unit["store"]["path"], unit["size"]) == (str(other), 2 << 20)
    assert update(target, "path=/nonexistent").returncode == 22
    assert target.luns()[1] == unit


def test_flags_and_options_of_a_running_unit(target, image):
    target.unit(image)
    assert update(target, "bsoflags=sync").returncode == 0
    assert target.luns()[1]["store"]["flags"] == ["sync"]
    assert target.luns()[1]["store"]["path"] == str(image)


def test_online_clears_nothing_else(target, image):
    target.unit(image)
    for value in ("0", "1"):
        assert update(target, f"online={value},").returncode == 0
        assert target.luns()[1]["online"] == (value == "1")


def test_deleting_a_target_takes_its_units(daemon, image):
    daemon.target()
    daemon.unit(image)
    daemon.do("--op", "delete", "--mode", "target", "--tid", "1")
    assert daemon.show("target") == {"targets": []}
    assert all(not module["luns"] for module in daemon.show("backingstore")["modules"])
    daemon.target()
    daemon.unit(image)


@pytest.mark.parametrize("name", ["", "disk1", "iqn.2026-01.org.example:UPPER case", IQN + "x" * 220])
def test_target_names(daemon, name):
    done = daemon.adm("--op", "new", "--mode", "target", "--tid", "1", "--targetname", name)
    assert done.returncode == 22
    assert done.stderr.startswith("tgtadm: invalid request")
    assert daemon.show("target") == {"targets": []}


@pytest.mark.parametrize("address", ["ALL", "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32"])
def test_addresses(daemon, address):
    daemon.target(acl=address)
    assert daemon.show("target")["targets"][0]["acl"] == [address]


@pytest.mark.parametrize("address", ["10.0.0.300", "192.0.2.0/33", "/24", "-"])
def test_wrong_addresses(daemon, address):
    daemon.target(acl=None)
    done = daemon.adm("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", address)
    assert done.returncode == 22
    assert address in done.stderr
    assert daemon.show("target")["targets"][0]["acl"] == []


def test_write_cache(target, image):
    """Both ways; a unit without a Caching page has none."""
    target.unit(image)
    for on in ("0", "1", "off", "on"):
        assert update(target, f"write_cache={on}").returncode == 0
    assert update(target, "write_cache=2").returncode == 22
    refused = update(target, "write_cache=1", lun="0")
    assert "write_cache: the unit has no Caching mode page" in refused.stderr


def new_with(daemon, image, params):
    """tgtadm can't say it: stgt's doesn't take --params there."""
    return daemon.ask({"op": "new", "mode": "lu", "tid": 1, "lun": 1, "backing_store": str(image), "params": params})


def test_parameters_of_a_new_unit(target, image):
    assert new_with(target, image, "vendor_id=ACME,readonly=1,size=64k,mode_page=8:0:18" + ":0" * 18) == {"rc": 0}
    assert (target.luns()[1]["readonly"], target.luns()[1]["size"]) == (True, 65536)


@pytest.mark.parametrize(("params", "why"), [
    ("nosuch=1", 'has no parameter "nosuch"'), ("readonly=x", "readonly is 0 or 1"),
    ("size=1G", "the store is smaller"),
    ("path=/tmp", "members of their own"), ("mode_page=99:0:1:1", "mode_page"), ("lbppbe=0,la_lba=1", "la_lba"),
])
def test_wrong_parameters_of_a_new_unit(target, image, params, why):
    """Then there is none, and the number is free."""
    answer = new_with(target, image, params)
    assert answer["rc"] == 22 and why in answer["detail"]
    assert target.luns() == {}
    target.unit(image)
