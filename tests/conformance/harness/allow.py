# SPDX-License-Identifier: MIT
"""The allow-list: which skips and which failures of a tool are known, why, and by which clause.

An entry that matches a test which ran, and that no such test needed, no longer applies: the run fails.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

# skip: the tool left it out.  tool-defect: it failed, and the tool is wrong.  no-store: it failed because
# it reads what it wrote, and the store keeps nothing.
OUTCOMES = ("skip", "tool-defect", "no-store")
CONDITIONS = ("kind", "module", "thin", "block_size", "readonly", "removable", "exponent", "shared")
_KNOWN = {"test", "outcome", "reason", "clause", "text", "sometimes", "where"}


@dataclass(frozen=True)
class Entry:
    """One exception."""

    number: int
    tests: tuple[str, ...]
    outcome: str
    reason: str
    clause: str
    text: str = ""           # a regular expression that the tool's own words must match
    sometimes: bool = False  # depends on timing: needn't be needed in every run
    where: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, test: str, facts: Mapping[str, Any]) -> bool:
        """Whether it speaks about this test on a unit with these facts."""
        if not any(fnmatchcase(test, pattern) for pattern in self.tests):
            return False
        conditions = {"kind": "block", **self.where}  # an entry is about disks unless it says otherwise
        return all(_holds(wanted, facts.get(name)) for name, wanted in conditions.items())

    def excuses(self, test: str, facts: Mapping[str, Any], outcome: str, text: str) -> bool:
        """Whether it allows this outcome (skip, or failed), which the tool explains by text."""
        return ((self.outcome == "skip") == (outcome == "skip") and self.covers(test, facts)
                and re.search(self.text, text) is not None)

    def __str__(self) -> str:
        return f"{', '.join(self.tests)} ({self.outcome}: {self.reason} [{self.clause}])"


def _holds(wanted: Any, fact: Any) -> bool:
    if isinstance(wanted, list):
        return any(_holds(one, fact) for one in wanted)
    if isinstance(wanted, str):
        return isinstance(fact, str) and fnmatchcase(fact, wanted)
    return type(wanted) is type(fact) and bool(wanted == fact)


class AllowList:
    """All entries of a file, and the stores that keep nothing."""

    def __init__(self, entries: Iterable[Entry], not_storing: Mapping[str, str] | None = None) -> None:
        self.entries = list(entries)
        self.not_storing = dict(not_storing or {})

    @classmethod
    def load(cls, *paths: Path) -> "AllowList":
        """Reads the files, one after the other; ValueError names the entry that is wrong."""
        entries: list[Entry] = []
        not_storing: dict[str, str] = {}
        for path in paths:
            with open(path, "rb") as file:
                rows = tomllib.load(file)
            entries += [_entry(number, row) for number, row in enumerate(rows.get("allow", []), len(entries))]
            not_storing |= {row["module"]: row["reason"] for row in rows.get("not_storing", [])}
        return cls(entries, not_storing)

    def find(self, test: str, facts: Mapping[str, Any], outcome: str, text: str) -> Entry | None:
        return next((e for e in self.entries if e.excuses(test, facts, outcome, text)), None)

    def stale(self, ran: Iterable[tuple[str, Mapping[str, Any]]], used: Iterable[int]) -> list[Entry]:
        """The entries that cover a test which ran, and that none of them needed."""
        needed = set(used)
        open_entries = [e for e in self.entries if e.number not in needed and not e.sometimes]
        stale: dict[int, Entry] = {}
        for test, facts in ran:
            for entry in open_entries:
                if entry.number not in stale and entry.covers(test, facts):
                    stale[entry.number] = entry
        return [stale[number] for number in sorted(stale)]


def _entry(number: int, row: dict[str, Any]) -> Entry:
    name = f"allow-list entry {number + 1} ({row.get('test')})"
    unknown = set(row) - _KNOWN
    if unknown:
        raise ValueError(f"{name}: unknown {', '.join(sorted(unknown))}")
    for key in ("test", "outcome", "reason", "clause"):
        if not row.get(key):
            raise ValueError(f"{name}: no {key}")
    if row["outcome"] not in OUTCOMES:
        raise ValueError(f"{name}: outcome {row['outcome']} is none of {', '.join(OUTCOMES)}")
    where = row.get("where", {})
    if set(where) - set(CONDITIONS):
        raise ValueError(f"{name}: unknown condition {', '.join(sorted(set(where) - set(CONDITIONS)))}")
    tests = row["test"] if isinstance(row["test"], list) else [row["test"]]
    re.compile(row.get("text", ""))
    return Entry(number, tuple(tests), row["outcome"], row["reason"], row["clause"], row.get("text", ""),
                 bool(row.get("sometimes", False)), where)
