"""Figures: what a reader of ``contact-center.kpis`` knows, and the rows that it answers with.

Wallboard, API, Prometheus and reports all ask here, so no two of them can disagree. Any stretch of time is a sum of panes: 10 s ones
for sliding windows, 15 min ones where they are still kept, days of the queue's zone before that.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import partial
from typing import Any

from schemas.fields import rfc3339
from schemas.panes import CREDITS, PANES, Counters, PartitionStatus, Waiting, decode_key, decode_value
from schemas.rows import Figure, Row
from streams.engine.facts import PRESENT
from streams.engine.marker import fingerprint
from streams.engine.policy import HOUR, INTERVAL, SECOND, SLIDING, Policy
from streams.engine.slices import Slice
from streams.errors import InputError
from streams.kpis.agents import AgentStatus, PublishedAgents
from streams.kpis.coverage import Coverage, Piece
from streams.kpis.evaluate import Asked, Parts, figures, unavailable
from streams.kpis.groups import Belongs, apart, groups_of
from streams.kpis.panes import PaneStore, Total
from streams.kpis.query import NO_QUEUE, TOTAL, Group, Place, Query, asked, is_timed
from streams.kpis.registry import BY, BY_ID, KPIS, SLIDING_BY
from streams.kpis.statuses import Statuses
from streams.kpis.waiting import Growth, WaitingNow, growth_since, waiting_at
from streams.kpis.windows import split

__all__ = ["AgentStatus", "Figures", "Query", "WaitingNow"]

_BY_CLOCK = {"hour", "weekday"}
"""Questions by which a pane belongs to a row for when it is."""
_NOTHING = {kpi.id: unavailable(kpi) for kpi in KPIS}


class Figures:
    """Everything read from the KPI topic so far."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._definitions = fingerprint(policy)
        self._panes = PaneStore()
        self._waiting: dict[tuple[str, str], dict[int, Waiting]] = {}
        self._agents = PublishedAgents()
        self._counters: dict[Place, dict[int, Counters]] = {}
        self._partitions: dict[int, PartitionStatus] = {}
        self.idle: frozenset[int] = frozenset()
        """Partitions of which the reader of the topics knows that every event is counted: they make nothing provisional."""
        self._coverage = Coverage(policy, self._panes, self._partitions)

    # Records in

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a record of the KPI topic; it replaces the earlier one of its key and partition."""
        if key.startswith(PANES):
            self._panes.load(partition, key, value)
            return
        if key.startswith(CREDITS):
            self._panes.credit(partition, key, value)
            return
        kind, *name = decode_key(key)
        decoded = None if value is None else decode_value(kind, value)
        if kind == "waiting":
            _replace(self._waiting, (name[0], name[1]), partition, decoded)
        elif kind == "agent":
            self._agents.load(name[0], partition, decoded)
        elif kind == "counters":
            _replace(self._counters, (name[0], name[1]), partition, decoded)
        elif kind == "partition":
            _put(self._partitions, partition, decoded)

    # The moment

    @property
    def watermark_us(self) -> int | None:
        """Return the largest event time of all partitions, None before the first event."""
        return max((status.watermark for status in self.partitions().values()), default=0) or None

    @property
    def first_us(self) -> int | None:
        """Return when the first pane begins that is kept, None without any."""
        first = self._panes.first()
        return None if first is None else first * SECOND

    @property
    def has_begun(self) -> bool:
        """Tell whether a worker has published figures."""
        return bool(self._partitions)

    def partitions(self) -> dict[int, PartitionStatus]:
        """Return how far each partition is."""
        return dict(self._partitions)

    def under_other_definitions(self) -> bool:
        """Tell whether a worker counted them under other definitions than these figures are read by."""
        return any(status.definitions not in {"", self._definitions} for status in self.partitions().values())

    def counters(self) -> dict[Place, dict[str, int]]:
        """Return the events counted so far by channel and queue, then by type. They never fall."""
        found: dict[Place, dict[str, int]] = {}
        for place, parts in self._counters.items():
            total = found.setdefault(place, {})
            for part in parts.values():
                for kind, count in part.events.items():
                    total[kind] = total.get(kind, 0) + count
        return found

    def queues(self) -> list[tuple[str, str]]:
        """Return channel and queue of every queue configured or seen, in order."""
        configured = self.policy.queues.items()
        places = {(channel, queue) for queue, limits in configured for channel in limits.channels}
        places |= self._waiting.keys()
        places.update(
            (channel, queue) for channel, queue in self._counters if channel is not None and queue is not None
        )
        return sorted(places)

    def waiting(self) -> list[WaitingNow]:
        """Return who waits now, for every queue configured or seen."""
        found = []
        for place in self.queues():
            parts = self._waiting.get(place, {}).values()
            starts = [part.starts[0] for part in parts if part.starts]
            found.append(WaitingNow(*place, sum(part.waiting for part in parts), min(starts, default=None)))
        return found

    def agents(self) -> list[AgentStatus]:
        """Return every agent's state, by name."""
        return self._agents.statuses()

    # Rows

    def rows(self, query: Query) -> list[Row]:
        """Return the figures asked for: a row a stretch and group, the total of each stretch last, if it is asked for.

        Raises InputError when the question is not one, or needs figures of 10 s or of 15 minutes that are no longer kept.
        """
        return [row for rows in self.stretches(query) for row in rows]

    def stretches(self, query: Query) -> Iterator[list[Row]]:
        """Yield the same rows stretch by stretch, for who need not have all of them at once."""
        if query.by is not None and query.by not in BY:
            message = f"by: seen {query.by!r}, expected one of {', '.join(BY)}"
            raise InputError(message)
        stretches = list(split(query.start_us, query.end_us, query.every, self._coverage.zone_of(query.queue)))
        growth = self.growth([end for _, end in stretches])
        for begin, end in stretches:
            yield list(self.stretch(query, begin, end, growth[end]))

    def places(self, query: Query) -> dict[tuple[str, str], Total]:
        """Return the measures and histograms of the range, of every channel and queue in order."""
        found: dict[tuple[str, str], Total] = {place: Total() for place in self.queues()}
        for of, total, _, _ in _added_up(self._pieces(query._replace(by="queue"), query.start_us, query.end_us)):
            if of.channel is not None and of.queue is not None:
                found[of.channel, of.queue] = total
        return dict(sorted(found.items()))

    def days(self, begin: int, end: int, queues: Container[str]) -> dict[tuple[str, str], int]:
        """Return the bundles of measures of whole days of the queues' zone, by channel and queue; nothing when they are no longer kept."""
        pieces = self._coverage.days(begin, end, lambda of: of.channel is not None and of.queue in queues)
        found = {place: 0 for place in self.queues() if place[1] in queues} if pieces is not None else {}
        for of, total, _, _ in pieces or ():
            if of.channel is not None and of.queue is not None:
                found[of.channel, of.queue] = found.get((of.channel, of.queue), 0) + total.bundle
        return found

    def sums(self, query: Query) -> dict[Group, Total]:
        """Return the measures and histograms of the rows of the whole range, by channel, queue, breakdown and value of the row."""
        return {group: parts[0] for group, parts in self.clusters(query, query.end_us - query.start_us).items()}

    def clusters(self, query: Query, width: int) -> dict[Group, list[Total]]:
        """Return the same by pieces of the range that are ``width`` microseconds long, as far as what is kept is cut so finely.

        What began in the first piece is the first, though it may be empty; others are left out where nothing is in them.
        """
        begin, end = query.start_us, query.end_us
        belongs = self._belongs(query)
        found: dict[Group, dict[int, Total]] = {}
        for group in self._known_groups(query):
            found[group] = {0: Total()}
        for of, total, start, length in apart(self._pieces(query, begin, end)):
            for group in belongs(of, start, length):
                pieces = found.setdefault(group, {0: Total()})
                number = max(0, start - begin) // width
                if number not in pieces:
                    pieces[number] = Total()
                pieces[number].add(total)
        return {
            (channel or query.channel, queue or query.queue, breakdown, value): [*pieces.values()]
            for (channel, queue, breakdown, value), pieces in found.items()
        }

    def growth(self, times: Iterable[int]) -> dict[int, Growth]:
        """Return by how much each queue has grown since each of the times; None where a time cuts a day that is needed."""
        return growth_since(times, self._coverage)

    def stretch(self, query: Query, begin: int, end: int, growth: Growth) -> Iterator[Row]:
        """Yield the rows of one stretch of a query's range; ``growth`` is that since its end.

        Nothing is known until a partition has published how far it is: then no figure is available, not even a count of 0.
        """
        belongs = self._belongs(query)
        groups, tickets = self._groups(query, begin, end, belongs)
        if query.channel is None:
            until = min(end, self._clock(query))
            for of, start, bundle in self._agents.time(query, begin, until, sliding=_is_sliding(begin, end)):
                for group in belongs(of, start, SLIDING):
                    groups.setdefault(group, {}).setdefault(of.queue, Total()).bundle += bundle
        statuses = Statuses(query, end, self.policy, self._partitions, self.idle)
        now_waiting = self.waiting()
        waiting = waiting_at(now_waiting, growth, query, groups)
        total = groups.pop(TOTAL)
        last = [(TOTAL, total)] if query.total else []
        for group, parts in [*sorted(groups.items(), key=_by_name), *last]:
            by = query.by if group != TOTAL else None
            kpis = _NOTHING
            if self.has_begun:
                found = statuses.of(tickets.get(group, 0))
                kpis = figures(parts, self.policy, Asked(by, query.live, is_timed(query, by)), found, total)
                kpis |= self._of_the_moment(query, end, group, by, waiting.get(group), now_waiting)
            channel, queue, breakdown, value = group
            yield Row(
                rfc3339(begin), rfc3339(end), channel or query.channel, query.queue if queue is None else queue, breakdown, value,
                {kpi: kpis[kpi] for kpi in BY_ID},
            )  # fmt: skip

    def _belongs(self, query: Query) -> Belongs:
        places = sorted(self._panes.places.union(self.queues()))
        return partial(groups_of, query, coverage=self._coverage, places=places)

    def _groups(
        self, query: Query, begin: int, end: int, belongs: Belongs
    ) -> tuple[dict[Group, Parts], dict[Group, int]]:
        """Return the sums of each group by queue, and of all together; and of each the bundle of its tickets."""
        groups: dict[Group, Parts] = {group: {} for group in self._known_groups(query)}
        tickets: dict[Group, int] = {}
        pieces = self._pieces(query, begin, end)
        for of, total, start, length in apart(pieces if query.by in _BY_CLOCK else _added_up(pieces)):
            for group in belongs(of, start, length):
                parts = groups.setdefault(group, {})
                own = parts.get(of.queue)
                if own is None:
                    own = parts[of.queue] = Total()
                own.add(total)
                if of.channel and of.channel not in PRESENT:
                    tickets[group] = tickets.get(group, 0) + total.bundle
        return groups, tickets

    def _known_groups(self, query: Query) -> Iterator[Group]:
        """Yield the groups that are shown even when nothing is in them."""
        yield TOTAL
        if query.by == "queue":
            for channel, name in self.queues():
                if query.channel in {None, channel} and query.queue in {None, name}:
                    yield channel, name, None, None

    def _pieces(self, query: Query, begin: int, end: int) -> Iterator[Piece]:
        """Return the panes that make up a stretch of time; raise InputError when they are not kept."""
        wanted = partial(asked, query)
        if _is_sliding(begin, end):
            self._check_sliding(query, begin, end)
            return self._coverage.sliding(begin, end, query.by, wanted)
        self._coverage.check(begin, end, query.by, wanted)
        return self._coverage.panes(begin, end, query.by, wanted)

    def _check_sliding(self, query: Query, begin: int, end: int) -> None:
        if begin % SLIDING or end % SLIDING:
            message = "from, to: expected boundaries of 15 minutes"
            raise InputError(message)
        if query.by not in SLIDING_BY:
            message = f"by: seen {query.by!r}, expected queue, channel or agent in a sliding window"
            raise InputError(message)
        if query.every != "all":
            message = f"every: seen {query.every!r}, expected all in a sliding window"
            raise InputError(message)
        kept = self.policy.retention.sliding
        if kept is not None and begin < max(self.watermark_us or 0, query.now_us if query.live else 0) - kept:
            message = f"from, to: panes of 10 s are kept for {kept / HOUR:g} h; expected boundaries of 15 minutes"
            raise InputError(message)

    # What is not in panes

    def _clock(self, query: Query) -> int:
        """Return the time as far as it is known: the clock when live, the watermark in history."""
        return query.now_us if query.live else self.watermark_us or 0

    def _of_the_moment(
        self, query: Query, end: int, group: Group, by: str | None, waiting: int | None, now: list[WaitingNow]
    ) -> dict[str, Figure]:
        """Return the figures that are of the moment at which the stretch ends."""
        status = "open" if end > self._clock(query) else "final"
        asked = by in {None, "channel"} or (by == "queue" and None not in group[:2] and NO_QUEUE not in group[:2])
        longest = agents = None
        if query.live and asked and end > query.now_us:
            longest = _longest_wait(query, group, now)
            agents = (
                self._agents.signed_in(group[1] or query.queue) if by != "channel" and query.channel is None else None
            )
        return {
            "waiting": Figure(waiting if asked else None, waiting if asked else None, None, "count", status),
            "longest_wait": Figure(longest, None, None, "s", status),
            "agents": Figure(agents, agents, None, "count", status),
        }


