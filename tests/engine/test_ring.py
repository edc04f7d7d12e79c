"""What is credited before it is written: the figures are the same, for a worker that takes up from it and for a reader however it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.agents import AgentStateChanged
from schemas.calls import CallAnswered, CallQueued
from schemas.events import Event
from schemas.panes import CREDITS, PANES, QUARTER, Credits, credited_panes, decode_value
from streams.engine import ring
from streams.engine.marker import StateCorruptError
from streams.engine.policy import DAY, HOUR, MINUTE, SECOND, Policy, Retention
from streams.engine.slices import BREAKDOWNS
from streams.kpis.panes import PaneStore
from tests.engine.agreement import figures
from tests.engine.store import Store
from tests.engine.traffic import ALL_PANES, POLICY, deliveries

NOON = 1_772_452_800 * SECOND


def sums(store: PaneStore) -> dict[Any, Any]:
    """Return all that a reader knows of panes."""
    return {
        (length, start, *of): (total.bundle, {name: counts for name, counts in total.counts.items() if counts})
        for length in list(store.lengths())
        for start in store.starts(length, -(1 << 40), 1 << 40)
        for breakdown in (None, "hour", *BREAKDOWNS)
        for of, total in store.sums(length, start, breakdown)
    }


def read(kpis: Iterable[tuple[bytes, bytes | None]], into: PaneStore | None = None) -> PaneStore:
    """Let a reader take records of partition 3."""
    store = PaneStore() if into is None else into
    for key, value in kpis:
        if key.startswith(PANES):
            store.load(3, key, value)
        elif key.startswith(CREDITS):
            store.credit(3, key, value)
    return store


def pieces(draw: Callable[..., Any], events: Sequence[Event]) -> list[Sequence[Event]]:
    """Return events in pieces, most of them small."""
    found, at = [], 0
    while at < len(events):
        size = draw(st.sampled_from([1, 1, 2, 3, 8]))
        found.append(events[at : at + size])
        at += size
    return found


@given(st.data())
def test_what_is_credited_and_written_later_changes_no_figure(data: st.DataObject) -> None:
    """After every flush, over restarts, beside a store that writes every pane at once."""
    _, arrived = data.draw(deliveries(contacts=5))
    store, plain = Store(POLICY), Store(POLICY, write_behind=False)
    for piece in pieces(data.draw, arrived):
        if data.draw(st.booleans()):
            store = store.restarted()
        now = max(store.partition.watermark, *(event.time_us for event in piece))
        for one in (store, plain):
            one.feed(piece, now)
            one.flush()
        assert figures(store) == figures(plain)
    assert not any(key.startswith(CREDITS) for key in plain.kpis)


@given(st.data())
def test_readers_agree_however_they_read(data: st.DataObject) -> None:
    """One follows from the start and is asked in between, one reads what is left at the end, in any order; both know what is written at once."""
    _, arrived = data.draw(deliveries(contacts=5))
    store, plain, following = Store(POLICY), Store(POLICY, write_behind=False), PaneStore()
    for piece in pieces(data.draw, arrived):
        now = max(store.partition.watermark, *(event.time_us for event in piece))
        for one in (store, plain):
            one.feed(piece, now)
            one.flush()
        read(((key, store.kpis.get(key)) for key in store.written[-1][1]), following)
        if data.draw(st.booleans()):
            assert sums(following) == sums(read(plain.kpis.items()))
    late = read(data.draw(st.permutations(list(store.kpis.items()))))
    assert sums(following) == sums(late) == sums(read(plain.kpis.items()))
    assert {(of.channel, of.queue) for of in late.slices if None not in of[:2]} <= late.places


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return how long panes are kept, and how late events may come; all of it, or so little that panes go and join their days all the time."""
    lateness = draw(st.sampled_from([0, 7 * MINUTE, HOUR, 5 * HOUR]))
    sliding = draw(st.sampled_from([0, 10 * SECOND, 25 * SECOND, 65 * MINUTE, None]))
    if draw(st.booleans()):
        return replace(POLICY, lateness=lateness, retention=replace(ALL_PANES, sliding=sliding))
    breakdowns = lateness + draw(st.sampled_from([15 * MINUTE, 17 * MINUTE, HOUR]))
    intervals = breakdowns + draw(st.sampled_from([0, 3 * MINUTE, DAY]))
    days = draw(st.sampled_from([0, intervals, intervals + DAY]))
    return replace(
        POLICY,
        lateness=lateness,
        retention=Retention(sliding=sliding, breakdowns=breakdowns, intervals=intervals, days=days),
    )


@given(st.data())
def test_whatever_is_kept_and_for_how_long_changes_nothing(data: st.DataObject) -> None:
    """Late events are refused, panes let go of, intervals join their days; over restarts."""
    _, arrived = data.draw(deliveries(contacts=5))
    policy = data.draw(policies())
    store, plain, following = Store(policy), Store(policy, write_behind=False), PaneStore()
    for piece in pieces(data.draw, arrived):
        if data.draw(st.booleans()):
            store, plain = store.restarted(), plain.restarted()
        ahead = data.draw(st.sampled_from([0, 0, 12 * SECOND, 3 * HOUR]))
        now = max(store.partition.watermark, *(event.time_us for event in piece)) + ahead
        for one in (store, plain):
            one.feed(piece, now)
            one.flush()
        assert figures(store) == figures(plain)
        read(((key, store.kpis.get(key)) for key in store.written[-1][1]), following)
        written = read(plain.kpis.items())
        assert (sums(following), following.first()) == (sums(written), written.first())


