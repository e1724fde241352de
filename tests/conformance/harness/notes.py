# SPDX-License-Identifier: MIT
"""What a test tells the report about itself; travels from an xdist worker as an attribute of its report."""

from __future__ import annotations

from typing import Any

import pytest

_NOTES = pytest.StashKey[dict[str, Any]]()


def note(item: Any, **facts: Any) -> None:
    """Adds facts, which must be representable in JSON."""
    item.stash.setdefault(_NOTES, {}).update(facts)


def notes_of(item: Any) -> dict[str, Any]:
    return dict(item.stash.get(_NOTES, {}))
