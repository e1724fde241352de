# SPDX-License-Identifier: MIT
"""The harness's judgements: the allow-list, what the tool's output means, plans, URLs, pages."""

from __future__ import annotations

import subprocess
import sys
import time
import types
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import html_page
from harness import cu, not_for
from harness.allow import AllowList
from harness.daemon import Daemon
from harness.modules import Module, Plan, Variant, block_variants
from harness.process import die_with_parent
from harness.units import parse_url
from report import DEFECT, FAILED, PASSED, SKIPPED, Case, Results

THIN = Variant("rdwr", True).facts()
THICK = Variant("rdwr", False).facts()


def allow_list(tmp_path: Path, text: str) -> AllowList:
    path = tmp_path / "allow.toml"
    path.write_text(text)
    return AllowList.load(path)


ENTRY = '[[allow]]\ntest = "ALL.Unmap.*"\noutcome = "skip"\nreason = "thick"\nclause = "SBC-4 4.7"\n'


@pytest.mark.smoke
def test_listed_skip_is_excused_where_it_applies(tmp_path: Path) -> None:
    allow = allow_list(tmp_path, ENTRY + 'text = "^not thin"\n[allow.where]\nthin = false\nmodule = "rd*"\n')
    assert allow.find("ALL.Unmap.Simple", THICK, "skip", "not thin at all") is not None
    assert allow.find("ALL.Unmap.Simple", THICK, "skip", "other words") is None
    assert allow.find("ALL.Unmap.Simple", THIN, "skip", "not thin") is None
    assert allow.find("ALL.Unmap.Simple", THICK, "failed", "not thin") is None
    assert allow.find("ALL.Read6.Simple", THICK, "skip", "not thin") is None
    assert allow.find("ALL.Unmap.Simple", Variant("null").facts(), "skip", "not thin") is None


def test_an_entry_is_about_disks_unless_it_says_otherwise(tmp_path: Path) -> None:
    tape = Variant("ssc", kind="tape").facts()
    about_disks, about_tapes = (allow_list(tmp_path, ENTRY + more) for more in ("", 'where = { kind = "tape" }\n'))
    assert about_disks.find("ALL.Unmap.Simple", THICK, "skip", "") is not None
    assert about_disks.find("ALL.Unmap.Simple", tape, "skip", "") is None
    assert about_disks.stale([("ALL.Unmap.Simple", tape)], []) == []
    assert about_tapes.find("ALL.Unmap.Simple", tape, "skip", "") is not None
    assert about_tapes.find("ALL.Unmap.Simple", THICK, "skip", "") is None


@pytest.mark.smoke
def test_entry_that_no_longer_applies_is_stale(tmp_path: Path) -> None:
    allow = allow_list(tmp_path, ENTRY + "where = { thin = false }\n")
    assert [e.number for e in allow.stale([("ALL.Unmap.Simple", THICK)], [])] == [0]
    assert allow.stale([("ALL.Unmap.Simple", THICK)], [0]) == []
    assert allow.stale([("ALL.Unmap.Simple", THIN)], []) == []  # it says nothing about that one
    assert allow.stale([("ALL.Read6.Simple", THICK)], []) == []  # not run this time


def test_entry_for_a_race_needs_not_happen(tmp_path: Path) -> None:
    allow = allow_list(tmp_path, ENTRY + "sometimes = true\n")
    assert allow.stale([("ALL.Unmap.Simple", THICK)], []) == []


@pytest.mark.parametrize("fault", [
    ENTRY.replace('reason = "thick"\n', ""), ENTRY.replace('clause = "SBC-4 4.7"\n', ""),
    ENTRY.replace('"skip"', '"maybe"'), ENTRY + "where = { colour = 1 }\n", ENTRY + "txt = 'x'\n",
])
def test_faulty_allow_list_is_refused(tmp_path: Path, fault: str) -> None:
    with pytest.raises(ValueError, match="allow-list entry 1"):
        allow_list(tmp_path, fault)


