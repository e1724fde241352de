# SPDX-License-Identifier: MIT
"""What ci/check, .ci/run and ci/full run.  Called by those scripts: plans.py check|ci|full [option…]"""
import argparse
import glob
import os
import platform
import signal
import sys

from runner import Runner, Step

PYTHON = "/usr/bin/python3"
CORES = len(os.sched_getaffinity(0))
# A report makes the process end with a status that tests notice; leaks are reports too.
SANITIZER_ENV = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
             "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99"},
    "tsan": {"TSAN_OPTIONS": "exitcode=99:halt_on_error=0:second_deadlock_stack=1"},
}


def build_dir(variant):
    base = os.environ.get("BUILD", "build")
    return base if variant == "plain" else os.path.join(base, variant)


def stores():
    return sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob("backing-store/*/CMakeLists.txt"))


def suites():
    """Folders of pytest files, less the conformance harness, which has a runner of its own."""
    folders = sorted({os.path.dirname(p) for p in glob.glob("tests/*/test_*.py")})
    return [f for f in folders if f != "tests/conformance"]


class Plan:
    def __init__(self, out):
        self.out, self.steps = out, []

    def environment(self, variant):
        return {"TGT_BUILD_DIR": os.path.abspath(build_dir(variant)), "TGT_SOURCE_DIR": os.getcwd(),
                "PYTHONDONTWRITEBYTECODE": "1", **SANITIZER_ENV.get(variant, {})}

    def add(self, name, command, variant="plain", prefix=(), env=None, **options):
        # ThreadSanitizer of gcc 12 can't place its shadow where the kernel randomises too many bits.
        if variant == "tsan":
            prefix = ("setarch", platform.machine(), "-R", *prefix)
        env = {**self.environment(variant), **(env or {})}
        self.steps.append(Step(name, [*prefix, *command], env=env, **options))

    def results(self, name):
        return os.path.join(self.out, name + ".xml")

    def build(self, variant):
        self.add(f"build-{variant}", ["ci/build", variant], cores=CORES, timeout=1200)

    def unit(self, variant, pattern="."):
        name = f"unit-{variant}"
        xml = self.results(name)
        self.add(name, ["ctest", "--test-dir", build_dir(variant), "-R", pattern, "-j", str(CORES), "--no-tests=error",
                        "--output-on-failure", "--output-junit", os.path.abspath(xml)],
                 variant, after=[f"build-{variant}"], junit=[xml], env={"MALLOC_PERTURB_": "165"})

    def static(self):
        self.add("format", ["ci/format"])
        self.add("tidy", ["ci/tidy"], after=["build-clang"], cores=CORES)
        self.add("packages", ["ci/deb"], cores=CORES)

    def pytest(self, name, tests, variant="plain", files=2, **options):
        """So many files at a time."""
        xml = self.results(name)
        self.add(name, [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "300", "-n", str(files),
                        "--dist", "loadfile", "--junit-xml", xml, tests], variant, junit=[xml], **options)

    def suite(self, folder):
        """Most mostly wait; but a guest is emulated, and keeps a CPU busy."""
        name = os.path.basename(folder)
        self.pytest(name, folder, after=["build-plain"] + (["packages"] if name == "packaging" else []),
                    cores=2 if name == "guest" else 1, files=3 if name == "ceph" else 2,
                    timeout=1800 if name == "guest" else 900)

    def conformance(self, variant, arguments=(), name="conformance"):
        name = f"{name}-{variant}"
        xml = self.results(name)
        self.add(name, ["ci/conformance", "--build-dir", build_dir(variant), "--junit", xml,
                        "--html", os.path.join(self.out, name + ".html"), *arguments],
                 variant, after=[f"build-{variant}"], cores=CORES, junit=[xml], skips=True, timeout=5400)


def module_checks(plan, module):
    """One store's own tests."""
    plan.build("plain")
    if glob.glob(f"tests/unit/test_bs_{module}*.c"):
        plan.unit("plain", f"bs_{module}(_|$)")
    plan.conformance("plain", ["--module", module])
    if module == "rbd":
        plan.conformance("plain", ["--module", module, "--shared"], "conformance-shared")


