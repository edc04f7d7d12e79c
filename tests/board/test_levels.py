"""Who alarms: customers who stay and wait, and never tickets for waiting, on the wallboard and in the bounds for Prometheus."""

from __future__ import annotations

from schemas.calls import CallQueued
from schemas.chats import ChatStarted
from schemas.events import Event, encode
from schemas.tickets import TicketOpened, TicketReplied
from streams.board.exporter import Exporter
from streams.engine.policy import SECOND
from streams.settings import Alarms, AlarmSettings, usual_alarms
from tests.board.rig import NOW, view_of


def _sent(*events: Event) -> list[tuple[bytes, bytes]]:
    return [(event.contact_id.encode(), encode(event)) for event in events]


def _tickets(at: float) -> list[Event]:
    """Six that were answered after an hour, and one that waits."""
    opened = [TicketOpened(id=f"{n}o", time=at, contact_id=f"t{n}", channel="email", queue="mail") for n in range(7)]
    return opened + [
        TicketReplied(id=f"{n}r", time=at + 3600, contact_id=f"t{n}", author="agent", agent_id="ana") for n in range(6)
    ]


def test_a_queue_with_bounds_of_its_own_has_them_on_the_wallboard_and_in_prometheus() -> None:
    """Both have waited for 100 s: for attention only, but to one queue 90 s are for action."""
    sent = [CallQueued(id=queue, time=NOW / SECOND - 100, contact_id=queue, queue=queue) for queue in ("web", "vip")]
    view = view_of(_sent(*sent))
    own = usual_alarms() | {"longest_wait": AlarmSettings(attention=30, action=90, minimum=0)}
    view.alarms = Alarms(queues={"vip": own})
    snapshot = view.snapshot("60m")
    assert {tile.queue: tile.alarms.get("longest_wait") for tile in snapshot.queues if tile.waiting} == {
        "web": "attention",
        "vip": "action",
    }
    assert snapshot.total.alarms["longest_wait"] == "action"
    bounds = {
        sample.labels["queue"]: sample.value
        for family in Exporter(view).collect()
        if family.name == "contact_center_alarm_bound"
        for sample in family.samples
        if (sample.labels["kpi"], sample.labels["level"]) == ("longest_wait", "action")
    }
    assert (bounds["web"], bounds["vip"]) == (180, 90)


def test_a_ticket_that_waits_alarms_nobody_and_a_chat_does() -> None:
    """Both have waited for more than the bound for action; in the total who waits alarms as the chat does, and a mean of both has no bound."""
    now = NOW / SECOND
    chat = ChatStarted(id="s", time=now - 240, contact_id="h", queue="web")
    view = view_of(_sent(*_tickets(now - 3700), chat))
    snapshot = view.snapshot("60m")
    tiles = {tile.queue: tile for tile in snapshot.queues}
    assert (tiles["mail"].waiting, tiles["mail"].alarms, tiles["mail"].goals) == (1, {}, {})
    assert tiles["web"].alarms == {"longest_wait": "action"}
    assert snapshot.total.kpis["average_speed_of_answer"].value == 3600
    assert snapshot.total.alarms == {"longest_wait": "action"}
    assert snapshot.total.goals.keys() == {"waiting"}
    assert view.snapshot("60m", "chat").total.goals.keys() == set(view.alarms.defaults)
    bounds = [
        sample.labels["kpi"]
        for family in Exporter(view, agents=False).collect()
        if family.name == "contact_center_alarm_bound"
        for sample in family.samples
        if sample.labels["queue"] == "mail"
    ]
    assert bounds == []
