# SPDX-License-Identifier: MIT
"""Where things are, for the checks in this folder."""
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", SOURCE / "build"))
C_FOLDERS = ("include", "src", "backing-store", "tests", "examples", "tools")
SCRIPT_FOLDERS = ("ci", ".ci", "packaging", "tools")


def c_files(*folders):
    """C sources and headers below these folders of the tree (default: all of them), sorted."""
    found = []
    for folder in folders or C_FOLDERS:
        found += [p for p in (SOURCE / folder).rglob("*.[ch]") if p.is_file()]
    return sorted(found)


def text_files():
    """Every text file of the tree, whether or not it is a git checkout."""
    for top in sorted(SOURCE.iterdir()):
        if top.name in (".git", "out") or top.name.startswith("build"):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and b"\0" not in path.read_bytes()[:4096]:
                yield path


def name(path):
    return str(path.relative_to(SOURCE))


def modules():
    """The backing-store modules that were built."""
    found = sorted((BUILD / "backing-store").glob("bs_*.so"))
    assert found, f"no modules in {BUILD}/backing-store: ci/build plain"
    return found


def stores():
    """Names of the folders below backing-store/ that hold a store."""
    return sorted(p.parent.name for p in (SOURCE / "backing-store").glob("*/CMakeLists.txt"))


def output(*command, **options):
    """What a command prints on its standard output; it must succeed."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
