# SPDX-License-Identifier: MIT
"""tgtadm is stgt's, text for text: every command of a transcript of stgt 1.0.85, in order, on one daemon.

What may differ is listed in DIFFERENCES, each with its reason; one that no longer makes a difference fails. What the
daemon's reasons add to standard error output, behind stgt's lines, is listed in REASONS, to the letter.
"""
import re
import shlex
from pathlib import Path

import pytest
from daemons import TGTADM, free_port, run

TRANSCRIPT = Path(__file__).with_name("tgtadm-transcript.txt")


class Step:
    """A command, what it printed on either stream, and its exit status."""

    def __init__(self, command):
        self.command, self.out, self.err, self.rc = command, [], [], None

    def result(self):
        return self.out, self.err, self.rc


def read_transcript():
    steps = []
    for line in TRANSCRIPT.read_text().splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif line.startswith("out|"):
            steps[-1].out.append(line[4:])
        elif line.startswith("err|"):
            steps[-1].err.append(line[4:])
        elif line.startswith("rc="):
            steps[-1].rc = int(line[3:])
        else:
            assert not line, f"not a line of a transcript: {line!r}"
    return steps


# -- differences: each changes what is expected of a step, in place


def section(lines, title):
    """Where the rows below a title begin and end."""
    first = lines.index(title) + 1
    last = first
    while last < len(lines) and lines[last].startswith("    "):
        last += 1
    return first, last


def replace_section(step, title, rows):
    first, last = section(step.out, title)
    step.out[first:last] = [f"    {row}" for row in rows]


def loaded_stores(step, daemon):
    rows = []
    for module in daemon.show("backingstore")["modules"]:
        flags = [flag for flag in ("sync", "direct") if flag in module["capabilities"]]
        rows.append(module["name"] + (f" (bsoflags {':'.join(flags)})" if flags else ""))
    replace_section(step, "Backing stores:", rows)


def device_types(step, daemon):
    kinds = {module["kind"] for module in daemon.show("backingstore")["modules"]}
    rows = [("block", "disk"), (None, "controller"), ("tape", "changer"), ("tape", "tape"),
            ("passthrough", "passthrough")]
    replace_section(step, "Device types:", [name for kind, name in rows if kind is None or kind in kinds])


def no_iser(step, _daemon):
    step.out.remove("    iser: error")


def refused(step, _daemon):
    step.err, step.rc = ["tgtadm: invalid request"], 22


def accepted(step, _daemon):
    step.err, step.rc = [], 0


def lun_rows(step, lun):
    first = step.out.index(f"        LUN: {lun}")
    last = first + 1
    while step.out[last].startswith("            "):
        last += 1
    return first, last


def no_cd(step, _daemon):
    first, last = lun_rows(step, 4)
    del step.out[first:last]


def aio_lun(step, _daemon):
    first, last = lun_rows(step, 2)
    rows = "\n".join(step.out[first:last])
    for was, now in (("LUN: 2", "LUN: 3"), ("00010002", "00010003"), ("beaf12", "beaf13"), ("1099512 MB", "10 MB"),
                     ("type: null", "type: aio"), ("flags: ", "flags: direct")):
        assert was in rows
        rows = rows.replace(was, now)
    step.out[last:last] = rows.splitlines()


SHOW_SYSTEM = r"--op show --mode sys(tem)?$"
BUSY_TARGET = lambda step: "        LUN: 4" in step.out  # noqa: E731

# (commands, further condition or None, what is expected instead, why)
DIFFERENCES = [
    (SHOW_SYSTEM, None, loaded_stores, "the list of backing stores is what is loaded"),
    (SHOW_SYSTEM, None, device_types, "so is what can be made of them"),
    (SHOW_SYSTEM + "|--mode lld$", lambda step: step.out, no_iser, "there is no iSER row without iSER"),
    ("--device-type cd ", None, refused, "no backing store makes a CD drive yet"),
    ("--op show --mode target$", BUSY_TARGET, aio_lun, "aio takes bsoflags direct here (see below)"),
    ("--op show --mode target$", BUSY_TARGET, no_cd, "see --device-type cd"),
    ("--bstype aio --bsoflags direct ", None, accepted, "aio takes bsoflags sync and direct here"),
    ("--op show --mode session ", None, accepted, "stgt offers it, and refuses it: an outright defect"),
]

TAKEN_TARGET = "target 1 is iqn.2026-01.org.example:disk1"

# (commands, when they are refused; why, as the line behind stgt's says)
REASONS = [
    ("--op new --mode target --tid 1 ", TAKEN_TARGET),
    ("--op new --mode target --tid 2 ", TAKEN_TARGET),
    ("--op new --mode logicalunit --tid 1 --lun 1 ", "target 1 lun 1 is IMG/a.img"),
    ("--lun 2 --bstype nosuch ", 'no backing store "nosuch" is loaded'),
    ("-b /nonexistent$", "/nonexistent: No such file or directory"),
    ("--device-type cd ", 'there is no device type "cd" here'),
    ("--mode logicalunit .*--params bogus=1$", 'a logical unit has no parameter "bogus"'),
    ("--name Bogus ", 'a target has no parameter "Bogus"'),
]


def expect(step, daemon):
    """The step as it must be here, and which differences and reasons made it so."""
    used = set()
    for number, (command, condition, change, reason) in enumerate(DIFFERENCES):
        if not re.search(command, step.command) or (condition and not condition(step)):
            continue
        before = (list(step.out), list(step.err), step.rc)
        change(step, daemon)
        assert before != step.result(), f"the difference is none any more: {reason}"
        used.add(number)
    for number, (command, reason) in enumerate(REASONS, len(DIFFERENCES)):
        if step.rc and re.search(command, step.command):
            step.err.append(f"tgtadm: {reason}")
            used.add(number)
    return used


# -- the test


def perform(step, daemon, names):
    """Runs a step; its result in the transcript's names for files and ports."""
    words = shlex.split(step.command)
    assert words[0] == "tgtadm"
    for ours, theirs in names.items():
        words = [word.replace(theirs, ours) for word in words]
    done = run([TGTADM, *words[1:]], env=daemon.env)
    texts = [done.stdout, done.stderr]
    for ours, theirs in names.items():
        texts = [text.replace(ours, theirs) for text in texts]
    return *(text.split("\n")[:-1] for text in texts), done.returncode


def test_transcript(start, tmp_path):
    for name, size in (("a.img", 64 << 20), ("b.img", 10 << 20)):
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)
    daemon = start()
    names = {f"{tmp_path}/": "IMG/", f"127.0.0.1:{daemon.port}": "127.0.0.1:13561",
             f"127.0.0.1:{free_port()}": "127.0.0.1:13562"}
    used, steps = set(), read_transcript()
    for step in steps:
        if daemon.alive():
            used |= expect(step, daemon)
        assert perform(step, daemon, names) == step.result(), step.command
        if step.command.endswith("--op delete --mode system"):
            assert daemon.process.wait(20) == 0
    assert len(steps) == 66
    assert used == set(range(len(DIFFERENCES) + len(REASONS))), "a difference that is none any more"


def test_reader_sees_trailing_blanks():
    """The text is compared as it is: a blank at the end of a line too."""
    lines = [line for step in read_transcript() for line in step.out]
    assert "            Backing store flags: " in lines


@pytest.mark.parametrize("command", ["tgtadm --lld iscsi --op show --mode sys", "tgtadm --op frob --mode target"])
def test_reader_knows_commands(command):
    assert command in [step.command for step in read_transcript()]
