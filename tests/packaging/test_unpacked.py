# SPDX-License-Identifier: MIT
"""The packages as a user meets them: the core alone, then with a store's package."""
import re

import pytest

import trees


def test_core_alone_runs_without_any_store(unpack, tmp_path):
    with trees.Daemon(unpack("tgt"), tmp_path / "run") as daemon:
        assert daemon.listed() == {}
        refused = daemon.run("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", "null")
        assert refused.returncode != 0


@pytest.mark.parametrize("store", trees.stores())
def test_store_is_found_after_a_restart(unpack, tmp_path, store):
    tree = unpack("tgt")
    with trees.Daemon(tree, tmp_path / "run") as daemon:
        unpack(f"tgt-bs-{store}")
        assert daemon.listed() == {}
    with trees.Daemon(tree, tmp_path / "run") as daemon:
        assert list(daemon.listed()) == [store]
        page = next(tree.glob(f"usr/share/man/man7/tgt-bs-{store}.7")).read_text()
        written = re.findall(r"^\.BI (\S+)= ", page, re.M)
        assert [option["name"] for option in daemon.listed()[store]["options"]] == written


def test_unpacked_daemon_serves_data(unpack, tmp_path):
    tree = unpack("tgt")
    unpack("tgt-bs-rdwr")
    disk = tmp_path / "disk.img"
    disk.touch()
    with disk.open("r+b") as file:
        file.truncate(1 << 20)
    with trees.Daemon(tree, tmp_path / "run") as daemon:
        url = daemon.make_lun("rdwr", "--backing-store", str(disk))
        trees.output("qemu-io", "-f", "raw", "-c", "write -P 0x5a 64k 64k", "-c", "flush", url)
    data = disk.read_bytes()
    assert data[65536:131072] == b"\x5a" * 65536
    assert not data[:65536].strip(b"\0") and not data[131072:].strip(b"\0")


def test_installed_configuration(unpack, tmp_path):
    """It is right as it comes, asks for nothing, and its example is right too."""
    tree = unpack("tgt")
    unpack("tgt-bs-rdwr")
    conf = tree / "etc/tgt/targets.conf"
    with trees.Daemon(tree, tmp_path / "run", "--config", conf) as daemon:
        assert daemon.admin("--op", "show", "--mode", "target") == ""
        (tmp_path / "disk1.img").write_bytes(bytes(1 << 20))
        lines = conf.read_text().splitlines()
        text = "\n".join(line.removeprefix("# ") for line in lines[lines.index("# <target iqn.2026-01.org.example:disk1>"):])
        conf.write_text(text.replace("/srv", str(tmp_path)))
        trees.output(tree / "usr/sbin/tgt-admin", "--update", "ALL", env=daemon.environment)
        shown = daemon.admin("--op", "show", "--mode", "target")
        assert "iqn.2026-01.org.example:disk1" in shown and f"Backing store path: {tmp_path}/disk1.img" in shown
