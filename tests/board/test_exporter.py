"""The exposition text: it parses, names and labels follow the rules, known queues are always there, and no sample has a timestamp."""

import re
import subprocess
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import combinations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as open_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_parser
from prometheus_client.parser import text_string_to_metric_families

from schemas.agents import AgentStateChanged
from schemas.business import CostAccrued, SaleClosed
from schemas.calls import CallQueued
from schemas.chats import ChatEnded, ChatMessage, ChatStarted
from schemas.dead_letters import Reason
from schemas.events import encode
from schemas.opinions import FeedbackReceived, SurveyAnswered
from schemas.tickets import TicketOpened, TicketReplied
from streams.board import metrics
from streams.board.exporter import Exporter
from streams.board.exposition import exposition as written_out
from streams.engine.policy import SECOND, Policy, QueuePolicy
from streams.kpis.figures import Query
from streams.kpis.windows import window
from tests.board.rig import NOW, view_of
from tests.harness.traffic import calls
from tests.harness.written import written

FORBIDDEN = {"type", "region", "customer", "service", "env", "contact", "contact_id", "customer_id"}


ODD = 'a "b" \\c\nd'
"""A queue whose name has all that is escaped."""


def exposition(view, **options):
    return "".join(written_out(Exporter(view, **options).collect(), openmetrics=False))


@pytest.fixture(scope="module")
def text():
    return exposition(view_of())


@pytest.fixture(scope="module")
def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(families, name, **labels):
    return [s.value for s in families[name].samples if labels.items() <= s.labels.items()]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_it_is_what_the_library_writes(openmetrics):
    """Byte for byte, with names that are escaped and numbers that Go writes otherwise; and its parser reads what was meant."""
    policy = Policy(queues={ODD: QueuePolicy(threshold=7_500_000)})
    calls = [
        CallQueued(id="q", time=NOW / SECOND - 60, contact_id="c", queue=ODD),
        SaleClosed(id="s", time=NOW / SECOND - 50, contact_id="c", amount=Decimal(123456789), currency="EUR"),
    ]
    view = view_of([(b"c", encode(event)) for event in calls], policy)
    registry = CollectorRegistry()
    registry.register(Exporter(view, agents=True))
    encoder, parse = (open_encoder, open_parser) if openmetrics else (generate_latest, text_string_to_metric_families)
    text = "".join(written_out(Exporter(view, agents=True).collect(), openmetrics=openmetrics))
    end = "# EOF\n" if openmetrics else ""
    assert text + end == encoder(registry).decode()
    found = {family.name: family for family in parse(text + end)}
    assert samples(found, "contact_center_entered", queue=ODD, window="5m") == [1]
    assert samples(found, "contact_center_sales_amount", queue=ODD, window="today") == [123456789]
    assert 'le="7.5"' in text


def test_names_and_labels_follow_the_rules(families):
    for family in families.values():
        assert re.fullmatch(r"contact_center_[a-z0-9_]+", family.name)
        assert family.documentation
        for sample in family.samples:
            assert not FORBIDDEN & set(sample.labels)
            assert sample.timestamp is None
            assert family.type != "counter" or sample.name.endswith("_total")


def test_agents_have_series_only_when_asked_for(text):
    assert 'agent="' not in text
    assert 'agent="agent-1"' in exposition(view_of(), agents=True)


def test_agents_are_counted_in_each_of_their_queues_and_who_names_none_in_all():
    states = (
        ("ana", "paused", ("sales", "sales", "old")),
        ("eva", "available", ("idle", "sales")),
        ("leo", "busy", ()),
    )
    events = [
        AgentStateChanged(id=name, time=NOW / SECOND - 60, agent_id=name, state=state, queues=queues)
        for name, state, queues in states
    ]
    text = exposition(view_of([(event.agent_id.encode(), encode(event)) for event in events]))
    found = dict(re.findall(r"contact_center_agents_by_queue\{(.*)\} (\S+)", text))
    assert len(found) == 10
    assert {labels for labels, count in found.items() if count != "0.0"} == {
        f'queue="{queue}",state="{state}"'
        for queue, state in (
            ("idle", "available"), ("idle", "busy"), ("sales", "available"), ("sales", "busy"), ("sales", "paused"),
        )
    }  # fmt: skip


