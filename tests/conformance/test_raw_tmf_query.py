# SPDX-License-Identifier: MIT
"""The task management functions of RFC 7144 that ask, QUERY ASYNCHRONOUS EVENT above all, and what REPORT SUPPORTED
TASK MANAGEMENT FUNCTIONS says of all functions (SPC-5)."""

from __future__ import annotations

import pytest

from harness.units import Unit
from iscsi import scsi
from iscsi.pdu import Pdu, TaskFunction, TaskResponse
from iscsi.session import Session

LEVEL_2 = {"iSCSIProtocolLevel": "2"}  # what RFC 7144 adds is for sessions that negotiated it
NOTHING = bytes(3)
ONE, SEVERAL = 0x10, 0x20  # UADE DEPTH
POWER_ON, LUNS_CHANGED, MODE_CHANGED, NEXUS_LOSS = 0x2900, 0x3F0E, 0x2A01, 0x2907


def event(session: Session, lun: int | None = None) -> Pdu:
    return session.manage_pdu(TaskFunction.QUERY_ASYNCHRONOUS_EVENT, lun=lun)


def information(depth: int, asc: int) -> bytes:
    """SAM-5: UADE DEPTH and SENSE KEY, ADDITIONAL SENSE CODE, ADDITIONAL SENSE CODE QUALIFIER."""
    return bytes([depth | scsi.Key.UNIT_ATTENTION]) + asc.to_bytes(2, "big")


def attention(session: Session) -> int:
    """The unit attention that the next command ends with; 0: none."""
    result = session.execute(scsi.test_unit_ready())
    if result.good:
        return 0
    assert result.sense is not None and result.sense.key == scsi.Key.UNIT_ATTENTION, str(result)
    return result.sense.asc


def change_mode_pages(session: Session) -> None:
    """Turns SWP of the Control mode page over and back, which other nexuses hear of (SPC-5, MODE SELECT)."""
    page = session.execute(scsi.mode_sense6(0x0A, dbd=True), read=255).data
    for bit in (0x08, 0):
        data = bytearray(bytes(4) + page[4:])
        data[4] &= 0x3F
        data[8] = (data[8] & ~0x08) | bit
        result = session.execute(scsi.mode_select6(len(data)), data_out=bytes(data))
        assert result.good, str(result)


def test_no_event(disk: Unit) -> None:
    """FUNCTION COMPLETE, and no additional information."""
    with disk.login(keys=LEVEL_2) as session:
        answer = event(session)
        assert (answer.response, answer.additional_response) == (TaskResponse.COMPLETE, NOTHING)


@pytest.mark.smoke
def test_event_is_told_and_stays(disk: Unit) -> None:
    """FUNCTION SUCCEEDED with the sense of the next unit attention, which isn't cleared by asking."""
    with disk.login(keys=LEVEL_2, attentions=True) as session:
        for _ in range(2):
            answer = event(session)
            assert answer.response == TaskResponse.SUCCEEDED
            assert answer.additional_response == information(ONE, POWER_ON)
        assert attention(session) == POWER_ON
        assert event(session).response == TaskResponse.COMPLETE


def test_several_events(disk: Unit) -> None:
    """The depth says that there are more than one, and the sense is that of the one that comes first."""
    with disk.login(keys=LEVEL_2, attentions=True) as session, disk.login() as other:
        assert event(session).additional_response == information(ONE, POWER_ON)
        change_mode_pages(other)
        answer = event(session)
        assert answer.response == TaskResponse.SUCCEEDED
        assert answer.additional_response == information(SEVERAL, POWER_ON)
        assert attention(session) == POWER_ON
        assert event(session).additional_response == information(ONE, MODE_CHANGED)
        assert attention(session) == MODE_CHANGED
        assert event(session).additional_response == NOTHING


