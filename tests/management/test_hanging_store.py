# SPDX-License-Identifier: MIT
"""A store that hangs delays itself: not the requests behind it, the other units, or the end of the daemon."""
import json
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from daemons import BUILD, STORES
from iscsi import scsi
from iscsi.login import Login, login


@pytest.fixture
def hanging(start, tmp_path):
    """A daemon that has the store, and the folder in which files tell it where to hang."""
    stores, folder = tmp_path / "stores", tmp_path / "hang"
    shutil.copytree(STORES, stores)
    shutil.copy(BUILD / "tests/fixtures/hanging/bs_hang.so", stores)
    stores.chmod(0o755)
    folder.mkdir()
    daemon = start(store_dir=stores)
    daemon.name = daemon.target()
    yield daemon, folder
    for file in folder.iterdir():
        file.unlink()


def users(daemon):
    return next(m for m in daemon.show("backingstore")["modules"] if m["name"] == "hang")["luns"]


def timed(call):
    started = time.monotonic()
    return call(), time.monotonic() - started


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_open(hanging, image):
    """The request is given up; what opens after all is closed again, also when its target is gone."""
    daemon, folder = hanging
    (folder / "open").touch()
    done, seconds = timed(lambda: daemon.adm("--op", "new", "--mode", "lu", "--tid", "1", "--lun", "1", "-E", "hang",
                                             "-b", str(folder)))
    assert (done.returncode, done.stderr) == (110, "tgtadm: the backing store doesn't open\n"
                                                   f"tgtadm: {folder}: no answer within 30 s\n")
    assert 25 < seconds < 40
    assert daemon.luns() == {}
    daemon.unit(image)
    daemon.do("--op", "delete", "--mode", "target", "--tid", "1")
    (folder / "open").unlink()
    daemon.target()
    daemon.unit(folder, "--bstype", "hang")
    assert users(daemon) == [{"tid": 1, "lun": 1}]


