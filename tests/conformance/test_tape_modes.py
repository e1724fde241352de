# SPDX-License-Identifier: MIT
"""The mode pages of tape drives over the wire, and in the words of sg_modes and sdparm (SSC-5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.sg import Sg
from harness.units import Unit
from iscsi import scsi
from iscsi.pdu import TaskFunction
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result

pytestmark = pytest.mark.variants("tape")

CURRENT, CHANGEABLE, DEFAULT, SAVED = range(4)
INVALID_PARAMETER, MODE_PARAMETERS_CHANGED, SOFTWARE_WRITE_PROTECTED = 0x2600, 0x2A01, 0x2702

# Page and subpage: its length, and what sg_modes calls it.
PAGES = {
    (0x01, 0x00): (12, "Read-Write error recovery"),
    (0x0A, 0x00): (12, "Control"),
    (0x0A, 0x01): (32, "Control extension"),
    (0x0A, 0xF0): (32, "Control data protection"),
    (0x0F, 0x00): (16, "Data Compression"),
    (0x10, 0x00): (16, "Device configuration"),
    (0x10, 0x01): (32, "Device configuration extension"),
    (0x11, 0x00): (0, "Medium Partition"),  # by how many partitions there can be
    (0x1C, 0x00): (12, "Informational exceptions control (tape version)"),
    (0x1D, 0x00): (32, "Medium configuration"),
}


def page_of(session: Session, page: int, subpage: int = 0, control: int = CURRENT) -> bytearray:
    """A mode page, as MODE SENSE(10) without block descriptors has it; without PS."""
    result = session.execute(scsi.mode_sense10(page, subpage, control, dbd=True), lun=session.lun, read=1024)
    assert result.good, str(result)
    found = bytearray(result.data[8:])
    found[0] &= 0x7F
    return found


def send(session: Session, page: bytes, *, save: bool = False) -> Result:
    data = bytes(4) + bytes(page)
    return session.execute(scsi.mode_select6(len(data), save=save), lun=session.lun, data_out=data)


def assert_refused(result: Result, byte: int) -> None:
    """INVALID FIELD IN PARAMETER LIST, with a pointer to a byte of the page."""
    sense = result.sense
    assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, INVALID_PARAMETER), str(result)
    assert (sense.field_in_cdb, sense.field_pointer) == (False, 4 + byte), str(result)


@pytest.mark.smoke
def test_every_page(session: Session, drive: Unit, shim_file: Path) -> None:
    """All of them are there in all kinds of values, of the length that the standard has; sg_modes knows them."""
    words = Sg(shim_file, drive)("sg_modes", "--all", "--all")
    for (page, subpage), (length, name) in PAGES.items():
        assert f">> {name}" in words, name
        kinds = [page_of(session, page, subpage, control) for control in (CURRENT, CHANGEABLE, DEFAULT)]
        for found in kinds:
            assert len(found) == length or page == 0x11, name
            assert found[0] & 0x3F == page and (not subpage or found[1] == subpage)
            assert found[:2] == kinds[0][:2]


def test_sdparm(drive: Unit, shim_file: Path) -> None:
    """sdparm decodes the fields that are a tape's alone."""
    sg = Sg(shim_file, drive)
    words = sg("sdparm", "--all")
    for name in ("LBPM", "DCE", "LOIS", "SWP_T", "TAPLSD", "PEWS", "MAX_AP", "WORMM"):
        assert f"\n  {name} " in words, name
    assert sg("sdparm", "--get=PEWS").number(r"PEWS\s+(\d+)") == 0
    sg("sdparm", "--set=PEWS=300")
    assert sg("sdparm", "--get=PEWS").number(r"PEWS\s+(\d+)") == 300


def test_what_is_sensed_can_be_sent(session: Session) -> None:
    """Every page as MODE SENSE shows it changes nothing, and nobody is told (SPC-5 MODE SELECT)."""
    for page, subpage in PAGES:
        before = page_of(session, page, subpage)
        assert send(session, before).good, f"{page:#x},{subpage:#x}"
        assert page_of(session, page, subpage) == before


