# SPDX-License-Identifier: MIT
"""4,096 units in 1,024 targets: all are there, and neither their start nor showing them takes long.

Times are of the CPU, which a busy machine changes least, the bounds three times what they are on a quiet one.
"""
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from configs import store, target
from daemons import IQN, TGTADM, Tgtd, die_with_parent, read_answer

TARGETS, UNITS = 1024, 4
START_SECONDS = 3.0
SHOW_DAEMON_SECONDS, SHOW_TGTADM_SECONDS = 0.025, 0.045
UNIT_KIB = 16  # of memory, for each unit that is shown: those of the file, and LUN 0 of each target
SHOW = ["--lld", "iscsi", "--op", "show", "--mode", "target"]


def cpu_seconds(daemon):
    """Of all threads that it ever had: clock_getcpuclockid(3) makes the clock of its process from the number so."""
    return time.clock_gettime(~daemon.process.pid << 3 | 2)


def memory_kib(daemon):
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)[1])


def show_timed(daemon, path):
    """Shows all targets into a file; the seconds of CPU that tgtadm took."""
    with open(path, "wb") as out:
        process = subprocess.Popen([TGTADM, *SHOW], stdin=subprocess.DEVNULL, stdout=out, env=daemon.env,
                                   preexec_fn=die_with_parent)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The daemon, and what it was when it had started."""
    path = tmp_path_factory.mktemp("many") / "targets.conf"
    units = [store("/dev/null", f"lun {lun}", "bs-type null", "bsopts size=1M") for lun in range(1, UNITS + 1)]
    path.write_text("".join(target(*units, name=f"t{n}") for n in range(1, TARGETS + 1)))
    daemon = Tgtd("--config", str(path)).start()
    daemon.at_start = {"cpu": cpu_seconds(daemon), "memory": memory_kib(daemon)}
    yield daemon
    problems = daemon.stop()
    daemon.clean()
    assert not problems


def test_all_are_there(many):
    shown = many.adm(*SHOW).stdout
    targets = re.split(r"^Target (\d+): (.*)\n", shown, flags=re.M)
    assert targets[0] == "" and len(targets) == 1 + 3 * TARGETS
    ids = set()
    for n in range(1, TARGETS + 1):
        tid, name, text = targets[3 * n - 2:3 * n + 1]
        assert (tid, name) == (str(n), f"{IQN}t{n}")
        assert re.findall(r"^        LUN: (.*)$", text, re.M) == [str(lun) for lun in range(UNITS + 1)], name
        assert text.count("\n            Size: 1 MB, Block size: 512\n") == UNITS, name
        assert text.count("\n            Backing store path: /dev/null\n") == UNITS, name
        ids.update(re.findall(r"^            SCSI ID: (.*)$", text, re.M))
    assert len(ids) == TARGETS * (UNITS + 1)


def test_one_of_them(many):
    shown = many.show("target", "--tid", str(TARGETS))
    assert [t["name"] for t in shown["targets"]] == [f"{IQN}t{TARGETS}"]
    assert [unit["lun"] for unit in shown["targets"][0]["luns"]] == list(range(UNITS + 1))
    assert "MaxRecvDataSegmentLength=" in many.adm(*SHOW, "--tid", str(TARGETS)).stdout


def test_they_start_soon(many):
    assert many.at_start["cpu"] < START_SECONDS


def test_they_are_shown_soon(many, tmp_path):
    before = cpu_seconds(many)
    tgtadm = [show_timed(many, tmp_path / "shown") for _ in range(10)]
    daemon = (cpu_seconds(many) - before) / len(tgtadm)
    assert min(tgtadm) < SHOW_TGTADM_SECONDS, tgtadm
    assert daemon < SHOW_DAEMON_SECONDS


def test_they_take_little_memory(many, daemon):
    assert many.at_start["memory"] - memory_kib(daemon) < UNIT_KIB * TARGETS * (UNITS + 1)


def test_who_does_not_read_them_is_waited_for_by_nobody(many):
    """Nor is the answer lost, of which the socket takes only a part at once."""
    with many.connect() as peer:
        peer.sendall(b'{"op":"show","mode":"target"}\n')
        assert many.ask({"op": "show", "mode": "system"})["rc"] == 0
        assert len(read_answer(peer)["result"]["targets"]) == TARGETS
