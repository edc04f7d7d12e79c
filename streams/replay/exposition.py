"""History as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`: what the board's exporter would have shown, had all been settled.

At each quarter of an hour the exporter's own functions are asked with the clock standing there, so names, labels and windows are those of
/metrics; the window of 5 minutes is left out, since history has no panes of 10 s. A series' samples have to lie together and in order:
each family's are put aside by series, a day at a time, and merged at the end, so that memory does not grow with the range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Self

import msgspec
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.samples import Sample

from schemas.rows import Row
from streams.board import metrics
from streams.board.exporter import durations, exported, families, limits, place_labels
from streams.engine.policy import HOUR, INTERVAL, SECOND
from streams.kpis import zones
from streams.kpis.figures import Figures, Query
from streams.kpis.panes import Total
from streams.kpis.waiting import Growth

WINDOWS: Final = tuple(name for name in metrics.WINDOWS if name != "5m")
REACH: Final = 25 * HOUR
"""Of the longest window: today, on the day on which the clocks go back."""
_STEPS: Final = 96
"""Quarters of an hour that are put aside at once."""
_BOUND: Final = "le"
_END: Final = b"# EOF\n"
Series = tuple[tuple[str, str], ...]
"""Labels of a series, without the bound of a bucket."""


class _Block(NamedTuple):
    """Samples of one series as text, in order of time."""

    series: Series
    text: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_Block)


def write(file: IO[bytes], figures: Figures, query: Query, folder: Path) -> None:
    """Write the series of a range: a sample of each at the end of every quarter of an hour. ``folder`` is to work in."""
    with _Spool(folder) as spool:
        ends = range(query.start_us + INTERVAL, query.end_us + 1, INTERVAL)
        growth = figures.growth(ends)
        for first in range(0, len(ends), _STEPS):
            spool.put(
                _stamped(metric, end)
                for end in ends[first : first + _STEPS]
                for metric in at(figures, query, end, growth[end])
            )
        file.writelines(spool.merged())
        file.write(_END)


def at(figures: Figures, query: Query, end: int, growth: Growth) -> Iterator[Metric]:
    """Yield the families at a time (microseconds, the end of a quarter): a query's channel and queue only."""
    asked = query._replace(every="all", by="queue", live=True, now_us=end - 1, nowhere=query.queue is None)
    rows = {name: _rows(name, asked, figures, growth) for name in WINDOWS}
    yield from families(rows, metrics.WINDOWED, lambda row: place_labels(row.channel, row.queue))
    waiting = GaugeMetricFamily(metrics.WAITING, "Callers waiting now", labels=metrics.PLACE)
    for row in rows[WINDOWS[0]]:
        now = row.kpis.get("waiting")
        if now is not None and now.value is not None:
            waiting.add_metric(place_labels(row.channel, row.queue), now.value)
    yield waiting
    wanted = {(row.channel, row.queue) for row in rows[WINDOWS[0]]}
    yield from limits((place for place in figures.queues() if place in wanted), figures.policy)
    yield from durations({name: _places(name, asked, figures) for name in WINDOWS}, figures.policy)


def _rows(name: str, query: Query, figures: Figures, growth: Growth) -> list[Row]:
    """Return the rows of a window that ends at the query's clock, without the total."""
    found: list[Row] = []
    for span in zones.spans(name, query, figures):
        rows = figures.stretch(span.query, span.query.start_us, span.query.end_us, growth)
        found += (exported(row) for row in zones.own(rows, span, figures) if row.queue is not None)
    return found


def _places(name: str, query: Query, figures: Figures) -> dict[tuple[str, str], Total]:
    return {
        (channel, queue): total
        for (channel, queue), total in zones.places(name, query, figures).items()
        if query.queue in {None, queue} and query.channel in {None, channel}
    }


def _stamped(metric: Metric, end: int) -> Metric:
    metric.samples = [sample._replace(timestamp=end / SECOND) for sample in metric.samples]
    return metric


class _Spool:
    """Samples put aside by family, in a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heads: dict[str, Metric] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._runs: dict[str, list[int]] = {}
        """Where the blocks of each time begin in a family's file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def put(self, found: Iterable[Metric]) -> None:
        """Put a run of samples aside, later than all before."""
        run: dict[str, dict[Series, list[Sample]]] = {}
        for metric in found:
            self._heads.setdefault(metric.name, metric)
            series = run.setdefault(metric.name, {})
            for sample in metric.samples:
                labels = tuple(sorted(pair for pair in sample.labels.items() if pair[0] != _BOUND))
                series.setdefault(labels, []).append(sample)
        for name, series in run.items():
            self._append(name, (_Block(labels, self._text(name, series[labels])) for labels in sorted(series)))

    def _append(self, name: str, blocks: Iterable[_Block]) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = (self._folder / f"{name}.samples").open("w+b")
        self._runs.setdefault(name, []).append(file.tell())
        for block in blocks:
            packed = _encode(block)
            file.write(len(packed).to_bytes(4, "big") + packed)
        self._runs[name].append(file.tell())

    def _text(self, name: str, samples: list[Sample]) -> bytes:
        """Return samples as lines, without the lines that say what they are."""
        text = _rendered(self._heads[name], samples)
        return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))

    def merged(self) -> Iterator[bytes]:
        """Yield every family: what it is, then its samples, series by series."""
        for name, head in self._heads.items():
            yield _rendered(head, []).removesuffix(_END)
            if name in self._files:
                self._files[name].flush()
                path = self._folder / f"{name}.samples"
                begins, ends = self._runs[name][::2], self._runs[name][1::2]
                runs = [_blocks(path, begin, end) for begin, end in zip(begins, ends, strict=True)]
                yield from (block.text for block in merge(*runs, key=lambda block: block.series))


def _blocks(path: Path, begin: int, end: int) -> Iterator[_Block]:
    with path.open("rb") as file:
        file.seek(begin)
        while file.tell() < end:
            yield _decoder.decode(file.read(int.from_bytes(file.read(4), "big")))


def _rendered(head: Metric, samples: list[Sample]) -> bytes:
    metric = Metric(head.name, head.documentation, head.type)
    metric.samples = samples
    text: bytes = generate_latest(_One(metric))  # type: ignore[no-untyped-call]
    return text


class _One:
    """A registry of one family, as the library wants one."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Any]:
        """Yield it."""
        yield self._metric
