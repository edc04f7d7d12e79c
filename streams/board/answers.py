"""The rows for a question to the API, of seconds or of years, without holding up the wallboards."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from schemas.rows import Row
from streams.board.feed import Feed, Place
from streams.board.parameters import EVERY, Asked, BadRequestError, too_many_rows, too_many_sums
from streams.errors import InputError
from streams.kpis import zones
from streams.kpis.figures import Figures, Query, is_known
from streams.kpis.waiting import Growth
from streams.kpis.windows import split, zone_of

PATIENCE: Final = 30.0
"""Seconds that an answer may take."""
_HELD: Final = 0.05
"""Seconds after which a long answer lets go of the feed's lock, and for how long."""
_SEEN: Final = re.compile("seen '(.*)', expected (.*)")
P = ParamSpec("P")
T = TypeVar("T")


class GoneError(Exception):
    """Who asked has gone."""


def rows(feed: Feed[Figures], asked: Asked, *, live: bool, gone: Callable[[], bool]) -> list[Row]:
    """Return the rows, none for a queue or channel that nobody has heard of.

    The lock is let go every `_HELD` seconds: a question about years must not hold up the wallboard. So the newest stretches, which
    still change, come first, under the lock of the growth since all of them.
    """
    query = Query(
        asked.start_us, asked.end_us, asked.every, asked.by, asked.channel, asked.queue, live=live, now_us=asked.now_us
    )
    until = time.monotonic() + PATIENCE
    found: list[list[Row]] = []
    with feed.lock:
        figures = feed.figures  # these to the end, though the feed may begin anew
        places = figures.queues()
        if not is_known(places, query.channel, query.queue):
            return []
        _bound(asked, len(places))
        spans = [zones.Span(query, zone_of(figures.policy, query.queue), alone=True)]
        if asked.window is not None:
            spans = zones.spans(asked.window, query, figures)
        stretches = _stretches(spans)
        growth: Mapping[int, Any] = or_bad_request(figures.growth, [stretch.end for stretch in stretches])
        waited = _waiting(figures)
        _some(figures, stretches, growth, {}, found)
    while stretches:
        too_many_rows(asked, sum(map(len, found)))
        if gone():
            raise GoneError
        if time.monotonic() > until:
            raise BadRequestError("every", asked.every, f"what is answered within {PATIENCE:.0f} s: ask for less")
        with feed.lock.again():
            # Who came or left since the growth was taken is not in it, but is among those who wait now.
            since = {place: count - waited.get(place, 0) for place, count in _waiting(figures).items()}
            _some(figures, stretches, growth, since, found)
    too_many_rows(asked, sum(map(len, found)))
    in_turn = [row for some in reversed(found) for row in some]
    return in_turn if len(spans) == 1 else zones.in_order(in_turn, query.every)


def _bound(asked: Asked, places: int) -> None:
    """Refuse what would be too much before it is begun: rows, or sums of each queue that rows are made of."""
    length = EVERY[asked.every]
    if length is not None:
        stretches = (asked.end_us - asked.start_us) // length
        queues = places + 1 if asked.by == "queue" and asked.queue is None else 1
        too_many_rows(asked, stretches * queues)
        too_many_sums(asked, stretches * places)


class _Stretch(NamedTuple):
    """A stretch of a span's range (microseconds)."""

    begin: int
    end: int
    span: zones.Span


def _stretches(spans: Iterable[zones.Span]) -> list[_Stretch]:
    """Return the stretches of spans, the newest last."""
    found = [
        _Stretch(begin, end, span)
        for span in spans
        for begin, end in split(span.query.start_us, span.query.end_us, span.query.every, span.zone)
    ]
    return sorted(found, key=lambda stretch: stretch.end)


def _some(
    figures: Figures,
    stretches: list[_Stretch],
    growth: Mapping[int, Any],
    since: Mapping[Place, int],
    found: list[list[Row]],
) -> None:
    """Take stretches from the end of the list and append their rows, for as long as the lock may be held."""
    until = time.monotonic() + _HELD
    while stretches:
        stretch = stretches.pop()
        grown = dict(growth[stretch.end])
        for place, change in since.items():
            known = grown.get(place, 0)
            grown[place] = None if known is None else known + change
        found.append(or_bad_request(_rows_of, figures, stretch, grown))
        if time.monotonic() > until:
            return


def _rows_of(figures: Figures, stretch: _Stretch, growth: Growth) -> list[Row]:
    found = figures.stretch(stretch.span.query, stretch.begin, stretch.end, growth)
    return zones.own(found, stretch.span, figures)


def _waiting(figures: Figures) -> dict[Place, int]:
    return {(place.channel, place.queue): place.count for place in figures.waiting()}


def or_bad_request(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do what may find that a question is none, and tell it as a wrong parameter."""
    try:
        return work(*given, **named)
    except InputError as error:
        name, _, text = str(error).partition(": ")
        told = _SEEN.fullmatch(text)
        seen, expected = told.groups() if told is not None else (None, text.removeprefix("expected "))
        raise BadRequestError(name.split(",")[0], seen, expected) from error
