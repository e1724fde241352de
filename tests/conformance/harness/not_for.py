# SPDX-License-Identifier: MIT
"""Which of libiscsi's tests have nothing to say about a kind of unit that isn't a disk, by what they send.

They aren't run there, so that one which the tool leaves out, or that fails, is a failure on such units too.  Those that
the tool itself wouldn't run although the command exists there are named so: the project's own tests have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

_BLOCKS = "sends commands of SBC-4 that are refused here as unknown or mean something else"
_BLOCKS_TOO = "reads and writes by READ(10) and WRITE(10), which SSC-5 and SMC-3 don't have"
_ASKS_FOR_A_DISK = "the tool leaves it out on anything but a direct access device"

# Pattern of names in family ALL, and the reason.
NOT_A_DISK: dict[str, str] = {
    **{f"ALL.{suite}.*": _BLOCKS for suite in (
        "CompareAndWrite", "GetLBAStatus", "OrWrite", "Prefetch10", "Prefetch16", "Read6", "Read10", "Read12", "Read16",
        "ReadCapacity10", "ReadCapacity16", "ReadDefectData10", "ReadDefectData12", "Sanitize", "Unmap", "Verify10",
        "Verify12", "Verify16", "Write10", "Write12", "Write16", "WriteAtomic16", "WriteSame10", "WriteSame16",
        "WriteVerify10", "WriteVerify12", "WriteVerify16")},
    **{f"ALL.{suite}.*": _BLOCKS_TOO for suite in ("iSCSIdatasn", "iSCSIResiduals", "iSCSITMF")},
    "ALL.ProutReserve.Access*": _BLOCKS_TOO,
    "ALL.ModeSense6.Control-D_SENSE": "looks at the sense data of a READ(16) past the last block",
    "ALL.ExtendedCopy.*": "copies blocks from disk to disk, and third-party copy isn't offered",
    "ALL.ReceiveCopyResults.*": "goes with EXTENDED COPY",
    "ALL.MultipathIO.*": "ends before the test: 'multipath devices must be SBC'",
    **{f"ALL.{name}": _ASKS_FOR_A_DISK for name in (
        "Inquiry.BlockLimits", "Inquiry.MandatoryVPDSBC", "Mandatory.MandatorySBC", "ModeSense6.Control-SWP",
        "NoMedia.NoMediaSBC", "PreventAllow.*", "ReadOnly.ReadOnlySBC")},
}

# Device types with more that doesn't fit.
NOT_FOR: dict[str, dict[str, str]] = {
    "tape": NOT_A_DISK | {
        # Byte 4 of LOAD UNLOAD (SSC-5) has LOAD, RETEN, EOT and HOLD where START STOP UNIT (SBC-4) has START, LOEJ
        # and the power condition.
        "ALL.StartStopUnit.PwrCnd": "asks for power conditions, where LOAD UNLOAD has HOLD and EOT",
        "ALL.StartStopUnit.NoLoej": "wants the medium kept when LOEJ=0; a tape is unloaded when LOAD=0",
    },
    "changer": NOT_A_DISK | {
        "ALL.StartStopUnit.*": "1Bh is OPEN/CLOSE IMPORT/EXPORT ELEMENT (SMC-3), and a changer isn't removable",
    },
}


def reason(kind: str, test: str) -> str | None:
    """Why a test isn't for this kind of unit; None: it is."""
    return next((why for pattern, why in NOT_FOR.get(kind, {}).items() if fnmatchcase(test, pattern)), None)


def fitting(kind: str, tests: Iterable[str]) -> list[str]:
    """Those that are for this kind of unit."""
    return [test for test in tests if reason(kind, test) is None]
