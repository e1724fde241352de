# SPDX-License-Identifier: MIT
"""What the benchmarks measure: daemons of their own, pinned to a CPU, or any target by its URL."""
from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TARGET = "iqn.2026-01.org.tgt:bench"
GIB = 1 << 30
CPUS = sorted(os.sched_getaffinity(0))
TARGET_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
IDLE_SESSIONS = 100
MANY_LUNS = 100
SYSCALLS = "raw_syscalls:sys_enter"
MIN_COUNT = 5000  # I/Os while system calls are counted, so that those of a login don't matter


class Unable(SystemExit):
    """A measurement that this target doesn't do."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent(cpu: int | None):
    """For preexec_fn; None: on any CPU."""
    def setup() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
    return setup


def first_on(cpu: int):
    """The same for a load whose latency is measured while another one runs on its CPU: that must not be in it."""
    def setup() -> None:
        die_with_parent(cpu)()
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            os.nice(-20 if os.geteuid() == 0 else 0)
    return setup


def process_cpu_seconds(pid: int) -> float:
    """Of the CPU, that all its threads have had, also those that have ended: the kernel's own for io_uring come and
    go (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Daemon:
    """One target daemon, pinned to a CPU unless that is None, with one LUN for each store."""

    def __init__(self, label: str, tgtd: list[str], tgtadm: str, work: Path, env: dict[str, str],
                 cpu: int | None = TARGET_CPU):
        self.label, self.tgtadm = label, tgtadm
        self.port = free_port()
        self.control = str(self.port % 30000)  # stgt takes 15 bits; the socket is in our own folder
        self.dir = Path(tempfile.mkdtemp(dir=work))
        self.env = {**os.environ, **env, "TGT_IPC_SOCKET": str(self.dir / "socket")}
        self.log = open(self.dir / "log", "w")
        self.process = subprocess.Popen(
            [*tgtd, "-f", "-C", self.control, "--iscsi", f"portal=127.0.0.1:{self.port}"],
            env=self.env, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent(cpu))
        self.wait_ready()
        self.luns: dict[str, int] = {}
        self.adm("--op", "new", "--mode", "target", "--tid", "1", "--targetname", TARGET)
        self.adm("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")

    def adm(self, *args: str, check: bool = True) -> subprocess.CompletedProcess:
        return subprocess.run([self.tgtadm, "-C", self.control, "--lld", "iscsi", *args], env=self.env,
                              check=check, capture_output=True, text=True)

    def wait_ready(self) -> None:
        for _ in range(200):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.label} did not start: " + (self.dir / "log").read_text())
            if self.adm("--op", "show", "--mode", "system", check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.label} does not answer")

    def new_lun(self, number: int, store: str, image: Path | str, *options: str) -> None:
        """store: its name, and its bsoflags, if any."""
        name, *flags = store.split()
        result = self.adm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", str(number), "--bstype", name,
                          "-b", str(image), *(["--bsoflags", *flags] if flags else []), *options, check=False)
        if result.returncode:
            raise SystemExit(f"{self.label}: no LUN on {store}: {result.stderr}")

    def lun(self, store: str, image: Path | str, *options: str) -> int:
        if store not in self.luns:
            number = len(self.luns) + 1
            self.new_lun(number, store, image, *options)
            self.luns[store] = number
        return self.luns[store]

    def words(self, lun: int) -> list[str]:
        return ["--portal", f"127.0.0.1:{self.port}", "--target", TARGET, "--lun", str(lun), "--range", str(GIB)]

    def cpu_seconds(self) -> float | None:
        return process_cpu_seconds(self.process.pid)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def tgtd(build: Path, work: Path, *options: str, cpu: int | None = TARGET_CPU, under: Sequence[str] = ()) -> Daemon:
    """Ours, with one event loop, or as the options say: several aren't pinned.  Under another program, if that is given."""
    cpu = None if "--threads" in options else cpu
    state = tempfile.mkdtemp(dir=work)
    return Daemon("tgt", [*under, str(build / "tgtd"), "--threads", "1", "--backing-store-dir", str(build / "backing-store"),
                          "--state-dir", state, *options], str(build / "tgtadm"), work, {}, cpu)


class Remote:
    """A target that runs anywhere, with one LUN."""

    def __init__(self, url: str):
        self.label = self.url = url

    def lun(self, _store: str, _image: Path | str | None) -> int:
        return 0

    def words(self, _lun: int) -> list[str]:
        return ["--url", self.url]

    def cpu_seconds(self) -> float | None:
        return None

    def stop(self) -> None:
        pass


def measure(target: Daemon | Remote, load: str, lun: int, options: Sequence[str], seconds: float,
            load_cpu: int | None = LOAD_CPU) -> dict:
    command = [load, *target.words(lun), "--seconds", str(seconds), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=die_with_parent(load_cpu)) as process:
        assert process.stdout is not None and process.stderr is not None
        if process.stdout.readline() != "go\n":
            raise Unable(f"{target.label}: the load did not start: {process.stderr.read().strip()}")
        before = target.cpu_seconds()
        line = process.stdout.readline()
        after = target.cpu_seconds()
        said = process.stderr.read().strip()
    if not line:
        raise Unable(f"{target.label}: {said}")
    result = json.loads(line)
    if process.returncode or result["errors"]:
        raise Unable(f"{target.label}: {result['errors']} commands failed {said}")
    result["iops"] = result["ios"] / result["seconds"]
    if before is not None and after is not None:
        result["cpu_us"] = (after - before) * 1e6 / result["ios"]
        result["iops_per_cpu_second"] = result["ios"] / (after - before)
    return result


