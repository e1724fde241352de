# SPDX-License-Identifier: MIT
"""sg3_utils on the sg devices that the Linux kernel's initiator makes of our units."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from guest import Guest
from guest.devices import Device, iscsi_login
from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Factory, Unit
from hosted import SIZE, each_store, make_disk, one_store, plan, target_of
from iscsi import scsi
from iscsi.session import Session

UNIT_ATTENTION = 6  # exit status of the tools, sg3_utils(8)
BUS_DEVICE_RESET = 0x2903
KEY = "0x7e57"


@pytest.fixture
def unit(daemon: Daemon, variant: Variant) -> Unit:
    """LUN 1 of a target that has a LUN 2 as well."""
    made = make_disk(daemon, variant)
    Factory(daemon, plan()).unit(target_of(daemon, made), variant, lun=2, size=1 << 20)
    return made


@pytest.fixture
def disk(guest: Guest, unit: Unit) -> Iterator[Device]:
    with iscsi_login(guest, unit.target, unit.port, count=2) as found:
        yield next(device for device in found if device.address.endswith(f":{unit.lun}"))


class Tools:
    """Runs them on a device of the guest."""

    def __init__(self, guest: Guest, node: str) -> None:
        self.guest, self.node = guest, node

    def __call__(self, *words: str) -> str:
        """What the tool prints, blanks made one."""
        return " ".join(self.guest.run([*words, self.node], check=True).output.split())


@each_store
def test_inquiry_and_capacity(guest: Guest, unit: Unit, disk: Device) -> None:
    tool, thin = Tools(guest, disk.sg), int(unit.variant is not None and unit.variant.thin)
    inquiry = tool("sg_inq")
    assert "PDT=0" in inquiry and "Product identification: VIRTUAL-DISK" in inquiry and "CmdQue=1" in inquiry
    serial = re.search(r"Unit serial number: (\S+)", inquiry)
    assert serial and tool("sg_vpd", "--page=sn").endswith(serial[1])
    assert f"Device size: {SIZE} bytes" in tool("sg_readcap", "--long")
    assert f"lbpme={thin}" in tool("sg_readcap", "--long")
    assert tool("sg_map26").split() == [disk.block]


@each_store
def test_vital_product_data(guest: Guest, unit: Unit, disk: Device) -> None:
    """Every page that the unit says it has is decoded, and says what is so."""
    tool = Tools(guest, disk.sg)
    listed = re.findall(r"\[(\w+)\]", tool("sg_vpd"))
    assert {"sn", "di", "bl", "bdc", "lbpv"} <= set(listed)
    told = {page: tool("sg_vpd", f"--page={page}") for page in listed}
    assert "designator type: NAA" in told["di"] and f"{unit.target},t,0x0001" in told["di"]
    assert "Maximum transfer length: 32768 blocks" in told["bl"]
    thin = unit.variant is not None and unit.variant.thin
    assert f"Unmap command supported (LBPU): {int(thin)}" in told["lbpv"]
    assert ("thin provisioned" in told["lbpv"]) == thin
    # the kernel takes the SCSI name string, with its padding
    wwid = guest.output(["cat", f"/sys/class/scsi_device/{disk.address}/device/wwid"]).strip("\0\n")
    assert wwid.startswith("naa.3") and wwid in told["di"] and wwid.replace("naa.", "0x").lower() in told["di"].lower()


@each_store
def test_opcodes_luns_and_mode_pages(guest: Guest, unit: Unit, disk: Device) -> None:
    tool = Tools(guest, disk.sg)
    opcodes = tool("sg_opcodes")
    for name in ("Compare and write", "Synchronize cache(16)", "Write same(16)", "Persistent reserve out, preempt"):
        assert name in opcodes
    assert re.findall(r"\b[0-9a-f]{16}\b", tool("sg_luns")) == [f"{lun:04x}{0:012x}" for lun in (0, 1, 2)]
    tool("sg_turs")
    modes = tool("sg_modes", "--all")
    assert "Caching, page_control: current 00 88 12 04" in modes and "WP=0, DpoFua=1" in modes


@each_store
def test_persistent_reservation(guest: Guest, unit: Unit, disk: Device) -> None:
    """Register, reserve, read it back, release and unregister."""
    tool = Tools(guest, disk.sg)
    tool("sg_persist", "--out", "--register", f"--param-sark={KEY}")
    assert f"1 registered reservation key follows: {KEY}" in tool("sg_persist", "--in", "--read-keys")
    exclusive = ("--prout-type=3", f"--param-rk={KEY}")
    tool("sg_persist", "--out", "--reserve", *exclusive)
    shown = tool("sg_persist", "--in", "--read-reservation")
    assert f"Key={KEY}" in shown and "type: Exclusive Access" in shown
    assert f"Key={KEY}" in tool("sg_persist", "--in", "--read-full-status")
    with unit.login() as other:
        assert other.execute(scsi.read10(0, 1), read=512).status == scsi.Status.RESERVATION_CONFLICT
    guest.run(["dd", f"if={disk.block}", "of=/dev/null", "bs=4k", "count=1", "iflag=direct"], check=True)
    tool("sg_persist", "--out", "--release", *exclusive)
    tool("sg_persist", "--out", "--register", f"--param-rk={KEY}")
    assert "NO registered reservation keys" in tool("sg_persist", "--in", "--read-keys")


def attentions(session: Session, lun: int) -> list[int]:
    """All that are pending for this session, as ASC << 8 | ASCQ."""
    found = []
    while (sense := session.execute(scsi.test_unit_ready(), lun=lun).sense) is not None:
        assert sense.key == scsi.Key.UNIT_ATTENTION, str(sense)
        found.append(sense.asc)
    return found


@one_store
def test_device_reset_is_a_logical_unit_reset(guest: Guest, unit: Unit, disk: Device) -> None:
    """It reaches the LUN, not its neighbour, and every session is told once (SAM-5 5.14, 7.7)."""
    with unit.login() as other:
        other.clear_attentions(2)
        guest.run(["sg_reset", "--device", disk.sg], check=True)
        assert attentions(other, unit.lun) == [BUS_DEVICE_RESET]
        assert attentions(other, 2) == []
    first, second = (guest.run(["sg_raw", disk.sg, "00", "00", "00", "00", "00", "00"]) for _ in range(2))
    assert first.returncode == UNIT_ATTENTION and "Bus device reset function occurred" in first.output
    assert second.returncode == 0
    guest.run(["dd", f"if={disk.block}", "of=/dev/null", "bs=4k", "count=1", "iflag=direct"], check=True)


def read_blocks(unit: Unit, lba: int, blocks: int) -> bytes:
    """What another initiator finds there."""
    with unit.login() as session:
        session.clear_attentions()
        return session.execute(scsi.read16(lba, blocks), read=blocks * unit.block_size).data


@one_store
def test_copying_tools(guest: Guest, unit: Unit, disk: Device) -> None:
    """sgp_dd (several commands at once) and sgm_dd (mapped buffers) go through the sg driver, both ways."""
    data = os.urandom(300 * unit.block_size)
    source, copy = guest.share / "source", guest.share / "copy"
    source.write_bytes(data)
    guest.run(["cp", str(source), "/dev/shm/source"], check=True)
    for tool, place in (("sgp_dd", 8), ("sgm_dd", 1000)):
        common = [f"bs={unit.block_size}", "count=300"]
        # through memory: the share can't give or take what the sg driver has mapped
        guest.run([tool, "if=/dev/shm/source", f"of={disk.sg}", f"seek={place}", *common], check=True)
        assert read_blocks(unit, place, 300) == data, f"{tool}, writing"
        done = guest.run([tool, f"if={disk.sg}", "of=/dev/shm/copy", f"skip={place}", *common], check=True)
        assert "300+0 records in" in done.output, done.output
        guest.run(["mv", "/dev/shm/copy", str(copy)], check=True)
        assert copy.read_bytes() == data, f"{tool}, reading"
