"""A stretch of time holds the same however its slices are kept: decoded, as records, sealed, or partly each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.marker import StateCorruptError
from streams.engine.measures import pack
from streams.engine.stretch import Histograms, Stretch, written

Slices = dict[int, tuple[int, Histograms]]
NUMBERS = st.integers(0, 200)
COUNTS = st.integers(1, 5)
STEPS = st.one_of(
    st.tuples(st.just("merge"), st.lists(NUMBERS, max_size=80), COUNTS),
    st.tuples(st.just("withdraw"), st.lists(NUMBERS, max_size=80), COUNTS),
    st.tuples(st.just("restore"), st.lists(NUMBERS, max_size=80), COUNTS),
    st.tuples(st.just("delete"), st.lists(NUMBERS, max_size=5), COUNTS),
    st.tuples(st.just("remove"), st.lists(NUMBERS, max_size=5), COUNTS),
    st.tuples(st.just("seal"), st.just([]), COUNTS),
)


def worth(count: int) -> tuple[int, Histograms]:
    """Return bundle and histograms of so many answers within their waits."""
    return pack({"entered": count, "wait_answered_us": count * 1_000_000}), {"wait_answered": {300: count}}


def add(stretch: Stretch, model: Slices, number: int, count: int) -> None:
    """Add so many to a slice, in both; a slice that becomes nothing goes."""
    bundle, histograms = worth(count)
    stretch.merge(number, bundle, histograms)
    total = model.get(number, (0, {}))[1].get("wait_answered", {}).get(300, 0) + count
    model[number] = worth(total)
    if not total:
        del model[number]


@given(st.lists(STEPS, max_size=12))
def test_what_it_holds_does_not_depend_on_how_it_is_kept(steps: list[tuple[str, list[int], int]]) -> None:
    stretch, model = Stretch(), Slices()
    for step, numbers, count in steps:
        for number in numbers:
            if step == "merge":
                add(stretch, model, number, count)
            elif step == "withdraw" and number in model:
                add(stretch, model, number, -model[number][1]["wait_answered"][300])
            elif step == "restore" and number not in stretch.bundles:
                model[number] = worth(count)
                stretch.restore(number, written(*model[number]))
            elif step == "delete" and number not in stretch.bundles:
                model.pop(number, None)
                stretch.restore(number, None)
        if step == "remove":
            stretch.remove(numbers)
            for number in numbers:
                model.pop(number, None)
        elif step == "seal":
            stretch.seal()
        assert {number: (bundle, histograms) for number, bundle, histograms in stretch} == model
        assert sorted(stretch.numbers()) == sorted(model)
    stretch.seal()
    assert {number: (bundle, histograms) for number, bundle, histograms in stretch} == model


def test_a_sealed_stretch_takes_a_fraction_of_its_records() -> None:
    stretch = Stretch()
    for number in range(1000):
        stretch.restore(number, written(*worth(number + 1)))
    stretch.seal()
    assert sum(map(len, stretch._blocks)) * 2 < sum(len(written(*worth(number + 1))) for number in range(1000))
    assert stretch.open_numbers() == []
    stretch.merge(7, *worth(1))
    assert stretch.open_numbers() == [7]


def test_a_record_that_cannot_be_read_is_told_when_it_is_needed() -> None:
    stretch = Stretch()
    stretch.restore(1, b'{"measures":{"entered":"many"}}')
    with pytest.raises(StateCorruptError, match="cannot be read"):
        stretch.merge(1, *worth(1))
