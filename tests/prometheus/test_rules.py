"""The files in prometheus/: they are valid, every alert fires when it should and only then, and real scrapes feed every rule."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from schemas.agents import AgentStateChanged
from schemas.calls import CallAnswered, CallEnded, CallHeld, CallQueued, CallResumed
from schemas.chats import ChatMessage, ChatStarted
from schemas.events import encode
from streams.board.exporter import Exporter
from streams.settings import Alarms, AlarmSettings, usual_alarms
from streams.worker.metrics import Metrics
from tests.board.rig import view_of
from tests.conftest import program
from tests.harness.exactness import wait_until
from tests.harness.prometheus import Prometheus
from tests.harness.traffic import START, calls

ROOT = Path(__file__).parents[2]
FILES = ROOT / "prometheus"
CASES = sorted((FILES / "tests").glob("*.yml"))
RULES = "".join(path.read_text() for path in sorted((FILES / "rules").glob("*.yml")))
ALERTS = re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)
RECORDED = re.findall(r"^ +- record: (\S+)$", RULES, re.MULTILINE)

KINDS = {
    "fires": ("fires", {True, False}),
    "healthy": (r"is silent|are counted", {False}),
    "no traffic": ("traffic|nobody waits|none are refused|(?:is|was) ready", {False}),
    "missing": ("missing|no board is known", {False}),
    "stale": ("stale", {True, False}),
    "boards": (r"(?:two|three) boards|(?:boards?|when there are).* (?:two|three)|adds the partitions", {True}),
}
"""What the names of cases of a kind have, and whether the alert fires or not (or both, one after the other) in them."""
NOT_OF = {
    ("ContactCenterAbandonmentUnusual", "boards"): "a week of two boards takes promtool too long",
    ("ContactCenterBoardDown", "no traffic"): "a board answers with or without",
    ("ContactCenterBoardDown", "missing"): "it fires then",
    ("ContactCenterBoardDown", "boards"): "it is about none of them",
    ("ContactCenterRestoreLoop", "boards"): "a worker's own",
    ("ContactCenterWorkerDown", "boards"): "a worker's own",
    ("ContactCenterWorkerDown", "no traffic"): "a worker answers with or without",
}
"""Kinds that make no sense for an alert, and why."""

pytestmark = pytest.mark.prometheus


def run(*command: str | Path) -> None:
    found = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_configuration_and_the_rules_are_valid(promtool):
    run(promtool, "check", "config", FILES / "prometheus.yml")


def test_the_routing_is_valid():
    run(program("amtool"), "check-config", FILES / "alertmanager.yml")


def test_critical_alerts_reach_who_is_on_call_and_others_do_not():
    route = [program("amtool"), "config", "routes", "test", f"--config.file={FILES / 'alertmanager.yml'}"]
    for severity, receiver in (("critical", "on-call"), ("warning", "supervisors"), ("info", "supervisors")):
        run(*route, f"--verify.receivers={receiver}", f"severity={severity}", "subject=callers")


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(promtool, cases):
    run(promtool, "test", "rules", cases)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_cases_of_every_kind(alert, kind):
    """A case says by its name what it is of; that about an alert begins with the alert's name, others are about all of a file."""
    name, fires = KINDS[kind]
    told = "".join(path.read_text() for path in CASES)
    found = set()
    for case in re.split(r"^  - name: ", told, flags=re.MULTILINE)[1:]:
        title, _, body = case.partition("\n")
        if re.search(name, title) and (alert in title or "ContactCenter" not in title):
            blocks = re.findall(rf"- alertname: {alert}\n +eval_time: \S+\n +exp_alerts:( \[\])?\n", body)
            found |= {not silent for silent in blocks}
    assert fires <= found or (alert, kind) in NOT_OF


def test_every_alert_has_a_page_of_its_own():
    page = (ROOT / "docs" / "alerting.md").read_text()
    assert re.findall(r"^### (ContactCenter\w+)$", page, re.MULTILINE) == ALERTS
    assert re.findall(r"runbook_url: docs/alerting.md#(\w+)$", RULES, re.MULTILINE) == [a.lower() for a in ALERTS]


