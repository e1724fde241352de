# SPDX-License-Identifier: MIT
"""A media changer in targets.conf: its elements line by line, and what a reload leaves alone."""
import struct

import pytest
from configs import Config, store, target
from daemons import IQN
from iscsi import scsi
from iscsi.login import Login, login

BARCODES = ["A00001L8", "A00002L8"]
TID = 7


def library(media, *more, barcodes=tuple(BARCODES)):
    return target(
        f"controller_tid {TID}",
        store("/dev/null", "lun 1", "device-type changer", f"params media_home={media}",
              "params element_type=1,start_address=1,quantity=1", "params element_type=4,start_address=100,quantity=1",
              "params element_type=2,start_address=200,quantity=3", f"params element_type=4,address=100,tid={TID},lun=2",
              *[f"params element_type=2,address={200 + i},barcode={barcode}" for i, barcode in enumerate(barcodes)], *more),
        store("NONE:1", "lun 2", "device-type tape"))


@pytest.fixture
def media(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    for barcode in BARCODES:
        (folder / barcode).touch()
    return folder


def contents(session):
    """{address: barcode} by READ ELEMENT STATUS with volume tags."""
    cdb = struct.pack(">BBHHBB2sBB", 0xB8, 0x10, 0, 0xFFFF, 0, 0, b"\x40\0", 0, 0)
    data = session.execute(cdb, lun=1, read=16384).data
    found, at = {}, 8
    while at < len(data):
        length, total = struct.unpack_from(">H", data, at + 2)[0], int.from_bytes(data[at + 5:at + 8], "big")
        for start in range(at + 8, at + 8 + total, length):
            if data[start + 2] & 1:
                found[int.from_bytes(data[start:start + 2], "big")] = data[start + 12:start + 44].decode().rstrip()
        at += 8 + total
    return found


def move(session, source, destination):
    return session.execute(struct.pack(">BBHHH4x", 0xA5, 0, 0, source, destination), lun=1)


def test_from_the_file(start, tmp_path, media):
    """The lines are carried out in order, after the drives of the target are there; a reload changes nothing."""
    config = Config(start, tmp_path, library(media))
    with config.login() as session:
        session.clear_attentions(1)
        assert contents(session) == {200: BARCODES[0], 201: BARCODES[1]}
        assert move(session, 200, 100).good and move(session, 201, 202).good
        assert config.changes(library(media)) == []
        assert contents(session) == {100: BARCODES[0], 202: BARCODES[1]}
        session.clear_attentions(2)
        assert session.execute(scsi.test_unit_ready(), lun=2).good


def test_another_cartridge(start, tmp_path, media):
    """A new line is carried out alone; one that is gone is not undone, and that is said."""
    config = Config(start, tmp_path, library(media))
    (media / "NEW").touch()
    with config.login() as session:
        session.clear_attentions(1)
        assert move(session, 200, 100).good
        assert config.changes(library(media, "params element_type=2,address=202,barcode=NEW")) == ["update logicalunit"]
        assert contents(session) == {100: BARCODES[0], 201: BARCODES[1], 202: "NEW"}
        result = config.update(library(media))
        assert "isn't undone" in str(result)
        assert 202 in contents(session)


def test_after_a_restart(start, tmp_path, media):
    """The file says how the library was filled at first, the state directory what has become of it."""
    config = Config(start, tmp_path, library(media))
    with config.login() as session:
        session.clear_attentions(1)
        assert move(session, 200, 100).good
    config.daemon.kill()
    config.daemon.start()
    with config.login() as session:
        session.clear_attentions(1)
        session.clear_attentions(2)
        assert contents(session) == {100: BARCODES[0], 201: BARCODES[1]}
        assert session.execute(scsi.test_unit_ready(), lun=2).good


@pytest.mark.parametrize(("line", "why"), [
    ("params element_type=9,start_address=1,quantity=1", "element_type is a number from 1 to 4"),
    ("params element_type=2,start_address=5", "go together"),
    ("params element_type=2,address=5,size=3", "no such parameter")])
def test_lines_that_cannot_be(start, tmp_path, media, line, why):
    """They are told with their place, and nothing of the file is carried out."""
    config = Config(start, tmp_path)
    config.write(library(media, line))
    answer = config.daemon.ask({"op": "update", "mode": "config"})
    assert answer["rc"] != 0 and why in str(answer) and "targets.conf:" in str(answer)
    assert config.target() is None


def test_shown(start, tmp_path, media):
    """tgtadm shows it as what it is."""
    config = Config(start, tmp_path, library(media))
    assert config.unit(lun=1)["type"] == "changer"
    assert config.target()["name"] == IQN + "t"


SLOT, DRIVE = 200, 100


def make(daemon, media, barcodes=tuple(BARCODES), tid=1):
    """A drive at LUN 2 and a changer at LUN 1, as an operator makes them."""
    daemon.unit("NONE", "--device-type", "tape", tid=tid, lun=2)
    daemon.unit("/dev/null", "--device-type", "changer", tid=tid)
    for params in (f"media_home={media}", "element_type=1,start_address=1,quantity=1",
                   f"element_type=4,start_address={DRIVE},quantity=1",
                   f"element_type=2,start_address={SLOT},quantity=4",
                   f"element_type=4,address={DRIVE},tid={tid},lun=2",
                   *[f"element_type=2,address={SLOT + i},barcode={barcode}" for i, barcode in enumerate(barcodes)]):
        done = update(daemon, params, tid)
        assert done.returncode == 0, done


def update(daemon, params, tid=1):
    return daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(tid), "--lun", "1", "--params", params)


