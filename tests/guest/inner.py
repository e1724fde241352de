# SPDX-License-Identifier: MIT
"""A daemon that runs in a guest, beside the devices or the disk that it serves, and is reached from the host."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from guest import Guest, GuestError, Process, Result
from harness.daemon import DaemonError, reports_in
from harness.units import Unit
from places import BUILD

PORT = 3260  # the guest's, which it must forward
TARGET = "iqn.2026-01.org.example:inner"
START_SECONDS = 30.0
STOP_SECONDS = 30.0


class InnerDaemon:
    """tgtd in a guest, with one target that everybody may log in to."""

    def __init__(self, guest: Guest, *, state: str = "/run/tgt-state", store_dir: Path = BUILD / "backing-store",
                 options: Sequence[str] = ()) -> None:
        self.guest, self.state = guest, state
        self.command = [str(BUILD / "tgtd"), "-f", "-C", "1", "--iscsi", f"portal=0.0.0.0:{PORT}", "--backing-store-dir",
                        str(store_dir), "--state-dir", state, *options]
        self.process: Process | None = None

    def __enter__(self) -> "InnerDaemon":
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if not self.guest.alive():
            return
        problems = self.stop()
        assert kind is not None or not problems, "\n".join([*problems, self.log()[-4000:]])

    # -- life

    def start(self) -> "InnerDaemon":
        self.guest.run(["mkdir", "-p", self.state], check=True)
        self.process = self.guest.spawn(["sh", "-c", 'echo $$ >/run/tgtd.pid; exec "$@"', "sh", *self.command])
        deadline = time.monotonic() + START_SECONDS
        while self.adm("--op", "show", "--mode", "system").returncode != 0:
            if not self.alive() or time.monotonic() > deadline:
                raise GuestError(f"tgtd doesn't start in the guest:\n{self.log()}")
        self.do("--op", "new", "--mode", "target", "--tid", "1", "--targetname", TARGET)
        self.do("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
        return self

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> list[str]:
        """Ends it by SIGTERM, and says what was wrong with it."""
        process, self.process = self.process, None
        if process is None:
            return []
        self.guest.shell("kill $(cat /run/tgtd.pid)", check=False)
        code = process.wait(STOP_SECONDS).returncode
        log = process.stderr.decode(errors="replace")
        return ([f"tgtd ended with {code}"] if code else []) + reports_in(log)

    def log(self) -> str:
        return self.process.stderr.decode(errors="replace") if self.process is not None else ""

    # -- management

    def adm(self, *arguments: str) -> Result:
        """tgtadm with these arguments, whatever comes of it."""
        return self.guest.run([BUILD / "tgtadm", "-C", "1", "--lld", "iscsi", *arguments])

    def do(self, *arguments: str) -> str:
        """tgtadm, which must succeed; returns what it printed."""
        done = self.adm(*arguments)
        if done.returncode != 0:
            raise DaemonError(f"tgtadm {' '.join(arguments)}: exit {done.returncode}: {done.output.strip()}")
        return done.stdout.decode()

    def add(self, lun: int, module: str, path: str, *, options: str = "") -> Unit:
        """Makes a unit, and says where the host finds it."""
        bsopts = ["--bsopts", options] if options else []
        self.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun), "--bstype", module,
                "--backing-store", path, *bsopts)
        return Unit("127.0.0.1", self.guest.port(PORT), TARGET, lun, tid=1)

    def remove(self, lun: int) -> None:
        self.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun))
