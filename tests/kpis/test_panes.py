"""A reader's store of panes gives the same sums however old its stretches are and in whatever order records came."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.panes import Credit, Credits, PaneCredits
from streams.engine.measures import unpack
from streams.engine.policy import SECOND, SLIDING, Policy
from streams.engine.slices import Slice
from streams.kpis import panes
from streams.kpis.coverage import Coverage
from streams.kpis.panes import PaneStore

QUARTER = 900
LOADS = st.lists(
    st.tuples(
        st.integers(0, 80),
        st.sampled_from(["sales", "support"]),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=60,
)
"""Which pane, queue, part, partition, and how many entered; nobody deletes the record."""


def record(queue: str, part: int, count: int) -> bytes | None:
    """Return a part: the queue's own pane and a language, or an agent."""
    if not count:
        return None
    names = [(None, None), ("language", "es")] if part == 0 else [("agent", f"ana of {queue}")]
    return msgspec.json.encode([(*name, {"measures": {"entered": count}}) for name in names])


@given(LOADS, st.sampled_from([None, "language", "agent"]))
def test_sums_are_of_the_last_records(loads: list[tuple[int, str, int, int, int]], breakdown: str | None) -> None:
    """Also of stretches that were sealed, looked into, and changed again."""
    store, last = PaneStore(), dict[tuple[int, str, int, int], int]()
    for quarter, queue, part, partition, count in loads:
        key = msgspec.json.encode(("panes", QUARTER, quarter * QUARTER, "call", queue, part))
        store.load(partition, key, record(queue, part, count))
        last[quarter, queue, part, partition] = count
        expected = Counter[tuple[int, Slice]]()
        for (start, name, of, _), entered in last.items():
            value = {None: None, "language": "es", "agent": f"ana of {name}"}[breakdown]
            if of == (breakdown == "agent") and entered:
                expected[start * QUARTER, Slice("call", name, breakdown, value)] += entered
        starts = store.starts(QUARTER, 0, 81 * QUARTER)
        found = {(start, of): total for start in starts for of, total in store.sums(QUARTER, start, breakdown)}
        assert {at: unpack(total.bundle)["entered"] for at, total in found.items()} == expected
        one = [total for start in starts for _, total in store.part(QUARTER, start, breakdown, partition)]
        own = [count for (_, _, of, by), count in last.items() if by == partition and of == (breakdown == "agent")]
        assert sum(unpack(total.bundle)["entered"] for total in one) == sum(own)


@given(LOADS, st.integers(0, 100), st.integers(0, 100), st.sampled_from([None, "agent"]))
def test_a_sliding_window_is_the_sum_of_its_panes(
    loads: list[tuple[int, str, int, int, int]], one: int, other: int, by: str | None
) -> None:
    """Wherever it begins and ends, whatever was added up before, and after any change."""
    store = PaneStore()
    coverage = Coverage(Policy(), store, {})
    begin, end = (pane * SLIDING for pane in sorted((one, other)))
    for pane, queue, part, partition, count in loads:
        key = msgspec.json.encode(("panes", 10, pane * 10, "call", queue, part))
        store.load(partition, key, record(queue, part, count))
        found = Counter[Slice]()
        for of, total, _, _ in coverage.sliding(begin, end, by, lambda _: True):
            found[of] += unpack(total.bundle)["entered"]
        expected = Counter[Slice]()
        for start in store.starts(10, begin // SECOND, end // SECOND):
            for breakdown in {None, by}:
                for of, total in store.sums(10, start, breakdown):
                    expected[of] += unpack(total.bundle)["entered"]
        assert found == expected


def test_what_has_passed_is_kept_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a partition that is read after another one has come to its end."""
    monkeypatch.setattr(panes, "_UNSEALED", 100)
    store = PaneStore()
    for partition in range(2):
        for quarter in range(100):
            key = msgspec.json.encode(("panes", QUARTER, quarter * QUARTER, "call", "sales", 0))
            store.load(partition, key, record("sales", 0, 1 + quarter))
    store.load(1, key, record("sales", 0, 100))
    sealed = [start for start, stretch in store._stretches[QUARTER].items() if stretch._sealed is not None]
    assert sealed == [quarter * QUARTER for quarter in range(87)]  # 3 hours before the last began


def test_a_queue_without_a_pane_of_its_own_has_none() -> None:
    """Whatever its values are called."""
    store, name = PaneStore(), "a]b"
    record = msgspec.json.encode([("language", name, {"measures": {"entered": 1}})])
    store.load(0, msgspec.json.encode(("panes", QUARTER, 0, "call", "sales", 0)), record)
    assert not list(store.sums(QUARTER, 0, None))
    assert [of.value for of, _ in store.sums(QUARTER, 0, "language")] == [name]


@pytest.mark.parametrize("slices", [[0, 1], [-1]])
def test_credits_of_slices_that_are_not_named_are_refused(slices: list[int]) -> None:
    """Whole: what it credits to others is not added either."""
    store, key = PaneStore(), b'["credits",0]'
    record = Credits(
        0, [], [("call", "sales", None, None)], [PaneCredits(900, 0, [Credit(slices, {"entered": 1}, {})])]
    )
    with pytest.raises(ValueError, match="of slices that it does not name"):
        store.credit(0, key, msgspec.json.encode(record))
    assert store.starts(900, 0, 900) == []
