# SPDX-License-Identifier: MIT
"""The runner of ci/check: what it counts, and that a failure is never a pass."""
import io
import sys
import time

import pytest

import project

sys.path.insert(0, str(project.SOURCE / "ci/lib"))
from runner import Runner, Step  # noqa: E402

JUNIT = '<testsuite><testcase classname="a" name="good"/>{}</testsuite>'


def run(folder, *steps):
    out = io.StringIO()
    code = Runner(list(steps), str(folder), cores=2, out=out).run()
    return code, out.getvalue()


def writes(path, text, code=0):
    return ["sh", "-c", f"cat >{path} <<'EOT'\n{text}\nEOT\nexit {code}"]


def test_success_is_zero_and_the_last_line_counts(tmp_path):
    code, out = run(tmp_path, Step("a", ["true"]), Step("b", ["true"], after=["a"]))
    assert code == 0
    assert out.splitlines()[-1] == "2 passed, 0 failed"


def test_failure_is_not_zero_and_what_needs_it_is_not_run(tmp_path):
    code, out = run(tmp_path, Step("a", ["false"]), Step("b", ["touch", str(tmp_path / "ran")], after=["a"]))
    assert code == 1
    assert out.splitlines()[-1] == "0 passed, 2 failed"
    assert not (tmp_path / "ran").exists()


def test_nothing_at_all_is_a_failure(tmp_path):
    assert run(tmp_path)[0] == 1


@pytest.mark.parametrize("inner, code, want", [
    ("", 0, "1 passed, 0 failed"),
    ("", 1, "1 passed, 1 failed"),
    ('<testcase name="x"><failure/></testcase>', 1, "1 passed, 1 failed"),
    ('<testcase name="x"><error/></testcase>', 0, "1 passed, 1 failed"),
    ('<testcase name="x"><skipped/></testcase>', 0, "1 passed, 1 failed"),
    ('<testcase name="x" status="notrun"/>', 0, "1 passed, 1 failed"),
])
def test_junit_is_counted(tmp_path, inner, code, want):
    xml = tmp_path / "r.xml"
    got, out = run(tmp_path, Step("a", writes(xml, JUNIT.format(inner), code), junit=[str(xml)]))
    assert out.splitlines()[-1] == want
    assert got == (0 if want.endswith(" 0 failed") else 1)


def test_a_skip_with_an_allow_list_of_its_own_is_neither(tmp_path):
    xml = tmp_path / "r.xml"
    text = JUNIT.format('<testcase name="x"><skipped/></testcase>')
    code, out = run(tmp_path, Step("a", writes(xml, text), junit=[str(xml)], skips=True))
    assert (code, out.splitlines()[-1]) == (0, "1 passed, 0 failed")


@pytest.mark.parametrize("text", ["", "<testsuite/>", "<broken"])
def test_no_results_are_a_failure(tmp_path, text):
    xml = tmp_path / "r.xml"
    code, out = run(tmp_path, Step("a", writes(xml, text), junit=[str(xml)]))
    assert (code, out.splitlines()[-1]) == (1, "0 passed, 1 failed")


def test_results_of_an_earlier_run_do_not_count(tmp_path):
    xml = tmp_path / "r.xml"
    xml.write_text(JUNIT.format(""))
    code, out = run(tmp_path, Step("a", ["true"], junit=[str(xml)]))
    assert (code, out.splitlines()[-1]) == (1, "0 passed, 1 failed")


def test_a_step_that_hangs_ends_and_fails(tmp_path):
    begin = time.monotonic()
    code, out = run(tmp_path, Step("a", ["sh", "-c", "sleep 60 & sleep 60"], timeout=0.5))
    assert (code, out.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert "took more than 0.5 s" in out and time.monotonic() - begin < 10


def test_lines_of_a_step_are_shown(tmp_path):
    _, out = run(tmp_path, Step("a", ["printf", "fuzz.x 5 executions\nnot this\n"], show=r"fuzz\."))
    assert "    | fuzz.x 5 executions" in out.splitlines() and "not this" not in out


def test_steps_run_side_by_side(tmp_path):
    begin = time.monotonic()
    assert run(tmp_path, Step("a", ["sleep", "1"]), Step("b", ["sleep", "1"]))[0] == 0
    assert time.monotonic() - begin < 1.8


def test_a_step_after_an_unknown_one_is_refused(tmp_path):
    with pytest.raises(ValueError):
        run(tmp_path, Step("a", ["true"], after=["nosuch"]))