def test_agents_have_series_of_every_window():
    """All calls are of the last ten minutes: those of the day, of the hour and of a quarter are the same."""
    text = exposition(view_of(), agents=True)
    by_window = {
        window: sorted(re.findall(rf'contact_center_answered_by_agent{{agent="(.*)",window="{window}"}} (\S+)', text))
        for window in ("15m", "30m", "60m", "today")
    }
    assert len(by_window["today"]) == 20
    assert all(found == by_window["today"] for found in by_window.values())


def test_agents_have_a_score_when_asked_for_and_enough_contacts(monkeypatch):
    assert "contact_center_agent_score{" not in exposition(view_of(), agents=True)  # about 13 contacts each
    monkeypatch.setattr("streams.kpis.ranking.MINIMUM", 5)
    assert exposition(view_of(), agents=True).count("contact_center_agent_score{") == 20
    assert "contact_center_agent_score" not in exposition(view_of())


def test_a_known_queue_without_calls_has_counts_of_zero_and_no_ratio(families):
    assert samples(families, "contact_center_entered", queue="idle", window="5m") == [0]
    assert samples(families, "contact_center_service_level_denominator", queue="idle", window="5m") == [0]
    assert samples(families, "contact_center_service_level_ratio", queue="idle", window="5m") == []
    assert samples(families, "contact_center_waiting", queue="idle") == [0]


def test_a_ratio_is_its_numerator_over_its_denominator(families):
    for queue in ("sales", "support", "billing"):
        place = {"queue": queue, "window": "15m"}
        (ratio,) = samples(families, "contact_center_service_level_ratio", **place)
        (top,) = samples(families, "contact_center_service_level_numerator", **place)
        (bottom,) = samples(families, "contact_center_service_level_denominator", **place)
        assert ratio == top / bottom


def test_the_buckets_hold_the_threshold_and_count_every_answered_visit(text):
    pattern = (
        r'contact_center_answer_wait_seconds_bucket\{channel="call",le="([^"]+)",queue="sales",window="15m"\} (\S+)'
    )
    buckets = re.findall(pattern, text)
    assert "12.0" in dict(buckets)
    assert buckets[-1][0] == "+Inf"
    counts = [float(count) for _, count in buckets]
    assert counts == sorted(counts)
    answered = re.search(r'contact_center_answered\{channel="call",queue="sales",window="15m"\} (\S+)', text)
    assert counts[-1] == float(answered.group(1))


def test_the_buckets_of_any_queues_add_up_to_a_histogram():
    """Each T, of calls or tickets, is a bucket of every queue: sums over some or all of them never fall from one bucket to the next."""
    policy = Policy(
        queues={
            "sales": QueuePolicy(threshold=25 * SECOND, channels=("call", "email")),
            "support": QueuePolicy(threshold=12 * SECOND, ticket_threshold=9_000 * SECOND),
            "billing": QueuePolicy(),
        }
    )
    view = view_of([*calls(400), *written(NOW / SECOND)], policy)
    found = {family.name: family for family in text_string_to_metric_families(exposition(view))}
    for histogram in metrics.HISTOGRAMS.values():
        of_queues = defaultdict(dict)
        for sample in found[histogram.name].samples:
            if sample.name.endswith("_bucket") and sample.labels["window"] == "60m":
                place = sample.labels["queue"], sample.labels["channel"]
                of_queues[place][float(sample.labels["le"])] = sample.value
        for some in combinations(of_queues.values(), 2):
            sums = sorted(sum(map(Counter, some), Counter()).items())
            assert [count for _, count in sums] == sorted(count for _, count in sums)
        assert of_queues
        assert all(({25, 12, 9_000} <= buckets.keys()) == histogram.by_threshold for buckets in of_queues.values())


