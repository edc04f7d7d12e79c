"""The state of one partition: records in, changed state and changed panes out.

Pure: no Kafka, no clock, no log. The same records give the same panes in any order, however often each comes, wherever the work is cut
and taken up again from the records that `flush` returned (laws in tests/engine). ``counted + duplicate + refused`` is the number of
records taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Any, Final, NamedTuple

import msgspec

from schemas.agents import AgentStateChanged
from schemas.dead_letters import Reason, RefusedError
from schemas.events import TIMED, TYPE_NAMES, Event, decode, negative_duration
from schemas.panes import Counters, PartitionStatus, Waiting, decode_key, decode_value
from streams.engine.agents import Agents
from streams.engine.calls import CHANNEL, FACTS, Fact, advance, fold
from streams.engine.contacts import UNKNOWN, Contact, Customer, Head, gather, unpack
from streams.engine.contacts import decode as decode_contact
from streams.engine.credits import Credit, credits_of, lost
from streams.engine.marker import MARKER, Marker, PolicyChangedError, StateCorruptError, fingerprint
from streams.engine.panes import Panes, Records
from streams.engine.policy import DAY, MINUTE, SECOND, Policy
from streams.engine.slices import Slices
from streams.engine.timers import Timers

LONGEST_KEY: Final = 1024
"""Bytes. A record with a longer key is refused (too_large)."""
LONGEST_WAITS: Final = 10
_QUIET: Final = 5 * MINUTE
_CONTACT: Final = b"c"
_AGENT: Final = b"a"


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
        self.counted = 0
        self.duplicate = 0
        self.refused: dict[Reason, int] = {}
        self._slices = Slices()
        self._panes = Panes(policy, self._slices)
        self._agents = Agents(self._panes, self._slices)
        self._timers = Timers()
        self._customers: dict[bytes, Customer] = {}
        self._settled: dict[bytes, bytes] = {}
        self._touched: dict[int, list[bytes]] = {}
        self._expiry: dict[int, list[bytes]] = {}
        self._dirty: dict[tuple[bytes, str], Contact | None] = {}
        self._waiting: dict[str, dict[tuple[bytes, str], int]] = {}
        self._waiting_told: dict[str, Waiting] = {}
        self._waiting_changed: set[str] = set()
        self._counters: dict[tuple[str | None, str | None], dict[str, int]] = {}
        self._counters_changed: set[tuple[str | None, str | None]] = set()
        self._flushed_offset = 0
        self._restoring: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})

    # Records in

    def process(self, records: Iterable[Record]) -> list[Refusal]:
        """Take records in the order of their offsets; those below `offset` were taken before and are skipped."""
        refusals = []
        for record in records:
            if record.offset < self.offset:
                continue
            self.offset = record.offset + 1
            try:
                new = self._take(record)
            except RefusedError as refused:
                self.refused[refused.reason] = self.refused.get(refused.reason, 0) + 1
                refusals.append(Refusal(record, refused.reason, str(refused)))
                continue
            if new:
                self.counted += 1
            else:
                self.duplicate += 1
        return refusals

    def _take(self, record: Record) -> bool:
        """Apply a record; return False when its event was known, raise `RefusedError` when it is no event."""
        key, value = record.key, record.value
        if not key:
            raise RefusedError(Reason.INVALID, "key: seen nothing, expected the customer's identity")
        if len(key) > LONGEST_KEY:
            raise RefusedError(Reason.TOO_LARGE, f"key: seen {len(key)} bytes, expected at most {LONGEST_KEY}")
        if value is None:
            raise RefusedError(Reason.UNDECODABLE, "record: seen no value, expected a JSON object")
        event = decode(value)
        if isinstance(event, TIMED):
            wrong = negative_duration(event)
            if wrong is not None:
                raise RefusedError(Reason.NEGATIVE_DURATION, wrong)
        return self.apply(key, event, record.timestamp_us)

    def apply(self, key: bytes, event: Event, now_us: int) -> bool:
        """Apply an event taken at ``now_us``; return False when it was known, raise `RefusedError` when it is out of time."""
        if isinstance(event, AgentStateChanged):
            time = event.time_us
            self._check_time(time, now_us)
            new = self._agents.apply(event)
            if new:
                self._count((None, None), "agent.state_changed")
        else:
            kind = type(event)
            fact = FACTS[kind](event)
            time = fact[0]
            self._check_time(time, now_us)
            new = self._contact(key, event.contact_id, fact, TYPE_NAMES[kind])
        self.watermark = max(self.watermark, time)
        return new

    def _check_time(self, time: int, now_us: int) -> None:
        if time > now_us + self.policy.future:
            ahead = (time - now_us) / 1e6
            limit = self.policy.future // 1_000_000
            raise RefusedError(
                Reason.IN_THE_FUTURE, f"time: seen {ahead:.1f} s ahead of the broker, expected at most {limit}"
            )
        if time < self.watermark - self.policy.lateness:
            behind = (self.watermark - time) / 1e6
            limit = self.policy.lateness // 1_000_000
            raise RefusedError(
                Reason.TOO_LATE, f"time: seen {behind:.1f} s behind the watermark, expected at most {limit}"
            )

    def _contact(self, key: bytes, name: str, fact: Fact, kind: str) -> bool:
        customer = self._customer(key)
        contact = self._load(key, customer, name)
        if contact is None:
            contact = Contact([fact], identified=key != name.encode())
            customer.contacts[name] = contact
            new: bool | None = True
        else:
            new = _learn(contact, fact)
        if new is not None:
            self._evaluate(key, name, customer, contact)
            self._dirty[key, name] = contact
        if new:
            visits = contact.call.visits
            self._count((CHANNEL, visits[-1].queue if visits else None), kind)
        return bool(new)

    def _customer(self, key: bytes) -> Customer:
        customer = self._customers.get(key)
        bucket = self.watermark // _QUIET
        if customer is None:
            packed = self._settled.pop(key, None)
            customer = Customer() if packed is None else unpack(packed)
            self._customers[key] = customer
        if customer.touched != bucket:
            customer.touched = bucket
            self._touched.setdefault(bucket, []).append(key)
        return customer

    def _load(self, key: bytes, customer: Customer, name: str) -> Contact | None:
        """Return a contact ready for use, with what it has been credited worked out again if it had settled."""
        contact = customer.contacts.get(name)
        if isinstance(contact, bytes):
            contact = decode_contact(contact, identified=key != name.encode())
            contact.credits = self._credits(name, customer, contact)
            customer.contacts[name] = contact
        return contact

    # What a contact adds

    def _credits(self, name: str, customer: Customer, contact: Contact) -> list[Credit]:
        following = customer.next_start(name, contact.start) if len(customer.order) > 1 else None
        return credits_of(
            contact.call, self.policy, self._slices, contact.as_of, following, identified=contact.identified
        )

    def _evaluate(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Credit the difference between what a contact adds now and what it has been credited."""
        visits = contact.call.visits
        start = visits[0].start if visits else UNKNOWN
        if start != contact.start:
            neighbours = {
                other: self._load(key, customer, other) for other in customer.before(name, contact.start, start)
            }
            customer.place(name, contact.start, start)
            contact.start = start
            for other, neighbour in neighbours.items():
                if neighbour is not None:
                    self._settle_up(neighbour, self._credits(other, customer, neighbour))
        self._settle_up(contact, self._credits(name, customer, contact))
        if contact.waiting is not None or contact.call.waiting is not None:
            self._watch(key, name, contact)

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

    def _watch(self, key: bytes, name: str, contact: Contact) -> None:
        """Keep the callers waiting, and the timers of those who begin to, up to date."""
        visit = contact.call.waiting
        limits = None if visit is None else self.policy.of(visit.queue)
        waiting = None
        if visit is not None and limits is not None and not lost(visit, limits, contact.as_of):
            waiting = (visit.queue, visit.start)
        if waiting == contact.waiting:
            return
        if contact.waiting is not None:
            queue = contact.waiting[0]
            del self._waiting[queue][key, name]
            self._waiting_changed.add(queue)
        if waiting is not None and limits is not None:
            queue, start = waiting
            self._waiting.setdefault(queue, {})[key, name] = start
            self._waiting_changed.add(queue)
            self._timers.set(start + limits.threshold, (key, name))
            self._timers.set(start + limits.maximum_wait, (key, name))
        contact.waiting = waiting

    def _count(self, where: tuple[str | None, str | None], kind: str) -> None:
        counts = self._counters.get(where)
        if counts is None:
            counts = self._counters[where] = {}
        counts[kind] = counts.get(kind, 0) + 1
        self._counters_changed.add(where)

    # Time

    def advance(self, now_us: int) -> None:
        """Let the time be ``now_us`` (microseconds, taken down to a full second): credit what is due to those who still wait."""
        now_us -= now_us % SECOND
        for key, name in self._timers.due(now_us):
            customer = self._customers.get(key)
            contact = customer.contacts.get(name) if customer is not None else None
            if customer is None or not isinstance(contact, Contact) or contact.call.waiting is None:
                continue
            contact.as_of = max(contact.as_of, now_us)
            before = contact.credits
            self._evaluate(key, name, customer, contact)
            if contact.credits != before:
                self._dirty[key, name] = contact

    # Changes out

    @property
    def has_changes(self) -> bool:
        """Tell whether there is anything to write."""
        return self.offset != self._flushed_offset or bool(self._dirty) or self._panes.pending or self._agents.pending

    def flush(self) -> Changes:
        """Return the records of what changed since the last flush, and forget that it did; nothing when nothing did."""
        if not self.has_changes:
            return Changes([], [])
        self._drop_expired()
        self.sequence += 1
        agents_state, agents_now = self._agents.flush(self.watermark, self.policy.lateness)
        state: Records = [
            (_contact_key(*name), None if contact is None else contact.encode())
            for name, contact in self._dirty.items()
        ]
        state += agents_state
        state.append((MARKER, self._marker().encode()))
        kpis = self._panes.flush(self.watermark)
        kpis += agents_now
        kpis += self._flush_waiting()
        kpis += self._flush_counters()
        kpis.append((b'["partition"]', msgspec.json.encode(self.status())))
        self._dirty = {}
        self._flushed_offset = self.offset
        self._settle_quiet()
        return Changes(state, kpis)

    def status(self) -> PartitionStatus:
        """Return how far the partition is."""
        refused = {str(reason): count for reason, count in self.refused.items()}
        return PartitionStatus(self.offset, self.sequence, self.watermark, self.counted, self.duplicate, refused)

    def _marker(self) -> Marker:
        return Marker(fingerprint(self.policy), self.status())

    def _flush_waiting(self) -> Records:
        records: Records = []
        for queue in self._waiting_changed:
            starts = self._waiting[queue].values()
            value = Waiting(len(starts), nsmallest(LONGEST_WAITS, starts))
            if self._waiting_told.get(queue) == value:
                continue
            self._waiting_told[queue] = value
            records.append((msgspec.json.encode(("waiting", CHANNEL, queue)), msgspec.json.encode(value)))
        self._waiting_changed = set()
        return records

    def _flush_counters(self) -> Records:
        records: Records = [
            (msgspec.json.encode(("counters", *where)), msgspec.json.encode(Counters(self._counters[where])))
            for where in self._counters_changed
        ]
        self._counters_changed = set()
        return records

    # Memory

    def _settle_quiet(self) -> None:
        """Keep as bytes the customers for whom nothing has happened for a while."""
        now = self.watermark // _QUIET
        for bucket in [bucket for bucket in self._touched if bucket < now - 1]:
            for key in self._touched.pop(bucket):
                customer = self._customers.get(key)
                if customer is not None and customer.touched == bucket:
                    self._settle(key, customer, now)

    def _settle(self, key: bytes, customer: Customer, now: int) -> None:
        horizon = self.watermark - self._longest_wait()
        if any(isinstance(contact, Contact) and contact.busy(horizon) for contact in customer.contacts.values()):
            customer.touched = now
            self._touched.setdefault(now, []).append(key)
            return
        del self._customers[key]
        self._settled[key] = customer.pack()
        self._schedule(key, customer)

    def _schedule(self, key: bytes, customer: Customer) -> None:
        first = min(_head(contact).last for contact in customer.contacts.values())
        self._expiry.setdefault((first + self._memory()) // DAY + 1, []).append(key)

    def _memory(self) -> int:
        """Return for how long after its last fact a contact may still matter."""
        windows = [limits.return_window for limits in (self.policy.defaults, *self.policy.queues.values())]
        return max(windows) + self.policy.lateness + self._longest_wait()

    def _longest_wait(self) -> int:
        return max(limits.maximum_wait for limits in (self.policy.defaults, *self.policy.queues.values()))

    def _drop_expired(self) -> None:
        today = self.watermark // DAY
        for day in [day for day in self._expiry if day <= today]:
            for key in self._expiry.pop(day):
                packed = self._settled.get(key)
                if packed is not None:
                    self._drop_contacts(key, unpack(packed))

    def _drop_contacts(self, key: bytes, customer: Customer) -> None:
        """Forget the contacts at the head of the customer's order whom nothing can change any more."""
        horizon = self.watermark - self._memory()
        gone = [name for name, contact in customer.contacts.items() if _head(contact).start == UNKNOWN]
        for _, name in customer.order:
            if _head(customer.contacts[name]).last >= horizon:
                break
            gone.append(name)
        gone = [name for name in gone if _head(customer.contacts[name]).last < horizon]
        for name in gone:
            del customer.contacts[name]
            self._dirty[key, name] = None
        if not gone:
            return
        if customer.contacts:
            self._settled[key] = customer.pack()
            self._schedule(key, customer)
        else:
            del self._settled[key]

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
            raise StateCorruptError(
                f"partition {self.number}: a record cannot be read: {type(error).__name__}"
            ) from error

    def _restore_marker(self, record: bytes | None, *, others: bool) -> None:
        if record is None:
            if others:
                raise StateCorruptError(f"partition {self.number}: state without its marker")
            return
        marker = Marker.decode(record)
        if marker.fingerprint != fingerprint(self.policy):
            raise PolicyChangedError(f"partition {self.number}: the state was kept under other definitions")
        status = marker.status
        self.offset = self._flushed_offset = status.offset
        self.sequence, self.watermark = status.sequence, status.watermark
        self._panes.graduated_at(self.watermark)
        self.counted, self.duplicate = status.counted, status.duplicate
        self.refused = {Reason(reason): count for reason, count in status.refused.items()}

    def _restore_contacts(self, state: dict[bytes, bytes]) -> None:
        records: dict[bytes, dict[str, bytes]] = {}
        for name, record in state.items():
            if name[:1] == _CONTACT:
                size = int.from_bytes(name[1:3], "big")
                records.setdefault(name[3 : 3 + size], {})[name[3 + size :].decode()] = record
            elif name[:1] == _AGENT:
                self._agents.restore(name, record)
            else:
                raise StateCorruptError(f"partition {self.number}: a record of an unknown kind")
        for key, contacts in records.items():
            customer = gather(dict(contacts))
            if all(Head(record).finished for record in contacts.values()):
                self._settled[key] = customer.pack()
                self._schedule(key, customer)
            else:
                self._take_back(key, customer)

    def _take_back(self, key: bytes, customer: Customer) -> None:
        """Put a customer who is still in contact in use again."""
        self._customers[key] = customer
        customer.touched = self.watermark // _QUIET
        self._touched.setdefault(customer.touched, []).append(key)
        for name, record in list(customer.contacts.items()):
            if isinstance(record, bytes) and not Head(record).finished:
                contact = self._load(key, customer, name)
                if contact is not None:
                    self._watch(key, name, contact)
        self._waiting_changed = set()

    def _restore_kpis(self, kpis: dict[bytes, bytes]) -> None:
        for key, record in kpis.items():
            kind, *name = decode_key(key)
            value: Any = decode_value(kind, record)
            if kind == "pane":
                self._panes.restore(tuple(name), value)
            elif kind == "agent":
                self._agents.restore_now(name[0], record)
            elif kind == "counters":
                self._counters[name[0], name[1]] = value.events
            elif kind == "waiting":
                self._waiting.setdefault(name[1], {})
                self._waiting_told[name[1]] = value


def _learn(contact: Contact, fact: Fact) -> bool | None:
    """Add a fact to a contact: True when it is new, False when it corrects one of the same id, None when it was known."""
    facts = contact.facts
    for at, known in enumerate(facts):
        if known[2] == fact[2]:
            if _order(fact) >= _order(known):
                return None
            del facts[at]
            _insert(contact, fact)
            return False
    last = facts[-1]
    if fact[0] > last[0] or fact[:3] > last[:3]:
        facts.append(fact)
        advance(contact.call, fact)
    else:
        _insert(contact, fact)
    return True


def _insert(contact: Contact, fact: Fact) -> None:
    contact.facts.append(fact)
    contact.facts.sort(key=lambda known: known[:3])
    contact.call = fold(contact.facts)


def _order(fact: Fact) -> tuple[int, int, str]:
    return fact[0], fact[1], repr(fact[3:])


def _contact_key(key: bytes, name: str) -> bytes:
    return _CONTACT + len(key).to_bytes(2, "big") + key + name.encode()


def _head(contact: Contact | bytes) -> Head:
    return Head(contact if isinstance(contact, bytes) else contact.encode())


def _keep(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = value
