# SPDX-License-Identifier: MIT
"""doc/conformance.md: clause, command, tests.  ci/conformance-page calls it.

Commands come from the opcode tables (tools/opcode-dump.c), what tests had the target execute from a recording
(tests/conformance/commands.txt), and which clauses tests are about from their docstrings.
"""
import ast
import glob
import json
import os
import re
import subprocess
from collections import defaultdict

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = os.path.join(TOP, "tests", "conformance")
RECORDING = os.path.join(TESTS, "commands.txt")
PAGE = os.path.join(TOP, "doc", "conformance.md")

# The sets whose every row must have a test, and what the page calls such units.
KINDS = {"disk": "disk", "tape": "tape", "changer": "changer", "controller": "controller (LUN 0)", "none": "no logical unit"}
RULES = {
    "allowed": "runs under any reservation", "reads": "conflicts as a read does", "special": "its own rule",
    "writes": "conflicts as a write does",
}
NAMES_SHOWN = 8  # of one file's tests
CHAPTERS = {
    "4.2.2": "Ordering and iSCSI Numbering", "4.2.3": "iSCSI Task Management", "4.2.5": "iSCSI Full Feature Phase",
    "4.2.7": "iSCSI Names", "4.3": "iSCSI Session Types", "4.4": "SCSI-to-iSCSI Concepts Mapping Model",
    "6.1": "Text Format", "6.2": "Text Mode Negotiation", "6.3": "Login Phase",
    "6.4": "Operational Parameter Negotiation outside the Login Phase", "7": "iSCSI Error Handling and Recovery",
    "9": "Security Considerations", "10": "Notes to Implementers", "11.2": "PDU Template, Header, and Opcodes",
    "11.3": "SCSI Command", "11.4": "SCSI Response", "11.5": "Task Management Function Request",
    "11.6": "Task Management Function Response", "11.7": "SCSI Data-Out and SCSI Data-In",
    "11.8": "Ready To Transfer (R2T)", "11.9": "Asynchronous Message", "11.10": "Text Request",
    "11.11": "Text Response", "11.12": "Login Request", "11.13": "Login Response", "11.14": "Logout Request",
    "11.15": "Logout Response", "11.16": "SNACK Request", "11.17": "Reject", "11.18": "NOP-Out", "11.19": "NOP-In",
    "12": "iSCSI Security Text Keys and Authentication Methods", "13.1": "HeaderDigest and DataDigest",
    "13": "Login/Text Operational Text Keys",
}


# -- what there is


