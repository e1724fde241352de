# SPDX-License-Identifier: MIT
"""A small iSCSI initiator for tests: correct by default, wrong on request (RFC 7143)."""
