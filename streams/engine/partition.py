"""The state of one partition: records in, changed state and changed panes out.

Pure: no Kafka, no clock, no log. The same records give the same panes in any order, however often each comes, wherever the work is cut
and taken up again from the records that `flush` returned (laws in tests/engine). ``counted + duplicate + refused`` is the number of
records taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec

from schemas.agents import AgentStateChanged
from schemas.business import CostAccrued
from schemas.dead_letters import Reason, RefusedError
from schemas.events import TYPE_NAMES, Event
from schemas.fields import microseconds
from schemas.panes import CREDITS, FORMAT, PANES, PARTITION, PartitionStatus, decode_key, decode_value
from streams.engine.agents import Agents
from streams.engine.contributions import Contributions
from streams.engine.facts import CALL, CHAT, FACTS
from streams.engine.gauges import EventCounters
from streams.engine.marker import (
    MARKER,
    STATE_FORMAT,
    UNREADABLE,
    FormatChangedError,
    Marker,
    PolicyChangedError,
    StateCorruptError,
    fingerprint,
)
from streams.engine.panes import Panes
from streams.engine.policy import SECOND, Policy
from streams.engine.records import (
    AGENT,
    BLOCK,
    CONTACT,
    PAGE,
    Changes,
    Record,
    Records,
    Refusal,
    event_of,
    key_of,
    split_block_key,
    split_page_key,
)
from streams.engine.slices import BREAKDOWNS, Slices

__all__ = ["Changes", "FormatChangedError", "Partition", "PolicyChangedError", "Record", "Refusal", "StateCorruptError"]

_CHANNELS: Final = {name: name[:4] for name in TYPE_NAMES.values() if name.startswith((CALL, CHAT))}
"""The channel of an event of which the contact's queue is not known (yet)."""


class Restored(NamedTuple):
    """How far a partition is by the marker of its state, and as its figures say; None where there are none.

    Where these differ they are of different times.
    """

    state: PartitionStatus | None
    figures: PartitionStatus | None
    writer: str | None = None
    """The deployment whose state it is."""


