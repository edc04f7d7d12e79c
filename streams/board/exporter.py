"""The figures for Prometheus, made at each scrape: what has gone vanishes, what is known is always there.

Counts of known queues are 0 when nothing happened, and absent until a worker has published its figures; a ratio without a denominator
has no sample. What is of no queue, or of no channel, has series with that label empty, as far as there is any: so totals are the sums
over queues and channels of counts, amounts, numerators and denominators. No sample has a timestamp: how old the figures
are is said by `contact_center_watermark_timestamp_seconds`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import accumulate

from msgspec import structs
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from schemas.dead_letters import Reason
from schemas.rows import Figure, Row
from streams.board import metrics
from streams.board.exposition import Labels
from streams.board.levels import ACTION, ATTENTION, goals
from streams.board.view import View
from streams.engine.histogram import bucket, upper
from streams.engine.measures import SHIFT
from streams.engine.policy import SECOND, Policy
from streams.kpis import zones
from streams.kpis.agents import AgentStatus
from streams.kpis.evaluate import merged
from streams.kpis.figures import Figures, Query
from streams.kpis.panes import Total
from streams.kpis.ranking import MINIMUM, WEIGHTS, ranking
from streams.kpis.registry import BY_ID
from streams.kpis.settled import settled

_CACHED = 4096
"""Labels of windows of queues, and of their histograms, that are kept from scrape to scrape."""
_SUM = (1 << 64) - 1
"""The lane of a sum."""
_STATES = ("available", "busy", "wrap_up", "paused", "offline")


class Exporter(Collector):
    """A collector over a view. ``agents`` adds series by agent, which are many."""

    def __init__(self, view: View, *, agents: bool = False, clients: Callable[[], int] = lambda: 0) -> None:
        self._view = view
        self._agents = agents
        self._clients = clients

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not collect when the exporter is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all series: the figures of a window are of one moment, but wallboards need not wait for all windows."""
        yield from self._own()
        feed = self._view.feed
        with feed.lock:
            if not feed.ready or not feed.figures.has_begun:
                return
            found = [
                *self._counters(),
                *self._now(),
                *limits(self._view.feed.figures.queues(), self._view.policy),
                *self._alarms(),
            ]
        yield from found
        yield from self._windows()

    @contextmanager
    def _figures(self) -> Iterator[Figures]:
        """Give the figures of one moment; before, let those have the lock who wait for it."""
        with self._view.feed.lock.again():
            yield self._view.feed.figures

    def _own(self) -> Iterator[Metric]:
        condition = self._view.feed.condition()
        yield _one(metrics.UP, "1 when the figures are complete", float(self._view.feed.ready))
        is_current = condition.state in {"live", "other_definitions"}  # what is counted otherwise alarms all the same
        yield _one(metrics.LIVE, "1 when the figures are complete and current", float(is_current))
        yield _one(metrics.CLIENTS, "Wallboards connected to the stream", self._clients())
        if is_current or condition.state == "behind":
            yield _one(metrics.UNPROCESSED, "Events that no worker has counted yet", condition.behind)

    def _counters(self) -> Iterator[Metric]:
        figures = self._view.feed.figures
        events = CounterMetricFamily(
            metrics.EVENTS, "Events counted, by kind; duplicates count once", labels=[*metrics.PLACE, "event"]
        )
        for (channel, queue), kinds in sorted(figures.counters().items(), key=lambda item: place_labels(*item[0])):
            for kind, count in sorted(kinds.items()):
                events.add_metric([*place_labels(channel, queue), kind], count)
        yield events
        statuses = figures.partitions()
        duplicate = CounterMetricFamily(metrics.DUPLICATE, "Records whose event was known already")
        duplicate.add_metric([], sum(status.duplicate for status in statuses.values()))
        yield duplicate
        # From 0, so that the first one is an increase.
        refused: Tally[str] = Tally({reason.value: 0 for reason in Reason})
        for status in statuses.values():
            refused.update(status.refused)
        family = CounterMetricFamily(
            metrics.REFUSED, "Records that are no events to count, by reason", labels=["reason"]
        )
        for reason, count in sorted(refused.items()):
            family.add_metric([reason], count)
        yield family
        watermark = GaugeMetricFamily(
            metrics.WATERMARK, "Largest event time, by partition of the events", labels=["partition"]
        )
        for number, status in sorted(statuses.items()):
            if status.watermark:
                watermark.add_metric([str(number)], status.watermark / SECOND)
        yield watermark

    def _now(self) -> Iterator[Metric]:
        figures = self._view.feed.figures
        waiting = GaugeMetricFamily(metrics.WAITING, "Callers waiting now", labels=metrics.PLACE)
        longest = GaugeMetricFamily(
            metrics.LONGEST,
            "When the caller entered who waits longest now; absent when nobody waits",
            labels=metrics.PLACE,
        )
        for place in figures.waiting():
            labels = place_labels(place.channel, place.queue)
            waiting.add_metric(labels, place.count)
            if place.longest_since_us is not None:
                longest.add_metric(labels, place.longest_since_us / SECOND)
        yield waiting
        yield longest
        agents = figures.agents()
        states = Tally(agent.state for agent in agents)
        family = GaugeMetricFamily(metrics.AGENTS, "Distinct agents in a state now", labels=["state"])
        for state in _STATES:
            family.add_metric([state], states[state])
        yield family
        yield _agents_by_queue(agents, sorted({place.queue for place in figures.waiting()}))
        if self._agents:
            since = GaugeMetricFamily(
                metrics.AGENT_STATE, "Since when an agent is in its state", labels=["agent", "state"]
            )
            for agent in agents:
                since.add_metric([agent.agent, agent.state], agent.since_us / SECOND)
            yield since

    def _alarms(self) -> Iterator[Metric]:
        bound = GaugeMetricFamily(
            metrics.BOUND,
            "A figure beyond it asks for attention or for action, in the unit of the KPI",
            labels=[*metrics.PLACE, "kpi", "level"],
        )
        minimum = GaugeMetricFamily(
            metrics.MINIMUM, "A ratio or mean of fewer alarms nobody", labels=[*metrics.PLACE, "kpi"]
        )
        for place in self._view.feed.figures.waiting():
            labels = place_labels(place.channel, place.queue)
            aims = goals(self._view.policy.of(place.queue), self._view.alarms.of(place.queue), place.channel)
            for name, goal in aims.items():
                bound.add_metric([*labels, name, ATTENTION], goal.attention)
                bound.add_metric([*labels, name, ACTION], goal.action)
                minimum.add_metric([*labels, name], goal.minimum)
        yield from (bound, minimum)

    def _windows(self) -> Iterator[Metric]:
        rows: dict[str, list[Row]] = {}
        sums: dict[str, dict[tuple[str, str], Total]] = {}
        for name in metrics.WINDOWS:
            with self._figures() as figures:
                query = self._query("queue")
                rows[name] = zones.rows(name, query, figures)
                sums[name] = zones.places(name, query, figures)
        with self._figures() as figures:
            past = settled(figures, self._view.now_us())
        shown = {name: [exported(row) for row in found] for name, found in rows.items()} | past
        yield from families(shown, metrics.WINDOWED, lambda row: place_labels(row.channel, row.queue))
        if self._agents:
            of_agents = {name: self._rows(name, "agent") for name in metrics.WINDOWS}
            by_agent = {name: found[:-1] for name, found in of_agents.items()}  # the last is of all, for the scores
            yield from families(by_agent, ("agent", "window"), lambda row: [row.value or ""], "_by_agent")
            yield _scores(of_agents["today"])
        yield from durations(sums, self._view.policy)
        yield self._levels()

    def _levels(self) -> Metric:
        """Return the shares of the levels of attention, of which there are no sliding panes."""
        kpi = BY_ID["level_share"]
        family = GaugeMetricFamily(metrics.LEVEL_SHARE, metrics.help_of(kpi), labels=("level", "window"))
        for row in self._rows("today", "level"):
            share = row.kpis[kpi.id].value
            if share is not None:
                family.add_metric([row.value or "", "today"], share)
        return family

    def _query(self, by: str) -> Query:
        total = by == "agent"
        return Query(0, 0, "all", by, live=True, now_us=self._view.now_us(), nowhere=True, total=total)

    def _rows(self, name: str, by: str) -> list[Row]:
        with self._figures() as figures:
            return zones.rows(name, self._query(by), figures)


