"""Credits: what a call adds to the panes, as a pure function of its visits and conversations.

A credit is (time, slices, bundle of measures, bucket or None): the bundle goes to the pane of ``time`` in each of
``slices``, of which the first also has sliding panes. Crediting follows domain.md 2: rates to the visit's start (COHORT), counts
and waits to the outcome's time (EVENT), handling to the conversation's end (CLOSE).
"""

from __future__ import annotations

from typing import Final

from streams.engine.calls import CHANNEL, CONNECTED, FLOWED, LEFT, MOVED_ON, WAITING, Call, Leg, Visit
from streams.engine.histogram import bucket
from streams.engine.measures import ONE, SHIFT
from streams.engine.policy import Policy, QueuePolicy
from streams.engine.slices import Slices

Credit = tuple[int, tuple[int, ...], int, int | None]

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
        _visit(given, visit, policy.of(visit.queue), slices, as_of)
    for leg in call.legs:
        _leg(given, leg, slices)
    if call.ended is not None and call.resolved and call.legs:
        _resolution(given, call, policy, slices, next_start, identified=identified)
    return given


def lost(visit: Visit, limits: QueuePolicy, as_of: int) -> bool:
    """Tell whether a visit without an outcome has waited for so long that its end must have been lost."""
    return as_of > visit.start + limits.maximum_wait


def _visit(given: list[Credit], visit: Visit, limits: QueuePolicy, slices: Slices, as_of: int) -> None:
    outcome, decided = visit.outcome, visit.decided
    where = slices.visit(CHANNEL, visit.queue, visit.traits)
    if outcome == WAITING:
        if lost(visit, limits, as_of):
            outcome, decided = FLOWED, visit.start + limits.maximum_wait
        else:
            reached = _REACHED if as_of > visit.start + limits.threshold else 0
            given.append((visit.start, where, _ENTERED + reached, None))
            return
    if outcome == MOVED_ON:
        decided = min(decided, visit.start + limits.maximum_wait)
    wait = decided - visit.start
    cohort = _ENTERED + _decided(outcome, visit.reason, wait, limits)
    given.append((visit.start, where, cohort, None))
    if outcome not in _EVENT:
        given.append((decided, where, _FLOWED_EVENT, None))
        return
    event = _EVENT[outcome] + (wait << _WAIT[outcome])
    code = _HISTOGRAM[outcome] + bucket(wait)
    given.append((decided, where, event, code))
    if visit.agent is not None and outcome == CONNECTED:
        who = slices.person(CHANNEL, visit.queue, visit.agent, visit.level)
        given.append((visit.start, who, cohort, None))
        given.append((decided, who, event, code))


def _decided(outcome: int, reason: str | None, wait: int, limits: QueuePolicy) -> int:
    """Return the cohort measures of an outcome after a wait."""
    within = wait <= limits.threshold
    if outcome not in _COHORT:
        callback = _CALLBACK if within and reason == "callback" else 0
        return _FLOWED_COHORT + callback + (0 if within else _REACHED)
    bundle = _COHORT[outcome] + (_WITHIN[outcome] if within else _REACHED)
    if outcome == LEFT and wait <= limits.short_abandon:
        bundle += _SHORT
    return bundle


def _leg(given: list[Credit], leg: Leg, slices: Slices) -> None:
    if leg.end is None:
        return
    where = slices.visit(CHANNEL, leg.visit.queue, leg.visit.traits)
    who = slices.person(CHANNEL, leg.visit.queue, leg.agent, leg.level)
    talk = leg.end - leg.start - leg.hold
    bundle = _HANDLED + (talk << _TALK) + (leg.hold << _HOLD) + (leg.wrap_up << _WRAP_UP)
    if leg.held:
        bundle += _HELD
    if leg.transferred:
        bundle += _TRANSFERRED
    given.append((leg.end, where, bundle, None))
    given.append((leg.end, who, bundle, None))


def _resolution(
    given: list[Credit], call: Call, policy: Policy, slices: Slices, next_start: int | None, *, identified: bool
) -> None:
    leg = call.legs[-1]
    visit = leg.visit
    bundle = _RESOLVED
    if identified:
        bundle += _IDENTIFIED
        returned = next_start is not None and next_start <= (call.ended or 0) + policy.of(visit.queue).return_window
        if not returned and not call.transferred:
            bundle += _FIRST_CONTACT
    given.append((visit.start, slices.visit(CHANNEL, visit.queue, visit.traits), bundle, None))
    given.append((visit.start, slices.person(CHANNEL, visit.queue, leg.agent, leg.level), bundle, None))
