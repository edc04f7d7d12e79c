"""Opinions: answers to surveys, complaints and applause (docs/events.md)."""

from __future__ import annotations

from typing import Literal

from schemas.contacts import ContactEvent
from schemas.envelope import Envelope
from schemas.fields import Id, Name, Score

SurveyKind = Literal["csat", "nps", "ces", "fcr", "enps"]


class SurveyAnswered(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="survey.answered"):
    """One answer to one question. ``contact_id`` is required but for ``enps``, which is asked of agents.

    ``scale_min`` and ``scale_max`` left out are the kind's usual ones: csat 1 to 5, nps and enps 0 to 10, ces 1 to 7, fcr 0 to 1.
    ``better`` says which end of the scale is good.
    """

    kind: SurveyKind
    value: Score
    contact_id: Id | None = None
    customer_id: Id | None = None
    scale_min: Score | None = None
    scale_max: Score | None = None
    better: Literal["higher", "lower"] = "higher"
    agent_id: Name | None = None


class FeedbackReceived(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="feedback.received"):
    """The customer complained about a contact, or applauded it."""

    kind: Literal["complaint", "applause"]
    agent_id: Name | None = None


OpinionEvent = SurveyAnswered | FeedbackReceived
