# SPDX-License-Identifier: MIT
"""What the ledger of a tape takes for lost, mixed or cut off."""

from __future__ import annotations

import pytest

from harness.tape_ledger import MARK, TapeLedger

A, B, C, D, E = b"a", b"b", b"c", b"d", b"e"


def written(*objects: bytes, promised: int) -> TapeLedger:
    ledger = TapeLedger()
    ledger.write(0, objects[:promised])
    ledger.synchronised()
    for number, one in enumerate(objects[promised:], promised):
        ledger.write(number, [one])
    return ledger


@pytest.mark.smoke
@pytest.mark.parametrize("found", [[A, MARK, C], [A, MARK], [A, MARK, C, D]])
def test_an_end_anywhere_after_what_was_promised_is_right(found: list[bytes]) -> None:
    assert written(A, MARK, C, D, promised=2).judge(found) == ""


@pytest.mark.smoke
@pytest.mark.parametrize("found,words", [
    ([A], "2 objects were promised, 1 are there"), ([], "2 objects were promised, 0 are there"),
    ([A, B, C], "object 1 of 3 holds other data"), ([A, MARK, MARK], "object 2 of 3 is a filemark"),
    ([A, MARK, D], "object 2 of 3 holds other data"), ([A, MARK, C, D, E], "object 4 of 5 holds other data"),
])
def test_what_is_lost_or_was_not_written_is_found(found: list[bytes], words: str) -> None:
    assert words in written(A, MARK, C, D, promised=2).judge(found)


def test_what_was_written_over_may_still_be_there_but_not_behind_it() -> None:
    ledger = written(A, B, C, D, promised=4)
    ledger.write(1, [E])
    for found in ([A], [A, B], [A, B, C, D], [A, E]):
        assert ledger.judge(found) == ""
    assert "holds other data" in ledger.judge([A, E, C])
    assert "promised" in ledger.judge([])
    ledger.synchronised()
    assert ledger.judge([A, E]) == ""
    assert "holds other data" in ledger.judge([A, B, C, D])


def test_what_was_found_stays() -> None:
    ledger = written(A, B, C, promised=1)
    ledger.go_on_with([A, B])
    assert "2 objects were promised" in ledger.judge([A])
    assert ledger.judge([A, B]) == "" and "other data" in ledger.judge([A, B, C])
