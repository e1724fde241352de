# SPDX-License-Identifier: MIT
"""What the conformance tests stand on: daemons, logical units, tools, the allow-list."""
