"""Credits: what a contact adds to the panes, as a pure function of its course.

A credit is (time, place, bundle of measures, code or None): the bundle goes to the pane of ``time`` in each slice of the place (the
visit's, and those of who answered), of which the queue's and the agent's also have sliding panes. Crediting (docs/kpis.md): rates to the visit's
start (COHORT), counts, waits and responses to the event's time (EVENT), handling to the conversation's end (CLOSE), costs to every interval
of their period (CLIP).
"""

from __future__ import annotations

from typing import Final

from streams.engine.codes import code_of
from streams.engine.course import CONNECTED, LEFT, MOVED_ON, WAITING, Course, Leg, Mark, Visit
from streams.engine.histogram import bucket, coarse
from streams.engine.marks import Credit, Giver
from streams.engine.measures import ONE, SHIFT
from streams.engine.policy import QueuePolicy

__all__ = ["Credit", "Credits", "lost", "patience"]

_ENTERED: Final = ONE["entered"]
_WITHIN: Final = {CONNECTED: ONE["answered_within"], LEFT: ONE["abandoned_within"]}
_COHORT: Final = {CONNECTED: ONE["cohort_answered"], LEFT: ONE["cohort_abandoned"]}
_EVENT: Final = {CONNECTED: ONE["answered"], LEFT: ONE["abandoned"]}
_FLOWED_COHORT: Final = ONE["cohort_flowed_out"]
_FLOWED_EVENT: Final = ONE["flowed_out"]
_REACHED: Final = ONE["reached_threshold"]
_SHORT: Final = ONE["short_abandoned"]
_CALLBACK: Final = ONE["callback_within"]
_TRANSFERRED: Final = ONE["transferred"]
_WAIT: Final = {CONNECTED: SHIFT["wait_answered_us"], LEFT: SHIFT["wait_abandoned_us"]}
_HISTOGRAM: Final = {CONNECTED: code_of("wait_answered"), LEFT: code_of("wait_abandoned")}
_HANDLED: Final = ONE["handled"]
_TICKET_HANDLED: Final = ONE["tickets_handled"]
_HANDLE_CODE: Final = code_of("handle")
_HELD: Final = ONE["held"]
_TALK: Final = SHIFT["talk_us"]
_HOLD: Final = SHIFT["hold_us"]
_WRAP_UP: Final = SHIFT["wrap_up_us"]
_RESOLVED: Final = ONE["resolved"]
_IDENTIFIED: Final = ONE["resolved_identified"]
_FIRST_CONTACT: Final = ONE["resolved_first_contact"]
_ALONE: Final = ONE["resolved_alone"]
_NEVER_BACK: Final = _RESOLVED + _IDENTIFIED + _ALONE + _FIRST_CONTACT
_RETURNED: Final = tuple(ONE[f"returned_within_{days}d"] for days in (1, 7, 14, 30))
_OPENED: Final = ONE["opened"]
_UNRESOLVED: Final = ONE["opened_unresolved"]
_MOVED: Final = ONE["moved_unresolved"]
_UNHANDLED: Final = _OPENED + ONE["opened_unhandled"] + _UNRESOLVED
_SOLD: Final = ONE["opened_sold"]
_RESOLUTION: Final = ONE["resolutions"]
_WRITTEN: Final = ONE["resolved_written"]
_FULL: Final = SHIFT["resolution_full_us"]
_FULL_CODE: Final = code_of("resolution_full")


