# SPDX-License-Identifier: MIT
"""tgtd --default-store: what disks are on that don't say it themselves, and that nothing else depends on it."""
import os
import signal
import socket
import time

import pytest
from configs import Config, store, target
from daemons import BUILD, SOURCE, STORES, free_port, run, tgtd

OTHERS = ["aio", "uring", "null"]


def bstype(daemon, lun=1):
    return daemon.luns()[lun]["store"]["type"]


def running(config):
    return {unit["lun"]: unit["store"]["type"] for unit in config.target()["luns"] if unit["lun"]}


def hang_up(config):
    """SIGHUP, until what it led to has been told: each thing that changes has a line in the log."""
    seen = len(config.daemon.log())
    config.daemon.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while "SIGHUP: reading" not in config.daemon.log()[seen:]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    config.daemon.do("--op", "show", "--mode", "system")  # requests are served one after the other
    return config.daemon.log()[seen:]


# -- new


def test_without_the_option_it_is_rdwr(daemon, image):
    daemon.target()
    daemon.unit(image)
    assert bstype(daemon) == "rdwr"
    assert daemon.ask({"op": "show", "mode": "system"})["result"]["default_store"] == "rdwr"


@pytest.mark.parametrize("name", OTHERS)
def test_disks_are_on_it(start, image, name):
    daemon = start("--default-store", name)
    daemon.target()
    daemon.unit(image)
    daemon.unit(image, "--device-type", "disk", lun=2)
    assert (bstype(daemon, 1), bstype(daemon, 2)) == (name, name)
    assert daemon.ask({"op": "show", "mode": "system"})["result"]["default_store"] == name


def test_who_says_another_gets_that(start, image):
    daemon = start("--default-store", "aio")
    daemon.target()
    daemon.unit(image, "--bstype", "rdwr")
    assert bstype(daemon) == "rdwr"


def test_tapes_and_devices_have_their_own(start, image, tmp_path):
    daemon = start("--default-store", "null")
    daemon.target()
    run([str(BUILD / "tgtimg"), "--op", "new", "--device-type", "tape", "--barcode", "T1", "--size", "10",
         "--type", "data", "--file", str(tmp_path / "tape.img")], timeout=60)
    daemon.unit(tmp_path / "tape.img", "--device-type", "tape")
    assert bstype(daemon) == "ssc"
    # sg opens a device, which a file is none
    refused = daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "2", "-b", str(image),
                         "--device-type", "pt")
    assert refused.returncode == 22 and str(image) in refused.stderr


def test_drive_without_a_medium(start, image):
    daemon = start("--default-store", "aio")
    daemon.target()
    daemon.unit("NONE")
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", f"path={image}")
    assert bstype(daemon) == "aio"


