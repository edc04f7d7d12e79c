"""All events: one tagged union, one decoder, one way to say why a record is refused.

``decode`` takes about a microsecond for a good event. A bad one raises `RefusedError` with a reason of a closed set
and a message that names the field, the value seen and what was expected; personal fields are named, never shown.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from schemas.agents import AgentStateChanged
from schemas.business import BusinessEvent, CostAccrued, CustomerLost, CustomerRetained, SaleClosed
from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallEvent,
    CallFlowedOut,
    CallHeld,
    CallQueued,
    CallResumed,
    CallTransferred,
    CallWrappedUp,
)
from schemas.chats import (
    ChatAbandoned,
    ChatAnswered,
    ChatEnded,
    ChatEvent,
    ChatFlowedOut,
    ChatMessage,
    ChatStarted,
    ChatTransferred,
)
from schemas.dead_letters import Reason, RefusedError
from schemas.fields import DECIMALS, LARGEST_AMOUNT, LATEST, microseconds
from schemas.nesting import DEEPEST, is_too_deep
from schemas.opinions import FeedbackReceived, OpinionEvent, SurveyAnswered
from schemas.tickets import (
    TicketEvent,
    TicketOpened,
    TicketReopened,
    TicketReplied,
    TicketResolved,
    TicketTransferred,
)

Event = CallEvent | ChatEvent | TicketEvent | OpinionEvent | BusinessEvent | AgentStateChanged
EVENT_TYPES: tuple[type[Event], ...] = (
    CallQueued,
    CallAnswered,
    CallAbandoned,
    CallFlowedOut,
    CallHeld,
    CallResumed,
    CallTransferred,
    CallEnded,
    CallWrappedUp,
    ChatStarted,
    ChatAnswered,
    ChatMessage,
    ChatAbandoned,
    ChatFlowedOut,
    ChatTransferred,
    ChatEnded,
    TicketOpened,
    TicketReplied,
    TicketTransferred,
    TicketResolved,
    TicketReopened,
    SurveyAnswered,
    FeedbackReceived,
    SaleClosed,
    CustomerRetained,
    CustomerLost,
    CostAccrued,
    AgentStateChanged,
)
TYPE_NAMES: dict[type[Event], str] = {kind: str(kind.__struct_config__.tag) for kind in EVENT_TYPES}
LARGEST_EVENT = 1 << 20
"""Bytes. A larger record is refused (too_large)."""

TIMED = (CallAnswered, CallAbandoned, CallFlowedOut, ChatAnswered, ChatAbandoned, ChatFlowedOut)
"""Events that state durations."""
CHECKED = (SaleClosed, CostAccrued, SurveyAnswered)
"""Events whose fields can contradict each other."""
LONGEST_PERIOD = 366 * 86_400 * 1_000_000
"""Microseconds that a cost is spread over at most."""
_DURATIONS = ("wait_seconds", "ring_seconds")
_PERSONAL = frozenset(
    {"customer_id", "contact_id", "id", "agent_id", "from_agent", "to_agent", "reason", "disposition"}
)
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def decode(data: bytes) -> Event:
    """Decode one JSON event, or raise `RefusedError`."""
    if len(data) > LARGEST_EVENT:
        raise RefusedError(Reason.TOO_LARGE, f"record: seen {len(data)} bytes, expected at most {LARGEST_EVENT}")
    if is_too_deep(data):
        raise RefusedError(Reason.UNDECODABLE, f"record: seen more than {DEEPEST} levels, expected at most so many")
    try:
        event: Event = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise explain(data, error) from None
    return event


def encode(event: Event) -> bytes:
    """Encode one event as JSON, the fields at their defaults left out."""
    return _encoder.encode(event)


def negative_duration(event: Event) -> str | None:
    """Return what is wrong when the event states a negative duration, else None."""
    for field in _DURATIONS:
        seconds = getattr(event, field, None)
        if seconds is not None and seconds < 0:
            return f"{field}: seen {seconds}, expected 0 or more"
    return None


def contradiction(event: Event) -> str | None:
    """Return what is wrong when fields that are each right do not go together, or an amount has no exact figure; else None."""
    if isinstance(event, SaleClosed | CostAccrued):
        return _wrong_amount(event) or (_wrong_period(event) if isinstance(event, CostAccrued) else None)
    if isinstance(event, SurveyAnswered):
        return _wrong_answer(event)
    return None


def _wrong_amount(event: SaleClosed | CostAccrued) -> str | None:
    amount = event.amount
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or abs(amount) >= LARGEST_AMOUNT or amount != round(amount, DECIMALS):
        return f"amount: seen {str(amount)[:40]}, expected at most {DECIMALS} decimals and less than 10^12"
    return None


def _wrong_period(event: CostAccrued) -> str | None:
    if (event.period_start is None) != (event.period_end is None):
        return "period_start, period_end: seen one of them, expected both or none"
    if event.period_start is None or event.period_end is None:
        return None
    length = microseconds(event.period_end) - microseconds(event.period_start)
    if not 0 < length <= LONGEST_PERIOD:
        return f"period_end: seen {length / 1e6:g} s after period_start, expected more than 0 and at most 366 days"
    return None


def _wrong_answer(event: SurveyAnswered) -> str | None:
    low, high = scale_of(event)
    if event.contact_id is None and event.kind != "enps":
        return "contact_id: seen nothing, expected the contact that was asked about"
    if not low < high:
        return f"scale_max: seen {high:g} with scale_min {low:g}, expected a larger one"
    if not low <= event.value <= high:
        return f"value: seen {event.value:g}, expected {low:g} to {high:g}"
    return None


_SCALES: dict[str, tuple[float, float]] = {
    "csat": (1, 5),
    "nps": (0, 10),
    "ces": (1, 7),
    "fcr": (0, 1),
    "enps": (0, 10),
}


def scale_of(event: SurveyAnswered) -> tuple[float, float]:
    """Return the ends of the scale of an answer, the kind's usual ones where the event names none."""
    low, high = _SCALES[event.kind]
    return (
        low if event.scale_min is None else event.scale_min,
        high if event.scale_max is None else event.scale_max,
    )


