# SPDX-License-Identifier: MIT
"""A media changer (SMC-3) and the drives that it serves: what is where, what moves, what doesn't, and what stays."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import primary
from harness.changer import (CHANGER_LUN, DRIVE, FIRST_DRIVE, FIRST_SLOT, MAIL, MAIL_SLOT, ROBOT, STORAGE, TRANSPORT,
                             Changer, Library)
from harness.daemon import Daemon
from harness.sg import Sg
from harness.tape import Tape
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result

pytestmark = [pytest.mark.variants("tape"), pytest.mark.changer(CHANGER_LUN)]

BARCODES = ["A00001L8", "A00002L8", "A00003L8"]
INVALID_ELEMENT, DESTINATION_FULL, SOURCE_EMPTY = 0x2101, 0x3B0D, 0x3B0E
NOT_ACCESSIBLE, PREVENTED, LOAD_FAILED, NO_MEDIUM = 0x3B11, 0x5302, 0x5300, 0x3A00
BECAME_READY, MAIL_ACCESSED, COMMAND_SEQUENCE = 0x2800, 0x2801, 0x2C00


def assert_sense(result: Result, key: int, asc: int) -> None:
    assert result.sense is not None, str(result)
    assert (result.sense.key, result.sense.asc) == (key, asc), str(result)


def library_on(daemon: Daemon, folder: Path, tid: int) -> Library:
    media = folder / "media"
    media.mkdir(exist_ok=True)
    made = Library(daemon, tid, f"iqn.2026-01.org.example.tgt:library{os.getpid()}.{tid}", media, list(BARCODES))
    for barcode in BARCODES:
        made.cartridge(barcode)
    made.make()
    return made


@pytest.fixture
def library(daemon: Daemon, tmp_path: Path) -> Iterator[Library]:
    made = library_on(daemon, tmp_path, daemon.new_tid())
    yield made
    if daemon.alive():
        daemon.do("--op", "delete", "--mode", "target", "--force", "--tid", str(made.tid))


@pytest.fixture
def session(library: Library) -> Iterator[Session]:
    with library.changer.login() as session:
        yield session


@pytest.fixture
def changer(session: Session) -> Changer:
    return Changer(session)


def test_what_it_says_it_is(library: Library, shim_file: Path) -> None:
    """INQUIRY, the mode pages 1Dh to 1Fh (SMC-3 7.3) in sg_modes' words, and no disk's or tape's commands."""
    sg = Sg(shim_file, library.changer)
    assert "medium changer" in sg("sg_inq")
    pages = sg("sg_modes", "-a")
    for word in ("Element address assignment", "Transport geometry", "Device capabilities"):
        assert word in pages
    assert "Move medium" in sg("sg_opcodes") and "Read element status" in sg("sg_opcodes")
    assert sg.try_("sg_readcap").code != 0
    assert "Type: changer" in library.daemon.do("--op", "show", "--mode", "target")


def test_element_addresses(session: Session) -> None:
    """Mode page 1Dh: first address and number of elements of each type."""
    page = primary.good(session, CHANGER_LUN, scsi.mode_sense6(0x1D, dbd=True), read=255)[4:]
    assert page[:2] == bytes([0x1D, 18])
    assert struct.unpack(">8H", page[2:18]) == (ROBOT, 1, FIRST_SLOT, 4, MAIL_SLOT, 1, FIRST_DRIVE, 2)


def test_the_lun_in_the_cdb(session: Session) -> None:
    """Linux's ch has the LUN in bits 7-5 of byte 1, as SCSI-2 had it, in MODE SENSE(6) too; those are ignored, which
    SPC-5 4.2.6.2 allows for reserved bits.  The other reserved bits of that byte are not."""
    cdb = bytearray(scsi.mode_sense6(0x1D))
    cdb[1] |= CHANGER_LUN << 5
    assert primary.good(session, CHANGER_LUN, bytes(cdb), read=255)[4] == 0x1D
    cdb[1] |= 1
    assert_sense(session.execute(bytes(cdb), lun=CHANGER_LUN, read=255), Key.ILLEGAL_REQUEST, 0x2400)