def test_close(hanging):
    """The unit is gone at once for initiators; its number is free although the store still closes."""
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang")
    (folder / "close").touch()
    _, seconds = timed(lambda: daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1"))
    assert seconds < 10
    assert "its store has not ended yet" in daemon.log()
    assert daemon.luns() == {}
    daemon.unit(folder, "--bstype", "hang")
    _, seconds = timed(lambda: daemon.do("--op", "delete", "--mode", "target", "--tid", "1"))
    assert seconds < 10
    assert daemon.show("target") == {"targets": []}


def test_reading(hanging, image):
    """A command that hangs: the other unit serves, the session and the unit can be ended."""
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang")
    daemon.unit(image, lun=2)
    session = login("127.0.0.1", daemon.port, Login(daemon.name))
    for lun in (1, 2):
        session.clear_attentions(lun)
    (folder / "io").touch()
    for _ in range(4):
        session.start(scsi.read10(0, 1), lun=1, read=512)
    for _ in range(20):
        assert session.execute(scsi.read10(0, 1), lun=2, read=512, timeout=5).good
    _, seconds = timed(lambda: daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1"))
    assert seconds < 10
    session.clear_attentions(2)
    assert session.execute(scsi.read10(0, 1), lun=2, read=512, timeout=5).good
    session.connection.close()


def test_update(hanging, image):
    """Off line at once, whatever the store does; for a change that needs the unit for itself nobody waits for ever, and
    it is made when that can be."""
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang")
    session, other = (login("127.0.0.1", daemon.port, Login(daemon.name)) for _ in range(2))
    for peer in (session, other):
        peer.clear_attentions()
    (folder / "io").touch()
    task = session.start(scsi.read10(0, 1), read=512)
    update = ["--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params"]
    _, seconds = timed(lambda: daemon.do(*update, "online=0"))
    assert seconds < 5
    assert other.execute(scsi.read10(0, 1), read=512, timeout=5).sense.asc == 0x0412  # OFFLINE
    done, seconds = timed(lambda: daemon.adm(*update, "online=1,scsi_sn=abc"))
    assert (done.returncode, done.stderr) == (
        110, "tgtadm: the logical unit is busy\n"
        "tgtadm: commands have run for 10 s; the change is made when they have ended\n")
    assert 5 < seconds < 20
    assert daemon.luns()[1]["scsi_sn"] != "abc"
    daemon.unit(image, lun=2)
    (folder / "io").unlink()
    assert session.wait(task).good
    wait_until(lambda: daemon.luns()[1]["scsi_sn"] == "abc" and daemon.luns()[1]["online"])
    other.clear_attentions()
    assert other.execute(scsi.read10(0, 1), read=512).good
    for peer in (session, other):
        peer.connection.close()


def tell(folder, line):
    """A line to the store's plan, and its answer."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(folder / "control"))
        peer.sendall(line.encode())
        return peer.recv(256).decode().split()


def wce(session):
    return bool(session.execute(scsi.mode_sense6(0x08, dbd=True), read=255).data[6] & 0x04)


@pytest.mark.parametrize("change", ["write_cache=0", "mode_page=8:0:18" + ":0" * 18])
def test_write_cache_is_flushed_before_it_is_off(hanging, change):
    """What was written under WCE=1 is on the medium before anybody can see WCE=0 (SBC-4 6.5.6)."""
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang", "--bsopts", "cache=1")
    with login("127.0.0.1", daemon.port, Login(daemon.name)) as session:
        session.clear_attentions()
        assert wce(session)
        tell(folder, "hold writes")
        with ThreadPoolExecutor() as pool:
            update = pool.submit(daemon.adm, "--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params",
                                 change)
            wait_until(lambda: tell(folder, "count")[:2] == ["held", "1"])
            asked = session.start(scsi.mode_sense6(0x08, dbd=True), read=255)
            session.expect_silence(0.3)
            tell(folder, "go")
            assert update.result().returncode == 0
        assert session.wait(asked).sense.asc == 0x2A01  # MODE PARAMETERS CHANGED
        assert not wce(session)


def test_write_cache_stays_on_when_it_cannot_be_flushed(hanging):
    """Nothing is known about the medium then, and that is said (the sticky error)."""
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang", "--bsopts", "cache=1")
    with login("127.0.0.1", daemon.port, Login(daemon.name)) as session:
        session.clear_attentions()
        tell(folder, "fail 1 6")
        done = daemon.adm("--op", "update", "--mode", "lu", "--tid", "1", "--lun", "1", "--params", "write_cache=0")
        assert done.returncode == 22
        assert wce(session)
        assert session.execute(scsi.read10(0, 1), read=512).sense.key in (scsi.Key.HARDWARE_ERROR,
                                                                          scsi.Key.MEDIUM_ERROR)
    assert "flush failed" in daemon.log()


def test_end_while_a_store_opens(hanging, image):
    """The request is not waited for; sessions are ended as always."""
    daemon, folder = hanging
    daemon.unit(image)
    session = login("127.0.0.1", daemon.port, Login(daemon.name))
    session.clear_attentions()
    (folder / "open").touch()
    with daemon.connect() as peer:
        peer.sendall(json.dumps({"op": "new", "mode": "lu", "tid": 1, "lun": 2, "bstype": "hang",
                                 "backing_store": str(folder)}).encode() + b"\n")
        wait_until(lambda: daemon_waits(daemon))
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(3)
        (folder / "open").unlink()  # it opens after all, while everything else ends or has ended
        assert daemon.process.wait(30) == 0
    assert "is logged out" in daemon.log()
    session.connection.close()


def daemon_waits(daemon):
    """A request is under way when the next one isn't answered."""
    with daemon.connect() as peer:
        peer.settimeout(0.2)
        peer.sendall(b'{"op":"show","mode":"system"}\n')
        try:
            peer.recv(1)
        except TimeoutError:
            return True
    return False


@pytest.mark.parametrize("where", ["io", "close"])
def test_end_of_the_daemon(hanging, where):
    daemon, folder = hanging
    daemon.unit(folder, "--bstype", "hang")
    session = login("127.0.0.1", daemon.port, Login(daemon.name))
    session.clear_attentions()
    (folder / where).touch()
    if where == "io":
        session.start(scsi.read10(0, 1), read=512)
        time.sleep(0.2)
    daemon.process.send_signal(signal.SIGTERM)
    _, seconds = timed(lambda: daemon.process.wait(30))
    assert daemon.process.returncode == 0
    assert seconds < 25
    assert not daemon.socket.exists()
    session.connection.close()
