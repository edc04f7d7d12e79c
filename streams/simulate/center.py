"""What a simulated center is: its queues and desks, its agents, its callers and its week.

Times are seconds here, as one thinks of them; the simulation turns them into microseconds. A center of `erlang_center` has nothing
but Poisson arrivals, exponential handling and exponential patience: `erlang.erlang_a` says what it does in the long run.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil, sqrt
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

FLAT = (1.0,) * 24
OFFICE = (
    0.05, 0.04, 0.03, 0.03, 0.03, 0.05, 0.12, 0.30, 0.62, 0.88, 1.00, 1.00,
    0.92, 0.80, 0.62, 0.58, 0.70, 0.80, 0.74, 0.58, 0.42, 0.30, 0.18, 0.09,
)  # fmt: skip
"""Share of the busiest hour's calls in each hour of a working day."""
WEEK = (1.0, 0.96, 0.93, 0.95, 0.98, 0.45, 0.30)
"""Share of a Monday's calls in each day of the week."""
MONDAY_MORNING = round(datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp() * 1_000_000)


class Queue(Struct, frozen=True, kw_only=True):
    """A queue: calls an hour at the busiest time, served by a group of agents. Times are means of exponentials."""

    name: str
    group: str
    calls_per_hour: float
    handle: float = 240.0
    patience: float | None = 180.0
    wrap_up: float = 0.0
    level: str | None = None
    entry_point: str | None = None


class Group(Struct, frozen=True, kw_only=True):
    """Agents who take the calls of the same queues, the longest waiting call first: how many at the busiest time."""

    name: str
    agents: int


class Desk(Struct, frozen=True, kw_only=True):
    """A queue of chats (channel ``chat``) or of tickets (any other), so many an hour at the busiest time, answered by a crew.

    ``handle`` is the mean of what a chat takes in all, of a ticket what each look at it takes.
    """

    name: str
    channel: str
    crew: str
    contacts_per_hour: float
    handle: float


class Crew(Struct, frozen=True, kw_only=True):
    """Agents who write: how many at the busiest time, how many stay when it is quiet, and how many contacts each has at once."""

    name: str
    agents: int
    least: int = 0
    at_once: int = 1


class Callers(Struct, frozen=True, kw_only=True):
    """What callers and agents do besides waiting and talking, as shares of the calls concerned."""

    held: float = 0.0
    transferred: float = 0.0
    unresolved: float = 0.0
    anonymous: float = 0.0
    flowed_out: float = 0.0
    """Of the callers who do not wait any longer: those who leave by voicemail, callback or key instead of hanging up."""
    return_resolved: float = 0.0
    return_unresolved: float = 0.0
    """Of the customers whose matter was resolved, or not (or who were not answered): those who call again within days."""
    breaks: float = 0.0
    """Of the moments at which an agent becomes free: those that begin a break."""
    attributes: bool = False
    """Whether calls carry platform, priority, language, customer type and entry point."""


class Incident(Struct, frozen=True, kw_only=True):
    """What goes wrong with a queue, or with the agents of a group, between two times (microseconds since the epoch).

    ``factor`` is of ``arrivals``: how many times as many calls come; of ``handle``: how many times as long they take; of ``agents``: the share
    of those on duty who stay.
    """

    what: Literal["arrivals", "handle", "agents"]
    name: str
    start: int
    end: int
    factor: float


class Center(Struct, frozen=True, kw_only=True):
    """A whole center from ``start`` (microseconds since the epoch) on; ``seconds`` None goes on without end."""

    queues: tuple[Queue, ...]
    groups: tuple[Group, ...]
    callers: Callers = Callers()
    desks: tuple[Desk, ...] = ()
    """Where customers write. With any, the center also has what goes with contacts: surveys, feedback, sales, costs and so on."""
    crews: tuple[Crew, ...] = ()
    start: int = MONDAY_MORNING
    seconds: float | None = None
    time_zone: str = "UTC"
    day: tuple[float, ...] = FLAT
    week: tuple[float, ...] = (1.0,) * 7
    hurry: float = 1.0
    """How many times as fast as stated everything happens, day and week excepted."""
    holidays: tuple[str, ...] = ()
    """Dates (YYYY-MM-DD in the center's zone) with the calls of its quietest weekday."""
    incidents: tuple[Incident, ...] = ()

    def lasting(self, start: int, seconds: float | None) -> Center:
        """Return the same center at another time."""
        return replace(self, start=start, seconds=seconds)

    def larger(self, times: float) -> Center:
        """Return a center with ``times`` as many contacts and agents."""
        return replace(
            self,
            queues=tuple(replace(queue, calls_per_hour=queue.calls_per_hour * times) for queue in self.queues),
            groups=tuple(replace(group, agents=max(1, round(group.agents * times))) for group in self.groups),
            desks=tuple(replace(desk, contacts_per_hour=desk.contacts_per_hour * times) for desk in self.desks),
            crews=tuple(replace(crew, agents=max(1, round(crew.agents * times))) for crew in self.crews),
        )

    def quicker(self, times: float) -> Center:
        """Return a center in which all happens ``times`` as fast: as many waiting, every wait and call that much shorter."""
        return replace(self, hurry=self.hurry * times)

    def steady(self) -> Center:
        """Return a center that has its busiest hour all the time."""
        return replace(self, day=FLAT, week=(1.0,) * 7)


