"""A partition and the two topics that it writes, as they are after compaction: the last value of each key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from lz4.block import decompress

from schemas import panes as wire
from schemas.agents import AgentStateChanged
from schemas.business import CostAccrued
from schemas.events import Event, encode
from schemas.panes import AgentNow, Counters, Pane, PartitionStatus, Waiting
from streams.engine.codes import AMOUNTS, currency
from streams.engine.marker import MARKER
from streams.engine.partition import Partition, Record, Refusal
from streams.engine.policy import DAILY, HOUR, SECOND, Policy
from streams.engine.records import BLOCK, CONTACT, Records, contact_key, split_contact_key
from tests.harness.panes import Name, panes

SHIFTS = (-HOUR, -HOUR // 2, 0, HOUR // 2, HOUR)
"""By how much a day can be longer than 24 hours."""
_PIECE = 7
"""Records of the state that are taken back at a time."""
Topic = dict[bytes, bytes]
Slice = tuple[int, str | None, str | None, str | None, str | None]


def records(events: Iterable[Event], offset: int = 0) -> list[Record]:
    """Return events as the broker holds them, the first at ``offset``."""
    return [Record(offset + i, event.time_us, key(event), encode(event)) for i, event in enumerate(events)]


def key(event: Event) -> bytes:
    """Return the key of an event's record: what follows the @ of a contact's name, else the contact; or the agent."""
    if isinstance(event, AgentStateChanged):
        return event.agent_id.encode()
    if isinstance(event, CostAccrued):
        return event.id.encode()
    if event.contact_id is None:
        return (event.customer_id or event.id).encode()
    return identity(event.contact_id).encode()


def identity(contact_id: str) -> str:
    """Return whose contact it is, in the names of generated contacts.

    >>> identity("c1@x"), identity("c2")
    ('x', 'c2')
    """
    return contact_id.partition("@")[2] or contact_id


class Store:
    """A partition, fed and flushed, and what has been written for it."""

    def __init__(
        self,
        policy: Policy,
        state: Topic | None = None,
        kpis: Topic | None = None,
        number: int = 0,
        *,
        write_behind: bool = True,
        log: Records | None = None,
    ) -> None:
        self.policy, self.write_behind = policy, write_behind
        self.state, self.kpis = dict(state or {}), dict(kpis or {})
        self.log: Records = list(self.state.items()) if log is None else list(log)
        """All records of the state that were ever written."""
        self.partition = Partition(number, policy, write_behind=write_behind)
        if self.state or self.kpis:
            for at in range(0, len(self.log), _PIECE):
                self.partition.restore_state(self.log[at : at + _PIECE])
            self.partition.restore_kpis(list(self.kpis.items()))
            self.partition.restored()
        self.read = self.partition.offset
        self.written: list[tuple[list[bytes], list[bytes]]] = []

    def feed(self, events: Sequence[Event], now: int | None = None) -> list[Refusal]:
        """Process events as the next records, and then let the clock say ``now``."""
        refusals = self.partition.process(records(events, self.read))
        self.read += len(events)
        if now is not None:
            self.partition.advance(now)
        return refusals

    def flush(self) -> Store:
        """Write what changed."""
        changes = self.partition.flush()
        self.log += changes.state
        for topic, pairs in ((self.state, changes.state), (self.kpis, changes.kpis)):
            for key, value in pairs:
                if value is None:
                    topic.pop(key, None)
                else:
                    topic[key] = value
        self.written.append(([key for key, _ in changes.state], [key for key, _ in changes.kpis]))
        return self

    def restarted(self) -> Store:
        """Return another partition with what this one has written, and nothing else: all of it, or at every other length what compaction leaves."""
        log = self.log if len(self.log) % 2 else None
        return Store(self.policy, self.state, self.kpis, write_behind=self.write_behind, log=log)

    def kept(self) -> Topic:
        """Return the state without its marker, as if each contact in a block had a record of its own."""
        found = {key: value for key, value in self.state.items() if not key.startswith((BLOCK, MARKER))}
        known = {split_contact_key(key)[0] for key in found if key.startswith(CONTACT)}
        for block in sorted((key for key in self.state if key.startswith(BLOCK)), reverse=True):
            customers: dict[bytes, dict[str, bytes]] = msgspec.msgpack.decode(
                decompress(self.state[block][4:]), type=dict[bytes, dict[str, bytes]]
            )
            for customer in customers.keys() - known:
                found |= {contact_key(customer, name): record for name, record in customers[customer].items()}
            known |= customers.keys()
        return found

    def _of_kind(self, kind: str) -> dict[tuple[Any, ...], Any]:
        decoded = {wire.decode_key(key): value for key, value in self.kpis.items()}
        return {key[1:]: wire.decode_value(kind, value) for key, value in decoded.items() if key[0] == kind}

    def _panes(self) -> dict[Name, Pane]:
        return panes({key: wire.decode_value(wire.decode_key(key)[0], value) for key, value in self.kpis.items()})

    def panes(self, length: int) -> dict[Slice, Pane]:
        """Return the panes of a length in microseconds, times in microseconds; days have 23 to 25 hours."""
        found = self._panes()
        seconds = {length // SECOND} if length < DAILY else {(DAILY + shift) // SECOND for shift in SHIFTS}
        return {(key[1] * SECOND, *key[2:]): pane for key, pane in found.items() if key[0] in seconds}

    def lengths_of_days(self) -> dict[tuple[int, str | None], int]:
        """Return the lengths of the panes of days, in microseconds, by start and queue."""
        found = self._panes()
        return {(key[1] * SECOND, key[3]): key[0] * SECOND for key in found if key[0] * SECOND > DAILY // 2}

    def measures(self, length: int) -> dict[Slice, dict[str, int]]:
        """Return the measures of the panes that hold any."""
        return {key: pane.measures for key, pane in self.panes(length).items() if pane.measures}

    def histograms(self, length: int) -> dict[Slice, dict[str, list[tuple[int, int]]]]:
        """Return the histograms of the panes that hold any, in order of buckets."""
        full = {
            key: {
                name: sorted(counts.items())
                for name, counts in pane.histograms.items()
                if counts and name not in AMOUNTS
            }
            for key, pane in self.panes(length).items()
        }
        return {key: histograms for key, histograms in full.items() if histograms}

    def money(self, length: int) -> dict[Slice, dict[str, int]]:
        """Return the amounts that panes hold, in millionths, by "name/currency"."""
        full = {
            key: {
                f"{name}/{currency(index)}": amount
                for name in AMOUNTS
                for index, amount in pane.histograms.get(name, {}).items()
            }
            for key, pane in self.panes(length).items()
        }
        return {key: amounts for key, amounts in full.items() if amounts}

    def waiting(self) -> dict[tuple[str, str], Waiting]:
        """Return who waits, by channel and queue, where anyone does."""
        found: dict[tuple[Any, ...], Waiting] = self._of_kind("waiting")
        return {(key[0], key[1]): waiting for key, waiting in found.items() if waiting.waiting}

    def agents(self) -> dict[str, AgentNow]:
        """Return the state of each agent."""
        found: dict[tuple[Any, ...], AgentNow] = self._of_kind("agent")
        return {key[0]: agent for key, agent in found.items()}

    def counters(self) -> dict[str, int]:
        """Return the counters of events by type, over all queues."""
        total: dict[str, int] = defaultdict(int)
        found: dict[tuple[Any, ...], Counters] = self._of_kind("counters")
        for counters in found.values():
            for kind, count in counters.events.items():
                total[kind] += count
        return dict(total)

    def status(self) -> PartitionStatus:
        """Return how far the partition is."""
        (status,) = self._of_kind("partition").values()
        assert isinstance(status, PartitionStatus)
        return status
