# SPDX-License-Identifier: MIT
"""A target with several ports (SPC-5 4.3.4, 5.14, 7.7): what it says of them, and reservations by I_T nexus."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from harness.bench import Bench
from harness.modules import Variant
from harness.portals import Portals
from harness.units import Unit
from iscsi import scsi
from iscsi.login import new_isid
from iscsi.scsi import Key, Status
from iscsi.session import Session

PORT = 0x102
INQUIRY_DATA_HAS_CHANGED = 0x3F03
RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, REGISTRATIONS_PREEMPTED = 0x2A03, 0x2A04, 0x2A05
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE, REGISTER_AND_MOVE = range(8)
WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS, WRITE_EXCLUSIVE_REGISTRANTS = 1, 3, 5
SPEC_I_PT, ALL_TG_PT = 0x08, 0x04
CONFLICT = Status.RESERVATION_CONFLICT


@pytest.fixture
def other(disk: Unit, portals: Portals) -> Unit:
    """The unit through the port with the number PORT."""
    return portals.reach(disk, PORT)


@pytest.fixture
def paths(disk: Unit, other: Unit) -> Iterator[tuple[Session, Session]]:
    """One initiator port's sessions through port 1 and through PORT."""
    isid = new_isid()
    with disk.login(isid=isid) as first, other.login(isid=isid) as second:
        yield first, second


def vpd(session: Session, page: int) -> bytes:
    result = session.execute(scsi.inquiry(page, 8192), read=8192)
    assert result.good and result.data[1] == page
    assert len(result.data) == 4 + int.from_bytes(result.data[2:4], "big")
    return result.data[4:]


def scsi_ports(session: Session) -> dict[int, bytes]:
    """Page SCSI Ports (7.7.14): names by relative port identifier."""
    data, out = vpd(session, 0x88), {}
    while data:
        port, transport_id = struct.unpack_from(">2xH2xH", data)
        length, = struct.unpack_from(">2xH", data, 8 + transport_id)
        (association, kind, name), = scsi.designators(data[12 + transport_id:12 + transport_id + length])
        assert (transport_id, association, kind) == (0, 1, 8)
        out[port] = name.rstrip(b"\0")
        data = data[12 + transport_id + length:]
    return out


def prout(session: Session, action: int, key: int = 0, service_key: int = 0, flags: int = 0, kind: int = 0) -> int:
    """The status of a PERSISTENT RESERVE OUT."""
    return session.execute(scsi.persistent_out(action, kind),
                           data_out=scsi.persistent_parameters(key, service_key, flags)).status


def full_status(session: Session) -> list[tuple[int, int | None, bool]]:
    """READ FULL STATUS: key, relative target port identifier (None: all), holder."""
    data = session.execute(scsi.persistent_in(3, 4096), read=4096).data
    out, at = [], 8
    while at < len(data):
        key, flags, port, length = struct.unpack_from(">Q4xB5xHI", data, at)
        out.append((key, None if flags & 2 else port, bool(flags & 1)))
        at += 24 + length
    assert at == len(data) == 8 + int.from_bytes(data[4:8], "big")
    return sorted(out, key=lambda row: (row[0], row[1] or 0))


def write_status(session: Session, unit: Unit) -> int:
    return session.execute(scsi.write10(0, 1), data_out=bytes(unit.block_size)).status


def attention(session: Session) -> int:
    """The unit attention that TEST UNIT READY reports; 0: none."""
    sense = session.execute(bytes(6)).sense
    assert sense is None or sense.key == Key.UNIT_ATTENTION
    return sense.asc if sense else 0


# -- what it says


def test_designators_are_of_the_port(paths: tuple[Session, Session], disk: Unit) -> None:
    """Device Identification: number, group and name of the port that the command came by (7.7.6)."""
    for session, port in zip(paths, (1, PORT)):
        of_port = [row[1:] for row in scsi.designators(vpd(session, 0x83)) if row[0] == 1]
        assert (4, struct.pack(">I", port)) in of_port
        assert (5, struct.pack(">I", port)) in of_port
        assert [content.rstrip(b"\0") for kind, content in of_port if kind == 8] == [
            f"{disk.target},t,0x{port:04x}".encode()]


