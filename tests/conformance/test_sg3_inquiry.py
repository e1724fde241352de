# SPDX-License-Identifier: MIT
"""sg_inq, sg_vpd, sg_readcap, sg_luns: what a unit says that it is (SPC-5 6.7, 7.7; SBC-4 6.6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import Sg
from harness.units import Unit
from iscsi import scsi

pytestmark = pytest.mark.variants("basic")

MANDATORY = [0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2]


@pytest.mark.smoke
def test_standard_inquiry(sg: Sg, variant: Variant) -> None:
    """A connected disk with tagged queuing and its texts."""
    done = sg("sg_inq")
    assert done.number(r"PQual=(\d+)") == 0 and done.number(r"PDT=(\d+)") == 0
    assert done.number(r"version=(0x\w+)") >= 5 and done.number(r"Resp_data_format=(\d+)") == 2
    assert done.number(r"CmdQue=(\d)") == 1
    assert done.number(r"RMB=(\d)") == int(variant.removable)
    assert done.field(r"Vendor identification: (\S+)") and done.field(r"Product identification: (\S+)")


def test_supported_pages(sg: Sg) -> None:
    """The list is ascending, has what a disk must have, and every page in it can be had and decoded."""
    page = sg.vpd(0)
    pages = list(page[4:4 + struct.unpack_from(">H", page, 2)[0]])
    assert pages == sorted(set(pages)), "not ascending (7.7.12)"
    assert set(MANDATORY) <= set(pages)
    for code in pages:
        data = sg.vpd(code)
        assert data[0] & 0xE0 == 0 and data[1] == code
        assert struct.unpack_from(">H", data, 2)[0] == len(data) - 4
        done = sg("sg_vpd", f"--page={code:#x}")
        assert "unable to decode" not in done.out.lower() and not done.err, str(done)


def test_page_that_is_not_there(sg: Sg) -> None:
    """INVALID FIELD IN CDB."""
    sg.raw(bytes([0x12, 1, 0xFE, 0, 252, 0]), read=252, code=5)
    sg.raw(bytes([0x12, 0, 0x80, 0, 252, 0]), read=252, code=5)  # a page code without EVPD


def test_serial_number(sg: Sg) -> None:
    """The same in the page and in sg_inq's words."""
    serial = sg("sg_vpd", "--page=sn").field(r"Unit serial number:\s*(\S+)")
    assert serial in sg("sg_inq")


def test_device_identification(sg: Sg, unit: Unit) -> None:
    """A NAA designator and a T10 one for the unit; for the port its name as iSCSI gives it (7.7.6)."""
    done = sg("sg_vpd", "--page=di")
    assert "designator type: NAA" in done and "designator type: T10 vendor identification" in done
    assert "Relative target port" in done
    assert f"{unit.target},t,0x" in done.out.replace("\n", "").lower(), str(done)


def test_designators_differ(shim_file: Path, variant: Variant, new_unit: Callable[..., Unit],
                            new_target: Callable[..., object]) -> None:
    """Two units of one target, and of two targets, have different NAA designators; the same unit's stays."""
    target = new_target()
    units = [new_unit(variant, target), new_unit(variant, target, lun=2), new_unit(variant)]
    seen = [Sg(shim_file, unit)("sg_vpd", "--page=di").field(r"\s(0x[0-9a-f]{16,32})\b") for unit in units]
    assert len(set(seen)) == 3
    assert Sg(shim_file, units[0])("sg_vpd", "--page=di").field(r"\s(0x[0-9a-f]{16,32})\b") == seen[0]


def test_read_capacity(sg: Sg, variant: Variant) -> None:
    """Both forms agree with each other and with how the unit was made."""
    short, long = sg("sg_readcap"), sg("sg_readcap", "--16")
    for words in (r"Number of logical blocks=(\d+)", r"Logical block length=(\d+)"):
        assert short.number(words) == long.number(words)
    assert short.number(r"Logical block length=(\d+)") == variant.block_size
    assert long.number(r"lbpme=(\d)") == int(variant.thin)
    if variant.thin:
        assert long.number(r"lbprz=(\d)") == 1, "deallocated blocks read as zeroes here"


def limits(sg: Sg) -> dict[str, int]:
    """The Block Limits page (SBC-4 6.6.4)."""
    page = sg.vpd(0xB0)
    names = ("granularity", "transfer", "optimal", "prefetch", "unmap_blocks", "unmap_descriptors")
    out = dict(zip(names, struct.unpack_from(">HIIIII", page, 6)))
    return out | {"compare": page[5], "same": struct.unpack_from(">Q", page, 36)[0], "wsnz": page[4] & 1}