def checks(plan):
    for variant in ("plain", "clang", "asan", "tsan"):
        plan.build(variant)
    plan.static()
    plan.unit("plain")
    plan.unit("asan")
    plan.unit("tsan")
    plan.add("bench-guard", ["tests/bench/guard", "--build", build_dir("plain")], after=["build-plain"], cores=2, timeout=300)
    for folder in suites():
        plan.suite(folder)
    plan.conformance("plain", ["--module", os.path.join(build_dir("plain"), "tests/bs_example.so"), "--smoke"], "example")
    plan.conformance("plain")


def sanitized(plan):
    """rdwr and tapes fully, the others as a smoke run, also past the page cache, and a failing device under ASAN and
    UBSAN; aio and tapes fully under TSAN."""
    plan.conformance("asan", ["--module", "rdwr"], "conformance-rdwr")
    for store in stores():
        if store not in ("rdwr", "ssc"):
            plan.conformance("asan", ["--module", store, "--smoke"], f"smoke-{store}")
    for store in ("rdwr", "uring"):
        if store in stores():
            plan.conformance("asan", ["--module", store, "--bsoflags", "direct", "--smoke"], f"smoke-{store}-direct")
    if "rbd" in stores():
        plan.conformance("asan", ["--module", "rbd", "--shared", "--smoke"], "smoke-rbd-shared")
    if "ssc" in stores():
        for variant in ("asan", "tsan"):
            plan.conformance(variant, ["--module", "ssc", "--suite", "tape", "--suite", "libiscsi"], "conformance-ssc")
    if "sg" in stores():
        plan.pytest("passthrough-asan", "tests/guest/test_passthrough_faults.py", "asan", after=["build-asan"], cores=2)
    plan.conformance("tsan", ["--module", "aio"], "conformance-aio")


def fuzzed(plan):
    """Each parser of bytes from outside, a minute long."""
    xml = plan.results("fuzz")
    plan.add("fuzz", ["ci/fuzz", "--time", "60", "--junit", xml], cores=CORES, junit=[xml], timeout=3600,
             show=r"fuzz\.")


def everything(plan):
    plan.add("conformance-page", ["ci/conformance-page", "--build", build_dir("plain"), "--verify"], after=["build-plain"],
             cores=CORES, timeout=3600)
    plan.conformance("asan")
    plan.conformance("tsan")
    plan.conformance("plain", ["--module", "rbd", "--shared"], "conformance-rbd-shared")


def chosen(steps, only, without):
    """The steps whose names start with a word of only, with what they need, less those of without."""
    keep = {s.name for s in steps if not only or s.name.startswith(tuple(only))}
    keep -= {s.name for s in steps if without and s.name.startswith(tuple(without))}
    for step in reversed(steps):
        if step.name in keep:
            keep.update(step.after)
    return [s for s in steps if s.name in keep]


def arguments():
    parser = argparse.ArgumentParser(prog="ci/check", description="Builds the project and runs its tests.")
    parser.add_argument("plan", choices=("check", "ci", "full"), help=argparse.SUPPRESS)
    parser.add_argument("--module", choices=stores(), help="one backing store's tests only")
    parser.add_argument("--only", action="append", metavar="STEP", help="steps whose names start so, and what they need")
    parser.add_argument("--without", action="append", metavar="STEP", help="leave out steps whose names start so")
    parser.add_argument("--list", action="store_true", help="list the steps")
    return parser.parse_args()


def main():
    options = arguments()
    out = os.path.join("out", options.plan)
    plan = Plan(out)
    if options.module:
        module_checks(plan, options.module)
    else:
        checks(plan)
        if options.plan == "ci":
            sanitized(plan)
            fuzzed(plan)
        elif options.plan == "full":
            everything(plan)
            fuzzed(plan)
    steps = chosen(plan.steps, options.only, options.without)
    if options.list:
        for step in steps:
            print(f"{step.name:28} {' '.join(step.command)}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return Runner(steps, out).run()


if __name__ == "__main__":
    sys.exit(main())
