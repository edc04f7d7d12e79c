"""The state of one partition: records in, changed state and changed panes out.

Pure: no Kafka, no clock, no log. The same records give the same panes in any order, however often each comes, wherever the work is cut
and taken up again from the records that `flush` returned (laws in tests/engine). ``counted + duplicate + refused`` is the number of
records taken. Events are noted as they come and evaluated once per contact, when the time advances or changes are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from schemas.agents import AgentStateChanged
from schemas.dead_letters import Reason, RefusedError
from schemas.events import TIMED, TYPE_NAMES, Event, decode, negative_duration
from schemas.panes import PartitionStatus, decode_key, decode_value
from streams.engine.agents import Agents
from streams.engine.calls import CHANNEL, FACTS, Fact
from streams.engine.contacts import UNKNOWN, Contact, Customer, gather
from streams.engine.credits import Credit, credits_of, lost
from streams.engine.customers import Customers, load
from streams.engine.gauges import EventCounters, WaitingNow
from streams.engine.marker import MARKER, Marker, PolicyChangedError, StateCorruptError, fingerprint
from streams.engine.panes import Panes, Records
from streams.engine.policy import SECOND, Policy
from streams.engine.slices import Slices
from streams.engine.timers import Timers

LONGEST_KEY: Final = 1024
"""Bytes. A record with a longer key is refused (too_large)."""
_CONTACT: Final = b"c"
_AGENT: Final = b"a"
_KINDS: Final = tuple(TYPE_NAMES[kind] for kind in FACTS)
"""Names of the event types by the rank of their facts."""


class Record(NamedTuple):
    """A record of the events topic; ``timestamp_us`` is when the broker took it, microseconds."""

    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None


class Refusal(NamedTuple):
    """A record that is not counted, and why."""

    record: Record
    reason: Reason
    message: str


class Changes(NamedTuple):
    """Records to write in one transaction: key and value, None to delete. The marker is the last of the state."""

    state: Records
    kpis: Records


class Partition:
    """What is known from the records of one partition so far."""

    def __init__(self, number: int, policy: Policy) -> None:
        self.number = number
        self.policy = policy
        self.offset = 0
        self.sequence = 0
        self.watermark = 0
        self.now = 0
        """The time that `advance` was last given."""
        self.counted = 0
        self.duplicate = 0
        self.refused: dict[Reason, int] = {}
        self._slices = Slices()
        self._panes = Panes(policy, self._slices)
        self._agents = Agents(self._panes, self._slices)
        self._customers = Customers(policy)
        self._timers = Timers()
        self._waiting = WaitingNow()
        self._counters = EventCounters()
        self._news: list[tuple[bytes, str, Customer, Contact]] = []
        self._dirty: dict[tuple[bytes, str], Contact | None] = {}
        self._flushed_offset = 0
        self._restoring: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})

    # Records in

    def process(self, records: Iterable[Record]) -> list[Refusal]:
        """Take records in the order of their offsets; those below `offset` were taken before and are skipped."""
        refusals: list[Refusal] = []
        for record in records:
            offset, now_us, key, value = record
            if offset < self.offset:
                continue
            self.offset = offset + 1
            try:
                new = self.apply(_key(key), _event(value), now_us)
            except RefusedError as refused:
                self.refused[refused.reason] = self.refused.get(refused.reason, 0) + 1
                refusals.append(Refusal(record, refused.reason, str(refused)))
                continue
            if new:
                self.counted += 1
            else:
                self.duplicate += 1
        return refusals

    def apply(self, key: bytes, event: Event, now_us: int) -> bool:
        """Note an event taken at ``now_us``; return False when it was known, raise `RefusedError` when it is out of time."""
        if isinstance(event, AgentStateChanged):
            time = event.time_us
            self._check_time(time, now_us)
            new = self._agents.apply(event)
            if new:
                self._counters.add(None, None, "agent.state_changed")
        else:
            fact = FACTS[type(event)](event)
            time = fact[0]
            self._check_time(time, now_us)
            new = self._note(key, event.contact_id, fact)
        if time > self.watermark:  # noqa: PLR1730 - a call of max() on every event costs more
            self.watermark = time
        return new

    def _check_time(self, time: int, now_us: int) -> None:
        if time > now_us + self.policy.future:
            ahead, limit = (time - now_us) / 1e6, self.policy.future // SECOND
            message = f"time: seen {ahead:.1f} s ahead of the broker, expected at most {limit}"
            raise RefusedError(Reason.IN_THE_FUTURE, message)
        if time < self.watermark - self.policy.lateness:
            behind, limit = (self.watermark - time) / 1e6, self.policy.lateness // SECOND
            message = f"time: seen {behind:.1f} s behind the watermark, expected at most {limit}"
            raise RefusedError(Reason.TOO_LATE, message)

    def _note(self, key: bytes, name: str, fact: Fact) -> bool:
        """Add a fact to its contact, to be evaluated later; return False when it was known."""
        customer = self._customers.get(key, self.watermark)
        contact = self._load(key, customer, name)
        if contact is None:
            contact = customer.contacts[name] = Contact([], identified=key != name.encode())
        new = contact.learn(fact)
        if not contact.new and contact.folded != len(contact.facts):
            contact.new = True
            self._news.append((key, name, customer, contact))
        if new:
            self._counters.add(CHANNEL, contact.queue, _KINDS[fact[1]])
        return new

    # What a contact adds

    def _load(self, key: bytes, customer: Customer, name: str) -> Contact | None:
        contact, settled = load(key, customer, name)
        if settled and contact is not None:
            contact.credits = self._credits(name, customer, contact)
        return contact

    def _credits(self, name: str, customer: Customer, contact: Contact) -> list[Credit]:
        following = customer.next_start(name, contact.start) if len(customer.order) > 1 else None
        return credits_of(
            contact.call, self.policy, self._slices, contact.as_of, following, identified=contact.identified
        )

    def _evaluate_news(self) -> None:
        """Evaluate the contacts that events were noted for."""
        news, self._news = self._news, []
        for key, name, customer, contact in news:
            contact.fold()
            self._evaluate(key, name, customer, contact)
            self._dirty[key, name] = contact
            contact.new = False
            contact.written = None

    def _evaluate(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Credit the difference between what a contact adds now and what it has been credited."""
        visits = contact.call.visits
        start = visits[0].start if visits else UNKNOWN
        if start != contact.start:
            self._move(key, name, customer, contact, start)
        self._settle_up(contact, self._credits(name, customer, contact))
        if contact.waiting is not None or contact.call.waiting is not None:
            self._watch((key, name), contact)

    def _move(self, key: bytes, name: str, customer: Customer, contact: Contact, start: int) -> None:
        """Place a contact that now began at ``start``; the contact before it may have another one after it now."""
        before = customer.before(name, contact.start, start) if customer.order else ()
        neighbours = {other: self._load(key, customer, other) for other in before}
        customer.place(name, contact.start, start)
        contact.start = start
        for other, neighbour in neighbours.items():
            if neighbour is not None:
                self._settle_up(neighbour, self._credits(other, customer, neighbour))

    def _settle_up(self, contact: Contact, new: list[Credit]) -> None:
        credit = self._panes.credit
        old = contact.credits
        contact.credits = new
        for was, now in zip(old, new, strict=False):
            if was is now or was == now:
                continue
            if was[0] == now[0] and was[1] == now[1] and was[3] == now[3]:
                credit(now[0], now[1], now[2] - was[2], None, 0)
            else:
                credit(was[0], was[1], -was[2], was[3], -1)
                credit(now[0], now[1], now[2], now[3], 1)
        common = len(old)
        if common > len(new):
            common = len(new)
            for time, group, bundle, code in old[common:]:
                credit(time, group, -bundle, code, -1)
        for time, group, bundle, code in new[common:]:
            credit(time, group, bundle, code, 1)

    def _watch(self, name: tuple[bytes, str], contact: Contact) -> None:
        """Keep the callers waiting, and the timers of those who begin to, up to date."""
        visit = contact.call.waiting
        waiting = None
        if visit is not None and not lost(visit, self.policy.of(visit.queue), contact.as_of):
            waiting = (visit.queue, visit.start)
        if waiting == contact.waiting:
            return
        if contact.waiting is not None:
            self._waiting.end(contact.waiting[0], name)
        if waiting is not None:
            queue, start = waiting
            limits = self.policy.of(queue)
            self._waiting.begin(queue, name, start)
            self._timers.set(start + limits.threshold, name)
            self._timers.set(start + limits.maximum_wait, name)
        contact.waiting = waiting

    # Time

    def advance(self, now_us: int) -> None:
        """Let the time be ``now_us`` (microseconds, taken down to a full second): credit what is due to those who still wait."""
        self._evaluate_news()
        now_us -= now_us % SECOND
        self.now = max(self.now, now_us)
        for key, name in self._timers.due(now_us):
            customer = self._customers.live.get(key)
            contact = customer.contacts.get(name) if customer is not None else None
            if customer is None or not isinstance(contact, Contact) or contact.call.waiting is None:
                continue
            contact.as_of = max(contact.as_of, now_us)
            before = contact.credits
            self._evaluate(key, name, customer, contact)
            if contact.credits != before:
                contact.written = None
                self._dirty[key, name] = contact

    # Changes out

    @property
    def has_changes(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(
            self.offset != self._flushed_offset
            or self._news
            or self._dirty
            or self._panes.pending
            or self._agents.pending
        )

    def flush(self) -> Changes:
        """Return the records of what changed since the last flush, and forget that it did; nothing when nothing did."""
        if not self.has_changes:
            return Changes([], [])
        self._evaluate_news()
        for name in self._customers.expire(self.watermark):
            self._dirty[name] = None
        self.sequence += 1
        agents_state, agents_now = self._agents.flush(self.watermark, self.policy.lateness)
        state: Records = [
            (_contact_key(*name), None if contact is None else contact.record())
            for name, contact in self._dirty.items()
        ]
        state += agents_state
        state.append((MARKER, Marker(fingerprint(self.policy), self.status()).encode()))
        kpis = self._panes.flush(self.watermark, self.now)
        kpis += agents_now
        kpis += self._waiting.flush()
        kpis += self._counters.flush()
        kpis.append((b'["partition"]', msgspec.json.encode(self.status())))
        self._dirty = {}
        self._flushed_offset = self.offset
        self._customers.settle(self.watermark)
        return Changes(state, kpis)

    def status(self) -> PartitionStatus:
        """Return how far the partition is."""
        refused = {str(reason): count for reason, count in self.refused.items()}
        return PartitionStatus(self.offset, self.sequence, self.watermark, self.counted, self.duplicate, refused)

    # Restoring

    def restore_state(self, key: bytes, value: bytes | None) -> None:
        """Take a record of the state; of several with the same key the last one counts."""
        _keep(self._restoring[0], key, value)

    def restore_kpis(self, key: bytes, value: bytes | None) -> None:
        """Take a record of the KPI topic; of several with the same key the last one counts."""
        _keep(self._restoring[1], key, value)

    def restored(self) -> None:
        """Make the partition what it was when the records taken were written.

        Raises `StateCorruptError` when a record cannot be read and `PolicyChangedError` when they were written under other
        definitions.
        """
        state, kpis = self._restoring
        self._restoring = ({}, {})
        try:
            self._restore_marker(state.pop(MARKER, None), others=bool(state))
            self._restore_contacts(state)
            self._restore_kpis(kpis)
        except (msgspec.MsgspecError, ValueError, KeyError, IndexError, TypeError) as error:
            if isinstance(error, PolicyChangedError | StateCorruptError):
                raise
            message = f"partition {self.number}: a record cannot be read: {type(error).__name__}"
            raise StateCorruptError(message) from error

    def _restore_marker(self, record: bytes | None, *, others: bool) -> None:
        if record is None:
            if others:
                message = f"partition {self.number}: state without its marker"
                raise StateCorruptError(message)
            return
        marker = Marker.decode(record)
        if marker.fingerprint != fingerprint(self.policy):
            message = f"partition {self.number}: the state was kept under other definitions"
            raise PolicyChangedError(message)
        status = marker.status
        self.offset = self._flushed_offset = status.offset
        self.sequence, self.watermark = status.sequence, status.watermark
        self._panes.graduated_at(self.watermark)
        self.counted, self.duplicate = status.counted, status.duplicate
        self.refused = {Reason(reason): count for reason, count in status.refused.items()}

    def _restore_contacts(self, state: dict[bytes, bytes]) -> None:
        records: dict[bytes, dict[str, Contact | bytes]] = {}
        for name, record in state.items():
            if name[:1] == _CONTACT:
                size = int.from_bytes(name[1:3], "big")
                records.setdefault(name[3 : 3 + size], {})[name[3 + size :].decode()] = record
            elif name[:1] == _AGENT:
                self._agents.restore(name, record)
            else:
                message = f"partition {self.number}: a record of an unknown kind"
                raise StateCorruptError(message)
        for key, contacts in records.items():
            customer = gather(contacts)
            if self._customers.take_back(key, customer, self.watermark):
                self._watch_again(key, customer)

    def _watch_again(self, key: bytes, customer: Customer) -> None:
        """Put those of a customer's contacts in use again in which somebody still waits or talks."""
        for name in list(customer.contacts):
            contact = self._load(key, customer, name)
            if contact is not None:
                self._watch((key, name), contact)

    def _restore_kpis(self, kpis: dict[bytes, bytes]) -> None:
        for key, record in kpis.items():
            kind, *name = decode_key(key)
            value: Any = decode_value(kind, record)
            if kind == "pane":
                self._panes.restore(tuple(name), value)
            elif kind == "agent":
                self._agents.restore_now(name[0], record)
            elif kind == "counters":
                self._counters.restore(name[0], name[1], value)
            elif kind == "waiting":
                self._waiting.restore(name[1], value)


def _key(key: bytes | None) -> bytes:
    if not key:
        raise RefusedError(Reason.INVALID, "key: seen nothing, expected the customer's identity")
    if len(key) > LONGEST_KEY:
        raise RefusedError(Reason.TOO_LARGE, f"key: seen {len(key)} bytes, expected at most {LONGEST_KEY}")
    return key


def _event(value: bytes | None) -> Event:
    if value is None:
        raise RefusedError(Reason.UNDECODABLE, "record: seen no value, expected a JSON object")
    event = decode(value)
    if isinstance(event, TIMED):
        wrong = negative_duration(event)
        if wrong is not None:
            raise RefusedError(Reason.NEGATIVE_DURATION, wrong)
    return event


def _contact_key(key: bytes, name: str) -> bytes:
    return _CONTACT + len(key).to_bytes(2, "big") + key + name.encode()


def _keep(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = value
