# SPDX-License-Identifier: MIT
"""sg_logs, sg_modes and sg_wr_mode on every store: what they make of the pages, in words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import ILLEGAL_REQUEST, Sg
from harness.units import Unit

pytestmark = pytest.mark.variants("basic")

# What sg_logs says of a page, by its code.
LOG_PAGES = {
    "0x0": ["Supported log pages", "Write error", "Read error", "Last n error [lne]", "General Statistics"],
    "0x0,0xff": ["Supported log pages and subpages", "0x00,0xff"],
    "0x2": ["Write error counter page", "Total bytes processed = ", "Total uncorrected errors = 0"],
    "0x3": ["Read error counter page", "Total errors corrected = 0"],
    "0x5": ["Verify error counter page", "Total uncorrected errors = 0"],
    "0x7": [],  # nothing is printed of an empty one
    "0x10": ["Self-test results page"],
    "0x19": ["General Statistics and Performance", "number of read commands = ", "idle time intervals = ",
             "time interval negative exponent = 3"],
    "0x2f": ["Informational Exceptions page", "IE asc = 0x0, ascq = 0x0", "not available"],
}


@pytest.mark.smoke
@pytest.mark.parametrize("page", LOG_PAGES)
def test_log_page(sg: Sg, page: str) -> None:
    """sg_logs knows the page, and reads it as it is meant."""
    done = sg("sg_logs", f"--page={page}")
    for text in LOG_PAGES[page]:
        assert text in done, str(done)
    assert "unknown" not in done.out.lower() and "unexpected" not in done.out.lower(), str(done)


@pytest.mark.variants("file")
def test_last_errors(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """The Last n Error Events page is in words, which sg_logs prints."""
    unit = new_unit(variant)
    assert unit.path is not None
    os.truncate(unit.path, 1 << 20)
    sg = Sg(shim_file, unit)
    sg.try_("sg_dd", f"if={unit.url}", "of=/dev/null", f"bs={unit.block_size}", f"skip={(1 << 20) // unit.block_size}",
            "count=1", device="")
    done = sg("sg_logs", "--page=7")
    assert "Last n error events page" in done and "Error event 0:" in done, str(done)
    assert f"LBA {(1 << 20) // unit.block_size} sense 3/11/00" in done, str(done)
    assert sg("sg_logs", "--page=3").number(r"Total uncorrected errors = (\d+)") > 0


def test_all_log_pages(sg: Sg) -> None:
    """With its subpages: every page that is listed can be read."""
    done = sg("sg_logs", "--all", "--all")
    assert "Write error counter page" in done and "Informational Exceptions page" in done
    assert "bad" not in done.err and "truncated" not in done.err, str(done)


@pytest.mark.variants("thin")
def test_provisioning(sg: Sg) -> None:
    """sg_logs, sg_modes and sg_vpd on the pages of thin units that have thresholds."""
    if sg("sg_vpd", "--page=0xb2").number(r"Threshold exponent: (\d+)") == 0:
        return
    done = sg("sg_logs", "--page=0xc")
    assert "Logical block provisioning page" in done
    assert done.number(r"Used LBA mapping threshold resource count: (\d+)") >= 0, str(done)
    assert "Scope: not dedicated to lu" in done and "Scope: dedicated to lu" in done
    assert "Logical block provisioning" in sg("sg_modes", "--page=0x1c,2")


def test_log_page_that_is_not_there(sg: Sg) -> None:
    """Temperature: nothing measures it."""
    sg.expect(ILLEGAL_REQUEST, "sg_logs", "--page=0xd")


@pytest.mark.smoke
def test_log_reset(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """sg_logs --reset: LOG SELECT with PCR (SPC-5 6.8)."""
    sg = Sg(shim_file, new_unit(variant))
    sg("sg_logs", "--page=2")
    with sg.unit.login() as session:
        assert session.execute(bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 8, 0]), lun=sg.unit.lun,
                               data_out=bytes(8 * variant.block_size)).good
    assert sg("sg_logs", "--page=2").number(r"Total bytes processed = (\d+)") == 8 * variant.block_size
    sg("sg_logs", "--reset", "--select", "--page=3")
    assert sg("sg_logs", "--page=2").number(r"Total bytes processed = (\d+)") == 8 * variant.block_size
    sg("sg_logs", "--reset", "--select")
    assert sg("sg_logs", "--page=2").number(r"Total bytes processed = (\d+)") == 0
    assert sg("sg_logs", "--page=0x19").number(r"number of write commands = (\d+)") == 0


def test_self_test_is_logged(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """The default self-test is the latest in the Self-Test Results page (SPC-5 7.3.17)."""
    sg = Sg(shim_file, new_unit(variant))
    sg("sg_senddiag", "--test")
    sg("sg_senddiag", "--test")
    raw = sg.raw(bytes([0x4D, 0, 0x50, 0, 0, 0, 0, 2, 0, 0]), read=512)
    assert len(raw) == 4 + 20 * 20
    assert [raw[4 + 20 * n + 8] for n in range(3)] == [0xFF, 0xFF, 0], "two tests, no address of a failure"


def mode(sg: Sg, page: str, kind: str = "cur") -> str:
    """The bytes of a mode page of that kind, as sg_modes prints them."""
    control = {"cur": "0", "cha": "1", "def": "2", "sav": "3"}[kind]
    done = sg("sg_modes", f"--page={page}", f"--control={control}", "--dbd", "--hex")
    lines = [line for line in done.out.splitlines() if line.startswith(" ") and line.strip()[:2].isalnum()]
    return " ".join(lines)


def test_modes_list(sg: Sg) -> None:
    """sg_modes --list and --all know every page that there is; none is of a length that it doesn't expect."""
    done = sg("sg_modes", "--all", "--all")
    for page in ("Read-Write error recovery", "Verify error recovery", "Caching", "Control", "Control extension",
                 "Power condition", "Informational exceptions control"):
        assert page.lower() in done.out.lower(), str(done)
    for kind in "0123":
        sg("sg_modes", "--all", f"--control={kind}")
        sg("sg_modes", "--six", "--all", f"--control={kind}")
    assert "8a 0a " in sg("sg_modes", "--page=0xa"), "PS"


