# SPDX-License-Identifier: MIT
"""A store is its folder: without the folder the tree configures, with its tests, and builds all but that store."""
import shutil

import pytest

import trees

IGNORED = shutil.ignore_patterns(".git", "build*", "out", "__pycache__")


@pytest.mark.parametrize("store", trees.stores())
def test_deleting_the_folder_removes_the_store(tmp_path, store):
    source = tmp_path / "source"
    shutil.copytree(trees.SOURCE, source, ignore=IGNORED)
    shutil.rmtree(source / "backing-store" / store)
    trees.output("cmake", "-G", "Ninja", "-S", source, "-B", tmp_path / "build")
    targets = trees.output("ninja", "-C", tmp_path / "build", "-t", "targets", "all")
    for other in trees.stores():
        assert (f"backing-store/bs_{other}.so: " in targets) == (other != store), other
    assert f"backing-store/{store}/" not in targets
    listed = trees.output(source / "ci/stores").split()
    assert listed == [name for name in trees.stores() if name != store]