def limits(places: Iterable[tuple[str, str]], policy: Policy) -> Iterator[Metric]:
    """Yield what the definitions say of each channel and queue: aim, T and short abandons."""
    target = GaugeMetricFamily(metrics.TARGET, "Service level aimed at", labels=metrics.PLACE)
    threshold = GaugeMetricFamily(metrics.THRESHOLD, "T of the service level", labels=metrics.PLACE)
    short = GaugeMetricFamily(metrics.SHORT, "Abandons with at most this wait are short", labels=metrics.PLACE)
    for channel, queue in places:
        labels, own = place_labels(channel, queue), policy.of(queue)
        target.add_metric(labels, own.target)
        threshold.add_metric(labels, own.threshold_in(channel) / SECOND)
        short.add_metric(labels, own.short_abandon / SECOND)
    yield from (target, threshold, short)


def durations(found: Mapping[str, Mapping[tuple[str, str], Total]], policy: Policy) -> Iterator[Metric]:
    """Yield the families of all histograms, from what each window has of each channel and queue.

    All queues have the same buckets, so that sums over any of them are histograms: a bucket that only some had would count only these.
    """
    thresholds = {threshold / SECOND for threshold in policy.thresholds}
    for histogram in metrics.HISTOGRAMS.values():
        family = Metric(histogram.name, histogram.text, "gaugehistogram")
        ends = {float(bound) for bound in histogram.bounds} | (thresholds if histogram.by_threshold else set())
        for window, places in found.items():
            for (channel, queue), total in places.items():
                if histogram.has(channel):
                    own = _labels(*place_labels(channel, queue), window)
                    buckets = cumulative(merged(total.counts, histogram.counts), ends)
                    took = sum(total.bundle >> SHIFT[name] & _SUM for name in histogram.sums) / SECOND
                    family.samples += _histogram(histogram.name, own, buckets, took)
        yield family


