# SPDX-License-Identifier: MIT
"""What ci/fuzz does."""
import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import quoteattr

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FUZZERS = os.path.join(TOP, "tests", "fuzz")
FOUND = os.path.join(TOP, "out", "fuzz")
CORES = len(os.sched_getaffinity(0))
INPUT_SECONDS = 25  # one input that takes longer is a failure
MEMORY_MIB = 2048
SEED_MAX = 4096  # bytes of an input that --merge takes
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def names():
    """Every fuzz_NAME.c."""
    paths = glob.glob(os.path.join(FUZZERS, "fuzz_*.c"))
    return sorted(os.path.basename(path)[len("fuzz_"):-len(".c")] for path in paths)


def built_in():
    return os.path.abspath(os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "fuzz"))


def corpus(name):
    return os.path.join(FUZZERS, "corpus", name)


def build(folder, chosen, flags=""):
    """Configures, and builds the fuzzers only; those that there are (a store's may be left out)."""
    done = subprocess.run(["cmake", "-G", "Ninja", "-S", TOP, "-B", folder, "-DCMAKE_C_COMPILER=clang", "-DTGT_FUZZ=ON",
                           f"-DTGT_ASAN={'OFF' if flags else 'ON'}", f"-DCMAKE_C_FLAGS={flags}"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout)
    done = subprocess.run(["ninja", "-C", folder, "-t", "targets", "all"], stdout=subprocess.PIPE, text=True, check=True)
    built = [name for name in chosen if re.search(rf"^fuzz_{name}:", done.stdout, re.M)]
    done = subprocess.run(["ninja", "-C", folder, "-j", os.environ.get("JOBS", str(CORES)),
                           *[f"fuzz_{name}" for name in built]],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout)
    return built


class Run:
    """One fuzzer in a process of its own."""

    def __init__(self, name, folder, seconds, extra):
        self.name, self.seconds = name, seconds
        self.found = os.path.join(FOUND, name)
        self.artifacts = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
        os.makedirs(self.found, exist_ok=True)
        self.log = os.path.join(FOUND, name + ".log")
        program = os.path.join(folder, "tests", "fuzz", "fuzz_" + name)
        words = [program, f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}",
                 "-print_final_stats=1", "-reload=0", f"-artifact_prefix={self.artifacts}/", *extra]
        dictionary = os.path.join(FUZZERS, name + ".dict")
        words += [f"-dict={dictionary}"] if os.path.exists(dictionary) else []
        self.begun = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*words, self.found, corpus(name)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT},
                                            cwd=self.artifacts)

    def ended(self):
        """None while it runs; then its line is printed, and this is whether all was well."""
        limit = self.seconds * 2 + 10 * INPUT_SECONDS + 120
        if self.process.poll() is None and time.monotonic() - self.begun < limit:
            return None
        late = self.process.poll() is None
        if late:
            self.process.kill()
            self.process.wait()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        kept = self.keep()
        runs = self.number(r"stat::number_of_executed_units:\s*(\d+)", text)
        edges, new = self.number(r"cov: (\d+)", text), self.number(r"stat::new_units_added:\s*(\d+)", text)
        well = self.process.returncode == 0 and not late and not kept and runs > 0
        print(f"fuzz.{self.name:14} {'ok' if well else 'FAILED':7} {runs:10} executions"
              f" {time.monotonic() - self.begun:7.1f} s {edges:6} edges {new:5} new inputs", flush=True)
        if not well:
            self.explain(text, late, kept)
        shutil.rmtree(self.artifacts, ignore_errors=True)
        return well

    @staticmethod
    def number(pattern, text):
        """The last one in the log; 0: there is none."""
        return int((re.findall(pattern, text) or ["0"])[-1])

    def keep(self):
        """Inputs that it failed on become part of the corpus."""
        kept = []
        for path in sorted(glob.glob(os.path.join(self.artifacts, "*-*"))):
            kind = os.path.basename(path).split("-")[0]
            if kind not in ("crash", "leak", "timeout", "oom"):
                continue
            with open(path, "rb") as file:
                digest = hashlib.sha1(file.read()).hexdigest()[:8]
            target = os.path.join(corpus(self.name), f"found-{kind}-{digest}")
            for copy in (target, os.path.join(FOUND, "failed", f"{self.name}-{kind}-{digest}")):
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                shutil.copyfile(path, copy)
            kept.append(os.path.relpath(target, TOP))
        return kept

    def explain(self, text, late, kept):
        lines = text.splitlines()[-60:]
        if late:
            lines.append(f"still running after {time.monotonic() - self.begun:.0f} s")
        for line in lines:
            print("    | " + line)
        for path in kept:
            print(f"    | kept: {path}", flush=True)


