# SPDX-License-Identifier: MIT
"""Installed trees, and a daemon that runs in one."""
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", SOURCE / "build"))
TARGET = "iqn.2026-01.org.example:packaging"
PR_SET_PDEATHSIG = 1


def output(*command, **options):
    """What a command prints on its standard output; it must succeed."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def stores():
    return sorted(p.parent.name for p in (SOURCE / "backing-store").glob("*/CMakeLists.txt"))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Daemon:
    """tgtd of a tree, in the foreground, with the tree's own module folder."""

    def __init__(self, tree, work, *options):
        self.tree, self.work, self.port = Path(tree), Path(work), free_port()
        self.options = options
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "TGT_IPC_SOCKET": str(self.work / "socket")}
        self.log = self.work / "log"
        self.process = None

    @property
    def modules(self):
        return next((self.tree / "usr/lib").glob("*/tgtd/backing-store"))

    def __enter__(self):
        command = [self.tree / "usr/sbin/tgtd", "-f", "--backing-store-dir", self.modules,
                   "--state-dir", self.work, "--iscsi", f"portal=127.0.0.1:{self.port}", *self.options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(word) for word in command], env=self.environment, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20
        while self.run("--op", "show", "--mode", "system").returncode != 0:
            assert self.process.poll() is None, f"tgtd ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"tgtd doesn't answer: {self.log.read_text()}"
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert status == 0, f"tgtd ended with {status}: {self.log.read_text()}"

    def run(self, *arguments):
        return subprocess.run([self.tree / "usr/sbin/tgtadm", "--lld", "iscsi", *arguments], env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, check=False)

    def admin(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def listed(self):
        """The modules that are loaded, by name."""
        shown = json.loads(self.admin("--op", "show", "--mode", "backingstore", "--json"))
        return {module["name"]: module for module in shown["modules"]}

    def make_lun(self, bstype, *arguments):
        """A target that everybody may use, with one LUN; its URL."""
        self.admin("--op", "new", "--mode", "target", "--tid", "1", "--targetname", TARGET)
        self.admin("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype", bstype, *arguments)
        self.admin("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
        return f"iscsi://127.0.0.1:{self.port}/{TARGET}/1"
