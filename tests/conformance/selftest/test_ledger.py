# SPDX-License-Identifier: MIT
"""The account that the tests of power cuts and crashes keep: what it calls lost, and what it lets pass."""

from __future__ import annotations

import pytest

from harness.keepsakes import Setting
from harness.ledger import BLOCK, Ledger, stamped, stamped_range

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
    assert ledger.judge(content(after)) == [f"block 4 holds write 0, and was promised to hold write {before[2]}"]


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
    assert [line.partition(",")[0] for line in ledger.judge(bytes(BLOCKS * BLOCK))] == [
        f"block {lba} holds zeroes" for lba in range(4, BLOCKS)]


def test_a_torn_block_and_one_of_another_place_are_wrong(ledger: Ledger) -> None:
    done = write(ledger, 4, 1, durable=True)
    torn = bytearray(content(done))
    torn[4 * BLOCK + 256:5 * BLOCK] = stamped(4, 0)[:256]
    torn[9 * BLOCK:10 * BLOCK] = stamped(8, 0)
    assert [line.partition(" is ")[0] for line in ledger.judge(bytes(torn))] == ["block 4", "block 9"]


def unmap(ledger: Ledger, lba: int, *, durable: bool) -> tuple[int, int, int]:
    number = ledger.send(lba, 1, zeroes=True)
    ledger.acknowledge(lba, 1, number, durable=durable)
    return lba, 1, number


def zeroed(data: bytes, lba: int) -> bytes:
    return data[:lba * BLOCK] + bytes(BLOCK) + data[(lba + 1) * BLOCK:]


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_unmap_leaves_zeroes(ledger: Ledger, durable: bool, done: bool) -> None:
    unmap(ledger, 4, durable=durable)
    wrong = ledger.judge(zeroed(content(), 4) if done else content())
    assert len(wrong) == (durable and not done)


def test_zeroes_are_wrong_where_a_later_write_is_durable(ledger: Ledger) -> None:
    unmap(ledger, 4, durable=True)
    write(ledger, 4, 1, durable=True)
    assert ledger.judge(zeroed(content(), 4)) == ["block 4 holds zeroes, and was promised to hold write 2"]


def test_what_an_unmap_left_must_be_there_after_the_next_cut(ledger: Ledger) -> None:
    unmap(ledger, 4, durable=False)
    assert ledger.judge(zeroed(content(), 4)) == []
    assert len(ledger.judge(content())) == 1


@pytest.mark.parametrize(("found", "right"), [(0, False), (1, False), (2, True), (3, True), (4, False)])
def test_a_setting_is_the_last_acknowledged_or_one_sent_later(found: int, right: bool) -> None:
    setting = Setting()
    for value in (1, 2, 3):
        setting.sent.append(value)
        if value < 3:
            setting.acknowledge(value)
    assert (setting.judge(found) is None) == right
    assert setting.judge(found) is None, "what was found must be there from then on"
