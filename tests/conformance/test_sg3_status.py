# SPDX-License-Identifier: MIT
"""sg_turs, sg_requests, sg_modes, sdparm, sg_start, sg_prevent, sg_sync, sg_logs and their like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import DATA_PROTECT, ILLEGAL_REQUEST, INVALID_OPCODE, Sg
from harness.units import Unit
from iscsi import scsi

pytestmark = pytest.mark.variants("basic")


@pytest.mark.smoke
def test_unit_ready(sg: Sg) -> None:
    """A hundred times."""
    assert "100 Test Unit Ready commands with 0 errors" in sg("sg_turs", "-n", "100")


def test_request_sense(sg: Sg) -> None:
    """NO SENSE on a unit that has nothing to tell, fixed and descriptor format (SPC-5 REQUEST SENSE)."""
    assert "No Sense" in sg("sg_requests").err
    fixed = scsi.parse_sense(sg.raw(scsi.request_sense(), read=252))
    descriptor = scsi.parse_sense(sg.raw(scsi.request_sense(desc=True), read=252))
    assert fixed is not None and (fixed.response_code, fixed.key) == (0x70, 0)
    assert descriptor is not None and (descriptor.response_code, descriptor.key) == (0x72, 0)


def test_unit_attention_at_first(sg: Sg, shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """A new nexus is told of power on by 29h; REQUEST SENSE tells it too, and takes it away (SAM-5 5.14)."""
    unit = new_unit(variant)
    with unit.login(attentions=True) as session:
        result = session.execute(scsi.test_unit_ready(), lun=unit.lun)
        assert result.sense is not None and result.sense.key == 6 and result.sense.asc >> 8 == 0x29
        assert session.execute(scsi.test_unit_ready(), lun=unit.lun).good
    with unit.login(attentions=True) as session:
        data = session.execute(scsi.request_sense(), lun=unit.lun, read=252).data
        sense = scsi.parse_sense(data)
        assert sense is not None and sense.key == 6
        assert session.execute(scsi.test_unit_ready(), lun=unit.lun).good
    with unit.login(attentions=True) as session:  # INQUIRY and REPORT LUNS leave it standing
        assert session.execute(scsi.inquiry(), lun=unit.lun, read=255).good
        assert session.execute(scsi.report_luns(), lun=unit.lun, read=4096).good
        assert not session.execute(scsi.test_unit_ready(), lun=unit.lun).good


def test_mode_pages(sg: Sg) -> None:
    """All pages come, with the ones that SBC-4 wants, in every page control but saved."""
    done = sg("sg_modes", "--all")
    for page in ("Read-Write error recovery", "Caching", "Control"):
        assert page in done, str(done)
    for control in ("0", "1", "2"):
        sg("sg_modes", f"--control={control}", "--page=8")
    assert "DpoFua=1" in done, "FUA is honoured, so DPOFUA is set"
    sg("sg_modes", "--six", "--page=8")
    sg("sg_modes", "--dbd", "--page=8")


def test_mode_page_that_is_not_there(sg: Sg) -> None:
    """INVALID FIELD IN CDB for an unknown page and subpage."""
    sg.raw(scsi.mode_sense10(0x3B), read=255, code=ILLEGAL_REQUEST)
    sg.raw(scsi.mode_sense10(0x08, 0x7E), read=255, code=ILLEGAL_REQUEST)


def test_block_descriptor(sg: Sg, variant: Variant) -> None:
    """The block descriptor tells the block length (SPC-5 7.5.6)."""
    data = sg.raw(scsi.mode_sense6(0x08), read=255)
    assert data[3] == 8 and int.from_bytes(data[9:12], "big") == variant.block_size
    assert sg.raw(scsi.mode_sense6(0x08, dbd=True), read=255)[3] == 0


def test_sdparm(sg: Sg) -> None:
    """sdparm finds the pages, and its named fields."""
    done = sg.try_("sdparm", "--all")
    for name in ("WCE", "RCD", "D_SENSE", "SWP", "TST"):
        assert f"  {name} " in done, str(done)
    assert "write_cache" in sg.try_("sdparm", "--get=WCE", "--long") or "WCE" in done
    assert "Device identification VPD page" in sg.try_("sdparm", "--inquiry")


def changeable(sg: Sg, page: int, byte: int, bit: int) -> bool:
    """Whether MODE SELECT may change a bit."""
    data = sg.raw(scsi.mode_sense6(page, control=1, dbd=True), read=255)
    return bool(data[4 + byte] & bit)


def test_write_cache_can_be_switched(sg: Sg) -> None:
    """WCE=0 and back, when the page says that it is changeable; else MODE SELECT is refused."""
    before = sg.raw(scsi.mode_sense6(0x08, dbd=True), read=255)
    page = bytearray(before[4:24])
    page[0] &= 0x3F
    page[2] ^= 0x04
    if not changeable(sg, 0x08, 2, 0x04):
        sg.raw(scsi.mode_select6(24), write=bytes(4) + bytes(page), code=ILLEGAL_REQUEST)
        return
    sg.raw(scsi.mode_select6(24), write=bytes(4) + bytes(page))
    try:
        assert sg.raw(scsi.mode_sense6(0x08, dbd=True), read=255)[6] & 4 == page[2] & 4
    finally:
        page[2] ^= 0x04
        sg.raw(scsi.mode_select6(24), write=bytes(4) + bytes(page))


def test_descriptor_sense_can_be_switched(sg: Sg) -> None:
    """D_SENSE=1 makes sense data come in descriptor format (SPC-5 7.5.9)."""
    if not changeable(sg, 0x0A, 2, 0x04):
        return
    page = bytearray(sg.raw(scsi.mode_sense6(0x0A, dbd=True), read=255)[4:16])
    page[0] &= 0x3F
    original = page[2]
    try:
        for value, code in ((original | 0x04, 0x72), (original & ~0x04, 0x70)):
            page[2] = value
            sg.raw(scsi.mode_select6(16), write=bytes(4) + bytes(page))
            with sg.unit.login() as session:
                result = session.execute(scsi.read16(1 << 60, 1), lun=sg.unit.lun, read=512)
            assert result.sense is not None and result.sense.response_code == code
            assert (result.sense.key, result.sense.asc) == (5, scsi.LBA_OUT_OF_RANGE)
    finally:
        page[2] = original
        sg.raw(scsi.mode_select6(16), write=bytes(4) + bytes(page))


@pytest.mark.parametrize("length,content,why", [
    (24, bytes(4) + b"\x08\x12" + b"\xff" * 18, "unchangeable bits"),
    (24, bytes(4) + b"\x3b\x12" + bytes(18), "an unknown page"),
    (10, bytes(4) + b"\x08\x12" + bytes(4), "a page cut short"),
    (3, bytes(3), "a header cut short"),
], ids=["bits", "page", "short-page", "short-header"])
def test_mode_select_refuses(sg: Sg, length: int, content: bytes, why: str) -> None:
    """MODE SELECT with something wrong in it changes nothing (SPC-5 6.12)."""
    before = sg.raw(scsi.mode_sense6(0x08), read=255)
    assert why
    sg.raw(scsi.mode_select6(length), write=content, code=ILLEGAL_REQUEST)
    assert sg.raw(scsi.mode_sense6(0x08), read=255) == before


def test_stop_and_start(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """A stopped unit isn't ready (02/04/02) until it is started (SBC-4 5.31)."""
    sg = Sg(shim_file, new_unit(variant))
    sg("sg_start", "--stop")
    with sg.unit.login() as session:
        for cdb, length in ((scsi.test_unit_ready(), 0), (scsi.read10(0, 1), variant.block_size)):
            result = session.execute(cdb, lun=sg.unit.lun, read=length)
            assert result.sense is not None and (result.sense.key, result.sense.asc) == (2, 0x0402), str(result)
        assert session.execute(scsi.inquiry(), lun=sg.unit.lun, read=255).good
    sg("sg_start", "--start")
    sg("sg_turs")
    sg("sg_start", "--start", "--immed")