def test_responses_and_handling_have_histograms_with_the_sums_of_their_kpis():
    """A chat answered after 7 s and handled in 100, a ticket after an hour, with a T of tickets; a call has no response, a ticket no handling."""
    began = NOW / SECOND - 590
    chat, ticket = {"contact_id": "chat"}, {"contact_id": "ticket"}
    events = [
        ChatStarted(id="1", time=began, queue="sales", **chat),
        ChatMessage(id="2", time=began + 7, author="agent", agent_id="ana", **chat),
        ChatEnded(id="3", time=began + 107, agent_id="ana", **chat),
        TicketOpened(id="4", time=began - 3600, queue="sales", channel="email", **ticket),
        TicketReplied(id="5", time=began, author="agent", agent_id="ana", **ticket),
        CallQueued(id="6", time=began, queue="sales", contact_id="call"),
    ]
    policy = Policy(defaults=QueuePolicy(threshold=12 * SECOND, ticket_threshold=9_000 * SECOND))
    view = view_of([(event.contact_id.encode(), encode(event)) for event in events], policy)
    found = {family.name: family for family in text_string_to_metric_families(exposition(view))}
    replies, handled = (
        {
            channel: {sample.labels["le"]: sample.value for sample in found[f"contact_center_{name}_seconds"].samples
                      if sample.labels.get("channel") == channel and sample.labels["window"] == "15m" and "le" in sample.labels}
            for channel in ("call", "chat", "email")
        }
        for name in ("response", "handle")
    )  # fmt: skip
    assert (replies["chat"]["5.0"], replies["chat"]["10.0"], replies["chat"]["12.0"]) == (0, 1, 1)
    assert (replies["email"]["1800.0"], replies["email"]["3600.0"], replies["email"]["9000.0"]) == (0, 1, 1)
    assert (handled["chat"]["96.0"], handled["chat"]["128.0"], handled["call"]["+Inf"]) == (0, 1, 0)
    assert not replies["call"]
    assert not handled["email"]
    of_chats = {"channel": "chat", "window": "15m"}
    for name, kpi in (("response", "first_response_time"), ("handle", "handle_time")):
        took = samples(found, f"contact_center_{name}_seconds_gsum", **of_chats)
        assert (
            took
            == samples(found, f"contact_center_{kpi}_numerator", **of_chats)
            == [{"response": 7, "handle": 100}[name]]
        )
    assert samples(found, "contact_center_service_level_threshold_seconds", channel="email") == [9_000]


def test_targets_and_watermark_are_exported(families):
    assert samples(families, "contact_center_target_ratio", queue="sales") == [0.9]
    assert samples(families, "contact_center_service_level_threshold_seconds", queue="sales") == [12]
    assert len(families["contact_center_watermark_timestamp_seconds"].samples) == 2


def test_the_bounds_of_alarms_are_those_of_the_wallboard(families):
    """Of the service level they are differences to the queue's target: 0.9 for sales, 0.8 for the others."""
    bounds = {
        level: samples(families, "contact_center_alarm_bound", queue="sales", kpi="service_level", level=level)
        for level in ("attention", "action")
    }
    assert bounds == {"attention": [0.9], "action": [0.7]}
    assert samples(families, "contact_center_alarm_bound", queue="idle", kpi="service_level", level="action") == [0.6]
    assert samples(families, "contact_center_alarm_minimum_sample", queue="sales", kpi="abandonment_rate") == [10]


def test_every_reason_of_refusal_counts_from_zero(families):
    assert samples(families, "contact_center_refused_events") == [0] * len(Reason)


def test_events_are_counted_by_kind(families):
    assert sum(samples(families, "contact_center_events", event="call.queued")) == 400


