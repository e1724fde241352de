# SPDX-License-Identifier: MIT
"""The management socket: who may use it, what it does with nonsense, and that nobody holds it up."""
import json
import os
import random
import resource
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest
from daemons import TGTADM, exchange, read_answer, tgtd

SHOW = {"op": "show", "mode": "system"}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def test_only_the_owner_may_open_it(daemon):
    mode = os.stat(daemon.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


@pytest.fixture
def open_daemon(daemon, tmp_path):
    """A daemon whose socket the file system lets everybody use, and a tgtadm that anybody can run."""
    program = tmp_path / "tgtadm"
    shutil.copy(TGTADM, program)
    os.chmod(daemon.socket, 0o666)
    for folder in (daemon.folder, tmp_path, *list(tmp_path.parents)[:2]):
        os.chmod(folder, os.stat(folder).st_mode | 0o755)
    return daemon, program


def test_credentials_are_checked(open_daemon):
    """SO_PEERCRED: the file's mode is not what protects the daemon."""
    daemon, program = open_daemon
    done = subprocess.run([*NOBODY, str(program), "--op", "new", "--mode", "account", "--user", "u", "--password", "p"],
                          env=daemon.env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "tgtadm: permission denied\n"
                                                                  "tgtadm: user 65534 may not manage this daemon\n")
    assert "user 65534 may not manage this daemon" in daemon.log()
    assert daemon.show("account")["accounts"] == []


def test_mode_of_the_file(open_daemon):
    daemon, program = open_daemon
    os.chmod(daemon.socket, 0o600)
    done = subprocess.run([*NOBODY, str(program), "--op", "show", "--mode", "system"], env=daemon.env,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 13
    assert done.stderr == f"tgtadm: can't talk to tgtd at {daemon.socket}: Permission denied\n"


@pytest.mark.parametrize("line", [
    b"nonsense", b"{", b"[]", b"{}", b"null", b'"text"', b"\x00", b"\xff\xfe", b'{"op":"show"}', b'{"mode":"system"}',
    b'{"op":1,"mode":"system"}', b'{"op":"show","mode":"system","tid":"1"}', b'{"op":"show","mode":"system","tid":-1}',
    b'{"op":"show","mode":"system","tid":1.5}', b'{"op":"show","mode":"target","tid":4294967297}',
    b'{"op":"show","mode":"system","surprise":true}', b'{"op":"show","op":"show","mode":"system"}',
    b'{"version":2,"op":"show","mode":"system"}', b'{"op":"show","mode":"nosuch"}', b'{"op":"new","mode":"target"}',
    b'{"op":"new","mode":"target","tid":0,"targetname":"iqn.2026-01.org.example:x"}',
    b'{"op":"new","mode":"target","tid":1}', b'{"op":"update","mode":"system"}', b'{"op":"update","mode":"target"}',
    b'{"op":"new","mode":"account"}', b'{"op":"new","mode":"portal"}', b'{"op":"new","mode":"portal","params":"portal="}',
    b'{"op":"bind","mode":"target"}', b'{"op":"new","mode":"logicalunit"}', b"[" * 5000, b'{"op":"show","mode":"lu"}',
])
def test_nonsense_is_answered(daemon, line):
    answer = daemon.ask(line)
    assert answer["rc"] == 22
    assert answer["error"]
    assert daemon.ask(SHOW)["rc"] == 0


@pytest.mark.parametrize(("request_", "member", "begin"), [
    ({"op": "new", "mode": "logicalunit", "tid": 1, "lun": 1, "bstype": "a" + "ä" * 40}, "detail",
     'no backing store "a?'),
    ({"op": "update", "mode": "system", "name": "State", "value": "a" + "ä" * 40}, "error",
     'invalid request: State is ready or offline, not "a?'),
])
def test_a_character_cut_in_two(daemon, request_, member, begin):
    """A text of the daemon's that quotes only so much, to the middle of a character, is still told."""
    daemon.target()
    answer = daemon.ask(request_)
    assert answer["rc"] == 22 and answer[member].startswith(begin)


def spoiled(rng, line):
    """The line with a few bytes changed, lost, doubled or put in."""
    data = bytearray(line)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        piece = rng.choice([b"", bytes([rng.randrange(256)]), b'"', b"{", b"[", b":", b",", b"-1", b"1e999", b"\\u0000",
                            b"null", b"9" * 30, bytes(data[at:at + 9]) * 2])
        data[at:at + rng.randint(0, 3)] = piece
    return bytes(data).replace(b"\n", b" ") or b"x"


def test_spoiled_requests(daemon):
    """Whatever comes, each line that isn't empty gets one answer."""
    rng = random.Random(7143)
    daemon.target()
    lines = [json.dumps({"version": 1, "lld": "iscsi", "op": op, "mode": mode, "tid": 1, "lun": 2, **more}).encode()
             for mode, op, more in [
                 ("target", "show", {}), ("logicalunit", "new", {"bstype": "null", "bsopts": "size=1M", "blocksize": 512}),
                 ("logicalunit", "update", {"params": "vendor_id=ACME,online=0,size=64k,mode_page=8:0:1:2"}),
                 ("logicalunit", "delete", {}), ("account", "new", {"user": "u", "password": "p" * 12}),
                 ("account", "bind", {"user": "u", "outgoing": True}), ("target", "bind", {"initiator_address": "ALL"}),
                 ("target", "update", {"name": "MaxBurstLength", "value": "65536"}), ("session", "stat", {"sid": 1}),
                 ("conn", "delete", {"sid": 1, "cid": 0}), ("portal", "new", {"params": "portal=256.0.0.1:1"}),
                 ("portal", "new", {"params": "portal=127.0.0.1:1,tpgt=0"}),
                 ("portal", "new", {"params": "portal=127.0.0.1:1,tpgt=65536"}),
                 ("portal", "new", {"params": "portal=127.0.0.1:1,tpgt="}),
                 ("portal", "new", {"params": "tpgt=1"}),
                 ("backingstore", "show", {}), ("system", "update", {"name": "debug", "value": "off"})]]
    with daemon.connect() as peer:
        for _ in range(3000):
            line = spoiled(rng, rng.choice(lines))
            if line.strip(b" \t\r"):
                assert isinstance(exchange(peer, line)["rc"], int), line
    assert daemon.ask(SHOW)["rc"] == 0


def test_several_requests_on_one_connection(daemon):
    with daemon.connect() as peer:
        assert exchange(peer, b"nonsense")["rc"] == 22
        assert exchange(peer, SHOW)["result"]["state"] == "ready"
        line = json.dumps(SHOW).encode() + b"\n"
        peer.sendall(line + b"\n\r\n" + line)
        text = b""
        while text.count(b"\n") < 2:
            text += peer.recv(65536)
        assert [json.loads(row)["rc"] for row in text.splitlines()] == [0, 0]


def test_request_in_pieces(daemon):
    with daemon.connect() as peer:
        for byte in json.dumps(SHOW).encode():
            peer.sendall(bytes([byte]))
        peer.sendall(b"\n")
        assert read_answer(peer)["rc"] == 0


def test_last_request_without_newline(daemon):
    with daemon.connect() as peer:
        peer.sendall(json.dumps(SHOW).encode())
        peer.shutdown(socket.SHUT_WR)
        assert read_answer(peer)["rc"] == 0
        assert peer.recv(1) == b""


def test_endless_line(daemon):
    with daemon.connect() as peer:
        try:
            for _ in range(100):
                peer.sendall(b"x" * 4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_answer(peer)
        assert answer is None or answer == {"rc": 90, "error": "the request is too long"}
    assert "the request is too long" in daemon.log()
    assert daemon.ask(SHOW)["rc"] == 0


def test_longest_line(daemon):
    request = {**SHOW, "name": "x" * (65535 - len(json.dumps({**SHOW, "name": ""})))}
    assert len(json.dumps(request)) == 65535
    assert daemon.ask(request)["rc"] == 0


def test_a_peer_that_reads_nothing_holds_up_nobody(daemon):
    daemon.target()
    for lun in range(1, 200):
        assert daemon.ask({"op": "new", "mode": "lu", "tid": 1, "lun": lun, "bstype": "null"})["rc"] == 0
    line = json.dumps({"op": "show", "mode": "target"}).encode() + b"\n"
    with daemon.connect() as lazy:
        lazy.setblocking(False)
        try:
            for _ in range(1000):
                lazy.send(line * 10)
        except BlockingIOError:
            pass
        started = time.monotonic()
        assert daemon.ask(SHOW)["rc"] == 0
        assert time.monotonic() - started < 10


def test_a_peer_that_goes_away(daemon):
    for _ in range(20):
        with daemon.connect() as peer:
            peer.sendall(json.dumps({"op": "show", "mode": "target"}).encode() + b"\n")
    assert daemon.ask(SHOW)["rc"] == 0


def test_idle_connections_make_room(daemon):
    """64 at a time; whoever has been idle longest goes."""
    idle = [daemon.connect() for _ in range(80)]
    try:
        assert daemon.ask(SHOW)["rc"] == 0
        assert exchange(idle[-1], SHOW)["rc"] == 0
        assert idle[0].recv(1) == b""
    finally:
        for peer in idle:
            peer.close()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_no_file_descriptors_left(daemon):
    """Who can't be let in waits; the daemon doesn't spin, and goes on once there are some again."""
    pid = daemon.process.pid
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limit[1]))  # all above 2 are in use
    with daemon.connect() as peer:
        peer.sendall(json.dumps(SHOW).encode() + b"\n")
        peer.settimeout(1)
        before = cpu_seconds(pid)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        assert cpu_seconds(pid) - before < 0.3
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        peer.settimeout(20)
        assert read_answer(peer)["rc"] == 0


def test_clients_at_the_same_time(daemon):
    """Requests run one at a time: of those that want the same thing one wins, and all are answered."""
    answers = []

    def create(number):
        for tid in range(1, 11):
            answers.append(daemon.ask({"op": "new", "mode": "target", "tid": tid,
                                       "targetname": f"iqn.2026-01.org.example:t{tid}"})["rc"])
            answers.append(daemon.ask({"op": "new", "mode": "lu", "tid": tid, "lun": number + 1,
                                       "bstype": "null"})["rc"])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0] * 50 + [22] * 30
    shown = daemon.show("target")["targets"]
    assert [len(target["luns"]) for target in shown] == [5] * 10


