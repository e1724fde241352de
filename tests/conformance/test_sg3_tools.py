# SPDX-License-Identifier: MIT
"""The tools of sg3_utils that no other file is about: small ones, scripts, and those of commands that aren't offered."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import ILLEGAL_REQUEST, INVALID_OPCODE, Sg
from harness.units import Unit
from iscsi import scsi

pytestmark = pytest.mark.variants("storing")


def test_read(sg: Sg, variant: Variant) -> None:
    """sg_read counts what it has read; beyond the end is refused."""
    done = sg.try_("sg_read", f"if={sg.unit.url}", "count=8", f"bs={variant.block_size}", device="")
    assert done.code == 0 and "8+0 records in" in done.out + done.err, str(done)
    last = sg("sg_readcap", "--16").number(r"Last LBA=(\d+)")
    done = sg.try_("sg_read", f"if={sg.unit.url}", "count=2", f"bs={variant.block_size}", f"skip={last}", device="")
    assert done.code and "Logical block address out of range" in done.err, str(done)


def test_sginfo(sg: Sg, variant: Variant) -> None:
    """sginfo shows identity, mode pages and the empty defect list."""
    done = sg("sginfo", "-a")
    for text in ("Read-Write Error Recovery mode page", "Caching mode page", "Control mode page", "Serial Number"):
        assert text in done, str(done)
    assert "0 entries (0 bytes) in primary (PLIST) table" in sg("sginfo", "-d")


def test_defect_lists(sg: Sg) -> None:
    """READ DEFECT DATA: both lists are there and empty, so there is nothing to reassign."""
    assert ">> Elements in grown defect list: 0" in sg("sg_reassign", "--grown")
    assert ">> Elements in primary defect list: 0" in sg("sg_reassign", "--primary")
    assert "Invalid opcode" in sg.expect(INVALID_OPCODE, "sg_reassign", "--address=5").err


def test_scripts(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """The scripts around the tools: scsi_ready, scsi_readcap, scsi_mandat, scsi_stop, scsi_start."""
    sg = Sg(shim_file, new_unit(variant))
    assert "ready" in sg("scsi_ready").out.split()
    assert f"Logical block length={variant.block_size} bytes" in sg("scsi_readcap")
    assert "total number of bad errors: 0" in sg("scsi_mandat")
    sg("scsi_stop")
    assert "device not ready" in sg.try_("scsi_ready").out
    sg("scsi_start")
    assert "ready" in sg("scsi_ready").out.split()


def test_pages_and_groups(sg: Sg) -> None:
    """sg_logs lists pages, sg_wr_mode shows what it would change, sg_stpg the port groups."""
    assert "VIRTUAL-DISK" in sg("sg_logs")
    assert "temperature = <not available>" in sg("scsi_temperature")  # of page 2Fh
    assert re.search(r"mode page:\n[08]8 12 ", sg("sg_wr_mode", "--page=8").out)  # PS: WCE can be changed, and saved
    assert "target port group id : 0x1" in sg.try_("sg_stpg").out


def test_no_enclosure(sg: Sg) -> None:
    """sg_ses finds the one diagnostic page there is, and none of an enclosure's."""
    done = sg("sg_ses")
    assert "disk device (not an enclosure)" in done and "Supported Diagnostic Pages" in done
    sg.expect(ILLEGAL_REQUEST, "sg_ses", "--page=1")


def test_decode_sense(sg: Sg) -> None:
    """sg_decode_sense reads what a unit sends, in both formats."""
    for number, desc in enumerate((False, True)):
        data = sg.raw(scsi.request_sense(desc=desc), read=252)
        done = sg.try_("sg_decode_sense", *[f"{byte:02x}" for byte in data], device="")
        assert done.code == 0 and ("Fixed", "Descriptor")[number] in done and "No Sense" in done, str(done)


