# SPDX-License-Identifier: MIT
"""The fuzzers and their corpora belong together, and a corpus stays small enough to be replayed at every build."""
import subprocess

import pytest

import project

FOLDER = project.SOURCE / "tests/fuzz"
FUZZERS = sorted(p.stem.removeprefix("fuzz_") for p in FOLDER.glob("fuzz_*.c"))
FILE_MAX, CORPUS_MAX, CORPUS_FILES = 256 << 10, 512 << 10, 200


def test_there_are_fuzzers():
    assert {"conn", "text", "negotiation", "cdb", "scsi", "request"} <= set(FUZZERS)


def test_every_corpus_has_a_fuzzer():
    assert sorted(p.name for p in (FOLDER / "corpus").iterdir()) == FUZZERS


@pytest.mark.parametrize("name", FUZZERS)
def test_corpus_is_small(name):
    sizes = [p.stat().st_size for p in (FOLDER / "corpus" / name).iterdir()]
    assert sizes and max(sizes) <= FILE_MAX and sum(sizes) <= CORPUS_MAX and len(sizes) <= CORPUS_FILES


def test_seeds_are_what_the_script_writes(tmp_path):
    """tests/fuzz/seeds.py writes them."""
    for name in FUZZERS:
        (tmp_path / name).mkdir()
    project.output(FOLDER / "seeds.py", tmp_path)
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(written) > 20
    for path in written:
        assert (FOLDER / "corpus" / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), path.name


def test_ci_fuzz_lists_them():
    assert project.output(project.SOURCE / "ci/fuzz", "--list").split() == FUZZERS


def test_ci_fuzz_refuses_an_unknown_one():
    done = subprocess.run([str(project.SOURCE / "ci/fuzz"), "nosuch"], stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False)
    assert done.returncode == 2 and "nosuch" in done.stderr
