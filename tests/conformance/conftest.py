# SPDX-License-Identifier: MIT
"""Fixtures of the conformance tests, and what they are parametrised over: what the daemon loaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "fixtures"))

from ceph_cluster import Cluster
from harness import cu, not_for
from harness.allow import AllowList
from harness.bench import Bench
from harness.daemon import Daemon
from harness.modules import Plan, Variant, special_variants
from harness.options import Settings, add_options, make_plan
from harness.portals import Portals
from harness.preload import library
from harness.selection import Selector
from harness.sg import Sg
from harness.units import Target, Unit, make_disk, restore

pytest_plugins = ["report", "recording", "tape_fixtures"]

HERE = Path(__file__).parent
PLAN = pytest.StashKey[Plan]()
SETTINGS = pytest.StashKey[Settings]()
ALLOW = pytest.StashKey[AllowList]()
SHARED = "rbd default features = layering"  # no exclusive-lock
CLUSTER = pytest.StashKey[Cluster]()
BENCH = pytest.StashKey[Bench]()
LOG_OFFSET = pytest.StashKey[int]()

# Suites that say something about removable or read-only units; many others write without a look.
SPECIAL = {
    "removable": ("Inquiry", "ModeSense6", "NoMedia", "PreventAllow", "ReadOnly", "StartStopUnit",
                  "TestUnitReady"),
    "readonly": ("Inquiry", "ModeSense6", "Read6", "Read10", "Read12", "Read16", "ReadCapacity10",
                 "ReadCapacity16", "ReadOnly", "TestUnitReady"),
    "exponent": ("CompareAndWrite", "GetLBAStatus", "Inquiry", "ReadCapacity16", "Unmap", "WriteSame10",
                 "WriteSame16"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    try:
        settings = config.stash[SETTINGS] = Settings(config)
        config.stash[ALLOW] = AllowList.load(HERE / "allow.toml", *settings.allow)
    except (ValueError, OSError) as error:
        raise pytest.UsageError(str(error)) from error
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[PLAN] = Plan.from_json(worker["plan"])
        return
    try:
        plan = config.stash[PLAN] = make_plan(settings)
        if plan.path is None and any(module.in_cluster for module in plan.modules):
            config.stash[CLUSTER] = Cluster(client=SHARED if settings.shared else "").start()
            plan.ceph = str(config.stash[CLUSTER].conf)
    except (ValueError, AssertionError, OSError) as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: every worker gets the plan that the controller made."""
    node.workerinput["plan"] = node.config.stash[PLAN].to_json()


def pytest_unconfigure(config: pytest.Config) -> None:
    plan = config.stash.get(PLAN, None)
    if plan is not None and plan.store_dir and not hasattr(config, "workerinput"):
        shutil.rmtree(plan.store_dir, ignore_errors=True)
    if CLUSTER in config.stash:
        config.stash[CLUSTER].close()


# -- collection


def variants(config: pytest.Config, selection: str) -> list[Variant]:
    """The units that a test with this selection runs on."""
    allow = config.stash[ALLOW]
    return Selector(config.stash[SETTINGS], config.stash[PLAN], allow.not_storing)(selection)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" not in metafunc.fixturenames:
        return
    config = metafunc.config
    if "cu_test" in metafunc.fixturenames:
        rows = list(cu_rows(config))
        metafunc.parametrize(("variant", "cu_test"), rows, ids=[f"{row.values[0]}-{row.values[1]}" for row in rows])
        return
    marker = metafunc.definition.get_closest_marker("variants")  # the function's own before the file's
    chosen = variants(config, marker.args[0] if marker else "all")
    metafunc.parametrize("variant", chosen, ids=str)


def cu_rows(config: pytest.Config) -> Iterator[Any]:
    """Each of libiscsi's tests on each kind of unit; the smoke run takes the first test of each suite."""
    settings, plan = config.stash[SETTINGS], config.stash[PLAN]
    chosen = [variant for name in ("all", "tape", "changer") for variant in variants(config, name)]
    quick_on = {(v.module, v.kind): v for v in reversed(chosen)}.values()
    for variant in chosen:
        suites = set()
        for test in not_for.fitting(variant.kind, cu.tests()):
            suite = test.split(".")[1]
            quick = suite not in suites and variant in quick_on
            suites.add(suite)
            yield pytest.param(variant, test, marks=[pytest.mark.smoke] if quick else [])
    if settings.peer is not None:
        return
    for variant in special_variants(m for m in plan.of_kind("block") if m.can_write):
        wanted = SPECIAL["removable" if variant.removable else "readonly" if variant.readonly else "exponent"]
        for test in cu.tests():
            if test.split(".")[1] in wanted:
                yield pytest.param(variant, test)


