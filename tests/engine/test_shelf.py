"""What is kept of customers who have gone quiet: all that was put there, in half of the room."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import shelf
from streams.engine.records import BLOCK, CONTACT, Records, block_key, contact_key, split_block_key, split_contact_key
from streams.engine.shelf import Shelf

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "take", "change"]), st.integers(0, 30)), min_size=60, max_size=120
)


@given(STEPS)
def test_it_is_a_dictionary(steps: list[tuple[str, int]]) -> None:
    """Whoever is loose, put away, taken out of a block or taken and put there again."""
    expected: dict[bytes, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        patch.setattr(shelf, "_index", lambda key: hash(key) % 16)  # so that two in three have that of another
        kept = Shelf(lambda _: 1, bool)
        for version, (step, number) in enumerate(steps):
            key = b"customer-%d" % number
            if step == "change":
                records = kept.loose(key)
                assert records == expected.get(key)
                if records is not None:
                    records["again"] = b"%d" % version
                    expected[key] = {**expected[key], "again": b"%d" % version}
            elif step == "take" or key in expected:
                assert kept.take(key) == expected.pop(key, None)
            else:
                kept.put(key, {"contact": b"record %d" % version})
                expected[key] = {"contact": b"record %d" % version}
            assert (key in kept) == (key in expected)
            assert len(kept) == len(expected)
        assert {key: kept.take(key) for key in list(expected)} == expected
        assert not kept


class Kept:
    """A shelf, what is written for it, and who has to be there."""

    def __init__(self) -> None:
        self.shelf = _shelf()
        self.topic: dict[bytes, bytes] = {}
        self.expected: dict[bytes, dict[str, bytes]] = {}
        self.forgotten: set[bytes] = set()

    def change(self, key: bytes, name: str, record: bytes) -> None:
        """Let something happen for a customer, new or not."""
        records = self.shelf.take(key) or {}
        records[name] = record
        self.write([(contact_key(key, name), record)])
        self.shelf.put(key, records)
        self.expected[key] = dict(records)
        self.forgotten.discard(key)

    def forget(self, key: bytes) -> None:
        """Let go of a customer for good."""
        assert self._leave(key) == self.expected.pop(key, None)
        self.forgotten.add(key)

    def _leave(self, key: bytes) -> dict[str, bytes] | None:
        records, is_in_block = self.shelf.leave(key)
        if records and not is_in_block:
            self.write([(contact_key(key, name), None) for name in records])
        return records

    def write(self, records: Records) -> None:
        """Write what the shelf asks for, and then these records."""
        for name, record in [*self.shelf.written.items(), *records]:
            self.topic.pop(name, None) if record is None else self.topic.update({name: record})
        self.shelf.written = {}

    def restart(self) -> None:
        """Take back what was written; who was forgotten may be there as he was, and is forgotten again."""
        self.write([])
        self.shelf = _shelf()
        with self.shelf.adding() as loose:
            for name, record in self.topic.items():
                if name.startswith(CONTACT):
                    key, contact = split_contact_key(name)
                    loose.setdefault(key, {})[contact] = record
        blocks = {split_block_key(name): record for name, record in self.topic.items() if name.startswith(BLOCK)}
        self.shelf.restore(blocks, lambda _: False)
        for key in self.forgotten:
            self._leave(key)


def _shelf() -> Shelf:
    return Shelf(lambda _: 1, lambda records: "large" not in records)


@given(
    st.lists(
        st.tuples(st.sampled_from(["change"] * 4 + ["forget", "restart"]), st.integers(0, 12)),
        min_size=60,
        max_size=120,
    ),
    st.sampled_from([4, 1 << 60]),
)
def test_what_was_written_is_all_that_is_there(steps: list[tuple[str, int]], indices: int) -> None:
    """After a restart anywhere, whatever is put away, taken out, changed or forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        patch.setattr(shelf, "_index", lambda key: hash(key) % indices)
        kept = Kept()
        for version, (step, number) in enumerate([*steps, ("restart", 0)]):
            key = b"customer-%d" % number
            if step == "restart":
                kept.restart()
            elif step == "forget":
                kept.forget(key)
            else:
                kept.change(key, "large" if version % 5 == 0 else f"c{version % 3}", b"record %d" % version)
        assert {key: kept.shelf.leave(key)[0] for key in kept.expected} == kept.expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=80), st.sets(st.integers(0, 60)))
