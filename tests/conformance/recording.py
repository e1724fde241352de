# SPDX-License-Identifier: MIT
"""A pytest plugin: with --record FILE, which commands each test that passes had the target execute.

Each line of the file is one test: "FILE::TEST: COMMAND, COMMAND…".  A command is the kind of unit, the operation code
and, where the opcode table of that kind has several rows for it, the service action: "disk 28", "tape 34/06".  What ran
replaces what the file had of the same tests; the rest stays.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import cu
from harness.recorder import Recorder

KINDS = {"tape": "tape", "passthrough": "passed disk"}
# What they send is chosen at random: that it was sent once is no proof of what the next run does.
AT_RANDOM = ("test_raw_crowd.py", "test_raw_fuzz.py")
# What these two have in common is what iscsi-test-cu does before and after any test.
IDLE = ("ALL.TestUnitReady.Simple", "ALL.Read6.Simple")


def rows_of(dump: Path) -> dict[str, dict[int, set[int | None]]]:
    """{set: {operation code: its service actions, or None}}, by opcode-dump."""
    out = subprocess.run([str(dump)], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    rows: dict[str, dict[int, set[int | None]]] = {}
    for row in json.loads(out):
        rows.setdefault(row["set"], {}).setdefault(row["opcode"], set()).add(row["service_action"])
    return rows


def name_of(rows: dict[str, dict[int, set[int | None]]], kind: str, cdb: bytes) -> str | None:
    """None: a command that has no row."""
    actions = rows.get(kind, {}).get(cdb[0])
    if actions is None:
        return None
    if None in actions:
        return f"{kind} {cdb[0]:02x}"
    action = int.from_bytes(cdb[8:10], "big") if cdb[0] == 0x7F else cdb[1] & 0x1F
    return f"{kind} {cdb[0]:02x}/{action:02x}" if action in actions else None


class Recording:
    """Lives in every worker; the one of the controller writes the file."""

    def __init__(self, path: Path, rows: dict[str, dict[int, set[int | None]]]) -> None:
        self.path, self.rows = path, rows
        self.recorder = Recorder()
        self.idle: dict[str, Counter[tuple[int, bytes]]] = {}
        self.found: dict[str, set[str]] = {}

    # -- in a worker

    def idle_of(self, item: Any) -> Counter[tuple[int, bytes]]:
        """What the tool sends anyway, on this kind of unit."""
        variant = str(item.callspec.params["variant"])
        if variant not in self.idle:
            common: Counter[tuple[int, bytes]] | None = None
            for test in IDLE:
                self.recorder.reset()
                cu.run_test(test, item.funcargs["unit"].url, preload=item.funcargs["preload"])
                sent = self.recorder.commands()
                common = sent if common is None else common & sent
            self.idle[variant] = common or Counter()
        return self.idle[variant]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        idle = self.idle_of(item) if "cu_test" in params else Counter()
        self.recorder.reset()
        yield
        sent = self.recorder.commands() - idle
        item.user_properties.append(("commands", self.names(item, sent)))

    def names(self, item: Any, sent: Counter[tuple[int, bytes]]) -> list[str]:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        marker, kind = item.get_closest_marker("variants"), "disk"
        if "cu_test" in params:
            kind = KINDS.get(params["variant"].kind, kind)
        if marker is not None:
            kind = KINDS.get(marker.args[0], kind)
        if item.get_closest_marker("no_unit") is not None:
            kind = "none"
        changer = item.get_closest_marker("changer")
        kinds = {0: "controller", **({changer.args[0]: "changer"} if changer is not None else {})}
        found = {name_of(self.rows, kinds.get(lun, kind), cdb) for lun, cdb in sent}
        return sorted(name for name in found if name)

    # -- in the controller

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        commands = dict(report.user_properties).get("commands")
        name = report.nodeid.partition("[")[0].rpartition("/")[2]
        if report.when != "call" or not report.passed or commands is None or name.startswith(AT_RANDOM):
            return
        if name == "test_libiscsi.py::test_libiscsi":
            name = "libiscsi::" + report.nodeid.partition("-ALL.")[2].rstrip("]")
        self.found.setdefault(name, set()).update(commands)  # type: ignore[arg-type]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return
        old = self.path.read_text().splitlines() if self.path.exists() else []
        kept = dict(line.split(": ", 1) for line in old)
        kept.update({name: ", ".join(sorted(commands)) for name, commands in self.found.items()})
        self.path.write_text("".join(f"{name}: {kept[name]}\n" for name in sorted(kept) if kept[name]))


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--record")
    if not path:
        return
    build = config.getoption("--build-dir")
    if not build:
        raise pytest.UsageError("--record needs a build of our own")
    recording = Recording(Path(path), rows_of(Path(build) / "tests" / "opcode-dump"))
    recording.recorder.install()
    config.pluginmanager.register(recording, "recording-of-commands")
