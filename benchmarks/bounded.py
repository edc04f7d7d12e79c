"""What an event costs when there are many before it: of one chat, of one ticket, of one customer.

chat:     messages of both sides, one a second; all are within the allowed lateness for as long as it goes on
ticket:   replies, transfers, resolutions and reopenings in turn, evenly over a year
bounced:  transfers of a ticket between two queues, one every two seconds, as two rules would that each undo what the other did
customer: calls, evenly over a year

A flush after every 50 events, as a worker would that commits while they come. The cost is that of the last tenth of the events; state is what the
records of the state topic hold at the end, and written what a flush wrote, both in bytes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import click

from benchmarks.report import Line, Section
from schemas.events import EVENT_TYPES, TYPE_NAMES, encode
from streams.engine.partition import Partition, Record
from streams.engine.policy import DAY, Policy

SIZES: Final = (10, 1_000, 10_000)
FLUSH: Final = 50
START: Final = 1_772_438_400
_KINDS: Final[dict[str, Any]] = {TYPE_NAMES[kind]: kind for kind in EVENT_TYPES}
_TICKET: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("ticket.replied", {"author": "agent", "agent_id": "ana"}),
    ("ticket.transferred", {"to_queue": "second"}),
    ("ticket.replied", {"author": "customer"}),
    ("ticket.resolved", {"agent_id": "eva", "level": 2}),
    ("ticket.reopened", {}),
    ("ticket.transferred", {"to_queue": "first"}),
)


def _chat(events: int) -> Iterator[tuple[float, str, dict[str, Any]]]:
    yield 0, "chat.started", {"queue": "web", "contact_id": "c"}
    for number in range(1, events):
        author = "agent" if number % 2 else "customer"
        yield number, "chat.message", {"contact_id": "c", "author": author, "agent_id": "ana"}


def _ticket(events: int) -> Iterator[tuple[float, str, dict[str, Any]]]:
    yield 0, "ticket.opened", {"queue": "first", "channel": "email", "contact_id": "c"}
    for number in range(1, events):
        kind, fields = _TICKET[number % len(_TICKET)]
        yield number * 365 * 86_400 / events, kind, {"contact_id": "c", **fields}


def _bounced(events: int) -> Iterator[tuple[float, str, dict[str, Any]]]:
    yield 0, "ticket.opened", {"queue": "first", "channel": "email", "contact_id": "c"}
    for number in range(1, events):
        yield 2 * number, "ticket.transferred", {"to_queue": "second" if number % 2 else "first", "contact_id": "c"}


def _customer(events: int) -> Iterator[tuple[float, str, dict[str, Any]]]:
    for number in range(0, events, 3):
        at, contact = number * 365 * 86_400 / events, f"c{number}"
        yield at, "call.queued", {"queue": "sales", "contact_id": contact}
        yield at + 5, "call.answered", {"agent_id": "ana", "contact_id": contact}
        yield at + 60, "call.ended", {"contact_id": contact, "reason": f"about {number % 7}"}


CASES: Final[dict[str, Callable[[int], Iterator[tuple[float, str, dict[str, Any]]]]]] = {
    "chat, by messages": _chat,
    "ticket, by updates in a year": _ticket,
    "ticket, by transfers within hours": _bounced,
    "customer, by events of calls in a year": _customer,
}


class Cost(NamedTuple):
    """Seconds of processor time an event takes at the end, bytes of state then, and bytes that a flush writes at the end."""

    event: float
    state: int
    written: float


def records(case: str, events: int) -> list[Record]:
    """Return the records of a case."""
    found = []
    for number, (seconds, kind, fields) in enumerate(CASES[case](events)):
        event = _KINDS[kind](id=str(number), time=START + seconds, **fields)
        found.append(Record(number, event.time_us, b"someone", encode(event)))
    return found


def cost(case: str, events: int, observe: Callable[[Any, str, Any], None] | None = None) -> Cost:
    """Return what the last tenth of the events of a case costs; ``observe`` is told of every call of a function in it."""
    taken = records(case, events)
    partition, state = Partition(0, Policy(), write_behind=True), {}
    last = max(1, events // 10)
    spent, written, flushes = 0.0, 0, 0
    for at in range(0, len(taken), FLUSH):
        some = taken[at : at + FLUSH]
        at_the_end = at + len(some) > len(taken) - last
        sys.setprofile(observe if at_the_end else None)
        began = time.process_time()
        partition.process(some)
        partition.advance(partition.watermark + DAY)
        changes = partition.flush()
        took = time.process_time() - began
        sys.setprofile(None)
        if at_the_end:
            spent += took / len(some)
            written += sum(len(value or b"") for _, value in changes.state)
            flushes += 1
        for key, value in changes.state:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return Cost(spent / flushes, sum(map(len, state.values())), written / flushes)


def measure(sizes: tuple[int, ...] = SIZES) -> Section:
    """Measure every case at every size."""
    lines = []
    for case in CASES:
        for size in sizes:
            found = cost(case, size)
            lines += [
                Line(f"{case}: {size:,}: an event", found.event * 1e6, "us"),
                Line(f"{case}: {size:,}: state", found.state, "bytes"),
                Line(f"{case}: {size:,}: written in a flush", found.written, "bytes"),
            ]
    notes = (f"flush every {FLUSH} events, the clock a day ahead; an event's cost has its share of the flush",)
    return Section("Bounded work, one core", lines, notes)


@click.command
def bounded() -> Section:
    """Measure what an event costs after 10, 1,000 and 10,000 of the same chat, ticket or customer.

    Example: python -m benchmarks bounded
    """
    return measure()