def test_second_daemon_is_refused(daemon):
    done = tgtd("-f", env=daemon.env)
    assert done.returncode == 1
    assert f"another tgtd serves {daemon.socket}" in done.stderr
    assert daemon.ask(SHOW)["rc"] == 0


def test_another_control_port(daemon, start):
    """The suffix stays when the path is given, so two daemons share a folder."""
    second = start(control_port=7, env={"TGT_IPC_SOCKET": daemon.env["TGT_IPC_SOCKET"]})
    assert (daemon.folder / "socket.7").is_socket()
    second.target(tid=2)
    assert [target["tid"] for target in second.show("target")["targets"]] == [2]
    assert daemon.show("target")["targets"] == []


def test_socket_of_a_dead_daemon_is_replaced(start):
    daemon = start()
    daemon.process.kill()
    daemon.process.wait()
    assert daemon.socket.is_socket()
    daemon.start()
    assert daemon.ask(SHOW)["rc"] == 0


def test_foreign_listener_is_left_alone(tmp_path):
    """Also one that knows nothing of our lock, as stgt's daemon."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s.0"))
        other.listen()
        done = tgtd("-f", env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
        assert done.returncode == 1
        assert "another tgtd" in done.stderr
        assert (tmp_path / "s.0").is_socket()


def test_nobody_there(tmp_path):
    env = {**os.environ, "TGT_IPC_SOCKET": str(tmp_path / "none")}
    done = subprocess.run([TGTADM, "--op", "show", "--mode", "target"], env=env, capture_output=True, text=True,
                          timeout=30, check=False)
    assert (done.returncode, done.stdout) == (107, "")
    assert done.stderr == ("tgtadm: failed to send request hdr to tgt daemon, "
                           "Transport endpoint is not connected\n")


def test_folder_is_made(start, tmp_path):
    env = {"TGT_IPC_SOCKET": str(tmp_path / "new" / "socket")}
    daemon = start(env=env)
    assert (tmp_path / "new" / "socket.0").is_socket()
    assert daemon.stop() == []
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o755
    assert list((tmp_path / "new").iterdir()) == []
