# SPDX-License-Identifier: MIT
"""The Ceph fixture: it is up in seconds, does what images need, can be made to hang and to die, and outlives nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ceph_cluster import CephError, Cluster
from ceph_cluster.tools import tools

START_LIMIT = 15.0
OWNER = """
import time
from ceph_cluster import Cluster
cluster = Cluster().start()
print(cluster.folder, *cluster.pids, flush=True)
time.sleep(600)
"""


def begin(*words: str, cluster: Cluster) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*words, "-c", str(cluster.conf)], env=tools().env, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def test_it_is_up_in_seconds(cluster: Cluster, record_property: Callable[[str, object], None]) -> None:
    record_property("start seconds", round(cluster.start_seconds, 1))
    print(f"up in {cluster.start_seconds:.1f} s")
    assert cluster.start_seconds < START_LIMIT and cluster.alive()


def test_an_image_keeps_what_is_written(cluster: Cluster, tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    (tmp_path / "data").write_bytes(data)
    image = cluster.image("kept", 8 << 20)
    cluster.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "64K", image)
    cluster.rbd("import", str(tmp_path / "data"), "rbd/imported")
    cluster.rbd("export", "rbd/imported", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == data
    assert "size 8 MiB" in cluster.rbd("info", image)


def test_blobs_are_changed_by_compare_and_swap(cluster: Cluster) -> None:
    """What state beside an image needs: omaps, and watches."""
    cluster.rados("-p", "rbd", "create", "blob")
    cluster.rados("-p", "rbd", "setomapval", "blob", "key", "value")
    assert "value" in cluster.rados("-p", "rbd", "getomapval", "blob", "key")


def test_who_has_no_key_is_refused(tmp_path: Path) -> None:
    """cephx: the user of images gets in with its key only."""
    with Cluster(auth="cephx") as cluster:
        cluster.image("secret", 1 << 20)
        as_user = ["rbd", "-c", str(cluster.conf), "--id", "rbd", "ls"]
        known = subprocess.run([*as_user, "--keyring", str(cluster.user_keyring)], env=tools().env, capture_output=True,
                               check=False)
        assert known.returncode == 0 and known.stdout == b"secret\n"
        (tmp_path / "wrong").write_text("[client.rbd]\n\tkey = AQBFCA5nAAAAABAA8xMOpJNg2yUtOgkxwSXWLA==\n")
        unknown = subprocess.run([*as_user, "--keyring", str(tmp_path / "wrong")], env=tools().env, capture_output=True,
                                 timeout=60, check=False)
        assert unknown.returncode != 0 and b"secret" not in unknown.stdout


def test_a_paused_osd_answers_when_it_goes_on(cluster: Cluster) -> None:
    cluster.image("hangs", 1 << 20)
    cluster.pause()
    try:
        writing = begin("rbd", "bench", "--io-type", "write", "--io-total", "4K", "rbd/hangs", cluster=cluster)
        time.sleep(2.0)
        assert writing.poll() is None, "the OSD answers"
    finally:
        cluster.resume()
    output, _ = writing.communicate(timeout=60)
    assert writing.returncode == 0, output


def test_a_killed_osd_comes_back_with_its_data(tmp_path: Path) -> None:
    """With bluestore."""
    (tmp_path / "data").write_bytes(b"kept" * 1000)
    with Cluster(store="bluestore") as cluster:
        cluster.rbd("import", str(tmp_path / "data"), "rbd/kept")
        cluster.kill_osd()
        assert not cluster.alive()
        cluster.start_osd()
        cluster.rbd("export", "rbd/kept", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == b"kept" * 1000


def test_two_clusters_know_nothing_of_each_other(cluster: Cluster) -> None:
    with Cluster() as other:
        other.image("here", 1 << 20)
        assert other.folder != cluster.folder and "here" not in cluster.rbd("ls", "rbd")


def test_it_dies_with_its_owner() -> None:
    """Whatever happens to that."""
    paths = os.pathsep.join(sys.path)
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": paths}) as owner:
        assert owner.stdout is not None
        folder, *pids = owner.stdout.readline().split()
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20.0
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < deadline, "it goes on without its owner"
        time.sleep(0.05)
    subprocess.run(["rm", "-r", folder], check=True)


def test_what_is_wrong_is_said(cluster: Cluster) -> None:
    with pytest.raises(CephError, match="rbd/none"):
        cluster.rbd("info", "rbd/none")
