"""A year of incidents of a real company (UCI, "Incident management process enriched event log", CC BY 4.0), as our events.

The data is not part of the project: ``../shared/data/uci_incidents`` beside the repository, or the folder that ``CENTRALITA_REALDATA``
names. `FOUND` is False without it, and the tests that need it are skipped.

How the rows of a ticket, one an update, become events:

    opened_at          -> ticket.opened: channel = contact_type, queue = the first group, customer = caller, priority = that of the last row
    reassignment_count -> as many ticket.transferred as it grew, at the row's time
    state Resolved     -> ticket.resolved, each time: the last one is the file's resolved_at
    Resolved or Closed, then another state -> ticket.reopened
    Closed, and not resolved since it was opened -> ticket.resolved, by closing
    reassignment_count of that row -> its level: 1 where nobody had passed it on, else 2; the file has no other

- Updates of a minute keep the order of the file by microseconds. Five tickets have an update before they were opened: it is at the opening.
  The rows of one go back in time: its states are taken in the order of the file.
- 1,556 tickets have no resolved_at in their last row, though most have a state Resolved. They are told apart by ``platform``, since the known
  times are of the others.
- ``entry_point`` is the ticket's number where what was counted is to be looked at ticket by ticket.
"""

from __future__ import annotations

import csv
import lzma
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.events import Event, encode
from schemas.rows import Row
from schemas.tickets import TicketOpened, TicketReopened, TicketResolved, TicketTransferred
from tests.realdata.answers import parts, value

