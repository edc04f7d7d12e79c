"""A bank's call center in January 1999, call by call, as our events (Technion SEELab; Brown et al., JASA 100:36-50).

The data is not part of the project: ``../shared/data/anonymous_bank_1999`` beside the repository, or the folder that
``CENTRALITA_REALDATA`` names. `FOUND` is False without it, and the tests that need it are skipped.

How a row becomes events, so that the known answers come out to the last digit:

    row      vru_entry -- vru_exit = q_start ----- q_exit .. ser_start ------- ser_exit
    events                         call.queued --- call.answered ------------- call.ended      outcome AGENT
                                   call.queued --- call.abandoned                              outcome HANG

- A call that did not queue (q_start 0:00:00) is queued at vru_exit and answered or abandoned in the same second: wait 0.
- The wait is q_time, the service ser_time, each counted from the event before: ser_start is usually a second or two before
  q_exit, so ending at ser_exit would give other sums. 83 HANG rows state a service; it is left out, they were abandoned.
- PHANTOM rows are ignored. A clock time of more than twelve hours before vru_entry is of the next day (a negative vru_time,
  32 rows, is of the same day). Local time is Asia/Jerusalem: no change of the clocks in January.
- call_id repeats between lines, so the contact is line and call_id together. customer_id 0 is nobody.
- The queue is the type of service (PS, NW, NE, IN, PE, TT, and AA twice), the agent is the server.

What the known answers count, found by trying every population and definition:

- "share that queued .185844" is 3,101 / 16,686: of the calls that queued, those abandoned.
- "no other call within 7 days 3,737 of 9,606": of the answered calls (AGENT) with a customer that started before 25 January (so that
  seven days of data follow), those whose customer made no *later* call, answered or abandoned, that started at most seven days
  after this one *started*. Among answered calls alone it would be 3,855, and counting the window from the call's *end*
  3,734: three customers came back seven days and less than a call's length later.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import Event, encode

ROOT = Path(os.environ.get("CENTRALITA_REALDATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = ROOT / "anonymous_bank_1999" / "january1999.txt.gz"
FOUND = FILE.exists()
WHY_SKIPPED = "the bank's data is not here (set CENTRALITA_REALDATA to the folder that holds anonymous_bank_1999)"
ZONE = "Asia/Jerusalem"

_HALF_A_DAY = timedelta(hours=12)
_Ordered = tuple[datetime, int, int, Event]


class Call(NamedTuple):
    """A row, its times made whole: ``wait`` and ``service`` in seconds."""

    contact_id: str
    customer_id: str | None
    priority: str
    queue: str
    start: datetime
    wait: int
    answered: bool
    service: int
    agent_id: str
    queued: bool


def rows() -> Iterator[dict[str, str]]:
    """Yield the file's rows as they are, PHANTOM included."""
    with gzip.open(FILE, "rt", encoding="ascii", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def calls() -> Iterator[Call]:
    """Yield the calls in the order of the file, PHANTOM left out."""
    for row in rows():
        if row["outcome"] != "PHANTOM":
            yield _call(row)


def events() -> list[Event]:
    """Return the events of all calls in the order of their times (31,359 calls, 89,778 events)."""
    ordered = sorted(
        (item for number, call in enumerate(calls()) for item in _events(number, call)), key=lambda item: item[:3]
    )
    return [event for *_, event in ordered]


def write(path: Path) -> int:
    """Write the events as NDJSON and return how many they are."""
    lines = [encode(event) for event in events()]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return len(lines)


def _call(row: dict[str, str]) -> Call:
    queued = row["q_start"] != "0:00:00"
    return Call(
        contact_id=f"{row['vru+line']}-{row['call_id']}",
        customer_id=row["customer_id"] if row["customer_id"] != "0" else None,
        priority=row["priority"],
        queue=row["type"],
        start=_moment(row, "q_start" if queued else "vru_exit"),
        wait=int(row["q_time"]),
        answered=row["outcome"] == "AGENT",
        service=int(row["ser_time"]),
        agent_id=row["server"],
        queued=queued,
    )


def _moment(row: dict[str, str], field: str) -> datetime:
    """Return the clock time of a field on the row's day, or on the next when the call crossed midnight."""
    entry, moment = (_clock(row["date"], row[name]) for name in ("vru_entry", field))
    return moment + timedelta(days=1) if moment < entry - _HALF_A_DAY else moment


def _clock(date: str, clock: str) -> datetime:
    return datetime.strptime(f"{date} {clock}", "%y%m%d %H:%M:%S").replace(tzinfo=ZoneInfo(ZONE))


def _events(number: int, call: Call) -> Iterator[_Ordered]:
    decided = call.start + timedelta(seconds=call.wait)
    contact, customer = call.contact_id, call.customer_id
    yield (
        call.start,
        number,
        0,
        CallQueued(
            id=f"{contact}-queued",
            time=call.start,
            contact_id=contact,
            customer_id=customer,
            queue=call.queue,
            priority=call.priority,
        ),
    )
    if not call.answered:
        yield (
            decided,
            number,
            1,
            CallAbandoned(id=f"{contact}-abandoned", time=decided, contact_id=contact, customer_id=customer),
        )
        return
    yield (
        decided,
        number,
        1,
        CallAnswered(
            id=f"{contact}-answered", time=decided, contact_id=contact, customer_id=customer, agent_id=call.agent_id
        ),
    )
    ended = decided + timedelta(seconds=call.service)
    yield (
        ended,
        number,
        2,
        CallEnded(id=f"{contact}-ended", time=ended, contact_id=contact, customer_id=customer, agent_id=call.agent_id),
    )
