# SPDX-License-Identifier: MIT
"""The memory of tape cartridges: READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-5), which keep it with the cartridge."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.sg import Sg
from harness.units import Unit
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result

pytestmark = pytest.mark.variants("tape")

VALUES, LIST, VOLUMES, PARTITIONS, SUPPORTED = 0, 1, 2, 3, 5
BINARY, ASCII, TEXT = 0, 1, 2
INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_LIST, LIST_LENGTH_ERROR = 0x2400, 0x2600, 0x1A00
LOADS, WRITTEN, WRITTEN_NOW = 0x0003, 0x0220, 0x0222
VENDOR, LABEL, BARCODE, COHERENCY, OWN = 0x0800, 0x0803, 0x0806, 0x080C, 0x1623


def read(session: Session, action: int = VALUES, first: int = 0, partition: int = 0, room: int = 65535) -> Result:
    return session.execute(struct.pack(">BB5xBHIxx", 0x8C, action, partition, first, room), read=room)


def attribute(identifier: int, form: int, value: bytes) -> bytes:
    return struct.pack(">HBH", identifier, form, len(value)) + value


def write(session: Session, *attributes: bytes, length: int | None = None) -> Result:
    body = b"".join(attributes)
    data = struct.pack(">I", len(body)) + body
    length = len(data) if length is None else length
    return session.execute(struct.pack(">BB5xBxxIxx", 0x8D, 0, 0, length), data_out=data[:length])


def values(session: Session, first: int = 0) -> dict[int, tuple[int, bytes]]:
    """What the cartridge says: byte 2 (read only, format) and value by identifier."""
    result = read(session, first=first)
    assert result.good, str(result)
    length, = struct.unpack_from(">I", result.data)
    assert length == len(result.data) - 4
    found, at = {}, 4
    while at < len(result.data):
        identifier, form, size = struct.unpack_from(">HBH", result.data, at)
        assert not found or identifier > max(found), "in ascending order"
        found[identifier] = form, result.data[at + 5:at + 5 + size]
        at += 5 + size
    assert at == len(result.data)
    return found


def assert_sense(result: Result, key: int, asc: int) -> None:
    assert result.sense is not None, str(result)
    assert (result.sense.key, result.sense.asc) == (key, asc), str(result)


def test_what_the_drive_says(session: Session) -> None:
    """Device and medium type attributes are there, read only, with the standard's lengths (SPC-5)."""
    found = values(session)
    for identifier, length in ((0x0000, 8), (0x0001, 8), (0x0003, 8), (0x0004, 8), (0x0007, 2), (0x0220, 8),
                               (0x0221, 8), (0x0222, 8), (0x0223, 8), (0x0400, 8), (0x0401, 32), (0x0406, 8),
                               (0x0407, 8), (0x0408, 1), (0x0409, 2)):
        form, value = found[identifier]
        assert form & 0x80 and len(value) == length, hex(identifier)
    number = {identifier: int.from_bytes(value, "big") for identifier, (_, value) in found.items()}
    assert 0 < number[0x0000] <= number[0x0001]
    assert number[0x0004] == number[0x0407]
    assert all(form & 0x80 for identifier, (form, _) in found.items() if identifier < 0x0800)


def test_lists(session: Session) -> None:
    """ATTRIBUTE LIST names what there is, SUPPORTED ATTRIBUTES also what could be (SPC-5 READ ATTRIBUTE)."""
    assert write(session, attribute(BARCODE, ASCII, b"TST001L5".ljust(32))).good
    there = struct.iter_unpack(">H", read(session, LIST).data[4:])
    assert [identifier for identifier, in there] == sorted(values(session))
    supported = [identifier for identifier, in struct.iter_unpack(">H", read(session, SUPPORTED).data[4:])]
    assert supported == sorted(supported) and set(values(session)) <= set(supported)
    assert {VENDOR, LABEL, COHERENCY} <= set(supported)
    assert read(session, VOLUMES).data == bytes([0, 2, 0, 1])
    assert read(session, PARTITIONS).data[:3] == bytes([0, 2, 0])
    assert_sense(read(session, 4), Key.ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB)
    assert_sense(read(session, partition=200), Key.ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB)


def test_host_attributes(session: Session) -> None:
    """Host type attributes are made, changed and taken away; of those that don't exist there is nothing to read."""
    assert write(session, attribute(VENDOR, ASCII, b"LTFS    "), attribute(LABEL, TEXT, b"shelf 9".ljust(160)),
                 attribute(COHERENCY, BINARY, b"coherent"), attribute(OWN, BINARY, b"\1")).good
    found = values(session, VENDOR)
    assert found[VENDOR] == (ASCII, b"LTFS    ") and found[COHERENCY] == (BINARY, b"coherent")
    assert found[LABEL] == (TEXT, b"shelf 9".ljust(160)) and found[OWN] == (BINARY, b"\1")
    assert write(session, attribute(VENDOR, ASCII, b"OTHER   "), attribute(COHERENCY, BINARY, b"")).good
    found = values(session, VENDOR)
    assert found[VENDOR] == (ASCII, b"OTHER   ") and COHERENCY not in found
    assert_sense(read(session, first=COHERENCY), Key.ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB)


