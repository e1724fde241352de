# SPDX-License-Identifier: MIT
"""The backing-store folder: what can't be loaded is reported and passed over, with real files of each kind."""
import os
import shutil

import pytest
from daemons import MODULES, STORES, tgtd


@pytest.fixture
def folder(tmp_path):
    """A copy of the stores that were built."""
    copy = tmp_path / "stores"
    shutil.copytree(STORES, copy)
    os.chmod(copy, 0o755)
    return copy


def stores():
    return sorted(path.stem.removeprefix("bs_") for path in STORES.glob("bs_*.so"))


def add(folder, case):
    for path in (MODULES / case).glob("bs_*.so"):
        shutil.copy(path, folder)


def check(daemon, failed, loaded=None):
    """Loaded is what should be; what failed is shown with the reason, in both forms, and in the log."""
    shown = daemon.show("backingstore")
    assert sorted(module["name"] for module in shown["modules"]) == sorted(loaded or stores())
    assert [os.path.basename(row["file"]) for row in shown["failed"]] == [name for name, _ in failed]
    text = daemon.do("--op", "show", "--mode", "backingstore")
    for row, (name, reason) in zip(shown["failed"], failed, strict=True):
        assert reason in row["reason"]
        assert f"    {row['file']}: {row['reason']}\n" in text
        assert f"backing store {row['file']} not loaded: {row['reason']}" in daemon.log()


def check_it_serves(daemon, image):
    daemon.target()
    daemon.unit(image)
    assert list(daemon.luns()) == [1]


@pytest.mark.parametrize(("case", "reason"), [
    ("other-major", "built for backing-store ABI 99."),
    ("missing-library", "libtgt-absent.so: cannot open shared object file"),
    ("undefined-symbol", "undefined symbol"),
    ("missing-symbol", "it doesn't export tgt_bs_module()"),
    ("no-note", "it has no tgt note"),
    ("text", "not an ELF shared object"),
    ("empty", "not an ELF shared object"),
    ("truncated", "ends beyond the end of the file"),
    ("returns-null", "returned no descriptor"),
    ("no-submit", "no submit function"),
    ("bad-kind", "kind 7 is unknown"),
    ("bad-name", "its name is not 1 to 31"),
    ("short", "too few"),
])
def test_broken_module(start, folder, image, case, reason):
    add(folder, case)
    daemon = start(store_dir=folder)
    check(daemon, [(f"bs_{case}.so", reason)])
    check_it_serves(daemon, image)


def test_same_name_twice(start, folder, image):
    add(folder, "duplicate")
    daemon = start(store_dir=folder)
    check(daemon, [("bs_duplicate_b.so", f'the name "duplicate" is taken by {folder}/bs_duplicate_a.so')],
          [*stores(), "duplicate"])
    check_it_serves(daemon, image)


def test_another_users_file(start, folder, image):
    add(folder, "good")
    os.chown(folder / "bs_good.so", 65534, 65534)
    daemon = start(store_dir=folder)
    check(daemon, [("bs_good.so", "belongs to user 65534")])
    check_it_serves(daemon, image)


@pytest.mark.parametrize(("mode", "who"), [(0o757, "everybody"), (0o775, "its group")])
def test_file_that_others_may_write(start, folder, image, mode, who):
    add(folder, "good")
    os.chmod(folder / "bs_good.so", mode)
    daemon = start(store_dir=folder)
    check(daemon, [("bs_good.so", f"may be written by {who}")])
    check_it_serves(daemon, image)


def test_folder_that_others_may_write(folder, tmp_path):
    """Given on the command line it is an error; whoever may add a file there runs code in the daemon."""
    os.chmod(folder, 0o777)
    done = tgtd("-f", "--backing-store-dir", folder, env={"TGT_IPC_SOCKET": str(tmp_path / "s")})
    assert done.returncode == 1
    assert f"backing store directory {folder} is not used: it may be written by everybody" in done.stderr


@pytest.mark.parametrize("case", ["older-minor", "newer-minor"])
def test_other_minor_version_loads(start, folder, case):
    add(folder, case)
    daemon = start(store_dir=folder)
    check(daemon, [], [*stores(), case])
    shown = {module["name"]: module for module in daemon.show("backingstore")["modules"]}
    assert shown[case]["abi"] != shown["null"]["abi"]


@pytest.mark.parametrize("store", stores())
def test_removed_module(start, folder, image, store):
    """Without any one of them the others work."""
    (folder / f"bs_{store}.so").unlink()
    daemon = start(store_dir=folder)
    others = [name for name in stores() if name != store]
    check(daemon, [], others)
    daemon.target()
    block = next(module["name"] for module in daemon.show("backingstore")["modules"] if module["kind"] == "block")
    daemon.unit(image, "--bstype", block)
    refused = daemon.adm("--op", "new", "--mode", "lu", "--tid", "1", "--lun", "2", "-b", str(image), "-E", store)
    reason = f'no backing store "{store}" is loaded'
    assert (refused.returncode, refused.stderr) == (22, f"tgtadm: invalid request\ntgtadm: {reason}\n")
    assert reason in daemon.log()


def test_no_module_at_all(start, tmp_path):
    (tmp_path / "empty").mkdir()
    daemon = start(store_dir=tmp_path / "empty")
    assert daemon.show("backingstore") == {"modules": [], "failed": []}
    assert "no backing store is loaded" in daemon.log()
    daemon.target()


def test_other_files_are_passed_over(start, folder):
    (folder / "README").write_text("no module\n")
    (folder / ".bs_hidden.so").write_text("no module\n")
    check(start(store_dir=folder), [])


def test_what_is_shown(daemon):
    for module in daemon.show("backingstore")["modules"]:
        assert set(module) == {"file", "name", "version", "help", "abi", "kind", "thread_model", "capabilities",
                               "options", "luns"}
        assert module["kind"] in ("block", "tape", "passthrough")
        assert module["thread_model"] in ("reactor", "worker")
        for option in module["options"]:
            assert set(option) == {"name", "type", "default", "help"}
            assert option["type"] in ("string", "bool", "uint", "file")
    size = next(module for module in daemon.show("backingstore")["modules"] if module["name"] == "null")["options"][0]
    assert size == {"name": "size", "type": "uint", "default": "1T", "help": size["help"]}
    assert f"            size (uint, default 1T): {size['help']}\n" in daemon.do("--op", "show", "--mode", "bs")
