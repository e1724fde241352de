# SPDX-License-Identifier: MIT
"""The scripts below ci/: they parse, they are executable, and they say what is wrong with their arguments."""
import os
import subprocess

import pytest

import project

SCRIPTS = sorted(p for folder in project.SCRIPT_FOLDERS for p in (project.SOURCE / folder).rglob("*")
                 if p.is_file() and p.read_bytes().startswith(b"#!/"))
SHELL = [p for p in SCRIPTS if b"sh" in p.read_bytes().splitlines()[0]]


def run(script, *arguments, **options):
    return subprocess.run([str(project.SOURCE / script), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False, **options)


def test_there_are_scripts():
    assert {"check", "demo", "install-deps", "run", "full"} <= {p.name for p in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=project.name)
def test_executable(script):
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", SHELL, ids=project.name)
def test_shellcheck(script):
    project.output("shellcheck", script)


def test_make_help_lists_the_targets():
    text = project.output("make", "-s", "-C", project.SOURCE, "help")
    for target in ("all", "check", "run", "install", "deb", "format", "tidy", "clean"):
        assert f"make {target} " in text


def test_install_deps_refuses_an_unknown_group():
    done = run("ci/install-deps", "biuld")
    assert done.returncode == 1
    assert "unknown group 'biuld'" in done.stderr


def test_install_deps_has_nothing_to_do_twice():
    """The test packages are here, or this test would not run."""
    done = run("ci/install-deps", "--check", "build", "test", "dev")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def fake_dpkg(tmp_path):
    """A machine on which no package is installed, apt-get is never to be called, and nobody is root."""
    for name, text in {"dpkg-query": "exit 1", "apt-get": "echo apt-get called; exit 1", "id": "echo 1000",
                       "sudo": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_install_deps_says_what_is_missing(fake_dpkg):
    done = run("ci/install-deps", "--check", "build", env=fake_dpkg)
    assert done.returncode == 1
    assert "missing:" in done.stdout and "libjansson-dev" in done.stdout


def test_install_deps_without_root_says_what_to_install(fake_dpkg):
    done = run("ci/install-deps", "build", env=fake_dpkg)
    assert done.returncode == 1
    assert "neither root nor a user with sudo" in done.stderr and "libisal-dev" in done.stderr
    assert "apt-get called" not in done.stdout + done.stderr


def test_check_refuses_an_unknown_store():
    done = run("ci/check", "--module", "nosuch")
    assert done.returncode == 2
    assert "nosuch" in done.stderr
