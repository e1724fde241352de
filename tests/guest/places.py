# SPDX-License-Identifier: MIT
"""Where things are, for the tests in this folder."""

import os
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", _TESTS.parent / "build"))
PACKAGES = [str(_TESTS / "fixtures"), str(_TESTS / "conformance")]  # the folders of guest and harness
