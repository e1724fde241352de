# SPDX-License-Identifier: MIT
"""sg_persist and RESERVE: who may do what (SPC-5 5.14, 6.16, 6.17)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.modules import Variant
from harness.sg import CONFLICT, ILLEGAL_REQUEST, Sg
from harness.units import Unit
from iscsi import scsi
from iscsi.login import login

pytestmark = pytest.mark.variants("one")

NAMES = "iqn.2026-01.org.example.test:"
TYPES = {1: "Write Exclusive", 3: "Exclusive Access", 5: "Write Exclusive, registrants only",
         6: "Exclusive Access, registrants only", 7: "Write Exclusive, all registrants",
         8: "Exclusive Access, all registrants"}


class Host:
    """One initiator with its key."""

    def __init__(self, shim_file: Path, unit: Unit, name: str, key: int) -> None:
        self.sg = Sg(shim_file, unit, NAMES + name)
        self.key = f"{key:x}"
        self.unit = unit

    def out(self, action: str, *arguments: str, code: int = 0) -> None:
        self.sg.expect(code, "sg_persist", "--out", f"--{action}", *arguments)

    def register(self) -> None:
        self.out("register", f"--param-sark={self.key}")

    def reserve(self, kind: int | str, code: int = 0) -> None:
        self.out("reserve", f"--param-rk={self.key}", f"--prout-type={kind}", code=code)

    def release(self, kind: int, code: int = 0) -> None:
        self.out("release", f"--param-rk={self.key}", f"--prout-type={kind}", code=code)

    def clear(self, code: int = 0) -> None:
        self.out("clear", f"--param-rk={self.key}", code=code)

    def can(self, cdb: bytes, write: bytes = b"", read: int = 0) -> bool:
        """Whether a command is let through."""
        done = self.sg.raw_status(cdb, read=read, write=write)
        assert done.code in (0, CONFLICT), str(done)
        return done.code == 0

    def reads(self) -> bool:
        return self.can(scsi.read10(0, 1), read=self.unit.block_size)

    def writes(self) -> bool:
        return self.can(scsi.write10(0, 1), write=bytes(self.unit.block_size))


@pytest.fixture
def hosts(shim_file: Path, new_unit: Callable[..., Unit], variant: Variant) -> tuple[Host, Host, Host]:
    """Three initiators on a unit of their own."""
    unit = new_unit(variant)
    return Host(shim_file, unit, "a", 0xA), Host(shim_file, unit, "b", 0xB), Host(shim_file, unit, "c", 0xC)


@pytest.fixture
def two(hosts: tuple[Host, Host, Host]) -> Iterator[tuple[Host, Host, Host]]:
    """The same, the first two registered."""
    hosts[0].register()
    hosts[1].register()
    yield hosts


@pytest.mark.smoke
def test_keys(two: tuple[Host, Host, Host]) -> None:
    """Registrations are listed, and the generation counts."""
    done = two[2].sg("sg_persist", "--read-keys")
    assert "2 registered reservation keys" in done and "0xa" in done and "0xb" in done
    assert done.number(r"PR generation=(0x\w+)") == 2
    two[0].out("register", "--param-rk=a", "--param-sark=aa")
    assert "0xaa" in two[2].sg("sg_persist", "--read-keys")
    two[0].out("register", "--param-rk=aa", "--param-sark=0")
    assert "1 registered reservation key" in two[2].sg("sg_persist", "--read-keys")


def test_wrong_key(two: tuple[Host, Host, Host]) -> None:
    """RESERVATION CONFLICT for a key that isn't one's own, or without a registration."""
    two[0].out("register", "--param-rk=dead", "--param-sark=1", code=CONFLICT)
    two[0].out("reserve", "--param-rk=b", "--prout-type=1", code=CONFLICT)
    two[2].reserve(1, code=CONFLICT)
    two[2].clear(code=CONFLICT)


def test_capabilities(two: tuple[Host, Host, Host]) -> None:
    """All six types (SPC-5 6.16.4)."""
    done = two[0].sg("sg_persist", "--report-capabilities")
    for name in TYPES.values():
        assert f"{name}: 1" in done, str(done)


MATRIX = [  # type, (registrant reads, writes), (stranger reads, writes)
    (1, (True, False), (True, False)), (3, (False, False), (False, False)), (5, (True, True), (True, False)),
    (6, (True, True), (False, False)), (7, (True, True), (True, False)), (8, (True, True), (False, False)),
]


@pytest.mark.parametrize("kind,registrant,stranger", MATRIX, ids=[TYPES[row[0]] for row in MATRIX])
def test_access(two: tuple[Host, Host, Host], kind: int, registrant: tuple[bool, bool],
                stranger: tuple[bool, bool]) -> None:
    """What the holder, another registrant, and a stranger may do (SPC-5 table 66)."""
    holder, other, outsider = two
    holder.reserve(kind)
    assert TYPES[kind] in other.sg("sg_persist", "--read-reservation")
    assert holder.reads() and holder.writes()
    assert (other.reads(), other.writes()) == registrant
    assert (outsider.reads(), outsider.writes()) == stranger
    assert outsider.can(scsi.inquiry(), read=255) and outsider.can(scsi.test_unit_ready())
    holder.release(kind)
    assert outsider.writes()


@pytest.mark.parametrize("cdb,data", [
    (scsi.write_same16(0, 1), 1), (scsi.compare_and_write(0, 1), 2),
    pytest.param(scsi.orwrite16(0, 1), 1, marks=pytest.mark.alone),
    (scsi.write_verify10(0, 1), 1), (scsi.synchronize_cache10(), 0), (scsi.unmap(24), -24),
    (bytes([0x15, 0x10, 0, 0, 24, 0]), -24), (scsi.start_stop(True), 0),
], ids=["write-same", "compare-and-write", "orwrite", "write-and-verify", "synchronize-cache", "unmap", "mode-select",
        "start-stop"])
def test_other_writes_conflict(two: tuple[Host, Host, Host], cdb: bytes, data: int) -> None:
    """A stranger is stopped at everything that writes or changes the unit, not at WRITE only; START of a started
    unit is let through (SPC-5 table 66, SBC-4 table 13)."""
    holder, _, outsider = two
    if cdb[0] == 0x42 and holder.unit.variant is not None and not holder.unit.variant.thin:
        return  # a thick unit has no UNMAP
    holder.reserve(1)
    size = -data if data < 0 else data * holder.unit.block_size
    allowed = outsider.can(cdb, write=bytes(size))
    assert allowed == (cdb[0] == 0x1B)


def test_release(two: tuple[Host, Host, Host]) -> None:
    """Only the holder releases; the wrong type is INVALID RELEASE (26/04); without a reservation it is no error."""
    holder, other, _ = two
    holder.reserve(1)
    other.release(1)  # not the holder: GOOD, and nothing happens
    assert "Write Exclusive" in other.sg("sg_persist", "--read-reservation")
    holder.release(3, code=ILLEGAL_REQUEST)
    holder.release(1)
    assert "NO reservation" in other.sg("sg_persist", "--read-reservation")
    holder.release(1)


def test_second_reservation(two: tuple[Host, Host, Host]) -> None:
    """The same again is GOOD; another type or another nexus conflicts."""
    two[0].reserve(5)
    two[0].reserve(5)
    two[0].reserve(6, code=CONFLICT)
    two[1].reserve(5, code=CONFLICT)


@pytest.mark.parametrize("kind", ["0", "2", "4", "9", "f"])
def test_unknown_type(two: tuple[Host, Host, Host], kind: str) -> None:
    """INVALID FIELD IN CDB."""
    two[0].reserve(kind, code=ILLEGAL_REQUEST)


def test_preempt(two: tuple[Host, Host, Host]) -> None:
    """PREEMPT takes reservation and registration away (SPC-5 5.14.11)."""
    holder, other, _ = two
    holder.reserve(5)
    other.out("preempt", "--param-rk=b", "--param-sark=a", "--prout-type=5")
    done = other.sg("sg_persist", "--read-keys")
    assert "1 registered reservation key" in done and "0xb" in done
    assert "0xb" in other.sg("sg_persist", "--read-reservation")
    assert not holder.writes()


def test_unit_attention_of_preempt(two: tuple[Host, Host, Host]) -> None:
    """The nexus that lost its registration hears of it, the one that preempted doesn't (SPC-5 5.14.11)."""
    unit = two[0].unit
    sessions = [login(unit.host, unit.port, unit.want(initiator=NAMES + name)) for name in ("x", "y")]
    try:
        for session, key in zip(sessions, (0x11, 0x22)):
            session.clear_attentions(unit.lun)
            assert session.execute(scsi.persistent_out(0), lun=unit.lun,
                                   data_out=scsi.persistent_parameters(0, key)).good
        assert sessions[0].execute(scsi.persistent_out(1, 5), lun=unit.lun,
                                   data_out=scsi.persistent_parameters(0x11)).good
        assert sessions[1].execute(scsi.persistent_out(4, 5), lun=unit.lun,
                                   data_out=scsi.persistent_parameters(0x22, 0x11)).good
        lost = sessions[0].execute(scsi.test_unit_ready(), lun=unit.lun)
        assert lost.sense is not None and lost.sense.key == 6 and lost.sense.asc in (0x2A03, 0x2A05), str(lost)
        assert sessions[1].execute(scsi.test_unit_ready(), lun=unit.lun).good
    finally:
        for session in sessions:
            session.close()