def test_eject(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """Removable: PREVENT holds the medium (05/53/02); without it eject leaves no medium (02/3a), load brings it back."""
    sg = Sg(shim_file, new_unit(replace(variant, removable=True)))
    with sg.unit.login() as session:
        lun = sg.unit.lun
        assert session.execute(scsi.prevent_allow(True), lun=lun).good
        result = session.execute(scsi.start_stop(False, True), lun=lun)
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (5, 0x5302), str(result)
        assert session.execute(scsi.prevent_allow(False), lun=lun).good
        assert session.execute(scsi.start_stop(False, True), lun=lun).good
        result = session.execute(scsi.test_unit_ready(), lun=lun)
        assert result.sense is not None and result.sense.key == 2 and result.sense.asc >> 8 == 0x3A, str(result)
        assert session.execute(scsi.start_stop(True, True), lun=lun).good
        session.clear_attentions(lun)
        assert session.execute(scsi.read10(0, 1), lun=lun, read=variant.block_size).good


def test_prevent_ends_with_the_session(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """What a nexus prevented it prevents no longer when it is lost (SBC-3 5.10)."""
    unit = new_unit(replace(variant, removable=True))
    with unit.login() as session:
        assert session.execute(scsi.prevent_allow(True), lun=unit.lun).good
    with unit.login() as session:
        assert session.execute(scsi.start_stop(False, True), lun=unit.lun).good


def test_prevent_and_allow(sg: Sg) -> None:
    """Accepted on a unit that isn't removable too."""
    sg("sg_prevent")
    sg("sg_prevent", "--allow")


def test_synchronize_cache(sg: Sg) -> None:
    """All of it, a range, immediate; and a range beyond the end is refused (SBC-4 5.33)."""
    sg("sg_sync")
    sg("sg_sync", "--lba=1000", "--count=8")
    sg("sg_sync", "--16", "--immed")
    last = sg("sg_readcap", "--16").number(r"Last LBA=(\d+)")
    sg.raw(scsi.synchronize_cache16(last, 2), code=22)
    sg.raw(scsi.synchronize_cache16(1 << 63, 1), code=22)


def test_log_pages(sg: Sg) -> None:
    """The list of log pages is there and each page in it can be read (SPC-5 7.3.19)."""
    data = sg.raw(bytes([0x4D, 0, 0x40, 0, 0, 0, 0, 1, 0, 0]), read=256)
    assert data[0] & 0x3F == 0 and len(data) >= 5
    for page in data[4:]:
        assert sg.raw(bytes([0x4D, 0, 0x40 | page, 0, 0, 0, 0, 4, 0, 0]), read=1024)[0] & 0x3F == page
    sg.raw(bytes([0x4D, 0, 0x7B, 0, 0, 0, 0, 1, 0, 0]), read=256, code=ILLEGAL_REQUEST)


def test_self_test(sg: Sg) -> None:
    """The default self-test ends GOOD (SPC-5 SEND DIAGNOSTIC)."""
    sg("sg_senddiag", "-t")


def test_report_target_port_groups(sg: Sg) -> None:
    """One group, active/optimized, when INQUIRY says TPGS."""
    if not sg("sg_inq").number(r"TPGS=(\d)"):
        return
    assert "0x00" in sg("sg_rtpg").field(r"asymmetric access state : (\S+)")


@pytest.mark.parametrize("tool", ["sg_reassign -a 5", "sg_rep_zones", "sg_sanitize --crypto --quick", "sg_read_attr"])
def test_commands_that_are_not_there(sg: Sg, tool: str) -> None:
    """INVALID COMMAND OPERATION CODE, and nothing worse."""
    done = sg.try_(*tool.split())
    assert done.code in (INVALID_OPCODE, ILLEGAL_REQUEST), str(done)


@pytest.mark.alone
def test_read_only(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """A read-only unit says so (WP), reads, verifies, prefetches, and refuses every write with 07/27."""
    sg = Sg(shim_file, new_unit(replace(variant, readonly=True)))
    assert "WP=1" in sg("sg_modes", "--all")
    block = bytes(variant.block_size)
    sg.raw(scsi.read10(0, 1), read=variant.block_size)
    sg("sg_verify", "--lba=0", "--count=8")
    sg.raw(bytes([0x34, 0, 0, 0, 0, 0, 0, 0, 8, 0]))
    for cdb, data in ((scsi.write10(0, 1), block), (scsi.write16(0, 1), block), (scsi.write_same16(0, 1), block),
                      (scsi.write_verify10(0, 1), block), (scsi.compare_and_write(0, 1), 2 * block),
                      (scsi.orwrite16(0, 1), block)):
        sg.raw(cdb, write=data, code=DATA_PROTECT)
    if variant.thin:
        ranges = scsi.unmap_parameters([(0, 8)])
        sg.raw(scsi.unmap(len(ranges)), write=ranges, code=DATA_PROTECT)
