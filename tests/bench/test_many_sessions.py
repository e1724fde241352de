# SPDX-License-Identifier: MIT
"""1,000 sessions of one daemon: what their logins take, what each of them holds, and that nothing is left of them."""
import select
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from bench_target import process_cpu_seconds, resident
from daemons import free_port
from iscsi.connection import Closed
from iscsi.login import Login, login

SESSIONS = 1000
# They are logged in within 3 s.  A machine that does other things too is given longer; the daemon's own time isn't its.
WALL_SECONDS, CPU_SECONDS = 10, 1
SESSION_KIB = 64
PATIENCE = 30
LOGINS_AT_ONCE = 512  # portal.c: CONTROL_CONNS_MAX


def nexuses(daemon):
    return daemon.show("target", "--tid", "1")["targets"][0]["nexuses"]


def wait_until(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def idle(target, *options):
    """Sessions that do nothing; what it took until all of them were logged in, in seconds."""
    began = time.monotonic()
    command = target.command(1, "--op", "idle", "--sessions", SESSIONS, "--seconds", 1000, *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            readable = select.select([process.stdout], [], [], PATIENCE)[0]
            assert readable, "a login is never answered"
            assert process.stdout.readline() == "go\n", process.stderr.read()
            yield time.monotonic() - began
        finally:
            process.kill()


@pytest.mark.parametrize("at_once", [1, 100, SESSIONS])
@pytest.mark.parametrize("threads", [1, 2])
def test_many_sessions(start, threads, at_once):
    target = start("--threads", str(threads))
    daemon = target.daemon
    pid = daemon.process.pid
    cpu, memory = process_cpu_seconds(pid), resident(pid)
    with idle(target, "--at-once", at_once) as wall:
        cpu = process_cpu_seconds(pid) - cpu
        kib = (resident(pid) - memory) / 1024 / SESSIONS
        there = nexuses(daemon)
        assert len(there) == len({nexus["id"] for nexus in there}) == SESSIONS
        figures = f"{wall:.2f} s, {cpu:.2f} s of the daemon's CPU time, {kib:.1f} KiB a session"
        assert wall < WALL_SECONDS and cpu < CPU_SECONDS and kib < SESSION_KIB, figures
    wait_until(lambda: not nexuses(daemon))
    with idle(target, "--at-once", at_once):  # and again, with the memory of those that are gone
        assert len(nexuses(daemon)) == SESSIONS
        assert (resident(pid) - memory) / 1024 / SESSIONS < SESSION_KIB
    wait_until(lambda: not nexuses(daemon))


@contextmanager
def silent(daemon, count=LOGINS_AT_ONCE):
    """Connections on which nobody logs in: as many as the daemon takes at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port))) for _ in range(count)]


class Late(ThreadPoolExecutor):
    """An initiator that comes when there is no room."""

    def __init__(self, target, port):
        super().__init__(1)
        self.session = self.submit(login, "127.0.0.1", port, Login(target.name))
        with pytest.raises(TimeoutError):  # it is neither served nor turned away
            self.session.result(0.3)

    def is_served(self):
        with self.session.result(20) as session:
            return session.alive()


def test_logins_beyond_those_at_once_wait(start):
    """What the daemon holds for those that aren't logged in is bounded, and nobody is turned away for it: an initiator
    that comes while so many are at it is answered when one of them is through, or gone."""
    target = start("--threads", "1")
    daemon = target.daemon
    with silent(daemon) as peers:
        first, second = Late(target, daemon.port), Late(target, daemon.port)
        assert daemon.log().count("too many logins at once") == 1
        peers[0].close()
        assert first.is_served() and second.is_served(), "the first makes room for the second"
        with silent(daemon, 1):  # once more, and for a portal that is new
            port = free_port()
            daemon.do("--op", "new", "--mode", "portal", "--params", f"portal=127.0.0.1:{port}")
            third, fourth = Late(target, port), Late(target, daemon.port)
            peers[1].close()
            assert third.is_served() and fourth.is_served()
    with login("127.0.0.1", daemon.port, Login(target.name)) as session:
        assert session.alive()


def test_idle_discovery_makes_room(start):
    """Who has discovered and stays doesn't keep others from logging in, when so many do it that there is no room."""
    target = start("--threads", "1")
    port = target.daemon.port
    with ExitStack() as stack:
        idle = [stack.enter_context(login("127.0.0.1", port, Login())) for _ in range(LOGINS_AT_ONCE)]
        late = Late(target, port)
        assert idle[0].text_all([("SendTargets", "All")]), "it is served as long as it hasn't been idle for some time"
        assert late.is_served()
    assert "512 idle discovery sessions were ended" in target.daemon.log()


def test_end_while_logins_wait(start):
    """The daemon doesn't wait for any of them."""
    target = start()
    with silent(target.daemon):
        late = Late(target, target.daemon.port)
        assert target.daemon.stop() == []
        with pytest.raises((Closed, OSError)):
            late.session.result(20)