def test_unchangeable_bits(session: Session) -> None:
    """A change of any bit that isn't changeable is refused, with a pointer to its byte."""
    for page, subpage in PAGES:
        now, mask = page_of(session, page, subpage), page_of(session, page, subpage, CHANGEABLE)
        for byte in range(4 if subpage else 2, len(now)):
            bits = ~mask[byte] & 0xFF
            if bits:
                changed = bytearray(now)
                changed[byte] ^= bits & -bits
                assert_refused(send(session, changed), byte)


def test_block_descriptor(session: Session) -> None:
    """Density code of the cartridge; a block length can be chosen with it, and no other density."""
    def choose(density: int, length: int) -> Result:
        data = bytes([0, 0, 0x10, 8, density, 0, 0, 0, 0]) + length.to_bytes(3, "big")
        return session.execute(scsi.mode_select6(len(data)), lun=session.lun, data_out=data)

    def shown() -> bytes:
        return session.execute(scsi.mode_sense6(0x0A), lun=session.lun, read=255).data[:12]

    before = shown()
    assert before[2] == 0x10 and before[3] == 8, "buffered mode, one descriptor"
    density = before[4]
    assert density == 0x80 and not any(before[5:])
    for code in (0, 0x7F, density):
        assert choose(code, 512 + code).good
        assert int.from_bytes(shown()[9:], "big") == 512 + code and shown()[4] == density
    result = choose(0x5E, 1024)
    assert result.sense is not None and result.sense.asc == INVALID_PARAMETER
    assert int.from_bytes(shown()[9:], "big") == 512 + density


def test_buffered_mode(session: Session, drive: Unit) -> None:
    """BUFFERED MODE 0h is in force once it is selected, until a reset; the other nexus is told (SSC-5, SPC-5 6.12)."""
    def mode() -> int:
        return session.execute(scsi.mode_sense6(0x0A), lun=drive.lun, read=255).data[2] >> 4

    def choose(value: int) -> None:
        header = bytes([0, 0, value << 4, 0])
        assert session.execute(scsi.mode_select6(len(header)), lun=drive.lun, data_out=header).good

    assert mode() == 1
    with drive.login() as other:
        choose(0)
        sense = other.execute(bytes(6), lun=drive.lun).sense
        assert sense is not None and sense.asc == MODE_PARAMETERS_CHANGED
    assert mode() == 0
    assert session.execute(bytes([0x0A, 0, 0, 0, 4, 0]), lun=drive.lun, data_out=b"data").good
    choose(1)
    assert mode() == 1


def test_software_write_protection(session: Session, drive: Unit) -> None:
    """SWP of the Device Configuration page: WP is told, writing refused, reading not; the other nexus is told of it."""
    page = page_of(session, 0x10)
    with drive.login() as other:
        page[10] |= 0x04
        assert send(session, page).good
        sense = other.execute(bytes(6), lun=drive.lun).sense
        assert sense is not None and sense.asc == MODE_PARAMETERS_CHANGED
    result = session.execute(bytes([0x0A, 0, 0, 0, 4, 0]), lun=drive.lun, data_out=b"data")
    assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.DATA_PROTECT,
                                                                                 SOFTWARE_WRITE_PROTECTED)
    assert session.execute(scsi.mode_sense6(0x0A), lun=drive.lun, read=255).data[2] & 0x80
    assert session.execute(bytes([0x01, 0, 0, 0, 0, 0]), lun=drive.lun).good
    page[10] &= ~0x04
    assert send(session, page).good
    assert session.execute(bytes([0x0A, 0, 0, 0, 4, 0]), lun=drive.lun, data_out=b"data").good


def test_compression_is_one_switch(session: Session) -> None:
    """DCE and SELECT DATA COMPRESSION ALGORITHM say the same, where the store can compress."""
    page = page_of(session, 0x0F)
    if not page[2] & 0x40:
        assert not page[2] and not page_of(session, 0x10)[14]
        page[2] = 0x80
        assert_refused(send(session, page), 2)
        return
    for on in (True, False, True):
        page[2] = 0xC0 if on else 0x40
        assert send(session, page).good
        config = page_of(session, 0x10)
        assert config[14] == on
        config[14] = not on
        assert send(session, config).good
        assert bool(page_of(session, 0x0F)[2] & 0x80) == (not on)