def kept(daemon):
    return [file for file in (daemon.folder / "state").iterdir() if "changer" in file.name]


@pytest.fixture
def made(daemon, media):
    """The library, and a session."""
    name = daemon.target()
    make(daemon, media)
    session = login("127.0.0.1", daemon.port, Login(name))
    for lun in (1, 2):
        session.clear_attentions(lun)
    yield session
    session.connection.close()


@pytest.mark.parametrize("what", ["lu", "target"])
def test_a_unit_made_anew(daemon, media, what):
    """It inherits no places from the one that was deleted at its address, whose drive was full."""
    name = daemon.target()
    make(daemon, media)
    with login("127.0.0.1", daemon.port, Login(name)) as session:
        session.clear_attentions(1)
        assert move(session, SLOT, DRIVE).good and move(session, SLOT + 1, SLOT + 3).good
        assert len(kept(daemon)) == 1
        if what == "lu":
            daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "1")
            assert kept(daemon) == []
            session.clear_attentions(2)
            assert session.execute(scsi.test_unit_ready(), lun=2).good, "the drive keeps its cartridge"
            daemon.do("--op", "delete", "--mode", "lu", "--tid", "1", "--lun", "2")
    if what == "target":
        daemon.do("--op", "delete", "--mode", "target", "--force", "--tid", "1")
        assert kept(daemon) == []
        daemon.target()
    make(daemon, media, reversed(BARCODES))
    with login("127.0.0.1", daemon.port, Login(name)) as session:
        session.clear_attentions(1)
        assert contents(session) == {SLOT: BARCODES[1], SLOT + 1: BARCODES[0]}
        assert move(session, SLOT + 1, DRIVE).good


def test_an_orderly_end_keeps_places(start, tmp_path, media):
    """The daemon ends by SIGTERM: its units are gone, but nobody has deleted them."""
    config = Config(start, tmp_path, library(media))
    with config.login() as session:
        session.clear_attentions(1)
        assert move(session, 201, 202).good
    assert config.daemon.stop() == []
    config.daemon.start()
    with config.login() as session:
        session.clear_attentions(1)
        assert contents(session) == {200: BARCODES[0], 202: BARCODES[1]}


@pytest.mark.parametrize("rest", [
    "element_type=2,address=9999,barcode=NEW", f"element_type=2,address={SLOT},barcode=NEW",
    f"element_type=2,address={SLOT + 2},barcode=NOFILE", "element_type=2,start_address=900,quantity=2",
    f"element_type=3,start_address={SLOT},quantity=2"])
def test_all_or_nothing(daemon, made, media, tmp_path, rest):
    """media_home stays as it was when what stands behind it is refused; and nobody is told of a change."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/NEW").touch()
    assert update(daemon, f"media_home={tmp_path / 'elsewhere'},{rest}").returncode == 22
    assert made.execute(scsi.test_unit_ready(), lun=1).good
    (media / "OLD").touch()
    assert update(daemon, f"element_type=2,address={SLOT + 2},barcode=OLD").returncode == 0
    assert move(made, SLOT, DRIVE).good


def test_what_cannot_be_kept(daemon, made, media):
    """Nothing can be written into the state directory: nothing is changed, by the operator or by initiators, in the
    drive either; the sense data say that the target has failed (SPC-5: 44h/00h)."""
    (media / "NEW").touch()
    assert move(made, SLOT + 1, SLOT + 3).good
    before = contents(made), sources(made)
    in_the_way = kept(daemon)[0].with_name("." + kept(daemon)[0].name)
    in_the_way.mkdir()
    for source, destination in ((SLOT, DRIVE), (SLOT + 3, SLOT + 2)):
        result = move(made, source, destination)
        assert (result.sense.key, result.sense.asc) == (scsi.Key.HARDWARE_ERROR, 0x4400)
        assert (contents(made), sources(made)) == before
    made.clear_attentions(2)
    assert made.execute(scsi.test_unit_ready(), lun=2).sense.asc == 0x3A00
    assert "can't be kept" in update(daemon, f"element_type=2,address={SLOT + 2},barcode=NEW").stderr
    assert "can't be kept" in update(daemon, f"element_type=2,start_address={SLOT + 4},quantity=1").stderr
    assert (contents(made), sources(made)) == before
    in_the_way.rmdir()
    assert move(made, SLOT, DRIVE).good
    assert update(daemon, f"element_type=2,address={SLOT + 2},barcode=NEW").returncode == 0


def sources(session):
    """{address: source} of the storage elements that tell one."""
    cdb = struct.pack(">BBHHBB2sBB", 0xB8, 0x02, 0, 0xFFFF, 0, 0, b"\x40\0", 0, 0)
    data = session.execute(cdb, lun=1, read=16384).data[16:]
    return {int.from_bytes(data[at:at + 2], "big"): int.from_bytes(data[at + 10:at + 12], "big")
            for at in range(0, len(data), 16) if data[at + 9] & 0x80}