def board() -> CollectorRegistry:
    """Return the series of a board: 400 calls, one with a hold, one that waits, an agent; an alarm on every KPI that has a rule."""
    held = {"contact_id": "held", "customer_id": "c"}
    events = [
        CallQueued(id="1", time=START + 300, queue="sales", **held),
        CallAnswered(id="2", time=START + 310, agent_id="agent-1", **held),
        CallHeld(id="3", time=START + 320, **held),
        CallResumed(id="4", time=START + 330, **held),
        CallEnded(id="5", time=START + 340, agent_id="agent-1", **held),
        CallQueued(id="6", time=START + 500, queue="sales", contact_id="waits", customer_id="c"),
        ChatStarted(id="8", time=START + 300, queue="web", contact_id="chat", customer_id="c"),
        ChatMessage(id="9", time=START + 360, author="agent", agent_id="agent-1", contact_id="chat", customer_id="c"),
        AgentStateChanged(id="7", time=START + 1, agent_id="agent-99", state="available"),
    ]
    sent = [*calls(400), *((b"c", encode(event)) for event in events)]
    view = view_of(sent)
    view.alarms = Alarms(
        defaults=usual_alarms()
        | {
            "hold_time": AlarmSettings(attention=1, action=2, minimum=1),
            "first_response_time": AlarmSettings(attention=1, action=2, minimum=1),
            "first_contact_resolution": AlarmSettings(attention=0.9, action=0.8),
        }
    )
    registry = CollectorRegistry()
    registry.register(Exporter(view))
    return registry


def worker() -> CollectorRegistry:
    """Return the series of a worker that trails, whose count grows at each scrape."""
    metrics = Metrics()
    metrics.ready.set(1)
    metrics.lag.labels("0").set(1000)
    metrics.events.labels("counted").inc(1)
    return metrics.registry


@pytest.fixture(scope="module")
def server(prometheus, tmp_path_factory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes both every second, its configuration otherwise ours."""
    folder = tmp_path_factory.mktemp("prometheus")
    served = [start_http_server(0, "127.0.0.1", registry) for registry in (board(), worker())]
    text = (FILES / "prometheus.yml").read_text().replace("rules/*.yml", f"{FILES}/rules/*.yml")
    for port, (http, _) in zip((8080, 8081), served, strict=True):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{http.server_port}")
    text = re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \d+s", r"\1: 1s", text)
    (folder / "prometheus.yml").write_text(text)
    with Prometheus(prometheus, folder / "prometheus.yml", folder) as started:
        yield started
    for http, thread in served:
        http.shutdown()
        http.server_close()
        thread.join()


def test_every_recording_rule_has_data_from_real_scrapes(server):
    """Of all that the rules record, nothing is empty: the names and labels are those of board and worker."""

    def missing() -> list[str]:
        return [name for name in RECORDED if not server.samples(name)]

    wait_until(lambda: not missing(), 90, "rules without data")
    assert len(RECORDED) == len(set(RECORDED))


def test_no_rule_fails(server):
    """None has many matches, or labels twice, on real series."""
    wait_until(
        lambda: len(server.samples("contact_center:worker_lag_seconds:ratio5m")) == 1, 90, "rules are not evaluated"
    )
    rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {*RECORDED, *ALERTS}
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def test_bounds_come_from_the_settings(server):
    """The target of sales is 0.9; fewer calls were answered in time, and the alert is on its way."""
    bound = (
        'queue_channel_kpi_level:contact_center_alarm_bound:max{queue="sales", kpi="service_level", level="attention"}'
    )
    wait_until(lambda: [value for _, value in server.samples(bound)] == [0.9], 90, "no bound of 0.9")
    wait_until(
        lambda: server.samples('ALERTS{alertname="ContactCenterServiceLevelLow", queue="sales"}'), 90, "no alert"
    )
