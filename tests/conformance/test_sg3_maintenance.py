# SPDX-License-Identifier: MIT
"""sg_format, sg_sanitize and the other tools that maintain a disk: what they print, and what they leave."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import ILLEGAL_REQUEST, INVALID_OPCODE, Sg
from iscsi import scsi

pytestmark = pytest.mark.variants("storing")


def filed(tmp_path: Path, data: bytes, name: str = "in") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(sg: Sg, lba: int, blocks: int = 1) -> bytes:
    return sg.raw(scsi.read16(lba, blocks), read=blocks * sg.unit.block_size)


@pytest.fixture
def quick(sg: Sg) -> Sg:
    """The tools that poll once a minute do so without the minute."""
    sg.env["SGSHIM_SLEEP_MS"] = "20"
    return sg


def last_lba(sg: Sg) -> int:
    return sg("sg_readcap", "--16").number(r"Last LBA=(\d+)")


# -- sg_format, sg_sanitize


def test_format_tells_the_capacity(sg: Sg, variant: Variant) -> None:
    """Without --format it only prints what MODE SENSE and READ CAPACITY say."""
    done = sg("sg_format")
    assert done.number(r"Block size=(\d+)") == variant.block_size
    assert done.number(r"Number of blocks=(\d+)") == last_lba(sg) + 1


@pytest.mark.parametrize("options", [[], ["--six"], ["--long"], ["--dcrt"], ["--cmplst=0"]], ids=str)
def test_format(quick: Sg, tmp_path: Path, variant: Variant, options: list[str]) -> None:
    """What was on the medium is zeroes, when the tool has found that it is done (SBC-4 FORMAT UNIT)."""
    quick.dd_in(filed(tmp_path, os.urandom(8 * variant.block_size)), 0)
    assert "FORMAT UNIT Complete" in quick("sg_format", "--format", "--quick", *options)
    assert read(quick, 0, 8) == bytes(8 * variant.block_size)


def test_format_and_wait(quick: Sg, tmp_path: Path, variant: Variant) -> None:
    """Without IMMED the command itself ends when it is done."""
    quick.dd_in(filed(tmp_path, os.urandom(variant.block_size)), 9)
    done = quick("sg_format", "--format", "--quick", "--wait", "--verbose")
    assert "Format unit command completed without error" in done.out + done.err
    assert read(quick, 9) == bytes(variant.block_size)


def test_format_without_protection(quick: Sg) -> None:
    """FMTPINFO is refused where there is no protection information."""
    done = quick.try_("sg_format", "--format", "--quick", "--fmtpinfo=2")
    assert done.code == ILLEGAL_REQUEST, str(done)


@pytest.mark.parametrize("invert", [False, True], ids=["plain", "invert"])
def test_sanitize_overwrite(quick: Sg, tmp_path: Path, variant: Variant, invert: bool) -> None:
    """The pattern fills every block (SBC-4 SANITIZE)."""
    content = os.urandom(8)
    options = ["--overwrite", f"--pattern={filed(tmp_path, content)}", "--count=2", "--quick"]
    quick("sg_sanitize", *options, *(["--invert"] if invert else []), "--wait")
    want = content * (variant.block_size // 8)
    assert read(quick, 0) == want and read(quick, last_lba(quick)) == want


def test_sanitize_and_poll(quick: Sg, variant: Variant) -> None:
    """Immediate: the tool polls with REQUEST SENSE until there is nothing more to tell."""
    done = quick("sg_sanitize", "--overwrite", "--zero", "--quick", "--ause")
    assert "failed" not in done.out + done.err
    quick("sg_turs")
    assert read(quick, 0) == bytes(variant.block_size)


def test_progress(quick: Sg, variant: Variant) -> None:
    """sg_requests and sg_turs show how far a sanitize operation is, until it is done."""
    quick("sg_sanitize", "--overwrite", "--zero", "--count=8", "--early", "--quick")
    done = quick("sg_requests", "--num=9999", "--progress")
    assert re.search(r"[Pp]rogress indication: \d+(\.\d+)?% done", done.out), str(done)
    quick("sg_turs", "--num=9999", "--progress")
    assert read(quick, 0) == bytes(variant.block_size)


def test_sanitize_block_erase(quick: Sg, tmp_path: Path, variant: Variant) -> None:
    """A thin unit is deallocated; a thick one doesn't offer it."""
    quick.dd_in(filed(tmp_path, os.urandom(variant.block_size)), 5)
    done = quick.try_("sg_sanitize", "--block", "--quick", "--wait")
    if not variant.thin:
        assert done.code in (ILLEGAL_REQUEST, INVALID_OPCODE), str(done)
        return
    assert done.code == 0, str(done)
    assert read(quick, 5) == bytes(variant.block_size)