@pytest.mark.parametrize(("bad", "asc"), [
    (attribute(0x0401, ASCII, b"x" * 32), INVALID_FIELD_IN_LIST),       # read only
    (attribute(0x08FF, BINARY, b"x"), INVALID_FIELD_IN_LIST),           # there is no such
    (attribute(LABEL, TEXT, b"short"), INVALID_FIELD_IN_LIST),          # another length than it has
    (attribute(LABEL, BINARY, b"x" * 160), INVALID_FIELD_IN_LIST),      # another format
    (attribute(VENDOR, ASCII, b"AGAIN   "), INVALID_FIELD_IN_LIST),     # not ascending
    (attribute(COHERENCY, BINARY, b"whole")[:-2], LIST_LENGTH_ERROR),   # cut short
])
def test_all_or_nothing(session: Session, bad: bytes, asc: int) -> None:
    """One bad attribute in a list, and none of the list is written (SPC-5 WRITE ATTRIBUTE)."""
    assert write(session, attribute(VENDOR, ASCII, b"BEFORE  ")).good
    assert_sense(write(session, attribute(VENDOR, ASCII, b"AFTER   "), bad), Key.ILLEGAL_REQUEST, asc)
    assert values(session)[VENDOR] == (ASCII, b"BEFORE  ")


def test_parameter_list_length(session: Session) -> None:
    """A list of no length is no error; one that isn't as long as it says is."""
    assert write(session, length=0).good
    assert_sense(write(session, attribute(VENDOR, ASCII, b"VENDOR  "), length=8), Key.ILLEGAL_REQUEST,
                 LIST_LENGTH_ERROR)
    assert_sense(write(session, length=3), Key.ILLEGAL_REQUEST, LIST_LENGTH_ERROR)


def test_it_stays_with_the_cartridge(drive: Unit, bench: object) -> None:
    """What was written is there when the unit is made again on the same medium, and the medium is the same."""
    with drive.login() as session:
        assert write(session, attribute(VENDOR, ASCII, b"KEPT    ")).good
        serial = values(session)[0x0401]
    bench.factory.detach(drive)  # type: ignore[attr-defined]
    bench.factory.attach(drive, size=0)  # type: ignore[attr-defined]
    with drive.login() as session:
        found = values(session)
        assert found[VENDOR] == (ASCII, b"KEPT    ") and found[0x0401] == serial


def test_loads_are_counted(session: Session) -> None:
    """LOAD COUNT, the drive's serial number and the totals of the loads before; none without a cartridge."""
    before = values(session)
    for _ in range(3):
        assert session.execute(bytes([0x0A, 0, 0x10, 0, 0, 0]), data_out=bytes(0x100000)).good
    assert session.execute(bytes([0x1B, 0, 0, 0, 0, 0])).good
    assert_sense(read(session), Key.NOT_READY, 0x3A00)
    assert session.execute(bytes([0x1B, 0, 0, 0, 1, 0])).good
    session.clear_attentions(session.lun)
    found = values(session)

    def grown(identifier: int) -> int:
        return int.from_bytes(found[identifier][1], "big") - int.from_bytes(before[identifier][1], "big")

    assert grown(0x0003) == 1 and grown(0x0220) == 3 and grown(0x0221) == 0
    assert found[0x0222][1] == bytes(8)
    assert len(found[0x020A][1]) == 40 and found[0x020A][1].strip()


def test_loads_by_the_operator_are_counted(session: Session, drive: Unit, daemon: Daemon, tmp_path: Path) -> None:
    """Another cartridge, and the first one again: each has come in once more, and knows what was moved before."""
    assert drive.path is not None
    other = tmp_path / "other"
    other.touch()

    def change(path: Path) -> dict[int, tuple[int, bytes]]:
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
                  "--params", f"path={path}")
        session.clear_attentions(session.lun)
        return values(session)

    def count(found: dict[int, tuple[int, bytes]], identifier: int) -> int:
        return int.from_bytes(found[identifier][1], "big")

    assert count(values(session), LOADS) == 1, "it came in with its unit"
    for _ in range(3):
        assert session.execute(bytes([0x0A, 0, 0x10, 0, 0, 0]), data_out=bytes(0x100000)).good
    found = change(other)
    assert count(found, LOADS) == 1 and count(found, WRITTEN) == 0
    found = change(drive.path)
    assert count(found, LOADS) == 2 and count(found, WRITTEN) == 3 and count(found, WRITTEN_NOW) == 0


def test_the_same_cartridge_again(session: Session, drive: Unit, daemon: Daemon) -> None:
    """path= of the cartridge that the drive has: it is loaded if it was unloaded, which is one load more, and every
    initiator is told (28h/00h); else nothing happens."""
    def again() -> None:
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
                  "--params", f"path={drive.path}")

    ready = bytes(6)
    assert session.execute(bytes([0x0A, 0, 0, 0, 4, 0]), data_out=b"kept").good
    again()
    assert session.execute(ready).good
    for byte in (0, 9):  # unload, and load with HOLD
        assert session.execute(bytes([0x1B, 0, 0, 0, byte, 0])).good
        assert session.execute(ready).sense.key == Key.NOT_READY
        again()
        result = session.execute(ready)
        assert_sense(result, Key.UNIT_ATTENTION, 0x2800)
        assert session.execute(ready).good
        assert session.execute(bytes([0x08, 0, 0, 0, 4, 0]), read=4).data == b"kept"
    assert int.from_bytes(values(session)[LOADS][1], "big") == 3


def test_sg_read_attr(session: Session, drive: Unit, shim_file: Path) -> None:
    """What sg_read_attr makes of it, in words."""
    assert write(session, attribute(VENDOR, ASCII, b"LTFS    "), attribute(BARCODE, ASCII, b"TST001L5".ljust(32))).good
    sg = Sg(shim_file, drive)
    said = sg("sg_read_attr")
    assert "Application vendor: LTFS" in said and "Barcode: TST001L5" in said
    assert said.number(r"Maximum capacity in partition \[MiB\]: (\d+)") > 0
    assert said.number(r"MAM capacity \[B\]: (\d+)") >= 4096
    assert "Application vendor" in sg("sg_read_attr", "--sa=1")
    assert "first" in sg("sg_read_attr", "--sa=3").out.lower()
