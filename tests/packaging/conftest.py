# SPDX-License-Identifier: MIT
import fcntl

import pytest

import trees


@pytest.fixture(scope="session")
def packages():
    """{package name: file} of what ci/deb makes of this tree; it only builds what changed."""
    lock = trees.BUILD / "deb.lock"
    trees.BUILD.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        trees.output(trees.SOURCE / "ci/deb")
        return {path.name.split("_")[0]: path for path in (trees.BUILD / "deb/packages").glob("*.deb")}


@pytest.fixture
def unpack(packages, tmp_path):
    """unpack(name): into the test's tree, which it returns."""
    def into_tree(name):
        tree = tmp_path / "tree"
        trees.output("dpkg-deb", "-x", packages[name], tree)
        return tree
    return into_tree
