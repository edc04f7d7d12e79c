"""The panels of the dashboards in grafana/dashboards and their queries, with values for what a person chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = sorted((Path(__file__).parents[2] / "grafana" / "dashboards").glob("*/*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    """Return the panels of a file, rows among them."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return found


def queries(panel: Mapping[str, Any]) -> list[str]:
    """Return the expressions of a panel."""
    return [target["expr"] for target in panel.get("targets", ())]


def with_values(query: str, window: str = "30m", rate: str = "1m") -> str:
    """Return an expression as Grafana would send it, for all channels and queues."""
    chosen = {"$channel": ".*", "$queue": ".*", "$window": window, "$__rate_interval": rate}
    for variable, value in chosen.items():
        query = query.replace(variable, value)
    assert "$" not in query, query
    return query
