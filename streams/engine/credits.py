"""Credits: what a call adds to the panes, as a pure function of its visits and conversations.

A credit is (time, place, bundle of measures, bucket or None): the bundle goes to the pane of ``time`` in each slice of the place (the
visit's, and those of who answered), of which the queue's and the agent's also have sliding panes. Crediting (docs/kpis.md): rates to the visit's start (COHORT), counts
and waits to the outcome's time (EVENT), handling to the conversation's end (CLOSE).
"""

from __future__ import annotations

from typing import Final

from streams.engine.calls import CHANNEL, CONNECTED, LEFT, MOVED_ON, WAITING, Call, Leg, Visit
from streams.engine.histogram import bucket
from streams.engine.measures import ONE, SHIFT
from streams.engine.policy import Policy, QueuePolicy
from streams.engine.slices import Slices

Credit = tuple[int, int, int, int | None]

HISTOGRAMS: Final = ("wait_answered", "wait_abandoned")
"""Names of the histograms; a bucket's code is its histogram's place here times 2^16, plus 2^15, plus its index."""
_OFFSET: Final = 1 << 15

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
_HISTOGRAM: Final = {CONNECTED: _OFFSET, LEFT: (1 << 16) + _OFFSET}
_HANDLED: Final = ONE["handled"]
_HELD: Final = ONE["held"]
_TALK: Final = SHIFT["talk_us"]
_HOLD: Final = SHIFT["hold_us"]
_WRAP_UP: Final = SHIFT["wrap_up_us"]
_RESOLVED: Final = ONE["resolved"]
_IDENTIFIED: Final = ONE["resolved_identified"]
_FIRST_CONTACT: Final = ONE["resolved_first_contact"]


def credits_of(
    call: Call, policy: Policy, slices: Slices, as_of: int, next_start: int | None, *, identified: bool
) -> list[Credit]:
    """Return what a call adds to the panes.

    ``as_of`` decides what has become of a visit that still waits; ``next_start`` is when the same customer's next
    contact began, None when there is none (first-contact resolution).
    """
    given: list[Credit] = []
    for visit in call.visits:
        given += visit.given or _visit(visit, policy.of(visit.queue), slices, as_of)
    for leg in call.legs:
        if leg.end is not None:
            given += leg.given or _leg(leg, leg.end, slices)
    if call.ended is not None and call.resolved and call.legs:
        given += _resolution(call, policy, slices, next_start, identified=identified)
    return given


def lost(visit: Visit, limits: QueuePolicy, as_of: int) -> bool:
    """Tell whether a visit without an outcome has waited for so long that its end must have been lost."""
    return as_of > visit.start + limits.maximum_wait


def _visit(visit: Visit, limits: QueuePolicy, slices: Slices, as_of: int) -> list[Credit]:
    """Return what a visit is credited, and remember it when that depends on the clock no more."""
    outcome, decided = visit.outcome, visit.decided
    if visit.group < 0:
        visit.group = slices.visit(CHANNEL, visit.queue, visit.traits)
    if outcome == WAITING:
        if not lost(visit, limits, as_of):
            reached = _REACHED if as_of > visit.start + limits.threshold else 0
            return [(visit.start, visit.group, _ENTERED + reached, None)]
        return _flowed_out(visit, visit.start + limits.maximum_wait, limits)
    if outcome == MOVED_ON:
        decided = min(decided, visit.start + limits.maximum_wait)
    if outcome not in _EVENT:
        visit.given = _flowed_out(visit, decided, limits)
        return visit.given
    wait = decided - visit.start
    cohort = _ENTERED + _decided(outcome, wait, limits)
    event = _EVENT[outcome] + (wait << _WAIT[outcome])
    code = _HISTOGRAM[outcome] + bucket(wait)
    place = visit.group
    if visit.agent is not None and outcome == CONNECTED:
        place += slices.person(CHANNEL, visit.queue, visit.agent, visit.level)
    visit.given = [(visit.start, place, cohort, None), (decided, place, event, code)]
    return visit.given


def _flowed_out(visit: Visit, decided: int, limits: QueuePolicy) -> list[Credit]:
    """Return what a visit is credited that was left unanswered and not by hanging up."""
    within = decided - visit.start <= limits.threshold
    callback = _CALLBACK if within and visit.reason == "callback" else 0
    cohort = _ENTERED + _FLOWED_COHORT + callback + (0 if within else _REACHED)
    return [(visit.start, visit.group, cohort, None), (decided, visit.group, _FLOWED_EVENT, None)]


def _decided(outcome: int, wait: int, limits: QueuePolicy) -> int:
    """Return the cohort measures of an answer or an abandonment after a wait."""
    bundle = _COHORT[outcome] + (_WITHIN[outcome] if wait <= limits.threshold else _REACHED)
    if outcome == LEFT and wait <= limits.short_abandon and limits.short_abandon > 0:
        bundle += _SHORT
    return bundle


def _leg(leg: Leg, end: int, slices: Slices) -> list[Credit]:
    talk = end - leg.start - leg.hold
    bundle = _HANDLED + (talk << _TALK) + (leg.hold << _HOLD) + (leg.wrap_up << _WRAP_UP)
    if leg.held:
        bundle += _HELD
    if leg.transferred:
        bundle += _TRANSFERRED
    leg.given = [(end, _place(leg, slices), bundle, None)]
    return leg.given


def _place(leg: Leg, slices: Slices) -> int:
    if leg.place < 0:
        leg.place = leg.visit.group + slices.person(CHANNEL, leg.visit.queue, leg.agent, leg.level)
    return leg.place


def _resolution(
    call: Call, policy: Policy, slices: Slices, next_start: int | None, *, identified: bool
) -> list[Credit]:
    """Return the credits of a resolved call; a customer who began another within W of this one's beginning came back."""
    leg = call.legs[-1]
    visit = leg.visit
    bundle = _RESOLVED
    if identified:
        bundle += _IDENTIFIED
        began = call.visits[0].start
        returned = next_start is not None and next_start <= began + policy.of(visit.queue).return_window
        if not returned and not call.transferred:
            bundle += _FIRST_CONTACT
    return [(visit.start, _place(leg, slices), bundle, None)]
