# SPDX-License-Identifier: MIT
"""Disks on XFS: writes of which it does some without waiting, and what happens while it is frozen for a snapshot."""
import json
import subprocess
import time

import pytest
from conftest import LOAD
from daemons import Tgtd

XFS_BYTES = 400 << 20  # mkfs.xfs makes none below 300 MiB
RANGE = 16 << 20
WRITES = 6000
FROZEN = 6  # seconds
STORES = ("rdwr", "uring")


@pytest.fixture
def daemon(tmp_path):
    """A disk on XFS for each store, and LUN 9 on null.  It is mounted in a namespace of the daemon's own, and so goes with
    it, however that ends."""
    image, folder = tmp_path / "xfs.img", tmp_path / "xfs"
    folder.mkdir()
    with open(image, "wb") as f:
        f.truncate(XFS_BYTES)
    subprocess.run(["mkfs.xfs", "-q", image], check=True, timeout=60)
    script = f'mount -o loop "{image}" "{folder}" && cd "{folder}" && truncate -s {RANGE} {" ".join(STORES)} && cd / && exec "$@"'
    daemon = Tgtd("--threads", "1", wrapper=["unshare", "--mount", "sh", "-c", script, "sh"])
    daemon.start()
    daemon.name = daemon.target()
    daemon.folder_on_xfs = folder
    for lun, store in enumerate(STORES, 1):
        daemon.unit(folder / store, "--bstype", store, lun=lun)
    daemon.unit(image, "--bstype", "null", lun=9)
    yield daemon
    problems = daemon.stop()
    daemon.clean()
    assert not problems


def command(daemon, lun, *options):
    return [str(word) for word in (LOAD, "--url", f"iscsi://127.0.0.1:{daemon.port}/{daemon.name}/{lun}", "--initiator",
                                   f"iqn.2026-01.org.tgt:lun{lun}", *options)]


def load(daemon, lun, *options):
    done = subprocess.run(command(daemon, lun, *options), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[1])


@pytest.mark.parametrize("store", STORES)
def test_what_was_written_is_read(daemon, store):
    lun = STORES.index(store) + 1
    found = load(daemon, lun, "--verify", "--mix", 40, "--depth", 32, "--count", 4 * WRITES)
    assert found["ios"] == 4 * WRITES and found["verify_errors"] == 0
    assert load(daemon, lun, "--verify", "--op", "read", "--depth", 32, "--count", WRITES)["verify_errors"] == 0


@pytest.mark.parametrize("store", STORES)
def test_a_frozen_file_system_keeps_only_its_own_waiting(daemon, store):
    """Writes wait until it is thawed, and not on the event loop, whose other units go on."""
    folder, pid = daemon.folder_on_xfs, str(daemon.process.pid)
    script = f'fsfreeze -f "{folder}" && echo frozen; sleep {FROZEN}; fsfreeze -u "{folder}"'
    # not killed with the test: nobody who waits for a frozen file system can be ended
    with subprocess.Popen(["nsenter", "--mount", "--target", pid, "sh", "-c", script], stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as freezer:
        assert freezer.stdout.readline() == "frozen\n"
        begin = time.monotonic()
        with subprocess.Popen(command(daemon, STORES.index(store) + 1, "--op", "write", "--depth", 32, "--count", 64),
                              stdout=subprocess.PIPE, text=True) as writer:
            time.sleep(0.5)
            assert load(daemon, 9, "--count", 1000)["ios"] == 1000
            beside = time.monotonic() - begin
            assert writer.poll() is None, "nothing was frozen"
            assert freezer.wait(60) == 0
            assert writer.wait(60) == 0
            found = json.loads(writer.stdout.read().splitlines()[1])
    assert beside < FROZEN - 1, f"others waited for {beside:.1f} s"
    assert found["ios"] == 64 and found["errors"] == 0 and found["max_us"] > 1e6
