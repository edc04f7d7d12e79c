"""Good events survive the wire, bad ones are refused with the reason, the field, the value seen and what was expected."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.business import CostAccrued
from schemas.calls import CallAnswered, CallFlowedOut, CallQueued
from schemas.chats import ChatFlowedOut
from schemas.dead_letters import Reason, RefusedError
from schemas.events import EVENT_TYPES, LARGEST_EVENT, Event, contradiction, decode, encode, negative_duration
from schemas.opinions import FeedbackReceived, SurveyAnswered

QUEUED = {"type": "call.queued", "id": "e1", "time": "2026-03-02T09:00:00Z", "contact_id": "c1", "queue": "sales"}
ANSWERED = {"type": "call.answered", "id": "e2", "time": 1.5, "contact_id": "c1", "agent_id": "ana"}
STATE = {"type": "agent.state_changed", "id": "s", "time": 0, "agent_id": "ana", "state": "busy"}
MISSING = object()


def _bytes(event: dict[str, object], **changes: object) -> bytes:
    changed = {name: value for name, value in (event | changes).items() if value is not MISSING}
    return json.dumps(changed).encode()


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (b"", Reason.UNDECODABLE, ["not JSON"]),
        (b"{", Reason.UNDECODABLE, ["not JSON"]),
        (b"nonsense", Reason.UNDECODABLE, ["not JSON"]),
        (_bytes(QUEUED) + b"x", Reason.UNDECODABLE, ["not JSON"]),
        (_bytes(QUEUED).replace(b"sales", b"\xff\xfe"), Reason.UNDECODABLE, ["not JSON"]),
        (b"[" * 100_000, Reason.UNDECODABLE, ["128 levels"]),
        (b"[]", Reason.INVALID, ["record", "list"]),
        (b"null", Reason.INVALID, ["record"]),
        (b"7", Reason.INVALID, ["record"]),
        (_bytes(QUEUED, type="call.teleported"), Reason.UNKNOWN_TYPE, ["type", "call.teleported", "call.queued"]),
        (_bytes(QUEUED, type=MISSING), Reason.UNKNOWN_TYPE, ["type", "nothing", "call.queued"]),
        (_bytes(QUEUED, type=7), Reason.UNKNOWN_TYPE, ["type", "7", "call.queued"]),
        (_bytes(QUEUED, queue=MISSING), Reason.INVALID, ["queue", "nothing", "required"]),
        (_bytes(QUEUED, queue=""), Reason.INVALID, ["queue", "''", ">= 1"]),
        (_bytes(QUEUED, queue="q" * 129), Reason.INVALID, ["queue", "qqq", "128"]),
        (_bytes(QUEUED, queue=["sales"]), Reason.INVALID, ["queue", "['sales']", "str"]),
        (_bytes(QUEUED, callback="yes"), Reason.INVALID, ["callback", "'yes'", "bool"]),
        (_bytes(QUEUED, time=MISSING), Reason.INVALID, ["time", "nothing", "required"]),
        (_bytes(QUEUED, time="2026-03-02T09:00:00"), Reason.INVALID, ["time", "2026-03-02T09:00:00", "timezone"]),
        (_bytes(QUEUED, time="today"), Reason.INVALID, ["time", "'today'", "RFC3339"]),
        (_bytes(QUEUED, time="2026-02-30T09:00:00Z"), Reason.INVALID, ["time", "2026-02-30"]),
        (
            _bytes(QUEUED, time=1_772_438_400_000),
            Reason.INVALID,
            ["time", "1772438400000", "expected seconds", "milliseconds"],
        ),
        (_bytes(QUEUED, time=True), Reason.INVALID, ["time", "True"]),
        (_bytes(ANSWERED, wait_seconds="3"), Reason.INVALID, ["wait_seconds", "'3'", "float"]),
        (_bytes(ANSWERED, wait_seconds=1e12), Reason.INVALID, ["wait_seconds", "1000000000000.0", "<="]),
        (_bytes(STATE, state="asleep"), Reason.INVALID, ["state", "'asleep'"]),
        (_bytes(STATE, queues=["a", ""]), Reason.INVALID, ["queues", "['a', '']"]),
        (_bytes(STATE, queues=["q"] * 257), Reason.INVALID, ["queues", "256"]),
        (_bytes(QUEUED, extra="x" * LARGEST_EVENT), Reason.TOO_LARGE, ["record", str(LARGEST_EVENT)]),
    ],
)
def test_a_bad_event_is_refused_with_what_is_wrong(data: bytes, reason: Reason, told: list[str]) -> None:
    """Field, value seen and expectation are in the message."""
    with pytest.raises(RefusedError) as caught:
        decode(data)
    assert caught.value.reason is reason
    assert all(part in str(caught.value) for part in told), str(caught.value)


@pytest.mark.parametrize("field", ["customer_id", "contact_id", "id"])
def test_a_personal_value_is_named_and_not_shown(field: str) -> None:
    """A telephone number in the wrong shape does not end up in headers and logs."""
    with pytest.raises(RefusedError) as caught:
        decode(_bytes(QUEUED, **{field: ["+34600111222"]}))
    assert caught.value.reason is Reason.INVALID
    assert field in str(caught.value)
    assert "600111222" not in str(caught.value)


@pytest.mark.parametrize("field", ["wait_seconds", "ring_seconds"])
def test_a_negative_duration_is_told(field: str) -> None:
    """It decodes, so that it can be refused with a reason of its own."""
    assert negative_duration(decode(_bytes(ANSWERED, **{field: -0.5}))) == f"{field}: seen -0.5, expected 0 or more"
    assert negative_duration(decode(_bytes(ANSWERED, **{field: 0}))) is None


SURVEY = {"type": "survey.answered", "id": "o", "time": 0, "contact_id": "c", "kind": "csat", "value": 4}
COST = {"type": "cost.accrued", "id": "o", "time": 0, "amount": "0.1", "currency": "EUR"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_bytes(COST), None),
        (_bytes(COST, amount=-12.3), None),
        (_bytes(COST, amount="0.1234567"), "amount: seen 0.1234567, expected at most 6 decimals"),
        (_bytes(COST, amount="NaN"), "amount: seen NaN"),
        (_bytes(COST, amount="1e400"), "amount: seen 1E+400"),
        (_bytes(COST, amount="1000000000000"), "amount: seen 1000000000000"),
        (_bytes(COST, period_start=1), "period_start, period_end: seen one of them"),
        (_bytes(COST, period_start=1, period_end=1), "period_end: seen 0 s after period_start"),
        (_bytes(COST, period_start=0, period_end=367 * 86_400), "at most 366 days"),
        (_bytes(SURVEY, value=6), "value: seen 6, expected 1 to 5"),
        (_bytes(SURVEY, value=6, scale_max=7), None),
        (_bytes(SURVEY, scale_min=5), "scale_max: seen 5 with scale_min 5"),
        (_bytes(SURVEY, contact_id=MISSING), "contact_id: seen nothing"),
        (_bytes(SURVEY, contact_id=MISSING, kind="enps"), None),
    ],
)
def test_fields_that_do_not_go_together_are_told(data: bytes, told: str | None) -> None:
    """Amounts that have no exact figure, answers outside their scale, periods that end before they begin."""
    found = contradiction(decode(data))
    assert (found is None) == (told is None)
    assert told is None or told in str(found)


def test_an_amount_is_exact_as_text_and_as_a_number() -> None:
    """No digit is lost on the way through a binary fraction."""
    for amount in ("0.1", "19.90", "999999999999.999999"):
        event = decode(_bytes(COST).replace(b'"0.1"', amount.encode()))
        assert decode(encode(event)) == event
        assert isinstance(event, CostAccrued)
        assert str(event.amount) == amount


def test_unknown_fields_are_ignored_and_null_is_absent() -> None:
    """Senders may be ahead of us."""
    more = {"customer_id": None, "more": {"deep": [1, {"x": None}]}, "wait_second": -1}
    assert decode(_bytes(QUEUED, **more)) == decode(_bytes(QUEUED))


def test_the_last_of_two_equal_keys_holds() -> None:
    """As in most of JSON's readers."""
    event = decode(_bytes(QUEUED)[:-1] + b', "queue": "support"}')
    assert isinstance(event, CallQueued)
    assert event.queue == "support"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1969-12-31T19:00:00.5-05:00", 500_000),
        (1, 1_000_000),
        (1772438400.25, 1_772_438_400_250_000),
        (-0.5, -500_000),
    ],
)
def test_times_as_text_or_seconds(time: object, expected: int) -> None:
    """Both forms give the same microseconds."""
    assert decode(_bytes(QUEUED, time=time)).time_us == expected