def test_setup_lun(start, image):
    daemon = start("--default-store", "aio")
    done = run([str(SOURCE / "tools/tgt-setup-lun"), "-n", "x", "-d", str(image)], timeout=60,
               env={**daemon.env, "PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert done.returncode == 0, done
    assert bstype(daemon) == "aio"


# -- the start


@pytest.mark.parametrize(("name", "why"), [
    ("bogus", "no such backing store is loaded"),
    ("", "no such backing store is loaded"),
    ("ssc", "it is no store for disks"),
    ("sg", "it is no store for disks"),
    ("smc", "no such backing store is loaded"),
])
@pytest.mark.parametrize("where", [["-f"], []], ids=["foreground", "background"])
def test_what_is_no_store_for_disks(tmp_path, where, name, why):
    """An error at the start, which says what there is; whoever waits for the daemon isn't told that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        done = tgtd(*where, "--backing-store-dir", STORES, "--state-dir", tmp_path / "state", "--iscsi",
                    f"portal=127.0.0.1:{free_port()}", "--default-store", name,
                    env={"TGT_IPC_SOCKET": str(tmp_path / "s"), "NOTIFY_SOCKET": str(tmp_path / "notify")})
        with pytest.raises(BlockingIOError):
            manager.recv(100)
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines() if f'default store "{name}"' in line)
    assert f"{why}; for disks there are " in line
    there = line.rpartition("there are ")[2].split(", ")
    assert {"aio", "null", "rdwr", "uring"} <= set(there) and not {"ssc", "sg"} & set(there)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "state") == ["notify"]


def test_no_store_is_loaded(tmp_path):
    (tmp_path / "empty").mkdir(mode=0o755)
    done = tgtd("-f", "--backing-store-dir", tmp_path / "empty", "--default-store", "rdwr",
                env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
    assert done.returncode == 1
    assert 'default store "rdwr": no such backing store is loaded; for disks there are none' in done.stderr


def test_without_rdwr_and_without_the_option_it_starts(start, image, tmp_path):
    """A package of its own has each store."""
    folder = tmp_path / "stores"
    folder.mkdir(mode=0o755)
    os.link(next(STORES.rglob("*null*.so")), folder / "null.so")
    daemon = start(store_dir=folder)
    daemon.target()
    refused = daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", str(image))
    assert refused.returncode == 22 and 'no backing store "rdwr" is loaded' in refused.stderr


def test_it_needs_a_value():
    done = tgtd("--default-store")
    assert (done.returncode, done.stderr) == (
        1, "'--default-store' needs a value\nTry `tgtd --help' for more information.\n")
    assert "--default-store" in tgtd("--help").stdout


# -- targets.conf


def units_of(folder):
    """With and without a store of their own, and by both ways to say that it is a disk."""
    for name in ("plain", "disk", "rdwr", "aio"):
        (folder / name).write_bytes(bytes(1 << 20))
    return target(store(f"{folder}/plain"), store(f"{folder}/disk", "device-type disk"),
                  store(f"{folder}/rdwr", "bs-type rdwr"), store(f"{folder}/aio", "bs-type aio"))


@pytest.mark.parametrize("name", ["rdwr", *OTHERS])
def test_same_file_is_no_difference(start, tmp_path, name):
    config = Config(start, tmp_path, units_of(tmp_path), "--default-store", name)
    assert running(config) == {1: name, 2: name, 3: "rdwr", 4: "aio"}
    assert config.update()["changes"] == []
    assert "is deleted" not in hang_up(config)
    assert config.update()["changes"] == []
    done = run([str(BUILD / "tgt-admin"), "--update", "ALL", "-c", str(config.path)], timeout=60, env=config.daemon.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is deleted" not in config.daemon.log()


def test_another_default_after_a_restart(start, tmp_path):
    """The daemon that is started anew has what its option says, and no more differs from the file than before."""
    text = units_of(tmp_path)
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = Config(start, tmp_path / "first", text)
    assert running(first) == {1: "rdwr", 2: "rdwr", 3: "rdwr", 4: "aio"}
    assert first.daemon.stop() == []
    second = Config(start, tmp_path / "second", text, "--default-store", "aio")
    assert running(second) == {1: "aio", 2: "aio", 3: "rdwr", 4: "aio"}
    assert second.update()["changes"] == []


def test_store_that_is_named_from_now_on(start, tmp_path):
    """What a unit gets without saying so, it may say; what it doesn't get is another unit."""
    config = Config(start, tmp_path, target(store(config_image(tmp_path))), "--default-store", "aio")
    assert config.changes(target(store(config_image(tmp_path), "bs-type aio"))) == []
    assert config.changes(target(store(config_image(tmp_path)))) == []
    assert config.changes(target(store(config_image(tmp_path), "bs-type rdwr"))) == ["delete logicalunit",
                                                                                   "new logicalunit"]
    assert config.changes(target(store(config_image(tmp_path)))) == ["delete logicalunit", "new logicalunit"]
    assert running(config) == {1: "aio"}


def config_image(folder):
    path = folder / "image"
    if not path.exists():
        path.write_bytes(bytes(1 << 20))
    return path


def test_made_by_hand_is_no_difference(start, tmp_path):
    config = Config(start, tmp_path, target(), "--default-store", "aio")
    config.daemon.unit(config_image(tmp_path))
    assert config.changes(target(store(config_image(tmp_path)))) == []


def test_dump_names_the_store(start, tmp_path):
    """Read back by a daemon with another default it makes the same units."""
    config = Config(start, tmp_path, units_of(tmp_path), "--default-store", "aio")
    done = run([str(BUILD / "tgt-admin"), "--dump"], timeout=60, env=config.daemon.env)
    assert done.returncode == 0 and done.stdout.count("bs-type ") == 4
    (tmp_path / "again").mkdir()
    for options in ([], ["--default-store", "null"]):
        again = Config(start, tmp_path / "again", done.stdout, *options)
        assert running(again) == running(config) == {1: "aio", 2: "aio", 3: "rdwr", 4: "aio"}
        assert again.update()["changes"] == []


# -- tgtadm


def test_tgtadm_prints_what_it_always_did(start):
    """What scripts read of mode system doesn't change with the option."""
    plain, other = start(), start("--default-store", "aio")
    assert plain.do("--op", "show", "--mode", "system") == other.do("--op", "show", "--mode", "system")