def test_capabilities(session: Session) -> None:
    """Mode page 1Fh: storage, mail slot and drive hold cartridges, and move and exchange between them."""
    page = primary.good(session, CHANGER_LUN, scsi.mode_sense6(0x1F, dbd=True), read=255)[4:]
    assert page == bytes([0x1F, 18, 0x0E, 0, 0, 0x0E, 0x0E, 0x0E, 0, 0, 0, 0, 0, 0x0E, 0x0E, 0x0E, 0, 0, 0, 0])


def test_status(changer: Changer) -> None:
    """READ ELEMENT STATUS: all elements by address, each with its volume tag."""
    elements = changer.status(identifiers=True)
    assert [(e.kind, e.address) for e in elements] == [
        (TRANSPORT, ROBOT), (MAIL, MAIL_SLOT), *((DRIVE, FIRST_DRIVE + i) for i in range(2)),
        *((STORAGE, FIRST_SLOT + i) for i in range(4))]
    assert changer.contents() == {FIRST_SLOT + i: barcode for i, barcode in enumerate(BARCODES)}
    by_address = {e.address: e for e in elements}
    assert by_address[MAIL_SLOT].flags == 0x38, "may import and export, accessible"
    assert by_address[FIRST_SLOT].flags == 0x09 and by_address[FIRST_SLOT + 3].flags == 0x08
    assert by_address[FIRST_DRIVE].flags == 0x08
    assert by_address[FIRST_DRIVE].identifier.startswith("IET     VIRTUAL-TAPE")
    assert by_address[FIRST_SLOT].identifier == "" and by_address[FIRST_SLOT].source is None


def test_status_of_some(changer: Changer) -> None:
    """ELEMENT TYPE CODE, STARTING ELEMENT ADDRESS and NUMBER OF ELEMENTS choose; VOLTAG 0 leaves the tags out."""
    assert [e.address for e in changer.status(STORAGE, start=FIRST_SLOT + 1, number=2)] == [FIRST_SLOT + 1,
                                                                                            FIRST_SLOT + 2]
    assert [e.address for e in changer.status(start=2, number=2)] == [MAIL_SLOT, FIRST_DRIVE]
    assert all(e.tag == "" for e in changer.status(tags=False))
    assert changer.status(number=0) == []


def test_status_allocation(changer: Changer) -> None:
    """What doesn't fit into ALLOCATION LENGTH is left out; the header tells all the same."""
    whole = changer.run(changer.status_cdb(), read=65536).data
    for length in (0, 7, 8, 50, len(whole) - 1, len(whole)):
        result = changer.run(changer.status_cdb(allocation=length), read=length)
        assert result.good and result.data == whole[:length]


@pytest.mark.parametrize(("kind", "start", "key", "asc"), [
    (STORAGE, 0xFFFF, Key.ILLEGAL_REQUEST, INVALID_ELEMENT), (DRIVE, FIRST_SLOT, Key.ILLEGAL_REQUEST, INVALID_ELEMENT),
    (5, 0, Key.ILLEGAL_REQUEST, 0x2400), (15, 0, Key.ILLEGAL_REQUEST, 0x2400)])
def test_status_of_none(changer: Changer, kind: int, start: int, key: int, asc: int) -> None:
    """No element of that type from there on; and types that there aren't."""
    assert_sense(changer.run(changer.status_cdb(kind, start), read=65536), key, asc)


