# SPDX-License-Identifier: MIT
"""The public header compiles alone, as C90 and as C++, and so does a module that uses it."""
import subprocess

import pytest

import project

MODULE = """
#include <tgt/backing-store.h>
static const struct tgt_bs_host *host;
static struct tgt_bs_module module;
TGT_BS_MODULE(module, host);
"""
C90 = ["gcc", "-x", "c", "-std=c90", "-pedantic"]
CXX98 = ["g++", "-x", "c++", "-std=c++98", "-pedantic"]
CXX17 = ["g++", "-x", "c++", "-std=c++17", "-pedantic"]
CLANG = ["clang", "-x", "c", "-std=c11", "-pedantic", "-Weverything", "-Wno-padded", "-Wno-unused-macros"]


def compile_text(compiler, text):
    return subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{project.SOURCE}/include",
                           "-"], input=text, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


@pytest.mark.parametrize("compiler", [C90, CXX98, CXX17, CLANG], ids=["c90", "c++98", "c++17", "clang"])
@pytest.mark.parametrize("text", ["#include <tgt/backing-store.h>\n" * 2, MODULE], ids=["alone", "module"])
def test_compiles(compiler, text):
    done = compile_text(compiler, text)
    assert done.returncode == 0, done.stderr


def test_a_wrong_module_does_not():
    """The compilers above do look: a descriptor of another type is refused."""
    assert compile_text(C90, MODULE.replace("struct tgt_bs_module module", "int module")).returncode != 0