def _histogram(name: str, own: Labels, buckets: list[tuple[str, int]], took: float) -> Iterator[Sample]:
    """Yield the samples of a histogram: those of its cumulative buckets, their number and their sum in seconds."""
    ends = _of_buckets(*own.values(), ends=tuple(end for end, _ in buckets))
    yield from (Sample(f"{name}_bucket", of, count) for of, (_, count) in zip(ends, buckets, strict=True))
    yield Sample(f"{name}_gcount", own, buckets[-1][1])
    yield Sample(f"{name}_gsum", own, took)


@lru_cache(_CACHED)
def _labels(*values: str) -> Labels:
    return Labels(metrics.WINDOWED, values)


@lru_cache(_CACHED)
def _of_buckets(*values: str, ends: tuple[str, ...]) -> tuple[Labels, ...]:
    return tuple(_labels(*values).of_buckets(ends))


def exported(row: Row) -> Row:
    """Return a row as it is exported: of what is of no queue or no channel only what is something, as nobody waits for it to be."""
    if row.channel and row.queue:
        return row
    kpis = {
        name: figure for name, figure in row.kpis.items() if figure.numerator or figure.denominator or figure.amounts
    }
    return structs.replace(row, kpis=kpis)


def cumulative(counts: Mapping[int, int], ends: Iterable[float]) -> list[tuple[str, int]]:
    """Return how many took at most so many seconds, for each of the ends.

    >>> from streams.engine.histogram import bucket
    >>> cumulative({bucket(20_000_000): 3, bucket(21_000_000): 1}, (30, 20))
    [('20.0', 3), ('30.0', 4), ('+Inf', 4)]
    """
    indices = sorted(counts)
    sums = [0, *accumulate(counts[index] for index in indices)]
    found = [(text, sums[bisect_right(indices, last)]) for text, last in _bounds(frozenset(ends))]
    return [*found, ("+Inf", sums[-1])]


