# SPDX-License-Identifier: MIT
"""What a tape drive says that it is: INQUIRY and its VPD pages, densities, and the drives it passes for (SSC-5)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.sg import ILLEGAL_REQUEST, Sg
from harness.tape import Tape
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key

pytestmark = pytest.mark.variants("tape")

INQUIRY_DATA_HAS_CHANGED = 0x3F03
CAPACITY = 100 << 30  # of a new tape
OWN_DENSITY = {"LTO-6": 0x5A, "LTO-7": 0x5C, "LTO-8": 0x5E, "LTO-9": 0x60}
READABLE = {"LTO-6": {0x46: False, 0x58: True, 0x5A: True}, "LTO-7": {0x58: False, 0x5A: True, 0x5C: True},
            "LTO-8": {0x5C: True, 0x5D: True, 0x5E: True}, "LTO-9": {0x5E: True, 0x60: True}}


@pytest.fixture
def sg(shim_file: Path, drive: Unit) -> Sg:
    return Sg(shim_file, drive)


def become(daemon: Daemon, unit: Unit, params: str) -> None:
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(unit.tid), "--lun", str(unit.lun),
              "--params", params)


def densities(sg: Sg, media: bool = False) -> dict[int, bytes]:
    """Density support data block descriptors by primary density code (REPORT DENSITY SUPPORT)."""
    data = sg.raw(bytes([0x44, media, 0, 0, 0, 0, 0, 4, 0, 0]), read=1024)
    assert struct.unpack_from(">H", data)[0] == len(data) - 2 and (len(data) - 4) % 52 == 0
    found = [data[at:at + 52] for at in range(4, len(data), 52)]
    assert [one[0] for one in found] == sorted({one[0] for one in found}), "not ascending"
    return {one[0]: one for one in found}


@pytest.mark.smoke
def test_inquiry(sg: Sg) -> None:
    """A sequential-access device with a removable medium."""
    done = sg("sg_inq")
    assert done.number(r"PDT=(\d+)") == 1 and done.number(r"RMB=(\d)") == 1
    assert done.field(r"Product identification: (\S+)") == "VIRTUAL-TAPE"


def test_supported_pages(sg: Sg) -> None:
    """Every page in the list can be had, is as long as it says, and sg_vpd decodes it."""
    page = sg.vpd(0)
    assert list(page[4:]) == [0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0xB0, 0xB1, 0xB2, 0xB5]
    for code in page[4:]:
        data = sg.vpd(code)
        assert data[0] == 0x01 and data[1] == code and struct.unpack_from(">H", data, 2)[0] == len(data) - 4
        done = sg("sg_vpd", f"--page={code:#x}")
        assert "unable to decode" not in done.out.lower() and not done.err, str(done)


def test_tape_pages(sg: Sg) -> None:
    """Capabilities, serial number, TapeAlert flags and block protection, in sg_vpd's words (SSC-5 VPD pages)."""
    assert "Sequential-access device capabilities" in sg("sg_vpd", "--page=0xb0")
    serial = sg("sg_vpd", "--page=sn").field(r"Unit serial number:\s*(\S+)")
    assert sg("sg_vpd", "--page=0xb1").field(r"Manufacturer-assigned serial number: (\S+)") == serial
    flags = sg("sg_vpd", "--page=0xb2")
    assert "03h: 1  04h: 1  05h: 1  06h: 1  07h: 0" in flags and "3Ch: 1" in flags
    assert "method: 2, info_len: 4, LBP_W_C=1, LBP_R_C=1, RBDP_C=0" in sg("sg_vpd", "--page=0xb5")


def test_made_serial_number_stays(sg: Sg, drive: Unit, daemon: Daemon) -> None:
    """The one that the operator gives is the unit's, not the manufacturer's."""
    made = sg.vpd(0xB1)
    become(daemon, drive, "scsi_sn=OTHER")
    assert sg("sg_vpd", "--page=sn").field(r"Unit serial number:\s*(\S+)") == "OTHER"
    assert sg.vpd(0xB1) == made


def test_plain_density(sg: Sg) -> None:
    """REPORT DENSITY SUPPORT: one density, its own, by default and of the cartridge that is in it."""
    found = densities(sg)
    assert set(found) == {0x80} and found[0x80][2] == 0xA0, "WRTOK, DEFLT"
    assert densities(sg, media=True) == found
    types = sg.raw(bytes([0x44, 2, 0, 0, 0, 0, 0, 4, 0, 0]), read=1024)
    assert len(types) == 4 + 56 and types[4] == 0 and types[8] == 1 and types[9] == 0x80
    assert "Command is supported" in sg("sg_opcodes", "-o", "0x44")


@pytest.mark.parametrize("name", OWN_DENSITY)
def test_drive(sg: Sg, drive: Unit, daemon: Daemon, name: str) -> None:
    """drive=NAME: product, densities, block limits, the density of the cartridge, types of media."""
    own = OWN_DENSITY[name]
    become(daemon, drive, f"drive={name}")
    assert sg("sg_inq").field(r"Product identification: (.*\S)") == f"VIRTUAL {name}"
    found = densities(sg)
    assert {code: bool(one[2] & 0x80) for code, one in found.items()} == READABLE[name]
    assert [code for code, one in found.items() if one[2] & 0x20] == [own]
    assert found[own][16:24] == b"LTO-CVE " and found[own][32:51].rstrip().startswith(f"Ultrium {name[-1]}/".encode())
    assert set(densities(sg, media=True)) == {own}
    assert f"Density code={own:#x}" in sg("sg_modes", "--page=0x10")
    limits = sg.raw(bytes([0x05, 0, 0, 0, 0, 0]), read=6)
    assert limits[1:] == b"\x80\x00\x00\x00\x01"
    types = sg.raw(bytes([0x44, 2, 0, 0, 0, 0, 0, 4, 0, 0]), read=1024)
    assert len(types) == 4 + 2 * 56 * len(found), "data and write-once cartridges"


