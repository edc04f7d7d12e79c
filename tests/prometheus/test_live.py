"""The whole way of a page: real Kafka, worker, board, Prometheus with our rules, Alertmanager, a receiver of webhooks.

    calls --> Kafka --> worker --> Kafka --> board --> Prometheus --> Alertmanager --> webhook
                                               '-> panels' queries

Rules are evaluated every second and figures scraped every three instead of every ten, and `for` of what callers go through is 2 s; expressions, bounds and labels are those of the files.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import pytest

from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import encode
from streams.kpis.registry import KPIS
from streams.simulate.center import demo_center
from streams.simulate.timed import SECOND, encoded
from streams.simulate.traffic import events
from tests.board.boards import BoardProcess
from tests.conftest import program
from tests.harness import records
from tests.harness.exactness import wait_until
from tests.harness.panels import FILES, panels, with_values
from tests.harness.prometheus import Alertmanager, Prometheus, Webhook, webhook
from tests.harness.workers import WorkerProcess
from tests.harness.written import written

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.timeout(240)]
OURS = Path(__file__).parents[2] / "prometheus"
RULES = "".join(path.read_text() for path in sorted((OURS / "rules").glob("*.yml")))
RECORDED = re.findall(r"^ +- record: (\S+)$", RULES, re.MULTILINE)
OF_LAST_WEEK = {"ContactCenterAbandonmentUnusual", "ContactCenterNoData"}
"""Alerts that compare with a week ago, of which this Prometheus knows nothing; so does the panel's query `last_week`."""
OUT_OF_ORDER = {"ContactCenterBoardDown", "ContactCenterBoardDisconnected", "ContactCenterPipelineStalled"}
OUT_OF_ORDER |= {"ContactCenterWorkerDown", "ContactCenterLag", "ContactCenterRestoreLoop", "ContactCenterNoAgents"}
"""Alerts that no traffic makes; promtool's cases and the faults' tests are about them."""
LEVELS = {"unbounded", "as_wanted", "attention", "action"}
HOUR = 3600.0
Sent = tuple[bytes, bytes]


def alarms() -> str:
    """Return settings in which every KPI that can be better or worse alarms soon; abandonment has its usual bounds."""
    zone = "UTC" if datetime.now(UTC).hour in range(1, 23) else "Etc/GMT-12"
    text = f'time_zone = "{zone}"\n[board]\nagents_in_metrics = true\n'  # a zone in which today neither began just now nor ends soon
    for kpi in KPIS:
        if kpi.better is None or kpi.unit == "money" or kpi.id == "abandonment_rate":
            continue
        of_target = kpi.id == "service_level"
        bounds = (0.19, 0.18) if of_target else (1.0, 0.99) if kpi.better == "higher" else (0.0, 0.1)
        text += f"[alarms.{kpi.id}]\nattention = {bounds[0]}\naction = {bounds[1]}\nminimum = 1\n"
    return text


def settled(now: float) -> Iterator[Sent]:
    """Yield three calls of one customer to `urgent`, ten days ago: two of them were not enough."""
    for number in range(3):
        at = now - 10 * 24 * HOUR + 300 * number
        same = {"contact_id": f"settled{number}", "customer_id": "settled"}
        yield b"settled", encode(CallQueued(id=f"settled{number}q", time=at, queue="urgent", **same))
        yield b"settled", encode(CallAnswered(id=f"settled{number}a", time=at + 5, agent_id="eva", **same))
        yield b"settled", encode(CallEnded(id=f"settled{number}e", time=at + 60, resolved=True, **same))


def of_the_last_hour(now: float) -> Iterator[Sent]:
    """Yield a busy center's events up to now, and one record that is none."""
    center = demo_center().steady().lasting(round((now - 1.2 * HOUR) * SECOND), None)
    until = round(now * SECOND)
    for sent in takewhile(lambda sent: sent.time_us < until, encoded(events(center, 5))):
        yield sent.key, sent.value


def call(name: str, now: float, ago: float, *, answered: bool) -> Iterator[Sent]:
    """Yield a call to `urgent` that entered so long ago, and was answered at once or given up after half a minute."""
    common = {"contact_id": name, "customer_id": name}
    yield name.encode(), encode(CallQueued(id=f"{name}q", time=now - ago, queue="urgent", **common))
    if answered:
        yield name.encode(), encode(CallAnswered(id=f"{name}a", time=now - ago + 2, agent_id="eva", **common))
        yield name.encode(), encode(CallEnded(id=f"{name}e", time=now - ago + 20, agent_id="eva", **common))
    else:
        yield name.encode(), encode(CallAbandoned(id=f"{name}b", time=now - ago + 30, **common))


def calls(kind: str, count: int, *, answered: bool) -> Iterator[Sent]:
    """Yield so many calls of the last minute and a half."""
    now = time.time()
    for number in range(count):
        yield from call(f"{kind}{number}", now, 90 - 50 * number / count, answered=answered)


def waiting() -> Iterator[Sent]:
    """Yield calls to `urgent` that nobody answers, of one customer, so that they are counted at once."""
    for number in range(8):
        name = {"contact_id": f"waits{number}", "customer_id": "waits"}
        yield b"waits", encode(CallQueued(id=f"waits{number}", time=time.time() - 5, queue="urgent", **name))


