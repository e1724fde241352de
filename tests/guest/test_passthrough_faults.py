# SPDX-License-Identifier: MIT
"""A passed-through disk (scsi_debug) that fails, is slow, is reset, tells of changes, and goes away under load."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from guest import Guest
from guest.devices import Device, scsi_debug, wait_for_devices
from harness.raw import pattern
from harness.units import Unit
from inner import InnerDaemon
from iscsi import scsi
from iscsi.pdu import TaskFunction
from iscsi.scsi import Key, Status
from iscsi.session import Session

SIZE_MB = 16
CONTROLS = "/sys/bus/pseudo/drivers/scsi_debug"
MEDIUM_ERROR, IGNORED, RECOVERED, TRANSPORT, SHORT = 2, 4, 8, 16, 256  # bits of opts
BAD_BLOCK = 0x1234  # the first of ten that can't be read with MEDIUM_ERROR
READY, OFFLINE = "Yes", "No"
IN_FLIGHT = 32  # of one session: the command window after login


class Disk:
    """The device, the daemon that passes it on, and the unit by which it is reached."""

    def __init__(self, guest: Guest, daemon: InnerDaemon, device: Device) -> None:
        self.guest, self.daemon, self.device = guest, daemon, device
        self.unit = daemon.add(1, "sg", device.sg, options="timeout=3")

    def set(self, **controls: int) -> None:
        """Turns scsi_debug's controls."""
        self.guest.shell("\n".join(f"echo {value} >{CONTROLS}/{name}" for name, value in controls.items()))

    @contextmanager
    def faults(self, **controls: int) -> Iterator[None]:
        self.set(**controls)
        try:
            yield
        finally:
            self.set(**dict.fromkeys(controls, 0))

    def online(self) -> bool:
        """As tgtadm tells."""
        text = self.daemon.do("--op", "show", "--mode", "target").partition("LUN: 1\n")[2]
        words = [line.partition(":")[2].strip() for line in text.splitlines() if "Online:" in line]
        assert words and words[0] in (READY, OFFLINE), text
        return words[0] == READY


@pytest.fixture(scope="module")
def own_guest() -> Iterator[Guest]:
    with Guest(forward=[3260]) as guest:
        yield guest


@pytest.fixture
def disk(own_guest: Guest) -> Iterator[Disk]:
    with scsi_debug(own_guest, dev_size_mb=SIZE_MB, delay=0) as device, InnerDaemon(own_guest) as daemon:
        disk = Disk(own_guest, daemon, device)
        yield disk
        assert disk.daemon.alive(), disk.daemon.log()[-4000:]
        daemon.remove(1)


