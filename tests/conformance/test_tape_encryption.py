# SPDX-License-Identifier: MIT
"""Tape data encryption (SSC-5 security protocol 20h): what is written with a key is read with that key alone."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.units import Unit
from iscsi import scsi
from iscsi.scsi import Key
from iscsi.session import Session
from iscsi.task import Result

pytestmark = pytest.mark.variants("tape")

PUBLIC, LOCAL, ALL = 0, 1, 2
ENCRYPT, DECRYPT, MIXED = 2, 2, 3
CKOD = 0x04
SET, STATUS, NEXT = 0x10, 0x20, 0x21
UNABLE_TO_DECRYPT, NOT_ENCRYPTED, WRONG_KEY = 0x7401, 0x7402, 0x7403
PARAMETERS_CHANGED, COUNTER_CHANGED = 0x2A11, 0x2A13
KEY = bytes(range(1, 33))


def security_in(session: Session, page: int, protocol: int = 0x20, flags: int = 0, length: int = 1024) -> Result:
    return session.execute(struct.pack(">BBHBxIxx", 0xA2, protocol, page, flags, length), read=1024)


def security_out(session: Session, data: bytes, page: int = SET) -> Result:
    return session.execute(struct.pack(">BBHBxIxx", 0xB5, 0x20, page, 0, len(data)), data_out=data)


def page_of(session: Session, page: int) -> bytes:
    result = security_in(session, page)
    assert result.good, str(result)
    assert struct.unpack_from(">HH", result.data) == (page, len(result.data) - 4)
    return result.data


def kad(kind: int, value: bytes, authenticated: int = 0) -> bytes:
    return struct.pack(">BBH", kind, authenticated, len(value)) + value


def set_encryption(session: Session, scope: int, encrypt: int, decrypt: int, key: bytes = b"", *, kads: bytes = b"",
                   lock: bool = False, controls: int = 0) -> Result:
    body = struct.pack(">BBBBBBB7xH", scope << 5 | lock, controls, encrypt, decrypt, bool(key), 0, 0, len(key))
    body += key + kads
    return security_out(session, struct.pack(">HH", SET, len(body)) + body)


def write(session: Session, data: bytes) -> Result:
    return session.execute(bytes([0x0A, 0]) + len(data).to_bytes(3, "big") + b"\0", data_out=data)


def read(session: Session, room: int) -> Result:
    return session.execute(bytes([0x08, 0]) + room.to_bytes(3, "big") + b"\0", read=room)


def locate(session: Session, block: int) -> None:
    assert session.execute(struct.pack(">B2xI3x", 0x2B, block)).good


def assert_sense(result: Result, key: int, asc: int) -> None:
    assert result.sense is not None, str(result)
    assert (result.sense.key, result.sense.asc) == (key, asc), str(result)


def test_what_is_offered(session: Session) -> None:
    """Protocols (SPC-5), pages, and one algorithm, AES-256-GCM with 128 bits (SSC-5 Data Encryption Capabilities)."""
    assert security_in(session, 0, protocol=0).data == bytes([0, 0, 0, 0, 0, 0, 0, 2, 0x00, 0x20])
    assert security_in(session, 1, protocol=0).data == bytes(4)
    pages = struct.unpack(">8H", page_of(session, 0)[4:])
    assert pages == (0x00, 0x01, 0x10, 0x11, 0x12, 0x20, 0x21, 0x30)
    assert page_of(session, 1)[4:] == bytes([0, SET])
    for page in pages:
        page_of(session, page)
    capabilities = page_of(session, 0x10)
    assert len(capabilities) == 44
    algorithm = capabilities[20:]
    assert algorithm[0] == 1 and struct.unpack_from(">H", algorithm, 2) == (20,)
    assert struct.unpack_from(">HHH", algorithm, 6) == (64, 64, 32)
    assert struct.unpack_from(">I", algorithm, 20) == (0x00010014,)
    assert page_of(session, 0x30) != page_of(session, 0x30)
    assert_sense(security_in(session, 0x31), Key.ILLEGAL_REQUEST, 0x2400)
    assert_sense(security_in(session, 0, protocol=0xEF), Key.ILLEGAL_REQUEST, 0x2400)
    padded = security_in(session, STATUS, flags=0x80, length=2)
    assert padded.good and len(padded.data) == 512, "INC_512"


def test_status_page(session: Session) -> None:
    """Data Encryption Status page, byte for byte (SSC-5); it tells no key."""
    assert page_of(session, STATUS) == struct.pack(">HH20x", STATUS, 20)
    kads = kad(0, b"label") + kad(1, b"owner")
    assert set_encryption(session, LOCAL, ENCRYPT, MIXED, KEY, kads=kads).good
    first = page_of(session, STATUS)
    assert first[4:8] == bytes([LOCAL << 5 | LOCAL, ENCRYPT, MIXED, 1]) and first[24:] == kads
    assert set_encryption(session, ALL, ENCRYPT, DECRYPT, KEY).good
    then = page_of(session, STATUS)
    assert then[4:8] == bytes([ALL << 5 | ALL, ENCRYPT, DECRYPT, 1]) and len(then) == 24
    assert struct.unpack_from(">I", then, 8) > struct.unpack_from(">I", first, 8)
    assert KEY[:8] not in first + then


@pytest.mark.smoke
def test_the_key_reads_it(session: Session, other: Session, drive: Unit) -> None:
    """With the key it comes back; without one, with another, or by another nexus it doesn't; none of it stands in the
    file."""
    secret = os.urandom(64) * 200
    assert set_encryption(session, LOCAL, ENCRYPT, DECRYPT, KEY).good
    assert write(session, secret).good
    assert session.execute(bytes([0x10, 0, 0, 0, 1, 0])).good
    locate(session, 0)
    assert read(session, len(secret)).data == secret
    locate(session, 0)
    assert_sense(read(other, len(secret)), Key.DATA_PROTECT, UNABLE_TO_DECRYPT)
    assert set_encryption(session, LOCAL, 0, 0).good
    assert_sense(read(session, len(secret)), Key.DATA_PROTECT, UNABLE_TO_DECRYPT)
    assert set_encryption(session, LOCAL, ENCRYPT, DECRYPT, KEY[::-1]).good
    assert_sense(read(session, len(secret)), Key.DATA_PROTECT, WRONG_KEY)
    assert set_encryption(other, LOCAL, 0, DECRYPT, KEY).good
    assert read(other, len(secret)).data == secret
    assert drive.path is not None
    kept = b"".join(file.read_bytes() for file in ([drive.path] if drive.path.is_file() else drive.path.rglob("*"))
                    if file.is_file())
    assert len(kept) > len(secret) and secret[:32] not in kept and KEY not in kept


def test_mixed(session: Session) -> None:
    """MIXED reads both; DECRYPT refuses what isn't encrypted (SSC-5 DECRYPTION MODE)."""
    assert write(session, b"plain").good
    assert set_encryption(session, LOCAL, ENCRYPT, MIXED, KEY).good
    assert write(session, b"coded").good
    locate(session, 0)
    assert read(session, 5).data == b"plain" and read(session, 5).data == b"coded"
    locate(session, 0)
    assert set_encryption(session, LOCAL, ENCRYPT, DECRYPT, KEY).good
    assert_sense(read(session, 5), Key.DATA_PROTECT, NOT_ENCRYPTED)


