# SPDX-License-Identifier: MIT
"""A session with one connection: commands, data, task management, text, NOP and logout."""

from __future__ import annotations

import time

from .connection import Closed, Connection, NoAnswer, ProtocolViolation
from .keys import Negotiated
from .pdu import RESERVED_TAG, Op, Pdu, TaskFunction, lun_field
from .task import Result, Task
from .text import Pairs, decode, encode

READ, WRITE = 0x40, 0x20
SIMPLE, ORDERED, HEAD_OF_QUEUE, ACA = 1, 2, 3, 4


class Rejected(AssertionError):
    """The target answered with a Reject PDU."""

    def __init__(self, pdu: Pdu) -> None:
        super().__init__(f"Reject, reason {pdu.reason:#04x}")
        self.pdu = pdu


class Session:
    """The initiator's side in the full feature phase.  login.py makes them."""

    def __init__(self, connection: Connection, params: Negotiated, cmdsn: int) -> None:
        self.connection = connection
        self.params = params
        self.cmdsn = cmdsn
        self.lun = 1  # of commands and functions that name no other
        self.tsih = 0
        self.isid = b""
        self.next_itt = 0x1000
        self.tasks: dict[int, Task] = {}
        self.others: list[Pdu] = []  # PDUs that nobody waited for yet

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Logs out if that still works; closes in any case."""
        try:
            if self.connection.socket.fileno() >= 0:
                self.logout(timeout=2.0)
        except (OSError, AssertionError, ValueError):
            pass
        self.connection.close()

    # -- numbering

    def new_itt(self) -> int:
        self.next_itt += 1
        return self.next_itt

    def number(self, pdu: Pdu) -> Pdu:
        """Fills CmdSN and ExpStatSN; a command that isn't immediate uses a CmdSN up."""
        pdu.cmdsn = self.cmdsn
        pdu.expstatsn = self.connection.expstatsn or 0
        if not pdu.immediate:
            self.cmdsn = (self.cmdsn + 1) & 0xFFFFFFFF
        return pdu

    # -- SCSI commands

    def start(self, cdb: bytes, *, lun: int | None = None, data_out: bytes = b"", read: int = 0,
              expected: int | None = None, immediate_length: int | None = None, attribute: int = SIMPLE,
              flags: int | None = None, ahs: bytes = b"", immediate: bool = False) -> Task:
        """Sends a command with as much immediate and unsolicited data as was negotiated."""
        edtl = expected if expected is not None else (len(data_out) or read)
        task = Task(self.new_itt(), self.lun if lun is None else lun, data_out, edtl, self.params)
        self.tasks[task.itt] = task
        self.connection.send(*self.command_pdus(task, cdb, immediate_length, attribute, flags, ahs, immediate))
        return task

    def command_pdus(self, task: Task, cdb: bytes, immediate_length: int | None = None, attribute: int = SIMPLE,
                     flags: int | None = None, ahs: bytes = b"", immediate: bool = False) -> list[Pdu]:
        """The command PDU of a task, followed by its unsolicited Data-Out PDUs."""
        first = min(len(task.data_out), task.expected, self.params.number("FirstBurstLength"))
        head = min(first, self.params.target_max_recv) if self.params.flag("ImmediateData") else 0
        if immediate_length is not None:
            head = immediate_length
        unsolicited = 0 if self.params.flag("InitialR2T") else first - head
        if flags is None:
            flags = WRITE if task.data_out else READ if task.expected else 0
            flags |= attribute | (0 if unsolicited > 0 else 0x80)
        pdu = Pdu(Op.SCSI_COMMAND, task.data_out[:head], flags=flags, lun=lun_field(task.lun), itt=task.itt,
                  edtl=task.expected, ahs=ahs, immediate=immediate)
        pdu.cdb = cdb
        self.number(pdu)
        task.sent = head
        pdus = [pdu]
        if unsolicited > 0:
            pdus += self.data_pdus(task, head, unsolicited, RESERVED_TAG)
            task.sent += unsolicited
        return pdus

    def data_pdus(self, task: Task, offset: int, length: int, ttt: int) -> list[Pdu]:
        """One sequence of Data-Out PDUs, F on the last."""
        pdus = []
        size = self.params.target_max_recv
        for datasn, at in enumerate(range(offset, offset + length, size)):
            end = min(at + size, offset + length)
            pdus.append(Pdu(Op.DATA_OUT, task.data_out[at:end].ljust(end - at, b"\0"), itt=task.itt, ttt=ttt,
                            lun=lun_field(task.lun), flags=0x80 if end == offset + length else 0, datasn=datasn,
                            buffer_offset=at, expstatsn=self.connection.expstatsn or 0))
        return pdus

    def wait(self, task: Task, timeout: float | None = None) -> Result:
        """Answers the R2Ts of this and other tasks until this one has ended."""
        deadline = time.monotonic() + (self.connection.timeout if timeout is None else timeout)
        while task.result is None:
            self.pump(deadline)
        self.tasks.pop(task.itt, None)
        return task.result

    def pump(self, deadline: float) -> Pdu:
        """Receives one PDU and does what it asks for; raises Rejected for a Reject."""
        pdu = self.connection.recv(max(0.0, deadline - time.monotonic()))
        task = self.tasks.get(pdu.itt)
        if pdu.opcode == Op.R2T:
            if task is None:
                raise ProtocolViolation(f"R2T for no task: {pdu!r}")
            task.check_r2t(pdu)
            self.connection.send(*self.data_pdus(task, pdu.buffer_offset, pdu.desired_length, pdu.ttt))
        elif pdu.opcode == Op.NOP_IN and pdu.itt == RESERVED_TAG:
            if pdu.ttt != RESERVED_TAG:
                self.answer_nop(pdu)
        elif task is not None and pdu.opcode in (Op.DATA_IN, Op.SCSI_RESPONSE):
            task.feed(pdu)
        elif pdu.opcode == Op.REJECT:
            raise Rejected(pdu)
        else:
            self.others.append(pdu)
        return pdu

    def answer_nop(self, pdu: Pdu) -> None:
        """The NOP-Out that a NOP-In with a valid Target Transfer Tag asks for (11.19)."""
        reply = Pdu(Op.NOP_OUT, pdu.data, immediate=True, flags=0x80, itt=RESERVED_TAG, ttt=pdu.ttt, lun=pdu.lun)
        self.connection.send(self.number(reply))

    def execute(self, cdb: bytes, *, timeout: float | None = None, **arguments: object) -> Result:
        """start() and wait()."""
        return self.wait(self.start(cdb, **arguments), timeout)  # type: ignore[arg-type]

    def clear_attentions(self, lun: int | None = None) -> None:
        """TEST UNIT READY until no unit attention is left."""
        for _ in range(16):
            result = self.execute(bytes(6), lun=lun)
            if result.sense is None or result.sense.key != 6:
                return
        raise AssertionError("unit attentions without end")

    # -- everything else

    def receive(self, itt: int, timeout: float | None = None) -> Pdu:
        """The answer to a PDU other than a SCSI command."""
        deadline = time.monotonic() + (self.connection.timeout if timeout is None else timeout)
        while True:
            for pdu in self.others:
                if pdu.itt == itt:
                    self.others.remove(pdu)
                    return pdu
            self.pump(deadline)

    def expect_reject(self, timeout: float | None = None) -> Pdu:
        """The next PDU, which must be a Reject."""
        deadline = time.monotonic() + (self.connection.timeout if timeout is None else timeout)
        try:
            pdu = self.pump(deadline)
        except Rejected as reject:
            return reject.pdu
        raise AssertionError(f"expected a Reject, got {pdu!r}")

    def expect_silence(self, seconds: float = 0.5) -> None:
        """Nothing comes, and the connection stays open."""
        try:
            pdu = self.connection.recv(seconds)
        except NoAnswer:
            return
        raise AssertionError(f"expected nothing, got {pdu!r}")

    def nop(self, data: bytes = b"", immediate: bool = False, timeout: float | None = None) -> Pdu:
        """A ping and its answer."""
        pdu = Pdu(Op.NOP_OUT, data, immediate=immediate, flags=0x80, itt=self.new_itt(), ttt=RESERVED_TAG)
        self.connection.send(self.number(pdu))
        return self.receive(pdu.itt, timeout)

    def text(self, pairs: Pairs, ttt: int = RESERVED_TAG, flags: int = 0x80) -> Pdu:
        """A Text request and its response PDU."""
        pdu = Pdu(Op.TEXT, encode(pairs), flags=flags, itt=self.new_itt(), ttt=ttt)
        self.connection.send(self.number(pdu))
        return self.receive(pdu.itt)

    def text_all(self, pairs: Pairs) -> Pairs:
        """A text negotiation whose answer may come in several PDUs (clause 11.11.1)."""
        pdu = Pdu(Op.TEXT, encode(pairs), flags=0x80, itt=self.new_itt(), ttt=RESERVED_TAG)
        self.connection.send(self.number(pdu))
        data = b""
        while True:
            answer = self.receive(pdu.itt)
            if answer.opcode != Op.TEXT_RESPONSE:
                raise ProtocolViolation(f"{answer!r} answers a Text request")
            data += answer.data
            if answer.final:
                return decode(data)
            more = Pdu(Op.TEXT, b"", flags=0x80, itt=pdu.itt, ttt=answer.ttt, lun=answer.lun)
            self.connection.send(self.number(more))

    def manage(self, function: int, *, lun: int | None = None, rtt: int = RESERVED_TAG, refcmdsn: int = 0,
               immediate: bool = True, timeout: float | None = None) -> int:
        """A task management request; returns the response code."""
        return self.manage_pdu(function, lun=lun, rtt=rtt, refcmdsn=refcmdsn, immediate=immediate,
                               timeout=timeout).response

    def manage_pdu(self, function: int, *, lun: int | None = None, rtt: int = RESERVED_TAG, refcmdsn: int = 0,
                   immediate: bool = True, timeout: float | None = None) -> Pdu:
        """A task management request; returns the response PDU."""
        pdu = Pdu(Op.TASK_MANAGEMENT, flags=0x80 | int(function), itt=self.new_itt(), rtt=rtt,
                  refcmdsn=refcmdsn, immediate=immediate, lun=lun_field(self.lun if lun is None else lun))
        self.connection.send(self.number(pdu))
        answer = self.receive(pdu.itt, timeout)
        if answer.opcode != Op.TASK_MANAGEMENT_RESPONSE:
            raise ProtocolViolation(f"{answer!r} answers a task management request")
        return answer

    def abort(self, task: Task, refcmdsn: int) -> int:
        return self.manage(TaskFunction.ABORT_TASK, lun=task.lun, rtt=task.itt, refcmdsn=refcmdsn)

    def logout(self, reason: int = 0, cid: int = 0, timeout: float | None = None) -> Pdu:
        """A Logout request and its response PDU."""
        pdu = Pdu(Op.LOGOUT, flags=0x80 | reason, itt=self.new_itt(), cid=cid, immediate=True)
        self.connection.send(self.number(pdu))
        return self.receive(pdu.itt, timeout)

    def alive(self) -> bool:
        """Whether a ping is still answered."""
        try:
            return self.nop(b"alive").data == b"alive"
        except (Closed, NoAnswer):
            return False