class Credits(Giver):
    """Works out credits under a policy."""

    def of(self, course: Course, as_of: int, next_start: int | None, *, identified: bool) -> list[Credit]:
        """Return what a contact adds to the panes.

        ``as_of`` decides what has become of a visit that still waits; ``next_start`` is when the same customer's next
        contact began, None when there is none (first-contact resolution).
        """
        given: list[Credit] = []
        if course.sealed:  # first: what stays where it was in the list is not credited anew
            given += self._sealed(course, as_of)
        begin = len(given)
        for visit in course.visits:
            given += visit.given or self._visit(visit, as_of)
        last = -1
        for leg in course.legs:
            if leg.end is not None:
                given += leg.given or self._leg(leg, leg.end)
                last = len(given) - 1
        for mark in course.marks:
            given += mark.given or self.mark(mark)
        if course.first is not None:
            self._whole(given, (begin, last), course, course.first, next_start, identified=identified)
        return given

    def _whole(
        self,
        given: list[Credit],
        indices: tuple[int, int],
        course: Course,
        first: Visit,
        next_start: int | None,
        *,
        identified: bool,
    ) -> None:
        """Add the credits of a contact as a whole: where and when it began, for who led its last conversation; and that it was resolved.

        ``indices`` say where in ``given`` the credits of the first visit that is not sealed, and of the last conversation, are. Where the last
        conversation was of the first visit, all is of one place.
        """
        legs, (begin, last) = course.legs, indices
        if not legs:
            _join(given, begin, first.start, self.group(first), _UNHANDLED)
            return
        leg = legs[-1]
        visit, own = leg.visit, leg.place if leg.place >= 0 else self._place(leg)
        bundle = _SOLD if course.sold is not None and self.is_in_time(first, *course.sold) else 0
        if not course.resolved or course.ended is None:
            bundle += _OPENED + _UNRESOLVED
            if visit is not first and visit.is_ticket and course.waiting is None:
                given.append((visit.start, own, _MOVED, None))
        else:
            bundle += _OPENED
            resolved = self._resolved(course, visit, first.start, next_start, identified=identified)
            if visit is first:
                bundle += resolved
            else:
                _join(given, begin, visit.start, own, resolved)
            self._resolution(given, last, visit, own, course.ended, first.start)
        place = own if visit is first else self.place(first, leg.agent, leg.level)
        _join(given, begin, first.start, place, bundle)

    def _sealed(self, course: Course, as_of: int) -> list[Credit]:
        """Return what is credited for all that is sealed, worked out once; but for a visit that still waits, and what comes after it."""
        known = course.given
        for at in range(course.given_for, len(course.sealed)):
            one = course.sealed[at]
            given = self._of_sealed(one, as_of)
            if one.given is None and isinstance(one, Visit):
                return known + [credit for rest in course.sealed[at:] for credit in self._of_sealed(rest, as_of)]
            known += given
            course.given_for = at + 1
        return known

    def _of_sealed(self, one: Visit | Leg | Mark, as_of: int) -> list[Credit]:
        if isinstance(one, Visit):
            return one.given or self._visit(one, as_of)
        if isinstance(one, Mark):
            return one.given or self.mark(one)
        return one.given or ([] if one.end is None else self._leg(one, one.end))

    def _visit(self, visit: Visit, as_of: int) -> list[Credit]:
        """Return what a visit is credited, and remember it when that depends on the clock no more."""
        limits = self._policy.of(visit.queue)
        outcome, decided = visit.outcome, visit.decided
        self.group(visit)
        if outcome == WAITING:
            if not lost(visit, limits, as_of):
                reached = _REACHED if as_of > visit.start + limits.threshold_in(visit.channel) else 0
                return [(visit.start, visit.group, _ENTERED + reached, None)]
            return _flowed_out(visit, visit.start + patience(visit, limits), limits.threshold_in(visit.channel))
        if outcome == MOVED_ON:
            decided = min(decided, visit.start + patience(visit, limits))
        if outcome not in _EVENT:
            visit.given = _flowed_out(visit, decided, limits.threshold_in(visit.channel))
            return visit.given
        wait = decided - visit.start
        cohort = _ENTERED + _decided(outcome, wait, limits.threshold_in(visit.channel), limits.short_abandon)
        event = _EVENT[outcome] + (wait << _WAIT[outcome])
        code = _HISTOGRAM[outcome] + bucket(wait)
        place = self.place(visit, visit.agent, visit.level) if outcome == CONNECTED else visit.group
        visit.given = [(visit.start, place, cohort, None), (decided, place, event, code)]
        return visit.given

    def _leg(self, leg: Leg, end: int) -> list[Credit]:
        code = None
        if leg.visit.is_ticket:
            bundle = _TICKET_HANDLED
        else:
            talk = end - leg.start - leg.hold
            code = _HANDLE_CODE + coarse(end - leg.start + leg.wrap_up)
            bundle = _HANDLED + (talk << _TALK) + (leg.hold << _HOLD) + (leg.wrap_up << _WRAP_UP)
            if leg.held:
                bundle += _HELD
        if leg.transferred:
            bundle += _TRANSFERRED
        leg.given = [(end, self._place(leg), bundle, code)]
        return leg.given

    def _place(self, leg: Leg) -> int:
        if leg.place < 0:
            leg.place = self.place(leg.visit, leg.agent, leg.level)
        return leg.place

    def _resolved(self, course: Course, visit: Visit, began: int, next_start: int | None, *, identified: bool) -> int:
        """Return the bundle of a resolved contact; a customer who began another within W of this one's beginning came back."""
        if not identified:
            return _RESOLVED
        if course.transferred or course.reopened:
            return _RESOLVED + _IDENTIFIED
        if next_start is None:
            return _NEVER_BACK
        return _RESOLVED + _IDENTIFIED + _ALONE + self._returned(visit.queue, next_start - began)

    def _resolution(self, given: list[Credit], last: int, visit: Visit, place: int, ended: int, began: int) -> None:
        """Add the credit of the resolution, when it was."""
        if visit.channel in self._spoken:
            _join(given, last, ended, place, _RESOLUTION)
            return
        took = ended - began
        given.append((ended, place, _RESOLUTION + _WRITTEN + (took << _FULL), _FULL_CODE + bucket(took)))

    def _returned(self, queue: str, after: int) -> int:
        """Return the windows within which a customer came back ``after`` so many microseconds, or that it was after the queue's own."""
        bundle = 0 if after <= self._policy.of(queue).return_window else _FIRST_CONTACT
        for window, returned in zip(self._policy.windows, _RETURNED, strict=True):
            if after <= window:
                bundle += returned
        return bundle