def test_data_protection(session: Session) -> None:
    """Control Data Protection: no method, or CRC32C of four bytes."""
    page = page_of(session, 0x0A, 0xF0)
    assert not any(page[4:])
    page[4:7] = bytes([2, 4, 0xC0])
    assert send(session, page).good
    assert page_of(session, 0x0A, 0xF0) == page
    page[5] = 8
    assert_refused(send(session, page), 5)
    page[4:7] = bytes([1, 4, 0])
    assert_refused(send(session, page), 4)
    page[4:7] = bytes(3)
    assert send(session, page).good


def test_partitions(session: Session) -> None:
    """Medium Partition: those that there are; one way to divide at most, by FORMAT MEDIUM, as many as can be."""
    page, mask = page_of(session, 0x11), page_of(session, 0x11, control=CHANGEABLE)
    assert page[3] == 0 and page[4] & 0xE4 == 0x04, "one partition; POFM"
    assert len(page) >= 10 and int.from_bytes(page[8:10], "big") > 0
    if not page[2]:
        assert not any(mask[2:])
        return
    page[3], page[4] = page[2], 0x44
    assert send(session, page).good
    assert page_of(session, 0x11) == page, "what is to be, until it is"
    page[4] = 0xC4
    assert_refused(send(session, page), 4)
    page[3], page[4] = page[2] + 1, 0x44
    assert_refused(send(session, page), 3)
    load = bytes([0x1B, 0, 0, 0, 1, 0])
    assert session.execute(load, lun=session.lun).good
    assert page_of(session, 0x11)[3] == 0, "a medium that is loaded has what it has"


def test_partitions_are_made(session: Session) -> None:
    """FORMAT MEDIUM makes what the page asks for: then that is what there is, and nothing is asked for any more."""
    page = page_of(session, 0x11)
    if not page[2]:
        return
    page[3:5] = b"\x01\x3C"
    page[6:12] = bytes([9, 0]) + b"\xFF\xFF\x00\x02"
    assert send(session, page).good
    assert page_of(session, 0x11) == page
    assert session.execute(bytes([0x04, 0, 1, 0, 0, 0]), lun=session.lun).good
    made = page_of(session, 0x11)
    assert made[3] == 1 and made[4] & 0xE0 == 0
    unit = 10 ** (made[6] & 0x0F)
    assert int.from_bytes(made[10:12], "big") * unit in range(2 * 10 ** 9, 2 * 10 ** 9 + unit + 1)
    assert session.execute(bytes([0x04, 0, 0, 0, 0, 0]), lun=session.lun).good
    assert page_of(session, 0x11)[3] == 0


def test_saved(session: Session) -> None:
    """SP saves: a logical unit reset brings the saved values back; partitions that are asked for are forgotten by it,
    as they are about the medium that is there now."""
    page, partitions = page_of(session, 0x10, 1), page_of(session, 0x11)
    page[6:8] = b"\x01\x2C"
    assert send(session, page, save=True).good
    assert page_of(session, 0x10, 1, SAVED)[6:8] == b"\x01\x2C"
    page[6:8] = b"\x00\x05"
    assert send(session, page).good
    if partitions[2]:
        assert send(session, partitions[:3] + b"\x01\x44" + partitions[5:]).good
        assert page_of(session, 0x11)[3] == 1
    assert session.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=session.lun) == 0
    session.clear_attentions(session.lun)
    assert page_of(session, 0x10, 1)[6:8] == b"\x01\x2C"
    assert page_of(session, 0x11) == partitions


def test_defaults_of_the_drive(session: Session, drive: Unit, daemon: Daemon) -> None:
    """An LTO drive compresses by default, where the store can."""
    can = bool(page_of(session, 0x0F)[2] & 0x40)
    assert not page_of(session, 0x0F, control=DEFAULT)[2] & 0x80
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
              "--params", "drive=LTO-8")
    session.clear_attentions(drive.lun)
    for control in (CURRENT, DEFAULT):
        assert bool(page_of(session, 0x0F, control=control)[2] & 0x80) == can
        assert page_of(session, 0x10, control=control)[14] == can
