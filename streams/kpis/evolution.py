"""How KPIs evolve: a day, week, month or year against the one before, and against the same one a year before.

    day     the day before        52 weeks before, so the same weekday
    week    the week before       52 weeks before (weeks begin on Monday)
    month   the month before      the same month of the year before
    year    the year before       (the same)

A period that goes on is taken as far as whole days of it have passed (on its first day, whole quarters of an hour), and compared with the same
stretch of the earlier ones, by days and the clock (`so_far`). Amounts in several currencies are compared each by itself.

Each comparison has the difference and its 95 % interval (noise.py); a difference whose interval has 0 in it is within noise. Where panes do not say how much
single contacts differ, about a hundred pieces of each period do, or its days where no more is kept: of means of talk, handling and scores, of agents' time and of sales. There is none where
fewer than five pieces have anything in them (a day of a year ago is one piece), and of costs (nobody draws them by lot).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct, structs

from schemas.fields import rfc3339
from schemas.rows import Figure, Row
from streams.engine.codes import HISTOGRAMS, currency_index
from streams.engine.measures import unpack
from streams.engine.policy import DAY, INTERVAL, SECOND, Days
from streams.errors import InputError
from streams.kpis import noise
from streams.kpis.evaluate import added, merged
from streams.kpis.figures import Figures, Query
from streams.kpis.panes import Total
from streams.kpis.query import Group
from streams.kpis.registry import BY_ID, MICRO, Kpi

Unit = Literal["day", "week", "month", "year"]
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
MAIN: Final = (
    "entered", "answered", "abandoned", "abandonment_rate", "service_level", "average_speed_of_answer", "handle_time",
    "first_contact_resolution",
)  # fmt: skip
"""KPIs that are shown when none is asked for."""
_YEAR_OF_WEEKS: Final = timedelta(weeks=52)
_PIECES: Final = 100
"""Pieces of a period, of a quarter of an hour or more, of which it is told how much they differ."""
Span = tuple[int, int]
"""Start and end in microseconds."""


class Compared(Struct, frozen=True):
    """An earlier period and the difference from it, in the unit of the KPI.

    ``figure`` is None when nothing is known of its first day: it was before the first event, or is no longer kept; ``low`` and ``high`` are
    the ends of the difference's 95 % interval, and ``noise`` tells that 0 is in it.
    """

    start: str
    end: str
    figure: Figure | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    noise: bool | None = None


class Evolution(Struct, frozen=True):
    """One KPI of one slice in a period (RFC 3339 ends), and what it was in earlier ones."""

    kpi: str
    channel: str | None
    queue: str | None
    breakdown: str | None
    value: str | None
    start: str
    end: str
    complete: bool
    """False of a period that goes on: ``end`` is how far it is taken, and the earlier ones are taken as far."""
    figure: Figure
    previous: Compared
    year_before: Compared | None


class Periods(NamedTuple):
    """A period and those that it is compared with; no year before where that is the previous one."""

    now: Span
    previous: Span
    year_before: Span | None
    complete: bool = True
    """False when they are cut to what has passed of the period."""

    @property
    def begin(self) -> int:
        """The start of the first of them."""
        return min(span[0] for span in (self.now, self.previous, self.year_before) if span is not None)


class _Known(NamedTuple):
    """What the rows of a span are made of; nothing where nothing is kept."""

    span: Span
    samples: dict[Group, _Sample]

    def only(self, kpi: Kpi, group: Group, currency: str) -> _Known:
        """Return a row's sample alone, with a KPI's amount in one currency."""
        own = self.samples.get(group)
        return self._replace(samples={} if own is None else {group: own.only(kpi, currency)})


class _Sample:
    """What a row is made of: its figures, and the sums of pieces of its time."""

    def __init__(self, row: Row, pieces: Sequence[Total]) -> None:
        self.row = row
        self._pieces = pieces

    @cached_property
    def _sums(self) -> list[dict[str, int]]:
        return [unpack(total.bundle) for total in self._pieces]

    @cached_property
    def _whole(self) -> Total:
        whole = Total()
        for total in self._pieces:
            whole.add(total)
        return whole

    def figure(self, kpi: Kpi) -> Figure:
        """Return the value of a KPI, with its parts."""
        return self.row.kpis[kpi.id]

    def only(self, kpi: Kpi, currency: str) -> _Sample:
        """Return the same with a KPI's amount in one currency: of a sum without any it is 0, of a mean nothing."""
        figure = self.figure(kpi)
        text = (figure.amounts or {}).get(currency)
        amount = float(text) if text is not None else None if kpi.denominator else 0.0
        top = None if amount is None else amount * (1 if figure.denominator is None else figure.denominator)
        alone = Figure(
            amount, top, figure.denominator, currency, figure.status, None if text is None else {currency: text}
        )
        return _Sample(structs.replace(self.row, kpis={**self.row.kpis, kpi.id: alone}), self._pieces)

    def parts(self, kpi: Kpi) -> tuple[float, float]:
        """Return numerator and denominator of a KPI."""
        figure = self.figure(kpi)
        return figure.numerator or 0.0, figure.denominator or 0.0

    def is_share(self, kpi: Kpi) -> bool:
        """Tell whether a KPI is a share of its denominator."""
        top, bottom = self.parts(kpi)
        return bottom > 0 and 0 <= top <= bottom

    def counts(self, names: tuple[str, ...]) -> Mapping[int, int]:
        """Return the sum of histograms."""
        return merged(self._whole.counts, names)

    def sum(self, measure: str) -> int:
        """Return a measure."""
        return sum(sums.get(measure, 0) for sums in self._sums)

    def quotients(self, kpi: Kpi) -> Iterator[noise.Pair]:
        """Yield the parts of a KPI in each piece, so that their quotient is in its unit."""
        scale = 1 if kpi.unit == "ratio" else kpi.scale
        for sums in self._sums:
            yield added(kpi.numerator, sums) / scale, added(kpi.denominator or {}, sums)

    def sales(self, currency: str) -> Iterator[noise.Pair]:
        """Yield the amount of the sales in each piece, and how many there were."""
        for total, sums in zip(self._pieces, self._sums, strict=True):
            yield total.counts.get("sales_amount", {}).get(currency_index(currency), 0) / MICRO, sums.get("sales", 0)


