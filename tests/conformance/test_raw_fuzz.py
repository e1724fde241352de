# SPDX-License-Identifier: MIT
"""Malformed PDUs, logins and CDBs through the wire (RFC 7143 7.9, 7.10): whatever comes, what goes back is lawful, and a
neighbour that does verified I/O on another target all the time notices nothing.

The dice are seeded: a failure names its seed.  A session or a command that is hit may end; the daemon may not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.modules import Variant
from harness.neighbour import Neighbour
from harness.raw import phase
from harness.units import Unit
from iscsi import scsi
from iscsi.connection import Closed, Connection, NoAnswer, ProtocolViolation
from iscsi.login import LoginFailed, LoginPhase
from iscsi.pdu import RESERVED_TAG, Op, Pdu, ahs_extended_cdb, ahs_read_length, lun_field
from iscsi.session import READ, SIMPLE, WRITE, Rejected, Session
from iscsi.text import encode

PARTS, SEEDS = 6, 30  # tests, and seeds in each
SILENCE = 0.03  # to wait for an answer that needn't come
INTERESTING = (0, 1, 2, 3, 4, 5, 7, 8, 0x0F, 0x10, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)
LENGTHS = (0, 1, 3, 4, 47, 48, 100, 511, 512, 513, 4096)


@contextmanager
def told(seed: object) -> Iterator[None]:
    """Names the seed of what fails."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.fixture
def neighbour(new_unit: Callable[..., Unit], one: Variant) -> Iterator[Neighbour]:
    """Somebody at work on a target of his own."""
    with Neighbour(new_unit(one, size=64 << 20)) as neighbour:
        yield neighbour


def assert_answers(unit: Unit) -> None:
    """The target still takes logins and commands; its unit may have been reserved or stopped meanwhile."""
    with unit.login(attentions=True) as session:
        assert session.execute(scsi.inquiry(), read=255).good
        assert session.execute(scsi.report_luns(), lun=0, read=4096).good


# -- PDUs


def spoil(rng: random.Random, data: bytearray) -> None:
    """One to four bytes of it become others."""
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data))
        data[at] = rng.choice(INTERESTING) if rng.random() < 0.7 else data[at] ^ 1 << rng.randrange(8)


def lawful(rng: random.Random, session: Session) -> Pdu:
    """What an initiator might say; much of it is wrong a moment later."""
    kind = rng.choice((Op.NOP_OUT, Op.SCSI_COMMAND, Op.SCSI_COMMAND, Op.TASK_MANAGEMENT, Op.TEXT, Op.DATA_OUT,
                       Op.LOGOUT, Op.SNACK, Op.LOGIN))
    pdu = Pdu(kind, rng.randbytes(rng.choice(LENGTHS)), flags=0x80, itt=session.new_itt(), lun=lun_field(session.lun),
              ttt=RESERVED_TAG, immediate=rng.random() < 0.3)
    if kind == Op.SCSI_COMMAND:
        pdu.edtl = rng.choice(LENGTHS)
        pdu.flags = 0x80 | rng.choice((READ, WRITE, 0)) | SIMPLE
        pdu.cdb = rng.choice((scsi.read10(0, 8), scsi.write10(0, 1), scsi.inquiry(), scsi.write16(1 << 40, 4)))
        pdu.ahs = rng.choice((b"", b"", ahs_extended_cdb(bytes(16)), ahs_read_length(512), rng.randbytes(8)))
    elif kind == Op.TASK_MANAGEMENT:
        pdu.flags = 0x80 | rng.randrange(16)
        pdu.rtt = rng.choice((pdu.itt, 0, RESERVED_TAG))
    elif kind == Op.TEXT:
        pdu.data = encode([("SendTargets", rng.choice(("", "All", "x" * 300)))])
    return session.number(pdu)


def malformed(rng: random.Random, session: Session) -> bytes:
    """A PDU of which something is wrong, on the wire."""
    pdu = lawful(rng, session)
    if rng.random() < 0.7:
        spoil(rng, pdu.bhs)
        pdu.bhs[4:8] = bytes(4)
    if rng.random() < 0.2:
        pdu.claimed_length = rng.choice((0, len(pdu.data) + 4, max(0, len(pdu.data) - 5), 0xFFFFFF, 0x40000))
    if rng.random() < 0.1:
        pdu.claimed_ahs_words = rng.randrange(256)
    pdu.spoil_header_digest = rng.random() < 0.1
    pdu.spoil_data_digest = rng.random() < 0.1
    data = pdu.to_bytes(session.connection.header_digest, session.connection.data_digest)
    return data[:rng.randrange(len(data))] if rng.random() < 0.05 else data


def listen(connection: Connection) -> bool:
    """Takes what comes, which the library checks; False when the connection has ended."""
    try:
        while True:
            connection.recv(SILENCE)
    except NoAnswer:
        return True
    except (Closed, OSError):
        return False


