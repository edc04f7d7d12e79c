"""One of everything that is not a call: a chat begun by a bot, a ticket reopened, opinions, a sale, a cost, customers who stay and leave."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from schemas.business import CostAccrued, CustomerLost, CustomerRetained, SaleClosed
from schemas.chats import ChatAbandoned, ChatAnswered, ChatEnded, ChatMessage, ChatStarted, ChatTransferred
from schemas.events import Event, encode
from schemas.opinions import FeedbackReceived, SurveyAnswered
from schemas.tickets import TicketOpened, TicketReopened, TicketReplied, TicketResolved, TicketTransferred

ANSWERS = {"csat": 5.0, "nps": 9.0, "ces": 6.0, "fcr": 1.0}


def written(now: float) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and events of the four minutes before ``now`` (seconds since the epoch)."""
    for event in (*_chat(now - 240), *_chat_left(now - 200), *_ticket(now - 240), *_business(now - 100)):
        key = getattr(event, "contact_id", None) or getattr(event, "customer_id", None) or event.id
        yield f"customer of {key}".encode(), encode(event)


def _chat(at: float) -> Iterator[Event]:
    same = {"contact_id": "chat", "customer_id": "customer of chat"}
    yield ChatStarted(id="h1", time=at, queue="web", language="es", **same)  # type: ignore[arg-type]
    yield ChatMessage(id="h2", time=at + 1, author="bot", contact_id="chat")
    yield ChatTransferred(id="h3", time=at + 10, kind="handover", contact_id="chat")
    yield ChatAnswered(id="h4", time=at + 20, agent_id="ana", level=1, contact_id="chat")
    yield ChatMessage(id="h5", time=at + 25, author="agent", agent_id="ana", contact_id="chat")
    yield ChatEnded(id="h6", time=at + 80, agent_id="ana", contact_id="chat")
    yield ChatStarted(id="h7", time=at + 100, queue="web", contact_id="chat")
    yield ChatMessage(id="h8", time=at + 110, author="agent", agent_id="ana", contact_id="chat")
    yield ChatTransferred(id="h9", time=at + 115, from_agent="ana", level=2, contact_id="chat")
    yield ChatMessage(id="h10", time=at + 120, author="agent", agent_id="eva", contact_id="chat")
    yield ChatEnded(id="h11", time=at + 130, agent_id="eva", contact_id="chat")
    for kind, value in ANSWERS.items():
        yield SurveyAnswered(id=kind, time=at + 140, contact_id="chat", kind=kind, value=value)  # type: ignore[arg-type]
    yield FeedbackReceived(id="f1", time=at + 141, contact_id="chat", kind="applause")
    yield FeedbackReceived(id="f2", time=at + 142, contact_id="chat", kind="complaint")
    yield SaleClosed(id="s1", time=at + 120, contact_id="chat", amount=Decimal("19.90"), currency="EUR")
    yield CustomerRetained(id="r1", time=at + 120, contact_id="chat", customer_id="customer of chat")


def _chat_left(at: float) -> Iterator[Event]:
    yield ChatStarted(id="l1", time=at, contact_id="left", queue="web")
    yield ChatAbandoned(id="l2", time=at + 60, contact_id="left")


def _ticket(at: float) -> Iterator[Event]:
    yield TicketOpened(id="t1", time=at, contact_id="t", customer_id="customer of t", channel="email", queue="mail")
    yield TicketReplied(id="t2", time=at + 30, contact_id="t", author="agent", agent_id="ana")
    yield TicketTransferred(id="t3", time=at + 40, contact_id="t", from_agent="ana", level=2)
    yield TicketResolved(id="t4", time=at + 60, contact_id="t", agent_id="eva", level=2)
    yield TicketReopened(id="t5", time=at + 80, contact_id="t")
    yield TicketReplied(id="t6", time=at + 90, contact_id="t", author="agent", agent_id="eva")
    yield TicketResolved(id="t7", time=at + 100, contact_id="t", agent_id="eva")


def _business(at: float) -> Iterator[Event]:
    yield SurveyAnswered(id="e1", time=at, kind="enps", value=10.0)
    yield CustomerLost(id="c1", time=at, customer_id="somebody")
    for queue in ("web", "mail"):
        yield CostAccrued(id=f"cost {queue}", time=at, amount=Decimal(10), currency="EUR", queue=queue)