def test_sanitize_exit_failure_mode(quick: Sg) -> None:
    """Without a failure there is nothing to leave: GOOD."""
    quick("sg_sanitize", "--fail", "--quick")


# -- sg_timestamp, sg_ident


def test_timestamp(sg: Sg) -> None:
    """What was set is reported, going on from there, with its origin."""
    sg("sg_timestamp", "--milliseconds=1234567890000")
    assert 1234567890000 <= int(sg("sg_timestamp").out.split()[-1]) < 1234567890000 + 600_000
    assert "Device clock initialized by SET TIMESTAMP command" in sg("sg_timestamp", "--origin")
    assert "14288 days 23:" in sg("sg_timestamp", "--elapsed")
    sg("sg_timestamp", "--seconds=86400")
    assert "1 day" in sg("sg_timestamp", "--elapsed")


def test_identifying_information(sg: Sg) -> None:
    """sg_ident shows what it has set."""
    done = subprocess.run(["sg_ident", "--set", sg.unit.url], input=b"rack 3", capture_output=True, env=sg.env,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert sg("sg_ident", "--ascii").out.strip() == "rack 3"
    assert "72 61 63 6b 20 33" in sg("sg_ident")
    sg("sg_ident", "--clear")
    assert sg("sg_ident", "--ascii").out.strip() == ""


# -- sg_write_buffer, sg_read_buffer, sg_rbuf, sg_test_rwbuf


def test_write_buffer(sg: Sg, tmp_path: Path) -> None:
    """In chunks, at offsets; READ BUFFER(10) gives all of it back.  (sg_read_buffer 1.46 asks for 0 bytes, always.)"""
    data = os.urandom(8192)
    sg("sg_write_buffer", "--mode=data", f"--in={filed(tmp_path, data)}", "--length=8192", "--bpw=4096")
    assert sg.raw(bytes([0x3C, 2, 0, 0, 0, 0, 0, 0x20, 0, 0]), read=8192) == data
    sg("sg_write_buffer", "--mode=echo", f"--in={filed(tmp_path, data[:40])}", "--length=40")
    sg("sg_read_buffer", "--mode=desc")
    sg("sg_read_buffer", "--mode=echo_desc")
    sg.expect(ILLEGAL_REQUEST, "sg_read_buffer", "--mode=data", "--id=1")
    sg.expect(ILLEGAL_REQUEST, "sg_write_buffer", "--mode=dmc_save", f"--in={tmp_path / 'in'}", "--length=40")


def test_buffer_tools(sg: Sg) -> None:
    """The tools that write the buffer and compare, and that read it again and again."""
    assert "Success" in sg("sg_test_rwbuf", "--size=60000", "--times=3")
    assert "a buffer of 65536 bytes" in sg("sg_test_rwbuf", "--quick", "--size=1")
    done = sg("sg_rbuf", "--size=1m")
    assert "buffer capacity=65536" in done and "Read 1 MiB (actual: 1048576 bytes)" in done
    done = sg.try_("sg_rbuf", "--echo", "--size=8k")
    assert "echo buffer capacity=1024" in done.out + done.err
    assert done.code == ILLEGAL_REQUEST, "nobody has written to the echo buffer"


# -- sg_senddiag


def test_self_tests(sg: Sg) -> None:
    """The default self-test and the foreground short one; the others aren't there."""
    assert "Default self-test returned GOOD status" in sg("sg_senddiag", "--test")
    assert "Foreground self-test returned GOOD status" in sg("sg_senddiag", "--selftest=5")
    for code in (1, 2, 4, 6):
        sg.expect(ILLEGAL_REQUEST, "sg_senddiag", f"--selftest={code}")


def test_diagnostic_pages(sg: Sg) -> None:
    """The list of the pages has itself only."""
    for options in (["--list"], ["--list", "--pf"]):
        done = sg("sg_senddiag", *options)
        assert re.findall(r"^\s*0x([0-9a-f]+) ", done.out, re.M) == ["00"], str(done)
    assert "0 seconds" in sg("sg_senddiag", "--extdur")
