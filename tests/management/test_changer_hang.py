# SPDX-License-Identifier: MIT
"""A tape drive whose store hangs keeps no changer: the move ends, and what it says is true, then and later."""
import shutil
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from daemons import BUILD, STORES
from iscsi import scsi
from iscsi.login import Login, login
from iscsi.scsi import Key
from test_changer import contents, move
from test_hanging_store import timed, wait_until

SLOT, DRIVE, OTHER = 200, 100, 101
HUNG, NOT_ACCESSIBLE = 0x4400, 0x3B11


def hanging_stores(folder):
    """Modules of which ssc hangs when a file says so, and a folder for the cartridges."""
    stores, media = folder / "stores", folder / "media"
    shutil.copytree(STORES, stores)
    shutil.copy(BUILD / "tests/fixtures/hanging/tape/bs_ssc.so", stores)
    stores.chmod(0o755)
    media.mkdir()
    return stores, media


def library(daemon, tid, media, barcode):
    """A changer at LUN 1 with two drives, and a cartridge; its session."""
    name = daemon.target(tid)
    for lun in (2, 3):
        daemon.unit("NONE", "--device-type", "tape", tid=tid, lun=lun)
    daemon.unit("/dev/null", "--device-type", "changer", tid=tid)
    (media / barcode).touch()
    for params in (f"media_home={media}", "element_type=1,start_address=1,quantity=1",
                   f"element_type=4,start_address={DRIVE},quantity=2",
                   f"element_type=2,start_address={SLOT},quantity=3",
                   f"element_type=4,address={DRIVE},tid={tid},lun=2", f"element_type=4,address={OTHER},tid={tid},lun=3",
                   f"element_type=2,address={SLOT},barcode={barcode}"):
        update(daemon, tid, params)
    session = login("127.0.0.1", daemon.port, Login(name))
    for lun in (1, 2, 3):
        session.clear_attentions(lun)
    return session


def update(daemon, tid, params):
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(tid), "--lun", "1", "--params", params)


def slow_move(session, source, destination):
    return timed(lambda: session.execute(struct.pack(">BBHHH4x", 0xA5, 0, 0, source, destination), lun=1, timeout=100))


def asc(result):
    return result.sense.key, result.sense.asc


def flags(session, address):
    """Byte 2 and additional sense code of an element's descriptor."""
    cdb = struct.pack(">BBHHBB2sBB", 0xB8, 0, address, 1, 0, 0, b"\x40\0", 0, 0)
    data = session.execute(cdb, lun=1, read=16384).data
    return data[18], int.from_bytes(data[20:22], "big")


def test_a_drive_hangs(start, tmp_path):
    """One that loads, and one that can't put on the tape what it has buffered; nor does an operator wait for it."""
    stores, media = hanging_stores(tmp_path)
    daemon = start(store_dir=stores)
    loading, unloading = library(daemon, 1, media, "LOADED"), library(daemon, 2, media, "UNLOADED")
    assert move(unloading, SLOT, DRIVE).good
    unloading.clear_attentions(2)
    assert unloading.execute(bytes([0x0A, 0, 0, 0, 4, 0]), lun=2, data_out=b"data").good
    (media / "LOADED.open").touch()
    (media / "UNLOADED.sync").touch()
    with ThreadPoolExecutor() as pool:
        moves = [pool.submit(slow_move, loading, SLOT, DRIVE), pool.submit(slow_move, unloading, DRIVE, SLOT + 1)]
        time.sleep(1)
        more = ("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params",
                f"element_type=2,start_address={SLOT + 3},quantity=1")
        done, seconds = timed(lambda: daemon.adm(*more))
        assert (done.returncode, done.stderr) == (
            110, "tgtadm: the media changer is busy\n"
            "tgtadm: no end of what runs within 30 s; nothing is changed\n")
        assert 25 < seconds < 40
        for result, seconds in (done.result() for done in moves):
            assert asc(result) == (Key.HARDWARE_ERROR, HUNG)
            assert 50 < seconds < 80
    assert "target 1 lun 2 has not loaded LOADED" in daemon.log()
    assert "target 2 lun 2 has not unloaded UNLOADED" in daemon.log()
    assert contents(loading) == {SLOT: "LOADED"} and contents(unloading) == {DRIVE: "UNLOADED"}
    assert flags(loading, SLOT) == (0x05, HUNG) and flags(loading, DRIVE) == (0x04, HUNG)
    assert flags(unloading, DRIVE) == (0x05, HUNG) and flags(unloading, OTHER) == (0x08, 0)
    for destination in (DRIVE, OTHER, SLOT + 1):
        assert asc(move(loading, SLOT, destination)) == (Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    assert asc(move(unloading, DRIVE, OTHER)) == (Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    assert loading.execute(scsi.test_unit_ready(), lun=1).good, "what was given up is not made later"
    _, seconds = timed(lambda: daemon.do(*more))
    assert seconds < 5
    loading.clear_attentions(1)
    (media / "LOADED.open").unlink()
    (media / "UNLOADED.sync").unlink()
    wait_until(lambda: flags(loading, SLOT) == (0x09, 0) and flags(unloading, DRIVE) == (0x09, 0))
    assert contents(loading) == {SLOT: "LOADED"} and contents(unloading) == {DRIVE: "UNLOADED"}
    assert asc(loading.execute(scsi.test_unit_ready(), lun=2)) == (Key.NOT_READY, 0x3A00)
    unloading.clear_attentions(2)
    assert unloading.execute(bytes([0x01, 0, 0, 0, 0, 0]), lun=2).good
    assert unloading.execute(bytes([0x08, 0, 0, 0, 4, 0]), lun=2, read=4).data == b"data"
    assert move(loading, SLOT, DRIVE).good and move(unloading, DRIVE, OTHER).good
    for session in (loading, unloading):
        session.connection.close()


def test_the_units_are_deleted(start, tmp_path):
    """Changer and drive of a move under way are deleted: their numbers are free at once, what opens late is closed."""
    stores, media = hanging_stores(tmp_path)
    daemon = start(store_dir=stores)
    session = library(daemon, 1, media, "LOADED")
    (media / "LOADED.open").touch()
    session.start(struct.pack(">BBHHH4x", 0xA5, 0, 0, SLOT, DRIVE), lun=1)
    time.sleep(0.5)
    for lun in (1, 2):
        _, seconds = timed(lambda lun=lun: daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", str(lun)))
        assert seconds < 10
    (media / "LOADED.open").unlink()
    daemon.unit("NONE", "--device-type", "tape", lun=2)
    daemon.unit("/dev/null", "--device-type", "changer")
    assert daemon.luns()[1]["type"] == "changer"
    session.connection.close()


def test_the_daemon_ends(start, tmp_path):
    """It doesn't wait for the drive; where the cartridge was it is after a restart."""
    stores, media = hanging_stores(tmp_path)
    daemon = start(store_dir=stores)
    session = library(daemon, 1, media, "LOADED")
    (media / "LOADED.open").touch()
    session.start(struct.pack(">BBHHH4x", 0xA5, 0, 0, SLOT, DRIVE), lun=1)
    time.sleep(0.5)
    daemon.process.send_signal(signal.SIGTERM)
    _, seconds = timed(lambda: daemon.process.wait(30))
    assert daemon.process.returncode == 0 and seconds < 25
    session.connection.close()
    (media / "LOADED.open").unlink()
    daemon.start()
    session = library(daemon, 1, media, "LOADED")
    assert contents(session) == {SLOT: "LOADED"}
    assert move(session, SLOT, DRIVE).good
    session.connection.close()