def periods(unit: Unit, time_us: int, zone: str) -> Periods:
    """Return the period of a zone's calendar that a time is in, and those it is compared with.

    >>> now, previous, *_ = periods("month", 1_772_452_800 * SECOND, "Europe/Madrid")  # 2026-03-02
    >>> rfc3339(now[0]), rfc3339(now[1]), rfc3339(previous[0])
    ('2026-02-28T23:00:00Z', '2026-03-31T22:00:00Z', '2026-01-31T23:00:00Z')
    """
    days = Days(zone)
    first = _first(unit, datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(days.zone).date())

    def span(begin: date) -> Span:
        return days.start(begin), days.start(_next(unit, begin))

    previous = _first(unit, first - timedelta(days=1))
    if unit == "year":
        return Periods(span(first), span(previous), None)
    year_before = first - _YEAR_OF_WEEKS if unit in {"day", "week"} else first.replace(year=first.year - 1)
    return Periods(span(first), span(previous), span(year_before))


def so_far(of: Periods, until_us: int, zone: str) -> Periods:
    """Return the periods cut to the part that has passed, as far as it has when nobody knows what came after ``until_us``.

    >>> march = periods("month", 1_773_100_800 * SECOND, "Europe/Madrid")
    >>> now, previous, *_ = so_far(march, 1_773_133_200 * SECOND, "Europe/Madrid")  # 2026-03-10, ten o'clock
    >>> rfc3339(now[1]), rfc3339(previous[1])
    ('2026-03-09T23:00:00Z', '2026-02-09T23:00:00Z')
    """
    begin, end = of.now
    if not begin < until_us < end:
        return of
    days = Days(zone)
    midnight, _ = days.around(until_us)
    until = midnight if midnight > begin else max(begin + INTERVAL, until_us // INTERVAL * INTERVAL)

    def clock(time: int) -> datetime:
        return datetime.fromtimestamp(time // SECOND, UTC).astimezone(days.zone)

    passed, of_day = clock(until).date() - clock(begin).date(), clock(until).time()

    def cut(span: Span) -> Span:
        day = clock(span[0]).date() + passed
        last = round(datetime.combine(day, of_day, days.zone).timestamp()) * SECOND
        return span[0], min(span[1], last)

    return Periods(
        (begin, until), cut(of.previous), None if of.year_before is None else cut(of.year_before), complete=False
    )


def last_complete(unit: Unit, time_us: int, zone: str) -> Periods:
    """Return the last period that had ended by a time, and those it is compared with."""
    return periods(unit, periods(unit, time_us, zone).now[0] - 1, zone)


def evolution(figures: Figures, query: Query, of: Periods, kpis: Collection[str]) -> list[Evolution]:
    """Return how the KPIs evolved, by slice and in the order of the registry; the range of the query is replaced.

    Raises InputError when nothing is known of the period itself.
    """
    now, previous = _known(figures, query, of.now), _known(figures, query, of.previous)
    if not now.samples:
        message = f"at: expected a time in a period whose first day is known, and not in that from {' to '.join(map(rfc3339, of.now))}"
        raise InputError(message)
    year_before = None if of.year_before is None else _known(figures, query, of.year_before)
    return [
        Evolution(
            kpi.id,
            row.channel,
            row.queue,
            row.breakdown,
            row.value,
            row.start,
            row.end,
            of.complete,
            sample.figure(kpi),
            _compared(kpi, group, sample, before),
            None if year_ago is None else _compared(kpi, group, sample, year_ago),
        )
        for group, whole in now.samples.items()
        for row in (whole.row,)
        for kpi in _wanted(kpis, row)
        for sample, before, year_ago in _each_currency(kpi, group, whole, previous, year_before)
    ]


def _each_currency(
    kpi: Kpi, group: Group, sample: _Sample, previous: _Known, year_before: _Known | None
) -> Iterator[tuple[_Sample, _Known, _Known | None]]:
    """Yield the samples to compare: as they are, or of amounts in several currencies those of each."""
    earlier = [then.samples[group] for then in (previous, year_before) if then is not None and group in then.samples]
    names = {name for one in (sample, *earlier) for name in one.figure(kpi).amounts or {}}
    if len(names) < 2:
        yield sample, previous, year_before
        return
    for name in sorted(names):
        year_ago = None if year_before is None else year_before.only(kpi, group, name)
        yield sample.only(kpi, name), previous.only(kpi, group, name), year_ago


def _wanted(kpis: Collection[str], row: Row) -> Iterable[Kpi]:
    return [BY_ID[name] for name in BY_ID if name in kpis and row.kpis[name].status != "unavailable"]


def _first(unit: Unit, day: date) -> date:
    """Return the first day of the period that a day is in."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _next(unit: Unit, first: date) -> date:
    """Return the first day of the next period."""
    if unit == "year":
        return first.replace(year=first.year + 1)
    if unit == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if unit == "week" else 1)


def _known(figures: Figures, query: Query, span: Span) -> _Known:
    begin, end = span
    first = figures.first_us
    if first is None or begin + DAY <= first:  # what was before the first event nobody knows: it is not 0
        return _Known(span, {})
    asked = query._replace(start_us=begin, end_us=end, every="all")
    try:
        rows = {(row.channel, row.queue, row.breakdown, row.value): row for row in figures.rows(asked)}
        clusters = figures.clusters(asked, max(INTERVAL, (end - begin) // _PIECES))
    except InputError:  # begins before what is kept
        return _Known(span, {})
    return _Known(span, {group: _Sample(row, clusters.get(group, [])) for group, row in rows.items()})


def _compared(kpi: Kpi, group: Group, sample: _Sample, then: _Known) -> Compared:
    start, end = rfc3339(then.span[0]), rfc3339(then.span[1])
    earlier = then.samples.get(group)
    if earlier is None:
        return Compared(start, end, None)
    figure, before = sample.figure(kpi), earlier.figure(kpi)
    if figure.value is None or before.value is None or not _comparable(kpi, figure, before):
        return Compared(start, end, before)
    interval = _interval(kpi, sample, earlier)
    if interval is None:
        return Compared(start, end, before, figure.value - before.value)
    return Compared(start, end, before, figure.value - before.value, interval.low, interval.high, interval.noise)


def _comparable(kpi: Kpi, figure: Figure, before: Figure) -> bool:
    """Tell whether two values are of one unit: of two currencies there is no difference."""
    return figure.unit == before.unit or kpi.unit in {figure.unit, before.unit}


def _interval(kpi: Kpi, now: _Sample, before: _Sample) -> noise.Interval | None:
    """Return the interval of the difference of two values, None where nothing says how much they vary."""
    if kpi.unit == "count" and kpi.crediting != "now":
        return noise.of_counts(now.figure(kpi).value or 0.0, before.figure(kpi).value or 0.0)
    if kpi.unit == "ratio" and kpi.crediting != "CLIP":
        shares = now.is_share(kpi) and before.is_share(kpi)
        return noise.of_shares(now.parts(kpi), before.parts(kpi)) if shares else None
    if kpi.unit == "points":
        return noise.of_scores(_answers(kpi, now), _answers(kpi, before))
    if kpi.unit == "money":
        return _of_money(kpi, now, before)
    return _of_means(kpi, now, before)


def _of_means(kpi: Kpi, now: _Sample, before: _Sample) -> noise.Interval | None:
    """Return the interval of the difference of two means or percentiles, or of two shares of agents' time."""
    if kpi.percent is not None:
        return noise.of_percentiles(kpi.percent, now.counts(kpi.histograms), before.counts(kpi.histograms))
    summed = tuple(name.removesuffix("_us") for name in kpi.numerator)
    if set(summed) <= set(HISTOGRAMS):
        return noise.of_means(now.counts(summed), before.counts(summed))
    return noise.of_quotients(now.quotients(kpi), before.quotients(kpi))


def _of_money(kpi: Kpi, now: _Sample, before: _Sample) -> noise.Interval | None:
    """Return the interval of the difference of two amounts of one currency; of a cost for each, what came of it varies and not the cost."""
    if kpi.denominator is not None:
        return noise.of_rates(now.parts(kpi), before.parts(kpi))
    currency = now.figure(kpi).unit
    if kpi.amount == "sales_amount" and currency == before.figure(kpi).unit != kpi.unit:
        return noise.of_amounts(now.sales(currency), before.sales(currency))
    return None


def _answers(kpi: Kpi, of: _Sample) -> tuple[int, int, int]:
    """Return the promoters, the detractors and all answers of a net promoter score."""
    promoters, detractors, answers = (of.sum(f"{kpi.id}_{who}") for who in ("promoters", "detractors", "answers"))
    return promoters, detractors, answers
