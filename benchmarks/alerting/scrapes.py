"""What a Prometheus would scrape of the abandonment of each queue, every 10 s: events go through the engine as they come.

    events until t --> engine --> panes of 10 s that changed --> sums of the windows that end at t

The sums are those of the board (a test compares them with its exporter): the same panes, terms and windows, kept up to date instead of
being added up anew, since a month has 260,000 scrapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from schemas.panes import PANES, Waiting, panes_of
from streams.engine.partition import Partition, Record
from streams.engine.policy import DAY, HOUR, MINUTE, SECOND, SLIDING, Policy, Retention
from streams.kpis.registry import BY_ID, Terms
from streams.kpis.windows import SLIDING_WINDOWS
from streams.simulate.timed import Sent

SCRAPE: Final = 10 * SECOND
WINDOWS: Final = ("5m", "15m", "60m")
POLICY: Final = Policy(
    lateness=HOUR, retention=Retention(sliding=65 * MINUTE, breakdowns=DAY, intervals=DAY, days=2 * DAY)
)
"""As short as the windows allow: nothing else is asked."""
_KPI: Final = BY_ID["abandonment_rate"]
_PANES: Final = PANES + b"10,"
_WAITING: Final = b'["waiting",'
_OF_AGENTS: Final = b'"agent.state_changed"'


_WAITERS = msgspec.json.Decoder(Waiting)


class Parts(NamedTuple):
    """Numerator and denominator."""

    top: int
    bottom: int


class Seen(NamedTuple):
    """What a scrape sees of a queue: the parts of the abandonment rate by window, and how many wait."""

    windows: dict[str, Parts]
    waiting: int


class _Window:
    """The sums of a queue over a sliding window; the start of a pane, in seconds, and its parts."""

    __slots__ = ("bottom", "end", "length", "panes", "top")

    def __init__(self, length: int, panes: dict[int, Parts]) -> None:
        self.length = length
        self.panes = panes
        self.end = self.top = self.bottom = 0

    def change(self, start: int, before: Parts, after: Parts) -> None:
        if self.end - self.length <= start < self.end:
            self.top += after.top - before.top
            self.bottom += after.bottom - before.bottom

    def move(self, end: int) -> None:
        """Let the window end there."""
        step = SLIDING // SECOND
        if end - self.end > self.length:
            self.end, self.top, self.bottom = end - self.length, 0, 0
        while self.end < end:
            for start, sign in ((self.end, 1), (self.end - self.length, -1)):
                parts = self.panes.get(start)
                if parts is not None:
                    self.top += sign * parts.top
                    self.bottom += sign * parts.bottom
            self.end += step


class Queue:
    """The panes of 10 s and the windows of a queue."""

    __slots__ = ("panes", "waiting", "windows")

    def __init__(self) -> None:
        self.waiting = 0
        self.panes: dict[int, Parts] = {}
        self.windows = {name: _Window(SLIDING_WINDOWS[name] // SECOND, self.panes) for name in WINDOWS}

    def take(self, start: int, after: Parts) -> None:
        """Take a pane that changed."""
        before = self.panes.get(start, Parts(0, 0))
        self.panes[start] = after
        for window in self.windows.values():
            window.change(start, before, after)

    def at(self, end: int) -> Seen:
        """Return what is seen when the windows end at a time (seconds)."""
        for window in self.windows.values():
            window.move(end)
        parts = {name: Parts(window.top, window.bottom) for name, window in self.windows.items()}
        return Seen(parts, self.waiting)


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
        known.take(start, Parts(_sum(_KPI.numerator, measures), _sum(_KPI.denominator or {}, measures)))


def _sum(terms: Terms, measures: dict[str, int]) -> int:
    return sum(times * measures.get(name, 0) for name, times in terms.items())
