# SPDX-License-Identifier: MIT
"""tests/bench/guard counts what callgrind tells, and fails where an I/O costs more than its limits."""
import importlib.machinery
import importlib.util
import json
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD

GUARD = Path(__file__).with_name("guard")
CASE = "read, 1 at a time"
# loop() has 10 instructions and 2 system calls of its own, and calls work() (100), __memset_avx2() (4096)
PROFILE = """version: 1
positions: line
events: Ir sysCount sysTime

ob=(1) /lib/libtgt.so
fl=(1) loop.c
fn=(1) loop
10 4 2 7
+1 6
cob=(1)
cfn=(2) work
calls=1 20
+1 100 1
cfn=(3) __memset_avx2_unaligned_erms
calls=1 30
* 4096
fn=(2)
20 100 1 3
fn=(3)
30 4096

totals: 4206 3 10
"""


@pytest.fixture(scope="module")
def guard():
    loader = importlib.machinery.SourceFileLoader("guard", str(GUARD))
    loader_spec = importlib.util.spec_from_loader("guard", loader)
    module = importlib.util.module_from_spec(loader_spec)
    loader.exec_module(module)
    return module


def test_costs_are_the_functions_own(guard, tmp_path):
    (tmp_path / "out").write_text(PROFILE)
    assert guard.costs(tmp_path / "out") == (110, 3)


@pytest.mark.parametrize(("instructions", "syscalls", "why"), [
    (2000, 0.1, []),
    (2100, 0.5, []),
    (2101, 0.1, ["read: 2,101 instructions an I/O, 5.0 % more than 2,000; 5 % are allowed"]),
    (3000, 0.51, ["read: 3,000 instructions an I/O, 50.0 % more than 2,000; 5 % are allowed",
                  "read: 0.51 system calls an I/O, more than 0.5"]),
])
def test_limits(guard, instructions, syscalls, why):
    limits = {"instructions_percent": 5, "cases": {"read": {"instructions": 2000, "most_syscalls": 0.5}}}
    assert guard.excess({"instructions": instructions, "syscalls": syscalls}, limits, "read") == why


def run(tmp_path, instructions, most_syscalls):
    limits = json.loads(GUARD.with_name("limits.json").read_text())
    limits["cases"][CASE] = {"instructions": instructions, "most_syscalls": most_syscalls}
    (tmp_path / "limits").write_text(json.dumps(limits))
    return subprocess.run([GUARD, "--build", BUILD, "--cases", CASE, "--limits", tmp_path / "limits"], capture_output=True,
                          text=True, timeout=240, check=False)


def test_what_is_cheap_enough_passes(tmp_path):
    done = run(tmp_path, 10000, 20)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(CASE + ": ")


def test_what_costs_too_much_fails(tmp_path):
    """A command alone takes a sleep, a recv and a send; a thousand instructions are too few for any."""
    done = run(tmp_path, 1000, 2)
    assert done.returncode == 1
    first, second, hint = done.stderr.splitlines()
    assert first.startswith(f"bench-guard: {CASE}: ") and first.endswith("more than 1,000; 5 % are allowed")
    assert second.startswith(f"bench-guard: {CASE}: ") and second.endswith("system calls an I/O, more than 2")
    assert "--record" in hint


def test_every_case_has_limits(guard):
    limits = json.loads(GUARD.with_name("limits.json").read_text())
    assert set(limits["cases"]) == set(guard.CASES)
    assert all(case["instructions"] > 0 and case["most_syscalls"] > 0 for case in limits["cases"].values())
