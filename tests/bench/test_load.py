# SPDX-License-Identifier: MIT
"""iscsi-load does what its options say, and finds data that are wrong."""
import json
import os
import resource
import signal
import socket
import subprocess
import time

import pytest
from conftest import LOAD, SIZE

BLOCK = 512


def test_counted_reads(target):
    found = target.load(1, "--count", 1000)
    assert (found["ios"], found["errors"], found["read"]["ios"], found["write"]["ios"]) == (1000, 0, 1000, 0)
    assert 0 < found["min_us"] <= found["p50_us"] <= found["p99_us"] <= found["p999_us"] <= found["max_us"]
    assert found["mb_per_second"] == pytest.approx(1000 * 4096 / 1e6 / found["seconds"], rel=0.01)


def test_seconds_are_kept(target):
    found = target.load(1, "--seconds", 1, "--sessions", 3)
    assert found["ios"] > 0 and 1 <= found["seconds"] < 10


def test_a_part_of_a_second_is_kept(target):
    found = target.load(1, "--seconds", "0.25")
    assert found["ios"] > 0 and 0.25 <= found["seconds"] < 1


@pytest.mark.parametrize("size", [512, 4096, 12288, 131072, 1 << 20, 4 << 20])
@pytest.mark.parametrize("op", ["read", "write"])
def test_sizes(target, op, size):
    """Of all that is sent: immediate data, and what R2Ts ask for, of many commands at once."""
    target.load(2, "--op", op, "--size", size, "--depth", 64, "--count", 100)


def test_mix(target):
    """Of 4000 draws, 70 % within six standard deviations."""
    found = target.load(1, "--mix", 70, "--count", 4000)
    assert found["read"]["ios"] + found["write"]["ios"] == 4000
    assert abs(found["read"]["ios"] - 2800) < 6 * 29


@pytest.mark.parametrize("words", [["--header-digest"], ["--data-digest"], ["--header-digest", "--data-digest"]])
def test_digests(target, words):
    """The daemon refuses PDUs whose digests aren't there or wrong; verified data show that they are no more than that."""
    found = target.load(2, *words, "--mix", 50, "--verify", "--size", 65536, "--count", 300)
    assert found["header_digest"] == ("CRC32C" if "--header-digest" in words else "None")
    assert found["data_digest"] == ("CRC32C" if "--data-digest" in words else "None")
    assert found["digest_errors"] == 0


def answer_login(listener, text):
    """Whatever the Login Request says: the full feature phase, with this text (RFC 7143 11.13)."""
    peer = listener.accept()[0]
    request = peer.recv(48, socket.MSG_WAITALL)
    peer.recv((int.from_bytes(request[5:8], "big") + 3) & ~3, socket.MSG_WAITALL)
    bhs = bytearray(48)
    bhs[0:2] = 0x23, 0x87
    bhs[5:8] = len(text).to_bytes(3, "big")
    bhs[28:36] = request[24:28] * 2
    peer.sendall(bhs + text + bytes(-len(text) % 4))
    return peer


@pytest.mark.parametrize("word", ["--data-digest", "--header-digest"])
def test_a_digest_that_is_refused(word):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with subprocess.Popen([LOAD, "--url", f"iscsi://127.0.0.1:{listener.getsockname()[1]}/iqn.x:t/1", word],
                              stderr=subprocess.PIPE, text=True) as process:
            with answer_login(listener, b"HeaderDigest=None\0DataDigest=None\0"):
                assert process.communicate(timeout=60)[1] == "iscsi-load: the target doesn't agree to a digest\n"
        assert process.returncode == 1


@pytest.mark.parametrize("words", [["--sessions", 4], ["--sequential"], ["--size", 65536, "--depth", 16]])
def test_verified_data_are_right(target, words):
    found = target.load(2, "--mix", 50, "--verify", "--count", 5000, *words)
    assert found["verified"] and found["verify_errors"] == 0


