"""What a Prometheus would scrape of the waits and the abandonment of each queue, at each scrape: events go through the engine as they come.

    events until t --> engine --> panes of 10 s that changed --> sums of the windows that end at t

The sums are those of the board (a test compares them with its exporter): the same panes, terms and windows, kept up to date instead of
being added up anew, since a month has half a million scrapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from benchmarks.alerting.intervals import SCRAPE
from schemas.panes import PANES, Waiting, panes_of
from streams.engine.partition import Partition, Record
from streams.engine.policy import DAY, HOUR, MINUTE, SECOND, SLIDING, Policy, Retention
from streams.kpis.registry import BY_ID, Terms
from streams.kpis.windows import SLIDING_WINDOWS
from streams.simulate.timed import Sent

WINDOWS: Final = {
    "5m": ("abandonment_rate",),
    "15m": ("abandonment_rate",),
    "60m": ("abandonment_rate", "average_speed_of_answer", "average_time_to_abandon"),
}
"""The KPIs that the rules about abandonment look at in each window."""
POLICY: Final = Policy(
    lateness=HOUR, retention=Retention(sliding=65 * MINUTE, breakdowns=DAY, intervals=DAY, days=2 * DAY)
)
"""As short as the windows allow: nothing else is asked."""
_KPIS: Final = WINDOWS["60m"]
_PANES: Final = PANES + b"10,"
_WAITING: Final = b'["waiting",'
_OF_AGENTS: Final = b'"agent.state_changed"'
_TERMS: Final = tuple(terms or {} for kpi in _KPIS for terms in (BY_ID[kpi].numerator, BY_ID[kpi].denominator))
_WAITERS = msgspec.json.Decoder(Waiting)


Sums = tuple[int, ...]
"""Numerator and denominator of each KPI, before its scale."""
_NONE: Final[Sums] = (0,) * (2 * len(_KPIS))


class Seen(NamedTuple):
    """What a scrape sees of a queue: the parts of each KPI by window, and how many wait."""

    windows: dict[str, Sums]
    waiting: int

    def parts(self, window: str) -> Iterator[tuple[str, float, float]]:
        """Yield the KPIs of a window with numerator and denominator, as a board exports them."""
        for kpi, top, bottom in zip(WINDOWS[window], *(self.windows[window][side::2] for side in (0, 1)), strict=False):
            scale = BY_ID[kpi].scale
            yield kpi, top if scale == 1 else top / scale, bottom


class _Window:
    """The sums of a queue over a sliding window; panes by their start, in seconds."""

    __slots__ = ("end", "length", "panes", "sums")

    def __init__(self, length: int, panes: dict[int, Sums]) -> None:
        self.length = length
        self.panes = panes
        self.end = 0
        self.sums = _NONE

    def change(self, start: int, before: Sums, after: Sums) -> None:
        if self.end - self.length <= start < self.end:
            self._add(after, before)

    def move(self, end: int) -> None:
        """Let the window end there."""
        step = SLIDING // SECOND
        if end - self.end > self.length:
            self.end, self.sums = end - self.length, _NONE
        while self.end < end:
            come, gone = self.panes.get(self.end), self.panes.get(self.end - self.length)
            if come or gone:
                self._add(come or _NONE, gone or _NONE)
            self.end += step

    def _add(self, more: Sums, less: Sums) -> None:
        self.sums = tuple(a + b - c for a, b, c in zip(self.sums, more, less, strict=True))


class Queue:
    """The panes of 10 s and the windows of a queue."""

    __slots__ = ("panes", "waiting", "windows")

    def __init__(self) -> None:
        self.waiting = 0
        self.panes: dict[int, Sums] = {}
        self.windows = {name: _Window(SLIDING_WINDOWS[name] // SECOND, self.panes) for name in WINDOWS}

    def take(self, start: int, after: Sums) -> None:
        """Take a pane that changed."""
        before = self.panes.get(start, _NONE)
        self.panes[start] = after
        for window in self.windows.values():
            window.change(start, before, after)

    def at(self, end: int) -> Seen:
        """Return what is seen when the windows end at a time (seconds)."""
        for window in self.windows.values():
            window.move(end)
        return Seen({name: window.sums for name, window in self.windows.items()}, self.waiting)


def scrapes(stream: Iterable[Sent]) -> Iterator[tuple[int, dict[str, Seen]]]:
    """Yield the time of each scrape (microseconds) and what it sees of each queue."""
    engine = Partition(0, POLICY, ())
    queues: dict[str, Queue] = {}
    for now, records in _ticks(stream):
        if records:
            engine.process(records)
            engine.advance(now)
            for key, value in engine.flush().kpis:
                _take(queues, key, value)
        end = (now - now % SLIDING + SLIDING) // SECOND
        yield now, {name: queue.at(end) for name, queue in queues.items()}


def _ticks(stream: Iterable[Sent]) -> Iterator[tuple[int, list[Record]]]:
    """Yield the time of each scrape with the events since the one before."""
    now = None
    records: list[Record] = []
    for offset, sent in enumerate(stream):
        if _OF_AGENTS in sent.value:
            continue
        if now is None:
            now = sent.time_us - sent.time_us % SCRAPE + SCRAPE
        while sent.time_us > now:
            yield now, records
            now, records = now + SCRAPE, []
        records.append(Record(offset, sent.time_us, sent.key, sent.value))
    if now is not None:
        yield now, records


def _take(queues: dict[str, Queue], key: bytes, value: bytes | None) -> None:
    if value is not None and key.startswith(_WAITING):
        _, _, name = msgspec.json.decode(key)
        queues.setdefault(name, Queue()).waiting = _WAITERS.decode(value).waiting
    if value is None or not key.startswith(_PANES):
        return  # what retention lets go of has left the windows
    for (_, start, _, queue, breakdown, _), pane in panes_of(key, value):
        if breakdown is not None or queue is None:
            continue
        measures = pane.measures
        known = queues.setdefault(queue, Queue())
        known.take(start, tuple(_sum(terms, measures) for terms in _TERMS))


def _sum(terms: Terms, measures: dict[str, int]) -> int:
    return sum(times * measures.get(name, 0) for name, times in terms.items())