@pytest.mark.parametrize("tool,code", [
    ("sg_bg_ctl --ctl=1", ILLEGAL_REQUEST),              # BACKGROUND CONTROL
    ("sg_copy_results", INVALID_OPCODE),                 # RECEIVE COPY RESULTS: third-party copy
    ("sg_get_config", INVALID_OPCODE),                   # GET CONFIGURATION: CD/DVD
    ("sg_get_elem_status", ILLEGAL_REQUEST),             # GET PHYSICAL ELEMENT STATUS
    ("sg_read_attr", INVALID_OPCODE),                    # READ ATTRIBUTE: tapes
    ("sg_read_block_limits", INVALID_OPCODE),            # READ BLOCK LIMITS: tapes
    ("sg_read_long --lba=0", INVALID_OPCODE),            # READ LONG: there is no ECC to show
    ("sg_read_long --16 --lba=0", ILLEGAL_REQUEST),
    ("sg_referrals", ILLEGAL_REQUEST),                   # REPORT REFERRALS
    ("sg_rep_pip", ILLEGAL_REQUEST),                     # REPORT PROVISIONING INITIALIZATION PATTERN
    ("sg_rep_zones", INVALID_OPCODE),                    # zoned block devices, these three
    ("sg_reset_wp --all", INVALID_OPCODE),
    ("sg_zone --open --all", INVALID_OPCODE),
    ("sg_rmsn", INVALID_OPCODE),                         # READ MEDIA SERIAL NUMBER
    ("sg_safte", ILLEGAL_REQUEST),                       # SAF-TE: enclosures, by READ BUFFER
    ("sg_sat_identify", INVALID_OPCODE),                 # ATA PASS-THROUGH, these four
    ("sg_sat_phy_event", INVALID_OPCODE),
    ("sg_sat_read_gplog", INVALID_OPCODE),
    ("sg_sat_set_features", INVALID_OPCODE),
    ("sg_seek --lba=5", INVALID_OPCODE),                 # SEEK(10) is obsolete
    ("sg_ses_microcode", ILLEGAL_REQUEST),               # enclosures
    ("sg_stream_ctl --get", ILLEGAL_REQUEST),            # GET STREAM STATUS, STREAM CONTROL
    ("sg_stream_ctl --open", ILLEGAL_REQUEST),
    ("sg_write_long --lba=0", INVALID_OPCODE),           # WRITE LONG: there is no ECC to spoil
    ("sg_get_lba_status --32 --lba=0", INVALID_OPCODE),
    ("sg_emc_trespass", ILLEGAL_REQUEST),                # vendor specific mode pages, these two
    ("sg_rdac -6", ILLEGAL_REQUEST),
])
def test_what_is_not_there(sg: Sg, tool: str, code: int) -> None:
    """The exit status of an unsupported command (or service action, page, mode), and the unit goes on."""
    done = sg.try_(*tool.split())
    if tool in ("sg_emc_trespass", "sg_rdac -6"):
        assert done.code in (code, INVALID_OPCODE), str(done)
    else:
        assert done.code == code, str(done)
    sg("sg_turs")


@pytest.mark.parametrize("kind", ["--scattered=1", "--stream=1"])
def test_kinds_of_write_that_are_not_there(sg: Sg, tmp_path: Path, variant: Variant, kind: str) -> None:
    """WRITE SCATTERED and WRITE STREAM."""
    path = tmp_path / "in"
    path.write_bytes(os.urandom(variant.block_size * 2))
    sg.expect(INVALID_OPCODE, "sg_write_x", kind, "--16", f"--bs={variant.block_size}", f"--in={path}", "--lba=0",
              "--num=1")


def test_xcopy(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """sg_xcopy finds out that third-party copy isn't offered (3PC = 0)."""
    source, sink = new_unit(variant), new_unit(variant)
    sg = Sg(shim_file, source)
    done = sg.try_("sg_xcopy", f"if={source.url}", f"of={sink.url}", "count=8", f"bs={variant.block_size}", device="")
    assert done.code and "not supported" in done.out + done.err, str(done)
    assert sg("sg_inq").number(r"3PC=(\d)") == 0
    sg.raw(bytes([0x83, 0]) + bytes(14), code=INVALID_OPCODE)
