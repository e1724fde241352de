# SPDX-License-Identifier: MIT
"""Libraries that go before the C library in tools that aren't ours: each is one C file in a folder of its name."""

from __future__ import annotations

from pathlib import Path

from .options import Settings
from .process import run

FIXTURES = Path(__file__).parents[2] / "fixtures"


def library(name: str, settings: Settings, folder: Path) -> Path:
    """The one that was built, or one built here, when another target is tested."""
    if settings.build is not None:
        built = settings.build / "tests" / "fixtures" / name / f"{name}.so"
        if built.exists():
            return built
    made = folder / f"{name}.so"
    source = FIXTURES / name / f"{name}.c"
    done = run(["cc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", str(made), str(source), "-liscsi", "-ldl"])
    if done.returncode:
        raise RuntimeError(f"{source} can't be built:\n{done.stderr}")
    return made
