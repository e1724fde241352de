# SPDX-License-Identifier: MIT
"""sg_opcodes: REPORT SUPPORTED OPERATION CODES in all its forms (SPC-5 6.34), and task management functions."""

from __future__ import annotations

import struct

import pytest

from harness.modules import Variant
from harness.sg import ILLEGAL_REQUEST, INVALID_OPCODE, Sg
from iscsi import scsi

pytestmark = pytest.mark.variants("basic")

# What a disk of this project has, by opcode and service action.
WANTED = [(0x00, 0), (0x03, 0), (0x12, 0), (0x15, 0), (0x1A, 0), (0x55, 0), (0x5A, 0), (0xA0, 0), (0xA3, 0x0C),
          (0x08, 0), (0x28, 0), (0xA8, 0), (0x88, 0), (0x0A, 0), (0x2A, 0), (0xAA, 0), (0x8A, 0),
          (0x2F, 0), (0xAF, 0), (0x8F, 0), (0x2E, 0), (0xAE, 0), (0x8E, 0), (0x35, 0), (0x91, 0), (0x34, 0), (0x90, 0),
          (0x41, 0), (0x93, 0), (0x25, 0), (0x9E, 0x10), (0x9E, 0x12), (0x1B, 0), (0x1E, 0), (0x89, 0), (0x8B, 0),
          (0x16, 0), (0x17, 0), (0x56, 0), (0x57, 0), (0x5E, 0), (0x5E, 1), (0x5E, 2), (0x5E, 3), (0x5F, 0), (0x5F, 1),
          (0x5F, 2), (0x5F, 3), (0x5F, 4), (0x5F, 5), (0x5F, 6)]
# ORWRITE, RESERVE, RELEASE: another host that has the medium, too, wouldn't know
ALONE = {(0x8B, 0), (0x16, 0), (0x17, 0), (0x56, 0), (0x57, 0)}
LENGTH = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}


def all_commands(sg: Sg, rctd: bool = False) -> dict[tuple[int, int], bytes]:
    """(opcode, service action) to its descriptor."""
    data = sg.raw(scsi.report_opcodes(rctd=rctd), read=8192)
    end = 4 + struct.unpack_from(">I", data)[0]
    assert end == len(data)
    out = {}
    at = 4
    while at < end:
        size = 20 if data[at + 5] & 0x02 else 8
        row = data[at:at + size]
        key = (row[0], struct.unpack_from(">H", row, 2)[0])
        assert key not in out, f"{key} twice"
        assert row[5] & 1 or key[1] == 0, "a service action without SERVACTV"
        out[key] = row
        at += size
    return out


@pytest.mark.smoke
def test_all_commands(sg: Sg, variant: Variant) -> None:
    """The list has what a disk must have, each with its CDB's length."""
    rows = all_commands(sg)
    wanted = [command for command in WANTED if not (variant.shared and command in ALONE)]
    missing = [f"{op:02x}/{sa:02x}" for op, sa in wanted if (op, sa) not in rows]
    assert not missing, f"missing: {' '.join(missing)}"
    assert not variant.shared or not ALONE & rows.keys()
    assert ((0x42, 0) in rows) == variant.thin
    for (opcode, _), row in rows.items():
        if opcode != 0x7F:
            assert struct.unpack_from(">H", row, 6)[0] == LENGTH[opcode >> 5]


def test_decoded(sg: Sg) -> None:
    """sg_opcodes decodes all of it, sorted, unsorted, with masks and timeouts."""
    for options in ([], ["--unsorted"], ["--alpha"], ["--rctd"], ["--mask"]):
        assert "Read(16)" in sg("sg_opcodes", *options)


def test_each_command_alone(sg: Sg) -> None:
    """Each listed command, asked for one by one, is supported; its usage data begin with its opcode (6.34.3)."""
    for (opcode, action), row in all_commands(sg).items():
        option = 2 if row[5] & 1 else 1
        data = sg.raw(scsi.report_opcodes(option, opcode, action), read=512)
        assert data[1] & 7 == 3, f"{opcode:02x}/{action:02x}: SUPPORT {data[1] & 7}"
        size = struct.unpack_from(">H", data, 2)[0]
        assert size == struct.unpack_from(">H", row, 6)[0]
        assert data[4] == opcode
        if row[5] & 1 and opcode != 0x7F:
            assert data[5] & 0x1F == action, f"{opcode:02x}: usage data name another service action"