def shower(unit: Unit, seed: int) -> None:
    """A session's worth of malformed PDUs."""
    rng = random.Random(seed)
    digest = rng.choice(("None", "CRC32C"))
    keys: dict[str, str | None] = {"HeaderDigest": digest, "DataDigest": rng.choice(("None", digest)),
                                   "InitialR2T": rng.choice(("Yes", "No"))}
    session = unit.login(attentions=True, keys=keys)
    try:
        for _ in range(rng.randrange(1, 5)):
            session.connection.send_bytes(malformed(rng, session))
            if not listen(session.connection):
                break
    except Closed:
        pass
    finally:
        session.connection.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_malformed_pdus(disk: Unit, neighbour: Neighbour, part: int) -> None:
    """Spoiled fields, lengths that lie, digests that are off, PDUs that end too soon."""
    for seed in range(part * SEEDS, (part + 1) * SEEDS):
        with told(seed):
            shower(disk, seed)
    assert_answers(disk)


# -- logins


def bad_login(login: LoginPhase, rng: random.Random) -> None:
    """Up to three login requests, of which something is wrong."""
    want = login.want
    for stage in range(rng.randrange(1, 4)):
        pairs = rng.choice((want.operational(), [("CHAP_A", "5")], [("CHAP_N", "a"), ("CHAP_R", "0x00")]))
        if not stage:
            pairs = want.names() + [("AuthMethod", rng.choice(("None", "CHAP", "CHAP,None", "")))]
        text = bytearray(encode(pairs))
        if rng.random() < 0.5 and text:
            spoil(rng, text)
        pdu = login.request(rng.randrange(4), rng.choice((None, 1, 3)), bytes(text), more=rng.random() < 0.2)
        if rng.random() < 0.5:
            spoil(rng, pdu.bhs)
            pdu.bhs[4:8] = bytes(4)
        if rng.random() < 0.1:
            pdu.claimed_length = len(text) + rng.choice((1, 4, 0x10000))
        login.connection.send_bytes(pdu.to_bytes())
        if not listen(login.connection):
            return


@pytest.mark.parametrize("part", range(PARTS))
def test_malformed_logins(disk: Unit, neighbour: Neighbour, part: int) -> None:
    """Spoiled headers and texts in every stage."""
    for seed in range(part * SEEDS, (part + 1) * SEEDS):
        with told(seed), phase(disk) as login:
            try:
                bad_login(login, random.Random(seed))
            except (Closed, OSError):
                pass
    assert_answers(disk)


# -- CDBs


def random_cdb(rng: random.Random, known: list[bytes]) -> bytes:
    """One that there is, with bits that may be anything, mostly of those that are allowed."""
    usage = rng.choice(known)
    cdb = bytearray(rng.choice(INTERESTING) & mask for mask in usage)
    if rng.random() < 0.3:
        cdb[rng.randrange(1, len(cdb))] |= 1 << rng.randrange(8)
    cdb[0] = usage[0]
    cdb[-1] = 0  # NACA would hold up what follows
    return bytes(cdb)


def usages(session: Session, lun: int) -> list[bytes]:
    """CDB USAGE DATA of all commands of a unit (SPC-5 6.34.3)."""
    listed = session.execute(scsi.report_opcodes(), lun=lun, read=8192).data
    found = []
    for at in range(4, len(listed), 8):
        option = 2 if listed[at + 5] & 1 else 1
        action = int.from_bytes(listed[at + 2:at + 4], "big")
        data = session.execute(scsi.report_opcodes(option, listed[at], action), lun=lun, read=512).data
        found.append(bytes(data[4:4 + int.from_bytes(data[2:4], "big")]))
    return found


def assert_pointer(cdb: bytes, sense: scsi.Sense | None, sent: int) -> None:
    """A field pointer points into what was sent (SPC-5 4.4.2.4.2)."""
    if sense is not None and sense.field_pointer is not None:
        assert sense.field_pointer < (len(cdb) if sense.field_in_cdb else max(sent, 1))


@pytest.mark.parametrize("part", range(PARTS))
def test_random_cdbs(disk: Unit, neighbour: Neighbour, part: int) -> None:
    """Every command with parameters and expected lengths at random ends once, with lawful residuals."""
    with disk.login() as session:
        known = [usage for lun in (0, disk.lun) for usage in usages(session, lun)]
        for seed in range(part * SEEDS * 2, (part + 1) * SEEDS * 2):
            rng = random.Random(seed)
            cdb, lun = random_cdb(rng, known), rng.choice((0, disk.lun, disk.lun, 77))
            data = rng.randbytes(rng.choice((0, 0, 8, 24, 512, 1024)))
            with told(seed):
                result = session.execute(cdb, lun=lun, data_out=data, read=0 if data else rng.choice(LENGTHS))
                assert (result.status == scsi.Status.CHECK_CONDITION) == (result.sense is not None), str(result)
                assert_pointer(cdb, result.sense, len(data))
    assert_answers(disk)


# -- the helpers


def test_spoiling_spoils(disk: Unit) -> None:
    """What the tests above send is refused, for the greater part: these dice do throw what is wrong."""
    ended = 0
    for seed in range(40):
        session = disk.login(attentions=True)
        try:
            session.connection.send_bytes(malformed(random.Random(seed), session))
            pdu = session.connection.recv(0.2)
            ended += pdu.opcode == Op.REJECT
        except (Closed, Rejected):
            ended += 1
        except (NoAnswer, ProtocolViolation, LoginFailed):
            pass
        finally:
            session.connection.close()
    assert ended >= 8, f"only {ended} of 40 were refused"
