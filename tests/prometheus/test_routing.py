"""What a real Alertmanager does with prometheus/alertmanager.yml: how soon it pages, and what it keeps back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import program
from tests.harness.exactness import wait_until
from tests.harness.prometheus import Alertmanager, Webhook, webhook

pytestmark = pytest.mark.prometheus
OURS = Path(__file__).parents[2] / "prometheus" / "alertmanager.yml"
CALLERS = {"subject": "callers", "severity": "critical"}
STALLED = {"alertname": "ContactCenterPipelineStalled", "subject": "pipeline", "severity": "critical"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[tuple[Alertmanager, Webhook]]:
    """An Alertmanager with our routing as it is, and who receives its pages."""
    manager, folder = program("prometheus-alertmanager", "alertmanager"), tmp_path_factory.mktemp("routing")
    with webhook() as hook:
        (folder / "alertmanager.yml").write_text(OURS.read_text().replace("http://127.0.0.1:9099", hook.url))
        with Alertmanager(manager, folder / "alertmanager.yml", folder) as started:
            yield started, hook


def fire(manager: Alertmanager, *alerts: dict[str, str]) -> None:
    """Send alerts that have begun now, in one message as Prometheus sends those of a group."""
    told = [{"labels": labels, "startsAt": datetime.now(UTC).isoformat()} for labels in alerts]
    request = urllib.request.Request(
        f"{manager.url}/api/v2/alerts", json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def spike(queue: str) -> dict[str, str]:
    return {"alertname": "ContactCenterAbandonmentSpike", "queue": queue, "channel": "call", **CALLERS}


def test_a_spike_pages_after_a_second_unless_the_pipeline_stalls(stack):
    """Alone; in one message with what inhibits it, whichever is first there; and later. A second queue's page does not wait for the first's."""
    manager, hook = stack
    began = time.monotonic()
    fire(manager, spike("alone"), spike("other"))
    wait_until(lambda: hook.alerts("on-call", queue="alone") and hook.alerts("on-call", queue="other"), 8, "no page")
    assert 0.9 < time.monotonic() - began < 8, "a critical alert waits for a second, not for the ten of others"

    fire(manager, spike("before"), STALLED, spike("after"))
    wait_until(lambda: hook.alerts("on-call", alertname=STALLED["alertname"]), 8, "no page of the pipeline")
    fire(manager, spike("later"))
    time.sleep(2.5)
    assert [hook.alerts("on-call", queue=queue) for queue in ("before", "after", "later")] == [[], [], []]
