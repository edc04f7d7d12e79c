"""The loader of the bank's calls gives the known answers before any engine of ours has touched them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import decode, encode
from tests.realdata import bank

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not bank.FOUND, reason=bank.WHY_SKIPPED)]
WEEK = timedelta(days=7)


def _end(call: bank.Call) -> datetime:
    return call.start + timedelta(seconds=call.wait + (call.service if call.answered else 0))


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)


@pytest.fixture(scope="module")
def calls() -> list[bank.Call]:
    return list(bank.calls()) if bank.FOUND else []


def test_counts_of_outcomes(calls: list[bank.Call]) -> None:
    """31,599 rows are 27,060 answered, 4,299 abandoned and 240 phantoms; the rate is .13709."""
    answered = sum(call.answered for call in calls)
    assert (answered, len(calls) - answered, sum(1 for _ in bank.rows())) == (27_060, 4_299, 31_599)
    assert round(4_299 / len(calls), 5) == 0.13709


def test_waits_and_service(calls: list[bank.Call]) -> None:
    """Speed of answer with and without zero waits, wait of the abandoned, service, and answered within 20 s."""
    answered = [call for call in calls if call.answered]
    assert _mean([call.wait for call in answered]) == pytest.approx(35.028, abs=5e-4)
    assert _mean([call.wait for call in answered if call.queued]) == pytest.approx(69.7723, abs=5e-5)
    assert _mean([call.wait for call in calls if call.queued and not call.answered]) == pytest.approx(60.724, abs=5e-4)
    assert _mean([call.service for call in answered]) == pytest.approx(183.452, abs=5e-4)
    assert sum(call.wait <= 20 for call in answered) / len(calls) == pytest.approx(0.52304, abs=5e-6)


def test_the_figure_called_share_that_queued_is_the_abandoned_of_the_queued(calls: list[bank.Call]) -> None:
    """.185844 = 3,101 / 16,686."""
    queued = [call for call in calls if call.queued]
    assert (sum(not call.answered for call in queued), len(queued)) == (3_101, 16_686)
    assert round(3_101 / 16_686, 6) == 0.185844


@pytest.mark.parametrize(
    ("window_from", "expected"),
    [
        pytest.param(
            lambda call: call.start, 3_737, id="the known answer and first_contact_resolution: from the start"
        ),
        pytest.param(_end, 3_734, id="not so: from the end"),
    ],
)
def test_customers_who_did_not_call_again(
    calls: list[bank.Call], window_from: Callable[[bank.Call], datetime], expected: int
) -> None:
    """Of 9,606 answered calls before 25 January, those with no later call that began within a week."""
    begins = defaultdict(list)
    for call in calls:
        if call.customer_id:
            begins[call.customer_id].append((call.start, call.contact_id))
    january_25 = datetime(1999, 1, 25, tzinfo=calls[0].start.tzinfo)
    asked = [call for call in calls if call.answered and call.customer_id and call.start < january_25]
    last = [
        call
        for call in asked
        if not any(
            (call.start, call.contact_id) < other and other[0] <= window_from(call) + WEEK
            for other in begins[str(call.customer_id)]
        )
    ]
    assert (len(last), len(asked)) == (expected, 9_606)


def test_events_say_the_same_as_the_rows(calls: list[bank.Call]) -> None:
    """One stream in time order, ids unique, every event through the wire format, and the same sums."""
    events = [decode(encode(event)) for event in bank.events()]
    times = [event.time_us for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events) == 89_778
    start = {event.contact_id: event.time_us for event in events if isinstance(event, CallQueued)}
    answer = {event.contact_id: event.time_us for event in events if isinstance(event, CallAnswered)}
    end = {event.contact_id: event.time_us for event in events if isinstance(event, CallEnded)}
    assert (len(start), len(answer), len(end)) == (31_359, 27_060, 27_060)
    assert sum(isinstance(event, CallAbandoned) for event in events) == 4_299
    assert sum(answer[one] - start[one] for one in answer) == 1_000_000 * sum(one.wait for one in calls if one.answered)
    assert sum(end[one] - answer[one] for one in end) == 1_000_000 * sum(one.service for one in calls if one.answered)


def test_calls_cross_midnight(calls: list[bank.Call]) -> None:
    """A clock time just after midnight belongs to the next day; no call waits backwards."""
    across = [call for call in calls if _end(call).date() != call.start.date()]
    assert across
    assert all(timedelta(0) <= _end(call) - call.start < timedelta(hours=5) for call in calls)
