# SPDX-License-Identifier: MIT
"""The account that the power-cut tests keep: what it calls lost, and what it lets pass."""

from __future__ import annotations

import pytest

from ledger import BLOCK, Ledger, stamped, stamped_range

BLOCKS = 16


def content(*writes: tuple[int, int, int]) -> bytes:
    """A unit on which these writes (lba, blocks, number) were done, one after the other."""
    data = bytearray(stamped_range(0, BLOCKS, 0))
    for lba, blocks, number in writes:
        data[lba * BLOCK:(lba + blocks) * BLOCK] = stamped_range(lba, blocks, number)
    return bytes(data)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(BLOCKS)


def write(ledger: Ledger, lba: int, blocks: int, *, durable: bool) -> tuple[int, int, int]:
    number = ledger.send(lba, blocks)
    ledger.acknowledge(lba, blocks, number, durable=durable)
    return lba, blocks, number


@pytest.mark.parametrize("done", [True, False])
def test_a_durable_write_must_be_there(ledger: Ledger, done: bool) -> None:
    durable = write(ledger, 4, 2, durable=True)
    assert ledger.promises == 1
    assert len(ledger.judge(content(durable) if done else content())) == (0 if done else 2)


@pytest.mark.parametrize("done", [True, False])
def test_what_was_only_sent_or_cached_may_be_there(ledger: Ledger, done: bool) -> None:
    cached = write(ledger, 4, 2, durable=False)
    sent = (8, 1, ledger.send(8, 1))
    assert ledger.judge(content(cached, sent) if done else content()) == []


def test_a_flush_makes_durable_what_was_acknowledged_before_it(ledger: Ledger) -> None:
    before = write(ledger, 4, 1, durable=False)
    covers = ledger.cached()
    after = write(ledger, 8, 1, durable=False)
    ledger.make_durable(covers)
    assert ledger.judge(content(after)) == [f"block 4 holds write 0, and was promised to hold {before[2]}"]


@pytest.mark.parametrize(("found", "wrong"), [(1, 1), (2, 0), (3, 0)], ids=["stale", "promised", "sent later"])
def test_a_block_holds_the_durable_write_or_a_later_one(ledger: Ledger, found: int, wrong: int) -> None:
    for _ in range(2):
        write(ledger, 4, 1, durable=True)
    ledger.send(4, 1)
    assert len(ledger.judge(content((4, 1, found)))) == wrong


def test_a_flush_does_not_take_back_what_a_later_write_promised(ledger: Ledger) -> None:
    cached = write(ledger, 4, 1, durable=False)
    covers = ledger.cached()
    write(ledger, 4, 1, durable=True)
    ledger.make_durable(covers)
    assert len(ledger.judge(content(cached))) == 1


def test_what_was_there_after_one_cut_must_be_there_after_the_next(ledger: Ledger) -> None:
    cached = write(ledger, 4, 1, durable=False)
    assert ledger.judge(content(cached)) == []
    assert len(ledger.judge(content())) == 1


def test_zeroes_are_the_first_content_of_the_hole_only() -> None:
    ledger = Ledger(BLOCKS, hole=4)
    assert [line.partition(" is ")[0] for line in ledger.judge(bytes(BLOCKS * BLOCK))] == [
        f"block {lba}" for lba in range(4, BLOCKS)]


def test_a_torn_block_and_one_of_another_place_are_wrong(ledger: Ledger) -> None:
    done = write(ledger, 4, 1, durable=True)
    torn = bytearray(content(done))
    torn[4 * BLOCK + 256:5 * BLOCK] = stamped(4, 0)[:256]
    torn[9 * BLOCK:10 * BLOCK] = stamped(8, 0)
    assert [line.partition(" is ")[0] for line in ledger.judge(bytes(torn))] == ["block 4", "block 9"]