def test_next_block(session: Session, other: Session) -> None:
    """Next Block Encryption Status page (SSC-5): where, what it is, whether it can be decrypted, its KADs."""
    assert page_of(session, NEXT)[4:] == struct.pack(">QBBBB", 0, 0x22, 0, 0, 0)
    assert write(session, b"plain").good
    assert set_encryption(session, LOCAL, ENCRYPT, MIXED, KEY, kads=kad(0, b"label")).good
    assert write(session, b"coded").good
    locate(session, 0)
    page = page_of(session, NEXT)
    assert page[4:12] == bytes(8) and page[12] & 15 == 3 and len(page) == 16
    locate(session, 1)
    page = page_of(session, NEXT)
    assert page[4:12] == (1).to_bytes(8, "big") and page[12] & 15 == 5 and page[13] == 1
    assert page[16:] == kad(0, b"label", 1)
    assert page_of(other, NEXT)[12] & 15 == 6
    assert read(session, 5).data == b"coded", "it hasn't moved"


def test_a_key_for_all(session: Session, other: Session) -> None:
    """ALL I_T NEXUS: another nexus uses it, and is told when it changes (SSC-5)."""
    page_of(other, STATUS)
    assert set_encryption(session, ALL, ENCRYPT, DECRYPT, KEY).good
    assert_sense(other.execute(scsi.test_unit_ready()), Key.UNIT_ATTENTION, PARAMETERS_CHANGED)
    assert write(other, b"coded").good
    locate(session, 0)
    assert page_of(session, NEXT)[12] & 15 == 5
    assert page_of(other, STATUS)[4] == PUBLIC << 5 | ALL
    assert set_encryption(other, PUBLIC, 0, 0, lock=True).good
    assert set_encryption(session, ALL, 0, 0).good
    assert_sense(other.execute(scsi.test_unit_ready()), Key.UNIT_ATTENTION, PARAMETERS_CHANGED)
    assert_sense(write(other, b"never"), Key.DATA_PROTECT, COUNTER_CHANGED)


