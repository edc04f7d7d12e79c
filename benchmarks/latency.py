"""From an event's time to the figures that people and Prometheus see, at a rate that never lets up.

    due -- producer -- broker -- worker -- transaction -- board -- /api/v1/status, asked 20 times a second, by partition and offset
                                                            |---- /api/v1/stream, as it comes: events counted so far
                                                            '---- /metrics, every 5 s: how old is the newest that it has

The producer's clock and ours are one machine's. An event that is late because the producer was is late in these figures too.
"""

from __future__ import annotations

import http.client
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import click
import msgspec

from benchmarks.cluster import kafka
from benchmarks.open_loop import Due, outcome, sending
from benchmarks.processes import BenchmarkError, Child, Served, sums
from benchmarks.report import Line, Section, percentile
from benchmarks.stream import environment
from benchmarks.traffic import create
from streams.broker.topics import TopicSet

_ASK_EVERY, _SCRAPE_EVERY = 0.05, 5.0
_COUNTERS = tuple(f"contact_center_{name}_total".encode() for name in ("events", "duplicate_events", "refused_events"))
_PATIENCE = 90.0
"""Seconds for what was sent to be shown, after which it counts as a failure."""
_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Events(msgspec.Struct):
    """What became of the events, as a snapshot tells."""

    counted: int
    duplicate: int
    refused: int


class Snapshot(msgspec.Struct):
    """What we read of a message of the stream."""

    events: Events


class Offset(msgspec.Struct):
    """What we read of a partition's status."""

    offset: int


class Status(msgspec.Struct):
    """What we read of /api/v1/status."""

    partitions: dict[int, Offset]


class Load(NamedTuple):
    """Events a second, for how many seconds, and how many of them do not count."""

    rate: float
    seconds: float
    warm_up: float


class Seen(NamedTuple):
    """A number that was seen: ``at`` in microseconds since the epoch."""

    at: int
    number: int


class Observers:
    """Threads that look at the board until stopped."""

    def __init__(self, board: Served) -> None:
        self.by_partition: dict[int, list[Seen]] = {}
        self.streamed: list[Seen] = []
        self.scraped: list[Seen] = []
        self.scrape_seconds: list[float] = []
        self._board = board
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=work, daemon=True)
            for work in ((self._ask, _ASK_EVERY), (self._scrape, _SCRAPE_EVERY), (self._listen, 0.1))
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5)

    def have(self, number: int) -> bool:
        """Tell whether API and stream have shown so many events."""
        asked = sum(seen[-1].number for seen in self.by_partition.values())
        return asked >= number and bool(self.streamed) and self.streamed[-1].number >= number

    def _follow(self, look: Callable[[], None], every: float) -> None:
        while not self._stop.is_set():
            with suppress(OSError, http.client.HTTPException):
                look()
            self._stop.wait(every)

    def _ask(self) -> None:
        status = msgspec.json.decode(self._board.get("/api/v1/status"), type=Status)
        at = _now()
        for number, place in status.partitions.items():
            self.by_partition.setdefault(number, []).append(Seen(at, place.offset))

    def _scrape(self) -> None:
        began = time.monotonic()
        text = self._board.get("/metrics")
        at = _now()
        self.scrape_seconds.append(time.monotonic() - began)
        # Forty thousand lines more would keep the others from looking.
        counters = [line for line in text.splitlines() if line.startswith(_COUNTERS)]
        self.scraped.append(Seen(at, round(sum(sums(b"\n".join(counters)).values()))))

    def _listen(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._board.port, timeout=5)) as connection:
            connection.request("GET", "/api/v1/stream?window=5m")
            with connection.getresponse() as answer:
                self._read(answer)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        event = b""
        while not self._stop.is_set():
            line = answer.readline()
            if not line:
                return
            if line.startswith(b"event: "):
                event = line[7:].strip()
            elif line.startswith(b"data: ") and event == b"snapshot":
                found = msgspec.json.decode(line[6:], type=Snapshot).events
                self.streamed.append(Seen(_now(), found.counted + found.duplicate + found.refused))


def _now() -> int:
    return time.time_ns() // 1000


def visible(sent: list[tuple[int, int]], seen: list[Seen]) -> list[float]:
    """Return how many seconds each event (when due, its number) took until a look had a number above its own.

    >>> visible([(0, 0), (10, 1)], [Seen(1_000_000, 1), Seen(2_000_000, 2)])
    [1.0, 1.99999]
    """
    numbers = [one.number for one in seen]
    found = []
    for due, number in sent:
        at = bisect_left(numbers, number + 1)
        if at == len(seen):
            raise BenchmarkError(f"event {number} of {len(sent)} was never seen; the last look had {numbers[-1:]}")
        found.append((seen[at].at - due) / 1e6)
    return found