class Partition:
    """What is known from the records of one partition so far; of the breakdowns of its panes only those asked for.

    With ``write_behind`` a flush of few changes writes their credits, and the panes later (ring.py); else each flush writes the panes.
    """

    def __init__(
        self, number: int, policy: Policy, breakdowns: Collection[str] = BREAKDOWNS, *, write_behind: bool = False
    ) -> None:
        self.number = number
        self.policy = policy
        self._definitions = fingerprint(policy)
        self.offset = 0
        self.sequence = 0
        self.watermark = 0
        self.now = 0
        """The time that `advance` was last given."""
        self.counted = 0
        self.duplicate = 0
        self.refused: dict[Reason, int] = {}
        self._slices = Slices(breakdowns)
        self._panes = Panes(policy, self._slices, write_behind=write_behind)
        self._agents = Agents(self._panes, self._slices)
        self._contributions = Contributions(policy, self._panes, self._slices)
        self._counters = EventCounters()
        self._flushed_offset = 0
        self._restoring: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
        self._unread: Exception | None = None
        """Why a record taken to restore could not be read."""

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
                new = self.apply(key_of(key), event_of(value), now_us)
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
        time = microseconds(event.time)
        if time > now_us + self.policy.future or time < self.watermark - self.policy.lateness:
            raise self._untimely(time, now_us)
        if isinstance(event, AgentStateChanged):
            new = self._agents.apply(event, time)
            if new:
                self._counters.add(None, None, "agent.state_changed")
        else:
            fact = FACTS[type(event)](event, time)
            name = "" if isinstance(event, CostAccrued) else event.contact_id or ""
            new, contact = self._contributions.note(key, name, fact, self.watermark)
            if new:
                kind = TYPE_NAMES[type(event)]
                channel, queue = contact.queue or (_CHANNELS.get(kind), None)
                self._counters.add(channel, queue, kind)
        if time > self.watermark:  # noqa: PLR1730 - a call of max() on every event costs more
            self.watermark = time
        return new

    def _untimely(self, time: int, now_us: int) -> RefusedError:
        if time > now_us + self.policy.future:
            ahead, limit = (time - now_us) / 1e6, self.policy.future // SECOND
            message = f"time: seen {ahead:.1f} s ahead of the broker, expected at most {limit}"
            return RefusedError(Reason.IN_THE_FUTURE, message)
        behind, limit = (self.watermark - time) / 1e6, self.policy.lateness // SECOND
        message = f"time: seen {behind:.1f} s behind the watermark, expected at most {limit}"
        return RefusedError(Reason.TOO_LATE, message)

    def advance(self, now_us: int) -> None:
        """Let the time be ``now_us`` (microseconds, taken down to a full second): credit what is due to those who still wait."""
        now_us -= now_us % SECOND
        self.now = max(self.now, now_us)
        self._contributions.advance(now_us)

    # Changes out

    @property
    def has_changes(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(
            self.offset != self._flushed_offset
            or self._contributions.pending
            or self._panes.pending
            or self._agents.pending
        )

    def flush(self) -> Changes:
        """Return the records of what changed since the last flush, and forget that it did; nothing when nothing did."""
        if not self.has_changes:
            return Changes([], [])
        self.sequence += 1
        state = self._contributions.flush(self.watermark)
        agents_state, agents_now = self._agents.flush(self.watermark, self.policy.lateness)
        state += agents_state
        kpis = self._panes.flush(self.watermark, self.now)
        marker = Marker(STATE_FORMAT, self._definitions, self.status(), self._panes.progress())
        state.append((MARKER, marker.encode()))
        kpis += agents_now
        kpis += self._contributions.waiting.flush()
        kpis += self._counters.flush()
        kpis.append((PARTITION, msgspec.json.encode(self.status())))
        self._flushed_offset = self.offset
        return Changes(state, kpis)

    def status(self) -> PartitionStatus:
        """Return how far the partition is."""
        refused = {str(reason): count for reason, count in self.refused.items()}
        graduated = self._panes.graduated
        return PartitionStatus(
            self.offset, self.sequence, self.watermark, self.counted, self.duplicate, refused, graduated, FORMAT, self._definitions
        )  # fmt: skip

    # Restoring

    def restore_state(self, records: Records) -> None:
        """Take records of the state; of several with the same key the last one counts, in later calls too.

        What cannot be read is no error before `restored`, which knows by the marker whether it is of another version.
        """
        contacts, pages = [], []
        for record in records:
            key, value = record
            if key.startswith(CONTACT):
                contacts.append(record)
            elif key.startswith(PAGE):
                pages.append(record)
            elif key.startswith(BLOCK):
                self._contributions.restore_block(split_block_key(key), value)
            else:
                _keep(self._restoring[0], key, value)
        with self._read_later():
            for key, value in pages:
                self._contributions.restore_page(*split_page_key(key), value)
            self._contributions.restore(contacts)

    def restore_kpis(self, records: Records) -> None:
        """Take records of the KPI topic; of several with the same key the last one counts, in later calls too. Errors are as of the state."""
        panes = []
        for record in records:
            if record[0].startswith(PANES):
                panes.append(record)
            else:
                _keep(self._restoring[1], *record)
        with self._read_later():
            self._panes.restore(panes)

    def restored(self) -> Restored:
        """Make the partition what it was when the records taken were written; return what they say of it.

        Raises `FormatChangedError` when they were written by another version, `PolicyChangedError` when it was under other definitions, and
        `StateCorruptError` when a record cannot be read.
        """
        state, kpis = self._restoring
        self._restoring = ({}, {})
        kept, shown = state.pop(MARKER, None), kpis.pop(PARTITION, None)
        try:
            marker = self._restore_marker(kept, others=bool(state) or self._contributions.known)
            if self._unread is not None:
                raise self._unread
            self._restore_state(state)
            self._panes.restored(
                decode_value("credits", kpis.pop(key)) for key in list(kpis) if key.startswith(CREDITS)
            )
            self._restore_kpis(kpis)
            figures = None if shown is None else decode_value("partition", shown)
            return Restored(None, figures) if marker is None else Restored(marker.status, figures, marker.writer)
        except UNREADABLE as error:
            if isinstance(error, FormatChangedError | PolicyChangedError | StateCorruptError):
                raise
            message = f"a record cannot be read: {type(error).__name__}"
            raise StateCorruptError(message) from error

    @contextmanager
    def _read_later(self) -> Iterator[None]:
        """Note that records cannot be read, and go on: the marker may be still to come."""
        try:
            yield
        except UNREADABLE as error:
            self._unread = self._unread or error

    def _restore_marker(self, record: bytes | None, *, others: bool) -> Marker | None:
        if record is None:
            if others:
                message = "state without its marker"
                raise StateCorruptError(message)
            return None
        marker = Marker.decode(record)
        if marker.fingerprint != self._definitions:
            message = "the state was kept under other definitions"
            raise PolicyChangedError(message)
        status = marker.status
        self.offset = self._flushed_offset = status.offset
        self.sequence, self.watermark = status.sequence, status.watermark
        self._panes.resume(marker.panes)
        self.counted, self.duplicate = status.counted, status.duplicate
        self.refused = {Reason(reason): count for reason, count in status.refused.items()}
        return marker

    def _restore_state(self, state: dict[bytes, bytes]) -> None:
        self._contributions.restored(self.watermark)
        for name, record in state.items():
            if name[:1] != AGENT:
                message = "a record of an unknown kind"
                raise StateCorruptError(message)
            self._agents.restore(name, record)
        self._agents.restored()

    def _restore_kpis(self, kpis: dict[bytes, bytes]) -> None:
        for key, record in kpis.items():
            kind, *name = decode_key(key)
            value: Any = decode_value(kind, record)
            if kind == "agent":
                self._agents.restore_now(name[0], record)
            elif kind == "counters":
                self._counters.restore(name[0], name[1], value)
            elif kind == "waiting":
                self._contributions.waiting.restore((name[0], name[1]), value)


def _keep(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = value