def test_change_of_drive_is_told(drive: Unit, daemon: Daemon) -> None:
    """INQUIRY DATA HAS CHANGED, once, and not when nothing changes (SPC-5 INQUIRY)."""
    with drive.login() as session:
        become(daemon, drive, "drive=LTO-7")
        sense = session.execute(bytes(6), lun=drive.lun).sense
        assert sense is not None and (sense.key, sense.asc) == (Key.UNIT_ATTENTION, INQUIRY_DATA_HAS_CHANGED)
        become(daemon, drive, "drive=lto-7")
        assert session.execute(bytes(6), lun=drive.lun).good


def test_name_of_the_operator_stays(sg: Sg, drive: Unit, daemon: Daemon) -> None:
    """A product identification that was given is not the drive's to change; in one request it holds too."""
    become(daemon, drive, "drive=LTO-8,product_id=MINE")
    assert sg("sg_inq").field(r"Product identification: (\S+)") == "MINE"
    become(daemon, drive, "drive=plain")
    assert sg("sg_inq").field(r"Product identification: (\S+)") == "MINE"


def test_no_such_drive(sg: Sg, drive: Unit, daemon: Daemon) -> None:
    """A drive that there isn't is refused, and so is one for what is no tape drive."""
    def refused(params: str, lun: int) -> str:
        done = daemon.adm("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(lun),
                          "--params", params)
        assert done.returncode == 22
        return done.stderr

    assert "drive is plain, LTO-6, LTO-7, LTO-8 or LTO-9" in refused("drive=LTO-5", drive.lun)
    assert "only tape drives" in refused("drive=LTO-8", 0)
    assert sg("sg_inq").field(r"Product identification: (\S+)") == "VIRTUAL-TAPE"


def test_block_length_of_the_drive(drive: Unit, daemon: Daemon) -> None:
    """MODE SELECT takes no block length beyond READ BLOCK LIMITS."""
    become(daemon, drive, "drive=LTO-6")
    with drive.login() as session:
        def choose(length: int) -> bool:
            data = bytes([0, 0, 0x10, 8, 0, 0, 0, 0, 0]) + length.to_bytes(3, "big")
            return session.execute(scsi.mode_select6(len(data)), lun=drive.lun, data_out=data).good

        assert choose(0x800000) and not choose(0x800001)


def test_fields_of_report_density_support(sg: Sg) -> None:
    """Reserved bits are refused; a short allocation length cuts (SPC-5 4.2.5.6)."""
    sg.raw(bytes([0x44, 4, 0, 0, 0, 0, 0, 0, 64, 0]), read=64, code=ILLEGAL_REQUEST)
    assert len(sg.raw(bytes([0x44, 0, 0, 0, 0, 0, 0, 0, 4, 0]), read=64)) == 4
    assert sg.raw(bytes([0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0])) == b""


def test_density_without_a_cartridge(shim_file: Path, drive: Unit) -> None:
    """MEDIA of an empty drive: MEDIUM NOT PRESENT; what the drive knows can still be had."""
    with drive.login() as session:
        assert session.execute(bytes([0x1B, 0, 0, 0, 0, 0]), lun=drive.lun).good
        result = session.execute(bytes([0x44, 1, 0, 0, 0, 0, 0, 0, 64, 0]), lun=drive.lun, read=64)
        assert result.sense is not None and (result.sense.key, result.sense.asc) == (Key.NOT_READY, 0x3A00)
        assert session.execute(bytes([0x44, 0, 0, 0, 0, 0, 0, 0, 64, 0]), lun=drive.lun, read=64).good


@pytest.mark.parametrize("name", ["plain", *OWN_DENSITY])
def test_tapeinfo(sg: Sg, daemon: Daemon, drive: Unit, name: str) -> None:
    """What mtx's tapeinfo makes of INQUIRY, READ BLOCK LIMITS, the block descriptor, READ POSITION, mode pages 0Fh,
    10h and 11h, and the tape capacity log page, whose unit is a mebibyte, whatever it calls that."""
    become(daemon, drive, f"drive={name}")
    with drive.login() as session:
        tape = Tape(session, drive.lun)
        assert tape.write(b"one").good and tape.write(b"two").good
    done = sg.try_("tapeinfo", "-f", drive.url, device="")
    assert done.code == 0, str(done)
    said = dict(line.split(": ", 1) for line in done.out.splitlines() if ": " in line)
    wanted = {"Product Type": "Tape Drive", "Ready": "yes", "BufferedMode": "yes", "BOP": None, "Block Position": "2",
              "MinBlock": "1", "MaxBlock": "16777215" if name == "plain" else "8388608", "DataCompCapable": "yes",
              "Density Code": f"{OWN_DENSITY.get(name, 0x80):#x}", "Partition 0 Size in Kbytes": str(CAPACITY >> 20),
              "Partition 0 Remaining Kbytes": str((CAPACITY >> 20) - 1), "MaxPartitions": "3", "NumPartitions": "0"}
    assert {key: said.get(key) for key in wanted} == wanted