def test_write_mode_and_revert(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """sg_wr_mode changes D_SENSE, saves it, and reverts to the defaults with --rtd (SPC-5 6.12)."""
    sg = Sg(shim_file, new_unit(variant))
    page = "0xa"
    before = {kind: mode(sg, page, kind) for kind in ("cur", "def", "sav")}
    contents, mask = "8a,0a,26,10,0,0,0,0,ff,ff,0,0", "0,0,4,0,0,0,0,0,0,0,0,0"
    sg("sg_wr_mode", f"--page={page}", f"--contents={contents}", f"--mask={mask}")
    assert mode(sg, page) != before["cur"] and mode(sg, page, "sav") == before["sav"]
    sg("sg_wr_mode", f"--page={page}", f"--contents={contents}", f"--mask={mask}", "--save")
    assert mode(sg, page, "sav") == mode(sg, page) != before["cur"]
    sg("sg_wr_mode", "--rtd")
    assert mode(sg, page) == before["def"] != mode(sg, page, "sav")
    sg("sg_wr_mode", "--rtd", "--save", "--six")
    assert mode(sg, page, "sav") == before["def"]


def test_write_mode_refused(sg: Sg) -> None:
    """A bit that can't be changed (TST) is refused, and nothing has changed."""
    before = mode(sg, "0xa")
    sg.expect(ILLEGAL_REQUEST, "sg_wr_mode", "--page=0xa", "--contents=8a,0a,42,10,0,0,0,0,ff,ff,0,0",
              "--mask=0,0,ff,0,0,0,0,0,0,0,0,0")
    assert mode(sg, "0xa") == before


def test_sdparm_saves(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> None:
    """sdparm --set --save, by the names of the fields, and --defaults twice, which is RTD."""
    sg = Sg(shim_file, new_unit(variant))
    sg("sdparm", "--set=D_SENSE=1", "--save")
    assert "[cha: y, def:  0, sav:  1]" in sg("sdparm", "--get=D_SENSE", "--long")
    sg("sdparm", "--defaults", "--defaults", "--save")
    assert "[cha: y, def:  0, sav:  0]" in sg("sdparm", "--get=D_SENSE", "--long")