_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
_SECONDS = st.floats(0, 1e6) | st.none()
_MOMENTS = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)


def _events() -> st.SearchStrategy[Event]:
    overrides = {"id": _NAMES, "time": _MOMENTS, "contact_id": _NAMES, "agent_id": _NAMES, "queue": _NAMES}
    overrides |= {"customer_id": _NAMES}
    optional = {"source": _NAMES | st.none()}
    durations = {"wait_seconds": _SECONDS, "ring_seconds": _SECONDS}

    def of(kind: type[Event]) -> st.SearchStrategy[Event]:
        given_fields = {
            name: strategy
            for name, strategy in (overrides | optional | durations).items()
            if name in kind.__struct_fields__
        }
        choices = {
            "state": st.sampled_from(["available", "busy", "wrap_up", "paused", "offline"]),
            "queues": st.lists(_NAMES, max_size=3).map(tuple),
            "level": _NAMES | st.integers(-9, 9) | st.none(),
            "resolved": st.booleans() | st.none(),
            "author": st.sampled_from(["customer", "agent", "bot", "system"]),
            "value": st.floats(-1e6, 1e6),
            "amount": st.decimals(-(10**9), 10**9, places=6),
            "currency": st.sampled_from(["EUR", "USD"]),
            "channel": _NAMES,
        }
        if kind in (CallFlowedOut, ChatFlowedOut):
            choices["reason"] = st.sampled_from(
                ["timeout", "voicemail", "callback", "overflow", "key", "empty", "error"]
            )
        if kind in (SurveyAnswered, FeedbackReceived):
            choices["kind"] = st.sampled_from(
                ["csat", "nps", "ces", "fcr", "enps"] if kind is SurveyAnswered else ["complaint"]
            )
        given_fields |= {name: choice for name, choice in choices.items() if name in kind.__struct_fields__}
        return st.builds(kind, **given_fields)

    return st.sampled_from(EVENT_TYPES).flatmap(of)


@given(_events())
def test_every_event_survives_the_wire(event: Event) -> None:
    """Decoding what was encoded gives an equal event, at the same microsecond."""
    again = decode(encode(event))
    assert again == event
    assert again.time_us == event.time_us


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_whatever_comes_is_an_event_or_refused(data: bytes) -> None:
    """No input raises anything else."""
    with pytest.raises(RefusedError):
        decode(data)


def test_defaults_are_left_out_on_the_wire() -> None:
    """An event costs only what it says."""
    event = CallAnswered(id="e", time=datetime(2026, 3, 2, tzinfo=UTC), contact_id="c", agent_id="a")
    assert encode(event) == (
        b'{"type":"call.answered","id":"e","time":"2026-03-02T00:00:00Z","contact_id":"c","agent_id":"a"}'
    )
