# SPDX-License-Identifier: MIT
"""A target daemon of one's own: started on a free port in its own folder, and judged by how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .modules import Module
from .process import die_with_parent, free_port, run

CONTROL_PORT = "1"  # the socket lies in the daemon's own folder, so the number needn't differ
START_SECONDS = 30.0
STOP_SECONDS = 20.0

# What sanitizers and the C library print before they end a process, or instead of ending it, and what
# the daemon says of a store that breaks its contract.
_REPORTS = re.compile(r"(ERROR|WARNING): (Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:"
                      r"|Assertion .* failed|\*\*\* stack smashing|double free|corrupted size"
                      r"|completed a request .*twice")


class DaemonError(AssertionError):
    """The daemon did not do what it must."""


class Daemon:
    """tgtd with its tgtadm.  Also drives stgt's, which has the same command line."""

    def __init__(self, tgtd: str, tgtadm: str, *, store_dir: str | None = None, wrapper: Sequence[str] = (),
                 env: Mapping[str, str] | None = None, options: Sequence[str] = (),
                 host: str = "127.0.0.1") -> None:
        self.tgtd, self.tgtadm = tgtd, tgtadm
        self.store_dir = store_dir
        self.wrapper = list(wrapper)
        self.options = list(options)
        self.host = host
        self.port = 0
        self.folder = Path(tempfile.mkdtemp(prefix="tgt-"))
        self.log_path = self.folder / "tgtd.log"
        self.env = {**os.environ, **(env or {}), "TGT_IPC_SOCKET": str(self.folder / "socket")}
        self.process: subprocess.Popen[bytes] | None = None
        self._next_tid = 0

    # -- life

    @property
    def ours(self) -> bool:
        """Whether it is the project's daemon, not another with the same command line."""
        return self.store_dir is not None

    @property
    def portal(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def command(self) -> list[str]:
        out = [*self.wrapper, self.tgtd, "-f", "-C", CONTROL_PORT, "--iscsi", f"portal={self.portal}"]
        if self.store_dir is not None:
            out += ["--backing-store-dir", self.store_dir, "--state-dir", str(self.folder / "state")]
        return out + self.options

    def start(self, port: int = 0) -> "Daemon":
        """Starts it and waits until it answers: on this port, for those who know it from an earlier run, or on a
        free one; another if somebody took that."""
        (self.folder / "state").mkdir(exist_ok=True)
        for _ in range(5):
            self.port = port or free_port(self.host)
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=self.env, preexec_fn=die_with_parent)
            if self._wait_until_ready():
                return self
            if "in use" not in self.log():
                break
        raise DaemonError(f"tgtd doesn't start:\n{self.log()}")

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            if self.adm("--op", "show", "--mode", "system").returncode == 0:
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> list[str]:
        """Ends it by SIGTERM and returns what was wrong with it, from start to end."""
        problems = []
        if not self.ours:
            self.kill()  # how others end is not what we judge
        elif self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self.kill()
                    problems.append(f"tgtd still ran {STOP_SECONDS:.0f} s after SIGTERM")
            code = self.process.returncode
            if code != 0 and not problems:
                problems.append(f"tgtd ended with {describe_exit(code)}")
            problems += self.reports()
        self.process = None
        return problems

    def reports(self, offset: int = 0) -> list[str]:
        """Sanitizer reports and the like in the log from offset on, each with the lines that follow it."""
        return reports_in(self.log()[offset:])

    def log(self) -> str:
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def clean(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- management

    def adm(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """tgtadm with these arguments, whatever comes of it."""
        return run([self.tgtadm, "-C", CONTROL_PORT, "--lld", "iscsi", *arguments], timeout=timeout, env=self.env)

    def do(self, *arguments: str) -> str:
        """tgtadm, which must succeed; returns what it printed."""
        done = self.adm(*arguments)
        if done.returncode != 0:
            raise DaemonError(f"tgtadm {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def show(self, mode: str, *arguments: str) -> Any:
        """tgtadm --op show --mode MODE --json, parsed."""
        return json.loads(self.do("--op", "show", "--mode", mode, "--json", *arguments))

    def modules(self) -> tuple[list[Module], list[dict[str, str]]]:
        """The modules that it loaded, and the files that it could not load."""
        done = self.adm("--op", "show", "--mode", "backingstore", "--json")
        if done.returncode != 0:
            return self._modules_of_stgt(), []
        answer = json.loads(done.stdout)
        return [Module.from_json(row) for row in answer["modules"]], answer["failed"]

    def _modules_of_stgt(self) -> list[Module]:
        """stgt has no such mode; of its list, what serves disks from a file."""
        text = self.do("--op", "show", "--mode", "system").partition("Backing stores:")[2]
        names = [words[0] for line in text.splitlines() if (words := line.split())]
        return [Module(name, "block", ("write", "flush", "discard")) for name in ("rdwr", "aio", "null")
                if name in names]

    def new_tid(self) -> int:
        self._next_tid += 1
        return self._next_tid


def reports_in(log: str) -> list[str]:
    """The first of a daemon's lines that tell of a defect, each with the lines that follow it."""
    lines = log.splitlines()
    return ["\n".join(lines[i:i + 30]) for i, line in enumerate(lines) if _REPORTS.search(line)][:3]


def describe_exit(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