def test_the_help_is_the_definition(text):
    assert "# HELP contact_center_abandonment_ratio Abandonment rate: (abandoned - short) / " in text


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_complain_about(text, promtool):
    found = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_amounts_have_a_sample_a_currency_and_what_is_of_no_queue_has_no_names():
    """Never a sum over currencies; what employees answer is of no queue."""
    now = NOW / SECOND
    us = SaleClosed(id="us", time=now - 110, contact_id="chat", amount=Decimal(5), currency="USD")
    view = view_of([*written(now), (b"customer of chat", encode(us))])
    found = {family.name: family for family in text_string_to_metric_families(exposition(view))}
    amounts = {
        sample.labels["currency"]: sample.value
        for sample in found["contact_center_sales_amount"].samples
        if sample.labels["window"] == "30m" and sample.labels["queue"] == "web"
    }
    assert amounts == {"EUR": 19.9, "USD": 5.0}
    assert samples(found, "contact_center_enps", window="30m", queue="", channel="") == [100.0]
    assert samples(found, "contact_center_churn_numerator", window="30m", queue="", channel="") == [1.0]
    assert samples(found, "contact_center_retention_ratio", window="30m", queue="web") == [1.0]
    assert sum(samples(found, "contact_center_enps_answers", window="30m")) == 1
    assert samples(found, "contact_center_level_share_ratio", level="2", window="today") == [0.75]


def test_the_series_of_all_places_make_up_the_total():
    """Costs of a channel, of a queue in two channels and of nothing; what is said and sold of contacts that nobody knows: each once."""
    now, unknown = NOW / SECOND - 60, [
        *(SurveyAnswered(id=kind, time=NOW / SECOND, contact_id="?", kind=kind, value=1) for kind in ("csat", "nps", "ces", "fcr")),
        *(FeedbackReceived(id=kind, time=NOW / SECOND, contact_id="?", kind=kind) for kind in ("complaint", "applause")),
        SaleClosed(id="?", time=NOW / SECOND, contact_id="?", amount=Decimal("2.5"), currency="EUR"),
    ]  # fmt: skip
    costs = [
        CostAccrued(
            id=f"{queue}/{channel}", time=now, amount=Decimal(amount), currency="EUR", queue=queue, channel=channel
        )
        for queue, channel, amount in ((None, "social", 7), (None, None, 3), ("mail", None, 5), ("mail", "social", 1))
    ]
    ticket = TicketOpened(id="m", time=now, contact_id="m", channel="social", queue="mail")
    view = view_of(
        [*written(NOW / SECOND), *((event.id.encode(), encode(event)) for event in (*unknown, *costs, ticket))]
    )
    found = {family.name: family for family in text_string_to_metric_families(exposition(view))}
    (total,) = view.feed.figures.rows(window_30m(view))
    for kpi in metrics.exported():
        figure = total.kpis[kpi.id]
        names = dict(zip(("numerator", "denominator"), metrics.part_names(kpi.id, kpi.unit), strict=True))
        if kpi.unit == "count" or kpi.id in {"sales_amount", "cost_amount"}:
            names = {"value": metrics.name_of(kpi.id, kpi.unit)}
        elif kpi.amount:
            del names["numerator"]  # the amount has a name of its own
        if kpi.percent is None and kpi.crediting != "CLIP":
            for part, name in names.items():
                assert sum(samples(found, name, window="30m")) == pytest.approx(getattr(figure, part)), name
    assert samples(found, "contact_center_cost_amount", window="30m", queue="", channel="social") == [7]
    assert samples(found, "contact_center_cost_amount", window="30m", queue="mail", channel="") == [15]
    assert samples(found, "contact_center_complaint_numerator", window="30m", queue="", channel="") == [1]
    assert samples(found, "contact_center_complaint_ratio", window="30m", queue="", channel="") == []


def window_30m(view):
    """The question for all of the window of half an hour."""
    begin, end = window("30m", view.now_us(), "UTC")
    return Query(begin, end, live=True, now_us=view.now_us())