def test_event_of_the_nexus_that_asks(disk: Unit) -> None:
    """A condition of another I_T nexus is none of this one's."""
    with disk.login(keys=LEVEL_2) as session, disk.login(attentions=True, keys=LEVEL_2) as other:
        assert event(session).response == TaskResponse.COMPLETE
        assert event(other).response == TaskResponse.SUCCEEDED


def test_event_of_no_unit(disk: Unit) -> None:
    with disk.login(keys=LEVEL_2) as session:
        answer = event(session, lun=77)
        assert (answer.response, answer.additional_response) == (TaskResponse.LUN_DOES_NOT_EXIST, NOTHING)


def test_nexus_loss_is_an_event(disk: Unit) -> None:
    """I_T NEXUS RESET leaves I_T NEXUS LOSS OCCURRED (SAM-5, I_T nexus loss)."""
    with disk.login(keys=LEVEL_2) as session:
        assert session.manage(TaskFunction.I_T_NEXUS_RESET) == TaskResponse.COMPLETE
        assert event(session).additional_response == information(ONE, NEXUS_LOSS)
        assert attention(session) == NEXUS_LOSS


@pytest.mark.parametrize("function", [f for f in TaskFunction if f >= TaskFunction.QUERY_TASK], ids=lambda f: f.name)
def test_protocol_level_1(disk: Unit, function: TaskFunction) -> None:
    """Without the protocol level the function isn't there (RFC 7144)."""
    with disk.login(attentions=True) as session:
        answer = session.manage_pdu(function, rtt=1, refcmdsn=session.cmdsn - 1)
        assert (answer.response, answer.additional_response) == (TaskResponse.NOT_SUPPORTED, NOTHING)


# -- what is reported

# Byte and bit of the parameter data; that of TARGET RESET is obsolete in SPC-5, where 0 would be as good as the truth.
BITS = {
    TaskFunction.ABORT_TASK: (0, 7), TaskFunction.ABORT_TASK_SET: (0, 6), TaskFunction.CLEAR_ACA: (0, 5),
    TaskFunction.CLEAR_TASK_SET: (0, 4), TaskFunction.LOGICAL_UNIT_RESET: (0, 3), TaskFunction.QUERY_TASK: (0, 2),
    TaskFunction.TARGET_WARM_RESET: (0, 1), TaskFunction.QUERY_ASYNCHRONOUS_EVENT: (1, 2),
    TaskFunction.QUERY_TASK_SET: (1, 1), TaskFunction.I_T_NEXUS_RESET: (1, 0),
}


def reported(session: Session, extended: bool = False) -> bytes:
    cdb = bytes([0xA3, 0x0D, 0x80 if extended else 0, 0, 0, 0, 0, 0, 0, 16, 0, 0])
    result = session.execute(cdb, read=16)
    assert result.good, str(result)
    return result.data


@pytest.mark.parametrize("function", BITS, ids=lambda f: f.name)
def test_reported_functions_are_supported(disk: Unit, function: TaskFunction) -> None:
    """A bit is set exactly if the function is carried out, by what the target does."""
    byte, bit = BITS[function]
    with disk.login(keys=LEVEL_2) as session:
        claimed = bool(reported(session)[byte] >> bit & 1)
        answer = session.manage(function, lun=disk.lun, rtt=1, refcmdsn=session.cmdsn - 1)
        assert claimed == (answer != TaskResponse.NOT_SUPPORTED), f"bit {claimed}, response {answer}"


@pytest.mark.parametrize("extended", [False, True])
def test_no_other_function_is_reported(disk: Unit, extended: bool) -> None:
    """What has no meaning is zero; the extended data tell no timeouts, or possible ones."""
    with disk.login() as session:
        data = reported(session, extended)
    assert len(data) == (16 if extended else 4)
    for byte in range(3):
        known = sum(1 << bit for at, bit in BITS.values() if at == byte)
        assert not data[byte] & ~known, f"byte {byte}: {data[byte]:#x}"
    assert data[3] == (12 if extended else 0)
