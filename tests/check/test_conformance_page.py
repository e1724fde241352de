# SPDX-License-Identifier: MIT
"""doc/conformance.md is up to date, every command has a test, and every test that it names exists."""
import re
import subprocess
import sys

import pytest

import project

sys.path.insert(0, str(project.SOURCE / "ci/lib"))
import conformance_page  # noqa: E402

# Commands that SPC-5 has, in its order; there may be more between them.
SPC_5 = ["INQUIRY", "LOG SELECT", "LOG SENSE", "MANAGEMENT PROTOCOL IN", "MANAGEMENT PROTOCOL OUT", "MODE SELECT(6)",
         "MODE SELECT(10)", "MODE SENSE(6)", "MODE SENSE(10)", "PERSISTENT RESERVE IN", "PERSISTENT RESERVE OUT",
         "READ ATTRIBUTE", "READ BUFFER(10)", "READ BUFFER(16)", "RECEIVE DIAGNOSTIC RESULTS",
         "REPORT IDENTIFYING INFORMATION", "REPORT LUNS", "REPORT PRIORITY", "REPORT SUPPORTED OPERATION CODES",
         "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "REPORT TARGET PORT GROUPS", "REPORT TIMESTAMP", "REQUEST SENSE",
         "SECURITY PROTOCOL IN", "SECURITY PROTOCOL OUT", "SEND DIAGNOSTIC", "SET IDENTIFYING INFORMATION", "SET PRIORITY",
         "SET TARGET PORT GROUPS", "SET TIMESTAMP", "TEST UNIT READY", "WRITE BUFFER"]
NUMBERED = re.compile(r"(S\w\w-\d) (\d+)\.(\d+)")


@pytest.fixture(scope="module")
def rows():
    return conformance_page.opcode_rows(project.BUILD)


def test_page_is_up_to_date():
    """ci/conformance-page makes it anew; with --record it asks new tests what they do."""
    text, _ = conformance_page.page(project.BUILD)
    assert (project.SOURCE / "doc/conformance.md").read_text() == text


def test_every_command_has_a_test(rows):
    """In the recording: write the test, then ci/conformance-page --record -k TEST."""
    assert not conformance_page.untested(rows, conformance_page.recording())


def test_a_command_without_a_test_is_found(rows):
    """The check above does look: without what is recorded of one, it is named."""
    tests = conformance_page.recording()
    del tests["disk 28"]
    assert conformance_page.untested(rows, tests) == ["READ(10) (disk)"]


def test_what_is_lost_is_found():
    """ci/conformance-page --verify: one test fewer is no loss while others do the same, none at all is."""
    fresh = conformance_page.recorded()
    assert not conformance_page.lost(fresh)
    names = [name for name, commands in fresh.items() if "tape 34/06" in commands]
    for name in names:
        fresh[name] = fresh[name] - {"tape 34/06"}
    assert conformance_page.lost(fresh) == ["tape 34/06"]


def test_recorded_tests_exist():
    """A test that was renamed or removed is no proof of anything: ci/conformance-page --record."""
    known = {f"{file}::{test}" for file, test, _ in conformance_page.test_functions() if test}
    listing = subprocess.run(["iscsi-test-cu", "-l"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             timeout=60, check=False).stdout
    known |= {"libiscsi::" + line.strip().removeprefix("ALL.") for line in listing.splitlines()
              if line.strip().startswith("ALL.")}
    assert len(known) > 500
    assert not [name for name in sorted(conformance_page.recorded()) if name not in known]


def test_clause_numbers_follow_the_names(rows):
    """The standards describe commands in the order of their names, so numbers that don't are wrong."""
    numbers = {}
    for row in rows:
        match = NUMBERED.fullmatch(row["clause"])
        if match:
            name = re.sub(r"\(\d+\)", "", row["name"].split(",")[0]).replace("-", "").strip()
            numbers[match[1], int(match[2]), int(match[3])] = name
    assert len(numbers) > 40
    places = sorted(numbers)
    wrong = [(place, numbers[place]) for before, place in zip(places, places[1:])
             if before[:2] == place[:2] and numbers[place] < numbers[before]]
    assert not wrong


def test_clause_numbers_leave_room(rows):
    """Between two commands of SPC-5 there are at least as many numbers as there are commands."""
    places = {}
    for row in rows:
        match, name = NUMBERED.fullmatch(row["clause"]), row["name"].split(",")[0]
        if match and match[1] == "SPC-5" and name in SPC_5:
            places[SPC_5.index(name)] = int(match[3])
    assert len(places) >= 8
    order = sorted(places)
    wrong = [(SPC_5[a], places[a], SPC_5[b], places[b]) for a, b in zip(order, order[1:]) if places[b] - places[a] < b - a]
    assert not wrong


@pytest.mark.parametrize("text, want", [
    ("Nothing here, 1.5 times.", []),
    ("What must hold (11.3.1).", [("RFC 7143", "11.3.1")]),
    ("Clause clauses 4.2.2.1 and 11.8 say so.", [("RFC 7143", "4.2.2.1"), ("RFC 7143", "11.8")]),
    ("A mode page (SPC-5 7.5.11), a reset (SAM-5 clause 6.3).", [("SPC-5", "7.5.11"), ("SAM-5", "6.3")]),
    ("At 127.0.0.1 (see above).", []),
])
def test_clauses_are_read(text, want):
    assert conformance_page.cited(text, "RFC 7143") == want