def test_the_project_s_own_list_loads() -> None:
    AllowList.load(Path(__file__).parents[1] / "allow.toml")


SUMMARY = "Run Summary:    Type  Total    Ran Passed Failed Inactive\n              suites      1      1    n/a      0\n"


def tool_output(ran: int = 1, failed: int = 0, middle: str = "") -> str:
    return f"Suite: A\n  Test: B ...{middle}passed\n{SUMMARY}               tests      1      {ran}      1      {failed}\n"


@pytest.mark.parametrize("code,stdout,kind,text", [
    (0, tool_output(), "passed", ""),
    (0, tool_output(middle="    [SKIPPED] no UNMAP\n"), "skip", "no UNMAP"),
    (0, tool_output(middle="    Skipping RTPG tests: none\n"), "skip", "Skipping RTPG tests: none"),
    (0, "    [SKIPPED] no PRIN\n" + tool_output(), "passed", ""),  # said of its own preparations
    (1, tool_output(failed=1, middle="\n    [FAILED] READ10 failed\n    1. test.c:1  - ret == 0\n"), "failed",
     "READ10 failed / test.c:1  - ret == 0"),
    (0, "", "failed", "exit status 0"),  # an unknown test name: runs nothing, exits 0
    (0, tool_output(ran=0), "failed", "0 of 1 tests ran, 0 failed"),
    (255, "", "failed", "exit status 255"),
    (-11, tool_output(), "failed", "the tool died of signal 11"),
])
def test_tool_output(code: int, stdout: str, kind: str, text: str) -> None:
    outcome = cu.judge(code, stdout, "")
    assert (outcome.kind, outcome.text) == (kind, text)


@pytest.mark.parametrize("printed,kind,text", [
    ("passed\n", "passed", ""), ("\n    [SKIPPED] no UNMAP\npassed\n", "skip", "no UNMAP"),
    ("\n    [FAILED] READ10 failed\nFAILED\n    1. test.c:1  - ret == 0\n", "failed",
     "READ10 failed / test.c:1  - ret == 0"),
])
def test_a_part_of_a_suite_s_output(printed: str, kind: str, text: str) -> None:
    outcome = cu.judge_part(printed)
    assert (outcome.kind, outcome.text) == (kind, text)


def test_tool_lists_each_test_once() -> None:
    names = cu.tests()
    assert len(names) == len(set(names)) >= 200
    assert all(name.startswith("ALL.") and name.count(".") == 2 for name in names)
    assert len(cu.command("ALL.MultipathIO.Simple", "u")) == len(cu.command("ALL.Read6.Simple", "u")) + 1


@pytest.mark.parametrize("kind", sorted(not_for.NOT_FOR))
def test_what_is_not_for_a_kind_exists(kind: str) -> None:
    """Each line of the list takes away a test that no line before it took; what is left is about any unit."""
    left = list(cu.tests())
    for pattern in not_for.NOT_FOR[kind]:
        taken = [test for test in left if fnmatchcase(test, pattern)]
        assert taken, f"{pattern}: there is no such test"
        left = [test for test in left if test not in taken]
    assert left == not_for.fitting(kind, cu.tests())
    assert {"ALL.Inquiry.Standard", "ALL.ProutReserve.OwnershipEA", "ALL.Reserve6.LUNReset"} <= set(left)
    assert not_for.fitting("block", cu.tests()) == list(cu.tests())


def test_variants_follow_the_modules() -> None:
    modules = [Module("a", capabilities=("write", "discard")), Module("b", capabilities=("write",))]
    assert [str(v) for v in block_variants(modules)] == [
        "a-thin-512-pb3", "a-thin-4096", "a-thick-512", "a-thick-4096", "b-thick-512", "b-thick-4096"]
    plan = Plan(modules, store_dir="/x")
    assert Plan.from_json(plan.to_json()) == plan


