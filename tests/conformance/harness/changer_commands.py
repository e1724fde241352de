# SPDX-License-Identifier: MIT
"""What SMC-3 says of each command of a media changer, as commands.py does of a disk's: who may send it while another
I_T nexus holds a persistent reservation.  What may set the robot in motion, and what concerns volume tags, conflicts
under any type; what is known already may be read by everybody (SMC-3, commands allowed in the presence of various
reservations)."""

from __future__ import annotations

import struct

from iscsi import scsi
from iscsi.session import Session

from .changer import FIRST_SLOT, MAIL_SLOT
from .commands import BY_KEY, Command, Rule, reported

CURDATA = 0x02


def _status(name: str, flags: int, rule: Rule) -> Command:
    return Command(f"READ ELEMENT STATUS, {name}", 0xB8, rule,
                   struct.pack(">BBHHB3sBB", 0xB8, 0x10, 0, 0xFFFF, flags, b"\0\4\0", 0, 0), read=1024)


_MOVE = struct.pack(">BBHHH4x", 0xA5, 0, 0, FIRST_SLOT, FIRST_SLOT)  # where it is already

COMMANDS = [
    Command("INITIALIZE ELEMENT STATUS", 0x07, Rule.WRITES, bytes([0x07, 0, 0, 0, 0, 0])),
    Command("INITIALIZE ELEMENT STATUS WITH RANGE", 0x37, Rule.WRITES,
            struct.pack(">BBHxxHxx", 0x37, 1, FIRST_SLOT, 1)),
    Command("POSITION TO ELEMENT", 0x2B, Rule.WRITES, struct.pack(">BBHHxx", 0x2B, 0, 0, FIRST_SLOT)),
    Command("OPEN/CLOSE IMPORT/EXPORT ELEMENT", 0x1B, Rule.WRITES, struct.pack(">BBHBB", 0x1B, 0, MAIL_SLOT, 1, 0)),
    Command("MOVE MEDIUM", 0xA5, Rule.WRITES, _MOVE),
    # harmless: both destinations are the source
    Command("EXCHANGE MEDIUM", 0xA6, Rule.WRITES, struct.pack(">BBHHHHBB", 0xA6, 0, 0, FIRST_SLOT, FIRST_SLOT,
                                                              FIRST_SLOT, 0, 0)),
    Command("SEND VOLUME TAG", 0xB6, Rule.WRITES, struct.pack(">BBHBBxxHxx", 0xB6, 0, 0, 0, 5, 40),
            data=lambda block: b"*".ljust(32) + bytes(8)),
    Command("REQUEST VOLUME ELEMENT ADDRESS", 0xB5, Rule.WRITES,
            struct.pack(">BBHHx3sxx", 0xB5, 0x10, 0, 0xFFFF, b"\0\4\0"), read=1024),
    _status("CURDATA=0", 0, Rule.WRITES),
]
VARIANTS = [
    _status("CURDATA=1", CURDATA, Rule.ALWAYS),
    Command("PREVENT ALLOW MEDIUM REMOVAL, prevent", 0x1E, Rule.WRITES, scsi.prevent_allow(True)),
]

_BY_KEY = {**BY_KEY, **{command.key: command for command in COMMANDS}}


def changer_commands(session: Session) -> list[Command]:
    """The rows of what the changer reports; one without a row is an error: nobody has looked it up."""
    keys = reported(session)
    missing = [key for key in keys if key not in _BY_KEY]
    assert not missing, f"no row in harness/changer_commands.py says what the standards say of {missing}"
    return [_BY_KEY[key] for key in keys] + VARIANTS