def test_move_to_a_drive_and_back(library: Library, changer: Changer) -> None:
    """The drive has the cartridge, and its initiators are told (SAM-5 5.14); what they write stays on it."""
    with library.drive(0).login() as session:
        tape = Tape(session, 1)
        assert_sense(tape.run(scsi.test_unit_ready()), Key.NOT_READY, NO_MEDIUM)
        assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
        assert_sense(tape.run(scsi.test_unit_ready()), Key.UNIT_ATTENTION, BECAME_READY)
        assert tape.write(b"on the first cartridge").good
        tape.marks(1)
        moved = {e.address: e for e in changer.status()}[FIRST_DRIVE]
        assert (moved.tag, moved.source, moved.full) == (BARCODES[0], FIRST_SLOT, True)
        assert changer.move(FIRST_DRIVE, FIRST_SLOT + 3).good
        assert_sense(tape.run(scsi.test_unit_ready()), Key.NOT_READY, NO_MEDIUM)
        assert changer.move(FIRST_SLOT + 1, FIRST_DRIVE).good
        session.clear_attentions(1)
        assert_sense(tape.read(100), Key.BLANK_CHECK, 5)
        assert changer.move(FIRST_DRIVE, FIRST_SLOT).good and changer.move(FIRST_SLOT + 3, FIRST_DRIVE).good
        session.clear_attentions(1)
        assert tape.read(22).data == b"on the first cartridge"


def durable_objects(image: Path) -> int:
    """What a tape's file says to be on stable storage: its newest checkpoint (doc/tape-image.md)."""
    data = image.read_bytes()
    found = [struct.unpack_from(">QIIQ", data, at + 4) for at in (8192, 12288) if data[at:at + 4] == b"tgTC"]
    return max(found)[3] if found else 0


def test_a_move_flushes(library: Library, changer: Changer) -> None:
    """What the drive has buffered is on stable storage before a move out of it is answered."""
    image = library.media / BARCODES[0]
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
    with library.drive(0).login() as session:
        session.clear_attentions(1)
        assert Tape(session, 1).write(b"buffered").good
        assert durable_objects(image) == 0
        assert changer.move(FIRST_DRIVE, FIRST_SLOT).good
        assert durable_objects(image) == 1


def test_move_after_unload(library: Library, changer: Changer) -> None:
    """A cartridge that was unloaded stays in the drive until it is moved."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE, ROBOT).good
    with library.drive(0).login() as session:
        tape = Tape(session, 1)
        session.clear_attentions(1)
        tape.good(bytes([0x1B, 0, 0, 0, 0, 0]))
        assert changer.contents()[FIRST_DRIVE] == BARCODES[0]
        tape.good(bytes([0x1B, 0, 0, 0, 1, 0]))
        tape.good(scsi.test_unit_ready())
        tape.good(bytes([0x1B, 0, 0, 0, 0, 0]))
        assert changer.move(FIRST_DRIVE, FIRST_SLOT).good


def test_drive_to_drive(library: Library, changer: Changer) -> None:
    """From one drive straight into the other."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good and changer.move(FIRST_DRIVE, FIRST_DRIVE + 1).good
    with library.drive(0).login() as first, library.drive(1).login() as second:
        assert_sense(first.execute(scsi.test_unit_ready(), lun=1), Key.NOT_READY, NO_MEDIUM)
        second.clear_attentions(2)
        assert second.execute(scsi.test_unit_ready(), lun=2).good


@pytest.mark.parametrize(("source", "destination", "robot", "asc"), [
    (FIRST_SLOT + 3, FIRST_DRIVE, 0, SOURCE_EMPTY), (FIRST_SLOT, FIRST_SLOT + 1, 0, DESTINATION_FULL),
    (0x999, FIRST_DRIVE, 0, INVALID_ELEMENT), (FIRST_SLOT, 0x999, 0, INVALID_ELEMENT),
    (FIRST_SLOT, ROBOT, 0, INVALID_ELEMENT), (ROBOT, FIRST_SLOT + 3, 0, INVALID_ELEMENT),
    (FIRST_SLOT, FIRST_DRIVE, FIRST_SLOT, INVALID_ELEMENT), (FIRST_SLOT, FIRST_DRIVE, 0x999, INVALID_ELEMENT)])
