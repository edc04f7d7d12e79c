"""I1 against figures that were never near the engine: the batch oracle of tests/oracle over the whole input of a partition.

The oracle compares every contact of a customer with every other, so it is asked a few customers at a time and the
answers are added up: a pane is a sum. Decoding is shared with the engine; what an event means is not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from schemas.agents import AgentStateChanged
from schemas.events import TYPE_NAMES, Event, decode
from streams.broker.topics import TopicSet
from streams.engine.histogram import bucket
from streams.engine.policy import DAILY, INTERVAL, SECOND, SLIDING, Policy
from tests.engine import agreement
from tests.engine.store import Slice, Store
from tests.harness import records
from tests.harness.exactness import STATUS, wait_until
from tests.harness.records import Seen
from tests.oracle.figures import Oracle

EVENTS_AT_ONCE = 300
Differences = dict[str, dict[Any, tuple[Any, Any]]]
"""What was compared, and of each key that differs what was found and what was expected."""
Refused = Callable[[Seen], bool]


def assert_independent(bootstrap: str, topics: TopicSet, policy: Policy, now: int, refused: Refused) -> None:
    """Assert that the figures of all partitions are the oracle's as of ``now`` (no clock's: after all has been decided)."""
    inputs: dict[int, list[Seen]] = defaultdict(list)
    for seen in records.read(bootstrap, topics.events):
        inputs[seen.partition].append(seen)

    def wrong() -> Differences:
        kpis: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        for (number, key), value in records.last(bootstrap, topics.kpis).items():
            kpis[number][key] = value
        every = (differences(number, inputs[number], kpis[number], policy, now, refused) for number in inputs)
        return next((found for found in every if found), {})

    try:
        # Timers of the last waits may still be on their way.
        wait_until(lambda: not wrong(), 10, "the figures did not become the oracle's", every=1.0)
    except AssertionError:
        assert {what: dict(list(keys.items())[:5]) for what, keys in wrong().items()} == {}


def differences(
    number: int, inputs: Iterable[Seen], kpis: Mapping[bytes, bytes], policy: Policy, now: int, refused: Refused
) -> Differences:
    """Return where a partition's records on the KPI topic are not what the oracle makes of its input; empty when equal."""
    found = Store(policy, number=number)
    found.kpis = dict(kpis)
    expected = Expected(policy, now, (seen for seen in inputs if not refused(seen)))
    compared: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
        "intervals": (found.measures(INTERVAL), expected.kept(expected.intervals, INTERVAL)),
        "waits": (found.histograms(INTERVAL), expected.kept(expected.histograms(expected.waits), INTERVAL)),
        "sliding": (expected.kept(found.measures(SLIDING), SLIDING), expected.kept(expected.sliding, SLIDING)),
        "days": (found.measures(DAILY), expected.days),
        "waiting": (agreement.waiting(found), {key: (len(v), sorted(v)[:10]) for key, v in expected.waiting.items()}),
        "agents": ({name: (now.state, now.since) for name, now in found.agents().items()}, expected.agents),
        "counters": (found.counters(), expected.counters),
        "status": (_status(found), expected.status),
    }
    return {what: wrong for what, (seen, wanted) in compared.items() if (wrong := _differing(seen, wanted))}


class Expected:
    """What the oracle makes of good records, a few customers at a time."""

    def __init__(self, policy: Policy, now: int, inputs: Iterable[Seen]) -> None:
        self.intervals: dict[Slice, Counter[str]] = defaultdict(Counter)
        self.sliding: dict[Slice, Counter[str]] = defaultdict(Counter)
        self.days: dict[Slice, Counter[str]] = defaultdict(Counter)
        self.waits: dict[Slice, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
        self.waiting: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.agents: dict[str, tuple[str, int]] = {}
        self._policy, self._now = policy, now - now % SECOND
        self._events: dict[bytes, list[Event]] = defaultdict(list)
        self._whose: dict[str, str] = {}
        for seen in inputs:
            self._take(seen.key or b"", decode(seen.value or b""))
        self._count()
        for events in self._portions():
            self._add(Oracle(events, policy, self._now, self._whose.__getitem__))

    def kept(self, panes: Mapping[Slice, Any], length: int) -> dict[Slice, Any]:
        """Leave out the panes whose time to be kept is over: behind the watermark, sliding ones behind the clock."""
        keep = self._policy.retention
        times = {SLIDING: (keep.sliding, keep.sliding), INTERVAL: (keep.intervals, keep.breakdowns)}[length]
        ends = [(1 << 62 if time is None else time) + length for time in times]
        time = max(self._watermark, self._now) if length == SLIDING else self._watermark
        return {key: pane for key, pane in panes.items() if key[0] + ends[key[3] is not None] > time}

    def histograms(
        self, waits: Mapping[Slice, Mapping[str, Counter[int]]]
    ) -> dict[Slice, dict[str, list[tuple[int, int]]]]:
        """Return counts by bucket, in order."""
        return {key: {name: sorted(counts.items()) for name, counts in lists.items()} for key, lists in waits.items()}

    def _take(self, key: bytes, event: Event) -> None:
        self._events[key].append(event)
        name = getattr(event, "contact_id", None)
        if name is not None:
            self._whose[name] = key.decode()

    def _count(self) -> None:
        every = [event for events in self._events.values() for event in events]
        once = {(_of_what(event), event.id): type(event) for event in every}
        self.counters = dict(Counter(TYPE_NAMES[kind] for kind in once.values()))
        self._watermark = max((event.time_us for event in every), default=0)
        self.status = {"counted": len(once), "duplicate": len(every) - len(once), "watermark": self._watermark}

    def _portions(self) -> Iterator[list[Event]]:
        portion: list[Event] = []
        for events in self._events.values():
            portion += events
            if len(portion) >= EVENTS_AT_ONCE:
                yield portion
                portion = []
        yield portion

    def _add(self, oracle: Oracle) -> None:
        until = self._watermark - self._policy.lateness
        for total, panes in (
            (self.intervals, oracle.panes(INTERVAL)),
            (self.days, oracle.days(until) | oracle.hours(until)),
        ):
            for key, measures in panes.items():
                total[key].update(measures)
        for key, lists in oracle.waits(INTERVAL).items():
            for name, values in lists.items():
                self.waits[key][name].update(map(agreement.BUCKET.get(name, bucket), values))
        for place, starts in oracle.waiting().items():
            self.waiting[place] += starts
        self.agents |= {name: (stay.state, stay.start) for name, stay in oracle.agents().items()}
        self._add_sliding(oracle)

    def _add_sliding(self, oracle: Oracle) -> None:
        sliding = self._policy.retention.sliding
        first = 0 if sliding is None else self._watermark - sliding - SLIDING
        oracle.counts = [count for count in oracle.counts if count.time >= first]
        for key, measures in agreement.sliding(oracle.panes(SLIDING)).items():
            self.sliding[key].update(measures)


def _of_what(event: Event) -> tuple[bool, str]:
    if isinstance(event, AgentStateChanged):
        return True, event.agent_id
    return False, getattr(event, "contact_id", None) or event.id


def _status(found: Store) -> dict[str, int]:
    if STATUS not in found.kpis:
        return {}
    status = found.status()
    return {"counted": status.counted, "duplicate": status.duplicate, "watermark": status.watermark}


def _differing(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    keys = {**expected, **found}.keys()
    return {key: (found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)}
