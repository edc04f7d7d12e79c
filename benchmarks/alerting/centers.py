"""The simulated centers and what goes wrong in them: a week like others, with two incidents on every working day.

Quiet nights and weekends are in every center, a holiday in every fourth week, queues with a few calls an hour in the small one. Without
incidents 10 of 100 callers give up in the small center, 5 in the usual and 3 in the large one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from streams.simulate.center import MONDAY_MORNING, Center, Incident, demo_center
from streams.simulate.timed import SECOND

DAY: Final = 86_400
SIZES: Final = {"small": 0.12, "usual": 1.0, "large": 3.0}
"""Centers by how many times the calls of the demo's they have: the busiest queue 18, 150 or 450 an hour."""
_START: Final = MONDAY_MORNING - 9 * 3600 * SECOND  # a Monday's midnight in Madrid
_WORKING_DAYS: Final = 5
_FACTORS: Final = {"arrivals": (3.0, 6.0), "handle": (3.0, 6.0), "agents": (0.1, 0.4)}
_MINUTES: Final = (30, 60)
_HOURS: Final = ((9, 13), (15, 19))
"""Of the local clock: when the two incidents of a day may begin."""
_SPARE: Final = 1.2


class Trouble(NamedTuple):
    """An incident and the queues whose callers it may hurt; microseconds since the epoch."""

    what: str
    start: int
    end: int
    queues: tuple[str, ...]


def center(size: str, weeks: int, seed: int) -> Center:
    """Return a center of so many weeks with its incidents."""
    usual = demo_center().larger(SIZES[size])
    groups = tuple(replace(group, agents=round(_SPARE * group.agents + 1)) for group in usual.groups)
    chance = random.Random(f"{size}-{seed}")
    made = replace(usual, groups=groups, callers=replace(usual.callers, attributes=False))
    made = made.lasting(_START, weeks * 7 * DAY)
    holidays = tuple(f"{_midnight(made, 28 * month + 3):%Y-%m-%d}" for month in range(1 + (weeks - 1) // 4))
    return replace(made, holidays=holidays, incidents=tuple(_incidents(made, weeks, chance)))


def _midnight(of: Center, day: int) -> datetime:
    local = datetime.fromtimestamp(of.start // SECOND, UTC).astimezone(ZoneInfo(of.time_zone))
    return local.replace(hour=0) + timedelta(days=day)


def _incidents(of: Center, weeks: int, chance: random.Random) -> Iterator[Incident]:
    for week in range(weeks):
        for day in range(_WORKING_DAYS):
            for earliest, latest in _HOURS:
                what = chance.choice(list(_FACTORS))
                name = chance.choice(of.groups if what == "agents" else of.queues).name
                begin = _midnight(of, 7 * week + day) + timedelta(hours=chance.uniform(earliest, latest))
                start = round(begin.timestamp()) * SECOND
                end = start + chance.randint(*_MINUTES) * 60 * SECOND
                yield Incident(what=what, name=name, start=start, end=end, factor=chance.uniform(*_FACTORS[what]))


def troubles(of: Center) -> list[Trouble]:
    """Return a center's incidents with the queues that share the agents concerned."""
    group_of = {queue.name: queue.group for queue in of.queues}
    found = []
    for one in of.incidents:
        group = one.name if one.what == "agents" else group_of[one.name]
        queues = tuple(queue.name for queue in of.queues if queue.group == group)
        found.append(Trouble(one.what, one.start, one.end, queues))
    return found
