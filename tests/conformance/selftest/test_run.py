# SPDX-License-Identifier: MIT
"""Whole runs of ci/conformance with a tool and a daemon that are scripts: what fails a run, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[3] / "ci" / "conformance"

# Stands in for iscsi-test-cu: a test's name says how it ends.
TOOL = r"""#!/bin/sh
[ "$1" = -l ] && { printf 'ALL\nALL.Fake\n'; printf 'ALL.Fake.%s\n' Pass Skip Fail Pass; exit 0; }
for word; do case $word in ALL.*) name=${word##*.} ;; esac; done
failed=0
case $name in
Skip) echo '    [SKIPPED] nothing to do' ;;
Fail) failed=1; echo '    [FAILED] it broke' ;;
esac
echo "Run Summary:"
echo "               tests      1      1      $((1 - failed))      $failed        0"
exit $failed
"""
TGTD = "#!/bin/sh\nexec sleep 100\n"
TGTADM = "#!/bin/sh\ncase \"$*\" in *json*) exit 1 ;; esac\nprintf 'Backing stores:\\n    rdwr\\n'\n"

SKIP = '[[allow]]\ntest = "ALL.Fake.Skip"\noutcome = "skip"\nreason = "because"\nclause = "X 1"\n'
DEFECT = '[[allow]]\ntest = "ALL.Fake.Fail"\noutcome = "tool-defect"\nreason = "tool"\nclause = "X 2"\n'
STALE = '[[allow]]\ntest = "ALL.Fake.Pass"\noutcome = "skip"\nreason = "no longer"\nclause = "X 3"\n'


class Run:
    """One run and what it left."""

    def __init__(self, folder: Path, allow: str, *arguments: str) -> None:
        for name, text in (("iscsi-test-cu", TOOL), ("tgtd", TGTD), ("tgtadm", TGTADM)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        (folder / "allow.toml").write_text(allow)
        self.junit, self.html = folder / "out" / "junit.xml", folder / "out" / "page.html"
        self.done = subprocess.run(
            [RUNNER, "--tgtd", folder / "tgtd", "--tgtadm", folder / "tgtadm", "--suite", "libiscsi", "-k",
             "thin-512-pb3-ALL", "--allow", folder / "allow.toml", "--junit", self.junit, "--html", self.html, *arguments],
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}, capture_output=True, text=True, timeout=100,
            check=False)
        self.last = self.done.stdout.strip().splitlines()[-1] if self.done.stdout.strip() else ""

    def cases(self) -> dict[str, str]:
        """How each test ended, by JUnit."""
        out = {}
        for case in ElementTree.parse(self.junit).getroot().iter("testcase"):
            kinds = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
            out[case.get("name", "")] = kinds[0] if kinds else "passed"
        return out


@pytest.mark.smoke
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_listed_exceptions_pass(tmp_path: Path, jobs: str) -> None:
    """A skip and a tool defect that the list knows: exit 0, and both are counted as what they are."""
    run = Run(tmp_path, SKIP + DEFECT, "--jobs", jobs)
    assert run.done.returncode == 0, run.done.stdout + run.done.stderr
    assert run.last == "1 passed, 0 failed, 1 skipped, 1 known tool defects"
    assert sorted(run.cases().values()) == ["passed", "skipped", "skipped"]
    assert "libiscsi on rdwr: 1 of 3 tests passed on some unit; on none: Fake.Fail, Fake.Skip" in run.done.stdout
    page = run.html.read_text()
    assert "because" in page and "Fake.Skip" in page and "rdwr-thin-512-pb3" in page


@pytest.mark.parametrize("allow,broken", [(DEFECT, "Skip"), (SKIP, "Fail")], ids=["skip", "failure"])
def test_unlisted_outcome_fails(tmp_path: Path, allow: str, broken: str) -> None:
    """A skip that nobody listed fails like a failure."""
    run = Run(tmp_path, allow, "--jobs", "1")
    assert run.done.returncode == 1
    assert " 1 failed" in run.last
    assert [name for name, end in run.cases().items() if end == "failure"] == [
        f"test_libiscsi[rdwr-thin-512-pb3-ALL.Fake.{broken}]"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stale_entry_fails(tmp_path: Path, jobs: str) -> None:
    """An entry that nothing needed fails a run in which all else is well."""
    run = Run(tmp_path, SKIP + DEFECT + STALE, "--jobs", jobs)
    assert run.done.returncode == 1
    assert run.last.endswith("1 stale allow-list entries")
    assert "stale allow-list entry: ALL.Fake.Pass (skip: no longer [X 3])" in run.done.stdout


def test_condition_keeps_an_entry_out(tmp_path: Path) -> None:
    """An entry for other units neither excuses nor goes stale."""
    run = Run(tmp_path, SKIP.replace("[[allow]]", "[[allow]]\nwhere = { thin = false }") + DEFECT, "--jobs", "1")
    assert run.done.returncode == 1
    assert " 1 failed" in run.last and "stale" not in run.last


def test_faulty_list_is_one_line(tmp_path: Path) -> None:
    """A mistake in the list stops the run before it begins, and says where."""
    run = Run(tmp_path, SKIP.replace('clause = "X 1"', ""), "--jobs", "1")
    assert run.done.returncode == 4
    assert "(ALL.Fake.Skip): no clause" in run.done.stderr


@pytest.mark.parametrize("arguments,words", [
    (["--target", "iscsi://h/t/1", "--module", "rdwr"], "--target starts no daemon"),
    (["--build", "/nonexistent"], "no tgtd in it"),
    (["--tgtd", "/bin/true"], "--tgtd and --tgtadm go together"),
    (["--tgtd", "x", "--tgtadm", "y", "--module", "./bs_nosuch.so"], "bs_nosuch.so: no such file"),
    (["--tgtd", "x", "--tgtadm", "y", "--path", "/p"], "--path, --bsopts and --bsoflags are for the modules named"),
    (["--suite", "nosuch"], "invalid choice"),
])
def test_wrong_arguments(arguments: list[str], words: str) -> None:
    """One line that says which, and exit 2."""
    done = subprocess.run([RUNNER, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert words in done.stderr


def test_wrong_url() -> None:
    """A URL that is none, or where nobody is."""
    for url, words in (("http://x", "not iscsi://"), ("iscsi://127.0.0.1:1/iqn.2026-01.org.example:x/1", "refused")):
        done = subprocess.run([RUNNER, "--target", url, "--suite", "raw"], capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 4
        assert words in done.stderr and "Traceback" not in done.stderr
