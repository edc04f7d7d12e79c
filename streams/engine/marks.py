"""What marks are credited: responses, transfers, resolutions that were reopened, opinions, sales and costs.

A mark stays as it is, so what it is credited is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams.engine.codes import code_of, money
from streams.engine.course import CREATION, HANDOVER, REOPENING, Mark, Visit
from streams.engine.facts import CALL
from streams.engine.histogram import bucket
from streams.engine.measures import ONE, SHIFT
from streams.engine.policy import OpenTime, Policy, quarters
from streams.engine.slices import Slice, Slices

Credit = tuple[int, int, int, int | None]
"""(time in microseconds, place, bundle of measures, code or None); see credits.py and codes.py."""
_ORIGINS: Final = {CREATION: "creation", REOPENING: "reopening", HANDOVER: "handover"}
_PLAIN: Final = {
    "resolution": ONE["resolutions"] + ONE["resolutions_reopened"],
    "reopened": ONE["reopened"],
    "surveyed": ONE["surveyed"],
    "complaint": ONE["complaints"],
    "applause": ONE["applause"],
    "retained": ONE["retained"],
    "lost": ONE["lost"],
}
_TRANSFER: Final = ONE["transfers"]
_ESCALATION: Final = ONE["escalations"]
_MILLION: Final = 1_000_000


class Giver:
    """Works out what marks are credited, and where."""

    _spoken: Final = frozenset({CALL})

    def __init__(self, policy: Policy, slices: Slices) -> None:
        self._policy = policy
        self._slices = slices
        self._window = policy.remark_window
        self._open = OpenTime(policy)
        self._everywhere = slices.group([Slice(None, None)])
        """Where counts what is of no queue: in totals only."""
        self._given: dict[str, Callable[[Mark, int], list[Credit]]] = {
            "response": self._response,
            "transfer": self._transfer,
            "resolved_first": self._resolved_first,
            "survey": self._survey,
            "sale": self._sale,
            "cost": self._cost,
        }

    def group(self, visit: Visit) -> int:
        """Return the group of slices of a visit."""
        if visit.group < 0:
            visit.group = self._slices.visit(visit.channel, visit.queue, visit.traits)
        return visit.group

    def place(self, visit: Visit, agent: str | None, level: str | None) -> int:
        """Return the place of a visit and of who answered it."""
        return self.group(visit) + self._slices.person(visit.channel, visit.queue, agent, level)

    def is_in_time(self, visit: Visit, time: int, since: int) -> bool:
        """Tell whether what is said of a contact at a time is of the visit; times are microseconds, ``since`` is `Mark.since`.

        A replay has read the visit by then, and a worker remembers it.
        """
        oldest = self._policy.of(visit.queue).maximum_ticket_age if visit.is_ticket else 0
        return time - since <= self._window and time - visit.start <= max(self._window, oldest)

    def mark(self, mark: Mark) -> list[Credit]:
        """Return what a mark is credited, and remember it."""
        visit = mark.visit
        if visit is None or (mark.since is not None and not self.is_in_time(visit, mark.time, mark.since)):
            place = self._everywhere
        else:
            place = self.place(visit, mark.agent, mark.level)
        plain = _PLAIN.get(mark.what)
        mark.given = self._given[mark.what](mark, place) if plain is None else [(mark.time, place, plain, None)]
        return mark.given

    def _response(self, mark: Mark, place: int) -> list[Credit]:
        since, origin = mark.more
        name, queue = _ORIGINS[origin], mark.visit.queue if mark.visit is not None else ""
        took, opened = mark.time - since, self._open.between(queue, since, mark.time)
        bundle = ONE[f"responses_{name}"] + (took << SHIFT[f"response_{name}_us"])
        bundle += opened << SHIFT[f"response_{name}_open_us"]
        return [
            (mark.time, place, bundle, code_of(f"response_{name}") + bucket(took)),
            (mark.time, place, 0, code_of(f"response_{name}_open") + bucket(opened)),
        ]

    def _transfer(self, mark: Mark, place: int) -> list[Credit]:
        (escalated,) = mark.more
        return [(mark.time, place, _TRANSFER + (_ESCALATION if escalated else 0), None)]

    def _resolved_first(self, mark: Mark, place: int) -> list[Credit]:
        (began,) = mark.more
        took = mark.time - began
        bundle = ONE["resolved_first"] + (took << SHIFT["resolution_first_us"])
        return [(mark.time, place, bundle, code_of("resolution_first") + bucket(took))]

    def _survey(self, mark: Mark, place: int) -> list[Credit]:
        return [(mark.time, place, _SURVEYS[mark.more[0]](*mark.more[1:]), None)]

    def _sale(self, mark: Mark, place: int) -> list[Credit]:
        currency, amount = mark.more
        counted = ONE["sales" if amount >= 0 else "refunds"]
        return [(mark.time, place, counted, money("sales_amount", currency, amount) if amount else None)]

    def _cost(self, mark: Mark, _: int) -> list[Credit]:
        """Return a cost spread evenly over the intervals of its period; the parts add up to it to the last millionth."""
        queue, channel, currency, amount, start, end = mark.more
        place = self._slices.group([Slice(channel, queue)])
        if start == end:
            return [(start, place, ONE["costs"], money("cost_amount", currency, amount) if amount else None)]
        given: list[Credit] = []
        spent = 0
        for begin, border in quarters(start, end):
            until = amount * (border - start) // (end - start)
            part, spent = until - spent, until
            given.append((begin, place, ONE["costs"], money("cost_amount", currency, part) if part else None))
        return given


def _mapped(value: int, low: int, high: int, to: tuple[int, int]) -> int:
    """Return a value on another scale, in millionths.

    >>> _mapped(10_000_000, 1_000_000, 10_000_000, (1, 5))
    5000000
    """
    return to[0] * _MILLION + (value - low) * (to[1] - to[0]) * _MILLION // (high - low)


def _csat(value: int, low: int, high: int) -> int:
    """Return the bundle of an answer; with three boxes or two the top two would be nearly all of them, or all."""
    lowest = high - _MILLION if high - low >= 3 * _MILLION else high
    top = ONE["csat_top"] if value >= lowest else 0
    return ONE["csat_answers"] + top + (_mapped(value, low, high, (1, 5)) << SHIFT["csat_millionths"])


def _ces(value: int, low: int, high: int) -> int:
    on_seven = _mapped(value, low, high, (1, 7))
    easy = ONE["ces_easy"] if on_seven >= 5 * _MILLION else 0
    return ONE["ces_answers"] + easy + (on_seven << SHIFT["ces_millionths"])


def _fcr(value: int, low: int, high: int) -> int:
    return ONE["survey_fcr_answers"] + (ONE["survey_fcr_yes"] if 2 * value > low + high else 0)


def _promoters(kind: str) -> Callable[[int, int, int], int]:
    def bundle(value: int, low: int, high: int) -> int:
        on_ten = _mapped(value, low, high, (0, 10))
        answers = ONE[f"{kind}_answers"]
        if on_ten >= 9 * _MILLION:
            return answers + ONE[f"{kind}_promoters"]
        return answers + (ONE[f"{kind}_detractors"] if on_ten <= 6 * _MILLION else 0)

    return bundle


_SURVEYS: Final[dict[str, Callable[..., int]]] = {
    "csat": _csat, "ces": _ces, "fcr": _fcr, "nps": _promoters("nps"), "enps": _promoters("enps"),
}  # fmt: skip