def call(number: int, start: int) -> list[Event]:
    """Return a call that is answered after ten seconds."""
    seconds = start / SECOND
    return [
        CallQueued(id=f"{number}.0", time=seconds, contact_id=f"c{number}", queue="sales"),
        CallAnswered(id=f"{number}.1", time=seconds + 10, contact_id=f"c{number}", agent_id="ana"),
    ]


def unwritten(store: Store) -> set[tuple[int, int]]:
    """Return the panes of which a reader has to add credits."""
    records: list[Credits] = [
        decode_value("credits", value) for key, value in store.kpis.items() if key.startswith(CREDITS)
    ]
    whole = {pane: record.number for record in sorted(records, key=lambda one: one.number) for pane in record.whole}
    return {
        pane
        for record in records
        for one in record.panes
        for pane in credited_panes(one.length, one.start)
        if whole.get(pane, -1) < record.number
    }


def test_a_pane_from_which_all_has_been_taken_is_not_the_first() -> None:
    """A call whose answer says that it has waited for an hour, and that turns out to have been queued a minute ago."""
    store, reader = Store(POLICY), PaneStore()
    answered = CallAnswered(
        id="a", time=NOON / SECOND, contact_id="c", queue="sales", agent_id="ana", wait_seconds=3600.0
    )
    queued = CallQueued(id="q", time=NOON / SECOND - 60, contact_id="c", queue="sales")
    firsts = []
    for one in (answered, queued):
        store.feed([one], NOON)
        store.flush()
        read(((key, store.kpis.get(key)) for key in store.written[-1][1]), reader)
        firsts.append(reader.first())
    assert firsts == [NOON // SECOND - 3600, NOON // SECOND - 900]


def test_a_pane_is_written_before_its_credits_are_gone() -> None:
    """A record of the same slot comes `RING` later; a pane that is quiet again has nothing told of it by then."""
    store = Store(POLICY)
    for number in range(3 * ring.RING):
        store.feed(call(number, NOON + number * HOUR), NOON + number * HOUR)
        store.flush()
        assert len(unwritten(store)) <= 3 * ring.RING
        early = [start for length, start in unwritten(store) if length == QUARTER]
        assert min(early) >= (NOON + (number - ring.RING) * HOUR) // SECOND
    assert len([key for key in store.kpis if key.startswith(CREDITS)]) == ring.RING
    for number in range(ring.RING + 1):
        store.feed([AgentStateChanged(id=str(number), time=NOON / SECOND, agent_id="ana", state="offline")])
        store.flush()
    assert not unwritten(store)
    assert not any(key.startswith(CREDITS) for key in store.written[-1][1]), (
        "nothing was credited, and nothing is left to write"
    )


@pytest.mark.parametrize(("name", "least"), [("MOST", 1), ("LARGEST", 40)])
def test_much_is_written_at_once(monkeypatch: pytest.MonkeyPatch, name: str, least: int) -> None:
    """Of many credits, or of those that would make too large a record, the panes are written, with what was told of them before."""
    store, plain = Store(POLICY), Store(POLICY, write_behind=False)
    for number in range(4):
        many = [event for one in range(1 + number % 2 * 20) for event in call(100 * number + one, NOON)]
        with monkeypatch.context() as patched:
            if number % 2:
                patched.setattr(ring, name, least)
            for one in (store, plain):
                one.feed(many, NOON)
                one.flush()
        assert bool(unwritten(store)) == (number % 2 == 0)
        assert figures(store) == figures(plain)


def test_a_record_that_is_missing_is_noticed() -> None:
    """Figures without it would be too low."""
    store = Store(POLICY)
    for number in range(3):
        store.feed(call(number, NOON), NOON)
        store.flush()
    del store.kpis[next(key for key in store.kpis if key.startswith(CREDITS))]
    with pytest.raises(StateCorruptError, match="records of credits are missing"):
        store.restarted()


def test_a_reader_under_whose_eyes_topics_are_compacted_adds_nothing_twice() -> None:
    """It has read what was told, and a part that holds it; the record that says so was compacted away before it came to it."""
    store, reader = Store(POLICY), PaneStore()
    for number in range(3 * ring.RING):
        store.feed(call(number, NOON + number // ring.RING * HOUR), NOON + 3 * HOUR)
        store.flush()
        written = {key: store.kpis.get(key) for key in store.written[-1][1]}
        record: Credits = next(
            decode_value("credits", value) for key, value in written.items() if value and key.startswith(CREDITS)
        )
        read(
            ((key, value) for key, value in written.items() if not record.whole or not key.startswith(CREDITS)), reader
        )
    first = sums(reader)[QUARTER, NOON // SECOND, "call", "sales", None, None]
    assert first == sums(read(store.kpis.items()))[QUARTER, NOON // SECOND, "call", "sales", None, None]


def test_what_one_partition_takes_away_leaves_what_others_add() -> None:
    """A slice that becomes 0 on the way is as one that was never there, and what was read of the parts stays as it was."""
    reader, key = PaneStore(), (QUARTER, 0, None)
    reader.load(0, PANES + b'900,0,"call","sales",0]', b'[[null,null,{"measures":{"entered":1}}]]')
    for partition, more in enumerate((-1, 2, 3)):
        credit = b'[[900,0,[[[0],{"entered":%d},{}]]]]' % more
        reader.credit(
            partition, CREDITS + b"0]", b'{"number":0,"slices":[["call","sales",null,null]],"panes":' + credit + b"}"
        )
    for _ in range(2):
        assert [total.bundle for _, total in reader.sums(*key)] == [5]
    assert [total.bundle for number in range(3) for _, total in reader.part(*key, number)] == [2, 3]
