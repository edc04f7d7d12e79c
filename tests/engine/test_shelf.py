"""What is kept of customers who have gone quiet: all that was put there, in half of the room."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import shelf
from streams.engine.shelf import Shelf

STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "take", "change"]), st.integers(0, 30)), max_size=120)


@given(STEPS)
def test_it_is_a_dictionary(steps: list[tuple[str, int]]) -> None:
    """Whoever is loose, put away, taken out of a block or taken and put there again."""
    expected: dict[bytes, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        patch.setattr(shelf, "_index", lambda key: hash(key) % 16)  # so that two in three have that of another
        kept = Shelf(lambda _: 1)
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


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=80), st.sets(st.integers(0, 60)))
def test_who_has_to_be_looked_at_is_told_on_that_day(puts: list[tuple[int, int]], taken: set[int]) -> None:
    """And on the days after it, as long as nobody takes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        kept = Shelf(lambda customers: min(int(records["day"]) for records in customers))
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


def _record(random: Random) -> bytes:
    """Return as many bytes as a call's record has, of which a third are digests."""
    facts = (
        b"\xcf\x00\x06K\xffEi#{" + random.randbytes(8) + b"queue-%d agent-%d" % divmod(number, 5) for number in range(5)
    )
    return b"".join(facts) + b"phone high residential en web"


def test_quiet_customers_take_half_of_the_room_and_none_when_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a block of which more than half has been taken the rest is put away with others."""
    monkeypatch.setattr(shelf, "LOOSE", 64)
    random, count = Random(7), 8_000
    records = {b"customer-%d" % number: {f"contact-{number}": _record(random)} for number in range(count)}
    size = sum(len(record) + len(name) for of in records.values() for name, record in of.items())
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = Shelf(lambda _: 1)
        for key, of in records.items():
            kept.put(key, of)
        held = tracemalloc.get_traced_memory()[0] - before
        for number in range(count):
            if number % 32 >= 8:
                kept.take(b"customer-%d" % number)
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 0.5 * size + 60 * count  # the index
    assert left < 0.8 * held  # the index does not shrink
