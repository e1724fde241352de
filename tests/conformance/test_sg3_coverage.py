# SPDX-License-Identifier: MIT
"""Every program of the package sg3-utils has a test, or a reason why it has nothing to say about a disk."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUEST = HERE.parent / "guest"

# The test that checks what a tool says, as FILE::FUNCTION; its text or docstring names the tool.
TESTED = {
    "scsi_mandat": "test_sg3_tools.py::test_scripts",
    "scsi_readcap": "test_sg3_tools.py::test_scripts",
    "scsi_ready": "test_sg3_tools.py::test_scripts",
    "scsi_start": "test_sg3_tools.py::test_scripts",
    "scsi_stop": "test_sg3_tools.py::test_scripts",
    "scsi_temperature": "test_sg3_tools.py::test_pages_and_groups",
    "sg_bg_ctl": "test_sg3_tools.py::test_what_is_not_there",
    "sg_compare_and_write": "test_sg3_data.py::test_compare_and_write",
    "sg_copy_results": "test_sg3_tools.py::test_what_is_not_there",
    "sg_dd": "test_sg3_data.py::test_dd",
    "sg_decode_sense": "test_sg3_tools.py::test_decode_sense",
    "sg_emc_trespass": "test_sg3_tools.py::test_what_is_not_there",
    "sg_format": "test_sg3_maintenance.py::test_format",
    "sg_get_config": "test_sg3_tools.py::test_what_is_not_there",
    "sg_get_elem_status": "test_sg3_tools.py::test_what_is_not_there",
    "sg_get_lba_status": "test_sg3_data.py::test_lba_status",
    "sg_ident": "test_sg3_maintenance.py::test_identifying_information",
    "sg_inq": "test_sg3_inquiry.py::test_standard_inquiry",
    "sg_luns": "test_sg3_inquiry.py::test_luns",
    "sg_map26": "guest/test_initiator_sg3.py::test_inquiry_and_capacity",
    "sg_opcodes": "test_sg3_opcodes.py::test_decoded",
    "sg_persist": "test_sg3_reservations.py::test_keys",
    "sg_prevent": "test_sg3_status.py::test_prevent_and_allow",
    "sg_raw": "test_sg3_data.py::test_prefetch",
    "sg_rbuf": "test_sg3_maintenance.py::test_buffer_tools",
    "sg_rdac": "test_sg3_tools.py::test_what_is_not_there",
    "sg_read": "test_sg3_tools.py::test_read",
    "sg_read_attr": "test_sg3_tools.py::test_what_is_not_there",
    "sg_read_block_limits": "test_sg3_tools.py::test_what_is_not_there",
    "sg_read_buffer": "test_sg3_maintenance.py::test_write_buffer",
    "sg_read_long": "test_sg3_tools.py::test_what_is_not_there",
    "sg_readcap": "test_sg3_inquiry.py::test_read_capacity",
    "sg_reassign": "test_sg3_tools.py::test_defect_lists",
    "sg_referrals": "test_sg3_tools.py::test_what_is_not_there",
    "sg_rep_pip": "test_sg3_tools.py::test_what_is_not_there",
    "sg_rep_zones": "test_sg3_tools.py::test_what_is_not_there",
    "sg_requests": "test_sg3_status.py::test_request_sense",
    "sg_reset": "guest/test_initiator_sg3.py::test_device_reset_is_a_logical_unit_reset",
    "sg_reset_wp": "test_sg3_tools.py::test_what_is_not_there",
    "sg_rmsn": "test_sg3_tools.py::test_what_is_not_there",
    "sg_rtpg": "test_sg3_status.py::test_report_target_port_groups",
    "sg_safte": "test_sg3_tools.py::test_what_is_not_there",
    "sg_sanitize": "test_sg3_maintenance.py::test_sanitize_overwrite",
    "sg_sat_identify": "test_sg3_tools.py::test_what_is_not_there",
    "sg_sat_phy_event": "test_sg3_tools.py::test_what_is_not_there",
    "sg_sat_read_gplog": "test_sg3_tools.py::test_what_is_not_there",
    "sg_sat_set_features": "test_sg3_tools.py::test_what_is_not_there",
    "sg_seek": "test_sg3_tools.py::test_what_is_not_there",
    "sg_senddiag": "test_sg3_maintenance.py::test_self_tests",
    "sg_ses": "test_sg3_tools.py::test_no_enclosure",
    "sg_ses_microcode": "test_sg3_tools.py::test_what_is_not_there",
    "sg_start": "test_sg3_status.py::test_stop_and_start",
    "sg_stream_ctl": "test_sg3_tools.py::test_what_is_not_there",
    "sg_sync": "test_sg3_status.py::test_synchronize_cache",
    "sg_test_rwbuf": "test_sg3_maintenance.py::test_buffer_tools",
    "sg_timestamp": "test_sg3_maintenance.py::test_timestamp",
    "sg_turs": "test_sg3_status.py::test_unit_ready",
    "sg_unmap": "test_sg3_data.py::test_unmap",
    "sg_verify": "test_sg3_data.py::test_verify",
    "sg_vpd": "test_sg3_inquiry.py::test_supported_pages",
    "sg_write_buffer": "test_sg3_maintenance.py::test_write_buffer",
    "sg_write_long": "test_sg3_tools.py::test_what_is_not_there",
    "sg_write_same": "test_sg3_data.py::test_write_same",
    "sg_write_verify": "test_sg3_data.py::test_write_and_verify",
    "sg_write_x": "test_sg3_data.py::test_write_x",
    "sg_xcopy": "test_sg3_tools.py::test_xcopy",
    "sg_zone": "test_sg3_tools.py::test_what_is_not_there",
    "sginfo": "test_sg3_tools.py::test_sginfo",
    "sgm_dd": "guest/test_initiator_sg3.py::test_copying_tools",
    "sgp_dd": "guest/test_initiator_sg3.py::test_copying_tools",
}

# Mode and log pages, and port groups, have files of their own; what stands behind it holds until they are there.
ELSEWHERE = {
    "sg_logs": ("test_sg3_logs.py", "test_sg3_tools.py"),
    "sg_modes": ("test_sg3_modes.py", "test_sg3_status.py"),
    "sg_stpg": ("test_sg3_alua.py", "test_sg3_tools.py"),
    "sg_wr_mode": ("test_sg3_modes.py", "test_sg3_tools.py"),
}

NOTHING_TO_SAY = {
    "rescan-scsi-bus.sh": "makes the kernel look for devices",
    "scsi_logging_level": "sets what the kernel logs",
    "scsi_satl": "tests a translation of SCSI to ATA",
    "sg_map": "lists the kernel's devices",
    "sg_scan": "lists the kernel's devices",
}


def installed() -> set[str]:
    """The programs that the package brings."""
    listing = subprocess.run(["dpkg", "-L", "sg3-utils"], capture_output=True, text=True, check=True).stdout
    return {Path(line).name for line in listing.splitlines() if Path(line).parent.name == "bin"}


def text_of(where: str) -> str:
    """The source of a test, with its parameters; an assertion when there is no such test."""
    name, function = where.split("::")
    path = GUEST / name.removeprefix("guest/") if name.startswith("guest/") else HERE / name
    source = path.read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            first = min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])
            return "\n".join(source.splitlines()[first - 1:node.end_lineno])
    raise AssertionError(f"there is no {where}")


def test_every_program_is_listed_once() -> None:
    """A tool that a newer package brings has to be put somewhere, one that is gone has to go."""
    listed = [*TESTED, *ELSEWHERE, *NOTHING_TO_SAY]
    assert len(listed) == len(set(listed))
    assert set(listed) == installed()


@pytest.mark.parametrize("tool", TESTED)
def test_tested(tool: str) -> None:
    """The test is there, and it is about the tool."""
    assert tool in text_of(TESTED[tool])


@pytest.mark.parametrize("tool", ELSEWHERE)
def test_tested_elsewhere(tool: str) -> None:
    """A file that is about pages or port groups names the tool."""
    files = [HERE / name for name in ELSEWHERE[tool] if (HERE / name).exists()]
    assert any(f'"{tool}' in path.read_text() for path in files)