@pytest.mark.parametrize("option", [1, 2, 3])
def test_option_that_does_not_fit(sg: Sg, option: int) -> None:
    """Option 1 for a command with service actions, and 2 for one without, are INVALID FIELD IN CDB; 3 takes both."""
    wrong = {1: (0x9E, 0x10), 2: (0x28, 0)}
    if option in wrong:
        sg.raw(scsi.report_opcodes(option, *wrong[option]), read=512, code=ILLEGAL_REQUEST)
        return
    for opcode, action in ((0x9E, 0x10), (0x28, 0)):
        assert sg.raw(scsi.report_opcodes(3, opcode, action), read=512)[1] & 7 == 3


@pytest.mark.parametrize("opcode,action", [(0x01, None), (0x0B, None), (0xC0, None), (0xFF, None), (0x9E, 0x1F),
                                           (0xA3, 0x1F), (0x5E, 0x1E), (0x7F, 0x7777)])
def test_unsupported_command(sg: Sg, opcode: int, action: int | None) -> None:
    """SUPPORT is 001b, and the command itself is refused (6.34.3)."""
    option = 1 if action is None else 3
    data = sg.raw(scsi.report_opcodes(option, opcode, action or 0), read=512)
    assert data[1] & 7 == 1
    if opcode != 0x7F:
        cdb = bytearray(LENGTH.get(opcode >> 5, 16))
        cdb[0], cdb[1] = opcode, action or 0
        done = sg.try_("sg_raw", sg.unit.url, *[f"{byte:02x}" for byte in cdb], device="")
        assert done.code in (ILLEGAL_REQUEST, INVALID_OPCODE), str(done)


def test_timeouts(sg: Sg) -> None:
    """With RCTD every command has a timeouts descriptor of 10 bytes (6.34.4)."""
    for key, row in all_commands(sg, rctd=True).items():
        assert len(row) == 20 and struct.unpack_from(">H", row, 8)[0] == 10, key
    data = sg.raw(scsi.report_opcodes(1, 0x28, rctd=True), read=512)
    assert data[1] & 0x80 and struct.unpack_from(">H", data, 4 + 10)[0] == 10


def test_short_allocation(sg: Sg) -> None:
    """A short allocation length cuts the data, not the length that they state."""
    whole = sg.raw(scsi.report_opcodes(), read=8192)
    assert sg.raw(scsi.report_opcodes(length=20), read=20) == whole[:20]
    assert sg.raw(scsi.report_opcodes(length=0)) == b""


def test_reserved_option(sg: Sg) -> None:
    """REPORTING OPTIONS 100b to 111b are reserved."""
    sg.raw(scsi.report_opcodes(5), read=512, code=ILLEGAL_REQUEST)


def test_task_management_functions(sg: Sg) -> None:
    """Those that the transport carries are listed (SPC-5 6.35)."""
    done = sg("sg_opcodes", "--tmf")
    for name in ("Abort task", "Abort task set", "Clear task set", "Logical unit reset"):
        assert name in done, str(done)


def test_usage_masks_are_kept(sg: Sg, variant: Variant) -> None:
    """A bit that READ(16)'s usage data don't have, set in a CDB, is refused, with a field pointer to it."""
    mask = sg.raw(scsi.report_opcodes(1, 0x88), read=512)[4:20]
    free = next((at, 1 << bit) for at in (1, 14, 15) for bit in range(8) if not mask[at] >> bit & 1)
    cdb = bytearray(scsi.read16(0, 1))
    cdb[free[0]] |= free[1]
    with sg.unit.login() as session:
        result = session.execute(bytes(cdb), lun=sg.unit.lun, read=variant.block_size)
    sense = result.sense
    assert sense is not None and (sense.key, sense.asc) == (5, scsi.INVALID_FIELD_IN_CDB), str(result)
    assert sense.field_in_cdb is True and sense.field_pointer == free[0]
