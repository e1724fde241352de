# SPDX-License-Identifier: MIT
"""A tape library as Linux has it: its changer by the driver ch and by mtx, its drives by st; of a daemon on the host,
or of a second one that passes the first one's on."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from guest import Guest, Result
from guest.devices import CHANGER, TAPE, Device, iscsi_login
from harness.changer import Library
from hosted import new_daemon
from inner import PORT, TARGET, InnerDaemon
from places import BUILD
from tapes import TIERS, Drive

BARCODES = ("A00001L8", "A00002L8", "A00003L8")
CAPACITY = 2  # MiB of a cartridge
TID = 1
IQN = "iqn.2026-01.org.example:library"
UNITS = 3  # two drives and the changer
PLACES = 5  # slots, and the mail slot

# Requests to the kernel's changer device (linux/chio.h): what each gave, or the name of the error, as JSON.
CHIO = r"""
import array, errno, fcntl, json, os, struct, sys

READ, WRITE = 2, 1
KINDS = ["robot", "slot", "mail", "drive"]
HAS_SOURCE, HAS_TAG = 0x04, 0x10
changer = os.open(sys.argv[1], os.O_RDWR)


def request(direction, number, data=b""):
    data = bytearray(data)
    fcntl.ioctl(changer, direction << 30 | len(data) << 16 | ord("c") << 8 | number, data)
    return data


def pairs(places):
    return [number for kind, unit in places for number in (KINDS.index(kind), unit)]


def params():
    return struct.unpack("5i", request(READ, 6, bytes(20)))


def move(*places):
    request(WRITE, 1, struct.pack("5i", *pairs(places), 0))


def exchange(*places):
    request(WRITE, 2, struct.pack("7i", *pairs(places), 0))


def position(place):
    request(WRITE, 3, struct.pack("3i", *pairs([place]), 0))


def full(kind, count):
    bits = array.array("B", bytes(count))
    request(WRITE, 8, struct.pack("@iP", KINDS.index(kind), bits.buffer_info()[0]))
    return [bool(bit & 1) for bit in bits]


def element(place):
    data = request(WRITE, 16, struct.pack("2i100x", *pairs([place])))
    _, _, status, _, kind, unit = struct.unpack_from("6i", data)
    flags = struct.unpack_from("i", data, 104)[0]
    return {"full": bool(status & 1), "tag": data[32:68].decode().rstrip("\0 ") if flags & HAS_TAG else "",
            "source": [KINDS[kind], unit] if flags & HAS_SOURCE else None}


def initialize():
    request(0, 17)


for name, *arguments in json.loads(sys.argv[2]):
    try:
        print(json.dumps(globals()[name](*arguments)))
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]))
"""


@dataclass(frozen=True)
class Contents:
    """What `mtx status` says; places are numbered as mtx does, the mail slot behind the other slots."""

    drives: dict[int, tuple[str, int]]  # the tag, and the slot that it comes from
    slots: dict[int, str]


@dataclass(frozen=True)
class GuestLibrary:
    guest: Guest
    host: Library
    changer: Device
    tapes: tuple[Device, ...]

    def try_mtx(self, *words: str | int) -> Result:
        return self.guest.run(["mtx", "-f", self.changer.sg, *map(str, words)])

    def mtx(self, *words: str | int) -> str:
        done = self.try_mtx(*words)
        done.check()
        return done.stdout.decode()

    def contents(self) -> Contents:
        said = self.mtx("status")
        drives = re.findall(r"Data Transfer Element (\d+):Full \(Storage Element (\d+) Loaded\):VolumeTag = *(\S+)", said)
        slots = re.findall(r"Storage Element (\d+)(?: IMPORT/EXPORT)?:Full :VolumeTag=(\S+)", said)
        assert len(drives) + len(slots) == said.count(":Full"), said
        return Contents({int(drive): (tag, int(slot)) for drive, slot, tag in drives},
                        {int(slot): tag for slot, tag in slots})

    def chio(self, *requests: Sequence[Any]) -> list[Any]:
        """What each of the requests to the kernel's changer gave, or the name of its error."""
        words = ["python3", "-c", CHIO, self.changer.changer, json.dumps(requests)]
        return [json.loads(line) for line in self.guest.output(words).splitlines()]

    def drive(self, number: int) -> Drive:
        return Drive(self.guest, self.tapes[number].tape.replace("/dev/st", "/dev/nst"), self.host.daemon,
                     self.host.drive(number))

    def home(self) -> None:
        """Every cartridge back in its slot, whatever a test has done."""
        for drive, (_, slot) in self.contents().drives.items():
            self.drive(drive).mt("unlock")
            self.mtx("unload", slot, drive)
        for wanted, tag in enumerate(BARCODES, start=1):
            slots = self.contents().slots
            if slots.get(wanted, tag) != tag:
                self.mtx("transfer", wanted, next(slot for slot in range(1, PLACES + 1) if slot not in slots))
            [now] = (slot for slot, other in slots.items() if other == tag)
            if now != wanted:
                self.mtx("transfer", now, wanted)


def make_library(library: Library) -> None:
    """With cartridges that hold little."""
    library.media.mkdir()
    for barcode in BARCODES:
        subprocess.run([BUILD / "tgtimg", "-o", "new", "-Y", "tape", "-b", barcode, "-s", str(CAPACITY), "-t", "data",
                        "-f", library.media / barcode], check=True)
    library.make()


def of_units(guest: Guest, library: Library, found: list[Device]) -> GuestLibrary:
    """The drives in the order of their LUNs."""
    tapes = sorted((device for device in found if device.type == TAPE),
                   key=lambda device: int(device.address.rpartition(":")[2]))
    [changer] = (device for device in found if device.type == CHANGER)
    assert len(tapes) == UNITS - 1 and changer.changer, found
    return GuestLibrary(guest, library, changer, tuple(tapes))


@contextmanager
def passed_on(direct: GuestLibrary) -> Iterator[GuestLibrary]:
    """By a daemon in the guest, with the same LUNs."""
    with InnerDaemon(direct.guest) as inner:
        for lun, device in enumerate((*direct.tapes, direct.changer), start=1):
            inner.add(lun, "sg", device.sg)
        with iscsi_login(direct.guest, TARGET, PORT, host="127.0.0.1", count=UNITS) as found:
            yield of_units(direct.guest, direct.host, found)


@contextmanager
def library_of(tier: str, guest: Guest) -> Iterator[GuestLibrary]:
    """Of a daemon of its own, which must end well."""
    assert tier in TIERS
    daemon = new_daemon().start()
    library = Library(daemon, TID, IQN, daemon.folder / "media", list(BARCODES))
    try:
        make_library(library)
        with iscsi_login(guest, IQN, daemon.port, count=UNITS) as found:
            direct = of_units(guest, library, found)
            if tier == "direct":
                yield direct
            else:
                with passed_on(direct) as passed:
                    yield passed
    finally:
        problems, log = daemon.stop(), daemon.log()
        daemon.clean()
    assert not problems, "\n".join([*problems, log])
