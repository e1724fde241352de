# SPDX-License-Identifier: MIT
"""The results as one HTML page that needs nothing beside it."""

from __future__ import annotations

import platform
import time
from collections import Counter
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from report import Case, Results

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}
table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:2px 6px;text-align:left;font-size:12px}
thead th{position:sticky;top:0;background:#f4f4f4}
td.passed{background:#d9f2d9}td.failed{background:#f6b5b5;font-weight:bold}
td.skipped{background:#eee;color:#555}td.defect{background:#fbe8b8}td.none{background:#fff}
pre{background:#f8f8f8;border:1px solid #ddd;padding:.6em;overflow-x:auto;font-size:12px}
.bad{color:#a00}small{color:#777}
"""
_SIGN = {"passed": "pass", "failed": "FAIL", "skipped": "skip", "defect": "tool"}


def write(path: str, results: "Results", about: str, not_storing: dict[str, str]) -> None:
    """Writes the page."""
    with open(path, "w", encoding="utf-8") as page:
        page.write(render(results, about, not_storing))


def render(results: "Results", about: str, not_storing: dict[str, str]) -> str:
    """The page as text."""
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(results.started))
    out = ["<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Conformance</title>",
           f"<style>{_STYLE}</style><h1>Conformance: {escape(about)}</h1>",
           f"<p>{escape(when)}, {time.time() - results.started:.0f} s, {escape(platform.platform())}</p>",
           f"<p class={'bad' if results.failed else 'good'}><b>{escape(results.line())}</b></p>"]
    out += [f"<p>{escape(name)}: tests of stored data left out, since it {escape(why)}</p>"
            for name, why in not_storing.items()]
    for title, rows in (("Problems of the daemon", results.problems),
                        ("Allow-list entries that no longer apply", results.stale)):
        if rows:
            out.append(f"<h2 class=bad>{title}</h2>" + "".join(f"<pre>{escape(row)}</pre>" for row in rows))
    numbers = {id(case): n for n, case in enumerate(results.cases.values())}
    out += _totals(results)
    suites: dict[str, list[Case]] = {}
    for case in results.cases.values():
        suites.setdefault(case.suite, []).append(case)
    for suite in sorted(suites):
        out += _matrix(suite, suites[suite], numbers)
    out += _failures(results, numbers)
    out += _reasons(results)
    return "\n".join(out)


def _totals(results: "Results") -> list[str]:
    table: dict[str, Counter[str]] = {}
    for case in results.cases.values():
        table.setdefault(f"{case.suite} {case.column.replace('-', ' ')}".strip(), Counter())[case.outcome] += 1
    out = ["<h2>Totals</h2><table><thead><tr><th>suite, unit<th>passed<th>failed<th>skipped<th>tool defects"
           "</thead>"]
    for name, counts in sorted(table.items()):
        cells = "".join(f"<td class={key if counts[key] else 'none'}>{counts[key]}"
                        for key in ("passed", "failed", "skipped", "defect"))
        out.append(f"<tr><td>{escape(name)}{cells}")
    return [*out, "</table>"]


def _matrix(suite: str, cases: list["Case"], numbers: dict[int, int]) -> list[str]:
    columns = list(dict.fromkeys(sorted(case.column for case in cases)))
    rows: dict[str, dict[str, Case]] = {}
    for case in cases:
        rows.setdefault(case.row, {})[case.column] = case
    out = [f"<h2>{escape(suite)}</h2><table><thead><tr><th>test"]
    out += [f"<th>{escape(column if column != '-' else 'result')}" for column in columns]
    out.append("</thead>")
    for row, cells in rows.items():
        title = next(iter(cells.values())).title
        out.append(f"<tr><td title=\"{escape(title)}\">{escape(row)}")
        out += [_cell(cells.get(column), numbers) for column in columns]
    return [*out, "</table>"]


def _cell(case: "Case | None", numbers: dict[int, int]) -> str:
    if case is None:
        return "<td class=none>"
    text = _SIGN[case.outcome]
    if case.outcome == "failed":
        text = f"<a href=#f{numbers[id(case)]}>{text}</a>"
    return f"<td class={case.outcome} title=\"{escape(case.reason)}\">{text}"


def _failures(results: "Results", numbers: dict[int, int]) -> list[str]:
    failed = [case for case in results.cases.values() if case.outcome == "failed"]
    out = ["<h2>Failures</h2>"] if failed else []
    for case in failed:
        name = f"{case.suite}: {case.row} {case.column if case.column != '-' else ''}"
        out.append(f"<h3 id=f{numbers[id(case)]}>{escape(name)}</h3><p>{escape(case.title)}</p>"
                   f"<pre>{escape(case.details[-20000:])}</pre>")
    return out


def _reasons(results: "Results") -> list[str]:
    """Every skip and tool defect once, with how many tests it concerns."""
    counts: Counter[tuple[str, str]] = Counter(
        (case.outcome, case.reason) for case in results.cases.values() if case.outcome in ("skipped", "defect"))
    if not counts:
        return []
    out = ["<h2>Reasons of skips and tool defects</h2><table><thead><tr><th>tests<th>kind<th>reason</thead>"]
    out += [f"<tr><td>{number}<td>{_SIGN[kind]}<td>{escape(reason)}"
            for (kind, reason), number in counts.most_common()]
    return [*out, "</table>"]