def written(target):
    """The whole file, and then it holds what a run for reading alone has to find."""
    target.load(2, "--op", "write", "--verify", "--count", 100)
    assert target.load(2, "--verify", "--count", SIZE // 4096, "--sequential")["verify_errors"] == 0


def test_a_wrong_byte_is_found(target):
    written(target)
    with open(target.image, "r+b") as f:
        f.seek(7 * BLOCK + 300)
        byte = f.read(1)[0]
        f.seek(7 * BLOCK + 300)
        f.write(bytes([byte ^ 1]))
    found = target.load(2, "--verify", "--count", SIZE // 4096, "--sequential", status=1)
    assert (found["verify_errors"], found["errors"]) == (1, 0)
    assert "LBA 7: bytes from 296 on are" in found["stderr"]


def test_a_block_in_another_s_place_is_found(target):
    written(target)
    with open(target.image, "r+b") as f:
        block = f.read(BLOCK)
        f.seek(3 * BLOCK)
        f.write(block)
    found = target.load(2, "--verify", "--count", SIZE // 4096, "--sequential", status=1)
    assert found["verify_errors"] == 1
    assert "LBA 3: holds the block of LBA 0, expected 0x3" in found["stderr"]


def test_lost_writes_are_found(target):
    """null takes all that is written, and has nothing of it."""
    found = target.load(1, "--mix", 50, "--verify", "--count", 100, status=1)
    assert found["verify_errors"] > 0


def test_rate(target):
    """As many as are due in the time, and not before."""
    found = target.load(1, "--rate", 500, "--seconds", 2, "--sessions", 2)
    assert (found["ios"], found["unfinished"], found["errors"]) == (1000, 0, 0)
    assert found["seconds"] > 1.99


def test_rate_counts_from_when_an_io_was_due(target):
    """While the daemon stands still for a second, 500 of 1500 I/Os are due, and wait for half a second in the mean: a
    fixed depth of one would know of a single slow one."""
    process = subprocess.Popen(target.command(1, "--rate", 500, "--seconds", 3, "--depth", 1), stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "go\n"
    os.kill(target.daemon.process.pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(target.daemon.process.pid, signal.SIGCONT)
    found = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    assert found["ios"] == 1500
    assert found["max_us"] > 800e3 and found["mean_us"] > 80e3 and found["p50_us"] < found["p99_us"]


def test_what_a_rate_leaves_undone_counts(target):
    process = subprocess.Popen(target.command(1, "--rate", 1000, "--seconds", 2), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "go\n"
    os.kill(target.daemon.process.pid, signal.SIGSTOP)
    try:
        found = json.loads(process.communicate(timeout=60)[0])
    finally:
        os.kill(target.daemon.process.pid, signal.SIGCONT)
    assert found["ios"] + found["unfinished"] == 2000 and found["unfinished"] > 200
    assert found["max_us"] > 1e6


def test_idle_sessions(target):
    process = subprocess.Popen(target.command(1, "--op", "idle", "--sessions", 100, "--seconds", 3),
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "go\n"
    assert len(target.daemon.show("target", "--tid", "1")["targets"][0]["nexuses"]) == 100
    assert json.loads(process.communicate(timeout=60)[0])["ios"] == 0


@pytest.mark.parametrize("words", [[], ["--data-digest", "--header-digest"]])
def test_logins_at_the_same_time(target, words):
    """40 sessions, 16 logins at a time: the last group has 8."""
    found = target.load(2, "--sessions", 40, "--at-once", 16, "--mix", 50, "--verify", "--count", 2000, *words)
    assert (found["sessions"], found["ios"]) == (40, 2000)


def logins_that_wait(listener, count):
    """So many connections whose Login Request has come, none of which is answered."""
    listener.settimeout(20)
    peers = [listener.accept()[0] for _ in range(count)]
    for peer in peers:
        assert peer.recv(48, socket.MSG_WAITALL)[0] == 0x43
    return peers


def test_that_many_logins_are_under_way():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"iscsi://127.0.0.1:{listener.getsockname()[1]}/iqn.x:t/1"
        with subprocess.Popen([LOAD, "--url", url, "--sessions", "5", "--at-once", "3"], stderr=subprocess.PIPE,
                              text=True) as process:
            peers = logins_that_wait(listener, 3)
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
            for peer in peers:
                peer.close()
            process.communicate(timeout=60)
        assert process.returncode == 1


@pytest.mark.parametrize(("words", "why"), [
    (["--size", "600"], "doesn't fit blocks of 512"),
    (["--range", SIZE + 1], "less than --range"),
])
def test_what_the_medium_does_not_have(target, words, why):
    done = subprocess.run(target.command(2, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and why in done.stderr


@pytest.mark.parametrize("words", [["--depth", "0"], ["--mix", "101"], ["--op", "both"], ["--seconds", "-0.1"], ["--seconds", "nan"], ["--seconds", "1s"], ["--rate", "-1"], ["--size", "x"],
                                   ["--url", "http://a/b/1"], ["--rate", "5", "--count", "5"], ["--tape"], ["--at-once", "0"], ["more"], []])
def test_wrong_options(words):
    done = subprocess.run([LOAD, *(["--url", "iscsi://127.0.0.1:1/iqn.x:t/1"] if words else []), *words],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr


def sleeps(target, *options):
    """Of the load, by the kernel's count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw
    target.load(1, "--op", "read", "--depth", 1, "--count", 3000, *options)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - before


def test_who_spins_does_not_sleep(target):
    asleep, spinning = sleeps(target), sleeps(target, "--spin")
    assert spinning < 300 < asleep, (spinning, asleep)
