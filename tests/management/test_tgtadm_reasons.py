# SPDX-License-Identifier: MIT
"""Why the daemon refused, on tgtadm's standard error output: stgt's line first, then what it leaves open.

The second half has a daemon of its own making: an older or newer one, and one that isn't to be trusted."""
import json
import os
import socket
import threading

import pytest
from daemons import IQN, TGTADM, run

INVALID = "tgtadm: invalid request"
NEW_UNIT = ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "2"]
LONGEST = 1024  # bytes of a line's text


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "disk.img").write_bytes(bytes(1 << 20))
    return tmp_path


@pytest.mark.parametrize(("arguments", "lines"), [
    # what isn't there, or can't be opened
    ([*NEW_UNIT, "-b", "FOLDER/none"], [INVALID, "tgtadm: FOLDER/none: No such file or directory"]),
    ([*NEW_UNIT, "-b", "FOLDER/loop"], [INVALID, "tgtadm: FOLDER/loop: Too many levels of symbolic links"]),
    ([*NEW_UNIT, "-b", "FOLDER/disk.img/x"], [INVALID, "tgtadm: FOLDER/disk.img/x: Not a directory"]),
    ([*NEW_UNIT, "-b", "FOLDER/disk.img", "-E", "nosuch"], [INVALID, 'tgtadm: no backing store "nosuch" is loaded']),
    # what is there already
    (["--op", "new", "--mode", "target", "--tid", "1", "--targetname", f"{IQN}other"],
     ["tgtadm: this target already exists", f"tgtadm: target 1 is {IQN}t1"]),
    (["--op", "new", "--mode", "target", "--tid", "2", "--targetname", f"{IQN}t1"],
     ["tgtadm: this target already exists", f"tgtadm: target 1 is {IQN}t1"]),
    ([*NEW_UNIT[:-1], "1", "-b", "FOLDER/disk.img"],
     ["tgtadm: this logical unit number already exists", "tgtadm: target 1 lun 1 is FOLDER/disk.img"]),
    ([*NEW_UNIT[:-1], "0", "-b", "FOLDER/disk.img"],
     ["tgtadm: this logical unit number already exists", "tgtadm: target 1 lun 0 is a controller"]),
    # parameters
    (["--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", "bogus=1"],
     [INVALID, 'tgtadm: a logical unit has no parameter "bogus"']),
    (["--op", "update", "--mode", "target", "--tid", "1", "--name", "Bogus", "--value", "1"],
     [INVALID, 'tgtadm: a target has no parameter "Bogus"']),
    # where stgt's text leaves nothing open, or the daemon's own line has the reason, that is all
    ([*NEW_UNIT, "-b", "FOLDER/disk.img", "--bsopts", "nosuch=1"],
     [f'{INVALID}: bsopts of rdwr: backing store rdwr has no option "nosuch" (it has: none)']),
    (["--op", "delete", "--mode", "target", "--tid", "5"], ["tgtadm: can't find the target"]),
])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_reason(daemon, folder, arguments, lines, options):
    daemon.target()
    daemon.unit(folder / "disk.img")
    done = daemon.adm(*(word.replace("FOLDER", str(folder)) for word in arguments), *options)
    assert done.returncode == 22
    assert done.stderr.splitlines() == [line.replace("FOLDER", str(folder)) for line in lines]
    if not options:
        assert done.stdout == ""


# -- a daemon that says what the test wants


@pytest.fixture
def ask_of(tmp_path):
    """tgtadm, whose one request gets this answer."""
    threads = []

    def ask(answer, *options):
        path = tmp_path / "socket.0"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(20)

        def serve():
            peer, _ = listener.accept()
            with listener, peer:
                peer.settimeout(20)
                while b"\n" not in peer.recv(65536):
                    pass
                peer.sendall(json.dumps(answer).encode() + b"\n")
        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return run([TGTADM, "--op", "show", "--mode", "system", *options], timeout=30,
                   env={**os.environ, "TGT_IPC_SOCKET": str(tmp_path / "socket")})

    yield ask
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def refusal(**members):
    return {"rc": 22, "error": "invalid request", **members}


@pytest.mark.parametrize("answer", [
    refusal(), refusal(detail=""), refusal(detail=None), refusal(detail=5), refusal(detail=["why"]),
    refusal(detail={"why": "why"}), refusal(detail="invalid request"), refusal(reason="why"),
], ids=json.dumps)
def test_no_reason(ask_of, answer):
    """A daemon that gives none, as before there were any, or none that is a text, or no more than the text says."""
    done = ask_of(answer)
    assert (done.returncode, done.stdout, done.stderr) == (22, "", f"{INVALID}\n")


def test_reason_that_the_line_has_already(ask_of):
    done = ask_of({"rc": 5, "error": "invalid request: no such thing", "detail": "no such thing"})
    assert (done.returncode, done.stderr) == (5, f"{INVALID}: no such thing\n")


def test_members_of_a_later_version(ask_of):
    done = ask_of(refusal(detail="why", version=2, hint={"more": [1]}))
    assert (done.returncode, done.stdout, done.stderr) == (22, "", f"{INVALID}\ntgtadm: why\n")


def test_success_has_no_reason(ask_of):
    done = ask_of({"rc": 0, "detail": "why", "result": {}}, "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


@pytest.mark.parametrize(("text", "shown"), [
    ("a\nb", "a?b"), ("a\r\nb", "a??b"), ("\x1b[2Ja", "?[2Ja"), ("\x01\x1f\x7fa", "???a"), ("a\x80\x85\x9b\x9f", "a????"),
    ("a\u061cb", "a?b"), ("\u200e\u200fa", "??a"), ("a\u2028b\u2029c\u202ad\u202e", "a?b?c?d?"),
    ("\u2066a\u2069", "?a?"),
    # neighbours of those, and what has nothing to do with them
    (" ~\xa0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a", None), ("Größe µ — ハードディスク 💾.img", None), ("100 %s %n", None),
], ids=ascii)
@pytest.mark.parametrize("member", ["error", "detail"])
def test_control_characters(ask_of, text, shown, member):
    """Of C0 and C1, the separators of lines, and those that change the direction of text: each is a question mark."""
    done = ask_of(refusal(**{member: text}))
    lines = [INVALID, f"tgtadm: {shown or text}"]
    assert done.stderr == "".join(f"{line}\n" for line in lines[member == "error":])


@pytest.mark.parametrize("member", ["error", "detail"])
@pytest.mark.parametrize("letter", ["x", "\x01", "ä", "ハ", "💾"], ids=ascii)
def test_length(ask_of, member, letter):
    """As long as may be, whole; one more, cut between two characters, and that is shown."""
    size = len(letter.encode())
    shown = letter.replace("\x01", "?")
    for count in (LONGEST // size, LONGEST // size + 1, 100000):
        done = ask_of(refusal(**{member: letter * count}))
        reason = done.stderr.splitlines()[-1].removeprefix("tgtadm: ")
        if count * size <= LONGEST:
            assert reason == shown * count
        else:
            assert reason == shown * ((LONGEST - 3) // size) + "..."
        assert len(done.stderr.splitlines()) == 1 + (member == "detail")
