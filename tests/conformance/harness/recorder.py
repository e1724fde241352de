# SPDX-License-Identifier: MIT
"""Which SCSI commands a test had a target execute: those of its own sessions, and those of the tools that it runs.

A command counts when the target ended it with GOOD or CONDITION MET, and when the test, not the harness by itself,
sent it: what a login clears away, or how a helper looks at a block, says nothing of what the test is about.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from iscsi.pdu import Op
from iscsi.scsi import Status
from iscsi.session import Session
from iscsi.task import Task

from .units import Unit

TESTS = Path(__file__).parent.parent
DONE = (Status.GOOD, Status.CONDITION_MET)
# Functions of the library and the harness that send commands on their own account.
HELPERS = {"clear_attentions", "capacity", "restore", "assert_serves", "read_block", "write_block", "_ask"}

Command = tuple[int, bytes]  # LUN and CDB


def lun_number(field: bytes) -> int:
    """SAM-5 4.7.7: peripheral or flat addressing."""
    return (field[0] & 0x3F) << 8 | field[1]


def by_a_test() -> bool:
    """Whether a test file is on the stack, with none of the helpers above it."""
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if frame.f_code.co_name in HELPERS:
            return False
        if path.parent == TESTS and path.name.startswith("test_"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Stream:
    """One direction of a connection, cut into PDUs; blind once the two have agreed on digests."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self.buffer += data
        pdus = []
        while len(self.buffer) >= 48:
            size = 48 + 4 * self.buffer[4] + (int.from_bytes(self.buffer[5:8], "big") + 3) // 4 * 4
            if len(self.buffer) < size:
                break
            pdus.append(bytes(self.buffer[:size]))
            del self.buffer[:size]
        return pdus


class Tap:
    """Stands between tools and a target, and looks at what passes."""

    def __init__(self, host: str, port: int, record: "Recorder") -> None:
        self.target, self.record = (host, port), record
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client = self.listener.accept()[0]
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            passing = Passing(self.record)
            for pair in ((client, server, passing.request), (server, client, passing.answer)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket, look: Any) -> None:
        stream = Stream()
        try:
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(1 << 18):
                if look is not None and any(not look(pdu) for pdu in stream.feed(data)):
                    look = None
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Passing:
    """A tapped connection: its commands under way, by Initiator Task Tag."""

    def __init__(self, record: "Recorder") -> None:
        self.record = record
        self.commands: dict[bytes, Command] = {}

    def request(self, pdu: bytes) -> bool:
        if pdu[0] & 0x3F == Op.SCSI_COMMAND:
            self.commands[pdu[16:20]] = lun_number(pdu[8:16]), pdu[32:48] + pdu[52:48 + 4 * pdu[4]]
        return True

    def answer(self, pdu: bytes) -> bool:
        """False: what follows can't be read."""
        ended = pdu[0] == Op.SCSI_RESPONSE and pdu[2] == 0 or pdu[0] == Op.DATA_IN and pdu[1] & 0x01
        if ended and pdu[3] in DONE and pdu[16:20] in self.commands:
            self.record.tools.append(self.commands.pop(pdu[16:20]))
        return not (pdu[0] == Op.LOGIN_RESPONSE and b"Digest=CRC32C" in pdu)


class Recorder:
    """Everything since the last reset()."""

    def __init__(self) -> None:
        self.tasks: list[tuple[Task, bytes]] = []
        self.tools: list[Command] = []
        self.taps: dict[tuple[str, int], Tap] = {}

    def reset(self) -> None:
        self.tasks.clear()
        self.tools.clear()

    def commands(self) -> Counter[Command]:
        own = [(task.lun, cdb) for task, cdb in self.tasks
               if task.result is not None and task.result.response == 0 and task.result.status in DONE]
        return Counter(own + self.tools)

    def tapped(self, host: str, port: int) -> int:
        """The port of the tap before that one."""
        if (host, port) not in self.taps:
            self.taps[host, port] = Tap(host, port, self)
        return self.taps[host, port].port

    def install(self) -> None:
        """From now on sessions tell of their commands, and the URLs that tools are given lead through taps."""
        start, url = Session.start, Unit.url.fget
        assert url is not None

        def recorded_start(session: Session, cdb: bytes, **arguments: Any) -> Task:
            task = start(session, cdb, **arguments)
            if by_a_test():
                self.tasks.append((task, bytes(cdb) + arguments.get("ahs", b"")[4:]))
            return task

        def tapped_url(unit: Unit) -> str:
            port = self.tapped(unit.host, unit.port)
            return url(unit).replace(f"{unit.portal}/", f"{unit.portal.rpartition(':')[0]}:{port}/", 1)

        Session.start = recorded_start  # type: ignore[method-assign]
        Unit.url = property(tapped_url)  # type: ignore[assignment, method-assign]
