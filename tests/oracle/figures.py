"""All figures of a batch of events as of a time: what each visit, conversation and agent counts, where and when.

Everything is a `Count`: so much of one measure, at one time, in one queue, for these breakdowns. A pane is the sum of
the counts that fall into it. Nothing here is fast, merged or kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.agents import AgentStateChanged
from schemas.events import Event
from streams.engine.policy import Policy
from tests.oracle import agents, contacts
from tests.oracle.business import business, opinions
from tests.oracle.contacts import Contact, Conversation, Happening, Visit

QUARTER = 15 * 60 * 1_000_000
SLIDING = 10 * 1_000_000

Slice = tuple[int, str | None, str | None, str | None, str | None]
"""(start, channel, queue, breakdown, value)"""


class Count(NamedTuple):
    """So much of a measure at a time; a listed one is a single wait and belongs to a list of waits."""

    time: int
    channel: str | None
    queue: str | None
    breakdowns: dict[str, str]
    measure: str
    value: int
    listed: bool = False


class Outcome(NamedTuple):
    """What became of a visit as of a time: ``kind`` is None while it waits."""

    kind: str | None
    at: int | None
    reason: str | None


class Oracle:
    """The figures of some events under a policy, as of ``now``.

    ``identity`` says whose a contact is, by the keys of its records; itself where nobody is known.
    """

    def __init__(
        self, events: Iterable[Event], policy: Policy, now: int, identity: Callable[[str], str] | None = None
    ) -> None:
        self.policy, self.now = policy, now
        facts, named = defaultdict(list), set[str]()
        self.changes: list[AgentStateChanged] = []
        for event in events:
            if isinstance(event, AgentStateChanged):
                self.changes.append(event)
            else:
                name = getattr(event, "contact_id", None)
                named.update([name] if name else [])
                facts[name or f"of {_whose(event)}"].append(event)
        self.contacts: list[Contact] = []
        for name in sorted(facts):
            for number, life in enumerate(contacts.lives(facts[name], policy)):
                contact = contacts.read(f"{name}\0{number}" if number else name, life)
                if identity is not None and name in named:
                    contact.customer = identity(name) if identity(name) != name else None
                self.contacts.append(contact)
        self.counts = [*self._visits(), *self._conversations(), *self._resolutions(), *self._agents()]
        self.counts += [*self._wholes(), *self._happenings()]

    def outcome(self, visit: Visit) -> Outcome:
        """Return what became of a visit: one that waited for the longest allowed time without an outcome is lost."""
        limits = self.policy.of(visit.queue)
        lost_at = visit.start + (limits.maximum_ticket_age if visit.ticket else limits.maximum_wait)
        if visit.outcome is None and self.now > lost_at:
            return Outcome("flowed_out", lost_at, "lost")
        if visit.implied and visit.at is not None and visit.at > lost_at:
            return Outcome("flowed_out", lost_at, "lost")
        return Outcome(visit.outcome, visit.at, visit.reason)

    # -- what counts -------------------------------------------------------------------------------------------------

    def _visits(self) -> Iterator[Count]:
        for contact in self.contacts:
            for visit in contact.visits:
                yield from self._visit(visit)

    def _visit(self, visit: Visit) -> Iterator[Count]:
        kind, at, reason = self.outcome(visit)
        policy = self.policy.of(visit.queue)
        breakdowns = _breakdowns(visit, visit.agent, visit.level)
        wait = self.now - visit.start if at is None else at - visit.start
        threshold = policy.ticket_threshold if visit.ticket else policy.threshold
        cohort = {
            "entered": True,
            f"cohort_{kind}": kind is not None,
            "short_abandoned": kind == "abandoned" and wait <= policy.short_abandon and policy.short_abandon > 0,
            "answered_within": kind == "answered" and wait <= threshold,
            "abandoned_within": kind == "abandoned" and wait <= threshold,
            "callback_within": kind == "flowed_out" and reason == "callback" and wait <= threshold,
            "reached_threshold": wait > threshold,
        }
        for measure, counts in cohort.items():
            if counts:
                yield Count(visit.start, visit.channel, visit.queue, breakdowns, measure, 1)
        if kind is not None and at is not None:
            yield Count(at, visit.channel, visit.queue, breakdowns, kind, 1)
        if at is not None and kind in ("answered", "abandoned"):
            yield Count(at, visit.channel, visit.queue, breakdowns, f"wait_{kind}_us", wait)
            yield Count(at, visit.channel, visit.queue, breakdowns, f"wait_{kind}", wait, listed=True)

    def _conversations(self) -> Iterator[Count]:
        for contact in self.contacts:
            for conversation in contact.conversations:
                yield from self._conversation(conversation)

    def _conversation(self, conversation: Conversation) -> Iterator[Count]:
        visit, end = conversation.visit, conversation.end
        if end is None:
            return
        breakdowns = _breakdowns(visit, conversation.agent, conversation.level)
        if visit.ticket:
            amounts = {"tickets_handled": 1, "transferred": 1 if conversation.transferred else 0}
            for measure, amount in amounts.items():
                yield Count(end, visit.channel, visit.queue, breakdowns, measure, amount)
            return
        amounts = {
            "handled": 1,
            "held": 1 if conversation.holds else 0,
            "talk_us": end - conversation.start - conversation.hold,
            "hold_us": conversation.hold,
            "wrap_up_us": conversation.wrap_up,
            "transferred": 1 if conversation.transferred else 0,
        }
        for measure, amount in amounts.items():
            if amount:
                yield Count(end, visit.channel, visit.queue, breakdowns, measure, amount)
        handled = end - conversation.start + conversation.wrap_up
        yield Count(end, visit.channel, visit.queue, {}, "handle", handled, listed=True)

    def _resolutions(self) -> Iterator[Count]:
        for contact in self.contacts:
            at, began = contact.resolved_at, contact.first_start
            if at is None or began is None:
                continue
            last = contact.in_talk[-1]
            visit = last.visit
            breakdowns = _breakdowns(visit, last.agent, last.level)
            measures = {
                "resolved": True,
                "resolved_identified": contact.customer is not None,
                "resolved_first_contact": self._first_contact(contact, self.policy.of(visit.queue).return_window),
            }
            alone = contact.customer is not None and not contact.handed_on and not contact.reopened
            measures["resolved_alone"] = alone
            for days, window in zip((1, 7, 14, 30), self.policy.windows, strict=True):
                measures[f"returned_within_{days}d"] = alone and not self._first_contact(contact, window)
            for measure, counts in measures.items():
                if counts:
                    yield Count(visit.start, visit.channel, visit.queue, breakdowns, measure, 1)
            yield Count(at, visit.channel, visit.queue, breakdowns, "resolutions", 1)
            if visit.channel != "call":
                yield Count(at, visit.channel, visit.queue, breakdowns, "resolved_written", 1)
                yield Count(at, visit.channel, visit.queue, breakdowns, "resolution_full_us", at - began)
                yield Count(at, visit.channel, visit.queue, breakdowns, "resolution_full", at - began, listed=True)

    def _first_contact(self, contact: Contact, window: int) -> bool:
        """Return whether the customer needed no one else and did not come back within the window, about the same where it is said."""
        if contact.customer is None or contact.handed_on or contact.reopened or contact.first_start is None:
            return False
        own = (contact.first_start, contact.contact_id)
        return not any(
            other.customer == contact.customer
            and other.first_start is not None
            and (other.first_start, other.contact_id) > own
            and other.first_start <= contact.first_start + window
            and (not contact.reason or not other.reason or contact.reason == other.reason)
            for other in self.contacts
        )

    def _wholes(self) -> Iterator[Count]:
        """Count contacts as wholes, where and when they began, for who led the last conversation."""
        for contact in self.contacts:
            first = contact.first
            if first is None:
                continue
            last = contact.in_talk[-1] if contact.in_talk else None
            who = (None, None) if last is None else (last.agent, last.level)
            measures = {
                "opened": True,
                "opened_unhandled": last is None,
                "opened_unresolved": contact.resolved_at is None,
                "opened_sold": last is not None and self._converted(contact),
            }
            for measure, counts in measures.items():
                if counts:
                    yield Count(first.start, first.channel, first.queue, _breakdowns(first, *who), measure, 1)
            if contact.resolved_at is None and last is not None and last.visit is not first and last.visit.ticket:
                visit = last.visit
                if all(one.outcome is not None for one in contact.visits):
                    yield Count(
                        visit.start, visit.channel, visit.queue, _breakdowns(visit, *who), "moved_unresolved", 1
                    )

    def _converted(self, contact: Contact) -> bool:
        """Tell whether the first sale of a contact came in time."""
        sale = next((one for one in contact.happenings if one.what == "sale" and not one.more["sale"].amount < 0), None)
        if sale is None or contact.first is None:
            return False
        return sale.visit is None or self._in_time(sale, contact.first)

    def _in_time(self, one: Happening, visit: Visit) -> bool:
        """Tell whether what is said of a contact comes soon enough to be of its queue.

        Within the longest window of first-contact resolution and wait: of its visit's start, or of a ticket's resolution.
        """
        limits = [self.policy.defaults, *self.policy.queues.values()]
        windows = [*self.policy.windows, *(limit.return_window for limit in limits)]
        allowed = max(windows) + max(limit.maximum_wait for limit in limits)
        if one.visit is not None and one.visit.channel not in ("call", "chat"):
            if one.over is not None and one.at - one.over > allowed:
                return False
        elif one.visit is not None and one.at - one.visit.start > allowed:
            return False
        if visit.channel not in ("call", "chat"):
            allowed = max(allowed, self.policy.of(visit.queue).maximum_ticket_age)
        return one.at - visit.start <= allowed

    def _happenings(self) -> Iterator[Count]:
        for contact in self.contacts:
            for one in contact.happenings:
                for time, measure, value, listed in self._happening(one):
                    if one.visit is not None and (one.what not in _SAID or self._in_time(one, one.visit)):
                        breakdowns = _breakdowns(one.visit, one.agent, one.level)
                        yield Count(time, one.visit.channel, one.visit.queue, breakdowns, measure, value, listed)
                    else:
                        yield Count(time, *_of_no_contact(one), {}, measure, value, listed)

    def _happening(self, one: Happening) -> Iterator[tuple[int, str, int, bool]]:
        """Yield time, measure, value and whether it is one of a list."""
        if one.what == "response" and one.visit is not None:
            origin, took = one.more["origin"], one.at - one.more["since"]
            limits = self.policy.of(one.visit.queue)
            opened = business(limits.business_hours, limits.time_zone, one.more["since"], one.at)
            yield one.at, f"responses_{origin}", 1, False
            for name, value in ((f"response_{origin}", took), (f"response_{origin}_open", opened)):
                yield one.at, f"{name}_us", value, False
                yield one.at, name, value, True
        elif one.what == "transfer":
            yield one.at, "transfers", 1, False
            yield one.at, "escalations", int(one.more["escalated"]), False
        elif one.what == "resolved_first":
            took = one.at - one.more["began"]
            yield one.at, "resolved_first", 1, False
            yield one.at, "resolution_first_us", took, False
            yield one.at, "resolution_first", took, True
        elif one.what in ("survey", "sale", "cost"):
            for time, measure, value in opinions(one):
                yield time, measure, value, False
        else:
            for measure in _COUNTED[one.what]:
                yield one.at, measure, 1, False

    def _agents(self) -> Iterator[Count]:
        for stay in agents.stays(self.changes):
            measure = agents.MEASURE.get(stay.state)
            if stay.end is None or measure is None:
                continue
            yield from self._stay(stay, measure, stay.end)

    def with_open_time(self, until: int) -> Oracle:
        """Count the states that go on as well, up to a time, as readers do."""
        for stay in agents.stays(self.changes):
            measure = agents.MEASURE.get(stay.state)
            if stay.end is None and measure is not None:
                self.counts += self._stay(stay, measure, until)
        return self

    def _stay(self, stay: agents.Stay, measure: str, until: int) -> Iterator[Count]:
        for start, end in _clip(stay.start, min(until, stay.start + 24 * 3_600_000_000)):
            yield Count(start, None, None, {"agent": stay.agent}, measure, end - start)
            for queue in stay.queues:
                yield Count(start, None, queue, {}, measure, end - start)

    # -- figures -----------------------------------------------------------------------------------------------------

    def panes(self, length: int = QUARTER) -> dict[Slice, dict[str, int]]:
        """Return the measures of each slice of each stretch of ``length`` microseconds; zeros are left out."""
        return self._panes(lambda count: count.time - count.time % length)

    def days(self, until: int) -> dict[Slice, dict[str, int]]:
        """Return the measures of each day in the queue's zone, from the intervals that ended by ``until``."""
        return self._panes(lambda count: midnight(count.time, self.zone(count.queue)), until)

    def hours(self, until: int) -> dict[Slice, dict[str, int]]:
        """Return the same by hour of the day, as the clocks of the queue's zone show it."""
        panes: dict[Slice, Counter[str]] = defaultdict(Counter)
        for count in self.counts:
            plain = not count.listed and count.value and "/" not in count.measure
            if plain and count.time - count.time % QUARTER + QUARTER <= until:
                zone = self.zone(count.queue)
                hour = f"{civil(count.time, zone).hour:02}"
                key = (midnight(count.time, zone), count.channel, count.queue, "hour", hour)
                panes[key][count.measure] += count.value
        return {key: dict(measures) for key, measures in panes.items()}

    def length_of_day(self, start: int, queue: str | None) -> int:
        """Return the microseconds from a midnight to the next in a queue's zone."""
        zone = self.zone(queue)
        return midnight(start + 30 * 3_600_000_000, zone) - start

    def zone(self, queue: str | None) -> str:
        """Return the zone in which a queue's days are counted."""
        return self.policy.defaults.time_zone if queue is None else self.policy.of(queue).time_zone

    def _panes(self, start_of: Callable[[Count], int], until: int | None = None) -> dict[Slice, dict[str, int]]:
        panes: dict[Slice, Counter[str]] = defaultdict(Counter)
        for count in self.counts:
            open_still = until is not None and count.time - count.time % QUARTER + QUARTER > until
            if not count.listed and count.value and not open_still and "/" not in count.measure:
                for breakdown, value in [(None, None), *count.breakdowns.items()]:
                    key = (start_of(count), count.channel, count.queue, breakdown, value)
                    panes[key][count.measure] += count.value
        return {key: dict(measures) for key, measures in panes.items()}

    def waits(self, length: int = QUARTER) -> dict[Slice, dict[str, list[int]]]:
        """Return the sorted waits of each slice, by name (wait_answered, wait_abandoned)."""
        panes: dict[Slice, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for count in self.counts:
            if count.listed:
                for breakdown, value in [(None, None), *count.breakdowns.items()]:
                    key = (count.time - count.time % length, count.channel, count.queue, breakdown, value)
                    panes[key][count.measure].append(count.value)
        return {key: {name: sorted(waits) for name, waits in lists.items()} for key, lists in panes.items()}

    def money(self, length: int = QUARTER) -> dict[Slice, dict[str, int]]:
        """Return the amounts of each slice in millionths, by "kind/currency"; those that come to 0 are left out."""
        panes: dict[Slice, Counter[str]] = defaultdict(Counter)
        for count in self.counts:
            if "/" in count.measure:
                for breakdown, value in [(None, None), *count.breakdowns.items()]:
                    key = (count.time - count.time % length, count.channel, count.queue, breakdown, value)
                    panes[key][count.measure] += count.value
        full = {key: {name: value for name, value in amounts.items() if value} for key, amounts in panes.items()}
        return {key: amounts for key, amounts in full.items() if amounts}

    def waiting(self) -> dict[tuple[str, str], list[int]]:
        """Return the sorted starts of the visits that wait now, by channel and queue."""
        starts = defaultdict(list)
        for visit in self.visits():
            if self.outcome(visit).kind is None:
                starts[visit.channel, visit.queue].append(visit.start)
        return {key: sorted(values) for key, values in starts.items()}

    def agents(self) -> dict[str, agents.Stay]:
        """Return the state that each agent is in, and since when."""
        return agents.now(self.changes)

    def visits(self) -> list[Visit]:
        """Return the visits of all contacts."""
        return [visit for contact in self.contacts for visit in contact.visits]


_SAID = {"survey", "surveyed", "complaint", "applause", "sale", "retained", "lost"}
"""What is said of a contact afterwards, however long."""
_COUNTED = {
    "resolution": ("resolutions", "resolutions_reopened"), "reopened": ("reopened",), "surveyed": ("surveyed",),
    "complaint": ("complaints",), "applause": ("applause",), "retained": ("retained",), "lost": ("lost",),
}  # fmt: skip


def _of_no_contact(one: Happening) -> tuple[str | None, str | None]:
    """Return channel and queue: none, or those of a cost."""
    if one.what != "cost":
        return None, None
    return one.more["cost"].channel, one.more["cost"].queue


def _whose(event: Event) -> str:
    """Return whose an event of no contact is."""
    return getattr(event, "customer_id", None) or event.id


def _breakdowns(visit: Visit, agent: str | None, level: str | None) -> dict[str, str]:
    values = {**visit.traits, "agent": agent, "level": level}
    return {name: value for name, value in values.items() if value is not None}


def _clip(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a stretch of time at the ends of the quarters of an hour."""
    while start < end:
        cut = min(end, start - start % QUARTER + QUARTER)
        yield start, cut
        start = cut


def civil(time: int, zone: str) -> datetime:
    """Return a time as the clocks of a zone show it."""
    return datetime.fromtimestamp(time // 1_000_000, UTC).astimezone(ZoneInfo(zone))


def midnight(time: int, zone: str) -> int:
    """Return when the day of a time began in a zone."""
    day = civil(time, zone)
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