def test_who_has_to_be_looked_at_is_told_on_that_day(puts: list[tuple[int, int]], taken: set[int]) -> None:
    """And on the days after it, as long as nobody takes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        kept = Shelf(lambda customers: min(int(records["day"]) for records in customers), bool)
        expected = dict(puts)
        for number, day in expected.items():
            kept.put(b"%d" % number, {"day": b"%d" % day})
        for number in taken & expected.keys():
            kept.take(b"%d" % number)
            del expected[number]
        for today in range(1, 10):
            for key in kept.due(today):
                records = kept.take(key)
                assert records is not None
                if int(records["day"]) > today:
                    kept.put(key, records)
                else:
                    assert expected.pop(int(key)) == int(records["day"])
            assert all(day > today for day in expected.values())
        assert not kept


def block_of_two() -> tuple[bytes, bytes]:
    """Return key and value of the record of a block of customers 0 and 1."""
    kept = Shelf(lambda _: 5, bool)
    for number in range(3):
        kept.put(b"%d" % number, {"c": b"record %d" % number})
    ((name, record),) = [item for item in kept.written.items() if item[0].startswith(BLOCK)]
    assert record is not None
    return name, record


def test_a_block_taken_back_is_looked_at_on_its_day_and_its_record_goes_with_it() -> None:
    """No customer of it is ever written by himself."""
    name, record = block_of_two()
    again = Shelf(lambda _: 5, bool)
    again.restore({split_block_key(name): record}, lambda _: False)
    assert (len(again), again.written, list(again.due(4))) == (2, {}, [])
    assert [again.leave(key) for key in again.due(5)] == [({"c": b"record 0"}, True), ({"c": b"record 1"}, False)]
    assert again.written == {name: None, contact_key(b"1", "c"): b"record 1"}  # who is left when half are gone


def test_who_is_elsewhere_is_not_taken_out_of_a_block() -> None:
    """And a block of which everybody is elsewhere goes."""
    name, record = block_of_two()
    for elsewhere, left in (({b"1"}, 1), ({b"0", b"1"}, 0)):
        again = Shelf(lambda _: 5, bool)
        again.restore({split_block_key(name): record}, elsewhere.__contains__)
        assert (len(again), again.written) == (left, {} if left else {name: None})
        assert again.take(b"1") is None


def test_two_of_a_block_with_one_index_are_both_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes differ from process to process, so they had two when they were put away."""
    name, record = block_of_two()
    monkeypatch.setattr(shelf, "_index", lambda _: 7)
    again = Shelf(lambda _: 5, bool)
    again.restore({split_block_key(name): record}, lambda _: False)
    assert again.written == {name: None} | {contact_key(b"%d" % at, "c"): b"record %d" % at for at in range(2)}
    assert [again.take(b"%d" % at) for at in range(2)] == [{"c": b"record 0"}, {"c": b"record 1"}]


def test_who_does_not_fit_keeps_nobody_else_from_being_written() -> None:
    kept = Shelf(lambda _: 5, lambda records: "large" not in records)
    for number in range(6):
        kept.put(b"%d" % number, {"large" if number % 2 else "c": b"record"})
    assert [name for name in kept.written if name.startswith(BLOCK)] == [block_key(0)]
    assert [kept.take(b"%d" % number) is not None for number in range(6)] == [True] * 6


def _record(random: Random) -> bytes:
    """Return as many bytes as a call's record has, of which a third are digests."""
    facts = (
        b"\xcf\x00\x06K\xffEi#{" + random.randbytes(8) + b"queue-%d agent-%d" % divmod(number, 5) for number in range(5)
    )
    return b"".join(facts) + b"phone high residential en web"


def test_quiet_customers_take_half_of_the_room_and_none_when_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a block of which more than half has been taken the rest is put away with others."""
    monkeypatch.setattr(shelf, "LOOSE", 64)
    monkeypatch.setattr(shelf, "BLOCK", 32)
    random, count = Random(7), 8_000
    records = {b"customer-%d" % number: {f"contact-{number}": _record(random)} for number in range(count)}
    size = sum(len(record) + len(name) for of in records.values() for name, record in of.items())
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = Shelf(lambda _: 1, bool)
        for key, of in records.items():
            kept.put(key, of)
            kept.written.clear()
        held = tracemalloc.get_traced_memory()[0] - before
        for number in range(count):
            if number % 32 >= 8:
                kept.take(b"customer-%d" % number)
                kept.written.clear()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 0.5 * size + 60 * count  # the index
    assert left < 0.8 * held  # the index does not shrink


def test_blocks_that_are_gone_take_no_room() -> None:
    """Also where the day on which they would have been looked at is far away."""
    kept = Shelf(lambda _: 400, bool)
    tracemalloc.start()
    try:
        for number in range(12_000):
            kept.put(b"%d" % (number % 6), {"c": b"record"})
            kept.take(b"%d" % ((number + 1) % 6))
            kept.written.clear()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 20_000
