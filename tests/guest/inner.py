# SPDX-License-Identifier: MIT
"""A daemon that runs in a guest, beside the devices or the disk that it serves, and is reached from the host."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from guest import Guest, GuestError, Process, Result
from harness.daemon import DaemonError, reports_in
from harness.units import Unit
from places import BUILD

PORT = 3260  # the guest's, which it must forward
TARGET = "iqn.2026-01.org.example:inner"
STORES, PID = "/run/tgt-stores", "/run/tgtd.pid"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
ADM = [str(BUILD / "tgtadm"), "-C", "1", "--lld", "iscsi"]

# The modules are copied, since the daemon, who is root there, loads only what is root's.
BEFORE = f"""
mkdir -p {STORES} $1
shift
cp "$@" {STORES}
chmod 755 {STORES} {STORES}/*
"""
AFTER = f"""
until {shlex.join(ADM)} --op show --mode system >/dev/null 2>&1; do
	kill -0 $(cat {PID})
	sleep 0.1
done
{shlex.join(ADM)} --op new --mode target --tid 1 --targetname {TARGET}
{shlex.join(ADM)} --op bind --mode target --tid 1 --initiator-address ALL
"""


class InnerDaemon:
    """tgtd in a guest, with one target that everybody may log in to.

    state: the folder of its durable state.  modules: files of stores beside those of the build.
    preload: a library that goes before the C library.
    """

    def __init__(self, guest: Guest, *, state: str = "/run/tgt-state", modules: Sequence[Path] = (),
                 preload: Path | None = None) -> None:
        self.guest, self.state, self.preload = guest, state, preload
        self.modules = [*sorted((BUILD / "backing-store").glob("*.so")), *modules]
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
        self._script(BEFORE, self.state, *map(str, self.modules)).check()
        command = [str(BUILD / "tgtd"), "-f", "-C", "1", "--iscsi", f"portal=0.0.0.0:{PORT}",
                   "--backing-store-dir", STORES, "--state-dir", self.state]
        env = {"LD_PRELOAD": str(self.preload)} if self.preload is not None else {}
        self.process = self.guest.spawn(["sh", "-c", f'echo $$ >{PID}; exec "$@"', "sh", *command], env=env)
        ready = self._script(f"until [ -s {PID} ]; do sleep 0.01; done\n{AFTER}")
        if ready.returncode != 0:
            raise GuestError(f"tgtd doesn't start in the guest:\n{ready.output}\n{self.log()}")
        return self

    def _script(self, lines: str, *arguments: str) -> Result:
        return self.guest.run(["bash", "-ec", lines, "bash", *arguments], timeout=START_SECONDS)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> list[str]:
        """Ends it by SIGTERM, and says what was wrong with it."""
        process, self.process = self.process, None
        if process is None:
            return []
        self.guest.shell(f"kill $(cat {PID}); rm {PID}", check=False)
        code = process.wait(STOP_SECONDS).returncode
        log = process.stderr.decode(errors="replace")
        return ([f"tgtd ended with {code}"] if code else []) + reports_in(log)

    def log(self) -> str:
        return self.process.stderr.decode(errors="replace") if self.process is not None else ""

    # -- management

    def adm(self, *arguments: str) -> Result:
        """tgtadm with these arguments, whatever comes of it."""
        return self.guest.run([*ADM, *arguments])

    def do(self, *arguments: str) -> str:
        """tgtadm, which must succeed; returns what it printed."""
        done = self.adm(*arguments)
        if done.returncode != 0:
            raise DaemonError(f"tgtadm {' '.join(arguments)}: exit {done.returncode}: {done.output.strip()}")
        return done.stdout.decode()

    def add(self, lun: int, module: str, path: str, *, options: str = "", flags: str = "",
            block_size: int = 512, thin: bool = False) -> Unit:
        """Makes a unit (options: its bsopts, flags: its bsoflags), and says where the host finds it."""
        more = [*(["--bsopts", options] if options else []), *(["--bsoflags", flags] if flags else [])]
        self.do("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun), "--bstype", module,
                "--backing-store", path, *more)
        if thin:
            self.do("--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun),
                    "--params", "thin_provisioning=1")
        return Unit("127.0.0.1", self.guest.port(PORT), TARGET, lun, block_size, tid=1)

    def remove(self, lun: int) -> None:
        self.do("--op", "delete", "--mode", "logicalunit", "--tid", "1", "--lun", str(lun))
