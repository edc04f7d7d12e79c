"""What a request asks for, checked: a wrong parameter is named with the value seen and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

from streams.engine.policy import DAY, HOUR, INTERVAL
from streams.kpis.evolution import MAIN, UNITS, Periods, Unit, last_complete, periods, so_far
from streams.kpis.registry import BY, BY_ID, SLIDING_BY
from streams.kpis.times import TimeError, moment
from streams.kpis.windows import SLIDING_WINDOWS, WINDOWS, window

EVERY: Final = {"15m": INTERVAL, "1h": HOUR, "1d": DAY, "1mo": 28 * DAY, "all": None}
FORMATS: Final = ("json", "csv", "csv-long")
LONGEST_NAME: Final = 200
MOST_STRETCHES: Final = 20_000
MOST_ROWS: Final = 50_000
MOST_SUMS: Final = 400_000
"""Stretches times queues: all queues are summed up for a row, also for one of all together."""
_ASKS_KPIS: Final = frozenset({"window", "from", "to", "every", "by", "channel", "queue", "format"})
_ASKS_EVOLUTION: Final = frozenset({"period", "at", "by", "channel", "queue", "kpi"})
_ASKS_RANKING: Final = frozenset({"window", "from", "to", "channel", "queue"})
_ASKS_STREAM: Final = frozenset({"window", "channel", "queue"})


class BadRequestError(Exception):
    """A parameter is wrong."""

    def __init__(self, parameter: str, seen: str | None, expected: str) -> None:
        super().__init__(
            f"{parameter}: seen {'nothing' if seen is None else repr(seen[:LONGEST_NAME])}, expected {expected}"
        )
        self.parameter = parameter
        self.seen = None if seen is None else seen[:LONGEST_NAME]
        self.expected = expected


class Asked(NamedTuple):
    """A question for figures: microseconds, and names of `streams.kpis`."""

    start_us: int
    end_us: int
    window: str | None
    every: str
    by: str | None
    channel: str | None
    queue: str | None
    format: str
    now_us: int


def asked(given: Mapping[str, list[str]], now_us: int, zone_of: Callable[[str | None], str]) -> Asked:
    """Return what a request for figures asks, or raise `BadRequestError`. A day is that of the zone of the queue asked for.

    >>> zone_of = lambda queue: "UTC"
    >>> question = asked({"window": ["15m"], "by": ["queue"]}, 1_700_000_004_000_000, zone_of)
    >>> question.by, question.every, (question.end_us - question.start_us) // 60_000_000
    ('queue', 'all', 15)
    >>> asked({"by": ["queues"]}, 0, zone_of)
    Traceback (most recent call last):
    streams.board.parameters.BadRequestError: by: seen 'queues', expected one of queue, channel, ...
    """
    one = _single(given, _ASKS_KPIS)
    queue = _name(one, "queue")
    name, start, end = _span(one, now_us, zone_of(queue))
    every = _choice(one, "every", tuple(EVERY), "all")
    length = EVERY[every]
    if length is not None and (end - start) / length > MOST_STRETCHES:
        raise BadRequestError("every", every, f"at most {MOST_STRETCHES} stretches between from and to, a longer one")
    by = _choice(one, "by", BY, "") if "by" in one else None
    if name in SLIDING_WINDOWS and by not in SLIDING_BY:
        raise BadRequestError(
            "by", by, f"queue, channel or agent in a window of {name}; the others are kept by quarters"
        )
    return Asked(
        start,
        end,
        name,
        every,
        by,
        _name(one, "channel"),
        queue,
        _choice(one, "format", FORMATS, "json"),
        now_us,
    )


def ranking_asked(given: Mapping[str, list[str]], now_us: int, zone_of: Callable[[str | None], str]) -> Asked:
    """Return what a request for a ranking of agents asks, or raise `BadRequestError`; by default of today."""
    one = _single(given, _ASKS_RANKING)
    if one.get("window") in SLIDING_WINDOWS:
        raise BadRequestError("window", one["window"], "today or interval, or from and to: minutes rank nobody")
    whole = {"window": "today", **one} if one.keys().isdisjoint({"window", "from"}) else one
    return asked({name: [value] for name, value in {**whole, "by": "agent"}.items()}, now_us, zone_of)


class AskedEvolution(NamedTuple):
    """A question for an evolution; ids of KPIs."""

    periods: Periods
    by: str | None
    channel: str | None
    queue: str | None
    kpis: tuple[str, ...]


def evolution_asked(
    given: Mapping[str, list[str]], now_us: int, zone_of: Callable[[str | None], str]
) -> AskedEvolution:
    """Return what a request for an evolution asks, or raise `BadRequestError`; by default the last complete month."""
    one = _single(given, _ASKS_EVOLUTION)
    queue = _name(one, "queue")
    zone = zone_of(queue)
    unit = cast("Unit", _choice(one, "period", UNITS, "month"))
    found = last_complete(unit, now_us, zone)
    if "at" in one:
        found = so_far(periods(unit, _time(one, "at", zone), zone), now_us, zone)
    by = _choice(one, "by", BY, "") if "by" in one else None
    kpis = tuple(one["kpi"].split(",")) if "kpi" in one else MAIN
    for kpi in kpis:
        if kpi not in BY_ID:
            raise BadRequestError("kpi", kpi, "ids of /api/v1/definitions, with commas between them")
    return AskedEvolution(found, by, _name(one, "channel"), queue, kpis)


def stream_asked(given: Mapping[str, list[str]]) -> tuple[str, str | None, str | None]:
    """Return the window, channel and queue that a stream shall show."""
    one = _single(given, _ASKS_STREAM)
    return _choice(one, "window", WINDOWS, "30m"), _name(one, "channel"), _name(one, "queue")


def too_many_rows(question: Asked, rows: int) -> None:
    """Raise `BadRequestError` when an answer would have too many rows."""
    if rows > MOST_ROWS:
        raise BadRequestError(
            "every", question.every, f"an answer of at most {MOST_ROWS} rows; this one has {rows}: ask for less"
        )


def too_many_sums(question: Asked, sums: int) -> None:
    """Raise `BadRequestError` when an answer would take too many sums, however few its rows."""
    if sums > MOST_SUMS:
        raise BadRequestError(
            "every", question.every, f"at most {MOST_SUMS} stretches times queues; this has {sums}: ask for less"
        )


def _single(given: Mapping[str, list[str]], known: frozenset[str]) -> dict[str, str]:
    one = {}
    for name, values in given.items():
        if name not in known:
            raise BadRequestError(name, values[0], f"one of the parameters {', '.join(sorted(known))}")
        if len(values) > 1:
            raise BadRequestError(name, ", ".join(values), "one value")
        one[name] = values[0]
    return one


def _span(one: dict[str, str], now_us: int, zone: str) -> tuple[str | None, int, int]:
    if "from" not in one and "to" not in one:
        name = _choice(one, "window", WINDOWS, "30m")
        return (name, *window(name, now_us, zone))
    if "window" in one:
        raise BadRequestError("window", one["window"], "either window, or from and to")
    start, end = _time(one, "from", zone), _time(one, "to", zone)
    if end <= start:
        raise BadRequestError("to", one["to"], "a time after from")
    return None, start, end


def _time(one: dict[str, str], name: str, zone: str) -> int:
    text = one.get(name)
    if text is None:
        raise BadRequestError(name, None, "a time: from and to go together")
    try:
        # In a URL an unescaped + is a space.
        return moment(text.replace(" ", "+") if "T" in text else text, zone)
    except TimeError as error:
        raise BadRequestError(name, text, str(error)) from None


def _choice(one: dict[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = one.get(name, default)
    if value not in known:
        raise BadRequestError(name, value, f"one of {', '.join(known)}")
    return value


def _name(one: dict[str, str], name: str) -> str | None:
    value = one.get(name)
    if value is not None and not 0 < len(value) <= LONGEST_NAME:
        raise BadRequestError(name, value, f"a name of 1 to {LONGEST_NAME} characters")
    return value