ROOT = Path(os.environ.get("CENTRALITA_REALDATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = ROOT / "uci_incidents" / "incident_event_log.csv.xz"
FOUND = FILE.exists()
WHY_SKIPPED = "the incidents are not here (set CENTRALITA_REALDATA to the folder that holds uci_incidents)"
TICKETS, REOPENS, REOPENED, REASSIGNMENTS, FIRST_CONTACT, UNSTATED = 24_918, 331, 275, 23_414, 13_487, 1_556
NOT_REASSIGNED = 13_549
MEAN_MINUTES, MEDIAN_MINUTES = 10_690.2949, 1_326
BY_PRIORITY = {"1 - Critical": 0.4148, "2 - High": 0.3725, "3 - Moderate": 0.5430, "4 - Low": 0.6202}
"""Share resolved on first contact: neither reassigned nor reopened."""
_DONE = ("Resolved", "Closed")
_NOTHING = "?"


class Ticket(NamedTuple):
    """A ticket's rows in the order of the file, and what the last one says."""

    number: str
    rows: list[dict[str, str]]

    @property
    def last(self) -> dict[str, str]:
        """Return the last row, which has the answers."""
        return self.rows[-1]

    @property
    def opened(self) -> datetime:
        """Return when it was opened."""
        return moment(self.last["opened_at"])

    @property
    def resolved(self) -> datetime | None:
        """Return when the file says that it was resolved."""
        return None if self.last["resolved_at"] == _NOTHING else moment(self.last["resolved_at"])

    @property
    def customer(self) -> str | None:
        """Return who called, where that is said."""
        return None if self.last["caller_id"] == _NOTHING else self.last["caller_id"]


def moment(text: str) -> datetime:
    """Return a time of the file; its zone is not known, so it is taken for UTC."""
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)


@cache
def tickets() -> list[Ticket]:
    """Return all tickets in the order of their numbers."""
    found: dict[str, list[dict[str, str]]] = {}
    with lzma.open(FILE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["number"], []).append(row)
    return [Ticket(number, rows) for number, rows in found.items()]


def events(ticket: Ticket, customer: str | None, entry_point: str | None = None) -> Iterator[Event]:
    """Yield the events of a ticket, in order."""
    made = 0

    def common(row: dict[str, str]) -> dict[str, object]:
        nonlocal made
        made += 1
        time = max(moment(row["sys_updated_at"]), ticket.opened) + timedelta(microseconds=made)
        return {"id": f"{ticket.number}.{made}", "time": time, "contact_id": ticket.number, "customer_id": customer}

    first = ticket.rows[0]
    yield TicketOpened(
        id=f"{ticket.number}.0", time=ticket.opened, contact_id=ticket.number, customer_id=customer, queue=_group(first),
        channel=first["contact_type"].lower(), priority=ticket.last["priority"], entry_point=entry_point,
        platform="unstated" if ticket.resolved is None else "stated",
    )  # fmt: skip
    yield from (TicketTransferred(**common(first)) for _ in range(int(first["reassignment_count"])))  # type: ignore[arg-type]
    resolved = False
    for before, row in pairwise([None, *ticket.rows]):
        assert row is not None
        state = row["incident_state"]
        if before is not None:
            for _ in range(int(row["reassignment_count"]) - int(before["reassignment_count"])):
                to = _group(row) if _group(row) != _group(before) else None
                yield TicketTransferred(**common(row), to_queue=to)  # type: ignore[arg-type]
            if before["incident_state"] in _DONE and state not in _DONE:
                resolved = False
                yield TicketReopened(**common(row))  # type: ignore[arg-type]
        if state == "Resolved" or (state == "Closed" and not resolved):
            resolved = True
            level = 1 if row["reassignment_count"] == "0" else 2
            yield TicketResolved(**common(row), agent_id=_agent(row), level=level)  # type: ignore[arg-type]


def write(path: Path, *, own_customer: bool = False) -> int:
    """Write all events in the order of time, one JSON a line, and return how many; each ticket of a customer of its own, or of its caller."""
    every = [
        event
        for ticket in tickets()
        for event in events(ticket, f"of {ticket.number}" if own_customer else ticket.customer)
    ]
    every.sort(key=lambda event: event.time_us)
    path.write_bytes(b"".join(encode(event) + b"\n" for event in every))
    return len(every)


def assert_known(total: Row) -> None:
    """Assert that the figures of the whole year are the known answers, where each ticket is of a customer of its own."""
    assert [value(total, kpi) for kpi in ("opened", "transfers", "waiting")] == [TICKETS, REASSIGNMENTS, 0]
    assert total.kpis["reopen_rate"].numerator == REOPENS
    assert parts(total, "resolution_rate") == (TICKETS, TICKETS)
    for kpi in ("first_contact_resolution", "first_contact_resolution_1d", "first_contact_resolution_30d"):
        assert parts(total, kpi) == (FIRST_CONTACT, TICKETS)


def assert_times(by_platform: list[Row]) -> None:
    """Assert mean and median of the tickets whose row says when they were resolved."""
    (stated,) = [row for row in by_platform if row.value == "stated"]
    assert stated.kpis["full_resolution_time"].denominator == TICKETS - UNSTATED
    assert value(stated, "full_resolution_time") / 60 == pytest.approx(MEAN_MINUTES, abs=0.00005)
    assert value(stated, "full_resolution_time_p50") / 60 == pytest.approx(MEDIAN_MINUTES, rel=0.01)


def assert_levels(by_level: list[Row]) -> None:
    """Assert how many tickets were resolved for good by those they came to, and that shares are of all resolutions."""
    *levels, total = by_level
    resolved = {row.value: row.kpis["full_resolution_time"].denominator for row in levels}
    assert resolved == {"1": NOT_REASSIGNED, "2": TICKETS - NOT_REASSIGNED}
    resolutions = value(total, "resolutions")
    assert [parts(row, "level_share") for row in levels] == [(value(row, "resolutions"), resolutions) for row in levels]
    assert sum(value(row, "level_share") for row in levels) == pytest.approx(1)


def _group(row: dict[str, str]) -> str:
    return row["assignment_group"] if row["assignment_group"] != _NOTHING else "no group"


def _agent(row: dict[str, str]) -> str | None:
    return row["resolved_by"] if row["resolved_by"] != _NOTHING else None
