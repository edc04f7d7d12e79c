"""What is asked: a stretch of time, how it is cut, by what, and which slices belong to it."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.engine.slices import Slice

Place = tuple[str | None, str | None]
"""Channel and queue; None for all."""
Group = tuple[str | None, str | None, str | None, str | None]
"""What a row is of: channel, queue, breakdown, value."""
TOTAL: Final[Group] = (None, None, None, None)
NO_CHANNEL: Final = ""
"""The channel of what is of none and is no agent's time: costs of a queue, what is said of contacts that nobody knows."""
NO_QUEUE: Final = ""
"""The queue, in rows that are asked for with ``nowhere``, of what is of none."""


class Query(NamedTuple):
    """What is asked: a range (microseconds), how it is cut, by what, of which channel and queue; live or history.

    ``nowhere`` asks for rows by queue of what is of no queue as well, one a channel and one of no channel; then rows make up the total.
    Without ``total`` there is no row of it.
    """

    start_us: int
    end_us: int
    every: str = "all"
    by: str | None = None
    channel: str | None = None
    queue: str | None = None
    live: bool = False
    now_us: int = 0
    nowhere: bool = False
    total: bool = True


def asked(query: Query, of: Slice) -> bool:
    """Tell whether a slice is of the channel and queue asked for; agents' time is of no channel.

    >>> asked(Query(0, 1, queue="sales"), Slice("call", "sales")), asked(Query(0, 1, channel="call"), Slice(None, None))
    (True, False)
    """
    if of.channel is None:
        return query.channel is None and query.queue in {None, of.queue}
    return query.channel in {None, of.channel} and query.queue in {None, of.queue}


def is_timed(query: Query, by: str | None) -> bool:
    """Tell whether agents' time is kept for a row: of no channel, and of an agent only over all queues.

    >>> is_timed(Query(0, 1, queue="sales"), "agent"), is_timed(Query(0, 1, queue="sales"), None)
    (False, True)
    """
    return query.channel is None and not (by == "agent" and query.queue is not None)


def in_total(query: Query, of: Slice) -> bool:
    """Tell whether a slice, or what it is a part of, makes up the total; agents' time is apart from the rest (`groups.apart`).

    An agent of two queues is in the time of both and once in the time of all, so the total takes that of all, or of the one
    queue asked for.
    """
    time_of_all = of.channel is None and of.queue is None
    return of.channel is not None or (query.queue is not None) != time_of_all
