# SPDX-License-Identifier: MIT
"""What the shared objects export, and what they need."""
import re

import pytest

import project

HEAVY = ("libaio", "librbd", "librados", "liburing")


def exported(path):
    lines = project.output("nm", "--dynamic", "--defined-only", path).splitlines()
    # Type A is the name of a symbol version, not a symbol.
    return sorted(line.split()[2].split("@")[0] for line in lines if line.split()[1] != "A")


def listed():
    """The global names of the version script."""
    text = re.sub(r"/\*.*?\*/", "", (project.SOURCE / "src/libtgt.map").read_text(), flags=re.S)
    return sorted(re.search(r"global:(.*?)local:", text, re.S)[1].replace(";", " ").split())


def test_libtgt_exports_what_is_listed():
    assert listed()
    assert exported(project.BUILD / "libtgt.so") == listed()


def test_every_store_was_built():
    assert [p.name for p in project.modules()] == [f"bs_{name}.so" for name in project.stores()]


@pytest.mark.parametrize("store", project.stores())
def test_module_exports_one_symbol(store):
    assert exported(project.BUILD / "backing-store" / f"bs_{store}.so") == ["tgt_bs_module"]


@pytest.mark.parametrize("store", project.stores())
def test_module_does_not_need_libtgt(store):
    needed = project.output("objdump", "-p", project.BUILD / "backing-store" / f"bs_{store}.so")
    assert "NEEDED" in needed and "libtgt" not in needed


@pytest.mark.parametrize("binary", ["tgtd", "tgtadm", "tgt-admin", "libtgt.so"])
def test_core_needs_no_stores_library(binary):
    text = project.output("ldd", project.BUILD / binary)
    assert "libc.so.6" in text
    assert "not found" not in text
    assert not [name for name in HEAVY if name in text]


@pytest.mark.parametrize("program", ["tgtadm", "tgt-admin"])
def test_tools_do_not_need_libtgt(program):
    assert "libtgt" not in project.output("ldd", project.BUILD / program)
