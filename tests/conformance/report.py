# SPDX-License-Identifier: MIT
"""A pytest plugin: progress, totals, stale allow-list entries, and the HTML page.  Works under xdist."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import html_page
from harness.notes import note, notes_of

PASSED, FAILED, SKIPPED, DEFECT = "passed", "failed", "skipped", "defect"
WORDS = {PASSED: "passed", FAILED: "failed", SKIPPED: "skipped", DEFECT: "known tool defects"}


@dataclass
class Case:
    """One test on one kind of unit."""

    suite: str
    row: str
    column: str
    title: str = ""
    outcome: str = PASSED
    reason: str = ""
    details: str = ""
    seconds: float = 0.0
    worker: str = ""


@dataclass
class Results:
    """All that a run found out."""

    cases: dict[str, Case] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    ran: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    started: float = field(default_factory=time.time)

    def totals(self) -> Counter[str]:
        return Counter(case.outcome for case in self.cases.values())

    def line(self) -> str:
        """The last line of a run."""
        totals = self.totals()
        parts = [f"{totals[key]} {WORDS[key]}" for key in (PASSED, FAILED, SKIPPED, DEFECT)]
        if self.problems:
            parts.append(f"{len(self.problems)} problems of the daemon")
        if self.stale:
            parts.append(f"{len(self.stale)} stale allow-list entries")
        return ", ".join(parts)

    @property
    def failed(self) -> bool:
        return bool(self.totals()[FAILED] or self.problems or self.stale)


def describe(item: pytest.Item) -> dict[str, str]:
    """Where a test stands in the matrix."""
    suite = item.path.stem.removeprefix("test_")
    title = (getattr(item.obj, "__doc__", "") or "").strip().split("\n\n")[0] if hasattr(item, "obj") else ""
    callspec = getattr(item, "callspec", None)
    row, column = getattr(item, "originalname", item.name), "-"
    if callspec is not None:
        variant = callspec.params.get("variant")
        rest = callspec.id
        if variant is not None:
            column = str(variant)
            rest = rest.replace(column, "", 1).strip("-")
        if "cu_test" in callspec.params:
            row = callspec.params["cu_test"].removeprefix("ALL.")
        elif rest:
            row = f"{row}[{rest}]"
    return {"suite": suite, "row": row, "column": column, "title": " ".join(title.split())}


class Reporter:
    """Lives in the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results = Results()
        self.total = 0
        self.finished = 0
        self.shown = -1

    # -- collecting

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.total = len(session.items) or self.total

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self.total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        notes = getattr(report, "notes", {})
        place = notes.get("place", {})
        case = self.results.cases.setdefault(report.nodeid, Case(
            place.get("suite", "?"), place.get("row", report.nodeid), place.get("column", "-"),
            place.get("title", "")))
        case.seconds += report.duration
        case.worker = getattr(report, "worker_id", "")
        if report.failed:
            self._fail(case, report)
        elif report.skipped and case.outcome == PASSED:
            self._skip(case, report)
        if report.when == "teardown":
            self.finished += 1
            self._note(notes)
            self._progress()

    def _note(self, notes: dict[str, Any]) -> None:
        if "allowed" in notes:
            self.results.used.add(notes["allowed"])
        if "ran" in notes:
            self.results.ran.append((notes["ran"]["test"], notes["ran"]["facts"]))

    def _fail(self, case: Case, report: pytest.TestReport) -> None:
        case.outcome = FAILED
        text = str(report.longrepr)
        crash = getattr(report.longrepr, "reprcrash", None)
        case.reason = case.reason or (crash.message if crash else text.strip().partition("\n")[0] or "?")
        case.details += text + "".join(f"\n--- {name} ---\n{body}" for name, body in report.sections)
        first = case.reason.splitlines()[0] if case.reason else ""
        self._say(f"FAILED {case.suite} {case.row} {case.column}: {first[:160]}")

    @staticmethod
    def _skip(case: Case, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            case.outcome, case.reason = DEFECT, report.wasxfail.removeprefix("reason: ")
        else:
            case.outcome = SKIPPED
            case.reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        output = getattr(node, "workeroutput", None)
        self.results.problems += (output or {}).get("problems", [])
        if error:
            self.results.problems.append(f"worker {node.gateway.id} went down: {error}")

    # -- terminal

    def _say(self, text: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(text)

    def _progress(self) -> None:
        if not self.total:
            return
        step = self.finished * 20 // self.total
        if step != self.shown:
            self.shown = step
            totals = self.results.totals()
            seconds = time.time() - self.results.started
            self._say(f"{self.finished * 100 // self.total:3d} %  {self.finished} of {self.total} tests, "
                      f"{totals[FAILED]} failed, {seconds:.0f} s")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No letter a test: progress and failures are lines of our own."""
        if report.when != "call":
            return None
        return ("xfailed" if hasattr(report, "wasxfail") else report.outcome), "", ""

    # -- the end

    def _tool_lines(self) -> list[str]:
        """For each module how many of the tool's tests passed on a unit of some kind, and those that passed on none."""
        passed: dict[str, dict[str, bool]] = {}
        for case in self.results.cases.values():
            if case.suite == "libiscsi" and case.column != "-":
                tests = passed.setdefault(case.column.partition("-")[0], {})
                tests[case.row] = tests.get(case.row, False) or case.outcome == PASSED
        lines = []
        for module, tests in sorted(passed.items()):
            never = sorted(test for test, good in tests.items() if not good)
            lines.append(f"libiscsi on {module}: {len(tests) - len(never)} of {len(tests)} tests passed on some unit; "
                         f"on none: {', '.join(never) or '-'}")
        return lines

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from conftest import ALLOW, BENCH, PLAN, SETTINGS

        results = self.results
        bench = self.config.stash.get(BENCH, None)
        if bench is not None:
            results.problems += bench.problems
        settings = self.config.stash[SETTINGS]
        if settings.peer is None:
            results.stale = [str(e) for e in self.config.stash[ALLOW].stale(results.ran, results.used)]
        if results.failed and session.exitstatus == 0:
            session.exitstatus = 1
        target = self.config.getoption("--html")
        if target and results.cases:
            about = settings.peer.url if settings.peer else ", ".join(
                module.name for module in self.config.stash[PLAN].modules)
            html_page.write(target, results, about, self.config.stash[ALLOW].not_storing)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Iterator[None]:
        yield
        results = self.results
        for kind, rows in (("problem of the daemon", results.problems), ("stale allow-list entry", results.stale)):
            for row in rows:
                terminalreporter.write_line(f"{kind}: {row}")
        for name, totals in self._by_column().items():
            terminalreporter.write_line(f"{name:28} " + "  ".join(
                f"{totals[key]:5d} {WORDS[key]}" for key in (PASSED, FAILED, SKIPPED, DEFECT)))
        for line in self._tool_lines():
            terminalreporter.write_line(line)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """The totals are the very last line."""
        if self.results.cases:
            print(self.results.line(), flush=True)

    def _by_column(self) -> dict[str, Counter[str]]:
        out: dict[str, Counter[str]] = {}
        for case in self.results.cases.values():
            name = case.suite if case.column == "-" else f"{case.suite} {case.column}"
            out.setdefault(name, Counter())[case.outcome] += 1
        return dict(sorted(out.items()))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "conformance-reporter")


@pytest.hookimpl(trylast=True)  # after what this run leaves out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        note(item, place=describe(item))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    outcome.get_result().notes = notes_of(item)