def test_both_ports_say_the_same_of_the_unit(paths: tuple[Session, Session]) -> None:
    """It is one logical unit: by that multipathing finds the paths."""
    first, second = ([row for row in scsi.designators(vpd(session, 0x83)) if row[0] != 1] for session in paths)
    assert first == second


@pytest.mark.smoke
def test_scsi_ports_lists_all(paths: tuple[Session, Session], disk: Unit) -> None:
    """SCSI Ports, through whichever port (7.7.14)."""
    for session in paths:
        assert scsi_ports(session) == {port: f"{disk.target},t,0x{port:04x}".encode() for port in (1, PORT)}


def test_port_groups_lists_all(paths: tuple[Session, Session]) -> None:
    """REPORT TARGET PORT GROUPS: each port is in a group with its number (6.36)."""
    for session in paths:
        data = session.execute(scsi.report_target_port_groups(), read=1024).data
        groups = [struct.unpack_from(">H3xB2xH", data, at + 2) for at in range(4, len(data), 12)]
        assert groups == [(1, 1, 1), (PORT, 1, PORT)]


def test_a_new_port_is_told(disk: Unit, portals: Portals) -> None:
    """VPD data change with the ports, so a unit attention is established (6.7.1); not by another portal only."""
    with disk.login() as session:
        portals.add()
        assert attention(session) == 0
        portals.add(PORT)
        assert attention(session) == INQUIRY_DATA_HAS_CHANGED
        assert PORT in scsi_ports(session)
        portals.add(PORT)
        assert attention(session) == 0
        portals.delete()
        assert attention(session) == INQUIRY_DATA_HAS_CHANGED
        assert set(scsi_ports(session)) == {1}


def test_supported_pages_has_scsi_ports(paths: tuple[Session, Session]) -> None:
    """Supported VPD Pages lists 88h, and all in order (7.7.16)."""
    pages = vpd(paths[0], 0)
    assert 0x88 in pages and sorted(pages) == list(pages)


# -- reservations


def test_registered_at_one_port(paths: tuple[Session, Session]) -> None:
    """What is registered through one port is not through another (5.14.7)."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA) == Status.GOOD
    assert prout(second, RESERVE, 0xA, kind=WRITE_EXCLUSIVE) == CONFLICT
    assert prout(second, REGISTER, 0xA, 0xB) == CONFLICT
    assert full_status(second) == [(0xA, 1, False)]
    assert prout(second, REGISTER, 0, 0xB) == Status.GOOD
    assert full_status(first) == [(0xA, 1, False), (0xB, PORT, False)]


def test_reservation_conflicts_across_ports(paths: tuple[Session, Session], disk: Unit) -> None:
    """The holder is the I_T nexus: the same initiator port through another target port is not (5.14.10)."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA) == Status.GOOD
    assert prout(first, RESERVE, 0xA, kind=WRITE_EXCLUSIVE) == Status.GOOD
    assert (write_status(first, disk), write_status(second, disk)) == (Status.GOOD, CONFLICT)
    assert second.execute(scsi.read10(0, 1), read=disk.block_size).good
    assert prout(second, REGISTER, 0, 0xB) == Status.GOOD
    assert write_status(second, disk) == CONFLICT, "registered, but not the holder"
    assert prout(second, PREEMPT, 0xB, 0xA, kind=WRITE_EXCLUSIVE) == Status.GOOD
    assert full_status(second) == [(0xB, PORT, True)]
    assert attention(first) == REGISTRATIONS_PREEMPTED
    assert write_status(first, disk) == CONFLICT


def test_all_target_ports(paths: tuple[Session, Session], disk: Unit) -> None:
    """ALL_TG_PT registers at every port (6.17.3); a registrants only reservation then lets both write."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA, ALL_TG_PT) == Status.GOOD
    assert full_status(second) == [(0xA, None, False)]
    assert prout(second, RESERVE, 0xA, kind=WRITE_EXCLUSIVE_REGISTRANTS) == Status.GOOD
    assert (write_status(first, disk), write_status(second, disk)) == (Status.GOOD, Status.GOOD)
    with disk.login() as third:
        assert write_status(third, disk) == CONFLICT
    assert prout(second, RELEASE, 0xA, kind=WRITE_EXCLUSIVE_REGISTRANTS) == Status.GOOD
    assert (attention(first), attention(second)) == (RESERVATIONS_RELEASED, 0)


def test_one_holder_of_all_target_ports(paths: tuple[Session, Session], disk: Unit) -> None:
    """Registered at all ports, the reservation is still that of the nexus that made it (5.14.10)."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA, ALL_TG_PT) == Status.GOOD
    assert prout(second, RESERVE, 0xA, kind=EXCLUSIVE_ACCESS) == Status.GOOD
    assert full_status(first) == [(0xA, 1, False), (0xA, PORT, True)]
    assert (write_status(first, disk), write_status(second, disk)) == (CONFLICT, Status.GOOD)
    assert prout(first, REGISTER, 0xA, 0) == Status.GOOD
    assert full_status(first) == [(0xA, PORT, True)]