def test_moves_that_cannot_be(changer: Changer, source: int, destination: int, robot: int, asc: int) -> None:
    """Empty sources, full destinations, addresses of no element or of the wrong kind; nothing has moved."""
    before = changer.contents()
    assert_sense(changer.move(source, destination, robot), Key.ILLEGAL_REQUEST, asc)
    assert changer.contents() == before


def test_move_to_itself(changer: Changer) -> None:
    assert changer.move(FIRST_SLOT, FIRST_SLOT).good


def test_invert(changer: Changer) -> None:
    """No cartridge is turned over (INVERT)."""
    cdb = bytearray(struct.pack(">BBHHH4x", 0xA5, 0, 0, FIRST_SLOT, FIRST_SLOT + 3))
    cdb[10] = 1
    assert_sense(changer.run(bytes(cdb)), Key.ILLEGAL_REQUEST, 0x2400)


def test_exchange(library: Library, changer: Changer) -> None:
    """The drive's cartridge goes to an empty slot and another one takes its place; or the two change places."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
    assert changer.exchange(FIRST_SLOT + 1, FIRST_DRIVE, FIRST_SLOT).good
    assert changer.contents() == {FIRST_SLOT: BARCODES[0], FIRST_DRIVE: BARCODES[1], FIRST_SLOT + 2: BARCODES[2]}
    assert changer.exchange(FIRST_SLOT, FIRST_DRIVE, FIRST_SLOT).good
    assert changer.contents() == {FIRST_SLOT: BARCODES[1], FIRST_DRIVE: BARCODES[0], FIRST_SLOT + 2: BARCODES[2]}
    assert_sense(changer.exchange(FIRST_SLOT, FIRST_SLOT + 3, FIRST_SLOT), Key.ILLEGAL_REQUEST, SOURCE_EMPTY)
    assert_sense(changer.exchange(FIRST_SLOT, FIRST_DRIVE, FIRST_SLOT + 2), Key.ILLEGAL_REQUEST, DESTINATION_FULL)
    assert_sense(changer.exchange(FIRST_SLOT, FIRST_DRIVE, FIRST_DRIVE), Key.ILLEGAL_REQUEST, INVALID_ELEMENT)


def test_an_exchange_that_fails(library: Library, changer: Changer) -> None:
    """What was moved already goes back: no cartridge is lost, in the drive or out of it."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
    (library.media / BARCODES[1]).write_bytes(b"this is no tape, whatever its barcode says, and long" * 20)
    before = changer.contents()
    for second in (FIRST_SLOT, FIRST_SLOT + 1):
        assert_sense(changer.exchange(FIRST_SLOT + 1, FIRST_DRIVE, second), Key.HARDWARE_ERROR, LOAD_FAILED)
        assert changer.contents() == before
    with library.drive(0).login() as session:
        session.clear_attentions(1)
        assert session.execute(scsi.test_unit_ready(), lun=1).good
        assert session.execute(scsi.prevent_allow(True), lun=1).good
        for second in (FIRST_SLOT, FIRST_SLOT + 2):
            assert_sense(changer.exchange(FIRST_SLOT + 2, FIRST_DRIVE, second), Key.ILLEGAL_REQUEST, PREVENTED)
            assert changer.contents() == before


def test_a_foreign_medium(library: Library, changer: Changer, tmp_path: Path) -> None:
    """What the operator has put into a drive stays there; nothing is moved in on top of it."""
    (tmp_path / "own").touch()
    library.lun("update", 1, "--params", f"path={tmp_path / 'own'}")
    library.set(f"element_type=4,address={FIRST_DRIVE},tid={library.tid},lun=1")
    assert_sense(changer.move(FIRST_SLOT, FIRST_DRIVE), Key.ILLEGAL_REQUEST, DESTINATION_FULL)
    library.lun("update", 1, "--params", "path=NONE")
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good


