# SPDX-License-Identifier: MIT
"""tgtadm's command line, where the transcript is silent: texts and exit codes observed of stgt 1.0.85.

What is wrong with the command line is said before anybody is asked: there is no daemon here."""
import json
import os
import re
import subprocess

import pytest
from daemons import TGTADM

TRY = "Try `tgtadm --help' for more information.\n"
SENT = "tgtadm: failed to send request hdr to tgt daemon, Transport endpoint is not connected\n"


def adm(tmp_path, *arguments):
    done = subprocess.run([TGTADM, *arguments], env={**os.environ, "TGT_IPC_SOCKET": str(tmp_path / "none")},
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "" or "--help" in arguments or "-V" in arguments
    return done.returncode, done.stderr


def taken(mode, option):
    return f"tgtadm: {mode} mode: option '-{option}' is not allowed/supported\n"


@pytest.mark.parametrize(("line", "rc", "text"), [
    ("", 22, "tgtadm: specify the operation type\n"),
    ("-o show", 22, "tgtadm: specify the mode\n"),
    ("-m target", 22, "tgtadm: specify the operation type\n"),
    ("--op frob --bogus", 1, "tgtadm: unknown operation: frob\n"),
    ("--mode s --op show", 1, "tgtadm: unknown mode: s\n"),
    ("--bogus", 22, f"{TGTADM}: unrecognized option '--bogus'\n{TRY}"),
    ("-t", 22, f"{TGTADM}: option requires an argument -- 't'\n{TRY}"),
    ("--op show --mode target extra", 22, f"tgtadm: unrecognized option 'extra'\n{TRY}"),
    ("--o show", 22, f"{TGTADM}: option '--o' is ambiguous; possibilities: '--op' '--outgoing'\n{TRY}"),
    ("--m target --op show", 107, SENT),
    # numbers
    ("-m target -o new -t abc", 22, f"-t argument value 'abc' invalid\n{TRY}"),
    ("-m target -o new -t -1", 22, f"-t argument value '-1' invalid\n{TRY}"),
    ("-m target -o new -t 2147483648", 22, f"-t argument value '2147483648' out of range\n{TRY}"),
    ("-m target -o new -t 18446744073709551616", 22, f"-t argument value '18446744073709551616' invalid\n{TRY}"),
    ("-m target -o delete -t 2147483647", 107, SENT),
    ("-m target -o delete -t 0x10", 107, SENT),
    ("-m target -o delete -t 7:", 107, SENT),
    ("-m target -o delete -t 7x", 22, f"-t argument value '7x' invalid\n{TRY}"),  # stgt takes it for 7
    ("-m lu -o delete -t 1 -l x", 22, f"-l argument value 'x' invalid\n{TRY}"),
    ("-m lu -o delete -t 1 -l 99999999999", 107, SENT),
    ("-m lu -o new -t 1 -l 1 -y abc", 22, f"-y argument value 'abc' invalid\n{TRY}"),  # stgt takes it for 512
    ("-m conn -o show -c 4294967296", 22, f"-c argument value '4294967296' out of range\n{TRY}"),
    ("-m conn -o show -s 99999999999999999999", 22, f"-s argument value '99999999999999999999' invalid\n{TRY}"),
    ("-o show -m sys -C 65536", 22, f"-C argument value '65536' out of range\n{TRY}"),
    ("-o show -m sys -H host", 22, f"-H argument value 'host' invalid\n{TRY}"),
    # what an operation needs
    ("-m target -o new", 22, "tgtadm: 'tid' option is necessary\n"),
    ("-m target -o new -t 0", 22, "tgtadm: 'tid' cannot be 0\n"),
    ("-m target -o new -t 1", 22, "tgtadm: creating new target requires a name, use --targetname\n"),
    ("-m target -o update -t 1 -n x", 22, "tgtadm: update operation requires 'name' and 'value' options\n"),
    ("-m target -o update -t 1", 22, "tgtadm: update operation requires 'name' and 'value' options\n"),
    ("-m target -o update -t 1 -n x -P a=b", 22, "tgtadm: update operation requires 'name' and 'value' options\n"),
    ("-m target -o update -t 1 -P a=b", 107, SENT),
    ("-m target -o bind -t 1", 22,
     "tgtadm: bind operation requires initiator-address, initiator-nameor bus\n"),
    ("-m target -o unbind -t 1", 22,
     "tgtadm: unbind operation requires initiator-address, initiator-nameor bus\n"),
    ("-m target -o start", 22, "tgtadm: 'tid' option is necessary\n"),
    ("-m target -o start -t 1", 22, "tgtadm: operation start not supported in target mode\n"),
    ("-m lu -o new", 22, "tgtadm: 'tid' option is necessary\n"),
    ("-m lu -o new -t 1", 22, "tgtadm: 'lun' option is necessary\n"),
    ("-m lu -o show -t 1 -l 1", 22, "tgtadm: operation show not supported in logicalunit mode\n"),
    ("-m sys -o new", 22, "tgtadm: operation new not supported in system mode\n"),
    ("-m sys -o update", 22, "tgtadm: update operation requires 'name' and 'value' options\n"),
    ("-m portal -o new", 22, "tgtadm: you must specify --param portal=<portal>\n"),
    ("-m portal -o bind", 22, "tgtadm: operation bind not supported in portal mode\n"),
    ("-m account -o new -u x", 22, "tgtadm: 'user' and 'password' options are required\n"),
    ("-m account -o bind -t 1", 22, "tgtadm: 'user' option is necessary\n"),
    ("-m account -o delete", 107, SENT),
    ("-m account -o stat", 22, "tgtadm: operation stat not supported in account mode\n"),
    ("-m bs -o new", 22, "tgtadm: operation new not supported in backingstore mode\n"),
    ("-m conn -o new", 107, SENT),
    # what it doesn't take: the first on the command line is named
    ("-m target -o show -n x -s 1", 22, taken("target", "n")),
    ("-m target -o show -s 1 -n x", 22, taken("target", "s")),
    ("-m target -o new -t 1 -l 5", 22, taken("target", "l")),
    ("-m lu -o new -t 1 -l 1 -P a=b", 22, taken("logicalunit", "P")),
    ("-m lu -o update -t 1 -l 1 -b x", 22, "tgtadm: option '-b' not supported in logicalunit mode\n"),
    ("-m portal -o show -t 1", 22, "tgtadm: option '-t' not supported in portal mode\n"),
    ("-m account -o new -u x -p y -t 1", 22, taken("account", "t")),
    ("-m lld -o show -t 1", 22, taken("lld", "t")),
    ("-m sys -o show -t 1 -l 1", 107, SENT),
    ("-m lu -o new -t 1 -l 1 -Y nosuch", 22, "tgtadm: unknown target type: nosuch\n"),
    # flags go with everything
    ("-m target -o delete -t 1 -F", 107, SENT),
    ("-m account -o bind -t 1 -u x -O", 107, SENT),
    ("-m lu -o update -t 1 -l 1", 107, SENT),
])
def test_command_line(tmp_path, line, rc, text):
    assert adm(tmp_path, *line.split()) == (rc, text)


@pytest.mark.parametrize(("short", "long"), [
    ("sys", "system"), ("tgt", "target"), ("lu", "logicalunit"), ("pt", "portal"), ("sess", "session"),
    ("conn", "connection"), ("bs", "backingstore")])
def test_mode_names(daemon, short, long):
    options = ["--op", "show"] if short not in ("lu", "sess", "conn") else ["--op", "stat", "--tid", "1", "--lun", "0"]
    if short in ("sess", "conn"):
        options = ["--op", "show", "--tid", "1"]
    daemon.target()
    one, other = (daemon.adm("--mode", mode, *options) for mode in (short, long))
    assert (one.returncode, one.stdout) == (0, other.stdout)


def test_other_driver(daemon):
    for mode, op in (("target", "show"), ("account", "show"), ("system", "delete"), ("backingstore", "show")):
        done = daemon.adm("--lld", "nosuch", "--mode", mode, "--op", op)
        assert (done.returncode, done.stderr) == (22, "tgtadm: can't find the driver\n")


def test_help_and_version(tmp_path):
    done = subprocess.run([TGTADM, "--help"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--targetname" in done.stdout
    done = subprocess.run([TGTADM, "-V"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def test_value_that_is_no_text(tmp_path):
    done = subprocess.run([TGTADM.encode(), b"-m", b"account", b"-o", b"new", b"-u", b"\xff", b"-p", b"x"],
                          capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (22, b"tgtadm: the value of --user is not UTF-8\n")


def test_debug_hides_the_password(daemon):
    done = daemon.adm("-d", "--mode", "account", "--op", "new", "--user", "u", "--password", "secretsecret12")
    assert done.returncode == 0
    assert "sent" in done.stderr and "received" in done.stderr
    assert "secretsecret12" not in done.stderr


def test_json_of_everything(daemon):
    daemon.target()
    for words in (["--mode", "system", "--op", "show"], ["--mode", "system", "--op", "stat"],
                  ["--mode", "target", "--op", "show"], ["--mode", "target", "--op", "show", "--tid", "1"],
                  ["--mode", "portal", "--op", "show"], ["--mode", "account", "--op", "show"],
                  ["--mode", "lld", "--op", "show"], ["--mode", "lld", "--op", "start"],
                  ["--mode", "conn", "--op", "show", "--tid", "1"], ["--mode", "bs", "--op", "show"],
                  ["--mode", "target", "--op", "update", "--tid", "1", "--name", "state", "--value", "ready"]):
        assert isinstance(json.loads(daemon.do("--json", *words)), dict)


def test_output_that_nobody_takes(daemon):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([TGTADM, "--op", "show", "--mode", "system"], env=daemon.env, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (1, "tgtadm: the result can't be written\n")
