# SPDX-License-Identifier: MIT
"""Trees of files, for what is backed up and restored."""

from __future__ import annotations

import random
from pathlib import Path

SIZES = (0, 1, 511, 512, 10240, 12345, 100_000)


def make_tree(folder: Path, size: int, seed: int = 1) -> None:
    """Files of many lengths in some folders, of so many bytes together."""
    dice = random.Random(seed)
    number = 0
    while size > 0:
        data = dice.randbytes(min(dice.choice(SIZES), size))
        path = folder / f"{number % 3}" / f"{number % 5}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        size -= len(data)
        number += 1


def content(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found
