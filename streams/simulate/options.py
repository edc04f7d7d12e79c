"""Options of the command line that are more than a word or a number: stretches of time, moments, names of queues."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from schemas.fields import microseconds
from streams.simulate.center import NAMES

F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_MOST_QUEUES = 1_000


def traffic_option(default: float) -> Callable[[F], F]:
    """Return the option `--traffic`, which means the same wherever a center is simulated."""
    return click.option(
        "--traffic",
        type=click.FloatRange(0.01, 1e4),
        default=default,
        show_default=True,
        help="Times as many contacts and agents.",
    )


class Duration(click.ParamType):
    """Seconds, from ``90``, ``90s``, ``15m``, ``2h`` or ``1d``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds.

        >>> Duration().convert("1.5h", None, None)
        5400.0
        """
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"seen {value!r}, expected a number with s, m, h or d, such as 90s or 2h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class Moment(click.ParamType):
    """Microseconds since the epoch, from RFC 3339 with an offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return microseconds.

        >>> Moment().convert("1970-01-01T00:00:01Z", None, None)
        1000000
        """
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(
                f"seen {value!r}, expected RFC 3339 with an offset, such as 2026-03-02T09:00:00+01:00", param, ctx
            )
        return microseconds(moment)


class Queues(click.ParamType):
    """Names of queues, from names with commas between or from how many."""

    name = "queues"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names.

        >>> Queues().convert("2", None, None), Queues().convert("sales,help", None, None)
        (('ventas', 'reservas'), ('sales', 'help'))
        """
        if isinstance(value, tuple):
            return value
        text = str(value)
        names = _numbered(int(text)) if text.isdigit() else tuple(name.strip() for name in text.split(","))
        if not names or not all(names) or len(set(names)) < len(names) or max(map(len, names)) > 128:
            self.fail(
                f"seen {text!r}, expected 1 to {_MOST_QUEUES}, or different names with commas between", param, ctx
            )
        return names


def _numbered(count: int) -> tuple[str, ...]:
    more = tuple(f"cola-{number}" for number in range(len(NAMES) + 1, min(count, _MOST_QUEUES) + 1))
    return (NAMES + more)[:count]
