"""What simulated customers say of a contact afterwards, answers to surveys, complaints and applause, and what agents say of their work.

Scales are as different tools send them: csat of 1 to 5 or 1 to 10, effort of 1 to 7 where more is easier or harder.
"""

from __future__ import annotations

from typing import Any

from schemas.events import Event
from schemas.opinions import FeedbackReceived, SurveyAnswered
from streams.simulate.clockwork import Clockwork
from streams.simulate.timed import Timed, moment
from streams.simulate.written import Over

ANSWERED = 0.14
"""Share of the contacts handled after which a survey is answered."""
COMPLAINT, COMPLAINT_UNRESOLVED, APPLAUSE = 0.006, 0.08, 0.012
"""Shares of the contacts handled: complaints of those resolved and of the others, applause of those resolved."""
SURVEY_AFTER, FEEDBACK_AFTER, ASKED_EVERY = 420.0, 1200.0, 1500.0
"""Seconds, means; employees are asked all the time, some of them each week."""
_SURVEYS: tuple[tuple[str, tuple[float, float], dict[str, Any]], ...] = (
    ("csat", (1, 5), {}),
    ("csat", (1, 5), {}),
    ("csat", (1, 10), {"scale_min": 1, "scale_max": 10}),
    ("nps", (0, 10), {}),
    ("nps", (0, 10), {}),
    ("ces", (1, 7), {}),
    ("ces", (1, 7), {"better": "lower"}),
    ("fcr", (0, 1), {}),
)
"""Kind, scale, and what of it is said."""


class Opinions:
    """All that is said."""

    def __init__(self, clockwork: Clockwork, stamp: str) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._said = 0

    def begin(self, now: int) -> None:
        """Ask employees from now on."""
        self._clockwork.later(now + self._clockwork.exponential(ASKED_EVERY), self._ask_employee, None)

    def over(self, now: int, contact: Over) -> None:
        """Let a customer whose contact was handled say something about it, or nothing."""
        clockwork = self._clockwork
        if contact.agent_id is None:
            return
        if clockwork.happens(ANSWERED):
            clockwork.later(now + clockwork.exponential(SURVEY_AFTER), self._answer, contact)
        chance = clockwork.random()
        complaint = COMPLAINT if contact.resolved else COMPLAINT_UNRESOLVED
        if chance < complaint:
            clockwork.later(now + clockwork.exponential(FEEDBACK_AFTER), self._complain, contact)
        elif contact.resolved and chance < complaint + APPLAUSE:
            clockwork.later(now + clockwork.exponential(FEEDBACK_AFTER), self._applaud, contact)

    def _answer(self, now: int, contact: Over) -> None:
        kind, (low, high), told = _SURVEYS[int(self._clockwork.random() * len(_SURVEYS))]
        content = self._content(0.8 if contact.resolved else 0.25)
        if told.get("better") == "lower":
            content = 1.0 - content
        value = low + round(content * (high - low))
        common = self._about(now, contact) | told
        self._emit(now, contact.key, SurveyAnswered(**common, kind=kind, value=value))  # type: ignore[arg-type]

    def _content(self, usual: float) -> float:
        """Return how content somebody is, 0 to 1: about as usual, and often as much as can be."""
        return min(1.0, max(0.0, usual + 0.9 * (self._clockwork.random() - 0.4)))

    def _complain(self, now: int, contact: Over) -> None:
        self._emit(now, contact.key, FeedbackReceived(**self._about(now, contact), kind="complaint"))

    def _applaud(self, now: int, contact: Over) -> None:
        self._emit(now, contact.key, FeedbackReceived(**self._about(now, contact), kind="applause"))

    def _ask_employee(self, now: int, _: None) -> None:
        """Take an answer of an employee, who stays unknown: the key is that of nobody."""
        answer = SurveyAnswered(id=self._id(), time=moment(now), kind="enps", value=round(10 * self._content(0.65)))
        self._emit(now, answer.id.encode(), answer)
        self.begin(now)

    def _about(self, now: int, contact: Over) -> dict[str, Any]:
        return {
            "id": self._id(), "time": moment(now), "contact_id": contact.contact_id,
            "customer_id": contact.caller.customer_id, "agent_id": contact.agent_id,
        }  # fmt: skip

    def _id(self) -> str:
        self._said += 1
        return f"o{self._stamp}-{self._said}"

    def _emit(self, now: int, key: bytes, event: Event) -> None:
        self._clockwork.out.append(Timed(now, key, event))