def test_urls() -> None:
    unit = parse_url("iscsi://me%secret@[::1]:3261/iqn.2026-01.org.example:x/7")
    assert (unit.host, unit.port, unit.target, unit.lun) == ("::1", 3261, "iqn.2026-01.org.example:x", 7)
    assert unit.url == "iscsi://me%secret@[::1]:3261/iqn.2026-01.org.example:x/7"
    assert parse_url("iscsi://h/iqn.x/0").port == 3260
    for wrong in ("http://h/x/1", "iscsi://h/x", "iscsi://h/x/one", "iscsi://h:x/y/1"):
        with pytest.raises(ValueError):
            parse_url(wrong)


def results(*outcomes: str) -> Results:
    cases = {f"t{n}": Case("suite", f"row{n}", "rdwr-thin-512", "", outcome, "<why>", "<details>")
             for n, outcome in enumerate(outcomes)}
    return Results(cases)


@pytest.mark.smoke
def test_what_makes_a_run_fail() -> None:
    assert not results(PASSED, SKIPPED, DEFECT).failed
    assert results(PASSED, FAILED).failed
    for name in ("problems", "stale"):
        run = results(PASSED)
        getattr(run, name).append("x")
        assert run.failed
    assert results(PASSED, FAILED, SKIPPED).line() == "1 passed, 1 failed, 1 skipped, 0 known tool defects"


def test_page_shows_every_case_and_escapes() -> None:
    page = html_page.render(results(PASSED, FAILED, SKIPPED, DEFECT), "a & b", {"null": "discards"})
    for text in ("a &amp; b", "row0", "row3", "class=failed", "class=skipped", "class=defect", "&lt;details&gt;"):
        assert text in page
    assert "<why>" not in page and "http" not in page  # self-contained


# -- the daemon's minder


def fake_daemon(tmp_path: Path, body: str) -> Daemon:
    """A daemon whose tgtd is a script."""
    script = tmp_path / "tgtd"
    script.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")
    tool = tmp_path / "tgtadm"
    tool.write_text("#!/bin/sh\nexit 0\n")
    for path in (script, tool):
        path.chmod(0o755)
    return Daemon(str(script), str(tool), store_dir=str(tmp_path))


READY = "print('up', flush=True)\n"


@pytest.mark.parametrize("body,problem", [
    ("signal.signal(15, lambda *_: sys.exit(0))\n" + READY + "time.sleep(60)", None),
    ("signal.signal(15, lambda *_: sys.exit(3))\n" + READY + "time.sleep(60)", "exit status 3"),
    (READY + "time.sleep(60)", "signal 15"),
    ("signal.signal(15, lambda *_: sys.exit(0))\nprint('x.c:1: runtime error: shift', flush=True)\n"
     + READY + "time.sleep(60)", "runtime error"),
])
def test_end_of_the_daemon_is_judged(tmp_path: Path, body: str, problem: str | None) -> None:
    daemon = fake_daemon(tmp_path, body)
    daemon.start()
    wait_for(lambda: "up" in daemon.log())
    problems = daemon.stop()
    daemon.clean()
    if problem is None:
        assert problems == []
    else:
        assert problem in "\n".join(problems)


def wait_for(condition: object, seconds: float = 10.0) -> None:
    assert isinstance(condition, types.FunctionType)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_daemon_that_hangs_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.daemon.STOP_SECONDS", 0.3)
    daemon = fake_daemon(tmp_path, "signal.signal(15, signal.SIG_IGN)\n" + READY + "time.sleep(60)")
    daemon.start()
    wait_for(lambda: "up" in daemon.log())
    assert "after SIGTERM" in daemon.stop()[0]
    daemon.clean()


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """A worker that is killed leaves no daemon behind."""
    program = ("import subprocess, sys, time\nsys.path.insert(0, sys.argv[1])\n"
               "from harness.process import die_with_parent\n"
               "p = subprocess.Popen(['sleep', '100'], preexec_fn=die_with_parent)\n"
               "print(p.pid, flush=True)\ntime.sleep(100)\n")
    assert callable(die_with_parent)
    parent = subprocess.Popen([sys.executable, "-c", program, str(Path(__file__).parents[1])],
                              stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_for(lambda: not running(child))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
