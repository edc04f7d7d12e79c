"""Tickets: `centralita report` gives the known answers of the UCI incidents, and what is counted of each ticket is what its own row says."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import structs

from schemas.panes import panes_of
from schemas.rows import Row
from streams.cli import group
from streams.engine.partition import Partition
from streams.engine.policy import DAY, EVERYTHING, MINUTE, Policy
from tests.engine.store import records
from tests.realdata import incidents
from tests.realdata.answers import parts

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not incidents.FOUND, reason=incidents.WHY_SKIPPED)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tickets, each of a customer of its own: nobody returns."""
    path = tmp_path_factory.mktemp("incidents") / "tickets.ndjson"
    incidents.write(path, own_customer=True)
    return path


def report(file: Path, *arguments: str) -> list[Row]:
    """Return the rows of a report."""
    result = CliRunner().invoke(group, ["report", str(file), "--format", "json", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]


def test_the_year(file: Path) -> None:
    """Mean 10,690.2949 minutes and median 1,326 of those whose row says when they were resolved; and all that is known of all."""
    *rows, total = report(file, "--by", "platform")
    incidents.assert_known(total)
    incidents.assert_times(rows)
    incidents.assert_levels(report(file, "--by", "level"))


def test_every_ticket() -> None:
    """Reopenings, reassignments and the minutes to its resolution, for each of them, are those of its last row."""
    policy = structs.replace(Policy(), lateness=4000 * DAY, retention=EVERYTHING)
    partition, found = Partition(0, policy), defaultdict[str, Counter[str]](Counter)
    tickets = incidents.tickets()
    every = [event for ticket in tickets for event in incidents.events(ticket, None, ticket.number)]
    partition.process(record._replace(timestamp_us=1 << 60) for record in records(every))
    for key, record in partition.flush().kpis:
        for (*_, breakdown, number), pane in panes_of(key, record or b"[]"):
            if breakdown == "entry_point":
                found[number].update(pane.measures)
    for ticket in tickets:
        counted, last = found[ticket.number], ticket.last
        assert counted["reopened"] == int(last["reopen_count"]), ticket.number
        assert counted["transfers"] == int(last["reassignment_count"]), ticket.number
        assert counted["opened"] == counted["resolved_written"] == 1, ticket.number
        if ticket.resolved is not None:
            minutes = (ticket.resolved - ticket.opened).total_seconds() // 60
            assert counted["resolution_full_us"] // MINUTE == minutes, ticket.number
    assert sum(counted["reopened"] > 0 for counted in found.values()) == incidents.REOPENED


def test_callers_who_return(tmp_path: Path) -> None:
    """Within 1, 7, 14 and 30 days at once, against a walk over the tickets of each caller."""
    path = tmp_path / "tickets.ndjson"
    incidents.write(path)
    (total,) = report(path)
    tickets = incidents.tickets()
    of_caller = defaultdict(list)
    for ticket in tickets:
        if ticket.customer is not None:
            of_caller[ticket.customer].append((ticket.opened, ticket.number))
    for days in (1, 7, 14, 30):
        resolved = alone = 0
        for ticket in tickets:
            if ticket.customer is None:
                continue
            resolved += 1
            own = ticket.opened, ticket.number
            back = any(
                own < other and (other[0] - own[0]).total_seconds() <= days * 86_400
                for other in of_caller[ticket.customer]
            )
            alone += not back and ticket.last["reassignment_count"] == ticket.last["reopen_count"] == "0"
        assert parts(total, f"first_contact_resolution_{days}d") == (alone, resolved), days
