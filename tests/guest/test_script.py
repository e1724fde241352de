# SPDX-License-Identifier: MIT
"""ci/guest: one command, or a shell on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from places import SOURCE

SCRIPT = str(SOURCE / "ci/guest")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd,
                          timeout=200, check=False)


def test_a_command_gives_its_output_and_status(tmp_path: Path) -> None:
    done = run("--module", "loop", "--forward", "3260", "--", "sh", "-c",
               'pwd; echo err >&2; test -d /sys/module/loop && echo "$TGT_SHARE"; exit 5', cwd=tmp_path)
    folder, share = done.stdout.splitlines()
    assert folder == str(tmp_path) and share.endswith("/share")
    assert "err" in done.stderr and "is the guest's port 3260" in done.stderr
    assert done.returncode == 5
    assert not Path(share).exists()


def test_a_shell_needs_a_terminal(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 2 and "needs a terminal" in done.stderr


def read_until(terminal: int, text: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + 150
    while text not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1 << 16)
    return seen


def test_a_shell_on_a_terminal() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(SCRIPT, [SCRIPT])
    read_until(terminal, b"guest:")
    os.write(terminal, b"tty; sleep 98765\r")
    read_until(terminal, b"/dev/hvc0")
    os.write(terminal, b"\x03")  # ends the sleep, not the guest
    read_until(terminal, b"guest:")
    os.write(terminal, b"exit 3\r")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    os.close(terminal)
