# SPDX-License-Identifier: MIT
"""What was measured, as Markdown and as one page of HTML that needs nothing else: charts are SVG in it."""
from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

# key, heading, format
COLUMNS = [("iops", "IOPS", "{:,.0f}"), ("mb_per_second", "MB/s", "{:,.0f}"), ("cpu_us", "CPU us an I/O", "{:.2f}"),
           ("syscalls", "system calls an I/O", "{:.2f}"), ("p50_us", "p50 us", "{:.0f}"), ("p99_us", "p99 us", "{:.0f}"),
           ("p999_us", "p99.9 us", "{:.0f}")]
RATIO = "IOPS a CPU second, ratio"
FOOTPRINT = [("idle_cpu_percent", "CPU with 100 idle sessions, %", "{:.2f}"), ("start_kib", "memory at the start, KiB", "{:,.0f}"),
             ("session_kib", "memory a session, KiB", "{:,.1f}"), ("lun_kib", "memory a LUN, KiB", "{:,.1f}"),
             ("alone_p99_us", "4 KiB read alone, p99 us", "{:.0f}"),
             ("beside_read_p99_us", "beside 256 reads of 1 MiB", "{:.0f}"),
             ("beside_write_p99_us", "beside 256 such writes", "{:.0f}")]
CHARTS = [("iops", "IOPS", "more is better"), ("mb_per_second", "MB/s", "more is better"),
          ("cpu_us", "CPU time of the target, us an I/O", "less is better"),
          ("syscalls", "System calls of the target an I/O", "less is better"),
          ("p50_us", "Latency, median, us", "less is better"), ("p99_us", "Latency, 99 %, us", "less is better"),
          ("p999_us", "Latency, 99.9 %, us", "less is better")]
COLOURS = ["#1f6feb", "#d29922", "#2da44e", "#8250df", "#cf222e", "#57606a"]
STYLE = """body{font:14px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#1f2328}
table{border-collapse:collapse}td,th{border-bottom:1px solid #d0d7de;padding:.2em .7em;text-align:right}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}
.key{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em}small{color:#57606a}"""


def figure(result: dict, key: str, form: str) -> str:
    return form.format(result[key]) if result.get(key) is not None else ""


def ratio(row: dict, labels: Sequence[str], label: str) -> str:
    """Of the first target to the second."""
    if label != labels[0] or len(labels) < 2:
        return ""
    mine, other = (row.get(name, {}).get("iops_per_cpu_second") for name in labels[:2])
    return f"{mine / other:.2f}" if mine and other else ""


def cells(rows: Iterable[dict], labels: Sequence[str]) -> list[list[str]]:
    return [[row["case"], label, *(figure(row[label], key, form) for key, _, form in COLUMNS), ratio(row, labels, label)]
            for row in rows for label in labels if label in row]


def heads() -> list[str]:
    return ["case", "target", *(head for _, head, _ in COLUMNS), RATIO]


def footprint_cells(footprint: dict[str, dict]) -> list[list[str]]:
    return [["footprint", label, *(figure(found, key, form) for key, _, form in FOOTPRINT)] for label, found in footprint.items()]


def footprint_heads() -> list[str]:
    return ["", "target", *(head for _, head, _ in FOOTPRINT)]


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def html_table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    def line(words: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(word)}</{kind}>" for word in words) + "</tr>"
    return "\n".join(["<table>", line(head, "th"), *(line(row, "td") for row in body), "</table>"])


def bar(at: int, value: float, most: float, colour: str) -> str:
    width = 560 * value / most if most else 0
    text = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return (f'<rect x="300" y="{at}" width="{width:.1f}" height="14" fill="{colour}"/>'
            f'<text x="{306 + width:.1f}" y="{at + 12}" font-size="12">{text}</text>')


def chart(rows: Sequence[dict], labels: Sequence[str], key: str) -> str:
    """A group of bars a case, a bar a target; nothing if none has the figure."""
    known = [row for row in rows if any(row.get(label, {}).get(key) is not None for label in labels)]
    if not known:
        return ""
    most = max(row[label][key] for row in known for label in labels if row.get(label, {}).get(key) is not None)
    drawn, at = [], 0
    for row in known:
        drawn.append(f'<text x="292" y="{at + 12}" font-size="12" text-anchor="end">{html.escape(row["case"])}</text>')
        for number, label in enumerate(labels):
            if row.get(label, {}).get(key) is not None:
                drawn.append(bar(at, row[label][key], most, COLOURS[number % len(COLOURS)]))
                at += 16
        at += 8
    return f'<svg width="960" height="{at}" viewBox="0 0 960 {at}" role="img">{"".join(drawn)}</svg>'


def page(found: dict) -> str:
    rows, labels, footprint = found["cases"], found["targets"], found["footprint"]
    keys = "".join(f'<span class="key" style="background:{COLOURS[n % len(COLOURS)]}"></span>{html.escape(label)}'
                   for n, label in enumerate(labels))
    facts = "; ".join(f"{name}: {value}" for name, value in found["machine"].items())
    parts = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8"/><title>iSCSI targets compared</title>',
             f"<style>{STYLE}</style></head><body>", "<h1>iSCSI targets compared</h1>", f"<p>{html.escape(facts)}</p>",
             f"<p>{keys}</p>"]
    for key, title, better in CHARTS:
        drawn = chart(rows, labels, key)
        if drawn:
            parts += [f"<h2>{html.escape(title)} <small>{better}</small></h2>", drawn]
    parts += ["<h2>All figures</h2>", html_table(heads(), cells(rows, labels))]
    if footprint:
        parts += ["<h2>Footprint</h2>", html_table(footprint_heads(), footprint_cells(footprint))]
    return "\n".join([*parts, "</body></html>", ""])