def _longest_wait(query: Query, group: Group, waiting: list[WaitingNow]) -> float | None:
    channel, queue = group[0] or query.channel, group[1] or query.queue
    starts = [
        place.longest_since_us
        for place in waiting
        if place.longest_since_us is not None and channel in {None, place.channel} and queue in {None, place.queue}
    ]
    return max(0, query.now_us - min(starts)) / SECOND if starts else None


def _added_up(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield one piece for each slice, of which neither start nor length can be told any more."""
    found: dict[Slice, Total] = {}
    for of, total, _, _ in pieces:
        own = found.get(of)
        if own is None:
            own = found[of] = Total()
        own.add(total)
    return (Piece(of, total, 0, 0) for of, total in found.items())


def _replace(parts: dict[Any, dict[int, Any]], key: Any, partition: int, value: Any) -> None:
    own = parts.setdefault(key, {})
    _put(own, partition, value)
    if not own:
        del parts[key]


def _put(parts: dict[int, Any], partition: int, value: Any) -> None:
    if value is not None:
        parts[partition] = value
    else:
        parts.pop(partition, None)


def _is_sliding(begin: int, end: int) -> bool:
    return bool(begin % INTERVAL or end % INTERVAL)


def _by_name(item: tuple[Group, Parts]) -> tuple[str, ...]:
    return tuple(part or "" for part in item[0])


def is_known(places: Iterable[tuple[str, str]], channel: str | None, queue: str | None) -> bool:
    """Tell whether there is a queue of these names; None is any, of none at all too.

    >>> is_known([("call", "sales")], "call", None), is_known([("call", "sales")], "chat", "sales"), is_known([], None, None)
    (True, False, True)
    """
    return (channel, queue) == (None, None) or any(
        channel in {None, of} and queue in {None, name} for of, name in places
    )
