"""Faults come in the shares asked for, and the tally tells exactly what was done."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from schemas.dead_letters import Reason, RefusedError
from schemas.events import decode, negative_duration
from streams.simulate.center import demo_center
from streams.simulate.faults import Faults, Tally, broken
from streams.simulate.timed import SECOND, Sent, encoded
from streams.simulate.traffic import events

MANY = Faults(duplicates=0.05, disorder=0.1, losses=0.02, garbage=0.05, delay=30.0)


def _stream(count: int = 20_000) -> list[Sent]:
    return list(islice(encoded(events(demo_center(), 9)), count))


def _refusal(value: bytes) -> Reason | None:
    try:
        event = decode(value)
    except RefusedError as error:
        return error.reason
    return Reason.NEGATIVE_DURATION if negative_duration(event) else None


def test_no_faults_change_nothing() -> None:
    """All shares at zero hand the stream through."""
    good = _stream(2_000)
    assert list(broken(iter(good), Faults(), 1, Tally())) == good
    assert not Faults()


def test_the_tally_is_exact() -> None:
    """Of the sent: garbage is refused for the reasons told, the rest is the stream less the lost plus the duplicates."""
    good, tally = _stream(), Tally()
    sent = list(broken(iter(good), MANY, 1, tally))
    refusals = Counter(reason for one in sent if (reason := _refusal(one.value)))
    assert refusals == tally.garbage
    assert set(tally.garbage) == {
        Reason.UNDECODABLE,
        Reason.UNKNOWN_TYPE,
        Reason.NEGATIVE_DURATION,
        Reason.INVALID,
    }
    copies = Counter(one.value for one in sent if not _refusal(one.value))
    assert sum(copies.values()) == len(good) - tally.lost + tally.duplicated
    assert len(sent) == tally.sent == len(good) - tally.lost + tally.duplicated + tally.garbage.total()
    assert {one.value for one in good} >= set(copies)


@pytest.mark.parametrize("name", ["duplicates", "disorder", "losses", "garbage"])
def test_shares_are_met(name: str) -> None:
    """A share of 10 % of 20,000 events is 2,000 within five standard deviations."""
    tally = Tally()
    list(broken(iter(_stream()), Faults(**{name: 0.1}), 2, tally))
    seen = {
        "duplicates": tally.duplicated,
        "disorder": tally.delayed,
        "losses": tally.lost,
        "garbage": tally.garbage.total(),
    }
    assert seen.pop(name) == pytest.approx(2_000, abs=5 * 42.4)
    assert not any(seen.values())


def test_disorder_is_bounded_and_sent_in_order_of_sending() -> None:
    """The times of sending rise; none is later than the event by more than the delay."""
    sent = list(broken(iter(_stream()), MANY, 3, Tally()))
    assert [one.time_us for one in sent] == sorted(one.time_us for one in sent)
    late = [one.time_us - decode(one.value).time_us for one in sent if not _refusal(one.value)]
    assert min(late) == 0 < max(late) <= 30 * SECOND + 1
