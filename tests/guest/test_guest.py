# SPDX-License-Identifier: MIT
"""The guest fixture: it boots fast, runs commands, and neither outlives its owner nor hides what went wrong."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guest import CommandFailed, CommandTimeout, Guest, GuestDied, GuestError
from guest import kit as kits
from places import BUILD, PACKAGES

OWNER = """
import time
from guest import Guest
guest = Guest().start()
print(guest.pid, guest.folder, flush=True)
time.sleep(600)
"""
KIT_MAKER = "from guest.kit import kit; print(kit().folder)"
BOOT_LIMIT = 60.0  # on a busy machine; 4 to 5 s on an idle one


def test_it_boots_in_seconds(guest: Guest, record_property: Callable[[str, object], None]) -> None:
    record_property("boot seconds", round(guest.boot_seconds, 1))
    print(f"booted in {guest.boot_seconds:.1f} s")
    assert guest.boot_seconds < BOOT_LIMIT
    assert guest.output(["uname", "-r"]).strip() == kits.kit().release


def test_output_and_status_come_back(guest: Guest) -> None:
    result = guest.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.returncode, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert guest.run(["sh", "-c", "kill -TERM $$"]).returncode == 128 + signal.SIGTERM
    with pytest.raises(CommandFailed, match="exit 127"):
        guest.run(["no-such-command"], check=True)


def test_bytes_words_and_environment_arrive_as_they_are(guest: Guest) -> None:
    data = bytes(range(256)) * 300
    assert guest.run(["cat"], stdin=data).stdout == data
    words = ["a b", "'", '"$HOME"', "*", "", "\n", "é"]
    assert guest.run(["printf", r"%s\0", *words]).stdout.decode().split("\0")[:-1] == words
    assert guest.run(["sh", "-c", 'echo "$X" "$PWD"'], env={"X": "1 $2"}, cwd="/usr").stdout == b"1 $2 /usr\n"


def test_a_command_that_takes_too_long_is_ended_and_the_guest_lives_on(guest: Guest) -> None:
    with pytest.raises(CommandTimeout, match="begun"):
        guest.run(["sh", "-c", "echo begun; setsid sleep 98765 & sleep 98765"], timeout=1)
    assert "98765" not in guest.output(["busybox", "ps"])


def test_commands_run_side_by_side(guest: Guest) -> None:
    waiting = guest.spawn(["sh", "-c", "echo waits; while [ ! -e /run/go ]; do sleep 0.1; done"])
    assert waiting.poll() is None
    guest.run(["touch", "/run/go"], check=True)
    assert waiting.wait(30).stdout == b"waits\n"
    endless = guest.spawn(["sleep", "98765"])
    assert endless.kill().returncode == 128 + signal.SIGKILL


def test_it_sees_the_machines_programs_and_the_build_tree(guest: Guest) -> None:
    assert guest.run(["cat", __file__]).stdout == Path(__file__).read_bytes()
    for command in (["sg_inq", "--version"], ["/usr/bin/python3", "-c", "import pytest"], ["mkfs.ext4", "-V"],
                    [BUILD / "tgtadm", "--version"], [BUILD / "tgtd", "--version"]):
        guest.run(command, check=True)
    guest.run(["touch", "/etc/iscsi/x", "/var/x", "/usr/x"], check=True)
    assert not Path("/usr/x").exists()


def test_the_share_is_one_folder_on_both_sides(guest: Guest) -> None:
    (guest.share / "a").write_bytes(b"from the host")
    assert guest.run(["cat", guest.share / "a"]).stdout == b"from the host"
    guest.shell(f"echo from the guest >{guest.share}/b")
    assert (guest.share / "b").read_bytes() == b"from the guest\n"
    (guest.share / "a").write_bytes(b"anew")
    assert guest.run(["cat", guest.share / "a"]).stdout == b"anew"


def test_the_host_reaches_the_guest(guest: Guest) -> None:
    server = guest.spawn(["/usr/bin/python3", "-m", "http.server", "3260", "--directory", guest.share])
    (guest.share / "page").write_bytes(b"hello")
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", guest.port(3260), timeout=10)
            connection.request("GET", "/page")
            assert connection.getresponse().read() == b"hello"
            break
        except (ConnectionError, http.client.HTTPException):
            assert time.monotonic() < deadline, server.stderr
            time.sleep(0.2)
    server.kill()


def test_the_guest_reaches_the_host(guest: Guest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        client = guest.spawn(["busybox", "nc", "10.0.2.2", str(server.getsockname()[1])], stdin=b"hello")
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            assert peer.recv(5) == b"hello"
            peer.sendall(b"bye")
        assert client.wait(60).stdout == b"bye"


def test_two_guests_side_by_side_and_a_panic(guest: Guest, new_guest: Callable[..., Guest]) -> None:
    """They don't disturb each other, and a kernel that panics says so in the failure."""
    other = new_guest(memory=512, forward=[3260], modules=["loop"]).start()
    assert other.port(3260) != guest.port(3260)
    other.run(["touch", "/run/mine"], check=True)
    other.run(["test", "-d", "/sys/module/loop"], check=True)
    assert guest.run(["test", "-e", "/run/mine"]).returncode == 1
    with pytest.raises(GuestDied, match="Kernel panic - not syncing: sysrq triggered crash"):
        other.run(["sh", "-c", "echo c >/proc/sysrq-trigger"])
    assert not other.alive()
    assert guest.run(["true"]).returncode == 0


def test_a_boot_that_fails_shows_the_console(new_guest: Callable[..., Guest]) -> None:
    with pytest.raises(GuestError, match="Kernel panic - not syncing: VFS"):
        new_guest(kernel_arguments=["rdinit=/no-such-init"]).start()


def test_a_boot_that_takes_too_long_shows_the_console(new_guest: Callable[..., Guest]) -> None:
    guest = new_guest()
    with pytest.raises(GuestError, match="(?s)in time.*console"):
        guest.start(timeout=0.3)
    assert not guest.alive()


def test_without_the_packages_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                 new_guest: Callable[..., Guest]) -> None:
    monkeypatch.setattr(kits, "DEPS", tmp_path)
    with pytest.raises(GuestError, match="ci/install-deps guest"):
        new_guest().start()


def python(script: str, **env: str) -> subprocess.Popen[str]:
    """Another process that knows the fixture."""
    env = {**os.environ, **env, "PYTHONPATH": ":".join(PACKAGES)}
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)


def gone(pid: int) -> bool:
    """Whether a process that isn't our child has ended (whoever adopted it may not have waited for it yet)."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_it_dies_with_its_owner() -> None:
    with python(OWNER) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        assert not gone(int(pid))
        owner.kill()
    deadline = time.monotonic() + 20
    while not gone(int(pid)):
        assert time.monotonic() < deadline, f"QEMU {pid} still runs"
        time.sleep(0.05)
    shutil.rmtree(folder)


def test_two_who_need_the_kit_at_once_make_it_once(tmp_path: Path) -> None:
    (tmp_path / "archives").symlink_to(kits.DEPS / "archives")
    makers = [python(KIT_MAKER, TGT_DEPS_DIR=str(tmp_path)) for _ in range(2)]
    folders = {maker.communicate(timeout=200)[0].strip() for maker in makers}
    assert len(folders) == 1
    assert sorted(path.name for path in (tmp_path / "guest").iterdir()) == sorted([Path(folders.pop()).name, "lock"])
