# SPDX-License-Identifier: MIT
"""The example module, built and loaded as a third party would: from the packages, outside the tree."""
import shutil

import pytest

import trees


@pytest.fixture
def tree(unpack):
    """An installed tgt and tgt-dev."""
    unpack("tgt")
    return unpack("tgt-dev")


@pytest.fixture
def make(tree, tmp_path):
    """make(target…) in a copy of the example, with the tree's tgt.pc."""
    source = tmp_path / "example"
    shutil.copytree(next(tree.glob("usr/share/doc/*/examples/bs_example")), source)
    pkgconfig = next(tree.glob("usr/lib/*/pkgconfig"))

    def run(*targets):
        return trees.output("make", "-C", source, f"PKG_CONFIG=pkg-config --define-variable=prefix={tree}/usr",
                            "CFLAGS=-O2 -Wall -Wextra -Werror", *targets,
                            env={"PKG_CONFIG_LIBDIR": str(pkgconfig), "PATH": "/usr/bin:/bin"})
    return run


def test_pkg_config_knows_the_module_folder(tree):
    pkgconfig = next(tree.glob("usr/lib/*/pkgconfig"))
    def ask(*words):
        return trees.output("pkg-config", *words, "tgt", env={"PKG_CONFIG_LIBDIR": str(pkgconfig), "PATH": "/usr/bin"}).split()
    folder = next(tree.glob("usr/lib/*/tgtd/backing-store"))
    assert ask("--variable=bsdir") == [f"/{folder.relative_to(tree)}"]
    assert ask("--variable=includedir") == ["/usr/include"]
    assert ask("--modversion")[0].startswith("2.")


def test_example_serves_data(tree, make, tmp_path):
    make("install")
    with trees.Daemon(tree, tmp_path / "run") as daemon:
        assert list(daemon.listed()) == ["example"]
        url = daemon.make_lun("example", "--bsopts", "size=8M")
        text = trees.output("qemu-io", "-f", "raw", "-c", "write -P 0xa5 1M 64k", "-c", "read -P 0xa5 1M 64k",
                            "-c", "read -P 0 0 1M", "-c", "length", url)
        assert "8 MiB" in text
        assert "Pattern verification failed" not in text


def test_example_says_what_is_missing(make, tree):
    for file in tree.glob("usr/lib/*/pkgconfig/tgt.pc"):
        file.unlink()
    with pytest.raises(AssertionError, match="tgt"):
        make("bs_example.so")


def test_wrong_option_is_refused(tree, make, tmp_path):
    make("install")
    with trees.Daemon(tree, tmp_path / "run") as daemon:
        daemon.admin("--op", "new", "--mode", "target", "--tid", "1", "--targetname", trees.TARGET)
        for options in ("sise=8M", "size=lots", "size=1"):
            refused = daemon.run("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--bstype",
                                 "example", "--bsopts", options)
            assert refused.returncode == 22, options
            assert refused.stderr.startswith("tgtadm: "), options