def _join(given: list[Credit], at: int, time: int, place: int, bundle: int) -> None:
    """Add a credit to the one there is, where both are of the same time and place; one is dealt with faster than two."""
    if at < len(given):
        known = given[at]
        if known[0] == time and known[1] == place:
            given[at] = (time, place, known[2] + bundle, known[3])
            return
    given.append((time, place, bundle, None))


def patience(visit: Visit, limits: QueuePolicy) -> int:
    """Return for how long a visit may wait before its end must have been lost, microseconds."""
    return limits.maximum_ticket_age if visit.is_ticket else limits.maximum_wait


def lost(visit: Visit, limits: QueuePolicy, as_of: int) -> bool:
    """Tell whether a visit without an outcome has waited for so long that its end must have been lost."""
    return as_of > visit.start + patience(visit, limits)


def _flowed_out(visit: Visit, decided: int, within_us: int) -> list[Credit]:
    """Return what a visit is credited that was left unanswered and not by hanging up."""
    within = decided - visit.start <= within_us
    callback = _CALLBACK if within and visit.reason == "callback" else 0
    cohort = _ENTERED + _FLOWED_COHORT + callback + (0 if within else _REACHED)
    return [(visit.start, visit.group, cohort, None), (decided, visit.group, _FLOWED_EVENT, None)]


def _decided(outcome: int, wait: int, within_us: int, short_us: int) -> int:
    """Return the cohort measures of an answer or an abandonment after a wait."""
    bundle = _COHORT[outcome] + (_WITHIN[outcome] if wait <= within_us else _REACHED)
    if outcome == LEFT and wait <= short_us and short_us > 0:
        bundle += _SHORT
    return bundle
