"""First-contact resolution of weeks that are over for good: by hand, at their edges, as Prometheus gets it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Sample

from schemas.calls import CallAnswered, CallEnded, CallQueued
from schemas.events import encode
from streams.board.exporter import Exporter
from streams.board.view import View
from streams.engine.policy import DAY, MINUTE, SECOND, Days, Policy, QueuePolicy, Retention
from tests.board.rig import NOW, view_of
from tests.harness.traffic import Sent

MIDNIGHT = NOW - NOW % DAY
NEPAL = Days("Asia/Kathmandu").around(NOW - DAY)[0]
"""The midnight there before this hour of yesterday: a queue whose customers have a day to come back is settled until then."""


def call(queue: str, customer: str, at: int) -> Iterator[Sent]:
    """Yield a call that is resolved, at microseconds."""
    name = {"contact_id": f"{queue} {customer} {at}", "customer_id": customer}
    key, time = customer.encode(), at / SECOND
    yield key, encode(CallQueued(id=f"{at}q", time=time, queue=queue, **name))
    yield key, encode(CallAnswered(id=f"{at}a", time=time + 5, agent_id="ana", **name))
    yield key, encode(CallEnded(id=f"{at}e", time=time + 60, resolved=True, **name))


def view(retention: Retention) -> View:
    """Return a board that has seen calls at the edges of the settled weeks of two queues."""
    calls = [
        ("sales", "before all", MIDNIGHT - 42 * DAY - MINUTE),
        ("sales", "first of the weeks before", MIDNIGHT - 42 * DAY),
        ("sales", "last of the weeks before", MIDNIGHT - 14 * DAY - MINUTE),
        ("sales", "first of the week", MIDNIGHT - 14 * DAY),
        ("sales", "comes back", MIDNIGHT - 7 * DAY - MINUTE),
        ("sales", "after the week", MIDNIGHT - 7 * DAY),
        ("nepal", "two weeks before", NEPAL - 7 * DAY - MINUTE),
        ("nepal", "first", NEPAL - 7 * DAY),
        ("nepal", "last", NEPAL - MINUTE),
        ("nepal", "after", NEPAL),
        ("sales", "comes back", MIDNIGHT - 2 * DAY),
    ]
    sent = [event for one in sorted(calls, key=lambda one: one[2]) for event in call(*one)]
    nepal = QueuePolicy(time_zone="Asia/Kathmandu", return_window=DAY)
    queues = {"idle": QueuePolicy(), "nepal": nepal, "sales": QueuePolicy()}
    return view_of(sent, Policy(queues=queues, retention=retention))


def exported(of: View) -> dict[tuple[str, str], dict[str, float]]:
    """Return what is exported of settled weeks: by queue and window, the value of each part."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    stem = "contact_center_first_contact_resolution_"
    for family in Exporter(of).collect():
        samples: list[Sample] = family.samples
        for sample in samples:
            if sample.name.startswith(stem) and sample.labels.get("window", "").startswith("settled"):
                place = sample.labels["queue"], sample.labels["window"]
                found.setdefault(place, {})[sample.name.removeprefix(stem)] = sample.value
    return found


def test_settled_weeks_are_whole_days_of_the_queue_and_returns_within_w_count() -> None:
    """Sales: two calls in the week, of which one customer came back after five days; two in the weeks before. A queue without has no ratio."""
    nothing = {"numerator": 0, "denominator": 0}
    assert exported(view(Retention())) == {
        ("idle", "settled_week"): nothing,
        ("idle", "settled_weeks_before"): nothing,
        ("nepal", "settled_week"): {"ratio": 1, "numerator": 2, "denominator": 2},
        ("nepal", "settled_weeks_before"): {"ratio": 1, "numerator": 1, "denominator": 1},
        ("sales", "settled_week"): {"ratio": 0.5, "numerator": 1, "denominator": 2},
        ("sales", "settled_weeks_before"): {"ratio": 1, "numerator": 2, "denominator": 2},
    }


def test_of_weeks_whose_days_are_gone_nothing_is_told() -> None:
    """Days are kept for 39: the weeks before are incomplete, in either zone's count of days, but for the queue that is settled sooner."""
    kept = Retention(intervals=20 * DAY, days=39 * DAY)
    found = exported(view(kept))
    assert sorted(found) == [
        ("idle", "settled_week"), ("nepal", "settled_week"), ("nepal", "settled_weeks_before"), ("sales", "settled_week"),
    ]  # fmt: skip
    assert found["sales", "settled_week"] == {"ratio": 0.5, "numerator": 1, "denominator": 2}