def wait(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


class Load:
    """A session with reads and writes in flight all the time, in a thread; counts how they end."""

    def __init__(self, unit: Unit, depth: int = IN_FLIGHT) -> None:
        self.session, self.depth = unit.login(), depth
        self.ends: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        alive = self._thread.is_alive()
        self.session.connection.close()
        if kind is None:
            assert not alive, "commands hang"
            assert self.error is None, f"the load broke off: {self.error!r}"

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                tasks = [self.session.start(scsi.read10(n, 8), read=4096) if n % 2 else
                         self.session.start(scsi.write10(1024 + n, 8), data_out=bytes(4096)) for n in range(self.depth)]
                for task in tasks:
                    result = self.session.wait(task, 30)
                    self.ends["GOOD" if result.good else str(result)] += 1
        except BaseException as error:  # noqa: BLE001 (told at the end)
            self.error = error


def attentions(session: Session) -> list[str]:
    """All unit attentions that the nexus has, in order."""
    found = []
    while (result := session.execute(scsi.test_unit_ready())).status == Status.CHECK_CONDITION:
        assert result.sense is not None and len(found) < 10
        if result.sense.key != Key.UNIT_ATTENTION:
            break
        found.append(f"{result.sense.asc:04x}")
    return found


def test_a_medium_error_keeps_its_sense(disk: Disk) -> None:
    with disk.unit.login() as session, disk.faults(opts=MEDIUM_ERROR):
        assert session.execute(scsi.read10(BAD_BLOCK - 1, 1), read=512).good
        result = session.execute(scsi.read10(BAD_BLOCK - 1, 4), read=2048)
        assert result.status == Status.CHECK_CONDITION and result.sense is not None
        assert (result.sense.key, result.sense.asc) == (Key.MEDIUM_ERROR, 0x1100)
        assert result.sense.information == BAD_BLOCK
    with disk.unit.login() as session:
        assert session.execute(scsi.read10(BAD_BLOCK, 1), read=512).good


def test_recovered_and_transport_errors_are_the_devices(disk: Disk) -> None:
    with disk.unit.login() as session:
        with disk.faults(opts=RECOVERED, every_nth=1):
            result = session.execute(scsi.read10(0, 1), read=512)
            assert result.sense is not None and result.sense.key == Key.RECOVERED_ERROR, str(result)
            assert len(result.data) == 512
        with disk.faults(delay=1, opts=TRANSPORT, every_nth=1):  # it injects this one only into delayed answers
            result = session.execute(scsi.read10(0, 1), read=512)
            assert result.sense is not None and str(result.sense) == "b/4b/03", str(result)
        assert session.execute(scsi.read10(0, 1), read=512).good


def test_a_transfer_longer_than_the_device_takes(disk: Disk) -> None:
    """It is sent in parts, which leave no gap."""
    name = disk.device.block.rpartition("/")[2]
    limit = int(disk.guest.output(["cat", f"/sys/block/{name}/queue/max_sectors_kb"])) << 10
    data = pattern(8 << 20)
    assert len(data) > 2 * limit
    with disk.unit.login() as session:
        assert session.execute(scsi.write10(5, len(data) // 512), data_out=data, timeout=30).good
        read = session.execute(scsi.read10(5, len(data) // 512), read=len(data), timeout=30)
        assert read.good and read.data == data
    on_disk = disk.guest.run(["sg_dd", f"if={disk.device.sg}", "bs=512", "skip=5", f"count={len(data) // 512}", "of=-"])
    assert on_disk.stdout == data


def test_what_the_device_did_not_send_is_a_residual(disk: Disk) -> None:
    with disk.unit.login() as session, disk.faults(opts=SHORT, every_nth=1):
        result = session.execute(scsi.read10(0, 1), read=512)
        assert result.good and len(result.data) < 512, str(result)
        assert result.underflow == 512 - len(result.data)


def test_a_command_that_is_never_answered(disk: Disk) -> None:
    """The kernel aborts it after the timeout; it must not end GOOD, and a later one must."""
    with disk.unit.login() as session:
        with disk.faults(opts=IGNORED, every_nth=1):
            begin = time.monotonic()
            result = session.execute(scsi.write10(0, 1), data_out=bytes(512), timeout=40)
            assert not result.good and time.monotonic() - begin >= 2, str(result)
        session.clear_attentions(1)
        assert session.execute(scsi.read10(0, 1), read=512).good


def test_a_change_of_the_device_reaches_every_nexus_once(disk: Disk) -> None:
    with disk.unit.login(isid=b"\x80\0\0\1\0\0") as one, disk.unit.login(isid=b"\x80\0\0\2\0\0") as other:
        disk.set(virtual_gb=1)
        assert attentions(one) == ["2a09"]
        assert attentions(other) == ["2a09"]
        with disk.unit.login(isid=b"\x80\0\0\3\0\0", attentions=True) as new:
            assert attentions(new) == ["2900"]
        assert attentions(one) == attentions(other) == []


def test_a_reset_with_64_in_flight(disk: Disk) -> None:
    disk.set(ndelay=900_000_000)
    with disk.unit.login(isid=b"\x80\0\0\1\0\0") as one, disk.unit.login(isid=b"\x80\0\0\2\0\0") as other:
        tasks = [(session, session.start(scsi.read10(n, 8), read=4096)) for session in (one, other)
                 for n in range(IN_FLIGHT)]
        begin = time.monotonic()
        assert one.manage(TaskFunction.LOGICAL_UNIT_RESET, lun=1, timeout=40) == 0
        disk.set(ndelay=0, delay=0)
        assert time.monotonic() - begin < 20
        assert all(not task.result for session, task in tasks if session is one), "answered after the reset's answer"
        # SAM-5 7.7: the others' commands are aborted without an answer (TAS=0), and each nexus is told
        assert attentions(other)[0].startswith("29")
        assert attentions(one)[0].startswith("29")
        for session in (one, other):
            data = pattern(512)
            assert session.execute(scsi.write10(7, 1), data_out=data).good
            assert session.execute(scsi.read10(7, 1), read=512).data == data


def test_an_aborted_command_ends_when_the_device_is_done(disk: Disk) -> None:
    disk.set(ndelay=900_000_000)
    with disk.unit.login() as session:
        refcmdsn = session.cmdsn
        task = session.start(scsi.read10(0, 8), read=4096)
        assert session.abort(task, refcmdsn) == 0
        disk.set(ndelay=0, delay=0)
        assert session.execute(scsi.read10(0, 1), read=512).good
        assert not task.pdus, "its data went somewhere"


def test_a_device_that_is_removed_under_load_and_comes_back(disk: Disk) -> None:
    name = disk.device.sg.rpartition("/")[2]
    with Load(disk.unit) as load, Load(disk.unit) as more:
        wait(lambda: load.ends["GOOD"] > 100 and more.ends["GOOD"] > 100)
        disk.guest.shell(f"echo 1 >/sys/class/scsi_generic/{name}/device/delete")
        wait(lambda: any("2/04" in end for end in load.ends))
        assert not disk.online()
        assert any(end != "GOOD" for end in more.ends)
        host = disk.device.address.split(":")[0]
        disk.guest.shell(f"echo '- - -' >/sys/class/scsi_host/host{host}/scan")
        assert wait_for_devices(disk.guest, driver="scsi_debug")[0].sg == disk.device.sg
        wait(disk.online)
        before = load.ends["GOOD"]
        wait(lambda: load.ends["GOOD"] > before + 100)


def test_another_device_is_not_taken_for_it(disk: Disk) -> None:
    """The node's name alone doesn't make it the disk whose data the initiators have."""
    name = disk.device.sg.rpartition("/")[2]
    host = disk.device.address.split(":")[0]
    with disk.unit.login() as session:
        assert session.execute(scsi.read10(0, 1), read=512).good
        # a host's second target takes the name that the first one had
        disk.guest.shell(f"echo 1 >/sys/class/scsi_generic/{name}/device/delete")
        wait(lambda: not disk.online())
        disk.set(add_host=1)
        (found,) = wait_for_devices(disk.guest, driver="scsi_debug")
        assert found.sg == disk.device.sg and found.address.split(":")[0] != host
        time.sleep(3)
        assert not disk.online(), "another disk is served in its place"
        assert not session.execute(scsi.read10(0, 1), read=512).good
        disk.set(add_host=-1)