@cache
def _bounds(ends: frozenset[float]) -> list[tuple[str, int]]:
    """Return the upper ends of a histogram's buckets, as text and in order, and the last index of our histograms that each takes in."""
    found = []
    for bound in sorted(ends):
        last = bucket(round(bound * SECOND))
        found.append((str(float(bound)), last if upper(last) <= bound else last - 1))
    return found


def families(
    rows: Mapping[str, list[Row]], labels: tuple[str, ...], place: Callable[[Row], list[str]], suffix: str = ""
) -> Iterator[Metric]:
    """Yield the families of all KPIs with windowed series, value, numerator and denominator, from the rows of each window."""
    places = [(Labels(labels, [*place(row), name]), row.kpis) for name in rows for row in rows[name]]
    for kpi in metrics.exported():
        found = [(of, kpis[kpi.id]) for of, kpis in places if kpi.id in kpis]
        top, bottom = metrics.part_names(kpi.id, kpi.unit)
        if kpi.amount is not None:
            yield _amounts(metrics.name_of(kpi.id, kpi.unit) + suffix, metrics.help_of(kpi), found)
        else:
            values = [(of, figure.value) for of, figure in found]
            yield _family(metrics.name_of(kpi.id, kpi.unit) + suffix, metrics.help_of(kpi), values)
        if metrics.has_parts(kpi):
            tops = [(of, figure.numerator) for of, figure in found]
            yield _family(top + suffix, f"{kpi.name}, numerator: {metrics.terms_of(kpi.numerator)}", tops)
        if metrics.has_parts(kpi) or kpi.denominator is not None:
            bottoms = [(of, figure.denominator) for of, figure in found]
            yield _family(bottom + suffix, f"{kpi.name}, denominator: {metrics.terms_of(kpi.denominator)}", bottoms)


def _family(name: str, text: str, found: Iterable[tuple[Labels, float | None]]) -> Metric:
    family = Metric(name, text, "gauge")
    family.samples = [Sample(name, of, value) for of, value in found if value is not None]
    return family


def _amounts(name: str, text: str, found: list[tuple[Labels, Figure]]) -> Metric:
    """Return amounts of money, a sample for each currency."""
    family = Metric(name, text, "gauge")
    for of, figure in found:
        for currency, amount in (figure.amounts or {}).items():
            family.add_sample(name, {**of, metrics.CURRENCY: currency}, float(amount))
    return family


def place_labels(channel: str | None, queue: str | None) -> list[str]:
    """Return the values of the labels `metrics.PLACE`."""
    return [queue or "", channel or ""]


def _agents_by_queue(agents: Iterable[AgentStatus], queues: Iterable[str]) -> Metric:
    """Return how many agents each queue has in each state: those who name it, and those who name no queue and so serve all."""
    text = "Distinct agents of a queue in a state now; who is of several counts in each, who names none in all"
    family = GaugeMetricFamily(metrics.AGENTS_BY_QUEUE, text, labels=["queue", "state"])
    found = Tally((queue, agent.state) for agent in agents for queue in agent.queues or (None,))
    for queue in queues:
        for state in _STATES:
            family.add_metric([queue, state], found[queue, state] + found[None, state])
    return family


def _scores(rows: list[Row]) -> Metric:
    """Return the scores of the agents that have one, of today."""
    text = f"Composite of {', '.join(WEIGHTS)}; 50 is the team's mean; none with fewer than {MINIMUM} contacts"
    family = GaugeMetricFamily(metrics.AGENT_SCORE, text, labels=["agent", "window"])
    for one in ranking(rows):
        if one.score is not None:
            family.add_metric([one.agent, "today"], one.score)
    return family


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
