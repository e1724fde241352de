# SPDX-License-Identifier: MIT
"""One session that moves much doesn't keep an event loop from the others."""
import subprocess

import pytest
from conftest import BUILD, LOAD
from daemons import Tgtd

SIZE = 256 << 20
SECONDS = 1
BIG = ("--depth", 256, "--size", 1 << 20, "--sequential")
SMALL = ("--depth", 1, "--op", "read")
# Where they have a CPU each for the loads and for the target, a third is left; where these share two CPUs with other tests,
# a fifteenth.  Without turns it was a fiftieth to a five hundredth, as all 1 MiB reads of a window came first.
LEFT = 40


@pytest.fixture
def daemon(tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(b"\x5a" * SIZE)
    daemon = Tgtd("--threads", "1")
    daemon.start()
    daemon.name = daemon.target()
    daemon.unit(image, "--bstype", "null", lun=1)
    daemon.unit(image, "--bstype", "rdwr", lun=2)
    yield daemon
    problems = daemon.stop()
    daemon.clean()
    assert not problems


def command(daemon, lun, initiator, *options):
    return [str(word) for word in (LOAD, "--url", f"iscsi://127.0.0.1:{daemon.port}/{daemon.name}/{lun}", "--initiator",
                                   f"iqn.2026-01.org.tgt:{initiator}", *options)]


def small(daemon, lun):
    """Commands of one after the other in a second."""
    done = subprocess.run(command(daemon, lun, "small", *SMALL, "--seconds", SECONDS), capture_output=True, text=True,
                          timeout=60, check=True)
    return int(done.stdout.splitlines()[1].split('"ios": ')[1].split(",")[0])


@pytest.mark.parametrize("op", ["read", "write"])
@pytest.mark.parametrize("lun", [1, 2], ids=["null", "rdwr"])
def test_small_reads_beside_large_io(daemon, lun, op):
    alone = small(daemon, lun)
    with subprocess.Popen(command(daemon, lun, "big", *BIG, "--op", op, "--seconds", 60), stdout=subprocess.PIPE,
                          text=True) as big:
        try:
            assert big.stdout.readline() == "go\n"
            beside = small(daemon, lun)
            assert big.poll() is None, "the other session has ended"
        finally:
            big.kill()
    assert beside * LEFT > alone, f"{beside} commands a second beside it, {alone} alone"