def wanted(item: pytest.Item, settings: Settings, no_disk: bool) -> bool:
    """Whether this run can do a test, and was asked to."""
    names = set(getattr(item, "fixturenames", ()))
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "variant" in callspec.params and not isinstance(callspec.params["variant"], Variant):
        return False  # there is no unit of the kind that it is for
    if settings.peer is not None and "daemon" in names:
        return False  # needs management of the target
    if not settings.managed and settings.peer is None and "bench" in names:
        return False  # nothing to talk to: the harness's own tests only
    if no_disk and names & {"one", "wild"}:
        return False  # the modules that were asked for can't carry the tests of the protocol
    return not settings.smoke or item.get_closest_marker("smoke") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what this run can't do or wasn't asked for."""
    settings = config.stash[SETTINGS]
    no_disk = bool(settings.stores) and not variants(config, "storing")
    keep = [item for item in items if wanted(item, settings, no_disk)]
    if len(keep) < len(items):
        kept = set(keep)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = keep


# -- fixtures


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    return pytestconfig.stash[SETTINGS]


@pytest.fixture(scope="session")
def plan(pytestconfig: pytest.Config) -> Plan:
    return pytestconfig.stash[PLAN]


@pytest.fixture(scope="session")
def allow(pytestconfig: pytest.Config) -> AllowList:
    return pytestconfig.stash[ALLOW]


@pytest.fixture(scope="session")
def shared_bench(pytestconfig: pytest.Config, settings: Settings, plan: Plan) -> Iterator[Bench]:
    bench = Bench(settings, plan)
    pytestconfig.stash[BENCH] = bench
    yield bench
    bench.close()


@pytest.fixture
def bench(shared_bench: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """This worker's daemon; a test in which it dies, or reports an error, has failed."""
    request.node.stash[LOG_OFFSET] = shared_bench.log_size()
    yield shared_bench
    shared_bench.judge()


@pytest.fixture
def daemon(bench: Bench) -> Daemon:
    """For tests that manage the target; they are left out when the target isn't ours."""
    return bench.daemon


@pytest.fixture
def unit(bench: Bench, variant: Variant, request: pytest.FixtureRequest) -> Iterator[Unit]:
    """A unit that is shared with other tests, which leave it as they found it unless they fail."""
    found = bench.shared(variant)
    yield found
    report = request.node.stash.get(CALL, None)
    if report is None or report.failed or hasattr(report, "wasxfail"):
        restore(found) if bench.settings.peer is not None else bench.renew(variant)


@pytest.fixture(scope="session")
def shim_file(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library("sgshim", settings, tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def readcap_file(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gets libiscsi's tool to start on a unit without a capacity."""
    return library("readcap", settings, tmp_path_factory.mktemp("readcap"))


@pytest.fixture
def sg(shim_file: Path, unit: Unit) -> Sg:
    """sg3_utils on the unit that this test shares with others."""
    return Sg(shim_file, unit)


@pytest.fixture
def new_target(bench: Bench, daemon: Daemon) -> Iterator[Callable[..., Target]]:
    """Makes targets that go when the test ends."""
    made: list[Target] = []

    def make(acl: str | None = "ALL") -> Target:
        made.append(bench.factory.target(acl))
        return made[-1]

    yield make
    for target in made:
        target.delete()


@pytest.fixture
def new_unit(bench: Bench, new_target: Callable[..., Target]) -> Callable[..., Unit]:
    """Makes units of a kind, each on a target of its own unless one is given."""

    def make(variant: Variant, target: Target | None = None, **arguments: Any) -> Unit:
        return bench.factory.unit(target or new_target(), variant, **arguments)

    return make


@pytest.fixture
def portals(daemon: Daemon) -> Iterator[Portals]:
    """Adds portals, in portal groups of their own if asked for; they go when the test ends."""
    made = Portals(daemon)
    yield made
    made.delete()


@pytest.fixture
def one(pytestconfig: pytest.Config) -> Variant:
    """The kind of unit on which tests run that are about the protocol, not about a store."""
    found = variants(pytestconfig, "one")
    if not found:
        pytest.fail("no module that can be written to is loaded")
    return found[0]


@pytest.fixture
def one_on_file(one: Variant, plan: Plan) -> Variant:
    """The same, for tests that make its file themselves."""
    if not any(module.name == one.module and module.on_file for module in plan.modules):
        # only where no store on files is among those named; a run of all stores takes rdwr for these tests
        pytest.skip(f"the units of {one.module} don't lie on files")
    return one


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> None:
    """Skips what a medium that other hosts may have doesn't offer."""
    if request.node.get_closest_marker("alone") is None:
        return
    if any(module.shared for module in request.config.stash[PLAN].modules):
        pytest.skip("not offered where other hosts may have the medium, which wouldn't know of it")


@pytest.fixture
def disk(bench: Bench, one: Variant) -> Iterator[Unit]:
    """A unit of this test's own (at a URL: the unit there)."""
    if bench.settings.peer is not None:
        found = bench.shared(one)
        yield found
        restore(found)
        return
    target = bench.factory.target()
    yield bench.factory.unit(target, one, size=64 << 20)
    target.delete()


@pytest.fixture
def own_daemon(daemon: Daemon) -> Iterator[Daemon]:
    """One that a test may kill, with the same modules."""
    mine = Daemon(daemon.tgtd, daemon.tgtadm, store_dir=daemon.store_dir, wrapper=daemon.wrapper)
    mine.start()
    yield mine
    problems = mine.stop()
    mine.clean()
    assert not problems


@pytest.fixture
def restart(own_daemon: Daemon, one_on_file: Variant) -> Callable[[], Unit]:
    """Kills the daemon without a warning and makes the same disk on a new one."""
    path = own_daemon.folder / "kept.img"
    with path.open("wb") as file:
        file.truncate(64 << 20)

    def again() -> Unit:
        own_daemon.kill()
        own_daemon.start()
        return make_disk(own_daemon, path, one_on_file)

    return again


# -- reports


CALL = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[CALL] = report
    bench = item.config.stash.get(BENCH, None)
    if report.failed and bench is not None:
        log = bench.log_since(item.stash.get(LOG_OFFSET, 0))
        if log:
            report.sections.append(("tgtd log", "\n".join(log.splitlines()[-100:])))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tells the controller what was wrong with this worker's daemon."""
    bench = session.config.stash.get(BENCH, None)
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["problems"] = bench.problems if bench is not None else []