def erlang_center(rate: float, handle: float, agents: int, patience: float | None) -> Center:
    """Return the center of M/M/N+M: ``rate`` calls a second, the arguments of `erlang.erlang_a`."""
    queue = Queue(name="erlang", group="all", calls_per_hour=rate * 3600, handle=handle, patience=patience)
    return Center(queues=(queue,), groups=(Group(name="all", agents=agents),))


NAMES = ("ventas", "reservas", "soporte", "averías", "facturación")
_ENTRY_POINTS = ("web", "tienda", "900 100 100", "app", "factura")
_GROUPS = ("comercial", "comercial", "técnico", "técnico", "administración")


def demo_center(names: tuple[str, ...] = NAMES, busiest: float = 150.0) -> Center:
    """Return a lively center: a day that rises and falls, shared agents, holds, transfers and customers who come back.

    ``busiest`` is the calls an hour of the first queue at the busiest hour; further queues have fewer. Agents are scarce: of 100
    who call, about 8 give up in the busiest hour and 12 over a week; of twice as many calls and agents 6 and 11.
    """
    queues = tuple(
        Queue(
            name=name,
            group=_GROUPS[index % 5],
            calls_per_hour=busiest / (1 + 0.25 * (index % 5)),
            handle=(200.0, 150.0, 330.0, 280.0, 240.0)[index % 5],
            patience=(120.0, 90.0, 240.0, 180.0, 150.0)[index % 5],
            wrap_up=25.0,
            level="2" if index % 5 == 3 else "1",
            entry_point=_ENTRY_POINTS[index % 5],
        )
        for index, name in enumerate(names)
    )
    callers = Callers(
        held=0.18,
        transferred=0.07,
        unresolved=0.08,
        anonymous=0.06,
        flowed_out=0.15,
        return_resolved=0.08,
        return_unresolved=0.45,
        breaks=0.02,
        attributes=True,
    )
    again = tuple(
        replace(queue, calls_per_hour=1.04 * queue.calls_per_hour) for queue in queues
    )  # transfers and returns
    return Center(
        queues=queues, groups=staffed(again), callers=callers, time_zone="Europe/Madrid", day=OFFICE, week=WEEK
    )


def with_all_channels(center: Center) -> Center:
    """Return the same center with chats and tickets beside its calls, six written contacts to ten calls."""
    calls = sum(queue.calls_per_hour for queue in center.queues)
    desks = tuple(
        Desk(name=name, channel=channel, crew=crew, contacts_per_hour=share * calls, handle=handle)
        for name, channel, crew, share, handle in _DESKS
    )
    loads = {
        crew: sum(desk.contacts_per_hour * desk.handle / 3600 for desk in desks if desk.crew == crew)
        for crew in _AT_ONCE
    }
    crews = tuple(
        Crew(name=name, agents=ceil(_LOOKS[name] * on_duty(load) / at_once), least=int(at_once > 1), at_once=at_once)
        for (name, at_once), load in zip(_AT_ONCE.items(), loads.values(), strict=True)
    )
    return replace(center, desks=desks, crews=crews)


_DESKS = (
    ("chat ventas", "chat", "chat", 0.12, 420.0),
    ("chat soporte", "chat", "chat", 0.10, 600.0),
    ("correo", "email", "escrito", 0.14, 200.0),
    ("formulario", "web", "escrito", 0.06, 180.0),
    ("redes", "social", "escrito", 0.06, 90.0),
    ("whatsapp", "whatsapp", "escrito", 0.12, 100.0),
)
"""Name, channel, crew, contacts to a call, and seconds of handling."""
_AT_ONCE = {"chat": 3, "escrito": 1}
_LOOKS = {"chat": 1.1, "escrito": 2.1}
"""How often a contact is handled: chats come back from another queue, tickets are looked at once more after each reply."""


def staffed(queues: tuple[Queue, ...]) -> tuple[Group, ...]:
    """Return the groups of the queues with agents by the square-root rule: offered load plus what keeps waits short.

    >>> staffed((Queue(name="a", group="all", calls_per_hour=60, handle=240.0),))
    (Group(name='all', agents=5),)
    """
    loads: dict[str, float] = {}
    for queue in queues:
        loads[queue.group] = loads.get(queue.group, 0.0) + queue.calls_per_hour * (queue.handle + queue.wrap_up) / 3600
    return tuple(Group(name=name, agents=on_duty(load)) for name, load in loads.items())


def on_duty(load: float) -> int:
    """Return how many agents a load in Erlang asks for."""
    return max(1, ceil(load + 0.3 * sqrt(load)))