def test_the_key_goes(drive: Unit, session: Session) -> None:
    """With its nexus when it is local, with the cartridge by CKOD (SSC-5)."""
    with drive.login() as short:
        assert set_encryption(short, LOCAL, ENCRYPT, DECRYPT, KEY).good
    with drive.login() as again:
        assert page_of(again, STATUS)[4:8] == bytes(4)
    assert set_encryption(session, ALL, ENCRYPT, DECRYPT, KEY, controls=CKOD).good
    assert session.execute(bytes([0x1B, 0, 0, 0, 0, 0])).good
    assert page_of(session, STATUS)[4:8] == bytes(4)
    assert session.execute(bytes([0x1B, 0, 0, 0, 1, 0])).good


@pytest.mark.parametrize(("byte", "value"), [
    (4, 3 << 5), (5, 2 << 6), (5, 0x20), (5, 0x08), (5, 0x01), (6, 1), (7, 1), (8, 2), (9, 1), (19, 16),
], ids=["scope", "ceem", "rdmc", "sdk", "ckorl", "external", "raw", "algorithm", "key-format", "key-length"])
def test_what_is_not_offered(session: Session, byte: int, value: int) -> None:
    """INVALID FIELD IN PARAMETER LIST for what the capabilities don't name, and nothing has changed."""
    body = bytearray(struct.pack(">HHBBBBBBB7xH", SET, 48, LOCAL << 5, 0, ENCRYPT, DECRYPT, 1, 0, 0, 32) + KEY)
    body[byte] = value
    assert_sense(security_out(session, bytes(body)), Key.ILLEGAL_REQUEST, 0x2600)
    assert page_of(session, STATUS)[4:12] == bytes(8)


def test_the_operator_takes_the_cartridge(drive: Unit, daemon: Daemon, session: Session, tmp_path: Path) -> None:
    """CKOD also when path= puts in another one (SSC-5: on demount); a key without CKOD stays."""
    for number, (controls, kept) in enumerate(((CKOD, 0), (0, ENCRYPT))):
        other = tmp_path / f"other{number}"
        other.touch()
        assert set_encryption(session, ALL, ENCRYPT, DECRYPT, KEY, controls=controls).good
        daemon.do("--op", "update", "--mode", "logicalunit", "--tid", str(drive.tid), "--lun", str(drive.lun),
                  "--params", f"path={other}")
        session.clear_attentions(drive.lun)
        assert page_of(session, STATUS)[5] == kept