def opcode_rows(build):
    """The rows of all command sets."""
    dump = os.path.join(build, "tests", "opcode-dump")
    done = subprocess.run([dump], stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(done.stdout)


def key_of(row):
    """As the recording names a command."""
    action = "" if row["service_action"] is None else f"/{row['service_action']:02x}"
    return f"{row['set']} {row['opcode']:02x}{action}"


def recorded(path=RECORDING):
    """{test: its commands}; a merge may have left several lines of one test."""
    found = defaultdict(set)
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, commands = line.rstrip("\n").partition(": ")
            found[name].update(commands.split(", "))
    return found


def recording():
    """{command: {file or "libiscsi": [test, …]}}"""
    found = recorded()
    tests = defaultdict(lambda: defaultdict(list))
    for name in sorted(found):
        place, _, test = name.partition("::")
        for command in found[name]:
            tests[command][place.removeprefix("test_").removesuffix(".py")].append(test)
    return tests


def lost(fresh):
    """What the recording says, and none of the tests that it names does in a fresh one any more."""
    seen = {(test, command) for test, commands in fresh.items() for command in commands}
    tests = defaultdict(list)
    for test, commands in recorded().items():
        for command in commands:
            tests[command].append(test)
    return sorted(command for command, names in tests.items() if not any((name, command) in seen for name in names))


def test_functions():
    """(file, function or None for the file itself, docstring) of all tests."""
    for path in sorted(glob.glob(os.path.join(TESTS, "test_*.py"))):
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        name = os.path.basename(path)
        yield name, None, ast.get_docstring(tree) or ""
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield name, node.name, ast.get_docstring(node) or ""


# -- clauses in docstrings

_WORD = re.compile(r"(?P<standard>(?:SPC|SBC|SSC|SMC|MMC|SAM)-\d)|RFC (?P<rfc>7143|7144)"
                   r"|(?P<clause>\b\d{1,2}(?:\.\d{1,2})+\b)")
_QUOTED = re.compile(r"\(([^()]*)\)|clauses? ([\d., and-]+)")


def cited(text, standard):
    """[(standard, clause)] in brackets, or after the word clause; standard: the one meant where none is named."""
    found = []
    for match in _QUOTED.finditer(text):
        for word in _WORD.finditer(match[0]):
            if word["clause"]:
                found.append((standard, word["clause"]))
            else:
                standard = word["standard"] or f"RFC {word['rfc']}"
    return found


def clauses():
    """{standard: {clause: {file: [test, …]}}}, and {file: the first sentence about it}."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    about, standard = {}, "RFC 7143"
    for file, test, text in test_functions():
        if test is None:
            named = _WORD.search(text)
            standard = "RFC 7143" if named is None or named["clause"] or named["rfc"] else named["standard"]
            about[file] = " ".join(text.split("\n\n")[0].split())
            continue
        for name, clause in dict.fromkeys(cited(text, standard)):
            found[name][clause][file.removeprefix("test_").removesuffix(".py")].append(test)
    return found, about


def numbers(clause):
    return [int(part) for part in clause.split(".")]


def title(clause):
    """That of the nearest clause above whose title is listed."""
    while clause and clause not in CHAPTERS:
        clause = clause.rpartition(".")[0]
    return CHAPTERS.get(clause, "")


# -- the page


def listed(places):
    """One cell: every file with its tests."""
    parts = []
    suites = defaultdict(int)
    for test in places.get("libiscsi", []):
        suites[test.split(".")[0]] += 1
    if suites:
        parts.append("libiscsi: " + ", ".join(f"{name} ({count})" for name, count in sorted(suites.items())))
    for place in sorted(set(places) - {"libiscsi"}):
        tests = [test.removeprefix("test_") for test in places[place]]
        more = f" and {len(tests) - NAMES_SHOWN} more" if len(tests) > NAMES_SHOWN else ""
        parts.append(f"**{place}**: " + ", ".join(tests[:NAMES_SHOWN]) + more)
    return "; ".join(parts)


def code(row):
    action = "" if row["service_action"] is None else f"/{row['service_action']:02X}h"
    return f"{row['opcode']:02X}h{action}"


def notes(row):
    """The row's flags that a reader of the standard asks about."""
    words = [RULES[row["pr"]]]
    if "writes" in row["flags"]:
        words.append("refused when write-protected")
    if "skips unit attentions" in row["flags"]:
        words.append("before a unit attention")
    if row["conditional"]:
        words.append("on units that can do it")
    return "; ".join(words)


def grouped(rows):
    """The rows of the kinds, those of one command together, in the order of the standards and their clauses."""
    commands = defaultdict(dict)
    for row in rows:
        if row["set"] in KINDS:
            commands[row["clause"], row["name"], code(row), notes(row)][row["set"]] = row

    def order(item):
        standard, _, rest = item[0][0].partition(" ")
        numbered = re.fullmatch(r"\d+(\.\d+)+", rest)
        return standard, not numbered, numbers(rest) if numbered else [], item[0]

    return sorted(commands.items(), key=order)


def needs_test(row):
    """Those of the kinds, and of a disk that is passed through those in which the core has a part."""
    return row["set"] in KINDS or row["set"] == "passed disk" and row.get("where") in ("core", "reservations", "changed")


def untested(rows, tests):
    """Commands without a test."""
    return [f"{row['name']} ({KINDS.get(row['set'], row['set'])})" for row in rows
            if needs_test(row) and not tests.get(key_of(row))]


def command_part(rows, tests):
    yield "| clause | command | code | reservations and protection | units and tests |"
    yield "|---|---|---|---|---|"
    for (clause, name, shown, about), sets in grouped(rows):
        cells = []
        for kind in KINDS:
            if kind in sets:
                cells.append(f"*{KINDS[kind]}* — {listed(tests.get(key_of(sets[kind]), {})) or '**none**'}")
        yield f"| {clause} | {name} | {shown} | {about} | {'<br>'.join(cells)} |"


def passed_part(rows, tests):
    places = {"core": "answered here", "refused": "refused", "reservations": "answered here, or by the device when the "
              "unit is made so", "changed": "sent to the device; the answer is adapted"}
    commands = defaultdict(list)
    for row in rows:
        if row.get("where") in places:
            action = None if row["where"] == "reservations" else row["service_action"]
            commands[row["opcode"], action, row["name"].split(",")[0]].append(row)
    yield "| code | command | devices | what becomes of it | why | tests |"
    yield "|---|---|---|---|---|---|"
    for key in sorted(commands, key=lambda key: (key[0], -1 if key[1] is None else key[1], key[2])):
        same = commands[key]
        kinds = [kind.removeprefix("passed ") for kind in dict.fromkeys(row["set"] for row in same)]
        kinds = ["all"] if len(kinds) == 5 else kinds
        here = defaultdict(list)
        for command in dict.fromkeys(key_of(row) for row in same):
            for place, names in tests.get(command, {}).items():
                here[place] += [name for name in names if name not in here[place]]
        yield (f"| {code({'opcode': key[0], 'service_action': key[1]})} | {key[2]} | {', '.join(kinds)} |"
               f" {places[same[0]['where']]} | {same[0].get('why', '')} | {listed(here)} |")


def clause_part(found):
    yield "| clause | title | tests |"
    yield "|---|---|---|"
    for clause in sorted(found, key=numbers):
        yield f"| {clause} | {title(clause)} | {listed(found[clause])} |"


INTRO = """\
# Conformance

Made by `ci/conformance-page`; do not edit. It joins the opcode tables that drive the daemon with what the conformance
tests had it execute, and with the clauses that they cite. A command without a test fails the build of this page, and
so does a page that isn't up to date (`tests/check/test_conformance_page.py`).

A test stands with a command if, in a recorded run (`ci/conformance-page --record`), it passed and the daemon ended at
least one such command of that test with GOOD or CONDITION MET. Commands that the harness sends on its own account
don't count (clearing unit attentions, asking for the capacity, what libiscsi's tool sends before every test), nor do
commands that were refused, although many tests are about that. The names are those of `tests/conformance/test_*.py`
without `test_`; of libiscsi's tool, the suites, with the number of their tests. The unit tests (`tests/unit`) are not
listed here.

Commands whose clause number isn't known for certain are cited by name.
"""


def page(build):
    """The whole page, and the commands that no test executes."""
    rows, tests = opcode_rows(build), recording()
    found, about = clauses()
    lines = [INTRO, "## SCSI commands", "", *command_part(rows, tests), "",
             "## Devices that are passed through", "",
             "What is not in this table goes to the device as it comes, and the answer comes back as it is. The tests here",
             "run on a device that `tests/fixtures/fakesg` pretends; those with real ones (`tests/guest`) are not listed.",
             "That a command is refused is a test's concern, too, but doesn't show.", "",
             *passed_part(rows, tests), "", "## iSCSI", "",
             "Clauses of RFC 7143 that tests name as what they are about, and those tests.", "",
             *clause_part(found["RFC 7143"]), ""]
    for standard in sorted(set(found) - {"RFC 7143"}):
        lines += [f"## Clauses of {standard} that tests name", "", "| clause | tests |", "|---|---|"]
        lines += [f"| {clause} | {listed(found[standard][clause])} |"
                  for clause in sorted(found[standard], key=numbers)]
        lines.append("")
    lines += ["## Files", "", "| file | about | tests |", "|---|---|---|"]
    counts = defaultdict(int)
    for file, test, _ in test_functions():
        counts[file] += test is not None
    lines += [f"| {file} | {about[file]} | {counts[file]} |" for file in sorted(about)]
    return "\n".join(lines) + "\n", untested(rows, tests)
