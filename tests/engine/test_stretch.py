"""A stretch of time holds the same however its slices are kept: decoded, opened, as records, sealed, or partly each; and its records say it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.panes import PANES, panes_of
from streams.engine.marker import StateCorruptError
from streams.engine.measures import pack, unpack
from streams.engine.slices import Slice, Slices
from streams.engine.stretch import Histograms, Stretch, cuts, encode_pane

QUEUES = 3
CUTS = 70
Held = dict[int, tuple[int, Histograms]]
Topic = dict[tuple[int, int], bytes]
"""Records by place and part."""
NUMBERS = st.lists(st.integers(0, QUEUES * CUTS - 1), max_size=80)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["add", "withdraw", "remove"]), NUMBERS),
    st.tuples(st.sampled_from(["seal", "restart"]), st.just([])),
)


def slices() -> Slices:
    """Return slices of three queues: each queue's own, and many breakdowns."""
    made = Slices()
    for queue in range(QUEUES):
        made.number(Slice("call", f"queue {queue}"))
        for value in range(CUTS - 1):
            breakdown = "agent" if value % 3 == 0 else "language"
            made.number(Slice("call", f"queue {queue}", breakdown, f"{value}"))
    return made


def worth(count: int) -> tuple[int, Histograms]:
    """Return bundle and histograms of so many answers within their waits."""
    return pack({"entered": count, "wait_answered_us": count * 1_000_000}), {"wait_answered": {300: count}}


def add(stretch: Stretch, model: Held, number: int, count: int) -> None:
    """Add so many to a slice, in both; a slice that becomes nothing goes."""
    stretch.merge(number, *worth(count))
    total = model.get(number, (0, {}))[1].get("wait_answered", {}).get(300, 0) + count
    model[number] = worth(total)
    if not total:
        del model[number]


def restarted(topic: Topic, older: Topic, made: Slices) -> Stretch:
    """Return a stretch that was restored from records, of which some are older and some were sealed before the last came."""
    stretch = Stretch(made)
    for records in (older, topic):
        for (place, part), record in records.items():
            stretch.restore(place, part, record)
        stretch.seal()
    for place, part in older.keys() - topic.keys():
        stretch.restore(place, part, None)
    return stretch


def held(topic: Topic, made: Slices) -> Held:
    """Return what the records say."""
    found: Held = {}
    for (place, part), record in topic.items():
        panes = list(panes_of(PANES + b"900,0%b%d]" % (made.suffixes[place], part), record))
        cut_by = {name[4] == "agent" for name, _ in panes}
        assert len(cut_by) == 1, "agents and others change at other times"
        assert 0 < len(panes) <= (16 if True in cut_by else 33)
        for (_, _, *name), pane in panes:
            number = made.number(Slice(*name))
            assert number not in found, "a pane is in two parts"
            found[number] = pack(pane.measures), pane.histograms
        assert all((part, at) == (0, 0) for at, (name, _) in enumerate(panes) if name[4] is None)
    return found


@given(st.lists(STEPS, max_size=12))
def test_what_it_holds_does_not_depend_on_how_it_is_kept(steps: list[tuple[str, list[int]]]) -> None:
    made = slices()
    stretch, model, topic, older = Stretch(made), Held(), Topic(), Topic()
    for step, numbers in steps:
        if step == "seal":
            stretch.seal()
        elif step == "restart":
            stretch = restarted(topic, older, made)
        elif step == "remove":
            stretch.numbers()
            stretch.remove(numbers)
            for number in numbers:
                model.pop(number, None)
        for number in numbers:
            if step == "add":
                add(stretch, model, number, 1 + number % 3)
            elif step == "withdraw" and number in model:
                add(stretch, model, number, -model[number][1]["wait_answered"][300])
        for place, part, record in stretch.records(numbers):
            older[place, part] = topic.get((place, part), b"[]")
            topic[place, part] = record or b""
        topic = {at: record for at, record in topic.items() if record}
        assert {number: (bundle, histograms) for number, bundle, histograms in stretch} == model
        assert held(topic, made) == model
        assert set(stretch.parts()) == set(topic)
        assert bool(stretch) >= bool(model)
    assert sorted(stretch.numbers()) == sorted(model)
    assert {number: (bundle, histograms) for number, bundle, histograms in stretch} == model


def test_only_what_is_credited_is_opened_and_only_its_part_is_written() -> None:
    made = slices()
    stretch = Stretch(made)
    for number in range(QUEUES * CUTS):
        stretch.merge(number, *worth(number + 1))
    topic = {(place, part): record for place, part, record in stretch.records(range(QUEUES * CUTS))}
    sizes = {at: len(cuts(record or b"")) for at, record in topic.items()}
    assert [size for (place, _), size in sorted(sizes.items()) if place == 1] == [32, 16, 15, 7]
    stretch.seal()
    assert sum(map(len, stretch._blocks)) * 2 < sum(len(record or b"") for record in topic.values())
    assert stretch.open_numbers() == []
    stretch.merge(40, *worth(1))
    assert {made.names[number].queue for number in stretch.open_numbers()} == {"queue 0"}
    ((place, part, record),) = stretch.records([40])
    assert (place, part) == (0, 1)
    changed = [pair for pair in zip(cuts(topic[0, 1] or b""), cuts(record or b""), strict=True) if pair[0] != pair[1]]
    assert [after[1] for _, after in changed] == ["39"]
    assert unpack(worth(42)[0]) == msgspec.json.decode(changed[0][1][2])["measures"]


@pytest.mark.parametrize("record", [b'[["agent","7",{"measures":{"entered":"many"}}]]', b'[["agent"]]', b"{"])
def test_a_record_that_cannot_be_read_is_told_when_it_is_needed(record: bytes) -> None:
    made = slices()
    stretch = Stretch(made)
    stretch.restore(0, 0, record)
    with pytest.raises(StateCorruptError, match="cannot be read"):
        stretch.merge(made.number(Slice("call", "queue 0", "agent", "7")), *worth(1))


def test_a_pane_is_written_as_it_is_told() -> None:
    assert (
        encode_pane(*worth(2))
        == b'{"measures":{"entered":2,"wait_answered_us":2000000},"histograms":{"wait_answered":{"300":2}}}'
    )
