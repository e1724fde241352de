# SPDX-License-Identifier: MIT
"""libiscsi's iscsi-test-cu, one test a process, and what its output means.

It counts a skipped test as passed, in its exit status too; only its standard output says otherwise.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .process import run

TOOL = "iscsi-test-cu"
TIMEOUT = 90.0
# It compares block 256 with zeroes, but zeroes only those before it.
WANTS_ZEROES = frozenset({"ALL.MultipathIO.CompareAndWrite"})
_NAME = re.compile(r"ALL\.[^.\s]+\.[^.\s]+")
_SKIPPED = re.compile(r"\[SKIPPED\]\s*(.*)")
# RTPG says it without the brackets
_SKIPPING = re.compile(r"(Skipping RTPG tests.*)")
_FAILED = re.compile(r"\[FAILED\]\s*(.*)")
_ASSERT = re.compile(r"^\s+\d+\. (.*)$", re.MULTILINE)
_SUMMARY = re.compile(r"^\s+tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How one test ended: "passed", "skip" or "failed", the tool's own words, and all it printed."""

    kind: str
    text: str
    output: str


@lru_cache(maxsize=1)
def tests() -> tuple[str, ...]:
    """The names in family ALL, each once, as FAMILY.Suite.Test."""
    listing = run([TOOL, "-l"]).stdout
    names = dict.fromkeys(word for line in listing.splitlines() if _NAME.fullmatch(word := line.strip()))
    if not names:
        raise RuntimeError(f"{TOOL} -l lists no test")
    return tuple(names)


def command(test: str, url: str, other: str | None = None) -> list[str]:
    """other: the second path of a test that takes two."""
    urls = [url, other or url] if test.startswith("ALL.MultipathIO.") else [url]
    return [TOOL, "-d", "-S", "-V", "-t", test, *urls]


def run_test(test: str, url: str, timeout: float = TIMEOUT, other: str | None = None,
             preload: Path | None = None) -> Outcome:
    """Runs one test in a process of its own, with a library put before the others if one is given."""
    env = {**os.environ, "LD_PRELOAD": str(preload)} if preload is not None else None
    try:
        done = run(command(test, url, other), timeout=timeout, env=env)
    except subprocess.TimeoutExpired as expired:
        text = expired.stdout.decode(errors="replace") if isinstance(expired.stdout, bytes) else ""
        return Outcome("failed", f"no end within {timeout:.0f} s", text)
    return judge(done.returncode, done.stdout, done.stderr)


def judge(code: int, stdout: str, stderr: str) -> Outcome:
    """What exit status and output mean."""
    output = stdout + stderr
    summary = _SUMMARY.search(stdout)
    if code < 0:
        return Outcome("failed", f"the tool died of signal {-code}", output)
    if code != 0 or summary is None:
        return Outcome("failed", _first_failure(stdout) or stderr.strip() or f"exit status {code}", output)
    total, ran, _, failed = (int(group) for group in summary.groups())
    if failed or ran != 1 or total != 1:
        return Outcome("failed", f"{ran} of {total} tests ran, {failed} failed", output)
    # What comes before is of the tool's preparations, which look for reservations on devices that have none.
    skip = _skip_text(stdout[max(0, stdout.find("Suite:")):])
    return Outcome("skip", skip, output) if skip else Outcome("passed", "", output)


def judge_part(printed: str) -> Outcome:
    """What one test's lines in the output of a whole suite mean."""
    if _ASSERT.search(printed):
        return Outcome("failed", _first_failure(printed), printed)
    skip = _skip_text(printed)
    return Outcome("skip", skip, printed) if skip else Outcome("passed", "", printed)


def _skip_text(printed: str) -> str:
    skipped = _SKIPPED.search(printed) or _SKIPPING.search(printed)
    return skipped.group(1).strip() if skipped else ""


def _first_failure(stdout: str) -> str:
    parts = [match.group(1).strip() for match in (_FAILED.search(stdout), _ASSERT.search(stdout)) if match]
    return " / ".join(parts)