def blocks_of(sg: Sg) -> int:
    return sg("sg_readcap", "--16").number(r"Number of logical blocks=(\d+)")


def test_transfer_limit_is_kept(sg: Sg, variant: Variant) -> None:
    """One block more than MAXIMUM TRANSFER LENGTH is refused; the length itself isn't (SBC-4 6.6.4)."""
    most = limits(sg)["transfer"]
    if not most or most >= blocks_of(sg):
        return  # without a limit there is none to keep
    sg.raw(scsi.read16(0, most + 1), read=512, code=5)
    length = most * variant.block_size
    if length <= 1 << 24:
        with sg.unit.login() as session:
            assert session.execute(scsi.read16(0, most), lun=sg.unit.lun, read=length).good


def test_compare_limit_is_kept(sg: Sg, variant: Variant) -> None:
    """COMPARE AND WRITE up to MAXIMUM COMPARE AND WRITE LENGTH, and not beyond."""
    most = limits(sg)["compare"]
    if most == 0:
        sg.raw(scsi.compare_and_write(0, 1), write=bytes(2 * variant.block_size), code=9)
    elif most < 255:
        sg.raw(scsi.compare_and_write(0, most + 1), write=bytes(2 * (most + 1) * variant.block_size), code=5)


def test_unmap_limits_are_kept(sg: Sg, variant: Variant) -> None:
    """Neither more descriptors nor more blocks than the page allows."""
    limit = limits(sg)
    if not variant.thin:
        assert limit["unmap_blocks"] == 0 or "unmap" not in variant.module
        return
    assert limit["unmap_blocks"] > 0 and limit["unmap_descriptors"] > 0
    if limit["unmap_descriptors"] < 4000:
        many = scsi.unmap_parameters([(0, 0)] * (limit["unmap_descriptors"] + 1))
        sg.raw(scsi.unmap(len(many)), write=many, code=5)
    if limit["unmap_blocks"] < min(blocks_of(sg), 0xFFFFFFFF):
        large = scsi.unmap_parameters([(0, limit["unmap_blocks"] + 1)])
        sg.raw(scsi.unmap(len(large)), write=large, code=5)


def test_write_same_limit_is_kept(sg: Sg, variant: Variant) -> None:
    """WRITE SAME beyond MAXIMUM WRITE SAME LENGTH is refused, and a length of zero when WSNZ says so."""
    limit = limits(sg)
    block = bytes(variant.block_size)
    if limit["same"] and limit["same"] < blocks_of(sg):
        sg.raw(scsi.write_same16(0, limit["same"] + 1), write=block, code=5)
    if limit["wsnz"]:
        sg.raw(scsi.write_same16(0, 0), write=block, code=5)


def test_provisioning_page(sg: Sg, variant: Variant) -> None:
    """What the page says of UNMAP and WRITE SAME is what REPORT SUPPORTED OPERATION CODES says (SBC-4 6.6.6)."""
    done = sg("sg_vpd", "--page=lbpv")
    says = done.number(r"\(LBPU\): (\d)")
    assert says == int(variant.thin)
    assert done.number(r"\(LBPWS\): (\d)") == done.number(r"\(LBPWS10\): (\d)") == int(variant.thin)
    assert done.number(r"Provisioning type: (\d)") == (2 if variant.thin else 0)
    assert ("is supported" in sg("sg_opcodes", "--opcode=0x42")) == bool(says)


def test_luns(sg: Sg, unit: Unit) -> None:
    """The unit and the controller at LUN 0 are listed; unknown SELECT REPORT values are refused."""
    done = sg("sg_luns")
    assert f"{unit.lun:04x}000000000000" in done
    assert "0000000000000000" in done
    sg.raw(scsi.report_luns(select=0x7F), read=4096, code=5)


def test_controller(sg: Sg, unit: Unit, shim_file: Path, daemon: object) -> None:
    """LUN 0 is a storage array controller without a medium."""
    zero = Sg(shim_file, Unit(unit.host, unit.port, unit.target, 0))
    assert zero("sg_inq").number(r"PDT=(\d+)") == 12
    zero("sg_turs")
    assert zero("sg_luns").out == sg("sg_luns").out
    zero.raw(scsi.read10(0, 1), read=512, code=9)
