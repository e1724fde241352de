# SPDX-License-Identifier: MIT
"""The manual pages and the programs say the same."""
import json
import re
import subprocess

import pytest

import project

PAGES = sorted([*project.SOURCE.glob("man/*.[1-9]"), *project.SOURCE.glob("backing-store/*/*.[1-9]")])


def formatted(path):
    return project.output("man", "--local-file", "--warnings", "--encoding=UTF-8", path,
                          env={"MANWIDTH": "200", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})


def section(path, title):
    """The text of one section of a page, without its heading."""
    text = formatted(path)
    found = re.search(rf"^{title}\n(.*?)(?=^\S)", text, re.M | re.S)
    assert found, f"{path} has no section {title}"
    return found[1]


def option_words(text):
    """--long and -x options that begin an entry: after blanks only, or after such an option."""
    entries = [line.strip() for line in text.splitlines() if re.match(r"^\s+-", line)]
    found = set()
    for entry in entries:
        for word in re.split(r",\s+", re.split(r"\s{2,}", entry)[0]):
            option = re.match(r"--?[A-Za-z][\w-]*", word)
            if option:
                found.add(option[0])
    return found


@pytest.mark.parametrize("page", PAGES, ids=project.name)
def test_page_is_well_formed(page):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program", ["tgtd", "tgtadm", "tgt-admin", "tgtimg"])
def test_options(program):
    """Every option of --help is in the manual page, and the other way round."""
    shown = option_words(project.output(project.BUILD / program, "--help"))
    written = option_words(section(next(page for page in PAGES if page.name == f"{program}.8"), "OPTIONS"))
    assert len(shown) > 6
    assert shown == written


def test_options_of_a_script():
    shown = option_words(project.output(project.SOURCE / "tools/tgt-setup-lun", "-h"))
    assert len(shown) == 6
    assert shown == option_words(section(project.SOURCE / "man/tgt-setup-lun.8", "OPTIONS"))


def test_option_words_reads_both_forms():
    text = "Usage: x [--no]\n  -f, --foreground  stay\n  --threads N       of --many\n      -p FILE, --pid-file FILE\n"
    assert option_words(text) == {"-f", "--foreground", "--threads", "-p", "--pid-file"}


def completed(store):
    """The store's page as it is installed."""
    return project.BUILD / f"man/tgt-bs-{store}.7"


@pytest.mark.parametrize("store", project.stores())
def test_store_page_is_well_formed(store):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", completed(store)], stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "@OPTIONS@" in (project.SOURCE / f"backing-store/{store}/tgt-bs-{store}.7").read_text().splitlines()
    assert "@OPTIONS@" not in completed(store).read_text()


def test_store_page_has_the_options():
    """aio has one; that every module's are what tgtadm lists is tests/packaging's to check."""
    assert re.search(r"^\s+depth=NUMBER$", section(completed("aio"), "OPTIONS"), re.M)
