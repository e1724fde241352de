# SPDX-License-Identifier: MIT
"""The rbd store on a real cluster: what it opens and what not, and why; what it tells of an image; what happens to it when
the image or the cluster changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ceph_cluster import Cluster
from gateway import IQN, MIB, WAIT, new, refused, wait_for, write
from harness.daemon import Daemon
from harness.units import Unit, capacity
from iscsi import scsi
from iscsi.scsi import Key


@pytest.mark.parametrize(("path", "why"), [
    ("nopool/image", "the cluster has no pool nopool"), ("rbd/none", "pool rbd has no image none"),
    ("rbd/none@snap", "with a snapshot snap"), ("/image", "the pool's name is empty"), ("rbd/", "the image's name is empty"),
    ("rbd/a/b/c", "too many slashes"), ("rbd//image", "the namespace's name is empty")])
def test_what_is_not_there(daemon: Daemon, cluster: Cluster, path: str, why: str) -> None:
    """What is wrong with the path, or isn't there."""
    assert why in refused(daemon, path, f"conf={cluster.conf}")


def test_who_is_not_let_in(daemon: Daemon, tmp_path: Path) -> None:
    """Without the user's key, and without a cluster: told at once, or in some seconds."""
    with Cluster(auth="cephx") as cluster:
        image = cluster.image("secret", MIB)
        good = new(daemon, image, f"conf={cluster.conf};id=rbd;keyring={cluster.user_keyring}")
        assert good.returncode == 0, good.stderr
        daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", "1")
        (tmp_path / "wrong").write_text("[client.rbd]\n\tkey = AQBFCA5nAAAAABAA8xMOpJNg2yUtOgkxwSXWLA==\n")
        assert "refuses this user's key" in refused(daemon, image,
                                                    f"conf={cluster.conf};id=rbd;keyring={tmp_path}/wrong")
        assert "configuration file can't be read" in refused(daemon, image, f"conf={tmp_path}/none")
        conf = (tmp_path / "copy.conf")
        conf.write_text(cluster.conf.read_text())
        keyring = tmp_path / "keyring"
        keyring.write_text(cluster.user_keyring.read_text())
    begin = time.monotonic()
    assert "no monitor of the cluster answers" in refused(daemon, image,
                                                            f"conf={conf};id=rbd;keyring={keyring}")
    assert time.monotonic() - begin < WAIT


def test_limits_follow_the_objects(daemon: Daemon, unit: Unit) -> None:
    """OPTIMAL TRANSFER LENGTH and OPTIMAL UNMAP GRANULARITY are an object's (SBC-4 Block Limits VPD page)."""
    daemon.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", "thin_provisioning=1")
    with unit.login() as session:
        page = session.execute(scsi.inquiry(page=0xB0, length=255), read=255).data
    assert int.from_bytes(page[12:16], "big") * 512 == 4 * MIB
    assert int.from_bytes(page[28:32], "big") * 512 == 4 * MIB


def test_a_snapshot_is_read_only(daemon: Daemon, cluster: Cluster, unit: Unit) -> None:
    """What is written later isn't in it, and it takes nothing."""
    old, later = b"old".ljust(512, b"."), b"later".ljust(512, b".")
    with unit.login() as session:
        write(session, 0, old)
        cluster.rbd("snap", "create", f"{unit.path}@then")
        write(session, 0, later)
    done = daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "2", "--bstype", "rbd", "-b",
                      f"{unit.path}@then", "--bsopts", f"conf={cluster.conf}")
    assert done.returncode == 0, done.stderr
    with Unit(daemon.host, daemon.port, IQN, 2).login() as session:
        assert session.execute(scsi.read10(0, 1), read=512).data == old
        result = session.execute(scsi.write10(0, 1), data_out=later)
        assert result.sense is not None and result.sense.key == Key.DATA_PROTECT


def test_a_resize_is_noticed(cluster: Cluster, unit: Unit) -> None:
    """CAPACITY DATA HAS CHANGED (SBC-4 5.20), bigger and smaller, and READ CAPACITY tells the new size."""
    with unit.login() as session:
        for size, more in ((96 * MIB, []), (32 * MIB, ["--allow-shrink"])):
            cluster.rbd("resize", "--size", f"{size}B", "--no-progress", *more, str(unit.path))

            def is_told() -> bool:
                sense = session.execute(scsi.test_unit_ready()).sense
                return sense is not None and (sense.key, sense.asc) == (Key.UNIT_ATTENTION, 0x2A09)
            wait_for(is_told, "no unit attention")
            assert capacity(session, 1) == (size // 512, 512)
        beyond = session.execute(scsi.read10(40 * MIB // 512, 1), read=512).sense
        assert beyond is not None and (beyond.key, beyond.asc) == (Key.ILLEGAL_REQUEST, 0x2100)


def test_units_of_a_cluster_share_a_connection(daemon: Daemon, cluster: Cluster) -> None:
    """The daemon has as many threads with ten images as with two, or nearly."""
    def threads() -> int:
        assert daemon.process is not None
        return len(list(Path(f"/proc/{daemon.process.pid}/task").iterdir()))

    counts = []
    for number in range(1, 11):
        image = cluster.image(f"shared{number}", MIB)
        daemon.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", str(number), "--bstype", "rbd", "-b", image,
                  "--bsopts", f"conf={cluster.conf}")
        counts.append(threads())
    assert counts[-1] - counts[1] < 10


def test_an_osd_that_pauses(cluster: Cluster, unit: Unit) -> None:
    """Commands wait for it, and end well when it goes on."""
    with unit.login() as session:
        write(session, 0, b"before".ljust(512, b"."))
        cluster.pause()
        try:
            task = session.start(scsi.read10(0, 1), read=512)
            time.sleep(2.0)
        finally:
            cluster.resume()
        assert session.wait(task).data[:6] == b"before"


def test_an_osd_that_hangs(daemon: Daemon, cluster: Cluster) -> None:
    """Beyond the timeout the command ends with a sense that isn't GOOD, and the log says why."""
    image = cluster.image("hangs_for_long", 8 * MIB)
    done = new(daemon, image, f"conf={cluster.conf};timeout=2")
    assert done.returncode == 0, done.stderr
    with Unit(daemon.host, daemon.port, IQN).login() as session:
        write(session, 0, bytes(512))
        cluster.pause()
        try:
            begin = time.monotonic()
            result = session.execute(scsi.read10(0, 1), read=512)
            assert result.sense is not None and time.monotonic() - begin < WAIT
            assert "rbd/hangs_for_long" in daemon.log() and "timed out" in daemon.log().lower()
        finally:
            cluster.resume()
        wait_for(lambda: session.execute(scsi.read10(0, 1), read=512).good, "it doesn't come back")
