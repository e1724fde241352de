# SPDX-License-Identifier: MIT
"""The daemon as the management tests use it: control port 0, tgtadm with exactly the options given."""
import json
import os
import socket
import subprocess
from pathlib import Path

from harness.daemon import Daemon
from harness.process import die_with_parent, free_port, run

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", SOURCE / "build"))
TGTD, TGTADM = str(BUILD / "tgtd"), str(BUILD / "tgtadm")
STORES = BUILD / "backing-store"
MODULES = BUILD / "tests/fixtures/modules"
IQN = "iqn.2026-01.org.example:"

__all__ = ["BUILD", "IQN", "MODULES", "STORES", "TGTADM", "TGTD", "Tgtd", "die_with_parent", "free_port", "run"]


class Tgtd(Daemon):
    def __init__(self, *options, store_dir=STORES, control_port=0, env=None, **arguments):
        super().__init__(TGTD, TGTADM, store_dir=str(store_dir), options=options, **arguments)
        self.control = ["-C", str(control_port)] if control_port else []
        self.env.update(env or {})

    @property
    def socket(self):
        return self.folder / "socket.0"

    def command(self):
        words = super().command()
        at = words.index("-C")
        return words[:at] + self.control + words[at + 2:]

    def adm(self, *arguments, timeout=60.0, **options):
        return run([TGTADM, *self.control, *arguments], timeout=timeout, env=self.env, **options)

    def target(self, tid=1, acl="ALL"):
        """A target that everybody may use; its name."""
        name = f"{IQN}t{tid}"
        self.do("--op", "new", "--mode", "target", "--tid", str(tid), "--targetname", name)
        if acl:
            self.do("--op", "bind", "--mode", "target", "--tid", str(tid), "--initiator-address", acl)
        return name

    def unit(self, path, *arguments, tid=1, lun=1):
        self.do("--op", "new", "--mode", "logicalunit", "--tid", str(tid), "--lun", str(lun), "-b", str(path),
                *arguments)

    def luns(self, tid=1):
        """LUN 1 and up of a target, by number, as JSON says them."""
        shown = self.show("target", "--tid", str(tid))["targets"][0]
        return {unit["lun"]: unit for unit in shown["luns"] if unit["lun"]}

    def connect(self):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(20)
        peer.connect(str(self.socket))
        return peer

    def ask(self, request):
        """One request (an object, or a line of text) on a connection of its own; the answer."""
        with self.connect() as peer:
            return exchange(peer, request)


def exchange(peer, request):
    line = request if isinstance(request, bytes) else json.dumps(request).encode()
    peer.sendall(line + b"\n")
    return read_answer(peer)


def read_answer(peer):
    """The next line from the daemon, as JSON; None when it closed the connection."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            piece = peer.recv(1 << 20)
        except ConnectionResetError:
            piece = b""
        if not piece:
            assert not data, f"the answer ends in the middle: {data!r}"
            return None
        data += piece
    return json.loads(data)


def tgtd(*arguments, env=None, timeout=30):
    """tgtd, expected to end by itself."""
    return subprocess.run([TGTD, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False, preexec_fn=die_with_parent, env={**os.environ, **(env or {})})