def test_the_drive_prevents_it(library: Library, changer: Changer) -> None:
    """PREVENT ALLOW MEDIUM REMOVAL of the drive keeps the cartridge there."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
    with library.drive(0).login() as session:
        session.clear_attentions(1)
        assert session.execute(scsi.prevent_allow(True), lun=1).good
        assert_sense(changer.move(FIRST_DRIVE, FIRST_SLOT), Key.ILLEGAL_REQUEST, PREVENTED)
        assert changer.contents()[FIRST_DRIVE] == BARCODES[0]
        assert session.execute(scsi.prevent_allow(False), lun=1).good
        assert changer.move(FIRST_DRIVE, FIRST_SLOT).good


def test_the_changer_prevents_export(changer: Changer) -> None:
    """PREVENT ALLOW MEDIUM REMOVAL of the changer: nothing leaves by the mail slot."""
    assert changer.run(scsi.prevent_allow(True)).good
    assert_sense(changer.move(FIRST_SLOT, MAIL_SLOT), Key.ILLEGAL_REQUEST, PREVENTED)
    assert changer.run(scsi.prevent_allow(False)).good
    assert changer.move(FIRST_SLOT, MAIL_SLOT).good


def test_mail_slot(library: Library, session: Session, changer: Changer) -> None:
    """What the operator puts into the mail slot is told (28/01) and shown (IMPEXP); so is what is taken out."""
    library.cartridge("NEW001L8")
    library.put(MAIL_SLOT, "NEW001L8", MAIL)
    assert_sense(changer.run(scsi.test_unit_ready()), Key.UNIT_ATTENTION, MAIL_ACCESSED)
    slot = {e.address: e for e in changer.status()}[MAIL_SLOT]
    assert (slot.flags, slot.tag) == (0x3B, "NEW001L8")
    assert changer.move(MAIL_SLOT, FIRST_SLOT + 3).good and changer.move(FIRST_SLOT, MAIL_SLOT).good
    assert {e.address: e for e in changer.status()}[MAIL_SLOT].flags == 0x39, "not by the operator"
    library.set(f"element_type={MAIL},address={MAIL_SLOT},clear_slot=1")
    assert_sense(changer.run(scsi.test_unit_ready()), Key.UNIT_ATTENTION, MAIL_ACCESSED)
    assert MAIL_SLOT not in changer.contents()


def test_open_mail_slot(library: Library, changer: Changer) -> None:
    """OPEN/CLOSE IMPORT/EXPORT ELEMENT: the robot has no access to one that is open, until it is closed by an
    initiator or by the operator, who has put something in; other elements have no door, there are two actions, and what
    mayn't be removed stays in (SMC-3)."""
    def slot() -> int:
        return {e.address: e for e in changer.status()}[MAIL_SLOT].flags

    assert changer.move(FIRST_SLOT, MAIL_SLOT).good
    for _ in range(2):
        assert changer.door(MAIL_SLOT, 0).good
        assert slot() == 0x31
    assert_sense(changer.move(MAIL_SLOT, FIRST_SLOT), Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    assert_sense(changer.exchange(FIRST_SLOT + 1, MAIL_SLOT, FIRST_SLOT), Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    for _ in range(2):
        assert changer.door(MAIL_SLOT, 1).good
        assert slot() == 0x39
    assert changer.move(MAIL_SLOT, FIRST_SLOT).good and changer.door(MAIL_SLOT, 0).good
    assert_sense(changer.move(FIRST_SLOT, MAIL_SLOT), Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    library.cartridge("NEW001L8")
    library.put(MAIL_SLOT, "NEW001L8", MAIL)
    changer.session.clear_attentions(CHANGER_LUN)
    assert slot() == 0x3B
    assert changer.run(scsi.prevent_allow(True)).good
    assert_sense(changer.door(MAIL_SLOT, 0), Key.ILLEGAL_REQUEST, PREVENTED)
    assert changer.run(scsi.prevent_allow(False)).good
    for address in (FIRST_SLOT, FIRST_DRIVE, ROBOT, 0x999):
        assert_sense(changer.door(address, 0), Key.ILLEGAL_REQUEST, INVALID_ELEMENT)
    assert_sense(changer.door(MAIL_SLOT, 2), Key.ILLEGAL_REQUEST, 0x2400)


def test_a_cartridge_that_cannot_be_loaded(library: Library, changer: Changer) -> None:
    """Its file is no tape: the drive refuses it, and it stays where it is."""
    (library.media / BARCODES[0]).write_bytes(b"no tape at all, but something else, and long enough" * 10)
    assert_sense(changer.move(FIRST_SLOT, FIRST_DRIVE), Key.HARDWARE_ERROR, LOAD_FAILED)
    assert changer.contents()[FIRST_SLOT] == BARCODES[0]
    assert changer.move(FIRST_SLOT + 1, FIRST_DRIVE).good
    assert changer.move(FIRST_DRIVE, FIRST_DRIVE + 1).good
    (library.media / BARCODES[2]).unlink()
    assert_sense(changer.move(FIRST_SLOT + 2, FIRST_DRIVE), Key.HARDWARE_ERROR, LOAD_FAILED)


def test_a_drive_that_is_gone(library: Library, changer: Changer) -> None:
    """An element whose drive was deleted isn't accessible; nothing is lost."""
    library.lun("delete", 1)
    changer.session.clear_attentions(CHANGER_LUN)
    assert_sense(changer.move(FIRST_SLOT, FIRST_DRIVE), Key.ILLEGAL_REQUEST, NOT_ACCESSIBLE)
    assert changer.contents()[FIRST_SLOT] == BARCODES[0]


def test_other_commands(changer: Changer) -> None:
    """INITIALIZE ELEMENT STATUS, WITH RANGE, POSITION TO ELEMENT, TEST UNIT READY: the robot is always ready."""
    assert changer.run(scsi.test_unit_ready()).good
    assert changer.run(bytes([0x07, 0, 0, 0, 0, 0])).good
    assert changer.run(struct.pack(">BBHxxHxx", 0x37, 1, FIRST_SLOT, 4)).good
    assert changer.run(struct.pack(">BBHxxHxx", 0x37, 0, 0, 0)).good
    assert_sense(changer.run(struct.pack(">BBHxxHxx", 0x37, 1, 0x999, 4)), Key.ILLEGAL_REQUEST, INVALID_ELEMENT)
    assert changer.run(struct.pack(">BBHHBBBB", 0x2B, 0, ROBOT, FIRST_SLOT, 0, 0, 0, 0)).good
    assert_sense(changer.run(struct.pack(">BBHHBBBB", 0x2B, 0, 0, 0x999, 0, 0, 0, 0)), Key.ILLEGAL_REQUEST,
                 INVALID_ELEMENT)


def search(changer: Changer, pattern: bytes, action: int = 5, kind: int = 0, start: int = 0) -> Result:
    return changer.run(struct.pack(">BBHBBxxHxx", 0xB6, kind, start, 0, action, 40),
                       data_out=pattern.ljust(32, b" ") + bytes(8))


def found(changer: Changer, number: int = 0xFFFF) -> Result:
    return changer.run(struct.pack(">BBHHx3sxx", 0xB5, 0x10, 0, number, (65536).to_bytes(3, "big")), read=65536)


@pytest.mark.parametrize(("pattern", "count"), [(b"A00002L8", 1), (b"A*", 3), (b"*2L8", 1), (b"A0000?L8", 3),
                                                (b"B*", 0), (b"*", 3), (b"a00002L8", 0)])
def test_volume_tags_are_searched_for(changer: Changer, pattern: bytes, count: int) -> None:
    """SEND VOLUME TAG with a template, then REQUEST VOLUME ELEMENT ADDRESS (SMC-3)."""
    assert search(changer, pattern).good
    result = found(changer)
    assert result.good and result.data[4] == 5
    assert int.from_bytes(result.data[2:4], "big") == count


def test_searches_that_cannot_be(library: Library, changer: Changer) -> None:
    """Without a search there is nothing to tell; tags are the operator's; each nexus has its own search."""
    assert_sense(found(changer), Key.ILLEGAL_REQUEST, COMMAND_SEQUENCE)
    assert_sense(search(changer, b"X", action=8), Key.ILLEGAL_REQUEST, 0x2400)
    assert_sense(changer.run(struct.pack(">BBHBBxxHxx", 0xB6, 0, 0, 0, 5, 39), data_out=bytes(39)),
                 Key.ILLEGAL_REQUEST, 0x1A00)
    assert search(changer, b"A*").good
    with library.changer.login() as other:
        assert_sense(found(Changer(other)), Key.ILLEGAL_REQUEST, COMMAND_SEQUENCE)


@pytest.mark.parametrize(("params", "why"), [
    ("element_type=5,start_address=1,quantity=1", "element_type is a number from 1 to 4"),
    ("element_type=2,start_address=0,quantity=1", "start_address is a number"),
    ("element_type=2,start_address=65535,quantity=2", "no such addresses"),
    ("element_type=2,start_address=2000", "go together"),
    ("start_address=2000,quantity=1", "element_type"),
    (f"element_type=3,start_address={FIRST_SLOT},quantity=1", "already"),
    ("element_type=2,address=9999,barcode=A00001L8X", "no such element"),
    (f"element_type=4,address={FIRST_SLOT},tid=1,lun=1", "there is no such"),
    (f"element_type=2,address={FIRST_SLOT + 3},barcode=NOFILE", "can't be read"),
    (f"element_type=2,address={FIRST_SLOT + 3},barcode=../etc", "barcode"),
    (f"element_type=4,address={FIRST_DRIVE},barcode=A00001L8", "type 2 and 3"),
    ("element_type=4,address=256,tid=60000,lun=1", "no such tape drive"),
    ("barcode=A00001L8", "which address"), ("sides=2,element_type=2,start_address=2000,quantity=1", "sides"),
    ("element_type=2,address=1,size=5", "no such parameter")])
def test_parameters_that_cannot_be(library: Library, changer: Changer, params: str, why: str) -> None:
    """Each is refused with its reason, and nothing has changed."""
    before = changer.status()
    assert why in library.refused(params)
    changer.session.clear_attentions(CHANGER_LUN)
    assert changer.status() == before


def test_dump(library: Library, changer: Changer) -> None:
    """dump=1 writes what is where into the log."""
    assert changer.move(FIRST_SLOT, FIRST_DRIVE).good
    library.set("dump=1")
    log = library.daemon.log()
    assert f"element {FIRST_DRIVE}, drive (target {library.tid} lun 1): {BARCODES[0]}" in log
    assert f"element {FIRST_SLOT}, storage: empty" in log and f"element {MAIL_SLOT}, mail slot: empty" in log
    assert f"element {FIRST_SLOT + 1}, storage: {BARCODES[1]}" in log


def test_a_full_slot(library: Library) -> None:
    library.cartridge("ANOTHER")
    assert "full" in library.refused(f"element_type=2,address={FIRST_SLOT},barcode=ANOTHER")


def test_the_same_again(library: Library, session: Session, changer: Changer) -> None:
    """Scripts give all parameters again: what initiators have moved stays where it is."""
    assert changer.move(FIRST_SLOT, FIRST_SLOT + 3).good
    before = changer.contents()
    for number, barcode in enumerate(BARCODES):
        library.put(FIRST_SLOT + number, barcode)
    library.set(f"element_type=2,start_address={FIRST_SLOT},quantity=4")
    session.clear_attentions(CHANGER_LUN)
    assert changer.contents() == before


def test_it_comes_up_as_it_went_down(own_daemon: Daemon, tmp_path: Path) -> None:
    """After kill -9: each cartridge is where it was, in the drives too, with what was written and its source."""
    library = library_on(own_daemon, tmp_path, 1)
    with library.changer.login() as session, library.drive(1).login() as drive:
        changer = Changer(session)
        assert changer.move(FIRST_SLOT, FIRST_DRIVE + 1).good and changer.move(FIRST_SLOT + 1, MAIL_SLOT).good
        drive.clear_attentions(2)
        tape = Tape(drive, 2)
        assert tape.write(b"kept").good
        tape.marks(1)
        before = changer.status()
    own_daemon.kill()
    own_daemon.start()
    library.make()
    with library.changer.login() as session, library.drive(1).login() as drive:
        assert Changer(session).status() == before
        drive.clear_attentions(2)
        assert Tape(drive, 2).read(4).data == b"kept"
        assert Changer(session).move(FIRST_DRIVE + 1, FIRST_SLOT).good


def test_primary(session: Session, library: Library, daemon: Daemon) -> None:
    """What SPC-5 asks of every unit."""
    primary.check_no_sense(session, CHANGER_LUN)
    primary.check_mode_pages(session, CHANGER_LUN)
    primary.check_log_pages(session, CHANGER_LUN)
    primary.check_log_select(session, CHANGER_LUN)
    primary.check_self_test(session, CHANGER_LUN)
    primary.check_port_groups(session, CHANGER_LUN)
    primary.check_task_management(session, CHANGER_LUN)
    primary.check_opcodes(session, CHANGER_LUN, {0x07, 0x1B, 0x1E, 0x2B, 0x37, 0xA5, 0xA6, 0xB5, 0xB6, 0xB8},
                          {0x08, 0x0A, 0x28, 0x01})
    primary.check_luns(session, CHANGER_LUN, {0, 1, 2, CHANGER_LUN})
    primary.check_set_port_groups(daemon, library.changer, session)


def test_reservations(session: Session, library: Library) -> None:
    """RESERVE and RELEASE, and every persistent reservation service action (SPC-2 5.5.1, SPC-5 5.14)."""
    with library.changer.login() as other:
        primary.check_reserve(session, other, CHANGER_LUN)
        primary.check_persistent_reservations(session, other, CHANGER_LUN)


def test_mtx(library: Library, shim_file: Path) -> None:
    """mtx: inquiry, status, load, unload, transfer, exchange, inventory; what it prints is what is there."""
    sg = Sg(shim_file, library.changer)

    def mtx(*arguments: str) -> str:
        done = sg.try_("mtx", "-f", library.changer.url, *arguments, device="")
        assert done.code == 0, str(done)
        return done.out

    assert "Medium Changer" in mtx("inquiry")
    assert "2 Drives, 5 Slots ( 1 Import/Export )" in mtx("status")
    mtx("load", "1", "0")
    mtx("load", "2", "1")
    status = mtx("status")
    assert "Data Transfer Element 0:Full (Storage Element 1 Loaded):VolumeTag = A00001L8" in status
    assert "Data Transfer Element 1:Full (Storage Element 2 Loaded):VolumeTag = A00002L8" in status
    mtx("unload", "1", "0")
    mtx("transfer", "3", "4")
    mtx("exchange", "1", "4", "3")
    mtx("inventory")
    status = mtx("status")
    assert "Data Transfer Element 0:Empty" in status
    assert "Storage Element 3:Full :VolumeTag=A00003L8" in status
    assert "Storage Element 4:Full :VolumeTag=A00001L8" in status
    assert sg.try_("mtx", "-f", library.changer.url, "load", "1", "0", device="").code != 0