def explain(data: bytes, error: Exception) -> RefusedError:
    """Return why ``data`` is no event, with the reason, the field, the value seen and what was expected."""
    text = _first_line(error)
    raw = _lenient(data)
    if raw is _NOT_JSON or not isinstance(error, msgspec.ValidationError):
        return RefusedError(Reason.UNDECODABLE, f"record: not JSON: {text}")
    path = _PATH.search(text)
    missing = _MISSING.search(text)
    field = missing[1] if missing else (path[1] if path else "")
    if field == "type":
        known = ", ".join(TYPE_NAMES.values())
        return RefusedError(Reason.UNKNOWN_TYPE, f"type: seen {_seen(raw, 'type')}, expected one of {known}")
    said = text[: path.start()] if path else text
    expected = "expected a value, the field is required" if missing else said[:1].lower() + said[1:]
    if str(LATEST) in said:
        expected = "expected seconds since 1970-01-01T00:00Z; these may be milliseconds"
    return RefusedError(Reason.INVALID, f"{field or 'record'}: seen {_seen(raw, field)}, {expected}")


_NOT_JSON = object()


def _lenient(data: bytes) -> Any:
    """Return the record as plain values with any number allowed, or `_NOT_JSON`."""
    try:
        return json.loads(data)
    except ValueError:
        return _NOT_JSON


def _seen(raw: Any, field: str) -> str:
    """Return the value at ``field``, short, or a mask when it could name a person."""
    name = re.split(r"[.\[]", field)[0]
    if not name:
        return f"JSON of type {type(raw).__name__}"
    if not isinstance(raw, dict) or name not in raw:
        return "nothing"
    if name in _PERSONAL:
        return f"a value that is not shown (personal, {type(raw[name]).__name__})"
    text = repr(raw[name])
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