def run_all(chosen, folder, options):
    """Side by side; {name: whether all was well}."""
    waiting, running, results = list(chosen), [], {}
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                running.append(Run(waiting.pop(0), folder, options.time, options.extra))
            for run in list(running):
                well = run.ended()
                if well is not None:
                    running.remove(run)
                    results[run.name] = well
            time.sleep(0.1)
    finally:
        for run in running:
            run.process.kill()
    return results


def write_junit(path, results):
    cases = "".join(f"<testcase classname=\"fuzz\" name={quoteattr(name)}>{'' if well else '<failure/>'}</testcase>\n"
                    for name, well in sorted(results.items()))
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<testsuite name=\"fuzz\">\n{cases}</testsuite>\n")


# -- what the inputs reach


def coverage(chosen):
    """By llvm-cov, for the sources that the fuzzer touches."""
    folder = built_in() + "-coverage"
    for name in build(folder, chosen, "-fprofile-instr-generate -fcoverage-mapping"):
        program = os.path.join(folder, "tests", "fuzz", "fuzz_" + name)
        raw, profile = os.path.join(FOUND, name + ".profraw"), os.path.join(FOUND, name + ".profdata")
        os.makedirs(os.path.join(FOUND, name), exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([program, "-runs=0", os.path.join(FOUND, name), corpus(name)], cwd=scratch, check=True,
                           stderr=subprocess.DEVNULL, env={**os.environ, "LLVM_PROFILE_FILE": raw})
        subprocess.run(["llvm-profdata", "merge", "-sparse", raw, "-o", profile], check=True)
        shown = subprocess.run(["llvm-cov", "report", program, f"-instr-profile={profile}", "-show-region-summary=0",
                                "-show-branch-summary=0"], stdout=subprocess.PIPE, text=True, check=True).stdout
        print(f"fuzz.{name}")
        for line in shown.splitlines():
            words = line.split()
            if len(words) == 7 and words[0].startswith(("src/", "backing-store/")) and words[6] not in ("0.00%", "-"):
                print(f"  {words[0]:32} functions {words[3]:>7}  lines {words[6]:>7}  missed {words[5]}")


def merge(chosen, folder):
    """Short inputs that reach what the corpus doesn't become part of it, for a person to choose from."""
    for name in chosen:
        program = os.path.join(folder, "tests", "fuzz", "fuzz_" + name)
        before = set(os.listdir(corpus(name)))
        with tempfile.TemporaryDirectory() as scratch:
            merged = shutil.copytree(corpus(name), os.path.join(scratch, "corpus"))
            subprocess.run([program, "-merge=1", "-use_counters=0", f"-max_len={SEED_MAX}", merged,
                            os.path.join(FOUND, name)],
                           cwd=scratch, check=True, stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT})
            new = sorted(set(os.listdir(merged)) - before)
            for file in new:
                shutil.copyfile(os.path.join(merged, file), os.path.join(corpus(name), "reach-" + file[:8]))
        print(f"{name}: {len(new)} more inputs")


def arguments(about):
    parser = argparse.ArgumentParser(prog="ci/fuzz", description=about,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="fuzzers, without fuzz_ (default: all)")
    parser.add_argument("--time", type=int, default=60, metavar="SECONDS", help="for each (default: 60)")
    parser.add_argument("--jobs", type=int, default=CORES, help="how many at once (default: one a CPU)")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--coverage", action="store_true", help="say what the inputs reach")
    parser.add_argument("--merge", action="store_true", help="take useful inputs into the corpus")
    parser.add_argument("--list", action="store_true", help="list the fuzzers")
    parser.add_argument("--extra", action="append", default=[], metavar="OPTION", help="an option for libFuzzer")
    options = parser.parse_args()
    for name in options.name:
        if name not in names():
            parser.error(f"there is no fuzzer {name}; there are {' '.join(names())}")
    if options.time < 1 or options.jobs < 1:
        parser.error("--time and --jobs are at least 1")
    return options


def main(about):
    options = arguments(about)
    chosen = options.name or names()
    if options.list:
        print("\n".join(chosen))
        return 0
    if options.coverage:
        coverage(chosen)
        return 0
    folder = built_in()
    built = build(folder, chosen)
    if options.merge:
        merge(built, folder)
        return 0
    results = run_all(built, folder, options)
    if options.junit:
        write_junit(options.junit, results)
    print(f"{sum(results.values())} passed, {len(results) - sum(results.values())} failed")
    return 0 if results and all(results.values()) else 1
