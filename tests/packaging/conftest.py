# SPDX-License-Identifier: MIT
import fcntl
import shutil

import pytest

import trees


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """{package name: file} of what ci/deb makes of this tree; it only builds what changed.

    A copy, since another worker's call writes the files anew.
    """
    folder = tmp_path_factory.mktemp("packages")
    lock = trees.BUILD / "deb.lock"
    trees.BUILD.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        trees.output(trees.SOURCE / "ci/deb")
        for path in (trees.BUILD / "deb/packages").glob("*.deb"):
            shutil.copy(path, folder)
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


@pytest.fixture
def unpack(packages, tmp_path):
    """unpack(name): into the test's tree, which it returns."""
    def into_tree(name):
        tree = tmp_path / "tree"
        trees.output("dpkg-deb", "-x", packages[name], tree)
        return tree
    return into_tree
