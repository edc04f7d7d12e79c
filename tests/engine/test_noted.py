"""Every documented event is taken, once."""

from __future__ import annotations

from collections import Counter

import msgspec
from msgspec import structs

from schemas.events import TYPE_NAMES, decode, encode
from schemas.fields import MICROSECONDS
from streams.engine.partition import Partition, Record
from streams.engine.policy import DAY, Policy
from streams.sources.identity import Identity, Memory
from tests.schemas.test_documented import EXAMPLES


def test_every_documented_event_is_counted_once() -> None:
    """The counters tell each type as often as it happened, however often it was sent."""
    partition = Partition(0, structs.replace(Policy(), lateness=365 * DAY))
    events = [example.encode() for example in EXAMPLES]
    records = [
        Record(number, decode(event).time_us + MICROSECONDS, _key(event), event)
        for number, event in enumerate([*events, *events])
    ]
    assert partition.process(records) == []
    told = [msgspec.json.decode(value or b"") for key, value in partition.flush().kpis if b'"counters"' in key]
    counted: Counter[str] = Counter()
    for record in told:
        counted.update(record["events"])
    assert counted == Counter(TYPE_NAMES[type(decode(event))] for event in events)
    assert (partition.counted, partition.duplicate) == (len(events), len(events))
    assert all(decode(encode(decode(event))) == decode(event) for event in events)


def _key(event: bytes) -> bytes:
    return (Memory().key(msgspec.json.decode(event, type=Identity)) or "").encode()