def test_clear_tells_the_other_port(paths: tuple[Session, Session]) -> None:
    """CLEAR tells every registered nexus but the one that it came by (5.14.11.2.6)."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA, ALL_TG_PT) == Status.GOOD
    assert prout(second, CLEAR, 0xA) == Status.GOOD
    assert (attention(first), attention(second)) == (RESERVATIONS_PREEMPTED, 0)
    assert full_status(first) == []


def move_list(session: Session, key: int, service_key: int, port: int, initiator: str, isid: bytes) -> bytes:
    name = f"{initiator},i,0x{isid.hex()}".encode()
    name = name.ljust(max(20, (len(name) + 4) & ~3), b"\0")
    transport_id = struct.pack(">BxH", 0x45, len(name)) + name
    return struct.pack(">QQxBHI", key, service_key, 0, port, len(transport_id)) + transport_id


def test_move_to_another_port(paths: tuple[Session, Session], disk: Unit) -> None:
    """REGISTER AND MOVE names a target port (6.17.4); one that isn't there is an invalid field."""
    first, second = paths
    assert prout(first, REGISTER, 0, 0xA) == Status.GOOD
    assert prout(first, RESERVE, 0xA, kind=WRITE_EXCLUSIVE) == Status.GOOD
    wanted = disk.want()
    for port, good in ((0x103, False), (0, False), (PORT, True)):
        data = move_list(first, 0xA, 0xB, port, wanted.initiator, first.isid)
        result = first.execute(scsi.persistent_out(REGISTER_AND_MOVE, WRITE_EXCLUSIVE, len(data)), data_out=data)
        assert result.good == good, str(result)
        if not good:
            assert result.sense.asc == scsi.INVALID_FIELD_IN_PARAMETERS and result.sense.field_pointer == 18
    assert full_status(first) == [(0xA, 1, False), (0xB, PORT, True)]
    assert (write_status(first, disk), write_status(second, disk)) == (CONFLICT, Status.GOOD)


def test_the_port_outlives_the_session(disk: Unit, other: Unit) -> None:
    """A registration is there again when the initiator port comes back by the same port, and by no other."""
    isid = new_isid()
    with other.login(isid=isid) as session:
        assert prout(session, REGISTER, 0, 0xC) == Status.GOOD
        assert prout(session, RESERVE, 0xC, kind=EXCLUSIVE_ACCESS) == Status.GOOD
    with disk.login(isid=isid) as session:
        assert write_status(session, disk) == CONFLICT
    with other.login(isid=isid) as session:
        assert write_status(session, disk) == Status.GOOD


@pytest.mark.variants("storing")
def test_power_loss_keeps_the_port(bench: Bench, variant: Variant, new_unit: Callable[..., Unit],
                                   portals: Portals) -> None:
    """APTPL keeps which port a registration is of; after a new start of the unit it counts."""
    unit = new_unit(variant, size=64 << 20)
    far, isid = portals.reach(unit, PORT), new_isid()
    with far.login(isid=isid) as session:
        assert prout(session, REGISTER, 0, 0xD, 1) == Status.GOOD
        assert prout(session, RESERVE, 0xD, kind=EXCLUSIVE_ACCESS) == Status.GOOD
    bench.factory.detach(unit)
    bench.factory.attach(unit, size=64 << 20)
    with unit.login(isid=isid) as near, far.login(isid=isid) as session:
        assert full_status(near) == [(0xD, PORT, True)]
        assert (write_status(near, unit), write_status(session, unit)) == (CONFLICT, Status.GOOD)
        assert prout(session, CLEAR, 0xD) == Status.GOOD
