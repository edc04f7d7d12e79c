"""What must make no difference: order, duplicates, cuts, flushes, and how contacts are spread over partitions."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import AgentStateChanged
from schemas.calls import CallEvent
from streams.engine.policy import INTERVAL
from streams.engine.records import CONTACT
from tests.engine.agreement import figures
from tests.engine.store import Slice, Store, key
from tests.engine.traffic import POLICY, arrivals, clocks, deliveries, steps, traffic


@given(st.data())
def test_neither_order_nor_duplicates_make_a_difference(data: st.DataObject) -> None:
    """Two arrivals of the same events, fed at once or one by one, give the same records."""
    events = data.draw(traffic(contacts=5))
    now = data.draw(clocks(events))
    straight = Store(POLICY)
    straight.feed(events, now)
    shuffled = Store(POLICY)
    for event in data.draw(arrivals(events)):
        shuffled.feed([event], event.time_us)
    shuffled.partition.advance(now)
    assert figures(straight.flush()) == figures(shuffled.flush())


@given(st.data())
def test_a_cut_anywhere_makes_no_difference(data: st.DataObject) -> None:
    """Half of the events, a restart from what was written, and the other half: the same as never to have stopped."""
    events, arrived = data.draw(deliveries(contacts=5))
    now = data.draw(clocks(events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrived)), min_size=1, max_size=3)))
    whole = Store(POLICY)
    whole.feed(arrived, now)
    resumed, begin = Store(POLICY), 0
    for cut in cuts:
        resumed.feed(arrived[begin:cut], max((event.time_us for event in arrived[:cut]), default=0))
        resumed, begin = resumed.flush().restarted(), cut
    resumed.feed(arrived[begin:], now)
    assert figures(whole.flush()) == figures(resumed.flush())
    assert resumed.status().offset == len(arrived)


@given(st.data())
def test_state_survives_its_wire_format(data: st.DataObject) -> None:
    """A restart that sees every event once more, as new records, changes nothing but the marker."""
    events, arrived = data.draw(deliveries(contacts=5))
    now = data.draw(clocks(events))
    first = Store(POLICY)
    first.feed(arrived, now)
    second = first.flush().restarted()
    assert not second.partition.has_changes
    second.feed(arrived, now)
    second.flush()
    assert figures(first) == figures(second)
    assert first.kept() == second.kept()


@given(st.data())
def test_a_restart_skips_what_its_marker_covers(data: st.DataObject) -> None:
    """The records below the marker are read again and change nothing, not even the counts."""
    events, arrived = data.draw(deliveries(contacts=3))
    first = Store(POLICY)
    first.feed(arrived)
    second = first.flush().restarted()
    second.read = data.draw(st.integers(0, len(arrived)))
    second.feed(arrived[second.read :])
    second.flush()
    assert second.status() == first.status()
    assert second.kpis == first.kpis
    assert len(events) <= len(arrived)


@given(st.data())
def test_many_flushes_write_what_one_writes(data: st.DataObject) -> None:
    """Changes accumulate to the same figures, whenever they are written, and to states that go on in the same way."""
    _, arrived = data.draw(deliveries(contacts=4))
    clock = max(event.time_us for event in arrived)
    once, often = Store(POLICY), Store(POLICY)
    for event in arrived:
        often.feed([event])
        often.flush()
    often.partition.advance(clock)
    once.feed(arrived, clock)
    assert figures(once.flush()) == figures(often.flush())
    assert once.kept().keys() == often.kept().keys()
    later = [once.restarted(), often.restarted()]
    beyond = clock + data.draw(steps())
    for store in later:
        store.partition.advance(beyond)
    assert figures(later[0].flush()) == figures(later[1].flush())


@given(data=st.data(), timers=st.booleans())
def test_a_flush_writes_only_what_changed(data: st.DataObject, *, timers: bool) -> None:
    """No key comes twice, the marker is last, no news is nothing; and in order, without ties, each record differs from its last.

    Who is taken out of a block, to be put into another at once, is deleted without ever having been written. In writing, who led the conversation may turn out to be another, and what the queue counts stays. Out of order, what a contact counts is withdrawn and added again, and may come out as it was.
    """
    events, arrived = data.draw(deliveries(contacts=4))
    in_order = arrived is events and len({(key(event), event.time_us) for event in events}) == len(events)
    in_order = in_order and all(isinstance(event, CallEvent | AgentStateChanged) for event in events)
    store = Store(POLICY)
    for event in arrived:
        before = {**store.state, **store.kpis}
        store.feed([event], event.time_us if timers else None)
        store.flush()
        state, kpis = store.written[-1]
        after = {**store.state, **store.kpis}
        assert max(Counter([*state, *kpis]).values()) == 1
        assert state[-1] == b"marker"
        same = [name for name in [*state, *kpis] if before.get(name) == after.get(name)]
        assert not in_order or all(name.startswith(CONTACT) and name not in after for name in same)
        assert not store.partition.has_changes
    store.flush()
    assert store.written[-1] == ([], [])


@given(st.data(), st.integers(2, 4))
def test_partitions_add_up_to_one(data: st.DataObject, partitions: int) -> None:
    """Contacts spread by customer over partitions, their panes added: the same as all in one."""
    events = data.draw(traffic(contacts=6))
    now = data.draw(clocks(events))
    whole = Store(POLICY)
    whole.feed(events, now)
    whole.flush()
    parts = [Store(POLICY, number=number) for number in range(partitions)]
    spread = {name: data.draw(st.integers(0, partitions - 1)) for name in sorted({key(event) for event in events})}
    for number, part in enumerate(parts):
        part.feed([event for event in events if spread[key(event)] == number], now)
        part.flush()
    assert _added(parts) == {at: Counter(measures) for at, measures in whole.measures(INTERVAL).items()}
    together = Counter(at for part in parts for at, now in part.waiting().items() for _ in range(now.waiting))
    assert together == {at: now.waiting for at, now in whole.waiting().items()}


def _added(parts: list[Store]) -> dict[Slice, Counter[str]]:
    total: dict[Slice, Counter[str]] = defaultdict(Counter)
    for part in parts:
        for at, measures in part.measures(INTERVAL).items():
            total[at].update(measures)
    return dict(total)
