# SPDX-License-Identifier: MIT
"""Runs steps side by side, times and logs each, counts what they tested, and prints one table."""
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

OK, FAILED, NOT_RUN = "ok", "FAILED", "not run"


class Step:
    """One command.  Its tests are counted from JUnit files if it writes any, else it is one test itself.

    after: names of steps that must have succeeded.  cores: how many it keeps busy.  junit: paths.
    skips: whether its JUnit files may hold skipped tests (its own allow-list decides); elsewhere a
    skipped test is a failed one.  show: lines of its output that match this are shown when it has ended.
    """

    def __init__(self, name, command, after=(), cores=1, junit=(), skips=False, timeout=900, env=None, show=None):
        self.name, self.command, self.after, self.cores = name, command, tuple(after), cores
        self.junit, self.skips, self.timeout, self.env = tuple(junit), skips, timeout, env or {}
        self.show = show
        self.state, self.seconds, self.notes = None, 0.0, []
        self.passed = self.failed = self.skipped = 0
        self.process = self.started = self.log = None

    def start(self, folder):
        self.log = os.path.join(folder, self.name + ".log")
        for path in self.junit:
            if os.path.exists(path):
                os.unlink(path)
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **self.env}, start_new_session=True)

    def poll(self):
        """True once it has ended."""
        code = self.process.poll()
        self.seconds = time.monotonic() - self.started
        if code is None and self.seconds < self.timeout:
            return False
        self.end()
        if code is None:
            self.notes.append(f"took more than {self.timeout} s")
        self.count(code)
        return True

    def last_line(self):
        """What the step printed last, which may tell how far it is."""
        with open(self.log, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log) - 1000))
            lines = log.read().decode(errors="replace").split("\n")
        lines = [line.strip()[:100] for line in reversed(lines) if line.strip()]
        return next((line for line in lines if " % " in line), lines[0] if lines else "")

    def shown(self):
        """The lines of its output that are to be seen."""
        if self.show is None:
            return []
        with open(self.log, errors="replace") as log:
            return [line.rstrip() for line in log if re.match(self.show, line)]

    def end(self):
        """What the step left running ends with it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def count(self, code):
        for path in self.junit:
            self.count_junit(path)
        if not self.junit:
            self.passed = 1 if code == 0 else 0
        if code != 0 and not self.failed:
            self.failed = 1
            if code is not None:
                self.notes.append(f"exit status {code}")
        self.state = FAILED if self.failed else OK

    def count_junit(self, path):
        try:
            cases = ElementTree.parse(path).getroot().findall(".//testcase")
        except (OSError, ElementTree.ParseError) as error:
            self.failed += 1
            self.notes.append(f"no result: {error}")
            return
        if not cases:
            self.failed += 1
            self.notes.append(f"{os.path.basename(path)}: no test was run")
        for case in cases:
            self.count_case(case)

    def count_case(self, case):
        name = "{}.{}".format(case.get("classname", ""), case.get("name", "")).strip(".")
        skipped = case.find("skipped") is not None or case.get("status") in ("disabled", "notrun")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            self.failed += 1
            self.notes.append(f"failed: {name}")
        elif skipped and self.skips:
            self.skipped += 1
        elif skipped:
            self.failed += 1
            self.notes.append(f"skipped, and nothing may be here: {name}")
        else:
            self.passed += 1


class Runner:
    def __init__(self, steps, folder, cores=None, out=sys.stdout):
        self.steps, self.folder, self.out = steps, folder, out
        self.cores = cores or len(os.sched_getaffinity(0))
        self.running, self.last_sign = [], time.monotonic()
        known = [s.name for s in steps]
        for step in steps:
            missing = [name for name in step.after if name not in known]
            if missing or known.count(step.name) > 1:
                raise ValueError(f"step {step.name}: listed twice, or after an unknown one {missing}")

    def say(self, text):
        print(text, file=self.out, flush=True)
        self.last_sign = time.monotonic()

    def state_of(self, name):
        return next(s.state for s in self.steps if s.name == name)

    def start_some(self):
        for step in self.steps:
            if step.state is not None or step in self.running:
                continue
            states = [self.state_of(name) for name in step.after]
            if FAILED in states or NOT_RUN in states:
                step.state, step.failed = NOT_RUN, 1
                step.notes.append("what it needs failed: " + " ".join(step.after))
                self.say(f"{NOT_RUN:8} {step.name}")
                continue
            busy = sum(min(s.cores, self.cores) for s in self.running)
            if all(s == OK for s in states) and (not self.running or busy + step.cores <= self.cores):
                step.start(self.folder)
                self.running.append(step)

    def report(self, step):
        self.say(f"{step.state:8} {step.name:28} {step.seconds:7.1f} s"
                 f" {step.passed:6} passed {step.failed:4} failed {step.skipped:4} skipped")
        for line in step.shown():
            self.say("    | " + line)
        if step.state == FAILED:
            with open(step.log, errors="replace") as log:
                tail = log.read().splitlines()[-60:]
            for line in step.notes[:40] + [f"the end of {step.log}:"] + tail:
                self.say("    | " + line)

    def run(self):
        """Runs all steps; the exit status: 0 if nothing failed and something ran."""
        begin = time.monotonic()
        os.makedirs(self.folder, exist_ok=True)
        try:
            self.start_some()
            while self.running:
                for step in [s for s in self.running if s.poll()]:
                    self.running.remove(step)
                    self.report(step)
                self.start_some()
                if time.monotonic() - self.last_sign > 60:
                    for step in self.running:
                        self.say(f"running  {step.name:28} {step.seconds:7.1f} s  {step.last_line()}")
                time.sleep(0.1)
        finally:
            for step in self.running:
                step.end()
        return self.summary(time.monotonic() - begin)

    def summary(self, seconds):
        self.say("")
        self.say(f"{'step':28} {'result':8} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}")
        for s in self.steps:
            self.say(f"{s.name:28} {s.state:8} {s.seconds:8.1f} {s.passed:7} {s.failed:7} {s.skipped:8}")
        passed = sum(s.passed for s in self.steps)
        failed = sum(s.failed for s in self.steps)
        self.say(f"{seconds:.0f} s; logs and results are in {os.path.relpath(self.folder)}")
        self.say(f"{passed} passed, {failed} failed")
        return 0 if passed and not failed else 1
