# SPDX-License-Identifier: MIT
"""tgtd as a process: options, background, readiness, signals, and that nothing is left of it."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from daemons import STORES, TGTADM, TGTD, free_port, tgtd
from iscsi import scsi
from iscsi.connection import Closed
from iscsi.login import Login, login


@pytest.mark.parametrize(("arguments", "rc", "why"), [
    (["--bogus"], 1, "'bogus' is an unknown option"),
    (["-x"], 1, "'x' is an unknown option"),
    (["extra"], 1, "'extra' is not an option"),
    (["-C"], 1, "'-C' needs a value"),
    (["--threads"], 1, "'--threads' needs a value"),
    (["-C", "x"], 22, "-C argument value 'x' invalid"),
    (["-C", "1x"], 22, "-C argument value '1x' invalid"),
    (["-C", "-1"], 22, "-C argument value '-1' invalid"),
    (["-C", "65536"], 34, "-C argument value '65536' out of range"),
    (["-t", "0"], 34, "-t argument value '0' out of range"),
    (["-t", "99999999999999999999"], 34, "-t argument value '99999999999999999999' out of range"),
    (["--threads", "0"], 34, "--threads argument value '0' out of range"),
    (["-d", "x"], 22, "-d argument value 'x' invalid"),
    (["--iscsi", "bogus=1"], 22, "--iscsi: 'bogus=1' is none of portal=, tpgt=, nop_interval=, nop_count="),
    (["--iscsi", "portal="], 22, "--iscsi: 'portal=' is none of portal=, tpgt=, nop_interval=, nop_count="),
    (["--iscsi", "nop_interval=x"], 22, "--iscsi nop_interval argument value 'x' invalid"),
])
def test_wrong_options(tmp_path, arguments, rc, why):
    done = tgtd("-f", *arguments, env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
    assert (done.returncode, done.stdout) == (rc, "")
    assert done.stderr == f"{why}\nTry `tgtd --help' for more information.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "why"), [
    (["--backing-store-dir", "FOLDER/none"], "backing store directory FOLDER/none: No such file or directory"),
    (["--state-dir", "FOLDER/none/state"], "state directory FOLDER/none/state: No such file or directory"),
    (["-p", "FOLDER/none/pid"], "pid file FOLDER/none/pid: No such file or directory"),
    (["--iscsi", "portal=nonsense!"], "portal nonsense!"),
    (["--iscsi", "portal=127.0.0.1:99999"], "portal 127.0.0.1:99999"),
    (["--iscsi", "portal=192.0.2.1:3260"], "portal 192.0.2.1:3260"),
])
@pytest.mark.parametrize("where", [["-f"], []], ids=["foreground", "background"])
def test_wrong_places(tmp_path, arguments, why, where):
    words = [word.replace("FOLDER", str(tmp_path)) for word in arguments]
    done = tgtd(*where, "--backing-store-dir", STORES, "--state-dir", tmp_path / "state", "--iscsi",
                f"portal=127.0.0.1:{free_port()}", *words, env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
    assert done.returncode == 1
    assert why.replace("FOLDER", str(tmp_path)) in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == []


def test_version_and_help():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", tgtd("--version").stdout)
    shown = tgtd("-h")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "--nr_iothreads" in shown.stdout


def test_portal_in_use(start):
    first = start()
    done = tgtd("-f", "--backing-store-dir", STORES, "--state-dir", first.folder / "state", "-C", "9", "--iscsi",
                f"portal={first.portal}", env=first.env)
    assert done.returncode == 1
    assert f"portal {first.portal}" in done.stderr and "in use" in done.stderr
    assert not (first.folder / "socket.9").exists()


def test_portal_group_tags(start):
    """Each portal has its own tag, 1 if none is said, and show prints it."""
    ports = [free_port(), free_port()]
    daemon = start("--iscsi", f"portal=127.0.0.1:{ports[0]},tpgt=65535")
    daemon.do("--op", "new", "--mode", "portal", "--params", f"portal=127.0.0.1:{ports[1]},tpgt=2")
    assert daemon.do("--op", "show", "--mode", "portal") == (
        f"Portal: 127.0.0.1:{ports[1]},2\nPortal: 127.0.0.1:{ports[0]},65535\nPortal: {daemon.portal},1\n")
    name = daemon.target()
    with login("127.0.0.1", ports[1], Login(name)):
        assert [row["portal_group"] for row in daemon.show("target")["targets"][0]["nexuses"]] == [2]


def test_several_portals_and_nop(start):
    ports = [free_port(), free_port()]
    daemon = start("--iscsi", f"portal=127.0.0.1:{ports[0]},nop_interval=7,nop_count=3",
                   "--iscsi", f"portal=[::1]:{ports[1]}")
    shown = [portal["address"] for portal in daemon.show("portal")["portals"]]
    assert shown == [f"[::1]:{ports[1]}", f"127.0.0.1:{ports[0]}", daemon.portal]
    name = daemon.target()
    text = daemon.do("--op", "show", "--mode", "target")
    assert "        Nop interval: 7\n        Nop count: 3\n" in text
    for host, port in (("127.0.0.1", ports[0]), ("::1", ports[1])):
        with login(host, port, Login(name)) as session:
            assert session.alive()


def test_threads(start):
    daemon = start("--threads", "3", "-t", "2")
    assert "ready (version" in daemon.log() and "3 event loops" in daemon.log()


def test_limit_of_files_is_raised(daemon):
    limits = (f"/proc/{daemon.process.pid}/limits")
    with open(limits, encoding="ascii") as file:
        soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", file.read()).groups()
    assert soft == hard


# -- background


def background_pid(pid_file):
    return int(pid_file.read_text())


def test_background(tmp_path):
    """The command returns when the daemon answers; the daemon has let go of what it was started with."""
    env = {"TGT_IPC_SOCKET": str(tmp_path / "s")}
    pid_file = tmp_path / "pid"
    # through a pipe: an output that the daemon kept would make this wait for the daemon's end
    done = subprocess.run([TGTD, "--backing-store-dir", str(STORES), "--state-dir", str(tmp_path), "-p", "pid",
                           "--iscsi", f"portal=127.0.0.1:{free_port()}"], cwd=tmp_path, env={**os.environ, **env},
                          capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    pid = background_pid(pid_file)
    try:
        asked = subprocess.run([TGTADM, "--op", "show", "--mode", "system"], env={**os.environ, **env},
                               capture_output=True, timeout=30, check=False)
        assert asked.returncode == 0
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid))
    assert not pid_file.exists()
    assert not (tmp_path / "s.0").exists() and not (tmp_path / "s.0.lock").exists()


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pid_file_in_the_foreground(start, tmp_path):
    daemon = start("-p", str(tmp_path / "pid"))
    assert background_pid(tmp_path / "pid") == daemon.process.pid
    assert daemon.stop() == []
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_service_manager_is_told(start, tmp_path, abstract):
    """sd_notify(3): READY=1 when requests are served, STOPPING=1 before the end."""
    name = f"@tgt-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(20)
        daemon = start(env={"NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"
        assert daemon.stop() == []
        assert manager.recv(100) == b"STOPPING=1"


# -- the end


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_orderly_end(start, signum):
    daemon = start()
    daemon.process.send_signal(signum)
    assert daemon.process.wait(20) == 0
    assert sorted(path.name for path in daemon.folder.iterdir()) == ["state", "tgtd.log"]


def test_hangup_is_no_end(daemon):
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in daemon.log())
    daemon.do("--op", "show", "--mode", "system")


def test_delete_system(start):
    daemon = start()
    daemon.target()
    refused = daemon.adm("--op", "delete", "--mode", "system")
    assert (refused.returncode, refused.stderr) == (
        22, "tgtadm: invalid request\ntgtadm: there are targets; delete them first, or use --force\n")
    assert daemon.adm("--op", "delete", "--mode", "system", "--force").returncode == 0
    # nobody finds it any more once the answer is there
    assert daemon.adm("--op", "show", "--mode", "system").returncode == 107
    assert daemon.process.wait(20) == 0


class Writer(threading.Thread):
    """Writes blocks, each with its number, until the session ends; knows which were acknowledged."""

    def __init__(self, daemon, name):
        super().__init__()
        self.session = login("127.0.0.1", daemon.port, Login(name))
        self.session.clear_attentions()
        self.acknowledged = 0
        self.error = None

    def run(self):
        try:
            while True:
                number = self.acknowledged
                result = self.session.execute(scsi.write10(number % 2048, 1), timeout=20,
                                              data_out=number.to_bytes(8, "big") * 64)
                if not result.good:
                    return
                self.acknowledged += 1
        except (Closed, OSError) as error:
            self.error = error
        finally:
            self.session.connection.close()


@pytest.mark.parametrize("store", ["rdwr", "aio", "uring"])
def test_end_under_io(start, image, store):
    """SIGTERM with writes under way: exit 0, and what was acknowledged is in the file."""
    daemon = start()
    name = daemon.target()
    daemon.unit(image, "--bstype", store)
    writer = Writer(daemon, name)
    writer.start()
    wait_until(lambda: writer.acknowledged > 50)
    daemon.process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert daemon.process.wait(20) == 0
    assert time.monotonic() - started < 10
    writer.join(20)
    assert not writer.is_alive()
    data = image.read_bytes()
    newest = {number % 2048: number for number in range(writer.acknowledged)}
    # the one that was not acknowledged may be there or not
    newest.pop(writer.acknowledged % 2048, None)
    for block, number in newest.items():
        assert data[block * 512:block * 512 + 8] == number.to_bytes(8, "big")


def test_end_with_idle_sessions(start, image):
    daemon = start()
    name = daemon.target()
    daemon.unit(image)
    sessions = [login("127.0.0.1", daemon.port, Login(name)) for _ in range(8)]
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(20) == 0
    for session in sessions:
        with pytest.raises((Closed, OSError)):
            for _ in range(4):  # an Asynchronous Message may come first
                session.connection.recv(5)
        session.connection.close()


def test_end_during_requests(start):
    """Requests that wait are answered, or the connection ends; nothing hangs."""
    daemon = start()
    results = []

    def ask():
        try:
            for tid in range(1, 400):
                results.append(daemon.ask({"op": "new", "mode": "target", "tid": tid,
                                           "targetname": f"iqn.2026-01.org.example:t{tid}"}))
        except (OSError, AssertionError):
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: len(results) > 5)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(20) == 0
    thread.join(20)
    assert not thread.is_alive()
    assert all(answer is None or answer["rc"] in (0, 108) for answer in results)


def test_started_in_vain_under_a_service_manager(tmp_path):
    """A daemon that can't start says so and never says READY."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        done = tgtd("-f", "--backing-store-dir", tmp_path / "none", env={
            "TGT_IPC_SOCKET": str(tmp_path / "s"), "NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert done.returncode == 1
        with pytest.raises(BlockingIOError):
            manager.recv(100)

