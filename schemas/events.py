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
from schemas.dead_letters import Reason, RefusedError

Event = CallEvent | AgentStateChanged
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
    AgentStateChanged,
)
TYPE_NAMES: dict[type[Event], str] = {kind: str(kind.__struct_config__.tag) for kind in EVENT_TYPES}
LARGEST_EVENT = 1 << 20
"""Bytes. A larger record is refused (too_large)."""

TIMED = (CallAnswered, CallAbandoned, CallFlowedOut)
"""Events that state durations."""
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
    try:
        event: Event = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
    expected = "a value, the field is required" if missing else text[: path.start()] if path else text
    return RefusedError(Reason.INVALID, f"{field or 'record'}: seen {_seen(raw, field)}, wanted: {expected}")


_NOT_JSON = object()


def _lenient(data: bytes) -> Any:
    """Return the record as plain values with any number allowed, or `_NOT_JSON`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
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
