# SPDX-License-Identifier: MIT
"""Processes that don't outlive the test, and ports that nobody else has."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For preexec_fn: the kernel kills the child when the thread that made it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago; whoever binds it must be ready to try another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def run(command: Sequence[str], *, timeout: float = 60.0, env: Mapping[str, str] | None = None,
        cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a tool to its end and returns its output; bytes that aren't UTF-8 are replaced."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, env=env, cwd=cwd,
                          encoding="utf-8", errors="replace", check=False)


def freeze(process: subprocess.Popen[bytes]) -> None:
    """SIGSTOP, and no thread of this child runs any more; SIGCONT lets it go on."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