def files(folder: Path, worker: WorkerProcess, board: BoardProcess, hook: Webhook) -> None:
    """Write our files with the ports of this test and quicker."""
    shutil.copytree(OURS / "rules", folder / "rules")
    callers = folder / "rules" / "callers.yml"
    callers.write_text(re.sub(r"([ _]for:) \w+", r"\1 2s", callers.read_text()))
    text = re.sub(r"evaluation_interval: \d+s", "evaluation_interval: 1s", (OURS / "prometheus.yml").read_text())
    text = re.sub(r"scrape_(interval|timeout): \d+s", r"scrape_\1: 3s", text)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{board.port}").replace(
        "127.0.0.1:8081", f"127.0.0.1:{worker.port}"
    )
    (folder / "prometheus.yml").write_text(text)
    routes = re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", (OURS / "alertmanager.yml").read_text())
    (folder / "alertmanager.yml").write_text(routes.replace("http://127.0.0.1:9099", hook.url))


@pytest.fixture
def stack(kafka, topics, tmp_path, prometheus) -> Iterator[tuple[Prometheus, Webhook, BoardProcess]]:
    """Everything, started and scraped."""
    manager = program("prometheus-alertmanager", "alertmanager")
    config = tmp_path / "centralita.toml"
    config.write_text(alarms())
    settings = {"CENTRALITA_CONFIG": str(config)}
    with ExitStack() as started:
        hook = started.enter_context(webhook())
        worker = started.enter_context(WorkerProcess(kafka, topics.prefix, tmp_path, settings))
        board = started.enter_context(BoardProcess(kafka, topics.prefix, tmp_path, settings))
        files(tmp_path, worker, board, hook)
        alertmanager = started.enter_context(Alertmanager(manager, tmp_path / "alertmanager.yml", tmp_path))
        text = (tmp_path / "prometheus.yml").read_text().replace("127.0.0.1:9093", f"127.0.0.1:{alertmanager.port}")
        (tmp_path / "prometheus.yml").write_text(text)
        worker.ready()
        yield started.enter_context(Prometheus(prometheus, tmp_path / "prometheus.yml", tmp_path)), hook, board


def test_a_spike_pages_and_ends_and_every_rule_and_panel_has_data(stack, kafka, topics):
    server, hook, board = stack
    sent = 0

    def send(records_: Iterator[Sent]) -> None:
        nonlocal sent
        sent += records.send(kafka, topics.events, records_)
        wait_until(lambda: board.get("/api/v1/status")["counted"] == sent, 90, "not all is counted")

    spike = {"alertname": "ContactCenterAbandonmentSpike", "queue": "urgent"}
    ratio = 'queue_channel:contact_center_abandonment_ratio:max{queue="urgent"}'
    on_its_way = 'ALERTS{alertname="ContactCenterAbandonmentSpike", queue="urgent"}'
    send(settled(time.time()))
    send(of_the_last_hour(time.time()))
    send(written(time.time()))
    send(calls("well", 40, answered=True))
    wait_until(lambda: server.samples(ratio), 60, "no ratio")
    assert server.samples(on_its_way) == []
    assert hook.alerts("on-call", **spike) == []

    send(calls("lost", 20, answered=False))
    send(waiting())
    records.send(kafka, topics.events, [(b"k", b"no event")])
    wait_until(lambda: hook.alerts("on-call", **spike), 90, "no page")
    page = hook.alerts("on-call", **spike)[0]
    assert page["status"] == "firing"
    assert page["labels"] == {**spike, "channel": "call", "severity": "critical", "subject": "callers"}
    assert page["annotations"]["summary"] == "urgent: 38.46% of the callers give up or are about to"
    assert page["annotations"]["dashboard"] == "d/contact-center-queue?var-channel=call&var-queue=urgent"

    every_rule(server)
    every_panel(server)

    send(calls("again", 400, answered=True))
    wait_until(lambda: hook.alerts("on-call", **spike)[-1]["status"] == "resolved", 90, "not resolved")
    assert server.samples(on_its_way) == []


def settle(lacking: Callable[[], Collection[object]], seconds: float = 60) -> None:
    """Wait until nothing is lacking, or fail saying what is."""
    until = time.monotonic() + seconds
    found = lacking()
    while found and time.monotonic() < until:
        time.sleep(0.5)
        found = lacking()
    assert not found


def every_rule(server: Prometheus) -> None:
    """Check that all rules are evaluated, record something, and that the alerts find what they look for."""

    def missing() -> list[str]:
        return [name for name in RECORDED if not server.samples(name)]

    settle(missing)
    rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    expected = {rule["name"] for rule in rules if rule["type"] == "alerting"} - OF_LAST_WEEK - OUT_OF_ORDER

    def silent() -> set[str]:
        return expected - {labels["alertname"] for labels, _ in server.samples("ALERTS")}

    settle(silent)


def every_panel(server: Prometheus) -> None:
    """Check that all panels of all dashboards have data; of a figure's levels one."""

    def missing() -> list[tuple[str, str, str]]:
        found = []
        for path in FILES:
            for panel in panels(path):
                empty = {
                    target["refId"]: target["expr"]
                    for target in panel.get("targets", ())
                    if not server.samples(with_values(target["expr"], rate="30s"))
                }
                empty.pop("last_week", None)
                if empty.keys() < {target["refId"] for target in panel.get("targets", ())} == LEVELS:
                    continue
                found += [(path.stem, panel["title"], query) for query in empty.values()]
        return found

    settle(missing)
