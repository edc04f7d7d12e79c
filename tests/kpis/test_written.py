"""What is not a call, reckoned by hand: one chat, one that was left, one ticket, opinions, a sale and costs (tests/harness/written.py).

chat    0 started   10 handed over   20 answered   25 reply   80 ended   100 started   110 reply   115 to level 2   120 reply   130 ended
ticket  0 opened    30 reply   40 to level 2   60 resolved   80 reopened   90 reply   100 resolved
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest

from schemas.business import CostAccrued, SaleClosed
from schemas.chats import ChatAnswered, ChatStarted, ChatTransferred
from schemas.events import encode
from schemas.opinions import SurveyAnswered
from schemas.rows import Row
from schemas.tickets import TicketOpened
from streams.engine.partition import Partition, Record
from streams.engine.policy import MINUTE, SECOND, Policy
from streams.kpis.figures import Figures, Query
from tests.harness.written import written

NOW = 1_772_452_800 * SECOND
EXPECTED = {
    ("chat", "web"): {
        "opened": 2, "entered": 3, "answered": 2, "abandoned": 1, "average_speed_of_answer": 15, "talk_time": 25,
        "first_response_time": 17.5, "first_response_time_creation": 25, "first_response_time_handover": 15,
        "first_response_time_reopening": 10, "first_response_time_business": 17.5, "resolutions": 2, "resolution_rate": 0.5,
        "first_resolution_time": 80, "full_resolution_time": 130, "reopen_rate": 0.5, "transfers": 1, "escalations": 1,
        "first_contact_resolution": 0, "first_contact_resolution_30d": 0, "first_contact_resolution_survey": 1, "csat": 1,
        "csat_mean": 5, "csat_answers": 1, "nps": 100, "nps_answers": 1, "ces": 1, "ces_mean": 6, "ces_answers": 1,
        "survey_response_rate": 1 / 3, "complaint_rate": 1 / 3, "applause_rate": 1 / 3, "retention_rate": 1, "churn_rate": 0,
        "sales": 1, "sales_conversion": 1, "sales_amount": 19.9, "cost_amount": 10, "cost_per_resolution": 10, "enps": None,
    },
    ("email", "mail"): {
        "opened": 1, "entered": 1, "answered": 1, "average_speed_of_answer": 30, "handle_time": None, "first_response_time": 20,
        "first_response_time_creation": 30, "first_response_time_reopening": 10, "first_response_time_handover": None,
        "resolution_rate": 1, "first_resolution_time": 60, "full_resolution_time": 100, "reopen_rate": 0.5, "transfers": 1,
        "escalations": 0, "csat": None, "sales_amount": 0, "cost_per_resolution": 10,
    },
    (None, None): {
        "opened": 3, "first_response_time": 18.75, "resolution_rate": 2 / 3, "full_resolution_time": 115, "enps": 100,
        "enps_answers": 1, "retention_rate": 0.5, "churn_rate": 0.5, "complaint_rate": 1 / 6, "cost_amount": 20,
        "cost_per_resolution": 10, "sales_conversion": 0.5,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def figures() -> Figures:
    """What a worker tells of these events."""
    return told(written(NOW / SECOND))


def told(events: Iterable[tuple[bytes, bytes]]) -> Figures:
    """Return what a worker tells of keys and events."""
    partition, figures = Partition(0, Policy(), write_behind=True), Figures(Policy())
    sent = enumerate(events)
    assert partition.process(Record(offset, NOW, key, value) for offset, (key, value) in sent) == []
    partition.advance(NOW)
    for key, value in partition.flush().kpis:
        figures.load(0, key, value)
    return figures


def rows(figures: Figures, by: str) -> list[Row]:
    """Return the rows of the quarter of an hour before."""
    return figures.rows(Query(NOW - 15 * MINUTE, NOW, by=by, now_us=NOW))


def test_every_figure_is_the_one_reckoned_by_hand(figures: Figures) -> None:
    """Per queue and in total; what has no denominator has no value."""
    found = {(row.channel, row.queue): row for row in rows(figures, "queue")}
    assert found.keys() == EXPECTED.keys()
    for place, expected in EXPECTED.items():
        values = {kpi: found[place].kpis[kpi].value for kpi in expected}
        assert values == pytest.approx(expected), place


def test_amounts_name_their_currency(figures: Figures) -> None:
    """The unit of a figure is the currency, and its text is exact."""
    (row,) = [row for row in rows(figures, "queue") if row.queue == "web"]
    figure = row.kpis["sales_amount"]
    assert (figure.unit, figure.amounts) == ("EUR", {"EUR": "19.9"})


def test_the_cost_of_a_queue_with_several_channels_has_a_row_of_its_own() -> None:
    """It is of none of them; rows add up to the total, and asked for the queue alone the total has it."""
    at = NOW / SECOND - 60
    opened = [
        TicketOpened(id=channel, time=at, contact_id=channel, channel=channel, queue="help")
        for channel in ("email", "social")
    ]
    costs = [
        CostAccrued(id="help", time=at, amount=Decimal(20), currency="USD", queue="help"),
        CostAccrued(id="email", time=at, amount=Decimal("0.5"), currency="USD", queue="help", channel="email"),
    ]
    figures = told((event.id.encode(), encode(event)) for event in (*opened, *costs))
    *each, total = rows(figures, "queue")
    assert [(row.channel, row.queue, row.kpis["cost_amount"].value, row.kpis["waiting"].value) for row in each] == [
        (None, "help", 20, None), ("email", "help", 0.5, 1), ("social", "help", 0, 1),
    ]  # fmt: skip
    assert total.kpis["cost_amount"].value == 20.5
    *channels, of_queue = figures.rows(Query(NOW - 15 * MINUTE, NOW, by="queue", queue="help", now_us=NOW))
    assert [row.channel for row in channels] == ["email", "social"]
    assert of_queue.kpis["cost_amount"].value == 20.5


@pytest.mark.parametrize(
    ("low", "high", "tops"), [(0, 1, [1]), (1, 3, [3]), (1, 4, [3, 4]), (1, 5, [4, 5]), (0, 10, [9, 10])]
)
def test_csat_counts_the_top_two_boxes_and_of_few_the_top_one(low: int, high: int, tops: list[int]) -> None:
    """A thumb down is no top answer."""
    at = NOW / SECOND - 60
    answers = [
        SurveyAnswered(id=f"{value}", time=at, contact_id="c", kind="csat", value=value, scale_min=low, scale_max=high)
        for value in range(low, high + 1)
    ]
    (total,) = told((b"c", encode(answer)) for answer in answers).rows(Query(NOW - 15 * MINUTE, NOW))
    assert (total.kpis["csat"].numerator, total.kpis["csat"].denominator) == (len(tops), high - low + 1)


@pytest.mark.parametrize(
    ("levels", "escalations"),
    [((1, 2), 1), ((2, 1), 0), ((2, 2), 0), ((None, 2), 0), ((9, 10), 1), ((1, 2, 1, 2), 2), (("desk", "experts"), 1), ((1, None, 2), 1)],
)  # fmt: skip
def test_an_escalation_is_a_transfer_to_a_higher_level(levels: tuple[str | int | None, ...], escalations: int) -> None:
    """Neither one back nor the first that names a level."""
    at = NOW / SECOND - 60
    answered = ChatAnswered(id="a", time=at + 1, contact_id="c", agent_id="ana", level=levels[0])
    transfers = [
        ChatTransferred(id=f"{number}", time=at + 2 + number, contact_id="c", level=level)
        for number, level in enumerate(levels[1:])
    ]
    events = [ChatStarted(id="s", time=at, contact_id="c", queue="web"), answered, *transfers]
    (total,) = told((b"c", encode(one)) for one in events).rows(Query(NOW - 15 * MINUTE, NOW))
    assert (total.kpis["escalations"].value, total.kpis["transfers"].value) == (escalations, len(transfers))


def test_a_refund_is_no_sale() -> None:
    """It is taken from the amount, and who only got money back has bought nothing."""
    at = NOW / SECOND - 60
    sales = [("a", "19.90"), ("a", "-19.90"), ("b", "-5")]
    events = [
        *(ChatStarted(id=f"{contact}s", time=at, contact_id=contact, queue="web") for contact in "ab"),
        *(ChatAnswered(id=f"{contact}a", time=at + 1, contact_id=contact, agent_id="ana") for contact in "ab"),
        *(SaleClosed(id=text, time=at + 2, contact_id=contact, amount=Decimal(text), currency="EUR") for contact, text in sales),
    ]  # fmt: skip
    (total,) = told((event.contact_id.encode(), encode(event)) for event in events).rows(Query(NOW - 15 * MINUTE, NOW))
    assert [total.kpis[kpi].value for kpi in ("sales", "sales_amount", "sales_conversion")] == [1, -5, 0.5]


def test_levels_share_all_resolutions(figures: Figures) -> None:
    """One of four at the first level; of the total there is no share."""
    *levels, total = rows(figures, "level")
    assert {row.value: row.kpis["level_share"].value for row in levels} == {"1": 0.25, "2": 0.75}
    assert total.kpis["level_share"].status == "unavailable"


def test_agents_have_what_is_marked_so(figures: Figures) -> None:
    """The reply, the resolution and what the customer said are of who led the conversation."""
    agents = {row.value: row.kpis for row in rows(figures, "agent")}
    assert agents["ana"]["first_response_time"].value == pytest.approx((25 + 10 + 30) / 3)
    assert agents["eva"]["full_resolution_time"].value == 115
    assert agents["eva"]["csat"].value == 1
    assert (agents["ana"]["resolutions"].value, agents["eva"]["resolutions"].value) == (1, 3)
