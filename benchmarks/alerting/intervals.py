"""The intervals at which the files of prometheus/ have boards scraped, rules evaluated and pages sent, in microseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from streams.engine.policy import SECOND

_FILES: Final = Path(__file__).parents[2] / "prometheus"


def duration(text: str) -> int:
    """Return a duration as Prometheus writes it, in microseconds.

    >>> duration("40s"), duration("5m")
    (40000000, 300000000)
    """
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]] * SECOND


def group_wait(severity: str) -> int:
    """Return how long an alert waits before it is sent: of the route of its severity, or of all.

    >>> group_wait("critical") < group_wait("warning")
    True
    """
    route = _read("alertmanager.yml")["route"]
    own: dict[str, str] = next((one for one in route["routes"] if one["matchers"] == [f'severity="{severity}"']), {})
    return duration((route | own)["group_wait"])


def _read(name: str) -> Any:
    return yaml.safe_load((_FILES / name).read_text(encoding="utf-8"))


_GLOBAL: Final = _read("prometheus.yml")["global"]
SCRAPE: Final = duration(_GLOBAL["scrape_interval"])
EVALUATION: Final = duration(_GLOBAL["evaluation_interval"])
LATER: Final = (SCRAPE // SECOND + 1) // 2 * SECOND
"""Rules are evaluated at other moments than boards are scraped: on average half an interval later, here whole seconds as promtool wants."""
