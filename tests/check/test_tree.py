# SPDX-License-Identifier: MIT
"""Rules of the tree: layers, sizes, licence lines, no path of somebody's machine."""
import re

import pytest

import project

# Each may include itself and what stands before it.
LAYERS = ["util", "reactor", "store", "scsi", "iscsi", "config", "mgmt", "daemon"]
MAX_FILE, MAX_FUNCTION, MEDIAN_FUNCTION = 800, 80, 15
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
# Absolute paths that exist on one machine only; a template or a variable below /tmp is fine.
MACHINE = re.compile(r"(?<![\w.$}-])/(?:work|farm|root|home|tmp)/(?!XXXX|\$|\{)[A-Za-z0-9_.-]+")


def upward(layer, text, own_tgtadm=False):
    """Includes in text, a file of that layer, that point to a layer above it."""
    found = []
    for included in INCLUDE.findall(text):
        top = re.sub(r"^(\.\./)+", "", included).split("/")[0]
        if top in LAYERS and (own_tgtadm or LAYERS.index(top) > LAYERS.index(layer)):
            found.append(included)
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer):
    wrong = {project.name(p): upward(layer, p.read_text()) for p in project.c_files("src/" + layer)}
    assert not {name: found for name, found in wrong.items() if found}


def test_layer_check_finds_what_it_looks_for():
    assert upward("reactor", '#include "util/list.h"\n#include "../scsi/task.h"\n') == ["../scsi/task.h"]


def test_every_folder_is_a_known_layer():
    folders = {p.relative_to(project.SOURCE / "src").parts[0] for p in project.c_files("src")
               if p.parent != project.SOURCE / "src"}
    assert folders <= {*LAYERS, "tgtadm"}


def test_tgtadm_speaks_the_socket_only():
    """Of the layers it may use the helpers of util, nothing else."""
    used = {name for p in project.c_files("src/tgtadm") for name in INCLUDE.findall(p.read_text())}
    assert not [name for name in used if name.split("/")[0] in LAYERS[1:]]


def test_stores_use_the_public_header_only():
    """A module is built as a third party's would be; backing-store/common is what stores share."""
    wrong = {}
    for path in project.c_files("backing-store", "examples"):
        for included in INCLUDE.findall(path.read_text()):
            top = re.sub(r"^\.\./common/", "", included).split("/")
            ours = top[0] in ("..", "src") or (project.SOURCE / "src" / included).exists()
            if len(top) > 1 and ours:  # the system has a scsi/ of its own
                wrong.setdefault(project.name(path), []).append(included)
    assert not wrong


def test_file_sizes():
    files = project.c_files() + [p for p in project.text_files() if p.suffix == ".py"]
    sizes = {project.name(p): len(p.read_text().splitlines()) for p in files}
    assert sizes
    assert not {name: size for name, size in sizes.items() if size > MAX_FILE}


def functions(*folders):
    """{file:function: lines}, by ctags."""
    files = [p for p in project.c_files(*folders) if p.suffix == ".c"]
    lines = project.output("ctags", "-x", "--c-kinds=f", "--_xformat=%{end} %n %N %F", *files).splitlines()
    rows = [line.split() for line in lines]
    return {f"{row[3]}:{row[2]}": int(row[0]) - int(row[1]) + 1 for row in rows}


def test_function_sizes():
    sizes = functions("src", "backing-store", "examples", "tests")
    assert len(sizes) > 20
    assert not {name: size for name, size in sizes.items() if size > MAX_FUNCTION}


def test_median_function_size():
    sizes = sorted(functions("src", "backing-store").values())
    assert sizes[len(sizes) // 2] <= MEDIAN_FUNCTION


def test_licence_lines():
    files = project.c_files() + [p for p in project.text_files() if p.suffix in (".py", ".cmake", ".yml")]
    missing = []
    for path in files:
        head = path.read_text().splitlines()[:2]
        if not any("SPDX-License-Identifier: MIT" in line for line in head):
            missing.append(project.name(path))
    assert not missing


def test_no_path_of_a_machine():
    found = []
    for path in project.text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE.search(line) and path.name != "test_tree.py":
                found.append(f"{project.name(path)}:{number}: {line.strip()}")
    assert not found


def test_path_check_finds_what_it_looks_for():
    assert MACHINE.search("cd /" + "home/me/tgt")
    assert not MACHINE.search("mktemp /" + "tmp/XXXXXX; ls src/root/x $TMP/" + "work/y")