def test_clear(two: tuple[Host, Host, Host]) -> None:
    """CLEAR ends everything."""
    two[0].reserve(3)
    two[1].clear()
    assert "NO registered reservation keys" in two[2].sg("sg_persist", "--read-keys")
    assert two[2].writes()


def test_full_status(two: tuple[Host, Host, Host]) -> None:
    """Every registrant with its transport ID, and who holds the reservation (SPC-5 6.16.5)."""
    two[0].reserve(5)
    done = two[2].sg("sg_persist", "--read-full-status")
    assert NAMES + "a" in done and NAMES + "b" in done, str(done)
    assert done.out.count("Reservation holder") == 1 and done.out.count("not reservation holder") == 1


def test_register_and_move(two: tuple[Host, Host, Host]) -> None:
    """Unknown service actions are refused; REGISTER AND MOVE is there or refused as a whole."""
    two[0].sg.raw(scsi.persistent_out(0x1F), write=scsi.persistent_parameters(), code=ILLEGAL_REQUEST)
    two[0].sg.raw(scsi.persistent_in(0x1F), read=255, code=ILLEGAL_REQUEST)
    two[0].sg.raw(scsi.persistent_out(0, length=20), write=bytes(20), code=ILLEGAL_REQUEST)


def test_reservation_survives_logout_and_reset(two: tuple[Host, Host, Host]) -> None:
    """A persistent reservation isn't a nexus's (SPC-5 5.14.5): not the end of its session, nor a reset, ends it."""
    two[0].reserve(1)
    assert not two[2].writes()
    with two[2].unit.login() as session:
        assert session.manage(5, lun=two[2].unit.lun) == 0
    assert not two[2].writes()


@pytest.mark.alone
def test_reserve_6(hosts: tuple[Host, Host, Host]) -> None:
    """RESERVE(6) and RELEASE(6): the end of the session ends it."""
    a, b, _ = hosts
    with a.unit.login(initiator=NAMES + "a") as session:
        assert session.execute(bytes([0x16, 0, 0, 0, 0, 0]), lun=a.unit.lun).good
        assert not b.reads() and not b.can(scsi.test_unit_ready())
        assert b.can(scsi.inquiry(), read=255)
        assert session.execute(bytes([0x17, 0, 0, 0, 0, 0]), lun=a.unit.lun).good
        assert b.reads()
        assert session.execute(bytes([0x56] + [0] * 9), lun=a.unit.lun).good
        assert not b.reads()
    assert b.reads()


@pytest.mark.alone
def test_reserve_6_with_registrations(two: tuple[Host, Host, Host]) -> None:
    """With registrations RESERVE(6) of a stranger conflicts (SPC-5 5.14.3)."""
    with two[2].unit.login(initiator=NAMES + "c") as session:
        result = session.execute(bytes([0x16, 0, 0, 0, 0, 0]), lun=two[2].unit.lun)
        assert result.status == scsi.Status.RESERVATION_CONFLICT, str(result)
