# SPDX-License-Identifier: MIT
"""The SCSI devices that tests get in a guest."""

from __future__ import annotations

from pathlib import Path

from guest import Guest
from guest.devices import (CD, DISK, devices, iscsi_login, multipath, scsi_cd, scsi_debug, start_iscsid,
                           tcm_loop_disk)
from harness.daemon import Daemon

TARGET = "iqn.2026-01.org.example:guest-test"


def write_direct(guest: Guest, node: str, data: bytes) -> None:
    guest.run(["dd", f"of={node}", "bs=4096", "oflag=direct", "iflag=fullblock"], stdin=data, check=True)


def test_scsi_debug_gives_an_sg_device(guest: Guest) -> None:
    with scsi_debug(guest, dev_size_mb=16, sector_size=4096) as disk:
        assert (disk.type, disk.model) == (DISK, "scsi_debug")
        assert "Logical block length=4096 bytes" in guest.output(["sg_readcap", disk.sg])
        assert guest.output(["blockdev", "--getsize64", disk.block]).strip() == str(16 << 20)
    assert not devices(guest, driver="scsi_debug")


def test_several_of_scsi_debug(guest: Guest) -> None:
    with scsi_debug(guest, num_tgts=2, max_luns=2, dev_size_mb=8):
        found = devices(guest, driver="scsi_debug")
        assert len({disk.sg for disk in found}) == len({disk.block for disk in found}) == 4


def test_tcm_loop_answers_persistent_reserve_in(guest: Guest) -> None:
    with tcm_loop_disk(guest, attributes={"emulate_tpu": 1}) as disk, tcm_loop_disk(guest, name="other") as other:
        assert disk.vendor == other.vendor == "LIO-ORG" and disk.sg != other.sg
        guest.run(["sg_persist", "--out", "--register", "--param-sark=0x77", disk.sg], check=True)
        assert "0x77" in guest.output(["sg_persist", "--in", "--read-keys", disk.sg])
        assert "NO registered" in guest.output(["sg_persist", "--in", "--read-keys", other.sg])
        assert "Unmap command supported (LBPU): 1" in guest.output(["sg_vpd", "--page=lbpv", disk.sg])
    assert not devices(guest, driver="tcm_loopback")


def test_a_cd_with_a_medium(guest: Guest, medium: Path) -> None:
    drive = scsi_cd(guest)
    assert drive.type == CD and drive.sg
    read_block_5 = ["28", "0", "0", "0", "0", "5", "0", "0", "1", "0"]
    read = guest.run(["sg_raw", "--request=2048", "--binary", drive.sg, *read_block_5], check=True)
    assert read.stdout == medium.read_bytes()[5 * 2048:6 * 2048]
    assert guest.run(["dd", f"if={drive.block}", "bs=2048", "count=64"], check=True).stdout == medium.read_bytes()


def test_open_iscsi_starts(guest: Guest) -> None:
    start_iscsid(guest)
    start_iscsid(guest)  # twice is once
    assert "No active sessions" in guest.run(["iscsiadm", "-m", "session"]).output


def test_open_iscsi_reaches_a_daemon_on_the_host(guest: Guest, daemon: Daemon, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(8 << 20))
    daemon.do("--op", "new", "--mode", "target", "--tid", "1", "--targetname", TARGET)
    daemon.do("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
    daemon.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", str(image), "--bstype", "rdwr")
    with iscsi_login(guest, TARGET, daemon.port) as [disk]:
        assert (disk.type, disk.model) == (DISK, "VIRTUAL-DISK")
        write_direct(guest, disk.block, b"x" * 65536)
    assert not devices(guest, driver="iscsi_tcp")
    assert image.read_bytes()[:65536] == b"x" * 65536


def test_multipath_joins_two_paths(guest: Guest) -> None:
    data = b"x" * 65536
    with scsi_debug(guest, add_host=2, vpd_use_hostno=0, dev_size_mb=8):
        with multipath(guest, paths=2) as disk:
            write_direct(guest, disk, data)
        paths = [path.block for path in devices(guest, driver="scsi_debug")]
        assert len(paths) == 2
        # One of the two may be a standby path.
        assert data in [guest.run(["dd", f"if={path}", "bs=65536", "count=1"]).stdout for path in paths]


def test_file_systems_can_be_loaded(guest: Guest) -> None:
    guest.run(["modprobe", "-a", "ext4", "xfs"], check=True)
