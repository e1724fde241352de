# SPDX-License-Identifier: MIT
"""A machine on which librbd isn't installed, or no more: the daemon starts and says why there is no rbd."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
from pathlib import Path

from harness.daemon import Daemon

BUILD = Path(os.environ.get("TGT_BUILD_DIR", Path(__file__).resolve().parents[2] / "build"))
# In a mount namespace of its own the libraries' folder is overlaid, and the library removed from it.
HIDE = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$2"
rm "$2"/librbd.so*
shift 2
exec "$@"
"""


def folder_of(name: str) -> Path:
    """Where the loader finds a library."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = ctypes.util.find_library(name)
    assert found is not None
    return next(Path(line.split("=> ")[1]).parent for line in listed.splitlines() if f"{found} " in line)


def test_the_daemon_says_why(tmp_path: Path) -> None:
    libraries = folder_of("rbd")
    upper = tmp_path / "upper"
    upper.mkdir()
    wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE, "sh", str(upper), str(libraries)]
    daemon = Daemon(str(BUILD / "tgtd"), str(BUILD / "tgtadm"), store_dir=str(BUILD / "backing-store"), wrapper=wrapper)
    try:
        daemon.start()
        loaded, failed = daemon.modules()
        assert "rbd" not in [module.name for module in loaded] and "rdwr" in [module.name for module in loaded]
        reason, = [row["reason"] for row in failed if Path(row["file"]).name == "bs_rbd.so"]
        assert "librbd.so" in reason and "No such file" in reason
        assert any("bs_rbd.so" in line and "librbd.so" in line for line in daemon.log().splitlines())
        shown = daemon.adm("--op", "show", "--mode", "backingstore")
        assert "librbd.so" in shown.stdout + shown.stderr
        refused = daemon.adm("--op", "new", "--mode", "target", "--tid", "1", "--targetname", "iqn.2026-01.org.example:x")
        assert refused.returncode == 0
        assert daemon.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "rbd", "-b",
                          "rbd/image").returncode == 22
    finally:
        problems = daemon.stop()
        daemon.clean()
    assert not problems
