# SPDX-License-Identifier: MIT
"""Where things are, for the tests in this folder."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TGT_BUILD_DIR", SOURCE / "build"))
PACKAGES = [str(SOURCE / "tests" / name) for name in ("fixtures", "conformance")]  # the folders of guest and harness
