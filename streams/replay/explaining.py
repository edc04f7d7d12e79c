"""What stands behind a figure: the contacts in its numerator and denominator, their events, and what each adds.

The contacts of the queue's customers go through an engine of their own in which every contact's entry point is its own name. So the figures "by entry
point" are those by contact, whatever the figure is and however it is credited, from the same code; what they add up to is compared
with the figure itself.

Customers appear under pseudonyms: keyed by the secret of the settings, else by one that is thrown away with the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct, structs

from schemas.agents import AgentStateChanged
from schemas.dead_letters import RefusedError
from schemas.events import Event, encode
from schemas.fields import rfc3339
from schemas.panes import Pane, panes_of
from schemas.rows import Figure
from streams.engine.course import UNKNOWN_QUEUE
from streams.engine.partition import Partition, Record
from streams.engine.policy import EVERYTHING, INTERVAL, SECOND, Policy
from streams.engine.records import event_of, key_of
from streams.errors import CentralitaError
from streams.kpis.figures import Figures, Query
from streams.replay.shard import UNLIMITED
from streams.sources.identity import Pseudonyms

_BY: Final = "entry_point"
_HIDDEN: Final = frozenset({"type", "id", "time", "contact_id", "customer_id", "source", "disposition"})
"""Fields that are shown otherwise, or not at all, as people write what they like into them."""


class Found(NamedTuple):
    """A record, its topic or file, and its partition (None of a file, of which the offset is the line)."""

    place: str
    partition: int | None
    record: Record


class Fact(Struct, frozen=True):
    """An event of a contact as it lies in the log, and what became of it: counted, duplicate, or the reason of its refusal."""

    time: str
    type: str
    outcome: str
    place: str
    partition: int | None
    offset: int
    fields: dict[str, Any]


class Credit(Struct, frozen=True):
    """What a contact adds in one interval: measures (counts, and sums in microseconds) and waits of its histograms."""

    interval: str
    channel: str
    queue: str
    measures: dict[str, int]


class Explained(Struct, frozen=True):
    """A contact behind a figure: what it adds to numerator and denominator, its events, and how it was credited."""

    contact: str
    customer: str | None
    numerator: float | None
    denominator: float | None
    facts: list[Fact]
    credits: list[Credit]


class Explanation(Struct, frozen=True):
    """A figure, the contacts behind it, and what is of contacts whose entry into a queue is not among the events."""

    kpi: str
    formula: str
    crediting: str
    start: str
    end: str
    channel: str | None
    queue: str | None
    figure: Figure
    numerator_elsewhere: float
    denominator_elsewhere: float
    contacts: list[Explained]


class _Contact:
    """A contact while its events are read."""

    def __init__(self, key: bytes, name: str, tag: str) -> None:
        self.key = key
        self.name = name
        self.tag = tag
        """Its name as an entry point, which may not be as long as an id."""
        self.facts: list[Fact] = []
        self.known: set[str] = set()


class Explaining:
    """Reads the same records twice: `choose` finds the customers, then `take` keeps what is theirs.

    ``late`` is the lateness (microseconds) beyond which an event is refused, as the worker refuses it; None of files.
    """

    def __init__(self, policy: Policy, query: Query, late: int | None, secret: str | None) -> None:
        self._policy, self._query, self._late = policy, query, late
        self._customers: set[bytes] = set()
        self._watermarks: dict[int | None, int] = {}
        self._contacts: dict[tuple[bytes, str], _Contact] = {}
        # Whatever lateness decides has been decided before it.
        patient = structs.replace(policy, retention=EVERYTHING, lateness=UNLIMITED)
        self._engine = Partition(0, patient, {_BY})
        self._taken = 0
        self._pseudonyms = Pseudonyms(secret or secrets.token_hex())

    def watermark(self, partition: int | None) -> int:
        """Return the largest event time of a partition so far (microseconds)."""
        return self._watermarks.get(partition, 0)

    def choose(self, records: Iterable[Found]) -> None:
        """Take note of the customers who have an event in the queue, before the end of the range."""
        queue = self._query.queue
        for _found, key, event, _outcome in self._events(records):
            named = getattr(event, "queue", None)
            if event.time_us < self._query.end_us and (named == queue or queue in {None, UNKNOWN_QUEUE}):
                self._customers.add(key)

    def take(self, records: Iterable[Found]) -> None:
        """Take the events of those customers."""
        for found, key, event, outcome in self._events(records):
            if not isinstance(event, AgentStateChanged) and key in self._customers:
                self._take(found, key, event, outcome)

    def _events(self, records: Iterable[Found]) -> Iterator[tuple[Found, bytes, Event, str]]:
        """Yield records that are events, with key and event, and whether the worker counts them or refuses them for their time."""
        self._watermarks = {}
        for found in records:
            try:
                key, event = key_of(found.record.key), event_of(found.record.value)
            except RefusedError:
                continue
            time, watermark = event.time_us, self._watermarks.get(found.partition, 0)
            if time > found.record.timestamp_us + self._policy.future:
                yield found, key, event, "in_the_future"
            elif self._late is not None and time < watermark - self._late:
                yield found, key, event, "too_late"
            else:
                self._watermarks[found.partition] = max(watermark, time)
                yield found, key, event, "counted"

    def _take(self, found: Found, key: bytes, event: Event, outcome: str) -> None:
        name = getattr(event, "contact_id", None) or ""
        contact = self._contacts.get((key, name))
        if contact is None:
            tag = str(len(self._contacts))
            contact = self._contacts[key, name] = _Contact(key, name, tag)
        if outcome == "counted":
            outcome = "duplicate" if event.id in contact.known else outcome
            contact.known.add(event.id)
            self._count(contact, event)
        fields = {name: value for name, value in msgspec.to_builtins(event).items() if name not in _HIDDEN}
        contact.facts.append(
            Fact(
                rfc3339(event.time_us),
                str(event.__struct_config__.tag),
                outcome,
                found.place,
                found.partition,
                found.record.offset,
                fields,
            )
        )

    def _count(self, contact: _Contact, event: Event) -> None:
        if hasattr(event, _BY):
            event = structs.replace(event, **{_BY: contact.tag})
        self._engine.process([Record(self._taken, event.time_us, contact.key, encode(event))])
        self._taken += 1

    def explain(self, kpi: Any, figure: Figure, now_us: int) -> Explanation:
        """Return what stands behind a figure, as of a time."""
        self._engine.advance(max(now_us, self._engine.watermark))
        figures = Figures(self._engine.policy)
        credited: dict[str, list[Credit]] = {}
        for key, value in self._engine.flush().kpis:
            figures.load(0, key, value)
            if value is not None:
                for name, pane in panes_of(key, value):
                    self._note(name, pane, credited)
        *rows, total = figures.rows(self._query._replace(by=_BY))
        _compare(kpi.id, figure, total.kpis[kpi.id])
        parts = {row.value: row.kpis[kpi.id] for row in rows if row.value is not None}
        contacts = sorted(self._explained(parts, credited), key=lambda one: (not one.numerator, one.facts[0].time))
        query = self._query
        return Explanation(
            kpi.id, kpi.formula, kpi.crediting, rfc3339(query.start_us), rfc3339(query.end_us), query.channel, query.queue, figure,
            _rest(figure, parts.values(), lambda part: part.numerator),
            _rest(figure, parts.values(), lambda part: part.denominator),
            contacts,
        )  # fmt: skip

    def _explained(self, parts: dict[str, Figure], credited: dict[str, list[Credit]]) -> Iterator[Explained]:
        for contact in self._contacts.values():
            part = parts.get(contact.tag)
            if part is not None and (part.numerator or part.denominator):
                identified = contact.key != contact.name.encode()
                customer = self._pseudonyms.of(contact.key.decode(errors="replace"))[:16] if identified else None
                yield Explained(
                    contact.name, customer, part.numerator, part.denominator, contact.facts, credited.get(contact.tag, [])
                )  # fmt: skip

    def _note(self, name: tuple[Any, ...], pane: Pane, credited: dict[str, list[Credit]]) -> None:
        """Take note of a pane that is one contact's, in the range and the queue."""
        length, start, channel, queue, by, tag = name
        query = self._query
        inside = query.start_us <= start * SECOND < query.end_us and length * SECOND == INTERVAL
        if by == _BY and inside and query.queue in {None, queue} and query.channel in {None, channel}:
            credited.setdefault(tag, []).append(Credit(rfc3339(start * SECOND), channel, queue, pane.measures))


def _compare(kpi: str, figure: Figure, total: Figure) -> None:
    """Raise CentralitaError when the contacts do not add up to the figure: then one of the two is wrong."""
    for name in ("numerator", "denominator"):
        seen, expected = getattr(total, name) or 0, getattr(figure, name) or 0
        if abs(seen - expected) > 1e-6:
            raise CentralitaError(
                f"{kpi}: the contacts' {name} adds up to {seen:g}, the figure's is {expected:g}: please report it"
            )


def _rest(figure: Figure, parts: Iterable[Figure], part: Callable[[Figure], float | None]) -> float:
    """Return what of a figure's numerator or denominator is not of the parts."""
    return (part(figure) or 0) - sum(part(one) or 0 for one in parts)