def ages(sent: list[Due], seen: list[Seen]) -> list[float]:
    """Return how old the oldest event was that a look did not have yet, in seconds; 0 when it had all."""
    return [max(0.0, (one.at - sent[one.number].due_us) / 1e6) for one in seen if 0 < one.number < len(sent)]


def measure(rate: float, seconds: float, warm_up: float) -> Section:
    """Run broker, worker, board and load, and look; the first ``warm_up`` seconds do not count: the JVM compiles the broker beside us."""
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as name:
        folder, prefix = Path(name), f"bench-{uuid4().hex[:6]}"
        create(bootstrap, TopicSet(prefix))
        variables = environment(bootstrap, prefix)
        with Served("worker", folder, variables) as worker, Served("board", folder, variables) as board:
            worker.ready()
            board.ready()
            producer = sending(bootstrap, TopicSet(prefix).events, rate, seconds, folder)
            sent, observers = _load(producer, folder, seconds, board)
            cpu = {"worker": worker.cpu_seconds(), "board": board.cpu_seconds()}
            memory = {"worker": worker.memory().peak, "board": board.memory().peak}
    return _section(sent, observers, Load(rate, seconds, warm_up), cpu, memory)


def _load(producer: Child, folder: Path, seconds: float, board: Served) -> tuple[list[Due], Observers]:
    """Send, look meanwhile, and let worker and board finish."""
    observers = Observers(board)
    with producer:
        observers.start()
        try:
            producer.wait(seconds * 3 + 60)
            sent = outcome(folder)
            board.until(lambda: observers.have(len(sent)), _PATIENCE, f"did not show all {len(sent)} events", 0.2)
        finally:
            observers.stop()
    return sent, observers


def _section(
    sent: list[Due], observers: Observers, load: Load, cpu: dict[str, float], memory: dict[str, int]
) -> Section:
    begin = sent[0].due_us + round(load.warm_up * 1e6)
    late = [one for one in sent if one.due_us >= begin]
    asked: list[float] = []
    for number, seen in observers.by_partition.items():
        asked += visible([(one.due_us, one.offset) for one in late if one.partition == number], seen)
    streamed = visible([(one.due_us, at) for at, one in enumerate(sent) if one.due_us >= begin], observers.streamed)
    scraped = ages(sent, [one for one in observers.scraped if begin < one.at <= sent[-1].due_us])
    lines = []
    for what, found in {
        "API (status)": asked,
        "wallboard (stream)": streamed,
        "/metrics, age when scraped": scraped,
    }.items():
        ordered = sorted(found)
        lines += [
            Line(
                f"{what}: {name}",
                percentile(ordered, share) * 1000,
                "ms",
                "p99 < 1 s at 10,000/s" if name == "p99" else "",
            )
            for name, share in _SHARES.items()
            if ordered
        ]
    lines += [Line(f"{name}: memory at most", size / 1e6, "MB") for name, size in memory.items()]
    lines += [
        Line(f"{name}: processor an event, start included", used / len(sent) * 1e6, "us") for name, used in cpu.items()
    ]
    lines.append(Line("a scrape of /metrics", percentile(sorted(observers.scrape_seconds), 0.5) * 1000, "ms"))
    reached = len(late) / ((late[-1].due_us - begin) / 1e6)
    notes = (
        f"asked for {load.rate:,.0f}/s, sent {reached:,.0f}/s for {load.seconds:.0f} s, the first {load.warm_up:.0f} s not counted; {len(late):,} events",
        "broker, producer, worker, board and those who look share the cores",
    )
    return Section(f"From event to board at {load.rate:,.0f} events a second", lines, notes)


@click.command
@click.option("--rate", type=click.FloatRange(1), default=10_000.0, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.FloatRange(8), default=60.0, show_default=True, help="How long to send.")
@click.option(
    "--warm-up", type=click.FloatRange(0), default=20.0, show_default=True, help="Seconds of it that do not count."
)
def latency(rate: float, seconds: float, warm_up: float) -> Section:
    """Time events from their sending to the board's API, stream and /metrics, in an open loop.

    Example: python -m benchmarks latency --rate 5000 --seconds 40
    """
    if warm_up >= seconds:
        raise click.BadParameter(f"{warm_up:g} s of {seconds:g} s leave nothing to count", param_hint="--warm-up")
    return measure(rate, seconds, warm_up)
