"""What networks and senders do to a stream: duplicates, disorder, losses and garbage, in known shares and with a tally.

The stage has chance of its own, so the events beneath are the same whatever is done to them. A duplicate and an event out of order come
at most ``Faults.delay`` seconds late. Garbage is added beside the good events, never instead of one, and each piece is refused
for a reason that is known beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

import msgspec
from msgspec import Struct

from schemas.dead_letters import Reason
from streams.simulate.timed import SECOND, Sent


class Faults(Struct, frozen=True, kw_only=True):
    """Shares of the events, each between 0 and 1."""

    duplicates: float = 0.0
    disorder: float = 0.0
    losses: float = 0.0
    garbage: float = 0.0
    delay: float = 60.0
    """Seconds by which a duplicate or an event out of order comes late at most."""

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.disorder or self.losses or self.garbage)


@dataclass(slots=True)
class Tally:
    """What became of the stream: ``sent`` = ``events`` - ``lost`` + ``duplicated`` + garbage."""

    events: int = 0
    sent: int = 0
    lost: int = 0
    duplicated: int = 0
    delayed: int = 0
    garbage: Counter[Reason] = field(default_factory=Counter)


def broken(stream: Iterator[Sent], faults: Faults, seed: int | str, tally: Tally) -> Iterator[Sent]:
    """Yield the stream with faults, in the order of sending; ``tally`` is up to date after each item."""
    random = Random(f"faults {seed}")  # noqa: S311 - faults, no secrets
    late: list[tuple[int, int, Sent]] = []
    for number, sent in enumerate(stream):
        while late and late[0][0] <= sent.time_us:
            tally.sent += 1
            yield heappop(late)[2]
        tally.events += 1
        for piece in _befall(sent, number, faults, random, tally):
            if piece.time_us > sent.time_us:
                heappush(late, (piece.time_us, len(late) + number * 4, piece))
            else:
                tally.sent += 1
                yield piece
    while late:
        tally.sent += 1
        yield heappop(late)[2]


def _befall(sent: Sent, number: int, faults: Faults, random: Random, tally: Tally) -> Iterator[Sent]:
    """Yield what is sent instead of one event, each with the time of its sending."""
    if random.random() < faults.garbage:
        reason, value = spoiled(sent.value, number, random)
        tally.garbage[reason] += 1
        yield Sent(sent.time_us, sent.key, value)
    if random.random() < faults.losses:
        tally.lost += 1
        return
    if random.random() < faults.disorder:
        tally.delayed += 1
        yield _later(sent, faults, random)
    else:
        yield sent
    if random.random() < faults.duplicates:
        tally.duplicated += 1
        yield sent if random.random() < 0.5 else _later(sent, faults, random)


def _later(sent: Sent, faults: Faults, random: Random) -> Sent:
    return sent._replace(time_us=sent.time_us + 1 + int(random.random() * faults.delay * SECOND))


def spoiled(value: bytes, number: int, random: Random) -> tuple[Reason, bytes]:
    """Return one of ten kinds of garbage made of a good event, and the reason for which it is refused.

    ``number`` becomes part of its id, so that no garbage is taken for a duplicate.
    """
    kind = int(random.random() * 10)
    if kind == 0:
        return Reason.UNDECODABLE, value[: random.randrange(1, len(value))]
    if kind == 1:
        return Reason.UNDECODABLE, value.replace(b'"id":"', b'"id":"\xff\xfe', 1)
    if kind == 2:
        return Reason.UNDECODABLE, b"-- not an event %d --" % number
    good = msgspec.json.decode(value)
    good["id"] = f"{good['id']}-garbage-{number}"
    reason, changes = _CHANGES[kind - 3]
    spoilt = {name: item for name, item in (good | changes).items() if item is not _GONE}
    return reason, msgspec.json.encode(spoilt)


_GONE = object()
_LOST_CALL = {"type": "call.abandoned", "contact_id": "garbage", "queue": "garbage"}
_CHANGES: tuple[tuple[Reason, dict[str, object]], ...] = (
    (Reason.UNKNOWN_TYPE, {"type": "call.teleported"}),
    (Reason.UNKNOWN_TYPE, {"type": 7}),
    (Reason.NEGATIVE_DURATION, _LOST_CALL | {"wait_seconds": -3.5}),
    (Reason.INVALID, {"time": _GONE}),
    (Reason.INVALID, {"time": "2026-03-02T09:00:00"}),
    (Reason.INVALID, {"id": 12}),
    (Reason.INVALID, {"id": ""}),
)
