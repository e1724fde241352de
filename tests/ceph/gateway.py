# SPDX-License-Identifier: MIT
"""A daemon with units on images of a cluster, for the tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ceph_cluster import Cluster
from harness.daemon import Daemon
from harness.units import Unit
from iscsi import scsi
from iscsi.session import Session

BUILD = Path(os.environ.get("TGT_BUILD_DIR", Path(__file__).resolve().parents[2] / "build"))
IQN = "iqn.2026-01.org.example:rbd"
MIB = 1 << 20
WAIT = 30.0


def start(*options: str) -> Daemon:
    """With a target that has no unit yet."""
    daemon = Daemon(str(BUILD / "tgtd"), str(BUILD / "tgtadm"), store_dir=str(BUILD / "backing-store"),
                    options=options).start()
    daemon.do("--op", "new", "--mode", "target", "--tid", "1", "--targetname", IQN)
    daemon.do("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
    return daemon


def stop(daemon: Daemon) -> None:
    """It must end well."""
    problems, log = daemon.stop(), daemon.log()
    daemon.clean()
    assert not problems, "\n".join([*problems, log])


def new(daemon: Daemon, path: str, options: str, lun: int = 1, *more: str) -> subprocess.CompletedProcess[str]:
    return daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun), "--bstype", "rbd",
                      "-b", path, "--bsopts", options, *more)


def refused(daemon: Daemon, path: str, options: str) -> str:
    """Why: the same in tgtadm's second line, in its JSON and in the daemon's log."""
    before = len(daemon.log())
    done = new(daemon, path, options, 1, "--json")
    reason = str(json.loads(done.stdout)["detail"])
    assert (done.returncode, done.stderr) == (22, f"tgtadm: invalid request\ntgtadm: {reason}\n")
    assert f"management: new logicalunit: invalid request: {reason}\n" in daemon.log()[before:]
    return reason


def make(daemon: Daemon, cluster: Cluster, name: str, size: int, *, options: str = "", lun: int = 1) -> Unit:
    """A unit on an image of its own."""
    return attach(daemon, cluster, cluster.image(name, size), options=options, lun=lun)


def attach(daemon: Daemon, cluster: Cluster, image: str, *, options: str = "", lun: int = 1) -> Unit:
    done = new(daemon, image, f"conf={cluster.conf};{options}".rstrip(";"), lun)
    assert done.returncode == 0, done.stderr
    return Unit(daemon.host, daemon.port, IQN, lun, tid=1, path=Path(image))


def delete(daemon: Daemon, lun: int = 1) -> None:
    daemon.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun))


def write(session: Session, lba: int, data: bytes) -> None:
    result = session.execute(scsi.write10(lba, len(data) // 512), data_out=data, timeout=WAIT)
    assert result.good, str(result)


def wait_for(true: Callable[[], bool], what: str, seconds: float = WAIT) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
