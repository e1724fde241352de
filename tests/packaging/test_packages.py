# SPDX-License-Identifier: MIT
"""What the packages hold and need."""
import re

import pytest

import trees

# The core's libraries, as Debian 12 names their packages.
CORE_NEEDS = {"libc6", "libssl3", "libisal2", "libjansson4"}
STORE_NEEDS = {"aio": {"libaio1"}, "rbd": {"librados2", "librbd1"}, "ssc": {"libisal2", "libssl3", "libzstd1"},
               "uring": {"liburing2"}}


def field(package, name):
    return trees.output("dpkg-deb", "-f", package, name).strip()


def needs(package):
    """Names in Depends."""
    return {re.split(r"[ (]", word.strip())[0] for word in field(package, "Depends").split(",") if word.strip()}


def files(package):
    """Paths of the files in it, without the folders."""
    lines = trees.output("dpkg-deb", "-c", package).splitlines()
    return {line.split()[5][1:] for line in lines if not line.startswith("d")}


def test_a_package_for_each_store(packages):
    assert set(packages) == {"tgt", "tgt-dev", *(f"tgt-bs-{name}" for name in trees.stores())}


def test_core_needs_little(packages):
    assert needs(packages["tgt"]) <= CORE_NEEDS
    assert "libc6" in needs(packages["tgt"])
    assert field(packages["tgt"], "Recommends") == "tgt-bs-rdwr"


def test_core_holds_no_store(packages):
    held = files(packages["tgt"])
    assert not [path for path in held if "/backing-store/" in path]
    for end in ("/sbin/tgtd", "/sbin/tgtadm", "/sbin/tgt-admin", "/sbin/tgt-setup-lun", "/tgtd/libtgt.so",
                "/tgtd.service", "/tgtd.8", "/tgtadm.8", "/tgt-admin.8", "/tgt-setup-lun.8", "/targets.conf.5",
                "/LICENSE"):
        assert [path for path in held if path.endswith(end)], end


def test_it_replaces_the_old_package(packages):
    """Debian's tgt 1.x has an epoch."""
    assert field(packages["tgt"], "Version").startswith("1:2.")


@pytest.mark.parametrize("store", trees.stores())
def test_store_needs_its_own_libraries(packages, store):
    package = packages[f"tgt-bs-{store}"]
    core = f"tgt (= {field(packages['tgt'], 'Version')})"
    assert core in field(package, "Depends")
    assert needs(package) - {"tgt", "libc6"} == STORE_NEEDS.get(store, set())
    assert f"/bs_{store}.so" in " ".join(files(package))


def test_no_file_is_in_two_packages(packages):
    seen = {}
    for name, package in packages.items():
        for path in files(package):
            assert path not in seen, f"{path} is in {name} and {seen[path]}"
            seen[path] = name


def test_dev_package(packages):
    held = files(packages["tgt-dev"])
    for end in ("/include/tgt/backing-store.h", "/pkgconfig/tgt.pc", "/bs_example/bs_example.c", "/bs_example/Makefile",
                "/tgt-backing-store.3"):
        assert [path for path in held if path.endswith(end)], end
    assert not needs(packages["tgt-dev"])


def test_nothing_knows_where_it_was_built(packages, tmp_path):
    for package in packages.values():
        trees.output("dpkg-deb", "-R", package, tmp_path / package.name)
    here = str(trees.SOURCE).encode()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and here in path.read_bytes()]


def test_configuration(packages, tmp_path):
    """The operator's: dpkg asks before it replaces it, and nobody else reads its passwords."""
    assert trees.output("dpkg-deb", "-I", packages["tgt"], "conffiles") == "/etc/tgt/targets.conf\n"
    line = next(line for line in trees.output("dpkg-deb", "-c", packages["tgt"]).splitlines()
                if line.endswith("/etc/tgt/targets.conf"))
    assert line.startswith("-rw-------")
    trees.output("dpkg-deb", "-x", packages["tgt"], tmp_path)
    assert (tmp_path / "etc/tgt/conf.d").is_dir()
    unit = (tmp_path / "usr/lib/systemd/system/tgtd.service").read_text()
    assert "ExecStart=/usr/sbin/tgtd -f --config /etc/tgt/targets.conf\n" in unit
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in unit