def fio(image: Path, options: Sequence[str], seconds: float) -> dict:
    """What fio gets from the file itself, past the page cache, with the load's depth."""
    named = dict(zip(options[::2], options[1::2]))
    done = subprocess.run(
        ["fio", "--name=file", f"--filename={image}", "--direct=1", "--ioengine=io_uring", f"--rw=rand{named['--op']}",
         "--bs=4k", f"--iodepth={named['--depth']}", "--time_based", f"--runtime={seconds * 1000:.0f}ms", "--output-format=json"],
        capture_output=True, text=True, check=False, preexec_fn=die_with_parent(TARGET_CPU))
    if done.returncode:
        raise Unable(f"fio: {done.stderr.strip()}")
    job = json.loads(done.stdout)["jobs"][0]
    found, cpu = job[named["--op"]], (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] / 1000
    times = found["clat_ns"]["percentile"]
    return {"iops": found["iops"], "mb_per_second": found["bw_bytes"] / 1e6, "cpu_us": cpu * 1e6 / found["total_ios"],
            "p50_us": times["50.000000"] / 1000, "p99_us": times["99.000000"] / 1000, "p999_us": times["99.900000"] / 1000,
            "iops_per_cpu_second": found["total_ios"] / cpu}


def perf_count(pid: int, command: Sequence[str], cpu: int | None) -> int | None:
    """System calls of a process and its threads while command runs; None where perf may not be used."""
    if not shutil.which("perf"):
        return None
    with tempfile.NamedTemporaryFile("r") as out:
        done = subprocess.run(["perf", "stat", "-x", ";", "-o", out.name, "-e", SYSCALLS, "-p", str(pid), "--", *command],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                              preexec_fn=die_with_parent(cpu))
        found = [line.split(";")[0] for line in out if SYSCALLS in line]
    return int(found[0]) if not done.returncode and found and found[0].isdigit() else None


def syscalls_per_io(daemon: Daemon, load: str, lun: int, options: Sequence[str], iops: float) -> float | None:
    """In half a second, which isn't measured otherwise: counting makes them slower."""
    count = max(int(iops / 2), MIN_COUNT)
    found = perf_count(daemon.process.pid, [load, *daemon.words(lun), "--count", str(count), *options], LOAD_CPU)
    return None if found is None else found / count


def idle_sessions(daemon: Daemon, load: str, image: Path, seconds: float) -> dict:
    """What sessions cost that do nothing, of a daemon that has done nothing yet."""
    pid = daemon.process.pid
    lun = daemon.lun("null", image)
    start = resident(pid)
    command = [load, *daemon.words(lun), "--op", "idle", "--sessions", str(IDLE_SESSIONS), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent(LOAD_CPU)) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "go\n":
            raise Unable(f"{daemon.label}: {IDLE_SESSIONS} sessions can't log in")
        with_sessions = resident(pid)
        before, began = process_cpu_seconds(pid), time.monotonic()
        process.stdout.readline()
        cpu = (process_cpu_seconds(pid) - before) / (time.monotonic() - began)
    return {"start_kib": start / 1024, "idle_cpu_percent": cpu * 100,
            "session_kib": (with_sessions - start) / 1024 / IDLE_SESSIONS}


def fairness(daemon: Daemon, load: str, image: Path, seconds: float) -> dict:
    """The latency of 4 KiB reads one after the other, alone and while another session has 256 of 1 MiB in flight."""
    words = daemon.words(daemon.lun("null", image))

    def small() -> float:
        done = subprocess.run([load, *words, "--depth", "1", "--seconds", str(seconds)], capture_output=True, text=True,
                              check=True, preexec_fn=first_on(LOAD_CPU))
        return json.loads(done.stdout.splitlines()[1])["p99_us"]

    found = {"alone_p99_us": small()}
    for op in ("read", "write"):
        big = [load, *words, "--initiator", "iqn.2026-01.org.tgt:big", "--op", op, "--depth", "256", "--size", "1048576",
               "--sequential", "--seconds", str(seconds + 60)]
        with subprocess.Popen(big, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=die_with_parent(LOAD_CPU)) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "go\n":
                raise Unable(f"{daemon.label}: the large load did not start")
            found[f"beside_{op}_p99_us"] = small()
            process.kill()
    return found


def many_luns(daemon: Daemon, image: Path) -> dict:
    daemon.new_lun(1, "null", image)
    start = resident(daemon.process.pid)
    for number in range(2, 2 + MANY_LUNS):
        daemon.new_lun(number, "null", image)
    return {"lun_kib": (resident(daemon.process.pid) - start) / 1024 / MANY_LUNS}
