# SPDX-License-Identifier: MIT
"""Two daemons that export one image: an initiator finds the same logical unit by either."""

from __future__ import annotations

import os
import struct
import threading

import pytest

from ceph_cluster import Cluster
from ceph_cluster.gateways import MIB, SHARED, Gateways
from harness import cu
from harness.units import Unit
from iscsi import scsi
from iscsi.pdu import TaskFunction
from iscsi.scsi import Key
from iscsi.session import Session
from reserving import attention

RESET = 0x2903  # BUS DEVICE RESET FUNCTION OCCURRED
NAMES, PORT, PORT_GROUP = {1, 2, 3, 8}, 4, 5  # designator types (SPC-5 7.7.6)


@pytest.fixture(params=[512, 4096])
def units(cluster: Cluster, gateways: Gateways, request: pytest.FixtureRequest) -> list[Unit]:
    image = cluster.image("gw_" + "".join(c for c in request.node.name if c.isalnum()), 64 * MIB, SHARED)
    return gateways.units(image, request.param)


def test_write_here_read_there(gateways: Gateways, units: list[Unit]) -> None:
    """What one has ended GOOD is what the other reads, at once, also after WRITE SAME that writes or unmaps."""
    size = units[0].block_size
    for daemon in gateways.daemons:
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", "thin_provisioning=1")
    with units[0].login() as first, units[1].login() as second:
        for number in range(50):
            lba, data = number * 37 * 4096 // size, os.urandom(4 * size)
            for here, there in ((first, second), (second, first)):
                assert here.execute(scsi.write10(lba, 4), data_out=data).good
                assert there.execute(scsi.read10(lba, 4), read=4 * size).data == data
                assert here.execute(scsi.write_same16(lba + 1, 2), data_out=data[:size]).good
                assert there.execute(scsi.read10(lba, 4), read=4 * size).data == data[:size] * 3 + data[3 * size:]
                assert here.execute(scsi.write_same16(lba, 4, unmap=True), data_out=bytes(size)).good
                assert there.execute(scsi.read10(lba, 4), read=4 * size).data == bytes(4 * size)


def test_one_unit_by_two_ports(units: list[Unit]) -> None:
    """Names of the unit and the target are the same by either, the relative target port identifier and the target port
    group are not (SPC-5 7.7.6), and each port is active/optimized (5.15.2.4)."""
    with units[0].login() as first, units[1].login() as second:
        lists = [scsi.designators(session.execute(scsi.inquiry(page=0x83), read=255).data[4:])
                 for session in (first, second)]
        same = [[d for d in found if d[0] != 1] for found in lists]
        assert same[0] == same[1] and {d[1] for d in same[0]} & NAMES
        numbers = [[struct.unpack(">HH", d[2])[1] for d in found if d[1] in (PORT, PORT_GROUP)] for found in lists]
        assert numbers == [[1, 1], [2, 2]]
        for number, session in enumerate((first, second), 1):
            data = session.execute(scsi.report_target_port_groups(), read=1024).data
            length, state, _, group = struct.unpack_from(">IBBH", data)
            assert length == 12 and state & 15 == 0 and group == number


def test_a_reset_reaches_all(units: list[Unit]) -> None:
    """LOGICAL UNIT RESET (SAM-5 6.3.3) by one ends the tasks of both, and both tell of it, once each."""
    with units[0].login() as first, units[1].login() as second:
        for here, there in ((first, second), (second, first)):
            tag = there.start(scsi.write10(0, 8), data_out=bytes(8 * units[0].block_size))
            there.wait(tag, 10)
            assert here.manage(TaskFunction.LOGICAL_UNIT_RESET) == 0
            for session in (here, there):
                assert attention(session) == RESET and attention(session) == 0


def test_resets_at_once(units: list[Unit]) -> None:
    """None waits for the other: all are complete, and both units are served."""
    responses: list[int] = []

    def reset(session: Session) -> None:
        responses.extend(session.manage(TaskFunction.LOGICAL_UNIT_RESET) for _ in range(20))

    with units[0].login() as first, units[1].login() as second:
        threads = [threading.Thread(target=reset, args=(session,)) for session in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert responses == [0] * 40
        for session in (first, second):
            session.clear_attentions(1)
            assert session.execute(scsi.write10(0, 1), data_out=bytes(units[0].block_size)).good


def test_no_reservation_that_others_do_not_know(units: list[Unit]) -> None:
    """RESERVE and RELEASE (SPC-2 5.5.1) aren't offered: the other daemons wouldn't refuse anybody."""
    with units[0].login() as session:
        for cdb in (bytes([0x16, 0, 0, 0, 0, 0]), bytes([0x17, 0, 0, 0, 0, 0]), bytes([0x56] + 9 * [0]), bytes([0x57] + 9 * [0])):
            sense = session.execute(cdb).sense
            assert sense is not None and (sense.key, sense.asc) == (Key.ILLEGAL_REQUEST, 0x2000)
        capabilities = session.execute(scsi.persistent_in(2), read=8).data
        assert capabilities[2] & 0x10 == 0, "CRH"


@pytest.mark.parametrize("test", [name for name in cu.tests() if name.startswith("ALL.MultipathIO.")])
def test_by_two_paths(units: list[Unit], test: str) -> None:
    """libiscsi's tests of a unit with several paths, of which each is another daemon's here."""
    outcome = cu.run_test(test, units[0].url, other=units[1].url)
    assert outcome.kind == "passed", outcome.output
